/*
 * IQ1, IQ2 and IQ3 for AVX2: a group's 8 digits are shifted down each in its lane and choose among 8 floats, and signs
 * are shifted up to where a float has its own.
 */
#include <immintrin.h>

/* Values of 8 digits of 2 bits. Those are chosen by three bits, of which the upper one is the next digit's: hence twice. */
static inline __m256 values_of_2(unsigned row, const float *values) {
    const __m128 once = _mm_loadu_ps(values);
    const __m256 twice = _mm256_set_m128(once, once);
    const __m256i shifts = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    return _mm256_permutevar8x32_ps(twice, _mm256_srlv_epi32(_mm256_set1_epi32((int)row), shifts));
}

static inline __m256 with_signs(__m256 v, unsigned signs) {
    const __m256i up = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
    const __m256i at = _mm256_sllv_epi32(_mm256_set1_epi32((int)signs), up);
    return _mm256_xor_ps(v, _mm256_and_ps(_mm256_castsi256_ps(at), _mm256_set1_ps(-0.0f)));
}

static inline void put_1(unsigned row, const float *values, float delta, float scale, float *dst) {
    const __m256 v = _mm256_add_ps(values_of_2(row, values), _mm256_set1_ps(delta));
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_set1_ps(scale), v));
}

static inline void put_2(unsigned row, const float *values, unsigned signs, float scale, float *dst) {
    const __m256 v = _mm256_mul_ps(_mm256_set1_ps(scale), values_of_2(row, values));
    _mm256_storeu_ps(dst, with_signs(v, signs));
}

static inline void put_3(unsigned first, unsigned second, const float *values, unsigned signs, float scale,
                         float *dst) {
    const __m256i shifts = _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21);
    const __m256i digits = _mm256_srlv_epi32(_mm256_set1_epi32((int)(first | second << 12)), shifts);
    const __m256 v = _mm256_mul_ps(_mm256_set1_ps(scale), _mm256_permutevar8x32_ps(_mm256_loadu_ps(values), digits));
    _mm256_storeu_ps(dst, with_signs(v, signs));
}

#include "quant/codec_codebook_body.h"

void wt_codec_codebook_avx2(wt_codec *table) { fill_codebook(table); }
