/*
 * Products of bf16 factors with sums in fp32, for processors with AVX512_BF16: oneDNN's spend longer on packing, calls and
 * copies than on products where matrices are small. Every element of a result is one chain of additions over the inner
 * dimension, two products a step, whatever its row, its column and what is computed beside it: so results do not depend on
 * how rows are grouped. What is too small for a normal float counts as 0, as the instructions have it.
 */
#ifndef WT_ENGINE_MATMUL_BF16_H
#define WT_ENGINE_MATMUL_BF16_H

#include <stdint.h>

#include "engine/matmul.h"

/* Elements of a packed block of WT_TILE_COLS columns over the inner dimension k: [ceil(k / 2)][WT_TILE_COLS][2]. */
#define WT_BF16_BLOCK(k) (((k) + 1) / 2 * 2 * WT_TILE_COLS)

typedef struct wt_bf16_products {
    /* Packs a block from its columns: n <= WT_TILE_COLS rows of k floats, `ld` apart. Zeros fill the block. */
    void (*pack_columns)(const float *columns, size_t ld, size_t n, size_t k, uint16_t *packed);

    /* The same from its rows: k rows of n <= WT_TILE_COLS floats, `ld` apart. */
    void (*pack_rows)(const float *rows, size_t ld, size_t n, size_t k, uint16_t *packed);

    /*
     * y [rows, cols] (rows `ldy` apart) from x [rows, k] (bf16, rows `ldx` apart; k is even) times the first
     * cols <= WT_TILE_COLS columns of a packed block; bias [cols] or NULL.
     */
    void (*multiply)(size_t rows, size_t cols, size_t k, const uint16_t *x, size_t ldx, const uint16_t *packed,
                     const float *bias, wt_store store, float *y, size_t ldy);
} wt_bf16_products;

/* The one there is, on x86-64; ask wt_bf16_products_get. */
extern const wt_bf16_products wt_bf16_products_avx512;

/* NULL where this processor lacks the instructions or WT_KERNELS forbids them (base/cpu.h). */
const wt_bf16_products *wt_bf16_products_get(void);

#endif
