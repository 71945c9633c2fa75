/* What a person sees of a run that goes on: one line on a terminal that is drawn again, or a line per generation elsewhere. */
#ifndef WT_CLI_EVOLVE_VIEW_H
#define WT_CLI_EVOLVE_VIEW_H

#include "survive/evolve.h"

typedef struct wt_evolve_view {
    double started; /* wt_clock() when this process began */
    double before;  /* seconds that earlier processes of the run took */
    double drawn;   /* when it was drawn last */
    uint64_t generation;
    bool terminal, quiet;
} wt_evolve_view;

void wt_evolve_view_init(wt_evolve_view *view, double seconds_before, bool quiet);
double wt_evolve_view_clock(void *view); /* as wt_evolve_calls wants it */
void wt_evolve_view_draw(void *view, const wt_evolve_status *status);
void wt_evolve_view_clear(wt_evolve_view *view);

#endif
