/* Floats of 32 and 16 bits: blocks of one weight. */
#include <string.h>

#include "quant/codec_families.h"

float wt_f16_to_f32(uint16_t h) { return wt_half_to_float(h); }

uint16_t wt_f32_to_f16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff)); /* NaN, made quiet */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds to 65536 or more */
    if (magnitude < 0x38800000) {                                  /* subnormal half: adding 0.5 aligns and rounds */
        union {
            float f;
            uint32_t u;
        } v = {.u = magnitude}, half = {.u = 126u << 23};
        v.f += half.f;
        return (uint16_t)(sign | (v.u - half.u));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude + ((uint32_t)(15 - 127) << 23) + 0xfff + odd) >> 13));
}

static void decode_f32(const void *src, float *dst, size_t n) { memcpy(dst, src, n * sizeof *dst); }

static void decode_f16(const void *src, float *dst, size_t n) {
    const unsigned char *p = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        dst[i] = wt_half_to_float(h);
    }
}

static void decode_bf16(const void *src, float *dst, size_t n) {
    const unsigned char *p = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        uint32_t bits = (uint32_t)h << 16;
        memcpy(dst + i, &bits, 4);
    }
}

void wt_codec_float(wt_codec *table) {
    table[WT_F32].decode = decode_f32;
    table[WT_F16].decode = decode_f16;
    table[WT_BF16].decode = decode_bf16;
}
