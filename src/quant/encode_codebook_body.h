/*
 * The text of the kernel that finds the lowest rows of a book at many scales (encode_codebook.h), for the instruction set that
 * the including file is compiled for.
 *
 * What a row costs is what its halves cost, and that is a sum over their weights: there are 81 or 64 halves, which take an
 * addition each. The order of sums is kept by rounding, so that a first half and the least of the second halves that go
 * with it give the lowest row with that first half: a minimum a row, at sixteen scales at once.
 */
#include <math.h>
#include <string.h>

#include "quant/encode_codebook.h"
#include "quant/lanes.h"

enum { PRODUCTS = 81, DIGITS = 8, CHAINS = WT_BOOK_LIST };

/* What something costs at each scale; `turned`, with its cheapest sign turned over, is there for flips only. */
typedef struct cost {
    lanes plain, turned;
} cost;

/* What each of several alternatives costs. */
typedef struct costs {
    lanes *plain, *turned;
    cost least;     /* of all, or lower */
    lanes cheapest; /* which of all is; only the seeds of the search depend on it */
} costs;

/* Values of digits, and the same times the scales. */
typedef struct digits {
    lanes value[DIGITS], scaled[DIGITS];
} digits;

INLINE cost load_cost(const costs *c, size_t i, bool flip) {
    cost r = {.plain = c->plain[i]};
    if (flip) r.turned = c->turned[i];
    return r;
}

INLINE cost lower_of(cost a, cost b, bool flip) {
    a.plain = lanes_min(a.plain, b.plain);
    if (flip) a.turned = lanes_min(a.turned, b.turned);
    return a;
}

/* What two parts cost together, with none or with one of all their signs turned over. */
INLINE cost sum_of(cost a, cost b, bool flip) {
    cost c = {.plain = lanes_add(a.plain, b.plain)};
    if (flip) c.turned = lanes_min(lanes_add(a.turned, b.plain), lanes_add(a.plain, b.turned));
    return c;
}

INLINE lanes total_of(cost first, cost second, bool flip) {
    return flip ? sum_of(first, second, true).turned : lanes_add(first.plain, second.plain);
}

/* Of one weight: out->plain[digit]. */
INLINE void weight_costs(const digits *v, size_t n, float x, float w, bool flip, costs *out) {
    const lanes twice = lanes_set(2.0f * x), weight = lanes_set(w);
    out->cheapest = lanes_set(0.0f);
    for (size_t d = 0; d < n; d++) {
        lanes wv = lanes_mul(weight, v->value[d]);
        cost c = {.plain = lanes_mul(lanes_sub(v->scaled[d], twice), wv)};
        out->plain[d] = c.plain;
        if (flip) out->turned[d] = c.turned = lanes_mul(lanes_add(v->scaled[d], twice), wv);
        if (d > 0)
            out->cheapest = lanes_select(lanes_above(out->least.plain, c.plain), lanes_set((float)d), out->cheapest);
        out->least = d > 0 ? lower_of(c, out->least, flip) : c;
    }
}

/* Of all pairs: out->plain[i + n * j]. */
INLINE void pair_costs(const costs *a, const costs *b, size_t n, bool flip, costs *out) {
    for (size_t j = 0; j < n; j++) {
        const cost second = load_cost(b, j, flip);
        for (size_t i = 0; i < n; i++) {
            cost c = sum_of(load_cost(a, i, flip), second, flip);
            out->plain[i + n * j] = c.plain;
            if (flip) out->turned[i + n * j] = c.turned;
        }
    }
    out->least = sum_of(a->least, b->least, flip);
    out->cheapest = lanes_add(a->cheapest, lanes_mul(lanes_set((float)n), b->cheapest));
}

/* Of all halves. */
INLINE void half_costs(const digits *v, const float *x, const float *w, bool wide, bool flip, costs *out) {
    lanes digit[4][2][DIGITS], product[2][2][9];
    costs each[4], pairs[2];
    const size_t n = wide ? 3 : 8;
    for (size_t i = 0; i < (wide ? 4 : 2); i++) {
        each[i] = (costs){.plain = digit[i][0], .turned = digit[i][1]};
        weight_costs(v, n, x[i], w[i], flip, &each[i]);
    }
    if (!wide) {
        pair_costs(&each[0], &each[1], n, flip, out);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        pairs[i] = (costs){.plain = product[i][0], .turned = product[i][1]};
        pair_costs(&each[2 * i], &each[2 * i + 1], n, flip, &pairs[i]);
    }
    pair_costs(&pairs[0], &pairs[1], n * n, flip, out);
}

/* ---- rows ---- */

#define FROM(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
static const float COUNTS[] = {FROM(0),  FROM(8),  FROM(16), FROM(24), FROM(32), FROM(40),
                               FROM(48), FROM(56), FROM(64), FROM(72), FROM(80), FROM(88)}; /* halves, or rows of one */

typedef struct search {
    const wt_book *book;
    costs first, second;
    costs with;    /* the least of the second halves that go with a first half, where that was tried */
    lanes low, at; /* the lowest rows so far, and their first halves, -1: none */
} search;

INLINE void try_first(search *s, size_t i, bool flip) {
    const uint8_t *at = s->book->listed + s->book->list[i], *end = s->book->listed + s->book->list[i + 1];
    cost c[CHAINS]; /* a minimum waits for the one before it */
    if (at == end) return;
    for (int j = 0; j < CHAINS; j++) c[j] = load_cost(&s->second, at[j], flip);
    for (at += CHAINS; at < end; at += CHAINS) {
        for (int j = 0; j < CHAINS; j++) c[j] = lower_of(load_cost(&s->second, at[j], flip), c[j], flip);
    }
    c[0] = lower_of(lower_of(c[0], c[1], flip), lower_of(c[2], c[3], flip), flip);
    s->with.plain[i] = c[0].plain;
    if (flip) s->with.turned[i] = c[0].turned;
    lanes y = total_of(load_cost(&s->first, i, flip), c[0], flip);
    s->at = lanes_select(lanes_above(s->low, y), lanes_set(COUNTS[i]), s->at);
    s->low = lanes_min(y, s->low);
}

/* First halves of single weights' nearest values: likely to be the best's, so that few others are worth a look. */
INLINE void try_seeds(search *s, bool flip) {
    float seeds[WT_LANES];
    uint64_t seen[2] = {0};
    lanes_store(seeds, s->first.cheapest);
    for (int j = 0; j < WT_LANES; j++) {
        size_t i = (size_t)seeds[j];
        if (seen[i / 64] >> i % 64 & 1) continue;
        seen[i / 64] |= UINT64_C(1) << i % 64;
        try_first(s, i, flip);
    }
}

INLINE void try_others(search *s, size_t n, bool flip) {
    const cost least = s->second.least;
    const lanes low = s->low;
    uint8_t hopeful[PRODUCTS + 1];
    size_t hopes = 0;
    for (size_t i = 0; i < n; i++) {
        hopeful[hopes] = (uint8_t)i;
        hopes += lanes_any(lanes_above(low, total_of(load_cost(&s->first, i, flip), least, flip)));
    }
    for (size_t i = 0; i < hopes; i++) try_first(s, hopeful[i], flip);
}

/* The second half that gives the lowest row with first half i, at each scale: its number in the list. */
INLINE lanes find_second(const search *s, size_t i, bool flip) {
    const uint8_t *list = s->book->listed + s->book->list[i];
    const cost least = load_cost(&s->with, i, flip), first = load_cost(&s->first, i, flip);
    lanes plain = lanes_set(0.0f), turned = plain;
    for (size_t r = (size_t)(s->book->start[i + 1] - s->book->start[i]); r-- > 0;) {
        cost c = load_cost(&s->second, list[r], flip);
        plain = lanes_select(lanes_above(c.plain, least.plain), plain, lanes_set(COUNTS[r]));
        if (flip) turned = lanes_select(lanes_above(c.turned, least.turned), turned, lanes_set(COUNTS[r]));
    }
    if (!flip) return plain;
    lanes y = lanes_add(first.plain, least.turned), z = lanes_add(first.turned, least.plain);
    return lanes_select(lanes_above(y, z), plain, turned);
}

INLINE void find_rows(const search *s, bool flip, int32_t *rows) {
    float first[WT_LANES], row[WT_LANES];
    const lanes none = lanes_set(-1.0f);
    lanes left = s->at, found = lanes_set(0.0f);
    lanes_store(first, s->at);
    for (lane_mask some = lanes_above(left, none); lanes_any(some); some = lanes_above(left, none)) {
        float number = first[lanes_first(some)];
        lanes at = lanes_add(lanes_set((float)s->book->start[(size_t)number]), find_second(s, (size_t)number, flip));
        lane_mask same =
            lanes_both(lanes_above(left, lanes_set(number - 1.0f)), lanes_above(lanes_set(number + 1.0f), left));
        found = lanes_select(same, at, found);
        left = lanes_select(same, none, left);
    }
    lanes_store(row, found);
    for (int j = 0; j < WT_LANES; j++) rows[j] = (int32_t)row[j];
}

/* The lines of the rows found. */
INLINE void find_lines(const wt_book *book, const float *x, const float *w, lanes shift, bool wide, bool flip,
                       wt_book_lows *out) {
    const size_t width = wide ? 4 : 2;
    int32_t halves[2][WT_LANES];
    lanes a = lanes_set(0.0f), b = a, least = lanes_set(INFINITY);
    for (int j = 0; j < WT_LANES; j++) {
        halves[0][j] = book->first[out->at[j]];
        halves[1][j] = book->second[out->at[j]];
    }
    for (size_t i = 0; i < 2 * width; i++) {
        lanes v = lanes_add(lanes_gather(book->values[i / width][i % width], halves[i / width]), shift);
        lanes wv = lanes_mul(lanes_set(w[i]), v), p = lanes_mul(wv, lanes_set(x[i]));
        a = lanes_add(a, lanes_mul(wv, v));
        b = lanes_add(b, p);
        if (flip) least = lanes_min(p, least);
    }
    b = lanes_mul(lanes_set(2.0f), b);
    if (flip) b = lanes_sub(b, lanes_mul(lanes_set(4.0f), least));
    lanes_store(out->a, a);
    lanes_store(out->b2, b);
}

INLINE void lowest_each_of(const wt_book *book, const float *x, const float *w, const float *scales,
                           const float *shifts, bool wide, bool flip, wt_book_lows *out) {
    const lanes scale = lanes_load(scales), shift = lanes_load(shifts);
    digits v;
    lanes room[3][2][PRODUCTS];
    search s = {.book = book, .low = lanes_set(INFINITY), .at = lanes_set(-1.0f)};
    s.first.plain = room[0][0], s.first.turned = room[0][1];
    s.second.plain = room[1][0], s.second.turned = room[1][1];
    s.with.plain = room[2][0], s.with.turned = room[2][1];
    for (size_t d = 0; d < (wide ? 3 : 8); d++) {
        v.value[d] = lanes_add(lanes_set(book->digits[d]), shift);
        v.scaled[d] = lanes_mul(scale, v.value[d]);
    }
    half_costs(&v, x, w, wide, flip, &s.first);
    half_costs(&v, x + (wide ? 4 : 2), w + (wide ? 4 : 2), wide, flip, &s.second);
    try_seeds(&s, flip);
    try_others(&s, wide ? 81 : 64, flip);
    lanes_store(out->y, s.low);
    find_rows(&s, flip, out->at);
    find_lines(book, x, w, shift, wide, flip, out);
}

static void lowest_each(const wt_book *book, const float *x, const float *w, const float *s, const float *shifts,
                        bool flip, wt_book_lows *out) {
    if (book->width == 8 && flip)
        lowest_each_of(book, x, w, s, shifts, true, true, out);
    else if (book->width == 8)
        lowest_each_of(book, x, w, s, shifts, true, false, out);
    else if (flip)
        lowest_each_of(book, x, w, s, shifts, false, true, out);
    else
        lowest_each_of(book, x, w, s, shifts, false, false, out);
}

/* ---- scales ---- */

/* What the rows of a part cost, divided by the scale. */
INLINE lanes part_cost(const wt_book_part *p, lanes s) {
    lanes y = lanes_sub(lanes_mul(s, lanes_set(p->a[0])), lanes_set(p->b2[0]));
    for (int i = 1; i < p->n; i++) y = lanes_min(lanes_sub(lanes_mul(s, lanes_set(p->a[i])), lanes_set(p->b2[i])), y);
    return y;
}

INLINE lanes run_cost(const wt_book_run *run, lanes s) {
    lanes all = lanes_set(0.0f);
    for (const wt_book_unit *u = run->units; u < run->units + run->n; u++) {
        const wt_book_part *p = u->first;
        lanes least = lanes_set(INFINITY);
        for (size_t way = 0; way < u->ways; way++) {
            lanes sum = part_cost(p++, s);
            for (size_t g = 1; g < u->parts; g++) sum = lanes_add(sum, part_cost(p++, s));
            least = lanes_min(sum, least);
        }
        all = lanes_add(all, least);
    }
    return lanes_mul(s, all);
}

typedef struct level_search {
    const wt_book_run *run;
    lanes one, k, error;
} level_search;

INLINE void try_level(level_search *l, lanes k) {
    lanes y = run_cost(l->run, lanes_mul(l->one, lanes_add(lanes_add(k, k), lanes_set(1.0f))));
    l->k = lanes_select(lanes_above(l->error, y), k, l->k);
    l->error = lanes_min(y, l->error);
}

/* Scales that may be better than `limit`. */
static void find_window(const wt_book_run *run, float limit, float *lo, float *hi) {
    int first = 0, last = run->steps;
    while (first < last && !(run->least[first] < limit)) first++;
    while (last > first && !(run->least[last] < limit)) last--;
    *lo = first > 0 ? run->s[first - 1] : 0.0f;
    *hi = last < run->steps ? run->s[last] : INFINITY;
}

/* From k on by `step` as long as some are within levels and the window; the further ones cannot be. */
INLINE void try_levels(level_search *l, lanes k, float step, float top, float lo, float hi) {
    const lanes by = lanes_set(step);
    for (k = lanes_add(k, by);; k = lanes_add(k, by)) {
        lanes s = lanes_mul(l->one, lanes_add(lanes_add(k, k), lanes_set(1.0f)));
        lane_mask within = lanes_both(lanes_above(k, lanes_set(-0.5f)), lanes_above(lanes_set(top + 0.5f), k));
        within = lanes_both(within, lanes_both(lanes_above(s, lanes_set(lo)), lanes_above(lanes_set(hi), s)));
        if (!lanes_any(within)) return;
        try_level(l, lanes_max(lanes_min(k, lanes_set(top)), lanes_set(0.0f)));
    }
}

static void best_levels(const wt_book_run *run, const float *one, int levels, bool thorough, float *k, float *error) {
    const float top = (float)(levels - 1);
    level_search l = {.run = run, .one = lanes_load(one), .k = lanes_set(0.0f), .error = lanes_set(INFINITY)};
    lanes below = lanes_sub(lanes_div(lanes_set(0.5f * run->scale), l.one), lanes_set(1.0f)); /* half a level less */
    below = lanes_round(lanes_max(lanes_min(below, lanes_set(top)), lanes_set(0.0f)));
    lanes above = lanes_min(lanes_add(below, lanes_set(1.0f)), lanes_set(top));
    try_level(&l, below);
    try_level(&l, above);
    if (thorough) {
        float lo, hi;
        find_window(run, lanes_largest(l.error), &lo, &hi);
        try_levels(&l, below, -1.0f, top, lo, hi);
        try_levels(&l, above, 1.0f, top, lo, hi);
    }
    lanes_store(k, l.k);
    lanes_store(error, l.error);
}

#define WT_BOOK_KERNELS(lines, lowest)                                                                                 \
    { lines, lowest, lowest_each, best_levels }
