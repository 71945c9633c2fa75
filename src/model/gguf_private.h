/* What the files of the GGUF reader share. */
#ifndef WT_MODEL_GGUF_PRIVATE_H
#define WT_MODEL_GGUF_PRIVATE_H

#include "base/file.h"
#include "base/memory.h"
#include "model/gguf.h"

/* An open-addressing table from names to indices; slots hold index + 1, 0 is empty. */
typedef struct name_table {
    uint32_t *slots;
    size_t mask;
} name_table;

struct wt_gguf {
    char *path;
    wt_map *maps; /* [n_maps] files that are mapped and owned; none where the bytes are the caller's */
    int n_maps, n_parts;
    uint32_t version, alignment;
    uint64_t file_bytes;
    wt_kv *kvs;
    size_t n_kvs, cap_kvs;
    wt_tensor *tensors;
    size_t n_tensors, cap_tensors;
    name_table kv_names, tensor_names;
    wt_arena arena; /* keys and names */
};

/* Bytes of a fixed-size metadata value; 0 for strings, arrays and unknown types. */
size_t wt_kv_type_bytes(uint32_t type);

/* Parses one part's bytes and appends what it holds. `first`: its metadata is the file's. */
int wt_gguf_parse_part(wt_gguf *g, const uint8_t *data, size_t size, const char *path, bool first, wt_error *err);

/* Builds the name tables and refuses duplicates. */
int wt_gguf_index(wt_gguf *g, wt_error *err);

#endif
