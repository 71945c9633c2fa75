#include "engine/attention.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/kernels.h"
#include "engine/matmul.h"
#include "engine/matmul_bf16.h"

#define TILE WT_ATTENTION_TILE

_Static_assert(TILE == WT_TILE_COLS, "a tile of keys is one packed block");

/*
 * One call. In bf16, `packed` holds for each head of keys and values of each sequence first its keys, one packed block a tile
 * of positions, then its values, one block for each WT_TILE_COLS columns over all positions.
 */
typedef struct attention {
    const wt_hparams *hp;
    const wt_cache_form *form;
    bool windowed;
    const wt_kv_store *store;
    const wt_span *spans;
    size_t sequences, widest;     /* positions of the longest sequence, in whole tiles */
    const wt_bf16_products *bf16; /* NULL: products in fp32 */
    uint16_t *packed;
    float *queries, *out;
} attention;

/* One tile's work: which sequence, which head, which aligned block of positions. */
typedef struct tile_task {
    size_t sequence, head, first; /* first position of the tile, a multiple of TILE */
} tile_task;

/* What a thread needs for a tile: queries [TILE, key_dim], results [TILE, head_dim], scores [TILE, keys]. */
typedef struct tile_scratch {
    float *queries, *results, *scores;
    uint16_t *half; /* in bf16: the queries, then the probabilities */
} tile_scratch;

static size_t round_down(size_t n) { return n / TILE * TILE; }
static size_t round_up(size_t n) { return (n + TILE - 1) / TILE * TILE; }

/* First key that any row of the tile sees, rounded down to a tile. */
static size_t first_key(const attention *a, size_t first) {
    size_t window = a->windowed ? a->hp->window : 0;
    return window == 0 || first + 1 <= window ? 0 : round_down(first + 1 - window);
}

/* ---- products in bf16 ---- */

/* The inner dimension of queries and keys: in pairs. */
static size_t key_inner(const attention *a) { return (a->form->key_dim + 1) / 2 * 2; }

static size_t packed_keys_size(const attention *a) { return a->widest * key_inner(a); }
static size_t packed_head_size(const attention *a) {
    return packed_keys_size(a) + a->widest * round_up(a->hp->head_dim);
}

/* Where the keys of a head, and one block of columns of its values, begin. */
static uint16_t *packed_keys(const attention *a, size_t sequence, size_t kv_head) {
    return a->packed + (sequence * a->hp->n_kv_heads + kv_head) * packed_head_size(a);
}
static uint16_t *packed_values(const attention *a, size_t sequence, size_t kv_head, size_t col) {
    return packed_keys(a, sequence, kv_head) + packed_keys_size(a) + a->widest * col;
}

/* Packs the tile of a head's keys and values that begins at position `first`, where a row of its sequence sees any of it. */
static void pack_tile(const attention *a, size_t sequence, size_t kv_head, size_t first) {
    const wt_span *span = &a->spans[sequence];
    size_t key_d = a->form->key_dim, d = a->hp->head_dim;
    if (span->count == 0 || first >= span->start + span->count || first < first_key(a, round_down(span->start))) return;
    size_t row = (sequence * a->hp->n_kv_heads + kv_head) * a->store->capacity + first;
    a->bf16->pack_columns(a->store->keys + row * key_d, key_d, TILE, key_d,
                          packed_keys(a, sequence, kv_head) + first * key_inner(a));
    for (size_t col = 0; col < d; col += WT_TILE_COLS) {
        size_t cols = d - col < WT_TILE_COLS ? d - col : WT_TILE_COLS;
        a->bf16->pack_rows(a->store->values + row * d + col, d, cols, TILE,
                           packed_values(a, sequence, kv_head, col) + first * WT_TILE_COLS);
    }
}

/* Rows of floats as rows of bf16 whose inner dimension is even. */
static void to_half(const float *x, size_t rows, size_t n, uint16_t *out) {
    size_t even = (n + 1) / 2 * 2;
    for (size_t r = 0; r < rows; r++) {
        wt_kernels_get()->to_bf16(out + r * even, x + r * n, n);
        if (n < even) out[r * even + n] = 0;
    }
}

static void score_bf16(const attention *a, const tile_task *task, size_t kv_head, size_t from, size_t n_keys,
                       size_t row, size_t rows, const tile_scratch *s) {
    size_t inner = key_inner(a);
    const uint16_t *keys = packed_keys(a, task->sequence, kv_head) + from * inner;
    to_half(s->queries + row * a->form->key_dim, rows, a->form->key_dim, s->half);
    for (size_t key = 0; key < n_keys; key += TILE)
        a->bf16->multiply(rows, TILE, inner, s->half, inner, keys + key * inner, NULL, WT_STORE,
                          s->scores + row * n_keys + key, n_keys);
}

static void weigh_bf16(const attention *a, const tile_task *task, size_t kv_head, size_t from, size_t n_keys,
                       size_t row, size_t rows, const tile_scratch *s) {
    size_t d = a->hp->head_dim;
    to_half(s->scores + row * n_keys, rows, n_keys, s->half);
    for (size_t col = 0; col < d; col += WT_TILE_COLS) {
        const uint16_t *values = packed_values(a, task->sequence, kv_head, col) + from * WT_TILE_COLS;
        a->bf16->multiply(rows, d - col < WT_TILE_COLS ? d - col : WT_TILE_COLS, n_keys, s->half, n_keys, values, NULL,
                          WT_STORE, s->results + row * d + col, d);
    }
}

/* ---- a tile ---- */

/* Scores of rows begin .. end-1 become probabilities; the others, which are not of this batch, zeros. */
static void softmax_rows(const attention *a, const tile_task *task, size_t begin, size_t end, size_t from,
                         size_t n_keys, float *scores) {
    const wt_kernels *k = wt_kernels_get();
    size_t window = a->windowed ? a->hp->window : 0;
    for (size_t p = task->first; p < task->first + TILE; p++) {
        float *row = scores + (p - task->first) * n_keys;
        if (p < begin || p >= end) {
            memset(row, 0, n_keys * sizeof *row);
            continue;
        }
        size_t low = window && p + 1 > window ? p + 1 - window : 0, skipped = low > from ? low - from : 0;
        memset(row, 0, skipped * sizeof *row);
        k->softmax(row + skipped, (float)a->hp->attention_scale, p + 1 - from - skipped, n_keys - skipped);
    }
}

static int run_tile(const attention *a, const tile_task *task, const tile_scratch *s) {
    const wt_span *span = &a->spans[task->sequence];
    size_t d = a->hp->head_dim, key_d = a->form->key_dim, row_width = (size_t)a->hp->n_heads * d;
    size_t kv_head = task->head / (a->hp->n_heads / a->hp->n_kv_heads);
    size_t from = first_key(a, task->first), n_keys = task->first + TILE - from;
    size_t base = (task->sequence * a->hp->n_kv_heads + kv_head) * a->store->capacity + from;
    size_t begin = task->first > span->start ? task->first : span->start;
    size_t end = task->first + TILE < span->start + span->count ? task->first + TILE : span->start + span->count;
    size_t row = begin - task->first, rows = end - begin;
    size_t place =
        (span->row + begin - span->start) * row_width + task->head * d; /* of the first row in queries and out */

    memset(s->queries, 0, TILE * key_d * sizeof(float));
    for (size_t r = 0; r < rows; r++)
        wt_cache_form_query(a->form, a->queries + place + r * row_width, s->queries + (row + r) * key_d);
    if (a->bf16)
        score_bf16(a, task, kv_head, from, n_keys, row, rows, s);
    else if (wt_gemm(true, TILE, n_keys, key_d, 1.0f, s->queries, key_d, a->store->keys + base * key_d, key_d,
                     s->scores, n_keys) != 0)
        return -1;
    softmax_rows(a, task, begin, end, from, n_keys, s->scores);
    if (a->bf16)
        weigh_bf16(a, task, kv_head, from, n_keys, row, rows, s);
    else if (wt_gemm(false, TILE, d, n_keys, 1.0f, s->scores, n_keys, a->store->values + base * d, d, s->results, d) !=
             0)
        return -1;
    for (size_t r = 0; r < rows; r++) {
        float *result = s->results + (row + r) * d;
        wt_cache_form_result(a->form, result);
        memcpy(a->out + place + r * row_width, result, d * sizeof *result);
    }
    return 0;
}

/* ---- a call ---- */

static int scratch_init(const attention *a, tile_scratch *s) {
    size_t half = a->widest > key_inner(a) ? a->widest : key_inner(a);
    *s = (tile_scratch){.queries = wt_alloc_aligned(TILE * a->form->key_dim, sizeof *s->queries, NULL),
                        .results = wt_alloc_aligned(TILE * (size_t)a->hp->head_dim, sizeof *s->results, NULL),
                        .scores = wt_alloc_aligned(TILE * a->widest, sizeof *s->scores, NULL),
                        .half = wt_alloc_aligned(a->bf16 ? TILE * half : 0, sizeof *s->half, NULL)};
    return s->queries && s->results && s->scores && s->half ? 0 : -1;
}

static void scratch_release(tile_scratch *s) {
    free(s->queries);
    free(s->results);
    free(s->scores);
    free(s->half);
}

/* The tasks of all sequences: heads one after another, each tile by tile. */
static tile_task *list_tasks(const attention *a, size_t *count, wt_error *err) {
    size_t tiles = 0, n = 0;
    for (size_t i = 0; i < a->sequences; i++) {
        const wt_span *span = &a->spans[i];
        if (span->count) tiles += (round_up(span->start + span->count) - round_down(span->start)) / TILE;
    }
    *count = tiles * a->hp->n_heads;
    tile_task *tasks = wt_calloc(*count, sizeof *tasks, err);
    for (size_t i = 0; tasks && i < a->sequences; i++) {
        const wt_span *span = &a->spans[i];
        for (size_t head = 0; span->count && head < a->hp->n_heads; head++) {
            for (size_t p = round_down(span->start); p < span->start + span->count; p += TILE)
                tasks[n++] = (tile_task){i, head, p};
        }
    }
    return tasks;
}

static int packed_reserve(attention *a, wt_kv_packed *packed, wt_error *err) {
    size_t need;
    if (!wt_mul_size(packed_head_size(a), a->sequences * a->hp->n_kv_heads, &need))
        return wt_fail_memory(err, SIZE_MAX);
    if (need > packed->capacity) {
        wt_kv_packed_release(packed);
        if (!(packed->data = wt_alloc_aligned(need, sizeof *packed->data, err))) return -1;
        packed->capacity = need;
    }
    a->packed = packed->data;
    return 0;
}

void wt_kv_packed_release(wt_kv_packed *packed) {
    free(packed->data);
    *packed = (wt_kv_packed){0};
}

int wt_attention(const wt_hparams *hp, const wt_cache_form *form, bool windowed, const wt_kv_store *store,
                 wt_kv_packed *packed, const wt_span *spans, size_t sequences, float *queries, float *out,
                 wt_error *err) {
    attention a = {hp,   form,    windowed, store, spans, sequences, 0, packed ? wt_bf16_products_get() : NULL,
                   NULL, queries, out};
    for (size_t i = 0; i < sequences; i++) {
        size_t end = spans[i].count ? round_up(spans[i].start + spans[i].count) : 0;
        if (end > a.widest) a.widest = end;
    }
    if (a.bf16 && packed_reserve(&a, packed, err) != 0) return -1;
    size_t count, tiles = a.widest / TILE, pieces = a.bf16 ? sequences * hp->n_kv_heads * tiles : 0;
    tile_task *tasks = list_tasks(&a, &count, err);
    if (!tasks) return -1;
    int failed = 0;
#pragma omp parallel
    {
        tile_scratch s;
        int ok = scratch_init(&a, &s) == 0;
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < pieces; i++)
            pack_tile(&a, i / tiles / hp->n_kv_heads, i / tiles % hp->n_kv_heads, i % tiles * TILE);
#pragma omp for schedule(dynamic, 1)
        for (size_t t = 0; t < count; t++) {
            if (ok && run_tile(&a, &tasks[t], &s) != 0) ok = 0;
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        scratch_release(&s);
    }
    free(tasks);
    return failed ? wt_fail_memory(err, TILE * a.widest * sizeof(float)) : 0;
}
