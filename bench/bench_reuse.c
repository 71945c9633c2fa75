/*
 * What an offspring costs that changes one tensor in the last block, beside a full evaluation: its other tensors are encoded already, and the
 * states before its block are kept. The cost of an evaluation is planning, encoding and all search chunks. For every matrix of the last
 * block, in one run:
 *
 *     bench_reuse MODEL --size BYTES --text TEXT [--chunks 48] [--json]
 *
 * The parent is `human sensitivity` with all types pinned. A full evaluation is the same with another encode.bias, so that no tensor is
 * encoded yet but all else that a run has ready is there. Ends with 1 where reuse changes a bit of a score, against an exam without states and
 * a workbench that has seen nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/candidate.h"
#include "apply/humans.h"
#include "apply/study.h"
#include "base/file.h"
#include "base/memory.h"
#include "measure/exam.h"
#include "survive/texts.h"

typedef struct arena {
    const char *path, *text;
    uint64_t size;
    size_t chunks;
    wt_gguf *gguf;
    wt_texts texts;
    char *cache;
} arena;

/* A workbench and an exam of their own. */
typedef struct side {
    wt_study study;
    wt_exam *exam;
} side;

static wt_error err;

static void die(void) {
    fprintf(stderr, "bench_reuse: %s\n%s%s%s", err.message, err.hint[0] ? "hint: " : "", err.hint, err.hint[0] ? "\n" : "");
    exit(1);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void open_side(const arena *a, side *s, size_t state_bytes) {
    const wt_study_options study = {.chunks = &a->texts.calibrate, .dataset = a->text, .cache = a->cache, .encoded_bytes = (size_t)1 << 30};
    const wt_exam_options exam = {.activations = WT_ACTIVATIONS_Q8, .batch_tokens = 8 * a->texts.search.context, .state_bytes = state_bytes};
    if (wt_study_open(&s->study, a->gguf, &study, NULL, &err) != 0 ||
        !(s->exam = wt_exam_new(a->gguf, &a->texts.search, &exam, NULL, &err)))
        die();
}

static void close_side(side *s) {
    wt_exam_free(s->exam);
    wt_study_close(&s->study);
}

/* Seconds of an evaluation. */
static double evaluate(const arena *a, side *s, const wt_strategy *strategy, wt_chunk_score *scores) {
    const wt_plan_options options = {.budget = a->size + a->size / 50}; /* pins take what they take */
    wt_plan plan;
    const double begin = seconds();
    if (wt_plan_make(&plan, s->study.bench, strategy, &options, NULL, &err) != 0) die();
    wt_candidate *c = wt_candidate_new(s->study.bench, &plan, NULL, &err);
    if (!c || wt_exam_run(s->exam, c, &plan, 0, a->texts.search.count, scores, NULL, &err) != 0) die();
    const double took = seconds() - begin;
    wt_candidate_free(c);
    wt_plan_release(&plan);
    return took;
}

/* `human sensitivity` with the types of its plan pinned. */
static void make_parent(const arena *a, side *s, wt_strategy *parent) {
    const wt_plan_options options = {.budget = a->size};
    wt_plan plan;
    if (wt_human(parent, "sensitivity", a->gguf, true, &err) != 0 || wt_plan_make(&plan, s->study.bench, parent, &options, NULL, &err) != 0) die();
    for (size_t i = 0; i < plan.count; i++)
        if (plan.tensors[i].site->matrix &&
            wt_pins_set(&parent->genes[WT_GENE_ALLOC_PINS].pins, plan.tensors[i].site->name, plan.tensors[i].type, &err) != 0)
            die();
    wt_plan_release(&plan);
}

static void open_texts(arena *a) {
    size_t len;
    wt_rules rules;
    char *text = wt_read_text(a->text, &len, &err);
    if (!text || wt_rules_init(&rules, &err) != 0 || !(a->gguf = wt_gguf_open(a->path, &err))) die();
    wt_tokenizer *tokenizer = wt_tokenizer_open(a->gguf, &err);
    wt_model *model = wt_model_from_gguf(a->gguf, &err);
    if (!tokenizer || !model) die();
    rules.search_chunks = a->chunks;
    rules.playoff = 0;
    const size_t context = wt_chunks_usual_context(wt_model_hparams(model)->context);
    if (wt_texts_cut(&a->texts, &rules, context, tokenizer, text, len, NULL, 0, &err) != 0) die();
    wt_model_close(model);
    wt_tokenizer_close(tokenizer);
    wt_rules_release(&rules);
    free(text);
}

/* All offspring of the last block; the number of those whose scores differ from those without reuse. */
static int run(const arena *a, bool json) {
    side warm, cold;
    wt_strategy parent, full;
    char block[32];
    int different = 0;
    double most = 0;
    const size_t chunks = a->texts.search.count;
    wt_chunk_score *scores = wt_calloc(2 * chunks, sizeof *scores, &err);
    if (!scores) die();
    open_side(a, &warm, (size_t)768 << 20);
    open_side(a, &cold, 0);
    make_parent(a, &warm, &parent);
    if (wt_strategy_copy(&full, &parent, &err) != 0) die();
    full.genes[WT_GENE_ENCODE_BIAS].number = 1.01f;
    evaluate(a, &warm, &parent, scores);
    const double whole = evaluate(a, &warm, &full, scores);
    snprintf(block, sizeof block, "blk.%u.", wt_model_hparams(wt_workbench_model(warm.study.bench))->n_layers - 1);
    if (!json) printf("a full evaluation of %zu chunks: %.2f s\n\n| tensor | now | then | seconds | of a full one | same bits |\n|---|---|---|---|---|---|\n", chunks, whole);
    const wt_pins *pins = &parent.genes[WT_GENE_ALLOC_PINS].pins;
    for (size_t i = 0; i < pins->count; i++) {
        const wt_pin *pin = &pins->items[i];
        const wt_type to = pin->type == WT_Q4_K ? WT_Q3_K : WT_Q4_K;
        wt_strategy child;
        if (strncmp(pin->tensor, block, strlen(block)) != 0) continue;
        if (wt_strategy_copy(&child, &parent, &err) != 0 || wt_pins_set(&child.genes[WT_GENE_ALLOC_PINS].pins, pin->tensor, to, &err) != 0) die();
        const double took = evaluate(a, &warm, &child, scores);
        evaluate(a, &cold, &child, scores + chunks);
        const bool same = memcmp(scores, scores + chunks, chunks * sizeof *scores) == 0;
        different += !same;
        if (took / whole > most) most = took / whole;
        printf(json ? "{\"tensor\": \"%s\", \"from\": \"%s\", \"to\": \"%s\", \"seconds\": %.3f, \"share\": %.3f, \"same\": %s}\n"
                    : "| %s | %s | %s | %.2f | %.1f%% | %s |\n",
               pin->tensor, wt_type_find(pin->type)->name, wt_type_find(to)->name, took, json ? took / whole : 100 * took / whole,
               same ? json ? "true" : "yes" : json ? "false" : "NO");
        wt_strategy_release(&child);
    }
    if (!json) printf("\nat most %.1f%%\n", 100 * most);
    wt_strategy_release(&parent);
    wt_strategy_release(&full);
    close_side(&warm);
    close_side(&cold);
    free(scores);
    return different;
}

int main(int argc, char **argv) {
    arena a = {.chunks = 48};
    bool json = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') a.path = argv[i];
        else if (strcmp(argv[i], "--json") == 0) json = true;
        else if (!value) return fprintf(stderr, "bench_reuse: '%s' needs a value\n", argv[i]), 2;
        else if (strcmp(argv[i], "--size") == 0) a.size = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--text") == 0) a.text = argv[++i];
        else if (strcmp(argv[i], "--chunks") == 0) a.chunks = strtoul(argv[++i], NULL, 10);
        else return fprintf(stderr, "bench_reuse: unknown option '%s'\n", argv[i]), 2;
    }
    if (!a.path || !a.text || !a.size || !a.chunks) {
        fputs("usage: bench_reuse MODEL --size BYTES --text TEXT [--chunks 48] [--json]\n", stderr);
        return 2;
    }
    open_texts(&a);
    a.cache = wt_cache_folder();
    const int different = run(&a, json);
    free(a.cache);
    wt_texts_release(&a.texts);
    wt_gguf_close(a.gguf);
    return different ? 1 : 0;
}
