/*
 * What the rules of strategies may know: a domain for each thing that a rule is evaluated on. The order of a domain's variables is
 * these enums'; the floor that measures the values fills them by number.
 *
 * Values are relative, so that a rule found on one model means the same on another: ratios to the geometric mean of their kind,
 * shares, and kurtosis, which has no unit.
 */
#ifndef WT_STRATEGY_DOMAINS_H
#define WT_STRATEGY_DOMAINS_H

#include "strategy/expression.h"

/* A matrix of the model, for alloc.price. */
typedef enum wt_tensor_variable {
    WT_TENSOR_DEPTH,    /* layer / (layers - 1), 0..1; 0 of the embedding, 1 of the head */
    WT_TENSOR_SIZE,     /* log2 of its weights over the mean weights of a matrix */
    WT_TENSOR_KURT,     /* kurtosis of its weights (3: normal) */
    WT_TENSOR_PEAK,     /* largest magnitude / RMS of its weights */
    WT_TENSOR_RMS_ACT,  /* RMS of its input / the geometric mean of that over all matrices */
    WT_TENSOR_KURT_ACT, /* kurtosis of its input's values */
    WT_TENSOR_ERROR,    /* its weighted squared error at the probe type / the geometric mean of that over all matrices */
    WT_TENSOR_SENS,     /* measured divergence, nats, when this matrix alone is encoded at the probe type */
    WT_TENSOR_IS_Q, WT_TENSOR_IS_K, WT_TENSOR_IS_V, WT_TENSOR_IS_O, /* 1 or 0; a fused tensor is all that it holds */
    WT_TENSOR_IS_GATE, WT_TENSOR_IS_UP, WT_TENSOR_IS_DOWN,
    WT_TENSOR_IS_EMBED, WT_TENSOR_IS_HEAD,
    WT_TENSOR_VARIABLES,
} wt_tensor_variable;

/* A channel where a scale can move between the matrices that read it and what makes it, for fold.*. */
typedef enum wt_channel_variable {
    WT_CHANNEL_ACT,     /* RMS of the channel's values / the geometric mean of that over the site's channels */
    WT_CHANNEL_ACT_MAX, /* the same of the largest magnitude */
    WT_CHANNEL_W,       /* RMS of the weights that read the channel, over the geometric mean */
    WT_CHANNEL_W_MAX,
    WT_CHANNEL_VARIABLES,
} wt_channel_variable;

/* A weight, for encode.weight. */
typedef enum wt_element_variable {
    WT_ELEMENT_X, /* the weight */
    WT_ELEMENT_H, /* mean square of the activation that it meets; 1 where nothing was measured */
    WT_ELEMENT_V, /* mean square of the weights of its block */
    WT_ELEMENT_A, /* largest magnitude in its block */
    WT_ELEMENT_R, /* mean square of its row */
    WT_ELEMENT_VARIABLES,
} wt_element_variable;

/* A column of a matrix, for feedback.order. */
typedef enum wt_column_variable {
    WT_COLUMN_H, /* mean square of the activation, over the geometric mean */
    WT_COLUMN_W, /* mean square of the column's weights, over the geometric mean */
    WT_COLUMN_VARIABLES,
} wt_column_variable;

extern const wt_domain wt_domain_tensor, wt_domain_channel, wt_domain_element, wt_domain_column;

#endif
