/* Reading statistics: which format it is, and the GGUF one; see statistics.h and statistics_dat.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/statistics_private.h"

/* The length of `name` without `ending`, or 0 where it does not end so or has nothing before it. */
static size_t without(const char *name, const char *ending) {
    size_t n = strlen(name), tail = strlen(ending);
    return n > tail && strcmp(name + n - tail, ending) == 0 ? n - tail : 0;
}

/* The tensor NAME + ending, or NULL. `buffer` has room for both. */
static const wt_tensor *sibling(const wt_gguf *g, char *buffer, const char *name, size_t len, const char *ending) {
    memcpy(buffer, name, len);
    strcpy(buffer + len, ending);
    return wt_gguf_find_tensor(g, buffer);
}

static int check_type(const wt_tensor *t, wt_error *err) {
    if (t->type == WT_F32) return 0;
    return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' has type %s, not F32", t->name, wt_type_find(t->type)->name);
}

/* One of our own arrays beside the sums: absent, or of the same shape. */
static int read_beside(wt_statistics *s, const wt_tensor *t, const wt_tensor *sums, float **out, wt_error *err) {
    if (!t) return 0;
    if (check_type(t, err) != 0) return -1;
    if (t->dims[0] != sums->dims[0] || t->rows != sums->rows)
        return wt_fail(err, WT_ERR_FORMAT, "tensors '%.200s' and '%.200s' have different shapes", t->name, sums->name);
    if (!(*out = wt_statistics_floats(s, (size_t)(sums->dims[0] * sums->rows), err))) return -1;
    memcpy(*out, t->data, (size_t)t->bytes);
    return 0;
}

/* The entry of a tensor NAME.in_sum2; `len` is NAME's. */
static int read_entry(wt_statistics *s, const wt_gguf *g, const wt_tensor *sums, size_t len, char *buffer,
                      wt_error *err) {
    const wt_tensor *counts = sibling(g, buffer, sums->name, len, WT_STATS_COUNTS);
    if (!counts) return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' comes without its counts", sums->name);
    if (check_type(sums, err) != 0 || check_type(counts, err) != 0) return -1;
    const uint64_t columns = sums->dims[0] * sums->rows, matrices = counts->dims[0] * counts->rows;
    if (columns == 0 || matrices == 0 || columns % matrices != 0)
        return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' has %" PRIu64 " values and %" PRIu64 " counts", sums->name,
                       columns, matrices);
    wt_stats_entry *e = wt_statistics_add(s, sums->name, len, (size_t)columns, (size_t)matrices, err);
    if (!e) return -1;
    memcpy(e->sum2, sums->data, (size_t)sums->bytes);
    memcpy(e->counts, counts->data, (size_t)counts->bytes);
    if (read_beside(s, sibling(g, buffer, sums->name, len, WT_STATS_MAX), sums, &e->max, err) != 0) return -1;
    return read_beside(s, sibling(g, buffer, sums->name, len, WT_STATS_SUM4), sums, &e->sum4, err);
}

static int read_tensors(wt_statistics *s, const wt_gguf *g, wt_error *err) {
    static const char *const OTHERS[] = {WT_STATS_COUNTS, WT_STATS_MAX, WT_STATS_SUM4};
    size_t longest = 0, len;
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        len = strlen(wt_gguf_tensor(g, i)->name);
        if (len > longest) longest = len;
    }
    char *buffer = wt_calloc(longest + sizeof WT_STATS_SUM2, 1, err);
    int rc = buffer ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        if ((len = without(t->name, WT_STATS_SUM2)) > 0) rc = read_entry(s, g, t, len, buffer, err);
        for (size_t k = 0; rc == 0 && k < sizeof OTHERS / sizeof *OTHERS; k++) {
            if ((len = without(t->name, OTHERS[k])) > 0 && !sibling(g, buffer, t->name, len, WT_STATS_SUM2))
                rc = wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' comes without its sums", t->name);
        }
    }
    free(buffer);
    return rc;
}

/* A number of 32 bits; 0 where the file does not say. */
static int read_u32(const wt_gguf *g, const char *key, uint32_t *out, wt_error *err) {
    uint64_t value = 0;
    if (wt_gguf_get_u64(g, key, &value, err) < 0) return -1;
    if (value > UINT32_MAX) return wt_fail(err, WT_ERR_FORMAT, "key '%s' says %" PRIu64, key, value);
    *out = (uint32_t)value;
    return 0;
}

static int read_metadata(wt_statistics *s, const wt_gguf *g, wt_error *err) {
    if (read_u32(g, "imatrix.chunk_count", &s->chunks, err) != 0) return -1;
    if (read_u32(g, "imatrix.chunk_size", &s->chunk_size, err) != 0) return -1;
    const wt_kv *kv = wt_gguf_find_kv(g, "imatrix.datasets");
    if (!kv || kv->type != WT_KV_ARRAY || kv->element != WT_KV_STRING || kv->count == 0) return 0;
    wt_str *names = wt_calloc((size_t)kv->count, sizeof *names, err);
    if (!names) return -1;
    wt_kv_strings(kv, names);
    int rc = wt_statistics_set_datasets(s, names, (size_t)kv->count, err);
    free(names);
    return rc;
}

static int read_gguf(wt_statistics *s, const wt_gguf *g, wt_error *err) {
    if (read_tensors(s, g, err) != 0) return -1;
    if (s->count == 0 && wt_gguf_find_kv(g, "general.architecture")) {
        wt_fail(err, WT_ERR_FORMAT, "it is a model, not statistics of one");
        return wt_hint(err, "'wildtype calibrate' measures the statistics of a model");
    }
    return read_metadata(s, g, err);
}

/* From either format; `gguf` is NULL for the old one. The error gets the file's name here. */
static wt_statistics *read_any(const wt_gguf *gguf, const void *data, size_t size, const char *name, wt_error *err) {
    wt_statistics *s = wt_statistics_new(name, err);
    if (!s) return NULL;
    wt_error local = {0};
    int rc = gguf ? read_gguf(s, gguf, &local) : wt_statistics_read_dat(s, data, size, &local);
    if (rc == 0) rc = wt_statistics_finish(s, &local);
    if (rc == 0) return s;
    wt_statistics_free(s);
    if (local.code == WT_ERR_FORMAT) {
        wt_error_prefix(&local, gguf ? "cannot read '%s'" : "cannot read '%s' as GGUF or as an old imatrix", name);
        if (!local.hint[0]) wt_hint(&local, "'wildtype calibrate' and llama-imatrix write statistics");
    }
    if (err) *err = local;
    return NULL;
}

static bool is_gguf(const void *data, size_t size) { return size >= 4 && memcmp(data, "GGUF", 4) == 0; }

wt_statistics *wt_statistics_from_memory(const void *data, size_t size, const char *name, wt_error *err) {
    if (!is_gguf(data, size)) return read_any(NULL, data, size, name, err);
    wt_gguf *g = wt_gguf_from_memory(data, size, name, err);
    wt_statistics *s = g ? read_any(g, NULL, 0, name, err) : NULL;
    wt_gguf_close(g);
    return s;
}

wt_statistics *wt_statistics_read(const char *path, wt_error *err) {
    wt_map map;
    if (wt_map_open(&map, path, err) != 0) return NULL;
    wt_statistics *s;
    if (is_gguf(map.data, map.size)) {
        wt_gguf *g = wt_gguf_open(path, err);
        s = g ? read_any(g, NULL, 0, path, err) : NULL;
        wt_gguf_close(g);
    } else {
        s = read_any(NULL, map.data, map.size, path, err);
    }
    wt_map_close(&map);
    return s;
}
