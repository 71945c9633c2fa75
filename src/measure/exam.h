/*
 * Measuring candidates on a text, chunk by chunk, against the exact model, as a runtime would run them. The reference is kept as hidden
 * states. States that a candidate's first blocks give are kept too, by what those blocks are made of: a candidate that shares them
 * starts behind them. What was kept changes no bit of any result.
 */
#ifndef WT_MEASURE_EXAM_H
#define WT_MEASURE_EXAM_H

#include "apply/candidate.h"
#include "engine/divergence.h"

/* What a chunk says of a candidate. Means over its scored positions. */
typedef struct wt_chunk_score {
    double kld;            /* nats */
    double logp, logp_reference; /* natural log of the true token's probability */
    double same_top;       /* 0..1 */
} wt_chunk_score;

typedef struct wt_exam wt_exam;

typedef struct wt_exam_options {
    wt_activations activations; /* what the runtime rounds the inputs of matrices to */
    size_t batch_tokens;        /* that go through the model together; 0: a sensible default */
    size_t state_bytes;         /* of states that are kept; 0: none */
    size_t resident_bytes;      /* of packed weights that each engine keeps; 0: a gigabyte */
} wt_exam_options;

/*
 * Runs the exact model over the chunks. `gguf` and `chunks` must outlive the exam; an exam measures one candidate at a time, with
 * all threads.
 */
wt_exam *wt_exam_new(const wt_gguf *gguf, const wt_chunks *chunks, const wt_exam_options *options,
                     const wt_progress *progress, wt_error *err);
void wt_exam_free(wt_exam *exam);
size_t wt_exam_chunks(const wt_exam *exam);
size_t wt_exam_scored(const wt_exam *exam); /* positions per chunk */

/*
 * Scores chunks first .. first + count - 1 of `candidate`, whose cache of keys and values is its plan's. `klds` (may be NULL)
 * [count, scored] gets every position's divergence. Logits that are not finite fail with WT_ERR_FORMAT: the candidate breaks a law.
 */
int wt_exam_run(wt_exam *exam, const wt_candidate *candidate, const wt_plan *plan, size_t first, size_t count,
                wt_chunk_score *scores, float *klds, wt_error *err);

/*
 * The same of the exact model with an F16 cache and activations that are rounded as if every matrix were quantized: what a runtime loses
 * though no weight is rounded. 0 where the options round nothing.
 */
int wt_exam_noise(wt_exam *exam, size_t first, size_t count, wt_chunk_score *scores, wt_error *err);

typedef struct wt_exam_counts {
    uint64_t tokens;         /* that were measured */
    double blocks, reused;   /* blocks times tokens: that would have run, and that were not run because their states were there */
} wt_exam_counts;
wt_exam_counts wt_exam_count(const wt_exam *exam);

#endif
