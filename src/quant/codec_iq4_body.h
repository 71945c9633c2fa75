/*
 * IQ4 and the two FP4 types for AVX2 and AVX-512 (codec_x86.h), included by a file for each: codes become values by a
 * shuffle of bytes.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_x86.h"

/* 32 weights: low nibbles, then high ones. */
static inline void put_codes(float *dst, __m128i codes, __m128i values, float scale) {
    put_scaled(dst, _mm_shuffle_epi8(values, low_nibbles(codes)), scale);
    put_scaled(dst + 16, _mm_shuffle_epi8(values, high_nibbles(codes)), scale);
}

static inline __m128i values_of(const int8_t *values) { return load16((const uint8_t *)values); }

static void decode_iq4_nl(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i values = values_of(WT_VALUES_IQ4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_iq4_nl))
        put_codes(dst + i, load16(p + offsetof(wt_block_iq4_nl, qs)), values, half_at(p));
}

static void decode_iq4_xs(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i values = values_of(WT_VALUES_IQ4);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_iq4_xs)) {
        const uint8_t *h = p + offsetof(wt_block_iq4_xs, scales_h), *l = p + offsetof(wt_block_iq4_xs, scales_l);
        const float d = half_at(p);
        for (int j = 0; j < 8; j++, dst += 32) {
            const int low = l[j / 2] >> (4 * (j % 2)) & 15, high = (h[0] | h[1] << 8) >> (2 * j) & 3;
            put_codes(dst, load16(p + offsetof(wt_block_iq4_xs, qs) + 16 * j), values,
                      d * (float)((low | high << 4) - 32));
        }
    }
}

static void decode_mxfp4(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i values = values_of(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_mxfp4))
        put_codes(dst + i, load16(p + offsetof(wt_block_mxfp4, qs)), values, wt_mxfp4_scale(*p));
}

static void decode_nvfp4(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const __m128i values = values_of(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 64, p += sizeof(wt_block_nvfp4)) {
        for (int j = 0; j < 4; j++, dst += 16) { /* runs of 16: low nibbles of 8 bytes, then the high ones */
            const uint8_t *qs = p + offsetof(wt_block_nvfp4, qs) + 8 * j;
            const __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)qs);
            const __m128i codes = low_nibbles(_mm_unpacklo_epi64(q, _mm_srli_epi16(q, 4)));
            put_scaled(dst, _mm_shuffle_epi8(values, codes), wt_nvfp4_scale(p[j]));
        }
    }
}

static void fill_iq4(wt_codec *table) {
    table[WT_IQ4_NL].decode = decode_iq4_nl;
    table[WT_IQ4_XS].decode = decode_iq4_xs;
    table[WT_MXFP4].decode = decode_mxfp4;
    table[WT_NVFP4].decode = decode_nvfp4;
}
