#include "report/run_state.h"

#include <stdlib.h>
#include <string.h>

#include "survive/rules.h"

/* 1 where the key is there and says something, 0 where not, -1 on failure. */
static int says(wt_run_store *store, const char *key, wt_error *err) {
    char *value = NULL;
    const int found = wt_store_get(store, key, &value, err);
    const bool something = found == 1 && value[0];
    free(value);
    return found < 0 ? -1 : something;
}

/* Rules that this program does not understand compare what most do. */
static const wt_axis *first_axis(wt_run_store *store) {
    char *text = NULL;
    wt_rules rules;
    const wt_axis *axis = NULL;
    if (wt_store_get(store, "rules", &text, NULL) == 1 && wt_rules_parse(&rules, text, strlen(text), "rules", NULL) == 0) {
        if (rules.axis_count) axis = wt_axis_find(rules.axes[0].axis);
        wt_rules_release(&rules);
    }
    free(text);
    return axis && axis->of_chunk ? axis : wt_axis_find("kld");
}

int wt_run_state_read(wt_run_state *state, wt_run_store *store, bool running, wt_error *err) {
    /* Why the search ended is written before its verdict, the noise floor behind the verdict's last row; a run that goes on again loses both. */
    const int ended = says(store, "ended", err), noise = ended < 0 ? -1 : says(store, "noise", err);
    if (noise < 0) return -1;
    *state = (wt_run_state){
        .stage = ended && noise ? WT_RUN_JUDGED : !running ? WT_RUN_STOPPED : ended ? WT_RUN_JUDGING : WT_RUN_SEARCHING,
        .axis = first_axis(store),
    };
    return 0;
}

const char *wt_run_stage_name(wt_run_stage stage) {
    static const char *const NAMES[] = {"searching", "judging", "judged", "stopped"};
    return NAMES[stage];
}

double wt_run_state_best(const wt_run_state *state, double best) { return state->axis->of_mean(best); }
