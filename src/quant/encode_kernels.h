/*
 * The inner loops of encoding, WT_LANES at a time: either candidates for one run of weights stand side by side, a candidate a lane, or
 * runs do, each with its own candidates. The sums of a lane go through the weights in order, and multiply and add are never fused,
 * so that every instruction set gives the same bits. All are made from one text, encode_kernels_body.h.
 */
#ifndef WT_QUANT_ENCODE_KERNELS_H
#define WT_QUANT_ENCODE_KERNELS_H

#include "quant/encode_private.h"

#define WT_LANES 16

/* Weights of the longest run that stands beside others. */
#define WT_MAX_RUN 32

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

/* More candidates than this per run are not looked at. */
#define WT_MAX_STEPS 240

/* Two sides of WT_MAX_STEPS candidates and one more, filled up to whole registers. */
#define WT_MAX_CANDIDATES (2 * WT_MAX_STEPS + 2 * WT_LANES)

/*
 * A run's values, and its candidates: top[i] is the code that the largest weight is put on. First the search's on the lowest code;
 * where the highest one is not the same over again, a quarter as many there, or as many as fill the registers; last a plain one.
 */
typedef struct wt_codes {
    wt_grid grid;
    size_t low, count; /* candidates on the lowest code, and all: a multiple of WT_LANES */
    size_t near, far;  /* of the low ones, near..far - 1 move the largest weight by less than a code: as ggml looks */
    float top[WT_MAX_CANDIDATES];
} wt_codes;

/*
 * Candidates for a run without a minimum: the value of weight i under candidate c is q = nearest(grid, x[i] * inverse[c]).
 * Arrays of WT_LANES * groups. Outputs: qx = sum w x q, qq = sum w q q.
 */
typedef struct wt_symmetric_lanes {
    const float *inverse, *scale;
    float *qx, *qq;
    float *error; /* sum w (x - scale q)^2; NULL (then scale may be too): not asked for */
} wt_symmetric_lanes;

/* Below this every scale rounds to a half of 0: runs of such weights are runs of nothing. */
#define WT_NOTHING 1e-12f

/* A gain that is no more than this better is rounding: of equals, the plain one and then the first is kept. */
#define WT_BETTER 1.000001f

/* WT_LANES runs without a minimum, and what their candidates gain: (sum w x q)^2 / sum w q q, with the scale refitted. */
typedef struct wt_scan_lanes {
    float max[WT_LANES];                  /* the weight of the largest magnitude, the first of them */
    float sum_w[WT_LANES];
    float qx[WT_LANES], qq[WT_LANES];     /* of the best; 0: nothing gains */
    float near_qx[WT_LANES], near_qq[WT_LANES]; /* of the best of the near ones and the plain one */
    float *fitted; /* [count][WT_LANES] the refitted scale of every candidate, or the plain one; NULL: not asked for */
} wt_scan_lanes;

/* The best of scales that were tried: the first of the smallest error. Starts with an error of infinity. */
typedef struct wt_best_lanes {
    float error[WT_LANES], scale[WT_LANES], index[WT_LANES], qx[WT_LANES], qq[WT_LANES];
    float *fitted; /* [count][WT_LANES] as above, may be the scales that are tried; NULL: not asked for */
} wt_best_lanes;

/*
 * WT_LANES runs that look for a scale and a minimum each: the inverse scales (hi + first + step * i) / (highest - lowest), i =
 * 0..steps - 1, one after another, each with codes counted from the lowest value as the best refit so far has it (a lane that
 * improves changes what follows). A minimum of ours is minus that lowest value.
 */
typedef struct wt_fit_lanes {
    float first[WT_LANES], step[WT_LANES];
    float floor[WT_LANES];                                        /* no lowest value above this (0), or infinity */
    float scale[WT_LANES], lowest[WT_LANES], error[WT_LANES];     /* the best */
    float qq[WT_LANES], sum_w[WT_LANES], sum_x[WT_LANES];         /* its sum w q q; sums of w and of w x */
    float least[WT_LANES], most[WT_LANES];                        /* of x */
} wt_fit_lanes;

/* The best of scales and minima that were tried, as wt_best_lanes. */
typedef struct wt_range_lanes {
    float error[WT_LANES], scale[WT_LANES], min[WT_LANES], index[WT_LANES], q[WT_LANES], qq[WT_LANES], qx[WT_LANES];
    /* [count][WT_LANES] of every candidate: sum w q, sum w q q, sum w q x; all NULL: not asked for */
    float *all_q, *all_qq, *all_qx;
} wt_range_lanes;

struct wt_encode_kernels {
    void (*symmetric)(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *lanes);

    /* lanes[i][lane] = x[lane % runs][i]: runs of n weights, 1..WT_LANES of them, side by side. */
    void (*spread)(const float *x, size_t runs, size_t n, float *lanes);

    /* In the following x and w are such lanes, [n][WT_LANES], n <= WT_MAX_RUN. */
    void (*scan)(const float *x, const float *w, size_t n, const wt_codes *codes, wt_scan_lanes *lanes);

    /* scales [count][WT_LANES]; `halves`: they are made halves first. */
    void (*try_scales)(const float *x, const float *w, size_t n, const wt_grid *grid, const float *scales, size_t count,
                       bool halves, wt_best_lanes *best);

    void (*fit)(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *lanes);

    /* q = clamp(round((x + min) / scale), 0, hi), the weight is scale q - min; scales and mins as above, >= 0. */
    void (*try_ranges)(const float *x, const float *w, size_t n, float hi, const float *scales, const float *mins,
                       size_t count, bool halves, wt_range_lanes *best);

    /* One run: q[i] = nearest(grid, (x[i] + min) * inverse), integers of a byte */
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
