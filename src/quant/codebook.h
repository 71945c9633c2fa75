/*
 * A block of a codebook type (IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S), group by group: what error
 * feedback needs. First the scales of 256 weights are chosen as the encoder chooses them, then the weights come a group
 * at a time, changed by what rounding the groups before left over, and get the nearest values that the block can still
 * hold; last the block is written.
 *
 *     wt_codebook_block b;
 *     wt_codebook_scales(type, x, w, NULL, &b);
 *     for (size_t at = 0; at < 256; at += wt_codebook_group(type))    (any order)
 *         wt_codebook_choose(&b, at, wt_codebook_group(type), target + at, w + at, q);
 *     wt_codebook_pack(&b, dst);
 */
#ifndef WT_QUANT_CODEBOOK_H
#define WT_QUANT_CODEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quant/encode.h"

/* Filled by wt_codebook_scales; plain data, the caller's. */
typedef struct wt_codebook_block {
    wt_type type;
    uint16_t d;        /* half precision */
    uint8_t k[16];     /* the integer scale of each run of 16 or 32 weights is 2 k + 1 */
    uint8_t signs[32]; /* of each 8 weights; bit set: minus */
    uint16_t rows[64]; /* of each group; IQ1: the delta is taken away where bit 11 is set */
    uint64_t chosen;   /* groups that wt_codebook_choose was called for */
} wt_codebook_block;

/* Weights that share a row of the type's book: 8, or 4 for IQ3; 0 for types that are no codebook types. */
size_t wt_codebook_group(wt_type type);

/*
 * Chooses the scales of x [256] with importance w [256] (NULL: all 1; finite, >= 0) and every code as wt_encode does
 * with the same arguments: packed at once, the block has wt_encode's bytes. No group counts as chosen yet. `search`
 * NULL: the default.
 */
void wt_codebook_scales(wt_type type, const float *x, const float *w, const wt_search *search, wt_codebook_block *b);

/* What weight `at` of the block is multiplied by: d, its run's scale and the type's unit; 0 where the block is all zero. */
float wt_codebook_scale(const wt_codebook_block *b, size_t at);

/* Weights of the type's blocks that share a scale: 16 or 32. Only for codebook types. */
size_t wt_codebook_run(wt_type type);

/* Gives the run of weight `at` the nearest scale that the block can hold with its d; wt_codebook_scale tells which. Codes stay. */
void wt_codebook_set_scale(wt_codebook_block *b, size_t at, float scale);

/*
 * Chooses the codes of the n weights from `at` on so that sum w[i] (x[i] - q[i])^2 is least under the block's scales,
 * and puts their values into q [n], bit for bit as they will be decoded. x, w, q [n] are the group's own, w NULL or all
 * 0: all 1. Returns the sum. `at` and n are multiples of the group's size, n is one group, or 8 where a group has 4
 * (the better of both orders is found). Exact: every row of the book is considered, and every choice of signs that the
 * format has.
 *
 * IQ2_XXS and IQ2_XS hold an even number of minus signs in 8 weights, which choosing keeps. So does IQ3_XXS, but in two
 * groups: chosen alone, the first of the two to come has its signs free, and the second makes their number even. IQ1_S:
 * the sign of the delta is shared by 32 weights and remains what wt_codebook_scales chose.
 */
double wt_codebook_choose(wt_codebook_block *b, size_t at, size_t n, const float *x, const float *w, float *q);

/* The values of all 256 weights as they stand, q [256]. */
void wt_codebook_values(const wt_codebook_block *b, float *q);

/* Writes the block's bytes, one block of wt_type_find(type)->block_bytes, at any alignment. */
void wt_codebook_pack(const wt_codebook_block *b, void *dst);

#endif
