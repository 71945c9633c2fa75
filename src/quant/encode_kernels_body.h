/*
 * The text of the kernels of encode_kernels.h, for the instruction set that the including file is compiled for. That file makes
 * a table of WT_ENCODE_KERNELS.
 */
#include "quant/lanes.h"

INLINE lanes nearest(const wt_grid *g, bool cells, lanes y) {
    const lanes lo = lanes_set(g->lo);
    y = lanes_min(lanes_max(y, lo), lanes_set(g->hi));
    if (!cells) return lanes_round(y);
    lanes c = lanes_mul(lanes_sub(y, lo), lanes_set(g->cells->per_unit));
    return lanes_lookup(g->cells, lanes_min(c, lanes_set(WT_CELLS - 1)), y);
}

/* 1 / a, or 0 for 0. */
INLINE lanes inverse_of(lanes a) {
    const lanes zero = lanes_set(0.0f);
    return lanes_select(lanes_above(lanes_abs(a), zero), lanes_div(lanes_set(1.0f), a), zero);
}

/* As wt_search_half has it. */
INLINE lanes half_of(lanes a) {
    const lanes most = lanes_set(65504.0f);
    return lanes_half(lanes_max(lanes_min(a, most), lanes_sub(lanes_set(0.0f), most)));
}

/* ---- candidates side by side ---- */

/* `count` registers of candidates from lane `at` on: two keep the additions from waiting for each other. */
INLINE void symmetric_some(const float *x, const float *w, size_t n, const wt_grid *grid, bool cells, bool errors,
                           int count, size_t at, const wt_symmetric_lanes *l) {
    lanes inverse[2], scale[2], qx[2], qq[2], error[2];
    for (int k = 0; k < count; k++) {
        inverse[k] = lanes_load(l->inverse + at + WT_LANES * k);
        scale[k] = errors ? lanes_load(l->scale + at + WT_LANES * k) : lanes_set(0.0f);
        qx[k] = qq[k] = error[k] = lanes_set(0.0f);
    }
    for (size_t i = 0; i < n; i++) {
        const lanes v = lanes_set(x[i]), u = lanes_set(w[i]);
        for (int k = 0; k < count; k++) {
            lanes q = nearest(grid, cells, lanes_mul(v, inverse[k])), wq = lanes_mul(u, q);
            qx[k] = lanes_add(qx[k], lanes_mul(wq, v));
            qq[k] = lanes_add(qq[k], lanes_mul(wq, q));
            if (!errors) continue;
            lanes e = lanes_sub(v, lanes_mul(scale[k], q));
            error[k] = lanes_add(error[k], lanes_mul(lanes_mul(u, e), e));
        }
    }
    for (int k = 0; k < count; k++) {
        lanes_store(l->qx + at + WT_LANES * k, qx[k]);
        lanes_store(l->qq + at + WT_LANES * k, qq[k]);
        if (errors) lanes_store(l->error + at + WT_LANES * k, error[k]);
    }
}

INLINE void symmetric_all(const float *x, const float *w, size_t n, const wt_grid *grid, bool cells, bool errors,
                          size_t groups, const wt_symmetric_lanes *l) {
    const wt_grid g = *grid;
    size_t k = 0;
    for (; k + 2 <= groups; k += 2) symmetric_some(x, w, n, &g, cells, errors, 2, k * WT_LANES, l);
    if (k < groups) symmetric_some(x, w, n, &g, cells, errors, 1, k * WT_LANES, l);
}

static void symmetric(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *l) {
    if (grid->cells && l->error)
        symmetric_all(x, w, n, grid, true, true, groups, l);
    else if (grid->cells)
        symmetric_all(x, w, n, grid, true, false, groups, l);
    else if (l->error)
        symmetric_all(x, w, n, grid, false, true, groups, l);
    else
        symmetric_all(x, w, n, grid, false, false, groups, l);
}

/* ---- runs side by side ---- */

static void spread(const float *x, size_t runs, size_t n, float *out) {
    int32_t at[WT_LANES];
    for (int lane = 0; lane < WT_LANES; lane++) at[lane] = (int32_t)((size_t)lane % runs * n);
    for (size_t i = 0; i < n; i++) lanes_store(out + i * WT_LANES, lanes_gather(x + i, at));
}

/* The best candidate so far: what it gains, and its sums. */
typedef struct gains {
    lanes gain, qx, qq;
} gains;

INLINE void keep_gain(gains *best, lanes gain, lanes qx, lanes qq) {
    lane_mask better = lanes_above(gain, lanes_mul(best->gain, lanes_set(WT_BETTER)));
    best->gain = lanes_select(better, gain, best->gain);
    best->qx = lanes_select(better, qx, best->qx);
    best->qq = lanes_select(better, qq, best->qq);
}

INLINE void scan_all(const float *x, const float *w, size_t n, bool cells, const wt_codes *codes, wt_scan_lanes *l) {
    const lanes zero = lanes_set(0.0f), one = lanes_set(1.0f);
    const wt_grid grid = codes->grid;
    lanes max = zero, most = zero, sum_w = zero;
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x + i * WT_LANES), a = lanes_abs(v);
        max = lanes_select(lanes_above(a, most), v, max);
        most = lanes_max(a, most);
        sum_w = lanes_add(sum_w, lanes_load(w + i * WT_LANES));
    }
    lanes_store(l->max, max);
    lanes_store(l->sum_w, sum_w);
    const lane_mask something = lanes_above(most, lanes_set(WT_NOTHING));
    const lanes plain = lanes_div(max, lanes_set(grid.lo));
    gains best = {zero, zero, zero}, near = best;
    for (size_t step = 0; step < codes->count; step++) {
        size_t c = step ? step - 1 : codes->count - 1; /* the plain one first: of equals it is kept */
        lanes inverse = lanes_select(something, lanes_div(lanes_set(codes->top[c]), max), zero), qx = zero, qq = zero;
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x + i * WT_LANES);
            lanes q = nearest(&grid, cells, lanes_mul(v, inverse)), wq = lanes_mul(lanes_load(w + i * WT_LANES), q);
            qx = lanes_add(qx, lanes_mul(wq, v));
            qq = lanes_add(qq, lanes_mul(wq, q));
        }
        lane_mask codes_left = lanes_above(qq, zero);
        lanes fitted = lanes_div(qx, lanes_select(codes_left, qq, one)), gain = lanes_mul(qx, fitted);
        keep_gain(&best, gain, qx, qq);
        if (step == 0 || (c >= codes->near && c < codes->far)) keep_gain(&near, gain, qx, qq);
        if (l->fitted) lanes_store(l->fitted + c * WT_LANES, lanes_select(codes_left, fitted, plain));
    }
    lanes_store(l->qx, best.qx);
    lanes_store(l->qq, best.qq);
    lanes_store(l->near_qx, near.qx);
    lanes_store(l->near_qq, near.qq);
}

static void scan(const float *x, const float *w, size_t n, const wt_codes *codes, wt_scan_lanes *l) {
    if (codes->grid.cells)
        scan_all(x, w, n, true, codes, l);
    else
        scan_all(x, w, n, false, codes, l);
}

INLINE void try_scales_all(const float *x, const float *w, size_t n, const wt_grid *g, bool cells, const float *scales,
                           size_t count, bool halves, wt_best_lanes *l) {
    const lanes zero = lanes_set(0.0f), one = lanes_set(1.0f);
    const wt_grid grid = *g;
    lanes least = lanes_load(l->error), best = lanes_load(l->scale), index = lanes_load(l->index);
    lanes best_qx = lanes_load(l->qx), best_qq = lanes_load(l->qq);
    for (size_t c = 0; c < count; c++) {
        lanes scale = lanes_load(scales + c * WT_LANES);
        if (halves) scale = half_of(scale);
        lanes inverse = inverse_of(scale), qx = zero, qq = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x + i * WT_LANES), u = lanes_load(w + i * WT_LANES);
            lanes q = nearest(&grid, cells, lanes_mul(v, inverse)), wq = lanes_mul(u, q);
            qx = lanes_add(qx, lanes_mul(wq, v));
            qq = lanes_add(qq, lanes_mul(wq, q));
            lanes e = lanes_sub(v, lanes_mul(scale, q));
            error = lanes_add(error, lanes_mul(lanes_mul(u, e), e));
        }
        lane_mask better = lanes_above(least, error);
        least = lanes_select(better, error, least);
        best = lanes_select(better, scale, best);
        index = lanes_select(better, lanes_set((float)c), index);
        best_qx = lanes_select(better, qx, best_qx);
        best_qq = lanes_select(better, qq, best_qq);
        lane_mask codes_left = lanes_above(qq, zero);
        if (l->fitted) {
            lanes fitted = lanes_div(qx, lanes_select(codes_left, qq, one));
            lanes_store(l->fitted + c * WT_LANES, lanes_select(codes_left, fitted, scale));
        }
    }
    lanes_store(l->error, least);
    lanes_store(l->scale, best);
    lanes_store(l->index, index);
    lanes_store(l->qx, best_qx);
    lanes_store(l->qq, best_qq);
}

static void try_scales(const float *x, const float *w, size_t n, const wt_grid *grid, const float *scales, size_t count,
                       bool halves, wt_best_lanes *l) {
    if (grid->cells)
        try_scales_all(x, w, n, grid, true, scales, count, halves, l);
    else
        try_scales_all(x, w, n, grid, false, scales, count, halves, l);
}

/* ---- runs with minima, side by side ---- */

static void fit(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *l) {
    const lanes zero = lanes_set(0.0f), top = lanes_set(hi);
    const lanes first = lanes_load(l->first), by = lanes_load(l->step), limit = lanes_load(l->floor);
    lanes least = lanes_load(x), most = least, sum_w = zero, sum_x = zero, q[WT_MAX_RUN];
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x + i * WT_LANES), u = lanes_load(w + i * WT_LANES);
        least = lanes_min(v, least);
        most = lanes_max(v, most);
        sum_w = lanes_add(sum_w, u);
        sum_x = lanes_add(sum_x, lanes_mul(u, v));
    }
    lanes lowest = lanes_min(least, limit), best_scale = zero, best_error = zero, best_qq = zero;
    for (int step = -1; step < steps; step++) {
        lanes t = step < 0 ? zero : lanes_add(first, lanes_mul(by, lanes_set((float)step)));
        lanes range = lanes_sub(most, lowest);
        lane_mask wide = lanes_above(range, zero);
        lanes inverse = lanes_select(wide, lanes_div(lanes_add(t, top), range), zero);
        lanes sq = zero, qq = zero, qx = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x + i * WT_LANES);
            lanes y = lanes_mul(lanes_sub(v, lowest), inverse);
            q[i] = lanes_round(lanes_min(lanes_max(y, zero), top));
            lanes wq = lanes_mul(lanes_load(w + i * WT_LANES), q[i]);
            sq = lanes_add(sq, wq);
            qq = lanes_add(qq, lanes_mul(wq, q[i]));
            qx = lanes_add(qx, lanes_mul(wq, v));
        }
        lanes determinant = lanes_sub(lanes_mul(sum_w, qq), lanes_mul(sq, sq));
        lanes scale = lanes_select(wide, lanes_div(range, top), zero), low = lowest;
        if (step >= 0) {
            scale = lanes_div(lanes_sub(lanes_mul(sum_w, qx), lanes_mul(sum_x, sq)), determinant);
            low = lanes_div(lanes_sub(lanes_mul(qq, sum_x), lanes_mul(sq, qx)), determinant);
            lane_mask over = lanes_above(low, limit);
            low = lanes_select(over, limit, low);
            scale = lanes_select(over, lanes_div(qx, qq), scale);
        }
        for (size_t i = 0; i < n; i++) {
            lanes e = lanes_sub(lanes_add(lanes_mul(scale, q[i]), low), lanes_load(x + i * WT_LANES));
            error = lanes_add(error, lanes_mul(lanes_load(w + i * WT_LANES), lanes_mul(e, e)));
        }
        lane_mask better = lanes_both(lanes_above(determinant, zero), lanes_above(best_error, error));
        if (step < 0) better = lanes_above(lanes_set(1.0f), zero);
        best_error = lanes_select(better, error, best_error);
        best_scale = lanes_select(better, scale, best_scale);
        best_qq = lanes_select(better, qq, best_qq);
        lowest = lanes_select(better, low, lowest);
    }
    lanes_store(l->scale, best_scale);
    lanes_store(l->lowest, lowest);
    lanes_store(l->error, best_error);
    lanes_store(l->qq, best_qq);
    lanes_store(l->sum_w, sum_w);
    lanes_store(l->sum_x, sum_x);
    lanes_store(l->least, least);
    lanes_store(l->most, most);
}

static void try_ranges(const float *x, const float *w, size_t n, float hi, const float *scales, const float *mins,
                       size_t count, bool halves, wt_range_lanes *l) {
    const lanes zero = lanes_set(0.0f), top = lanes_set(hi);
    lanes least = lanes_load(l->error), best = lanes_load(l->scale), best_min = lanes_load(l->min);
    lanes index = lanes_load(l->index), best_q = lanes_load(l->q), best_qq = lanes_load(l->qq);
    lanes best_qx = lanes_load(l->qx);
    for (size_t c = 0; c < count; c++) {
        lanes scale = lanes_load(scales + c * WT_LANES), min = lanes_load(mins + c * WT_LANES);
        if (halves) {
            scale = half_of(scale);
            min = half_of(min);
        }
        lanes inverse = inverse_of(scale), sq = zero, qq = zero, qx = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x + i * WT_LANES), u = lanes_load(w + i * WT_LANES), shifted = lanes_add(v, min);
            lanes q = lanes_round(lanes_min(lanes_max(lanes_mul(shifted, inverse), zero), top)), wq = lanes_mul(u, q);
            sq = lanes_add(sq, wq);
            qx = lanes_add(qx, lanes_mul(wq, v));
            qq = lanes_add(qq, lanes_mul(wq, q));
            lanes e = lanes_sub(shifted, lanes_mul(scale, q));
            error = lanes_add(error, lanes_mul(lanes_mul(u, e), e));
        }
        lane_mask better = lanes_above(least, error);
        least = lanes_select(better, error, least);
        best = lanes_select(better, scale, best);
        best_min = lanes_select(better, min, best_min);
        index = lanes_select(better, lanes_set((float)c), index);
        best_q = lanes_select(better, sq, best_q);
        best_qq = lanes_select(better, qq, best_qq);
        best_qx = lanes_select(better, qx, best_qx);
        if (!l->all_q) continue;
        lanes_store(l->all_q + c * WT_LANES, sq);
        lanes_store(l->all_qq + c * WT_LANES, qq);
        lanes_store(l->all_qx + c * WT_LANES, qx);
    }
    lanes_store(l->error, least);
    lanes_store(l->scale, best);
    lanes_store(l->min, best_min);
    lanes_store(l->index, index);
    lanes_store(l->q, best_q);
    lanes_store(l->qq, best_qq);
    lanes_store(l->qx, best_qx);
}

/* ---- one run ---- */

static void assign(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q) {
    const lanes by = lanes_set(inverse), shift = lanes_set(min);
    const wt_grid g = *grid;
    size_t i = 0;
    for (; i + WT_LANES <= n; i += WT_LANES) {
        float codes[WT_LANES];
        lanes y = lanes_mul(lanes_add(lanes_load(x + i), shift), by);
        lanes_store(codes, g.cells ? nearest(&g, true, y) : nearest(&g, false, y));
        for (int lane = 0; lane < WT_LANES; lane++) q[i + (size_t)lane] = (int8_t)(int)codes[lane];
    }
    for (; i < n; i++) q[i] = (int8_t)wt_grid_nearest(grid, (x[i] + min) * inverse);
}

#define WT_ENCODE_KERNELS {symmetric, spread, scan, try_scales, fit, try_ranges, assign}
