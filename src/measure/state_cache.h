/* Hidden states between blocks, kept by a hash of what made them, up to a limit of bytes: the least recently used ones go. */
#ifndef WT_MEASURE_STATE_CACHE_H
#define WT_MEASURE_STATE_CACHE_H

#include "base/error.h"
#include "base/hash.h"

typedef struct wt_state_cache wt_state_cache;

wt_state_cache *wt_state_cache_new(size_t limit, wt_error *err); /* a limit of 0 keeps nothing */
void wt_state_cache_free(wt_state_cache *cache);
/* The states of that key [floats], valid until the next put; NULL where they are not there. */
const float *wt_state_cache_get(wt_state_cache *cache, wt_hash key);
/* Keeps a copy. Without memory nothing is kept: a cache may forget. */
void wt_state_cache_put(wt_state_cache *cache, wt_hash key, const float *states, size_t floats);

#endif
