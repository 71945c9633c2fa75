/*
 * What the block codecs for AVX2 and for AVX-512 share: codes are brought to bytes, 16 or 32 a register, and 16 at a
 * time widened to floats, by AVX-512 in one register and by AVX2 in two. Scaling is a multiplication and, apart from
 * it, an addition or subtraction, as in the plain variants.
 */
#ifndef WT_QUANT_CODEC_X86_H
#define WT_QUANT_CODEC_X86_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m128i bytes16;

static inline __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
static inline __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

/* The half at p, of any alignment. */
static inline float half_at(const uint8_t *p) { return _cvtsh_ss((unsigned short)(p[0] | p[1] << 8)); }

/* The 32 bits at p, of any alignment. */
static inline uint32_t word_at(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __m128i low_nibbles(__m128i v) { return _mm_and_si128(v, _mm_set1_epi8(15)); }
static inline __m128i high_nibbles(__m128i v) { return low_nibbles(_mm_srli_epi16(v, 4)); }

/* The low nibbles of the 8 bytes at p, then the high ones. */
static inline __m128i nibbles_of_8(const uint8_t *p) {
    const __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return low_nibbles(_mm_unpacklo_epi64(q, _mm_srli_epi16(q, 4)));
}

/* Byte j is 16 where bit j of the two bytes at p is set, else 0. */
static inline __m128i fifth_bits(const uint8_t *p) {
    const __m128i bit = _mm_set1_epi64x((long long)0x8040201008040201ull);
    __m128i v = _mm_unpacklo_epi64(_mm_set1_epi8((char)p[0]), _mm_set1_epi8((char)p[1]));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(v, bit), bit), _mm_set1_epi8(16));
}

static inline __m128i either(__m128i a, __m128i b) { return _mm_or_si128(a, b); }

/* Unsigned codes less `offset`. */
static inline __m128i lowered(__m128i codes, uint8_t offset) {
    return _mm_sub_epi8(codes, _mm_set1_epi8((char)offset));
}

/* The signed values that codes 0 to 15 stand for. */
static inline __m128i look_up(__m128i values, __m128i codes) { return _mm_shuffle_epi8(values, codes); }

static inline __m256 floats8(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }
static inline __m128i upper8(__m128i codes) { return _mm_unpackhi_epi64(codes, codes); }

#ifdef __AVX512F__

static inline __m512 floats16(__m128i codes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)); }

/* 16 weights d q. */
static inline void put_scaled(float *dst, __m128i codes, float d) {
    _mm512_storeu_ps(dst, _mm512_mul_ps(_mm512_set1_ps(d), floats16(codes)));
}

/* 16 weights d q + m. */
static inline void put_raised(float *dst, __m128i codes, float d, float m) {
    _mm512_storeu_ps(dst, _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(d), floats16(codes)), _mm512_set1_ps(m)));
}

/* 16 weights d q - m. */
static inline void put_lowered(float *dst, __m128i codes, float d, float m) {
    _mm512_storeu_ps(dst, _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(d), floats16(codes)), _mm512_set1_ps(m)));
}

#else

static inline void put_scaled(float *dst, __m128i codes, float d) {
    const __m256 dd = _mm256_set1_ps(d);
    _mm256_storeu_ps(dst, _mm256_mul_ps(dd, floats8(codes)));
    _mm256_storeu_ps(dst + 8, _mm256_mul_ps(dd, floats8(upper8(codes))));
}

static inline void put_raised(float *dst, __m128i codes, float d, float m) {
    const __m256 dd = _mm256_set1_ps(d), mm = _mm256_set1_ps(m);
    _mm256_storeu_ps(dst, _mm256_add_ps(_mm256_mul_ps(dd, floats8(codes)), mm));
    _mm256_storeu_ps(dst + 8, _mm256_add_ps(_mm256_mul_ps(dd, floats8(upper8(codes))), mm));
}

static inline void put_lowered(float *dst, __m128i codes, float d, float m) {
    const __m256 dd = _mm256_set1_ps(d), mm = _mm256_set1_ps(m);
    _mm256_storeu_ps(dst, _mm256_sub_ps(_mm256_mul_ps(dd, floats8(codes)), mm));
    _mm256_storeu_ps(dst + 8, _mm256_sub_ps(_mm256_mul_ps(dd, floats8(upper8(codes))), mm));
}

#endif

#endif
