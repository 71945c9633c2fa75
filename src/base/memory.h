/*
 * Memory: overflow-checked allocation of arrays, 64-byte aligned buffers for the kernels, and an arena for things that
 * live and die together (a model's tensors, a candidate's plan).
 */
#ifndef WT_BASE_MEMORY_H
#define WT_BASE_MEMORY_H

#include "base/error.h"

/* Alignment of every numeric buffer, bytes: one cache line, one AVX-512 register. */
#define WT_ALIGN 64

/* A zeroed array of `count` elements of `size` bytes; NULL and `err` where it overflows or fails. Free with free(). */
void *wt_calloc(size_t count, size_t size, wt_error *err);

/* As wt_calloc, not zeroed, aligned to WT_ALIGN. Free with free(). A count of 0 gives a valid pointer. */
void *wt_alloc_aligned(size_t count, size_t size, wt_error *err);

/*
 * Grows *items (capacity *cap elements of `size` bytes) to hold at least `need` elements, doubling. Returns 0, or -1 with
 * the old array untouched.
 */
int wt_grow(void **items, size_t *cap, size_t need, size_t size, wt_error *err);

/* An arena: allocations are freed all at once. Not thread-safe. Zero-initialise it. */
typedef struct wt_arena {
    struct wt_arena_chunk *head;
} wt_arena;

/* `bytes` of zeroed memory, 16-byte aligned, owned by the arena; NULL and `err` on failure. */
void *wt_arena_alloc(wt_arena *arena, size_t bytes, wt_error *err);

/* A NUL-terminated copy of `len` bytes. */
char *wt_arena_strndup(wt_arena *arena, const char *s, size_t len, wt_error *err);

/* Frees everything; the arena can be used again. */
void wt_arena_release(wt_arena *arena);

#endif
