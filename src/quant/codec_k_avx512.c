/* The K types for AVX-512: 16 codes become floats in one register. */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static inline __m512 widened(__m128i codes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)); }

static inline void put_scaled(float *dst, __m128i codes, float d) {
    _mm512_storeu_ps(dst, _mm512_mul_ps(_mm512_set1_ps(d), widened(codes)));
}

static inline void put_lowered(float *dst, __m128i codes, float d, float m) {
    _mm512_storeu_ps(dst, _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(d), widened(codes)), _mm512_set1_ps(m)));
}

#include "quant/codec_k_body.h"

void wt_codec_k_avx512(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
