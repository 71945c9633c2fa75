/*
 * The rival that evolution has to beat: an elitist (1 + lambda) search over the types of single tensors, as published for evolutionary mixed
 * precision (EvoPress, arXiv 2410.14649): the parent's children exchange bits between tensors, all of them are measured on a few tokens, the
 * better ones on more, the best of those and the parent on most, and the better one is the next parent. It has our encoders, error
 * feedback and engine, and the token budget that it is given, so that nothing but the search differs.
 *
 *     bench_levels MODEL --size BYTES --text TEXT --tokens N -o OUT.gguf [--offspring 128] [--keep 16,4,1] [--looks 2048,16384,131072]
 *                  [--seed 1]
 *
 * Statistics come from the first half of the text (64 chunks), the search runs on what follows, as `wildtype evolve` has it; looks that
 * are longer than the text take all of it. The file goes to the judge.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/candidate.h"
#include "apply/scope.h"
#include "apply/study.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/generate.h"
#include "measure/exam.h"
#include "survive/texts.h"

enum { MOST_OFFSPRING = 4096, STAGES = 3, MOST_SWITCHES = 3, TRIES = 64 };

/* Where the search begins: the same relative error everywhere, and the encoding of `human sensitivity`. */
static const char START[] =
    "strategy\n"
    "alloc.price = 1\n"
    "alloc.types = [IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S Q2_K IQ3_XXS Q3_K IQ3_S IQ4_XS Q4_K IQ4_NL Q5_K Q6_K Q8_0]\n"
    "feedback.damp = 0.1\n";

typedef struct child {
    wt_strategy strategy;
    double kld; /* on the last look */
} child;

typedef struct bench {
    const char *path, *text, *out;
    uint64_t size, tokens, seed, spent;
    size_t offspring, keep[STAGES], looks[STAGES];
    wt_gguf *gguf;
    wt_study study;
    wt_texts texts;
    wt_exam *exam;
    wt_scope scope;
    child *children;
} bench;

static wt_error err;

static void die(void) {
    fprintf(stderr, "bench_levels: %s\n%s%s%s", err.message, err.hint[0] ? "hint: " : "", err.hint, err.hint[0] ? "\n" : "");
    exit(1);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- strategies ---- */

/* A type of its own for every matrix: the ones that the plan has. */
static void pin_all(wt_strategy *s, const wt_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->tensors[i].site->matrix &&
            wt_pins_set(&s->genes[WT_GENE_ALLOC_PINS].pins, plan->tensors[i].site->name, plan->tensors[i].type, &err) != 0)
            die();
}

static size_t text_length(const wt_strategy *s) {
    char *text = wt_strategy_print(s, &err);
    if (!text) die();
    const size_t length = strlen(text);
    free(text);
    return length;
}

static bool fits(bench *b, const wt_strategy *s) {
    const wt_plan_options options = {.budget = b->size};
    wt_plan plan;
    if (wt_plan_make(&plan, b->study.bench, s, &options, NULL, &err) != 0) return false; /* it is larger */
    const bool within = plan.file_bytes <= b->size;
    wt_plan_release(&plan);
    return within;
}

/* A child of `parent`: one to three exchanges, fewer more often, within the size. */
static void bear(bench *b, const wt_strategy *parent, wt_strategy *out, wt_rng *rng) {
    for (int t = 0; t < TRIES; t++) {
        const uint64_t one = wt_rng_below(rng, MOST_SWITCHES), two = wt_rng_below(rng, MOST_SWITCHES);
        if (wt_strategy_copy(out, parent, &err) != 0) die();
        for (uint64_t n = 1 + (one < two ? one : two); n; n--) {
            wt_strategy next;
            if (wt_strategy_mutate(&next, out, &b->scope, WT_OPERATOR_SWITCH, rng, NULL, &err) != 0) die();
            wt_strategy_release(out);
            *out = next;
        }
        if (fits(b, out)) return;
        wt_strategy_release(out);
    }
    if (wt_strategy_copy(out, parent, &err) != 0) die();
}

/* The mean divergence on the first chunks of the search text. */
static double measure(bench *b, const wt_strategy *s, size_t tokens) {
    const size_t context = b->texts.search.context, all = b->texts.search.count;
    const size_t wanted = (tokens + context - 1) / context, chunks = wanted < all ? wanted : all;
    const wt_plan_options options = {.budget = b->size};
    wt_plan plan;
    wt_chunk_score *scores = wt_calloc(chunks, sizeof *scores, &err);
    if (!scores || wt_plan_make(&plan, b->study.bench, s, &options, NULL, &err) != 0) die();
    wt_candidate *c = wt_candidate_new(b->study.bench, &plan, NULL, &err);
    if (!c || wt_exam_run(b->exam, c, &plan, 0, chunks, scores, NULL, &err) != 0) die();
    double sum = 0;
    for (size_t i = 0; i < chunks; i++) sum += scores[i].kld;
    b->spent += chunks * context;
    wt_candidate_free(c);
    wt_plan_release(&plan);
    free(scores);
    return sum / (double)chunks;
}

static int by_kld(const void *pa, const void *pb) {
    const child *a = pa, *b = pb;
    return (a->kld > b->kld) - (a->kld < b->kld);
}

/* One generation; the parent takes part in the last look and stays where nobody beats it. */
static void generation(bench *b, child *parent, uint64_t number) {
    size_t left = b->offspring;
    for (size_t i = 0; i < left; i++) {
        wt_rng rng;
        wt_rng_init(&rng, b->seed, number, i);
        bear(b, &parent->strategy, &b->children[i].strategy, &rng);
    }
    for (int stage = 0; stage < STAGES; stage++) {
        for (size_t i = 0; i < left; i++) b->children[i].kld = measure(b, &b->children[i].strategy, b->looks[stage]);
        qsort(b->children, left, sizeof *b->children, by_kld);
        for (; left > b->keep[stage]; left--) wt_strategy_release(&b->children[left - 1].strategy);
    }
    if (b->children[0].kld < parent->kld) {
        wt_strategy_release(&parent->strategy);
        *parent = b->children[0];
    } else {
        wt_strategy_release(&b->children[0].strategy);
    }
}

/* ---- the program ---- */

/* The model's own writing among the text's chunks, as in a run. */
static void mix_texts(bench *b, const wt_rules *rules, const wt_model *model, const wt_tokenizer *tokenizer,
                      size_t context) {
    const size_t count = wt_texts_own(&b->texts, rules);
    const wt_engine_options options = {.context = context, .resident_bytes = (size_t)1 << 30};
    if (count == 0 || wt_tokenizer_bos(tokenizer) < 0) return;
    int32_t *own = wt_calloc(count * context, sizeof *own, &err);
    wt_engine *writer = own ? wt_engine_open(model, &options, &err) : NULL;
    if (!writer || wt_self_write(writer, tokenizer, count, context, b->seed, own, NULL, &err) != 0) die();
    wt_texts_mix(&b->texts, rules, own);
    wt_engine_close(writer);
    free(own);
}

static void prepare(bench *b) {
    size_t len;
    wt_rules rules;
    char *text = wt_read_text(b->text, &len, &err), *cache = wt_cache_folder();
    if (wt_rules_init(&rules, &err) != 0) die();
    rules.search_chunks = 1u << 20; /* looks are long */
    if (!text || !(b->gguf = wt_gguf_open(b->path, &err))) die();
    wt_tokenizer *tokenizer = wt_tokenizer_open(b->gguf, &err);
    wt_model *model = wt_model_from_gguf(b->gguf, &err);
    if (!tokenizer || !model) die();
    const uint32_t trained = wt_model_hparams(model)->context, context = trained && trained < 512 ? trained : 512;
    if (wt_texts_cut(&b->texts, &rules, context, tokenizer, text, len, NULL, 0, &err) != 0) die();
    mix_texts(b, &rules, model, tokenizer, context);
    const wt_study_options study = {.chunks = &b->texts.calibrate, .dataset = b->text, .cache = cache};
    if (wt_study_open(&b->study, b->gguf, &study, NULL, &err) != 0) die();
    const wt_exam_options exam = {.activations = WT_ACTIVATIONS_Q8, .batch_tokens = 8 * context, .state_bytes = (size_t)512 << 20};
    if (!(b->exam = wt_exam_new(b->gguf, &b->texts.search, &exam, NULL, &err))) die();
    wt_scope_init(&b->scope);
    b->scope.types = 0;
    b->scope.all_pinned = true;
    if (wt_scope_set_model(&b->scope, b->gguf, &err) != 0) die();
    wt_model_close(model);
    wt_tokenizer_close(tokenizer);
    wt_rules_release(&rules);
    free(text);
    free(cache);
}

static void search(bench *b) {
    child parent = {0};
    wt_plan plan;
    const wt_plan_options options = {.budget = b->size};
    const double begin = seconds();
    if (wt_strategy_parse(&parent.strategy, START, strlen(START), "start", &err) != 0) die();
    b->scope.types = parent.strategy.genes[WT_GENE_ALLOC_TYPES].types;
    if (wt_plan_make(&plan, b->study.bench, &parent.strategy, &options, NULL, &err) != 0) die();
    const size_t before = text_length(&parent.strategy);
    pin_all(&parent.strategy, &plan);
    wt_rng rng; /* the pins' names are bytes of the file too */
    wt_rng_init(&rng, b->seed, UINT64_MAX, 0);
    wt_pins_shrink(&parent.strategy.genes[WT_GENE_ALLOC_PINS].pins, &b->scope,
                   (double)plan.file_bytes + (double)(text_length(&parent.strategy) - before) + 64 - (double)b->size,
                   &rng);
    wt_plan_release(&plan);
    parent.kld = measure(b, &parent.strategy, b->looks[STAGES - 1]);
    printf("start: %.6f\n", parent.kld);
    for (uint64_t g = 0; b->spent < b->tokens; g++) {
        generation(b, &parent, g);
        printf("generation %llu: %.6f, %llu tokens, %.0f s\n", (unsigned long long)g, parent.kld, (unsigned long long)b->spent,
               seconds() - begin);
        fflush(stdout);
    }
    if (wt_plan_make(&plan, b->study.bench, &parent.strategy, &options, NULL, &err) != 0) die();
    wt_candidate *c = wt_candidate_new(b->study.bench, &plan, NULL, &err);
    if (!c || wt_candidate_write(c, b->out, &err) != 0) die();
    printf("%s: %llu bytes, %.6f on the search text\n", b->out, (unsigned long long)plan.file_bytes, parent.kld);
    wt_candidate_free(c);
    wt_plan_release(&plan);
    wt_strategy_release(&parent.strategy);
}

static void read_list(const char *text, size_t out[STAGES]) {
    for (int i = 0; i < STAGES; i++) {
        out[i] = strtoul(text, NULL, 10);
        const char *comma = strchr(text, ',');
        if (comma) text = comma + 1;
    }
}

int main(int argc, char **argv) {
    bench b = {.offspring = 128, .keep = {16, 4, 1}, .looks = {2048, 16384, 131072}, .seed = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') b.path = argv[i];
        else if (!value) return fprintf(stderr, "bench_levels: '%s' needs a value\n", argv[i]), 2;
        else if (strcmp(argv[i], "--size") == 0) b.size = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--text") == 0) b.text = argv[++i];
        else if (strcmp(argv[i], "--tokens") == 0) b.tokens = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--offspring") == 0) b.offspring = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--keep") == 0) read_list(argv[++i], b.keep);
        else if (strcmp(argv[i], "--looks") == 0) read_list(argv[++i], b.looks);
        else if (strcmp(argv[i], "--seed") == 0) b.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-o") == 0) b.out = argv[++i];
        else return fprintf(stderr, "bench_levels: unknown option '%s'\n", argv[i]), 2;
    }
    if (!b.path || !b.text || !b.out || !b.size || !b.tokens || b.offspring < 1 || b.offspring > MOST_OFFSPRING || b.keep[STAGES - 1] != 1) {
        fputs("usage: bench_levels MODEL --size BYTES --text TEXT --tokens N -o OUT.gguf [--offspring 128] [--keep 16,4,1]\n"
              "                    [--looks 2048,16384,131072] [--seed 1]\n", stderr);
        return 2;
    }
    if (!(b.children = wt_calloc(b.offspring, sizeof *b.children, &err))) die();
    prepare(&b);
    search(&b);
    free(b.children);
    wt_exam_free(b.exam);
    wt_scope_release_model(&b.scope);
    wt_study_close(&b.study);
    wt_texts_release(&b.texts);
    wt_gguf_close(b.gguf);
    return 0;
}
