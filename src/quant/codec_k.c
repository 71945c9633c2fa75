/* The K types in plain C. Blocks are copied out first: they lie at any alignment. */
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static void decode_q2_k(const void *src, float *dst, size_t n) {
    wt_block_q2_k b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
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

static void decode_q3_k(const void *src, float *dst, size_t n) {
    wt_block_q3_k b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int run = 0; run < 16; run++, dst += 16) {
            float scale = d * (float)wt_q3_k_scale(b.scales, run);
            const uint8_t *q = b.qs + run / 8 * 32 + run % 2 * 16, *h = b.hmask + run % 2 * 16;
            int shift = run / 2 % 4 * 2, bit = run / 2;
            for (int j = 0; j < 16; j++) dst[j] = scale * (float)((q[j] >> shift & 3) - ((h[j] >> bit & 1) ? 0 : 4));
        }
    }
}

static void decode_q4_k(const void *src, float *dst, size_t n) {
    wt_block_q4_k b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
        for (int run = 0; run < 8; run++, dst += 32) {
            int scale, min;
            wt_q4_k_scale(b.scales, run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            const uint8_t *q = b.qs + run / 2 * 32;
            int shift = run % 2 * 4;
            for (int j = 0; j < 32; j++) dst[j] = ds * (float)(q[j] >> shift & 15) - dm;
        }
    }
}

static void decode_q5_k(const void *src, float *dst, size_t n) {
    wt_block_q5_k b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
        for (int run = 0; run < 8; run++, dst += 32) {
            int scale, min;
            wt_q4_k_scale(b.scales, run, &scale, &min);
            float ds = d * (float)scale, dm = dmin * (float)min;
            const uint8_t *q = b.qs + run / 2 * 32;
            int shift = run % 2 * 4;
            for (int j = 0; j < 32; j++) dst[j] = ds * (float)((q[j] >> shift & 15) | (b.qh[j] >> run & 1) << 4) - dm;
        }
    }
}

static void decode_q6_k(const void *src, float *dst, size_t n) {
    wt_block_q6_k b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
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

void wt_codec_k(wt_codec *table) {
    table[WT_Q2_K].decode = decode_q2_k;
    table[WT_Q3_K].decode = decode_q3_k;
    table[WT_Q4_K].decode = decode_q4_k;
    table[WT_Q5_K].decode = decode_q5_k;
    table[WT_Q6_K].decode = decode_q6_k;
}
