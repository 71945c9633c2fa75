/*
 * Numbers of finalists: each is that of its own text, tasks or command, of the candidate and nobody else; what is not there says so; what goes
 * wrong with the exact model or the disk is not the candidate's fault; nothing is left behind. The model is the built-in one.
 */
#include "support/testing.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "measure/finals.h"
#include "support/studied.h"

enum { CONTEXT = 32, COMMANDS = 4 };

static wt_error err;
static studied base;
static wt_tokenizer *tokenizer;
static wt_chunks half, full, other;
static wt_tasks tasks;
static char folder[64], file[96];
static wt_plan plan;
static wt_candidate *candidate;
static wt_strategy strategy;

#define must(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) fail_msg("%s: %s", #x, err.message);                                                                 \
    } while (0)

static char *SIZE_WORDS[] = {"/bin/sh", "-c", "stat -c %s \"$1\"", "sh", "{model}"};
static char *FAIL_WORDS[] = {"cat {model} >/dev/null; exit 9"}, *HANG_WORDS[] = {": {model}; sleep 90"}, *SUM_WORDS[] = {"cksum <{model} | cut -d' ' -f1"};
static const wt_command_axis COMMAND_AXES[COMMANDS] = {
    {.name = "size", .words = SIZE_WORDS, .count = 5, .seconds = 60},
    {.name = "fail", .words = FAIL_WORDS, .count = 1, .seconds = 60, .shell = true},
    {.name = "hang", .words = HANG_WORDS, .count = 1, .seconds = 0.2, .shell = true},
    {.name = "sum", .words = SUM_WORDS, .count = 1, .seconds = 60, .shell = true},
};

static wt_chunks draw_text(uint64_t stream, size_t context, size_t count) {
    wt_chunks c;
    wt_rng rng;
    int32_t *tokens = malloc(context * count * sizeof *tokens);
    wt_rng_init(&rng, 11, stream, 0);
    for (size_t i = 0; i < context * count; i++) tokens[i] = (int32_t)wt_rng_below(&rng, 200) + 10;
    must(wt_chunks_from_tokens(&c, tokens, context, count, &err) == 0);
    return c;
}

/* Endings that the model likes about as much as each other: a coarse candidate answers some otherwise. */
static void make_tasks(void) {
    static const char *const WORDS[] = {"house", "floor", "sea", "captain", "man", "day", "water", "door", "road", "king", "hand", "night"};
    char path[96];
    wt_rng rng;
    wt_rng_init(&rng, 12, 0, 0);
    snprintf(path, sizeof path, "%s/tasks", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 24; i++) {
        fprintf(f, "The %s of the\n%d\n", WORDS[wt_rng_below(&rng, 12)], i % 4);
        for (int e = 0; e < 4; e++) fprintf(f, "%s and the %s.\n", WORDS[(i + 3 * e) % 12], WORDS[wt_rng_below(&rng, 12)]);
    }
    fclose(f);
    must(wt_tasks_read(&tasks, path, &err) == 0);
    unlink(path);
}

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/wt-finals-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/a candidate's.gguf", folder);
    const studied_options options = {.context = CONTEXT, .chunks = 2};
    studied_open(&base, NULL, &options);
    must((tokenizer = wt_tokenizer_open(base.gguf, &err)) != NULL);
    half = draw_text(0, 16, 5);
    full = draw_text(1, 32, 3);
    other = draw_text(2, 24, 2);
    make_tasks();
    strategy = strategy_of("alloc.types = [Q2_K]\ncache.k = Q4_0");
    plan = plan_of(&base, &strategy, 0);
    must((candidate = wt_candidate_new(base.study.bench, &plan, NULL, &err)) != NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    wt_candidate_free(candidate);
    wt_plan_release(&plan);
    wt_strategy_release(&strategy);
    wt_tasks_release(&tasks);
    wt_chunks_release(&half);
    wt_chunks_release(&full);
    wt_chunks_release(&other);
    wt_tokenizer_close(tokenizer);
    studied_close(&base);
    return rmdir(folder); /* nothing was left there */
}

static wt_finals_options usual(void) {
    return (wt_finals_options){.gguf = base.gguf, .activations = WT_ACTIVATIONS_Q8, .half = &half, .full = &full, .other = &other, .tasks = &tasks,
                               .tokenizer = tokenizer, .commands = COMMAND_AXES, .command_count = COMMANDS, .file = file};
}

static wt_finals *open_finals(const wt_finals_options *options) {
    wt_finals *f = wt_finals_new(options, &err);
    must(f);
    return f;
}

/* All numbers NaN but those that measuring `which` sets. */
static int measure(wt_finals *f, size_t which, const wt_progress *progress, double values[WT_FINALS + COMMANDS]) {
    for (size_t i = 0; i < WT_FINALS + COMMANDS; i++) values[i] = NAN;
    err = (wt_error){0};
    return wt_finals_measure(f, which, candidate, &plan, progress, values, &err);
}

static void expect_set(const double values[WT_FINALS + COMMANDS], size_t a, size_t b) {
    for (size_t i = 0; i < WT_FINALS + COMMANDS; i++) assert_true(isnan(values[i]) == (i != a && i != b));
}

/* ---- divergences ---- */

static double mean_divergence(const wt_chunks *text, wt_activations activations) {
    const wt_exam_options options = {.activations = activations};
    wt_chunk_score scores[8];
    double sum = 0;
    wt_exam *exam = wt_exam_new(base.gguf, text, &options, NULL, &err);
    must(exam && wt_exam_run(exam, candidate, &plan, 0, text->count, scores, NULL, &err) == 0);
    wt_exam_free(exam);
    for (size_t i = 0; i < text->count; i++) sum += scores[i].kld;
    return sum / (double)text->count;
}

/* Each on its own text, with the runtime's rounding, in any order, and the same when it is asked again. */
static void test_divergence(void **state) {
    static const size_t ORDER[] = {WT_FINAL_KLD_OTHER, WT_FINAL_KLD_HALF, WT_FINAL_KLD_FULL, WT_FINAL_KLD_HALF};
    const wt_chunks *const texts[] = {&half, &full, &other};
    double values[WT_FINALS + COMMANDS], seen[3];
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        wt_finals_options options = usual();
        options.activations = exact ? WT_ACTIVATIONS_F32 : WT_ACTIVATIONS_Q8;
        wt_finals *f = open_finals(&options);
        for (size_t k = 0; k < sizeof ORDER / sizeof *ORDER; k++) {
            const size_t text = ORDER[k] - WT_FINAL_KLD_HALF;
            must(measure(f, ORDER[k], NULL, values) == 0);
            expect_set(values, ORDER[k], ORDER[k]);
            assert_true(values[ORDER[k]] == mean_divergence(texts[text], options.activations));
            seen[text] = values[ORDER[k]];
        }
        assert_true(seen[0] > 0 && seen[0] != seen[1] && seen[1] != seen[2]);
        assert_true(seen[0] != mean_divergence(&half, exact ? WT_ACTIVATIONS_Q8 : WT_ACTIVATIONS_F32));
        wt_finals_free(f);
    }
}

/* ---- tasks ---- */

static void answer(const wt_model *model, const wt_engine_options *options, int *choices) {
    wt_engine *engine = wt_engine_open(model, options, &err);
    must(engine && wt_tasks_answer(engine, tokenizer, &tasks, 0, choices, "tasks", NULL, &err) == 0);
    wt_engine_close(engine);
}

/* Whichever of the two is asked both are there: those of the file that the candidate becomes, and of the exact model as it is. */
static void test_tasks(void **state) {
    const wt_finals_options options = usual();
    const wt_engine_options runtime = {.activations = WT_ACTIVATIONS_Q8, .cache_k = WT_Q4_0, .cache_v = plan.cache_v}, exact = {0};
    int ours[32], theirs[32];
    size_t right = 0, flips = 0;
    double values[WT_FINALS + COMMANDS];
    (void)state;
    must(wt_candidate_write(candidate, file, &err) == 0);
    wt_gguf *written = wt_gguf_open(file, &err);
    wt_model *model = written ? wt_model_from_gguf(written, &err) : NULL, *original = wt_model_from_gguf(base.gguf, &err);
    must(model && original);
    answer(model, &runtime, ours);
    answer(original, &exact, theirs);
    wt_model_close(model);
    wt_model_close(original);
    wt_gguf_close(written);
    unlink(file);
    for (size_t i = 0; i < tasks.count; i++) {
        right += ours[i] == tasks.items[i].gold;
        flips += ours[i] != theirs[i];
    }
    assert_true(flips > 0 && flips < tasks.count); /* otherwise nothing would be seen here */
    for (size_t which = WT_FINAL_TASKS; which <= WT_FINAL_FLIPS; which++) {
        wt_finals *f = open_finals(&options);
        for (int again = 0; again < 2; again++) {
            must(measure(f, which, NULL, values) == 0);
            expect_set(values, WT_FINAL_TASKS, WT_FINAL_FLIPS);
            assert_true(values[WT_FINAL_TASKS] == (double)right / (double)tasks.count);
            assert_true(values[WT_FINAL_FLIPS] == (double)flips / (double)tasks.count);
        }
        wt_finals_free(f);
    }
}

/* ---- commands ---- */

static void expect_no_file(void) { assert_int_equal(access(file, F_OK), -1); }

static void test_commands(void **state) {
    const wt_finals_options options = usual();
    wt_finals *f = open_finals(&options);
    double values[WT_FINALS + COMMANDS], sum;
    char command[200];
    (void)state;
    must(measure(f, WT_FINALS, NULL, values) == 0);
    expect_set(values, WT_FINALS, WT_FINALS);
    assert_true(values[WT_FINALS] == (double)plan.file_bytes);
    expect_no_file();
    must(measure(f, WT_FINALS + 3, NULL, values) == 0);
    expect_no_file();
    must(wt_candidate_write(candidate, file, &err) == 0);
    snprintf(command, sizeof command, "cksum <\"%s\"", file);
    FILE *pipe = popen(command, "r");
    assert_true(pipe && fscanf(pipe, "%lf", &sum) == 1);
    pclose(pipe);
    unlink(file);
    assert_true(values[WT_FINALS + 3] == sum); /* it saw the very file */
    for (size_t k = 1; k <= 2; k++) {
        assert_int_equal(measure(f, WT_FINALS + k, NULL, values), -1);
        assert_int_equal(err.code, WT_ERR_FORMAT);
        assert_non_null(strstr(err.message, k == 1 ? "'fail' failed with status 9" : "'hang' took longer"));
        expect_set(values, SIZE_MAX, SIZE_MAX);
        expect_no_file();
    }
    wt_finals_free(f);
}

static int stop(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)done, (void)total, (void)unit;
    return strcmp(stage, "command hang") == 0;
}

/* What keeps the file from being written, or the person who stops it, is no candidate's death; and a source is never touched. */
static void test_nobodys_fault(void **state) {
    wt_finals_options options = usual();
    double values[WT_FINALS + COMMANDS];
    char nowhere[128], source[128];
    const wt_progress progress = {.report = stop};
    struct stat st;
    (void)state;
    snprintf(nowhere, sizeof nowhere, "%s/no/such/folder.gguf", folder);
    snprintf(source, sizeof source, "%s/data/seedling.gguf", WT_SOURCE_DIR);
    const char *const paths[] = {nowhere, source};
    for (int k = 0; k < 2; k++) {
        options.file = paths[k];
        wt_finals *f = open_finals(&options);
        assert_int_equal(measure(f, WT_FINALS, NULL, values), -1);
        assert_int_equal(err.code, WT_ERR_IO);
        assert_int_equal(strncmp(err.message, "the file for the command: ", 26), 0);
        wt_finals_free(f);
    }
    assert_true(stat(source, &st) == 0 && st.st_size > 1000000);
    options.file = file;
    wt_finals *f = open_finals(&options);
    assert_int_equal(measure(f, WT_FINALS + 2, &progress, values), -1);
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    expect_no_file();
    wt_finals_free(f);
}

/* An exact model whose logits are no numbers: it is the one that cannot be measured, whoever asks first. */
static void test_broken_model(void **state) {
    size_t len;
    double values[WT_FINALS + COMMANDS];
    wt_finals_options options = usual();
    unsigned char *bytes = bytes_of_file(WT_SOURCE_DIR "/data/seedling.gguf", &len);
    wt_gguf *gguf = wt_gguf_from_memory(bytes, len, "broken", &err);
    (void)state;
    must(gguf);
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (strcmp(t->name, "output_norm.weight") == 0) /* F32 */
            memset(bytes + ((const unsigned char *)t->data - bytes), 0xff, t->bytes);
    }
    options.gguf = gguf;
    wt_finals *f = open_finals(&options);
    assert_int_equal(measure(f, WT_FINAL_TASKS, NULL, values), -1);
    assert_int_equal(err.code, WT_ERR_IO);
    assert_int_equal(strncmp(err.message, "the exact model: ", 17), 0);
    wt_finals_free(f);
    wt_gguf_close(gguf);
    free(bytes);
}

/* ---- what there is ---- */

static void test_counts(void **state) {
    const wt_finals_options options = usual(), few = {.gguf = base.gguf, .full = &(wt_chunks){0}};
    double values[WT_FINALS + COMMANDS];
    size_t tokens;
    (void)state;
    wt_finals *f = open_finals(&options);
    must(wt_tasks_tokens(&tasks, tokenizer, &tokens, &err) == 0);
    assert_int_equal(wt_finals_count(f), WT_FINALS + COMMANDS);
    assert_int_equal(wt_finals_tokens(f, WT_FINAL_KLD_HALF), 16 * 5);
    assert_int_equal(wt_finals_tokens(f, WT_FINAL_KLD_FULL), 32 * 3);
    assert_int_equal(wt_finals_tokens(f, WT_FINAL_KLD_OTHER), 24 * 2);
    assert_int_equal(wt_finals_tokens(f, WT_FINAL_TASKS), tokens);
    assert_true(tokens > 4 * 24);
    for (size_t k = 0; k < 3; k++) assert_int_equal(wt_finals_tokens(f, ((size_t[]){WT_FINAL_FLIPS, WT_FINAL_ENCODE_SECONDS, WT_FINALS + 1})[k]), 0);
    must(measure(f, WT_FINAL_ENCODE_SECONDS, NULL, values) == 0);
    expect_set(values, WT_FINAL_ENCODE_SECONDS, WT_FINAL_ENCODE_SECONDS);
    assert_true(values[WT_FINAL_ENCODE_SECONDS] == wt_candidate_seconds(candidate) && values[WT_FINAL_ENCODE_SECONDS] > 0);
    wt_finals_free(f);
    /* a text that is not there, or has no chunk, and no tasks */
    f = open_finals(&few);
    assert_int_equal(wt_finals_count(f), WT_FINALS);
    for (size_t which = 0; which < WT_FINAL_ENCODE_SECONDS; which++) {
        assert_int_equal(wt_finals_tokens(f, which), 0);
        assert_int_equal(measure(f, which, NULL, values), -1);
        assert_int_equal(err.code, WT_ERR_IO);
        assert_non_null(strstr(err.message, which <= WT_FINAL_FLIPS ? "no tasks" : "no text"));
    }
    wt_finals_free(f);
    wt_finals_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergence),    cmocka_unit_test(test_tasks),        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_nobodys_fault), cmocka_unit_test(test_broken_model), cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
