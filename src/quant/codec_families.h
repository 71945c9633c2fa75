/* What the families share: their entries, and reading scales. */
#ifndef WT_QUANT_CODEC_FAMILIES_H
#define WT_QUANT_CODEC_FAMILIES_H

#include "quant/codec.h"

/* Each fills its rows of a table of WT_TYPE_LIMIT. */
void wt_codec_float(wt_codec *table);    /* F32, F16, BF16 */
void wt_codec_legacy(wt_codec *table);   /* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 */
void wt_codec_k(wt_codec *table);        /* Q2_K to Q6_K */
void wt_codec_iq4(wt_codec *table);      /* IQ4_NL, IQ4_XS, MXFP4, NVFP4 */
void wt_codec_ternary(wt_codec *table);  /* Q1_0, Q2_0, TQ1_0, TQ2_0 */
void wt_codec_codebook(wt_codec *table); /* IQ1, IQ2, IQ3 */

/* Variants: called after the plain ones, on processors of their level. */
void wt_codec_float_avx2(wt_codec *table);
void wt_codec_blocks_avx2(wt_codec *table); /* legacy, K, IQ4, ternary */
void wt_codec_codebook_avx2(wt_codec *table);
void wt_codec_float_avx512(wt_codec *table);
void wt_codec_blocks_avx512(wt_codec *table); /* as above */
void wt_codec_float_neon(wt_codec *table);
void wt_codec_blocks_neon(wt_codec *table); /* legacy, IQ4 */
void wt_codec_k_neon(wt_codec *table);

/* The scale that byte d of NVFP4 stands for: half of an E4M3, 0 for 0x7f; the sign does not count. */
static inline float wt_nvfp4_scale(uint8_t d) {
    const uint32_t exponent = d >> 3 & 15, mantissa = d & 7;
    union {
        uint32_t u;
        float f;
    } normal = {.u = (exponent + 119) << 23 | mantissa << 20}; /* (8 + mantissa) 2^(exponent - 11) */
    if (d == 0x7f) return 0.0f;
    return exponent == 0 ? (float)mantissa * 0x1p-10f : normal.f;
}

/* The scale that byte e of MXFP4 stands for: 2^(e - 128), below the least normal number for 0 and 1. */
static inline float wt_mxfp4_scale(uint8_t e) {
    union {
        uint32_t u;
        float f;
    } out = {.u = e > 1 ? (uint32_t)(e - 1) << 23 : 0x200000u << e};
    return out.f;
}

/* IEEE half to float, exact; NaN keeps its payload. */
static inline float wt_half_to_float(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } out, smallest = {.u = 113u << 23};
    uint32_t rest = (uint32_t)(h & 0x7fff) << 13, exponent = rest & (0x7c00u << 13);
    out.u = rest + ((127 - 15) << 23);
    if (exponent == 0x7c00u << 13) {
        out.u += (128 - 16) << 23; /* infinity or NaN */
    } else if (exponent == 0) {
        out.u += 1 << 23; /* zero or subnormal: let a float subtraction renormalise */
        out.f -= smallest.f;
    }
    out.u |= (uint32_t)(h & 0x8000) << 16;
    return out.f;
}

#endif
