/*
 * The K types for AVX2: 32 codes at a time as signed bytes, which lie in the file so that one shift and mask serves 32
 * weights; each half of 16 is widened to floats with its run's scale and minimum. Operations are the plain variant's.
 */
#include <immintrin.h>
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static inline __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

static inline float half_at(const uint8_t *p) { return _cvtsh_ss((unsigned short)(p[0] | p[1] << 8)); }

/* The bits `mask` of every byte, shifted down first. */
static inline __m256i bits(__m256i v, int shift, char mask) {
    return _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(shift)), _mm256_set1_epi8(mask));
}

/* Bytes of `value` where bit `bit` of v's byte is set, 0 elsewhere. */
static inline __m256i where_bit(__m256i v, int bit, char value) {
    __m256i one = _mm256_set1_epi8((char)(1 << bit));
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(v, one), one), _mm256_set1_epi8(value));
}

static inline __m256 low8(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }
static inline __m256 high8(__m128i codes) { return low8(_mm_unpackhi_epi64(codes, codes)); }

/* 16 weights d q. */
static inline void put_scaled(float *dst, __m128i codes, float d) {
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_set1_ps(d), low8(codes)));
    _mm256_storeu_ps(dst + 8, _mm256_mul_ps(_mm256_set1_ps(d), high8(codes)));
}

/* 16 weights d q - m. */
static inline void put_lowered(float *dst, __m128i codes, float d, float m) {
    __m256 dd = _mm256_set1_ps(d), mm = _mm256_set1_ps(m);
    _mm256_storeu_ps(dst, _mm256_sub_ps(_mm256_mul_ps(dd, low8(codes)), mm));
    _mm256_storeu_ps(dst + 8, _mm256_sub_ps(_mm256_mul_ps(dd, high8(codes)), mm));
}

static inline __m128i low16(__m256i v) { return _mm256_castsi256_si128(v); }
static inline __m128i high16(__m256i v) { return _mm256_extracti128_si256(v, 1); }

static void decode_q2_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q2_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q2_k, scales);
        float d = half_at(p + offsetof(wt_block_q2_k, d)), dmin = half_at(p + offsetof(wt_block_q2_k, dmin));
        for (int run = 0; run < 16; run += 2, dst += 32) {
            const uint8_t *s = scales + run;
            __m256i q = bits(load32(p + offsetof(wt_block_q2_k, qs) + run / 8 * 32), run / 2 % 4 * 2, 3);
            put_lowered(dst, low16(q), d * (float)(s[0] & 15), dmin * (float)(s[0] >> 4));
            put_lowered(dst + 16, high16(q), d * (float)(s[1] & 15), dmin * (float)(s[1] >> 4));
        }
    }
}

static void decode_q3_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m256i four = _mm256_set1_epi8(4);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q3_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q3_k, scales);
        float d = half_at(p + offsetof(wt_block_q3_k, d));
        __m256i third = load32(p + offsetof(wt_block_q3_k, hmask));
        for (int run = 0; run < 16; run += 2, dst += 32) {
            __m256i q = bits(load32(p + offsetof(wt_block_q3_k, qs) + run / 8 * 32), run / 2 % 4 * 2, 3);
            q = _mm256_sub_epi8(_mm256_or_si256(q, where_bit(third, run / 2, 4)), four);
            put_scaled(dst, low16(q), d * (float)wt_q3_k_scale(scales, run));
            put_scaled(dst + 16, high16(q), d * (float)wt_q3_k_scale(scales, run + 1));
        }
    }
}

/* Run `run` (of 8) of a Q4_K or Q5_K block: 32 codes with one scale and minimum. */
static inline void put_run(float *dst, __m256i q, const uint8_t *scales, int run, float d, float dmin) {
    int scale, min;
    wt_q4_k_scale(scales, run, &scale, &min);
    put_lowered(dst, low16(q), d * (float)scale, dmin * (float)min);
    put_lowered(dst + 16, high16(q), d * (float)scale, dmin * (float)min);
}

static void decode_q4_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q4_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q4_k, scales), *qs = p + offsetof(wt_block_q4_k, qs);
        float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q4_k, dmin));
        for (int run = 0; run < 8; run++, dst += 32)
            put_run(dst, bits(load32(qs + run / 2 * 32), run % 2 * 4, 15), scales, run, d, dmin);
    }
}

static void decode_q5_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q5_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q5_k, scales), *qs = p + offsetof(wt_block_q5_k, qs);
        float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q5_k, dmin));
        __m256i fifth = load32(p + offsetof(wt_block_q5_k, qh));
        for (int run = 0; run < 8; run++, dst += 32) {
            __m256i q = bits(load32(qs + run / 2 * 32), run % 2 * 4, 15);
            put_run(dst, _mm256_or_si256(q, where_bit(fifth, run, 16)), scales, run, d, dmin);
        }
    }
}

static void decode_q6_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m256i offset = _mm256_set1_epi8(32);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q6_k)) {
        const uint8_t *scales = p + offsetof(wt_block_q6_k, scales);
        float d = half_at(p + offsetof(wt_block_q6_k, d));
        for (int run = 0; run < 8; run++, dst += 32) { /* four runs of 32 in each half */
            int in_half = run % 4;
            __m256i q = load32(p + offsetof(wt_block_q6_k, ql) + run / 4 * 64 + run % 2 * 32);
            __m256i high = bits(load32(p + offsetof(wt_block_q6_k, qh) + run / 4 * 32), 2 * in_half, 3);
            q = _mm256_or_si256(bits(q, in_half / 2 * 4, 15), _mm256_slli_epi16(high, 4));
            q = _mm256_sub_epi8(q, offset);
            put_scaled(dst, low16(q), d * (float)(int8_t)scales[2 * run]);
            put_scaled(dst + 16, high16(q), d * (float)(int8_t)scales[2 * run + 1]);
        }
    }
}

void wt_codec_k_avx2(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
