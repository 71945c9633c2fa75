/*
 * The search for scales that every encoder shares: of a block on its own, and of a super-block whose runs have quantized scales (and
 * minima). Each scans candidates for the scale of a run, refits in closed form what the best of them gave, then improves
 * codes and scales against each other on the exact error, with the scales rounded as the format rounds them.
 */
#ifndef WT_QUANT_SEARCH_H
#define WT_QUANT_SEARCH_H

#include <math.h>

#include "quant/encode_kernels.h"

/* More candidates than this per run are not looked at. */
#define WT_MAX_STEPS 240

/* Runs of a super-block. */
#define WT_MAX_RUNS 16

/* A run's values and the code that its largest weight is put on: t of wt_search counts from there. */
typedef struct wt_codes {
    wt_grid grid;
    bool one_sign; /* the grid is symmetric, so a scale and its negative give the same */
} wt_codes;

/* The grid without what makes it lopsided, where `search` asks for that. */
wt_codes wt_codes_of(float lo, float hi, const wt_cells *cells, const wt_search *search);

/*
 * The half-precision scale d of a block x [n] whose weights are d q. Every candidate is refitted; without passes the best is
 * taken by what its closed form says, with passes each is tried as the half it becomes, and again refitted. A block that rounds
 * to nothing gets 0.
 */
uint16_t wt_search_scale(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_codes *codes,
                         const wt_search *search);

/*
 * The same for up to WT_MAX_BLOCKS blocks of 32 weights d q - m with q in 0..hi, m of any sign: d and m [blocks].
 * search->symmetric is the caller's to honour.
 */
#define WT_MAX_BLOCKS 8
void wt_search_scales_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, float hi,
                          const wt_search *search, uint16_t *d, uint16_t *m);

/* A super-block of `runs` runs of `run` weights d scales[j] q, scales[j] in lo..hi. */
typedef struct wt_super {
    size_t runs, run;
    int lo, hi;
} wt_super;

void wt_search_super(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                     const wt_codes *codes, const wt_search *search, uint16_t *d, int *scales);

/* A super-block of runs d scales[j] q - dmin mins[j], q in 0..code_hi, scales and mins in 0..shape->hi; not for symmetric ones. */
void wt_search_super_min(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                         float code_hi, const wt_search *search, uint16_t *d, uint16_t *dmin, int *scales, int *mins);

/* The cells of up to 32 ascending values; no two points between neighbours may be nearer than a cell is wide. */
void wt_cells_of(wt_cells *cells, const int8_t *values, int count);
void wt_cells_of_odd(wt_cells *cells, int hi); /* -hi, 2 - hi, .. hi; hi odd */

/* 1 / scale, or 0 for a scale of 0: every weight gets code 0. */
static inline float wt_inverse(float scale) { return scale != 0.0f ? 1.0f / scale : 0.0f; }

/* A half nearest to `value`, never infinite. */
uint16_t wt_search_half(float value);

/* Makes each value the half that wt_search_half gives. */
static inline void wt_round_halves(float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = values[i], a = fabsf(v);
        a = a < 65504.0f ? a : 65504.0f;
        union {
            float f;
            uint32_t u;
        } normal = {.f = a};
        normal.u = (normal.u + 0xfff + (normal.u >> 13 & 1)) & ~0x1fffu;
        float small = (a + 0.5f) - 0.5f; /* below 2^-14 the steps are 2^-24 */
        values[i] = copysignf(a < 0x1p-14f ? small : normal.f, v);
    }
}

#endif
