#include "support/studied.h"

#include <string.h>

#include "base/file.h"
#include "engine/divergence.h"
#include "engine/forward.h"
#include "engine/tokenizer.h"
#include "support/testing.h"

#ifndef WT_SOURCE_DIR
#define WT_SOURCE_DIR "."
#endif

static int cut_passage(studied *s, size_t context, size_t chunks, wt_error *err) {
    size_t len;
    char *text = wt_read_text(WT_SOURCE_DIR "/tests/data/passage.txt", &len, err);
    wt_tokenizer *tokenizer = wt_tokenizer_open(s->gguf, err);
    int rc = text && tokenizer ? wt_chunks_cut(&s->chunks, tokenizer, text, len, context, chunks, err) : -1;
    wt_tokenizer_close(tokenizer);
    free(text);
    return rc;
}

static int draw_tokens(studied *s, size_t context, size_t chunks, wt_error *err) {
    wt_model *model = wt_model_from_gguf(s->gguf, err);
    int32_t *tokens = calloc(context * chunks, sizeof *tokens);
    wt_rng rng;
    wt_rng_init(&rng, 5, 0, 0);
    if (!model || !tokens) return -1;
    for (size_t i = 0; i < context * chunks; i++)
        tokens[i] = (int32_t)wt_rng_below(&rng, wt_model_hparams(model)->vocab);
    wt_model_close(model);
    return wt_chunks_from_tokens(&s->chunks, tokens, context, chunks, err);
}

void studied_open(studied *s, const char *path, const studied_options *options) {
    static const studied_options none = {0};
    wt_error err = {0};
    const studied_options *o = options ? options : &none;
    const size_t context = o->context ? o->context : 128, chunks = o->chunks ? o->chunks : 4;
    *s = (studied){0};
    if (!(s->gguf = wt_gguf_open(path ? path : WT_SOURCE_DIR "/data/seedling.gguf", &err))) fail_msg("%s", err.message);
    if ((path ? draw_tokens : cut_passage)(s, context, chunks, &err) != 0) fail_msg("%s", err.message);
    const wt_study_options study = {.chunks = o->no_text ? NULL : &s->chunks,
                                    .dataset = "passage.txt",
                                    .cache = o->cache,
                                    .note = o->note,
                                    .note_user = o->note_user,
                                    .encoded_bytes = o->encoded_bytes};
    if (wt_study_open(&s->study, s->gguf, &study, NULL, &err) != 0) fail_msg("%s", err.message);
}

void studied_close(studied *s) {
    wt_study_close(&s->study);
    wt_chunks_release(&s->chunks);
    wt_gguf_close(s->gguf);
    *s = (studied){0};
}

wt_strategy strategy_of(const char *genes) {
    wt_error err = {0};
    wt_strategy s;
    char text[4096];
    const int len = snprintf(text, sizeof text, "strategy\n%s\n", genes);
    if (wt_strategy_parse(&s, text, (size_t)len, "test", &err) != 0) fail_msg("%s", err.message);
    return s;
}

wt_plan plan_of(studied *s, const wt_strategy *strategy, uint64_t budget) {
    wt_error err = {0};
    wt_plan plan;
    const wt_plan_options options = {.budget = budget};
    if (wt_plan_make(&plan, s->study.bench, strategy, &options, NULL, &err) != 0) fail_msg("%s", err.message);
    return plan;
}

wt_position *positions_of(studied *s, const wt_model *candidate, double *mean) {
    wt_error err = {0};
    const wt_chunks *c = &s->chunks;
    const wt_model *exact = wt_workbench_model(s->study.bench);
    const size_t width = wt_model_hparams(exact)->width, count = c->count * c->scored;
    const wt_engine_options options = {.context = c->context};
    wt_engine *engines[2] = {wt_engine_open(candidate, &options, &err), wt_engine_open(exact, &options, &err)};
    float *hidden = calloc(c->context * width, sizeof *hidden), *states[2];
    int32_t *targets = calloc(count, sizeof *targets);
    wt_position *positions = calloc(count, sizeof *positions);
    for (size_t k = 0; k < 2; k++) {
        states[k] = calloc(count * width, sizeof(float));
        for (size_t i = 0; i < c->count; i++) {
            const size_t length = c->context;
            const wt_batch batch = {
                .tokens = c->tokens + i * length, .lengths = &length, .sequences = 1, .last_block = WT_ALL_BLOCKS};
            if (!engines[k] || wt_engine_run(engines[k], &batch, hidden, &err) != 0) fail_msg("%s", err.message);
            wt_engine_final_norm(engines[k], hidden + c->first * width, c->scored, states[k] + i * c->scored * width);
            memcpy(targets + i * c->scored, c->tokens + i * length + c->first + 1, c->scored * sizeof *targets);
        }
    }
    const wt_states ours = {engines[0], states[0]}, theirs = {engines[1], states[1]};
    if (wt_score(&ours, &theirs, targets, count, positions, &err) != 0) fail_msg("%s", err.message);
    *mean = 0;
    for (size_t i = 0; i < count; i++) *mean += positions[i].kld / (double)count;
    for (size_t k = 0; k < 2; k++) {
        wt_engine_close(engines[k]);
        free(states[k]);
    }
    free(hidden);
    free(targets);
    return positions;
}

unsigned char *bytes_of_file(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) fail_msg("cannot read %s", path);
    *len = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*len + 1);
    if (!bytes || fread(bytes, 1, *len, f) != *len) fail_msg("cannot read %s", path);
    fclose(f);
    return bytes;
}
