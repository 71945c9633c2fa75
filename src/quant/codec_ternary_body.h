/*
 * The types of one to two bits for AVX2 and AVX-512 (codec_x86.h), included by a file for each.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_x86.h"

/* Bit j of the bits says whether weight j is d or -d. */
static void decode_q1_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m256i up = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24), sign = _mm256_set1_epi32(INT32_MIN);
    for (size_t i = 0; i < n; i += 128, p += sizeof(wt_block_q1_0)) {
        uint16_t half; /* a NaN stays as it is, which half_at's instruction would make quiet */
        memcpy(&half, p, sizeof half);
        const __m256 d = _mm256_set1_ps(wt_half_to_float(half));
        for (int j = 0; j < 16; j++, dst += 8) {
            const __m256i bit = _mm256_sllv_epi32(_mm256_set1_epi32(p[offsetof(wt_block_q1_0, qs) + j]), up);
            _mm256_storeu_ps(dst, _mm256_xor_ps(d, _mm256_castsi256_ps(_mm256_andnot_si256(bit, sign))));
        }
    }
}

/*
 * Byte j holds the codes of four weights in turn: 16 weights are four bytes, each four times, with each code left at bit
 * 0 or, shifted down or not, at bit 2.
 */
static void decode_q2_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i four_times = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m128i place = _mm_set1_epi32((int)0xc0300c03);
    const __m128i values = _mm_setr_epi8(-1, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0);
    for (size_t i = 0; i < n; i += 64, p += sizeof(wt_block_q2_0)) {
        const float d = half_at(p);
        for (int j = 0; j < 4; j++, dst += 16) {
            const __m128i bytes = _mm_set1_epi32((int)word_at(p + offsetof(wt_block_q2_0, qs) + 4 * j));
            const __m128i code = _mm_and_si128(_mm_shuffle_epi8(bytes, four_times), place);
            put_scaled(dst, _mm_shuffle_epi8(values, low_nibbles(_mm_or_si128(code, _mm_srli_epi16(code, 4)))), d);
        }
    }
}

/* `digits` digits of each of 16 bytes, the first of all bytes before the second of all, `stride` weights on. */
static inline void put_digits(const uint8_t *from, int digits, float d, float *dst, int stride) {
    const __m256i bytes = _mm256_cvtepu8_epi16(load16(from)), low = _mm256_set1_epi16(255),
                  three = _mm256_set1_epi16(3);
    __m256i at = bytes; /* byte times a power of 3, of which the digit is the upper part */
    for (int digit = 0; digit < digits; digit++, dst += stride) {
        const __m256i q = _mm256_srli_epi16(_mm256_mullo_epi16(at, three), 8);
        const __m128i codes = _mm_packs_epi16(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        put_scaled(dst, _mm_sub_epi8(codes, _mm_set1_epi8(1)), d);
        at = _mm256_and_si256(_mm256_mullo_epi16(at, three), low);
    }
}

static void decode_tq1_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_tq1_0), dst += WT_SUPER) {
        const float d = half_at(p + offsetof(wt_block_tq1_0, d));
        const uint8_t *qs = p + offsetof(wt_block_tq1_0, qs), *qh = p + offsetof(wt_block_tq1_0, qh);
        put_digits(qs, 5, d, dst, 32);
        put_digits(qs + 16, 5, d, dst + 16, 32);
        put_digits(qs + 32, 5, d, dst + 160, 16);
        for (int digit = 0, power = 1; digit < 4; digit++, power *= 3) {
            for (int j = 0; j < 4; j++) dst[240 + 4 * digit + j] = d * (float)(((qh[j] * power & 255) * 3 >> 8) - 1);
        }
    }
}

/* 32 bytes are 128 weights: the first codes of all, then the second ones. */
static void decode_tq2_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_tq2_0)) {
        const float d = half_at(p + offsetof(wt_block_tq2_0, d));
        for (int run = 0; run < 16; run++, dst += 16) {
            const __m128i bytes = load16(p + offsetof(wt_block_tq2_0, qs) + run / 8 * 32 + run % 2 * 16);
            const __m128i codes =
                _mm_and_si128(_mm_srl_epi16(bytes, _mm_cvtsi32_si128(run / 2 % 4 * 2)), _mm_set1_epi8(3));
            put_scaled(dst, _mm_sub_epi8(codes, _mm_set1_epi8(1)), d);
        }
    }
}

static void fill_ternary(wt_codec *table) {
    table[WT_Q1_0].decode = decode_q1_0;
    table[WT_Q2_0].decode = decode_q2_0;
    table[WT_TQ1_0].decode = decode_tq1_0;
    table[WT_TQ2_0].decode = decode_tq2_0;
}
