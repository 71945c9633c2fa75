/*
 * Divergence of a candidate from its reference over a text, and perplexity: the quantities and names of
 * llama-perplexity, computed exactly over the whole vocabulary, in fp32 with double sums. Going through the vocabulary in
 * pieces, with running maxima and sums per position, no more than a piece of the logits ever exists.
 */
#ifndef WT_ENGINE_DIVERGENCE_H
#define WT_ENGINE_DIVERGENCE_H

#include "engine/reference.h"

/* What is known of one scored position. */
typedef struct wt_position {
    double kld;                  /* KL(reference || candidate), nats; 0 without a reference */
    double logp, logp_reference; /* natural log of the true token's probability */
    uint8_t same_top;            /* the most probable token is the same */
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

/* One side of a comparison: an engine, for its head, and states [positions, width] after the final norm. */
typedef struct wt_states {
    wt_engine *engine;
    const float *states;
} wt_states;

/*
 * Scores `count` positions whose true next tokens are `targets`. `reference` NULL: only logp is set, the rest 0. The two
 * vocabularies must have one size.
 */
int wt_score(const wt_states *candidate, const wt_states *reference, const int32_t *targets, size_t count,
             wt_position *positions, wt_error *err);

/*
 * Fails because the logits of the engine's model are NaN or infinite (a position's logp or kld is then) in "chunk" or "task"
 * `number`. Always -1.
 */
int wt_fail_not_finite(const wt_engine *engine, const char *unit, size_t number, wt_error *err);

/*
 * Summarises positions [chunks, scored]. Without a reference only tokens, chunks and the perplexity are set, the rest
 * is NaN. Percentiles interpolate linearly.
 */
int wt_divergence_summarise(wt_divergence *out, const wt_position *positions, size_t chunks, size_t scored,
                            bool with_reference, wt_error *err);

/*
 * A whole measurement: batches of chunks through the candidate and the reference, side by side. `reference` NULL:
 * perplexity alone. `batch_tokens` 0: a sensible default; it changes no bit of the result. With `kept` (may be
 * NULL) the reference's states come from there and `reference` supplies only the head.
 * Logits that are not finite fail with the model and the chunk (from 1).
 * Stopped by `progress` or the engines' own `stop` (WT_ERR_INTERRUPTED), `out` describes the chunks that were done; its
 * `chunks` is 0 where none was.
 */
int wt_measure(wt_engine *candidate, wt_engine *reference, const wt_reference *kept, const wt_chunks *chunks,
               size_t batch_tokens, wt_divergence *out, const wt_progress *progress, wt_error *err);

#endif
