/*
 * How much an error in a weight counts, as people chose it: the rules inside ggml's encoders (a strategy's gene replaces them).
 */
#ifndef WT_QUANT_IMPORTANCE_H
#define WT_QUANT_IMPORTANCE_H

#include "model/types.h"

/*
 * w [n] from a row x [n] (whole blocks) and the mean square activation of its columns h [n], or NULL: what ggml minimises for
 * this type with and without an importance matrix. All finite and >= 0 where x and h are.
 */
void wt_importance_stock(wt_type type, const float *x, const float *h, size_t n, float *w);

#endif
