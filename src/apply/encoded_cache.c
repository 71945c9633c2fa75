#include "apply/encoded_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

/* What is behind a wt_encoded. */
typedef struct counted {
    wt_encoded encoded; /* first */
    atomic_size_t holds;
} counted;

wt_encoded *wt_encoded_new(size_t bytes, wt_error *err) {
    counted *c = wt_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    c->encoded.bytes = bytes;
    if (!(c->encoded.data = wt_alloc_aligned(bytes, 1, err))) {
        free(c);
        return NULL;
    }
    atomic_init(&c->holds, 1);
    return &c->encoded;
}

wt_encoded *wt_encoded_hold(wt_encoded *encoded) {
    atomic_fetch_add(&((counted *)encoded)->holds, 1);
    return encoded;
}

void wt_encoded_release(wt_encoded *encoded) {
    if (!encoded || atomic_fetch_sub(&((counted *)encoded)->holds, 1) > 1) return;
    free(encoded->data);
    free(encoded);
}

/* ---- the cache: a hash table of chains, and a list from the most to the least recently used ---- */

typedef struct entry {
    wt_hash key;
    wt_encoded *encoded;
    struct entry *chain, *newer, *older;
} entry;

struct wt_encoded_cache {
    pthread_mutex_t lock;
    entry **buckets;
    size_t bucket_count; /* a power of two */
    entry *newest, *oldest;
    size_t limit;
    wt_cache_counts counts;
};

wt_encoded_cache *wt_encoded_cache_new(size_t limit, wt_error *err) {
    wt_encoded_cache *c = wt_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    c->bucket_count = 4096;
    c->limit = limit;
    if (!(c->buckets = wt_calloc(c->bucket_count, sizeof(entry *), err))) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void unlink_entry(wt_encoded_cache *c, entry *e) {
    if (e->newer)
        e->newer->older = e->older;
    else
        c->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(wt_encoded_cache *c, entry *e) {
    e->older = c->newest;
    if (c->newest) c->newest->newer = e;
    c->newest = e;
    if (!c->oldest) c->oldest = e;
}

static entry **bucket_of(wt_encoded_cache *c, wt_hash key) { return &c->buckets[key.low & (c->bucket_count - 1)]; }

static entry *find(wt_encoded_cache *c, wt_hash key) {
    entry *e = *bucket_of(c, key);
    while (e && !wt_hash_equal(e->key, key)) e = e->chain;
    return e;
}

static void drop(wt_encoded_cache *c, entry *e) {
    entry **at = bucket_of(c, e->key);
    while (*at != e) at = &(*at)->chain;
    *at = e->chain;
    unlink_entry(c, e);
    c->counts.bytes -= e->encoded->bytes;
    c->counts.entries--;
    wt_encoded_release(e->encoded);
    free(e);
}

void wt_encoded_cache_free(wt_encoded_cache *c) {
    if (!c) return;
    while (c->oldest) drop(c, c->oldest);
    pthread_mutex_destroy(&c->lock);
    free(c->buckets);
    free(c);
}

wt_encoded *wt_encoded_cache_get(wt_encoded_cache *c, wt_hash key) {
    pthread_mutex_lock(&c->lock);
    entry *e = find(c, key);
    wt_encoded *found = NULL;
    if (e) {
        unlink_entry(c, e);
        link_newest(c, e);
        found = wt_encoded_hold(e->encoded);
        c->counts.hits++;
    } else {
        c->counts.misses++;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

void wt_encoded_cache_put(wt_encoded_cache *c, wt_hash key, wt_encoded *encoded) {
    if (encoded->bytes > c->limit) return;
    pthread_mutex_lock(&c->lock);
    entry *e = find(c, key) ? NULL : wt_calloc(1, sizeof *e, NULL); /* a cache may forget: no memory is no failure */
    if (e) {
        while (c->oldest && c->counts.bytes + encoded->bytes > c->limit) drop(c, c->oldest);
        e->key = key;
        e->encoded = wt_encoded_hold(encoded);
        e->chain = *bucket_of(c, key);
        *bucket_of(c, key) = e;
        link_newest(c, e);
        c->counts.bytes += encoded->bytes;
        c->counts.entries++;
    }
    pthread_mutex_unlock(&c->lock);
}

wt_cache_counts wt_encoded_cache_counts(wt_encoded_cache *c) {
    pthread_mutex_lock(&c->lock);
    wt_cache_counts counts = c->counts;
    pthread_mutex_unlock(&c->lock);
    return counts;
}
