/* Weights and importance that encoders have to cope with. */
#ifndef WT_TESTS_ODD_WEIGHTS_H
#define WT_TESTS_ODD_WEIGHTS_H

#include <stddef.h>

#include "base/rng.h"

/* x [n]; kind % 8: plain, shifted, heavy-tailed, sparse, constant, tiny, huge, on a grid with many ties. */
void odd_weights(wt_rng *rng, int kind, float *x, size_t n);

/* w [n]; kind % 4: all 1, heavy-tailed, two thirds 0, tiny. */
void odd_importance(wt_rng *rng, int kind, float *w, size_t n);

#endif
