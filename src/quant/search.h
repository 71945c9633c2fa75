/*
 * The search for scales that every encoder shares: of a block on its own, and of a super-block whose runs have quantized scales (and
 * minima). Each scans candidates for the scale of a run, refits in closed form what the best of them gave, then improves
 * codes and scales against each other on the exact error, with the scales rounded as the format rounds them.
 */
#ifndef WT_QUANT_SEARCH_H
#define WT_QUANT_SEARCH_H

#include <math.h>

#include "quant/encode_kernels.h"

/* Runs of a super-block. */
#define WT_MAX_RUNS 16

/* lo < 0. Without what makes the values lopsided, where `search` asks for that; `cells` says itself whether they are (mirrored). */
void wt_codes_init(wt_codes *codes, float lo, float hi, const wt_cells *cells, bool mirrored, const wt_search *search);

/*
 * The half-precision scale d of a block x [n] whose weights are d q. Every candidate is refitted; without passes the best is
 * taken by what its closed form says, with passes each is tried as the half it becomes, and again refitted. A block that rounds to
 * nothing gets 0. n is a multiple of 16.
 */
uint16_t wt_search_scale(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_codes *codes,
                         const wt_search *search);

/* The same for up to WT_MAX_BLOCKS blocks of 32: d [blocks]. */
#define WT_MAX_BLOCKS 16
void wt_search_scales(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, const wt_codes *codes,
                      const wt_search *search, uint16_t *d);

/* Of the halves around the plain choice, the largest weight on the highest code, the best: of many codes no other could be. */
uint16_t wt_search_halves(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_grid *grid,
                          float bias);

/*
 * Up to WT_MAX_BLOCKS blocks of 32 weights d q - m with q in 0..hi, m of any sign: d and m [blocks].
 * search->symmetric is the caller's to honour.
 */
void wt_search_scales_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, float hi,
                          const wt_search *search, uint16_t *d, uint16_t *m);

/*
 * A super-block of `runs` runs of `run` weights d scales[j] q, scales[j] in lo..hi. `descend`: codes moved one at a time are tried too, as
 * ggml has it for Q3_K. Where there are minima: ggml's steps of the fit without importance.
 */
typedef struct wt_super {
    size_t runs, run;
    int lo, hi;
    bool descend;
    struct {
        float first, step;
        int steps;
        bool absolute;
    } plain;
} wt_super;

/*
 * So many at a time: blocks * runs <= WT_MAX_RUNS. d [blocks], scales and mins [blocks * runs]; reach: how far from where
 * they are integer scales are tried.
 */
#define WT_MAX_SUPERS 2
void wt_search_super(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, const wt_super *shape,
                     const wt_codes *codes, const wt_search *search, int reach, uint16_t *d, int *scales);

/* The candidates of a short search: of weights, and of the runs' scales. */
typedef struct wt_few {
    wt_codes weights, scales;
} wt_few;

/*
 * With little search: the codes that ggml has without importance (it descends), and one fit of what the candidates give. Up
 * to WT_MAX_SUPERS super-blocks of WT_LANES runs at a time: d [blocks], scales [blocks * WT_LANES].
 */
void wt_search_super_short(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                           const wt_super *shape, const wt_few *few, uint16_t *d, int *scales);

/* Super-blocks of runs d scales[j] q - dmin mins[j], q in 0..code_hi, scales and mins in 0..shape->hi; not for symmetric ones. */
void wt_search_super_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                         const wt_super *shape, float code_hi, const wt_search *search, uint16_t *d, uint16_t *dmin,
                         int *scales, int *mins);

/* The same with little search: ggml's choice without importance, and one fit of the better targets; the better one refitted once. */
void wt_search_super_min_short(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                               const wt_super *shape, float code_hi, uint16_t *d, uint16_t *dmin, int *scales,
                               int *mins);

/* The cells of up to 32 ascending values; no two points between neighbours may be nearer than a cell is wide. */
void wt_cells_of(wt_cells *cells, const int8_t *values, int count);
void wt_cells_of_odd(wt_cells *cells, int hi); /* -hi, 2 - hi, .. hi; hi odd */

/* 1 / scale, or 0 for a scale of 0: every weight gets code 0. */
static inline float wt_inverse(float scale) { return scale != 0.0f ? 1.0f / scale : 0.0f; }

/* A half nearest to `value`, never infinite. */
uint16_t wt_search_half(float value);

#endif
