/* Encoders of the block types of 32 weights. */
#include <math.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/search.h"

enum { BLOCK = 32 };

/* The scales of a piece's blocks, and its codes, counted from the format's lowest one. */
typedef struct scaled {
    uint16_t d[WT_MAX_BLOCKS];
    int8_t q[WT_PIECE];
} scaled;

static void codes_scales(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks, int lo,
                         const wt_codes *codes, const wt_search *search, scaled *s) {
    float inverse[WT_MAX_BLOCKS];
    wt_search_scales(k, x, w, blocks, codes, search, s->d);
    for (size_t b = 0; b < blocks; b++) inverse[b] = wt_inverse(wt_half_to_float(s->d[b]));
    k->assign(x, blocks, BLOCK, &codes->grid, inverse, NULL, s->q);
    for (size_t i = 0; i < BLOCK * blocks; i++) s->q[i] = (int8_t)(s->q[i] - lo);
}

/* Scales and minima of a piece's blocks, and its codes. */
typedef struct ranges {
    uint16_t d[WT_MAX_BLOCKS], m[WT_MAX_BLOCKS];
    int8_t q[WT_PIECE];
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
    const wt_grid grid = {0.0f, (float)hi, NULL, WT_INTEGERS};
    float inverse[WT_MAX_BLOCKS], min[WT_MAX_BLOCKS];
    if (!search->symmetric) wt_search_scales_min(k, x, w, blocks, (float)hi, search, r->d, r->m);
    for (size_t b = 0; b < blocks; b++) {
        if (search->symmetric) middle(k, x + b * BLOCK, w + b * BLOCK, hi, search, &r->d[b], &r->m[b]);
        inverse[b] = wt_inverse(wt_half_to_float(r->d[b]));
        min[b] = wt_half_to_float(r->m[b]);
        r->m[b] ^= 0x8000; /* the file adds what the search subtracts */
    }
    k->assign(x, blocks, BLOCK, &grid, inverse, min, r->q);
}

static void pack_nibbles(const int8_t *q, uint8_t *qs) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

static void pack_fifths(const int8_t *q, uint8_t *qh) {
    for (int byte = 0; byte < 4; byte++) {
        qh[byte] = 0;
        for (int bit = 0; bit < 8; bit++) qh[byte] |= (uint8_t)((q[8 * byte + bit] >> 4) << bit);
    }
}

static void encode_q4_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -8.0f, 7.0f, NULL, false, search);
    unsigned char *to = dst;
    scaled s;
    wt_block_q4_0 b;
    codes_scales(k, x, w, n / BLOCK, -8, &codes, search, &s);
    for (size_t i = 0; i < n / BLOCK; i++, to += sizeof b) {
        b.d = s.d[i];
        pack_nibbles(s.q + BLOCK * i, b.qs);
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
        pack_nibbles(r.q + BLOCK * i, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -16.0f, 15.0f, NULL, false, search);
    unsigned char *to = dst;
    scaled s;
    wt_block_q5_0 b;
    codes_scales(k, x, w, n / BLOCK, -16, &codes, search, &s);
    for (size_t i = 0; i < n / BLOCK; i++, to += sizeof b) {
        b.d = s.d[i];
        pack_nibbles(s.q + BLOCK * i, b.qs);
        pack_fifths(s.q + BLOCK * i, b.qh);
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
        pack_nibbles(r.q + BLOCK * i, b.qs);
        pack_fifths(r.q + BLOCK * i, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

/* Stock kernels multiply codes as signed bytes whose sign they may flip: -128 is not used. */
static void encode_q8_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    const wt_grid grid = {-127.0f, 127.0f, NULL, WT_INTEGERS};
    wt_codes codes;
    if (search->passes > 0) wt_codes_init(&codes, grid.lo, grid.hi, NULL, true, search);
    unsigned char *to = dst;
    wt_block_q8_0 b;
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK) {
        b.d = search->passes < 1 ? wt_search_halves(k, x, w, BLOCK, &grid, search->bias)
                                 : wt_search_scale(k, x, w, BLOCK, &codes, search);
        float inverse = wt_inverse(wt_half_to_float(b.d));
        k->assign(x, 1, BLOCK, &grid, &inverse, NULL, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

/*
 * ---- weights that count alike ----
 *
 * ggml rounds these once, by the plain choice. A few candidates that take no longer find most of what the search above
 * does: tops for the largest weight, and cuts off a range in steps of the plain one.
 */

static void even_symmetric(const wt_encode_kernels *k, const float *x, size_t n, float hi, void *dst) {
    enum { TOPS = 8 };
    static const float BELOW[TOPS - 2] = {-0.45f, -0.1f, 0.2f, 0.5f, 0.8f, 1.1f}, ABOVE[2] = {0.6f, 0.2f};
    float tops[TOPS];
    wt_even_lanes l;
    for (int i = 0; i < TOPS; i++) tops[i] = i < TOPS - 2 ? BELOW[i] - 1.0f - hi : ABOVE[i - (TOPS - 2)] + hi;
    k->even_scales(x, n / BLOCK, -1.0f - hi, hi, tops, TOPS, &l);
    k->even_pack(x, n / BLOCK, -1.0f - hi, hi, &l, dst);
}

static void even_affine(const wt_encode_kernels *k, const float *x, size_t n, float hi, const float (*cuts)[2],
                        size_t count, void *dst) {
    wt_even_lanes l;
    k->even_ranges(x, n / BLOCK, hi, cuts, count, &l);
    k->even_pack(x, n / BLOCK, 0.0f, hi, &l, dst);
}

static void even_q4_0(const wt_encode_kernels *k, const float *x, size_t n, void *dst) {
    even_symmetric(k, x, n, 7.0f, dst);
}

static void even_q4_1(const wt_encode_kernels *k, const float *x, size_t n, void *dst) {
    /* Two: with AVX2 alone four take as long as all that stock does. */
    static const float CUTS[2][2] = {{0.15f, 0.46f}, {0.46f, 0.0f}};
    even_affine(k, x, n, 15.0f, CUTS, 2, dst);
}

static void even_q5_0(const wt_encode_kernels *k, const float *x, size_t n, void *dst) {
    even_symmetric(k, x, n, 15.0f, dst);
}

static void even_q5_1(const wt_encode_kernels *k, const float *x, size_t n, void *dst) {
    static const float CUTS[8][2] = {{0.0f, 0.0f},   {0.45f, 0.45f}, {0.0f, 0.46f}, {0.46f, 0.0f},
                                     {-0.8f, 0.45f}, {0.45f, -0.8f}, {-0.4f, 0.2f}, {0.2f, -0.4f}};
    even_affine(k, x, n, 31.0f, CUTS, 8, dst);
}

void wt_encoders_legacy(wt_encoder_row *table) {
    const wt_search scales = {.lo = -0.9f, .hi = 0.9f, .steps = 19, .passes = 1, .bias = 1.0f};
    /* Steps of 0.05f exactly, as ggml makes them. */
    const wt_search spans = {.lo = -0.9f, .hi = 0.9000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    const wt_search bytes = {.lo = -0.7f, .hi = 0.7f, .steps = 15, .bias = 1.0f};
    table[WT_Q4_0] =
        (wt_encoder_row){.encode = encode_q4_0, .traits = {.exists = true, .search = scales}, .even = even_q4_0};
    table[WT_Q4_1] =
        (wt_encoder_row){.encode = encode_q4_1, .traits = {.exists = true, .search = spans}, .even = even_q4_1};
    table[WT_Q5_0] =
        (wt_encoder_row){.encode = encode_q5_0, .traits = {.exists = true, .search = scales}, .even = even_q5_0};
    table[WT_Q5_1] =
        (wt_encoder_row){.encode = encode_q5_1, .traits = {.exists = true, .search = spans}, .even = even_q5_1};
    table[WT_Q8_0] = (wt_encoder_row){.encode = encode_q8_0, .traits = {.exists = true, .search = bytes}};
}
