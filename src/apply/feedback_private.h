/* Between the factor (feedback_factor.c), the rounding (feedback.c) and the products (feedback_kernels.c) of error feedback. */
#ifndef WT_APPLY_FEEDBACK_PRIVATE_H
#define WT_APPLY_FEEDBACK_PRIVATE_H

#include "apply/feedback.h"
#include "base/cpu.h"

enum {
    WT_FEEDBACK_WIDE = 256,  /* columns of a group: a super-block */
    WT_FEEDBACK_NARROW = 32, /* of a piece of a group: a block of the legacy types, and what is updated at a time */
    WT_FEEDBACK_VECTOR = 8,  /* of a vector of a codebook; always whole in a piece */
    WT_FEEDBACK_LANES = 32   /* rows that are rounded side by side */
};

/*
 * With the damped Gram matrix G = P D P^T in the order of rounding (P upper triangular with a diagonal of ones, D diagonal), the
 * loss of errors e is the sum over columns j of D[j] (e[j] + s[j])^2, where s[j] = sum over i < j of e[i] P[i][j]: so weight
 * j is best rounded to what is nearest to x[j] + s[j], whatever comes later, and a group is best off near x + s P^-1, P being the
 * group's own. This is GPTQ's recursion without its inverse.
 */
typedef struct wt_feedback_group {
    size_t start, size;    /* positions start .. start + size - 1, the file's columns first .. first + size - 1 */
    size_t first;
    const float *panel;    /* [start + size, size] of P: rows for the groups before, then the group's own */
    const float *inverse;  /* [size, size] of the group's own P */
    const float *pieces;   /* [size, NARROW]: of the P of each piece */
    const float *vectors;  /* [size, VECTOR] */
} wt_feedback_group;

struct wt_feedback {
    size_t cols, groups;
    uint32_t *order; /* [cols] the column at each position */
    float *weight;   /* [cols] D */
    wt_feedback_group *group;
    float *data; /* what the groups point to */
};

/* The products, for WT_FEEDBACK_LANES rows at a time. */
typedef struct wt_feedback_kernels {
    /* s[j][lane] += sum over i < n, in order, of e[i][lane] * p[i * stride + j], j < width. */
    void (*accumulate)(const float *e, size_t n, const float *p, size_t stride, size_t width, float *s);
} wt_feedback_kernels;

const wt_feedback_kernels *wt_feedback_kernels_at(wt_cpu_level level);

extern const wt_feedback_kernels wt_feedback_kernels_avx2, wt_feedback_kernels_avx512;

#endif
