/* The block types of 32 weights with one scale, or a scale and a minimum. Formats: docs/formats of ggml, see codec.h. */
#include <string.h>

#include "quant/codec_families.h"

typedef struct { uint16_t d; uint8_t qs[16]; } block_q4_0;
typedef struct { uint16_t d, m; uint8_t qs[16]; } block_q4_1;
typedef struct { uint16_t d; uint8_t qh[4], qs[16]; } block_q5_0;
typedef struct { uint16_t d, m; uint8_t qh[4], qs[16]; } block_q5_1;
typedef struct { uint16_t d; int8_t qs[32]; } block_q8_0;
_Static_assert(sizeof(block_q4_0) == 18, "packed");
_Static_assert(sizeof(block_q4_1) == 20, "packed");
_Static_assert(sizeof(block_q5_0) == 22, "packed");
_Static_assert(sizeof(block_q5_1) == 24, "packed");
_Static_assert(sizeof(block_q8_0) == 34, "packed");

/* Blocks are copied out first: they lie at any alignment. */
WT_INLINE void q4_0_body(const void *src, float *dst, size_t n) {
    block_q4_0 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((b.qs[j] & 15) - 8);
            dst[j + 16] = d * (float)((b.qs[j] >> 4) - 8);
        }
    }
}

WT_INLINE void q4_1_body(const void *src, float *dst, size_t n) {
    block_q4_1 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), m = wt_half_to_float(b.m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)(b.qs[j] & 15) + m;
            dst[j + 16] = d * (float)(b.qs[j] >> 4) + m;
        }
    }
}

WT_INLINE void q5_0_body(const void *src, float *dst, size_t n) {
    block_q5_0 b;
    uint32_t high;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        memcpy(&high, b.qh, 4);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((int)((b.qs[j] & 15u) | (high >> j & 1) << 4) - 16);
            dst[j + 16] = d * (float)((int)((unsigned)(b.qs[j] >> 4) | (high >> (j + 16) & 1) << 4) - 16);
        }
    }
}

WT_INLINE void q5_1_body(const void *src, float *dst, size_t n) {
    block_q5_1 b;
    uint32_t high;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        memcpy(&high, b.qh, 4);
        float d = wt_half_to_float(b.d), m = wt_half_to_float(b.m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((b.qs[j] & 15u) | (high >> j & 1) << 4) + m;
            dst[j + 16] = d * (float)((unsigned)(b.qs[j] >> 4) | (high >> (j + 16) & 1) << 4) + m;
        }
    }
}

WT_INLINE void q8_0_body(const void *src, float *dst, size_t n) {
    block_q8_0 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)b.qs[j];
    }
}

#define VARIANT(suffix, target)                                                                                        \
    target static void q4_0_##suffix(const void *src, float *dst, size_t n) { q4_0_body(src, dst, n); }               \
    target static void q4_1_##suffix(const void *src, float *dst, size_t n) { q4_1_body(src, dst, n); }               \
    target static void q5_0_##suffix(const void *src, float *dst, size_t n) { q5_0_body(src, dst, n); }               \
    target static void q5_1_##suffix(const void *src, float *dst, size_t n) { q5_1_body(src, dst, n); }               \
    target static void q8_0_##suffix(const void *src, float *dst, size_t n) { q8_0_body(src, dst, n); }               \
    static void fill_##suffix(wt_codec *table) {                                                                       \
        table[WT_Q4_0].decode = q4_0_##suffix;                                                                         \
        table[WT_Q4_1].decode = q4_1_##suffix;                                                                         \
        table[WT_Q5_0].decode = q5_0_##suffix;                                                                         \
        table[WT_Q5_1].decode = q5_1_##suffix;                                                                         \
        table[WT_Q8_0].decode = q8_0_##suffix;                                                                         \
    }

VARIANT(reference, )
#if defined(__x86_64__)
VARIANT(avx2, __attribute__((target("avx2"))))
#endif

void wt_codec_legacy(wt_codec *table) {
    fill_reference(table);
#if defined(__x86_64__)
    if (wt_codec_wants("avx2")) fill_avx2(table);
#endif
}
