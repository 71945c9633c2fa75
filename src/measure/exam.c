#include "measure/exam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "measure/state_cache.h"

/* Packed weights that an engine keeps while a candidate is measured. */
#define RESIDENT_BYTES ((size_t)1 << 30)

struct wt_exam {
    const wt_gguf *gguf;
    const wt_chunks *chunks;
    wt_exam_options options;
    wt_model *exact_model;
    wt_engine *exact;
    wt_reference *reference;
    wt_state_cache *states;
    wt_engine *engine;
    size_t width, layers;
    wt_exam_counts counts;
};

wt_exam *wt_exam_new(const wt_gguf *gguf, const wt_chunks *chunks, const wt_exam_options *options,
                     const wt_progress *progress, wt_error *err) {
    wt_exam *e = wt_calloc(1, sizeof *e, err);
    if (!e) return NULL;
    e->gguf = gguf;
    e->chunks = chunks;
    e->options = *options;
    if (!e->options.resident_bytes) e->options.resident_bytes = RESIDENT_BYTES;
    const wt_engine_options exact = {.context = chunks->context, .resident_bytes = e->options.resident_bytes};
    if (!(e->exact_model = wt_model_from_gguf(gguf, err)) || !(e->exact = wt_engine_open(e->exact_model, &exact, err)) ||
        !(e->reference = wt_reference_new(e->exact, chunks, options->batch_tokens, "reference", progress, err)) ||
        !(e->states = wt_state_cache_new(options->state_bytes, err))) {
        wt_exam_free(e);
        return NULL;
    }
    e->width = wt_model_hparams(e->exact_model)->width;
    e->layers = wt_model_hparams(e->exact_model)->n_layers;
    return e;
}

void wt_exam_free(wt_exam *e) {
    if (!e) return;
    wt_engine_close(e->engine);
    wt_state_cache_free(e->states);
    wt_reference_free(e->reference);
    wt_engine_close(e->exact);
    wt_model_close(e->exact_model);
    free(e);
}

size_t wt_exam_chunks(const wt_exam *e) { return e->chunks->count; }
size_t wt_exam_scored(const wt_exam *e) { return e->chunks->scored; }
wt_exam_counts wt_exam_count(const wt_exam *e) { return e->counts; }

/* ---- one batch of chunks ---- */

typedef struct run {
    wt_exam *exam;
    wt_engine *engine;
    const wt_candidate *candidate; /* NULL: the exact model */
    wt_type cache_k, cache_v;
    size_t first, count; /* chunks */
    float *hidden;       /* [count * context, width] */
    float *final;        /* [count * scored, width] */
    int32_t *targets;
    size_t *lengths;
    wt_position *positions;
    wt_error *err;
} run;

/* What the states before block k depend on. */
static wt_hash state_key(const run *r, uint32_t k) {
    wt_hash h = wt_candidate_prefix(r->candidate, k);
    if (k > 0) h = wt_hash_add_u64(wt_hash_add_u64(h, r->cache_k), r->cache_v); /* an embedding meets no cache */
    return wt_hash_add_u64(wt_hash_add_u64(wt_hash_add_u64(h, k), r->first), r->count);
}

/* Runs the blocks, from the last states that are known. */
static int run_blocks(run *r) {
    wt_exam *e = r->exam;
    const size_t rows = r->count * e->chunks->context;
    const bool keep = r->candidate && e->options.state_bytes > 0;
    uint32_t at = 0;
    for (uint32_t k = (uint32_t)e->layers; keep && k > 0; k--) {
        const float *known = wt_state_cache_get(e->states, state_key(r, k));
        if (!known) continue;
        memcpy(r->hidden, known, rows * e->width * sizeof(float));
        at = k;
        break;
    }
    e->counts.blocks += (double)(rows * e->layers);
    e->counts.reused += (double)(rows * at);
    while (at < e->layers) {
        const uint32_t to = keep ? at + 1 : (uint32_t)e->layers;
        const wt_batch batch = {.tokens = e->chunks->tokens + r->first * e->chunks->context,
                                .lengths = r->lengths,
                                .sequences = r->count,
                                .first_block = at,
                                .last_block = to};
        if (wt_engine_run(r->engine, &batch, r->hidden, r->err) != 0) return -1;
        at = to;
        if (keep) wt_state_cache_put(e->states, state_key(r, at), r->hidden, rows * e->width);
    }
    return 0;
}

static int score_batch(run *r) {
    wt_exam *e = r->exam;
    const wt_chunks *c = e->chunks;
    if (run_blocks(r) != 0) return -1;
    for (size_t i = 0; i < r->count; i++) {
        wt_engine_final_norm(r->engine, r->hidden + (i * c->context + c->first) * e->width, c->scored,
                             r->final + i * c->scored * e->width);
        memcpy(r->targets + i * c->scored, c->tokens + (r->first + i) * c->context + c->first + 1,
               c->scored * sizeof(int32_t));
    }
    const wt_states ours = {r->engine, r->final}, theirs = {e->exact, wt_reference_chunk(e->reference, r->first)};
    return wt_score(&ours, &theirs, r->targets, r->count * c->scored, r->positions, r->err);
}

static int summarise(const run *r, wt_chunk_score *scores, float *klds) {
    const size_t n = r->exam->chunks->scored;
    for (size_t i = 0; i < r->count; i++) {
        const wt_position *p = r->positions + i * n;
        wt_chunk_score s = {0};
        for (size_t k = 0; k < n; k++) {
            s.kld += p[k].kld;
            s.logp += p[k].logp;
            s.logp_reference += p[k].logp_reference;
            s.same_top += p[k].same_top;
            if (klds) klds[i * n + k] = (float)p[k].kld;
        }
        s.kld /= (double)n;
        s.logp /= (double)n;
        s.logp_reference /= (double)n;
        s.same_top /= (double)n;
        if (!isfinite(s.kld) || !isfinite(s.logp)) return wt_fail_not_finite(r->engine, "chunk", r->first + i + 1, r->err);
        scores[i] = s;
    }
    return 0;
}

static int allocate(run *r, size_t batch) {
    const wt_exam *e = r->exam;
    const size_t scored = batch * e->chunks->scored;
    r->hidden = wt_alloc_aligned(batch * e->chunks->context, e->width * sizeof(float), r->err);
    r->final = wt_alloc_aligned(scored, e->width * sizeof(float), r->err);
    r->targets = wt_calloc(scored, sizeof(int32_t), r->err);
    r->lengths = wt_calloc(batch, sizeof(size_t), r->err);
    r->positions = wt_calloc(scored, sizeof(wt_position), r->err);
    if (!r->hidden || !r->final || !r->targets || !r->lengths || !r->positions) return -1;
    for (size_t i = 0; i < batch; i++) r->lengths[i] = e->chunks->context;
    return 0;
}

/*
 * Chunks go through in batches that begin at multiples of the batch's size, so that states which are kept fit whoever asks for the same
 * chunks next.
 */
static int run_chunks(run *r, size_t first, size_t count, wt_chunk_score *scores, float *klds) {
    const wt_exam *e = r->exam;
    const size_t batch = wt_batch_chunks(e->chunks, e->options.batch_tokens);
    int rc = allocate(r, batch);
    for (size_t c = first; rc == 0 && c < first + count;) {
        const size_t end = (c / batch + 1) * batch, stop = end < first + count ? end : first + count;
        r->first = c;
        r->count = stop - c;
        rc = score_batch(r);
        if (rc == 0) rc = summarise(r, scores + (c - first), klds ? klds + (c - first) * e->chunks->scored : NULL);
        r->exam->counts.tokens += r->count * e->chunks->context;
        c = stop;
    }
    free(r->hidden);
    free(r->final);
    free(r->targets);
    free(r->lengths);
    free(r->positions);
    return rc;
}

/* The engine of a candidate, kept until another one comes: its packed weights serve for all blocks of a race. */
static int take_engine(wt_exam *e, const wt_candidate *c, const wt_plan *plan, wt_error *err) {
    const wt_engine_options options = {.context = e->chunks->context,
                                       .resident_bytes = e->options.resident_bytes,
                                       .activations = e->options.activations,
                                       .cache_k = plan->cache_k,
                                       .cache_v = plan->cache_v};
    wt_engine_close(e->engine);
    return (e->engine = wt_engine_open(wt_candidate_model(c), &options, err)) ? 0 : -1;
}

int wt_exam_run(wt_exam *e, const wt_candidate *candidate, const wt_plan *plan, size_t first, size_t count,
                wt_chunk_score *scores, float *klds, wt_error *err) {
    if (take_engine(e, candidate, plan, err) != 0) return -1;
    run r = {.exam = e, .engine = e->engine, .candidate = candidate, .cache_k = plan->cache_k, .cache_v = plan->cache_v,
             .err = err};
    int rc = run_chunks(&r, first, count, scores, klds);
    wt_engine_close(e->engine); /* the candidate may go away */
    e->engine = NULL;
    return rc;
}

int wt_exam_noise(wt_exam *e, size_t first, size_t count, wt_chunk_score *scores, wt_error *err) {
    const bool rounded = e->options.activations != WT_ACTIVATIONS_F32;
    const wt_type cache = rounded ? WT_F16 : WT_F32; /* what the runtime keeps */
    const wt_engine_options options = {.context = e->chunks->context,
                                       .resident_bytes = e->options.resident_bytes,
                                       .activations = rounded ? WT_ACTIVATIONS_Q8_ALL : WT_ACTIVATIONS_F32,
                                       .cache_k = cache,
                                       .cache_v = cache};
    wt_engine *engine = wt_engine_open(e->exact_model, &options, err);
    run r = {.exam = e, .engine = engine, .err = err};
    int rc = engine ? run_chunks(&r, first, count, scores, NULL) : -1;
    wt_engine_close(engine);
    return rc;
}
