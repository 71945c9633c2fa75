/*
 * The block types of 32 weights for AVX2: codes are brought to signed bytes, 16 a register, then widened to floats.
 * Scaling is a multiplication and, apart from it, an addition, as in the plain variant.
 */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static inline __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }

static inline __m256 half_at(const uint8_t *p) { return _mm256_set1_ps(_cvtsh_ss((unsigned short)(p[0] | p[1] << 8))); }

static inline __m256 low8(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }
static inline __m256 high8(__m128i codes) { return low8(_mm_unpackhi_epi64(codes, codes)); }

/* 16 weights d q. */
static inline void put_scaled(float *dst, __m128i codes, __m256 d) {
    _mm256_storeu_ps(dst, _mm256_mul_ps(d, low8(codes)));
    _mm256_storeu_ps(dst + 8, _mm256_mul_ps(d, high8(codes)));
}

/* 16 weights d q + m. */
static inline void put_shifted(float *dst, __m128i codes, __m256 d, __m256 m) {
    _mm256_storeu_ps(dst, _mm256_add_ps(_mm256_mul_ps(d, low8(codes)), m));
    _mm256_storeu_ps(dst + 8, _mm256_add_ps(_mm256_mul_ps(d, high8(codes)), m));
}

static inline __m128i low_nibbles(__m128i v) { return _mm_and_si128(v, _mm_set1_epi8(15)); }
static inline __m128i high_nibbles(__m128i v) { return low_nibbles(_mm_srli_epi16(v, 4)); }

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
        __m256 d = half_at(p);
        __m128i q = load16(p + offsetof(wt_block_q4_0, qs));
        put_scaled(dst + i, _mm_sub_epi8(low_nibbles(q), offset), d);
        put_scaled(dst + i + 16, _mm_sub_epi8(high_nibbles(q), offset), d);
    }
}

static void decode_q4_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q4_1)) {
        __m256 d = half_at(p), m = half_at(p + offsetof(wt_block_q4_1, m));
        __m128i q = load16(p + offsetof(wt_block_q4_1, qs));
        put_shifted(dst + i, low_nibbles(q), d, m);
        put_shifted(dst + i + 16, high_nibbles(q), d, m);
    }
}

static void decode_q5_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i offset = _mm_set1_epi8(16);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_0)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_0, qh);
        __m256 d = half_at(p);
        __m128i q = load16(p + offsetof(wt_block_q5_0, qs));
        put_scaled(dst + i, _mm_sub_epi8(_mm_or_si128(low_nibbles(q), fifth_bits(qh)), offset), d);
        put_scaled(dst + i + 16, _mm_sub_epi8(_mm_or_si128(high_nibbles(q), fifth_bits(qh + 2)), offset), d);
    }
}

static void decode_q5_1(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q5_1)) {
        const uint8_t *qh = p + offsetof(wt_block_q5_1, qh);
        __m256 d = half_at(p), m = half_at(p + offsetof(wt_block_q5_1, m));
        __m128i q = load16(p + offsetof(wt_block_q5_1, qs));
        put_shifted(dst + i, _mm_or_si128(low_nibbles(q), fifth_bits(qh)), d, m);
        put_shifted(dst + i + 16, _mm_or_si128(high_nibbles(q), fifth_bits(qh + 2)), d, m);
    }
}

static void decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q8_0)) {
        const uint8_t *qs = p + offsetof(wt_block_q8_0, qs);
        __m256 d = half_at(p);
        put_scaled(dst + i, load16(qs), d);
        put_scaled(dst + i + 16, load16(qs + 16), d);
    }
}

void wt_codec_legacy_avx2(wt_codec *table) {
    table[WT_Q4_0].decode = decode_q4_0;
    table[WT_Q4_1].decode = decode_q4_1;
    table[WT_Q5_0].decode = decode_q5_0;
    table[WT_Q5_1].decode = decode_q5_1;
    table[WT_Q8_0].decode = decode_q8_0;
}
