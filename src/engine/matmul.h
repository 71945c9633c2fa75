/*
 * Matrix products: what stands between the engine and oneDNN (its 2.x and its 3.x API).
 *
 * A product is cut into tiles of WT_TILE_ROWS x WT_TILE_COLS over the whole inner dimension; remainders are padded with
 * zeros; each tile is one single-threaded oneDNN call of one shape. In bf16 the tiles are our own (matmul_bf16.h), except
 * where there is AMX. So a row's result depends neither on the number of threads, nor on which or how many rows stand
 * beside it.
 */
#ifndef WT_ENGINE_MATMUL_H
#define WT_ENGINE_MATMUL_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/activations.h"
#include "model/types.h"

#define WT_TILE_ROWS 32
#define WT_TILE_COLS 64

typedef enum wt_precision {
    WT_PRECISION_F32,
    WT_PRECISION_BF16, /* both factors of a product are rounded to bf16, sums stay in fp32 */
} wt_precision;

/* Whether this processor multiplies bf16 natively: AVX512_BF16, which all that have AMX have too. */
int wt_matmul_has_bf16(void);

/* A matrix W [n, k] in the blocked layout of the tiles, ready to multiply. */
typedef struct wt_packed wt_packed;

/*
 * Decodes a weight matrix [n, k] of block type `type`, rows one after another at `data`, and packs it, in parallel. NULL
 * and `err` on failure (no decoder, out of memory). Reuses the storage of `reuse` (may be NULL; consumed) where it
 * fits, so that a loop over layers allocates once.
 */
wt_packed *wt_pack(wt_type type, const void *data, size_t n, size_t k, wt_precision precision, wt_packed *reuse,
                   wt_error *err);
void wt_packed_free(wt_packed *packed);

/*
 * Also packs the minima of the same weights, a block type that has one per 32: what products after WT_ROUND_Q8_1 need. Does
 * nothing where they are packed already.
 */
int wt_pack_minima(wt_packed *packed, wt_type type, const void *data, wt_error *err);

size_t wt_packed_bytes(const wt_packed *packed);

/* What happens to a tile's results on their way to y. */
typedef enum wt_store {
    WT_STORE,      /* y = x W^T + bias */
    WT_STORE_ADD,  /* y += x W^T + bias */
} wt_store;

/*
 * Rows that one or several matrices are multiplied with: rounded, padded and converted to the precision of the product
 * once for all of them. All zero is an empty one; its storage serves from one wt_input_set to the next and belongs to
 * wt_input_release.
 */
typedef struct wt_input {
    const float *x;          /* [rows, k] */
    size_t rows, k;
    /* Private: what has been made ready. */
    bool ready;
    wt_precision precision;
    wt_rounding rounding;
    const unsigned char *in_place; /* whole tiles that are read from x as they are; NULL: none */
    size_t first_copied;           /* number of the first tile in `copied` */
    size_t tile_bytes, capacity;
    unsigned char *copied;
    float *excess;                 /* [rows, k / 32] of WT_ROUND_Q8_1 */
} wt_input;

/* Takes x [rows, k] (contiguous rows), which must not change or go away before the last product with it. */
void wt_input_set(wt_input *input, const float *x, size_t rows, size_t k);
void wt_input_release(wt_input *input);

/*
 * y[r, 0..n-1] (rows `ldy` floats apart) from the rows of `input`, whose k is w's, after `rounding`; bias [n] or NULL. Products
 * that share an input and follow one another with the same rounding prepare it once. WT_ROUND_Q8_1 is for weights whose
 * minima are packed. In parallel; not to be called from
 * a parallel region.
 */
int wt_matmul_input(wt_input *input, wt_rounding rounding, const wt_packed *w, const float *bias, wt_store store,
                    float *y, size_t ldy, wt_error *err);

/* The same for x [rows, k] that meets one matrix only, without rounding. */
int wt_matmul(const float *x, size_t rows, const wt_packed *w, const float *bias, wt_store store, float *y, size_t ldy,
              wt_error *err);

/*
 * One small product on the calling thread, for attention: C [m, n] = alpha * A [m, k] * op(B), where B is [n, k] (transposed, as
 * keys are) or [k, n] (as values are). Leading dimensions in floats. Callers keep m, n, k a function of the position
 * alone. Safe inside and outside parallel regions.
 */
int wt_gemm(bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
            size_t ldb, float *c, size_t ldc);

#endif
