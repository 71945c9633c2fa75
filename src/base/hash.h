/* Hashes of bytes: XXH3's 128 bits, for cache keys and names. Not cryptographic: nothing here guards against malice. */
#ifndef WT_BASE_HASH_H
#define WT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct wt_hash {
    uint64_t low, high;
} wt_hash;

/* The hash of `bytes` bytes at data (NULL only where there are none). */
wt_hash wt_hash_bytes(const void *data, size_t bytes);

/* The hash of what `hash` stands for with `bytes` more bytes behind it: for keys that are made of several things. */
wt_hash wt_hash_add(wt_hash hash, const void *data, size_t bytes);
wt_hash wt_hash_add_u64(wt_hash hash, uint64_t value);
wt_hash wt_hash_add_str(wt_hash hash, const char *text); /* its length included */

static inline int wt_hash_equal(wt_hash a, wt_hash b) { return a.low == b.low && a.high == b.high; }

/* The first `digits` (at most 32) hexadecimal digits, NUL-terminated: out has digits + 1 bytes. */
void wt_hash_print(wt_hash hash, char *out, size_t digits);

#endif
