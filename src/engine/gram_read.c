/* Reading Gram matrices; see gram.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/gram.h"
#include "engine/gram_private.h"
#include "model/gguf.h"

typedef struct gram_entry {
    const char *tensor;
    size_t columns;
    const void *upper; /* in the file; perhaps not aligned */
    double rows;
} gram_entry;

struct wt_gram {
    wt_gguf *gguf;
    wt_arena arena;
    gram_entry *entries; /* sorted by tensor */
    size_t count;
};

static int by_tensor(const void *a, const void *b) {
    return strcmp(((const gram_entry *)a)->tensor, ((const gram_entry *)b)->tensor);
}

/* A list of names: NULL where it is absent or something else. Freed by the caller. */
static wt_str *read_names(const wt_gguf *g, const char *key, size_t *count, wt_error *err) {
    const wt_kv *kv = wt_gguf_find_kv(g, key);
    if (!kv || kv->type != WT_KV_ARRAY || kv->element != WT_KV_STRING) {
        wt_fail(err, WT_ERR_FORMAT, "key '%s' is missing or no list of names", key);
        return NULL;
    }
    wt_str *names = wt_calloc((size_t)kv->count, sizeof *names, err);
    if (!names) return NULL;
    wt_kv_strings(kv, names);
    *count = (size_t)kv->count;
    return names;
}

/* The tensor `input` + ending, F32; NULL and an error. */
static const wt_tensor *find_part(const wt_gguf *g, wt_str input, const char *ending, wt_error *err) {
    char *name = wt_calloc(input.len + strlen(ending) + 1, 1, err);
    if (!name) return NULL;
    memcpy(name, input.data, input.len);
    strcpy(name + input.len, ending);
    const wt_tensor *t = wt_gguf_find_tensor(g, name);
    if (!t)
        wt_fail(err, WT_ERR_FORMAT, "it has no tensor '%.200s'", name);
    else if (t->type != WT_F32)
        wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' is not F32", name);
    free(name);
    return t && t->type == WT_F32 ? t : NULL;
}

static int read_entry(wt_gram *gram, gram_entry *e, wt_str tensor, wt_str input, wt_error *err) {
    const wt_tensor *matrix = find_part(gram->gguf, input, WT_GRAM_MATRIX, err);
    const wt_tensor *counts = matrix ? find_part(gram->gguf, input, WT_GRAM_COUNTS, err) : NULL;
    if (!counts) return -1;
    const uint64_t values = matrix->dims[0] * matrix->rows;
    const uint64_t columns = (uint64_t)((sqrt(8.0 * (double)values + 1.0) - 1.0) / 2.0 + 0.5);
    uint64_t expected;
    if (columns == 0 || !wt_gram_values(columns, &expected) || expected != values)
        return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' has %" PRIu64 " values, which are no triangle", matrix->name,
                       values);
    float rows = 0;
    if (counts->bytes >= sizeof rows) memcpy(&rows, counts->data, sizeof rows);
    if (!(isfinite(rows) && rows >= 1.0f))
        return wt_fail(err, WT_ERR_FORMAT, "tensor '%.200s' says %g rows", counts->name, (double)rows);
    if (!(e->tensor = wt_arena_strndup(&gram->arena, tensor.data, tensor.len, err))) return -1;
    e->columns = (size_t)columns;
    e->upper = matrix->data;
    e->rows = (double)rows;
    return 0;
}

static int read_entries(wt_gram *gram, wt_error *err) {
    wt_str type = {0};
    if (wt_gguf_get_str(gram->gguf, "general.type", &type, err) < 0) return -1;
    if (type.len != strlen(WT_GRAM_TYPE) || memcmp(type.data, WT_GRAM_TYPE, type.len) != 0) {
        wt_fail(err, WT_ERR_FORMAT, "it has no Gram matrices");
        return wt_hint(err, "'wildtype calibrate --gram FILE' writes them");
    }
    size_t n = 0, m = 0;
    wt_str *tensors = read_names(gram->gguf, "gram.tensors", &n, err);
    wt_str *inputs = tensors ? read_names(gram->gguf, "gram.inputs", &m, err) : NULL;
    int rc = inputs ? 0 : -1;
    if (rc == 0 && n != m)
        rc = wt_fail(err, WT_ERR_FORMAT, "gram.tensors has %zu names and gram.inputs %zu", n, m);
    if (rc == 0 && !(gram->entries = wt_calloc(n, sizeof *gram->entries, err))) rc = -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = read_entry(gram, &gram->entries[i], tensors[i], inputs[i], err);
        if (rc == 0) gram->count++;
    }
    free(tensors);
    free(inputs);
    if (rc != 0) return -1;
    qsort(gram->entries, gram->count, sizeof *gram->entries, by_tensor);
    for (size_t i = 1; i < gram->count; i++) {
        if (by_tensor(&gram->entries[i - 1], &gram->entries[i]) == 0)
            return wt_fail(err, WT_ERR_FORMAT, "'%.200s' stands in gram.tensors twice", gram->entries[i].tensor);
    }
    return 0;
}

static wt_gram *from_gguf(wt_gguf *g, wt_error *err) {
    if (!g) return NULL;
    wt_gram *gram = wt_calloc(1, sizeof *gram, err);
    if (!gram) {
        wt_gguf_close(g);
        return NULL;
    }
    gram->gguf = g;
    if (read_entries(gram, err) == 0) return gram;
    wt_error_prefix(err, "cannot read '%s'", wt_gguf_path(g));
    wt_gram_close(gram);
    return NULL;
}

wt_gram *wt_gram_open(const char *path, wt_error *err) { return from_gguf(wt_gguf_open(path, err), err); }

wt_gram *wt_gram_from_memory(const void *data, size_t size, const char *name, wt_error *err) {
    return from_gguf(wt_gguf_from_memory(data, size, name, err), err);
}

void wt_gram_close(wt_gram *gram) {
    if (!gram) return;
    wt_gguf_close(gram->gguf);
    wt_arena_release(&gram->arena);
    free(gram->entries);
    free(gram);
}

const char *wt_gram_tensor(const wt_gram *gram, size_t i) { return i < gram->count ? gram->entries[i].tensor : NULL; }

static const gram_entry *find(const wt_gram *gram, const char *tensor) {
    gram_entry key = {.tensor = tensor};
    return gram->count ? bsearch(&key, gram->entries, gram->count, sizeof key, by_tensor) : NULL;
}

size_t wt_gram_columns(const wt_gram *gram, const char *tensor) {
    const gram_entry *e = find(gram, tensor);
    return e ? e->columns : 0;
}

int wt_gram_read(const wt_gram *gram, const char *tensor, double *out, wt_error *err) {
    const gram_entry *e = find(gram, tensor);
    if (!e)
        return wt_fail(err, WT_ERR_MISMATCH, "'%s' has no Gram matrix of '%.200s'", wt_gguf_path(gram->gguf), tensor);
    const uint8_t *at = e->upper;
    for (size_t i = 0; i < e->columns; i++) {
        for (size_t j = i; j < e->columns; j++, at += sizeof(float)) {
            float sum;
            memcpy(&sum, at, sizeof sum);
            if (!isfinite(sum))
                return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': the Gram matrix of '%.200s' has %g at %zu, %zu",
                               wt_gguf_path(gram->gguf), tensor, (double)sum, i, j);
            out[i * e->columns + j] = out[j * e->columns + i] = (double)sum / e->rows;
        }
    }
    return 0;
}
