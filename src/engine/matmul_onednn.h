/*
 * The few calls of oneDNN that matrix products need, in a form that hides the difference between its 2.x and 3.x API. A
 * "tile" is the product of WT_TILE_ROWS rows with WT_TILE_COLS columns of a weight matrix over an inner dimension k that is
 * a multiple of WT_TILE_INNER; its kernel is built for one thread. Private to matmul.c. On aarch64 the tiles are our own
 * (matmul_tile_neon.c).
 */
#ifndef WT_ENGINE_MATMUL_ONEDNN_H
#define WT_ENGINE_MATMUL_ONEDNN_H

#include "engine/matmul.h"

/* Inner dimensions are padded to a multiple of this, so that no layout of oneDNN's has padding of its own to zero. */
#define WT_TILE_INNER 32

/* The kernel of one (k, precision): made once per process, never freed, safe to share between threads. */
typedef struct wt_tile wt_tile;

/* Whether bf16 products of oneDNN run on AMX here, which nothing else comes near. */
bool wt_tile_has_amx(void);

/* The kernel for inner dimension k (a multiple of WT_TILE_INNER), made on first use. Call outside parallel regions. */
const wt_tile *wt_tile_get(size_t k, wt_precision precision, wt_error *err);

/* Bytes of one packed block of WT_TILE_COLS columns. */
size_t wt_tile_packed_bytes(const wt_tile *tile);

/*
 * One thread's handles for running a kernel: not to be shared meanwhile. They cost more than a small product to make, so what is
 * given back is kept for the next who takes. NULL where there is no memory; giving NULL back does nothing. Thread-safe.
 */
typedef struct wt_tile_worker wt_tile_worker;
wt_tile_worker *wt_tile_worker_take(const wt_tile *tile);
void wt_tile_worker_give(wt_tile_worker *worker);

/* Packs WT_TILE_COLS rows of W, [WT_TILE_COLS, k] fp32, into `packed` (aligned to WT_ALIGN). 0 or -1. */
int wt_tile_pack(wt_tile_worker *worker, const float *rows, void *packed);

/*
 * out [WT_TILE_ROWS, WT_TILE_COLS] = x [WT_TILE_ROWS, k] times the packed block; x is fp32 or bf16 as the kernel's
 * precision. 0 or -1.
 */
int wt_tile_multiply(wt_tile_worker *worker, const void *x, const void *packed, float *out);

#endif
