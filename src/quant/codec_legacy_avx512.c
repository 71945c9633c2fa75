/* Q8_0 for AVX-512. */
#include <immintrin.h>
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static void decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_q8_0)) {
        const uint8_t *qs = p + offsetof(wt_block_q8_0, qs);
        __m512 d = _mm512_set1_ps(_cvtsh_ss((unsigned short)(p[0] | p[1] << 8)));
        __m512i low = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)qs));
        __m512i high = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(qs + 16)));
        _mm512_storeu_ps(dst + i, _mm512_mul_ps(d, _mm512_cvtepi32_ps(low)));
        _mm512_storeu_ps(dst + i + 16, _mm512_mul_ps(d, _mm512_cvtepi32_ps(high)));
    }
}

void wt_codec_legacy_avx512(wt_codec *table) { table[WT_Q8_0].decode = decode_q8_0; }
