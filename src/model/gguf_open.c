/* Opening files, split ones included, and finding things in them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/gguf_private.h"

#define MAX_PARTS 4096

static uint64_t hash_name(const char *s) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ h >> 29;
}

/* How the table's owner names entry i. */
typedef const char *(*name_of)(const wt_gguf *g, size_t i);
static const char *kv_name(const wt_gguf *g, size_t i) { return g->kvs[i].key; }
static const char *tensor_name(const wt_gguf *g, size_t i) { return g->tensors[i].name; }

/* The index of `name`, or -1. */
static int64_t table_find(const wt_gguf *g, const name_table *t, name_of name_at, const char *name) {
    if (!t->slots) return -1;
    for (size_t i = hash_name(name) & t->mask; t->slots[i]; i = (i + 1) & t->mask) {
        if (strcmp(name_at(g, t->slots[i] - 1), name) == 0) return (int64_t)t->slots[i] - 1;
    }
    return -1;
}

static int table_build(const wt_gguf *g, name_table *t, name_of name_at, size_t n, const char *what, wt_error *err) {
    size_t size = 16;
    while (size < n * 2) size *= 2;
    if (n >= UINT32_MAX / 4) return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot read '%s': too many entries", g->path);
    if (!(t->slots = wt_calloc(size, sizeof *t->slots, err))) return -1;
    t->mask = size - 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = name_at(g, i);
        size_t at = hash_name(name) & t->mask;
        for (; t->slots[at]; at = (at + 1) & t->mask) {
            if (strcmp(name_at(g, t->slots[at] - 1), name) == 0)
                return wt_fail(err, WT_ERR_FORMAT, "cannot read '%s': %s '%.200s' stands in it twice", g->path, what, name);
        }
        t->slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

int wt_gguf_index(wt_gguf *g, wt_error *err) {
    if (table_build(g, &g->kv_names, kv_name, g->n_kvs, "key", err) != 0) return -1;
    return table_build(g, &g->tensor_names, tensor_name, g->n_tensors, "tensor", err);
}

wt_gguf *wt_gguf_from_memory(const void *data, size_t size, const char *name, wt_error *err) {
    wt_gguf *g = wt_calloc(1, sizeof *g, err);
    if (!g) return NULL;
    g->n_parts = 1;
    g->file_bytes = size;
    if (!(g->path = strdup(name))) {
        wt_fail_memory(err, strlen(name));
        goto fail;
    }
    if (wt_gguf_parse_part(g, data, size, name, true, err) != 0 || wt_gguf_index(g, err) != 0) goto fail;
    return g;
fail:
    wt_gguf_close(g);
    return NULL;
}

/* Where NAME-00002-of-00003.gguf has its number: the length of NAME, and both numbers. */
static bool split_name(const char *path, size_t *prefix, unsigned *part, unsigned *parts) {
    size_t n = strlen(path);
    const size_t tail = strlen("-00001-of-00003.gguf");
    int used = 0;
    if (n < tail) return false;
    *prefix = n - tail;
    return sscanf(path + *prefix, "-%5u-of-%5u.gguf%n", part, parts, &used) == 2 && (size_t)used == tail;
}

/* The part numbers that a part's metadata claims; absent keys leave 0 parts. */
static int split_numbers(const wt_gguf *part, uint64_t *no, uint64_t *count, wt_error *err) {
    *no = *count = 0;
    if (wt_gguf_get_u64(part, "split.no", no, err) < 0) return -1;
    return wt_gguf_get_u64(part, "split.count", count, err) < 0 ? -1 : 0;
}

/* Appends part i (from 0) of a split file; only the first part's metadata is kept. */
static int append_part(wt_gguf *g, const char *path, uint64_t i, uint64_t count, wt_error *err) {
    if (wt_map_open(&g->maps[i], path, err) != 0) {
        if (err && errno == ENOENT) wt_hint(err, "all %" PRIu64 " parts have to be in the same folder", count);
        return -1;
    }
    g->n_maps++;
    g->file_bytes += g->maps[i].size;
    size_t kvs = g->n_kvs;
    if (wt_gguf_parse_part(g, g->maps[i].data, g->maps[i].size, path, i == 0, err) != 0) return -1;
    wt_gguf view = {.path = (char *)path, .kvs = g->kvs ? g->kvs + kvs : NULL, .n_kvs = g->n_kvs - kvs};
    if (table_build(&view, &view.kv_names, kv_name, view.n_kvs, "key", err) != 0) {
        free(view.kv_names.slots);
        return -1;
    }
    uint64_t no, claimed;
    int rc = split_numbers(&view, &no, &claimed, err);
    free(view.kv_names.slots);
    if (rc != 0) return -1;
    if (claimed != count || no != i) {
        return wt_fail(err, WT_ERR_MISMATCH,
                       "cannot read '%s': its metadata says part %" PRIu64 " of %" PRIu64 ", its name part %" PRIu64
                       " of %" PRIu64,
                       path, no + 1, claimed, i + 1, count);
    }
    if (i > 0) g->n_kvs = kvs; /* later parts repeat what the first one says */
    return 0;
}

static int open_parts(wt_gguf *g, size_t prefix, uint64_t count, wt_error *err) {
    char *path = wt_calloc(strlen(g->path) + 32, 1, err);
    if (!path) return -1;
    int rc = 0;
    g->n_parts = (int)count;
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        sprintf(path, "%.*s-%05u-of-%05u.gguf", (int)prefix, g->path, (unsigned)i + 1, (unsigned)count);
        rc = append_part(g, path, i, count, err);
    }
    free(path);
    if (rc != 0 || wt_gguf_index(g, err) != 0) return -1;
    uint64_t tensors = g->n_tensors;
    if (wt_gguf_get_u64(g, "split.tensors.count", &tensors, err) < 0) return -1;
    if (tensors != g->n_tensors) {
        return wt_fail(err, WT_ERR_MISMATCH, "cannot read '%s': the parts hold %zu tensors, not %" PRIu64, g->path,
                       g->n_tensors, tensors);
    }
    return 0;
}

static int open_single(wt_gguf *g, wt_error *err) {
    if (wt_map_open(&g->maps[0], g->path, err) != 0) return -1;
    g->n_maps = g->n_parts = 1;
    g->file_bytes = g->maps[0].size;
    if (wt_gguf_parse_part(g, g->maps[0].data, g->maps[0].size, g->path, true, err) != 0 || wt_gguf_index(g, err) != 0)
        return -1;
    uint64_t no, count;
    if (split_numbers(g, &no, &count, err) != 0) return -1;
    if (count > 1) {
        wt_fail(err, WT_ERR_MISMATCH, "cannot read '%s': it is part %" PRIu64 " of %" PRIu64 " and has lost its name",
                g->path, no + 1, count);
        return wt_hint(err, "parts are named like model-00001-of-00003.gguf");
    }
    return 0;
}

wt_gguf *wt_gguf_open(const char *path, wt_error *err) {
    wt_gguf *g = wt_calloc(1, sizeof *g, err);
    if (!g) return NULL;
    size_t prefix;
    unsigned part, parts;
    bool split = split_name(path, &prefix, &part, &parts) && parts >= 2 && parts <= MAX_PARTS && part >= 1 &&
                 part <= parts; /* one of one is a whole file, whether its metadata speak of parts or not */
    g->path = strdup(path);
    g->maps = wt_calloc(split ? parts : 1, sizeof *g->maps, err);
    if (!g->path) wt_fail_memory(err, strlen(path));
    if (!g->path || !g->maps || (split ? open_parts(g, prefix, parts, err) : open_single(g, err)) != 0) {
        wt_gguf_close(g);
        return NULL;
    }
    return g;
}

void wt_gguf_close(wt_gguf *gguf) {
    if (!gguf) return;
    for (int i = 0; i < gguf->n_maps; i++) wt_map_close(&gguf->maps[i]);
    free(gguf->maps);
    free(gguf->kvs);
    free(gguf->tensors);
    free(gguf->kv_names.slots);
    free(gguf->tensor_names.slots);
    wt_arena_release(&gguf->arena);
    free(gguf->path);
    free(gguf);
}

static bool same_file(const char *a, const char *b) {
    struct stat s, t;
    return stat(a, &s) == 0 && stat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

bool wt_gguf_is_at(const wt_gguf *gguf, const char *path) {
    size_t prefix;
    unsigned part, parts;
    if (gguf->n_maps == 0) return false;
    if (!split_name(gguf->path, &prefix, &part, &parts)) return same_file(gguf->path, path);
    char *name = wt_calloc(strlen(gguf->path) + 32, 1, NULL);
    bool same = false;
    for (int i = 0; name && !same && i < gguf->n_maps; i++) {
        sprintf(name, "%.*s-%05u-of-%05u.gguf", (int)prefix, gguf->path, (unsigned)i + 1, parts);
        same = same_file(name, path);
    }
    free(name);
    return same;
}

void wt_gguf_unload(const wt_gguf *gguf, const void *data, uint64_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uint8_t *from = data;
    for (int i = 0; i < gguf->n_maps; i++) {
        const wt_map *map = &gguf->maps[i];
        if (from < map->data || from >= map->data + map->size) continue;
        const uintptr_t first = (uintptr_t)from / page * page, end = ((uintptr_t)from + bytes) / page * page;
        if (end > first) madvise((void *)first, end - first, MADV_DONTNEED); /* whatever it says: it is advice */
        return;
    }
}

const char *wt_gguf_path(const wt_gguf *gguf) { return gguf->path; }
uint64_t wt_gguf_file_bytes(const wt_gguf *gguf) { return gguf->file_bytes; }
uint32_t wt_gguf_version(const wt_gguf *gguf) { return gguf->version; }
uint32_t wt_gguf_alignment(const wt_gguf *gguf) { return gguf->alignment; }
int wt_gguf_parts(const wt_gguf *gguf) { return gguf->n_parts; }
size_t wt_gguf_kv_count(const wt_gguf *gguf) { return gguf->n_kvs; }
const wt_kv *wt_gguf_kv(const wt_gguf *gguf, size_t i) { return i < gguf->n_kvs ? &gguf->kvs[i] : NULL; }
size_t wt_gguf_tensor_count(const wt_gguf *gguf) { return gguf->n_tensors; }
const wt_tensor *wt_gguf_tensor(const wt_gguf *gguf, size_t i) {
    return i < gguf->n_tensors ? &gguf->tensors[i] : NULL;
}

const wt_kv *wt_gguf_find_kv(const wt_gguf *gguf, const char *key) {
    int64_t i = table_find(gguf, &gguf->kv_names, kv_name, key);
    return i < 0 ? NULL : &gguf->kvs[i];
}

const wt_tensor *wt_gguf_find_tensor(const wt_gguf *gguf, const char *name) {
    int64_t i = table_find(gguf, &gguf->tensor_names, tensor_name, name);
    return i < 0 ? NULL : &gguf->tensors[i];
}
