#include "engine/divergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/kernels.h"

/* Tokens of the vocabulary that are looked at together; a multiple of WT_TILE_COLS. */
#define PIECE ((size_t)4096)

/* Running values of one position and one model over the pieces so far. */
typedef struct running {
    double sum;    /* of exp(logit - max) */
    float max;
    float target;  /* the true token's logit */
    size_t top;    /* index of the largest logit */
} running;

/* And of the pair: sum of exp(reference logit - its max) * (reference logit - candidate logit). */
typedef struct pair {
    running candidate, reference;
    double difference;
} pair;

static void take_piece(running *r, const wt_kernels *k, const float *logits, size_t first, size_t n, int32_t target) {
    size_t at;
    float max = k->max(logits, n, &at);
    if (first == 0 || max > r->max) {
        if (first > 0) r->sum *= exp((double)r->max - (double)max);
        r->max = max;
        r->top = first + at;
    }
    r->sum += k->sum_exp(logits, r->max, n);
    if ((size_t)target >= first && (size_t)target < first + n) r->target = logits[(size_t)target - first];
}

static double log_sum(const running *r) { return (double)r->max + log(r->sum); }

static wt_position finish(const pair *p, bool with_reference) {
    wt_position out = {.logp = (double)p->candidate.target - log_sum(&p->candidate)};
    if (!with_reference) return out;
    out.logp_reference = (double)p->reference.target - log_sum(&p->reference);
    /* KL = E[a - b] - (log sum exp a - log sum exp b), never below 0 but for rounding; NaN stays. */
    double kld = p->difference / p->reference.sum - (log_sum(&p->reference) - log_sum(&p->candidate));
    out.kld = kld < 0.0 ? 0.0 : kld;
    out.same_top = p->candidate.top == p->reference.top;
    return out;
}

int wt_score(const wt_states *candidate, const wt_states *reference, const int32_t *targets, size_t count,
             wt_position *positions, wt_error *err) {
    const wt_kernels *k = wt_kernels_get();
    size_t vocab = wt_model_hparams(wt_engine_model(candidate->engine))->vocab;
    if (reference && wt_model_hparams(wt_engine_model(reference->engine))->vocab != vocab) {
        return wt_fail(err, WT_ERR_MISMATCH, "the candidate has %zu tokens, the reference %u", vocab,
                       wt_model_hparams(wt_engine_model(reference->engine))->vocab);
    }
    size_t piece = vocab < PIECE ? vocab : PIECE;
    float *a = wt_alloc_aligned(count * piece, sizeof *a, err);
    float *b = reference ? wt_alloc_aligned(count * piece, sizeof *b, err) : NULL;
    pair *pairs = wt_calloc(count, sizeof *pairs, err);
    int rc = -1;
    if (!a || (reference && !b) || !pairs) goto done;
    for (size_t first = 0; first < vocab; first += piece) {
        size_t n = vocab - first < piece ? vocab - first : piece;
        if (wt_engine_logits_range(candidate->engine, candidate->states, count, first, n, a, err) != 0) goto done;
        if (reference &&
            wt_engine_logits_range(reference->engine, reference->states, count, first, n, b, err) != 0)
            goto done;
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < count; i++) {
            take_piece(&pairs[i].candidate, k, a + i * n, first, n, targets[i]);
            if (!reference) continue;
            running *r = &pairs[i].reference;
            float before = r->max;
            take_piece(r, k, b + i * n, first, n, targets[i]);
            if (first > 0 && r->max != before) pairs[i].difference *= exp((double)before - (double)r->max);
            pairs[i].difference += k->kl_sum(b + i * n, r->max, a + i * n, n);
        }
    }
    for (size_t i = 0; i < count; i++) positions[i] = finish(&pairs[i], reference != NULL);
    rc = 0;
done:
    free(a);
    free(b);
    free(pairs);
    return rc;
}

/* ---- summary ---- */

/* Mean and standard error of x[0], x[stride], ...: the standard error is NaN for one value. */
static void mean_stderr(const double *x, size_t n, double *mean, double *standard_error) {
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *standard_error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return isnan(x) ? (isnan(y) ? 0 : 1) : isnan(y) ? -1 : (x > y) - (x < y); /* NaN last: it shows as the maximum */
}

static double percentile(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

static void summarise_kld(wt_divergence *d, double *x, size_t chunks, size_t scored, double *means) {
    mean_stderr(x, chunks * scored, &d->kld_mean, &d->kld_stderr);
    for (size_t c = 0; c < chunks; c++) {
        double sum = 0.0;
        for (size_t i = 0; i < scored; i++) sum += x[c * scored + i];
        means[c] = sum / (double)scored;
    }
    double mean;
    mean_stderr(means, chunks, &mean, &d->kld_chunk_stderr);
    size_t n = chunks * scored;
    qsort(x, n, sizeof *x, ascending);
    d->kld_min = x[0];
    d->kld_median = percentile(x, n, 0.5);
    d->kld_p90 = percentile(x, n, 0.9);
    d->kld_p95 = percentile(x, n, 0.95);
    d->kld_p99 = percentile(x, n, 0.99);
    d->kld_p999 = percentile(x, n, 0.999);
    d->kld_max = x[n - 1];
}

int wt_divergence_summarise(wt_divergence *out, const wt_position *positions, size_t chunks, size_t scored,
                            bool with_reference, wt_error *err) {
    size_t n = chunks * scored;
    double *x = wt_calloc(n, sizeof *x, err), *means = wt_calloc(chunks, sizeof *means, err), mean, se;
    if (!x || !means || n == 0) {
        free(x);
        free(means);
        return n == 0 ? wt_fail(err, WT_ERR_ARGUMENT, "no position was scored") : -1;
    }
    double *const from = (double *)((char *)out + offsetof(wt_divergence, perplexity));
    for (size_t i = 0; i < (sizeof *out - offsetof(wt_divergence, perplexity)) / sizeof(double); i++) from[i] = NAN;
    out->tokens = n;
    out->chunks = chunks;

    for (size_t i = 0; i < n; i++) x[i] = -positions[i].logp;
    mean_stderr(x, n, &mean, &se);
    out->perplexity = exp(mean);
    out->perplexity_stderr = out->perplexity * se;
    if (with_reference) {
        for (size_t i = 0; i < n; i++) x[i] = -positions[i].logp_reference;
        mean_stderr(x, n, &mean, &se);
        out->reference_perplexity = exp(mean);
        out->reference_perplexity_stderr = out->reference_perplexity * se;
        for (size_t i = 0; i < n; i++) x[i] = positions[i].logp_reference - positions[i].logp;
        mean_stderr(x, n, &out->log_ratio, &out->log_ratio_stderr);
        for (size_t i = 0; i < n; i++) {
            double change = exp(positions[i].logp) - exp(positions[i].logp_reference);
            x[i] = change * change;
        }
        mean_stderr(x, n, &mean, &se);
        out->rms_dp = sqrt(mean);
        out->rms_dp_stderr = mean > 0.0 ? 0.5 / out->rms_dp * se : 0.0;
        for (size_t i = 0; i < n; i++) x[i] = positions[i].same_top;
        mean_stderr(x, n, &out->same_top, &out->same_top_stderr);
        for (size_t i = 0; i < n; i++) x[i] = positions[i].kld;
        summarise_kld(out, x, chunks, scored, means);
    }
    free(x);
    free(means);
    return 0;
}

/* ---- a whole measurement ---- */

int wt_fail_not_finite(const wt_engine *engine, const char *unit, size_t number, wt_error *err) {
    wt_fail(err, WT_ERR_FORMAT, "cannot measure '%s': its logits are not finite in %s %zu",
            wt_gguf_path(wt_model_gguf(wt_engine_model(engine))), unit, number);
    return wt_hint(err, "a weight is NaN or infinite, or the file is no working model");
}

/* Refuses positions [count, scored], of chunks from `first` on, whose logits were not finite: no figure would mean a thing. */
static int check_finite(const wt_engine *candidate, const wt_engine *reference, const wt_position *positions,
                        size_t first, size_t count, size_t scored, wt_error *err) {
    for (size_t i = 0; i < count * scored; i++) {
        const wt_position *p = &positions[i];
        bool ours = isfinite(p->logp), theirs = !reference || isfinite(p->logp_reference);
        if (ours && theirs && isfinite(p->kld)) continue;
        return wt_fail_not_finite(theirs ? candidate : reference, "chunk", first + i / scored + 1, err);
    }
    return 0;
}

/* Buffers of a batch: states of both sides and the targets. */
typedef struct batch_buffers {
    float *candidate, *reference; /* [batch chunks, scored, width] */
    int32_t *targets;             /* [batch chunks, scored] */
} batch_buffers;

static int measure_batch(wt_engine *candidate, wt_engine *reference, const wt_reference *kept, const wt_chunks *chunks,
                         size_t first, size_t count, batch_buffers *b, wt_position *positions, wt_error *err) {
    for (size_t c = 0; c < count; c++) {
        const int32_t *tokens = chunks->tokens + (first + c) * chunks->context + chunks->first + 1;
        memcpy(b->targets + c * chunks->scored, tokens, chunks->scored * sizeof *tokens);
    }
    if (wt_chunk_states(candidate, chunks, first, count, b->candidate, err) != 0) return -1;
    wt_states ours = {candidate, b->candidate}, theirs = {reference, b->reference};
    if (reference && kept)
        theirs.states = wt_reference_chunk(kept, first);
    else if (reference && wt_chunk_states(reference, chunks, first, count, b->reference, err) != 0)
        return -1;
    if (wt_score(&ours, reference ? &theirs : NULL, b->targets, count * chunks->scored, positions, err) != 0) return -1;
    return check_finite(candidate, reference, positions, first, count, chunks->scored, err);
}

int wt_measure(wt_engine *candidate, wt_engine *reference, const wt_reference *kept, const wt_chunks *chunks,
               size_t batch_tokens, wt_divergence *out, const wt_progress *progress, wt_error *err) {
    size_t batch = wt_batch_chunks(chunks, batch_tokens), width = wt_model_hparams(wt_engine_model(candidate))->width;
    if (batch > chunks->count) batch = chunks->count;
    size_t rows = batch * chunks->scored;
    size_t their_width = reference ? wt_model_hparams(wt_engine_model(reference))->width : 0;
    batch_buffers b = {.candidate = wt_alloc_aligned(rows, width * sizeof(float), err),
                       .targets = wt_calloc(rows, sizeof(int32_t), err)};
    wt_position *positions = wt_calloc(chunks->count * chunks->scored, sizeof *positions, err);
    int rc = -1;
    *out = (wt_divergence){0};
    if (!b.candidate || !b.targets || !positions) goto done;
    if (reference && !kept && !(b.reference = wt_alloc_aligned(rows, their_width * sizeof(float), err))) goto done;
    double total = (double)(chunks->count * chunks->context);
    size_t c = 0;
    for (; c < chunks->count; c += batch) {
        size_t n = chunks->count - c < batch ? chunks->count - c : batch;
        if (wt_progress_report(progress, "measuring", (double)(c * chunks->context), total, "tokens", err) != 0 ||
            measure_batch(candidate, reference, kept, chunks, c, n, &b, positions + c * chunks->scored, err) != 0)
            break;
    }
    if (c >= chunks->count) {
        wt_progress_report(progress, "measuring", total, total, "tokens", NULL);
        rc = wt_divergence_summarise(out, positions, chunks->count, chunks->scored, reference != NULL, err);
    } else if (c > 0) {
        wt_divergence_summarise(out, positions, c, chunks->scored, reference != NULL, NULL);
    }
done:
    free(b.candidate);
    free(b.reference);
    free(b.targets);
    free(positions);
    return rc;
}
