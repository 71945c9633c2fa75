/* Factors of error feedback (apply/feedback.h), kept by what they are made of, up to a limit of bytes. */
#ifndef WT_APPLY_FACTORS_H
#define WT_APPLY_FACTORS_H

#include "apply/encoding.h"
#include "apply/transform.h"

typedef struct wt_factors wt_factors;

wt_factors *wt_factors_new(size_t limit, wt_error *err);
void wt_factors_free(wt_factors *f);

/*
 * The factor for matrix i of a transformed model, whose weights are x [rows, cols] and whose columns have mean squares h (NULL: 1). It
 * stays the store's: give it back. NULL with *measured false: the calibration has no Gram matrix of the input; NULL with it true: an
 * error. Thread-safe.
 */
const wt_feedback *wt_factors_take(wt_factors *f, const wt_transform *t, size_t i, const wt_encoding *encoding,
                                   const float *x, const float *h, bool *measured, wt_error *err);
void wt_factors_give(wt_factors *f, const wt_feedback *feedback); /* NULL: nothing */

#endif
