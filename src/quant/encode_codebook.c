/*
 * Encoders of IQ1, IQ2 and IQ3: books laid out for the search (encode_codebook_search.c), and its codes written as each
 * type's bytes.
 */
#include <pthread.h>
#include <string.h>

#include "quant/codebook_blocks.h"
#include "quant/codebook_tables.h"
#include "quant/encode_codebook.h"

static wt_book IQ1_ADDED, IQ1_TAKEN, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S;

/* The book of `rows` rows of `width` digits, which mean digits[] + shift. */
static void fill_book(wt_book *b, const uint16_t *grid, size_t rows, size_t width, const float *digits, float shift) {
    unsigned bits = width == 8 ? 2 : 3, half_bits = bits * (unsigned)width / 2, mask = (1u << half_bits) - 1;
    uint8_t number[2][256] = {{0}};
    b->rows = rows;
    b->width = width;
    b->n_digits = width == 8 ? 3 : 8;
    for (size_t i = 0; i < b->n_digits; i++) b->digits[i] = digits[i] + shift;
    for (unsigned half = 0; half < 2; half++) {
        size_t n = 0;
        for (unsigned code = 0; code <= mask; code++) {
            bool sound = true;
            for (size_t i = 0; i < width / 2; i++) sound &= (code >> bits * i & ((1u << bits) - 1)) < b->n_digits;
            if (!sound) continue;
            number[half][code] = (uint8_t)n;
            for (size_t i = 0; i < width / 2; i++)
                b->values[half][i][n] = digits[code >> bits * i & ((1u << bits) - 1)] + shift;
            n++;
        }
        b->n[half] = n <= 64 ? 64 : WT_BOOK_HALF;
        for (; n < b->n[half]; n++) {
            for (size_t i = 0; i < width / 2; i++) b->values[half][i][n] = b->values[half][i][0];
        }
    }
    size_t at = 0, listed = 0;
    for (size_t i = 0; i < b->n[0]; i++) {
        for (size_t r = 0; r < rows; r++) {
            if (number[0][grid[r] & mask] != i) continue;
            b->first[at] = (uint8_t)i;
            b->second[at] = number[1][grid[r] >> half_bits];
            b->at[r] = (uint16_t)at;
            b->row[at++] = (uint16_t)r;
        }
        b->start[i + 1] = (uint16_t)at;
        for (size_t r = b->start[i]; r < at; r++) b->listed[listed++] = b->second[r];
        for (; listed % WT_BOOK_LIST != 0; listed++) b->listed[listed] = b->listed[listed - 1];
        b->list[i + 1] = (uint16_t)listed;
    }
}

static void fill_books(void) {
    static const float iq1[4] = WT_VALUES_IQ1, iq2[4] = WT_VALUES_IQ2, iq3_xxs[8] = WT_VALUES_IQ3_XXS,
                       iq3_s[8] = WT_VALUES_IQ3_S;
    fill_book(&IQ2_XXS, wt_grid_iq2xxs, 256, 8, iq2, 0.0f);
    fill_book(&IQ2_XS, wt_grid_iq2xs, 512, 8, iq2, 0.0f);
    fill_book(&IQ2_S, wt_grid_iq2s, 1024, 8, iq2, 0.0f);
    fill_book(&IQ3_XXS, wt_grid_iq3xxs, 256, 4, iq3_xxs, 0.0f);
    fill_book(&IQ3_S, wt_grid_iq3s, 512, 4, iq3_s, 0.0f);
    fill_book(&IQ1_ADDED, wt_grid_iq1s, 2048, 8, iq1, WT_IQ1_DELTA);
    fill_book(&IQ1_TAKEN, wt_grid_iq1s, 2048, 8, iq1, -WT_IQ1_DELTA);
    IQ1_TAKEN.first_row = 2048;
}

/* ---- bytes ---- */

static void pack_iq2_xxs(const wt_book_codes *c, void *dst) {
    wt_block_iq2_xxs b = {.d = c->d};
    for (int run = 0; run < 8; run++) {
        uint32_t rows = 0, signs = (uint32_t)c->k[run] << 28;
        for (int l = 0; l < 4; l++) {
            rows |= (uint32_t)c->rows[4 * run + l] << 8 * l;
            signs |= (c->signs[4 * run + l] & 127u) << 7 * l;
        }
        b.qs[4 * run] = (uint16_t)rows;
        b.qs[4 * run + 1] = (uint16_t)(rows >> 16);
        b.qs[4 * run + 2] = (uint16_t)signs;
        b.qs[4 * run + 3] = (uint16_t)(signs >> 16);
    }
    memcpy(dst, &b, sizeof b);
}

static void pack_iq2_xs(const wt_book_codes *c, void *dst) {
    wt_block_iq2_xs b = {.d = c->d};
    for (int l = 0; l < 32; l++) b.qs[l] = (uint16_t)(c->rows[l] | (c->signs[l] & 127) << 9);
    for (int run = 0; run < 16; run++) b.scales[run / 2] |= (uint8_t)(c->k[run] << run % 2 * 4);
    memcpy(dst, &b, sizeof b);
}

static void pack_iq2_s(const wt_book_codes *c, void *dst) {
    wt_block_iq2_s b = {.d = c->d};
    for (int l = 0; l < 32; l++) {
        b.qs[l] = (uint8_t)c->rows[l];
        b.qh[l / 4] |= (uint8_t)(c->rows[l] >> 8 << l % 4 * 2);
    }
    memcpy(b.signs, c->signs, sizeof b.signs);
    for (int run = 0; run < 16; run++) b.scales[run / 2] |= (uint8_t)(c->k[run] << run % 2 * 4);
    memcpy(dst, &b, sizeof b);
}

static void pack_iq3_xxs(const wt_book_codes *c, void *dst) {
    wt_block_iq3_xxs b = {.d = c->d};
    for (int g = 0; g < 64; g++) b.qs[g] = (uint8_t)c->rows[g];
    for (int run = 0; run < 8; run++) {
        uint32_t signs = (uint32_t)c->k[run] << 28;
        for (int l = 0; l < 4; l++) signs |= (c->signs[4 * run + l] & 127u) << 7 * l;
        for (int i = 0; i < 4; i++) b.signs[4 * run + i] = (uint8_t)(signs >> 8 * i);
    }
    memcpy(dst, &b, sizeof b);
}

static void pack_iq3_s(const wt_book_codes *c, void *dst) {
    wt_block_iq3_s b = {.d = c->d};
    for (int g = 0; g < 64; g++) {
        b.qs[g] = (uint8_t)c->rows[g];
        b.qh[g / 8] |= (uint8_t)(c->rows[g] >> 8 << g % 8);
    }
    memcpy(b.signs, c->signs, sizeof b.signs);
    for (int run = 0; run < 8; run++) b.scales[run / 2] |= (uint8_t)(c->k[run] << run % 2 * 4);
    memcpy(dst, &b, sizeof b);
}

static void pack_iq1_s(const wt_book_codes *c, void *dst) {
    wt_block_iq1_s b = {.d = c->d};
    for (int run = 0; run < 8; run++) b.qh[run] = (uint16_t)(c->k[run] << 12 | c->rows[4 * run] >> 11 << 15);
    for (int l = 0; l < 32; l++) {
        b.qs[l] = (uint8_t)c->rows[l];
        b.qh[l / 4] |= (uint16_t)((c->rows[l] >> 8 & 7) << l % 4 * 3);
    }
    memcpy(dst, &b, sizeof b);
}

static void pack_iq1_m(const wt_book_codes *c, void *dst) {
    wt_block_iq1_m b = {0};
    for (int l = 0; l < 32; l++) { /* the delta's sign stands above the row's three high bits here as in the book */
        b.qs[l] = (uint8_t)c->rows[l];
        b.qh[l / 2] |= (uint8_t)(c->rows[l] >> 8 << l % 2 * 4);
    }
    for (int run = 0; run < 16; run++) b.scales[run / 4] |= (uint16_t)(c->k[run] << run % 4 * 3);
    for (int i = 0; i < 4; i++) b.scales[i] |= (uint16_t)((c->d >> 4 * i & 15) << 12);
    memcpy(dst, &b, sizeof b);
}

/* ---- encoders ---- */

static void encode(const wt_encode_kernels *k, wt_type type, const float *x, const float *w, size_t n,
                   const wt_search *search, unsigned char *to) {
    const wt_book_type *t = wt_book_type_of(type);
    for (size_t i = 0; i < n; i += WT_SUPER, to += t->bytes) {
        wt_book_codes codes;
        wt_book_search(k, &t->shape, x + i, w + i, search, &codes);
        t->pack(&codes, to);
    }
}

#define MANY                                                                                                           \
    { .lo = -17.0f, .hi = 5.0f, .steps = 48, .passes = 1, .bias = 1.0f }
#define FEW                                                                                                            \
    { .lo = -9.0f, .hi = 4.0f, .steps = 8, .passes = 0, .bias = 1.0f }
#define TYPE(name, usual, ...)                                                                                         \
    { {__VA_ARGS__}, usual, pack_##name, sizeof(wt_block_##name) }
#define ENCODER(name, type)                                                                                            \
    static void encode_##name(const wt_encode_kernels *k, const float *x, const float *w, size_t n,                    \
                              const wt_search *search, void *dst) {                                                    \
        encode(k, type, x, w, n, search, dst);                                                                         \
    }

ENCODER(iq2_xxs, WT_IQ2_XXS)
ENCODER(iq2_xs, WT_IQ2_XS)
ENCODER(iq2_s, WT_IQ2_S)
ENCODER(iq3_xxs, WT_IQ3_XXS)
ENCODER(iq3_s, WT_IQ3_S)
ENCODER(iq1_s, WT_IQ1_S)
ENCODER(iq1_m, WT_IQ1_M)

const wt_book_type *wt_book_type_of(wt_type type) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const wt_book_type TYPES[WT_TYPE_LIMIT] = {
        [WT_IQ2_XXS] = TYPE(iq2_xxs, MANY, {&IQ2_XXS, NULL}, 32, 16, 0.125f, WT_SIGNS_EVEN, 0.5f, 2.5f),
        [WT_IQ2_XS] = TYPE(iq2_xs, MANY, {&IQ2_XS, NULL}, 16, 16, 0.125f, WT_SIGNS_EVEN, 0.5f, 2.5f),
        [WT_IQ2_S] = TYPE(iq2_s, MANY, {&IQ2_S, NULL}, 16, 16, 0.125f, WT_SIGNS_FREE, 0.5f, 2.5f),
        [WT_IQ3_XXS] = TYPE(iq3_xxs, MANY, {&IQ3_XXS, NULL}, 32, 16, 0.25f, WT_SIGNS_EVEN, 0.5f, 2.0f),
        [WT_IQ3_S] = TYPE(iq3_s, MANY, {&IQ3_S, NULL}, 32, 16, 1.0f, WT_SIGNS_FREE, 0.5f, 2.0f),
        [WT_IQ1_S] = TYPE(iq1_s, FEW, {&IQ1_ADDED, &IQ1_TAKEN}, 32, 8, 1.0f, WT_SIGNS_HALVES, 0.3f, 1.5f),
        [WT_IQ1_M] = TYPE(iq1_m, FEW, {&IQ1_ADDED, &IQ1_TAKEN}, 16, 8, 1.0f, WT_SIGNS_IN_BOOK, 0.3f, 1.5f),
    };
    pthread_once(&once, fill_books);
    return (unsigned)type < WT_TYPE_LIMIT && TYPES[type].pack ? &TYPES[type] : NULL;
}

/*
 * Strategies start from a pass more than the usual, which finds another 0.1% to 0.5% of the error for IQ1, next to nothing
 * for IQ2 and IQ3.
 */
static wt_encoder_row row_of(wt_type type, wt_encode_fn fn, bool needs_importance) {
    const wt_search *usual = &wt_book_type_of(type)->usual;
    wt_search more = *usual;
    more.passes++;
    return (wt_encoder_row){.encode = fn, .usual = usual, .traits = {true, needs_importance, more}};
}

void wt_encoders_codebook(wt_encoder_row *table) {
    table[WT_IQ2_XXS] = row_of(WT_IQ2_XXS, encode_iq2_xxs, true);
    table[WT_IQ2_XS] = row_of(WT_IQ2_XS, encode_iq2_xs, true);
    table[WT_IQ2_S] = row_of(WT_IQ2_S, encode_iq2_s, false);
    table[WT_IQ3_XXS] = row_of(WT_IQ3_XXS, encode_iq3_xxs, false);
    table[WT_IQ3_S] = row_of(WT_IQ3_S, encode_iq3_s, false);
    table[WT_IQ1_S] = row_of(WT_IQ1_S, encode_iq1_s, true);
    table[WT_IQ1_M] = row_of(WT_IQ1_M, encode_iq1_m, true);
}
