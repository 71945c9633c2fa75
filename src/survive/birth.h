/* Generation: new individuals, each from its own stream of random numbers, keyed by (seed, generation, place). */
#ifndef WT_SURVIVE_BIRTH_H
#define WT_SURVIVE_BIRTH_H

#include "survive/contest.h"
#include "survive/operators.h"

/* Who may have children, best first. */
typedef struct wt_parents {
    wt_individual *const *items;
    size_t count;
} wt_parents;

/*
 * Makes `child` (zeroed) for that generation and place; without parents it is random. Its budget is `size`, or for a share of
 * rules->smaller a smaller one. A child that some parent equals is drawn again, a few times.
 */
int wt_birth(wt_contest *c, const wt_parents *parents, const wt_operator_counts *counts, uint64_t size, uint64_t generation,
             uint64_t place, wt_individual *child, wt_error *err);

/* Gives `out` the parent's strategy with all types pinned as its plan has them. */
int wt_freeze(const wt_individual *parent, wt_strategy *out, wt_error *err);

#endif
