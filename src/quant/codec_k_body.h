/*
 * The K types for AVX2 and AVX-512 (codec_x86.h): 32 codes at a time as signed bytes, which lie in the file so that one
 * shift and mask serves 32 weights. Included by a file for each.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_x86.h"

/* The bits `mask` of every byte, shifted down first. */
static inline __m256i bits(__m256i v, int shift, char mask) {
    return _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(shift)), _mm256_set1_epi8(mask));
}

/* Bytes of `value` where bit `bit` of v's byte is set, 0 elsewhere. */
static inline __m256i where_bit(__m256i v, int bit, char value) {
    __m256i one = _mm256_set1_epi8((char)(1 << bit));
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(v, one), one), _mm256_set1_epi8(value));
}

static inline __m128i low16(__m256i v) { return _mm256_castsi256_si128(v); }
static inline __m128i high16(__m256i v) { return _mm256_extracti128_si256(v, 1); }

/* ---- scales: all of a block at once, out[k] = d times byte k ---- */

static inline void scale8(float *out, __m128i bytes, float d) {
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_set1_ps(d), floats8(bytes)));
}

static inline void scale16(float *out, __m128i bytes, float d) {
    scale8(out, bytes, d);
    scale8(out + 8, upper8(bytes), d);
}

/* wt_q3_k_scale of all 16 runs: nibbles of bytes 0..7, and over them pairs of bits of bytes 8..11. */
static inline __m128i q3_k_scales(const uint8_t *s) {
    const __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)s);
    __m128i high = _mm_srlv_epi32(_mm_set1_epi32((int)word_at(s + 8)), _mm_setr_epi32(0, 2, 4, 6));
    high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi8(3)), 4);
    const __m128i both = low_nibbles(_mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4)));
    return _mm_sub_epi8(_mm_or_si128(both, high), _mm_set1_epi8(32));
}

/* wt_q4_k_scale of all 8 runs: scales[8] and minima[8] of a block, times d and dmin. */
static inline void q4_k_scales(const uint8_t *s, float d, float dmin, float *scales, float *minima) {
    const uint32_t a = word_at(s), b = word_at(s + 4), c = word_at(s + 8);
    const uint32_t scale = (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4;
    const uint32_t min = (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4;
    scale8(scales, _mm_set_epi64x(0, (long long)((uint64_t)scale << 32 | (a & 0x3f3f3f3f))), d);
    scale8(minima, _mm_set_epi64x(0, (long long)((uint64_t)min << 32 | (b & 0x3f3f3f3f))), dmin);
}

/* ---- blocks ---- */

static void decode_q2_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q2_k)) {
        const __m128i both = load16(p + offsetof(wt_block_q2_k, scales));
        float scales[16], minima[16];
        scale16(scales, low_nibbles(both), half_at(p + offsetof(wt_block_q2_k, d)));
        scale16(minima, high_nibbles(both), half_at(p + offsetof(wt_block_q2_k, dmin)));
        for (int run = 0; run < 16; run += 2, dst += 32) {
            __m256i q = bits(load32(p + offsetof(wt_block_q2_k, qs) + run / 8 * 32), run / 2 % 4 * 2, 3);
            put_lowered(dst, low16(q), scales[run], minima[run]);
            put_lowered(dst + 16, high16(q), scales[run + 1], minima[run + 1]);
        }
    }
}

static void decode_q3_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m256i four = _mm256_set1_epi8(4);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q3_k)) {
        float scales[16];
        scale16(scales, q3_k_scales(p + offsetof(wt_block_q3_k, scales)), half_at(p + offsetof(wt_block_q3_k, d)));
        __m256i third = load32(p + offsetof(wt_block_q3_k, hmask));
        for (int run = 0; run < 16; run += 2, dst += 32) {
            __m256i q = bits(load32(p + offsetof(wt_block_q3_k, qs) + run / 8 * 32), run / 2 % 4 * 2, 3);
            q = _mm256_sub_epi8(_mm256_or_si256(q, where_bit(third, run / 2, 4)), four);
            put_scaled(dst, low16(q), scales[run]);
            put_scaled(dst + 16, high16(q), scales[run + 1]);
        }
    }
}

/* A run of 32 codes with one scale and minimum. */
static inline void put_run(float *dst, __m256i q, float scale, float min) {
    put_lowered(dst, low16(q), scale, min);
    put_lowered(dst + 16, high16(q), scale, min);
}

static void decode_q4_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q4_k)) {
        const uint8_t *qs = p + offsetof(wt_block_q4_k, qs);
        const float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q4_k, dmin));
        float scales[8], minima[8];
        q4_k_scales(p + offsetof(wt_block_q4_k, scales), d, dmin, scales, minima);
        for (int run = 0; run < 8; run++, dst += 32)
            put_run(dst, bits(load32(qs + run / 2 * 32), run % 2 * 4, 15), scales[run], minima[run]);
    }
}

static void decode_q5_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q5_k)) {
        const uint8_t *qs = p + offsetof(wt_block_q5_k, qs);
        const float d = half_at(p), dmin = half_at(p + offsetof(wt_block_q5_k, dmin));
        float scales[8], minima[8];
        q4_k_scales(p + offsetof(wt_block_q5_k, scales), d, dmin, scales, minima);
        __m256i fifth = load32(p + offsetof(wt_block_q5_k, qh));
        for (int run = 0; run < 8; run++, dst += 32) {
            __m256i q = bits(load32(qs + run / 2 * 32), run % 2 * 4, 15);
            put_run(dst, _mm256_or_si256(q, where_bit(fifth, run, 16)), scales[run], minima[run]);
        }
    }
}

static void decode_q6_k(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m256i offset = _mm256_set1_epi8(32);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_q6_k)) {
        float scales[16];
        scale16(scales, load16(p + offsetof(wt_block_q6_k, scales)), half_at(p + offsetof(wt_block_q6_k, d)));
        for (int run = 0; run < 8; run++, dst += 32) { /* four runs of 32 in each half */
            int in_half = run % 4;
            __m256i q = load32(p + offsetof(wt_block_q6_k, ql) + run / 4 * 64 + run % 2 * 32);
            __m256i high = bits(load32(p + offsetof(wt_block_q6_k, qh) + run / 4 * 32), 2 * in_half, 3);
            q = _mm256_or_si256(bits(q, in_half / 2 * 4, 15), _mm256_slli_epi16(high, 4));
            q = _mm256_sub_epi8(q, offset);
            put_scaled(dst, low16(q), scales[2 * run]);
            put_scaled(dst + 16, high16(q), scales[2 * run + 1]);
        }
    }
}

static void fill_k(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
