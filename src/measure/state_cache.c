#include "measure/state_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { BUCKETS = 1 << 14 };

typedef struct entry {
    wt_hash key;
    float *states;
    size_t bytes;
    struct entry *chain, *newer, *older;
} entry;

struct wt_state_cache {
    entry *buckets[BUCKETS], *newest, *oldest;
    size_t bytes, limit;
};

wt_state_cache *wt_state_cache_new(size_t limit, wt_error *err) {
    wt_state_cache *c = wt_calloc(1, sizeof *c, err);
    if (c) c->limit = limit;
    return c;
}

static void detach(wt_state_cache *c, entry *e) {
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void attach(wt_state_cache *c, entry *e) {
    e->older = c->newest;
    if (c->newest) c->newest->newer = e;
    c->newest = e;
    if (!c->oldest) c->oldest = e;
}

static void drop_oldest(wt_state_cache *c) {
    entry *e = c->oldest, **at = &c->buckets[e->key.low % BUCKETS];
    while (*at != e) at = &(*at)->chain;
    *at = e->chain;
    detach(c, e);
    c->bytes -= e->bytes;
    free(e->states);
    free(e);
}

void wt_state_cache_free(wt_state_cache *c) {
    while (c && c->oldest) drop_oldest(c);
    free(c);
}

static entry *find(wt_state_cache *c, wt_hash key) {
    entry *e = c->buckets[key.low % BUCKETS];
    while (e && !wt_hash_equal(e->key, key)) e = e->chain;
    return e;
}

const float *wt_state_cache_get(wt_state_cache *c, wt_hash key) {
    entry *e = find(c, key);
    if (!e) return NULL;
    detach(c, e);
    attach(c, e);
    return e->states;
}

void wt_state_cache_put(wt_state_cache *c, wt_hash key, const float *states, size_t floats) {
    const size_t bytes = floats * sizeof(float);
    if (bytes > c->limit || find(c, key)) return;
    while (c->oldest && c->bytes + bytes > c->limit) drop_oldest(c);
    entry *e = calloc(1, sizeof *e);
    float *copy = wt_alloc_aligned(floats, sizeof(float), NULL);
    if (!e || !copy) {
        free(e);
        free(copy);
        return;
    }
    memcpy(copy, states, bytes);
    *e = (entry){.key = key, .states = copy, .bytes = bytes, .chain = c->buckets[key.low % BUCKETS]};
    c->buckets[key.low % BUCKETS] = e;
    attach(c, e);
    c->bytes += bytes;
}
