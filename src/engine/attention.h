/*
 * Causal attention over keys and values that lie head by head in padded rows. Queries are taken in tiles that are
 * aligned to absolute positions, and a tile's products have a shape that its position alone decides: so a row's
 * result is the same bits whether its sequence is run at once, piece by piece through a cache, or beside others.
 *
 * In bf16, both products (queries and keys, probabilities and values) round their factors and go through matmul_bf16.h;
 * scores and the softmax stay in fp32.
 */
#ifndef WT_ENGINE_ATTENTION_H
#define WT_ENGINE_ATTENTION_H

#include <stdint.h>

#include "base/error.h"
#include "engine/cache_form.h"
#include "model/arch.h"

/* Query rows per tile; key and value stores are padded to a multiple of it. */
#define WT_ATTENTION_TILE 64

/*
 * Keys and values of one layer: [sequences][n_kv_heads][capacity][key_dim of the cache's form, and head_dim]; rows that
 * hold nothing are finite.
 */
typedef struct wt_kv_store {
    float *keys, *values;
    size_t capacity; /* positions, a multiple of WT_ATTENTION_TILE */
} wt_kv_store;

/* Where a sequence's rows are in a batch. */
typedef struct wt_span {
    size_t row;    /* first row of the batch */
    size_t count;  /* rows */
    size_t start;  /* position of the first row; the store holds the positions before it */
} wt_span;

/*
 * A layer's keys and values as products in bf16 want them. All zero is an empty one; its storage serves from one call to
 * the next and belongs to wt_kv_packed_release.
 */
typedef struct wt_kv_packed {
    uint16_t *data;
    size_t capacity;
} wt_kv_packed;

void wt_kv_packed_release(wt_kv_packed *packed);

/*
 * out [rows, n_heads * head_dim] from queries of the same shape (after rope); the keys and values of the batch's own rows
 * are in the store already, in the form that queries get here and results lose. Overwrites the queries. With `packed`,
 * which needs wt_bf16_products_get, products are in bf16; NULL: in fp32. In parallel over sequences, heads and tiles.
 */
int wt_attention(const wt_hparams *hp, const wt_cache_form *form, bool windowed, const wt_kv_store *store,
                 wt_kv_packed *packed, const wt_span *spans, size_t sequences, float *queries, float *out,
                 wt_error *err);

#endif
