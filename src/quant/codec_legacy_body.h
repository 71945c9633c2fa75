/*
 * The block types of 32 weights for AVX2, AVX-512 and NEON, included by a file for each, on what codec_vectors.h has.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_vectors.h"

static void decode_q4_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_0)) {
        const float d = half_at(p);
        const bytes16 q = load16(p + offsetof(wt_block_q4_0, qs));
        put_scaled(dst + i, lowered(low_nibbles(q), 8), d);
        put_scaled(dst + i + 16, lowered(high_nibbles(q), 8), d);
    }
}

static void decode_q4_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_1)) {
        const float d = half_at(p), m = half_at(p + offsetof(wt_block_q4_1, m));
        const bytes16 q = load16(p + offsetof(wt_block_q4_1, qs));
        put_raised(dst + i, low_nibbles(q), d, m);
        put_raised(dst + i + 16, high_nibbles(q), d, m);
    }
}

static void decode_q5_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_0)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_0, qh);
        const float d = half_at(p);
        const bytes16 q = load16(p + offsetof(wt_block_q5_0, qs));
        put_scaled(dst + i, lowered(either(low_nibbles(q), fifth_bits(qh)), 16), d);
        put_scaled(dst + i + 16, lowered(either(high_nibbles(q), fifth_bits(qh + 2)), 16), d);
    }
}

static void decode_q5_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_1)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_1, qh);
        const float d = half_at(p), m = half_at(p + offsetof(wt_block_q5_1, m));
        const bytes16 q = load16(p + offsetof(wt_block_q5_1, qs));
        put_raised(dst + i, either(low_nibbles(q), fifth_bits(qh)), d, m);
        put_raised(dst + i + 16, either(high_nibbles(q), fifth_bits(qh + 2)), d, m);
    }
}

static void decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q8_0)) {
        const uint8_t *qs = p + offsetof(wt_block_q8_0, qs);
        const float d = half_at(p);
        put_scaled(dst + i, lowered(load16(qs), 0), d);
        put_scaled(dst + i + 16, lowered(load16(qs + 16), 0), d);
    }
}

static void fill_legacy(wt_codec *table) {
    table[WT_Q4_0].decode = decode_q4_0;
    table[WT_Q4_1].decode = decode_q4_1;
    table[WT_Q5_0].decode = decode_q5_0;
    table[WT_Q5_1].decode = decode_q5_1;
    table[WT_Q8_0].decode = decode_q8_0;
}
