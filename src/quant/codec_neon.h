/*
 * What the block codecs for NEON share: codes are brought to bytes, 16 a register, then widened to floats. Scaling is a
 * multiplication and, apart from it, an addition or subtraction, as in the plain variants.
 */
#ifndef WT_QUANT_CODEC_NEON_H
#define WT_QUANT_CODEC_NEON_H

#include <arm_neon.h>
#include <string.h>

/* The half at p, of any alignment. */
static inline float half_at(const uint8_t *p) {
    __fp16 half;
    memcpy(&half, p, sizeof half);
    return half;
}

typedef uint8x16_t bytes16;

static inline uint8x16_t load16(const uint8_t *p) { return vld1q_u8(p); }

static inline uint8x16_t low_nibbles(uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(15)); }
static inline uint8x16_t high_nibbles(uint8x16_t v) { return vshrq_n_u8(v, 4); }

/* The low nibbles of the 8 bytes at p, then the high ones. */
static inline uint8x16_t nibbles_of_8(const uint8_t *p) {
    const uint8x8_t q = vld1_u8(p);
    return vcombine_u8(vand_u8(q, vdup_n_u8(15)), vshr_n_u8(q, 4));
}

/* Byte j is 16 where bit j of the two bytes at p is set, else 0. */
static inline uint8x16_t fifth_bits(const uint8_t *p) {
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    return vandq_u8(vtstq_u8(vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1])), bit), vdupq_n_u8(16));
}

static inline uint8x16_t either(uint8x16_t a, uint8x16_t b) { return vorrq_u8(a, b); }

/* The signed values that codes 0 to 15 stand for. */
static inline int8x16_t look_up(uint8x16_t values, uint8x16_t codes) {
    return vreinterpretq_s8_u8(vqtbl1q_u8(values, codes));
}

/* The bits `mask` of every byte, shifted down first. */
static inline uint8x16_t bits(uint8x16_t v, int shift, uint8_t mask) {
    return vandq_u8(vshlq_u8(v, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(mask));
}

/* Unsigned codes less `offset`. */
static inline int8x16_t lowered(uint8x16_t codes, uint8_t offset) {
    return vreinterpretq_s8_u8(vsubq_u8(codes, vdupq_n_u8(offset)));
}

/* 16 codes as floats. */
static inline float32x4x4_t floats_of(int8x16_t codes) {
    int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_high_s8(codes);
    return (float32x4x4_t){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                            vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
}

/* 16 weights d q. */
static inline void put_scaled(float *dst, int8x16_t codes, float d) {
    float32x4x4_t q = floats_of(codes);
    for (int i = 0; i < 4; i++) vst1q_f32(dst + 4 * i, vmulq_n_f32(q.val[i], d));
}

/* 16 weights d q + m. */
static inline void put_raised(float *dst, uint8x16_t codes, float d, float m) {
    float32x4x4_t q = floats_of(vreinterpretq_s8_u8(codes));
    for (int i = 0; i < 4; i++) vst1q_f32(dst + 4 * i, vaddq_f32(vmulq_n_f32(q.val[i], d), vdupq_n_f32(m)));
}

/* 16 weights d q - m. */
static inline void put_lowered(float *dst, uint8x16_t codes, float d, float m) {
    float32x4x4_t q = floats_of(vreinterpretq_s8_u8(codes));
    for (int i = 0; i < 4; i++) vst1q_f32(dst + 4 * i, vsubq_f32(vmulq_n_f32(q.val[i], d), vdupq_n_f32(m)));
}

#endif
