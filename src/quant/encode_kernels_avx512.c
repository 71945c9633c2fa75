/* 16 candidates a register; two registers of candidates at a time keep the additions from waiting for each other. */
#include <immintrin.h>

#include "quant/encode_kernels.h"

/* A grid in registers. */
typedef struct grid512 {
    __m512 lo, hi, per_unit, split[2], below[2], above[2];
    bool cells;
} grid512;

static inline grid512 load_grid(const wt_grid *g) {
    grid512 r = {.lo = _mm512_set1_ps(g->lo), .hi = _mm512_set1_ps(g->hi), .cells = g->cells != NULL};
    for (int k = 0; g->cells && k < 2; k++) {
        r.per_unit = _mm512_set1_ps(g->cells->per_unit);
        r.split[k] = _mm512_loadu_ps(g->cells->split + 16 * k);
        r.below[k] = _mm512_loadu_ps(g->cells->below + 16 * k);
        r.above[k] = _mm512_loadu_ps(g->cells->above + 16 * k);
    }
    return r;
}

static inline __attribute__((always_inline)) __m512 nearest(const grid512 *g, bool cells, __m512 y) {
    const __m512 rounder = _mm512_set1_ps(WT_ROUNDER);
    y = _mm512_min_ps(_mm512_max_ps(y, g->lo), g->hi);
    if (!cells) return _mm512_sub_ps(_mm512_add_ps(y, rounder), rounder);
    __m512i c = _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_sub_ps(y, g->lo), g->per_unit));
    c = _mm512_min_epi32(c, _mm512_set1_epi32(WT_CELLS - 1));
    __mmask16 above = _mm512_cmp_ps_mask(y, _mm512_permutex2var_ps(g->split[0], c, g->split[1]), _CMP_GT_OQ);
    return _mm512_mask_blend_ps(above, _mm512_permutex2var_ps(g->below[0], c, g->below[1]),
                                _mm512_permutex2var_ps(g->above[0], c, g->above[1]));
}

/* `count` registers of candidates, from lane `at` on. */
static inline __attribute__((always_inline)) void symmetric_some(const float *x, const float *w, size_t n,
                                                                 const grid512 *g, bool cells, bool errors, int count,
                                                                 size_t at, const wt_symmetric_lanes *l) {
    __m512 inverse[2], scale[2], qx[2], qq[2], error[2];
    for (int k = 0; k < count; k++) {
        inverse[k] = _mm512_loadu_ps(l->inverse + at + 16 * k);
        scale[k] = errors ? _mm512_loadu_ps(l->scale + at + 16 * k) : _mm512_setzero_ps();
        qx[k] = qq[k] = error[k] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        __m512 xi = _mm512_set1_ps(x[i]), wi = _mm512_set1_ps(w[i]);
        for (int k = 0; k < count; k++) {
            __m512 q = nearest(g, cells, _mm512_mul_ps(xi, inverse[k])), wq = _mm512_mul_ps(wi, q);
            qx[k] = _mm512_add_ps(qx[k], _mm512_mul_ps(wq, xi));
            qq[k] = _mm512_add_ps(qq[k], _mm512_mul_ps(wq, q));
            if (errors) {
                __m512 e = _mm512_sub_ps(xi, _mm512_mul_ps(scale[k], q));
                error[k] = _mm512_add_ps(error[k], _mm512_mul_ps(_mm512_mul_ps(wi, e), e));
            }
        }
    }
    for (int k = 0; k < count; k++) {
        _mm512_storeu_ps(l->qx + at + 16 * k, qx[k]);
        _mm512_storeu_ps(l->qq + at + 16 * k, qq[k]);
        if (errors) _mm512_storeu_ps(l->error + at + 16 * k, error[k]);
    }
}

static inline __attribute__((always_inline)) void symmetric_all(const float *x, const float *w, size_t n,
                                                                const grid512 *g, bool cells, bool errors,
                                                                size_t groups, const wt_symmetric_lanes *l) {
    size_t k = 0;
    for (; k + 2 <= groups; k += 2) symmetric_some(x, w, n, g, cells, errors, 2, k * WT_LANES, l);
    if (k < groups) symmetric_some(x, w, n, g, cells, errors, 1, k * WT_LANES, l);
}

static void symmetric(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *l) {
    grid512 g = load_grid(grid);
    if (g.cells && l->error)
        symmetric_all(x, w, n, &g, true, true, groups, l);
    else if (g.cells)
        symmetric_all(x, w, n, &g, true, false, groups, l);
    else if (l->error)
        symmetric_all(x, w, n, &g, false, true, groups, l);
    else
        symmetric_all(x, w, n, &g, false, false, groups, l);
}

static inline __attribute__((always_inline)) void affine_some(const float *x, const float *w, size_t n,
                                                              const grid512 *g, bool errors, int count, size_t at,
                                                              const wt_affine_lanes *l) {
    __m512 inverse[2], scale[2], min[2], sum[2], qx[2], qq[2], error[2];
    for (int k = 0; k < count; k++) {
        inverse[k] = _mm512_loadu_ps(l->inverse + at + 16 * k);
        min[k] = _mm512_loadu_ps(l->min + at + 16 * k);
        scale[k] = errors ? _mm512_loadu_ps(l->scale + at + 16 * k) : _mm512_setzero_ps();
        sum[k] = qx[k] = qq[k] = error[k] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        __m512 xi = _mm512_set1_ps(x[i]), wi = _mm512_set1_ps(w[i]);
        for (int k = 0; k < count; k++) {
            __m512 shifted = _mm512_add_ps(xi, min[k]);
            __m512 q = nearest(g, false, _mm512_mul_ps(shifted, inverse[k])), wq = _mm512_mul_ps(wi, q);
            sum[k] = _mm512_add_ps(sum[k], wq);
            qx[k] = _mm512_add_ps(qx[k], _mm512_mul_ps(wq, xi));
            qq[k] = _mm512_add_ps(qq[k], _mm512_mul_ps(wq, q));
            if (errors) {
                __m512 e = _mm512_sub_ps(shifted, _mm512_mul_ps(scale[k], q));
                error[k] = _mm512_add_ps(error[k], _mm512_mul_ps(_mm512_mul_ps(wi, e), e));
            }
        }
    }
    for (int k = 0; k < count; k++) {
        _mm512_storeu_ps(l->q + at + 16 * k, sum[k]);
        _mm512_storeu_ps(l->qx + at + 16 * k, qx[k]);
        _mm512_storeu_ps(l->qq + at + 16 * k, qq[k]);
        if (errors) _mm512_storeu_ps(l->error + at + 16 * k, error[k]);
    }
}

static void affine(const float *x, const float *w, size_t n, float hi, size_t groups, const wt_affine_lanes *l) {
    const wt_grid grid = {0.0f, hi, NULL};
    grid512 g = load_grid(&grid);
    size_t k = 0;
    if (l->error) {
        for (; k + 2 <= groups; k += 2) affine_some(x, w, n, &g, true, 2, k * WT_LANES, l);
        if (k < groups) affine_some(x, w, n, &g, true, 1, k * WT_LANES, l);
    } else {
        for (; k + 2 <= groups; k += 2) affine_some(x, w, n, &g, false, 2, k * WT_LANES, l);
        if (k < groups) affine_some(x, w, n, &g, false, 1, k * WT_LANES, l);
    }
}

static void fit(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *l) {
    const __m512 zero = _mm512_setzero_ps(), top = _mm512_set1_ps(hi), rounder = _mm512_set1_ps(WT_ROUNDER);
    const __m512 first = _mm512_loadu_ps(l->first), by = _mm512_loadu_ps(l->step), limit = _mm512_loadu_ps(l->floor);
    __m512 least = _mm512_loadu_ps(x), most = least, sum_w = zero, sum_x = zero, q[WT_MAX_RUN];
    for (size_t i = 0; i < n; i++) {
        __m512 v = _mm512_loadu_ps(x + 16 * i), u = _mm512_loadu_ps(w + 16 * i);
        least = _mm512_min_ps(v, least);
        most = _mm512_max_ps(v, most);
        sum_w = _mm512_add_ps(sum_w, u);
        sum_x = _mm512_add_ps(sum_x, _mm512_mul_ps(u, v));
    }
    __m512 lowest = _mm512_min_ps(least, limit), best_scale = zero, best_error = zero, best_qq = zero;
    for (int step = -1; step < steps; step++) {
        __m512 t = step < 0 ? zero : _mm512_add_ps(first, _mm512_mul_ps(by, _mm512_set1_ps((float)step)));
        __m512 range = _mm512_sub_ps(most, lowest);
        __mmask16 wide = _mm512_cmp_ps_mask(range, zero, _CMP_GT_OQ);
        __m512 inverse = _mm512_maskz_div_ps(wide, _mm512_add_ps(t, top), range);
        __m512 sq = zero, qq = zero, qx = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            __m512 v = _mm512_loadu_ps(x + 16 * i);
            __m512 y = _mm512_mul_ps(_mm512_sub_ps(v, lowest), inverse);
            y = _mm512_min_ps(_mm512_max_ps(y, zero), top);
            q[i] = _mm512_sub_ps(_mm512_add_ps(y, rounder), rounder);
            __m512 wq = _mm512_mul_ps(_mm512_loadu_ps(w + 16 * i), q[i]);
            sq = _mm512_add_ps(sq, wq);
            qq = _mm512_add_ps(qq, _mm512_mul_ps(wq, q[i]));
            qx = _mm512_add_ps(qx, _mm512_mul_ps(wq, v));
        }
        __m512 determinant = _mm512_sub_ps(_mm512_mul_ps(sum_w, qq), _mm512_mul_ps(sq, sq));
        __m512 scale = _mm512_maskz_div_ps(wide, range, top), low = lowest;
        if (step >= 0) {
            scale = _mm512_div_ps(_mm512_sub_ps(_mm512_mul_ps(sum_w, qx), _mm512_mul_ps(sum_x, sq)), determinant);
            low = _mm512_div_ps(_mm512_sub_ps(_mm512_mul_ps(qq, sum_x), _mm512_mul_ps(sq, qx)), determinant);
            __mmask16 over = _mm512_cmp_ps_mask(low, limit, _CMP_GT_OQ);
            low = _mm512_mask_mov_ps(low, over, limit);
            scale = _mm512_mask_div_ps(scale, over, qx, qq);
        }
        for (size_t i = 0; i < n; i++) {
            __m512 e = _mm512_add_ps(_mm512_mul_ps(scale, q[i]), low);
            e = _mm512_sub_ps(e, _mm512_loadu_ps(x + 16 * i));
            error = _mm512_add_ps(error, _mm512_mul_ps(_mm512_loadu_ps(w + 16 * i), _mm512_mul_ps(e, e)));
        }
        __mmask16 better = 0xffff;
        if (step >= 0)
            better = _mm512_cmp_ps_mask(determinant, zero, _CMP_GT_OQ) &
                     _mm512_cmp_ps_mask(error, best_error, _CMP_LT_OQ);
        best_error = _mm512_mask_mov_ps(best_error, better, error);
        best_scale = _mm512_mask_mov_ps(best_scale, better, scale);
        best_qq = _mm512_mask_mov_ps(best_qq, better, qq);
        lowest = _mm512_mask_mov_ps(lowest, better, low);
    }
    _mm512_storeu_ps(l->scale, best_scale);
    _mm512_storeu_ps(l->lowest, lowest);
    _mm512_storeu_ps(l->error, best_error);
    _mm512_storeu_ps(l->qq, best_qq);
    _mm512_storeu_ps(l->sum_w, sum_w);
    _mm512_storeu_ps(l->sum_x, sum_x);
    _mm512_storeu_ps(l->least, least);
    _mm512_storeu_ps(l->most, most);
}

static void assign(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q) {
    grid512 g = load_grid(grid);
    const __m512 by = _mm512_set1_ps(inverse), shift = _mm512_set1_ps(min);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 some = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
        __m512 y = _mm512_mul_ps(_mm512_add_ps(_mm512_maskz_loadu_ps(some, x + i), shift), by);
        y = g.cells ? nearest(&g, true, y) : nearest(&g, false, y);
        _mm512_mask_cvtepi32_storeu_epi8(q + i, some, _mm512_cvtps_epi32(y));
    }
}

const wt_encode_kernels wt_encode_kernels_avx512 = {symmetric, affine, fit, assign};
