/*
 * The forward pass on random models of every architecture: the same bits on any number of threads, in any batch, from any
 * block on, and step by step through the cache. (That the bits are right is the interop suite's business.)
 */
#include "support/random_model.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "engine/forward.h"
#include "quant/codec.h"

#define TOKENS 150

static char folder[] = "/tmp/wt-forward-XXXXXX";
static int32_t tokens[TOKENS];

static wt_model *make_model(const random_model *variant) {
    char path[128];
    wt_error err = {0};
    snprintf(path, sizeof path, "%s/%s.gguf", folder, variant->name);
    if (random_model_write(variant, 7, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s", err.message);
    unlink(path); /* the map keeps it */
    return model;
}

static float *run(wt_engine *e, const int32_t *ids, const size_t *lengths, size_t sequences, wt_kv_cache *cache,
                  uint32_t first, uint32_t last, const float *input) {
    size_t rows = 0, width = wt_model_hparams(wt_engine_model(e))->width;
    for (size_t i = 0; i < sequences; i++) rows += lengths[i];
    float *hidden = wt_alloc_aligned(rows, width * sizeof *hidden, NULL);
    if (input) memcpy(hidden, input, rows * width * sizeof *hidden);
    wt_error err = {0};
    wt_batch batch = {ids, lengths, sequences, first, last, cache};
    if (wt_engine_run(e, &batch, hidden, &err) != 0) fail_msg("%s", err.message);
    return hidden;
}

/* The same bits however a run with `rounding` (activations, cache types; else zero) is cut. */
static void check_variant(const random_model *variant, wt_engine_options rounding) {
    wt_model *model = make_model(variant);
    wt_error err = {0};
    size_t width = variant->width, all = TOKENS, row = width * sizeof(float);
    wt_threads_set(1);
    wt_engine_options parallel = rounding;
    parallel.parallel_flops = 1.0; /* or such small models would never meet a second thread */
    wt_engine *e = wt_engine_open(model, &parallel, &err);
    if (!e) fail_msg("%s", err.message);
    float *expected = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    for (size_t i = 0; i < TOKENS * width; i++) assert_true(isfinite(expected[i]));

    for (int threads = 1; threads <= 3; threads++) {
        wt_threads_set(threads);
        wt_engine_options options = rounding;
        options.resident_bytes = threads == 2 ? 40000 : threads == 3 ? SIZE_MAX : 0;
        options.parallel_flops = threads == 1 ? 0.0 : 1.0;
        wt_engine *other = wt_engine_open(model, &options, &err);
        for (int twice = 0; twice < 2; twice++) { /* the second time from what stayed packed */
            float *got = run(other, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
            assert_memory_equal(got, expected, TOKENS * row);
            free(got);
        }
        wt_engine_close(other);
    }
    /* From block k on. */
    for (uint32_t k = 1; k <= variant->layers; k++) {
        float *half = run(e, tokens, &all, 1, NULL, 0, k, NULL);
        float *got = run(e, NULL, &all, 1, NULL, k, WT_ALL_BLOCKS, half);
        assert_memory_equal(got, expected, TOKENS * row);
        free(half);
        free(got);
    }
    /* Beside other sequences of other lengths; a prefix sees nothing of what follows. */
    int32_t ids[37 + TOKENS + 70];
    const size_t lengths[] = {37, TOKENS, 70};
    memcpy(ids, tokens, 37 * sizeof *ids);
    memcpy(ids + 37, tokens, TOKENS * sizeof *ids);
    memcpy(ids + 37 + TOKENS, tokens, 70 * sizeof *ids);
    float *got = run(e, ids, lengths, 3, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_equal(got, expected, 37 * row);
    assert_memory_equal(got + 37 * width, expected, TOKENS * row);
    assert_memory_equal(got + (37 + TOKENS) * width, expected, 70 * row);
    free(got);
    /* Through the cache, in pieces, two sequences at different places. */
    wt_kv_cache *cache = wt_kv_cache_new(e, 2, TOKENS, &err);
    static const size_t pieces[] = {60, 1, 1, 5, 64, 19};
    for (size_t i = 0, at = 0, other = 0; i < sizeof pieces / sizeof *pieces; at += pieces[i], other += i ? 3 : 11, i++) {
        const size_t two[] = {pieces[i], i ? 3 : 11};
        memcpy(ids, tokens + at, two[0] * sizeof *ids);
        memcpy(ids + two[0], tokens + other, two[1] * sizeof *ids);
        got = run(e, ids, two, 2, cache, 0, WT_ALL_BLOCKS, NULL);
        assert_memory_equal(got, expected + at * width, two[0] * row);
        assert_memory_equal(got + two[0] * width, expected + other * width, two[1] * row);
        free(got);
    }
    size_t one = 1;
    wt_batch over = {.tokens = tokens, .lengths = &all, .sequences = 1, .last_block = WT_ALL_BLOCKS, .cache = cache};
    float *hidden = wt_alloc_aligned(TOKENS, row, NULL);
    assert_int_equal(wt_engine_run(e, &over, hidden, &err), -1); /* no room left */
    int32_t outside = (int32_t)variant->vocab;
    wt_batch bad = {.tokens = &outside, .lengths = &one, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    assert_int_equal(wt_engine_run(e, &bad, hidden, &err), -1);
    assert_non_null(strstr(err.message, "outside the vocabulary"));
    wt_kv_cache_free(cache);

    /* The head in pieces of any size. */
    size_t vocab = variant->vocab;
    float *whole = wt_alloc_aligned(8 * vocab, sizeof *whole, NULL), *part = wt_alloc_aligned(8 * vocab, sizeof *part, NULL);
    assert_int_equal(wt_engine_logits(e, expected, 8, whole, &err), 0);
    for (size_t first = 0; first < vocab; first += 64) {
        size_t n = vocab - first < 64 ? vocab - first : 64;
        assert_int_equal(wt_engine_logits_range(e, expected, 8, first, n, part, &err), 0);
        for (size_t r = 0; r < 8; r++) assert_memory_equal(part + r * n, whole + r * vocab + first, n * sizeof *part);
    }
    assert_int_equal(wt_engine_logits_range(e, expected, 8, vocab, 1, part, &err), -1);
    free(whole);
    free(part);
    free(hidden);
    free(expected);
    wt_engine_close(e);
    wt_model_close(model);
    wt_threads_set(0);
}

static void test_same_bits(void **state) {
    (void)state;
    for (size_t i = 0; random_model_at(i); i++) check_variant(random_model_at(i), (wt_engine_options){0});
}

static void test_same_bits_rounded(void **state) {
    (void)state;
    for (size_t i = 0; random_model_at(i); i++) {
        bool blocks = random_model_at(i)->head_dim % 32 == 0;
        wt_engine_options rounding = {.activations = WT_ACTIVATIONS_Q8,
                                      .cache_k = blocks ? i % 2 ? WT_Q5_1 : WT_Q4_0 : WT_F16,
                                      .cache_v = blocks ? WT_Q8_0 : WT_BF16};
        check_variant(random_model_at(i), rounding);
    }
}

static void test_same_bits_bf16(void **state) {
    (void)state;
    if (!wt_matmul_has_bf16()) skip();
    for (size_t i = 0; random_model_at(i); i++) {
        wt_engine_options half = {.precision = WT_PRECISION_BF16};
        if (i % 3 == 2) half.activations = WT_ACTIVATIONS_Q8;
        check_variant(random_model_at(i), half);
    }
}

/* Caches that there are not, and that heads do not fit. */
static void test_cache_types(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model(random_model_find("llama")); /* heads of 16 */
    wt_engine_options options = {.cache_k = WT_Q8_0};
    assert_null(wt_engine_open(model, &options, &err));
    assert_non_null(strstr(err.message, "blocks of 32 do not fit heads of 16"));
    options = (wt_engine_options){.cache_v = WT_Q6_K};
    assert_null(wt_engine_open(model, &options, &err));
    assert_non_null(strstr(err.message, "cannot keep values as Q6_K"));
    options = (wt_engine_options){.cache_v = (wt_type)5};
    assert_null(wt_engine_open(model, &options, &err));
    wt_model_close(model);
}

/* Weights from memory take the file's place, tensor by tensor, also when they change after a run. */
static void test_override(void **state) {
    (void)state;
    const random_model *variant = random_model_find("llama");
    wt_model *model = make_model(variant), *plain = make_model(variant);
    wt_error err = {0};
    size_t all = 20, width = variant->width;
    wt_engine_options keep = {.resident_bytes = SIZE_MAX};
    wt_engine *e = wt_engine_open(model, &keep, &err), *p = wt_engine_open(plain, NULL, &err);
    float *expected = run(p, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    float *got = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_equal(got, expected, all * width * sizeof *got);
    free(got);
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), "blk.1.ffn_down.weight");
    float *zeros = wt_calloc(t->dims[0] * t->rows, sizeof *zeros, NULL);
    assert_int_equal(wt_model_override(model, t->name, WT_F32, zeros, &err), 0);
    got = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_not_equal(got, expected, all * width * sizeof *got);
    free(got);
    assert_int_equal(wt_model_override(model, t->name, WT_F32, NULL, &err), 0);
    got = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_equal(got, expected, all * width * sizeof *got);
    free(got);

    /* The next candidate lies where the last one lay: the weights that the engine keeps ready are the new one's. */
    float *candidate = wt_calloc(t->dims[0] * t->rows, sizeof *candidate, NULL);
    for (size_t i = 0; i < t->dims[0] * t->rows; i++) candidate[i] = 0.01f * (float)(i % 7);
    assert_int_equal(wt_model_override(model, t->name, WT_F32, candidate, &err), 0);
    float *first = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    memset(candidate, 0, t->dims[0] * t->rows * sizeof *candidate);
    assert_int_equal(wt_model_override(model, t->name, WT_F32, candidate, &err), 0);
    got = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_int_equal(wt_model_override(plain, t->name, WT_F32, zeros, &err), 0);
    float *second = run(p, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_not_equal(got, first, all * width * sizeof *got);
    assert_memory_equal(got, second, all * width * sizeof *got);
    free(got);
    /* And where the file's weights stood in between. */
    assert_int_equal(wt_model_override(model, t->name, WT_F32, NULL, &err), 0);
    for (size_t i = 0; i < t->dims[0] * t->rows; i++) candidate[i] = 0.01f * (float)(i % 7);
    assert_int_equal(wt_model_override(model, t->name, WT_F32, candidate, &err), 0);
    got = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL);
    assert_memory_equal(got, first, all * width * sizeof *got);
    free(got);
    free(first);
    free(second);
    free(candidate);

    assert_int_equal(wt_model_override(model, "blk.9.ffn_down.weight", WT_F32, zeros, &err), -1);
    assert_int_equal(wt_model_override(model, t->name, WT_Q4_K, zeros, &err), -1); /* rows of 96 fit no 256 */
    free(zeros);
    free(expected);
    wt_engine_close(e);
    wt_engine_close(p);
    wt_model_close(model);
    wt_model_close(plain);
}

/* What a tap saw: how often each role came, and the last row count and width. */
typedef struct seen {
    size_t calls[WT_ROLE_LIMIT], rows, cols[WT_ROLE_LIMIT];
    const wt_model *model;
    const float *hidden; /* what the head is given */
} seen;

/* The first block's input: the tokens' embeddings, normed, in plain double. */
static void check_first_input(const wt_model *model, const float *x, size_t rows, size_t cols) {
    wt_weight embedding = wt_model_weight(model, WT_ROLE_EMBEDDING, 0), norm = wt_model_weight(model, WT_ROLE_ATTN_NORM, 0);
    const wt_hparams *hp = wt_model_hparams(model);
    size_t row_bytes = embedding.tensor->bytes / embedding.tensor->rows;
    float *e = wt_calloc(cols, sizeof *e, NULL), *gain = wt_calloc(cols, sizeof *gain, NULL);
    wt_codec_of(norm.type)->decode(norm.data, gain, cols);
    for (size_t r = 0; r < rows; r++) {
        wt_codec_of(embedding.type)->decode((const uint8_t *)embedding.data + (size_t)tokens[r] * row_bytes, e, cols);
        double squares = 0.0;
        for (size_t i = 0; i < cols; i++) squares += (double)e[i] * (double)e[i];
        for (size_t i = 0; i < cols; i++) {
            double want = (double)e[i] / sqrt(squares / (double)cols + hp->norm_eps) * (double)gain[i];
            if (fabs((double)x[r * cols + i] - want) > 1e-5 * (1.0 + fabs(want))) fail_msg("input %zu of token %zu", i, r);
        }
    }
    free(e);
    free(gain);
}

static void tap_input(void *user, wt_role role, int layer, const float *x, size_t rows, size_t cols) {
    seen *s = user;
    assert_true(layer >= -1 && layer < 2);
    assert_true(isfinite(x[rows * cols - 1]));
    s->calls[role]++;
    s->rows = rows;
    s->cols[role] = cols;
    for (size_t r = 0; r < rows; r++) {
        double squares = 0.0;
        for (size_t i = 0; i < cols; i++) squares += (double)x[r * cols + i] * (double)x[r * cols + i];
        assert_true(squares > 0.0);
    }
    if (role == WT_ROLE_OUTPUT) assert_memory_equal(x, s->hidden, rows * cols * sizeof *x);
    if (layer == 0 && (role == WT_ROLE_ATTN_Q || role == WT_ROLE_ATTN_QKV)) check_first_input(s->model, x, rows, cols);
}

static void check_tap(const char *name, const wt_role *roles, size_t n) {
    const random_model *variant = random_model_find(name);
    wt_model *model = make_model(variant);
    wt_error err = {0};
    seen s = {.model = model};
    wt_tap tap = {tap_input, &s};
    wt_engine_options options = {.tap = &tap};
    wt_engine *e = wt_engine_open(model, &options, &err);
    size_t all = 20;
    float *hidden = run(e, tokens, &all, 1, NULL, 0, WT_ALL_BLOCKS, NULL), *logits = wt_calloc(20 * variant->vocab, 4, NULL);
    s.hidden = hidden;
    assert_int_equal(wt_engine_logits(e, hidden, 20, logits, &err), 0);
    size_t calls = 0;
    for (int r = 0; r < WT_ROLE_LIMIT; r++) calls += s.calls[r];
    assert_int_equal(calls, n * variant->layers + 1);
    for (size_t i = 0; i < n; i++) assert_int_equal(s.calls[roles[i]], variant->layers);
    assert_int_equal(s.calls[WT_ROLE_OUTPUT], 1);
    assert_int_equal(s.rows, 20);
    assert_int_equal(s.cols[WT_ROLE_FFN_DOWN], variant->ffn);
    free(hidden);
    free(logits);
    wt_engine_close(e);
    wt_model_close(model);
}

static void test_tap(void **state) {
    (void)state;
    const wt_role llama[] = {WT_ROLE_ATTN_Q,   WT_ROLE_ATTN_K, WT_ROLE_ATTN_V,  WT_ROLE_ATTN_OUT,
                             WT_ROLE_FFN_GATE, WT_ROLE_FFN_UP, WT_ROLE_FFN_DOWN};
    const wt_role phi3[] = {WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_OUT, WT_ROLE_FFN_UP, WT_ROLE_FFN_DOWN};
    check_tap("llama", llama, 7);
    check_tap("phi3", phi3, 4);
}

static int setup(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 5, 0);
    for (size_t i = 0; i < TOKENS; i++) tokens[i] = 3 + (int32_t)wt_rng_below(&rng, 290);
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits), cmocka_unit_test(test_same_bits_rounded),
                                       cmocka_unit_test(test_same_bits_bf16), cmocka_unit_test(test_cache_types),
                                       cmocka_unit_test(test_override), cmocka_unit_test(test_tap)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
