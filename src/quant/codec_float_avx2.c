/* 16-bit floats for AVX2 and F16C. */
#include <immintrin.h>

#include "quant/codec_families.h"

static void decode_f16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i))));
    for (; i < n; i++) dst[i] = _cvtsh_ss((unsigned short)(p[2 * i] | p[2 * i + 1] << 8));
}

static void decode_bf16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i)));
        _mm256_storeu_ps(dst + i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    for (; i < n; i++) {
        union {
            uint32_t u;
            float f;
        } bits = {.u = (uint32_t)p[2 * i] << 16 | (uint32_t)p[2 * i + 1] << 24};
        dst[i] = bits.f;
    }
}

void wt_codec_float_avx2(wt_codec *table) {
    table[WT_F16].decode = decode_f16;
    table[WT_BF16].decode = decode_bf16;
}
