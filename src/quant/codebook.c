/*
 * Codebook blocks group by group (codebook.h). Scales come from the encoder's search; under a fixed scale every row of
 * the book is scored by the encoder's kernels, with a sign turned over where the number of minus signs has to be even.
 */
#include "quant/codebook.h"

#include <math.h>
#include <string.h>

#include "quant/codec.h"
#include "quant/encode_codebook.h"
#include "quant/encode_kernels.h"

enum { BLOCK = 256, SIGN_GROUP = 8 };

size_t wt_codebook_group(wt_type type) {
    const wt_book_type *t = wt_book_type_of(type);
    return t ? t->shape.books[0]->width : 0;
}

void wt_codebook_scales(wt_type type, const float *x, const float *w, const wt_search *search, wt_codebook_block *b) {
    const wt_book_type *t = wt_book_type_of(type);
    float weights[BLOCK], importance[BLOCK];
    wt_book_codes codes;
    memset(b, 0, sizeof *b);
    b->type = type;
    if (!t) return;
    wt_encode_prepare(x, w, BLOCK, weights, importance);
    wt_book_search(wt_encode_kernels_at(wt_cpu_chosen()), &t->shape, weights, importance, search ? search : &t->usual,
                   &codes);
    b->d = codes.d;
    memcpy(b->k, codes.k, sizeof b->k);
    memcpy(b->signs, codes.signs, sizeof b->signs);
    memcpy(b->rows, codes.rows, sizeof b->rows);
}

static float scale_at(const wt_codebook_block *b, const wt_book_shape *s, size_t at) {
    return wt_f16_to_f32(b->d) * s->unit * (float)(2 * b->k[at / s->run] + 1);
}

float wt_codebook_scale(const wt_codebook_block *b, size_t at) {
    return scale_at(b, &wt_book_type_of(b->type)->shape, at);
}

size_t wt_codebook_run(wt_type type) { return wt_book_type_of(type)->shape.run; }

void wt_codebook_set_scale(wt_codebook_block *b, size_t at, float scale) {
    const wt_book_shape *s = &wt_book_type_of(b->type)->shape;
    const float unit = wt_f16_to_f32(b->d) * s->unit;
    const float k = unit != 0.0f ? (scale / unit - 1.0f) / 2.0f : 0.0f, most = (float)(s->levels - 1);
    b->k[at / s->run] = (uint8_t)(k >= most ? most : k > 0.0f ? lroundf(k) : 0); /* NaN: 0 */
}

/* ---- the nearest codes of one group ---- */

/* A group's weights as the book wants them: their magnitudes where it has no signs, and the importance of each. */
typedef struct target {
    size_t at; /* in the block */
    float x[SIGN_GROUP], w[SIGN_GROUP];
    unsigned signs;
} target;

/* A row, and which of the group's weights has the other sign (the book's width: none). */
typedef struct choice {
    const wt_book *book;
    size_t row, flipped;
    float y; /* what it costs more than zeros, divided by the scale */
} choice;

static bool odd(unsigned bits) { return (unsigned)__builtin_popcount(bits) & 1u; }

static choice nearest(const wt_book *const *books, size_t n, const target *t, bool flip, float scale) {
    const wt_book_kernels *kernels = wt_book_kernels_of(wt_encode_kernels_at(wt_cpu_chosen()));
    wt_book_group g;
    g.flip = flip; /* lines fills the rest */
    wt_book_best best = {.y = INFINITY};
    choice c = {.book = books[0]};
    for (size_t i = 0; i < n; i++) {
        g.book = books[i];
        kernels->lines(&g, t->x, t->w);
        wt_book_best own = {.y = best.y}; /* at 0: an equal row of the second book does not count */
        if (kernels->lowest(&g, scale, &own)) best = own, c.book = books[i];
    }
    c.row = best.at;
    c.flipped = c.book->width;
    c.y = best.y;
    float least = INFINITY;
    for (size_t i = 0; flip && i < c.book->width; i++) {
        float p = t->w[i] * wt_book_value(c.book, c.row, i) * t->x[i];
        if (p < least) least = p, c.flipped = i;
    }
    return c;
}

static void set_target(const wt_book_shape *s, size_t at, const float *x, const float *w, target *t) {
    bool magnitudes = s->signs == WT_SIGNS_FREE || s->signs == WT_SIGNS_EVEN;
    float sum = 0.0f;
    t->at = at;
    t->signs = 0;
    for (size_t i = 0; i < s->books[0]->width; i++) {
        t->x[i] = magnitudes ? fabsf(x[i]) : x[i];
        t->w[i] = w ? w[i] : 1.0f;
        sum += t->w[i];
        if (magnitudes && x[i] < 0.0f) t->signs |= 1u << i;
    }
    for (size_t i = 0; i < s->books[0]->width && !(sum > 0.0f); i++) t->w[i] = 1.0f;
}

static void put(wt_codebook_block *b, const wt_book_shape *s, const target *t, const choice *c) {
    size_t width = s->books[0]->width, group = t->at / width;
    unsigned mask = (1u << width) - 1, shift = (unsigned)(t->at % SIGN_GROUP), signs = t->signs;
    if (c->flipped < width) signs ^= 1u << c->flipped;
    b->rows[group] = wt_book_row(c->book, c->row);
    b->signs[t->at / SIGN_GROUP] = (uint8_t)((b->signs[t->at / SIGN_GROUP] & ~(mask << shift)) | signs << shift);
    b->chosen |= UINT64_C(1) << group;
}

static void choose_one(wt_codebook_block *b, const wt_book_shape *s, const target *t) {
    size_t width = s->books[0]->width, group = t->at / width, from = 0, n = s->books[1] ? 2 : 1;
    bool flip = false;
    if (s->signs == WT_SIGNS_HALVES) {
        from = b->rows[group] >= s->books[1]->first_row;
        n = 1;
    } else if (s->signs == WT_SIGNS_EVEN && width == SIGN_GROUP) {
        flip = odd(t->signs);
    } else if (s->signs == WT_SIGNS_EVEN && b->chosen >> (group ^ 1) & 1) {
        unsigned other = b->signs[t->at / SIGN_GROUP] >> (t->at % SIGN_GROUP ? 0 : width) & ((1u << width) - 1);
        flip = odd(t->signs ^ other);
    }
    choice c = nearest(s->books + from, n, t, flip, scale_at(b, s, t->at));
    put(b, s, t, &c);
}

/* Two groups of four whose signs have to be even together: where they are not, the cheaper one is turned. */
static void choose_two(wt_codebook_block *b, const wt_book_shape *s, const target *t) {
    float scale = scale_at(b, s, t->at);
    choice plain[2], turned[2];
    for (int i = 0; i < 2; i++) plain[i] = nearest(s->books, 1, &t[i], false, scale);
    if (odd(t[0].signs ^ t[1].signs)) {
        for (int i = 0; i < 2; i++) turned[i] = nearest(s->books, 1, &t[i], true, scale);
        int turn = turned[1].y - plain[1].y < turned[0].y - plain[0].y;
        plain[turn] = turned[turn];
    }
    for (int i = 0; i < 2; i++) put(b, s, &t[i], &plain[i]);
}

/* ---- values ---- */

static void group_values(const wt_codebook_block *b, const wt_book_shape *s, size_t at, float *q) {
    const size_t row = b->rows[at / s->books[0]->width];
    const wt_book *book = s->books[s->books[1] && row >= s->books[1]->first_row];
    const size_t place = book->at[row - book->first_row], half = book->width / 2, shift = at % SIGN_GROUP;
    const size_t first = book->first[place], second = book->second[place];
    const unsigned signs = (unsigned)b->signs[at / SIGN_GROUP] >> shift; /* a group lies within eight */
    const float scale = scale_at(b, s, at);
    for (size_t i = 0; i < half; i++) { /* d, 2 k + 1 and the value have few bits: no product is ever rounded */
        const float v = scale * book->values[0][i][first], u = scale * book->values[1][i][second];
        q[i] = signs >> i & 1 ? -v : v;
        q[half + i] = signs >> (half + i) & 1 ? -u : u;
    }
}

double wt_codebook_choose(wt_codebook_block *b, size_t at, size_t n, const float *x, const float *w, float *q) {
    const wt_book_shape *s = &wt_book_type_of(b->type)->shape;
    size_t width = s->books[0]->width;
    target t[2];
    for (size_t i = 0; i < n; i += width) set_target(s, at + i, x + i, w ? w + i : NULL, &t[i / width]);
    if (n > width && s->signs == WT_SIGNS_EVEN) {
        choose_two(b, s, t);
    } else {
        for (size_t i = 0; i < n; i += width) choose_one(b, s, &t[i / width]);
    }
    double error = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (i % width == 0) group_values(b, s, at + i, q + i);
        double e = (double)x[i] - (double)q[i];
        error += (double)t[i / width].w[i % width] * e * e;
    }
    return error;
}

void wt_codebook_values(const wt_codebook_block *b, float *q) {
    const wt_book_shape *s = &wt_book_type_of(b->type)->shape;
    for (size_t at = 0; at < BLOCK; at += s->books[0]->width) group_values(b, s, at, q + at);
}

void wt_codebook_pack(const wt_codebook_block *b, void *dst) {
    wt_book_codes codes = {.d = b->d};
    memcpy(codes.k, b->k, sizeof codes.k);
    memcpy(codes.signs, b->signs, sizeof codes.signs);
    memcpy(codes.rows, b->rows, sizeof codes.rows);
    wt_book_type_of(b->type)->pack(&codes, dst);
}
