/*
 * How much each matrix of a model matters: the divergence when it alone is encoded at a probe type, as people would encode it. Runs
 * start at the matrix's layer from the states that the exact layers before it gave.
 */
#ifndef WT_APPLY_SENSITIVITY_H
#define WT_APPLY_SENSITIVITY_H

#include "engine/statistics.h"

/* The type that stands for "fewer bits" where rows have `columns` weights: Q3_K, or where that does not fit IQ4_NL; false: none fits. */
bool wt_probe_type(uint64_t columns, wt_type *type);

/* Encodes matrix `t` at the probe type, by the rules of ggml with the statistics' importance (NULL: none). `out` is the caller's to free. */
void *wt_probe_encode(const wt_tensor *t, const wt_statistics *statistics, wt_type type, wt_error *err);

typedef struct wt_sensitivity {
    double *nats;         /* [tensors of the file] mean divergence per token; 0 of what is no matrix or fits no probe */
    double lookup, head;  /* of a tied head: the embedding as a table alone, and as the head alone; otherwise 0 */
    uint64_t tokens;      /* that went through the model for it, in whole passes' worth */
} wt_sensitivity;

/* The same tokens, known without measuring: by the model's shape. */
uint64_t wt_sensitivity_tokens(const wt_gguf *gguf, const wt_hparams *hp, const wt_chunks *chunks);

/* `nats` is the caller's to free. Progress is in "matrices". The result depends on the model, the chunks and the statistics alone. */
int wt_sensitivity_measure(const wt_gguf *gguf, const wt_chunks *chunks, const wt_statistics *statistics,
                           wt_sensitivity *out, const wt_progress *progress, wt_error *err);

#endif
