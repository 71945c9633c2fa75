/* 16-bit floats for AVX-512; the rest of a row is masked. */
#include <immintrin.h>

#include "quant/codec_families.h"

/* Up to 16 halves at p; 0 behind them. */
static inline __m256i load(const uint8_t *p, size_t n) {
    if (n >= 16) return _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
}

static inline void store(float *p, __m512 v, size_t n) {
    if (n >= 16)
        _mm512_storeu_ps(p, v);
    else
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}

static void decode_f16(const void *src, float *dst, size_t n) {
    for (size_t i = 0; i < n; i += 16)
        store(dst + i, _mm512_cvtph_ps(load((const uint8_t *)src + 2 * i, n - i)), n - i);
}

static void decode_bf16(const void *src, float *dst, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        __m512i wide = _mm512_cvtepu16_epi32(load((const uint8_t *)src + 2 * i, n - i));
        store(dst + i, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)), n - i);
    }
}

void wt_codec_float_avx512(wt_codec *table) {
    table[WT_F16].decode = decode_f16;
    table[WT_BF16].decode = decode_bf16;
}
