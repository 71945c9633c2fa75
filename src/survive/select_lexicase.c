/*
 * Epsilon-lexicase selection (La Cava et al. 2016): cases (chunks of the text) in a random order; of those still in, who is within the
 * median absolute deviation of the best on the case goes on. Specialists stay that an average would bury.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "survive/selection.h"

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *x, size_t n) {
    qsort(x, n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Keeps in pool [*left] those near the best of the case. `scratch` [count]. */
static void narrow(const wt_standings *s, size_t c, size_t *pool, size_t *left, double *scratch) {
    size_t n = 0, out = 0;
    double best = INFINITY;
    for (size_t i = 0; i < *left; i++) {
        double v = s->per_case[pool[i] * s->cases + c];
        if (isnan(v)) continue;
        scratch[n++] = v;
        best = v < best ? v : best;
    }
    if (n == 0) return; /* nobody was measured there */
    const double middle = median(scratch, n);
    for (size_t i = 0; i < n; i++) scratch[i] = fabs(scratch[i] - middle);
    const double limit = best + median(scratch, n);
    for (size_t i = 0; i < *left; i++)
        if (s->per_case[pool[i] * s->cases + c] <= limit) pool[out++] = pool[i];
    *left = out;
}

/* One winner among those that are not chosen yet and break constraints least. */
static size_t choose(const wt_standings *s, const bool *taken, wt_rng *rng, size_t *pool, size_t *order, double *scratch) {
    double least = INFINITY;
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!taken[i] && s->violation[i] < least) least = s->violation[i];
    for (size_t i = 0; i < s->count; i++)
        if (!taken[i] && s->violation[i] == least) pool[left++] = i;
    for (size_t c = 0; c < s->cases; c++) order[c] = c;
    for (size_t c = 0; c < s->cases && left > 1; c++) {
        size_t at = c + wt_rng_below(rng, s->cases - c), swap = order[c];
        order[c] = order[at];
        order[at] = swap;
        narrow(s, order[c], pool, &left, scratch);
    }
    return pool[left > 1 ? wt_rng_below(rng, left) : 0];
}

int wt_select_lexicase(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err) {
    bool *taken = wt_calloc(s->count + 1, sizeof *taken, err);
    size_t *pool = wt_calloc(s->count + 1, sizeof *pool, err), *order = wt_calloc(s->cases + 1, sizeof *order, err);
    double *scratch = wt_calloc(s->count + 1, sizeof *scratch, err);
    const int rc = taken && pool && order && scratch ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < keep; i++) {
        chosen[i] = choose(s, taken, rng, pool, order, scratch);
        taken[chosen[i]] = true;
    }
    free(taken);
    free(pool);
    free(order);
    free(scratch);
    return rc;
}
