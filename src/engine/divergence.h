/*
 * Divergence of a candidate from its reference over a text, and perplexity: the quantities and names of
 * llama-perplexity, computed exactly over the whole vocabulary, in fp32 with double sums.
 */
#ifndef WT_ENGINE_DIVERGENCE_H
#define WT_ENGINE_DIVERGENCE_H

#include "engine/reference.h"

/* What is known of one scored position. */
typedef struct wt_position {
    float kld;               /* KL(reference || candidate), nats; 0 without a reference */
    float logp, logp_reference; /* natural log of the true token's probability */
    uint8_t same_top;        /* the most probable token is the same */
} wt_position;

typedef struct wt_divergence {
    size_t tokens, chunks;
    double perplexity, perplexity_stderr;
    double reference_perplexity, reference_perplexity_stderr;
    double log_ratio, log_ratio_stderr;  /* mean of logp_reference - logp: ln(perplexity / reference's) */
    double kld_mean, kld_stderr;         /* over tokens */
    double kld_chunk_stderr;             /* over chunk means: the honest one; NaN for one chunk */
    double kld_median, kld_p90, kld_p95, kld_p99, kld_p999, kld_max, kld_min;
    double rms_dp, rms_dp_stderr;        /* root mean square of the change of the true token's probability, 0..1 */
    double same_top, same_top_stderr;    /* 0..1 */
} wt_divergence;

/*
 * Scores the candidate's states against the text and, where `reference` is not NULL, against the reference's:
 * positions[chunks * scored]. The engines supply the heads.
 */
int wt_score(wt_engine *candidate_engine, const wt_reference *candidate, wt_engine *reference_engine,
             const wt_reference *reference, const wt_chunks *chunks, wt_position *positions, const wt_progress *progress,
             wt_error *err);

/* Summarises; without a reference only tokens, chunks and the perplexity are set, the rest NaN. */
int wt_divergence_summarise(wt_divergence *out, const wt_position *positions, size_t chunks, size_t scored,
                            bool with_reference, wt_error *err);

/*
 * The whole measurement in one pass over the text, a batch of chunks at a time through both models; what `eval` does.
 * `reference` NULL: perplexity alone.
 */
int wt_measure(wt_engine *candidate, wt_engine *reference, const wt_chunks *chunks, size_t batch_tokens,
               wt_divergence *out, const wt_progress *progress, wt_error *err);

#endif
