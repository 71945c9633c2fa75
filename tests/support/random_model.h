/*
 * Small models with random weights, as strong as trained ones (standard deviation 1/sqrt(width), random gains and
 * biases), for every architecture and what varies inside it. With weak weights everything agrees with everything.
 */
#ifndef WT_TESTS_RANDOM_MODEL_H
#define WT_TESTS_RANDOM_MODEL_H

#include "model/gguf.h"

typedef struct random_model {
    const char *name;          /* of the variant: "llama-gqa" */
    const char *arch;          /* general.architecture */
    uint32_t layers, width, heads, kv_heads, head_dim, ffn, vocab, context;
    double rope_base, rope_base_window, norm_eps;
    double rope_linear;        /* rope.scaling.factor of type linear; 0: none */
    double rope_yarn;          /* of type yarn; 0: none */
    double rope_factor;        /* of type rope_type; 0: none */
    double rope_scale_linear;  /* the same by the older key, without a type; 0: none */
    const char *rope_type;     /* rope.scaling.type where none of the above says it; NULL: not written */
    uint32_t original_context; /* rope.scaling.original_context_length; 0: none */
    double attn_factor;        /* rope.scaling.attn_factor; 0: none */
    double softcap;            /* final_logit_softcapping; 0: none */
    double embedding_scale;    /* standard deviation of the embedding; 0: 1 */
    uint32_t window, window_period;
    uint32_t rope_dims;        /* rope.dimension_count; 0: not written */
    bool window_flags;         /* sliding_window_pattern is a flag per layer (of four layers) */
    bool bytes;                /* a byte-level vocabulary (gpt2), else SentencePiece's (llama) */
    bool fused_qkv, fused_bias; /* attn_qkv.weight, attn_qkv.bias; phi3's weight always is */
    bool untied, rope_factors, rope_long_short, qkv_bias, out_bias, ffn_bias, f16;
} random_model;

/* Variant i of those that differ in their layers, NULL past their end. */
const random_model *random_model_at(size_t i);

/* The same, and after them those that differ in a number or a key only: what the outside judge sees. */
const random_model *random_model_judged(size_t i);

/* By name, of all; or NULL. */
const random_model *random_model_find(const char *name);

/* Writes the model that (variant, seed) stands for. 0 or -1. */
int random_model_write(const random_model *m, uint64_t seed, const char *path, wt_error *err);

#endif
