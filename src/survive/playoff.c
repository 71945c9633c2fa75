#include "survive/playoff.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

/* The mean of both parts; infinite where the strategy breaks down. */
static int find_value(wt_contest *c, wt_individual *i, wt_chunk_score *scores, double *value, wt_error *err) {
    wt_error own = {0};
    const size_t chunks = c->playoff_chunks->count;
    const int rc = wt_contest_play_off(c, i, scores, &own);
    wt_contest_rest(i);
    *value = INFINITY;
    if (rc < 0 && err) *err = own;
    if (rc != 0) return rc < 0 ? -1 : 0;
    const wt_axis *axis = wt_individual_axis(c);
    double sum = wt_individual_value(c, i) * (double)i->measured;
    for (size_t k = 0; k < chunks; k++) sum += axis->of_chunk(&scores[k]);
    *value = sum / (double)(i->measured + chunks);
    return 0;
}

static int note_tokens(wt_contest *c, size_t individuals, wt_error *err) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64,
             (uint64_t)individuals * c->playoff_chunks->count * c->playoff_chunks->context);
    return wt_store_set(c->store, "playoff_tokens", text, err);
}

int wt_play_off(wt_contest *c, wt_evolution *e, wt_error *err) {
    const size_t n = e->population_count;
    if (!c->playoff_chunks || c->playoff_chunks->count == 0 || n < 2)
        return wt_store_set(c->store, "playoff_tokens", "0", err);
    wt_chunk_score *scores = wt_calloc(c->playoff_chunks->count, sizeof *scores, err);
    double *values = wt_calloc(n, sizeof *values, err);
    int rc = scores && values ? 0 : -1;
    for (size_t k = 0; rc == 0 && k < n; k++) {
        wt_individual *const i = e->population[k];
        double value;
        rc = wt_progress_report(c->progress, "play-off", (double)k, (double)n, "individuals", err);
        if (rc != 0 || (rc = find_value(c, i, scores, &value, err)) != 0) break;
        size_t at = k; /* those before are in order already */
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
            e->population[at] = e->population[at - 1];
        }
        values[at] = value;
        e->population[at] = i;
    }
    free(scores);
    free(values);
    return rc == 0 ? note_tokens(c, n, err) : -1;
}
