/*
 * Which type each tensor gets under a budget of bytes: the multiple-choice knapsack. Types on the convex hulls of the tensors are taken in
 * the order of what a byte saves; the multiplier where that ends bounds what any other choice can reach, which leaves few choices open,
 * and those are enumerated as lists of states that no other state beats in bytes and cost (Nemhauser and Ullmann 1969). Exact
 * while no list grows beyond its limit; otherwise near it. Choices of a few items that fill the budget are searched as well.
 */
#ifndef WT_APPLY_ALLOCATE_H
#define WT_APPLY_ALLOCATE_H

#include <stdbool.h>

#include "base/error.h"

/* One type for one item. */
typedef struct wt_option_cost {
    uint64_t bytes;
    double cost; /* finite; smaller is better */
} wt_option_cost;

/* An item (a tensor) and its options, in any order; at least one. */
typedef struct wt_alloc_item {
    const wt_option_cost *options;
    size_t count;
} wt_alloc_item;

/* The share of the budget that is to be used where the options allow it at little cost. */
#define WT_ALLOC_FILL 0.999

/*
 * chosen [count] = the option of each item: the least sum of costs with a sum of bytes of at most `budget`, and at least WT_ALLOC_FILL of
 * the budget (`fixed` bytes outside the items counted on both sides) where a choice at most 5% dearer than the optimum does that. Fails where
 * even the smallest options exceed the budget. Deterministic.
 */
int wt_allocate(const wt_alloc_item *items, size_t count, uint64_t budget, uint64_t fixed, size_t *chosen,
                wt_error *err);

/* The smallest and the largest sum of bytes that there is. */
void wt_allocate_range(const wt_alloc_item *items, size_t count, uint64_t *least, uint64_t *most);

#endif
