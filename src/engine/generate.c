#include "engine/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "engine/kernels.h"

/* Sequences that are written side by side: enough to fill the tiles of a matrix product. */
#define SIDE_BY_SIDE 32

/* Draws from softmax(logits / temperature), or takes the largest where the temperature is 0. Sums in double. */
static int32_t sample(const float *logits, size_t vocab, double temperature, wt_rng *rng) {
    size_t top;
    float max = wt_kernels_get()->max(logits, vocab, &top);
    if (temperature <= 0.0) return (int32_t)top;
    double sum = 0.0, at = 0.0;
    for (size_t i = 0; i < vocab; i++) sum += exp(((double)logits[i] - (double)max) / temperature);
    double target = wt_rng_uniform(rng) * sum;
    for (size_t i = 0; i < vocab; i++) {
        at += exp(((double)logits[i] - (double)max) / temperature);
        if (at > target) return (int32_t)i;
    }
    return (int32_t)top; /* rounding */
}

/* What a text starts with: BOS; models without one start as they end. */
static int32_t first_token(const wt_tokenizer *tokenizer) {
    int32_t bos = wt_tokenizer_bos(tokenizer), eos = wt_tokenizer_eos(tokenizer);
    return bos >= 0 ? bos : eos >= 0 ? eos : 0;
}

/* What it takes to write `count` sequences side by side. */
typedef struct writer {
    wt_engine *engine;
    wt_kv_cache *cache;
    float *hidden; /* [tokens of a step, width] */
    float *states; /* [count, width] */
    float *logits; /* [count, vocab] */
} writer;

/* For sequences of at most `length` tokens, and steps of at most `step` tokens in all; close it also after failure. */
static int open_writer(writer *w, wt_engine *engine, size_t count, size_t length, size_t step, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(wt_engine_model(engine));
    *w = (writer){.engine = engine, .cache = wt_kv_cache_new(engine, count, length, err)};
    w->hidden = wt_alloc_aligned(step, hp->width * sizeof *w->hidden, err);
    w->states = wt_alloc_aligned(count, hp->width * sizeof *w->states, err);
    w->logits = wt_alloc_aligned(count, hp->vocab * sizeof *w->logits, err);
    return w->cache && w->hidden && w->states && w->logits ? 0 : -1;
}

static void close_writer(writer *w) {
    wt_kv_cache_free(w->cache);
    free(w->hidden);
    free(w->states);
    free(w->logits);
}

/* One step of `count` sequences through the cache: `tokens` in, the logits of each one's last token in w->logits. */
static int step(writer *w, const int32_t *tokens, const size_t *lengths, size_t count, wt_error *err) {
    wt_engine *engine = w->engine;
    float *const hidden = w->hidden, *const states = w->states, *const logits = w->logits;
    size_t width = wt_model_hparams(wt_engine_model(engine))->width, row = 0;
    wt_batch batch = {
        .tokens = tokens, .lengths = lengths, .sequences = count, .last_block = WT_ALL_BLOCKS, .cache = w->cache};
    if (wt_engine_run(engine, &batch, hidden, err) != 0) return -1;
    for (size_t i = 0; i < count; i++) {
        row += lengths[i];
        memcpy(states + i * width, hidden + (row - 1) * width, width * sizeof *states);
    }
    wt_engine_final_norm(engine, states, count, states);
    if (wt_engine_logits(engine, states, count, logits, err) != 0) return -1;
    size_t n = count * wt_model_hparams(wt_engine_model(engine))->vocab, odd = 0;
    for (size_t i = 0; i < n; i++) odd += !isfinite(logits[i]);
    if (odd == 0) return 0;
    wt_fail(err, WT_ERR_FORMAT, "cannot draw tokens from '%s': its logits are not finite",
            wt_gguf_path(wt_model_gguf(wt_engine_model(engine))));
    return wt_hint(err, "a weight is NaN or infinite, or the file is no working model");
}

int wt_generate(wt_engine *engine, const wt_tokenizer *tokenizer, const int32_t *prompt, size_t prompt_len,
                const wt_generate_options *options, wt_tokens *out, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(wt_engine_model(engine));
    int32_t start = first_token(tokenizer), token;
    if (prompt_len == 0) {
        prompt = &start;
        prompt_len = 1;
    }
    if (hp->context && prompt_len + options->max_tokens > hp->context) {
        wt_fail(err, WT_ERR_ARGUMENT, "a prompt of %zu tokens and %zu new ones exceed the model's context of %u",
                prompt_len, options->max_tokens, hp->context);
        if (prompt_len >= hp->context) return wt_hint(err, "shorten the prompt");
        return wt_hint(err, "ask for at most %zu new tokens", hp->context - prompt_len);
    }
    writer w;
    int rc = -1;
    if (open_writer(&w, engine, 1, prompt_len + options->max_tokens, prompt_len, err) != 0) goto done;
    const int32_t *input = prompt;
    size_t length = prompt_len;
    for (size_t i = 0; i < options->max_tokens; i++) {
        if (step(&w, input, &length, 1, err) != 0) goto done;
        wt_rng rng;
        wt_rng_init(&rng, options->seed, 0, prompt_len + i);
        token = sample(w.logits, hp->vocab, options->temperature, &rng);
        if (wt_tokenizer_is_eog(tokenizer, token)) {
            if (!options->ignore_end) break;
            token = start; /* a new text begins */
        }
        if (wt_grow((void **)&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, err) != 0) goto done;
        out->ids[out->count++] = token;
        if (options->on_token && options->on_token(options->user, token) != 0) break;
        input = &token;
        length = 1;
    }
    rc = 0;
done:
    close_writer(&w);
    return rc;
}

/* Writes sequences first .. first+count-1 side by side. */
static int write_group(wt_engine *engine, const wt_tokenizer *tokenizer, size_t first, size_t count, size_t total,
                       size_t length, uint64_t seed, int32_t *out, const wt_progress *progress, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(wt_engine_model(engine));
    size_t lengths[SIDE_BY_SIDE];
    int32_t tokens[SIDE_BY_SIDE], start = first_token(tokenizer);
    writer w;
    int rc = -1;
    if (open_writer(&w, engine, count, length, count, err) != 0) goto done;
    for (size_t s = 0; s < count; s++) {
        lengths[s] = 1;
        tokens[s] = out[(first + s) * length] = start;
    }
    for (size_t p = 1; p < length; p++) {
        double done = (double)(first * length + p * count);
        if (wt_progress_report(progress, "writing text", done, (double)(total * length), "tokens", err) != 0) goto done;
        if (step(&w, tokens, lengths, count, err) != 0) goto done;
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t s = 0; s < count; s++) {
            wt_rng rng;
            wt_rng_init(&rng, seed, first + s, p);
            tokens[s] = sample(w.logits + s * hp->vocab, hp->vocab, 1.0, &rng);
            if (wt_tokenizer_is_eog(tokenizer, tokens[s])) tokens[s] = start;
            out[(first + s) * length + p] = tokens[s];
        }
    }
    rc = 0;
done:
    close_writer(&w);
    return rc;
}

int wt_self_write(wt_engine *engine, const wt_tokenizer *tokenizer, size_t count, size_t length, uint64_t seed,
                  int32_t *out, const wt_progress *progress, wt_error *err) {
    if (length == 0) return wt_fail(err, WT_ERR_ARGUMENT, "a text of no tokens");
    for (size_t first = 0; first < count; first += SIDE_BY_SIDE) {
        size_t n = count - first < SIDE_BY_SIDE ? count - first : SIDE_BY_SIDE;
        if (write_group(engine, tokenizer, first, n, count, length, seed, out, progress, err) != 0) return -1;
    }
    return 0;
}
