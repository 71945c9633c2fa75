/* The fast Walsh-Hadamard transform along rows and down columns; see hadamard.h. */
#include "apply/hadamard.h"

#include <math.h>

size_t wt_hadamard_block(size_t n) { return n & -n; }

void wt_hadamard_signs(wt_rng *rng, float *signs, size_t n) {
    for (size_t i = 0; i < n; i++) signs[i] = wt_rng_next(rng) >> 63 ? -1.0f : 1.0f;
}

/* The root is taken in double and rounded once, so that blocks of 4, 16, 64 ... are scaled exactly. */
static double scale_of(const wt_rotation *r) { return 1.0 / sqrt((double)r->block); }

/* Both precisions are the same steps. */
#define DEFINE_APPLY(name, real)                                                                                       \
    static void name(const wt_rotation *r, real *x) {                                                                  \
        const real scale = (real)scale_of(r);                                                                          \
        for (size_t i = 0; i < r->n; i++) x[i] *= (real)r->signs[i] * scale;                                           \
        for (size_t half = 1; half < r->block; half *= 2) {                                                            \
            for (size_t at = 0; at < r->n; at += 2 * half) {                                                           \
                real *restrict a = x + at, *restrict b = a + half;                                                     \
                for (size_t i = 0; i < half; i++) {                                                                    \
                    const real sum = a[i] + b[i], difference = a[i] - b[i];                                            \
                    a[i] = sum;                                                                                        \
                    b[i] = difference;                                                                                 \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
DEFINE_APPLY(apply_float, float)
DEFINE_APPLY(apply_double, double)

void wt_hadamard_apply(const wt_rotation *r, float *x) {
    if (r->signs) apply_float(r, x);
}

void wt_hadamard_apply_double(const wt_rotation *r, double *x) {
    if (r->signs) apply_double(r, x);
}

void wt_hadamard_apply_down(const wt_rotation *r, float *x, size_t stride, size_t from, size_t to) {
    if (!r->signs) return;
    const float scale = (float)scale_of(r);
    for (size_t i = 0; i < r->n; i++) {
        const float factor = r->signs[i] * scale;
        for (size_t c = from; c < to; c++) x[i * stride + c] *= factor;
    }
    for (size_t half = 1; half < r->block; half *= 2) {
        for (size_t i = 0; i < r->n; i++) {
            if (i & half) continue; /* the upper of its pair: done with the lower */
            float *restrict a = x + i * stride, *restrict b = a + half * stride;
            for (size_t c = from; c < to; c++) {
                const float sum = a[c] + b[c], difference = a[c] - b[c];
                a[c] = sum;
                b[c] = difference;
            }
        }
    }
}
