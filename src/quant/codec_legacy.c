/* The block types of 32 weights in plain C. Blocks are copied out first: they lie at any alignment. */
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

static void decode_q4_0(const void *src, float *dst, size_t n) {
    wt_block_q4_0 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)((b.qs[j] & 15) - 8);
            dst[j + 16] = d * (float)((b.qs[j] >> 4) - 8);
        }
    }
}

static void decode_q4_1(const void *src, float *dst, size_t n) {
    wt_block_q4_1 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d), m = wt_half_to_float(b.m);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)(b.qs[j] & 15) + m;
            dst[j + 16] = d * (float)(b.qs[j] >> 4) + m;
        }
    }
}

static void decode_q5_0(const void *src, float *dst, size_t n) {
    wt_block_q5_0 b;
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

static void decode_q5_1(const void *src, float *dst, size_t n) {
    wt_block_q5_1 b;
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

static void decode_q8_0(const void *src, float *dst, size_t n) {
    wt_block_q8_0 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 32; j++) dst[j] = d * (float)b.qs[j];
    }
}

void wt_codec_legacy(wt_codec *table) {
    table[WT_Q4_0].decode = decode_q4_0;
    table[WT_Q4_1].decode = decode_q4_1;
    table[WT_Q5_0].decode = decode_q5_0;
    table[WT_Q5_1].decode = decode_q5_1;
    table[WT_Q8_0].decode = decode_q8_0;
}
