/*
 * Knock-outs against the same thing done by hand: the altered strategy planned, encoded and measured in an exam of its own, which has no
 * store and keeps no states.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "survive/knockout.h"

enum { CONTEXT = 32, CHUNKS = 4, BUDGET = 2200000 };

/* As people do it, but for the bias, a pin, and the types, of which people's do not reach the size of this budget: nothing else may appear. */
static const char TEXT[] = "strategy\n"
                           "alloc.price = error * (1 + 5 * is_down + 0.25 * is_v + is_head * (2 - 0.5 * is_embed))\n"
                           "alloc.types = [Q4_0 Q8_0]\n"
                           "alloc.pins = { blk.0.ffn_up.weight: Q8_0 blk.1.attn_k.weight: Q8_0 }\n"
                           "fold.attn_in = 0.5 * log(act)\n"
                           "fold.attn_out = 0.5 * log(act)\n"
                           "fold.ffn_in = 0.5 * log(act)\n"
                           "fold.ffn_mid = 0.5 * log(act)\n"
                           "encode.grid = { lo: -0.9, hi: 0.9, steps: 36 }\n"
                           "encode.passes = 5\n"
                           "encode.bias = 1.04\n"
                           "feedback.damp = 0.01\n";

typedef struct arena {
    wt_gguf *gguf;
    wt_rules rules;
    wt_chunks calibrate, search;
    wt_study study;
    wt_contest contest;
    wt_individual individual;
    char folder[64];
} arena;

static wt_error err;
#define must(x)                                                                                                        \
    do {                                                                                                               \
        if ((x) != 0) fail_msg("%s", err.message);                                                                     \
    } while (0)

static void draw_chunks(wt_chunks *chunks, uint64_t seed, uint64_t stream) {
    wt_rng rng;
    int32_t *tokens = calloc(CHUNKS * CONTEXT, sizeof *tokens);
    wt_rng_init(&rng, seed, stream, 0);
    for (size_t i = 0; i < CHUNKS * CONTEXT; i++) tokens[i] = (int32_t)wt_rng_below(&rng, 2000);
    must(wt_chunks_from_tokens(chunks, tokens, CONTEXT, CHUNKS, &err));
}

static int open_arena(void **state) {
    arena *a = calloc(1, sizeof *a);
    const uint64_t seed = test_seed();
    *state = a;
    snprintf(a->folder, sizeof a->folder, "/tmp/wt-knockout-XXXXXX");
    if (!mkdtemp(a->folder) || !(a->gguf = wt_gguf_open(WT_SOURCE_DIR "/data/seedling.gguf", &err))) return -1;
    must(wt_rules_init(&a->rules, &err));
    a->rules.race_block = 3; /* blocks that do not divide the chunks */
    draw_chunks(&a->calibrate, seed, 1);
    draw_chunks(&a->search, seed, 2);
    const wt_study_options study = {.chunks = &a->calibrate, .dataset = "drawn"};
    must(wt_study_open(&a->study, a->gguf, &study, NULL, &err));
    a->contest = (wt_contest){.rules = &a->rules, .gguf = a->gguf, .study = &a->study, .search_chunks = &a->search};
    if (!(a->contest.store = wt_store_open(a->folder, WT_STORE_CREATE, &err))) return -1;
    must(wt_contest_open(&a->contest, &err));
    a->individual = (wt_individual){.id = 7, .budget = BUDGET};
    must(wt_strategy_parse(&a->individual.strategy, TEXT, strlen(TEXT), "test", &err));
    return wt_strategy_name(&a->individual.strategy, a->individual.name, &err);
}

static int close_arena(void **state) {
    arena *a = *state;
    char command[128];
    wt_individual_release(&a->individual);
    wt_contest_close(&a->contest);
    wt_store_close(a->contest.store);
    wt_study_close(&a->study);
    wt_chunks_release(&a->calibrate);
    wt_chunks_release(&a->search);
    wt_rules_release(&a->rules);
    wt_gguf_close(a->gguf);
    snprintf(command, sizeof command, "rm -rf %s", a->folder);
    free(a);
    return system(command);
}

/* Mean divergence, measured by itself. */
static double by_hand(arena *a, const wt_strategy *s) {
    const wt_exam_options options = {.activations = WT_ACTIVATIONS_Q8};
    const wt_plan_options budget = {.budget = BUDGET};
    wt_chunk_score scores[CHUNKS];
    wt_plan plan = {0};
    double sum = 0;
    must(wt_plan_make(&plan, a->study.bench, s, &budget, NULL, &err));
    wt_candidate *c = wt_candidate_new(a->study.bench, &plan, NULL, &err);
    wt_exam *exam = wt_exam_new(a->gguf, &a->search, &options, NULL, &err);
    assert_non_null(c);
    assert_non_null(exam);
    must(wt_exam_run(exam, c, &plan, 0, CHUNKS, scores, NULL, &err));
    for (size_t i = 0; i < CHUNKS; i++) sum += scores[i].kld;
    wt_exam_free(exam);
    wt_candidate_free(c);
    wt_plan_release(&plan);
    return sum / CHUNKS;
}

/* ---- what is told ---- */

typedef struct told {
    size_t count, stop_at, lethal;
    char genes[16][WT_KNOCKOUT_GENE], values[16][64];
    wt_interval changes[16];
} told;

static int take(void *user, const wt_knockout *k, wt_error *e) {
    told *t = user;
    assert_true(t->count < 16);
    snprintf(t->genes[t->count], sizeof t->genes[0], "%s", k->gene);
    snprintf(t->values[t->count], sizeof t->values[0], "%s", k->value);
    t->changes[t->count++] = k->change;
    t->lethal += k->cause[0] != '\0';
    return t->count == t->stop_at ? wt_fail(e, WT_ERR_INTERRUPTED, "stopped") : 0;
}

static int count_individual(void *user, const wt_stored_individual *i) {
    (void)i;
    ++*(size_t *)user;
    return 0;
}

static int count_knockout(void *user, const wt_stored_knockout *k) {
    (void)k;
    ++*(size_t *)user;
    return 0;
}

static size_t stored(arena *a) {
    size_t n = 0;
    must(wt_store_each_knockout(a->contest.store, 7, count_knockout, &n, &err));
    return n;
}

static size_t at(const told *t, const char *gene) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->genes[i], gene) == 0) return i;
    fail_msg("no knock-out of %s", gene);
    return 0;
}

static void test_interrupted(void **state) {
    arena *a = *state;
    told t = {.stop_at = 1};
    assert_int_equal(wt_knockout_run(&a->contest, &a->individual, 1, take, &t, &err), -1);
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    assert_int_equal(t.count, 1);
    assert_int_equal(stored(a), 1); /* also where it was lethal */
}

static void test_against_by_hand(void **state) {
    arena *a = *state;
    told t = {0};
    size_t born = 0;
    must(wt_knockout_run(&a->contest, &a->individual, 1, take, &t, &err));
    /* types, pins as a whole, bias, and one pin: the other genes are as people's */
    assert_int_equal(t.count, 4);
    const double own = by_hand(a, &a->individual.strategy);
    wt_strategy s;
    must(wt_strategy_copy(&s, &a->individual.strategy, &err));
    must(wt_strategy_set_gene(&s, WT_GENE_ENCODE_BIAS, "1.0125", &err));
    const wt_interval bias = t.changes[at(&t, "encode.bias")];
    assert_true(fabs(bias.value - (by_hand(a, &s) - own)) < 1e-12);
    assert_true(bias.value != 0); /* on drawn tokens its sign is chance */
    assert_true(bias.low <= bias.value && bias.value <= bias.high);
    wt_strategy_release(&s);
    /* the pin of the higher price or size is the one that is looked at */
    must(wt_strategy_copy(&s, &a->individual.strategy, &err));
    assert_true(wt_pins_remove(&s.genes[WT_GENE_ALLOC_PINS].pins, strstr(t.genes[3], "blk")));
    assert_true(fabs(t.changes[3].value - (by_hand(a, &s) - own)) < 1e-12);
    assert_true(wt_type_by_name(t.values[3]) >= 0);
    wt_strategy_release(&s);
    assert_int_equal(stored(a), t.count);
    must(wt_store_each_individual(a->contest.store, count_individual, &born, &err));
    assert_int_equal(born, 0);
}

/*
 * The sign, on what can only have one: scales that are all 10% too small, which people's are not, and the pin that saves the tied
 * embedding from a rule that says it costs nothing.
 */
static void test_sign(void **state) {
    static const char BAD[] = "strategy\n"
                              "alloc.price = if(is_embed + is_head > 0, 1e-9, error)\n"
                              "alloc.types = [Q4_0 Q8_0]\n"
                              "alloc.pins = { token_embd.weight: Q8_0 }\n"
                              "encode.bias = 0.9\n";
    arena *a = *state;
    wt_individual bad = {.id = 8, .budget = BUDGET};
    told t = {0};
    must(wt_strategy_parse(&bad.strategy, BAD, strlen(BAD), "test", &err));
    must(wt_strategy_name(&bad.strategy, bad.name, &err));
    must(wt_knockout_run(&a->contest, &bad, 1, take, &t, &err));
    const wt_interval bias = t.changes[at(&t, "encode.bias")], pin = t.changes[at(&t, "pin token_embd.weight")];
    print_message(
        "the bias that is worse than people's: %g (%g to %g); the pin that is better than the rule: %g (%g to %g)\n",
        bias.value, bias.low, bias.high, pin.value, pin.low, pin.high);
    assert_true(bias.value < 0);
    assert_true(pin.value > 0);
    wt_individual_release(&bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_interrupted), cmocka_unit_test(test_against_by_hand),
                                       cmocka_unit_test(test_sign)};
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
