/*
 * One vector register of floats, as wide as the file's instruction set has: what program_body.h is written in. Every
 * operation rounds each lane by itself and nothing is fused, so that all widths give the same bits; vec_add_square
 * alone, which is for bounds, may round once or twice. The operators + - * / & | are the compiler's own on vector
 * types.
 */
#ifndef WT_STRATEGY_PROGRAM_LANES_H
#define WT_STRATEGY_PROGRAM_LANES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#include <immintrin.h>

enum { WIDTH = 16 };
typedef __m512 vec;
typedef int32_t ivec __attribute__((vector_size(64)));
typedef __mmask16 mask;

INLINE vec vec_set(float a) { return _mm512_set1_ps(a); }
INLINE vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
INLINE vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
INLINE vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
INLINE vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE mask mask_lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE mask mask_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
INLINE mask mask_eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INLINE vec vec_pick(mask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); }
INLINE bool mask_all(mask m) { return m == UINT16_MAX; }
INLINE vec vec_add_square(vec sum, vec a) { return _mm512_fmadd_ps(a, a, sum); }

#elif defined(__AVX2__)

#include <immintrin.h>

enum { WIDTH = 8 };
typedef __m256 vec;
typedef int32_t ivec __attribute__((vector_size(32)));
typedef __m256 mask;

INLINE vec vec_set(float a) { return _mm256_set1_ps(a); }
INLINE vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
INLINE vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
INLINE vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
INLINE vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
INLINE mask mask_lt(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
INLINE mask mask_le(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
INLINE mask mask_eq(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
INLINE vec vec_pick(mask m, vec a, vec b) { return _mm256_blendv_ps(b, a, m); }
INLINE bool mask_all(mask m) { return _mm256_movemask_ps(m) == UINT8_MAX; }
INLINE vec vec_add_square(vec sum, vec a) { return _mm256_fmadd_ps(a, a, sum); }

#else /* four floats, of which a compiler makes what the machine has */

enum { WIDTH = 4 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t ivec __attribute__((vector_size(16)));
typedef ivec mask;

INLINE vec vec_set(float a) { return (vec){a, a, a, a}; }
INLINE vec vec_load(const float *p) {
    vec r;
    memcpy(&r, p, sizeof r);
    return r;
}
INLINE void vec_store(float *p, vec a) { memcpy(p, &a, sizeof a); }
INLINE vec vec_sqrt(vec a) { return (vec){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
INLINE mask mask_lt(vec a, vec b) { return a < b; }
INLINE mask mask_le(vec a, vec b) { return a <= b; }
INLINE mask mask_eq(vec a, vec b) { return a == b; }
INLINE vec vec_pick(mask m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }
INLINE bool mask_all(mask m) { return (m[0] & m[1] & m[2] & m[3]) != 0; }
INLINE vec vec_add_square(vec sum, vec a) { return sum + a * a; }
#if defined(__SSE__)
#include <xmmintrin.h>
INLINE vec vec_min(vec a, vec b) { return _mm_min_ps(a, b); }
INLINE vec vec_max(vec a, vec b) { return _mm_max_ps(a, b); }
#else
INLINE vec vec_min(vec a, vec b) { return vec_pick(a < b, a, b); }
INLINE vec vec_max(vec a, vec b) { return vec_pick(a > b, a, b); }
#endif

#endif

INLINE ivec ivec_set(int32_t a) { return (ivec){0} + a; }
INLINE ivec ivec_load(const float *p) { return (ivec)vec_load(p); }
INLINE vec vec_abs(vec a) { return (vec)((ivec)a & ivec_set(INT32_MAX)); }
INLINE vec vec_neg(vec a) { return (vec)((ivec)a ^ ivec_set(INT32_MIN)); }
INLINE vec vec_within(vec a, float bound) { return vec_max(vec_min(a, vec_set(bound)), vec_set(-bound)); }

#endif
