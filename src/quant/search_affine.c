/* Scales and minima of runs whose codes start at 0; see search.h. A weight is s q - m. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/search.h"

/* ---- runs side by side ---- */

/* The runs in lanes: lane i is run i % runs of x. */
static void spread(const float *x, size_t runs, size_t n, float *lanes) {
    for (size_t i = 0; i < n; i++) {
        for (size_t lane = 0; lane < WT_LANES; lane++) lanes[i * WT_LANES + lane] = x[lane % runs * n + i];
    }
}

static int steps_of(const wt_search *search) {
    return search->steps < 1 ? 1 : search->steps > WT_MAX_STEPS ? WT_MAX_STEPS : search->steps;
}

/* A lane's candidates, upward or downward. */
static void set_lane(wt_fit_lanes *l, size_t lane, const wt_search *search, bool down, float floor) {
    int steps = steps_of(search);
    float step = steps > 1 ? (search->hi - search->lo) / (float)(steps - 1) : 0.0f;
    l->first[lane] = down ? search->hi : search->lo;
    l->step[lane] = down ? -step : step;
    l->floor[lane] = floor;
}

/* ---- blocks on their own ---- */

/* Scales and minima that are tried exactly. */
typedef struct tried {
    float scale[WT_LANES], min[WT_LANES], inverse[WT_LANES], q[WT_LANES], qq[WT_LANES], qx[WT_LANES], error[WT_LANES];
} tried;

static bool try_all(const wt_encode_kernels *k, tried *t, const float *x, const float *w, size_t n, float hi,
                    float *best_s, float *best_m, float *least) {
    wt_affine_lanes lanes = {t->inverse, t->scale, t->min, t->q, t->qq, t->qx, t->error};
    bool improved = false;
    wt_round_halves(t->scale, WT_LANES);
    wt_round_halves(t->min, WT_LANES);
    for (int i = 0; i < WT_LANES; i++) t->inverse[i] = wt_inverse(t->scale[i]);
    k->affine(x, w, n, hi, 1, &lanes);
    for (int i = 0; i < WT_LANES; i++) {
        if (t->error[i] < *least) {
            *least = t->error[i];
            *best_s = t->scale[i];
            *best_m = t->min[i];
            improved = true;
        }
    }
    return improved;
}

/* Every lane's scale and minimum as its codes would have them. */
static void refit(tried *t, float sum_w, float sum_x, float bias) {
    for (int i = 0; i < WT_LANES; i++) {
        float determinant = sum_w * t->qq[i] - t->q[i] * t->q[i];
        if (!(determinant > 1e-6f * sum_w * t->qq[i])) continue;
        t->scale[i] = (sum_w * t->qx[i] - t->q[i] * sum_x) / determinant * bias;
        t->min[i] = (t->q[i] * t->qx[i] - t->qq[i] * sum_x) / determinant;
    }
}

/* The halves beside a value that is not 0. */
static float beside(float value, int by) { return wt_half_to_float((uint16_t)(wt_search_half(value) + by)); }

/* What a fitted lane gives to try: itself, and the halves around it. */
static int add_fit(tried *t, int at, float s, float m) {
    static const signed char AROUND[7][2] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, -1}};
    for (int i = 0; i < 7; i++, at++) {
        t->scale[at] = AROUND[i][0] ? beside(s, AROUND[i][0]) : s;
        t->min[at] = AROUND[i][1] ? beside(m, AROUND[i][1]) : m;
    }
    return at;
}

/* All weights the same: the minimum alone, or the scale alone times a code that rounds best. */
static void constant(float value, float hi, uint16_t *d, uint16_t *m) {
    *d = 0;
    *m = wt_search_half(-value);
    float least = fabsf(wt_half_to_float(*m) + value);
    for (float code = hi; code > 0.0f; code -= 1.0f) {
        uint16_t half = wt_search_half(value / code);
        float off = fabsf(wt_half_to_float(half) * code - value);
        if (off < least) {
            least = off;
            *d = half;
            *m = 0;
        }
    }
}

void wt_search_scales_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, float hi,
                          const wt_search *search, uint16_t *d, uint16_t *m) {
    enum { N = WT_MAX_RUN };
    float lanes_x[N * WT_LANES], lanes_w[N * WT_LANES];
    wt_fit_lanes fit;
    spread(x, blocks, N, lanes_x);
    spread(w, blocks, N, lanes_w);
    /* The first lane of a block may not have a lowest value above 0 (as in ggml), the second may. */
    for (size_t lane = 0; lane < WT_LANES; lane++)
        set_lane(&fit, lane, search, false, lane < WT_MAX_BLOCKS ? 0.0f : INFINITY);
    k->fit(lanes_x, lanes_w, N, hi, steps_of(search), &fit);
    for (size_t b = 0; b < blocks; b++) {
        size_t free = WT_MAX_BLOCKS + (b + blocks - WT_MAX_BLOCKS % blocks) % blocks;
        if (fit.most[b] == fit.least[b]) {
            constant(fit.most[b], hi, &d[b], &m[b]);
            continue;
        }
        tried t;
        int at = add_fit(&t, 0, fit.scale[b] * search->bias, -fit.lowest[b]);
        at = add_fit(&t, at, fit.scale[free] * search->bias, -fit.lowest[free]);
        for (; at < WT_LANES; at++) { /* and the plain choice */
            t.scale[at] = (fit.most[b] - fit.least[b]) / hi;
            t.min[at] = -fit.least[b];
        }
        float s = 0.0f, min = 0.0f, least = INFINITY;
        for (int pass = 0; try_all(k, &t, x + b * N, w + b * N, N, hi, &s, &min, &least) && pass < search->passes; pass++)
            refit(&t, fit.sum_w[b], fit.sum_x[b], search->bias);
        d[b] = wt_search_half(s);
        m[b] = wt_search_half(min);
    }
}

/* ---- a super-block ---- */

/* How many pairs of scales of the super-block are tried. */
enum { CHAINS = 4 };

typedef struct chain {
    float d, dmin, error;
    int scales[WT_MAX_RUNS], mins[WT_MAX_RUNS];
    /* With codes as they are the error is a quadratic form in d and dmin; its coefficients. */
    float dd, dm, mm, dx, mx;
} chain;

/* What each run would like to have, and how much its error grows around that. */
typedef struct targets {
    float scale[WT_MAX_RUNS], min[WT_MAX_RUNS], qq[WT_MAX_RUNS];
} targets;

/* The super-block at hand. */
typedef struct super {
    const wt_super *shape;
    const float *x, *w;
    float hi; /* the largest code */
    float sum_w[WT_MAX_RUNS], sum_x[WT_MAX_RUNS];
} super;

static int clamp_code(const wt_super *shape, float value) {
    float q = value > 0.0f ? value : 0.0f;
    q = q < (float)shape->hi ? q : (float)shape->hi;
    return (int)((q + WT_ROUNDER) - WT_ROUNDER);
}

/* Steps from the nearest (scale, minimum) that a run tries: the square around it, then some further ones. */
static const signed char NEAR[WT_LANES][2] = {{0, 0},  {-1, 0}, {1, 0},  {0, -1}, {0, 1},   {-1, -1}, {1, 1}, {-1, 1},
                                              {1, -1}, {2, 0},  {-2, 0}, {0, 2},  {0, -2}, {2, 2},   {-2, -2}, {2, 1}};

/* The exact error of a chain's d and dmin, each run at its best scale and minimum around the targets, or around what it has. */
static void evaluate(const wt_encode_kernels *k, const super *b, const targets *t, chain *c) {
    const wt_super *shape = b->shape;
    float scale[WT_LANES], inverse[WT_LANES], min[WT_LANES], q[WT_LANES], qq[WT_LANES], qx[WT_LANES], error[WT_LANES];
    int scales[WT_LANES], mins[WT_LANES], s, m;
    wt_affine_lanes lanes = {inverse, scale, min, q, qq, qx, error};
    c->error = c->dd = c->dm = c->mm = c->dx = c->mx = 0.0f;
    float by_d = wt_inverse(c->d), by_min = wt_inverse(c->dmin);
    for (size_t j = 0; j < shape->runs; j++) {
        s = t ? clamp_code(shape, t->scale[j] * by_d) : c->scales[j];
        m = t ? clamp_code(shape, t->min[j] * by_min) : c->mins[j];
        for (int i = 0; i < WT_LANES; i++) {
            int a = s + NEAR[i][0], o = m + NEAR[i][1];
            scales[i] = a < 0 ? 0 : a > shape->hi ? shape->hi : a;
            mins[i] = o < 0 ? 0 : o > shape->hi ? shape->hi : o;
            scale[i] = c->d * (float)scales[i];
            min[i] = c->dmin * (float)mins[i];
        }
        for (int i = 0; i < WT_LANES; i++) inverse[i] = scale[i] != 0.0f ? 1.0f / scale[i] : 0.0f;
        k->affine(b->x + j * shape->run, b->w + j * shape->run, shape->run, b->hi, 1, &lanes);
        int best = 0;
        for (int i = 1; i < WT_LANES; i++) best = error[i] < error[best] ? i : best;
        float ls = (float)scales[best], lm = (float)mins[best];
        c->scales[j] = scales[best];
        c->mins[j] = mins[best];
        c->error += error[best];
        c->dd += ls * ls * qq[best];
        c->dm += ls * lm * q[best];
        c->mm += lm * lm * b->sum_w[j];
        c->dx += ls * qx[best];
        c->mx += lm * b->sum_x[j];
    }
}

static float half_of(float value) { return wt_half_to_float(wt_search_half(value)); }

/* d and dmin as the codes of the chain would have them. */
static void refit_chain(chain *c, float bias) {
    float d = c->d, dmin = c->dmin, determinant = c->dd * c->mm - c->dm * c->dm;
    if (determinant > 1e-6f * c->dd * c->mm) {
        d = (c->mm * c->dx - c->dm * c->mx) / determinant;
        dmin = (c->dm * c->dx - c->dd * c->mx) / determinant;
    } else if (c->dd > 0.0f) {
        d = (c->dx + c->dmin * c->dm) / c->dd;
    }
    if (d > 0.0f) c->d = half_of(d * bias);
    if (dmin >= 0.0f) c->dmin = half_of(dmin);
}

static float largest_of(const float *values, size_t n) {
    float largest = 0.0f;
    for (size_t j = 0; j < n; j++) largest = values[j] > largest ? values[j] : largest;
    return largest;
}

/*
 * A scale for values >= 0 that codes 0..hi are to hold, an error in each counted by weight: the best of some around largest / hi,
 * then codes are moved one at a time while that helps, each against the scale that the others would have. It is ggml's way for
 * scales of scales (make_qp_quants), and has to find what that finds.
 */
static float scale_for(const wt_encode_kernels *k, const float *values, const float *weight, const wt_super *shape) {
    float largest = largest_of(values, shape->runs), hi = (float)shape->hi;
    float inverse[WT_LANES], scale[WT_LANES], qx[WT_LANES], qq[WT_LANES], error[WT_LANES], q[WT_MAX_RUNS];
    if (!(largest > 0.0f)) return 0.0f;
    for (int i = 0; i < WT_LANES; i++) {
        inverse[i] = (i == 0 ? hi : hi + 0.1f * (float)(i < 5 ? i - 5 : i - 4)) / largest;
        scale[i] = 1.0f / inverse[i];
    }
    const wt_grid grid = {0.0f, hi, NULL};
    wt_symmetric_lanes lanes = {inverse, scale, qx, qq, error};
    k->symmetric(values, weight, shape->runs, &grid, 1, &lanes);
    int best = 0;
    for (int i = 1; i < 9; i++) best = error[i] < error[best] ? i : best; /* 0, then -0.4 to 0.4 */
    float sum_qx = qx[best], sum_qq = qq[best];
    for (size_t j = 0; j < shape->runs; j++) q[j] = wt_grid_nearest(&grid, values[j] * inverse[best]);
    for (int round = 0, moved = 1; round < 5 && moved; round++) {
        moved = 0;
        for (size_t j = 0; j < shape->runs; j++) {
            float other_qx = sum_qx - weight[j] * values[j] * q[j], other_qq = sum_qq - weight[j] * q[j] * q[j];
            if (!(other_qx > 0.0f && other_qq > 0.0f)) continue;
            float to = wt_grid_nearest(&grid, values[j] * other_qq / other_qx);
            if (to == q[j]) continue;
            other_qx += weight[j] * values[j] * to;
            other_qq += weight[j] * to * to;
            if (other_qx * other_qx * sum_qq > sum_qx * sum_qx * other_qq) {
                q[j] = to;
                sum_qx = other_qx;
                sum_qq = other_qq;
                moved = 1;
            }
        }
    }
    return sum_qq > 0.0f ? sum_qx / sum_qq : largest / hi;
}

/* Each run's own scale and minimum: upward as ggml looks, then what looking downward finds better. */
static void find_targets(const wt_encode_kernels *k, super *b, const wt_search *search, targets *up, targets *best) {
    float lanes_x[WT_MAX_RUN * WT_LANES], lanes_w[WT_MAX_RUN * WT_LANES];
    size_t runs = b->shape->runs;
    wt_fit_lanes first, second;
    spread(b->x, runs, b->shape->run, lanes_x);
    spread(b->w, runs, b->shape->run, lanes_w);
    for (size_t lane = 0; lane < WT_LANES; lane++) {
        set_lane(&first, lane, search, lane >= runs, 0.0f);
        set_lane(&second, lane, search, true, 0.0f);
    }
    k->fit(lanes_x, lanes_w, b->shape->run, b->hi, steps_of(search), &first);
    bool apart = runs == WT_LANES; /* no lanes were left for looking downward */
    if (apart) k->fit(lanes_x, lanes_w, b->shape->run, b->hi, steps_of(search), &second);
    const wt_fit_lanes *down = apart ? &second : &first;
    for (size_t j = 0; j < runs; j++) {
        size_t other = apart ? j : j + runs;
        bool better = down->error[other] < first.error[j];
        b->sum_w[j] = first.sum_w[j];
        b->sum_x[j] = first.sum_x[j];
        up->scale[j] = first.scale[j];
        up->min[j] = -first.lowest[j];
        up->qq[j] = first.qq[j];
        best->scale[j] = better ? down->scale[other] : up->scale[j];
        best->min[j] = better ? -down->lowest[other] : up->min[j];
        best->qq[j] = better ? down->qq[other] : up->qq[j];
    }
}

void wt_search_super_min(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                         float code_hi, const wt_search *search, uint16_t *d, uint16_t *dmin, int *scales, int *mins) {
    super b = {.shape = shape, .x = x, .w = w, .hi = code_hi};
    targets up, best;
    chain chains[CHAINS], least = {.error = INFINITY};
    find_targets(k, &b, search, &up, &best);
    /* d and dmin as ggml takes them without and with importance, and as the better targets have them by their curvature. */
    float dmin_fit = scale_for(k, best.min, b.sum_w, shape);
    const float starts[CHAINS][2] = {
        {largest_of(up.scale, shape->runs) / (float)shape->hi, largest_of(up.min, shape->runs) / (float)shape->hi},
        {scale_for(k, up.scale, b.sum_w, shape), scale_for(k, up.min, b.sum_w, shape)},
        {scale_for(k, best.scale, best.qq, shape), dmin_fit},
        {largest_of(best.scale, shape->runs) / (float)shape->hi, dmin_fit},
    };
    for (int i = 0; i < CHAINS; i++) {
        chains[i].d = half_of(starts[i][0] * search->bias);
        chains[i].dmin = half_of(starts[i][1]);
        evaluate(k, &b, i < 2 ? &up : &best, &chains[i]);
        if (chains[i].error < least.error) least = chains[i];
    }
    /* The best one goes on. */
    chain next = least;
    for (int pass = 0; pass < search->passes; pass++) {
        refit_chain(&next, search->bias);
        evaluate(k, &b, NULL, &next);
        if (!(next.error < least.error)) break;
        least = next;
    }
    *d = wt_search_half(least.d);
    *dmin = wt_search_half(least.dmin);
    memcpy(scales, least.scales, shape->runs * sizeof *scales);
    memcpy(mins, least.mins, shape->runs * sizeof *mins);
}
