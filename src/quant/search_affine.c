/* Scales and minima of runs whose codes start at 0; see search.h. A weight is s q - m. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/search.h"

/* A spread below this rounds to a half of 0. */
#define NOTHING 1e-12f

/* Whole registers of candidates: WT_MAX_STEPS, and one more for the plain choice. */
enum { MAX_CANDIDATES = WT_MAX_STEPS + WT_LANES };

/* A run of weights and what does not depend on its codes. */
typedef struct run {
    const float *x, *w;
    size_t n;
    float lowest, highest, sum_w, sum_x; /* the sums are of w and of w x */
} run;

static run run_of(const float *x, const float *w, size_t n) {
    run r = {.x = x, .w = w, .n = n, .lowest = x[0], .highest = x[0]};
    for (size_t i = 0; i < n; i++) {
        r.lowest = x[i] < r.lowest ? x[i] : r.lowest;
        r.highest = x[i] > r.highest ? x[i] : r.highest;
        r.sum_w += w[i];
        r.sum_x += w[i] * x[i];
    }
    return r;
}

/* Candidates side by side. */
typedef struct candidates {
    size_t count; /* a multiple of WT_LANES */
    float scale[MAX_CANDIDATES], inverse[MAX_CANDIDATES], min[MAX_CANDIDATES];
    float q[MAX_CANDIDATES], qq[MAX_CANDIDATES], qx[MAX_CANDIDATES], error[MAX_CANDIDATES];
} candidates;

static void run_lanes(const wt_encode_kernels *k, candidates *l, const run *r, float hi, bool errors) {
    wt_affine_lanes a = {l->inverse, l->scale, l->min, l->q, l->qq, l->qx, errors ? l->error : NULL};
    k->affine(r->x, r->w, r->n, hi, l->count / WT_LANES, &a);
}

/* How the scale and the minimum of a run depend on each other. */
typedef enum minimum { FREE, NOT_NEGATIVE, MIDDLE /* m = s hi / 2 */ } minimum;

/* The best s and m for the codes of lane i; false where every s is as good as another. */
static bool refit(const candidates *l, size_t i, const run *r, minimum kind, float hi, float *s, float *m) {
    float qq = l->qq[i], q = l->q[i], qx = l->qx[i];
    if (kind == MIDDLE) {
        float c = 0.5f * hi, under = qq - 2.0f * c * q + c * c * r->sum_w;
        if (!(under > 0.0f)) return false;
        *s = (qx - c * r->sum_x) / under;
        *m = c * *s;
        return true;
    }
    float determinant = r->sum_w * qq - q * q;
    if (!(qq > 0.0f)) return false;
    if (determinant > 1e-6f * r->sum_w * qq) {
        *s = (r->sum_w * qx - q * r->sum_x) / determinant;
        *m = (q * qx - qq * r->sum_x) / determinant;
        if (*m >= 0.0f || kind == FREE) return *s > 0.0f;
    }
    *m = 0.0f;
    *s = qx / qq;
    return *s > 0.0f;
}

/* The inverse scales of the search, the plain one first, all with minimum m; `range` is from there to the highest weight. */
static void prepare(candidates *l, float m, float range, float hi, const wt_search *search) {
    int steps = search->steps < 1 ? 1 : search->steps > WT_MAX_STEPS ? WT_MAX_STEPS : search->steps;
    float step = steps > 1 ? (search->hi - search->lo) / (float)(steps - 1) : 0.0f;
    l->count = 0;
    do l->inverse[l->count++] = hi / range;
    while ((l->count + (size_t)steps) % WT_LANES);
    for (int i = 0; i < steps; i++) l->inverse[l->count++] = (hi + search->lo + step * (float)i) / range;
    for (size_t i = 0; i < l->count; i++) l->min[i] = m;
}

/* A gain that is no more than this better is rounding: of equals, the first is kept. */
#define BETTER 1.000001f

/* The best refit of the lanes where it gains more than *most; false where none does. */
static bool best_refit(const candidates *l, const run *r, minimum kind, float hi, float *most, float *s, float *m,
                       size_t *lane) {
    bool found = false;
    for (size_t i = 0; i < l->count; i++) {
        float scale, min;
        if (!refit(l, i, r, kind, hi, &scale, &min)) continue;
        float gain = scale * l->qx[i] - min * r->sum_x; /* what they take from the error, being its minimum */
        if (gain > *most * BETTER) {
            *most = gain;
            *s = scale;
            *m = min;
            *lane = i;
            found = true;
        }
    }
    return found;
}

/* ---- a block on its own ---- */

static float half_of(float value) { return wt_half_to_float(wt_search_half(value)); }

static bool try_all(const wt_encode_kernels *k, candidates *l, const run *r, float hi, float *best_s, float *best_m,
                    float *least) {
    for (size_t i = 0; i < l->count; i++) {
        l->scale[i] = half_of(l->scale[i]);
        l->min[i] = half_of(l->min[i]);
        l->inverse[i] = l->scale[i] != 0.0f ? 1.0f / l->scale[i] : 0.0f;
    }
    run_lanes(k, l, r, hi, true);
    bool improved = false;
    for (size_t i = 0; i < l->count; i++) {
        if (l->error[i] < *least) {
            *least = l->error[i];
            *best_s = l->scale[i];
            *best_m = l->min[i];
            improved = true;
        }
    }
    return improved;
}

/* All weights the same: the minimum alone, or the scale alone times a code that rounds best. */
static void constant(float value, float hi, uint16_t *d, uint16_t *m) {
    *d = 0;
    *m = wt_search_half(-value);
    float least = fabsf(half_of(value) - value);
    for (float code = hi; code > 0.0f; code -= 1.0f) {
        float off = fabsf(half_of(value / code) * code - value);
        if (off < least) {
            least = off;
            *d = wt_search_half(value / code);
            *m = 0;
        }
    }
}

void wt_search_scale_min(const wt_encode_kernels *k, const float *x, const float *w, size_t n, float hi,
                         const wt_search *search, uint16_t *d, uint16_t *m) {
    run r = run_of(x, w, n);
    minimum kind = search->symmetric ? MIDDLE : FREE;
    float lowest = r.lowest, range = r.highest - r.lowest;
    if (kind == MIDDLE) {
        float a = r.highest > -r.lowest ? r.highest : -r.lowest;
        lowest = -a;
        range = 2.0f * a;
    }
    if (range < NOTHING) {
        constant(r.highest, hi, d, m);
        return;
    }
    /* Around the lowest weight, then around the minimum that came out best: each time refitted and tried exactly. */
    candidates l;
    float best_s = 0.0f, best_m = -lowest, least = INFINITY;
    for (int round = 0; round <= search->passes; round++) {
        float m = round == 0 ? -lowest : best_m, plain = (r.highest + m) / hi;
        if (kind == MIDDLE) plain = 2.0f * m / hi;
        if (!(plain > 0.0f)) break;
        prepare(&l, m, plain * hi, hi, search);
        run_lanes(k, &l, &r, hi, false);
        for (size_t i = 0; i < l.count; i++) {
            float s, min;
            bool fits = i > 0 && refit(&l, i, &r, kind, hi, &s, &min);
            l.scale[i] = fits ? s * search->bias : plain;
            l.min[i] = !fits ? m : kind == MIDDLE ? min * search->bias : min;
        }
        if (!try_all(k, &l, &r, hi, &best_s, &best_m, &least)) break;
    }
    *d = wt_search_half(best_s);
    *m = wt_search_half(best_m);
}

/* ---- a super-block ---- */

/* How many pairs of scales of the super-block are followed at once. */
enum { CHAINS = 4 };

typedef struct chain {
    float d, dmin, error;
    int scales[WT_MAX_RUNS], mins[WT_MAX_RUNS];
    /* With codes as they are the error is a quadratic form in d and dmin; its coefficients. */
    float dd, dm, mm, dx, mx;
} chain;

/* What each run would like to have, and how much its error grows around that. */
typedef struct targets {
    float scale[WT_MAX_RUNS], min[WT_MAX_RUNS], qq[WT_MAX_RUNS], weight[WT_MAX_RUNS];
} targets;

static int clamp_code(const wt_super *shape, float value) {
    float q = value > 0.0f ? value : 0.0f;
    q = q < (float)shape->hi ? q : (float)shape->hi;
    return (int)((q + WT_ROUNDER) - WT_ROUNDER);
}

/* Steps from the nearest (scale, minimum) that a run tries: the square around it, then two more each way along its sides. */
static const signed char NEAR[WT_LANES][2] = {{0, 0},  {-1, 0}, {1, 0},  {0, -1}, {0, 1},   {-1, -1}, {1, 1}, {-1, 1},
                                              {1, -1}, {2, 0},  {-2, 0}, {0, 2},  {0, -2}, {2, 2},   {-2, -2}, {2, 1}};

/* The exact error of a chain's d and dmin, each run at its best scale and minimum around the targets, or around what it has. */
static void evaluate(const wt_encode_kernels *k, const run *runs, const wt_super *shape, float hi, bool tied,
                     const targets *t, chain *c) {
    float scale[WT_LANES], inverse[WT_LANES], min[WT_LANES], q[WT_LANES], qq[WT_LANES], qx[WT_LANES], error[WT_LANES];
    int scales[WT_LANES], mins[WT_LANES];
    wt_affine_lanes lanes = {inverse, scale, min, q, qq, qx, error};
    c->error = c->dd = c->dm = c->mm = c->dx = c->mx = 0.0f;
    float by_d = c->d != 0.0f ? 1.0f / c->d : 0.0f, by_min = c->dmin != 0.0f ? 1.0f / c->dmin : 0.0f;
    for (size_t j = 0; j < shape->runs; j++) {
        int s = t ? clamp_code(shape, t->scale[j] * by_d) : c->scales[j];
        int m = t ? clamp_code(shape, t->min[j] * by_min) : c->mins[j];
        for (int i = 0; i < WT_LANES; i++) {
            scales[i] = clamp_code(shape, (float)(s + NEAR[i][0]));
            mins[i] = tied ? scales[i] : clamp_code(shape, (float)(m + NEAR[i][1]));
            scale[i] = c->d * (float)scales[i];
            min[i] = c->dmin * (float)mins[i];
        }
        for (int i = 0; i < WT_LANES; i++) inverse[i] = scale[i] != 0.0f ? 1.0f / scale[i] : 0.0f;
        k->affine(runs[j].x, runs[j].w, runs[j].n, hi, 1, &lanes);
        int best = 0;
        for (int i = 1; i < WT_LANES; i++) {
            if (error[i] < error[best]) best = i;
        }
        float ls = (float)scales[best], lm = (float)mins[best];
        c->scales[j] = scales[best];
        c->mins[j] = mins[best];
        c->error += error[best];
        c->dd += ls * ls * qq[best];
        c->dm += ls * lm * q[best];
        c->mm += lm * lm * runs[j].sum_w;
        c->dx += ls * qx[best];
        c->mx += lm * runs[j].sum_x;
    }
}

/* d and dmin as the codes of the chain would have them. */
static void refit_chain(chain *c, bool tied, float hi, float bias) {
    float d = c->d, dmin = c->dmin, determinant = c->dd * c->mm - c->dm * c->dm;
    if (tied) {
        float half = 0.5f * hi, under = c->dd - 2.0f * half * c->dm + half * half * c->mm;
        if (under > 0.0f) d = (c->dx - half * c->mx) / under;
        dmin = half * d;
    } else if (determinant > 1e-6f * c->dd * c->mm) {
        d = (c->mm * c->dx - c->dm * c->mx) / determinant;
        dmin = (c->dm * c->dx - c->dd * c->mx) / determinant;
    } else if (c->dd > 0.0f) {
        d = (c->dx + c->dmin * c->dm) / c->dd;
    }
    if (d > 0.0f) c->d = half_of(d * bias);
    if (dmin >= 0.0f) c->dmin = half_of(tied ? dmin * bias : dmin);
}

/* The best of some scales for values >= 0 that codes 0..hi are to hold, an error in each counted by weight; `largest` / hi first. */
static float scale_for(const wt_encode_kernels *k, const float *values, const float *weight, const wt_super *shape) {
    float largest = 0.0f, inverse[2 * WT_LANES], qx[2 * WT_LANES], qq[2 * WT_LANES];
    for (size_t j = 0; j < shape->runs; j++) largest = values[j] > largest ? values[j] : largest;
    if (!(largest > 0.0f)) return 0.0f;
    float hi = (float)shape->hi;
    for (int i = 0; i < 2 * WT_LANES; i++) inverse[i] = (hi - 2.0f + 0.1f * (float)i) / largest;
    const wt_grid grid = {0.0f, hi, NULL};
    wt_symmetric_lanes lanes = {.inverse = inverse, .qx = qx, .qq = qq};
    k->symmetric(values, weight, shape->runs, &grid, 2, &lanes);
    float best = largest / hi, most = 0.0f;
    for (int i = 0; i < 2 * WT_LANES; i++) {
        float gain = qq[i] > 0.0f ? qx[i] * (qx[i] / qq[i]) : 0.0f;
        if (gain > most) {
            most = gain;
            best = qx[i] / qq[i];
        }
    }
    return best;
}

static float largest_of(const float *values, size_t n) {
    float largest = 0.0f;
    for (size_t j = 0; j < n; j++) largest = values[j] > largest ? values[j] : largest;
    return largest;
}

static void start_chains(const wt_encode_kernels *k, const targets *t, const wt_super *shape, bool tied, float hi,
                         float bias, chain *chains) {
    float d = largest_of(t->scale, shape->runs) / (float)shape->hi;
    float dmin = largest_of(t->min, shape->runs) / (float)shape->hi;
    float d_fit = scale_for(k, t->scale, t->qq, shape), dmin_fit = scale_for(k, t->min, t->weight, shape);
    float d_even = scale_for(k, t->scale, t->weight, shape);
    const float starts[CHAINS][2] = {{d, dmin}, {d_fit, dmin_fit}, {d_even, dmin_fit}, {d, dmin_fit}};
    for (int i = 0; i < CHAINS; i++) {
        chains[i].d = half_of(starts[i][0] * bias);
        chains[i].dmin = tied ? half_of(chains[i].d * 0.5f * hi) : half_of(starts[i][1]);
    }
}

/* The scale and minimum that a run would have for itself. */
static void run_target(const wt_encode_kernels *k, const run *r, float hi, minimum kind, const wt_search *search,
                       targets *t, size_t j) {
    float lowest = r->lowest < 0.0f ? r->lowest : 0.0f, range = r->highest - lowest;
    if (kind == MIDDLE) {
        float a = r->highest > -r->lowest ? r->highest : -r->lowest;
        lowest = -a;
        range = 2.0f * a;
    }
    t->weight[j] = r->sum_w;
    if (range < NOTHING) {
        t->min[j] = -lowest;
        return;
    }
    candidates l;
    float most = 0.0f;
    size_t lane = 0;
    t->scale[j] = range / hi;
    t->min[j] = -lowest;
    for (int round = 0; round <= search->passes; round++) {
        float span = kind == MIDDLE ? 2.0f * t->min[j] : r->highest + t->min[j];
        if (!(span > 0.0f)) break;
        prepare(&l, t->min[j], span, hi, search);
        run_lanes(k, &l, r, hi, false);
        if (!best_refit(&l, r, kind, hi, &most, &t->scale[j], &t->min[j], &lane)) break;
        t->qq[j] = l.qq[lane];
    }
}

void wt_search_super_min(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape,
                         float code_hi, const wt_search *search, uint16_t *d, uint16_t *dmin, int *scales, int *mins) {
    run runs[WT_MAX_RUNS];
    targets t = {0};
    bool tied = search->symmetric;
    for (size_t j = 0; j < shape->runs; j++) {
        runs[j] = run_of(x + j * shape->run, w + j * shape->run, shape->run);
        run_target(k, &runs[j], code_hi, tied ? MIDDLE : NOT_NEGATIVE, search, &t, j);
    }
    chain chains[CHAINS] = {0}, best = {.error = INFINITY};
    start_chains(k, &t, shape, tied, code_hi, search->bias, chains);
    for (int pass = 0;; pass++) {
        bool improved = false;
        for (int i = 0; i < CHAINS; i++) {
            evaluate(k, runs, shape, code_hi, tied, pass == 0 ? &t : NULL, &chains[i]);
            if (chains[i].error < best.error) {
                best = chains[i];
                improved = true;
            }
        }
        if (pass >= search->passes || !improved) break;
        for (int i = 0; i < CHAINS; i++) refit_chain(&chains[i], tied, code_hi, search->bias);
    }
    *d = wt_search_half(best.d);
    *dmin = wt_search_half(best.dmin);
    memcpy(scales, best.scales, shape->runs * sizeof *scales);
    memcpy(mins, best.mins, shape->runs * sizeof *mins);
}
