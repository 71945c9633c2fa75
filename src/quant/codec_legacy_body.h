/*
 * The block types of 32 weights for AVX2 and AVX-512 (codec_x86.h), included by a file for each.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_x86.h"

/* Byte j is 16 where bit j of the two bytes at p is set, else 0. */
static inline __m128i fifth_bits(const uint8_t *p) {
    const __m128i bit = _mm_set1_epi64x((long long)0x8040201008040201ull);
    __m128i v = _mm_unpacklo_epi64(_mm_set1_epi8((char)p[0]), _mm_set1_epi8((char)p[1]));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(v, bit), bit), _mm_set1_epi8(16));
}

static void decode_q4_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i offset = _mm_set1_epi8(8);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_0)) {
        const float d = half_at(p);
        __m128i q = load16(p + offsetof(wt_block_q4_0, qs));
        put_scaled(dst + i, _mm_sub_epi8(low_nibbles(q), offset), d);
        put_scaled(dst + i + 16, _mm_sub_epi8(high_nibbles(q), offset), d);
    }
}

static void decode_q4_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_1)) {
        const float d = half_at(p), m = half_at(p + offsetof(wt_block_q4_1, m));
        __m128i q = load16(p + offsetof(wt_block_q4_1, qs));
        put_raised(dst + i, low_nibbles(q), d, m);
        put_raised(dst + i + 16, high_nibbles(q), d, m);
    }
}

static void decode_q5_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i offset = _mm_set1_epi8(16);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_0)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_0, qh);
        const float d = half_at(p);
        __m128i q = load16(p + offsetof(wt_block_q5_0, qs));
        put_scaled(dst + i, _mm_sub_epi8(_mm_or_si128(low_nibbles(q), fifth_bits(qh)), offset), d);
        put_scaled(dst + i + 16, _mm_sub_epi8(_mm_or_si128(high_nibbles(q), fifth_bits(qh + 2)), offset), d);
    }
}

static void decode_q5_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_1)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_1, qh);
        const float d = half_at(p), m = half_at(p + offsetof(wt_block_q5_1, m));
        __m128i q = load16(p + offsetof(wt_block_q5_1, qs));
        put_raised(dst + i, _mm_or_si128(low_nibbles(q), fifth_bits(qh)), d, m);
        put_raised(dst + i + 16, _mm_or_si128(high_nibbles(q), fifth_bits(qh + 2)), d, m);
    }
}

static void decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q8_0)) {
        const uint8_t *qs = p + offsetof(wt_block_q8_0, qs);
        const float d = half_at(p);
        put_scaled(dst + i, load16(qs), d);
        put_scaled(dst + i + 16, load16(qs + 16), d);
    }
}

static void fill_legacy(wt_codec *table) {
    table[WT_Q4_0].decode = decode_q4_0;
    table[WT_Q4_1].decode = decode_q4_1;
    table[WT_Q5_0].decode = decode_q5_0;
    table[WT_Q5_1].decode = decode_q5_1;
    table[WT_Q8_0].decode = decode_q8_0;
}
