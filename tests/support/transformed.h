/*
 * Transforms for tests: requests with strong random scales, and the transformed model in the place of the model.
 */
#ifndef WT_TESTS_TRANSFORMED_H
#define WT_TESTS_TRANSFORMED_H

#include "apply/transform_private.h"
#include "support/random_model.h"

/*
 * Variant i of those that transforms are tested on, NULL past the last: what differs in its tensors, with widths, heads
 * and middles that are no powers of two among them.
 */
const random_model *transform_model_at(size_t i);
const random_model *transform_model_find(const char *name);

/* What a request may have, as bits. */
enum {
    ROTATE_RESIDUAL = 1, ROTATE_VALUE = 2,
    FOLD_ATTN_IN = 4, FOLD_ATTN_OUT = 8, FOLD_FFN_IN = 16, FOLD_FFN_MID = 32,
    EVERY_FOLD = FOLD_ATTN_IN | FOLD_ATTN_OUT | FOLD_FFN_IN | FOLD_FFN_MID,
    EVERYTHING = ROTATE_RESIDUAL | ROTATE_VALUE | EVERY_FOLD,
};

/* "rotate.residual", "fold.ffn_mid", ... of one bit, or "all". */
const char *transform_part_name(unsigned parts);

/* Those that the model's architecture has. */
unsigned transform_parts(const wt_model *model);

/* Logs of scales are drawn from N(0, 0.5), each layer and site from a stream of its own. `seed` must outlive the request. */
wt_transform_request random_request(unsigned parts, uint64_t *seed);

/* The values that stand in for a model's tensors. */
typedef struct transformed {
    wt_model *model;
    float **values; /* [count]; NULL where the model's own are used */
    size_t count;
} transformed;

/* Overrides every changed tensor of the model. 0 or -1. */
int transformed_apply(transformed *out, wt_model *model, const wt_transform *t, wt_error *err);

/* Puts the model's own tensors back and frees. */
void transformed_undo(transformed *m, const wt_transform *t);

/*
 * Writes the transformed model, its changed tensors as F32, but tensor `without` (NULL: none) as it was: a deliberately
 * wrong file. 0 or -1.
 */
int transformed_write(const wt_model *model, const wt_transform *t, const char *without, const char *path, wt_error *err);

#endif
