#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"

/*
 * From this size on memory asks for the system's large pages: the first touch of a page costs the system a microsecond or more
 * under a hypervisor, and a product's results lie a row apart, each on a page of its own.
 */
#define LARGE_BYTES ((size_t)4 << 20)
#define LARGE_PAGE ((size_t)2 << 20)

#define ARENA_CHUNK_BYTES ((size_t)64 * 1024)

typedef struct wt_arena_chunk {
    struct wt_arena_chunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
} wt_arena_chunk;

void *wt_calloc(size_t count, size_t size, wt_error *err) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    size_t bytes;
    if (!p) wt_fail_memory(err, wt_mul_size(count, size, &bytes) ? bytes : SIZE_MAX);
    return p;
}

void *wt_alloc_aligned(size_t count, size_t size, wt_error *err) {
    size_t bytes, padded, large;
    if (!wt_mul_size(count, size, &bytes) || !wt_add_size(bytes, WT_ALIGN, &padded)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    const bool is_large = bytes >= LARGE_BYTES && wt_add_size(bytes, LARGE_PAGE - 1, &large);
    const size_t align = is_large ? LARGE_PAGE : WT_ALIGN;
    if (is_large) padded = large;
    void *p = aligned_alloc(align, padded / align * align);
    if (!p) wt_fail_memory(err, bytes);
#ifdef MADV_HUGEPAGE
    if (p && is_large) madvise(p, padded / align * align, MADV_HUGEPAGE); /* where it cannot, small pages do */
#endif
    return p;
}

int wt_grow(void **items, size_t *cap, size_t need, size_t size, wt_error *err) {
    if (need <= *cap) return 0;
    size_t wanted = *cap > SIZE_MAX / 2 ? need : *cap * 2;
    if (wanted < need) wanted = need;
    if (wanted < 16) wanted = 16;
    size_t bytes;
    if (!wt_mul_size(wanted, size, &bytes)) return wt_fail_memory(err, SIZE_MAX);
    void *grown = realloc(*items, bytes);
    if (!grown) return wt_fail_memory(err, bytes);
    *items = grown;
    *cap = wanted;
    return 0;
}

void *wt_arena_alloc(wt_arena *arena, size_t bytes, wt_error *err) {
    size_t rounded;
    if (!wt_add_size(bytes, 15, &rounded)) {
        wt_fail_memory(err, bytes);
        return NULL;
    }
    rounded &= ~(size_t)15;
    wt_arena_chunk *chunk = arena->head;
    if (!chunk || chunk->capacity - chunk->used < rounded) {
        size_t capacity = rounded > ARENA_CHUNK_BYTES ? rounded : ARENA_CHUNK_BYTES, total;
        if (!wt_add_size(capacity, sizeof *chunk, &total) || !(chunk = calloc(1, total))) {
            wt_fail_memory(err, capacity);
            return NULL;
        }
        chunk->capacity = capacity;
        chunk->next = arena->head;
        arena->head = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += rounded;
    return p;
}

char *wt_arena_strndup(wt_arena *arena, const char *s, size_t len, wt_error *err) {
    size_t total;
    if (!wt_add_size(len, 1, &total)) {
        wt_fail_memory(err, len);
        return NULL;
    }
    char *copy = wt_arena_alloc(arena, total, err);
    if (copy) memcpy(copy, s, len);
    return copy;
}

void wt_arena_release(wt_arena *arena) {
    while (arena->head) {
        wt_arena_chunk *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}
