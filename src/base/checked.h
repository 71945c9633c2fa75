/* Sizes that cannot overflow silently. Every product or sum of sizes that comes from a file goes through here. */
#ifndef WT_BASE_CHECKED_H
#define WT_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each stores a*b or a+b in *out and returns true, or returns false where it does not fit. */
static inline bool wt_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool wt_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool wt_mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool wt_add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Rounds n up to a multiple of `to` (a power of two); false where that does not fit. */
static inline bool wt_round_up_u64(uint64_t n, uint64_t to, uint64_t *out) {
    if (!wt_add_u64(n, to - 1, out)) return false;
    *out &= ~(to - 1);
    return true;
}

#endif
