/*
 * Error feedback (GPTQ, arXiv 2210.17323, for block formats): columns are rounded one after another; what rounding one leaves over, the
 * columns that are still to come absorb, by the Gram matrix of the activations. A block's scales are fixed before, on the
 * weights as they are then. Codebook types round their vectors of 8 weights as one, and what is left goes to later columns. When
 * all are rounded, each is looked at twice more or oftener, in the light of what all others became (coordinate descent); scales can be
 * fitted anew then, too.
 */
#ifndef WT_APPLY_FEEDBACK_H
#define WT_APPLY_FEEDBACK_H

#include "base/error.h"
#include "quant/encode.h"

/* What matrices that share an input share: the order of columns and the factor of the damped Gram matrix. */
typedef struct wt_feedback wt_feedback;

/*
 * gram [cols, cols], mean of x[i] x[j], symmetric; its own size does not matter. damp > 0: that share of the mean diagonal is added to
 * it (and ten times as much, as often as it takes, where the matrix cannot be factored; beyond 1 that fails). A damp of 0.1 is good;
 * 0.3 for an embedding that is also the head, where errors count on both ways. All zero: no column knows of another.
 * priority [cols]: columns with the highest come first, or NULL: as they stand; NaN counts as least. Groups of 256 columns are taken as
 * wholes in the order of their best column, within them groups of 32, of 8 and of 4 likewise, so that one order serves every
 * type. Fails where a value is not finite. On all threads, or called from a parallel region on the calling one alone. Memory: cols² doubles while
 * it works, and 1.5 cols² floats and 2.3 KiB a column, which stay.
 */
wt_feedback *wt_feedback_new(const double *gram, size_t cols, double damp, const float *priority, wt_error *err);
void wt_feedback_free(wt_feedback *f);

/* Whether rows of this type can be encoded so: every type that is quantized into. */
bool wt_feedback_fits(wt_type type);

/*
 * Encodes rows x [rows, cols] to dst (rows of wt_type_row_bytes each). x finite, of magnitudes up to 1e9. w [rows, cols] weighs
 * errors where scales are chosen (NULL: 1); `search` as in wt_encode. refit: the first so many of the further looks fit every scale
 * and min anew to all errors (types that wt_lattice_can_set, and codebooks; others keep theirs), and there are at least so many.
 * Rows are independent, and cut into pieces of 32 for all threads; called from a parallel region it uses the calling thread alone,
 * with the same bytes (best with multiples of 32 rows). Memory a thread: 32 floats a column and 200 KiB.
 */
int wt_feedback_encode(const wt_feedback *f, wt_type type, const float *x, const float *w, size_t rows,
                       const wt_search *search, int refit, void *dst, wt_error *err);

#endif
