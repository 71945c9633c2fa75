/*
 * GGUF files, in and out (format: ggml/docs/gguf.md, versions 2 and 3, little-endian).
 *
 * Reading maps the file (or every part of a split one) and checks everything before it hands out a pointer: after a
 * successful open, each key, string, array and tensor lies inside its file. Nothing is allocated that the file's size does
 * not justify. Writing streams: metadata entries are copied byte for byte unless the caller replaces them, tensors are
 * supplied one after another, and the result appears under its name only when complete.
 */
#ifndef WT_MODEL_GGUF_H
#define WT_MODEL_GGUF_H

#include "base/error.h"
#include "model/types.h"

#include <stdbool.h>

#define WT_GGUF_MAX_DIMS 4
#define WT_GGUF_DEFAULT_ALIGNMENT 32

/* Metadata value types, as stored. */
typedef enum wt_kv_type {
    WT_KV_U8 = 0, WT_KV_I8, WT_KV_U16, WT_KV_I16, WT_KV_U32, WT_KV_I32, WT_KV_F32, WT_KV_BOOL,
    WT_KV_STRING, WT_KV_ARRAY, WT_KV_U64, WT_KV_I64, WT_KV_F64,
} wt_kv_type;

/* Bytes that are not NUL-terminated; they point into the mapped file. */
typedef struct wt_str {
    const char *data;
    size_t len;
} wt_str;

/* One metadata entry. Pointers go into the mapped file, which is little-endian and unaligned. */
typedef struct wt_kv {
    const char *key;       /* NUL-terminated, owned by the file object */
    wt_kv_type type;
    wt_kv_type element;    /* of an array: the type of its elements (no nested arrays) */
    uint64_t count;        /* of an array: how many elements; 1 otherwise */
    const uint8_t *value;  /* the first element; for a string its 8-byte length */
    size_t value_bytes;    /* from `value` to the end of the entry */
    const uint8_t *entry;  /* the whole entry as stored, key included */
    size_t entry_bytes;
} wt_kv;

/* One tensor. Dimension 0 is the contiguous one: a matrix of R rows and C columns has dims {C, R}. */
typedef struct wt_tensor {
    const char *name;      /* NUL-terminated, owned by the file object */
    wt_type type;
    uint32_t n_dims;       /* as stored: 1..4 */
    uint64_t dims[WT_GGUF_MAX_DIMS]; /* unused ones are 1 */
    uint64_t rows;         /* dims[1]*dims[2]*dims[3] */
    uint64_t bytes;        /* of the data, padding excluded */
    const void *data;      /* in the mapped file, aligned as the file says; NULL where !with_data */
} wt_tensor;

typedef struct wt_gguf wt_gguf;

/*
 * Opens `path`; where it is a part of a split file (NAME-00001-of-00003.gguf; keys split.no, split.count,
 * split.tensors.count), opens all parts: metadata is the first part's, tensors are everyone's. Any part may be named.
 * Returns NULL with file, place (byte offset), cause and hint on anything wrong.
 */
wt_gguf *wt_gguf_open(const char *path, wt_error *err);

/*
 * The same from memory (one part), for tests and fuzzers; `name` is used in messages. The bytes must outlive the object.
 */
wt_gguf *wt_gguf_from_memory(const void *data, size_t size, const char *name, wt_error *err);

void wt_gguf_close(wt_gguf *gguf);

const char *wt_gguf_path(const wt_gguf *gguf);       /* as opened */
uint64_t wt_gguf_file_bytes(const wt_gguf *gguf);    /* the sum over the parts */
uint32_t wt_gguf_version(const wt_gguf *gguf);
uint32_t wt_gguf_alignment(const wt_gguf *gguf);
int wt_gguf_parts(const wt_gguf *gguf);              /* how many files; 1 where it is not split */

/* Whether `path` leads to the file, or to a part of it; false for what is not there and for files from memory. */
bool wt_gguf_is_at(const wt_gguf *gguf, const char *path);

/*
 * Tells the system that these bytes of tensors' data are not needed for now, so that a file that is read once from end to end
 * does not fill the memory. They stay readable. Nothing happens to files from memory.
 */
void wt_gguf_unload(const wt_gguf *gguf, const void *data, uint64_t bytes);

size_t wt_gguf_kv_count(const wt_gguf *gguf);
const wt_kv *wt_gguf_kv(const wt_gguf *gguf, size_t i);
const wt_kv *wt_gguf_find_kv(const wt_gguf *gguf, const char *key); /* NULL where absent */

size_t wt_gguf_tensor_count(const wt_gguf *gguf);
const wt_tensor *wt_gguf_tensor(const wt_gguf *gguf, size_t i);
const wt_tensor *wt_gguf_find_tensor(const wt_gguf *gguf, const char *name); /* NULL where absent; hashed */

/*
 * Typed access to entry `key`. Return 1 and store the value where it is present, 0 where it is absent (*out untouched), and
 * -1 with an error where it has another type or does not fit (any integer type is accepted for integers, F32 or F64 for
 * floats). Strings point into the file.
 */
int wt_gguf_get_u64(const wt_gguf *gguf, const char *key, uint64_t *out, wt_error *err);
int wt_gguf_get_f64(const wt_gguf *gguf, const char *key, double *out, wt_error *err);
int wt_gguf_get_bool(const wt_gguf *gguf, const char *key, bool *out, wt_error *err);
int wt_gguf_get_str(const wt_gguf *gguf, const char *key, wt_str *out, wt_error *err);

/* Element i of a value or of an array of numbers, converted; the caller has checked i < count and that it is a number. */
double wt_kv_number(const wt_kv *kv, uint64_t i);
int64_t wt_kv_integer(const wt_kv *kv, uint64_t i);

/*
 * The strings of a string array (or the one string of a string): fills out[0..count-1]. The walk was checked on opening.
 */
void wt_kv_strings(const wt_kv *kv, wt_str *out);

/* ---- writing ---- */

typedef struct wt_gguf_writer wt_gguf_writer;

/*
 * Starts a version-3 file at `path` with the default alignment. Nothing is on disk under that name before finish. A NULL path
 * starts one that is only counted (wt_gguf_writer_file_bytes), then abandoned.
 */
wt_gguf_writer *wt_gguf_writer_open(const char *path, wt_error *err);

/* Adds an entry byte for byte from another file; an entry of the same key that was added before is replaced in place. */
int wt_gguf_writer_copy_kv(wt_gguf_writer *w, const wt_kv *kv, wt_error *err);

/* Adds or replaces entries; an entry keeps its place where it is replaced. */
int wt_gguf_writer_set_u32(wt_gguf_writer *w, const char *key, uint32_t value, wt_error *err);
int wt_gguf_writer_set_i32(wt_gguf_writer *w, const char *key, int32_t value, wt_error *err);
int wt_gguf_writer_set_f32(wt_gguf_writer *w, const char *key, float value, wt_error *err);
int wt_gguf_writer_set_bool(wt_gguf_writer *w, const char *key, bool value, wt_error *err);
int wt_gguf_writer_set_str(wt_gguf_writer *w, const char *key, const char *value, wt_error *err);
/* `values` are `count` elements of the fixed-size type `element`, in the machine's order. */
int wt_gguf_writer_set_array(wt_gguf_writer *w, const char *key, wt_kv_type element, const void *values, uint64_t count,
                             wt_error *err);
int wt_gguf_writer_set_strs(wt_gguf_writer *w, const char *key, const wt_str *values, uint64_t count, wt_error *err);
/* Removes an entry; no error where it is absent. */
void wt_gguf_writer_remove(wt_gguf_writer *w, const char *key);

/* Announces a tensor; its data follows later in the same order. Fails where the row is no whole number of blocks. */
int wt_gguf_writer_add_tensor(wt_gguf_writer *w, const char *name, wt_type type, const uint64_t *dims, uint32_t n_dims,
                              wt_error *err);

/* The size of the finished file in bytes, as announced so far. */
uint64_t wt_gguf_writer_file_bytes(const wt_gguf_writer *w);

/*
 * Appends `bytes` of data of the current tensor; tensors follow in the order of their announcement and may be written in
 * pieces; padding is the writer's business. The first call fixes metadata and tensor list.
 */
int wt_gguf_writer_data(wt_gguf_writer *w, const void *data, uint64_t bytes, wt_error *err);

/* Checks that every announced byte was written, fsyncs, renames. Frees the writer, also on failure. */
int wt_gguf_writer_finish(wt_gguf_writer *w, wt_error *err);

/* Removes what was written and frees the writer. NULL-safe. */
void wt_gguf_writer_abandon(wt_gguf_writer *w);

#endif
