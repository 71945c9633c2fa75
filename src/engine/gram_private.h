/* What the two sides of Gram files agree on; see gram.h. */
#ifndef WT_ENGINE_GRAM_PRIVATE_H
#define WT_ENGINE_GRAM_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#define WT_GRAM_TYPE "gram"
#define WT_GRAM_MATRIX ".in_gram"
#define WT_GRAM_COUNTS ".counts"

/* Stores how many values the upper triangle has; false where that does not fit. */
bool wt_gram_values(uint64_t columns, uint64_t *values);

#endif
