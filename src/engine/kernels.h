/*
 * Element-wise and row kernels of the forward pass: everything but matrix products. A plain C reference, AVX2, AVX-512
 * and NEON variants behind one table for the level of base/cpu.h; WT_KERNELS in the environment lowers it. All variants
 * give the same bits (a NaN's payload aside): sums run in 16 fixed stripes, which are then added in a fixed tree,
 * nothing is contracted to a fused multiply-add, and exp, tanh are our own polynomials, within 1 and 1.5 units in the
 * last place; the test prints the worst. Pointers need a float's alignment only; rows may have any length below 2^31,
 * 0 included, and different arguments do not overlap unless it says so.
 */
#ifndef WT_ENGINE_KERNELS_H
#define WT_ENGINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct wt_kernels {
    const char *name; /* the level's: "reference", "avx2" */

    /* y[i] = x[i] / sqrt(mean(x²) + eps) * gain[i] (gain NULL: 1). The mean is summed in double. y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *gain, float eps, size_t n);

    /* y[i] += x[i] */
    void (*add)(float *y, const float *x, size_t n);

    /* out[i] = x[i] rounded to nearest even as the upper half of a float (bf16); a NaN becomes a quiet one */
    void (*to_bf16)(uint16_t *out, const float *x, size_t n);

    /* gate[i] = act(gate[i]) * up[i]: silu, and GELU by the tanh formula */
    void (*silu_mul)(float *gate, const float *up, size_t n);
    void (*gelu_mul)(float *gate, const float *up, size_t n);

    /* y[i] = cap * tanh(x[i] / cap); in place */
    void (*softcap)(float *x, float cap, size_t n);

    /*
     * In place: x[i] = exp(scale * (x[i] - max)) / sum over the first `n` of a row; entries n..padded-1 become 0.
     * scale is above 0. -Inf becomes 0, a row of nothing else becomes zeros; NaN or +Inf anywhere makes the whole row NaN.
     */
    void (*softmax)(float *x, float scale, size_t n, size_t padded);

    /* Rotates n/2 pairs by cos[i], sin[i]: pairs (2i, 2i+1), or halves (i, i + n/2). In place. */
    void (*rope_pairs)(float *x, const float *cos, const float *sin, size_t n);
    void (*rope_halves)(float *x, const float *cos, const float *sin, size_t n);

    /*
     * Largest element and, of ties, its first index (`index` may be NULL). NaN is never the largest; where nothing is
     * above -Inf, that and index 0.
     */
    float (*max)(const float *x, size_t n, size_t *index);

    /* sum of exp(x[i] - max): exp in float, the sum in double. -Inf adds 0, even where max is -Inf too. */
    double (*sum_exp)(const float *x, float max, size_t n);

    /*
     * sum of exp(p[i] - max_p) * ((double)p[i] - (double)q[i]), in double: the numerator of a divergence. Exactly 0
     * where q equals p. Where p[i] is -Inf, 0 is added whatever q[i] is.
     */
    double (*kl_sum)(const float *p, float max_p, const float *q, size_t n);
} wt_kernels;

/* The table for this processor. */
const wt_kernels *wt_kernels_get(void);

/* A variant by name, or NULL where this processor or build lacks it; for tests. */
const wt_kernels *wt_kernels_variant(const char *name);

#endif
