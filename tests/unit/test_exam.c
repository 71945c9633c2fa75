/*
 * Measuring candidates: what is reused changes no bit, nor does how chunks are batched; the exact model against itself reads 0; states are
 * kept within their limit. The model is the built-in one.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "apply/scope.h"
#include "apply/study.h"
#include "measure/exam.h"
#include "measure/state_cache.h"

enum { CONTEXT = 16, CHUNKS = 6 };

static wt_error err;
static wt_gguf *gguf;
static wt_chunks chunks;
static wt_study study;
static wt_strategy base;
static uint32_t layers;

#define must(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) fail_msg("%s: %s", #x, err.message);                                                                 \
    } while (0)

/* Every matrix pinned to Q8_0, so that changing one pin changes one tensor. */
static int set_up(void **state) {
    wt_rng rng;
    static const char TEXT[] = "strategy\nalloc.types = [Q8_0]\n";
    (void)state;
    if (!(gguf = wt_gguf_open(WT_SOURCE_DIR "/data/seedling.gguf", &err))) return -1;
    wt_model *model = wt_model_from_gguf(gguf, &err);
    if (!model) return -1;
    layers = wt_model_hparams(model)->n_layers;
    int32_t *tokens = malloc(CHUNKS * CONTEXT * sizeof *tokens);
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (int i = 0; i < CHUNKS * CONTEXT; i++) tokens[i] = (int32_t)wt_rng_below(&rng, 200) + 10;
    if (wt_chunks_from_tokens(&chunks, tokens, CONTEXT, CHUNKS, &err) != 0) return -1;
    const wt_study_options options = {.chunks = &chunks, .dataset = "test", .no_gram = true};
    wt_scope scope;
    wt_scope_init(&scope);
    if (wt_study_open(&study, gguf, &options, NULL, &err) != 0 || wt_strategy_parse(&base, TEXT, strlen(TEXT), "base", &err) != 0 ||
        wt_scope_set_model(&scope, gguf, &err) != 0) {
        print_error("%s\n", err.message);
        return -1;
    }
    for (size_t i = 0; i < scope.tensor_count; i++)
        if (wt_pins_set(&base.genes[WT_GENE_ALLOC_PINS].pins, scope.tensors[i].name, WT_Q8_0, &err) != 0) return -1;
    wt_scope_release_model(&scope);
    wt_model_close(model);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    wt_strategy_release(&base);
    wt_study_close(&study);
    wt_chunks_release(&chunks);
    wt_gguf_close(gguf);
    return 0;
}

typedef struct runner {
    wt_plan plan;
    wt_candidate *candidate;
} runner;

/* The base with one tensor at another type; NULL: the base. */
static void make(runner *r, const char *tensor, const char *cache) {
    wt_strategy s;
    const wt_plan_options options = {0};
    must(wt_strategy_copy(&s, &base, &err) == 0);
    if (tensor) must(wt_pins_set(&s.genes[WT_GENE_ALLOC_PINS].pins, tensor, WT_Q4_0, &err) == 0);
    if (cache) must(wt_strategy_set_gene(&s, WT_GENE_CACHE_K, cache, &err) == 0);
    must(wt_plan_make(&r->plan, study.bench, &s, &options, NULL, &err) == 0);
    must((r->candidate = wt_candidate_new(study.bench, &r->plan, NULL, &err)) != NULL);
    wt_strategy_release(&s);
}

static void unmake(runner *r) {
    wt_candidate_free(r->candidate);
    wt_plan_release(&r->plan);
}

static wt_exam *open_exam(wt_activations activations, size_t batch_tokens, size_t state_bytes) {
    const wt_exam_options options = {.activations = activations, .batch_tokens = batch_tokens, .state_bytes = state_bytes};
    wt_exam *e = wt_exam_new(gguf, &chunks, &options, NULL, &err);
    must(e);
    return e;
}

typedef struct result {
    wt_chunk_score scores[CHUNKS];
    float klds[CHUNKS * CONTEXT];
} result;

static void measure(wt_exam *e, const runner *r, size_t first, size_t count, result *out) {
    must(wt_exam_run(e, r->candidate, &r->plan, first, count, out->scores + first, out->klds + first * wt_exam_scored(e), &err) == 0);
}

/* Those who share first blocks, those who share none, and another cache, in an order that lets them find each other's states. */
static void test_reuse(void **state) {
    char first[64], last[64];
    (void)state;
    snprintf(first, sizeof first, "blk.0.ffn_down.weight");
    snprintf(last, sizeof last, "blk.%u.ffn_down.weight", layers - 1);
    const char *const tensors[] = {NULL, last, first, "token_embd.weight", NULL, last, NULL};
    const char *const caches[] = {NULL, NULL, NULL, NULL, "Q8_0", "Q8_0", NULL};
    wt_exam *without = open_exam(WT_ACTIVATIONS_Q8, 2 * CONTEXT, 0), *with = open_exam(WT_ACTIVATIONS_Q8, 2 * CONTEXT, (size_t)64 << 20),
            *tight = open_exam(WT_ACTIVATIONS_Q8, 2 * CONTEXT, 200000);
    result results[7];
    double reused[7];
    for (int k = 0; k < 7; k++) {
        runner r;
        result a = {0}, b = {0}, c = {0};
        const double before = wt_exam_count(with).reused;
        make(&r, tensors[k], caches[k]);
        measure(without, &r, 0, CHUNKS, &a);
        measure(with, &r, 0, 2, &b); /* a block of chunks after another, as races do */
        measure(with, &r, 2, CHUNKS - 2, &b);
        measure(tight, &r, 0, CHUNKS, &c);
        assert_memory_equal(&a, &b, sizeof a);
        assert_memory_equal(&a, &c, sizeof a);
        results[k] = a;
        reused[k] = (wt_exam_count(with).reused - before) / (CHUNKS * CONTEXT);
        unmake(&r);
    }
    assert_true(reused[0] == 0);
    assert_true(reused[1] == layers - 1); /* all but the block that changed */
    assert_true(reused[2] == 0);
    assert_true(reused[4] == 0); /* another cache is another model */
    assert_true(reused[5] == layers - 1);
    assert_true(reused[6] == layers); /* nothing was forgotten */
    assert_true(wt_exam_count(without).reused == 0);
    assert_true(wt_exam_count(with).tokens == 7 * CHUNKS * CONTEXT);
    for (int k = 1; k < 6; k++) assert_memory_not_equal(&results[0], &results[k], sizeof results[0]); /* each change shows */
    assert_memory_equal(&results[0], &results[6], sizeof results[0]);
    wt_exam_free(without);
    wt_exam_free(with);
    wt_exam_free(tight);
}

static void test_batches(void **state) {
    const size_t sizes[] = {1, CONTEXT, 3 * CONTEXT, 100 * CONTEXT, 0};
    runner r;
    result reference = {0};
    (void)state;
    make(&r, NULL, NULL);
    for (int k = 0; k < 5; k++) {
        wt_exam *e = open_exam(WT_ACTIVATIONS_Q8, sizes[k], (size_t)(k % 2) << 24);
        result whole = {0}, pieces = {0};
        measure(e, &r, 0, CHUNKS, &whole);
        measure(e, &r, 5, 1, &pieces);
        measure(e, &r, 0, 1, &pieces);
        measure(e, &r, 1, 4, &pieces);
        assert_memory_equal(&whole, &pieces, sizeof whole);
        if (k == 0) reference = whole;
        assert_memory_equal(&whole, &reference, sizeof whole);
        wt_exam_free(e);
    }
    for (int c = 0; c < CHUNKS; c++) { /* a chunk's score is the mean of its positions */
        double sum = 0;
        const size_t scored = chunks.scored;
        for (size_t k = 0; k < scored; k++) sum += (double)reference.klds[(size_t)c * scored + k];
        assert_true(fabs(sum / (double)scored - reference.scores[c].kld) < 1e-6 * (1e-3 + reference.scores[c].kld));
        assert_true(reference.scores[c].kld > 0 && reference.scores[c].same_top >= 0 && reference.scores[c].same_top <= 1);
        assert_true(reference.scores[c].logp < 0 && reference.scores[c].logp_reference < 0);
    }
    unmake(&r);
}

static void test_itself(void **state) {
    wt_chunk_score scores[CHUNKS];
    (void)state;
    wt_exam *exact = open_exam(WT_ACTIVATIONS_F32, 0, 0), *rounded = open_exam(WT_ACTIVATIONS_Q8, 0, 0);
    must(wt_exam_noise(exact, 0, CHUNKS, scores, &err) == 0);
    for (int c = 0; c < CHUNKS; c++) {
        assert_true(scores[c].kld == 0 && scores[c].same_top == 1);
        assert_true(scores[c].logp == scores[c].logp_reference);
    }
    must(wt_exam_noise(rounded, 0, CHUNKS, scores, &err) == 0);
    for (int c = 0; c < CHUNKS; c++) assert_true(scores[c].kld > 0 && scores[c].kld < 0.05);
    wt_exam_free(exact);
    wt_exam_free(rounded);
    wt_exam_free(NULL);
}

/* ---- the cache of states ---- */

static wt_hash key(uint64_t k) { return wt_hash_add_u64((wt_hash){0, 0}, k); }

static void test_cache(void **state) {
    float states[100];
    (void)state;
    wt_state_cache *none = wt_state_cache_new(0, &err), *c = wt_state_cache_new(10 * sizeof states, &err);
    for (int i = 0; i < 100; i++) states[i] = (float)i;
    wt_state_cache_put(none, key(1), states, 100);
    assert_null(wt_state_cache_get(none, key(1)));
    for (uint64_t k = 0; k < 10; k++) {
        states[0] = (float)k;
        wt_state_cache_put(c, key(k), states, 100);
    }
    for (uint64_t k = 0; k < 10; k++) {
        const float *s = wt_state_cache_get(c, key(k));
        assert_non_null(s);
        assert_true(s[0] == (float)k && s[99] == 99);
    }
    assert_non_null(wt_state_cache_get(c, key(0))); /* 0 was looked at last, 1 is the oldest */
    wt_state_cache_put(c, key(10), states, 100);
    assert_null(wt_state_cache_get(c, key(1)));
    assert_non_null(wt_state_cache_get(c, key(0)));
    assert_non_null(wt_state_cache_get(c, key(10)));
    states[0] = -1;
    wt_state_cache_put(c, key(0), states, 100); /* what is there stays */
    assert_true(wt_state_cache_get(c, key(0))[0] == 0);
    static float large[1001];
    wt_state_cache_put(c, key(11), large, 1001); /* too large at all: nothing goes for it */
    assert_null(wt_state_cache_get(c, key(11)));
    assert_non_null(wt_state_cache_get(c, key(10)));
    wt_state_cache_put(c, key(12), large, 1000); /* as large as the limit: all others go */
    assert_non_null(wt_state_cache_get(c, key(12)));
    for (uint64_t k = 0; k < 11; k++) assert_null(wt_state_cache_get(c, key(k)));
    wt_state_cache_free(none);
    wt_state_cache_free(c);
    wt_state_cache_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_itself),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
