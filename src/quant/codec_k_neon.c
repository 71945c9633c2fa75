/* The K types for NEON: 16 codes at a time, which lie in the file so that one shift and mask serves all of them. */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_neon.h"

/* Bytes of `value` where bit `bit` of v's byte is set, 0 elsewhere. */
static inline uint8x16_t where_bit(uint8x16_t v, int bit, uint8_t value) {
    return vandq_u8(vtstq_u8(v, vdupq_n_u8((uint8_t)(1 << bit))), vdupq_n_u8(value));
}

static void decode_q2_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q2_k)) {
        const uint8_t *s = p + offsetof(wt_block_q2_k, scales), *qs = p + offsetof(wt_block_q2_k, qs);
        float d = half_at(p + offsetof(wt_block_q2_k, d)), dmin = half_at(p + offsetof(wt_block_q2_k, dmin));
        for (int run = 0; run < 16; run++, dst += 16) {
            uint8x16_t q = bits(vld1q_u8(qs + run / 8 * 32 + run % 2 * 16), run / 2 % 4 * 2, 3);
            put_lowered(dst, q, d * (float)(s[run] & 15), dmin * (float)(s[run] >> 4));
        }
    }
}

static void decode_q3_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q3_k)) {
        const uint8_t *hmask = p + offsetof(wt_block_q3_k, hmask), *qs = p + offsetof(wt_block_q3_k, qs);
        float d = half_at(p + offsetof(wt_block_q3_k, d));
        for (int run = 0; run < 16; run++, dst += 16) {
            uint8x16_t q = bits(vld1q_u8(qs + run / 8 * 32 + run % 2 * 16), run / 2 % 4 * 2, 3);
            uint8x16_t third = where_bit(vld1q_u8(hmask + run % 2 * 16), run / 2, 4);
            put_scaled(dst, lowered(vorrq_u8(q, third), 4),
                       d * (float)wt_q3_k_scale(p + offsetof(wt_block_q3_k, scales), run));
        }
    }
}

static void decode_q4_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q4_k)) {
        float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q4_k, dmin));
        for (int run = 0; run < 8; run++, dst += 32) {
            const uint8_t *qs = p + offsetof(wt_block_q4_k, qs) + run / 2 * 32;
            int scale, min, shift = run % 2 * 4;
            wt_q4_k_scale(p + offsetof(wt_block_q4_k, scales), run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            put_lowered(dst, bits(vld1q_u8(qs), shift, 15), ds, dm);
            put_lowered(dst + 16, bits(vld1q_u8(qs + 16), shift, 15), ds, dm);
        }
    }
}

static void decode_q5_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q5_k)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_k, qh);
        uint8x16_t fifth0 = vld1q_u8(qh), fifth1 = vld1q_u8(qh + 16);
        float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q5_k, dmin));
        for (int run = 0; run < 8; run++, dst += 32) {
            const uint8_t *qs = p + offsetof(wt_block_q5_k, qs) + run / 2 * 32;
            int scale, min, shift = run % 2 * 4;
            wt_q4_k_scale(p + offsetof(wt_block_q5_k, scales), run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            put_lowered(dst, vorrq_u8(bits(vld1q_u8(qs), shift, 15), where_bit(fifth0, run, 16)), ds, dm);
            put_lowered(dst + 16, vorrq_u8(bits(vld1q_u8(qs + 16), shift, 15), where_bit(fifth1, run, 16)), ds, dm);
        }
    }
}

static void decode_q6_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q6_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q6_k, scales);
        float d = half_at(p + offsetof(wt_block_q6_k, d));
        for (int run = 0; run < 16; run++, dst += 16) { /* in each half of 128, four times 32 codes */
            int quarter = run / 2 % 4;
            const uint8_t *ql = p + offsetof(wt_block_q6_k, ql) + run / 8 * 64 + quarter % 2 * 32 + run % 2 * 16;
            const uint8_t *qh = p + offsetof(wt_block_q6_k, qh) + run / 8 * 32 + run % 2 * 16;
            uint8x16_t high = bits(vld1q_u8(qh), 2 * quarter, 3);
            uint8x16_t q = vorrq_u8(bits(vld1q_u8(ql), quarter / 2 * 4, 15), vshlq_n_u8(high, 4));
            put_scaled(dst, lowered(q, 32), d * (float)(int8_t)scales[run]);
        }
    }
}

void wt_codec_k_neon(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
