/* Scales of runs without a minimum; see search.h. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/search.h"

#define LARGEST_HALF 65504.0f

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
    c->grid = (wt_grid){lo, hi, cells, cells ? WT_TABLE : WT_INTEGERS};
    if (search->symmetric && !cells) {
        if (-lo > hi) c->grid.lo = -hi;
        if (hi > -lo) c->grid.hi = -lo;
    }
    if (!cells) mirrored = c->grid.lo == -c->grid.hi;
    size_t more = mirrored ? 0 : steps / 4 > 8 ? steps / 4 : 8;
    c->low = steps;
    c->count = steps + more + 1;
    c->filled = (c->count + WT_LANES - 1) / WT_LANES * WT_LANES;
    c->near = c->far = 0;
    for (size_t i = 0; i < steps; i++) {
        double t = (double)search->lo + step * (double)i;
        if (t < -(double)reach) c->near = i + 1;
        if (t < (double)reach) c->far = i + 1;
        c->top[i] = top_code(c->grid.lo, search, step, i);
    }
    /* A table's plain candidate is the other way round, as ggml has it: a lopsided table may hold the mirrored weights better. */
    float plain = cells ? -c->grid.lo : c->grid.lo;
    for (size_t i = steps + more; i < c->filled; i++) c->top[i] = plain;
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
 * The bits of floats that are not negative are in order as integers, whose minima a compiler turns into vectors; those of
 * negative ones are below them.
 */
static int32_t bits_of(float v) {
    int32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

/* The smallest of n values that are not negative. */
static float smallest_of(const float *v, size_t n) {
    int32_t least = bits_of(v[0]);
    for (size_t i = 1; i < n; i++) least = bits_of(v[i]) < least ? bits_of(v[i]) : least;
    float smallest;
    memcpy(&smallest, &least, sizeof least);
    return smallest;
}

/* ---- a run on its own ---- */

typedef struct scan {
    float inverse[WT_MAX_CANDIDATES], qx[WT_MAX_CANDIDATES], qq[WT_MAX_CANDIDATES];
} scan;

/* All candidates of a run whose largest weight is `max`. */
static void scan_run(const wt_encode_kernels *k, scan *s, const float *x, const float *w, size_t n, float max,
                     const wt_codes *codes) {
    wt_symmetric_lanes lanes = {.inverse = s->inverse, .qx = s->qx, .qq = s->qq};
    for (size_t i = 0; i < codes->filled; i++) s->inverse[i] = codes->top[i] / max;
    k->symmetric(x, w, n, &codes->grid, codes->filled / WT_LANES, &lanes);
}

/* The scale that each candidate's codes would have, or the plain one. */
static void fitted_scales(const scan *s, size_t count, float plain, float bias, float *scale) {
    for (size_t i = 0; i < count; i++) {
        float qq = s->qq[i] > 0.0f ? s->qq[i] : 1.0f, fitted = s->qx[i] / qq;
        scale[i] = (s->qq[i] > 0.0f ? fitted : plain) * bias;
    }
}

/* Tries every scale in `scale` (made halves) exactly; keeps the best in *best, its error in *least. True where that improved. */
static bool try_scales(const wt_encode_kernels *k, scan *s, const float *x, const float *w, size_t n,
                       const wt_codes *codes, float *scale, float *best, float *least) {
    float error[WT_MAX_CANDIDATES];
    for (size_t i = 0; i < codes->filled; i++) scale[i] = wt_half_to_float(wt_search_half(scale[i]));
    for (size_t i = 0; i < codes->filled; i++) s->inverse[i] = wt_inverse(scale[i]);
    wt_symmetric_lanes lanes = {s->inverse, scale, s->qx, s->qq, error};
    k->symmetric(x, w, n, &codes->grid, codes->filled / WT_LANES, &lanes);
    float smallest = smallest_of(error, codes->filled);
    if (!(smallest < *least)) return false;
    size_t i = 0;
    while (error[i] != smallest) i++;
    *least = smallest;
    *best = scale[i];
    return true;
}

uint16_t wt_search_scale(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_codes *codes,
                         const wt_search *search) {
    float max = k->extreme(x, n);
    if (fabsf(max) < WT_NOTHING) return 0;
    if (search->passes < 1) return wt_search_half(k->closed_form(x, w, n, codes, max, search->bias));
    scan s;
    float scale[WT_MAX_CANDIDATES], plain = max / codes->grid.lo, best = plain, least = INFINITY;
    scan_run(k, &s, x, w, n, max, codes);
    for (int pass = 0; pass < search->passes; pass++) {
        fitted_scales(&s, codes->filled, plain, search->bias, scale);
        /* Beside the refitted ones, the plain choice: the extreme weight exactly on the lowest code. */
        if (pass == 0 && !codes->grid.cells) scale[codes->filled - 1] = plain;
        if (!try_scales(k, &s, x, w, n, codes, scale, &best, &least)) break;
    }
    return wt_search_half(best);
}

uint16_t wt_search_halves(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_grid *grid,
                          float bias) {
    float most = k->magnitude(x, n);
    if (most < WT_NOTHING) return 0;
    int first = (int)wt_search_half(most / grid->hi * bias) - WT_LANES / 2;
    int last = 0x7bff - (WT_LANES - 1); /* 0x7bff: the largest half */
    return (uint16_t)k->least_half(x, w, n, grid, first < 0 ? 0 : first > last ? last : first);
}

/* ---- blocks on their own, side by side ---- */

/* Copies the lanes that improved, and says which go on. */
static bool keep_improved(wt_best_lanes *best, const wt_best_lanes *next, size_t lanes, bool *active) {
    bool any = false;
    for (size_t i = 0; i < lanes; i++) {
        active[i] = active[i] && next->error[i] < best->error[i];
        if (!active[i]) continue;
        best->error[i] = next->error[i];
        best->scale[i] = next->scale[i];
        any = true;
    }
    return any;
}

void wt_search_scales(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, const wt_codes *codes,
                      const wt_search *search, uint16_t *d) {
    enum { N = WT_MAX_RUN };
    wt_lanes lanes_x[N], lanes_w[N], scales[WT_MAX_CANDIDATES];
    wt_scan_lanes found = {.fitted = search->passes < 1 ? NULL : scales};
    wt_best_lanes best, next = {.fitted = scales};
    bool active[WT_LANES];
    const size_t count = codes->count;
    k->spread(x, blocks, N, lanes_x);
    k->spread(w, blocks, N, lanes_w);
    k->scan((const wt_lanes *)lanes_x, (const wt_lanes *)lanes_w, N, codes, &found);
    for (size_t i = 0; i < blocks; i++) {
        float plain = found.max[i] / codes->grid.lo;
        best.scale[i] = found.qq[i] > 0.0f ? found.qx[i] / found.qq[i] * search->bias : plain;
        best.error[i] = INFINITY;
        active[i] = true;
    }
    for (int pass = 0; pass < search->passes; pass++) {
        for (size_t c = 0; c < count && search->bias != 1.0f; c++) {
            for (int i = 0; i < WT_LANES; i++) scales[c][i] *= search->bias;
        }
        /* Beside the refitted ones, the plain choice: the extreme weight exactly on the lowest code. */
        for (int i = 0; i < WT_LANES && pass == 0 && !codes->grid.cells; i++)
            scales[count - 1][i] = found.max[i] / codes->grid.lo;
        for (int i = 0; i < WT_LANES; i++) next.error[i] = INFINITY;
        memset(next.scale, 0, sizeof next.scale);
        k->try_scales((const wt_lanes *)lanes_x, (const wt_lanes *)lanes_w, N, &codes->grid, (const wt_lanes *)scales,
                      count, &next);
        if (!keep_improved(&best, &next, blocks, active)) break;
    }
    for (size_t i = 0; i < blocks; i++) d[i] = fabsf(found.max[i]) < WT_NOTHING ? 0 : wt_search_half(best.scale[i]);
}

/* ---- super-blocks ---- */

/* The halves beside a value that is not 0. */
static float beside(float value, int by) { return wt_half_to_float((uint16_t)(wt_search_half(value) + by)); }

static float half_of(float value) { return wt_half_to_float(wt_search_half(value)); }

/* A way to scale the super-blocks that stand side by side: each one's d, its runs' codes, and what comes of them. */
typedef struct chain {
    wt_code_lanes runs;
    float d[WT_MAX_SUPERS], error[WT_MAX_SUPERS];
    float refit[WT_MAX_SUPERS]; /* the best d for these codes */
} chain;

/* The super-blocks at hand. */
typedef struct supers {
    const wt_encode_kernels *k;
    const wt_super *shape;
    const wt_grid *grid;
    size_t blocks;
    wt_lanes x[WT_MAX_RUN], w[WT_MAX_RUN];
} supers;

static float clamp_code(const wt_super *shape, float code) {
    return wt_nearest_within(code, (float)shape->lo, (float)shape->hi);
}

/* The exact error of a chain's d, each run at the best of the codes up to `reach` away from its own. */
static void evaluate(const supers *s, int reach, chain *c) {
    size_t runs = s->shape->runs;
    for (size_t lane = 0, b = 0; lane < WT_LANES; lane += runs, b = b + 1 < s->blocks ? b + 1 : 0) {
        for (size_t j = 0; j < runs; j++) {
            c->runs.d[lane + j] = c->d[b];
            c->runs.code[lane + j] = c->runs.code[b * runs + j];
        }
    }
    s->k->try_codes(s->x, s->w, s->shape->run, s->grid, (float)s->shape->lo, (float)s->shape->hi, reach, &c->runs);
    for (size_t b = 0; b < s->blocks; b++) { /* sums in fours, which need not wait for each other */
        float error[4] = {0.0f}, x[4] = {0.0f}, q[4] = {0.0f};
        for (size_t j = b * runs; j < (b + 1) * runs; j += 4) {
            for (size_t k = 0; k < 4; k++) {
                const float code = c->runs.code[j + k];
                error[k] += c->runs.error[j + k];
                x[k] += code * c->runs.qx[j + k];
                q[k] += code * code * c->runs.qq[j + k];
            }
        }
        const float all_q = (q[0] + q[1]) + (q[2] + q[3]);
        c->error[b] = (error[0] + error[1]) + (error[2] + error[3]);
        c->refit[b] = all_q > 0.0f ? ((x[0] + x[1]) + (x[2] + x[3])) / all_q : c->d[b];
    }
}

/* Takes a block's part of `from` where that is better. */
static bool take_better(const supers *s, chain *to, const chain *from, size_t b) {
    if (!(from->error[b] < to->error[b])) return false;
    size_t at = b * s->shape->runs, bytes = s->shape->runs * sizeof(float);
    to->d[b] = from->d[b];
    to->error[b] = from->error[b];
    to->refit[b] = from->refit[b];
    memcpy(to->runs.code + at, from->runs.code + at, bytes);
    return true;
}

/* The target of the largest magnitude, the first of them. */
static float extreme_of(const float *v, size_t n) {
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) most = fabsf(v[i]) > fabsf(most) ? v[i] : most;
    return most;
}

/* The largest target on the lowest code. */
static void scale_by_extreme(const wt_super *shape, const float *targets, float bias, float *d, float *codes) {
    float max = extreme_of(targets, shape->runs), inverse = max != 0.0f ? (float)shape->lo / max : 0.0f;
    *d = half_of(max / (float)shape->lo * bias);
    for (size_t j = 0; j < shape->runs; j++) codes[j] = clamp_code(shape, targets[j] * inverse);
}

/* Candidates: `low` with the largest target on or near the lowest code, the plain one in the middle, the others near the highest. */
typedef struct fit_steps {
    int low, count;
    float low_step, high_step;
} fit_steps;

/* As ggml looks (make_qx_quants); that and some at the highest code. */
static const fit_steps GGML = {19, 19, 0.1f, 0.0f}, BOTH = {19, 32, 0.1f, 0.15f};

/* The scale for the targets, an error in each counted by `weight`, that fits best of the candidates. */
static void scale_by_fit(const wt_encode_kernels *k, const wt_super *shape, const float *targets, const float *weight,
                         const fit_steps *steps, float bias, float *d, float *codes) {
    enum { MOST = 2 * WT_LANES };
    float inverse[MOST], qx[MOST], qq[MOST], max = extreme_of(targets, shape->runs), lo = (float)shape->lo, best = 0.0f;
    const int plain = steps->low / 2;
    memset(codes, 0, shape->runs * sizeof *codes);
    *d = 0.0f;
    if (!(fabsf(max) > 1e-15f)) return;
    for (int i = 0; i < MOST; i++) {
        const float low = lo - steps->low_step * (float)(i - plain),
                    high = (float)shape->hi - 0.9f + steps->high_step * (float)(i - steps->low);
        inverse[i] = (i < steps->low ? low : high) / max;
    }
    const wt_grid grid = {lo, (float)shape->hi, NULL, WT_INTEGERS};
    wt_symmetric_lanes lanes = {.inverse = inverse, .qx = qx, .qq = qq};
    k->symmetric(targets, weight, shape->runs, &grid, MOST / WT_LANES, &lanes);
    int found = plain; /* the plain one first */
    if (qq[found] > 0.0f) best = qx[found] / qq[found] * qx[found];
    for (int i = 0; i < steps->count; i++) {
        if (!(qq[i] > 0.0f) || !(qx[i] * qx[i] > best * qq[i])) continue;
        found = i;
        best = qx[i] / qq[i] * qx[i];
    }
    *d = half_of((qq[found] > 0.0f ? qx[found] / qq[found] : max / lo) * bias);
    for (size_t j = 0; j < shape->runs; j++) codes[j] = clamp_code(shape, targets[j] * inverse[found]);
}

/* What each run would like: with its largest weight on the lowest code, as ggml has it, and on either end. */
typedef struct targets {
    wt_lanes low, best, descended, sum_w, curvature;
} targets;

static float ratio(float a, float b) { return b > 0.0f ? a / b : 0.0f; }

/* `shape->descend` is the caller's to honour. */
static void find_targets(const supers *s, const wt_codes *codes, targets *t, wt_descent_lanes *start) {
    wt_scan_lanes found = {.fitted = NULL};
    s->k->scan(s->x, s->w, s->shape->run, codes, &found);
    *start = (wt_descent_lanes){.x = s->x, .w = s->w};
    for (int i = 0; i < WT_LANES; i++) {
        start->inverse[i] = fabsf(found.max[i]) > WT_NOTHING ? codes->grid.lo / found.max[i] : 0.0f;
        t->low[i] = ratio(found.near_qx[i], found.near_qq[i]);
        t->best[i] = ratio(found.qx[i], found.qq[i]);
        t->sum_w[i] = found.sum_w[i];
        t->curvature[i] = found.qq[i];
    }
}

/* For `sets` of super-blocks of one shape. */
static void find_descended(const wt_encode_kernels *kernels, const wt_super *shape, const wt_grid *grid, size_t sets,
                           wt_descent_lanes *start, targets *t) {
    kernels->descend(sets, shape->run, grid->lo, grid->hi, start);
    for (size_t k = 0; k < sets; k++) {
        for (int i = 0; i < WT_LANES; i++) t[k].descended[i] = ratio(start[k].qx[i], start[k].qq[i]);
    }
}

void wt_search_super(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, const wt_super *shape,
                     const wt_codes *codes, const wt_search *search, int reach, uint16_t *d, int *scales) {
    enum { CHAINS = 4 };
    supers s = {.k = k, .shape = shape, .grid = &codes->grid, .blocks = blocks};
    targets t;
    wt_descent_lanes start;
    chain best, next;
    bool active[WT_MAX_SUPERS];
    k->spread(x, blocks * shape->runs, shape->run, s.x);
    k->spread(w, blocks * shape->runs, shape->run, s.w);
    find_targets(&s, codes, &t, &start);
    if (shape->descend) find_descended(k, shape, &codes->grid, 1, &start, &t);
    /* As ggml scales (the largest on the lowest code, of either targets, or a fit), and as the better targets have it. */
    for (int way = 0; way < CHAINS; way++) {
        if (way == 3 && !shape->descend) continue;
        for (size_t b = 0; b < blocks; b++) {
            size_t at = b * shape->runs;
            float *to = &next.d[b], *code = next.runs.code + at;
            switch (way) {
            case 0: scale_by_extreme(shape, t.low + at, search->bias, to, code); break;
            case 1: scale_by_fit(k, shape, t.low + at, t.sum_w + at, &GGML, search->bias, to, code); break;
            case 2: scale_by_fit(k, shape, t.best + at, t.curvature + at, &BOTH, search->bias, to, code); break;
            default: scale_by_extreme(shape, t.descended + at, search->bias, to, code); break;
            }
        }
        evaluate(&s, reach, &next);
        if (way == 0) best = next;
        for (size_t b = 0; b < blocks; b++) take_better(&s, &best, &next, b);
    }
    /* The best goes on: with the d that its codes would have and the halves beside it, which for small weights lie far apart. */
    for (size_t b = 0; b < blocks; b++) active[b] = true;
    for (int pass = 0; pass < search->passes; pass++) {
        bool improved[WT_MAX_SUPERS] = {false}, any = false;
        const chain before = best;
        for (int by = 0; by < 3; by++) {
            memcpy(next.runs.code, before.runs.code, sizeof next.runs.code);
            for (size_t b = 0; b < blocks; b++) {
                float refitted = before.refit[b] * search->bias;
                next.d[b] = by == 0 ? half_of(refitted) : beside(refitted, by == 1 ? 1 : -1);
            }
            evaluate(&s, 1, &next);
            for (size_t b = 0; b < blocks; b++) {
                if (active[b] && take_better(&s, &best, &next, b)) improved[b] = true;
            }
        }
        for (size_t b = 0; b < blocks; b++) any |= active[b] = active[b] && improved[b];
        if (!any) break;
    }
    for (size_t b = 0; b < blocks; b++) d[b] = wt_search_half(best.d[b]);
    for (size_t j = 0; j < blocks * shape->runs; j++) scales[j] = (int)best.runs.code[j];
}

/* Codes of the targets, which are WT_LANES, under their d. */
static void scale_by(const wt_super *shape, const float *wanted, float inverse, float *codes) {
    for (size_t j = 0; j < WT_LANES; j++) codes[j] = clamp_code(shape, wanted[j] * inverse);
}

/* One super-block, given its targets. */
static void scale_short(const supers *s, const targets *t, const wt_few *few, uint16_t *d, int *scales) {
    const wt_super *shape = s->shape;
    const float lo = (float)shape->lo, low = s->k->extreme(t->descended, WT_LANES),
                best_low = s->k->extreme(t->best, WT_LANES);
    chain best, next;
    best.d[0] = half_of(low / lo);
    scale_by(shape, t->descended, low != 0.0f ? lo / low : 0.0f, best.runs.code);
    next.d[0] = 0.0f;
    if (best_low != 0.0f)
        next.d[0] = half_of(s->k->closed_form(t->best, t->curvature, WT_LANES, &few->scales, best_low, 1.0f));
    scale_by(shape, t->best, wt_inverse(next.d[0]), next.runs.code);
    evaluate(s, 0, &best);
    evaluate(s, 0, &next);
    take_better(s, &best, &next, 0);
    *d = wt_search_half(best.d[0]);
    for (size_t j = 0; j < WT_LANES; j++) scales[j] = (int)best.runs.code[j];
}

void wt_search_super_short(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                           const wt_super *shape, const wt_few *few, uint16_t *d, int *scales) {
    supers s[WT_MAX_SUPERS];
    targets t[WT_MAX_SUPERS];
    wt_descent_lanes start[WT_MAX_SUPERS];
    const wt_grid *grid = &few->weights.grid;
    for (size_t b = 0; b < blocks; b++) {
        const size_t at = b * WT_LANES * shape->run;
        s[b].k = k, s[b].shape = shape, s[b].grid = grid, s[b].blocks = 1;
        k->spread(x + at, WT_LANES, shape->run, s[b].x);
        k->spread(w + at, WT_LANES, shape->run, s[b].w);
        find_targets(&s[b], &few->weights, &t[b], &start[b]);
    }
    find_descended(k, shape, grid, blocks, start, t);
    for (size_t b = 0; b < blocks; b++) scale_short(&s[b], &t[b], few, &d[b], scales + b * WT_LANES);
}
