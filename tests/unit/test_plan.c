/*
 * Plans and candidates: budgets met from below, laws told in full, files that are what was measured in memory, whatever the number of
 * threads. The judge of sizes is the file on disk, the judge of candidates the file that is opened again.
 */
#include "support/studied.h"
#include "support/testing.h"

#include <string.h>
#include <sys/stat.h>

#include "base/threads.h"

static char folder[] = "/tmp/wt-plan-XXXXXX";

static const char *path_of(const char *name) {
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state) {
    (void)state;
    wt_threads_set(1); /* models are so small that threads would wait for each other most of the time */
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char RICH[] =
    "alloc.price = sens\nalloc.types = [IQ2_XXS Q2_K Q3_K IQ4_XS Q4_K Q5_K Q6_K Q8_0]\n"
    "fold.ffn_in = 0.3 * log(act)\nfold.attn_out = 0.2 * log(act)\nrotate.residual = hadamard 7\n"
    "feedback.damp = 0.1\nfeedback.order = h * w\nencode.weight = h * sqrt(2 * v + x * x)\n";
static const char PLAIN[] = "alloc.price = error\nalloc.types = [Q2_K Q3_K Q4_K Q5_K Q6_K Q8_0]\n";

/* Writes the plan's candidate; bytes on disk. */
static uint64_t write_candidate(studied *s, const wt_plan *plan, const char *path) {
    wt_error err = {0};
    wt_candidate *c = wt_candidate_new(s->study.bench, plan, NULL, &err);
    if (!c || wt_candidate_write(c, path, &err) != 0) fail_msg("%s", err.message);
    wt_candidate_free(c);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static wt_error refusal_of(studied *s, const wt_strategy *strategy, const wt_plan_options *options) {
    wt_error err = {0};
    wt_plan plan;
    assert_int_equal(wt_plan_make(&plan, s->study.bench, strategy, options, NULL, &err), -1);
    assert_null(plan.tensors);
    return err;
}

#define assert_holds(text, part)                                                                                       \
    do {                                                                                                               \
        if (!strstr(text, part)) fail_msg("'%s' is not in: %s", part, text);                                           \
    } while (0)

/* ---- budgets ---- */

static void test_budget_is_met_from_below(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    const char *const texts[] = {PLAIN, RICH};
    for (size_t k = 0; k < 2; k++) {
        wt_strategy strategy = strategy_of(texts[k]);
        for (uint64_t budget = 1300000; budget < 3000000; budget += 333331) {
            wt_plan plan = plan_of(&s, &strategy, budget);
            const uint64_t on_disk = write_candidate(&s, &plan, path_of("budget.gguf"));
            assert_int_equal(on_disk, plan.file_bytes);
            assert_true(on_disk <= budget);
            if ((double)on_disk < 0.999 * (double)budget)
                fail_msg("%llu of %llu bytes are used", (unsigned long long)on_disk, (unsigned long long)budget);
            wt_plan_release(&plan);
        }
        wt_strategy_release(&strategy);
    }
    studied_close(&s);
}

/* The smallest and the largest file, found by asking for less and for more than there is. */
static void test_budgets_without_a_file(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    wt_strategy strategy = strategy_of(PLAIN);
    unsigned long long budget, least, most;
    wt_error err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = 1000});
    assert_int_equal(sscanf(err.message,
                            "a budget of %llu bytes is too small: the smallest file of this strategy has %llu", &budget,
                            &least),
                     2);
    assert_int_equal(budget, 1000);
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = UINT64_C(1) << 40});
    assert_int_equal(sscanf(err.message,
                            "a budget of %llu bytes is too large: the largest file of this strategy has %llu", &budget,
                            &most),
                     2);
    const uint64_t edges[] = {least, most};
    for (size_t k = 0; k < 2; k++) {
        wt_plan plan = plan_of(&s, &strategy, edges[k]);
        assert_int_equal(write_candidate(&s, &plan, path_of("edge.gguf")), edges[k]);
        wt_plan_release(&plan);
    }
    refusal_of(&s, &strategy, &(wt_plan_options){.budget = least - 1});
    err = refusal_of(&s, &strategy, &(wt_plan_options){0});
    assert_holds(err.message, "there is no budget");
    wt_strategy_release(&strategy);
    studied_close(&s);
}

/* ---- laws ---- */

static void test_missing_pins_are_listed(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    wt_strategy strategy = strategy_of("alloc.types = [Q4_K Q8_0]\nalloc.pins = { blk.0.ffn_up.weight: Q6_K, "
                                       "blk.9.ffn_up.weight: Q4_K, blk.1.nothing.weight: Q4_K }");
    wt_plan_options options = {.budget = 2500000};
    wt_error err = refusal_of(&s, &strategy, &options);
    assert_int_equal(err.code, WT_ERR_MISMATCH);
    assert_holds(err.message, "2 matrices");
    assert_holds(err.message, "blk.9.ffn_up.weight");
    assert_holds(err.message, "blk.1.nothing.weight");
    assert_null(strstr(err.message, "blk.0.ffn_up.weight"));
    options.ignore_missing_pins = true;
    wt_plan plan;
    assert_int_equal(wt_plan_make(&plan, s.study.bench, &strategy, &options, NULL, &err), 0);
    for (size_t i = 0; i < plan.count; i++) {
        const bool pinned = strcmp(plan.tensors[i].site->name, "blk.0.ffn_up.weight") == 0;
        assert_int_equal(plan.tensors[i].pinned, pinned);
        if (pinned) assert_int_equal(plan.tensors[i].type, WT_Q6_K);
    }
    wt_plan_release(&plan);
    wt_strategy_release(&strategy);
    /* more than a message holds: counted in full, listed as far as there is room */
    char text[4000] = "alloc.pins = {";
    for (int i = 0; i < 60; i++) snprintf(text + strlen(text), 64, "%s blk.%d.absent.weight: Q4_K", i ? "," : "", i);
    strcat(text, "}");
    strategy = strategy_of(text);
    options.ignore_missing_pins = false;
    err = refusal_of(&s, &strategy, &options);
    assert_holds(err.message, "60 matrices");
    assert_holds(err.message, ", ...");
    wt_strategy_release(&strategy);
    studied_close(&s);
}

/* Rows of 70 and 33 weights fit no block at all, those of 160 no K type. */
static void test_rows_that_types_do_not_fit(void **state) {
    (void)state;
    const random_model odd = {
        "odd",      "llama",      .layers = 2,    .width = 160,         .heads = 5,       .kv_heads = 5, .head_dim = 32,
        .ffn = 256, .vocab = 300, .context = 512, .rope_base = 10000.0, .norm_eps = 1e-5, .untied = true};
    const char *path = path_of("odd.gguf");
    wt_error err = {0};
    assert_int_equal(random_model_write(&odd, 3, path, &err), 0);
    studied s;
    studied_open(&s, path, NULL);
    wt_strategy strategy = strategy_of("alloc.types = [Q4_K Q6_K]"); /* ffn_down alone has rows of 256 */
    unsigned long long budget, most;
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = UINT64_C(1) << 40});
    assert_int_equal(sscanf(err.message,
                            "a budget of %llu bytes is too large: the largest file of this strategy has %llu", &budget,
                            &most),
                     2);
    wt_plan plan = plan_of(&s, &strategy, most);
    size_t stand_ins = 0, fit = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const wt_planned *p = &plan.tensors[i];
        if (!p->site->matrix) continue;
        assert_int_equal(p->substitute, p->site->cols != 256);
        if (p->substitute) assert_int_equal(p->type, WT_F16);
        if (!p->substitute) assert_int_equal(p->type, WT_Q6_K);
        stand_ins += p->substitute;
        fit += !p->substitute;
    }
    assert_int_equal(fit, 2);
    assert_true(stand_ins > 10);
    assert_int_equal(write_candidate(&s, &plan, path_of("odd-out.gguf")), most);
    wt_plan_release(&plan);
    plan = plan_of(&s, &strategy, most / 2);
    assert_true(plan.file_bytes <= most / 2);
    assert_int_equal(write_candidate(&s, &plan, path_of("odd-out.gguf")), plan.file_bytes);
    wt_plan_release(&plan);
    wt_strategy_release(&strategy);
    strategy = strategy_of("alloc.types = [Q4_K]\nalloc.pins = { blk.0.attn_q.weight: Q3_K }");
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = most});
    assert_holds(err.message, "pins 'blk.0.attn_q.weight' to Q3_K, whose blocks its rows of 160 do not fit");
    wt_strategy_release(&strategy);
    studied_close(&s);
    const random_model small = {"small",      "llama",        .layers = 1,          .width = 64,
                                .heads = 2,   .kv_heads = 2,  .head_dim = 32,       .ffn = 96,
                                .vocab = 300, .context = 512, .rope_base = 10000.0, .norm_eps = 1e-5};
    assert_int_equal(random_model_write(&small, 3, path, &err), 0);
    studied_open(&s, path, NULL);
    strategy = strategy_of("alloc.types = [Q4_K Q6_K]");
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = 100000});
    assert_holds(err.message, "no type of alloc.types fits");
    wt_strategy_release(&strategy);
    studied_close(&s);
}

/* Everything that is wrong at once, on gemma3, whose residual stream has no rotation. */
static void test_every_law_is_told(void **state) {
    (void)state;
    wt_error err = {0};
    const char *path = path_of("gemma3.gguf");
    assert_int_equal(random_model_write(random_model_find("gemma3"), 3, path, &err), 0);
    studied s;
    studied_open(&s, path, NULL);
    wt_strategy strategy = strategy_of("alloc.types = [Q4_K]\nrotate.residual = hadamard 3\n"
                                       "alloc.pins = { blk.0.ffn_up.weight: Q6_K, none.weight: Q8_0 }");
    static wt_laws laws;
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = 100, .laws = &laws});
    const char *const parts[] = {"rotate.residual", "none.weight", "pins 'blk.0.ffn_up.weight' to Q6_K",
                                 "no type of alloc.types fits", "a budget of 100 bytes is too small"};
    assert_int_equal(laws.count, sizeof parts / sizeof *parts);
    for (size_t i = 0; i < laws.count; i++) assert_holds(laws.items[i].message, parts[i]);
    assert_string_equal(err.message, laws.items[0].message);
    /* without anybody to tell them to, the first */
    err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = 100});
    assert_string_equal(err.message, laws.items[0].message);
    wt_strategy_release(&strategy);
    studied_close(&s);
}

/* ---- candidates ---- */

/* What a candidate in memory diverges by, position by position, is to the bit what its file does. */
static void check_candidate(studied *s, const char *genes, uint64_t budget) {
    wt_error err = {0};
    wt_strategy strategy = strategy_of(genes);
    wt_plan plan = plan_of(s, &strategy, budget);
    wt_candidate *c = wt_candidate_new(s->study.bench, &plan, NULL, &err);
    const char *path = path_of("candidate.gguf");
    if (!c || wt_candidate_write(c, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s", err.message);
    double memory, file;
    wt_position *a = positions_of(s, wt_candidate_model(c), &memory), *b = positions_of(s, model, &file);
    const size_t count = s->chunks.count * s->chunks.scored;
    assert_true(memory > 1e-6);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(&a[i].kld, &b[i].kld, sizeof(double));
        assert_memory_equal(&a[i].logp, &b[i].logp, sizeof(double));
    }
    printf("  divergence %.9g, of the file %.9g\n", memory, file);
    const wt_kv *text = wt_gguf_find_kv(wt_model_gguf(model), "wildtype.strategy");
    const wt_kv *type = wt_gguf_find_kv(wt_model_gguf(model), "general.file_type");
    assert_non_null(text);
    assert_non_null(type);
    assert_non_null(wt_gguf_find_kv(wt_model_gguf(model), "wildtype.strategy_name"));
    assert_non_null(wt_gguf_find_kv(wt_model_gguf(model), "wildtype.version"));
    free(a);
    free(b);
    wt_model_close(model);
    wt_candidate_free(c);
    wt_plan_release(&plan);
    wt_strategy_release(&strategy);
}

static void test_candidate_is_its_file(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    check_candidate(&s, RICH, 1900000);
    check_candidate(&s, PLAIN, 1700000);
    check_candidate(&s, "alloc.types = [F16 F32 BF16 Q4_0]\nrotate.value = hadamard 2", 5000000);
    studied_close(&s);
    static const char *const variants[] = {"llama-tied-gqa", "llama-biases", "llama-factors", "qwen2",          "qwen3",
                                           "gemma3-variant", "phi3",         "phi3-long",     "llama-fused-qkv"};
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        wt_error err = {0};
        const char *path = path_of(variants[i]);
        assert_int_equal(random_model_write(random_model_find(variants[i]), 11, path, &err), 0);
        studied_open(&s, path, &(studied_options){.context = 32, .chunks = 2});
        const bool gemma = strncmp(variants[i], "gemma3", 6) == 0;
        char genes[512];
        snprintf(genes, sizeof genes,
                 "alloc.price = sens + 0.01\nalloc.types = [Q4_0 Q5_1 Q8_0 IQ4_NL]\nfold.ffn_mid = 0.3*log(act)\n"
                 "fold.attn_in = 0.2 * log(w)\nrotate.value = hadamard 5\nfeedback.damp = 0.05\n%s",
                 gemma ? "" : "rotate.residual = hadamard 9");
        wt_strategy strategy = strategy_of(genes);
        err = refusal_of(&s, &strategy, &(wt_plan_options){.budget = 10});
        unsigned long long least;
        assert_int_equal(sscanf(strstr(err.message, "has "), "has %llu", &least), 1);
        wt_strategy_release(&strategy);
        printf("%s\n", variants[i]);
        check_candidate(&s, genes, least + least / 3);
        studied_close(&s);
    }
}

static void test_bytes_do_not_depend_on_threads(void **state) {
    (void)state;
    unsigned char *first = NULL;
    size_t len = 0, other;
    const int before = wt_threads_get();
    for (int threads = 1; threads <= 3; threads++) {
        studied s;
        wt_threads_set(threads);
        studied_open(&s, NULL, NULL); /* measured anew by so many threads */
        wt_strategy strategy = strategy_of(RICH);
        wt_plan plan = plan_of(&s, &strategy, 1800001);
        write_candidate(&s, &plan, path_of("threads.gguf"));
        unsigned char *bytes = bytes_of_file(path_of("threads.gguf"), &other);
        if (threads == 1) {
            first = bytes;
            len = other;
        } else {
            assert_int_equal(other, len);
            assert_memory_equal(bytes, first, len);
            free(bytes);
        }
        wt_plan_release(&plan);
        wt_strategy_release(&strategy);
        studied_close(&s);
    }
    free(first);
    wt_threads_set(before);
}

/* ---- the caches ---- */

static void test_encoded_once(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    wt_error err = {0};
    wt_strategy strategy = strategy_of(RICH);
    wt_plan plan = plan_of(&s, &strategy, 1800000);
    write_candidate(&s, &plan, path_of("first.gguf"));
    wt_cache_counts first = wt_workbench_counts(s.study.bench);
    write_candidate(&s, &plan, path_of("second.gguf"));
    wt_cache_counts second = wt_workbench_counts(s.study.bench);
    assert_int_equal(first.hits, 0);
    assert_int_equal(second.misses, first.misses);
    assert_int_equal(second.hits, first.misses);
    size_t a_len, b_len;
    unsigned char *a = bytes_of_file(path_of("first.gguf"), &a_len), *b = bytes_of_file(path_of("second.gguf"), &b_len);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
    free(a);
    free(b);
    wt_plan_release(&plan);
    wt_strategy_release(&strategy);
    /* others that differ elsewhere alone share what they agree on; another encoding shares nothing */
    const char *const pins = "alloc.types = [Q4_K]\nalloc.pins = { blk.1.ffn_up.weight: %s }\n%s";
    const struct {
        const char *type, *more;
        uint64_t missed;
    } others[] = {{"Q6_K", "", 22},
                  {"Q5_K", "", 1},
                  {"Q5_K", "alloc.price = 7", 0},
                  {"Q5_K", "fold.ffn_mid = 0.1 * log(act)", 6},
                  {"Q5_K", "cache.k = Q8_0", 0},
                  {"Q5_K", "encode.bias = 1.01", 22},
                  {"Q5_K", "feedback.order = w", 0}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char genes[512];
        snprintf(genes, sizeof genes, pins, others[i].type, others[i].more);
        strategy = strategy_of(genes);
        plan = plan_of(&s, &strategy, 0);
        const wt_cache_counts before = wt_workbench_counts(s.study.bench);
        wt_candidate *c = wt_candidate_new(s.study.bench, &plan, NULL, &err);
        assert_non_null(c);
        const wt_cache_counts after = wt_workbench_counts(s.study.bench);
        if (after.misses - before.misses != others[i].missed)
            fail_msg("%s: %llu tensors were encoded", genes, (unsigned long long)(after.misses - before.misses));
        assert_int_equal(after.misses - before.misses + after.hits - before.hits, 22);
        wt_candidate_free(c);
        wt_plan_release(&plan);
        wt_strategy_release(&strategy);
    }
    studied_close(&s);
}

/* Under a limit that holds a part of the model, and one that holds no tensor at all: the limit is kept, the bytes are the same. */
static void test_limit_is_kept(void **state) {
    (void)state;
    const size_t limits[] = {0, 300000, 1};
    unsigned char *first = NULL;
    size_t len = 0, other;
    for (size_t k = 0; k < 3; k++) {
        studied s;
        studied_open(&s, NULL, &(studied_options){.encoded_bytes = limits[k]});
        wt_strategy strategy = strategy_of(PLAIN);
        for (uint64_t budget = 1700000; budget >= 1500000; budget -= 100000) {
            wt_plan plan = plan_of(&s, &strategy, budget);
            write_candidate(&s, &plan, path_of("limit.gguf"));
            const wt_cache_counts counts = wt_workbench_counts(s.study.bench);
            if (limits[k]) assert_true(counts.bytes <= limits[k]);
            if (limits[k] == 1)
                assert_int_equal(counts.entries, 0);
            else
                assert_true(counts.entries > 0);
            wt_plan_release(&plan);
        }
        unsigned char *bytes = bytes_of_file(path_of("limit.gguf"), &other);
        if (k == 0) {
            first = bytes;
            len = other;
        } else {
            assert_int_equal(other, len);
            assert_memory_equal(bytes, first, len);
            free(bytes);
        }
        wt_strategy_release(&strategy);
        studied_close(&s);
    }
    free(first);
}

/* Prefixes agree exactly where everything before a block does. */
static void test_prefixes(void **state) {
    (void)state;
    studied s;
    studied_open(&s, NULL, NULL);
    wt_error err = {0};
    wt_strategy a = strategy_of("alloc.types = [Q4_K]"),
                b = strategy_of("alloc.types = [Q4_K]\nalloc.pins = { blk.1.ffn_up.weight: Q6_K }");
    wt_plan pa = plan_of(&s, &a, 0), pb = plan_of(&s, &b, 0);
    wt_candidate *ca = wt_candidate_new(s.study.bench, &pa, NULL, &err),
                 *cb = wt_candidate_new(s.study.bench, &pb, NULL, &err);
    for (uint32_t k = 0; k <= 3; k++) {
        const wt_hash x = wt_candidate_prefix(ca, k), y = wt_candidate_prefix(cb, k);
        assert_int_equal(wt_hash_equal(x, y), k <= 1);
    }
    wt_candidate_free(ca);
    wt_candidate_free(cb);
    wt_plan_release(&pa);
    wt_plan_release(&pb);
    wt_strategy_release(&a);
    wt_strategy_release(&b);
    studied_close(&s);
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_is_met_from_below),
        cmocka_unit_test(test_budgets_without_a_file),
        cmocka_unit_test(test_missing_pins_are_listed),
        cmocka_unit_test(test_rows_that_types_do_not_fit),
        cmocka_unit_test(test_every_law_is_told),
        cmocka_unit_test(test_candidate_is_its_file),
        cmocka_unit_test(test_bytes_do_not_depend_on_threads),
        cmocka_unit_test(test_encoded_once),
        cmocka_unit_test(test_limit_is_kept),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
