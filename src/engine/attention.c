#include "engine/attention.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/kernels.h"
#include "engine/matmul.h"

#define TILE WT_ATTENTION_TILE

/* One tile's work: which sequence, which head, which aligned block of positions. */
typedef struct tile_task {
    const wt_span *span;
    size_t sequence, head, first; /* first position of the tile, a multiple of TILE */
} tile_task;

/* What a thread needs for a tile: queries [TILE, key_dim], results [TILE, head_dim], scores [TILE, keys]. */
typedef struct tile_scratch {
    float *queries, *results, *scores;
} tile_scratch;

static size_t round_down(size_t n) { return n / TILE * TILE; }

/* First key that any row of the tile sees, rounded down to a tile. */
static size_t first_key(const wt_hparams *hp, bool windowed, size_t first) {
    if (!windowed || hp->window == 0 || first + 1 <= hp->window) return 0;
    return round_down(first + 1 - hp->window);
}

static int run_tile(const wt_hparams *hp, const wt_cache_form *form, bool windowed, const wt_kv_store *store,
                    const tile_task *task, const tile_scratch *s, float *queries, float *out) {
    size_t d = hp->head_dim, key_d = form->key_dim, row_width = (size_t)hp->n_heads * d;
    size_t kv_head = task->head / (hp->n_heads / hp->n_kv_heads);
    size_t from = first_key(hp, windowed, task->first), n_keys = task->first + TILE - from;
    size_t base = (task->sequence * hp->n_kv_heads + kv_head) * store->capacity + from;
    const wt_span *span = task->span;
    size_t begin = task->first > span->start ? task->first : span->start;
    size_t end = task->first + TILE < span->start + span->count ? task->first + TILE : span->start + span->count;

    memset(s->queries, 0, TILE * key_d * sizeof(float));
    for (size_t p = begin; p < end; p++) {
        float *q = queries + (span->row + p - span->start) * row_width + task->head * d;
        wt_cache_form_query(form, q, s->queries + (p - task->first) * key_d);
    }
    if (wt_gemm(true, TILE, n_keys, key_d, 1.0f, s->queries, key_d, store->keys + base * key_d, key_d, s->scores,
                n_keys) != 0)
        return -1;

    const wt_kernels *k = wt_kernels_get();
    for (size_t p = task->first; p < task->first + TILE; p++) {
        float *row = s->scores + (p - task->first) * n_keys;
        if (p < begin || p >= end) { /* a row that is not of this batch: its result is dropped */
            memset(row, 0, n_keys * sizeof *row);
            continue;
        }
        size_t low = windowed && hp->window && p + 1 > hp->window ? p + 1 - hp->window : 0;
        if (low > from) memset(row, 0, (low - from) * sizeof *row);
        size_t skipped = low > from ? low - from : 0;
        k->softmax(row + skipped, (float)hp->attention_scale, p + 1 - from - skipped, n_keys - skipped);
    }
    if (wt_gemm(false, TILE, d, n_keys, 1.0f, s->scores, n_keys, store->values + base * d, d, s->results, d) != 0)
        return -1;
    for (size_t p = begin; p < end; p++) {
        float *result = s->results + (p - task->first) * d;
        wt_cache_form_result(form, result);
        memcpy(out + (span->row + p - span->start) * row_width + task->head * d, result, d * sizeof *out);
    }
    return 0;
}

int wt_attention(const wt_hparams *hp, const wt_cache_form *form, bool windowed, const wt_kv_store *store,
                 const wt_span *spans, size_t sequences, float *queries, float *out, wt_error *err) {
    size_t count = 0, longest = 0, d = hp->head_dim;
    for (size_t i = 0; i < sequences; i++) {
        if (spans[i].count == 0) continue;
        size_t last = spans[i].start + spans[i].count - 1;
        count += last / TILE - spans[i].start / TILE + 1;
        if (last + 1 > longest) longest = last + 1;
    }
    tile_task *tasks = wt_calloc(count * hp->n_heads, sizeof *tasks, err);
    if (!tasks) return -1;
    size_t n = 0, widest = (longest + TILE - 1) / TILE * TILE;
    for (size_t i = 0; i < sequences; i++) {
        for (size_t head = 0; head < hp->n_heads; head++) {
            for (size_t p = round_down(spans[i].start); p < spans[i].start + spans[i].count; p += TILE)
                tasks[n++] = (tile_task){&spans[i], i, head, p};
        }
    }
    int failed = 0;
#pragma omp parallel
    {
        tile_scratch s = {.queries = wt_alloc_aligned(TILE * form->key_dim, sizeof(float), NULL),
                          .results = wt_alloc_aligned(TILE * d, sizeof(float), NULL),
                          .scores = wt_alloc_aligned(TILE * widest, sizeof(float), NULL)};
        int ok = s.queries && s.results && s.scores;
#pragma omp for schedule(dynamic, 1)
        for (size_t t = 0; t < n; t++) {
            if (ok && run_tile(hp, form, windowed, store, &tasks[t], &s, queries, out) != 0) ok = 0;
        }
        if (!ok) {
#pragma omp atomic write
            failed = 1;
        }
        free(s.queries);
        free(s.results);
        free(s.scores);
    }
    free(tasks);
    return failed ? wt_fail_memory(err, TILE * widest * sizeof(float)) : 0;
}
