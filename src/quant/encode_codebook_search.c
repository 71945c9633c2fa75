/*
 * The search for a codebook block. Under a scale s a row costs s^2 a - 2 s b (and what the weights cost alone), where
 * a = sum w v v and b = sum w x v: divided by s, a line in s, and the best row for every scale is the lower envelope of
 * all lines. For each group of weights those are found that are the lowest at one of sixteen scales (a line between
 * them that is missed is hardly lower); from then on the error of a run under any scale is a few multiplications, and
 * the scale of the block is chosen, together with all integer scales, by trying many, sixteen at a time. Each run takes
 * the one of the two integer scales around its own best scale that costs less; for the finalists' neighbours, all that
 * may be better are tried.
 *
 * Where the number of minus signs must be even and is not, the cheapest weight of each row is flipped: b loses twice
 * the smallest term. Where two groups of four share that rule, either is flipped.
 */
#include <math.h>
#include <string.h>

#include "quant/codebook_tables.h"
#include "quant/codec.h"
#include "quant/encode_codebook.h"

enum { BLOCK = 256, LANES = WT_BOOK_LANES, MAX_PARTS = 128, FINALISTS = 3, NEAR = 5, LARGEST_HALF = 0x7bff };
#define BETWEEN (-2.0f * WT_IQ1_DELTA)

typedef wt_book_part part;
typedef wt_book_unit unit;

typedef struct block {
    const wt_book_kernels *kernels;
    const wt_book_shape *shape;
    const float *w;
    float x[BLOCK]; /* magnitudes where the book has no signs */
    size_t n_runs, n_parts, n_units;
    bool thorough; /* more integer scales are tried than two */
    wt_book_run runs[WT_BOOK_RUNS];
    uint8_t signs[BLOCK / 8];
    unit units[WT_BOOK_GROUPS];
    part parts[MAX_PARTS];
} block;

/* ---- a block's units ---- */

static bool odd(unsigned bits) {
    bits ^= bits >> 4;
    bits ^= bits >> 2;
    return (bits ^ bits >> 1) & 1;
}

static void add_units(block *b, size_t run) {
    const wt_book_shape *s = b->shape;
    bool halves = s->signs == WT_SIGNS_HALVES;
    size_t width = s->books[0]->width;
    size_t groups = halves ? s->run / width : s->signs == WT_SIGNS_EVEN ? 8 / width : 1;
    b->runs[run].units = b->units + b->n_units;
    for (size_t i = run * s->run; i < (run + 1) * s->run; i += groups * width) {
        unit *u = &b->units[b->n_units++];
        *u = (unit){.first = b->parts + b->n_parts, .group = i / width, .ways = 1, .parts = (uint8_t)groups};
        u->flips = s->signs == WT_SIGNS_EVEN && odd(b->signs[i / 8]);
        if (halves) u->ways = 2;
        if (u->flips) u->ways = u->parts;
        for (int j = 0; j < u->ways * u->parts; j++) b->parts[b->n_parts++].n = 0;
    }
    b->runs[run].n = (size_t)(b->units + b->n_units - b->runs[run].units);
}

/* ---- a run's envelopes ---- */

/* The lines of a part that are the lowest in lanes from..to-1: at all of a run's scales, of one book. */
static void keep(const wt_book_lows *low, size_t from, size_t to, part *p) {
    for (size_t j = from; j < to; j++) {
        if (j == from || low->at[j] != low->at[j - 1]) {
            p->a[p->n] = low->a[j];
            p->b2[p->n] = low->b2[j];
            p->at[p->n++] = (uint16_t)low->at[j];
        }
        p->best[j - from] = (uint8_t)(p->n - 1);
    }
}

/* The lines that are the lowest at each of a run's scales, added: y = s a - b2. */
typedef struct line_sums {
    float y[LANES], a[LANES], b2[LANES];
} line_sums;

static void add_lows(const wt_book_lows *low, line_sums *sum) {
    for (int i = 0; i < LANES; i++) {
        sum->y[i] += low->y[i];
        sum->a[i] += low->a[i];
        sum->b2[i] += low->b2[i];
    }
}

/* Makes `least` the lower of the two at each scale. */
static void take_lower(const line_sums *own, line_sums *least) {
    for (int i = 0; i < LANES; i++) {
        bool lower = own->y[i] < least->y[i];
        least->y[i] = lower ? own->y[i] : least->y[i];
        least->a[i] = lower ? own->a[i] : least->a[i];
        least->b2[i] = lower ? own->b2[i] : least->b2[i];
    }
}

static void add_sums(const line_sums *own, line_sums *sum) {
    for (int i = 0; i < LANES; i++) {
        sum->y[i] += own->y[i];
        sum->a[i] += own->a[i];
        sum->b2[i] += own->b2[i];
    }
}

/* Of one of IQ1's units: the lanes are half as many scales for each of the two books. */
static void find_both(const block *b, const unit *u, const float *s, line_sums *sum) {
    static const float shifts[LANES] = {0,       0,       0,       0,       0,       0,       0,       0,
                                        BETWEEN, BETWEEN, BETWEEN, BETWEEN, BETWEEN, BETWEEN, BETWEEN, BETWEEN};
    const wt_book *book = b->shape->books[0];
    line_sums each = {.y = {0}}, other;
    wt_book_lows low;
    for (size_t j = 0; j < u->parts; j++) {
        size_t first = (u->group + j) * book->width;
        b->kernels->lowest_each(book, b->x + first, b->w + first, s, shifts, false, &low);
        for (int i = LANES / 2; i < LANES; i++) low.at[i] += WT_BOOK_ROWS;
        keep(&low, 0, LANES / 2, u->first + j);
        keep(&low, LANES / 2, LANES, u->first + j + (u->ways > 1 ? u->parts : 0));
        add_lows(&low, &each);
    }
    for (int i = 0; i < LANES; i++) {
        int there = (i + LANES / 2) % LANES;
        other.y[i] = each.y[there], other.a[i] = each.a[there], other.b2[i] = each.b2[there];
    }
    take_lower(&other, &each);
    add_sums(&each, sum);
}

static void find_unit(const block *b, const unit *u, const float *s, line_sums *sum) {
    static const float shifts[LANES];
    const wt_book *book = b->shape->books[0];
    part *p = u->first;
    line_sums least = {.y = {0}};
    wt_book_lows low;
    for (int i = 0; i < LANES; i++) least.y[i] = INFINITY;
    for (size_t way = 0; way < u->ways; way++) {
        line_sums own = {.y = {0}};
        for (size_t j = 0; j < u->parts; j++, p++) {
            size_t first = (u->group + j) * book->width;
            b->kernels->lowest_each(book, b->x + first, b->w + first, s, shifts, u->flips && j == way, &low);
            keep(&low, 0, LANES, p);
            add_lows(&low, &own);
        }
        take_lower(&own, &least);
    }
    add_sums(&least, sum);
}

/* The best rows of a run's groups at its scales, and what it costs then. */
static void find_parts(const block *b, wt_book_run *run, line_sums *sum) {
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < run->n; i++) {
        if (b->shape->books[1])
            find_both(b, &run->units[i], run->s, sum);
        else
            find_unit(b, &run->units[i], run->s, sum);
    }
    for (int j = 0; j < LANES; j++) run->error[j] = run->s[j] * sum->y[j];
}

/* Scales between which a run's best one is looked for; large weights that hardly count leave the middle to the others. */
static void scale_range(const block *b, size_t run, float *lo, float *hi) {
    const wt_book_shape *s = b->shape;
    float largest = 0.0f, sum = 0.0f, sum_w = 0.0f, value = s->books[0]->digits[s->books[0]->n_digits - 1];
    for (size_t i = run * s->run; i < (run + 1) * s->run; i++) {
        largest = fabsf(b->x[i]) > largest ? fabsf(b->x[i]) : largest;
        sum += b->w[i] * b->x[i] * b->x[i];
        sum_w += b->w[i];
    }
    float spread = sqrtf(sum / sum_w);
    *hi = s->hi * largest / value;
    *lo = s->lo * (largest < 2.0f * spread ? largest : 2.0f * spread) / value;
}

/* ---- errors ---- */

static size_t find_line(const part *p, float s, float *y) {
    size_t best = 0;
    *y = s * p->a[0] - p->b2[0];
    for (int i = 1; i < p->n; i++) {
        float other = s * p->a[i] - p->b2[i];
        if (other < *y) best = (size_t)i, *y = other;
    }
    return best;
}

static size_t find_way(const unit *u, float s) {
    size_t best = 0;
    float least = INFINITY, y;
    for (size_t way = 0; way < u->ways && u->ways > 1; way++) {
        float sum = 0.0f;
        for (size_t g = 0; g < u->parts; g++) {
            find_line(u->first + way * u->parts + g, s, &y);
            sum += y;
        }
        if (sum < least) best = way, least = sum;
    }
    return best;
}

/* The lines of a run under a scale, added: its error under another scale, with the same rows, is t^2 a - t b2. */
static void run_line(const wt_book_run *run, float s, float *a, float *b2) {
    float y;
    *a = *b2 = 0.0f;
    for (const unit *u = run->units; u < run->units + run->n; u++) {
        const part *p = u->first + find_way(u, s) * u->parts;
        for (size_t g = 0; g < u->parts; g++, p++) {
            size_t l = find_line(p, s, &y);
            *a += p->a[l];
            *b2 += p->b2[l];
        }
    }
}

/* Scales in the middles of equal steps from lo to hi: LANES, or half as many twice. */
static void scales_between(float lo, float hi, bool twice, float *s) {
    float step = sqrtf(sqrtf(sqrtf(hi / lo))), half_step = sqrtf(step);
    if (!twice) step = half_step, half_step = sqrtf(step);
    s[0] = lo * half_step;
    for (int j = 1; j < LANES; j++) s[j] = twice && j == LANES / 2 ? s[0] : s[j - 1] * step;
}

/* The least of s (y0 + (y1 - y0) / (s1 - s0) (s - s0)) for s between s0 and s1. */
static float least_between(float s0, float y0, float s1, float y1) {
    float slope = (y1 - y0) / (s1 - s0), shift = y0 - slope * s0, middle = -0.5f * shift / slope;
    float e0 = s0 * y0, e1 = s1 * y1, least = e0 < e1 ? e0 : e1;
    return slope > 0.0f && middle > s0 && middle < s1 ? 0.5f * shift * middle : least;
}

/*
 * Bounds between a run's scales: its error divided by the scale is a sum of lower envelopes and therefore concave, so
 * that it is above any of its chords. Beyond the ends, far from the best scale, errors grow.
 */
static void find_bounds(wt_book_run *r) {
    r->least[0] = r->error[0];
    r->least[r->steps] = r->error[r->steps - 1];
    for (int j = 1; j < r->steps; j++)
        r->least[j] = least_between(r->s[j - 1], r->error[j - 1] / r->s[j - 1], r->s[j], r->error[j] / r->s[j]);
}

/* The best scale of a run alone: of those that fit the rows of one of its scales best; returns what it gains. */
static float find_scale(wt_book_run *run, const line_sums *sum) {
    float most = 0.0f;
    for (int j = 0; j < run->steps; j++) {
        float a = sum->a[j], b2 = sum->b2[j], gain = a > 0.0f ? 0.25f * b2 * b2 / a : 0.0f;
        if (b2 > 0.0f && gain > most) most = gain, run->scale = 0.5f * b2 / a;
    }
    return most;
}

/* ---- scales of the block ---- */

typedef struct candidate {
    uint16_t d;
    double error; /* less the constant part */
    uint8_t k[WT_BOOK_RUNS];
} candidate;

/* Up to LANES of them, with different d other than 0. */
typedef struct batch {
    int n;
    candidate of[LANES];
} batch;

static uint16_t half_of(float d) {
    uint16_t h = wt_f32_to_f16(d);
    return h < LARGEST_HALF ? h : LARGEST_HALF;
}

static void add_half(batch *c, int d) {
    if (d <= 0 || d > LARGEST_HALF || c->n == LANES) return;
    for (int i = 0; i < c->n; i++) {
        if (c->of[i].d == d) return;
    }
    c->of[c->n++] = (candidate){.d = (uint16_t)d};
}

/* Finds the k and the errors of all. */
static void evaluate(const block *b, batch *c) {
    float one[LANES], k[LANES], error[LANES];
    double sum[LANES] = {0};
    if (c->n == 0) return;
    for (int j = 0; j < LANES; j++) one[j] = wt_f16_to_f32(c->of[j < c->n ? j : 0].d) * b->shape->unit;
    for (size_t run = 0; run < b->n_runs; run++) {
        b->kernels->best_levels(&b->runs[run], one, b->shape->levels, b->thorough, k, error);
        for (int j = 0; j < LANES; j++) sum[j] += (double)error[j];
        for (int j = 0; j < c->n; j++) c->of[j].k[run] = (uint8_t)k[j];
    }
    for (int j = 0; j < c->n; j++) c->of[j].error = sum[j];
}

/* Keeps the best FINALISTS, best first; of those with the same d, whose k may differ, the best. */
static void offer(const candidate *c, candidate *best, int *n) {
    int at = 0;
    while (at < *n && best[at].d != c->d) at++;
    if (at < *n && !(c->error < best[at].error)) return;
    if (at == *n && *n < FINALISTS) (*n)++;
    for (; at > 0 && c->error < best[at - 1].error; at--) {
        if (at < FINALISTS) best[at] = best[at - 1];
    }
    if (at < FINALISTS) best[at] = *c;
}

static void offer_batch(const block *b, batch *c, candidate *best, int *n) {
    evaluate(b, c);
    for (int i = 0; i < c->n; i++) offer(&c->of[i], best, n);
    c->n = 0;
}

/* The d that fits a candidate's rows best. */
static float refit(const block *b, const candidate *c) {
    float one = wt_f16_to_f32(c->d) * b->shape->unit, a, b2;
    double qq = 0.0, qx = 0.0;
    for (size_t run = 0; run < b->n_runs; run++) {
        float scale = (float)(2 * c->k[run] + 1) * b->shape->unit;
        run_line(&b->runs[run], one * (float)(2 * c->k[run] + 1), &a, &b2);
        qq += (double)(scale * scale * a);
        qx += 0.5 * (double)(scale * b2);
    }
    return qq > 0.0 && qx > 0.0 ? (float)(qx / qq) : 0.0f;
}

/* Codes and d against each other: the halves around what fits the finalists, and the best's own; false: nothing better. */
static bool polish(const block *b, candidate *best, int *n) {
    batch c = {0};
    double least = best[0].error;
    for (int i = 0; i < *n; i++) {
        int d = half_of(refit(b, &best[i]));
        for (int j = 0; j < NEAR && d > 0; j++) add_half(&c, d + j - NEAR / 2);
    }
    add_half(&c, best[0].d); /* the room that is left */
    offer_batch(b, &c, best, n);
    return best[0].error < least;
}

/* ---- codes ---- */

static const wt_book *book_of(const block *b, uint16_t at) { return b->shape->books[at / WT_BOOK_ROWS]; }

/* Which weight of a group costs least with the wrong sign. */
static size_t cheapest(const block *b, const wt_book *book, size_t group, size_t row) {
    size_t best = 0;
    float least = INFINITY;
    for (size_t i = 0; i < book->width; i++) {
        float p = b->w[group * book->width + i] * wt_book_value(book, row, i) * b->x[group * book->width + i];
        if (p < least) best = i, least = p;
    }
    return best;
}

/* The best row of a group under scale s, from a row that is nearly so; *y is what it costs, divided by s. */
static uint16_t best_row(const block *b, size_t group, bool flips, float s, uint16_t at, float *y) {
    const wt_book *book = book_of(b, at);
    size_t first = group * book->width;
    wt_book_group g; /* large: filled as far as it is used */
    g.book = book;
    g.flip = flips;
    b->kernels->lines(&g, b->x + first, b->w + first);
    wt_book_best best = {wt_book_cost(&g, at % WT_BOOK_ROWS, s), at % WT_BOOK_ROWS};
    b->kernels->lowest(&g, s, &best);
    *y = best.y;
    return (uint16_t)(at - at % WT_BOOK_ROWS + best.at);
}

/* Whether a part of one book has the same best line at a run's scales j - 1 and j: what is best at both is so between. */
static bool is_settled(const part *p, int j, int steps) { return j > 0 && j < steps && p->best[j - 1] == p->best[j]; }

/* The row and signs of a group under scale s, which is between the run's scales j - 1 and j; what it costs, divided by s. */
static float settle_group(const block *b, const part *p, size_t group, bool flips, float s, int j, int steps,
                          wt_book_codes *codes) {
    float y;
    uint16_t at = p->at[find_line(p, s, &y)];
    bool two_books =
        b->shape->signs == WT_SIGNS_IN_BOOK; /* whose rows at a run's scales are close enough: looking costs a fifth */
    if (!two_books && !is_settled(p, j, steps)) at = best_row(b, group, flips, s, at, &y);
    const wt_book *book = book_of(b, at);
    size_t row = at % WT_BOOK_ROWS, first = group * book->width;
    codes->rows[group] = wt_book_row(book, row);
    if (flips) codes->signs[first / 8] ^= (uint8_t)(1u << (first % 8 + cheapest(b, book, group, row)));
    return y;
}

/* Rows and signs under codes' d and k; returns their error, less the constant part. */
static double settle(const block *b, wt_book_codes *codes) {
    float one = wt_f16_to_f32(codes->d) * b->shape->unit;
    double error = 0.0;
    memcpy(codes->signs, b->signs, sizeof codes->signs);
    for (size_t run = 0; run < b->n_runs; run++) {
        const wt_book_run *r = &b->runs[run];
        float s = one * (float)(2 * codes->k[run] + 1), y = 0.0f;
        int j = 0;
        while (j < r->steps && r->s[j] < s) j++;
        for (const unit *u = r->units; u < r->units + r->n; u++) {
            const part *p = u->first + find_way(u, s) * u->parts;
            size_t way = (size_t)(p - u->first) / u->parts;
            for (size_t g = 0; g < u->parts; g++, p++)
                y += settle_group(b, p, u->group + g, u->flips && g == way, s, j, r->steps, codes);
        }
        error += (double)(s * y);
    }
    return error;
}

/* The best candidate's codes, if they are better than `codes`, whose error is *least. */
static void settle_best(const block *b, const candidate *best, int n, wt_book_codes *codes, double *least) {
    wt_book_codes own = {.d = 0};
    if (n > 0 && best[0].error < 0.0) { /* better than zeros */
        own.d = best[0].d;
        memcpy(own.k, best[0].k, sizeof own.k);
    }
    double error = settle(b, &own);
    if (!(error < *least)) return;
    *least = error;
    *codes = own;
}

/* ---- the search ---- */

static void prepare(block *b, const wt_encode_kernels *k, const wt_book_shape *shape, const float *x,
                    const float *w) {
    bool magnitudes = shape->signs == WT_SIGNS_FREE || shape->signs == WT_SIGNS_EVEN;
    b->kernels = wt_book_kernels_of(k);
    b->shape = shape;
    b->w = w;
    b->n_runs = BLOCK / shape->run;
    b->n_parts = b->n_units = 0;
    b->thorough = false;
    memset(b->signs, 0, sizeof b->signs);
    for (size_t i = 0; i < BLOCK; i++) {
        b->x[i] = magnitudes ? fabsf(x[i]) : x[i];
        if (magnitudes && x[i] < 0.0f) b->signs[i / 8] |= (uint8_t)(1u << i % 8);
    }
}

/* Envelopes and scales of all runs; returns the run that gains most, or n_runs. */
static size_t find_runs(block *b) {
    float most = 0.0f, lo, hi;
    line_sums sum;
    size_t strongest = b->n_runs;
    for (size_t run = 0; run < b->n_runs; run++) {
        wt_book_run *r = &b->runs[run];
        scale_range(b, run, &lo, &hi);
        bool none = !(lo > 0.0f &&
                      hi > lo); /* zeros, or next to it: at scales of any size the row of least values is the best */
        r->steps = b->shape->books[1] ? LANES / 2 : LANES;
        scales_between(none ? 1.0f : lo, none ? 2.0f : hi, b->shape->books[1] != NULL, r->s);
        add_units(b, run);
        find_parts(b, r, &sum);
        find_bounds(r);
        r->scale = 0.0f;
        float gain = none ? 0.0f : find_scale(r, &sum);
        if (gain > most) most = gain, strongest = run;
    }
    return strongest;
}

/* The best candidates for the block's scale: the search's, and those that put the strongest run on each integer scale. */
static int find_candidates(const block *b, size_t strongest, const wt_search *search, candidate *best) {
    float largest = 0.0f;
    int n = 0, top = 2 * b->shape->levels - 1;
    batch c = {0};
    for (size_t run = 0; run < b->n_runs; run++) largest = b->runs[run].scale > largest ? b->runs[run].scale : largest;
    for (int i = 0; i < search->steps && largest > 0.0f; i++) {
        float t = search->steps > 1 ? (search->hi - search->lo) * (float)i / (float)(search->steps - 1) : 0.0f;
        t += (float)top + search->lo;
        if (t > 0.5f) add_half(&c, half_of(largest / (t * b->shape->unit)));
        if (c.n == LANES) offer_batch(b, &c, best, &n);
    }
    for (int i = 1; i <= top && strongest < b->n_runs; i += 2) {
        add_half(&c, half_of(b->runs[strongest].scale / ((float)i * b->shape->unit)));
        if (c.n == LANES) offer_batch(b, &c, best, &n);
    }
    offer_batch(b, &c, best, &n);
    return n;
}

void wt_book_search(const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w,
                    const wt_search *search, wt_book_codes *codes) {
    block b;
    candidate best[FINALISTS];
    prepare(&b, k, shape, x, w);
    size_t strongest = find_runs(&b);
    int n = find_candidates(&b, strongest, search, best);
    b.thorough = true;
    /* Candidates are compared by rows that are nearly the best: each best one gets its own, so that no pass makes things worse. */
    double least = INFINITY;
    settle_best(&b, best, n, codes, &least);
    for (int pass = 0; pass < search->passes && n > 0; pass++) {
        if (!polish(&b, best, &n)) break;
        settle_best(&b, best, n, codes, &least);
    }
    if (search->bias != 1.0f) codes->d = half_of(wt_f16_to_f32(codes->d) * search->bias);
}
