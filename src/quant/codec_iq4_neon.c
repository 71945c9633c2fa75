/* IQ4 and the FP4 types for NEON: 16 codes become values by a table of bytes. */
#include <stddef.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/codec_neon.h"

/* 32 weights: low nibbles, then high ones. */
static inline void put_codes(float *dst, uint8x16_t codes, int8x16_t values, float scale) {
    put_scaled(dst, vqtbl1q_s8(values, bits(codes, 0, 15)), scale);
    put_scaled(dst + 16, vqtbl1q_s8(values, bits(codes, 4, 15)), scale);
}

static void decode_iq4_nl(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const int8x16_t values = vld1q_s8(WT_VALUES_IQ4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_iq4_nl))
        put_codes(dst + i, vld1q_u8(p + offsetof(wt_block_iq4_nl, qs)), values, half_at(p));
}

static void decode_iq4_xs(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const int8x16_t values = vld1q_s8(WT_VALUES_IQ4);
    for (size_t i = 0; i < n; i += WT_SUPER, p += sizeof(wt_block_iq4_xs)) {
        const uint8_t *h = p + offsetof(wt_block_iq4_xs, scales_h), *l = p + offsetof(wt_block_iq4_xs, scales_l);
        const float d = half_at(p);
        for (int j = 0; j < 8; j++, dst += 32) {
            const int low = l[j / 2] >> (4 * (j % 2)) & 15, high = (h[0] | h[1] << 8) >> (2 * j) & 3;
            put_codes(dst, vld1q_u8(p + offsetof(wt_block_iq4_xs, qs) + 16 * j), values,
                      d * (float)((low | high << 4) - 32));
        }
    }
}

static void decode_mxfp4(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const int8x16_t values = vld1q_s8(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 32, p += sizeof(wt_block_mxfp4))
        put_codes(dst + i, vld1q_u8(p + offsetof(wt_block_mxfp4, qs)), values, wt_mxfp4_scale(*p));
}

static void decode_nvfp4(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    const int8x16_t values = vld1q_s8(WT_VALUES_FP4);
    for (size_t i = 0; i < n; i += 64, p += sizeof(wt_block_nvfp4)) {
        for (int j = 0; j < 4; j++, dst += 16) { /* runs of 16: low nibbles of 8 bytes, then the high ones */
            const uint8x8_t q = vld1_u8(p + offsetof(wt_block_nvfp4, qs) + 8 * j);
            const uint8x16_t codes = vcombine_u8(vand_u8(q, vdup_n_u8(15)), vshr_n_u8(q, 4));
            put_scaled(dst, vqtbl1q_s8(values, codes), wt_nvfp4_scale(p[j]));
        }
    }
}

void wt_codec_iq4_neon(wt_codec *table) {
    table[WT_IQ4_NL].decode = decode_iq4_nl;
    table[WT_IQ4_XS].decode = decode_iq4_xs;
    table[WT_MXFP4].decode = decode_mxfp4;
    table[WT_NVFP4].decode = decode_nvfp4;
}
