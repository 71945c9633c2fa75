/*
 * What a GGUF file says of itself, for `inspect`: read from the metadata by the names that all architectures share, so
 * that files of unknown architectures and files without weights have facts too. Nothing is computed with the weights.
 */
#ifndef WT_CLI_FACTS_H
#define WT_CLI_FACTS_H

#include "model/model.h"

/* A number that may differ from layer to layer. */
typedef struct wt_fact {
    bool known;
    uint64_t least, most;
} wt_fact;

typedef struct wt_facts {
    wt_str architecture, name, tokenizer, pre; /* data NULL where the file does not say */
    wt_fact layers, width, heads, kv_heads, ffn, context, vocabulary, experts;
    wt_fact bos, eos; /* token ids */
    uint64_t parameters, tensor_bytes;
    const char *engine_gap; /* why this build cannot run it, in storage of `gap`; NULL where it can */
    wt_error gap;
} wt_facts;

void wt_facts_read(wt_facts *facts, const wt_gguf *gguf);

/* A sum over the tensors of one role and type, or of one type. */
typedef struct wt_share {
    const char *role; /* not NUL-terminated; points into a tensor's name */
    size_t role_len;  /* 0 in a sum over a type */
    wt_type type;
    uint64_t tensors, parameters, bytes;
} wt_share;

/*
 * Sums by role and type, and by type, the largest first; a role is a tensor's name without block number and ".weight".
 * The caller frees both with free().
 */
int wt_shares_sum(const wt_gguf *gguf, wt_share **roles, size_t *n_roles, wt_share **types, size_t *n_types,
                  wt_error *err);

#endif
