/* 16-bit floats for NEON, whose conversions of halves every aarch64 processor has. */
#include <arm_neon.h>
#include <string.h>

#include "quant/codec_families.h"

static void decode_f16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(p + 2 * i));
        vst1q_f32(dst + i, vcvt_f32_f16(vget_low_f16(halves)));
        vst1q_f32(dst + i + 4, vcvt_high_f32_f16(halves));
    }
    for (; i < n; i++) dst[i] = wt_half_to_float((uint16_t)(p[2 * i] | p[2 * i + 1] << 8));
}

static void decode_bf16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint16x8_t upper = vreinterpretq_u16_u8(vld1q_u8(p + 2 * i));
        vst1q_f32(dst + i, vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(upper), 16)));
        vst1q_f32(dst + i + 4, vreinterpretq_f32_u32(vshll_high_n_u16(upper, 16)));
    }
    for (; i < n; i++) {
        uint32_t bits = (uint32_t)p[2 * i] << 16 | (uint32_t)p[2 * i + 1] << 24;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

void wt_codec_float_neon(wt_codec *table) {
    table[WT_F16].decode = decode_f16;
    table[WT_BF16].decode = decode_bf16;
}
