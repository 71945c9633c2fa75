/*
 * Error feedback (GPTQ, arXiv 2210.17323, for block formats): columns are rounded one after another; what rounding one leaves over, the
 * columns that are still to come absorb, through the inverse of the Gram matrix of the activations. A block's scales are
 * fixed before, on the weights as they are then. Codebook types round their vectors of 4 or 8 weights as one, and what is left
 * goes to later columns.
 */
#ifndef WT_APPLY_FEEDBACK_H
#define WT_APPLY_FEEDBACK_H

#include "base/error.h"
#include "quant/encode.h"

/* What matrices that share an input share: the order of columns and the factor of the damped inverse. */
typedef struct wt_feedback wt_feedback;

/*
 * gram [cols, cols], mean of x[i] x[j]; damp > 0: that share of the mean diagonal is added to it. order [cols]: the columns as they are to be
 * rounded, or NULL: as they stand. Blocks stay what the format makes them: groups of `block` columns that share scales are taken as
 * wholes, in the order of their best column, and columns within a group (a codebook's vectors) likewise. Single-threaded: call it
 * for several inputs in parallel. Memory: two matrices of cols² doubles while it works, one of floats afterwards.
 */
wt_feedback *wt_feedback_new(const double *gram, size_t cols, double damp, const float *priority, wt_error *err);
void wt_feedback_free(wt_feedback *f);

/* Whether rows of this type can be encoded so. */
bool wt_feedback_fits(wt_type type);

/*
 * Encodes rows x [rows, cols] to dst (rows of wt_type_row_bytes each). w [rows, cols] weighs errors where scales are chosen (NULL: 1);
 * `search` as in wt_encode. Rows are independent: a caller may cut them into pieces for threads, with the same bytes.
 */
int wt_feedback_encode(const wt_feedback *f, wt_type type, const float *x, const float *w, size_t rows,
                       const wt_search *search, void *dst, wt_error *err);

#endif
