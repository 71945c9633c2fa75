/*
 * The inner loops of encoding. Each looks at one run of weights under WT_LANES candidates at a time, a candidate a lane: the sums of
 * a lane go through the weights in order, so that a variant for vectors adds what the plain loop adds, in the same order, and
 * gives the same bits. Multiply and add are never fused.
 */
#ifndef WT_QUANT_ENCODE_KERNELS_H
#define WT_QUANT_ENCODE_KERNELS_H

#include "quant/encode_private.h"

#define WT_LANES 16

/* Adding and subtracting this rounds |y| < 2^22 to the nearest integer, ties to even. */
#define WT_ROUNDER 12582912.0f

/* Cells that a table of values is looked up by: no cell holds more than one of the points between neighbouring values. */
#define WT_CELLS 32

/*
 * The values a weight may take, divided by the scale: integers lo..hi (cells NULL), or values in ascending order from lo to
 * hi. In cell c = min(WT_CELLS - 1, (int)((y - lo) * per_unit)) the nearest value to y is below[c], or above[c] where
 * y > split[c].
 */
typedef struct wt_cells {
    float per_unit, split[WT_CELLS], below[WT_CELLS], above[WT_CELLS];
} wt_cells;

typedef struct wt_grid {
    float lo, hi;
    const wt_cells *cells;
} wt_grid;

/*
 * Candidates for a run without a minimum: the value of weight i under candidate c is q = nearest(grid, x[i] * inverse[c]).
 * Arrays of WT_LANES * groups. Outputs: qx = sum w x q, qq = sum w q q.
 */
typedef struct wt_symmetric_lanes {
    const float *inverse, *scale;
    float *qx, *qq;
    float *error; /* sum w (x - scale q)^2; NULL (then scale may be too): not asked for */
} wt_symmetric_lanes;

/*
 * The same with a minimum: q = clamp(round((x[i] + min[c]) * inverse[c]), 0, hi), the weight is scale q - min. Outputs: q = sum w q,
 * qq = sum w q q, qx = sum w q x.
 */
typedef struct wt_affine_lanes {
    const float *inverse, *scale, *min;
    float *q, *qq, *qx;
    float *error;
} wt_affine_lanes;

/*
 * WT_LANES runs side by side, each looking for its own scale and minimum, x and w [n][WT_LANES], n <= WT_MAX_RUN: the inverse scales
 * (hi + first + step * i) / (highest - lowest), i = 0..steps - 1, one after another, each with codes counted from the lowest value
 * as the best refit so far has it (a lane that improves changes what follows). A minimum of ours is minus that lowest value.
 */
typedef struct wt_fit_lanes {
    float first[WT_LANES], step[WT_LANES];
    float floor[WT_LANES];                                        /* no lowest value above this (0), or infinity */
    float scale[WT_LANES], lowest[WT_LANES], error[WT_LANES];     /* the best */
    float qq[WT_LANES], sum_w[WT_LANES], sum_x[WT_LANES];         /* its sum w q q; sums of w and of w x */
    float least[WT_LANES], most[WT_LANES];                        /* of x */
} wt_fit_lanes;

#define WT_MAX_RUN 32

struct wt_encode_kernels {
    void (*symmetric)(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *lanes);
    void (*affine)(const float *x, const float *w, size_t n, float hi, size_t groups, const wt_affine_lanes *lanes);
    void (*fit)(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *lanes);
    /* q[i] = nearest(grid, (x[i] + min) * inverse), integers of a byte */
    void (*assign)(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q);
};

const wt_encode_kernels *wt_encode_kernels_at(wt_cpu_level level);

/* The nearest value of a grid, as every kernel finds it. */
static inline float wt_grid_nearest(const wt_grid *g, float y) {
    y = y > g->lo ? y : g->lo;
    y = y < g->hi ? y : g->hi;
    if (!g->cells) return (y + WT_ROUNDER) - WT_ROUNDER;
    int c = (int)((y - g->lo) * g->cells->per_unit);
    c = c < WT_CELLS - 1 ? c : WT_CELLS - 1;
    return y > g->cells->split[c] ? g->cells->above[c] : g->cells->below[c];
}

extern const wt_encode_kernels wt_encode_kernels_avx2, wt_encode_kernels_avx512;

#endif
