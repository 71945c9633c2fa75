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

/* lo < 0. Without what makes the values lopsided, where `search` asks for that; `cells` says itself whether they are (mirrored). */
void wt_codes_init(wt_codes *codes, float lo, float hi, const wt_cells *cells, bool mirrored, const wt_search *search);

/*
 * The half-precision scale d of a block x [n] whose weights are d q. Every candidate is refitted; without passes the best is
 * taken by what its closed form says, with passes each is tried as the half it becomes, and again refitted. Without passes and
 * with many codes the halves around the plain choice are the candidates. A block that rounds to nothing gets 0.
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
