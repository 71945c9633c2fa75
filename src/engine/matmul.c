/*
 * Cutting matrix products into tiles, in parallel. The tiles themselves are matmul_onednn.c's, or in bf16 matmul_bf16.h's,
 * which take the rows of a task in one call and store their results where they belong.
 */
#include "engine/matmul.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/kernels.h"
#include "engine/matmul_bf16.h"
#include "engine/matmul_onednn.h"
#include "quant/codec.h"
#include "quant/codec_blocks.h"

/*
 * Row tiles that one task multiplies with one block of columns, which stays in the cache meanwhile. Few enough that a narrow
 * product still makes several tasks for each thread: with 16 the threads of a model of width 256 wait a tenth of the time.
 */
#define TASK_ROW_TILES 8

struct wt_packed {
    size_t n, k, padded_k, blocks; /* blocks of WT_TILE_COLS rows of W */
    wt_precision precision;
    const wt_bf16_products *own;   /* NULL: the tiles are oneDNN's */
    const wt_tile *tile;           /* or NULL */
    size_t capacity;               /* bytes at data */
    unsigned char *data;           /* [blocks][tile bytes] */
    wt_packed *minima;             /* [n, k / 32], or NULL */
    bool has_minima;               /* else what `minima` holds is storage from an earlier use */
};

int wt_matmul_has_bf16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

/* Bytes of one block of WT_TILE_COLS columns. */
static size_t block_bytes(const wt_packed *p) {
    return p->own ? WT_BF16_BLOCK(p->padded_k) * sizeof(uint16_t) : wt_tile_packed_bytes(p->tile);
}

void wt_packed_free(wt_packed *packed) {
    if (!packed) return;
    wt_packed_free(packed->minima);
    free(packed->data);
    free(packed);
}

size_t wt_packed_bytes(const wt_packed *packed) {
    return packed->capacity + (packed->minima ? wt_packed_bytes(packed->minima) : 0);
}

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
    p->has_minima = false;
    p->padded_k = (k + WT_TILE_INNER - 1) / WT_TILE_INNER * WT_TILE_INNER;
    p->blocks = (n + WT_TILE_COLS - 1) / WT_TILE_COLS;
    p->precision = precision;
    p->own = precision == WT_PRECISION_BF16 && !wt_tile_has_amx() ? wt_bf16_products_get() : NULL;
    p->tile = p->own ? NULL : wt_tile_get(p->padded_k, precision, err);
    size_t bytes;
    if (!p->own && !p->tile) goto fail;
    if (!wt_mul_size(p->blocks, block_bytes(p), &bytes)) {
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
    size_t bytes = block_bytes(p);
    int failed = 0;
#pragma omp parallel
    {
        wt_tile_worker *worker = p->own ? NULL : wt_tile_worker_take(p->tile);
        float *rows = wt_alloc_aligned(WT_TILE_COLS * p->padded_k, sizeof *rows, NULL);
        int ok = rows && (worker || p->own);
#pragma omp for schedule(dynamic, 1)
        for (size_t b = 0; b < p->blocks; b++) {
            if (!ok) continue;
            decode_block(p, type, data, row_bytes, b * WT_TILE_COLS, rows);
            unsigned char *block = p->data + b * bytes;
            if (p->own)
                p->own->pack_columns(rows, p->padded_k, WT_TILE_COLS, p->padded_k, (uint16_t *)block);
            else if (wt_tile_pack(worker, rows, block) != 0)
                ok = 0;
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        wt_tile_worker_give(worker);
        free(rows);
    }
    if (failed) {
        wt_fail_memory(err, p->padded_k * WT_TILE_COLS * sizeof(float));
        wt_packed_free(p);
        return NULL;
    }
    return p;
}

int wt_pack_minima(wt_packed *packed, wt_type type, const void *data, wt_error *err) {
    if (packed->has_minima) return 0;
    const wt_type_info *info = wt_type_find(type);
    if (type != WT_Q4_1 && type != WT_Q5_1)
        return wt_fail(err, WT_ERR_UNSUPPORTED, "type %s has no minima", info ? info->name : "unknown");
    _Static_assert(offsetof(wt_block_q4_1, m) == offsetof(wt_block_q5_1, m), "one place for both");
    size_t per_row = packed->k / info->block, count = packed->n * per_row;
    float *minima = wt_alloc_aligned(count, sizeof *minima, err);
    if (!minima) return -1;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        uint16_t m;
        memcpy(&m, (const unsigned char *)data + i * info->block_bytes + offsetof(wt_block_q4_1, m), sizeof m);
        minima[i] = wt_f16_to_f32(m);
    }
    packed->minima = wt_pack(WT_F32, minima, packed->n, per_row, packed->precision, packed->minima, err);
    free(minima);
    packed->has_minima = packed->minima != NULL;
    return packed->has_minima ? 0 : -1;
}

void wt_input_set(wt_input *input, const float *x, size_t rows, size_t k) {
    input->x = x;
    input->rows = rows;
    input->k = k;
    input->ready = false;
}

void wt_input_release(wt_input *input) {
    free(input->copied);
    free(input->excess);
    *input = (wt_input){0};
}

/* One row as a tile has it: rounded, in the precision of the product, zeros up to padded_k. `scratch` [k] is the thread's. */
static void prepare_row(const wt_input *in, size_t r, size_t padded_k, float *scratch, unsigned char *target) {
    bool bf16 = in->precision == WT_PRECISION_BF16;
    size_t element = bf16 ? sizeof(uint16_t) : sizeof(float), filled = r < in->rows ? in->k : 0;
    const float *x = in->x + r * in->k;
    if (filled && !bf16) {
        wt_round(in->rounding, x, (float *)target, in->k);
    } else if (filled) {
        if (in->rounding != WT_ROUND_NONE) wt_round(in->rounding, x, scratch, in->k);
        wt_kernels_get()->to_bf16((uint16_t *)target, in->rounding != WT_ROUND_NONE ? scratch : x, in->k);
    }
    memset(target + filled * element, 0, (padded_k - filled) * element);
}

static int prepare_excess(wt_input *in, wt_error *err) {
    size_t per_row = in->k / wt_rounding_block(WT_ROUND_Q8_1);
    free(in->excess);
    if (!(in->excess = wt_alloc_aligned(in->rows, per_row * sizeof(float), err))) return -1;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < in->rows; r++) wt_q8_1_excess(in->x + r * in->k, in->excess + r * per_row, in->k);
    return 0;
}

/*
 * The rows as tiles want them. Where x is that already, tiles but the last are read in place and nothing but the last is
 * copied.
 */
static int prepare_input(wt_input *in, wt_rounding rounding, const wt_packed *w, wt_error *err) {
    if (in->ready && in->precision == w->precision && in->rounding == rounding) return 0;
    bool bf16 = w->precision == WT_PRECISION_BF16;
    size_t element = bf16 ? sizeof(uint16_t) : sizeof(float), tiles = (in->rows + WT_TILE_ROWS - 1) / WT_TILE_ROWS;
    bool direct = !bf16 && rounding == WT_ROUND_NONE && w->k == w->padded_k;
    in->ready = false;
    in->precision = w->precision;
    in->rounding = rounding;
    in->tile_bytes = WT_TILE_ROWS * w->padded_k * element;
    in->in_place = direct ? (const unsigned char *)in->x : NULL;
    in->first_copied = direct ? in->rows / WT_TILE_ROWS : 0;
    size_t bytes;
    if (!wt_mul_size(tiles - in->first_copied, in->tile_bytes, &bytes)) return wt_fail_memory(err, SIZE_MAX);
    if (bytes > in->capacity) {
        free(in->copied);
        in->capacity = 0;
        if (!(in->copied = wt_alloc_aligned(bytes, 1, err))) return -1;
        in->capacity = bytes;
    }
    size_t from = in->first_copied * WT_TILE_ROWS, to = tiles * WT_TILE_ROWS, row_bytes = w->padded_k * element;
    int failed = 0;
#pragma omp parallel if (from < to)
    {
        bool rounds = bf16 && rounding != WT_ROUND_NONE;
        float *scratch = rounds ? wt_alloc_aligned(in->k, sizeof *scratch, NULL) : NULL;
        if (rounds && !scratch) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(static)
        for (size_t r = from; r < to; r++) {
            if (!rounds || scratch) prepare_row(in, r, w->padded_k, scratch, in->copied + (r - from) * row_bytes);
        }
        free(scratch);
    }
    if (failed) return wt_fail_memory(err, in->k * sizeof(float));
    if (rounding == WT_ROUND_Q8_1 && prepare_excess(in, err) != 0) return -1;
    in->ready = true;
    return 0;
}

static const void *row_tile(const wt_input *in, size_t tile) {
    if (tile < in->first_copied) return in->in_place + tile * in->tile_bytes;
    return in->copied + (tile - in->first_copied) * in->tile_bytes;
}

/* Has the places of a tile's results brought near while the tile is computed: they lie far apart, a row each. */
static void prefetch_tile(const float *y, size_t rows, size_t cols, size_t ldy) {
    enum { LINE = 16 };
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c += LINE) __builtin_prefetch(y + r * ldy + c, 1);
    }
}

/* Copies n <= WT_TILE_COLS floats: whole tiles in steps whose length the compiler knows, or it would call for each row. */
static void copy_row(float *to, const float *from, size_t n) {
    enum { STEP = 16 };
    size_t c = 0;
    for (; c + STEP <= n; c += STEP) memcpy(to + c, from + c, STEP * sizeof *to);
    for (; c < n; c++) to[c] = from[c];
}

/* Moves one tile's results to y: the part of it that exists, with the bias. */
static void store_tile(const wt_kernels *k, float *tile, size_t rows, size_t cols, const float *bias, wt_store store,
                       float *y, size_t ldy) {
    for (size_t r = 0; r < rows; r++) {
        float *from = tile + r * WT_TILE_COLS, *to = y + r * ldy;
        if (bias) k->add(from, bias, cols);
        if (store == WT_STORE_ADD)
            k->add(to, from, cols);
        else
            copy_row(to, from, cols);
    }
}

/* y += the minima of w times what they meet in excess of the rounded values' sums. */
static int add_excess(wt_input *in, const wt_packed *w, float *y, size_t ldy, wt_error *err) {
    if (!w->has_minima) return wt_fail(err, WT_ERR_ARGUMENT, "a product with Q8_1 needs the weights' minima");
    return wt_matmul(in->excess, in->rows, w->minima, NULL, WT_STORE_ADD, y, ldy, err);
}

/* One product's arguments; see wt_matmul_input. */
typedef struct product {
    const wt_input *input;
    const wt_packed *w;
    const float *bias;
    wt_store store;
    float *y;
    size_t ldy;
} product;

/* Row tiles first .. last-1 times one block of columns; `worker` is oneDNN's, or NULL. */
static int multiply_block(const product *p, wt_tile_worker *worker, size_t first, size_t last, size_t block) {
    const wt_packed *w = p->w;
    const unsigned char *packed = w->data + block * block_bytes(w);
    size_t col = block * WT_TILE_COLS, cols = w->n - col < WT_TILE_COLS ? w->n - col : WT_TILE_COLS;
    const float *bias = p->bias ? p->bias + col : NULL;
    if (w->own) {
        size_t row = first * WT_TILE_ROWS, end = last * WT_TILE_ROWS, k = w->padded_k;
        if (end > p->input->rows) end = p->input->rows;
        w->own->multiply(end - row, cols, k, row_tile(p->input, first), k, (const uint16_t *)packed, bias, p->store,
                         p->y + row * p->ldy + col, p->ldy);
        return 0;
    }
    _Alignas(WT_ALIGN) float out[WT_TILE_ROWS * WT_TILE_COLS];
    for (size_t t = first; t < last; t++) {
        size_t row = t * WT_TILE_ROWS, left = p->input->rows - row, count = left < WT_TILE_ROWS ? left : WT_TILE_ROWS;
        float *target = p->y + row * p->ldy + col;
        prefetch_tile(target, count, cols, p->ldy);
        if (wt_tile_multiply(worker, row_tile(p->input, t), packed, out) != 0) return -1;
        store_tile(wt_kernels_get(), out, count, cols, bias, p->store, target, p->ldy);
    }
    return 0;
}

int wt_matmul_input(wt_input *input, wt_rounding rounding, const wt_packed *w, const float *bias, wt_store store,
                    float *y, size_t ldy, wt_error *err) {
    if (input->rows == 0) return 0;
    if (prepare_input(input, rounding, w, err) != 0) return -1;
    const product p = {input, w, bias, store, y, ldy};
    size_t row_tiles = (input->rows + WT_TILE_ROWS - 1) / WT_TILE_ROWS;
    size_t groups = (row_tiles + TASK_ROW_TILES - 1) / TASK_ROW_TILES, tasks = groups * w->blocks;
    int failed = 0;
#pragma omp parallel
    {
        wt_tile_worker *worker = w->own ? NULL : wt_tile_worker_take(w->tile);
        int ok = worker || w->own;
#pragma omp for schedule(dynamic, 1)
        for (size_t task = 0; task < tasks; task++) {
            size_t first = task / w->blocks * TASK_ROW_TILES;
            size_t last = first + TASK_ROW_TILES < row_tiles ? first + TASK_ROW_TILES : row_tiles;
            if (ok && multiply_block(&p, worker, first, last, task % w->blocks) != 0) ok = 0;
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        wt_tile_worker_give(worker);
    }
    if (failed) return wt_fail(err, WT_ERR_MEMORY, "a matrix product of inner dimension %zu failed in oneDNN", w->k);
    return rounding == WT_ROUND_Q8_1 ? add_excess(input, w, y, ldy, err) : 0;
}

int wt_matmul(const float *x, size_t rows, const wt_packed *w, const float *bias, wt_store store, float *y, size_t ldy,
              wt_error *err) {
    wt_input input = {0};
    wt_input_set(&input, x, rows, w->k);
    int rc = wt_matmul_input(&input, WT_ROUND_NONE, w, bias, store, y, ldy, err);
    wt_input_release(&input);
    return rc;
}
