/*
 * The text of the kernels of encode_kernels.h, for the instruction set that the including file is compiled for. That file makes
 * a table of WT_ENCODE_KERNELS.
 */
#include <math.h>
#include <string.h>

#include "quant/lanes.h"

/* `kind` is the grid's, a constant where this is used. */
INLINE lanes nearest(const wt_grid *g, wt_grid_kind kind, lanes y) {
    const lanes lo = lanes_set(g->lo);
    y = lanes_min(lanes_max(y, lo), lanes_set(g->hi));
    if (kind == WT_INTEGERS) return lanes_round(y);
    if (kind == WT_FP4) { /* 1 + 1/2 times 2^23 times the step between values of that size: sums of it round to steps */
        lanes power = lanes_power(lanes_max(lanes_abs(y), lanes_set(2.0f)));
        lanes rounder = lanes_mul(power, lanes_set(0.75f * 0x1p23f));
        return lanes_sub(lanes_add(y, rounder), rounder);
    }
    lanes c = lanes_mul(lanes_sub(y, lo), lanes_set(g->cells->per_unit));
    return lanes_lookup(g->cells, lanes_min(c, lanes_set(WT_CELLS - 1)), y);
}

/* Calls function(kind, ...) with the grid's kind as a constant. */
#define FOR_KIND(grid, function, ...)                                                                                  \
    do {                                                                                                               \
        if ((grid)->kind == WT_INTEGERS)                                                                               \
            function(WT_INTEGERS, __VA_ARGS__);                                                                        \
        else if ((grid)->kind == WT_FP4)                                                                               \
            function(WT_FP4, __VA_ARGS__);                                                                             \
        else                                                                                                           \
            function(WT_TABLE, __VA_ARGS__);                                                                           \
    } while (0)

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

/* a / b, or `otherwise` where b is not above 0. */
INLINE lanes ratio(lanes a, lanes b, lanes otherwise) {
    lane_mask sound = lanes_above(b, lanes_set(0.0f));
    return lanes_select(sound, lanes_div(a, lanes_select(sound, b, lanes_set(1.0f))), otherwise);
}

INLINE lanes within(lanes a, lanes lo, lanes hi) { return lanes_min(lanes_max(a, lo), hi); }

/* ---- consecutive weights ---- */

static void prepare(const float *x, size_t n, float limit, float *out) {
    const lanes hi = lanes_set(limit), lo = lanes_set(-limit);
    for (size_t i = 0; i < n; i += WT_LANES) lanes_store(out + i, within(lanes_load(x + i), lo, hi));
}

static void prepare_importance(const float *w, size_t n, float by, float little, float *out) {
    const lanes zero = lanes_set(0.0f), factor = lanes_set(by), least = lanes_set(little);
    for (size_t i = 0; i < n; i += WT_LANES) {
        lanes v = lanes_mul(lanes_load(w + i), factor);
        lanes_store(out + i, lanes_any(lanes_above(v, zero)) ? v : least);
    }
}

static float largest(const float *w, size_t n) {
    lanes most = lanes_set(0.0f);
    for (size_t i = 0; i < n; i += WT_LANES) most = lanes_max(lanes_load(w + i), most);
    return lanes_largest(most);
}

static bool alike(const float *w, size_t n) {
    const lanes first = lanes_set(n ? w[0] : 0.0f);
    for (size_t i = 0; i < n; i += WT_LANES) {
        if (lanes_any(lanes_above(lanes_abs(lanes_sub(lanes_load(w + i), first)), lanes_set(0.0f)))) return false;
    }
    return n == 0 || w[0] == w[0]; /* of NaN nothing is above anything */
}

static float magnitude(const float *x, size_t n) {
    lanes most = lanes_set(0.0f);
    for (size_t i = 0; i < n; i += WT_LANES) most = lanes_max(lanes_abs(lanes_load(x + i)), most);
    return lanes_largest(most);
}

static float extreme(const float *x, size_t n) {
    union {
        float f;
        uint32_t u;
    } below = {.f = magnitude(x, n)};
    if (below.u == 0) return 0.0f;
    below.u--; /* the float before it: what is above that has the magnitude */
    for (size_t i = 0; i < n; i += WT_LANES) {
        lane_mask found = lanes_above(lanes_abs(lanes_load(x + i)), lanes_set(below.f));
        if (lanes_any(found)) return x[i + (size_t)lanes_first(found)];
    }
    return 0.0f;
}

INLINE void assign_some(wt_grid_kind kind, const float *x, size_t runs, size_t n, const wt_grid *grid,
                        const float *inverse, const float *min, int8_t *q) {
    const wt_grid g = *grid;
    for (size_t run = 0; run < runs; run++, x += n, q += n) {
        const lanes by = lanes_set(inverse[run]), shift = lanes_set(min ? min[run] : 0.0f);
        for (size_t i = 0; i < n; i += WT_LANES)
            lanes_store_bytes(q + i, nearest(&g, kind, lanes_mul(lanes_add(lanes_load(x + i), shift), by)));
    }
}

static void assign(const float *x, size_t runs, size_t n, const wt_grid *grid, const float *inverse, const float *min,
                   int8_t *q) {
    FOR_KIND(grid, assign_some, x, runs, n, grid, inverse, min, q);
}

/* ---- candidates side by side ---- */

/* `count` registers of candidates from lane `at` on: two keep the additions from waiting for each other. */
INLINE void symmetric_some(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_grid *grid,
                           bool errors, int count, size_t at, const wt_symmetric_lanes *l) {
    lanes inverse[2], scale[2], qx[2], qq[2], error[2];
    for (int k = 0; k < count; k++) {
        inverse[k] = lanes_load(l->inverse + at + WT_LANES * k);
        scale[k] = errors ? lanes_load(l->scale + at + WT_LANES * k) : lanes_set(0.0f);
        qx[k] = qq[k] = error[k] = lanes_set(0.0f);
    }
    for (size_t i = 0; i < n; i++) {
        const lanes v = lanes_set(x[i]), u = lanes_set(w[i]), uv = lanes_set(w[i] * x[i]);
        for (int k = 0; k < count; k++) {
            lanes q = nearest(grid, kind, lanes_mul(v, inverse[k]));
            qx[k] = lanes_add(qx[k], lanes_mul(uv, q));
            qq[k] = lanes_add(qq[k], lanes_mul(lanes_mul(u, q), q));
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

INLINE void symmetric_all(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_grid *grid, bool errors,
                          size_t groups, const wt_symmetric_lanes *l) {
    const wt_grid g = *grid;
    size_t k = 0;
    for (; k + 2 <= groups; k += 2) symmetric_some(kind, x, w, n, &g, errors, 2, k * WT_LANES, l);
    if (k < groups) symmetric_some(kind, x, w, n, &g, errors, 1, k * WT_LANES, l);
}

static void symmetric(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *l) {
    if (l->error)
        FOR_KIND(grid, symmetric_all, x, w, n, grid, true, groups, l);
    else
        FOR_KIND(grid, symmetric_all, x, w, n, grid, false, groups, l);
}

/* sum w (x - scale q)^2; even and odd weights apart, so that neither sum waits for the other. */
INLINE lanes errors_of(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_grid *grid, lanes inverse,
                       lanes scale) {
    lanes sums[2] = {lanes_set(0.0f), lanes_set(0.0f)};
    for (size_t i = 0; i < n; i += 2) {
        for (size_t j = 0; j < 2; j++) {
            lanes v = lanes_set(x[i + j]), q = nearest(grid, kind, lanes_mul(v, inverse));
            lanes e = lanes_sub(v, lanes_mul(scale, q));
            sums[j] = lanes_add(sums[j], lanes_mul(lanes_mul(lanes_set(w[i + j]), e), e));
        }
    }
    return lanes_add(sums[0], sums[1]);
}

/* The first lane of the smallest error, which is >= 0. */
INLINE int smallest_lane(lanes error, float *smallest) {
    *smallest = -lanes_largest(lanes_sub(lanes_set(0.0f), error));
    union {
        float f;
        uint32_t u;
    } above = {.f = *smallest + 0.0f};
    above.u++; /* the float after it: what is below that is as small */
    return lanes_first(lanes_above(lanes_set(above.f), error));
}

INLINE void least_all(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const float *inverses, const float *scales, int *best) {
    const wt_grid g = *grid;
    float smallest = INFINITY, here;
    *best = 0;
    for (size_t k = 0; k < groups; k++) {
        const lanes inverse = lanes_load(inverses + k * WT_LANES), scale = lanes_load(scales + k * WT_LANES);
        int lane = smallest_lane(errors_of(kind, x, w, n, &g, inverse, scale), &here);
        if (!(here < smallest)) continue;
        smallest = here;
        *best = (int)(k * WT_LANES) + lane;
    }
}

static int least(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups, const float *inverse,
                 const float *scale) {
    int best;
    FOR_KIND(grid, least_all, x, w, n, grid, groups, inverse, scale, &best);
    return best;
}

INLINE void least_half_all(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_grid *grid, int first,
                           int *best) {
    const wt_grid g = *grid;
    const lanes scale = lanes_halves(first);
    float smallest;
    *best = smallest_lane(errors_of(kind, x, w, n, &g, inverse_of(scale), scale), &smallest);
}

static int least_half(const float *x, const float *w, size_t n, const wt_grid *grid, int first) {
    int best;
    FOR_KIND(grid, least_half_all, x, w, n, grid, first, &best);
    return first + best;
}

INLINE void closed_form_all(wt_grid_kind kind, const float *x, const float *w, size_t n, const wt_codes *codes,
                            float max, float bias, float *best) {
    const wt_grid grid = codes->grid;
    const lanes zero = lanes_set(0.0f), plain = lanes_set(max / grid.lo);
    union {
        float f;
        uint32_t u;
    } most = {.f = 0.0f};
    *best = max / grid.lo * bias;
    for (size_t at = 0; at < codes->filled; at += WT_LANES) {
        const lanes inverse = lanes_div(lanes_load(codes->top + at), lanes_set(max));
        lanes qx[2] = {zero, zero}, qq[2] = {zero, zero}; /* even and odd weights, as in errors_of */
        for (size_t i = 0; i < n; i += 2) {
            for (size_t j = 0; j < 2; j++) {
                lanes q = nearest(&grid, kind, lanes_mul(lanes_set(x[i + j]), inverse));
                qx[j] = lanes_add(qx[j], lanes_mul(lanes_set(w[i + j] * x[i + j]), q));
                qq[j] = lanes_add(qq[j], lanes_mul(lanes_mul(lanes_set(w[i + j]), q), q));
            }
        }
        const lanes all_qx = lanes_add(qx[0], qx[1]), all_qq = lanes_add(qq[0], qq[1]);
        const lanes scale = lanes_mul(ratio(all_qx, all_qq, plain), lanes_set(bias));
        const lanes gain = lanes_mul(scale, lanes_sub(lanes_add(all_qx, all_qx), lanes_mul(scale, all_qq)));
        const float here = lanes_largest(gain);
        if (!(here > most.f)) continue;
        most.f = here;
        float scales[WT_LANES];
        lanes_store(scales, scale);
        most.u--; /* the float before it: what is above that gains as much */
        *best = scales[lanes_first(lanes_above(gain, lanes_set(most.f)))];
        most.u++;
    }
}

static float closed_form(const float *x, const float *w, size_t n, const wt_codes *codes, float max, float bias) {
    float best;
    FOR_KIND(&codes->grid, closed_form_all, x, w, n, codes, max, bias, &best);
    return best;
}

/* ---- runs without minima, side by side ---- */

static void spread(const float *x, size_t runs, size_t n, wt_lanes *out) {
    for (size_t i = 0; i < n; i += WT_LANES) {
        lanes rows[WT_LANES];
        for (size_t lane = 0, run = 0; lane < WT_LANES; lane++, run = run + 1 < runs ? run + 1 : 0)
            rows[lane] = lanes_load(x + run * n + i);
        lanes_transpose(rows);
        for (size_t j = 0; j < WT_LANES; j++) lanes_store(out[i + j], rows[j]);
    }
}

/* The sums of a candidate, and what it gains. */
typedef struct gains {
    lanes gain, qx, qq;
} gains;

INLINE gains gains_of(wt_grid_kind kind, const wt_grid *grid, const wt_lanes *x, const wt_lanes *w, const lanes *wx,
                      size_t n, lanes inverse) {
    lanes qx = lanes_set(0.0f), qq = qx;
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x[i]), q = nearest(grid, kind, lanes_mul(v, inverse)), wq = lanes_mul(lanes_load(w[i]), q);
        /* Each as ggml multiplies, to the bit. */
        qx = lanes_add(qx, kind == WT_TABLE ? lanes_mul(wq, v) : lanes_mul(wx[i], q));
        qq = lanes_add(qq, lanes_mul(wq, q));
    }
    return (gains){lanes_set(0.0f), qx, qq};
}

INLINE void keep(gains *best, lane_mask better, gains other) {
    best->gain = lanes_select(better, other.gain, best->gain);
    best->qx = lanes_select(better, other.qx, best->qx);
    best->qq = lanes_select(better, other.qq, best->qq);
}

INLINE void scan_all(wt_grid_kind kind, const wt_lanes *x, const wt_lanes *w, size_t n, const wt_codes *codes,
                     wt_scan_lanes *l) {
    const lanes zero = lanes_set(0.0f);
    const wt_grid grid = codes->grid;
    lanes max = zero, most = zero, sum_w = zero, wx[WT_MAX_RUN];
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x[i]), u = lanes_load(w[i]), a = lanes_abs(v);
        max = lanes_select(lanes_above(a, most), v, max);
        most = lanes_max(a, most);
        sum_w = lanes_add(sum_w, u);
        wx[i] = lanes_mul(u, v);
    }
    lanes_store(l->max, max);
    lanes_store(l->sum_w, sum_w);
    const lane_mask something = lanes_above(most, lanes_set(WT_NOTHING));
    const lanes plain = lanes_div(max, lanes_set(grid.lo)), divisor = lanes_select(something, max, lanes_set(1.0f));
    gains best = {zero, zero, zero}, near = best;
    for (size_t step = 0; step < codes->count; step++) {
        size_t c = step ? step - 1 : codes->count - 1; /* the plain one first: of equals it is kept */
        lanes inverse = lanes_select(something, lanes_div(lanes_set(codes->top[c]), divisor), zero);
        gains g = gains_of(kind, &grid, x, w, wx, n, inverse);
        lanes fitted = ratio(g.qx, g.qq, zero);
        g.gain = lanes_mul(fitted, g.qx);
        keep(&best, lanes_above(g.gain, lanes_mul(best.gain, lanes_set(WT_BETTER))), g);
        if (step == 0 || (c >= codes->near && c < codes->far)) /* as ggml compares, so that it is the same one */
            keep(&near, lanes_above(lanes_mul(g.qx, g.qx), lanes_mul(near.gain, g.qq)), g);
        if (l->fitted) lanes_store(l->fitted[c], lanes_select(lanes_above(g.qq, zero), fitted, plain));
    }
    lanes_store(l->qx, best.qx);
    lanes_store(l->qq, best.qq);
    lanes_store(l->near_qx, near.qx);
    lanes_store(l->near_qq, near.qq);
}

static void scan(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_codes *codes, wt_scan_lanes *l) {
    FOR_KIND(&codes->grid, scan_all, x, w, n, codes, l);
}

/* Of weights under one scale a lane. */
typedef struct trial {
    lanes error, qx, qq;
} trial;

INLINE trial try_one(wt_grid_kind kind, const wt_grid *grid, const wt_lanes *x, const wt_lanes *w, size_t n,
                     lanes scale) {
    const lanes inverse = inverse_of(scale);
    trial t = {lanes_set(0.0f), lanes_set(0.0f), lanes_set(0.0f)};
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x[i]), u = lanes_load(w[i]);
        lanes q = nearest(grid, kind, lanes_mul(v, inverse)), wq = lanes_mul(u, q);
        t.qx = lanes_add(t.qx, lanes_mul(wq, v));
        t.qq = lanes_add(t.qq, lanes_mul(wq, q));
        lanes e = lanes_sub(v, lanes_mul(scale, q));
        t.error = lanes_add(t.error, lanes_mul(lanes_mul(u, e), e));
    }
    return t;
}

INLINE void try_scales_all(wt_grid_kind kind, const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *g,
                           const wt_lanes *scales, size_t count, wt_best_lanes *l) {
    const wt_grid grid = *g;
    lanes least = lanes_load(l->error), best = lanes_load(l->scale);
    for (size_t c = 0; c < count; c++) {
        lanes scale = half_of(lanes_load(scales[c]));
        trial t = try_one(kind, &grid, x, w, n, scale);
        lane_mask better = lanes_above(least, t.error);
        least = lanes_select(better, t.error, least);
        best = lanes_select(better, scale, best);
        if (l->fitted) lanes_store(l->fitted[c], ratio(t.qx, t.qq, scale));
    }
    lanes_store(l->error, least);
    lanes_store(l->scale, best);
}

static void try_scales(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *grid, const wt_lanes *scales,
                       size_t count, wt_best_lanes *l) {
    FOR_KIND(grid, try_scales_all, x, w, n, grid, scales, count, l);
}

INLINE void try_codes_all(wt_grid_kind kind, const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *g, float lo,
                          float hi, int reach, wt_code_lanes *l) {
    const wt_grid grid = *g;
    const lanes d = lanes_load(l->d), middle = lanes_load(l->code), low = lanes_set(lo), high = lanes_set(hi);
    lanes code = middle;
    trial best = try_one(kind, &grid, x, w, n, lanes_mul(d, middle));
    for (int step = 1; step <= 2 * reach; step++) { /* -1, 1, -2, 2, .. */
        lanes by = lanes_set((float)(step % 2 ? -(step + 1) / 2 : step / 2));
        lanes other = within(lanes_add(middle, by), low, high);
        trial t = try_one(kind, &grid, x, w, n, lanes_mul(d, other));
        lane_mask better = lanes_above(best.error, t.error);
        code = lanes_select(better, other, code);
        best.error = lanes_select(better, t.error, best.error);
        best.qx = lanes_select(better, t.qx, best.qx);
        best.qq = lanes_select(better, t.qq, best.qq);
    }
    lanes_store(l->code, code);
    lanes_store(l->error, best.error);
    lanes_store(l->qx, best.qx);
    lanes_store(l->qq, best.qq);
}

static void try_codes(const wt_lanes *x, const wt_lanes *w, size_t n, const wt_grid *grid, float lo, float hi,
                      int reach, wt_code_lanes *l) {
    FOR_KIND(grid, try_codes_all, x, w, n, grid, lo, hi, reach, l);
}

static void best_start(size_t n, float hi, wt_descent_lanes *l) {
    const wt_lanes *x = l->x, *w = l->w;
    const lanes zero = lanes_set(0.0f), top = lanes_set(hi);
    lanes max = zero, best = zero, least = zero;
    for (size_t i = 0; i < n; i++) max = lanes_max(lanes_load(x[i]), max);
    const lane_mask something = lanes_above(max, lanes_set(1e-15f));
    max = lanes_select(something, max, lanes_set(1.0f));
    for (int step = 0; step < 9; step++) { /* 0, then -4..4 but 0 */
        int tenths = step == 0 ? 0 : step < 5 ? step - 5 : step - 4;
        lanes inverse = lanes_div(lanes_set(step ? 0.1f * (float)tenths + hi : hi), max), error = zero;
        lanes scale = lanes_div(lanes_set(1.0f), inverse);
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x[i]), q = lanes_min(lanes_round(lanes_mul(v, inverse)), top);
            lanes e = lanes_sub(v, lanes_mul(scale, q));
            error = lanes_add(error, lanes_mul(lanes_mul(lanes_load(w[i]), e), e));
        }
        lane_mask better = step ? lanes_above(least, error) : something;
        best = lanes_select(better, inverse, best);
        least = lanes_select(better, error, least);
    }
    lanes_store(l->inverse, lanes_select(something, best, zero));
}

/* Whole numbers low..high; whether they are so few that a quotient of them needs no better inverse than the nearest at hand. */
typedef struct wholes {
    lanes low, high, sure; /* sure: a quotient less far than this from a whole number rounds to it */
    bool few;
} wholes;

INLINE wholes wholes_within(float lo, float hi) {
    const float most = (-lo > hi ? -lo : hi) + 1.0f; /* as far as quotients are looked at */
    const bool few = most <= 8.0f;
    /* What is left to 1/2 is for the division's and the product's own rounding, and of a better inverse for what it is off. */
    return (wholes){lanes_set(lo), lanes_set(hi), lanes_set(few ? 0.4999f - most * LANES_NEAR : 0.499f), few};
}

/*
 * round(a / b) within the whole numbers, to the bit, where `asked`, and where it can be without the division, which takes longer
 * than all that is around it: an inverse that is a little off tells the same integer unless the quotient is near to the middle
 * of two. b > 0 where asked; where it is so small or large that its inverse is no number, the division is made.
 */
INLINE lanes nearest_quotient(lanes a, lanes b, lane_mask asked, const wholes *to) {
    const lanes one = lanes_set(1.0f), small = lanes_set(1e-30f);
    lanes inverse = lanes_near_inverse(b);
    if (!to->few) inverse = lanes_add(inverse, lanes_mul(inverse, lanes_sub(one, lanes_mul(b, inverse))));
    const lanes y = within(lanes_mul(a, inverse), lanes_sub(to->low, one), lanes_add(to->high, one));
    const lanes whole = lanes_round(y);
    lanes nearest = within(whole, to->low, to->high);
    lane_mask unsure = lanes_either(lanes_above(lanes_abs(lanes_sub(y, whole)), to->sure), lanes_above(small, b));
    if (!to->few) unsure = lanes_either(unsure, lanes_above(b, lanes_set(1e30f))); /* few: codes of weights, b < 1e12 */
    if (lanes_any(lanes_both(asked, unsure))) nearest = lanes_round(within(lanes_div(a, b), to->low, to->high));
    return nearest;
}

/* Codes on their way, and their sums. */
typedef struct descent {
    lanes qx, qq, q[WT_MAX_RUN], wx[WT_MAX_RUN], wxq[WT_MAX_RUN], wqq[WT_MAX_RUN];
} descent;

INLINE void start_descent(descent *d, const wt_descent_lanes *l, size_t n, const wholes *codes) {
    const lanes inverse = lanes_load(l->inverse);
    d->qx = d->qq = lanes_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(l->x[i]), u = lanes_load(l->w[i]);
        d->q[i] = lanes_round(within(lanes_mul(v, inverse), codes->low, codes->high));
        d->wx[i] = lanes_mul(u, v);
        d->wxq[i] = lanes_mul(d->wx[i], d->q[i]);
        d->wqq[i] = lanes_mul(lanes_mul(u, d->q[i]), d->q[i]);
        d->qx = lanes_add(d->qx, d->wxq[i]);
        d->qq = lanes_add(d->qq, d->wqq[i]);
    }
}

/* Moves code i of the lanes where that helps; true where any did. */
INLINE bool descend_one(descent *d, const wt_descent_lanes *l, size_t i, const wholes *codes) {
    const lanes zero = lanes_set(0.0f), q = d->q[i];
    lanes qx = lanes_sub(d->qx, d->wxq[i]), qq = lanes_sub(d->qq, d->wqq[i]);
    lane_mask sound = lanes_both(lanes_above(qx, zero), lanes_above(qq, zero));
    const lanes to = nearest_quotient(lanes_mul(lanes_load(l->x[i]), qq), qx, sound, codes);
    const lanes wxq = lanes_mul(d->wx[i], to), wqq = lanes_mul(lanes_mul(lanes_load(l->w[i]), to), to);
    sound = lanes_both(sound, lanes_unlike(to, q));
    qx = lanes_add(qx, wxq);
    qq = lanes_add(qq, wqq);
    const lanes with = lanes_mul(lanes_mul(qx, qx), d->qq), without = lanes_mul(lanes_mul(d->qx, d->qx), qq);
    sound = lanes_both(sound, lanes_above(with, without));
    if (!lanes_any(sound)) return false;
    d->q[i] = lanes_select(sound, to, q);
    d->wxq[i] = lanes_select(sound, wxq, d->wxq[i]);
    d->wqq[i] = lanes_select(sound, wqq, d->wqq[i]);
    d->qx = lanes_select(sound, qx, d->qx);
    d->qq = lanes_select(sound, qq, d->qq);
    return true;
}

/* A set more in a round in which only the other moves stays as it is. */
INLINE void descend_some(size_t sets, size_t n, float lo, float hi, wt_descent_lanes *l) {
    const wholes codes = wholes_within(lo, hi);
    descent d[2];
    for (size_t k = 0; k < sets; k++) start_descent(&d[k], &l[k], n, &codes);
    bool moved = true;
    for (int round = 0; round < 5 && moved; round++) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < sets; k++) /* which do not wait for each other */
                moved |= descend_one(&d[k], &l[k], i, &codes);
        }
    }
    for (size_t k = 0; k < sets; k++) {
        lanes_store(l[k].qx, d[k].qx);
        lanes_store(l[k].qq, d[k].qq);
        for (size_t i = 0; l[k].q && i < n; i++) lanes_store(l[k].q[i], d[k].q[i]);
    }
}

static void descend(size_t sets, size_t n, float lo, float hi, wt_descent_lanes *l) {
    if (sets == 2)
        descend_some(2, n, lo, hi, l);
    else
        descend_some(1, n, lo, hi, l);
}

/* ---- runs with minima, side by side ---- */

INLINE void fit_all(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, bool absolute, wt_fit_lanes *l) {
    const lanes zero = lanes_set(0.0f), top = lanes_set(hi), limit = lanes_set(l->floor);
    lanes least = lanes_load(x[0]), most = least, sum_w = zero, sum_x = zero, q[WT_MAX_RUN];
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x[i]), u = lanes_load(w[i]);
        least = lanes_min(v, least);
        most = lanes_max(v, most);
        sum_w = lanes_add(sum_w, u);
        sum_x = lanes_add(sum_x, lanes_mul(u, v));
    }
    lanes lowest = lanes_min(least, limit), best_scale = zero, best_error = zero, best_qq = zero;
    for (int step = -1; step < l->steps; step++) {
        lanes t = lanes_set(step < 0 ? hi : l->first + l->step * (float)step + hi);
        lanes range = lanes_sub(most, lowest);
        lane_mask wide = lanes_above(range, zero);
        lanes inverse = lanes_select(wide, lanes_div(t, lanes_select(wide, range, top)), zero);
        lanes sq = zero, qq = zero, qx = zero, error = zero;
        for (size_t i = 0; i < n; i++) {
            lanes v = lanes_load(x[i]);
            q[i] = lanes_round(within(lanes_mul(lanes_sub(v, lowest), inverse), zero, top));
            lanes wq = lanes_mul(lanes_load(w[i]), q[i]);
            sq = lanes_add(sq, wq);
            qq = lanes_add(qq, lanes_mul(wq, q[i]));
            qx = lanes_add(qx, lanes_mul(wq, v));
        }
        lanes determinant = lanes_sub(lanes_mul(sum_w, qq), lanes_mul(sq, sq));
        lanes scale = inverse_of(inverse), low = lowest;
        if (step >= 0) {
            scale = ratio(lanes_sub(lanes_mul(sum_w, qx), lanes_mul(sum_x, sq)), determinant, zero);
            low = ratio(lanes_sub(lanes_mul(qq, sum_x), lanes_mul(sq, qx)), determinant, zero);
            lane_mask over = lanes_above(low, limit);
            low = lanes_select(over, limit, low);
            scale = lanes_select(over, ratio(qx, qq, zero), scale);
        }
        for (size_t i = 0; i < n; i++) {
            lanes e = lanes_sub(lanes_add(lanes_mul(scale, q[i]), low), lanes_load(x[i]));
            e = absolute ? lanes_abs(e) : lanes_mul(e, e);
            error = lanes_add(error, lanes_mul(lanes_load(w[i]), e));
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

static void fit(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, wt_fit_lanes *l) {
    if (l->absolute)
        fit_all(x, w, n, hi, true, l);
    else
        fit_all(x, w, n, hi, false, l);
}

/* Of weights under one scale and minimum a lane. */
typedef struct range_trial {
    lanes error, q, qq, qx;
} range_trial;

INLINE range_trial try_range(const wt_lanes *x, const wt_lanes *w, size_t n, lanes top, lanes scale, lanes min) {
    const lanes zero = lanes_set(0.0f), inverse = inverse_of(scale);
    range_trial t = {zero, zero, zero, zero};
    for (size_t i = 0; i < n; i++) {
        lanes v = lanes_load(x[i]), u = lanes_load(w[i]), shifted = lanes_add(v, min);
        lanes q = lanes_round(within(lanes_mul(shifted, inverse), zero, top)), wq = lanes_mul(u, q);
        t.q = lanes_add(t.q, wq);
        t.qx = lanes_add(t.qx, lanes_mul(wq, v));
        t.qq = lanes_add(t.qq, lanes_mul(wq, q));
        lanes e = lanes_sub(shifted, lanes_mul(scale, q));
        t.error = lanes_add(t.error, lanes_mul(lanes_mul(u, e), e));
    }
    return t;
}

static void try_ranges(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, const wt_lanes *scales,
                       const wt_lanes *mins, size_t count, wt_range_lanes *l) {
    lanes least = lanes_load(l->error), best = lanes_load(l->scale), best_min = lanes_load(l->min);
    for (size_t c = 0; c < count; c++) {
        lanes scale = half_of(lanes_load(scales[c])), min = half_of(lanes_load(mins[c]));
        range_trial t = try_range(x, w, n, lanes_set(hi), scale, min);
        lane_mask better = lanes_above(least, t.error);
        least = lanes_select(better, t.error, least);
        best = lanes_select(better, scale, best);
        best_min = lanes_select(better, min, best_min);
        lanes_store(l->q[c], t.q);
        lanes_store(l->qq[c], t.qq);
        lanes_store(l->qx[c], t.qx);
    }
    lanes_store(l->error, least);
    lanes_store(l->scale, best);
    lanes_store(l->min, best_min);
}

static void try_pairs(const wt_lanes *x, const wt_lanes *w, size_t n, float hi, float code_hi,
                      const signed char (*steps)[2], size_t count, wt_pair_lanes *l) {
    const lanes zero = lanes_set(0.0f), last = lanes_set(code_hi), d = lanes_load(l->d), dmin = lanes_load(l->dmin);
    const lanes middle = lanes_load(l->scale), middle_min = lanes_load(l->min);
    lanes scale = middle, min = middle_min;
    range_trial best = {lanes_set(0.0f), zero, zero, zero};
    for (size_t c = 0; c < count; c++) {
        lanes s = within(lanes_add(middle, lanes_set((float)steps[c][0])), zero, last);
        lanes m = within(lanes_add(middle_min, lanes_set((float)steps[c][1])), zero, last);
        range_trial t = try_range(x, w, n, lanes_set(hi), lanes_mul(d, s), lanes_mul(dmin, m));
        lane_mask better = c ? lanes_above(best.error, t.error) : lanes_above(lanes_set(1.0f), zero);
        scale = lanes_select(better, s, scale);
        min = lanes_select(better, m, min);
        best.error = lanes_select(better, t.error, best.error);
        best.q = lanes_select(better, t.q, best.q);
        best.qq = lanes_select(better, t.qq, best.qq);
        best.qx = lanes_select(better, t.qx, best.qx);
    }
    lanes_store(l->scale, scale);
    lanes_store(l->min, min);
    lanes_store(l->error, best.error);
    lanes_store(l->q, best.q);
    lanes_store(l->qq, best.qq);
    lanes_store(l->qx, best.qx);
}

#include "quant/encode_even_body.h"

#define WT_ENCODE_KERNELS                                                                                              \
    {                                                                                                                  \
        prepare, prepare_importance, largest, alike, magnitude, extreme, least, least_half, symmetric, closed_form,    \
            spread, scan, try_scales, try_codes, best_start, descend, fit, try_ranges, try_pairs, assign, even_scales, \
            even_ranges, even_pack                                                                                     \
    }
