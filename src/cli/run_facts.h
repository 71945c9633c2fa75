/* What a run says of itself, for `runs` and `show`: from its store alone. */
#ifndef WT_CLI_RUN_FACTS_H
#define WT_CLI_RUN_FACTS_H

#include <stdbool.h>

#include "store/store.h"

/* Texts are made harmless for a terminal. */
typedef struct wt_run_facts {
    char model[256], text[256], version[32], ended[96], seed[32];
    bool running;
    uint64_t size; /* what a survivor's file may have, bytes; 0: the rules do not say */
    uint64_t generations, evaluations, tokens;
    double seconds, best;                  /* best: of the population on the search part; NaN: none yet */
    size_t survivors, humans, rejected;    /* of the verdict */
    double survivor, human;                /* the least mean divergence on holdout; NaN: none */
    char survivor_name[16], human_label[48];
} wt_run_facts;

int wt_run_facts_read(wt_run_facts *facts, wt_run_store *store, const char *folder, wt_error *err);

/* "running", how it ended, or "stopped". */
const char *wt_run_facts_state(const wt_run_facts *facts);

#endif
