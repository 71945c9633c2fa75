/* A weighted sum over the axes, each in shares of its median, so that units do not decide; constraints first. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "survive/selection.h"

typedef struct scored {
    size_t index;
    double violation, score;
} scored;

static int best_first(const void *pa, const void *pb) {
    const scored *a = pa, *b = pb;
    if (a->violation != b->violation) return a->violation < b->violation ? -1 : 1;
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int wt_select_score(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err) {
    (void)rng;
    scored *all = wt_calloc(s->count + 1, sizeof *all, err);
    double *column = wt_calloc(s->count + 1, sizeof *column, err);
    const int rc = all && column ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < s->count; i++) all[i] = (scored){i, s->violation[i], 0};
    for (size_t k = 0; rc == 0 && k < s->axes; k++) {
        for (size_t i = 0; i < s->count; i++) column[i] = fabs(s->values[i * s->axes + k]);
        qsort(column, s->count, sizeof *column, ascending);
        const double unit = column[s->count / 2] > 0 ? column[s->count / 2] : 1;
        for (size_t i = 0; i < s->count; i++) all[i].score += s->weights[k] * s->values[i * s->axes + k] / unit;
    }
    if (rc == 0) {
        qsort(all, s->count, sizeof *all, best_first);
        for (size_t i = 0; i < keep; i++) chosen[i] = all[i].index;
    }
    free(all);
    free(column);
    return rc;
}

wt_select_fn wt_selection_of(wt_selection selection) {
    static const wt_select_fn WAYS[] = {[WT_SELECT_PARETO] = wt_select_pareto,
                                        [WT_SELECT_LEXICASE] = wt_select_lexicase,
                                        [WT_SELECT_SCORE] = wt_select_score};
    return WAYS[selection];
}
