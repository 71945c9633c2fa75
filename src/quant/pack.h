/*
 * Where the codes of a block's weights lie in its bytes: q holds one code a byte, counted from the format's lowest, in the order of
 * the weights. Shared by encoders and lattice.c.
 */
#ifndef WT_QUANT_PACK_H
#define WT_QUANT_PACK_H

#include <stdint.h>
#include <string.h>

#include "quant/codec_blocks.h"

/* 32 codes: the first half in the low nibbles. */
static inline void wt_pack_nibbles(const uint8_t *q, uint8_t *qs) {
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

/* The fifth bits of 32 codes. */
static inline void wt_pack_fifths(const uint8_t *q, uint8_t *qh) {
    for (int byte = 0; byte < 4; byte++) {
        qh[byte] = 0;
        for (int bit = 0; bit < 8; bit++) qh[byte] |= (uint8_t)((q[8 * byte + bit] >> 4) << bit);
    }
}

/* Two bits of each weight: four shifts of 32 bytes for each half of the block. */
static inline void wt_pack_crumbs(const uint8_t *q, uint8_t *qs) {
    for (int half = 0; half < 2; half++) {
        for (int l = 0; l < 32; l++) {
            const uint8_t *at = q + 128 * half + l;
            qs[32 * half + l] = (uint8_t)((at[0] & 3) | (at[32] & 3) << 2 | (at[64] & 3) << 4 | (at[96] & 3) << 6);
        }
    }
}

/* Runs of 32 in pairs: the even one in the low nibbles. */
static inline void wt_pack_pairs(const uint8_t *q, uint8_t *qs) {
    for (int i = 0; i < 128; i++) {
        const uint8_t *at = q + 64 * (i / 32) + i % 32;
        qs[i] = (uint8_t)((at[0] & 15) | (at[32] & 15) << 4);
    }
}

/* One bit of each of 256 weights, eight runs of 32 bytes above one another. */
static inline void wt_pack_planes(const uint8_t *q, int shift, uint8_t *bits) {
    memset(bits, 0, 32);
    for (int j = 0; j < WT_SUPER; j++) bits[j % 32] |= (uint8_t)(q[j] >> shift << (j / 32));
}

/* Q6_K's four low bits and two high ones. */
static inline void wt_pack_sixths(const uint8_t *q, uint8_t *ql, uint8_t *qh) {
    for (int l = 0; l < 64; l++) {
        const uint8_t *at = q + 128 * (l / 32) + l % 32;
        ql[64 * (l / 32) + l % 32] = (uint8_t)((at[0] & 15) | (at[64] & 15) << 4);
        ql[64 * (l / 32) + l % 32 + 32] = (uint8_t)((at[32] & 15) | (at[96] & 15) << 4);
        qh[l] = (uint8_t)(at[0] >> 4 | at[32] >> 4 << 2 | at[64] >> 4 << 4 | at[96] >> 4 << 6);
    }
}

/* Digits q of `bytes` bytes, most significant first, as the byte whose multiples by 3 show them in turn; missing ones are 0. */
static inline const uint8_t *wt_pack_digits(const uint8_t *q, int bytes, int digits, uint8_t *to) {
    for (int i = 0; i < bytes; i++) {
        unsigned number = 0;
        for (int digit = 0; digit < 5; digit++) number = 3 * number + (digit < digits ? q[digit * bytes + i] : 0);
        to[i] = (uint8_t)((number * 256 + 242) / 243);
    }
    return q + bytes * digits;
}

#endif
