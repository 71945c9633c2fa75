/* Text from a model: sampling at a temperature, several sequences at once where calibration text is wanted. */
#ifndef WT_ENGINE_GENERATE_H
#define WT_ENGINE_GENERATE_H

#include "engine/forward.h"
#include "engine/tokenizer.h"

typedef struct wt_generate_options {
    size_t max_tokens;    /* new tokens */
    double temperature;   /* 0: the most probable token */
    uint64_t seed;
    bool ignore_end;      /* go on after an end-of-generation token (a new text starts with BOS) */
    /* Called with every new token of sequence 0 as it is drawn; non-zero stops. May be NULL. */
    int (*on_token)(void *user, int32_t token);
    void *user;
} wt_generate_options;

/*
 * Goes on from `prompt` (BOS included where wanted): appends the new tokens to `out`. Sampling draws from the stream (seed, 0,
 * position), in double, over the whole vocabulary. Logits that are not finite fail.
 */
int wt_generate(wt_engine *engine, const wt_tokenizer *tokenizer, const int32_t *prompt, size_t prompt_len,
                const wt_generate_options *options, wt_tokens *out, wt_error *err);

/*
 * `count` texts of `length` tokens each, sampled at temperature 1 from BOS with streams (seed, i, position), side by side:
 * out [count, length], BOS first. The same texts however many are drawn together.
 */
int wt_self_write(wt_engine *engine, const wt_tokenizer *tokenizer, size_t count, size_t length, uint64_t seed,
                  int32_t *out, const wt_progress *progress, wt_error *err);

#endif
