/*
 * Writing GGUF files. Metadata entries are kept as the bytes that will be written, so that entries copied from another file
 * stay what they were; tensors are announced first, which fixes every offset, and then streamed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "model/gguf_private.h"

typedef struct out_kv {
    char *key;
    uint8_t *bytes; /* the whole entry */
    size_t size;
} out_kv;

typedef struct out_tensor {
    char *name;
    wt_type type;
    uint32_t n_dims;
    uint64_t dims[WT_GGUF_MAX_DIMS], bytes, offset;
} out_tensor;

struct wt_gguf_writer {
    wt_output out;
    out_kv *kvs;
    size_t n_kvs, cap_kvs;
    out_tensor *tensors;
    size_t n_tensors, cap_tensors;
    uint64_t data_bytes;      /* of all tensors, padding included */
    bool header_written;
    size_t current;           /* the tensor that is being written */
    uint64_t current_written; /* bytes of it that are down */
};

wt_gguf_writer *wt_gguf_writer_open(const char *path, wt_error *err) {
    wt_gguf_writer *w = wt_calloc(1, sizeof *w, err);
    if (!w) return NULL;
    if (path && wt_output_open(&w->out, path, err) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

static void writer_free(wt_gguf_writer *w) {
    for (size_t i = 0; i < w->n_kvs; i++) {
        free(w->kvs[i].key);
        free(w->kvs[i].bytes);
    }
    for (size_t i = 0; i < w->n_tensors; i++) free(w->tensors[i].name);
    free(w->kvs);
    free(w->tensors);
    free(w);
}

void wt_gguf_writer_abandon(wt_gguf_writer *w) {
    if (!w) return;
    wt_output_abandon(&w->out);
    writer_free(w);
}

static uint64_t pad(uint64_t n) {
    return (n + WT_GGUF_DEFAULT_ALIGNMENT - 1) / WT_GGUF_DEFAULT_ALIGNMENT * WT_GGUF_DEFAULT_ALIGNMENT;
}

/* ---- metadata ---- */

/* Puts an entry's bytes (consumed) in the place of its key, or at the end. */
static int put_entry(wt_gguf_writer *w, const char *key, uint8_t *bytes, size_t size, wt_error *err) {
    for (size_t i = 0; i < w->n_kvs; i++) {
        if (strcmp(w->kvs[i].key, key) == 0) {
            free(w->kvs[i].bytes);
            w->kvs[i].bytes = bytes;
            w->kvs[i].size = size;
            return 0;
        }
    }
    char *copy = strdup(key);
    if (!copy || wt_grow((void **)&w->kvs, &w->cap_kvs, w->n_kvs + 1, sizeof *w->kvs, err) != 0) {
        if (!copy) wt_fail_memory(err, strlen(key));
        free(copy);
        free(bytes);
        return -1;
    }
    w->kvs[w->n_kvs++] = (out_kv){copy, bytes, size};
    return 0;
}

/* Starts an entry: key and type, then room for `value_bytes`, which the caller fills from the returned place on. */
static uint8_t *begin_entry(const char *key, uint32_t type, size_t value_bytes, uint8_t **value, size_t *size,
                            wt_error *err) {
    uint64_t len = strlen(key);
    if (!wt_add_size(value_bytes, (size_t)len + 12, size)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    uint8_t *bytes = wt_calloc(*size, 1, err);
    if (!bytes) return NULL;
    memcpy(bytes, &len, 8);
    memcpy(bytes + 8, key, (size_t)len);
    memcpy(bytes + 8 + len, &type, 4);
    *value = bytes + 12 + len;
    return bytes;
}

static int set_scalar(wt_gguf_writer *w, const char *key, wt_kv_type type, const void *value, wt_error *err) {
    uint8_t *at;
    size_t size, n = wt_kv_type_bytes(type);
    uint8_t *bytes = begin_entry(key, type, n, &at, &size, err);
    if (!bytes) return -1;
    memcpy(at, value, n);
    return put_entry(w, key, bytes, size, err);
}

int wt_gguf_writer_copy_kv(wt_gguf_writer *w, const wt_kv *kv, wt_error *err) {
    /* Tensors are laid out anew, at the default alignment and in one file. */
    if (strcmp(kv->key, "general.alignment") == 0 || strncmp(kv->key, "split.", 6) == 0) return 0;
    uint8_t *bytes = wt_calloc(kv->entry_bytes, 1, err);
    if (!bytes) return -1;
    memcpy(bytes, kv->entry, kv->entry_bytes);
    return put_entry(w, kv->key, bytes, kv->entry_bytes, err);
}

int wt_gguf_writer_set_u32(wt_gguf_writer *w, const char *key, uint32_t value, wt_error *err) {
    return set_scalar(w, key, WT_KV_U32, &value, err);
}

int wt_gguf_writer_set_i32(wt_gguf_writer *w, const char *key, int32_t value, wt_error *err) {
    return set_scalar(w, key, WT_KV_I32, &value, err);
}

int wt_gguf_writer_set_f32(wt_gguf_writer *w, const char *key, float value, wt_error *err) {
    return set_scalar(w, key, WT_KV_F32, &value, err);
}

int wt_gguf_writer_set_bool(wt_gguf_writer *w, const char *key, bool value, wt_error *err) {
    uint8_t byte = value;
    return set_scalar(w, key, WT_KV_BOOL, &byte, err);
}

int wt_gguf_writer_set_str(wt_gguf_writer *w, const char *key, const char *value, wt_error *err) {
    uint8_t *at;
    size_t size;
    uint64_t len = strlen(value);
    uint8_t *bytes = begin_entry(key, WT_KV_STRING, (size_t)len + 8, &at, &size, err);
    if (!bytes) return -1;
    memcpy(at, &len, 8);
    memcpy(at + 8, value, (size_t)len);
    return put_entry(w, key, bytes, size, err);
}

int wt_gguf_writer_set_array(wt_gguf_writer *w, const char *key, wt_kv_type element, const void *values, uint64_t count,
                             wt_error *err) {
    uint8_t *at;
    size_t size, data;
    uint32_t type = element;
    if (wt_kv_type_bytes(element) == 0)
        return wt_fail(err, WT_ERR_ARGUMENT, "key '%s': elements have no fixed size", key);
    if (!wt_mul_size((size_t)count, wt_kv_type_bytes(element), &data) || data > SIZE_MAX - 12)
        return wt_fail_memory(err, SIZE_MAX);
    uint8_t *bytes = begin_entry(key, WT_KV_ARRAY, data + 12, &at, &size, err);
    if (!bytes) return -1;
    memcpy(at, &type, 4);
    memcpy(at + 4, &count, 8);
    if (data) memcpy(at + 12, values, data);
    return put_entry(w, key, bytes, size, err);
}

int wt_gguf_writer_set_strs(wt_gguf_writer *w, const char *key, const wt_str *values, uint64_t count, wt_error *err) {
    size_t data = 12, size;
    for (uint64_t i = 0; i < count; i++) {
        if (!wt_add_size(data, values[i].len + 8, &data)) return wt_fail_memory(err, SIZE_MAX);
    }
    uint8_t *at;
    uint32_t type = WT_KV_STRING;
    uint8_t *bytes = begin_entry(key, WT_KV_ARRAY, data, &at, &size, err);
    if (!bytes) return -1;
    memcpy(at, &type, 4);
    memcpy(at + 4, &count, 8);
    at += 12;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = values[i].len;
        memcpy(at, &len, 8);
        if (len) memcpy(at + 8, values[i].data, (size_t)len);
        at += 8 + len;
    }
    return put_entry(w, key, bytes, size, err);
}

void wt_gguf_writer_remove(wt_gguf_writer *w, const char *key) {
    for (size_t i = 0; i < w->n_kvs; i++) {
        if (strcmp(w->kvs[i].key, key) != 0) continue;
        free(w->kvs[i].key);
        free(w->kvs[i].bytes);
        memmove(&w->kvs[i], &w->kvs[i + 1], (w->n_kvs - i - 1) * sizeof *w->kvs);
        w->n_kvs--;
        return;
    }
}

/* ---- tensors ---- */

int wt_gguf_writer_add_tensor(wt_gguf_writer *w, const char *name, wt_type type, const uint64_t *dims, uint32_t n_dims,
                              wt_error *err) {
    const wt_type_info *info = wt_type_find(type);
    out_tensor t = {.type = type, .n_dims = n_dims, .offset = w->data_bytes};
    if (w->header_written) return wt_fail(err, WT_ERR_ARGUMENT, "tensor '%s' is announced too late", name);
    if (!info || n_dims < 1 || n_dims > WT_GGUF_MAX_DIMS || !wt_type_row_bytes(type, dims[0], &t.bytes)) {
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %" PRIu64 " in tensor '%s' do not fit type %s", n_dims ? dims[0] : 0,
                       name, info ? info->name : "unknown");
    }
    for (uint32_t d = 0; d < n_dims; d++) {
        t.dims[d] = dims[d];
        if (d > 0 && !wt_mul_u64(t.bytes, dims[d], &t.bytes)) return wt_fail_memory(err, SIZE_MAX);
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        if (strcmp(w->tensors[i].name, name) == 0)
            return wt_fail(err, WT_ERR_ARGUMENT, "tensor '%s' is announced twice", name);
    }
    uint64_t end;
    if (!wt_add_u64(w->data_bytes, t.bytes, &end) || end > INT64_MAX) return wt_fail_memory(err, SIZE_MAX);
    if (wt_grow((void **)&w->tensors, &w->cap_tensors, w->n_tensors + 1, sizeof *w->tensors, err) != 0) return -1;
    if (!(t.name = strdup(name))) return wt_fail_memory(err, strlen(name));
    w->tensors[w->n_tensors++] = t;
    w->data_bytes = pad(end);
    return 0;
}

static uint64_t header_bytes(const wt_gguf_writer *w) {
    uint64_t n = 4 + 4 + 8 + 8;
    for (size_t i = 0; i < w->n_kvs; i++) n += w->kvs[i].size;
    for (size_t i = 0; i < w->n_tensors; i++)
        n += 8 + strlen(w->tensors[i].name) + 4 + 8 * (uint64_t)w->tensors[i].n_dims + 4 + 8;
    return n;
}

uint64_t wt_gguf_writer_file_bytes(const wt_gguf_writer *w) {
    return w->n_tensors ? pad(header_bytes(w)) + w->data_bytes : header_bytes(w);
}

static int write_zeros(wt_gguf_writer *w, uint64_t n, wt_error *err) {
    static const uint8_t zeros[WT_GGUF_DEFAULT_ALIGNMENT];
    return wt_output_write(&w->out, zeros, (size_t)n, err);
}

static int write_header(wt_gguf_writer *w, wt_error *err) {
    const uint32_t version = 3;
    const uint64_t n_tensors = w->n_tensors, n_kvs = w->n_kvs;
    w->header_written = true;
    if (wt_output_write(&w->out, "GGUF", 4, err) || wt_output_write(&w->out, &version, 4, err) ||
        wt_output_write(&w->out, &n_tensors, 8, err) || wt_output_write(&w->out, &n_kvs, 8, err))
        return -1;
    for (size_t i = 0; i < w->n_kvs; i++) {
        if (wt_output_write(&w->out, w->kvs[i].bytes, w->kvs[i].size, err) != 0) return -1;
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        const out_tensor *t = &w->tensors[i];
        const uint64_t len = strlen(t->name);
        const uint32_t type = t->type;
        if (wt_output_write(&w->out, &len, 8, err) || wt_output_write(&w->out, t->name, (size_t)len, err) ||
            wt_output_write(&w->out, &t->n_dims, 4, err) ||
            wt_output_write(&w->out, t->dims, 8 * (size_t)t->n_dims, err) ||
            wt_output_write(&w->out, &type, 4, err) || wt_output_write(&w->out, &t->offset, 8, err))
            return -1;
    }
    uint64_t n = header_bytes(w);
    return w->n_tensors ? write_zeros(w, pad(n) - n, err) : 0;
}

int wt_gguf_writer_data(wt_gguf_writer *w, const void *data, uint64_t bytes, wt_error *err) {
    if (!w->out.stream) return wt_fail(err, WT_ERR_ARGUMENT, "a file that is only counted holds no data");
    if (!w->header_written && write_header(w, err) != 0) return -1;
    const out_tensor *t = w->current < w->n_tensors ? &w->tensors[w->current] : NULL;
    if (!t || bytes > t->bytes - w->current_written)
        return wt_fail(err, WT_ERR_ARGUMENT, "more data than tensor '%s' has", t ? t->name : "(none)");
    if (wt_output_write(&w->out, data, (size_t)bytes, err) != 0) return -1;
    w->current_written += bytes;
    if (w->current_written < t->bytes) return 0;
    w->current++;
    w->current_written = 0;
    return write_zeros(w, pad(t->bytes) - t->bytes, err);
}

int wt_gguf_writer_finish(wt_gguf_writer *w, wt_error *err) {
    if (!w->out.stream) {
        wt_fail(err, WT_ERR_ARGUMENT, "a file that is only counted cannot be finished");
        goto fail;
    }
    if (!w->header_written && write_header(w, err) != 0) goto fail;
    if (w->current < w->n_tensors) {
        wt_fail(err, WT_ERR_ARGUMENT, "tensor '%s' was announced but not written", w->tensors[w->current].name);
        goto fail;
    }
    int rc = wt_output_commit(&w->out, err);
    writer_free(w);
    return rc;
fail:
    wt_gguf_writer_abandon(w);
    return -1;
}
