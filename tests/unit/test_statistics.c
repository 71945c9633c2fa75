/* Statistics of activations that are measured, against plain sums over inputs that the test computes or records itself. */
#include "support/measured.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

/* ---- measuring ---- */

/* Plain sums over rows that are known: what the statistics of an input should be. */
typedef struct plain {
    double *square, *fourth, *max;
    size_t columns, rows;
} plain;

static void plain_add(plain *p, const float *x, size_t rows, size_t columns) {
    if (!p->columns) {
        p->columns = columns;
        p->square = calloc(columns, sizeof(double));
        p->fourth = calloc(columns, sizeof(double));
        p->max = calloc(columns, sizeof(double));
    }
    assert_int_equal(p->columns, columns);
    for (size_t i = 0; i < rows * columns; i++) {
        double v = (double)x[i];
        p->square[i % columns] += v * v;
        p->fourth[i % columns] += v * v * v * v;
        if (fabs(v) > p->max[i % columns]) p->max[i % columns] = fabs(v);
    }
    p->rows += rows;
}

static void expect_plain(const plain *p, const wt_column_stats *s, double tolerance) {
    assert_non_null(s);
    assert_int_equal(s->columns, p->columns);
    assert_int_equal((size_t)s->count, p->rows);
    for (size_t i = 0; i < p->columns; i++) {
        double square = p->square[i] / (double)p->rows, fourth = p->fourth[i] / (double)p->rows;
        if (fabs((double)s->mean_square[i] - square) > tolerance * square ||
            fabs((double)s->mean_fourth[i] - fourth) > 2 * tolerance * fourth ||
            fabs((double)s->max[i] - p->max[i]) > tolerance * p->max[i])
            fail_msg("%s column %zu: %g %g %g, should be %g %g %g", s->tensor, i, (double)s->mean_square[i],
                     (double)s->mean_fourth[i], (double)s->max[i], square, fourth, p->max[i]);
    }
}

static void plain_free(plain *p) {
    free(p->square);
    free(p->fourth);
    free(p->max);
    *p = (plain){0};
}

/* Everything that the engine shows, kept by role and layer. */
typedef struct record {
    plain layers[8][WT_LAYER_ROLES];
} record;

static void keep_input(void *user, wt_role role, int layer, const float *x, size_t rows, size_t cols) {
    record *r = user;
    if (layer >= 0) plain_add(&r->layers[layer][role], x, rows, cols);
}

/* RMS norm in double, from the definition: what enters q, k, v, and the head. */
static void norm(const float *x, const wt_tensor *gain, double eps, size_t rows, size_t n, float *y) {
    const float *g = gain->data;
    assert_int_equal(gain->type, WT_F32);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[r * n + i] * (double)x[r * n + i];
        for (size_t i = 0; i < n; i++)
            y[r * n + i] = (float)((double)x[r * n + i] / sqrt(sum / (double)n + eps) * (double)g[i]);
    }
}

static void check_model(const char *variant) {
    wt_error err = {0};
    wt_model *model = make_model(variant);
    const wt_hparams *hp = wt_model_hparams(model);
    wt_chunks chunks = make_chunks(model);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    record *r = calloc(1, sizeof *r);
    wt_tap tap = {keep_input, r};
    wt_engine_options options = {.tap = &tap, .context = CONTEXT};
    wt_engine *engine = wt_engine_open(model, &options, &err);
    float *hidden = calloc(CONTEXT * hp->width, sizeof *hidden), *normed = calloc(CONTEXT * hp->width, sizeof *normed);
    plain head = {0}, first[8] = {{0}};
    for (size_t c = 0; c < CHUNKS; c++) { /* chunk by chunk, block by block */
        for (uint32_t layer = 0; layer < hp->n_layers; layer++) {
            wt_batch batch = {chunks.tokens + c * CONTEXT, &(size_t){CONTEXT}, 1, layer, layer + 1, NULL};
            if (layer > 0) {
                norm(hidden, wt_model_weight(model, WT_ROLE_ATTN_NORM, layer).tensor, hp->norm_eps, CONTEXT, hp->width,
                     normed);
                plain_add(&first[layer], normed, CONTEXT, hp->width);
            }
            assert_int_equal(wt_engine_run(engine, &batch, hidden, &err), 0);
        }
        norm(hidden, wt_model_weight(model, WT_ROLE_OUTPUT_NORM, 0).tensor, hp->norm_eps, CONTEXT, hp->width, normed);
        plain_add(&head, normed, CONTEXT, hp->width);
    }
    /* Every matrix is there, with what the engine fed it. */
    size_t matrices = 1;
    for (uint32_t layer = 0; layer < hp->n_layers; layer++) {
        for (int role = 0; role < WT_LAYER_ROLES; role++) {
            const wt_tensor *t = wt_model_weight(model, (wt_role)role, layer).tensor;
            if (!t || t->n_dims < 2) continue;
            const wt_column_stats *found = wt_statistics_find(s, t->name);
            expect_plain(&r->layers[layer][role], found, 1e-6);
            bool reads_norm =
                role == WT_ROLE_ATTN_Q || role == WT_ROLE_ATTN_K || role == WT_ROLE_ATTN_V || role == WT_ROLE_ATTN_QKV;
            if (layer > 0 && reads_norm) expect_plain(&first[layer], found, 2e-5);
            matrices++;
        }
    }
    assert_int_equal(wt_statistics_count(s), matrices);
    const char *name = hp->tied_head ? "token_embd.weight" : "output.weight";
    expect_plain(&head, wt_statistics_find(s, name), 2e-5);
    assert_null(wt_statistics_find(s, hp->tied_head ? "output.weight" : "token_embd.weight"));
    assert_int_equal(wt_statistics_check(s, wt_model_gguf(model), &err), 0);
    assert_int_equal(wt_statistics_chunks(s), CHUNKS);
    assert_int_equal(wt_statistics_chunk_size(s), CONTEXT);
    assert_string_equal(wt_statistics_dataset(s), "tokens");
    assert_string_equal(wt_statistics_path(s), "");
    for (int layer = 0; layer < 8; layer++) {
        for (int role = 0; role < WT_LAYER_ROLES; role++) plain_free(&r->layers[layer][role]);
        plain_free(&first[layer]);
    }
    plain_free(&head);
    free(r);
    free(hidden);
    free(normed);
    wt_engine_close(engine);
    wt_statistics_free(s);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static void test_measured_values(void **state) {
    (void)state;
    static const char *const VARIANTS[] = {"llama", "llama-tied-gqa",  "llama-wide-heads", "llama-biases",
                                           "qwen2", "qwen3",           "gemma3-variant",   "gemma3",
                                           "phi3",  "llama-fused-qkv", "phi3-partial"};
    for (size_t i = 0; i < sizeof VARIANTS / sizeof *VARIANTS; i++) check_model(VARIANTS[i]);
}

static void test_same_whatever_the_work_is_cut_into(void **state) {
    (void)state;
    wt_model *model = make_model("llama-tied-gqa");
    wt_chunks chunks = make_chunks(model);
    wt_threads_set(1);
    wt_statistics *one = measure(model, &chunks, NULL, 0);
    wt_threads_set(3);
    wt_statistics *three = measure(model, &chunks, NULL, 2 * CONTEXT);
    wt_statistics *layers = measure(model, &chunks, path_of("same.gram"), CONTEXT);
    wt_threads_set(0);
    expect_same(one, three);
    expect_same(one, layers);
    wt_statistics_free(one);
    wt_statistics_free(three);
    wt_statistics_free(layers);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static void test_no_number(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), "blk.1.ffn_up.weight");
    float *w = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *w, &err);
    memcpy(w, t->data, t->bytes);
    w[5] = NAN;
    assert_int_equal(wt_model_override(model, t->name, WT_F32, w, &err), 0);
    wt_statistics_options options = {.gram = path_of("never.gguf")};
    for (int gram = 0; gram < 2; gram++) {
        assert_null(wt_statistics_measure(model, &chunks, gram ? &options : NULL, NULL, &err));
        assert_non_null(strstr(err.message, "blk.1.ffn_down.weight"));
        assert_non_null(strstr(err.message, "not finite"));
    }
    assert_int_not_equal(access(options.gram, F_OK), 0);
    free(w);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

/* Fourth powers beyond F32 stop at its largest number; squares are still right. */
static void test_huge_inputs(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), "blk.0.ffn_up.weight");
    float *w = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *w, &err);
    const float *from = t->data;
    for (size_t i = 0; i < t->dims[0] * t->rows; i++) w[i] = from[i] * 1e12f;
    assert_int_equal(wt_model_override(model, t->name, WT_F32, w, &err), 0);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    const wt_column_stats *down = wt_statistics_find(s, "blk.0.ffn_down.weight");
    size_t stopped = 0;
    for (size_t i = 0; i < down->columns; i++) {
        assert_true(isfinite(down->mean_square[i]) && isfinite(down->mean_fourth[i]));
        assert_true((double)down->max[i] * (double)down->max[i] >= 0.999999 * (double)down->mean_square[i]);
        stopped += down->mean_fourth[i] > 1e36f;
    }
    assert_int_not_equal(stopped, 0);
    assert_int_equal(wt_statistics_write(s, path_of("huge.gguf"), &err), 0);
    wt_statistics *again = wt_statistics_read(path_of("huge.gguf"), &err);
    assert_non_null(again);
    expect_same(s, again);
    wt_statistics_free(again);
    wt_statistics_free(s);
    free(w);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static int stop_after(void *user, const char *stage, double done, double total, const char *unit) {
    (void)stage;
    (void)unit;
    assert_true(done >= 0 && done <= total);
    return --*(int *)user < 0;
}

static void test_stopped(void **state) {
    (void)state;
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    int reports = 0;
    for (int gram = 0; gram < 2; gram++) {
        wt_statistics_options options = {.gram = gram ? path_of("stopped.gguf") : NULL, .batch_tokens = CONTEXT};
        for (int after = 0;; after++) {
            wt_error err = {0};
            int left = after;
            wt_progress progress = {stop_after, &left};
            wt_statistics *s = wt_statistics_measure(model, &chunks, &options, &progress, &err);
            reports += after;
            if (s) {
                wt_statistics_free(s);
                assert_true(after > (int)CHUNKS);
                break;
            }
            assert_int_equal(err.code, WT_ERR_INTERRUPTED);
            if (gram) assert_int_not_equal(access(options.gram, F_OK), 0);
        }
    }
    assert_true(reports > 0);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured_values), cmocka_unit_test(test_same_whatever_the_work_is_cut_into),
        cmocka_unit_test(test_no_number),       cmocka_unit_test(test_huge_inputs),
        cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
