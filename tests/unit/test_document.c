/*
 * The report's document: every field of it against a store that the test makes, empty runs, rules and plans that are none, the table, and that
 * docs/report-data.md describes what there is.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "report/document.h"
#include "support/made_run.h"

static wt_error err;

static void is_number(json_t *root, const char *path, double x) {
    json_t *there = made_at(root, path);
    if (!json_is_number(there) || fabs(json_number_value(there) - x) > 1e-12 * fabs(x)) {
        char *text = there ? json_dumps(there, JSON_ENCODE_ANY) : NULL;
        fail_msg("%s is %s, not %.9g", path, text ? text : "absent", x);
    }
}

static void is_null(json_t *root, const char *path) {
    if (!json_is_null(made_at(root, path))) fail_msg("%s is not null", path);
}

static void is_bool(json_t *root, const char *path, bool yes) {
    json_t *there = made_at(root, path);
    if (!json_is_boolean(there) || json_is_true(there) != yes) fail_msg("%s is not %s", path, yes ? "true" : "false");
}

/* A human, a parent, its child that was judged and explained, and one that died before it had a plan. */
static void fill(made_run *run) {
    static const char *const META[][2] = {
        {"model", "m.gguf"},
        {"text", "novel.txt"},
        {"seed", "7"},
        {"version", "0.1.0"},
        {"cpu", "avx2"},
        {"threads", "2"},
        {"ended", "minutes spent"},
        {"noise", "1.25e-07"},
        {"raced_tokens", "4096"},
        {"full_tokens", "8192"},
        {"rules", "constraints:\n  - {axis: bytes, max: 3.2MB}\n  - {axis: same_top, min: 0.9}\n"},
    };
    for (size_t k = 0; k < sizeof META / sizeof *META; k++) made_set(run, META[k][0], META[k][1]);
    wt_stored_individual human = made_individual(), parent = made_individual(), child = made_individual(),
                         dead = made_individual();
    human.kind = "human";
    human.label = "Q4_K_M";
    human.operator_name = "human";
    human.species = "pinned";
    human.name = "aaaaaaaaaaaa";
    human.text =
        "strategy \"aaaaaaaaaaaa\"\nalloc.pins      = {\n    blk.0.attn_q.weight: Q4_K\n    token_embd.weight: Q6_K\n}\n";
    human.plan = "{\"token_embd.weight\":\"Q6_K\",\"blk.0.attn_q.weight\":\"Q4_K\"}";
    human.bytes = 3000000;
    human.memory = 3100000;
    parent.name = "bbbbbbbbbbbb";
    parent.text = "strategy \"bbbbbbbbbbbb\"\nalloc.price     = is_head\nencode.passes   = 2\n";
    parent.plan = "{ \"token_embd.wei\\u0067ht\": \"q8_0\",\"blk.11.ffn_down.weight\":\"TQ1_0\"}";
    parent.budget = parent.bytes = 2900000;
    child.name = "cccccccccccc";
    child.text = "strategy \"cccccccccccc\"\nalloc.price     = is_head\nencode.passes   = 3\n";
    child.generation = 2;
    child.parents[0] = 2;
    child.parents[1] = 1;
    child.operator_name = "cross";
    child.plan =
        "{\"token_embd.weight\":\"Q8_0\",\"blk.11.ffn_down.weight\":\"TQ1_0\"}"; /* the same, as it is usually written */
    child.budget = child.bytes = 2900001;
    dead.name = "dddddddddddd";
    dead.text = "strategy \"dddddddddddd\"\nfeedback.damp   = 0.5\n";
    dead.generation = 1;
    dead.cause = "plan: a budget of 5 bytes is too small";
    wt_stored_individual *const all[] = {&human, &parent, &child, &dead};
    for (int k = 0; k < 4; k++) assert_int_equal(made_add(run, *all[k]), k + 1);
    const wt_stored_score scores[3] = {
        {0, 0.1, -2.0, -1.9, 0.5}, {1, 0.2, -3.0, -2.8, 0.75}, {2, 0.6, -1.0, -1.0, 1.0}};
    assert_int_equal(wt_store_put_scores(run->store, "cccccccccccc", 2900001, "search", scores, 3, NULL, 0, &err), 0);
    assert_int_equal(wt_store_put_scores(run->store, "bbbbbbbbbbbb", 2900000, "search", scores, 1, NULL, 0, &err), 0);
    const wt_stored_generation generations[2] = {
        {0, 2, 100, 1.5, NAN, 0.5, 1, 3, 0, 0.25, 0.75, "{\"cross\":{\"tried\":2.5,\"stayed\":1,\"rate\":0.125}}"},
        {1, 4, 9007199254740991, 12.25, 0.3, 0.25, 0, 1, 2, NAN, 0, "no JSON"},
    };
    for (int k = 0; k < 2; k++) assert_int_equal(wt_store_put_generation(run->store, &generations[k], &err), 0);
    const wt_stored_verdict verdicts[2] = {
        {3, "survivor", "cccccccccccc.gguf", 0.3, 0.0123456, 0.25, 0.35, 2.5, 0.7654321, 1.125,
         "0.9x the divergence of Q4_K_M", 1},
        {1, "human", "", 0.333333333, NAN, NAN, NAN, NAN, NAN, NAN, "the best human on the search text", 0},
    };
    for (int k = 0; k < 2; k++) assert_int_equal(wt_store_put_verdict(run->store, &verdicts[k], &err), 0);
    assert_int_equal(wt_store_put_value(run->store, "cccccccccccc", 2900001, "flips", 0.03125, &err), 0);
    const wt_stored_knockout knockout = {3, "encode.passes", "own", 0.0101, -0.002, 0.02, ""};
    assert_int_equal(wt_store_put_knockout(run->store, &knockout, &err), 0);
}

static void test_every_field(void **state) {
    made_run *run = *state;
    fill(run);
    json_t *d = made_document(run);
    made_is_text(d, "format", "wildtype-report");
    is_number(d, "version", 1);
    made_is_text(d, "sentence", "cccccccccccc survived: 0.9x the divergence of Q4_K_M, on text that no one searched on.");
    made_is_text(d, "run.model", "m.gguf");
    made_is_text(d, "run.text", "novel.txt");
    made_is_text(d, "run.version", "0.1.0");
    made_is_text(d, "run.cpu", "avx2");
    made_is_text(d, "run.ended", "minutes spent");
    is_bool(d, "run.running", false);
    is_number(d, "verdict.0.values.flips", 0.03125);
    const struct {
        const char *path;
        double value;
    } numbers[] = {
        {"run.seed", 7},
        {"run.threads", 2},
        {"run.evaluations", 4},
        {"run.tokens", 9007199254740991},
        {"run.seconds", 12.25},
        {"run.noise", 1.25e-7},
        {"run.raced_tokens", 4096},
        {"run.full_tokens", 8192},
        {"run.chunks", 3},
        {"run.target_bytes", 3200000},
        {"asked.0.max", 3200000},
        {"asked.1.min", 0.9},
        {"verdict.0.id", 3},
        {"verdict.0.bytes", 2900001},
        {"verdict.0.kld", 0.3},
        {"verdict.0.stderr", 0.0123},
        {"verdict.0.low", 0.25},
        {"verdict.0.high", 0.35},
        {"verdict.0.p99", 2.5},
        {"verdict.0.same_top", 0.76543},
        {"verdict.0.perplexity_ratio", 1.125},
        {"verdict.1.id", 1},
        {"verdict.1.kld", 0.333333},
        {"individuals.id.2", 3},
        {"individuals.generation.2", 2},
        {"individuals.parent1.2", 2},
        {"individuals.parent2.2", 1},
        {"individuals.parent1.0", 0},
        {"individuals.budget.2", 2900001},
        {"individuals.bytes.0", 3000000},
        {"individuals.memory.0", 3100000},
        {"individuals.kld.2", 0.3},
        {"individuals.same_top.2", 0.75},
        {"individuals.measured.2", 3},
        {"individuals.measured.1", 1},
        {"individuals.kld_stderr.2", 0.153},         /* sqrt((0.04 + 0.01 + 0.09) / 2 / 3) = 0.15275 */
        {"individuals.perplexity_ratio.2", 1.10517}, /* exp((0.1 + 0.2 + 0) / 3) */
        {"individuals.kld.1", 0.1},
        {"individuals.measured.0", 0},
        {"individuals.plan.0", 0},
        {"individuals.plan.1", 1},
        {"individuals.plan.2", 1},
        {"individuals.plan.3", -1},
        {"tensors.0.layer", -1},
        {"tensors.1.layer", 0},
        {"tensors.2.layer", 11},
        {"types.0.bpw", 6.5625},
        {"types.1.bpw", 4.5},
        {"types.2.bpw", 8.5},
        {"types.3.bpw", 1.6875},
        {"generations.number.1", 1},
        {"generations.evaluations.0", 2},
        {"generations.tokens.0", 100},
        {"generations.seconds.0", 1.5},
        {"generations.best.1", 0.3},
        {"generations.diversity.0", 0.5},
        {"generations.lethal.0", 1},
        {"generations.born.0", 3},
        {"generations.eliminated.1", 2},
        {"generations.cache_hits.0", 0.25},
        {"generations.state_reuse.0", 0.75},
        {"generations.operators.0.cross.tried", 2.5},
        {"generations.operators.0.cross.stayed", 1},
        {"generations.operators.0.cross.rate", 0.125},
        {"knockouts.0.id", 3},
        {"knockouts.0.change", 0.0101},
        {"knockouts.0.low", -0.002},
        {"knockouts.0.high", 0.02},
        {"families.0.founder", 2},
        {"families.0.size", 2},
        {"families.0.born", 0},
        {"families.0.last", 2},
        {"families.0.best", 0.3},
        {"families.0.best_id", 3},
        {"individuals.family.1", 0},
        {"individuals.family.2", 0},
        {"individuals.family.0", -1},
        {"clustering.threshold", 0.35},
        {"clustering.weights.plan", 0.5},
        {"clustering.weights.genes", 0.5},
    };
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) is_number(d, numbers[k].path, numbers[k].value);
    static const char *const NULLS[] = {"asked.0.min",
                                        "asked.1.max",
                                        "verdict.1.stderr",
                                        "verdict.1.low",
                                        "verdict.1.high",
                                        "verdict.1.p99",
                                        "verdict.1.same_top",
                                        "verdict.1.perplexity_ratio",
                                        "individuals.kld.0",
                                        "individuals.kld_stderr.1",
                                        "individuals.same_top.3",
                                        "individuals.perplexity_ratio.0",
                                        "generations.best.0",
                                        "generations.cache_hits.1"};
    for (size_t k = 0; k < sizeof NULLS / sizeof *NULLS; k++) is_null(d, NULLS[k]);
    static const char *const TEXTS[][2] = {
        {"asked.0.axis", "bytes"},
        {"asked.0.unit", "bytes"},
        {"asked.1.axis", "same_top"},
        {"asked.1.unit", "share"},
        {"verdict.0.role", "survivor"},
        {"verdict.0.file", "cccccccccccc.gguf"},
        {"verdict.0.note", "0.9x the divergence of Q4_K_M"},
        {"verdict.1.role", "human"},
        {"individuals.name.3", "dddddddddddd"},
        {"individuals.label.0", "Q4_K_M"},
        {"individuals.label.1", ""},
        {"individuals.cause.3", "plan: a budget of 5 bytes is too small"},
        {"individuals.cause.2", ""},
        {"tensors.0.name", "token_embd.weight"},
        {"tensors.0.role", "token_embd"},
        {"tensors.1.role", "attn_q"},
        {"tensors.2.role", "ffn_down"},
        {"types.0.name", "Q6_K"},
        {"types.1.name", "Q4_K"},
        {"types.2.name", "Q8_0"},
        {"types.3.name", "TQ1_0"},
        {"plans.0", "01/"},
        {"plans.1", "2/3"},
        {"knockouts.0.gene", "encode.passes"},
        {"knockouts.0.value", "own"},
        {"families.0.genes.0", "alloc.price     = is_head"},
    };
    for (size_t k = 0; k < sizeof TEXTS / sizeof *TEXTS; k++) made_is_text(d, TEXTS[k][0], TEXTS[k][1]);
    /* words by number */
    static const char *const WORDS[][3] = {
        {"kind", "kinds", "human"}, {"species", "species", "pinned"}, {"operator", "operators", "human"}};
    for (int k = 0; k < 3; k++) {
        char path[64];
        snprintf(path, sizeof path, "individuals.%s.0", WORDS[k][0]);
        const int number = (int)json_integer_value(made_at(d, path));
        snprintf(path, sizeof path, "%s.%d", WORDS[k][1], number);
        made_is_text(d, path, WORDS[k][2]);
    }
    is_bool(d, "families.0.alive", true);
    assert_true(json_is_object(made_at(d, "generations.operators.1")));
    assert_true(strstr(json_string_value(made_at(d, "run.rules")), "3.2MB"));
    /* every column is as long */
    const char *key;
    json_t *column;
    json_object_foreach(json_object_get(d, "individuals"), key, column) assert_int_equal(json_array_size(column), 4);
    json_object_foreach(json_object_get(d, "generations"), key, column) assert_int_equal(json_array_size(column), 2);
    json_decref(d);
}

/* The text of an individual, put together from the lines. */
static void text_of(json_t *d, size_t i, char *text, size_t size) {
    char path[64];
    size_t at, used = 0;
    json_t *line;
    snprintf(path, sizeof path, "individuals.text.%zu", i);
    text[0] = '\0';
    json_array_foreach(made_at(d, path), at, line) {
        const char *words =
            json_string_value(json_array_get(json_object_get(d, "lines"), (size_t)json_integer_value(line)));
        assert_non_null(words);
        used += (size_t)snprintf(text + used, size - used, "%s\n", words);
        assert_true(used < size);
    }
}

/* Whole for those who were judged; pins that are the plan in one line for others; a text to the letter but for the name otherwise. */
static void test_texts(void **state) {
    static const char *const PINS =
        "alloc.pins      = {\n    blk.0.attn_q.weight: Q4_K\n    token_embd.weight: Q6_K\n}\nencode.passes   = 2\n";
    static const char *const PLANS[] = {
        "{\"token_embd.weight\":\"Q6_K\",\"blk.0.attn_q.weight\":\"Q4_K\"}",                /* the same */
        "{\"token_embd.weight\":\"Q6_K\",\"blk.0.attn_q.weight\":\"Q5_K\"}",                /* another type */
        "{\"token_embd.weight\":\"Q6_K\",\"blk.0.attn_q.weight\":\"Q4_K\",\"x\":\"Q4_K\"}", /* one more */
        "",
        "[]",
        "{\"token_embd.weight\":7}"};
    made_run *run = *state;
    char given[512], text[2048], whole[512];
    for (size_t k = 0; k < 6; k++) {
        wt_stored_individual i = made_individual();
        snprintf(given, sizeof given, "strategy \"00000000000%zu\"\n%s", k, PINS);
        i.text = given;
        i.plan = PLANS[k];
        made_add(run, i);
    }
    snprintf(whole, sizeof whole, "strategy\n%s", PINS);
    json_t *d = made_document(run);
    text_of(d, 0, text, sizeof text);
    assert_string_equal(text, "strategy\nalloc.pins      = { all 2 tensors as in the plan }\nencode.passes   = 2\n");
    for (size_t k = 1; k < 6; k++) {
        text_of(d, k, text, sizeof text);
        assert_string_equal(text, whole);
    }
    json_decref(d);
    const wt_stored_knockout knockout = {1, "encode.passes", "own", 0, 0, 0, ""};
    assert_int_equal(wt_store_put_knockout(run->store, &knockout, &err), 0);
    d = made_document(run);
    text_of(d, 0, text, sizeof text);
    assert_string_equal(text, whole);
    json_decref(d);
}

/* A store in which nothing happened yet, and one whose keys are nonsense. */
static void test_empty(void **state) {
    static const char *const ARRAYS[] = {"verdict",
                                         "asked",
                                         "operators",
                                         "species",
                                         "kinds",
                                         "lines",
                                         "tensors",
                                         "types",
                                         "plans",
                                         "knockouts",
                                         "families",
                                         "individuals.id",
                                         "individuals.text",
                                         "generations.number",
                                         "generations.operators"};
    made_run *run = *state;
    for (int nonsense = 0; nonsense < 2; nonsense++) {
        json_t *d = made_document(run);
        for (size_t k = 0; k < sizeof ARRAYS / sizeof *ARRAYS; k++) {
            assert_true(json_is_array(made_at(d, ARRAYS[k])));
            assert_int_equal(json_array_size(made_at(d, ARRAYS[k])), 0);
        }
        static const char *const NULLS[] = {"run.ended", "run.noise", "run.raced_tokens", "run.full_tokens",
                                            "run.target_bytes"};
        for (size_t k = 0; k < sizeof NULLS / sizeof *NULLS; k++) is_null(d, NULLS[k]);
        is_number(d, "run.seed", 0);
        is_number(d, "run.evaluations", 0);
        made_is_text(d, "sentence", "The run was stopped before its verdict: nobody has been measured yet.");
        json_decref(d);
        static const char *const KEYS[] = {"seed", "noise", "raced_tokens", "threads", "rules"};
        for (size_t k = 0; k < sizeof KEYS / sizeof *KEYS; k++) made_set(run, KEYS[k], k % 2 ? "nan" : "- [ {{ seven");
    }
}

/* What the document says of the run's stage. */
static void says_stage(made_run *run, bool running, const char *stage, const char *sentence) {
    size_t len;
    char *text = wt_document_make(run->store, running, &len, &err);
    assert_non_null(text);
    json_t *d = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(d);
    is_bool(d, "run.running", running);
    made_is_text(d, "run.stage", stage);
    made_is_text(d, "sentence", sentence);
    json_decref(d);
}

/* From the first individual to the verdict, at each stage what is true then; and again when the run goes on. */
static void test_stages(void **state) {
    made_run *run = *state;
    const wt_stored_generation g = {0, 12, 100, 1.5, 0.25, 0.5, 1, 3, 0, 0.25, 0.75, "{}"};
    const wt_stored_score score = {0, 0.1, -2.0, -1.9, 0.5};
    wt_stored_individual human = made_individual(), evolved = made_individual();
    human.kind = "human";
    human.name = "aaaaaaaaaaaa";
    evolved.name = "bbbbbbbbbbbb";
    says_stage(run, true, "searching", "The run is going on, without a verdict yet: nobody has been measured yet.");
    assert_int_equal(made_add(run, human), 1);
    assert_int_equal(made_add(run, evolved), 2);
    assert_int_equal(wt_store_put_scores(run->store, human.name, human.budget, "search", &score, 1, NULL, 0, &err), 0);
    says_stage(run, true, "searching",
               "The run is going on, without a verdict yet: 1 individual measured, the first generation is not complete.");
    assert_int_equal(wt_store_put_generation(run->store, &g, &err), 0);
    says_stage(run, true, "searching",
               "The run is going on, without a verdict yet: 12 individuals measured in 1 generation, the best of the "
               "population with a divergence of 0.25 nats per token on the search text.");
    says_stage(run, false, "stopped",
               "The run was stopped before its verdict: 12 individuals measured in 1 generation, the best of the "
               "population with a divergence of 0.25 nats per token on the search text.");
    made_set(run, "ended", "minutes spent");
    says_stage(run, true, "judging",
               "The search has ended (minutes spent) and the verdict is being measured, on text that no one "
               "searched on: 0 individuals done so far.");
    /* Humans are judged first: that no survivor has a row yet says nothing. */
    const wt_stored_verdict first = {1, "human", "", 0.3, 0.01, 0.25, 0.35, 2.5, 0.75, 1.125, "", 0};
    assert_int_equal(wt_store_put_verdict(run->store, &first, &err), 0);
    says_stage(run, true, "judging",
               "The search has ended (minutes spent) and the verdict is being measured, on text that no one "
               "searched on: 1 individual done so far.");
    says_stage(
        run, false, "stopped",
        "The search ended (minutes spent), but the run was stopped before its verdict was complete: 12 individuals "
        "measured in 1 "
        "generation, the best of the population with a divergence of 0.25 nats per token on the search text.");
    made_set(run, "noise", "0.0001");
    static const char NOTHING[] = "Nothing survived: no strategy met every constraint on text that no one searched on.";
    says_stage(run, false, "judged", NOTHING);
    says_stage(run, true, "judged", NOTHING); /* explain is at work */
    made_set(run, "ended", "");
    made_set(run, "noise", "");
    says_stage(run, true, "searching",
               "The run has been resumed, and its earlier verdict will be replaced: 12 individuals measured in 1 "
               "generation, the best of the "
               "population with a divergence of 0.25 nats per token on the search text.");
}

/* Every way in which a verdict ends in a sentence. */
static void test_verdict_sentences(void **state) {
    static const struct {
        double human;
        const char *note, *sentence;
    } CASES[] = {
        {0.4, "0.9x the divergence of Q4_K_M",
         "bbbbbbbbbbbb survived: 0.9x the divergence of Q4_K_M, on text that no one searched on."},
        {0.4, "0.9x the divergence of Q4_K_M: not to be told apart",
         "Nothing beat the humans: the best of the search, bbbbbbbbbbbb, has 0.9x the divergence of Q4_K_M: not to be told apart on "
         "the holdout text."},
        /* The humans of other sizes may be better: that is nothing to compare with. */
        {0.1, "no human of this size took part",
         "bbbbbbbbbbbb survived at 3000000 bytes with a mean divergence of 0.250000 nats per token on the "
         "holdout text."},
        {0.4, "no human of this size took part",
         "bbbbbbbbbbbb survived at 3000000 bytes with a mean divergence of 0.250000 nats per token on the "
         "holdout text."},
    };
    made_run *run = *state;
    wt_stored_individual human = made_individual(), evolved = made_individual();
    human.kind = "human";
    human.name = "aaaaaaaaaaaa";
    human.label = "Q4_K_M";
    evolved.name = "bbbbbbbbbbbb";
    evolved.bytes = 3000000;
    assert_int_equal(made_add(run, human), 1);
    assert_int_equal(made_add(run, evolved), 2);
    made_set(run, "ended", "minutes spent");
    made_set(run, "noise", "0.0001");
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        const wt_stored_verdict verdicts[2] = {
            {1, "human", "", CASES[k].human, 0.01, 0.05, 0.45, 2.5, 0.75, 1.125, "", 0},
            {2, "survivor", "s.gguf", 0.25, 0.01, 0.2, 0.3, 2.5, 0.75, 1.125, CASES[k].note, 1},
        };
        for (int v = 0; v < 2; v++) assert_int_equal(wt_store_put_verdict(run->store, &verdicts[v], &err), 0);
        says_stage(run, false, "judged", CASES[k].sentence);
    }
}

/* What races compare, less being better, is told as what the axis means. */
static void test_first_axis(void **state) {
    static const struct {
        const char *axis, *unit;
        double stored, shown;
    } CASES[] = {{"kld", "nats per token", 0.25, 0.25}, {"same_top", "share", -0.75, 0.75}, {"perplexity_ratio", "1", 0.0, 1.0}};
    made_run *run = *state;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        char rules[128];
        const wt_stored_generation g = {0, 12, 100, 1.5, CASES[k].stored, 0.5, 1, 3, 0, 0.25, 0.75, "{}"};
        assert_int_equal(wt_store_put_generation(run->store, &g, &err), 0);
        snprintf(rules, sizeof rules, "axes: [{axis: %s, weight: 1}, {axis: bytes, weight: 1}]\n", CASES[k].axis);
        made_set(run, "rules", rules);
        json_t *d = made_document(run);
        made_is_text(d, "run.axis.name", CASES[k].axis);
        made_is_text(d, "run.axis.unit", CASES[k].unit);
        is_number(d, "generations.best.0", CASES[k].shown);
        json_decref(d);
    }
}

/* ---- the table ---- */

/* A field of the CSV, taken apart by RFC 4180's rules alone; returns what follows it. */
static const char *read_field(const char *at, char *field) {
    if (*at == '"') {
        for (at++; *at != '"' || at[1] == '"'; at++) {
            assert_true(*at != '\0');
            at += *at == '"';
            *field++ = *at;
        }
        at++;
    } else {
        while (*at && *at != ',' && *at != '\r') *field++ = *at++;
    }
    *field = '\0';
    assert_true(*at == ',' || strncmp(at, "\r\n", 2) == 0);
    return *at == ',' ? at + 1 : at;
}

static void test_table(void **state) {
    made_run *run = *state;
    size_t len;
    fill(run);
    wt_stored_individual odd = made_individual();
    odd.text = "strategy\nencode.bias = 1.01\n";
    odd.label = "a,\"b\"\nc";
    made_add(run, odd);
    char *text = wt_document_csv(run->store, &len, &err);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    static const char *const ROWS[][25] = {
        {"id",          "generation",     "name",        "label",
         "kind",        "species",        "operator",    "parent1",
         "parent2",     "budget",         "bytes",       "memory",
         "kld",         "kld_stderr",     "same_top",    "perplexity_ratio",
         "measured",    "cause",          "family",      "role",
         "holdout_kld", "holdout_stderr", "holdout_low", "holdout_high",
         "file"},
        {"1", "0",       "aaaaaaaaaaaa", "Q4_K_M", "human", "pinned", "human", "",  "",
         "0", "3000000", "3100000",      "",       "",      "",       "",      "0", "",
         "",  "human",   "0.333333333",  "",       "",      "",       ""},
        {"2", "0",   "bbbbbbbbbbbb", "",  "evolved", "rule", "random", "", "", "2900000", "2900000", "0", "0.1",
         "",  "0.5", "1.10517092",   "1", "",        "0",    "",       "", "", "",        "",        ""},
        {"3",
         "2",
         "cccccccccccc",
         "",
         "evolved",
         "rule",
         "cross",
         "2",
         "1",
         "2900001",
         "2900001",
         "0",
         "0.3",
         "0.152752523",
         "0.75",
         "1.10517092",
         "3",
         "",
         "0",
         "survivor",
         "0.3",
         "0.0123456",
         "0.25",
         "0.35",
         "cccccccccccc.gguf"},
        {"4",      "1",       "dddddddddddd",
         "",       "evolved", "rule",
         "random", "",        "",
         "0",      "0",       "0",
         "",       "",        "",
         "",       "0",       "plan: a budget of 5 bytes is too small",
         "",       "",        "",
         "",       "",        "",
         ""},
        {"5", "0", "000000000001", "a,\"b\"\nc", "evolved", "rule", "random", "", "", "0", "0", "0", "", "", "", "",
         "0", "",  NULL,           "",           "",        "",     "",       "", ""},
    };
    const char *at = text;
    for (size_t row = 0; row < sizeof ROWS / sizeof *ROWS; row++) {
        for (int k = 0; k < 25; k++) {
            char field[256];
            at = read_field(at, field);
            if (ROWS[row][k]) assert_string_equal(field, ROWS[row][k]);
        }
        assert_memory_equal(at, "\r\n", 2);
        at += 2;
    }
    assert_int_equal(*at, '\0');
    free(text);
}

/* ---- docs/report-data.md ---- */

static void check_described(const char *text, const json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        char row[80];
        snprintf(row, sizeof row, "| `%s` |", key);
        if (!strstr(text, row)) fail_msg("docs/report-data.md does not describe '%s'", key);
    }
}

static void test_docs(void **state) {
    static char text[1 << 16];
    made_run *run = *state;
    FILE *f = fopen(WT_SOURCE_DIR "/docs/report-data.md", "rb");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    fill(run);
    json_t *d = made_document(run);
    static const char *const OBJECTS[] = {
        "",        "run",         "verdict.0",   "asked.0",    "individuals", "tensors.0",
        "types.0", "generations", "knockouts.0", "families.0", "clustering",  "generations.operators.0.cross"};
    for (size_t k = 0; k < sizeof OBJECTS / sizeof *OBJECTS; k++) check_described(text, made_at(d, OBJECTS[k]));
    json_decref(d);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, made_run_set_up, made_run_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ALONE(test_every_field),
        ALONE(test_texts),
        ALONE(test_empty),
        ALONE(test_stages),
        ALONE(test_verdict_sentences),
        ALONE(test_first_axis),
        ALONE(test_table),
        ALONE(test_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
