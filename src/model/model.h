/*
 * A model: a GGUF file whose tensors have been found, named by role and checked against the metadata. Weights come from
 * the mapped file, or, tensor by tensor, from memory that the caller supplies: that is how a candidate is measured
 * without being written (wt_model_override).
 */
#ifndef WT_MODEL_MODEL_H
#define WT_MODEL_MODEL_H

#include "model/arch.h"

/* What a tensor does. Per-layer roles first. */
typedef enum wt_role {
    WT_ROLE_ATTN_NORM,
    WT_ROLE_ATTN_Q, WT_ROLE_ATTN_K, WT_ROLE_ATTN_V, WT_ROLE_ATTN_QKV,
    WT_ROLE_ATTN_Q_BIAS, WT_ROLE_ATTN_K_BIAS, WT_ROLE_ATTN_V_BIAS, WT_ROLE_ATTN_QKV_BIAS,
    WT_ROLE_ATTN_Q_NORM, WT_ROLE_ATTN_K_NORM,
    WT_ROLE_ATTN_OUT, WT_ROLE_ATTN_OUT_BIAS,
    WT_ROLE_ATTN_POST_NORM,
    WT_ROLE_FFN_NORM,
    WT_ROLE_FFN_GATE, WT_ROLE_FFN_UP, WT_ROLE_FFN_DOWN,
    WT_ROLE_FFN_GATE_BIAS, WT_ROLE_FFN_UP_BIAS, WT_ROLE_FFN_DOWN_BIAS,
    WT_ROLE_FFN_POST_NORM,
    WT_LAYER_ROLES, /* how many roles a layer has */
    WT_ROLE_EMBEDDING = WT_LAYER_ROLES,
    WT_ROLE_OUTPUT_NORM, WT_ROLE_OUTPUT, WT_ROLE_ROPE_FACTORS, WT_ROLE_ROPE_LONG, WT_ROLE_ROPE_SHORT,
    WT_ROLE_LIMIT,
} wt_role;

/* The role's name as the file spells it, without layer and suffix: "attn_q", "token_embd". Static storage. */
const char *wt_role_name(wt_role role);

/* A tensor as the engine sees it: where its bytes are now. */
typedef struct wt_weight {
    const wt_tensor *tensor; /* the file's entry: name, dims; NULL where the model has no such tensor. A head that a tied
                              * model was given has an entry of the model's own, without data */
    wt_type type;            /* of `data`; the file's type unless overridden */
    const void *data;
    uint64_t version;        /* 0 for the file's; else a number of its own in the model: what was made of another is stale */
} wt_weight;

typedef struct wt_model wt_model;

/* Opens a model for measuring: every tensor that the architecture needs is there with the right shape. */
wt_model *wt_model_open(const char *path, wt_error *err);

/* The same on an open file, which must outlive the model and stays the caller's. */
wt_model *wt_model_from_gguf(const wt_gguf *gguf, wt_error *err);

void wt_model_close(wt_model *model);

const wt_gguf *wt_model_gguf(const wt_model *model);
const wt_hparams *wt_model_hparams(const wt_model *model);

/* Replaces the hyperparameters, for tests that show a wrong one to be noticed. Dimensions must not change. */
void wt_model_set_hparams(wt_model *model, const wt_hparams *hp);

/*
 * The weight of a role in layer `layer` (ignored for roles outside the layers). `tensor` is NULL where absent. A tied
 * head answers WT_ROLE_OUTPUT with the embedding.
 */
wt_weight wt_model_weight(const wt_model *model, wt_role role, uint32_t layer);

/*
 * From now on tensor `name` has type `type` and its rows lie at `data`, which stays the caller's and must outlive the
 * use; data NULL puts the file's back. Rows rewritten in place have to be announced by another call with the same
 * arguments: engines keep what they made of a weight until its version changes. Vectors stay floats. Not safe while an
 * engine runs on the model.
 *
 * Overriding "output.weight" of a model whose head is tied gives it a head of its own, of the embedding's shape, and
 * data NULL ties it again.
 */
int wt_model_override(wt_model *model, const char *name, wt_type type, const void *data, wt_error *err);

/* The role and layer (-1 outside the layers) of a file's tensor by name; false for one that the engine does not use. */
bool wt_role_of(const char *name, wt_role *role, int *layer);

#endif
