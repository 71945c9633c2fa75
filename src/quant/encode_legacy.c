/* Encoders of the block types of 32 weights. */
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/search.h"

enum { BLOCK = 32 };

/* The scale of a block on its own and the codes under it, counted from 0. */
static uint16_t codes_scale(const wt_encode_kernels *k, const float *x, const float *w, int lo, int hi,
                            const wt_search *search, uint8_t *q) {
    wt_codes codes = wt_codes_of((float)lo, (float)hi, NULL, search);
    int8_t signed_codes[BLOCK];
    uint16_t d = wt_search_scale(k, x, w, BLOCK, &codes, search);
    k->assign(x, BLOCK, &codes.grid, wt_inverse(wt_half_to_float(d)), 0.0f, signed_codes);
    for (int j = 0; j < BLOCK; j++) q[j] = (uint8_t)(signed_codes[j] - lo);
    return d;
}

static void codes_scale_min(const wt_encode_kernels *k, const float *x, const float *w, int hi,
                            const wt_search *search, uint16_t *d, uint16_t *m, uint8_t *q) {
    const wt_grid grid = {0.0f, (float)hi, NULL};
    uint16_t below;
    wt_search_scale_min(k, x, w, BLOCK, (float)hi, search, d, &below);
    k->assign(x, BLOCK, &grid, wt_inverse(wt_half_to_float(*d)), wt_half_to_float(below), (int8_t *)q);
    *m = below ^ 0x8000; /* the file adds what the search subtracts */
}

static void pack_nibbles(const uint8_t *q, uint8_t *qs) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

static void pack_fifths(const uint8_t *q, uint8_t *qh) {
    for (int byte = 0; byte < 4; byte++) {
        qh[byte] = 0;
        for (int bit = 0; bit < 8; bit++) qh[byte] |= (uint8_t)((q[8 * byte + bit] >> 4) << bit);
    }
}

#define EACH_BLOCK(type)                                                                                               \
    unsigned char *to = dst;                                                                                           \
    uint8_t q[BLOCK];                                                                                                  \
    type b;                                                                                                            \
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK)

static void encode_q4_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    EACH_BLOCK(wt_block_q4_0) {
        b.d = codes_scale(k, x, w, -8, 7, search, q);
        pack_nibbles(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q4_1(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    EACH_BLOCK(wt_block_q4_1) {
        codes_scale_min(k, x, w, 15, search, &b.d, &b.m, q);
        pack_nibbles(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    EACH_BLOCK(wt_block_q5_0) {
        b.d = codes_scale(k, x, w, -16, 15, search, q);
        pack_nibbles(q, b.qs);
        pack_fifths(q, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_1(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    EACH_BLOCK(wt_block_q5_1) {
        codes_scale_min(k, x, w, 31, search, &b.d, &b.m, q);
        pack_nibbles(q, b.qs);
        pack_fifths(q, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

/* Stock kernels multiply codes as signed bytes whose sign they may flip: -128 is not used. */
static void encode_q8_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    const wt_codes codes = wt_codes_of(-127.0f, 127.0f, NULL, search);
    unsigned char *to = dst;
    wt_block_q8_0 b;
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK) {
        b.d = wt_search_scale(k, x, w, BLOCK, &codes, search);
        k->assign(x, BLOCK, &codes.grid, wt_inverse(wt_half_to_float(b.d)), 0.0f, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_legacy(wt_encoder_row *table) {
    const wt_search scales = {.lo = -0.9f, .hi = 0.9f, .steps = 19, .passes = 2, .bias = 1.0f};
    const wt_search ranges = {.lo = -0.9f, .hi = 0.9f, .steps = 37, .passes = 2, .bias = 1.0f};
    const wt_search bytes = {.lo = -0.7f, .hi = 0.7f, .steps = 15, .passes = 1, .bias = 1.0f};
    table[WT_Q4_0] = (wt_encoder_row){encode_q4_0, {.exists = true, .search = scales}};
    table[WT_Q4_1] = (wt_encoder_row){encode_q4_1, {.exists = true, .search = ranges}};
    table[WT_Q5_0] = (wt_encoder_row){encode_q5_0, {.exists = true, .search = scales}};
    table[WT_Q5_1] = (wt_encoder_row){encode_q5_1, {.exists = true, .search = ranges}};
    table[WT_Q8_0] = (wt_encoder_row){encode_q8_0, {.exists = true, .search = bytes}};
}
