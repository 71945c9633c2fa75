/*
 * IQ4 and the two FP4 types for AVX2, AVX-512 and NEON, included by a file for each: codes become values by a shuffle of
 * bytes, on what codec_vectors.h has.
 */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_vectors.h"

/* 32 weights: low nibbles, then high ones. */
static inline void put_codes(float *dst, bytes16 codes, bytes16 values, float scale) {
    put_scaled(dst, look_up(values, low_nibbles(codes)), scale);
    put_scaled(dst + 16, look_up(values, high_nibbles(codes)), scale);
}

static inline bytes16 values_of(const int8_t *values) { return load16((const uint8_t *)values); }

static void decode_iq4_nl(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const bytes16 values = values_of(WT_VALUES_IQ4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_iq4_nl))
        put_codes(dst + i, load16(p + offsetof(wt_block_iq4_nl, qs)), values, half_at(p));
}

static void decode_iq4_xs(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const bytes16 values = values_of(WT_VALUES_IQ4);
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
    const bytes16 values = values_of(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_mxfp4))
        put_codes(dst + i, load16(p + offsetof(wt_block_mxfp4, qs)), values, wt_mxfp4_scale(*p));
}

static void decode_nvfp4(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const bytes16 values = values_of(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 64, p += sizeof(wt_block_nvfp4)) {
        for (int j = 0; j < 4; j++, dst += 16) { /* runs of 16: low nibbles of 8 bytes, then the high ones */
            const bytes16 codes = nibbles_of_8(p + offsetof(wt_block_nvfp4, qs) + 8 * j);
            put_scaled(dst, look_up(values, codes), wt_nvfp4_scale(p[j]));
        }
    }
}

static void fill_iq4(wt_codec *table) {
    table[WT_IQ4_NL].decode = decode_iq4_nl;
    table[WT_IQ4_XS].decode = decode_iq4_xs;
    table[WT_MXFP4].decode = decode_mxfp4;
    table[WT_NVFP4].decode = decode_nvfp4;
}
