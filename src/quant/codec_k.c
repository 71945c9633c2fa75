/* The K types: super-blocks of 256 weights, whose sub-blocks have quantized scales (and minima) of their own. */
#include <string.h>

#include "quant/codec_families.h"

#define SUPER 256

typedef struct { uint8_t scales[16], qs[64]; uint16_t d, dmin; } block_q2_k;
typedef struct { uint8_t hmask[32], qs[64], scales[12]; uint16_t d; } block_q3_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12], qs[128]; } block_q4_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12], qh[32], qs[128]; } block_q5_k;
typedef struct { uint8_t ql[128], qh[64]; int8_t scales[16]; uint16_t d; } block_q6_k;
_Static_assert(sizeof(block_q2_k) == 84, "packed");
_Static_assert(sizeof(block_q3_k) == 110, "packed");
_Static_assert(sizeof(block_q4_k) == 144, "packed");
_Static_assert(sizeof(block_q5_k) == 176, "packed");
_Static_assert(sizeof(block_q6_k) == 210, "packed");

WT_INLINE void q2_k_body(const void *src, float *dst, size_t n) {
    block_q2_k b;
    for (size_t i = 0; i < n / SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
        /* Runs of 16: in each half of 128, by shift, then by half of the 32 bytes. */
        for (int run = 0; run < 16; run++, dst += 16) {
            const uint8_t *q = b.qs + run / 8 * 32 + run % 2 * 16;
            int shift = run / 2 % 4 * 2;
            float scale = d * (float)(b.scales[run] & 15), min = dmin * (float)(b.scales[run] >> 4);
            for (int j = 0; j < 16; j++) dst[j] = scale * (float)(q[j] >> shift & 3) - min;
        }
    }
}

WT_INLINE void q3_k_body(const void *src, float *dst, size_t n) {
    block_q3_k b;
    for (size_t i = 0; i < n / SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int run = 0; run < 16; run++, dst += 16) {
            int low = run < 8 ? b.scales[run] & 15 : b.scales[run - 8] >> 4;
            int high = b.scales[8 + run % 4] >> (2 * (run / 4)) & 3;
            float scale = d * (float)((low | high << 4) - 32);
            const uint8_t *q = b.qs + run / 8 * 32 + run % 2 * 16, *h = b.hmask + run % 2 * 16;
            int shift = run / 2 % 4 * 2, bit = run / 2;
            for (int j = 0; j < 16; j++) dst[j] = scale * (float)((q[j] >> shift & 3) - ((h[j] >> bit & 1) ? 0 : 4));
        }
    }
}

/* The 6-bit scale and minimum of sub-block j, packed in 12 bytes. */
WT_INLINE void scale_min(const uint8_t *s, int j, int *scale, int *min) {
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

WT_INLINE void q4_k_body(const void *src, float *dst, size_t n) {
    block_q4_k b;
    for (size_t i = 0; i < n / SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
        for (int run = 0; run < 8; run++, dst += 32) {
            int scale, min;
            scale_min(b.scales, run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            const uint8_t *q = b.qs + run / 2 * 32;
            int shift = run % 2 * 4;
            for (int j = 0; j < 32; j++) dst[j] = ds * (float)(q[j] >> shift & 15) - dm;
        }
    }
}

WT_INLINE void q5_k_body(const void *src, float *dst, size_t n) {
    block_q5_k b;
    for (size_t i = 0; i < n / SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
        for (int run = 0; run < 8; run++, dst += 32) {
            int scale, min;
            scale_min(b.scales, run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            const uint8_t *q = b.qs + run / 2 * 32;
            int shift = run % 2 * 4;
            for (int j = 0; j < 32; j++)
                dst[j] = ds * (float)((q[j] >> shift & 15) | (b.qh[j] >> run & 1) << 4) - dm;
        }
    }
}

WT_INLINE void q6_k_body(const void *src, float *dst, size_t n) {
    block_q6_k b;
    for (size_t i = 0; i < n / SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int half = 0; half < 2; half++) {
            for (int run = 0; run < 4; run++, dst += 32) {
                const uint8_t *ql = b.ql + half * 64 + run % 2 * 32, *qh = b.qh + half * 32;
                const int8_t *s = b.scales + half * 8 + run * 2;
                int shift = run / 2 * 4;
                float scales[2] = {d * (float)s[0], d * (float)s[1]};
                for (int j = 0; j < 32; j++)
                    dst[j] = scales[j / 16] * (float)(((ql[j] >> shift & 15) | (qh[j] >> (2 * run) & 3) << 4) - 32);
            }
        }
    }
}

#define VARIANT(suffix, target)                                                                                        \
    target static void q2_k_##suffix(const void *src, float *dst, size_t n) { q2_k_body(src, dst, n); }               \
    target static void q3_k_##suffix(const void *src, float *dst, size_t n) { q3_k_body(src, dst, n); }               \
    target static void q4_k_##suffix(const void *src, float *dst, size_t n) { q4_k_body(src, dst, n); }               \
    target static void q5_k_##suffix(const void *src, float *dst, size_t n) { q5_k_body(src, dst, n); }               \
    target static void q6_k_##suffix(const void *src, float *dst, size_t n) { q6_k_body(src, dst, n); }               \
    static void fill_##suffix(wt_codec *table) {                                                                       \
        table[WT_Q2_K].decode = q2_k_##suffix;                                                                         \
        table[WT_Q3_K].decode = q3_k_##suffix;                                                                         \
        table[WT_Q4_K].decode = q4_k_##suffix;                                                                         \
        table[WT_Q5_K].decode = q5_k_##suffix;                                                                         \
        table[WT_Q6_K].decode = q6_k_##suffix;                                                                         \
    }

VARIANT(reference, )
#if defined(__x86_64__)
VARIANT(avx2, __attribute__((target("avx2"))))
#endif

void wt_codec_k(wt_codec *table) {
    fill_reference(table);
#if defined(__x86_64__)
    if (wt_codec_wants("avx2")) fill_avx2(table);
#endif
}
