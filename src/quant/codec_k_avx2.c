/* The K types for AVX2: 16 codes become floats in two halves. */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

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

#include "quant/codec_k_body.h"

void wt_codec_k_avx2(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
