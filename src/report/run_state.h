/*
 * How far a run is, as its store tells: a search that goes on, a verdict that is being measured, a verdict that is there, or a run that was
 * stopped on the way. The rows of the verdict alone do not tell: they come one after another, humans first, and a run that goes on again still
 * has those of before.
 */
#ifndef WT_REPORT_RUN_STATE_H
#define WT_REPORT_RUN_STATE_H

#include <stdbool.h>

#include "measure/axis.h"
#include "store/store.h"

typedef enum wt_run_stage {
    WT_RUN_SEARCHING, /* strategies compete */
    WT_RUN_JUDGING,   /* the search has ended, its verdict is not complete */
    WT_RUN_JUDGED,    /* the verdict is complete */
    WT_RUN_STOPPED,   /* nobody works on it, and it has no complete verdict */
} wt_run_stage;

typedef struct wt_run_state {
    wt_run_stage stage;
    const wt_axis *axis; /* what races compare: the first of the rules' axes, or kld */
} wt_run_state;

/* `running`: a process works on it. -1 and an error where the store cannot be read. */
int wt_run_state_read(wt_run_state *state, wt_run_store *store, bool running, wt_error *err);

/* searching, judging, judged, stopped */
const char *wt_run_stage_name(wt_run_stage stage);

/* A generation's `best`, which is what races compare (less is better), as a value of the axis in its unit. NaN stays NaN. */
double wt_run_state_best(const wt_run_state *state, double best);

#endif
