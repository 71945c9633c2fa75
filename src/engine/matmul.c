/* Cutting matrix products into tiles of one shape, in parallel. The tiles themselves are matmul_onednn.c's. */
#include "engine/matmul.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/matmul_onednn.h"
#include "quant/codec.h"

/* Row tiles that one task multiplies with one block of columns, which stays in the cache meanwhile. */
#define TASK_ROW_TILES 16

struct wt_packed {
    size_t n, k, padded_k, blocks; /* blocks of WT_TILE_COLS rows of W */
    wt_precision precision;
    const wt_tile *tile;
    size_t capacity;               /* bytes at data */
    unsigned char *data;           /* [blocks][tile bytes] */
};

int wt_matmul_has_bf16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

void wt_packed_free(wt_packed *packed) {
    if (!packed) return;
    free(packed->data);
    free(packed);
}

size_t wt_packed_bytes(const wt_packed *packed) { return packed->capacity; }

/* Decodes rows r0.. of W into rows [WT_TILE_COLS, padded_k]; what lies beyond W is zero. */
static void decode_block(const wt_packed *p, wt_type type, const unsigned char *data, size_t row_bytes, size_t r0,
                         float *rows) {
    wt_decode_fn decode = wt_codec_of(type)->decode;
    for (size_t r = 0; r < WT_TILE_COLS; r++) {
        float *row = rows + r * p->padded_k;
        size_t filled = 0;
        if (r0 + r < p->n) {
            decode(data + (r0 + r) * row_bytes, row, p->k);
            filled = p->k;
        }
        memset(row + filled, 0, (p->padded_k - filled) * sizeof *row);
    }
}

/* Storage for a packed [n, k], from `reuse` where that is large enough. */
static wt_packed *packed_prepare(size_t n, size_t k, wt_precision precision, wt_packed *reuse, wt_error *err) {
    wt_packed *p = reuse ? reuse : wt_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->n = n;
    p->k = k;
    p->padded_k = (k + WT_TILE_INNER - 1) / WT_TILE_INNER * WT_TILE_INNER;
    p->blocks = (n + WT_TILE_COLS - 1) / WT_TILE_COLS;
    p->precision = precision;
    size_t bytes;
    if (!(p->tile = wt_tile_get(p->padded_k, precision, err))) goto fail;
    if (!wt_mul_size(p->blocks, wt_tile_packed_bytes(p->tile), &bytes)) {
        wt_fail_memory(err, SIZE_MAX);
        goto fail;
    }
    if (bytes > p->capacity) {
        free(p->data);
        p->capacity = 0;
        if (!(p->data = wt_alloc_aligned(bytes, 1, err))) goto fail;
        p->capacity = bytes;
    }
    return p;
fail:
    wt_packed_free(p);
    return NULL;
}

wt_packed *wt_pack(wt_type type, const void *data, size_t n, size_t k, wt_precision precision, wt_packed *reuse,
                   wt_error *err) {
    const wt_type_info *info = wt_type_find(type);
    uint64_t row_bytes;
    if (!info || !wt_codec_of(type)->decode || !wt_type_row_bytes(type, k, &row_bytes)) {
        wt_packed_free(reuse);
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot decode rows of %zu weights of type %s", k,
                info ? info->name : "unknown");
        return NULL;
    }
    wt_packed *p = packed_prepare(n, k, precision, reuse, err);
    if (!p) return NULL;
    size_t tile_bytes = wt_tile_packed_bytes(p->tile);
    int failed = 0;
#pragma omp parallel
    {
        wt_tile_worker *worker = wt_tile_worker_new(p->tile);
        float *rows = wt_alloc_aligned(WT_TILE_COLS * p->padded_k, sizeof *rows, NULL);
        int ok = worker && rows;
#pragma omp for schedule(dynamic, 1)
        for (size_t b = 0; b < p->blocks; b++) {
            if (!ok) continue;
            decode_block(p, type, data, row_bytes, b * WT_TILE_COLS, rows);
            if (wt_tile_pack(worker, rows, p->data + b * tile_bytes) != 0) ok = 0;
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        wt_tile_worker_free(worker);
        free(rows);
    }
    if (failed) {
        wt_fail_memory(err, p->padded_k * WT_TILE_COLS * sizeof(float));
        wt_packed_free(p);
        return NULL;
    }
    return p;
}

/* Rounds to nearest even; NaN becomes a quiet NaN. Without branches, so that the compiler makes vectors of it. */
static void to_bf16(const float *x, uint16_t *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        uint32_t nan = (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : 0;
        out[i] = (uint16_t)(((bits + 0x7fffu + (bits >> 16 & 1)) | nan) >> 16);
    }
}

/*
 * The rows of x as tiles want them: padded to whole tiles and to padded_k, in the precision of the product. Where x
 * is that already, tiles but the last read it in place and nothing but the last is copied.
 */
typedef struct prepared_rows {
    const unsigned char *in_place; /* NULL: everything is in `copied` */
    unsigned char *copied;         /* all tiles, or the last one alone */
    size_t first_copied;           /* tile number of the first tile in `copied` */
    size_t tile_bytes;
} prepared_rows;

static int prepare_rows(prepared_rows *out, const float *x, size_t rows, const wt_packed *w, wt_error *err) {
    bool bf16 = w->precision == WT_PRECISION_BF16;
    size_t element = bf16 ? sizeof(uint16_t) : sizeof(float), tiles = (rows + WT_TILE_ROWS - 1) / WT_TILE_ROWS;
    bool direct = !bf16 && w->k == w->padded_k;
    out->tile_bytes = WT_TILE_ROWS * w->padded_k * element;
    out->in_place = direct ? (const unsigned char *)x : NULL;
    out->first_copied = direct ? rows / WT_TILE_ROWS : 0;
    out->copied = NULL;
    if (out->first_copied == tiles) return 0;
    size_t bytes;
    if (!wt_mul_size(tiles - out->first_copied, out->tile_bytes, &bytes)) return wt_fail_memory(err, SIZE_MAX);
    if (!(out->copied = wt_alloc_aligned(bytes, 1, err))) return -1;
    size_t from = out->first_copied * WT_TILE_ROWS, to = tiles * WT_TILE_ROWS;
#pragma omp parallel for schedule(static)
    for (size_t r = from; r < to; r++) {
        unsigned char *target = out->copied + (r - from) * w->padded_k * element;
        size_t filled = r < rows ? w->k : 0;
        if (bf16) {
            to_bf16(x + r * w->k, (uint16_t *)target, filled);
        } else {
            memcpy(target, x + r * w->k, filled * element);
        }
        memset(target + filled * element, 0, (w->padded_k - filled) * element);
    }
    return 0;
}

static const void *row_tile(const prepared_rows *p, size_t tile) {
    if (tile < p->first_copied) return p->in_place + tile * p->tile_bytes;
    return p->copied + (tile - p->first_copied) * p->tile_bytes;
}

/* Moves one tile's results to y: the part of it that exists, with the bias. */
static void store_tile(const float *tile, size_t rows, size_t cols, const float *bias, wt_store store, float *y,
                       size_t ldy) {
    for (size_t r = 0; r < rows; r++) {
        const float *from = tile + r * WT_TILE_COLS;
        float *to = y + r * ldy;
        if (store == WT_STORE_ADD) {
            for (size_t c = 0; c < cols; c++) to[c] += bias ? from[c] + bias[c] : from[c];
        } else if (bias) {
            for (size_t c = 0; c < cols; c++) to[c] = from[c] + bias[c];
        } else {
            memcpy(to, from, cols * sizeof *to);
        }
    }
}

int wt_matmul(const float *x, size_t rows, const wt_packed *w, const float *bias, wt_store store, float *y, size_t ldy,
              wt_error *err) {
    if (rows == 0) return 0;
    prepared_rows prepared;
    if (prepare_rows(&prepared, x, rows, w, err) != 0) return -1;
    size_t row_tiles = (rows + WT_TILE_ROWS - 1) / WT_TILE_ROWS;
    size_t groups = (row_tiles + TASK_ROW_TILES - 1) / TASK_ROW_TILES, tasks = groups * w->blocks;
    size_t packed_bytes = wt_tile_packed_bytes(w->tile);
    int failed = 0;
#pragma omp parallel
    {
        wt_tile_worker *worker = wt_tile_worker_new(w->tile);
        _Alignas(WT_ALIGN) float out[WT_TILE_ROWS * WT_TILE_COLS];
        int ok = worker != NULL;
#pragma omp for schedule(dynamic, 1)
        for (size_t task = 0; task < tasks; task++) {
            size_t group = task / w->blocks, block = task % w->blocks, col = block * WT_TILE_COLS;
            size_t cols = w->n - col < WT_TILE_COLS ? w->n - col : WT_TILE_COLS;
            size_t last = (group + 1) * TASK_ROW_TILES < row_tiles ? (group + 1) * TASK_ROW_TILES : row_tiles;
            for (size_t t = group * TASK_ROW_TILES; ok && t < last; t++) {
                size_t row = t * WT_TILE_ROWS, count = rows - row < WT_TILE_ROWS ? rows - row : WT_TILE_ROWS;
                if (wt_tile_multiply(worker, row_tile(&prepared, t), w->data + block * packed_bytes, out) != 0) ok = 0;
                store_tile(out, count, cols, bias ? bias + col : NULL, store, y + row * ldy + col, ldy);
            }
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        wt_tile_worker_free(worker);
    }
    free(prepared.copied);
    return failed ? wt_fail(err, WT_ERR_MEMORY, "a matrix product of inner dimension %zu failed in oneDNN", w->k) : 0;
}
