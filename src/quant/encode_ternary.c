/* Encoders of types of one to two bits. With so few codes the best scale lies far from the largest weight. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/pack.h"
#include "quant/search.h"

/* Signs have a best scale in closed form: the mean magnitude. */
static void encode_q1_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    enum { BLOCK = 128, STRIPES = 8 };
    (void)k;
    unsigned char *to = dst;
    wt_block_q1_0 b;
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK) {
        float sums[STRIPES] = {0}, weights[STRIPES] = {0}, sum = 0.0f, weight = 0.0f;
        for (int j = 0; j < BLOCK; j++) {
            sums[j % STRIPES] += w[j] * fabsf(x[j]);
            weights[j % STRIPES] += w[j];
        }
        for (int j = 0; j < STRIPES; j++) {
            sum += sums[j];
            weight += weights[j];
        }
        b.d = wt_search_half(sum / weight * search->bias);
        for (int byte = 0; byte < BLOCK / 8; byte++) {
            unsigned bits = 0;
            for (int j = 0; j < 8; j++) bits |= (unsigned)(x[8 * byte + j] >= 0.0f) << j;
            b.qs[byte] = (uint8_t)bits;
        }
        memcpy(to, &b, sizeof b);
    }
}

/* The scale of a block, and its codes counted from -1. */
static uint16_t codes_scale(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_codes *codes,
                            const wt_search *search, uint8_t *q) {
    uint16_t d = wt_search_scale(k, x, w, n, codes, search);
    float inverse = wt_inverse(wt_half_to_float(d));
    k->assign(x, 1, n, &codes->grid, &inverse, NULL, (int8_t *)q);
    for (size_t j = 0; j < n; j++) q[j]++;
    return d;
}

static void encode_q2_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    enum { BLOCK = 64 };
    wt_codes codes;
    wt_codes_init(&codes, -1.0f, 2.0f, NULL, false, search);
    unsigned char *to = dst;
    uint8_t q[BLOCK];
    wt_block_q2_0 b;
    for (size_t i = 0; i < n; i += BLOCK, to += sizeof b, x += BLOCK, w += BLOCK) {
        b.d = codes_scale(k, x, w, BLOCK, &codes, search, q);
        for (int j = 0; j < BLOCK / 4; j++) {
            uint32_t four;
            memcpy(&four, q + 4 * j, sizeof four);
            /* Shifted by 24, 18, 12 and 6, the four add up in the top byte, and nothing carries into it. */
            b.qs[j] = (uint8_t)(four * 0x01041040u >> 24);
        }
        memcpy(to, &b, sizeof b);
    }
}

static void encode_tq1_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                         void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -1.0f, 1.0f, NULL, false, search);
    unsigned char *to = dst;
    uint8_t q[WT_SUPER];
    wt_block_tq1_0 b;
    for (size_t i = 0; i < n; i += WT_SUPER, to += sizeof b, x += WT_SUPER, w += WT_SUPER) {
        b.d = codes_scale(k, x, w, WT_SUPER, &codes, search, q);
        const uint8_t *from = wt_pack_digits(q, 32, 5, b.qs);
        from = wt_pack_digits(from, 16, 5, b.qs + 32);
        wt_pack_digits(from, 4, 4, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_tq2_0(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                         void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, -1.0f, 1.0f, NULL, false, search);
    unsigned char *to = dst;
    uint8_t q[WT_SUPER];
    wt_block_tq2_0 b;
    for (size_t i = 0; i < n; i += WT_SUPER, to += sizeof b, x += WT_SUPER, w += WT_SUPER) {
        b.d = codes_scale(k, x, w, WT_SUPER, &codes, search, q);
        for (int j = 0; j < 64; j++) {
            const uint8_t *at = q + 128 * (j / 32) + j % 32;
            b.qs[j] = (uint8_t)(at[0] | at[32] << 2 | at[64] << 4 | at[96] << 6);
        }
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_ternary(wt_encoder_row *table) {
    const wt_search signs = {.steps = 1, .bias = 1.0f};
    const wt_search four = {.lo = -1.0f, .hi = 3.5f, .steps = 7, .bias = 1.0f};
    const wt_search three = {.lo = 0.0f, .hi = 4.2f, .steps = 15, .bias = 1.0f};
    table[WT_Q1_0] = (wt_encoder_row){.encode = encode_q1_0, .traits = {.exists = true, .search = signs}};
    table[WT_Q2_0] = (wt_encoder_row){.encode = encode_q2_0, .traits = {.exists = true, .search = four}};
    table[WT_TQ1_0] = (wt_encoder_row){.encode = encode_tq1_0, .traits = {.exists = true, .search = three}};
    table[WT_TQ2_0] = (wt_encoder_row){.encode = encode_tq2_0, .traits = {.exists = true, .search = three}};
}
