/*
 * The search for a codebook block. Under a scale s a row of the book costs s^2 a - 2 s b (and what the weights cost alone),
 * where a = sum w v v and b = sum w |x| v: divided by s, a line in s. The best row for every scale is therefore the lower
 * envelope of some hundred lines, of which about ten lie on it. They are found once for each group, by looking for the lowest
 * line where two neighbours of the envelope meet; from then on the error of a run under any scale is a few multiplications, and
 * the scale of the block is chosen, together with all integer scales, by trying many.
 *
 * Where the number of minus signs must be even and is not, the cheapest weight of each row is flipped: b loses twice the
 * smallest term. Where two groups of four share that rule, either is flipped.
 */
#include <math.h>
#include <string.h>

#include "quant/codec.h"
#include "quant/encode_codebook.h"

enum { BLOCK = 256, LANES = WT_BOOK_LANES, LINES = 24, MAX_PARTS = 128, FINALISTS = 4, LARGEST_HALF = 0x7bff };

/* The envelope of a group: rows and their lines, s a - b2. */
typedef struct part {
    int n;
    float a[LINES], b2[LINES];
    uint16_t row[LINES];
} part;

/* A choice of rows that is made as one: the best of `ways`, each the sum of `parts` groups; ways * parts envelopes. */
typedef struct unit {
    const part *first;
    size_t group; /* the first */
    uint8_t ways, parts;
    bool flips; /* way j flips a sign in part j */
} unit;

typedef struct block {
    const wt_book_kernels *kernels;
    const wt_book_shape *shape;
    const float *w;
    float x[BLOCK]; /* magnitudes where the book has no signs */
    float largest_value;
    size_t n_runs, n_parts, n_units, unit_at[WT_BOOK_RUNS + 1];
    uint8_t signs[BLOCK / 8];
    unit units[WT_BOOK_GROUPS];
    part parts[MAX_PARTS];
} block;

/* ---- lines of a group ---- */

typedef struct lines {
    const wt_book_kernels *kernels;
    size_t rows;
    float a[WT_BOOK_ROWS], b2[WT_BOOK_ROWS];
} lines;

static size_t lowest(const lines *l, float s) { return l->kernels->lowest(l->a, l->b2, l->rows, s); }

static void keep(const lines *l, size_t at, size_t row, part *p) {
    p->a[p->n] = l->a[at];
    p->b2[p->n] = l->b2[at];
    p->row[p->n++] = (uint16_t)row;
}

/* The lines that lie under two of the envelope between the places where each of the two is lowest; rows are `row`'s. */
static void keep_between(const lines *l, const uint32_t *row, float a1, float b1, float a2, float b2, part *p) {
    if (p->n == LINES || !(a1 > a2)) return;
    float s = (b1 - b2) / (a1 - a2), y1 = s * a1 - b1, y2 = s * a2 - b2;
    size_t at = lowest(l, s);
    float a = l->a[at], b = l->b2[at];
    if (!(s * a - b < (y1 < y2 ? y1 : y2) - 1e-6f * b1)) return; /* rounding can make a line lower than itself */
    keep(l, at, row[at], p);
    keep_between(l, row, a1, b1, a, b, p);
    keep_between(l, row, a, b, a2, b2, p);
}

/*
 * A line that is under the two at the ends of the envelope anywhere is so where these two meet: only those that are take
 * part in what follows.
 */
static void envelope(const lines *l, float lo, float hi, size_t from, part *p) {
    lines few;
    uint32_t row[WT_BOOK_ROWS];
    p->n = 0;
    size_t first = lowest(l, lo), second = lowest(l, hi);
    keep(l, first, first, p);
    if (second != first) keep(l, second, second, p);
    float a1 = l->a[first], b1 = l->b2[first], a2 = l->a[second], b2 = l->b2[second];
    if (a1 > a2) {
        float s = (b1 - b2) / (a1 - a2), y1 = s * a1 - b1, y2 = s * a2 - b2;
        size_t n = l->kernels->below(l->a, l->b2, l->rows, s, y1 < y2 ? y1 : y2, few.a, few.b2, row);
        few.kernels = l->kernels;
        few.rows = (n + LANES - 1) / LANES * LANES;
        for (size_t i = n; i < few.rows; i++) few.a[i] = 0.0f, few.b2[i] = -INFINITY, row[i] = 0; /* never the lowest */
        if (n > 0) keep_between(&few, row, a1, b1, a2, b2, p);
    }
    for (int i = 0; i < p->n; i++) p->row[i] = (uint16_t)(p->row[i] + from);
}

/* ---- a block's units ---- */

static void add_part(block *b, size_t group, size_t from, size_t rows, bool flip, float lo, float hi) {
    const wt_book *book = b->shape->book;
    lines l;
    l.kernels = b->kernels;
    l.rows = rows;
    b->kernels->lines(book, from, rows, b->x + group * book->width, b->w + group * book->width, flip, l.a, l.b2);
    envelope(&l, lo, hi, from, &b->parts[b->n_parts++]);
}

static bool odd(unsigned bits) {
    bits ^= bits >> 4;
    bits ^= bits >> 2;
    return (bits ^ bits >> 1) & 1;
}

static void add_run(block *b, size_t run, float lo, float hi) {
    const wt_book_shape *s = b->shape;
    size_t width = s->book->width, rows = s->book->rows;
    size_t groups = s->signs == WT_SIGNS_HALVES ? s->run / width : s->signs == WT_SIGNS_EVEN ? 8 / width : 1;
    for (size_t i = run * s->run; i < (run + 1) * s->run; i += groups * width) {
        unit *u = &b->units[b->n_units++];
        *u = (unit){.first = b->parts + b->n_parts, .group = i / width, .ways = 1, .parts = (uint8_t)groups};
        u->flips = s->signs == WT_SIGNS_EVEN && odd(b->signs[i / 8]);
        if (s->signs == WT_SIGNS_HALVES) u->ways = 2;
        if (u->flips) u->ways = u->parts;
        size_t span = s->signs == WT_SIGNS_HALVES ? rows / 2 : rows;
        for (size_t way = 0; way < u->ways; way++) {
            for (size_t g = 0; g < groups; g++)
                add_part(b, u->group + g, s->signs == WT_SIGNS_HALVES ? way * span : 0, span, u->flips && g == way, lo, hi);
        }
    }
}

/* Scales between which a run's best one is looked for; large weights that hardly count leave the middle to the others. */
static void scale_range(const block *b, size_t run, float *lo, float *hi) {
    const wt_book_shape *s = b->shape;
    float largest = 0.0f, sum = 0.0f, sum_w = 0.0f;
    for (size_t i = run * s->run; i < (run + 1) * s->run; i++) {
        largest = fabsf(b->x[i]) > largest ? fabsf(b->x[i]) : largest;
        sum += b->w[i] * b->x[i] * b->x[i];
        sum_w += b->w[i];
    }
    float spread = sqrtf(sum / sum_w);
    *hi = s->hi * largest / b->largest_value;
    *lo = s->lo * (largest < 2.0f * spread ? largest : 2.0f * spread) / b->largest_value;
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

/* The errors of a run under LANES scales, less the constant part. */
static void run_errors(const block *b, size_t run, const float *s, float *error) {
    float least[LANES], sum[LANES];
    for (int j = 0; j < LANES; j++) error[j] = 0.0f;
    for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
        const part *p = b->units[i].first;
        for (int j = 0; j < LANES; j++) least[j] = INFINITY;
        for (size_t way = 0; way < b->units[i].ways; way++) {
            for (int j = 0; j < LANES; j++) sum[j] = 0.0f;
            for (size_t g = 0; g < b->units[i].parts; g++, p++) b->kernels->add_lowest(p->a, p->b2, p->n, s, sum);
            for (int j = 0; j < LANES; j++) least[j] = sum[j] < least[j] ? sum[j] : least[j];
        }
        for (int j = 0; j < LANES; j++) error[j] += s[j] * least[j];
    }
}

/* The lines of a run under a scale, added: its error under another scale, with the same rows, is t^2 a - t b2. */
static void run_line(const block *b, size_t run, float s, float *a, float *b2) {
    float y;
    *a = *b2 = 0.0f;
    for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
        const unit *u = &b->units[i];
        const part *p = u->first + find_way(u, s) * u->parts;
        for (size_t g = 0; g < u->parts; g++, p++) {
            size_t l = find_line(p, s, &y);
            *a += p->a[l];
            *b2 += p->b2[l];
        }
    }
}

/* The best scale of a run alone, and what it gains. */
static float run_scale(const block *b, size_t run, float lo, float hi, float *gain) {
    float s[LANES], error[LANES], a, b2, step = powf(hi / lo, 1.0f / (LANES - 1));
    s[0] = lo;
    for (int j = 1; j < LANES; j++) s[j] = s[j - 1] * step;
    run_errors(b, run, s, error);
    int best = 0;
    for (int j = 1; j < LANES; j++) best = error[j] < error[best] ? j : best;
    run_line(b, run, s[best], &a, &b2);
    *gain = a > 0.0f ? 0.25f * b2 * b2 / a : 0.0f;
    return a > 0.0f ? 0.5f * b2 / a : 0.0f;
}

/* The error of the block under d, and the best k of each run. */
static double block_error(const block *b, uint16_t d, uint8_t *k) {
    float s[LANES], error[LANES], one = wt_f16_to_f32(d) * b->shape->unit;
    double sum = 0.0;
    for (int j = 0; j < LANES; j++) s[j] = one * (float)(2 * j + 1);
    for (size_t run = 0; run < b->n_runs; run++) {
        run_errors(b, run, s, error);
        int best = 0;
        for (int j = 1; j < b->shape->levels; j++) best = error[j] < error[best] ? j : best;
        k[run] = (uint8_t)best;
        sum += (double)error[best];
    }
    return sum;
}

/* ---- codes ---- */

/* Which weight of a group costs least with the wrong sign. */
static size_t cheapest(const block *b, size_t group, size_t row) {
    const wt_book *book = b->shape->book;
    size_t best = 0;
    float least = INFINITY;
    for (size_t i = 0; i < book->width; i++) {
        float p = b->w[group * book->width + i] * book->values[i * book->rows + row] * b->x[group * book->width + i];
        if (p < least) best = i, least = p;
    }
    return best;
}

/* Rows and signs under codes' d and k; the error, in full and in double. */
static double settle(const block *b, wt_book_codes *codes) {
    const wt_book *book = b->shape->book;
    float one = wt_f16_to_f32(codes->d) * b->shape->unit, y;
    memcpy(codes->signs, b->signs, sizeof codes->signs);
    double error = 0.0;
    for (size_t run = 0; run < b->n_runs; run++) {
        float s = one * (float)(2 * codes->k[run] + 1);
        for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
            const unit *u = &b->units[i];
            size_t way = find_way(u, s);
            for (size_t g = 0; g < u->parts; g++) {
                const part *p = u->first + way * u->parts + g;
                size_t group = u->group + g, row = p->row[find_line(p, s, &y)], first = group * book->width;
                size_t flipped = u->flips && g == way ? cheapest(b, group, row) : book->width;
                codes->rows[group] = (uint16_t)row;
                for (size_t j = 0; j < book->width; j++) {
                    float v = s * book->values[j * book->rows + row];
                    double e = (double)b->x[first + j] - (double)(j == flipped ? -v : v);
                    error += (double)b->w[first + j] * e * e;
                }
                if (flipped < book->width) codes->signs[first / 8] ^= (uint8_t)(1u << (first % 8 + flipped));
            }
        }
    }
    return error;
}

/* The d that fits codes' rows best. */
static float refit(const block *b, const wt_book_codes *codes) {
    float one = wt_f16_to_f32(codes->d) * b->shape->unit, a, b2;
    double qq = 0.0, qx = 0.0;
    for (size_t run = 0; run < b->n_runs; run++) {
        float scale = (float)(2 * codes->k[run] + 1) * b->shape->unit;
        run_line(b, run, one * (float)(2 * codes->k[run] + 1), &a, &b2);
        qq += (double)(scale * scale * a);
        qx += 0.5 * (double)(scale * b2);
    }
    return qq > 0.0 && qx > 0.0 ? (float)(qx / qq) : 0.0f;
}

static uint16_t half_of(float d) {
    uint16_t h = wt_f32_to_f16(d);
    return h < LARGEST_HALF ? h : LARGEST_HALF;
}

/* ---- the search ---- */

typedef struct candidate {
    uint16_t d;
    double error;
    uint8_t k[WT_BOOK_RUNS];
} candidate;

/* Keeps the best FINALISTS, best first. */
static void offer(const block *b, float wanted, candidate *best, int *n) {
    candidate c = {.d = half_of(wanted)};
    if (c.d == 0) return;
    for (int i = 0; i < *n; i++) {
        if (best[i].d == c.d) return;
    }
    c.error = block_error(b, c.d, c.k);
    int at = *n < FINALISTS ? (*n)++ : FINALISTS;
    for (; at > 0 && c.error < best[at - 1].error; at--) {
        if (at < FINALISTS) best[at] = best[at - 1];
    }
    if (at < FINALISTS) best[at] = c;
}

static bool take(const block *b, uint16_t d, const uint8_t *k, wt_book_codes *best, double *least) {
    wt_book_codes codes = {.d = d};
    memcpy(codes.k, k, sizeof codes.k);
    double error = settle(b, &codes);
    if (!(error < *least)) return false;
    *least = error;
    *best = codes;
    return true;
}

/* Codes and d against each other, then the halves next to it. */
static void polish(const block *b, const candidate *c, int passes, wt_book_codes *best, double *least) {
    wt_book_codes own = {0};
    double error = INFINITY;
    uint8_t k[WT_BOOK_RUNS] = {0};
    take(b, c->d, c->k, &own, &error);
    for (int pass = 0; pass < passes; pass++) {
        uint16_t d = half_of(refit(b, &own));
        if (d == 0 || d == own.d) break;
        block_error(b, d, k);
        if (!take(b, d, k, &own, &error)) break;
    }
    for (int step = -1; step <= 1 && passes > 0; step += 2) {
        int d = own.d + step;
        if (d <= 0 || d > LARGEST_HALF) continue;
        block_error(b, (uint16_t)d, k);
        take(b, (uint16_t)d, k, &own, &error);
    }
    if (error < *least) *least = error, *best = own;
}

static void prepare(block *b, const wt_encode_kernels *k, const wt_book_shape *shape, const float *x,
                    const float *w) {
    bool magnitudes = shape->signs == WT_SIGNS_FREE || shape->signs == WT_SIGNS_EVEN;
    b->kernels = wt_book_kernels_of(k);
    b->shape = shape;
    b->w = w;
    b->n_runs = BLOCK / shape->run;
    b->n_parts = b->n_units = b->largest_value = 0;
    memset(b->signs, 0, sizeof b->signs);
    for (size_t i = 0; i < BLOCK; i++) {
        b->x[i] = magnitudes ? fabsf(x[i]) : x[i];
        if (magnitudes && x[i] < 0.0f) b->signs[i / 8] |= (uint8_t)(1u << i % 8);
    }
    for (size_t i = 0; i < shape->book->rows * shape->book->width; i++) {
        float v = shape->book->values[i];
        b->largest_value = v > b->largest_value ? v : b->largest_value;
    }
}

void wt_book_search(const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w,
                    const wt_search *search, wt_book_codes *codes) {
    block b;
    float scales[WT_BOOK_RUNS], largest = 0.0f, gain, most = 0.0f;
    size_t strongest = 0;
    prepare(&b, k, shape, x, w);
    for (size_t run = 0; run < b.n_runs; run++) {
        float lo, hi;
        scale_range(&b, run, &lo, &hi);
        b.unit_at[run] = b.n_units;
        add_run(&b, run, lo, hi);
        b.unit_at[run + 1] = b.n_units;
        scales[run] = hi > lo && lo > 0.0f ? run_scale(&b, run, lo, hi, &gain) : (gain = 0.0f);
        largest = scales[run] > largest ? scales[run] : largest;
        if (gain > most) most = gain, strongest = run;
    }
    candidate best[FINALISTS];
    int n = 0, top = 2 * shape->levels - 1;
    for (int i = 0; i < search->steps && largest > 0.0f; i++) {
        float t = search->lo + (search->steps > 1 ? (search->hi - search->lo) * (float)i / (float)(search->steps - 1) : 0.0f);
        if ((float)top + t > 0.5f) offer(&b, largest / (((float)top + t) * shape->unit), best, &n);
    }
    for (int i = 1; i <= top && most > 0.0f; i += 2) offer(&b, scales[strongest] / ((float)i * shape->unit), best, &n);

    static const uint8_t lowest_k[WT_BOOK_RUNS];
    double least = INFINITY;
    take(&b, 0, lowest_k, codes, &least);
    for (int i = 0; i < n; i++) polish(&b, &best[i], search->passes, codes, &least);
    if (search->bias != 1.0f) codes->d = half_of(wt_f16_to_f32(codes->d) * search->bias);
}
