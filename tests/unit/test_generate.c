/* Generation and tasks on the model that ships with the project. */
#include "support/testing.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "engine/chunks.h"
#include "engine/generate.h"
#include "engine/tasks.h"

typedef struct fixture {
    wt_model *model;
    wt_engine *engine;
    wt_tokenizer *tokenizer;
} fixture;

static int setup(void **state) {
    wt_error err = {0};
    static fixture f;
    f.model = wt_model_open(WT_SOURCE_DIR "/data/seedling.gguf", &err);
    if (!f.model) return -1;
    wt_engine_options options = {.resident_bytes = SIZE_MAX};
    f.engine = wt_engine_open(f.model, &options, &err);
    f.tokenizer = wt_tokenizer_open(wt_model_gguf(f.model), &err);
    *state = &f;
    return f.engine && f.tokenizer ? 0 : -1;
}

static int teardown(void **state) {
    fixture *f = *state;
    wt_engine_close(f->engine);
    wt_tokenizer_close(f->tokenizer);
    wt_model_close(f->model);
    return 0;
}

static wt_tokens generate(fixture *f, size_t n, double temperature, uint64_t seed) {
    wt_generate_options options = {.max_tokens = n, .temperature = temperature, .seed = seed, .ignore_end = true};
    wt_tokens out = {0};
    wt_error err = {0};
    const int32_t prompt[] = {wt_tokenizer_bos(f->tokenizer), 300, 301};
    if (wt_generate(f->engine, f->tokenizer, prompt, 3, &options, &out, &err) != 0) fail_msg("%s", err.message);
    assert_int_equal(out.count, n);
    return out;
}

static void test_repeats(void **state) {
    fixture *f = *state;
    wt_tokens a = generate(f, 60, 1.0, 5), c = generate(f, 60, 1.0, 6);
    wt_threads_set(1);
    wt_tokens b = generate(f, 60, 1.0, 5);
    wt_threads_set(0);
    assert_memory_equal(a.ids, b.ids, 60 * sizeof *a.ids);
    assert_memory_not_equal(a.ids, c.ids, 60 * sizeof *a.ids);
    free(a.ids);
    free(b.ids);
    free(c.ids);
}

/* At temperature 0 every token is the most probable one, as a whole pass over the result says. */
static void test_greedy(void **state) {
    fixture *f = *state;
    wt_tokens a = generate(f, 40, 0.0, 1);
    int32_t all[43] = {wt_tokenizer_bos(f->tokenizer), 300, 301};
    memcpy(all + 3, a.ids, 40 * sizeof *all);
    size_t n = 43, width = wt_model_hparams(f->model)->width, vocab = wt_model_hparams(f->model)->vocab;
    wt_error err = {0};
    float *hidden = wt_alloc_aligned(n * width, 4, &err), *logits = wt_alloc_aligned(n * vocab, 4, &err);
    wt_batch batch = {.tokens = all, .lengths = &n, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    assert_int_equal(wt_engine_run(f->engine, &batch, hidden, &err), 0);
    wt_engine_final_norm(f->engine, hidden, n, hidden);
    assert_int_equal(wt_engine_logits(f->engine, hidden, n, logits, &err), 0);
    for (size_t i = 3; i < n; i++) {
        const float *row = logits + (i - 1) * vocab;
        size_t best = 0;
        for (size_t t = 1; t < vocab; t++) {
            if (row[t] > row[best]) best = t;
        }
        if (wt_tokenizer_is_eog(f->tokenizer, (int32_t)best)) best = (size_t)wt_tokenizer_bos(f->tokenizer);
        assert_int_equal(all[i], best);
    }
    free(hidden);
    free(logits);
    free(a.ids);
}

/* Sampling draws tokens as often as the model says: the first token's frequencies against its probabilities. */
static void test_frequencies(void **state) {
    fixture *f = *state;
    enum { DRAWS = 4000 };
    wt_error err = {0};
    size_t n = 1, width = wt_model_hparams(f->model)->width, vocab = wt_model_hparams(f->model)->vocab;
    int32_t bos = wt_tokenizer_bos(f->tokenizer), *out = wt_calloc(DRAWS * 2, sizeof *out, &err);
    assert_int_equal(wt_self_write(f->engine, f->tokenizer, DRAWS, 2, test_seed(), out, NULL, &err), 0);
    float *hidden = wt_alloc_aligned(width, 4, &err), *logits = wt_alloc_aligned(vocab, 4, &err);
    wt_batch batch = {.tokens = &bos, .lengths = &n, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    assert_int_equal(wt_engine_run(f->engine, &batch, hidden, &err), 0);
    wt_engine_final_norm(f->engine, hidden, 1, hidden);
    assert_int_equal(wt_engine_logits(f->engine, hidden, 1, logits, &err), 0);
    double z = 0.0;
    for (size_t t = 0; t < vocab; t++) z += exp((double)logits[t]);
    for (size_t t = 0; t < vocab; t++) {
        double p = exp((double)logits[t]) / z, count = 0.0;
        if (p < 0.01 || wt_tokenizer_is_eog(f->tokenizer, (int32_t)t)) continue;
        for (int i = 0; i < DRAWS; i++) count += out[2 * i + 1] == (int32_t)t;
        double sigma = sqrt(p * (1.0 - p) * DRAWS);
        if (fabs(count - p * DRAWS) > 5.0 * sigma) fail_msg("token %zu: %g draws, not %g", t, count, p * DRAWS);
    }
    free(out);
    free(hidden);
    free(logits);
}

/* The i-th text is the same however many are written together. */
static void test_self_write(void **state) {
    fixture *f = *state;
    wt_error err = {0};
    int32_t one[50], many[37 * 50];
    assert_int_equal(wt_self_write(f->engine, f->tokenizer, 1, 50, 9, one, NULL, &err), 0);
    assert_int_equal(wt_self_write(f->engine, f->tokenizer, 37, 50, 9, many, NULL, &err), 0);
    assert_memory_equal(one, many, sizeof one);
    assert_memory_not_equal(many, many + 36 * 50, sizeof one);
    assert_int_equal(many[36 * 50], wt_tokenizer_bos(f->tokenizer));
}

/* The tokenizer of the model's file, but with another end-of-text token and as it were without BOS in front. */
static wt_tokenizer *other_tokenizer(const wt_model *model, int32_t eos) {
    wt_error err = {0};
    char path[] = "/tmp/wt-tokenizer-XXXXXX";
    close(mkstemp(path));
    const wt_gguf *from = wt_model_gguf(model);
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    for (size_t i = 0; i < wt_gguf_kv_count(from); i++)
        assert_int_equal(wt_gguf_writer_copy_kv(w, wt_gguf_kv(from, i), &err), 0);
    assert_int_equal(wt_gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)eos, &err), 0);
    assert_int_equal(wt_gguf_writer_set_bool(w, "tokenizer.ggml.add_bos_token", false, &err), 0);
    assert_int_equal(wt_gguf_writer_finish(w, &err), 0);
    wt_gguf *gguf = wt_gguf_open(path, &err);
    unlink(path);
    wt_tokenizer *t = gguf ? wt_tokenizer_open(gguf, &err) : NULL;
    if (!t) fail_msg("%s", err.message);
    wt_gguf_close(gguf);
    return t;
}

/* Where the model ends a text, the next one begins with BOS; no end is left in what was written. */
static void test_self_write_restarts(void **state) {
    fixture *f = *state;
    enum { TEXTS = 8, LENGTH = 40 };
    wt_error err = {0};
    int32_t bos = wt_tokenizer_bos(f->tokenizer), out[TEXTS * LENGTH], again[TEXTS * LENGTH];
    assert_int_equal(wt_self_write(f->engine, f->tokenizer, TEXTS, LENGTH, 9, out, NULL, &err), 0);
    wt_tokenizer *t = other_tokenizer(f->model, out[5]); /* what the first text holds now ends it */
    assert_int_equal(wt_self_write(f->engine, t, TEXTS, LENGTH, 9, again, NULL, &err), 0);
    for (size_t i = 0; i < TEXTS * LENGTH; i++) assert_false(wt_tokenizer_is_eog(t, again[i]));
    size_t first = 0;
    while (out[first] != out[5]) first++;
    assert_memory_equal(again, out, first * sizeof *out);
    assert_int_equal(again[first], bos);
    wt_tokenizer_close(t);
}

/* A model that wants no BOS: its chunks are the text's tokens, every first one included. */
static void test_chunks_without_bos(void **state) {
    fixture *f = *state;
    wt_error err = {0};
    wt_tokenizer *t = other_tokenizer(f->model, wt_tokenizer_eos(f->tokenizer));
    const char *text = "The old captain looked at the sea and said nothing at all about it";
    wt_tokens tokens = {0};
    wt_chunks chunks;
    assert_int_equal(wt_tokenize(t, text, strlen(text), WT_TOKENIZE_ADD_SPECIAL, &tokens, &err), 0);
    assert_int_equal(wt_chunks_cut(&chunks, t, text, strlen(text), 4, 0, &err), 0);
    assert_true(chunks.count > 1);
    assert_memory_equal(chunks.tokens, tokens.ids, chunks.count * 4 * sizeof *tokens.ids);
    free(tokens.ids);
    wt_chunks_release(&chunks);
    wt_tokenizer_close(t);
}

static void test_limits(void **state) {
    fixture *f = *state;
    wt_generate_options options = {.max_tokens = 256};
    wt_tokens out = {0};
    wt_error err = {0};
    assert_int_equal(wt_generate(f->engine, f->tokenizer, NULL, 0, &options, &out, &err), -1);
    assert_non_null(strstr(err.message, "context of 256"));
    free(out.ids);
}

/* ---- tasks ---- */

static const char *write_tasks(const char *text) {
    static char path[] = "/tmp/wt-tasks-XXXXXX";
    strcpy(path, "/tmp/wt-tasks-XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void expect_task_error(const char *text, const char *part) {
    wt_tasks tasks;
    wt_error err = {0};
    const char *path = write_tasks(text);
    assert_int_equal(wt_tasks_read(&tasks, path, &err), -1);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
    assert_non_null(strstr(err.message, path));
    unlink(path);
}

static void test_task_files(void **state) {
    (void)state;
    expect_task_error("", "empty");
    expect_task_error("c\n1\na\nb\nc\n", "5 lines are no multiple of six");
    expect_task_error("c\n4\na\nb\nc\nd\n", "line 2 is '4'");
    expect_task_error("c\n1\na\n\nc\nd\n", "line 4 is empty");
    expect_task_error("c\n1\na\nb\nc\nd\nc\nx\na\nb\nc\nd\n", "line 8 is 'x'");
    wt_tasks tasks;
    wt_error err = {0};
    const char *path = write_tasks("c\r\n3\r\na\r\nb\r\nc\r\nd");
    assert_int_equal(wt_tasks_read(&tasks, path, &err), 0);
    unlink(path);
    assert_int_equal(tasks.count, 1);
    assert_int_equal(tasks.items[0].gold, 3);
    assert_string_equal(tasks.items[0].endings[2], "c");
    wt_tasks_release(&tasks);
}

/* The mean log-probability of an ending, straight from the logits of one sequence. */
static double plain_mean(fixture *f, const wt_tokens *s, size_t shared) {
    size_t n = s->count, width = wt_model_hparams(f->model)->width, vocab = wt_model_hparams(f->model)->vocab;
    wt_error err = {0};
    float *hidden = wt_alloc_aligned(n * width, 4, &err), *logits = wt_alloc_aligned(n * vocab, 4, &err);
    wt_batch batch = {.tokens = s->ids, .lengths = &n, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    assert_int_equal(wt_engine_run(f->engine, &batch, hidden, &err), 0);
    wt_engine_final_norm(f->engine, hidden, n, hidden);
    assert_int_equal(wt_engine_logits(f->engine, hidden, n, logits, &err), 0);
    double sum = 0.0;
    for (size_t j = shared; j < n; j++) {
        const float *row = logits + (j - 1) * vocab;
        double z = 0.0;
        for (size_t t = 0; t < vocab; t++) z += exp((double)row[t]);
        sum += (double)row[s->ids[j]] - log(z);
    }
    free(hidden);
    free(logits);
    return sum / (double)(n - shared);
}

static void test_answers(void **state) {
    fixture *f = *state;
    const char *context = "The captain looked at the sea and said that the ship";
    const char *endings[] = {"would sail in the morning.", "is a kind of blue arithmetic.", "was very old, and could not go.",
                             "zq xv kk"};
    char text[1024] = "";
    for (int i = 0; i < 3; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n%d\n", context, i);
        for (int e = 0; e < 4; e++) snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", endings[(e + i) % 4]);
    }
    const char *path = write_tasks(text);
    wt_tasks tasks;
    wt_error err = {0};
    assert_int_equal(wt_tasks_read(&tasks, path, &err), 0);
    unlink(path);
    int choices[3], again[3], best = 0;
    assert_int_equal(wt_tasks_answer(f->engine, f->tokenizer, &tasks, 0, choices, "tasks", NULL, &err), 0);
    assert_int_equal(wt_tasks_answer(f->engine, f->tokenizer, &tasks, 1, again, "tasks", NULL, &err), 0);
    assert_memory_equal(choices, again, sizeof choices);
    double means[4];
    wt_tokens s[4] = {0};
    size_t shared = 0;
    for (int e = 0; e < 4; e++) {
        char whole[256];
        snprintf(whole, sizeof whole, "%s %s", context, endings[e]);
        assert_int_equal(wt_tokenize(f->tokenizer, whole, strlen(whole), WT_TOKENIZE_ADD_SPECIAL, &s[e], &err), 0);
    }
    while (s[0].ids[shared] == s[1].ids[shared] && s[0].ids[shared] == s[2].ids[shared] && s[0].ids[shared] == s[3].ids[shared])
        shared++;
    for (int e = 0; e < 4; e++) {
        means[e] = plain_mean(f, &s[e], shared);
        if (means[e] > means[best]) best = e;
        free(s[e].ids);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(choices[i], (best - i + 4) % 4);
    wt_task_result r;
    wt_tasks_score(&tasks, choices, &r);
    assert_int_equal(r.count, 3);
    assert_true(r.accuracy >= 0.0 && r.accuracy <= 1.0);
    wt_tasks_release(&tasks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats),    cmocka_unit_test(test_greedy), cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_self_write), cmocka_unit_test(test_self_write_restarts), cmocka_unit_test(test_chunks_without_bos), cmocka_unit_test(test_limits), cmocka_unit_test(test_task_files),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
