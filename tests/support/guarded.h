/* Buffers that end at a page nobody may touch: one byte read or written too far is a crash, in every build. */
#ifndef WT_TESTS_GUARDED_H
#define WT_TESTS_GUARDED_H

#include <stddef.h>

typedef struct guarded {
    void *map;
    size_t map_bytes;
    unsigned char *end; /* one past the last byte */
} guarded;

/* Room for `bytes` before the guard page; a failed mapping fails the test. */
guarded guarded_new(size_t bytes);
void guarded_free(guarded *g);

/* The last `bytes` of the buffer: what follows is the guard. */
void *guarded_tail(const guarded *g, size_t bytes);

/* Whether two floats have the same bits; all NaNs count as one. */
int same_float(float a, float b);
int same_double(double a, double b);

#endif
