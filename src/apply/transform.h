/*
 * The model as a strategy transforms it before anything is rounded: rotations, then folds. The function that the model
 * computes stays the same, only where its numbers lie changes.
 *
 * - A rotation of the residual stream is an orthonormal Walsh-Hadamard matrix with random signs (in blocks, where the
 *   width is no power of two), merged into the embedding, what reads the stream and what writes to it. Norm gains are
 *   merged into the readers first, and a tied head is untied: the transformed model may have a tensor more than the
 *   file.
 * - A rotation of the value heads is merged into attn_v (and its bias) and attn_output.
 * - A fold moves a scale per channel between a norm (or the matrix before) and the matrices that read the channel. Its
 *   rule is evaluated layer by layer on the channel's activations and weights after rotation and before any fold;
 *   scales are exp of the rule's value, clamped to its gene's range, over their geometric mean, which is thereby 1.
 *   Value channels are shared by the query heads of a group: their activations and weights are taken over the group.
 *
 * Nothing is stored but scales, signs and, once they are asked for, mean squares: tensors are made one at a time, in
 * fp32, when they are asked for. Statistics and Gram matrices of the transformed inputs follow from the measured ones.
 */
#ifndef WT_APPLY_TRANSFORM_H
#define WT_APPLY_TRANSFORM_H

#include "engine/gram.h"
#include "engine/statistics.h"
#include "strategy/strategy.h"

/* What was measured on a model with a text. */
typedef struct wt_calibration {
    const wt_statistics *statistics; /* NULL: nothing */
    const wt_gram *gram;             /* NULL: no Gram matrices */
} wt_calibration;

/* A tensor of the transformed model. */
typedef struct wt_site_tensor {
    const char *name;        /* owned by the transform */
    const wt_tensor *source; /* the file's tensor that it is made from; an untied head's is the embedding */
    wt_role role;
    int layer;               /* -1 outside the layers */
    size_t rows, cols;       /* rows 1 for vectors */
    bool matrix;             /* quantized: it multiplies activations (or is the embedding's table) */
    bool changed;            /* false: the same values as the source, and the same statistics of its input */
    uint64_t key[2];         /* a hash of what determines its values and its input's statistics beside model and calibration */
} wt_site_tensor;

typedef struct wt_transform wt_transform;

/*
 * Sets up the transforms of `strategy` (fold.* and rotate.* genes) for `model`, whose weights come from its file or
 * from its overrides of this moment: later ones (a candidate's) do not change what it reads, but their data has to
 * stay. A rule that reads act or act_max needs statistics; the rule of a constant changes nothing. Fails with the
 * gene's name where the architecture has no such site (gemma3 has a norm with gains after attention, with which no
 * rotation commutes). Model and calibration must outlive it; the strategy need not.
 */
wt_transform *wt_transform_new(const wt_model *model, const wt_strategy *strategy, const wt_calibration *calibration,
                               wt_error *err);
void wt_transform_free(wt_transform *t);

size_t wt_transform_count(const wt_transform *t);
const wt_site_tensor *wt_transform_at(const wt_transform *t, size_t i);
/* Whether the head has become a tensor of its own. */
bool wt_transform_unties(const wt_transform *t);
/* out [rows, cols] = tensor i, fp32: the same bits on any number of threads. Thread-safe for different outs. */
int wt_transform_read(const wt_transform *t, size_t i, float *out, wt_error *err);
/*
 * out [cols] = mean square of the input of matrix i, transformed; 1 where nothing was measured (returns 1 then, 0 where
 * it was, -1 on failure). A tied embedding's input is the head's; an embedding that is no head has none. Of rotated
 * inputs it is exact where there is a Gram matrix, and otherwise the mean of the rotation's block. Thread-safe; the
 * first call for a rotated input takes its Gram matrix' size and cols² log(cols) steps.
 */
int wt_transform_mean_square(const wt_transform *t, size_t i, float *out, wt_error *err);
/*
 * out [cols, cols] = the Gram matrix (mean of x[a] x[b]) of the input of matrix i, transformed and exactly symmetric.
 * Returns as above; out is untouched where none was measured. `shared` (may be NULL) gets a number that the matrices
 * with the same input have in common; 0: no input. Thread-safe.
 */
int wt_transform_gram(const wt_transform *t, size_t i, double *out, uint64_t *shared, wt_error *err);

#endif
