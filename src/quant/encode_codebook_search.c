/*
 * The search for a codebook block. For each group of weights the rows that are best under some scale are found first
 * (encode_codebook_rows.c); from then on the error of a run under any scale is a few multiplications, and the scale of
 * the block is chosen, together with all integer scales, by trying many, sixteen at a time. Each run takes the one of
 * the two integer scales around its own best scale that costs less; the finalists try the two next to these as well.
 *
 * Finding the rows is most of the work, so that they are looked for only where a run's scale can be: where the run
 * would cost little if every combination of values were in the book (narrow), and further only where a candidate for
 * the block's scale asks for it (cover). Runs of few integer scales ask for nearly all: they are filled from end to
 * end.
 *
 * Where the number of minus signs must be even and is not, the cheapest weight of each row is flipped: b loses twice
 * the smallest term. Where two groups of four share that rule, either is flipped.
 */
#include <math.h>
#include <string.h>

#include "quant/codec.h"
#include "quant/encode_codebook.h"

enum { BLOCK = 256, LANES = WT_BOOK_LANES, MAX_PARTS = 128, FINALISTS = 3, NEAR = 5, LARGEST_HALF = 0x7bff };
enum { RUN_PARTS = 16, LOOKS = 3, FEW_LEVELS = 8 };

/*
 * Scales at which a free choice of values costs up to MARGIN times the least, and FLOOR of what zeros cost on top, are
 * looked at. Without the floor a run that one weight dominates would leave nearly none: there the free choice is
 * perfect.
 */
#define MARGIN 2.0f
#define FLOOR 0.04f

/* A book is left out where it gains less than DROP of what the other does, if a run's hi is below PLAIN_RANGE lo. */
#define DROP 0.97f
#define PLAIN_RANGE 10.0f

typedef wt_book_envelope part;

/* A choice of rows that is made as one: the best of `ways`, each the sum of `parts` groups; ways * parts envelopes. */
typedef struct unit {
    part *first;
    size_t group; /* the first */
    uint8_t ways, parts;
    uint8_t book; /* of way 0 */
    bool flips;   /* way j flips a sign in part j */
} unit;

typedef struct block {
    const wt_book_kernels *kernels;
    const wt_book_shape *shape;
    const float *w;
    float x[BLOCK]; /* magnitudes where the book has no signs */
    size_t n_runs, n_parts, n_units, unit_at[WT_BOOK_RUNS + 1];
    bool wide;                                  /* envelopes have all rows from lo to hi at once */
    float lo[WT_BOOK_RUNS], hi[WT_BOOK_RUNS];   /* between which a run's scale may usefully lie */
    float from[WT_BOOK_RUNS], to[WT_BOOK_RUNS]; /* between which its envelopes have all rows, where not wide */
    wt_book_point ends[2][MAX_PARTS];           /* the best rows at these two */
    float scales[WT_BOOK_RUNS];                 /* the best of each run alone */
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
    b->unit_at[run] = b->n_units;
    for (size_t i = run * s->run; i < (run + 1) * s->run; i += groups * width) {
        unit *u = &b->units[b->n_units++];
        *u = (unit){.first = b->parts + b->n_parts, .group = i / width, .ways = 1, .parts = (uint8_t)groups};
        u->flips = s->signs == WT_SIGNS_EVEN && odd(b->signs[i / 8]);
        if (halves) u->ways = 2;
        if (u->flips) u->ways = u->parts;
        for (int j = 0; j < u->ways * u->parts; j++) b->parts[b->n_parts++].n = 0;
    }
    b->unit_at[run + 1] = b->n_units;
}

/* ---- the best under a scale ---- */

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

/* ---- a run's envelopes ---- */

/* The groups of a run, and their best rows under each scale that was looked at. */
typedef struct look {
    const block *b;
    size_t run, parts, books; /* parts: of the run; books: of a part */
    part *first;
    wt_book_group groups[RUN_PARTS * 2];
    wt_book_point points[LOOKS][RUN_PARTS];
} look;

static void look_init(look *c, const block *b, size_t run) {
    const wt_book_shape *s = b->shape;
    bool halves = s->signs == WT_SIGNS_HALVES;
    wt_book_group *g = c->groups;
    c->b = b;
    c->run = run;
    c->books = s->books[1] && !halves ? 2 : 1;
    c->first = b->units[b->unit_at[run]].first;
    c->parts = 0;
    for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
        const unit *u = &b->units[i];
        c->parts += (size_t)u->ways * u->parts;
        for (size_t way = 0; way < u->ways; way++) {
            for (size_t j = 0; j < u->parts; j++) {
                size_t first = (u->group + j) * s->books[0]->width;
                for (size_t book = 0; book < c->books; book++, g++) {
                    g->book = s->books[halves ? u->book + way : book];
                    g->flip = u->flips && j == way;
                    b->kernels->lines(g, b->x + first, b->w + first);
                }
            }
        }
    }
}

static void look_at(look *c, float s, int at) {
    for (size_t p = 0; p < c->parts; p++)
        wt_book_look(c->b->kernels, c->groups + p * c->books, c->books, s, &c->points[at][p], c->first + p);
}

/* The rows that are best between the scales of two looks. */
static void fill(look *c, int low, int high) {
    for (size_t p = 0; p < c->parts; p++)
        wt_book_fill_between(c->b->kernels, c->groups + p * c->books, c->books, &c->points[low][p], &c->points[high][p],
                             c->first + p);
}

/* All the rows that are best between two scales. */
static void look_between(block *b, size_t run, float lo, float hi) {
    look c;
    look_init(&c, b, run);
    look_at(&c, hi, 1);
    look_at(&c, lo, 0);
    fill(&c, 0, 1);
    for (int i = 0; i < 2; i++) memcpy(b->ends[i] + (c.first - b->parts), c.points[i], c.parts * sizeof *c.points[i]);
    b->from[run] = lo;
    b->to[run] = hi;
}

/* A run whose largest weights do not stand out. */
static bool plain(float lo, float hi) { return hi < PLAIN_RANGE * lo; }

/*
 * Of a run that takes one of two books for all its groups, leaves out the one that is clearly the worse under a scale
 * in the middle.
 */
static void drop_worse(look *c, block *b, float s, int at) {
    unit *u = &b->units[b->unit_at[c->run]];
    float sum[2] = {0};
    for (size_t p = 0; p < c->parts; p++) {
        const wt_book_point *point = &c->points[at][p];
        sum[p / u->parts] += s * point->a - point->b2;
    }
    size_t worse = sum[0] > sum[1] ? 0 : 1;
    if (!(sum[worse] > DROP * sum[1 - worse])) return;
    u->ways = 1;
    u->book = (uint8_t)(1 - worse);
    c->parts = u->parts;
    if (worse != 0) return;
    u->first += u->parts;
    c->first += u->parts;
    memmove(c->groups, c->groups + u->parts, u->parts * sizeof *c->groups);
    memmove(c->points[at], c->points[at] + u->parts, u->parts * sizeof *c->points[at]);
}

/* All the rows from lo to hi; the middle is looked at too, so that fewer rows are in question at once. */
static void look_wide(block *b, size_t run, float lo, float hi) {
    look c;
    float middle = sqrtf(lo * hi);
    look_init(&c, b, run);
    look_at(&c, middle, 1);
    if (b->shape->signs == WT_SIGNS_HALVES && plain(lo, hi)) drop_worse(&c, b, middle, 1);
    look_at(&c, hi, 2);
    look_at(&c, lo, 0);
    fill(&c, 1, 2);
    fill(&c, 0, 1);
}

/* Fills a run's envelopes where they do not yet have all the rows that are best between two scales. */
static void cover(block *b, size_t run, float lo, float hi) {
    look c;
    lo = lo > b->lo[run] ? lo : b->lo[run];
    hi = hi < b->hi[run] ? hi : b->hi[run];
    if (!(lo < b->from[run] || hi > b->to[run])) return;
    look_init(&c, b, run);
    for (int i = 0; i < 2; i++) {
        wt_book_point *ends = b->ends[i] + (c.first - b->parts);
        float *known = i == 0 ? b->from + run : b->to + run, s = i == 0 ? lo : hi;
        if (i == 0 ? !(s < *known) : !(s > *known)) continue;
        memcpy(c.points[1 - i], ends, c.parts * sizeof *ends);
        look_at(&c, s, i);
        fill(&c, 0, 1);
        memcpy(ends, c.points[i], c.parts * sizeof *ends);
        *known = s;
    }
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

static void scales_between(float lo, float hi, float *s) {
    float step = powf(hi / lo, 1.0f / (LANES - 1));
    s[0] = lo;
    for (int j = 1; j < LANES; j++) s[j] = s[j - 1] * step;
}

/* sum += what n weights from `at` on cost under LANES scales where every combination of a book's values is allowed. */
static void add_free(const block *b, const wt_book *book, size_t at, size_t n, const float *s, float *sum) {
    float a[8], b2[8];
    for (size_t i = at; i < at + n; i++) {
        for (size_t j = 0; j < book->n_digits; j++) {
            float wv = b->w[i] * book->digits[j];
            a[j] = wv * book->digits[j];
            b2[j] = 2.0f * wv * b->x[i];
        }
        b->kernels->add_lowest(a, b2, (int)book->n_digits, s, sum);
    }
}

/*
 * Where between lo and hi a run's best scale is looked for: where it would be good if every combination of values were
 * in the book. A book's rows cost more, but they do so under all scales.
 */
static void narrow(const block *b, size_t run, float *lo, float *hi) {
    const wt_book_shape *shape = b->shape;
    size_t first = run * shape->run, together = shape->signs == WT_SIGNS_HALVES ? shape->run : shape->books[0]->width;
    float s[LANES], all[LANES] = {0}, energy = 0.0f, least = INFINITY;
    int from = LANES - 1, to = 0;
    scales_between(*lo, *hi, s);
    for (size_t at = first; at < first + shape->run; at += together) {
        float sum[2][LANES] = {{0}};
        add_free(b, shape->books[0], at, together, s, sum[0]);
        if (shape->books[1]) add_free(b, shape->books[1], at, together, s, sum[1]);
        for (int j = 0; j < LANES; j++) all[j] += shape->books[1] && sum[1][j] < sum[0][j] ? sum[1][j] : sum[0][j];
    }
    for (size_t i = first; i < first + shape->run; i++) energy += b->w[i] * b->x[i] * b->x[i];
    for (int j = 0; j < LANES; j++) {
        all[j] = energy + s[j] * all[j];
        least = all[j] < least ? all[j] : least;
    }
    for (int j = 0; j < LANES; j++) {
        if (!(all[j] <= MARGIN * least + FLOOR * energy)) continue;
        from = j < from ? j : from;
        to = j > to ? j : to;
    }
    if (from > to) return;
    *lo = s[from > 0 ? from - 1 : 0];
    *hi = s[to + 1 < LANES ? to + 1 : LANES - 1];
}

/* ---- errors ---- */

/* The errors of a run under LANES scales, less the constant part. */
static void run_errors(const block *b, size_t run, const float *s, float *error) {
    float least[LANES], sum[LANES], all[LANES] = {0};
    for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
        const unit *u = &b->units[i];
        const part *p = u->first;
        if (u->ways == 1) {
            for (size_t g = 0; g < u->parts; g++, p++) b->kernels->add_lowest(p->a, p->b2, p->n, s, all);
            continue;
        }
        for (int j = 0; j < LANES; j++) least[j] = INFINITY;
        for (size_t way = 0; way < u->ways; way++) {
            for (int j = 0; j < LANES; j++) sum[j] = 0.0f;
            for (size_t g = 0; g < u->parts; g++, p++) b->kernels->add_lowest(p->a, p->b2, p->n, s, sum);
            for (int j = 0; j < LANES; j++) least[j] = sum[j] < least[j] ? sum[j] : least[j];
        }
        for (int j = 0; j < LANES; j++) all[j] += least[j];
    }
    for (int j = 0; j < LANES; j++) error[j] = s[j] * all[j];
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
    float s[LANES], error[LANES], a, b2;
    scales_between(lo, hi, s);
    run_errors(b, run, s, error);
    int best = 0;
    for (int j = 1; j < LANES; j++) best = error[j] < error[best] ? j : best;
    run_line(b, run, s[best], &a, &b2);
    *gain = a > 0.0f ? 0.25f * b2 * b2 / a : 0.0f;
    return a > 0.0f ? 0.5f * b2 / a : 0.0f;
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

/* Candidates get the better of two k, at scales that the envelopes may not cover, or do; or the best of four. */
typedef enum care { ROUGH, USUAL, THOROUGH } care;

/* The k next below the run's best scale, for each of LANES d. */
static void set_k(const block *b, size_t run, const float *one, int *k) {
    for (int j = 0; j < LANES; j++) {
        float below = 0.5f * (b->scales[run] / one[j] - 1.0f);
        k[j] = below > 0.0f ? (below < (float)b->shape->levels ? (int)below : b->shape->levels - 1) : 0;
    }
}

static int within(const block *b, int k) { return k < 0 ? 0 : k < b->shape->levels ? k : b->shape->levels - 1; }

/* Finds the k and the errors of all. */
static void evaluate(block *b, batch *c, care how) {
    float one[LANES], s[LANES], error[LANES];
    int k[LANES], first = how == THOROUGH ? -1 : 0, last = how == THOROUGH ? 2 : 1;
    for (int j = 0; j < LANES; j++)
        one[j] = c->n > 0 ? wt_f16_to_f32(c->of[j < c->n ? j : 0].d) * b->shape->unit : 0.0f;
    for (size_t run = 0; run < b->n_runs && c->n > 0; run++) {
        float least[LANES], lo = INFINITY, hi = 0.0f;
        set_k(b, run, one, k);
        for (int j = 0; j < LANES; j++) {
            float low = one[j] * (float)(2 * k[j] + 1), high = one[j] * (float)(2 * within(b, k[j] + 1) + 1);
            least[j] = INFINITY;
            lo = low < lo ? low : lo;
            hi = high > hi ? high : hi;
        }
        if (how != ROUGH && !b->wide) cover(b, run, lo, hi);
        for (int i = first; i <= last; i++) {
            for (int j = 0; j < LANES; j++) s[j] = one[j] * (float)(2 * within(b, k[j] + i) + 1);
            run_errors(b, run, s, error);
            for (int j = 0; j < c->n; j++) {
                if (error[j] < least[j]) least[j] = error[j], c->of[j].k[run] = (uint8_t)within(b, k[j] + i);
            }
        }
        for (int j = 0; j < c->n; j++) c->of[j].error += (double)least[j];
    }
}

/* Keeps the best FINALISTS, best first. */
static void offer(const candidate *c, candidate *best, int *n) {
    for (int i = 0; i < *n; i++) {
        if (best[i].d == c->d) return;
    }
    int at = *n < FINALISTS ? (*n)++ : FINALISTS;
    for (; at > 0 && c->error < best[at - 1].error; at--) {
        if (at < FINALISTS) best[at] = best[at - 1];
    }
    if (at < FINALISTS) best[at] = *c;
}

static void offer_batch(block *b, batch *c, care how, candidate *best, int *n) {
    evaluate(b, c, how);
    for (int i = 0; i < c->n; i++) offer(&c->of[i], best, n);
    c->n = 0;
}

/* The d that fits a candidate's rows best. */
static float refit(const block *b, const candidate *c) {
    float one = wt_f16_to_f32(c->d) * b->shape->unit, a, b2;
    double qq = 0.0, qx = 0.0;
    for (size_t run = 0; run < b->n_runs; run++) {
        float scale = (float)(2 * c->k[run] + 1) * b->shape->unit;
        run_line(b, run, one * (float)(2 * c->k[run] + 1), &a, &b2);
        qq += (double)(scale * scale * a);
        qx += 0.5 * (double)(scale * b2);
    }
    return qq > 0.0 && qx > 0.0 ? (float)(qx / qq) : 0.0f;
}

/* Codes and d against each other: the halves around what fits the finalists, all at once; false: nothing better. */
static bool polish(block *b, candidate *best, int *n) {
    batch c = {0};
    double least = best[0].error;
    for (int i = 0; i < *n; i++) {
        int d = half_of(refit(b, &best[i]));
        for (int j = 0; j < NEAR && d > 0; j++) add_half(&c, d + j - NEAR / 2);
    }
    offer_batch(b, &c, THOROUGH, best, n);
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

/* The row and signs of a group under scale s; the error, in full and in double. */
static double settle_group(const block *b, const part *p, size_t group, bool flips, const wt_book *book, float s,
                           wt_book_codes *codes) {
    float y;
    uint16_t at = p->at[find_line(p, s, &y)];
    size_t row = at % WT_BOOK_ROWS, first = group * book->width, flipped = book->width;
    double error = 0.0;
    if (at >= WT_BOOK_ROWS) book = book_of(b, at);
    if (flips) flipped = cheapest(b, book, group, row);
    codes->rows[group] = wt_book_row(book, row);
    for (size_t j = 0; j < book->width; j++) {
        float v = s * wt_book_value(book, row, j);
        double e = (double)b->x[first + j] - (double)(j == flipped ? -v : v);
        error += (double)b->w[first + j] * e * e;
    }
    if (flips) codes->signs[first / 8] ^= (uint8_t)(1u << (first % 8 + flipped));
    return error;
}

/* Rows and signs under codes' d and k; the error. */
static double settle(const block *b, wt_book_codes *codes) {
    float one = wt_f16_to_f32(codes->d) * b->shape->unit;
    bool halves = b->shape->signs == WT_SIGNS_HALVES;
    memcpy(codes->signs, b->signs, sizeof codes->signs);
    double error = 0.0;
    for (size_t run = 0; run < b->n_runs; run++) {
        float s = one * (float)(2 * codes->k[run] + 1);
        for (size_t i = b->unit_at[run]; i < b->unit_at[run + 1]; i++) {
            const unit *u = &b->units[i];
            size_t way = find_way(u, s);
            for (size_t g = 0; g < u->parts; g++)
                error += settle_group(b, u->first + way * u->parts + g, u->group + g, u->flips && g == way,
                                      b->shape->books[u->book + (halves ? way : 0)], s, codes);
        }
    }
    return error;
}

static void take(const block *b, uint16_t d, const uint8_t *k, wt_book_codes *best, double *least) {
    wt_book_codes codes = {.d = d};
    memcpy(codes.k, k, sizeof codes.k);
    double error = settle(b, &codes);
    if (!(error < *least)) return;
    *least = error;
    *best = codes;
}

/* ---- the search ---- */

static void prepare(block *b, const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w) {
    bool magnitudes = shape->signs == WT_SIGNS_FREE || shape->signs == WT_SIGNS_EVEN;
    b->kernels = wt_book_kernels_of(k);
    b->shape = shape;
    b->w = w;
    b->n_runs = BLOCK / shape->run;
    b->wide = shape->levels <= FEW_LEVELS;
    b->n_parts = b->n_units = 0;
    memset(b->signs, 0, sizeof b->signs);
    for (size_t i = 0; i < BLOCK; i++) {
        b->x[i] = magnitudes ? fabsf(x[i]) : x[i];
        if (magnitudes && x[i] < 0.0f) b->signs[i / 8] |= (uint8_t)(1u << i % 8);
    }
}

/* Envelopes and scales of all runs; returns the run that gains most, or n_runs. */
static size_t find_runs(block *b) {
    float most = 0.0f, gain, lo, hi;
    size_t strongest = b->n_runs;
    for (size_t run = 0; run < b->n_runs; run++) {
        scale_range(b, run, &lo, &hi);
        add_units(b, run);
        b->lo[run] = lo;
        b->hi[run] = hi;
        bool empty = !(hi > lo && lo > 0.0f);
        if (!empty && !b->wide) narrow(b, run, &lo, &hi);
        if (empty || !b->wide)
            look_between(b, run, lo, hi);
        else
            look_wide(b, run, lo, hi);
        b->scales[run] = empty ? (gain = 0.0f) : run_scale(b, run, lo, hi, &gain);
        if (gain > most) most = gain, strongest = run;
    }
    return strongest;
}

/* The best candidates for the block's scale: the search's, and those that put the strongest run on each integer scale. */
static int find_candidates(block *b, size_t strongest, const wt_search *search, candidate *best) {
    float largest = 0.0f;
    int n = 0, top = 2 * b->shape->levels - 1;
    batch c = {0};
    for (size_t run = 0; run < b->n_runs; run++) largest = b->scales[run] > largest ? b->scales[run] : largest;
    for (int i = 0; i < search->steps && largest > 0.0f; i++) {
        float t = search->steps > 1 ? (search->hi - search->lo) * (float)i / (float)(search->steps - 1) : 0.0f;
        t += (float)top + search->lo;
        if (t > 0.5f) add_half(&c, half_of(largest / (t * b->shape->unit)));
        if (c.n == LANES) offer_batch(b, &c, USUAL, best, &n);
    }
    if (!b->wide) offer_batch(b, &c, USUAL, best, &n); /* the others are ROUGH: most are hopeless */
    for (int i = 1; i <= top && strongest < b->n_runs; i += 2) {
        add_half(&c, half_of(b->scales[strongest] / ((float)i * b->shape->unit)));
        if (c.n == LANES) offer_batch(b, &c, ROUGH, best, &n);
    }
    offer_batch(b, &c, ROUGH, best, &n);
    return n;
}

void wt_book_search(const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w,
                    const wt_search *search, wt_book_codes *codes) {
    static const uint8_t lowest_k[WT_BOOK_RUNS];
    block b;
    candidate best[FINALISTS];
    double least = INFINITY;
    prepare(&b, k, shape, x, w);
    size_t strongest = find_runs(&b);
    int n = find_candidates(&b, strongest, search, best);
    for (int pass = 0; pass < search->passes && n > 0; pass++) {
        if (!polish(&b, best, &n)) break;
    }
    take(&b, 0, lowest_k, codes, &least);
    if (n > 0) take(&b, best[0].d, best[0].k, codes, &least);
    if (search->bias != 1.0f) codes->d = half_of(wt_f16_to_f32(codes->d) * search->bias);
}
