/* 8 candidates a register; two registers, one group of lanes, at a time. */
#include <immintrin.h>

#include "quant/encode_kernels.h"

/* A grid in registers; its cells stay in memory. */
typedef struct grid256 {
    __m256 lo, hi;
    const wt_cells *cells;
} grid256;

static inline grid256 load_grid(const wt_grid *g) {
    return (grid256){_mm256_set1_ps(g->lo), _mm256_set1_ps(g->hi), g->cells};
}

static inline __attribute__((always_inline)) __m256 nearest(const grid256 *g, bool cells, __m256 y) {
    const __m256 rounder = _mm256_set1_ps(WT_ROUNDER);
    y = _mm256_min_ps(_mm256_max_ps(y, g->lo), g->hi);
    if (!cells) return _mm256_sub_ps(_mm256_add_ps(y, rounder), rounder);
    __m256i c = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_sub_ps(y, g->lo), _mm256_set1_ps(g->cells->per_unit)));
    c = _mm256_min_epi32(c, _mm256_set1_epi32(WT_CELLS - 1));
    __m256 above = _mm256_cmp_ps(y, _mm256_i32gather_ps(g->cells->split, c, 4), _CMP_GT_OQ);
    return _mm256_blendv_ps(_mm256_i32gather_ps(g->cells->below, c, 4), _mm256_i32gather_ps(g->cells->above, c, 4),
                            above);
}

/* The group of candidates from lane `at` on. */
static inline __attribute__((always_inline)) void symmetric_some(const float *x, const float *w, size_t n,
                                                                 const grid256 *g, bool cells, bool errors,
                                                                 size_t at, const wt_symmetric_lanes *l) {
    __m256 inverse[2], scale[2], qx[2], qq[2], error[2];
    for (int k = 0; k < 2; k++) {
        inverse[k] = _mm256_loadu_ps(l->inverse + at + 8 * k);
        scale[k] = errors ? _mm256_loadu_ps(l->scale + at + 8 * k) : _mm256_setzero_ps();
        qx[k] = qq[k] = error[k] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        __m256 xi = _mm256_set1_ps(x[i]), wi = _mm256_set1_ps(w[i]);
        for (int k = 0; k < 2; k++) {
            __m256 q = nearest(g, cells, _mm256_mul_ps(xi, inverse[k])), wq = _mm256_mul_ps(wi, q);
            qx[k] = _mm256_add_ps(qx[k], _mm256_mul_ps(wq, xi));
            qq[k] = _mm256_add_ps(qq[k], _mm256_mul_ps(wq, q));
            if (errors) {
                __m256 e = _mm256_sub_ps(xi, _mm256_mul_ps(scale[k], q));
                error[k] = _mm256_add_ps(error[k], _mm256_mul_ps(_mm256_mul_ps(wi, e), e));
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        _mm256_storeu_ps(l->qx + at + 8 * k, qx[k]);
        _mm256_storeu_ps(l->qq + at + 8 * k, qq[k]);
        if (errors) _mm256_storeu_ps(l->error + at + 8 * k, error[k]);
    }
}

static inline __attribute__((always_inline)) void symmetric_all(const float *x, const float *w, size_t n,
                                                                const grid256 *g, bool cells, bool errors,
                                                                size_t groups, const wt_symmetric_lanes *l) {
    for (size_t k = 0; k < groups; k++) symmetric_some(x, w, n, g, cells, errors, k * WT_LANES, l);
}

static void symmetric(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *l) {
    grid256 g = load_grid(grid);
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
                                                              const grid256 *g, bool errors, size_t at,
                                                              const wt_affine_lanes *l) {
    __m256 inverse[2], scale[2], min[2], sum[2], qx[2], qq[2], error[2];
    for (int k = 0; k < 2; k++) {
        inverse[k] = _mm256_loadu_ps(l->inverse + at + 8 * k);
        min[k] = _mm256_loadu_ps(l->min + at + 8 * k);
        scale[k] = errors ? _mm256_loadu_ps(l->scale + at + 8 * k) : _mm256_setzero_ps();
        sum[k] = qx[k] = qq[k] = error[k] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < n; i++) {
        __m256 xi = _mm256_set1_ps(x[i]), wi = _mm256_set1_ps(w[i]);
        for (int k = 0; k < 2; k++) {
            __m256 shifted = _mm256_add_ps(xi, min[k]);
            __m256 q = nearest(g, false, _mm256_mul_ps(shifted, inverse[k])), wq = _mm256_mul_ps(wi, q);
            sum[k] = _mm256_add_ps(sum[k], wq);
            qx[k] = _mm256_add_ps(qx[k], _mm256_mul_ps(wq, xi));
            qq[k] = _mm256_add_ps(qq[k], _mm256_mul_ps(wq, q));
            if (errors) {
                __m256 e = _mm256_sub_ps(shifted, _mm256_mul_ps(scale[k], q));
                error[k] = _mm256_add_ps(error[k], _mm256_mul_ps(_mm256_mul_ps(wi, e), e));
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        _mm256_storeu_ps(l->q + at + 8 * k, sum[k]);
        _mm256_storeu_ps(l->qx + at + 8 * k, qx[k]);
        _mm256_storeu_ps(l->qq + at + 8 * k, qq[k]);
        if (errors) _mm256_storeu_ps(l->error + at + 8 * k, error[k]);
    }
}

static void affine(const float *x, const float *w, size_t n, float hi, size_t groups, const wt_affine_lanes *l) {
    const wt_grid grid = {0.0f, hi, NULL};
    grid256 g = load_grid(&grid);
    for (size_t k = 0; k < groups; k++) {
        if (l->error)
            affine_some(x, w, n, &g, true, k * WT_LANES, l);
        else
            affine_some(x, w, n, &g, false, k * WT_LANES, l);
    }
}

/* Half of the lanes, from `at` on. */
static void fit_half(const float *x, const float *w, size_t n, float hi, int steps, int at, wt_fit_lanes *l) {
    const __m256 zero = _mm256_setzero_ps(), top = _mm256_set1_ps(hi), rounder = _mm256_set1_ps(WT_ROUNDER);
    const __m256 first = _mm256_loadu_ps(l->first + at), by = _mm256_loadu_ps(l->step + at);
    const __m256 limit = _mm256_loadu_ps(l->floor + at);
    __m256 least = _mm256_loadu_ps(x + at), most = least, sum_w = zero, sum_x = zero, q[WT_MAX_RUN];
    for (size_t i = 0; i < n; i++) {
        __m256 v = _mm256_loadu_ps(x + 16 * i + at), u = _mm256_loadu_ps(w + 16 * i + at);
        least = _mm256_min_ps(v, least);
        most = _mm256_max_ps(v, most);
        sum_w = _mm256_add_ps(sum_w, u);
        sum_x = _mm256_add_ps(sum_x, _mm256_mul_ps(u, v));
    }
    __m256 lowest = _mm256_min_ps(least, limit), best_scale = zero, best_error = zero, best_qq = zero;
    for (int step = -1; step < steps; step++) {
        __m256 t = step < 0 ? zero : _mm256_add_ps(first, _mm256_mul_ps(by, _mm256_set1_ps((float)step)));
        __m256 range = _mm256_sub_ps(most, lowest), wide = _mm256_cmp_ps(range, zero, _CMP_GT_OQ);
        __m256 inverse = _mm256_and_ps(wide, _mm256_div_ps(_mm256_add_ps(t, top), range));
        __m256 sq = zero, qq = zero, qx = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            __m256 v = _mm256_loadu_ps(x + 16 * i + at);
            __m256 y = _mm256_mul_ps(_mm256_sub_ps(v, lowest), inverse);
            y = _mm256_min_ps(_mm256_max_ps(y, zero), top);
            q[i] = _mm256_sub_ps(_mm256_add_ps(y, rounder), rounder);
            __m256 wq = _mm256_mul_ps(_mm256_loadu_ps(w + 16 * i + at), q[i]);
            sq = _mm256_add_ps(sq, wq);
            qq = _mm256_add_ps(qq, _mm256_mul_ps(wq, q[i]));
            qx = _mm256_add_ps(qx, _mm256_mul_ps(wq, v));
        }
        __m256 determinant = _mm256_sub_ps(_mm256_mul_ps(sum_w, qq), _mm256_mul_ps(sq, sq));
        __m256 scale = _mm256_and_ps(wide, _mm256_div_ps(range, top)), low = lowest;
        if (step >= 0) {
            scale = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(sum_w, qx), _mm256_mul_ps(sum_x, sq)), determinant);
            low = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(qq, sum_x), _mm256_mul_ps(sq, qx)), determinant);
            __m256 over = _mm256_cmp_ps(low, limit, _CMP_GT_OQ);
            low = _mm256_blendv_ps(low, limit, over);
            scale = _mm256_blendv_ps(scale, _mm256_div_ps(qx, qq), over);
        }
        for (size_t i = 0; i < n; i++) {
            __m256 e = _mm256_add_ps(_mm256_mul_ps(scale, q[i]), low);
            e = _mm256_sub_ps(e, _mm256_loadu_ps(x + 16 * i + at));
            error = _mm256_add_ps(error, _mm256_mul_ps(_mm256_loadu_ps(w + 16 * i + at), _mm256_mul_ps(e, e)));
        }
        __m256 better = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
        if (step >= 0)
            better = _mm256_and_ps(_mm256_cmp_ps(determinant, zero, _CMP_GT_OQ),
                                   _mm256_cmp_ps(error, best_error, _CMP_LT_OQ));
        best_error = _mm256_blendv_ps(best_error, error, better);
        best_scale = _mm256_blendv_ps(best_scale, scale, better);
        best_qq = _mm256_blendv_ps(best_qq, qq, better);
        lowest = _mm256_blendv_ps(lowest, low, better);
    }
    _mm256_storeu_ps(l->scale + at, best_scale);
    _mm256_storeu_ps(l->lowest + at, lowest);
    _mm256_storeu_ps(l->error + at, best_error);
    _mm256_storeu_ps(l->qq + at, best_qq);
    _mm256_storeu_ps(l->sum_w + at, sum_w);
    _mm256_storeu_ps(l->sum_x + at, sum_x);
    _mm256_storeu_ps(l->least + at, least);
    _mm256_storeu_ps(l->most + at, most);
}

static void fit(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *l) {
    fit_half(x, w, n, hi, steps, 0, l);
    fit_half(x, w, n, hi, steps, 8, l);
}

static void assign(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q) {
    grid256 g = load_grid(grid);
    const __m256 by = _mm256_set1_ps(inverse), shift = _mm256_set1_ps(min);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 y = _mm256_mul_ps(_mm256_add_ps(_mm256_loadu_ps(x + i), shift), by);
        __m256i codes = _mm256_cvtps_epi32(g.cells ? nearest(&g, true, y) : nearest(&g, false, y));
        __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
        _mm_storel_epi64((__m128i *)(q + i), _mm_packs_epi16(shorts, shorts));
    }
    for (; i < n; i++) q[i] = (int8_t)wt_grid_nearest(grid, (x[i] + min) * inverse);
}

const wt_encode_kernels wt_encode_kernels_avx2 = {symmetric, affine, fit, assign};
