/*
 * What becomes of keys and values in a cache of 16-bit floats or blocks, as llama.cpp's -ctk and -ctv have it. Where a
 * type has blocks and heads are a multiple of 64 wide, llama.cpp first rotates by an orthonormal Walsh-Hadamard matrix, so that
 * no channel stands out: keys and queries alike, whose products stay the same; values too, whose weighted sums
 * are rotated back.
 */
#ifndef WT_ENGINE_CACHE_FORM_H
#define WT_ENGINE_CACHE_FORM_H

#include "base/error.h"
#include "engine/activations.h"

typedef struct wt_cache_form {
    size_t head_dim;
    wt_rounding key, value, query;
    size_t key_rotation, value_rotation; /* elements that a rotation mixes; 0: none */
    /*
     * Floats of a key as it is multiplied: head_dim, or with blocks that have minima those minima besides, which meet what
     * the query's sums have in excess (wt_q8_1_excess).
     */
    size_t key_dim;
} wt_cache_form;

/*
 * The form of a cache with keys of type `k` and values of type `v`, for heads of `head_dim`. With WT_ACTIVATIONS_Q8 queries are
 * rounded for their products with the keys as llama.cpp rounds them. Fails where llama.cpp has no such cache.
 */
int wt_cache_form_init(wt_cache_form *form, wt_type k, wt_type v, wt_activations activations, size_t head_dim,
                       wt_error *err);

/*
 * One head of a row, after rope, [head_dim], in its form: `out` is [key_dim] for queries and keys, [head_dim] for values. The
 * source may be overwritten. Thread-safe.
 */
void wt_cache_form_query(const wt_cache_form *form, float *query, float *out);
void wt_cache_form_key(const wt_cache_form *form, float *key, float *out);
void wt_cache_form_value(const wt_cache_form *form, float *value, float *out);

/* A head's result of attention, [head_dim], in place: turns back what values were rotated by. */
void wt_cache_form_result(const wt_cache_form *form, float *result);

#endif
