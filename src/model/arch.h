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

/* Layers a model may have; llama.cpp's own limit. */
#define WT_MAX_LAYERS 512

/* What an architecture is, independent of any one model. One row of the table in arch.c. */
typedef struct wt_arch {
    const char *name;       /* general.architecture */
    wt_rope_kind rope;
    wt_activation activation;
    bool qk_norm;           /* RMS norm of each query and key head, before rope (attn_q_norm, attn_k_norm) */
    bool ffn_bias;          /* ffn_{gate,up,down}.bias are read where present */
    bool out_bias;          /* so is attn_output.bias (attn_{q,k,v}.bias are by every architecture) */
    bool fused_gate_up;     /* ffn_up holds gate, then up; there is no ffn_gate */
    bool post_norms;        /* a norm after attention and after the FFN, before each is added to the residual stream */
    bool scale_embedding;   /* token embeddings are multiplied by sqrt(width) */
    uint32_t window_period; /* sliding_window is honoured; every so many-th layer is global. 0: it is ignored */
    uint32_t wide_scale_layers; /* a model of that many layers divides scores by sqrt(width / heads) (gemma3 27B) */
    bool final_softcap;     /* final_logit_softcapping is read */
    bool rope_long_short;   /* rope_factors_long/short.weight, chosen by the context */
    bool rope_whole_head;   /* rope.dimension_count has to be the head's size */
} wt_arch;

/* The numbers of one model. Everything the forward pass needs; tests put wrong ones in to see them noticed. */
typedef struct wt_hparams {
    const wt_arch *arch;
    uint32_t n_layers, width, n_heads, vocab;
    uint32_t n_kv_heads;    /* the same in every layer (others are refused) */
    uint32_t head_dim;      /* of queries, keys and values */
    uint32_t ffn;           /* the FFN's middle */
    uint32_t context;       /* training context, tokens; 0 where the file does not say */
    wt_activation activation;
    bool qk_norm, post_norms, tied_head, biases; /* biases: add those that the model has */
    double norm_eps;
    double attention_scale; /* query times key times this */
    double embedding_scale; /* 1 or sqrt(width) */
    double final_softcap;   /* logits become cap*tanh(x/cap); 0: none */

    uint32_t window;        /* in windowed layers a position sees the last `window` ones, itself included */
    uint8_t windowed[WT_MAX_LAYERS]; /* 1: the layer is windowed */

    wt_rope_kind rope_kind;
    uint32_t rope_dims;     /* how many of a head's first dimensions rotate */
    double rope_base, rope_base_window;   /* window: of the windowed layers */
    double rope_scale, rope_scale_window; /* positions are multiplied by it: 1, or 1/factor for linear scaling */
    bool rope_factors;      /* divide frequencies by rope_freqs, or by rope_factors_long/short, where present */
    bool rope_yarn;         /* blend scaled and unscaled frequencies as YaRN does (arXiv 2309.00071) */
    double rope_magnitude;  /* multiplies sin and cos; YaRN has a factor of its own besides */
    uint32_t rope_original_context; /* the context before it was extended: where YaRN and long/short factors turn */
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
