/*
 * What bench_expression compares programs with: the same rules as loops that one would write by hand, compiled -O3 for each instruction
 * set at its full width. exp, log, tanh, pow and division are the library's own, in all loops. There are three of each rule:
 *   plain   the formula, which is right while nothing overflows and no input is beyond what the caller promised
 *   looking looks its inputs over, then runs the plain one, or the clamped one where an input is large or no number
 *   clamped admits each input, and saturates each operation that can overflow
 * The last two promise what programs do where nothing is known of the inputs.
 */
#ifndef WT_BENCH_EXPRESSION_LOOPS_H
#define WT_BENCH_EXPRESSION_LOOPS_H

#include <stddef.h>

/* out[i] of n values; x, h, v, a, r are rows. n is a multiple of 16. */
typedef void (*rule_loop)(const float *restrict x, const float *restrict h, const float *restrict v,
                          const float *restrict a, const float *restrict r, size_t n, float *restrict out);

enum { RULES = 7, LOOPS = 3, PLAIN = 0, LOOKING = 1, CLAMPED = 2 };

extern const char *const rule_texts[RULES];
extern const rule_loop loops_reference[LOOPS][RULES], loops_avx2[LOOPS][RULES], loops_avx512[LOOPS][RULES];

#endif
