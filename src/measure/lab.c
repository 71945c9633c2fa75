/*
 * The public calls of wildtype.h: each a few of the floors' own, in the order in which the command line makes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/candidate.h"
#include "apply/scope.h"
#include "apply/study.h"
#include "base/checked.h"
#include "base/memory.h"
#include "engine/divergence.h"
#include "engine/generate.h"

enum { SELF_CHUNKS = 32 };

struct wt_lab {
    wt_gguf *gguf;
    wt_model *model;
    wt_tokenizer *tokenizer;
    wt_chunks chunks;
    wt_study study;
};

/* ---- opening ---- */

/* The text that the model writes. */
static int write_text(wt_lab *lab, size_t context, size_t count, const wt_progress *progress, wt_error *err) {
    size_t n;
    if (!wt_mul_size(count, context, &n)) return wt_fail_memory(err, SIZE_MAX);
    int32_t *tokens = wt_calloc(n, sizeof *tokens, err);
    wt_engine *engine = tokens ? wt_engine_open(lab->model, &(wt_engine_options){.context = context}, err) : NULL;
    const int rc = engine ? wt_self_write(engine, lab->tokenizer, count, context, 1, tokens, progress, err) : -1;
    wt_engine_close(engine);
    if (rc == 0) return wt_chunks_from_tokens(&lab->chunks, tokens, context, count, err);
    free(tokens);
    return -1;
}

static int open_lab(wt_lab *lab, const char *path, const wt_lab_options *o, const wt_progress *progress,
                    wt_error *err) {
    if (!(lab->gguf = wt_gguf_open(path, err)) || !(lab->model = wt_model_from_gguf(lab->gguf, err)) ||
        !(lab->tokenizer = wt_tokenizer_open(lab->gguf, err)))
        return -1;
    const size_t context = o->context ? o->context : wt_chunks_usual_context(wt_model_hparams(lab->model)->context);
    const int rc = o->text
                       ? wt_chunks_cut(&lab->chunks, lab->tokenizer, o->text, o->text_bytes, context, o->chunks, err)
                       : write_text(lab, context, o->chunks ? o->chunks : SELF_CHUNKS, progress, err);
    if (rc != 0) return -1;
    const wt_study_options study = {.chunks = &lab->chunks, .dataset = "text", .cache = o->cache};
    return wt_study_open(&lab->study, lab->gguf, &study, progress, err);
}

wt_lab *wt_lab_open(const char *path, const wt_lab_options *options, const wt_progress *progress, wt_error *err) {
    static const wt_lab_options none = {0};
    wt_lab *lab = wt_calloc(1, sizeof *lab, err);
    if (!lab || open_lab(lab, path, options ? options : &none, progress, err) == 0) return lab;
    wt_lab_close(lab);
    return NULL;
}

void wt_lab_close(wt_lab *lab) {
    if (!lab) return;
    wt_study_close(&lab->study);
    wt_chunks_release(&lab->chunks);
    wt_tokenizer_close(lab->tokenizer);
    wt_model_close(lab->model);
    wt_gguf_close(lab->gguf);
    free(lab);
}

/* ---- strategies ---- */

char *wt_lab_draw_strategy(const wt_lab *lab, uint64_t seed, wt_error *err) {
    wt_scope scope;
    wt_strategy strategy;
    wt_rng rng;
    char *text = NULL;
    wt_scope_init(&scope);
    wt_rng_init(&rng, seed, 0, 0);
    if (wt_scope_set_model(&scope, lab->gguf, err) == 0 && wt_strategy_random(&strategy, &scope, &rng, err) == 0) {
        text = wt_strategy_print(&strategy, err);
        wt_strategy_release(&strategy);
    }
    wt_scope_release_model(&scope);
    return text;
}

static int carry_out(wt_lab *lab, const wt_plan *plan, const char *path, const wt_progress *progress, wt_error *err) {
    wt_candidate *c = wt_candidate_new(lab->study.bench, plan, progress, err);
    const int rc = c ? wt_candidate_write(c, path, err) : -1;
    wt_candidate_free(c);
    return rc;
}

int wt_lab_apply(wt_lab *lab, const char *strategy, uint64_t bytes, const char *path, wt_lab_plan *told,
                 const wt_progress *progress, wt_error *err) {
    const wt_plan_options options = {.budget = bytes};
    wt_strategy s;
    wt_plan plan = {0};
    if (wt_strategy_parse(&s, strategy, strlen(strategy), "strategy", err) != 0) return -1;
    int rc = wt_plan_make(&plan, lab->study.bench, &s, &options, progress, err);
    if (rc == 0 && path) rc = carry_out(lab, &plan, path, progress, err);
    if (rc == 0 && told) {
        *told = (wt_lab_plan){.file_bytes = plan.file_bytes, .cost = plan.cost};
        snprintf(told->name, sizeof told->name, "%s", plan.name);
        snprintf(told->cache_k, sizeof told->cache_k, "%s", wt_type_find(plan.cache_k)->name);
        snprintf(told->cache_v, sizeof told->cache_v, "%s", wt_type_find(plan.cache_v)->name);
    }
    wt_plan_release(&plan);
    wt_strategy_release(&s);
    return rc;
}

/* ---- measuring ---- */

/* Both sides' engines run over the chunks. */
static int measure(const wt_model *candidate, const wt_model *reference, const wt_chunks *chunks, wt_divergence *d,
                   const wt_progress *progress, wt_error *err) {
    const wt_engine_options options = {.context = chunks->context};
    wt_engine *ours = wt_engine_open(candidate, &options, err);
    wt_engine *theirs = ours ? wt_engine_open(reference, &options, err) : NULL;
    const int rc = theirs ? wt_measure(ours, theirs, NULL, chunks, 0, d, progress, err) : -1;
    wt_engine_close(ours);
    wt_engine_close(theirs);
    return rc;
}

int wt_lab_measure(wt_lab *lab, const char *path, const char *text, size_t text_bytes, wt_lab_loss *loss,
                   const wt_progress *progress, wt_error *err) {
    wt_divergence d = {0};
    wt_chunks own = {0};
    wt_tokenizer *tokenizer = NULL;
    int rc = -1;
    wt_gguf *gguf = wt_gguf_open(path, err);
    wt_model *model = gguf ? wt_model_from_gguf(gguf, err) : NULL;
    if (model && (tokenizer = wt_tokenizer_open(gguf, err))) rc = wt_tokenizer_same(tokenizer, lab->tokenizer, err);
    if (rc != 0 && tokenizer) wt_error_prefix(err, "cannot measure '%s'", path);
    if (rc == 0 && text) rc = wt_chunks_cut(&own, lab->tokenizer, text, text_bytes, lab->chunks.context, 0, err) == 0 ? 0 : wt_error_prefix(err, "cannot measure on the text that was given");
    if (rc == 0) rc = measure(model, lab->model, text ? &own : &lab->chunks, &d, progress, err);
    if (rc == 0)
        *loss = (wt_lab_loss){.tokens = d.tokens,
                              .chunks = d.chunks,
                              .kld = d.kld_mean,
                              .kld_stderr = d.kld_chunk_stderr,
                              .perplexity = d.perplexity,
                              .reference_perplexity = d.reference_perplexity,
                              .same_top = d.same_top};
    wt_chunks_release(&own);
    wt_tokenizer_close(tokenizer);
    wt_model_close(model);
    wt_gguf_close(gguf);
    return rc;
}

/* ---- generating ---- */

static char *text_of(const wt_tokenizer *tokenizer, const wt_tokens *tokens, wt_error *err) {
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < tokens->count; i++) bytes += wt_token_text(tokenizer, tokens->ids[i], false, NULL, 0);
    char *text = wt_calloc(bytes + 1, 1, err);
    for (size_t i = 0; text && i < tokens->count; i++)
        at += wt_token_text(tokenizer, tokens->ids[i], false, text + at, bytes - at);
    return text;
}

char *wt_lab_generate(wt_lab *lab, const char *prompt, size_t tokens, double temperature, uint64_t seed,
                      wt_error *err) {
    wt_tokens from = {0}, out = {0};
    wt_engine *engine = NULL;
    char *text = NULL;
    const wt_generate_options options = {.max_tokens = tokens, .temperature = temperature, .seed = seed};
    if (wt_tokenize_prompt(lab->tokenizer, prompt, &from, err) == 0 &&
        (engine = wt_engine_open(lab->model, &(wt_engine_options){.context = from.count + tokens}, err)) &&
        wt_generate(engine, lab->tokenizer, from.ids, from.count, &options, &out, err) == 0)
        text = text_of(lab->tokenizer, &out, err);
    wt_engine_close(engine);
    free(from.ids);
    free(out.ids);
    return text;
}
