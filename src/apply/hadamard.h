/*
 * Random Hadamard rotations: x -> H D x, where D has random signs and H is the Walsh-Hadamard matrix over its root, so
 * that H D is orthonormal and every result has a share of every channel. Where the number of channels is no power of
 * two, H has blocks of the largest power of two that divides it; an odd number of channels only changes signs.
 *
 * All transforms are additions and one multiplication a value, in an order that is the same on every machine.
 */
#ifndef WT_APPLY_HADAMARD_H
#define WT_APPLY_HADAMARD_H

#include <stddef.h>

#include "base/rng.h"

/* D, and the length of H's blocks. */
typedef struct wt_rotation {
    const float *signs; /* [n] 1 or -1; NULL: no rotation, the functions below leave x as it is */
    size_t n, block;    /* block divides n */
} wt_rotation;

/* The largest power of two that divides n > 0. */
size_t wt_hadamard_block(size_t n);

/* signs[n] from the stream. */
void wt_hadamard_signs(wt_rng *rng, float *signs, size_t n);

/* x [rotation's n], in place. */
void wt_hadamard_apply(const wt_rotation *r, float *x);
void wt_hadamard_apply_double(const wt_rotation *r, double *x);

/*
 * The same down each column of x, whose rows [r->n] lie `stride` apart: columns `from` .. `to`-1. A column's result
 * does not depend on which others go with it.
 */
void wt_hadamard_apply_down(const wt_rotation *r, float *x, size_t stride, size_t from, size_t to);

#endif
