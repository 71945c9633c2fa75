/*
 * The forward pass. Rows (one per token) go through a layer together, so that each weight matrix is decoded once per
 * batch: memory is the mapped file, one matrix in fp32, and the activations of a batch.
 */
#ifndef WT_ENGINE_FORWARD_H
#define WT_ENGINE_FORWARD_H

#include "engine/matmul.h"
#include "model/model.h"

typedef struct wt_engine wt_engine;

/*
 * Sees the input x [rows, cols] of every matrix of the model just before it is multiplied; `role`, `layer` say which (the
 * matrices that share an input are called with the same pointer one after another). The head counts as
 * WT_ROLE_OUTPUT, layer -1. Called from one thread. For calibration statistics.
 */
typedef struct wt_tap {
    void (*input)(void *user, wt_role role, int layer, const float *x, size_t rows, size_t cols);
    void *user;
} wt_tap;

/*
 * Asked between any two matrices of a run, from the calling thread; non-zero ends the run, which fails with
 * WT_ERR_INTERRUPTED: a batch of a large model takes minutes. A NULL `asked`: nobody wants to stop it.
 */
typedef struct wt_stop {
    int (*asked)(void *user);
    void *user;
} wt_stop;

typedef struct wt_engine_options {
    wt_precision precision;
    size_t resident_bytes; /* packed matrices are kept up to this many bytes between calls; 0: one at a time */
    const wt_tap *tap;     /* NULL: none */
    wt_stop stop;
    double parallel_flops; /* work per layer below which one thread does it all; 0: the default; results do not change */
    wt_activations activations; /* what the inputs of matrices are rounded to, and gemma's GELU; 0: nothing */
    wt_type cache_k, cache_v; /* what keys and values are rounded through (engine/cache_form.h); 0: F32, nothing */
    size_t context;        /* tokens a sequence may have: chooses long or short rope factors. 0: the short ones */
} wt_engine_options;

/*
 * Prepares to run `model` (which must outlive the engine). `options` may be NULL. An engine runs one call at a time; it
 * uses all threads (base/threads.h).
 */
wt_engine *wt_engine_open(const wt_model *model, const wt_engine_options *options, wt_error *err);
void wt_engine_close(wt_engine *engine);

const wt_model *wt_engine_model(const wt_engine *engine);

/* Keys and values of earlier positions, for generation: `sequences` of up to `context` positions each. */
typedef struct wt_kv_cache wt_kv_cache;
wt_kv_cache *wt_kv_cache_new(const wt_engine *engine, size_t sequences, size_t context, wt_error *err);
void wt_kv_cache_free(wt_kv_cache *cache);

/* One call's work: sequences stand one after another; row r of `hidden` belongs to the r-th token. */
typedef struct wt_batch {
    const int32_t *tokens;  /* [sum of lengths]; not read where first_block > 0 */
    const size_t *lengths;  /* [sequences], tokens of each */
    size_t sequences;
    uint32_t first_block;   /* 0: from the tokens; k: `hidden` holds the input of block k */
    uint32_t last_block;    /* stop before this one; WT_ALL_BLOCKS: run them all */
    wt_kv_cache *cache;     /* NULL: sequences start at position 0 and nothing is kept. Else each goes on at its end */
} wt_batch;

#define WT_ALL_BLOCKS UINT32_MAX

/*
 * Runs blocks first_block .. last_block-1. `hidden` [rows, width] is the residual stream: input where first_block > 0,
 * always output (before the final norm). Token ids outside the vocabulary fail. A run that fails leaves `hidden`
 * undefined and the cache's sequences as long as they were.
 */
int wt_engine_run(wt_engine *engine, const wt_batch *batch, float *hidden, wt_error *err);

/* y [rows, width] = the final norm of hidden [rows, width]; y may be hidden. */
void wt_engine_final_norm(const wt_engine *engine, const float *hidden, size_t rows, float *y);

/*
 * logits [rows, vocab] from the states after the final norm x [rows, width], soft cap included. The head is packed piece by
 * piece on every call, unless resident_bytes holds it: call it with many rows.
 */
int wt_engine_logits(wt_engine *engine, const float *x, size_t rows, float *logits, wt_error *err);

/*
 * The same for the `count` tokens from `first` on: logits [rows, count]. For callers that go through a large vocabulary
 * in pieces; pieces that start at a multiple of WT_TILE_COLS give the bits of the whole.
 */
int wt_engine_logits_range(wt_engine *engine, const float *x, size_t rows, size_t first, size_t count, float *logits,
                           wt_error *err);

/* Multiply-adds times two of one run of `rows` tokens through all blocks, matrices only; for benchmarks. */
double wt_engine_block_flops(const wt_engine *engine, size_t rows);

#endif
