/*
 * Architectures: one table says how each differs from the plain Llama layer, and the numbers of one model (its
 * hyperparameters) are read from its metadata by that table. The forward pass asks these structs, never the name.
 */
#ifndef WT_MODEL_ARCH_H
#define WT_MODEL_ARCH_H

#include "model/gguf.h"

typedef enum wt_rope_kind {
    WT_ROPE_PAIRS,  /* rotates (2i, 2i+1): llama ("norm") */
    WT_ROPE_HALVES, /* rotates (i, i + n/2): the others ("neox") */
} wt_rope_kind;

typedef enum wt_activation { WT_ACT_SILU, WT_ACT_GELU_TANH } wt_activation;

/* What an architecture is, independent of any one model. One row of the table. */
typedef struct wt_arch {
    const char *name;          /* general.architecture */
    wt_rope_kind rope;
    wt_activation activation;
    bool qk_norm;              /* RMS norm of each query and key head, before rope (attn_q_norm, attn_k_norm) */
    bool qkv_bias;             /* attn_{q,k,v}.bias are expected */
    bool fused_qkv;            /* attn_qkv holds q, k, v one below the other */
    bool fused_gate_up;        /* ffn_up holds gate, then up */
    bool post_norms;           /* a norm after attention and after the FFN, before the residual sum */
    bool scale_embedding;      /* token embeddings are multiplied by sqrt(width) */
    bool sliding_window;       /* honours attention.sliding_window; every window_period-th layer is global */
    uint32_t window_period;
    double window_rope_base;   /* rope base of the windowed layers where the metadata gives none; 0: as the others */
    bool rope_long_short;      /* rope_factors_long/short.weight, chosen by the context (phi3) */
} wt_arch;

/* The numbers of one model. */
typedef struct wt_hparams {
    const wt_arch *arch;
    uint32_t n_layers, width, n_heads, vocab;
    uint32_t n_kv_heads;       /* the same for every layer (others are refused) */
    uint32_t head_dim;         /* of queries and keys */
    uint32_t value_dim;        /* of values */
    uint32_t ffn;              /* the FFN's middle */
    uint32_t context;          /* training context, tokens */
    uint32_t rope_dims;        /* how many of a head's dimensions rotate */
    wt_rope_kind rope_kind;
    double rope_base, rope_base_window;
    double rope_scale;         /* positions are multiplied by it: 1, or 1/factor for linear scaling */
    double rope_scale_window;
    double norm_eps;
    double attention_scale;    /* query times key times this */
    double embedding_scale;    /* 1 or sqrt(width) */
    double attention_softcap, final_softcap; /* cap*tanh(x/cap); 0: none */
    uint32_t window;           /* a position sees the last `window` ones, itself included; 0: all before it */
    uint32_t window_period;    /* layer l is global where (l + 1) % period == 0; 0: no layer is windowed */
    bool qk_norm, tied_head;
    wt_activation activation;
    double rope_yarn_attn_factor; /* multiplies sin and cos (rope.scaling.attn_factor), 1 by default */
    uint32_t rope_original_context; /* rope.scaling.original_context_length, or `context` */
} wt_hparams;

/* The architecture of that name, or NULL. */
const wt_arch *wt_arch_find(const char *name, size_t len);

/* Row i of the table, NULL past its end; for lists and tests. */
const wt_arch *wt_arch_at(size_t i);

/*
 * Reads and checks the hyperparameters: every dimension is positive, heads divide, products do not overflow. Unknown
 * architectures fail with the list of known ones.
 */
int wt_hparams_read(wt_hparams *hp, const wt_gguf *gguf, wt_error *err);

#endif
