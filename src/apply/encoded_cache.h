/*
 * Encoded tensors, kept by everything that determines them, so that two strategies that agree on a tensor encode it once. The least
 * recently used ones go when the limit is reached; what somebody still holds lives on until it is let go.
 */
#ifndef WT_APPLY_ENCODED_CACHE_H
#define WT_APPLY_ENCODED_CACHE_H

#include "base/error.h"
#include "base/hash.h"

/* A tensor's bytes. Read-only; shared and counted. */
typedef struct wt_encoded {
    size_t bytes;
    void *data;     /* aligned to WT_ALIGN */
    double seconds; /* that making it took, when it was made */
} wt_encoded;

typedef struct wt_encoded_cache wt_encoded_cache;

/* `limit`: bytes that are kept for later. Thread-safe from here on. */
wt_encoded_cache *wt_encoded_cache_new(size_t limit, wt_error *err);
void wt_encoded_cache_free(wt_encoded_cache *cache); /* NULL-safe; what is held elsewhere stays valid */

/* The tensor of that key, to be let go by wt_encoded_release; NULL where it is not there. */
wt_encoded *wt_encoded_cache_get(wt_encoded_cache *cache, wt_hash key);

/* A new tensor of uninitialised bytes, held by the caller alone; NULL where memory is out. */
wt_encoded *wt_encoded_new(size_t bytes, wt_error *err);
/* Takes note of it under the key; the caller keeps its hold. Where the key is known already, nothing changes. */
void wt_encoded_cache_put(wt_encoded_cache *cache, wt_hash key, wt_encoded *encoded);

wt_encoded *wt_encoded_hold(wt_encoded *encoded); /* one more hold; returns it */
void wt_encoded_release(wt_encoded *encoded);     /* NULL-safe */

typedef struct wt_cache_counts {
    uint64_t hits, misses;
    size_t bytes, entries;
} wt_cache_counts;
wt_cache_counts wt_encoded_cache_counts(wt_encoded_cache *cache);

#endif
