/* The block types of 32 weights for NEON. */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_neon.h"

static inline uint8x16_t low_nibbles(uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(15)); }
static inline uint8x16_t high_nibbles(uint8x16_t v) { return vshrq_n_u8(v, 4); }

/* Byte j is 16 where bit j of the two bytes at p is set, else 0. */
static inline uint8x16_t fifth_bits(const uint8_t *p) {
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    return vandq_u8(vtstq_u8(vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1])), bit), vdupq_n_u8(16));
}

static void decode_q4_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_0)) {
        float d = half_at(p);
        uint8x16_t q = vld1q_u8(p + offsetof(wt_block_q4_0, qs));
        put_scaled(dst + i, lowered(low_nibbles(q), 8), d);
        put_scaled(dst + i + 16, lowered(high_nibbles(q), 8), d);
    }
}

static void decode_q4_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_1)) {
        float d = half_at(p), m = half_at(p + offsetof(wt_block_q4_1, m));
        uint8x16_t q = vld1q_u8(p + offsetof(wt_block_q4_1, qs));
        put_raised(dst + i, low_nibbles(q), d, m);
        put_raised(dst + i + 16, high_nibbles(q), d, m);
    }
}

static void decode_q5_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_0)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_0, qh);
        float d = half_at(p);
        uint8x16_t q = vld1q_u8(p + offsetof(wt_block_q5_0, qs));
        put_scaled(dst + i, lowered(vorrq_u8(low_nibbles(q), fifth_bits(qh)), 16), d);
        put_scaled(dst + i + 16, lowered(vorrq_u8(high_nibbles(q), fifth_bits(qh + 2)), 16), d);
    }
}

static void decode_q5_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_1)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_1, qh);
        float d = half_at(p), m = half_at(p + offsetof(wt_block_q5_1, m));
        uint8x16_t q = vld1q_u8(p + offsetof(wt_block_q5_1, qs));
        put_raised(dst + i, vorrq_u8(low_nibbles(q), fifth_bits(qh)), d, m);
        put_raised(dst + i + 16, vorrq_u8(high_nibbles(q), fifth_bits(qh + 2)), d, m);
    }
}

static void decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q8_0)) {
        const uint8_t *qs = p + offsetof(wt_block_q8_0, qs);
        float d = half_at(p);
        put_scaled(dst + i, vreinterpretq_s8_u8(vld1q_u8(qs)), d);
        put_scaled(dst + i + 16, vreinterpretq_s8_u8(vld1q_u8(qs + 16)), d);
    }
}

void wt_codec_legacy_neon(wt_codec *table) {
    table[WT_Q4_0].decode = decode_q4_0;
    table[WT_Q4_1].decode = decode_q4_1;
    table[WT_Q5_0].decode = decode_q5_0;
    table[WT_Q5_1].decode = decode_q5_1;
    table[WT_Q8_0].decode = decode_q8_0;
}
