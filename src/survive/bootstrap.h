/* Intervals by the bootstrap over chunks (Efron 1979): chunks are drawn again, tokens inside them stay together. */
#ifndef WT_SURVIVE_BOOTSTRAP_H
#define WT_SURVIVE_BOOTSTRAP_H

#include <stddef.h>

#include "base/error.h"
#include "base/rng.h"

/* A figure and its 95% interval. */
typedef struct wt_interval {
    double value, low, high;
} wt_interval;

/* The mean of x [n]. */
int wt_bootstrap_mean(const double *x, size_t n, uint64_t seed, wt_interval *out, wt_error *err);
/* mean(a) / mean(b) over the same chunks, a, b [n]; b's mean > 0. */
int wt_bootstrap_ratio(const double *a, const double *b, size_t n, uint64_t seed, wt_interval *out, wt_error *err);
/* mean(a - b). */
int wt_bootstrap_difference(const double *a, const double *b, size_t n, uint64_t seed, wt_interval *out, wt_error *err);

#endif
