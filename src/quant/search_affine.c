/* Scales and minima of runs whose codes start at 0; see search.h. A weight is s q - m. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/search.h"

static int steps_of(const wt_search *search) {
    return search->steps < 1 ? 1 : search->steps > WT_MAX_STEPS ? WT_MAX_STEPS : search->steps;
}

/* The search's candidates, upward or downward. */
static wt_fit_lanes candidates(const wt_search *search, bool down, float floor) {
    int steps = steps_of(search);
    float step = steps > 1 ? (search->hi - search->lo) / (float)(steps - 1) : 0.0f;
    return (wt_fit_lanes){
        .first = down ? search->hi : search->lo, .step = down ? -step : step, .steps = steps, .floor = floor};
}

/* ---- blocks on their own, side by side ---- */

/* Scales and minima that are tried exactly: what two fits gave, each with the halves around it, and the plain choice. */
enum { AROUND = 7, TRIED = 2 * AROUND + 1 };

typedef struct tried {
    wt_lanes scale[TRIED], min[TRIED], q[TRIED], qq[TRIED], qx[TRIED];
} tried;

/* The halves beside a value that is not 0. */
static float beside(float value, int by) { return wt_half_to_float((uint16_t)(wt_search_half(value) + by)); }

/* What a fit gives to try from `at` on. */
static void add_fit(tried *t, int at, const wt_fit_lanes *fit, float bias) {
    static const signed char STEPS[AROUND][2] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, -1}};
    for (int lane = 0; lane < WT_LANES; lane++) {
        float s = fit->scale[lane] * bias, m = -fit->lowest[lane], scales[3], mins[3];
        for (int by = -1; by < 2; by++) {
            scales[by + 1] = by ? beside(s, by) : s;
            mins[by + 1] = by ? beside(m, by) : m;
        }
        for (int i = 0; i < AROUND; i++) {
            t->scale[at + i][lane] = scales[STEPS[i][0] + 1];
            t->min[at + i][lane] = mins[STEPS[i][1] + 1];
        }
    }
}

/* Every scale and minimum as its codes would have them. */
static void refit(tried *t, const wt_fit_lanes *fit, float bias) {
    for (int i = 0; i < TRIED; i++) {
        for (int lane = 0; lane < WT_LANES; lane++) {
            float sum_w = fit->sum_w[lane], sum_x = fit->sum_x[lane];
            float q = t->q[i][lane], qq = t->qq[i][lane], qx = t->qx[i][lane], determinant = sum_w * qq - q * q;
            if (!(determinant > 1e-6f * sum_w * qq)) continue;
            t->scale[i][lane] = (sum_w * qx - q * sum_x) / determinant * bias;
            t->min[i][lane] = (q * qx - qq * sum_x) / determinant;
        }
    }
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

/* Copies the lanes that improved, and says which go on. */
static bool keep_improved(wt_range_lanes *best, const wt_range_lanes *next, size_t lanes, bool *active) {
    bool any = false;
    for (size_t i = 0; i < lanes; i++) {
        active[i] = active[i] && next->error[i] < best->error[i];
        if (!active[i]) continue;
        best->error[i] = next->error[i];
        best->scale[i] = next->scale[i];
        best->min[i] = next->min[i];
        any = true;
    }
    return any;
}

void wt_search_scales_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, float hi,
                          const wt_search *search, uint16_t *d, uint16_t *m) {
    enum { N = WT_MAX_RUN };
    wt_lanes lanes_x[N], lanes_w[N];
    /* As in ggml, no lowest value above 0; and any. */
    wt_fit_lanes fit = candidates(search, false, 0.0f), any = candidates(search, false, INFINITY);
    tried t;
    wt_range_lanes best, next = {.q = t.q, .qq = t.qq, .qx = t.qx};
    bool active[WT_LANES];
    k->spread(x, blocks, N, lanes_x);
    k->spread(w, blocks, N, lanes_w);
    k->fit(lanes_x, lanes_w, N, hi, &fit);
    k->fit(lanes_x, lanes_w, N, hi, &any);
    add_fit(&t, 0, &fit, search->bias);
    add_fit(&t, AROUND, &any, search->bias);
    for (int lane = 0; lane < WT_LANES; lane++) {
        t.scale[TRIED - 1][lane] = (fit.most[lane] - fit.least[lane]) / hi;
        t.min[TRIED - 1][lane] = -fit.least[lane];
        best.scale[lane] = best.min[lane] = 0.0f;
        best.error[lane] = INFINITY;
        active[lane] = true;
    }
    for (int pass = 0;; pass++) {
        for (int lane = 0; lane < WT_LANES; lane++) {
            next.error[lane] = INFINITY;
            next.scale[lane] = next.min[lane] = 0.0f;
        }
        k->try_ranges(lanes_x, lanes_w, N, hi, t.scale, t.min, TRIED, &next);
        if (!keep_improved(&best, &next, blocks, active) || pass >= search->passes) break;
        refit(&t, &fit, search->bias);
    }
    for (size_t b = 0; b < blocks; b++) {
        d[b] = wt_search_half(best.scale[b]);
        m[b] = wt_search_half(best.min[b]);
        if (fit.most[b] == fit.least[b]) constant(fit.most[b], hi, &d[b], &m[b]);
    }
}

/* ---- super-blocks, side by side ---- */

/* What each run would like to have, and how much its error grows around that. */
typedef struct targets {
    wt_lanes scale, min, qq;
} targets;

/* A way to scale the super-blocks: each one's d and dmin, its runs' codes, and what comes of them. */
typedef struct chain {
    wt_pair_lanes runs;
    float d[WT_MAX_SUPERS], dmin[WT_MAX_SUPERS], error[WT_MAX_SUPERS];
    /* With codes as they are the error is a quadratic form in d and dmin; its coefficients. */
    struct {
        float dd, dm, mm, dx, mx;
    } form[WT_MAX_SUPERS];
} chain;

/* The super-blocks at hand. */
typedef struct supers {
    const wt_encode_kernels *k;
    const wt_super *shape;
    size_t blocks;
    float hi; /* the largest code */
    wt_lanes x[WT_MAX_RUN], w[WT_MAX_RUN], sum_w, sum_x;
} supers;

/* Steps from a (scale, minimum) that a run tries: the square around it, then some further ones. */
static const signed char NEAR[16][2] = {{0, 0},  {-1, 0}, {1, 0},  {0, -1}, {0, 1},  {-1, -1}, {1, 1},   {-1, 1},
                                        {1, -1}, {2, 0},  {-2, 0}, {0, 2},  {0, -2}, {2, 2},   {-2, -2}, {2, 1}};

/* The exact error of a chain's d and dmin, each run at the best of `count` codes near its own. */
static void evaluate(const supers *s, size_t count, chain *c) {
    size_t runs = s->shape->runs;
    wt_pair_lanes *r = &c->runs;
    for (size_t lane = 0, b = 0; lane < WT_LANES; lane += runs, b = b + 1 < s->blocks ? b + 1 : 0) {
        for (size_t j = 0; j < runs; j++) {
            r->d[lane + j] = c->d[b];
            r->dmin[lane + j] = c->dmin[b];
            r->scale[lane + j] = r->scale[b * runs + j];
            r->min[lane + j] = r->min[b * runs + j];
        }
    }
    s->k->try_pairs(s->x, s->w, s->shape->run, s->hi, (float)s->shape->hi, NEAR, count, r);
    memset(c->form, 0, sizeof c->form);
    for (size_t b = 0; b < s->blocks; b++) {
        c->error[b] = 0.0f;
        for (size_t j = b * runs; j < (b + 1) * runs; j++) {
            float scale = r->scale[j], min = r->min[j];
            c->error[b] += r->error[j];
            c->form[b].dd += scale * scale * r->qq[j];
            c->form[b].dm += scale * min * r->q[j];
            c->form[b].mm += min * min * s->sum_w[j];
            c->form[b].dx += scale * r->qx[j];
            c->form[b].mx += min * s->sum_x[j];
        }
    }
}

/* Takes a block's part of `from` where that is better. */
static bool take_better(const supers *s, chain *to, const chain *from, size_t b) {
    if (!(from->error[b] < to->error[b])) return false;
    size_t at = b * s->shape->runs, bytes = s->shape->runs * sizeof(float);
    to->d[b] = from->d[b];
    to->dmin[b] = from->dmin[b];
    to->error[b] = from->error[b];
    to->form[b] = from->form[b];
    memcpy(to->runs.scale + at, from->runs.scale + at, bytes);
    memcpy(to->runs.min + at, from->runs.min + at, bytes);
    return true;
}

static float half_of(float value) { return wt_half_to_float(wt_search_half(value)); }

/* d and dmin as the codes of a block would have them. */
static void refit_block(chain *c, size_t b, float bias) {
    float dd = c->form[b].dd, dm = c->form[b].dm, mm = c->form[b].mm, dx = c->form[b].dx, mx = c->form[b].mx;
    float d = c->d[b], dmin = c->dmin[b], determinant = dd * mm - dm * dm;
    if (determinant > 1e-6f * dd * mm) {
        d = (mm * dx - dm * mx) / determinant;
        dmin = (dm * dx - dd * mx) / determinant;
    } else if (dd > 0.0f) {
        d = (dx + dmin * dm) / dd;
    }
    if (d > 0.0f) c->d[b] = half_of(d * bias);
    if (dmin >= 0.0f) c->dmin[b] = half_of(dmin);
}

/* Numbers >= 0 and how much an error in each counts, and a scale and codes for them: the largest on the highest code. */
static float scale_by_largest(const wt_super *shape, const float *values, float *codes) {
    float largest = 0.0f, hi = (float)shape->hi;
    for (size_t j = 0; j < shape->runs; j++) largest = values[j] > largest ? values[j] : largest;
    float inverse = largest > 0.0f ? hi / largest : 0.0f;
    for (size_t j = 0; j < shape->runs; j++) codes[j] = wt_nearest_within(values[j] * inverse, 0.0f, hi);
    return largest / hi;
}

/* The fits of scales of scales, a problem a lane: lane `ways * block + way` (make_qp_quants of ggml). */
enum { UP_SCALE, UP_MIN, BEST_SCALE, BEST_MIN, WAYS };

typedef struct scaled {
    wt_descent_lanes lanes;
    wt_lanes x[WT_MAX_RUNS], w[WT_MAX_RUNS], q[WT_MAX_RUNS];
} scaled;

static void scale_by_fit(const supers *s, const targets *up, const targets *best, scaled *out) {
    const float *values[WAYS] = {up->scale, up->min, best->scale, best->min};
    const float *weights[WAYS] = {s->sum_w, s->sum_w, best->qq, s->sum_w};
    for (size_t j = 0; j < s->shape->runs; j++) {
        for (size_t lane = 0; lane < WT_LANES; lane++) {
            size_t way = lane % WAYS, at = lane / WAYS % s->blocks * s->shape->runs + j;
            out->x[j][lane] = values[way][at];
            out->w[j][lane] = weights[way][at];
        }
    }
    out->lanes = (wt_descent_lanes){.x = out->x, .w = out->w, .q = out->q};
    s->k->best_start(s->shape->runs, (float)s->shape->hi, &out->lanes);
    s->k->descend(1, s->shape->runs, 0.0f, (float)s->shape->hi, &out->lanes);
}

static float scale_of(const supers *s, const scaled *from, size_t b, int way, float *codes) {
    size_t lane = b * WAYS + (size_t)way;
    for (size_t j = 0; j < s->shape->runs; j++) codes[j] = from->q[j][lane];
    return from->lanes.qq[lane] > 0.0f ? from->lanes.qx[lane] / from->lanes.qq[lane] : 0.0f;
}

static void take_fit(targets *t, const wt_fit_lanes *fit, float *error) {
    for (int i = 0; i < WT_LANES; i++) {
        if (!(fit->error[i] < error[i])) continue;
        error[i] = fit->error[i];
        t->scale[i] = fit->scale[i];
        t->min[i] = -fit->lowest[i];
        t->qq[i] = fit->qq[i];
    }
}

/* ggml's fit without importance. */
static wt_fit_lanes plain_fit(const wt_super *shape) {
    return (wt_fit_lanes){.first = shape->plain.first,
                          .step = shape->plain.step,
                          .steps = shape->plain.steps,
                          .absolute = shape->plain.absolute};
}

static void take_first(targets *t, const wt_fit_lanes *fit) {
    wt_lanes error;
    for (int i = 0; i < WT_LANES; i++) error[i] = INFINITY;
    take_fit(t, fit, error);
}

/*
 * Each run's own scale and minimum: as ggml looks without importance, as it looks with it (upward), and the best of all
 * and what looking downward finds.
 */
static void find_targets(supers *s, const wt_search *search, targets *plain, targets *up, targets *best) {
    const wt_super *shape = s->shape;
    wt_fit_lanes first = candidates(search, false, 0.0f), down = candidates(search, true, 0.0f),
                 other = plain_fit(shape);
    s->k->fit(s->x, s->w, shape->run, s->hi, &first);
    s->k->fit(s->x, s->w, shape->run, s->hi, &down);
    s->k->fit(s->x, s->w, shape->run, s->hi, &other);
    memcpy(s->sum_w, first.sum_w, sizeof s->sum_w);
    memcpy(s->sum_x, first.sum_x, sizeof s->sum_x);
    take_first(plain, &other);
    take_first(up, &first);
    *best = *up;
    take_fit(best, &down, first.error);
    if (!other.absolute) take_fit(best, &other, first.error);
}

/* d, dmin and the runs' codes of block b, the largest of each target on its highest code. */
static void scale_block(const supers *s, const targets *t, size_t b, float bias, chain *c) {
    const size_t at = b * s->shape->runs;
    c->d[b] = half_of(scale_by_largest(s->shape, t->scale + at, c->runs.scale + at) * bias);
    c->dmin[b] = half_of(scale_by_largest(s->shape, t->min + at, c->runs.min + at));
}

/* The best one goes on, refitted, while that helps. */
static void improve(const supers *s, size_t pairs, int passes, float bias, chain *best) {
    bool active[WT_MAX_SUPERS], any = true;
    chain next;
    for (size_t b = 0; b < s->blocks; b++) active[b] = true;
    for (int pass = 0; pass < passes && any; pass++) {
        any = false;
        next = *best;
        for (size_t b = 0; b < s->blocks; b++) refit_block(&next, b, bias);
        evaluate(s, pairs, &next);
        for (size_t b = 0; b < s->blocks; b++) any |= active[b] = active[b] && take_better(s, best, &next, b);
    }
}

static void write_out(const supers *s, const chain *best, uint16_t *d, uint16_t *dmin, int *scales, int *mins) {
    for (size_t b = 0; b < s->blocks; b++) {
        d[b] = wt_search_half(best->d[b]);
        dmin[b] = wt_search_half(best->dmin[b]);
    }
    for (size_t j = 0; j < s->blocks * s->shape->runs; j++) {
        scales[j] = (int)best->runs.scale[j];
        mins[j] = (int)best->runs.min[j];
    }
}

void wt_search_super_min(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                         const wt_super *shape, float code_hi, const wt_search *search, uint16_t *d, uint16_t *dmin,
                         int *scales, int *mins) {
    enum { CHAINS = 4, ALL = 16 };
    supers s = {.k = k, .shape = shape, .blocks = blocks, .hi = code_hi};
    targets plain, up, best;
    scaled fitted;
    chain least, next;
    k->spread(x, blocks * shape->runs, shape->run, s.x);
    k->spread(w, blocks * shape->runs, shape->run, s.w);
    find_targets(&s, search, &plain, &up, &best);
    scale_by_fit(&s, &up, &best, &fitted);
    /* d and dmin as ggml takes them without and with importance, and as the better targets have them. */
    for (int way = 0; way < CHAINS; way++) {
        for (size_t b = 0; b < blocks; b++) {
            float *code = next.runs.scale + b * shape->runs, *min = next.runs.min + b * shape->runs;
            if (way == 0) {
                scale_block(&s, &plain, b, search->bias, &next);
                continue;
            }
            float to = way == 1   ? scale_of(&s, &fitted, b, UP_SCALE, code)
                       : way == 2 ? scale_of(&s, &fitted, b, BEST_SCALE, code)
                                  : scale_by_largest(shape, best.scale + b * shape->runs, code);
            next.d[b] = half_of(to * search->bias);
            next.dmin[b] = half_of(scale_of(&s, &fitted, b, way == 1 ? UP_MIN : BEST_MIN, min));
        }
        evaluate(&s, ALL, &next);
        if (way == 0) least = next;
        for (size_t b = 0; b < blocks; b++) take_better(&s, &least, &next, b);
    }
    improve(&s, ALL, search->passes, search->bias, &least);
    write_out(&s, &least, d, dmin, scales, mins);
}

void wt_search_super_min_short(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                               const wt_super *shape, float code_hi, uint16_t *d, uint16_t *dmin, int *scales,
                               int *mins) {
    enum { PAIRS = 9 };
    static const wt_search SOME = {.lo = -0.9f, .hi = 0.9000001f, .steps = 19};
    supers s = {.k = k, .shape = shape, .blocks = blocks, .hi = code_hi};
    wt_fit_lanes plain = plain_fit(shape), down = candidates(&SOME, true, 0.0f);
    targets stock, best;
    scaled fitted;
    chain least, next;
    k->spread(x, blocks * shape->runs, shape->run, s.x);
    k->spread(w, blocks * shape->runs, shape->run, s.w);
    k->fit(s.x, s.w, shape->run, code_hi, &plain);
    k->fit(s.x, s.w, shape->run, code_hi, &down);
    memcpy(s.sum_w, plain.sum_w, sizeof s.sum_w);
    memcpy(s.sum_x, plain.sum_x, sizeof s.sum_x);
    take_first(&stock, &plain);
    take_first(&best, &down);
    if (!plain.absolute) take_fit(&best, &plain, down.error);
    scale_by_fit(&s, &best, &best, &fitted);
    for (size_t b = 0; b < blocks; b++) {
        scale_block(&s, &stock, b, 1.0f, &least);
        next.d[b] = half_of(scale_of(&s, &fitted, b, BEST_SCALE, next.runs.scale + b * shape->runs));
        next.dmin[b] = half_of(scale_of(&s, &fitted, b, BEST_MIN, next.runs.min + b * shape->runs));
    }
    evaluate(&s, PAIRS, &least);
    evaluate(&s, PAIRS, &next);
    for (size_t b = 0; b < blocks; b++) take_better(&s, &least, &next, b);
    improve(&s, PAIRS, 1, 1.0f, &least);
    write_out(&s, &least, d, dmin, scales, mins);
}
