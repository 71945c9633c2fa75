/* The blocks of the codebook types as they lie in files; see codec_blocks.h. All hold 256 weights. */
#ifndef WT_QUANT_CODEBOOK_BLOCKS_H
#define WT_QUANT_CODEBOOK_BLOCKS_H

#include "quant/codec_blocks.h"

typedef struct wt_block_iq1_s {
    uint16_t d;
    uint8_t qs[32];
    uint16_t qh[8];
} wt_block_iq1_s;
typedef struct wt_block_iq1_m {
    uint8_t qs[32], qh[16];
    uint16_t scales[4];
} wt_block_iq1_m;
typedef struct wt_block_iq2_xxs {
    uint16_t d, qs[32];
} wt_block_iq2_xxs;
typedef struct wt_block_iq2_xs {
    uint16_t d, qs[32];
    uint8_t scales[8];
} wt_block_iq2_xs;
typedef struct wt_block_iq2_s {
    uint16_t d;
    uint8_t qs[32], signs[32], qh[8], scales[8];
} wt_block_iq2_s;
typedef struct wt_block_iq3_xxs {
    uint16_t d;
    uint8_t qs[64], signs[32];
} wt_block_iq3_xxs;
typedef struct wt_block_iq3_s {
    uint16_t d;
    uint8_t qs[64], qh[8], signs[32], scales[4];
} wt_block_iq3_s;
_Static_assert(sizeof(wt_block_iq1_s) == 50, "packed");
_Static_assert(sizeof(wt_block_iq1_m) == 56, "packed");
_Static_assert(sizeof(wt_block_iq2_xxs) == 66, "packed");
_Static_assert(sizeof(wt_block_iq2_xs) == 74, "packed");
_Static_assert(sizeof(wt_block_iq2_s) == 82, "packed");
_Static_assert(sizeof(wt_block_iq3_xxs) == 98, "packed");
_Static_assert(sizeof(wt_block_iq3_s) == 110, "packed");

/* The half d of an IQ1_M block: the top nibbles of the scales, lowest first. */
static inline uint16_t wt_iq1_m_d(const wt_block_iq1_m *b) {
    return (uint16_t)(b->scales[0] >> 12 | (b->scales[1] >> 12) << 4 | (b->scales[2] >> 12) << 8 |
                      (b->scales[3] >> 12) << 12);
}

#endif
