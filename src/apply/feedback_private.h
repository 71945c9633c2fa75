/*
 * Between the factor (feedback_factor.c), the rounding (feedback.c; of codebooks' vectors feedback_vectors.c), scales fitted anew
 * (feedback_scales.c) and the products (feedback_kernels.c) of error feedback.
 *
 * The loss of a row's errors e = x - q is e G e, G the damped Gram matrix in the order of rounding. Two ways to look at it:
 *  first    G = P D P^T, P upper triangular with a diagonal of ones, D diagonal: the loss is the sum over columns j of
 *           D[j] (e[j] + s[j])^2, s[j] = sum over i < j of e[i] P[i][j]. So weight j is best rounded to what is nearest to x[j] + s[j],
 *           whatever comes later. This is GPTQ's recursion without its inverse.
 *  again    Every error but those of a unit is known. Then it is best off near x[j] + s[j] with the s[j] of all others, by the
 *           columns of G divided by their diagonal.
 * A unit is a column, or a vector of a codebook: 8 columns whose best values are x + s B^-1, and whose loss is (e + s B^-1) F
 * (e + s B^-1), B and F being the unit's own blocks of P or of G.
 */
#ifndef WT_APPLY_FEEDBACK_PRIVATE_H
#define WT_APPLY_FEEDBACK_PRIVATE_H

#include <math.h>

#include "apply/feedback.h"
#include "base/cpu.h"
#include "quant/codebook.h"
#include "quant/encode_kernels.h"

enum {
    WT_FEEDBACK_WIDE = 256,  /* columns of a group: a super-block */
    WT_FEEDBACK_NARROW = 32, /* of a piece of a group: a block of the legacy types, and what is updated at a time */
    WT_FEEDBACK_VECTOR = 8,  /* of a vector of a codebook; always whole in a piece */
    WT_FEEDBACK_LANES = 32,  /* rows that are rounded side by side */
    WT_FEEDBACK_SIDE = 8,    /* of a tile of the factor */
    WT_FEEDBACK_RUNS = WT_FEEDBACK_WIDE / 16
};

/* One of the two looks at a group; each [_, its columns]. */
typedef struct wt_feedback_look {
    const float *before;  /* [start, size] first: the rows of P for the groups before; again: [cols, size] of G, all */
    const float *own;     /* [size, size] the group's own rows of that */
    const float *vectors; /* [size, VECTOR] B^-1 of each vector */
    const float *forms;   /* [size, VECTOR] F of each vector */
} wt_feedback_look;

typedef struct wt_feedback_group {
    size_t start, size; /* positions start .. start + size - 1, the file's columns first .. first + size - 1 */
    size_t first;
    wt_feedback_look look[2]; /* first, again */
    const float *inverse;     /* [size, size] of the group's own P */
    const float *pieces;      /* [size, NARROW] of the P of each piece */
} wt_feedback_group;

struct wt_feedback {
    size_t cols, groups;
    uint32_t *order; /* [cols] the column at each position */
    wt_feedback_group *group;
    float *data; /* what the groups point to */
};

/* What is multiplied with instead of dividing by a scale: 0 where it is 0, or too small to divide by. */
static inline float wt_feedback_inverse(float scale) {
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    return isfinite(inverse) ? inverse : 0.0f;
}

/* The products: of rounding, for WT_FEEDBACK_LANES rows at a time, and of the factor, a tile at a time. */
typedef struct wt_feedback_kernels {
    /* s[j][lane] += sum over i < n, in order, of e[i][lane] * p[i * stride + j], j < width. */
    void (*accumulate)(const float *e, size_t n, const float *p, size_t stride, size_t width, float *s);
    /* sum [SIDE, SIDE] = sum over k < n, in order, of x[k][i] * y[k][j]; x, y [n, SIDE]. */
    void (*products)(const double *x, const double *y, size_t n, double *sum);
} wt_feedback_kernels;

const wt_feedback_kernels *wt_feedback_kernels_at(wt_cpu_level level);

extern const wt_feedback_kernels wt_feedback_kernels_avx2, wt_feedback_kernels_avx512;

/* What one thread works on: WT_FEEDBACK_LANES rows, and the group that is being rounded. Positions are the group's. */
typedef struct wt_feedback_tile {
    size_t row, lanes;        /* the first row, and how many there are */
    float *errors;            /* [cols, LANES] x - q, by position of the matrix */
    wt_codebook_block *books; /* [groups, LANES] of codebook types */
    float x[WT_FEEDBACK_WIDE][WT_FEEDBACK_LANES];
    float shift[WT_FEEDBACK_WIDE][WT_FEEDBACK_LANES];  /* s */
    float moved[WT_FEEDBACK_WIDE][WT_FEEDBACK_LANES];  /* where weights are best that are chosen together */
    float change[WT_FEEDBACK_WIDE][WT_FEEDBACK_LANES]; /* of the errors since `shift` was summed */
    wt_grid grid; /* of scalar codes; and the scales by run of the file's columns */
    size_t run;
    float scale[WT_FEEDBACK_RUNS][WT_FEEDBACK_LANES], inverse[WT_FEEDBACK_RUNS][WT_FEEDBACK_LANES];
    float min[WT_FEEDBACK_RUNS][WT_FEEDBACK_LANES];
    int8_t q[WT_FEEDBACK_LANES][WT_FEEDBACK_WIDE]; /* in the file's order */
} wt_feedback_tile;

/* What fitting the scales of a group's piece anew needs to know beside the tile. */
typedef struct wt_feedback_refit {
    const wt_feedback_kernels *kernels;
    const wt_feedback_group *group;
    const uint32_t *order;
    wt_type type;
    size_t size;                             /* positions of the piece */
    bool affine;                             /* runs have mins */
    size_t weights;                          /* of a block */
    wt_codebook_block *books;                /* [LANES] the group's, of codebook types; or NULL and */
    unsigned char *block[WT_FEEDBACK_LANES]; /* the block of the piece in each lane's row */
} wt_feedback_refit;

/*
 * Gives a run (counted in the group's columns) of the piece from position `at` on the scales and mins that lose least, in all lanes. What
 * the errors change by is added to them, to the piece's shifts and to change [size, LANES].
 */
void wt_feedback_refit_run(const wt_feedback_refit *r, wt_feedback_tile *t, size_t at, size_t run, float *change);

/*
 * Chooses the codes of the vector at positions at .. at + 7 of group g, whose best values are in `moved`; sets its errors e
 * [VECTOR, LANES]. `again`: the codes and errors that it has stay where no others lose less.
 */
void wt_feedback_round_vector(const wt_feedback *f, size_t g, const wt_feedback_look *look, bool again, size_t at,
                              wt_feedback_tile *t, float *e);

#endif
