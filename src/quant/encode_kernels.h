/*
 * The inner loops of encoding, WT_LANES at a time: either candidates for one run of weights stand side by side, a candidate a lane, or
 * runs do, each with its own candidates. The sums of a lane go through the weights in order, and multiply and add are never fused,
 * so that every instruction set gives the same bits. All are made from one text, encode_kernels_body.h.
 */
#ifndef WT_QUANT_ENCODE_KERNELS_H
#define WT_QUANT_ENCODE_KERNELS_H

#include "quant/encode_private.h"

#define WT_LANES 16

/* Beyond this no format reaches, and squares would overflow. */
#define WT_LARGEST 1e9f

/* Weights of the longest run that stands beside others. */
#define WT_MAX_RUN 32

/* Adding and subtracting this rounds |y| < 2^22 to the nearest integer, ties to even. */
#define WT_ROUNDER 12582912.0f

/* Cells that a table of values is looked up by: no cell holds more than one of the points between neighbouring values. */
#define WT_CELLS 32

/*
 * The values a weight may take, divided by the scale, from lo < hi: integers (WT_INTEGERS), the doubled values of a float of four bits
 * (WT_FP4: 0 1 2 3 4 6 8 12 and their negatives), or a table's (WT_TABLE). In cell c = min(WT_CELLS - 1, (int)((y - lo) *
 * per_unit)) of a table the nearest value to y is below[c], or above[c] where y > split[c].
 */
typedef struct wt_cells {
    float per_unit, split[WT_CELLS], below[WT_CELLS], above[WT_CELLS];
} wt_cells;

typedef enum wt_grid_kind { WT_INTEGERS, WT_FP4, WT_TABLE } wt_grid_kind;

typedef struct wt_grid {
    float lo, hi;
    const wt_cells *cells; /* of a table, else NULL */
    wt_grid_kind kind;
} wt_grid;

/* More candidates than this per run are not looked at. */
#define WT_MAX_STEPS 240

/* Two sides of WT_MAX_STEPS candidates and one more, filled up to whole registers. */
#define WT_MAX_CANDIDATES (2 * WT_MAX_STEPS + 2 * WT_LANES)

/*
 * A run's values, and its candidates: top[i] is the code that the largest weight is put on. First the search's on the lowest code;
 * where the highest one is not the same over again, a quarter as many there, but at least 8; last a plain one.
 */
typedef struct wt_codes {
    wt_grid grid;
    size_t low, count; /* candidates on the lowest code, and all */
    size_t near, far;  /* of the low ones, near..far - 1 move the largest weight by less than a code: as ggml looks */
    size_t filled;     /* a multiple of WT_LANES; from `count` on they are the plain one over again */
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

/* One number a run, WT_LANES runs. */
typedef float wt_lanes[WT_LANES];

/* Runs without a minimum, and what their candidates gain: (sum w x q)^2 / sum w q q, with the scale refitted. */
typedef struct wt_scan_lanes {
    wt_lanes max, sum_w;       /* the weight of the largest magnitude, the first of them; the sum of w */
    wt_lanes qx, qq;           /* of the best; 0: nothing gains */
    wt_lanes near_qx, near_qq; /* of the one that ggml takes, of the near ones and the plain one */
    wt_lanes *fitted; /* [count] the refitted scale of every candidate, or the plain one; NULL: not asked for */
} wt_scan_lanes;

/* The best of scales that were tried, the first of the smallest error. */
typedef struct wt_best_lanes {
    wt_lanes error, scale; /* error starts at infinity, or at what is to be improved on */
    wt_lanes *fitted;      /* [count] as above, may be the scales that are tried; NULL: not asked for */
} wt_best_lanes;

/* Runs whose scale is a code times d. */
typedef struct wt_code_lanes {
    wt_lanes d, code; /* code: the one in the middle, then the best */
    wt_lanes error, qx, qq;
} wt_code_lanes;

/* Codes of numbers: see `descend`. */
typedef struct wt_descent_lanes {
    const wt_lanes *x, *w; /* [n] */
    wt_lanes inverse; /* where to start: codes are round(x * inverse) */
    wt_lanes qx, qq;  /* of the codes that were found */
    wt_lanes *q;      /* [n] these; NULL: not asked for */
} wt_descent_lanes;

/*
 * Runs that look for a scale and a minimum each: the inverse scales (hi + first + step * i) / (highest - lowest), i =
 * 0..steps - 1, one after another, each with codes counted from the lowest value as the best refit so far has it (a lane that
 * improves changes what follows). A minimum of ours is minus that lowest value.
 */
typedef struct wt_fit_lanes {
    float first, step;
    int steps;
    bool absolute;                 /* the error is of magnitudes, not of squares: one of ggml's ways */
    float floor;                   /* no lowest value above this (0), or infinity */
    wt_lanes scale, lowest, error; /* the best */
    wt_lanes qq, sum_w, sum_x;     /* its sum w q q; sums of w and of w x */
    wt_lanes least, most;          /* of x */
} wt_fit_lanes;

/* The best of scales and minima that were tried, as wt_best_lanes. */
typedef struct wt_range_lanes {
    wt_lanes error, scale, min;
    wt_lanes *q, *qq, *qx; /* [count] of every candidate: sum w q, sum w q q, sum w q x */
} wt_range_lanes;

/* Runs whose scale and minimum are codes times d and dmin, as wt_code_lanes. */
typedef struct wt_pair_lanes {
    wt_lanes d, dmin, scale, min, error, q, qq, qx;
} wt_pair_lanes;

/* The choice for blocks whose weights count alike: the bits of scales and lowest values; codes are of (x + min) * inverse. */
typedef struct wt_even_lanes {
    uint16_t d[WT_LANES], m[WT_LANES];
    wt_lanes inverse, min;
} wt_even_lanes;

/*
 * In what follows x and w are lanes, lanes[i][lane] = x[lane % runs][i]: runs of n <= WT_MAX_RUN weights, 1..WT_LANES of them, side
 * by side; or, up to `symmetric` and for `assign`, n consecutive weights, n a multiple of WT_LANES (for symmetric: any).
 */
struct wt_encode_kernels {
    /* x kept within -limit..limit, and w * by, where WT_LANES of them that are all 0 become `little`. */
    void (*prepare)(const float *x, size_t n, float limit, float *out);
    void (*prepare_importance)(const float *w, size_t n, float by, float little, float *out);
    float (*largest)(const float *w, size_t n); /* of 0 and w */
    bool (*alike)(const float *w, size_t n);    /* all the same */

    /* The largest magnitude, and the weight that has it, the first of them. */
    float (*magnitude)(const float *x, size_t n);
    float (*extreme)(const float *x, size_t n);

    /* Of WT_LANES * groups scales the first of the least error; n is even. */
    int (*least)(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups, const float *inverse,
                 const float *scale);
    /* The same of the WT_LANES halves from the one with the bits `first` on. */
    int (*least_half)(const float *x, const float *w, size_t n, const wt_grid *grid, int first);

    void (*symmetric)(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *lanes);

    /*
     * The scale that takes most from the error, of those that each candidate's codes would have (times `bias`); max: the weight
     * of the largest magnitude, not 0; n is even. Where nothing takes any: max on the grid's lowest code.
     */
    float (*closed_form)(const float *x, const float *w, size_t n, const wt_codes *codes, float max, float bias);

    void (*spread)(const float *x, size_t runs, size_t n, wt_lanes *lanes);

    void (*scan)(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_codes *codes, wt_scan_lanes *l);

    /* `scales` [count] are made halves first. */
    void (*try_scales)(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *grid, const wt_lanes *scales,
                       size_t count, wt_best_lanes *best);

    /* The codes up to `reach` away from a lane's are tried, within lo..hi. */
    void (*try_codes)(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *grid, float lo, float hi,
                      int reach, wt_code_lanes *l);

    /*
     * Integer codes lo..hi are moved one at a time while that helps, each against the scale that the others would have, in 5
     * rounds at most. It is ggml's way for Q3_K (make_q3_quants), and `best_start` with it for scales of scales
     * (make_qp_quants): where x >= 0, it takes the inverse scale to start from. l [sets], 1 or 2 sets of lanes with x, w and, but for
     * best_start, inverse given: each move waits for its set's last one, so that two sets take little longer than one.
     */
    void (*best_start)(size_t n, float hi, wt_descent_lanes *l);
    void (*descend)(size_t sets, size_t n, float lo, float hi, wt_descent_lanes *l);

    void (*fit)(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, wt_fit_lanes *l);

    /* q = clamp(round((x + min) / scale), 0, hi), the weight is scale q - min; scales and mins are made halves first. */
    void (*try_ranges)(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, const wt_lanes *scales,
                       const wt_lanes *mins, size_t count, wt_range_lanes *best);

    /* The pairs of codes in 0..code_hi at steps[i] from a lane's own are tried. */
    void (*try_pairs)(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, float code_hi,
                      const signed char (*steps)[2], size_t count, wt_pair_lanes *l);

    /* Of runs one after another: q[i] = nearest(grid, (x[i] + min[run]) * inverse[run]), integers of a byte; min may be NULL. */
    void (*assign)(const float *x, size_t runs, size_t n, const wt_grid *grid, const float *inverse, const float *min,
                   int8_t *q);

    /*
     * Of up to WT_LANES blocks of 32 weights, one after another, that count alike: d q with q in lo..hi, and d q + m with q
     * in 0..hi. The plain choice (the largest weight on the lowest code; the range), or the best of the candidates, refitted:
     * the largest weight on tops[i]; a range without the steps cuts[i] at its lower and upper end. `count` is a multiple of 4 for tops, of 2 for cuts;
     * a top is above lo - 1/2 and a cut small enough that no weight falls under a code beyond the ends.
     */
    void (*even_scales)(const float *x, size_t blocks, float lo, float hi, const float *tops, size_t count,
                        wt_even_lanes *l);
    void (*even_ranges)(const float *x, size_t blocks, float hi, const float (*cuts)[2], size_t count,
                        wt_even_lanes *l);
    /* Blocks as they lie in files: d; where lo is 0, m; where codes have five bits, the fifth ones; nibbles. */
    void (*even_pack)(const float *x, size_t blocks, float lo, float hi, const wt_even_lanes *l, void *to);
};

const wt_encode_kernels *wt_encode_kernels_at(wt_cpu_level level);

extern const wt_encode_kernels wt_encode_kernels_avx2, wt_encode_kernels_avx512, wt_encode_kernels_neon;

/* The nearest value of a grid of integers, or with a table. */
static inline float wt_grid_nearest(const wt_grid *g, float y) {
    y = y > g->lo ? y : g->lo;
    y = y < g->hi ? y : g->hi;
    if (!g->cells) return (y + WT_ROUNDER) - WT_ROUNDER;
    int c = (int)((y - g->lo) * g->cells->per_unit);
    c = c < WT_CELLS - 1 ? c : WT_CELLS - 1;
    return y > g->cells->split[c] ? g->cells->above[c] : g->cells->below[c];
}

/* The integer nearest to |y| < 2^22 in lo..hi. */
static inline float wt_nearest_within(float y, float lo, float hi) {
    y = y > lo ? y : lo;
    y = y < hi ? y : hi;
    return (y + WT_ROUNDER) - WT_ROUNDER;
}

#endif
