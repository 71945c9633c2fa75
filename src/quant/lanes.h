/*
 * Sixteen floats side by side, in as many registers as the file's instruction set needs: what kernels that stand in one text
 * are written in (encode_kernels_body.h). Every operation rounds each lane by itself and nothing is fused, so that all
 * instruction sets give the same bits.
 */
#ifndef WT_QUANT_LANES_H
#define WT_QUANT_LANES_H

#include <stdbool.h>

#include "quant/encode_kernels.h"

#if defined(__SANITIZE_ADDRESS__) && !defined(__AVX2__) /* checks in all that would be inlined keep gcc busy for an hour */
#define INLINE static __attribute__((noinline, unused))
#else
#define INLINE static inline __attribute__((always_inline))
#endif

#if defined(__AVX512F__)

#include <immintrin.h>

typedef struct lanes {
    __m512 v;
} lanes;
typedef __mmask16 lane_mask;

INLINE lanes lanes_set(float a) { return (lanes){_mm512_set1_ps(a)}; }
INLINE lanes lanes_load(const float *p) { return (lanes){_mm512_loadu_ps(p)}; }
INLINE void lanes_store(float *p, lanes a) { _mm512_storeu_ps(p, a.v); }
INLINE lanes lanes_add(lanes a, lanes b) { return (lanes){_mm512_add_ps(a.v, b.v)}; }
INLINE lanes lanes_sub(lanes a, lanes b) { return (lanes){_mm512_sub_ps(a.v, b.v)}; }
INLINE lanes lanes_mul(lanes a, lanes b) { return (lanes){_mm512_mul_ps(a.v, b.v)}; }
INLINE lanes lanes_div(lanes a, lanes b) { return (lanes){_mm512_div_ps(a.v, b.v)}; }
#define LANES_NEAR 0x1p-13f /* how far lanes_near_inverse, which is of each set its own, may be off, and a little */
INLINE lanes lanes_near_inverse(lanes a) { return (lanes){_mm512_rcp14_ps(a.v)}; }
INLINE lanes lanes_max(lanes a, lanes b) { return (lanes){_mm512_max_ps(a.v, b.v)}; } /* a > b ? a : b */
INLINE lanes lanes_min(lanes a, lanes b) { return (lanes){_mm512_min_ps(a.v, b.v)}; } /* a < b ? a : b */
INLINE lanes lanes_abs(lanes a) { return (lanes){_mm512_abs_ps(a.v)}; }
INLINE lane_mask lanes_above(lanes a, lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ); }
INLINE lanes lanes_select(lane_mask m, lanes a, lanes b) { return (lanes){_mm512_mask_blend_ps(m, b.v, a.v)}; }
INLINE lane_mask lanes_unlike(lanes a, lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_OQ); } /* numbers both */
INLINE lane_mask lanes_both(lane_mask a, lane_mask b) { return _kand_mask16(a, b); }
INLINE lane_mask lanes_either(lane_mask a, lane_mask b) { return _kor_mask16(a, b); }
INLINE bool lanes_any(lane_mask a) { return !_kortestz_mask16_u8(a, a); }
INLINE int lanes_first(lane_mask a) { return __builtin_ctz(a); } /* of a mask that has any */
INLINE unsigned lanes_bits(lane_mask a) { return a; }            /* lane i is bit i */
INLINE float lanes_largest(lanes a) { return _mm512_reduce_max_ps(a.v); }

/* The WT_LANES halves from the one with the bits `first` on: positive, finite. */
INLINE lanes lanes_halves(int first) {
    const __m256i each = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return (lanes){_mm512_cvtph_ps(_mm256_add_epi16(_mm256_set1_epi16((short)first), each))};
}

/* To the nearest integer, ties to even. */
INLINE lanes lanes_round(lanes a) {
    return (lanes){_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

/* The power of two at or below a > 0. */
INLINE lanes lanes_power(lanes a) { return (lanes){_mm512_and_ps(a.v, _mm512_castsi512_ps(_mm512_set1_epi32(0x7f800000)))}; }

/* Whole numbers of a signed byte. */
INLINE void lanes_store_bytes(int8_t *p, lanes a) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}

/* To the nearest half, ties to even; |a| <= 65504. */
INLINE lanes lanes_half(lanes a) {
    return (lanes){_mm512_cvtph_ps(_mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))};
}

/* The bits of halves: of numbers that lanes_half gave. */
INLINE void lanes_store_halves(uint16_t *p, lanes a) {
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a.v, NEAREST));
}

/* Rows become columns. */
INLINE void lanes_transpose(lanes r[WT_LANES]) {
    __m512 a[WT_LANES], b[WT_LANES];
    for (int i = 0; i < 8; i++) {
        a[2 * i] = _mm512_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
        a[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
    }
    for (int i = 0; i < WT_LANES; i += 4) { /* b[i + j]: column j of each four, of rows i to i + 3 */
        for (int j = 0; j < 2; j++) {
            __m512d even = _mm512_castps_pd(a[i + j]), odd = _mm512_castps_pd(a[i + j + 2]);
            b[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(even, odd));
            b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(even, odd));
        }
    }
    for (int j = 0; j < 4; j++) {
        __m512 low[2], high[2]; /* columns j and j + 8, j + 4 and j + 12, of eight rows each */
        for (int half = 0; half < 2; half++) {
            low[half] = _mm512_shuffle_f32x4(b[8 * half + j], b[8 * half + 4 + j], 0x88);
            high[half] = _mm512_shuffle_f32x4(b[8 * half + j], b[8 * half + 4 + j], 0xdd);
        }
        r[j].v = _mm512_shuffle_f32x4(low[0], low[1], 0x88);
        r[j + 8].v = _mm512_shuffle_f32x4(low[0], low[1], 0xdd);
        r[j + 4].v = _mm512_shuffle_f32x4(high[0], high[1], 0x88);
        r[j + 12].v = _mm512_shuffle_f32x4(high[0], high[1], 0xdd);
    }
}

/* table[c] of two tables of WT_CELLS, the second where y is above split[c]; c = 0..WT_CELLS - 1 as a float. */
INLINE lanes lanes_lookup(const wt_cells *t, lanes c, lanes y) {
    __m512i at = _mm512_cvttps_epi32(c.v);
#define PICK(table) _mm512_permutex2var_ps(_mm512_loadu_ps(t->table), at, _mm512_loadu_ps(t->table + 16))
    return lanes_select(lanes_above(y, (lanes){PICK(split)}), (lanes){PICK(above)}, (lanes){PICK(below)});
#undef PICK
}

/* p[at[i]] */
INLINE lanes lanes_gather(const float *p, const int32_t *at) {
    return (lanes){_mm512_i32gather_ps(_mm512_loadu_si512(at), p, 4)};
}

#elif defined(__AVX2__)

#include <immintrin.h>

typedef struct lanes {
    __m256 v[2];
} lanes;
typedef lanes lane_mask;

#define EACH(low, high) ((lanes){{low, high}})
INLINE lanes lanes_set(float a) { return EACH(_mm256_set1_ps(a), _mm256_set1_ps(a)); }
INLINE lanes lanes_load(const float *p) { return EACH(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
INLINE void lanes_store(float *p, lanes a) {
    _mm256_storeu_ps(p, a.v[0]);
    _mm256_storeu_ps(p + 8, a.v[1]);
}
INLINE lanes lanes_add(lanes a, lanes b) { return EACH(_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])); }
INLINE lanes lanes_sub(lanes a, lanes b) { return EACH(_mm256_sub_ps(a.v[0], b.v[0]), _mm256_sub_ps(a.v[1], b.v[1])); }
INLINE lanes lanes_mul(lanes a, lanes b) { return EACH(_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1])); }
INLINE lanes lanes_div(lanes a, lanes b) { return EACH(_mm256_div_ps(a.v[0], b.v[0]), _mm256_div_ps(a.v[1], b.v[1])); }
#define LANES_NEAR 0x1p-11f
INLINE lanes lanes_near_inverse(lanes a) { return EACH(_mm256_rcp_ps(a.v[0]), _mm256_rcp_ps(a.v[1])); }
INLINE lanes lanes_max(lanes a, lanes b) { return EACH(_mm256_max_ps(a.v[0], b.v[0]), _mm256_max_ps(a.v[1], b.v[1])); }
INLINE lanes lanes_min(lanes a, lanes b) { return EACH(_mm256_min_ps(a.v[0], b.v[0]), _mm256_min_ps(a.v[1], b.v[1])); }
INLINE lanes lanes_abs(lanes a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return EACH(_mm256_andnot_ps(sign, a.v[0]), _mm256_andnot_ps(sign, a.v[1]));
}
INLINE lane_mask lanes_above(lanes a, lanes b) {
    return EACH(_mm256_cmp_ps(a.v[0], b.v[0], _CMP_GT_OQ), _mm256_cmp_ps(a.v[1], b.v[1], _CMP_GT_OQ));
}
INLINE lanes lanes_select(lane_mask m, lanes a, lanes b) {
    return EACH(_mm256_blendv_ps(b.v[0], a.v[0], m.v[0]), _mm256_blendv_ps(b.v[1], a.v[1], m.v[1]));
}
INLINE lane_mask lanes_unlike(lanes a, lanes b) {
    return EACH(_mm256_cmp_ps(a.v[0], b.v[0], _CMP_NEQ_OQ), _mm256_cmp_ps(a.v[1], b.v[1], _CMP_NEQ_OQ));
}
INLINE lane_mask lanes_both(lane_mask a, lane_mask b) {
    return EACH(_mm256_and_ps(a.v[0], b.v[0]), _mm256_and_ps(a.v[1], b.v[1]));
}
INLINE lane_mask lanes_either(lane_mask a, lane_mask b) {
    return EACH(_mm256_or_ps(a.v[0], b.v[0]), _mm256_or_ps(a.v[1], b.v[1]));
}
INLINE bool lanes_any(lane_mask a) { return _mm256_movemask_ps(_mm256_or_ps(a.v[0], a.v[1])) != 0; }
INLINE float lanes_largest(lanes a) {
    __m256 v = _mm256_max_ps(a.v[0], a.v[1]);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
INLINE lanes lanes_halves(int first) {
    const __m128i each = _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7);
    return EACH(_mm256_cvtph_ps(_mm_add_epi16(_mm_set1_epi16((short)first), each)),
                _mm256_cvtph_ps(_mm_add_epi16(_mm_set1_epi16((short)(first + 8)), each)));
}
INLINE unsigned lanes_bits(lane_mask a) {
    return (unsigned)_mm256_movemask_ps(a.v[0]) | (unsigned)_mm256_movemask_ps(a.v[1]) << 8;
}
INLINE int lanes_first(lane_mask a) { return __builtin_ctz(lanes_bits(a)); }
INLINE lanes lanes_round(lanes a) {
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    return EACH(_mm256_round_ps(a.v[0], NEAREST), _mm256_round_ps(a.v[1], NEAREST));
}
INLINE lanes lanes_power(lanes a) {
    const __m256 exponent = _mm256_castsi256_ps(_mm256_set1_epi32(0x7f800000));
    return EACH(_mm256_and_ps(a.v[0], exponent), _mm256_and_ps(a.v[1], exponent));
}
INLINE void lanes_store_bytes(int8_t *p, lanes a) {
    __m256i low = _mm256_cvtps_epi32(a.v[0]), high = _mm256_cvtps_epi32(a.v[1]);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
INLINE lanes lanes_half(lanes a) {
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    return EACH(_mm256_cvtph_ps(_mm256_cvtps_ph(a.v[0], NEAREST)), _mm256_cvtph_ps(_mm256_cvtps_ph(a.v[1], NEAREST)));
}
INLINE void lanes_store_halves(uint16_t *p, lanes a) {
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.v[0], NEAREST));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.v[1], NEAREST));
}

/* Eight rows of eight. */
INLINE void transpose_eight(__m256 r[8]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0x44);
            b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0xee);
        }
    }
    for (int j = 0; j < 4; j++) {
        r[j] = _mm256_permute2f128_ps(b[j], b[j + 4], 0x20);
        r[j + 4] = _mm256_permute2f128_ps(b[j], b[j + 4], 0x31);
    }
}
INLINE void lanes_transpose(lanes r[WT_LANES]) {
    __m256 part[2][2][8]; /* of eight rows, eight columns */
    for (int i = 0; i < WT_LANES; i++) {
        for (int half = 0; half < 2; half++) part[i / 8][half][i % 8] = r[i].v[half];
    }
    for (int i = 0; i < 4; i++) transpose_eight(part[i / 2][i % 2]);
    for (int i = 0; i < WT_LANES; i++) {
        for (int half = 0; half < 2; half++) r[i].v[half] = part[half][i / 8][i % 8];
    }
}
INLINE __m256 lookup_half(const wt_cells *t, __m256 c, __m256 y) {
    __m256i at = _mm256_cvttps_epi32(c);
    __m256 above = _mm256_cmp_ps(y, _mm256_i32gather_ps(t->split, at, 4), _CMP_GT_OQ);
    return _mm256_blendv_ps(_mm256_i32gather_ps(t->below, at, 4), _mm256_i32gather_ps(t->above, at, 4), above);
}
INLINE lanes lanes_lookup(const wt_cells *t, lanes c, lanes y) {
    return EACH(lookup_half(t, c.v[0], y.v[0]), lookup_half(t, c.v[1], y.v[1]));
}
INLINE lanes lanes_gather(const float *p, const int32_t *at) {
    return EACH(_mm256_i32gather_ps(p, _mm256_loadu_si256((const __m256i *)at), 4),
                _mm256_i32gather_ps(p, _mm256_loadu_si256((const __m256i *)(at + 8)), 4));
}
#undef EACH

#elif defined(WT_LANES_NEON) /* which aarch64 always has: the including file says that it is not to be plain C */

#include <arm_neon.h>

typedef struct lanes {
    float32x4_t v[4];
} lanes;
typedef struct lane_mask {
    uint32x4_t v[4];
} lane_mask;

#define EACH(type, expression)                                                                                         \
    type r;                                                                                                            \
    for (int i = 0; i < 4; i++) r.v[i] = expression;                                                                   \
    return r
INLINE lanes lanes_set(float a) { EACH(lanes, vdupq_n_f32(a)); }
INLINE lanes lanes_load(const float *p) { EACH(lanes, vld1q_f32(p + 4 * i)); }
INLINE void lanes_store(float *p, lanes a) {
    for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, a.v[i]);
}
INLINE lanes lanes_add(lanes a, lanes b) { EACH(lanes, vaddq_f32(a.v[i], b.v[i])); }
INLINE lanes lanes_sub(lanes a, lanes b) { EACH(lanes, vsubq_f32(a.v[i], b.v[i])); }
INLINE lanes lanes_mul(lanes a, lanes b) { EACH(lanes, vmulq_f32(a.v[i], b.v[i])); }
INLINE lanes lanes_div(lanes a, lanes b) { EACH(lanes, vdivq_f32(a.v[i], b.v[i])); }
#define LANES_NEAR 0x1p-22f
INLINE lanes lanes_near_inverse(lanes a) { EACH(lanes, vdivq_f32(vdupq_n_f32(1.0f), a.v[i])); }
/* By selection: NEON's own maximum and minimum give NaN where one operand is. */
INLINE lanes lanes_max(lanes a, lanes b) { EACH(lanes, vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
INLINE lanes lanes_min(lanes a, lanes b) { EACH(lanes, vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
INLINE lanes lanes_abs(lanes a) { EACH(lanes, vabsq_f32(a.v[i])); }
INLINE lane_mask lanes_above(lanes a, lanes b) { EACH(lane_mask, vcgtq_f32(a.v[i], b.v[i])); }
INLINE lanes lanes_select(lane_mask m, lanes a, lanes b) { EACH(lanes, vbslq_f32(m.v[i], a.v[i], b.v[i])); }
INLINE lane_mask lanes_unlike(lanes a, lanes b) { EACH(lane_mask, vmvnq_u32(vceqq_f32(a.v[i], b.v[i]))); }
INLINE lane_mask lanes_both(lane_mask a, lane_mask b) { EACH(lane_mask, vandq_u32(a.v[i], b.v[i])); }
INLINE lane_mask lanes_either(lane_mask a, lane_mask b) { EACH(lane_mask, vorrq_u32(a.v[i], b.v[i])); }
INLINE bool lanes_any(lane_mask a) {
    return vmaxvq_u32(vorrq_u32(vorrq_u32(a.v[0], a.v[1]), vorrq_u32(a.v[2], a.v[3]))) != 0;
}
INLINE int lanes_first(lane_mask a) {
    uint16x8_t low = vcombine_u16(vmovn_u32(a.v[0]), vmovn_u32(a.v[1]));
    uint16x8_t high = vcombine_u16(vmovn_u32(a.v[2]), vmovn_u32(a.v[3]));
    uint8x16_t bytes = vcombine_u8(vmovn_u16(low), vmovn_u16(high));
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4); /* four bits a lane */
    return __builtin_ctzll(vget_lane_u64(vreinterpret_u64_u8(nibbles), 0)) / 4;
}
INLINE unsigned lanes_bits(lane_mask a) {
    const uint32x4_t each = {1, 2, 4, 8};
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) bits |= vaddvq_u32(vandq_u32(a.v[i], each)) << (4 * i);
    return bits;
}
INLINE float lanes_largest(lanes a) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3])));
}
INLINE float32x4_t halves_from(int first) {
    const uint16x4_t each = {0, 1, 2, 3};
    return vcvt_f32_f16(vreinterpret_f16_u16(vadd_u16(vdup_n_u16((uint16_t)first), each)));
}
INLINE lanes lanes_halves(int first) { EACH(lanes, halves_from(first + 4 * i)); }
INLINE lanes lanes_round(lanes a) { EACH(lanes, vrndnq_f32(a.v[i])); }
INLINE lanes lanes_power(lanes a) {
    const uint32x4_t exponent = vdupq_n_u32(0x7f800000u);
    EACH(lanes, vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.v[i]), exponent)));
}
INLINE void lanes_store_bytes(int8_t *p, lanes a) {
    int16x4_t q[4];
    for (int i = 0; i < 4; i++) q[i] = vmovn_s32(vcvtq_s32_f32(a.v[i]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(vcombine_s16(q[0], q[1])), vmovn_s16(vcombine_s16(q[2], q[3]))));
}
INLINE lanes lanes_half(lanes a) { EACH(lanes, vcvt_f32_f16(vcvt_f16_f32(a.v[i]))); }

INLINE void lanes_store_halves(uint16_t *p, lanes a) {
    for (int i = 0; i < 4; i++) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}

/* Columns 4 c to 4 c + 3 of the rows from 4 k on, as rows. */
INLINE void transpose_four(const lanes r[WT_LANES], int k, int c, lanes out[WT_LANES]) {
    float32x4x2_t even = vtrnq_f32(r[4 * k].v[c], r[4 * k + 1].v[c]);
    float32x4x2_t odd = vtrnq_f32(r[4 * k + 2].v[c], r[4 * k + 3].v[c]);
    for (int j = 0; j < 2; j++) {
        out[4 * c + j].v[k] = vcombine_f32(vget_low_f32(even.val[j]), vget_low_f32(odd.val[j]));
        out[4 * c + 2 + j].v[k] = vcombine_f32(vget_high_f32(even.val[j]), vget_high_f32(odd.val[j]));
    }
}
INLINE void lanes_transpose(lanes r[WT_LANES]) {
    lanes out[WT_LANES];
    for (int i = 0; i < WT_LANES; i++) transpose_four(r, i / 4, i % 4, out);
    for (int i = 0; i < WT_LANES; i++) r[i] = out[i];
}

/* Four of the WT_CELLS floats at p, by the indices of their bytes: a lookup sees 64 bytes and leaves what lies outside. */
INLINE float32x4_t lookup_four(const float *p, uint8x16_t bytes) {
    const uint8_t *first = (const uint8_t *)p, *second = first + 64;
    uint8x16x4_t low = {{vld1q_u8(first), vld1q_u8(first + 16), vld1q_u8(first + 32), vld1q_u8(first + 48)}};
    uint8x16x4_t high = {{vld1q_u8(second), vld1q_u8(second + 16), vld1q_u8(second + 32), vld1q_u8(second + 48)}};
    return vreinterpretq_f32_u8(vqtbx4q_u8(vqtbl4q_u8(low, bytes), high, vsubq_u8(bytes, vdupq_n_u8(64))));
}
INLINE float32x4_t lookup_cells(const wt_cells *t, float32x4_t c, float32x4_t y) {
    uint32x4_t at = vmulq_n_u32(vcvtq_u32_f32(c), 0x04040404u); /* 4 c in every byte, and 0..3 */
    uint8x16_t bytes = vreinterpretq_u8_u32(vaddq_u32(at, vdupq_n_u32(0x03020100u)));
    uint32x4_t above = vcgtq_f32(y, lookup_four(t->split, bytes));
    return vbslq_f32(above, lookup_four(t->above, bytes), lookup_four(t->below, bytes));
}
INLINE lanes lanes_lookup(const wt_cells *t, lanes c, lanes y) { EACH(lanes, lookup_cells(t, c.v[i], y.v[i])); }

INLINE lanes lanes_gather(const float *p, const int32_t *at) {
    float r[WT_LANES];
    for (int i = 0; i < WT_LANES; i++) r[i] = p[at[i]];
    return lanes_load(r);
}
#undef EACH

#else /* plain C, of which a compiler makes what it can */

#include <math.h>
#include <string.h>

typedef struct lanes {
    float v[WT_LANES];
} lanes;
typedef struct lane_mask {
    int32_t v[WT_LANES];
} lane_mask;

#define EACH(type, expression)                                                                                         \
    type r;                                                                                                            \
    for (int i = 0; i < WT_LANES; i++) r.v[i] = expression;                                                            \
    return r
INLINE lanes lanes_set(float a) { EACH(lanes, a); }
INLINE lanes lanes_load(const float *p) {
    lanes r;
    memcpy(&r, p, sizeof r);
    return r;
}
INLINE void lanes_store(float *p, lanes a) { memcpy(p, &a, sizeof a); }
INLINE lanes lanes_add(lanes a, lanes b) { EACH(lanes, a.v[i] + b.v[i]); }
INLINE lanes lanes_sub(lanes a, lanes b) { EACH(lanes, a.v[i] - b.v[i]); }
INLINE lanes lanes_mul(lanes a, lanes b) { EACH(lanes, a.v[i] * b.v[i]); }
INLINE lanes lanes_div(lanes a, lanes b) { EACH(lanes, a.v[i] / b.v[i]); }
#define LANES_NEAR 0x1p-22f
INLINE lanes lanes_near_inverse(lanes a) { EACH(lanes, 1.0f / a.v[i]); }
INLINE lanes lanes_max(lanes a, lanes b) { EACH(lanes, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
INLINE lanes lanes_min(lanes a, lanes b) { EACH(lanes, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
INLINE lanes lanes_abs(lanes a) { EACH(lanes, fabsf(a.v[i])); }
INLINE lane_mask lanes_above(lanes a, lanes b) { EACH(lane_mask, -(a.v[i] > b.v[i])); }
INLINE lanes lanes_select(lane_mask m, lanes a, lanes b) { EACH(lanes, m.v[i] ? a.v[i] : b.v[i]); }
INLINE lane_mask lanes_unlike(lanes a, lanes b) { EACH(lane_mask, -(a.v[i] != b.v[i])); }
INLINE lane_mask lanes_both(lane_mask a, lane_mask b) { EACH(lane_mask, a.v[i] & b.v[i]); }
INLINE lane_mask lanes_either(lane_mask a, lane_mask b) { EACH(lane_mask, a.v[i] | b.v[i]); }
INLINE bool lanes_any(lane_mask a) {
    int32_t any = 0;
    for (int i = 0; i < WT_LANES; i++) any |= a.v[i];
    return any != 0;
}
INLINE unsigned lanes_bits(lane_mask a) {
    unsigned bits = 0;
    for (int i = 0; i < WT_LANES; i++) bits |= (unsigned)(a.v[i] != 0) << i;
    return bits;
}
INLINE float lanes_largest(lanes a) {
    float most = a.v[0];
    for (int i = 1; i < WT_LANES; i++) most = a.v[i] > most ? a.v[i] : most;
    return most;
}
INLINE lanes lanes_halves(int first) {
    lanes r;
    for (int i = 0; i < WT_LANES; i++) {
        uint32_t bits = ((uint32_t)(first + i) << 13) + ((127 - 15) << 23);
        memcpy(&r.v[i], &bits, sizeof bits);
        if (first + i < 0x400) r.v[i] = (float)(first + i) * 0x1p-24f;
    }
    return r;
}
INLINE int lanes_first(lane_mask a) {
    int i = 0;
    while (!a.v[i]) i++;
    return i;
}
INLINE lanes lanes_round(lanes a) { EACH(lanes, (a.v[i] + WT_ROUNDER) - WT_ROUNDER); }
INLINE lanes lanes_power(lanes a) {
    for (int i = 0; i < WT_LANES; i++) {
        uint32_t bits;
        memcpy(&bits, &a.v[i], sizeof bits);
        bits &= 0x7f800000;
        memcpy(&a.v[i], &bits, sizeof bits);
    }
    return a;
}
INLINE void lanes_store_bytes(int8_t *p, lanes a) {
    for (int i = 0; i < WT_LANES; i++) p[i] = (int8_t)(int)a.v[i];
}
INLINE lanes lanes_half(lanes a) {
    for (int i = 0; i < WT_LANES; i++) {
        float magnitude = fabsf(a.v[i]), normal;
        uint32_t bits;
        memcpy(&bits, &magnitude, sizeof bits);
        bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
        memcpy(&normal, &bits, sizeof normal);
        float small = (magnitude + 0.5f) - 0.5f; /* below 2^-14 the steps are 2^-24 */
        a.v[i] = copysignf(magnitude < 0x1p-14f ? small : normal, a.v[i]);
    }
    return a;
}
INLINE void lanes_store_halves(uint16_t *p, lanes a) {
    for (int i = 0; i < WT_LANES; i++) {
        float magnitude = fabsf(a.v[i]);
        uint32_t bits, sign;
        memcpy(&sign, &a.v[i], sizeof sign);
        memcpy(&bits, &magnitude, sizeof bits);
        bits = magnitude < 0x1p-14f ? (uint32_t)(magnitude * 0x1p24f) : (bits >> 13) - ((127 - 15) << 10);
        p[i] = (uint16_t)(bits | (sign >> 16 & 0x8000));
    }
}
INLINE void lanes_transpose(lanes r[WT_LANES]) {
    for (int i = 0; i < WT_LANES; i++) {
        for (int j = 0; j < i; j++) {
            float other = r[i].v[j];
            r[i].v[j] = r[j].v[i];
            r[j].v[i] = other;
        }
    }
}
INLINE lanes lanes_lookup(const wt_cells *t, lanes c, lanes y) {
    lanes r;
    for (int i = 0; i < WT_LANES; i++) {
        int at = (int)c.v[i];
        r.v[i] = y.v[i] > t->split[at] ? t->above[at] : t->below[at];
    }
    return r;
}
INLINE lanes lanes_gather(const float *p, const int32_t *at) { EACH(lanes, p[at[i]]); }
#undef EACH

#endif

#endif
