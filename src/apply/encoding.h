/*
 * How a strategy encodes: its encode.* and feedback.* genes made ready, and rows of weights encoded by them. What an error weighs
 * is the rule's value on each weight; the search is the type's own, or the strategy's where it says so.
 */
#ifndef WT_APPLY_ENCODING_H
#define WT_APPLY_ENCODING_H

#include "apply/feedback.h"
#include "base/hash.h"
#include "strategy/strategy.h"

typedef struct wt_encoding {
    wt_program weight, order;
    bool ordered; /* the order of columns is not that of the file */
    bool own_grid;
    float lo, hi, bias;
    int steps, passes; /* passes -1: the type's own */
    double damp;       /* 0: no error feedback */
    int refit;         /* looks of error feedback that fit scales anew */
    wt_hash key;       /* of all this */
} wt_encoding;

int wt_encoding_init(wt_encoding *e, const wt_strategy *strategy, wt_error *err);

/* The search for blocks of `type`. */
wt_search wt_encoding_search(const wt_encoding *e, wt_type type);

/* Whether blocks of `type` are encoded with error feedback, where there is a Gram matrix. */
bool wt_encoding_feeds_back(const wt_encoding *e, wt_type type);

/* A bound of |x[i]|, i < n, of use as wt_encoding_weigh's h_most; 0 where one is no number or beyond the range of expressions. */
float wt_encoding_largest(const float *x, size_t n);

/*
 * w [n] = what errors in a row x [n] of blocks of `type` weigh, h [n] (NULL: 1) the mean square of the activations, none above h_most
 * (0: not known, which takes longer and gives the same). At least 0, and finite. `scratch` [2, n].
 */
void wt_encoding_weigh(const wt_encoding *e, wt_type type, const float *x, const float *h, float h_most, size_t n,
                       float *w, float *scratch);

/* priority [cols] of the columns of x [rows, cols] in the order of feedback. */
int wt_encoding_prioritise(const wt_encoding *e, const float *x, size_t rows, size_t cols, const float *h,
                           float *priority, wt_error *err);

/*
 * Encodes x [rows, cols] into dst, in parallel; h [cols] (NULL: 1); `feedback` NULL: without. The bytes do not depend on threads. `name`
 * is the tensor's, for messages: weights that are not finite, or too large for the type, fail.
 */
int wt_encoding_run(const wt_encoding *e, const char *name, wt_type type, const float *x, size_t rows, size_t cols,
                    const float *h, const wt_feedback *feedback, void *dst, wt_error *err);

#endif
