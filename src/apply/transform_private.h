/*
 * The transform from the inside. Tensors do not change one by one: the channels between them do, and every tensor has a
 * space of channels that it reads, one that it writes to, or both. A change of channels is
 *
 *     x' = R (x / gain) / scale
 *
 * for their values, where the gain of a norm is merged only with a rotation R. A matrix that reads them gets rows R
 * (gain * w) * scale, and what writes them (a matrix down its columns, a bias, the gain of a norm) changes as values
 * do. So the function stays what it was whatever the changes are, and the inputs' statistics follow from the same few
 * numbers.
 */
#ifndef WT_APPLY_TRANSFORM_PRIVATE_H
#define WT_APPLY_TRANSFORM_PRIVATE_H

#include <pthread.h>

#include "apply/hadamard.h"
#include "apply/transform.h"
#include "base/memory.h"

typedef struct wt_channels {
    size_t n;
    const float *gain;    /* [n] of a norm, merged into what reads; NULL: it stays in the norm */
    wt_rotation rotation;
    uint32_t seed;        /* of the rotation */
    const float *scale;   /* [n] NULL: no fold */
    const char *measured; /* the matrix whose measured input these are; NULL: no matrix reads them as they are */
    float *mean_square;   /* [n] after rotation, before the fold; made when it is first asked for, under the lock */
} wt_channels;

/* A layer's channels, and those that all layers share. Queries of one KV head read the same values, so these have two forms. */
enum { WT_SPACE_ATTN_IN, WT_SPACE_VALUE, WT_SPACE_ATTN_OUT, WT_SPACE_FFN_IN, WT_SPACE_FFN_MID, WT_LAYER_SPACES };
enum { WT_SPACE_STREAM, WT_SPACE_HEAD_IN, WT_SHARED_SPACES };

/* Where scales can be folded. */
typedef enum wt_fold { WT_FOLD_ATTN_IN, WT_FOLD_ATTN_OUT, WT_FOLD_FFN_IN, WT_FOLD_FFN_MID, WT_FOLDS } wt_fold;

/* The log of each scale of a layer: out [n], from the features [n] that `inputs` names (the others are NULL). */
typedef struct wt_fold_rule {
    void (*run)(void *user, size_t layer, const float *const features[WT_CHANNEL_VARIABLES], size_t n,
                float *out); /* NULL: no fold */
    void *user;
    uint64_t inputs; /* bit v: wt_channel_variable v is read */
    float lo, hi;    /* bounds of its value */
} wt_fold_rule;

/* What a strategy asks of a transform. */
typedef struct wt_transform_request {
    bool rotate_residual, rotate_value;
    uint32_t residual_seed, value_seed;
    wt_fold_rule folds[WT_FOLDS];
} wt_transform_request;

/* A tensor and what happens to it. */
typedef struct wt_recipe {
    wt_site_tensor site;
    wt_weight weight;           /* as it was when the transform was made */
    const wt_channels *columns; /* what it reads; NULL: of vectors and of what nothing can change */
    const wt_channels *rows;    /* what it writes; NULL where nothing can change it */
    size_t first_row;           /* of those that write to `rows`: a fused tensor has others before */
    bool norm;                  /* the gain of a norm in front of `rows` */
    uint64_t input;             /* a number of what it reads, for wt_transform_gram */
} wt_recipe;

struct wt_transform {
    wt_calibration calibration;
    wt_arena arena;       /* owns all but the mean squares */
    wt_channels *layers;  /* [n_layers][WT_LAYER_SPACES] */
    wt_channels shared[WT_SHARED_SPACES];
    size_t n_layers;
    size_t heads_per_kv, head_dim;
    wt_recipe *tensors;   /* the file's in its order, then an untied head */
    size_t count;
    wt_recipe **by_role;  /* [n_layers][WT_LAYER_ROLES]; NULL where absent */
    bool unties;
    pthread_mutex_t lock; /* of the mean squares */
};

wt_transform *wt_transform_request_new(const wt_model *model, const wt_transform_request *request,
                                       const wt_calibration *calibration, wt_error *err);

/*
 * Weights whose floats (16 MiB) a thread's caches do not keep until the first of them is read again. On a Xeon with 2 MiB
 * of its own a core, streaming them (wt_decode_streaming) and reading them once takes 0.8 to 0.9 of the time that
 * ordinary stores take, and as long with half as many.
 */
#define WT_BEYOND_CACHES ((size_t)1 << 22)

/*
 * out [rows, cols] = the tensor; without folds where `folds` is false. `touched` says that out was written to before:
 * fresh memory comes into the caches when the system clears it, so that going past them would be the slower way. 0, or -1
 * where rows are no whole number of blocks.
 */
int wt_recipe_read(const wt_recipe *r, bool folds, bool touched, float *out, wt_error *err);

/* The rule of one site in every layer, evaluated on rotated channels without folds: scales[layer] of the arena. */
int wt_fold_evaluate(wt_transform *t, wt_fold fold, const wt_fold_rule *rule, float **scales, wt_error *err);

/* What was measured of the channels before any change: NULL in *out where nothing was, -1 where it is of another shape. */
int wt_channels_measured(const wt_transform *t, const wt_channels *c, const wt_column_stats **out, wt_error *err);

/*
 * The mean squares [n] of rotated channels before the fold, owned by the transform: NULL with *measured false where
 * there are none, NULL with *measured true on failure.
 */
const float *wt_channels_mean_square(const wt_transform *t, const wt_channels *c, bool *measured, wt_error *err);

static inline wt_channels *wt_layer_space(const wt_transform *t, size_t layer, int space) {
    return &t->layers[layer * WT_LAYER_SPACES + (size_t)space];
}

/* From n values of KV heads, in groups of head_dim, to those of all query heads. */
static inline void wt_expand_heads(const wt_transform *t, const float *values, size_t n, float *out) {
    for (size_t i = 0; i < n * t->heads_per_kv; i++)
        out[i] = values[i / t->head_dim / t->heads_per_kv * t->head_dim + i % t->head_dim];
}

#endif
