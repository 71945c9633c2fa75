#include "survive/bootstrap.h"

#include <stdlib.h>

#include "base/memory.h"

enum { DRAWS = 10000 };

typedef enum figure { MEAN, RATIO, DIFFERENCE } figure;

static double figure_of(figure f, double a, double b) { return f == MEAN ? a : f == RATIO ? a / b : a - b; }

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* b may be NULL where f is MEAN. */
static int bootstrap(figure f, const double *a, const double *b, size_t n, uint64_t seed, wt_interval *out, wt_error *err) {
    double *draws = wt_calloc(DRAWS, sizeof *draws, err), sum_a = 0, sum_b = 0;
    wt_rng rng;
    if (!draws) return -1;
    wt_rng_init(&rng, seed, n, (uint64_t)f);
    for (size_t i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b ? b[i] : 0;
    }
    out->value = figure_of(f, sum_a / (double)n, sum_b / (double)n);
    for (size_t d = 0; d < DRAWS; d++) {
        sum_a = sum_b = 0;
        for (size_t i = 0; i < n; i++) {
            const size_t k = wt_rng_below(&rng, n);
            sum_a += a[k];
            sum_b += b ? b[k] : 0;
        }
        draws[d] = figure_of(f, sum_a / (double)n, sum_b / (double)n);
    }
    qsort(draws, DRAWS, sizeof *draws, ascending);
    out->low = draws[DRAWS / 40];
    out->high = draws[DRAWS - 1 - DRAWS / 40];
    free(draws);
    return 0;
}

int wt_bootstrap_mean(const double *x, size_t n, uint64_t seed, wt_interval *out, wt_error *err) {
    return bootstrap(MEAN, x, NULL, n, seed, out, err);
}

int wt_bootstrap_ratio(const double *a, const double *b, size_t n, uint64_t seed, wt_interval *out, wt_error *err) {
    return bootstrap(RATIO, a, b, n, seed, out, err);
}

int wt_bootstrap_difference(const double *a, const double *b, size_t n, uint64_t seed, wt_interval *out, wt_error *err) {
    return bootstrap(DIFFERENCE, a, b, n, seed, out, err);
}
