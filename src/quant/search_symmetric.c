/* Scales of runs without a minimum; see search.h. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/search.h"

#define LARGEST_HALF 65504.0f

/* Below this every scale rounds to a half of 0. */
#define NOTHING 1e-12f

uint16_t wt_search_half(float value) {
    if (value > LARGEST_HALF) value = LARGEST_HALF;
    if (value < -LARGEST_HALF) value = -LARGEST_HALF;
    return wt_f32_to_f16(value);
}

/* Sums in double, so that steps of a tenth are the floats nearest to what is meant. */
static float top_code(float code, const wt_search *search, double step, size_t i) {
    return (float)((double)code + (code < 0.0f ? -1.0 : 1.0) * ((double)search->lo + step * (double)i));
}

void wt_codes_init(wt_codes *c, float lo, float hi, const wt_cells *cells, bool mirrored, const wt_search *search) {
    size_t steps = search->steps < 1 ? 1 : search->steps > WT_MAX_STEPS ? WT_MAX_STEPS : (size_t)search->steps;
    double step = steps > 1 ? (double)(search->hi - search->lo) / (double)(steps - 1) : 0.0;
    float reach = cells ? 7.5f : 0.95f; /* codes of a table lie further apart */
    c->grid = (wt_grid){lo, hi, cells};
    if (search->symmetric && !cells) {
        if (-lo > hi) c->grid.lo = -hi;
        if (hi > -lo) c->grid.hi = -lo;
    }
    if (!cells) mirrored = c->grid.lo == -c->grid.hi;
    size_t least = steps + 1 + (mirrored ? 0 : steps / 4);
    c->low = steps;
    c->count = (least + WT_LANES - 1) / WT_LANES * WT_LANES;
    c->near = c->far = 0;
    for (size_t i = 0; i < steps; i++) {
        double t = (double)search->lo + step * (double)i;
        if (t < -(double)reach) c->near = i + 1;
        if (t < (double)reach) c->far = i + 1;
        c->top[i] = top_code(c->grid.lo, search, step, i);
    }
    /* A table's plain candidate is the other way round, as ggml has it: a lopsided table may hold the mirrored weights better. */
    float plain = cells ? -c->grid.lo : c->grid.lo;
    for (size_t i = steps; i < c->count; i++) c->top[i] = plain;
    if (mirrored) return;
    size_t more = c->count - steps - 1;
    step = more > 1 ? (double)(search->hi - search->lo) / (double)(more - 1) : 0.0;
    for (size_t i = 0; i < more; i++) c->top[steps + i] = top_code(c->grid.hi, search, step, i);
}

void wt_cells_of(wt_cells *cells, const int8_t *values, int count) {
    float lo = values[0], width = ((float)values[count - 1] - lo) / WT_CELLS;
    cells->per_unit = 1.0f / width;
    for (int c = 0; c < WT_CELLS; c++) {
        /* The nearest value to the left edge, and the one that takes over within the cell, if any. */
        float left = lo + width * (float)c, right = left + width;
        int i = 0;
        while (i + 1 < count && left >= 0.5f * (float)(values[i] + values[i + 1])) i++;
        float middle = i + 1 < count ? 0.5f * (float)(values[i] + values[i + 1]) : INFINITY;
        cells->below[c] = values[i];
        cells->above[c] = values[middle < right ? i + 1 : i];
        cells->split[c] = middle;
    }
}

void wt_cells_of_odd(wt_cells *cells, int hi) {
    int8_t values[32];
    int count = 0;
    for (int v = -hi; v <= hi; v += 2) values[count++] = (int8_t)v;
    wt_cells_of(cells, values, count);
}

/*
 * The bits of floats that are not negative are in order as integers, whose maxima a compiler turns into vectors; those of
 * negative ones are below them.
 */
static int32_t bits_of(float v) {
    int32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

/* The largest of n values, or 0 where none is positive. */
static float largest_of(const float *v, size_t n) {
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) most = bits_of(v[i]) > most ? bits_of(v[i]) : most;
    float largest;
    memcpy(&largest, &most, sizeof most);
    return largest;
}

/* The smallest of n values that are not negative. */
static float smallest_of(const float *v, size_t n) {
    int32_t least = bits_of(v[0]);
    for (size_t i = 1; i < n; i++) least = bits_of(v[i]) < least ? bits_of(v[i]) : least;
    float smallest;
    memcpy(&smallest, &least, sizeof least);
    return smallest;
}

/* The weight of the largest magnitude, the first of them. */
static float extreme(const float *x, size_t n) {
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t a = bits_of(x[i]) & 0x7fffffff;
        most = a > most ? a : most;
    }
    size_t i = 0;
    while (i + 1 < n && (bits_of(x[i]) & 0x7fffffff) != most) i++;
    return x[i];
}

/* ---- candidates of one run ---- */

/* A gain that is no more than this better is rounding: of equals, the first is kept. */
#define BETTER 1.000001f

typedef struct scan {
    float inverse[WT_MAX_CANDIDATES], qx[WT_MAX_CANDIDATES], qq[WT_MAX_CANDIDATES];
} scan;

/* All candidates of a run whose largest weight is `max`. */
static void scan_run(const wt_encode_kernels *k, scan *s, const float *x, const float *w, size_t n, float max,
                     const wt_codes *codes) {
    wt_symmetric_lanes lanes = {.inverse = s->inverse, .qx = s->qx, .qq = s->qq};
    for (size_t i = 0; i < codes->count; i++) s->inverse[i] = codes->top[i] / max;
    k->symmetric(x, w, n, &codes->grid, codes->count / WT_LANES, &lanes);
}

/* What each candidate takes away from the error when its scale is refitted: (sum w x q)^2 / sum w q q. */
static void scan_gains(const scan *s, size_t count, float *gain) {
    for (size_t i = 0; i < count; i++) {
        float qq = s->qq[i] > 0.0f ? s->qq[i] : 1.0f;
        gain[i] = s->qx[i] * (s->qx[i] / qq);
    }
}

/* The candidate in from..to - 1 that gains most, the `plain` one where none gains more; false where nothing gains. */
static bool scan_best(const scan *s, const float *gain, size_t from, size_t to, size_t plain, size_t *best) {
    float most = largest_of(gain + from, to - from);
    *best = plain;
    if (!(gain[plain] * BETTER >= most)) {
        for (*best = from; gain[*best] * BETTER < most; ++*best) continue;
    }
    return gain[*best] > 0.0f && s->qq[*best] > 0.0f;
}

/* ---- a block on its own ---- */

/* Tries every scale in `scale` (made halves) exactly; keeps the best in *best, its error in *least. True where that improved. */
static bool try_scales(const wt_encode_kernels *k, scan *s, const float *x, const float *w, size_t n,
                       const wt_codes *codes, float *scale, float *best, float *least) {
    float error[WT_MAX_CANDIDATES];
    wt_round_halves(scale, codes->count);
    for (size_t i = 0; i < codes->count; i++) s->inverse[i] = scale[i] != 0.0f ? 1.0f / scale[i] : 0.0f;
    wt_symmetric_lanes lanes = {s->inverse, scale, s->qx, s->qq, error};
    k->symmetric(x, w, n, &codes->grid, codes->count / WT_LANES, &lanes);
    float smallest = smallest_of(error, codes->count);
    if (!(smallest < *least)) return false;
    size_t i = 0;
    while (error[i] != smallest) i++;
    *least = smallest;
    *best = scale[i];
    return true;
}

/* The candidate that takes most from the error with the scale its codes would have, as a half. */
static uint16_t closed_form(const scan *s, size_t count, float plain, float bias) {
    float scale[WT_MAX_CANDIDATES], gain[WT_MAX_CANDIDATES];
    for (size_t i = 0; i < count; i++) {
        float qq = s->qq[i] > 0.0f ? s->qq[i] : 1.0f, fitted = s->qx[i] / qq * bias;
        scale[i] = s->qq[i] > 0.0f ? fitted : plain;
    }
    wt_round_halves(scale, count);
    for (size_t i = 0; i < count; i++) gain[i] = scale[i] * (2.0f * s->qx[i] - scale[i] * s->qq[i]);
    float most = largest_of(gain, count);
    size_t best = 0;
    while (best + 1 < count && gain[best] != most) best++;
    return wt_search_half(scale[best]);
}

/* With more codes than this the halves that could be a scale are few, and a gain in single precision tells too little. */
#define MANY 64.0f

/* The best of the WT_LANES halves around a scale, tried exactly. */
static uint16_t halves_around(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                              const wt_grid *grid, float plain) {
    uint16_t middle = wt_search_half(plain), sign = middle & 0x8000, magnitude = middle & 0x7fff;
    float scale[WT_LANES], inverse[WT_LANES], qx[WT_LANES], qq[WT_LANES], error[WT_LANES];
    int first = (int)magnitude - WT_LANES / 2, last = 0x7bff - (WT_LANES - 1); /* 0x7bff: the largest half */
    first = first < 0 ? 0 : first > last ? last : first;
    for (int i = 0; i < WT_LANES; i++) scale[i] = wt_half_to_float((uint16_t)(sign | (first + i)));
    for (int i = 0; i < WT_LANES; i++) inverse[i] = scale[i] != 0.0f ? 1.0f / scale[i] : 0.0f;
    wt_symmetric_lanes lanes = {inverse, scale, qx, qq, error};
    k->symmetric(x, w, n, grid, 1, &lanes);
    float smallest = smallest_of(error, WT_LANES);
    int i = 0;
    while (error[i] != smallest) i++;
    return (uint16_t)(sign | (first + i));
}

uint16_t wt_search_scale(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_codes *codes,
                         const wt_search *search) {
    float max = extreme(x, n);
    if (fabsf(max) < NOTHING) return 0;
    scan s;
    float scale[WT_MAX_CANDIDATES], plain = max / codes->grid.lo, best = plain, least = INFINITY;
    if (search->passes < 1 && codes->grid.hi > MANY) return halves_around(k, x, w, n, &codes->grid, plain * search->bias);
    scan_run(k, &s, x, w, n, max, codes);
    if (search->passes < 1) return closed_form(&s, codes->count, plain, search->bias);
    for (int pass = 0; pass < search->passes; pass++) {
        for (size_t i = 0; i < codes->count; i++) {
            float qq = s.qq[i] > 0.0f ? s.qq[i] : 1.0f, fitted = s.qx[i] / qq;
            scale[i] = (s.qq[i] > 0.0f ? fitted : plain) * search->bias;
        }
        /* Beside the refitted ones, the plain choice: the extreme weight exactly on the lowest code. */
        if (pass == 0 && !codes->grid.cells) scale[codes->count - 1] = plain;
        if (!try_scales(k, &s, x, w, n, codes, scale, &best, &least)) break;
    }
    return wt_search_half(best);
}

/* The halves beside a value that is not 0. */
static float beside(float value, int by) { return wt_half_to_float((uint16_t)(wt_search_half(value) + by)); }

/* ---- a super-block ---- */

/* How many scales of the super-block are followed at once, and how many scales of a run each of them tries. */
enum { CHAINS = 3, WINDOW = 5 };

typedef struct chain {
    float d, error;
    const float *targets; /* [runs] the scales that the runs would like */
    int scales[WT_MAX_RUNS];
    float refit_x, refit_q; /* sums of scale * qx and scale^2 * qq: their ratio is the best d for these codes */
} chain;

static int clamp_scale(const wt_super *shape, float scale) {
    float q = scale > (float)shape->lo ? scale : (float)shape->lo;
    q = q < (float)shape->hi ? q : (float)shape->hi;
    return (int)((q + WT_ROUNDER) - WT_ROUNDER);
}

/* The scales of run j that each chain tries: around what it would like (first), or what it has. */
static void window(const wt_super *shape, const chain *chains, size_t j, bool first, int *codes, float *scale) {
    for (int i = 0; i < CHAINS; i++) {
        const chain *c = &chains[i];
        int middle = first ? clamp_scale(shape, c->targets[j] * wt_inverse(c->d)) : c->scales[j];
        for (int step = 0; step < WINDOW; step++) {
            int code = middle + step - WINDOW / 2;
            code = code < shape->lo ? shape->lo : code > shape->hi ? shape->hi : code;
            codes[WINDOW * i + step] = code;
            scale[WINDOW * i + step] = c->d * (float)code;
        }
    }
    scale[WT_LANES - 1] = 0.0f;
}

/* The exact error of each chain's d, each run at the best scale of its window. */
static void evaluate(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                     const wt_grid *grid, bool first, chain *chains) {
    float scale[WT_LANES], inverse[WT_LANES], qx[WT_LANES], qq[WT_LANES], error[WT_LANES];
    int codes[WT_LANES];
    wt_symmetric_lanes lanes = {inverse, scale, qx, qq, error};
    for (int c = 0; c < CHAINS; c++) chains[c].error = chains[c].refit_x = chains[c].refit_q = 0.0f;
    for (size_t j = 0; j < shape->runs; j++) {
        window(shape, chains, j, first, codes, scale);
        for (int lane = 0; lane < WT_LANES; lane++) inverse[lane] = scale[lane] != 0.0f ? 1.0f / scale[lane] : 0.0f;
        k->symmetric(x + j * shape->run, w + j * shape->run, shape->run, grid, 1, &lanes);
        for (int i = 0; i < CHAINS; i++) {
            int best = i * WINDOW;
            for (int lane = best + 1; lane < (i + 1) * WINDOW; lane++) best = error[lane] < error[best] ? lane : best;
            chain *c = &chains[i];
            float q = (float)codes[best];
            c->scales[j] = codes[best];
            c->error += error[best];
            c->refit_x += q * qx[best];
            c->refit_q += q * q * qq[best];
        }
    }
}

/* A scale for the targets, an error in each counted by `weight`; `both`: the largest may also get the highest code. */
static float scale_for(const wt_encode_kernels *k, const wt_super *shape, const float *targets, const float *weight,
                       bool both) {
    static const wt_search AROUND = {.lo = -0.9f, .hi = 0.9000001f, .steps = 19};
    wt_codes codes;
    scan s;
    float gain[WT_MAX_CANDIDATES], max = extreme(targets, shape->runs);
    size_t best;
    if (max == 0.0f) return 0.0f;
    wt_codes_init(&codes, (float)shape->lo, (float)shape->hi, NULL, false, &AROUND);
    scan_run(k, &s, targets, weight, shape->runs, max, &codes);
    scan_gains(&s, codes.count, gain);
    bool found = scan_best(&s, gain, 0, both ? codes.count : codes.low, codes.count - 1, &best);
    return found ? s.qx[best] / s.qq[best] : max / (float)shape->lo;
}

/* What each run would like: with its largest weight on the lowest code, as ggml has it, and on either end. */
typedef struct targets {
    float low[WT_MAX_RUNS], best[WT_MAX_RUNS], sum_w[WT_MAX_RUNS], curvature[WT_MAX_RUNS];
} targets;

/* False where all weights round to nothing. */
static bool find_targets(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                         const wt_codes *codes, targets *t) {
    bool something = false;
    memset(t, 0, sizeof *t);
    for (size_t j = 0; j < shape->runs; j++, x += shape->run, w += shape->run) {
        scan s;
        size_t low, best, plain = codes->count - 1;
        float gain[WT_MAX_CANDIDATES], max = extreme(x, shape->run);
        for (size_t i = 0; i < shape->run; i++) t->sum_w[j] += w[i];
        if (fabsf(max) < NOTHING) continue;
        scan_run(k, &s, x, w, shape->run, max, codes);
        scan_gains(&s, codes->count, gain);
        if (!scan_best(&s, gain, 0, codes->count, plain, &best)) continue;
        scan_best(&s, gain, codes->near, codes->far, plain, &low);
        t->low[j] = s.qq[low] > 0.0f ? s.qx[low] / s.qq[low] : 0.0f;
        t->best[j] = s.qx[best] / s.qq[best];
        t->curvature[j] = s.qq[best];
        something = true;
    }
    return something;
}

void wt_search_super(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                     const wt_codes *codes, const wt_search *search, uint16_t *d, int *scales) {
    targets t;
    if (!find_targets(k, x, w, shape, codes, &t)) {
        *d = 0;
        memset(scales, 0, shape->runs * sizeof *scales);
        return;
    }
    /* d as ggml takes it (the largest scale on the lowest code, or a fit), and as the better targets have it. */
    chain chains[CHAINS] = {{.d = extreme(t.low, shape->runs) / (float)shape->lo, .targets = t.low},
                            {.d = scale_for(k, shape, t.low, t.sum_w, false), .targets = t.low},
                            {.d = scale_for(k, shape, t.best, t.curvature, true), .targets = t.best}};
    for (int i = 0; i < CHAINS; i++) chains[i].d = wt_half_to_float(wt_search_half(chains[i].d * search->bias));
    evaluate(k, x, w, shape, &codes->grid, true, chains);
    chain best = chains[0];
    for (int i = 1; i < CHAINS; i++) best = chains[i].error < best.error ? chains[i] : best;
    /* The best goes on: with the d that its codes would have and the halves beside it, which for small weights lie far apart. */
    for (int pass = 0; pass < search->passes; pass++) {
        float refitted = best.refit_q > 0.0f ? best.refit_x / best.refit_q * search->bias : best.d;
        bool improved = false;
        for (int i = 0; i < CHAINS; i++) {
            chains[i] = best;
            chains[i].d = i == 0 ? wt_half_to_float(wt_search_half(refitted)) : beside(refitted, i == 1 ? 1 : -1);
        }
        evaluate(k, x, w, shape, &codes->grid, false, chains);
        for (int i = 0; i < CHAINS; i++) {
            if (!(chains[i].error < best.error)) continue;
            best = chains[i];
            improved = true;
        }
        if (!improved) break;
    }
    *d = wt_search_half(best.d);
    memcpy(scales, best.scales, shape->runs * sizeof *scales);
}
