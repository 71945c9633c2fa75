/*
 * The blocks as they lie in files, little-endian, without padding and at any alignment: read them with memcpy or with
 * loads that do not care. d and dmin (or m) are halves.
 */
#ifndef WT_QUANT_CODEC_BLOCKS_H
#define WT_QUANT_CODEC_BLOCKS_H

#include <stdint.h>

/* ---- 32 weights with a scale d, or d and a minimum m; weight j is the low nibble of qs[j], j + 16 the high ---- */

typedef struct wt_block_q4_0 {
    uint16_t d;
    uint8_t qs[16];
} wt_block_q4_0; /* d (q - 8) */
typedef struct wt_block_q4_1 {
    uint16_t d, m;
    uint8_t qs[16];
} wt_block_q4_1; /* d q + m */
typedef struct wt_block_q5_0 {
    uint16_t d;
    uint8_t qh[4], qs[16];
} wt_block_q5_0; /* d (q - 16); fifth bits in qh */
typedef struct wt_block_q5_1 {
    uint16_t d, m;
    uint8_t qh[4], qs[16];
} wt_block_q5_1;
typedef struct wt_block_q8_0 {
    uint16_t d;
    int8_t qs[32];
} wt_block_q8_0; /* d q */
_Static_assert(sizeof(wt_block_q4_0) == 18, "packed");
_Static_assert(sizeof(wt_block_q4_1) == 20, "packed");
_Static_assert(sizeof(wt_block_q5_0) == 22, "packed");
_Static_assert(sizeof(wt_block_q5_1) == 24, "packed");
_Static_assert(sizeof(wt_block_q8_0) == 34, "packed");

/* ---- the K types: 256 weights in runs of 16 or 32 that have quantized scales (and minima) of their own ---- */

#define WT_SUPER 256

typedef struct wt_block_q2_k {
    uint8_t scales[16], qs[64];
    uint16_t d, dmin;
} wt_block_q2_k;
typedef struct wt_block_q3_k {
    uint8_t hmask[32], qs[64], scales[12];
    uint16_t d;
} wt_block_q3_k;
typedef struct wt_block_q4_k {
    uint16_t d, dmin;
    uint8_t scales[12], qs[128];
} wt_block_q4_k;
typedef struct wt_block_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12], qh[32], qs[128];
} wt_block_q5_k;
typedef struct wt_block_q6_k {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint16_t d;
} wt_block_q6_k;
_Static_assert(sizeof(wt_block_q2_k) == 84, "packed");
_Static_assert(sizeof(wt_block_q3_k) == 110, "packed");
_Static_assert(sizeof(wt_block_q4_k) == 144, "packed");
_Static_assert(sizeof(wt_block_q5_k) == 176, "packed");
_Static_assert(sizeof(wt_block_q6_k) == 210, "packed");

/* ---- codes that index a table of values; 32 weights lie as in the types above ---- */

typedef struct wt_block_iq4_nl {
    uint16_t d;
    uint8_t qs[16];
} wt_block_iq4_nl;
typedef struct wt_block_iq4_xs {
    uint16_t d, scales_h;
    uint8_t scales_l[4], qs[128];
} wt_block_iq4_xs; /* runs of 32 */
typedef struct wt_block_mxfp4 {
    uint8_t e, qs[16];
} wt_block_mxfp4; /* 2^(e - 128) */
typedef struct wt_block_nvfp4 {
    uint8_t d[4], qs[32];
} wt_block_nvfp4; /* four runs of 16; half of an E4M3 each */
_Static_assert(sizeof(wt_block_iq4_nl) == 18, "packed");
_Static_assert(sizeof(wt_block_iq4_xs) == 136, "packed");
_Static_assert(sizeof(wt_block_mxfp4) == 17, "packed");
_Static_assert(sizeof(wt_block_nvfp4) == 36, "packed");

/* The values that 4-bit codes stand for: IQ4's, and E2M1 doubled (MXFP4, NVFP4). */
extern const int8_t WT_VALUES_IQ4[16], WT_VALUES_FP4[16];

/* ---- one and two bits, and base 3 ---- */

typedef struct wt_block_q1_0 {
    uint16_t d;
    uint8_t qs[16];
} wt_block_q1_0; /* 128 weights: d where the bit is set, -d where not */
typedef struct wt_block_q2_0 {
    uint16_t d;
    uint8_t qs[16];
} wt_block_q2_0; /* 64 weights, d (q - 1) */
typedef struct wt_block_tq1_0 {
    uint8_t qs[48], qh[4];
    uint16_t d;
} wt_block_tq1_0; /* 256 weights, d (digit - 1); five digits a byte, four in qh */
typedef struct wt_block_tq2_0 {
    uint8_t qs[64];
    uint16_t d;
} wt_block_tq2_0; /* 256 weights, d (q - 1) */
_Static_assert(sizeof(wt_block_q1_0) == 18, "packed");
_Static_assert(sizeof(wt_block_q2_0) == 18, "packed");
_Static_assert(sizeof(wt_block_tq1_0) == 54, "packed");
_Static_assert(sizeof(wt_block_tq2_0) == 66, "packed");

/* The signed 6-bit scale of run j (of 16) of a Q3_K block. */
static inline int wt_q3_k_scale(const uint8_t *s, int j) {
    int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4, high = s[8 + j % 4] >> (2 * (j / 4)) & 3;
    return (low | high << 4) - 32;
}

/* The 6-bit scale and minimum of run j (of 8) of a Q4_K or Q5_K block. */
static inline void wt_q4_k_scale(const uint8_t *s, int j, int *scale, int *min) {
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

#endif
