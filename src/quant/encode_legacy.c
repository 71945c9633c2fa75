/* Encoders of the block types of 32 weights. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/pack.h"
#include "quant/search.h"

enum { BLOCK = 32 };

/* The scale of a block on its own and the codes under it, counted from the format's lowest one. */
static uint16_t codes_scale(const wt_encode_kernels *k, const float *x, const float *w, int lo, const wt_codes *codes,
                            const wt_search *search, uint8_t *q) {
    int8_t signed_codes[BLOCK];
    uint16_t d = wt_search_scale(k, x, w, BLOCK, codes, search);
    k->assign(x, BLOCK, &codes->grid, wt_inverse(wt_half_to_float(d)), 0.0f, signed_codes);
    for (int j = 0; j < BLOCK; j++) q[j] = (uint8_t)(signed_codes[j] - lo);
    return d;
}

/* Scales and minima of a piece's blocks, and its codes. */
typedef struct ranges {
    uint16_t d[WT_MAX_BLOCKS], m[WT_MAX_BLOCKS];
    uint8_t q[WT_MAX_BLOCKS][BLOCK];
} ranges;

/*
 * Without a minimum of its own a block is d (q - hi / 2): the odd numbers -hi..hi times half of d.
 */
static void middle(const wt_encode_kernels *k, const float *x, const float *w, int hi, const wt_search *search,
                   uint16_t *d, uint16_t *m) {
    wt_cells odd;
    wt_cells_of_odd(&odd, hi);
    wt_codes codes;
    wt_codes_init(&codes, (float)-hi, (float)hi, &odd, true, search);
    float half = wt_half_to_float(wt_search_scale(k, x, w, BLOCK, &codes, search));
    half = fabsf(half);
    *d = wt_search_half(2.0f * half);
    *m = wt_search_half((float)hi * half);
}

static void codes_ranges(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, int hi,
                         const wt_search *search, ranges *r) {
    const wt_grid grid = {0.0f, (float)hi, NULL};
    if (!search->symmetric) wt_search_scales_min(k, x, w, blocks, (float)hi, search, r->d, r->m);
    for (size_t b = 0; b < blocks; b++, x += BLOCK, w += BLOCK) {
        if (search->symmetric) middle(k, x, w, hi, search, &r->d[b], &r->m[b]);
        float inverse = wt_inverse(wt_half_to_float(r->d[b]));
        k->assign(x, BLOCK, &grid, inverse, wt_half_to_float(r->m[b]), (int8_t *)r->q[b]);
        r->m[b] ^= 0x8000; /* the file adds what the search subtracts */
    }
}

#define EACH_BLOCK(type)                                                                                               \
    unsigned char *to = dst;                                                                                           \
    uint8_t q[BLOCK];                                                                                                  \
    type b;                                                                                                            \
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK)

static void encode_q4_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -8.0f, 7.0f, NULL, false, search);
    EACH_BLOCK(wt_block_q4_0) {
        b.d = codes_scale(k, x, w, -8, &codes, search, q);
        wt_pack_nibbles(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q4_1(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    unsigned char *to = dst;
    ranges r;
    wt_block_q4_1 b;
    size_t blocks = n / BLOCK;
    codes_ranges(k, x, w, blocks, 15, search, &r);
    for (size_t i = 0; i < blocks; i++, to += sizeof b) {
        b.d = r.d[i];
        b.m = r.m[i];
        wt_pack_nibbles(r.q[i], b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -16.0f, 15.0f, NULL, false, search);
    EACH_BLOCK(wt_block_q5_0) {
        b.d = codes_scale(k, x, w, -16, &codes, search, q);
        wt_pack_nibbles(q, b.qs);
        wt_pack_fifths(q, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_1(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    unsigned char *to = dst;
    ranges r;
    wt_block_q5_1 b;
    size_t blocks = n / BLOCK;
    codes_ranges(k, x, w, blocks, 31, search, &r);
    for (size_t i = 0; i < blocks; i++, to += sizeof b) {
        b.d = r.d[i];
        b.m = r.m[i];
        wt_pack_nibbles(r.q[i], b.qs);
        wt_pack_fifths(r.q[i], b.qh);
        memcpy(to, &b, sizeof b);
    }
}

/* Stock kernels multiply codes as signed bytes whose sign they may flip: -128 is not used. */
static void encode_q8_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -127.0f, 127.0f, NULL, false, search);
    unsigned char *to = dst;
    wt_block_q8_0 b;
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK) {
        b.d = wt_search_scale(k, x, w, BLOCK, &codes, search);
        k->assign(x, BLOCK, &codes.grid, wt_inverse(wt_half_to_float(b.d)), 0.0f, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_legacy(wt_encoder_row *table) {
    const wt_search scales = {.lo = -0.9f, .hi = 0.9f, .steps = 19, .passes = 1, .bias = 1.0f};
    /* Steps of 0.05f exactly, as ggml makes them. */
    const wt_search spans = {.lo = -0.9f, .hi = 0.9000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    const wt_search bytes = {.lo = -0.7f, .hi = 0.7f, .steps = 15, .bias = 1.0f};
    table[WT_Q4_0] = (wt_encoder_row){encode_q4_0, {.exists = true, .search = scales}};
    table[WT_Q4_1] = (wt_encoder_row){encode_q4_1, {.exists = true, .search = spans}};
    table[WT_Q5_0] = (wt_encoder_row){encode_q5_0, {.exists = true, .search = scales}};
    table[WT_Q5_1] = (wt_encoder_row){encode_q5_1, {.exists = true, .search = spans}};
    table[WT_Q8_0] = (wt_encoder_row){encode_q8_0, {.exists = true, .search = bytes}};
}
