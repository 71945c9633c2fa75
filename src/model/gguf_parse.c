/*
 * Parsing a GGUF file's header. A cursor walks the bytes and refuses to leave them; every count is compared with what the
 * remaining bytes could hold before anything is allocated for it, and every tensor is placed inside the file.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "model/gguf_private.h"

#define MAX_KEY 65535          /* the specification's limit on a key */
#define MAX_TENSOR_NAME 1024   /* the specification says 64; be generous, not boundless */
#define MIN_KV_BYTES 13        /* an empty key, a type, one byte */
#define MIN_TENSOR_BYTES 32    /* an empty name, one dimension, type, offset */

typedef struct cursor {
    const uint8_t *data;
    size_t size, at;
    const char *path;
    wt_error *err;
} cursor;

static int truncated(const cursor *c, const char *what, uint64_t wanted) {
    wt_fail(c->err, WT_ERR_FORMAT,
            "cannot read '%s': %s at byte %zu needs %" PRIu64 " bytes, but the file ends after %zu", c->path, what, c->at,
            wanted, c->size);
    return wt_hint(c->err, "the download is probably incomplete");
}

static int take(cursor *c, const char *what, uint64_t bytes, const uint8_t **out) {
    if (bytes > c->size - c->at) return truncated(c, what, bytes);
    *out = c->data + c->at;
    c->at += (size_t)bytes;
    return 0;
}

static int take_u32(cursor *c, const char *what, uint32_t *out) {
    const uint8_t *p = NULL;
    if (take(c, what, 4, &p) != 0) return -1;
    memcpy(out, p, 4);
    return 0;
}

static int take_u64(cursor *c, const char *what, uint64_t *out) {
    const uint8_t *p = NULL;
    if (take(c, what, 8, &p) != 0) return -1;
    memcpy(out, p, 8);
    return 0;
}

/* A length and that many bytes. */
static int take_str(cursor *c, const char *what, uint64_t limit, wt_str *out) {
    uint64_t len;
    const uint8_t *p = NULL;
    size_t at = c->at;
    if (take_u64(c, what, &len) != 0) return -1;
    if (len > limit && len <= c->size - c->at) {
        return wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': %s at byte %zu is %" PRIu64 " bytes long, more than %" PRIu64,
                       c->path, what, at, len, limit);
    }
    if (take(c, what, len, &p) != 0) return -1;
    *out = (wt_str){(const char *)p, (size_t)len};
    return 0;
}

/* A name as a NUL-terminated string of the arena; names with a NUL inside are refused. */
static char *copy_name(wt_gguf *g, const cursor *c, const char *what, wt_str s) {
    if (memchr(s.data, '\0', s.len)) {
        wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': %s before byte %zu holds a NUL", c->path, what, c->at);
        return NULL;
    }
    return wt_arena_strndup(&g->arena, s.data, s.len, c->err);
}

size_t wt_kv_type_bytes(uint32_t type) {
    switch (type) {
    case WT_KV_U8:
    case WT_KV_I8:
    case WT_KV_BOOL: return 1;
    case WT_KV_U16:
    case WT_KV_I16: return 2;
    case WT_KV_U32:
    case WT_KV_I32:
    case WT_KV_F32: return 4;
    case WT_KV_U64:
    case WT_KV_I64:
    case WT_KV_F64: return 8;
    default: return 0;
    }
}

static int unknown_kv_type(const cursor *c, const char *key, uint32_t type) {
    return wt_fail(c->err, WT_ERR_UNSUPPORTED, "cannot read '%s': key '%.200s' has the unknown value type %u", c->path, key,
                   type);
}

static int parse_array(cursor *c, wt_kv *kv) {
    uint32_t element;
    if (take_u32(c, "an array's type", &element) != 0 || take_u64(c, "an array's length", &kv->count) != 0) return -1;
    kv->element = (wt_kv_type)element;
    kv->value = c->data + c->at;
    const uint8_t *p = NULL;
    uint64_t bytes;
    if (element == WT_KV_ARRAY) {
        return wt_fail(c->err, WT_ERR_UNSUPPORTED, "cannot read '%s': key '%.200s' is an array of arrays", c->path,
                       kv->key);
    }
    if (element == WT_KV_STRING) {
        wt_str s;
        for (uint64_t i = 0; i < kv->count; i++) {
            if (take_str(c, "a string of an array", UINT64_MAX, &s) != 0) return -1;
        }
        return 0;
    }
    if (wt_kv_type_bytes(element) == 0) return unknown_kv_type(c, kv->key, element);
    if (!wt_mul_u64(kv->count, wt_kv_type_bytes(element), &bytes)) return truncated(c, "an array", UINT64_MAX);
    return take(c, "an array", bytes, &p);
}

static int parse_kv(wt_gguf *g, cursor *c, wt_kv *kv) {
    wt_str key;
    uint32_t type;
    kv->entry = c->data + c->at;
    if (take_str(c, "a key", MAX_KEY, &key) != 0) return -1;
    if (!(kv->key = copy_name(g, c, "a key", key))) return -1;
    if (take_u32(c, "a value's type", &type) != 0) return -1;
    kv->type = kv->element = (wt_kv_type)type;
    kv->count = 1;
    kv->value = c->data + c->at;
    const uint8_t *p = NULL;
    wt_str s;
    if (type == WT_KV_ARRAY) {
        if (parse_array(c, kv) != 0) return -1;
    } else if (type == WT_KV_STRING) {
        if (take_str(c, "a string", UINT64_MAX, &s) != 0) return -1;
    } else if (wt_kv_type_bytes(type) == 0) {
        return unknown_kv_type(c, kv->key, type);
    } else if (take(c, "a value", wt_kv_type_bytes(type), &p) != 0) {
        return -1;
    }
    kv->value_bytes = (size_t)(c->data + c->at - kv->value);
    kv->entry_bytes = (size_t)(c->data + c->at - kv->entry);
    return 0;
}

/* Reads one tensor's entry; its data is placed once the header's end is known. *offset is relative to the data. */
static int parse_tensor(wt_gguf *g, cursor *c, wt_tensor *t, uint64_t *offset) {
    wt_str name;
    uint32_t type;
    if (take_str(c, "a tensor's name", MAX_TENSOR_NAME, &name) != 0) return -1;
    if (!(t->name = copy_name(g, c, "a tensor's name", name))) return -1;
    if (take_u32(c, "a tensor's dimensions", &t->n_dims) != 0) return -1;
    if (t->n_dims < 1 || t->n_dims > WT_GGUF_MAX_DIMS) {
        return wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': tensor '%s' has %u dimensions, not 1 to %d", c->path,
                       t->name, t->n_dims, WT_GGUF_MAX_DIMS);
    }
    uint64_t elements = 1;
    for (uint32_t d = 0; d < WT_GGUF_MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d < t->n_dims && take_u64(c, "a tensor's dimensions", &t->dims[d]) != 0) return -1;
        if (t->dims[d] == 0 || t->dims[d] > INT64_MAX || !wt_mul_u64(elements, t->dims[d], &elements) ||
            elements > INT64_MAX) {
            return wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': tensor '%s' has an impossible dimension %" PRIu64,
                           c->path, t->name, t->dims[d]);
        }
    }
    t->rows = t->dims[1] * t->dims[2] * t->dims[3];
    if (take_u32(c, "a tensor's type", &type) != 0 || take_u64(c, "a tensor's offset", offset) != 0) return -1;
    const wt_type_info *info = wt_type_find(type);
    if (!info) {
        wt_fail(c->err, WT_ERR_UNSUPPORTED, "cannot read '%s': tensor '%s' has the unknown or withdrawn type %u", c->path,
                t->name, type);
        return wt_hint(c->err, "convert the model again with a current llama.cpp");
    }
    t->type = (wt_type)type;
    if (t->dims[0] % info->block != 0) {
        return wt_fail(c->err, WT_ERR_FORMAT,
                       "cannot read '%s': rows of %" PRIu64 " in tensor '%s' are no whole number of %s blocks of %u",
                       c->path, t->dims[0], t->name, info->name, info->block);
    }
    uint64_t row_bytes;
    if (!wt_type_row_bytes(t->type, t->dims[0], &row_bytes) || !wt_mul_u64(row_bytes, t->rows, &t->bytes)) {
        return wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': the size of tensor '%s' overflows", c->path, t->name);
    }
    return 0;
}

/* A tensor's place, for finding overlaps. */
typedef struct extent {
    uint64_t begin, end;
    const char *name;
} extent;

static int by_begin(const void *a, const void *b) {
    const extent *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Puts the part's tensors at their offsets behind `data_start` and checks that they lie inside and apart. */
static int place_tensors(wt_gguf *g, const cursor *c, size_t first, const uint64_t *offsets, uint64_t data_start) {
    size_t count = g->n_tensors - first;
    extent *extents = wt_calloc(count, sizeof *extents, c->err);
    if (!extents) return -1;
    int rc = -1;
    for (size_t i = 0; i < count; i++) {
        wt_tensor *t = &g->tensors[first + i];
        uint64_t begin, end;
        if (offsets[i] % g->alignment != 0) {
            wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': tensor '%s' starts at %" PRIu64 ", no multiple of %u", c->path,
                    t->name, offsets[i], g->alignment);
            goto done;
        }
        if (!wt_add_u64(data_start, offsets[i], &begin) || !wt_add_u64(begin, t->bytes, &end) || end > c->size) {
            bool fits = wt_add_u64(data_start, offsets[i], &begin) && wt_add_u64(begin, t->bytes, &end);
            wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': tensor '%s' ends %" PRIu64 " bytes past the file", c->path,
                    t->name, fits ? end - c->size : UINT64_MAX);
            wt_hint(c->err, "the download is probably incomplete");
            goto done;
        }
        t->data = c->data + begin;
        extents[i] = (extent){begin, end, t->name};
    }
    qsort(extents, count, sizeof *extents, by_begin);
    for (size_t i = 1; i < count; i++) {
        if (extents[i].begin < extents[i - 1].end) {
            wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': tensors '%s' and '%s' overlap", c->path,
                    extents[i - 1].name, extents[i].name);
            goto done;
        }
    }
    rc = 0;
done:
    free(extents);
    return rc;
}

/* The alignment that the part's own metadata (entries from `first` on) gives. */
static int parse_alignment(const wt_gguf *g, const cursor *c, size_t first, uint32_t *alignment) {
    *alignment = WT_GGUF_DEFAULT_ALIGNMENT;
    for (size_t i = first; i < g->n_kvs; i++) {
        if (strcmp(g->kvs[i].key, "general.alignment") != 0) continue;
        if (g->kvs[i].type != WT_KV_U32) {
            return wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': key 'general.alignment' is no 32-bit number", c->path);
        }
        memcpy(alignment, g->kvs[i].value, 4);
        if (*alignment == 0 || (*alignment & (*alignment - 1)) != 0 || *alignment > 1u << 20) {
            return wt_fail(c->err, WT_ERR_FORMAT,
                           "cannot read '%s': an alignment of %u, which is no power of two up to 1048576", c->path,
                           *alignment);
        }
    }
    return 0;
}

static int parse_magic(const cursor *c0, cursor *c, uint32_t *version) {
    if (c0->size < 4 || memcmp(c0->data, "GGUF", 4) != 0) {
        wt_fail(c->err, WT_ERR_FORMAT, "cannot read '%s': %s", c->path,
                c0->size == 0 ? "the file is empty" : "not a GGUF file");
        return wt_hint(c->err, "models come as .gguf files; llama.cpp's convert_hf_to_gguf.py makes one");
    }
    c->at = 4;
    if (take_u32(c, "the version", version) != 0) return -1;
    if (*version != 2 && *version != 3) {
        bool big_endian = (*version & 0xffff) == 0 && *version != 0;
        wt_fail(c->err, WT_ERR_UNSUPPORTED, big_endian ? "cannot read '%s': the file is big-endian (version word 0x%08x)"
                                                       : "cannot read '%s': GGUF version %u is not supported",
                c->path, *version);
        return wt_hint(c->err, big_endian ? "convert the model for little-endian machines" : "versions 2 and 3 are");
    }
    return 0;
}

int wt_gguf_parse_part(wt_gguf *g, const uint8_t *data, size_t size, const char *path, bool first, wt_error *err) {
    cursor c = {data, size, 0, path, err};
    cursor start = c;
    uint64_t n_tensors = 0, n_kvs = 0, *offsets = NULL;
    uint32_t version = 0;
    int rc = -1;
    if (parse_magic(&start, &c, &version) != 0) return -1;
    if (take_u64(&c, "the tensor count", &n_tensors) != 0 || take_u64(&c, "the metadata count", &n_kvs) != 0) return -1;
    if (n_kvs > (size - c.at) / MIN_KV_BYTES || n_tensors > (size - c.at) / MIN_TENSOR_BYTES) {
        bool kvs = n_kvs > (size - c.at) / MIN_KV_BYTES;
        wt_fail(err, WT_ERR_FORMAT, "cannot read '%s': %" PRIu64 " %s do not fit into its %zu bytes", path,
                kvs ? n_kvs : n_tensors, kvs ? "metadata entries" : "tensors", size);
        return wt_hint(err, "the download is probably incomplete");
    }
    size_t first_kv = g->n_kvs, first_tensor = g->n_tensors;
    if (wt_grow((void **)&g->kvs, &g->cap_kvs, g->n_kvs + (size_t)n_kvs, sizeof *g->kvs, err) != 0) return -1;
    for (uint64_t i = 0; i < n_kvs; i++) {
        wt_kv kv = {0};
        if (parse_kv(g, &c, &kv) != 0) return -1;
        g->kvs[g->n_kvs++] = kv;
    }
    uint32_t alignment;
    if (parse_alignment(g, &c, first_kv, &alignment) != 0) return -1;
    if (first) g->version = version;
    g->alignment = alignment;

    if (wt_grow((void **)&g->tensors, &g->cap_tensors, g->n_tensors + (size_t)n_tensors, sizeof *g->tensors, err) != 0)
        return -1;
    if (!(offsets = wt_calloc((size_t)n_tensors, sizeof *offsets, err))) return -1;
    for (uint64_t i = 0; i < n_tensors; i++) {
        wt_tensor t = {0};
        if (parse_tensor(g, &c, &t, &offsets[i]) != 0) goto done;
        g->tensors[g->n_tensors++] = t;
    }
    uint64_t data_start;
    if (!wt_round_up_u64(c.at, alignment, &data_start)) goto done;
    rc = place_tensors(g, &c, first_tensor, offsets, data_start);
done:
    free(offsets);
    return rc;
}
