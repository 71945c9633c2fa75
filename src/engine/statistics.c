/* Statistics as an object: entries, what may stand in them, and whether they belong to a model; see statistics.h. */
#include "engine/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "engine/statistics_private.h"

/* Counts up to here are exact in the double that a caller sees. */
#define MOST_ROWS 9007199254740992.0

wt_statistics *wt_statistics_new(const char *path, wt_error *err) {
    wt_statistics *s = wt_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    if (!(s->path = wt_arena_strndup(&s->arena, path, strlen(path), err))) {
        free(s);
        return NULL;
    }
    return s;
}

void wt_statistics_free(wt_statistics *statistics) {
    if (!statistics) return;
    wt_arena_release(&statistics->arena);
    free(statistics->entries);
    free(statistics->stats);
    free(statistics);
}

float *wt_statistics_floats(wt_statistics *s, size_t columns, wt_error *err) {
    size_t bytes;
    if (!wt_mul_size(columns, sizeof(float), &bytes)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    return wt_arena_alloc(&s->arena, bytes, err);
}

wt_stats_entry *wt_statistics_add(wt_statistics *s, const char *name, size_t name_len, size_t columns, size_t matrices,
                                  wt_error *err) {
    if (wt_grow((void **)&s->entries, &s->capacity, s->count + 1, sizeof *s->entries, err) != 0) return NULL;
    wt_stats_entry *e = &s->entries[s->count];
    *e = (wt_stats_entry){.columns = columns, .matrices = matrices};
    if (!(e->name = wt_arena_strndup(&s->arena, name, name_len, err)) ||
        !(e->sum2 = wt_statistics_floats(s, columns, err)) || !(e->counts = wt_statistics_floats(s, matrices, err)))
        return NULL;
    s->count++;
    return e;
}

int wt_statistics_set_datasets(wt_statistics *s, const wt_str *names, size_t count, wt_error *err) {
    size_t bytes;
    if (!wt_mul_size(count, sizeof *s->datasets, &bytes)) return wt_fail_memory(err, SIZE_MAX);
    if (!(s->datasets = wt_arena_alloc(&s->arena, bytes, err))) return -1;
    for (size_t i = 0; i < count; i++) {
        size_t len = names[i].len ? strnlen(names[i].data, names[i].len) : 0;
        if (!(s->datasets[i] = wt_arena_strndup(&s->arena, len ? names[i].data : "", len, err))) return -1;
    }
    s->dataset_count = count;
    return 0;
}

/* ---- finishing ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(((const wt_stats_entry *)a)->name, ((const wt_stats_entry *)b)->name);
}

/* Every value is finite and not below 0. */
static int check_values(const wt_stats_entry *e, const char *ending, const float *values, size_t n, wt_error *err) {
    for (size_t i = 0; values && i < n; i++) {
        if (isfinite(values[i]) && values[i] >= 0.0f) continue;
        return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s%s' has the value %g at %zu; it must be finite and not negative",
                       e->name, ending, (double)values[i], i);
    }
    return 0;
}

static int check_entry(const wt_stats_entry *e, wt_error *err) {
    if (check_values(e, WT_STATS_COUNTS, e->counts, e->matrices, err) != 0 ||
        check_values(e, WT_STATS_SUM2, e->sum2, e->columns, err) != 0 ||
        check_values(e, WT_STATS_MAX, e->max, e->columns, err) != 0 ||
        check_values(e, WT_STATS_SUM4, e->sum4, e->columns, err) != 0)
        return -1;
    for (size_t m = 0; m < e->matrices; m++) {
        if ((double)e->counts[m] > MOST_ROWS)
            return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s" WT_STATS_COUNTS "' says %g rows, more than there can be",
                           e->name, (double)e->counts[m]);
    }
    return 0;
}

/* Means of sums; a matrix without rows says nothing, so that all its columns count alike. */
static void divide(float *mean, const float *sum, const wt_stats_entry *e) {
    size_t n = e->columns / e->matrices;
    for (size_t m = 0; m < e->matrices; m++) {
        float count = roundf(e->counts[m]);
        for (size_t i = m * n; i < (m + 1) * n; i++) mean[i] = count > 0.0f ? sum[i] / count : 1.0f;
    }
}

static int fill_stats(wt_statistics *s, const wt_stats_entry *e, wt_column_stats *out, wt_error *err) {
    *out = (wt_column_stats){.tensor = e->name, .columns = e->columns, .matrices = e->matrices, .max = e->max};
    for (size_t m = 0; m < e->matrices; m++) {
        double count = round((double)e->counts[m]);
        if (count > out->count) out->count = count;
    }
    if (!(out->mean_square = wt_statistics_floats(s, e->columns, err))) return -1;
    divide(out->mean_square, e->sum2, e);
    if (!e->sum4) return 0;
    if (!(out->mean_fourth = wt_statistics_floats(s, e->columns, err))) return -1;
    divide(out->mean_fourth, e->sum4, e);
    return 0;
}

int wt_statistics_finish(wt_statistics *s, wt_error *err) {
    if (s->count == 0) return wt_fail(err, WT_ERR_FORMAT, "it has no statistics");
    qsort(s->entries, s->count, sizeof *s->entries, by_name);
    if (!(s->stats = wt_calloc(s->count, sizeof *s->stats, err))) return -1;
    for (size_t i = 0; i < s->count; i++) {
        const wt_stats_entry *e = &s->entries[i];
        if (i > 0 && strcmp(e->name, s->entries[i - 1].name) == 0)
            return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' stands in it twice", e->name);
        if (check_entry(e, err) != 0 || fill_stats(s, e, &s->stats[i], err) != 0) return -1;
    }
    return 0;
}

/* ---- asking ---- */

size_t wt_statistics_count(const wt_statistics *statistics) { return statistics->count; }

const wt_column_stats *wt_statistics_at(const wt_statistics *statistics, size_t i) {
    return i < statistics->count ? &statistics->stats[i] : NULL;
}

static int name_order(const void *name, const void *stats) {
    return strcmp(name, ((const wt_column_stats *)stats)->tensor);
}

const wt_column_stats *wt_statistics_find(const wt_statistics *statistics, const char *tensor) {
    return bsearch(tensor, statistics->stats, statistics->count, sizeof *statistics->stats, name_order);
}

const char *wt_statistics_path(const wt_statistics *statistics) { return statistics->path; }

const char *wt_statistics_dataset(const wt_statistics *statistics) {
    return statistics->dataset_count ? statistics->datasets[0] : "";
}

uint32_t wt_statistics_chunks(const wt_statistics *statistics) { return statistics->chunks; }
uint32_t wt_statistics_chunk_size(const wt_statistics *statistics) { return statistics->chunk_size; }

/* ---- belonging to a model ---- */

static int check_against(const wt_column_stats *e, const wt_gguf *gguf, wt_error *err) {
    const wt_tensor *t = wt_gguf_find_tensor(gguf, e->tensor);
    if (!t)
        return wt_fail(err, WT_ERR_MISMATCH, "they have '%.200s', which is no tensor of '%s'", e->tensor,
                       wt_gguf_path(gguf));
    if (t->n_dims < 2)
        return wt_fail(err, WT_ERR_MISMATCH, "they have '%.200s', which is no matrix in '%s'", e->tensor,
                       wt_gguf_path(gguf));
    const uint64_t matrices = t->dims[2] * t->dims[3]; /* rows is a product of both and did not overflow */
    if (e->columns % t->dims[0] == 0 && e->columns / t->dims[0] == matrices &&
        (e->matrices == 1 || e->matrices == matrices))
        return 0;
    return wt_fail(err, WT_ERR_MISMATCH, "'%.200s' has %zu columns in them, %" PRIu64 " in '%s'", e->tensor,
                   e->columns / e->matrices, t->dims[0], wt_gguf_path(gguf));
}

int wt_statistics_check(const wt_statistics *statistics, const wt_gguf *gguf, wt_error *err) {
    for (size_t i = 0; i < statistics->count; i++) {
        if (check_against(&statistics->stats[i], gguf, err) == 0) continue;
        if (statistics->path[0])
            wt_error_prefix(err, "cannot use the statistics in '%s'", statistics->path);
        else
            wt_error_prefix(err, "cannot use the statistics");
        return wt_hint(err, "they were measured on another model; 'wildtype calibrate %s' measures this one",
                       wt_gguf_path(gguf));
    }
    return 0;
}
