/*
 * What bench_expression compares programs with: the same rules as loops that one would write by hand, compiled -O3 for each instruction
 * set at its full width. They do no more than their formula: nothing saturates. exp, log, tanh and pow are the library's own.
 */
#ifndef WT_BENCH_EXPRESSION_LOOPS_H
#define WT_BENCH_EXPRESSION_LOOPS_H

#include <stddef.h>

/* out[i] of n values; x, h, v, a, r are rows. n is a multiple of 16. */
typedef void (*rule_loop)(const float *restrict x, const float *restrict h, const float *restrict v,
                          const float *restrict a, const float *restrict r, size_t n, float *restrict out);

enum { RULES = 7 };

extern const char *const rule_texts[RULES];
extern const rule_loop loops_reference[RULES], loops_avx2[RULES], loops_avx512[RULES];

#endif
