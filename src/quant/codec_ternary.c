/* Types of one to two bits: signs, four values, and three values packed in base 3 (TQ1_0) or two bits (TQ2_0). */
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static void decode_q1_0(const void *src, float *dst, size_t n) {
    wt_block_q1_0 b;
    for (size_t i = 0; i < n / 128; i++, dst += 128) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 128; j++) dst[j] = b.qs[j / 8] >> (j % 8) & 1 ? d : -d;
    }
}

static void decode_q2_0(const void *src, float *dst, size_t n) {
    wt_block_q2_0 b;
    for (size_t i = 0; i < n / 64; i++, dst += 64) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 64; j++) dst[j] = d * (float)((b.qs[j / 4] >> (2 * (j % 4)) & 3) - 1);
    }
}

/* `digits` digits of each of `bytes` bytes, the first of all bytes before the second of all; returns where dst is then. */
static float *decode_digits(const uint8_t *from, int bytes, int digits, float d, float *dst) {
    unsigned power = 1;
    for (int digit = 0; digit < digits; digit++, power *= 3) {
        for (int i = 0; i < bytes; i++) *dst++ = d * (float)((int)((from[i] * power & 255) * 3 >> 8) - 1);
    }
    return dst;
}

static void decode_tq1_0(const void *src, float *dst, size_t n) {
    wt_block_tq1_0 b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        dst = decode_digits(b.qs, 32, 5, d, dst);
        dst = decode_digits(b.qs + 32, 16, 5, d, dst);
        dst = decode_digits(b.qh, 4, 4, d, dst);
    }
}

static void decode_tq2_0(const void *src, float *dst, size_t n) {
    wt_block_tq2_0 b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < WT_SUPER; j++) {
            int q = b.qs[32 * (j / 128) + j % 32] >> (2 * (j / 32 % 4)) & 3;
            *dst++ = d * (float)(q - 1);
        }
    }
}

void wt_codec_ternary(wt_codec *table) {
    table[WT_Q1_0].decode = decode_q1_0;
    table[WT_Q2_0].decode = decode_q2_0;
    table[WT_TQ1_0].decode = decode_tq1_0;
    table[WT_TQ2_0].decode = decode_tq2_0;
}
