/* Gram matrices of activations: sums against a plain double loop, the file that measuring writes, and wrong files. */
#include "support/image.h"
#include "support/measured.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "engine/gram.h"

/* ---- Gram matrices ---- */

static void test_gram_sum(void **state) {
    (void)state;
    static const size_t COLUMNS[] = {1, 7, 256, 257, 600}, ROWS[] = {1, 33, 100};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (size_t k = 0; k < sizeof COLUMNS / sizeof *COLUMNS; k++) {
        const size_t n = COLUMNS[k];
        wt_error err = {0};
        wt_gram_sum *sum = wt_gram_sum_new(n, &err);
        double *plain_sum = calloc(n * n, sizeof *plain_sum), *scale = calloc(n, sizeof *scale);
        for (size_t b = 0; b < sizeof ROWS / sizeof *ROWS; b++) {
            float *x = calloc(ROWS[b] * n, sizeof *x);
            for (size_t i = 0; i < ROWS[b] * n; i++) x[i] = (float)wt_rng_normal(&rng);
            assert_int_equal(wt_gram_sum_add(sum, x, ROWS[b], &err), 0);
            for (size_t r = 0; r < ROWS[b]; r++) {
                for (size_t i = 0; i < n; i++) {
                    for (size_t j = 0; j < n; j++) plain_sum[i * n + j] += (double)x[r * n + i] * (double)x[r * n + j];
                }
            }
            free(x);
        }
        for (size_t i = 0; i < n; i++) scale[i] = sqrt(plain_sum[i * n + i]);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                double got = wt_gram_sum_at(sum, i, j), wanted = plain_sum[i * n + j];
                if (!(fabs(got - wanted) <= 1e-5 * scale[i] * scale[j]))
                    fail_msg("%zu columns: %zu, %zu is %g, should be %g", n, i, j, got, wanted);
            }
        }
        wt_gram_sum_clear(sum);
        assert_true(wt_gram_sum_at(sum, n - 1, 0) == 0.0);
        wt_gram_sum_free(sum);
        free(plain_sum);
        free(scale);
    }
}

static void test_gram_file(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama-tied-gqa");
    wt_chunks chunks = make_chunks(model);
    const char *path = path_of("gram.gguf");
    wt_statistics *s = measure(model, &chunks, path, 2 * CONTEXT);
    wt_gram *gram = wt_gram_open(path, &err);
    if (!gram) fail_msg("%s", err.message);
    size_t n = 0;
    while (wt_gram_tensor(gram, n)) n++;
    assert_int_equal(n, wt_statistics_count(s)); /* every matrix has one ... */
    for (size_t i = 0; i < n; i++) {
        const wt_column_stats *e = wt_statistics_at(s, i);
        assert_string_equal(wt_gram_tensor(gram, i), e->tensor);
        assert_int_equal(wt_gram_columns(gram, e->tensor), e->columns);
        double *g = calloc(e->columns * e->columns, sizeof *g);
        assert_int_equal(wt_gram_read(gram, e->tensor, g, &err), 0);
        for (size_t c = 0; c < e->columns; c++) { /* ... whose diagonal is the mean square */
            double mean = (double)e->mean_square[c], got = g[c * e->columns + c];
            if (!(fabs(got - mean) <= 1e-5 * mean)) fail_msg("%s, column %zu: %g, not %g", e->tensor, c, got, mean);
            for (size_t d = 0; d < c; d++) {
                assert_true(g[c * e->columns + d] == g[d * e->columns + c]);
                double most = sqrt(got * g[d * e->columns + d]); /* Cauchy and Schwarz */
                assert_true(fabs(g[c * e->columns + d]) <= most * (1 + 1e-5));
            }
        }
        free(g);
    }
    /* Matrices that share an input share what is stored. */
    wt_gguf *file = wt_gguf_open(path, &err);
    assert_non_null(wt_gguf_find_tensor(file, "blk.0.attn_q.weight.in_gram"));
    assert_null(wt_gguf_find_tensor(file, "blk.0.attn_k.weight.in_gram"));
    assert_int_equal(wt_gguf_tensor_count(file), 2 * (4 * wt_model_hparams(model)->n_layers + 1));
    wt_gguf_close(file);
    assert_int_equal(wt_gram_columns(gram, "blk.0.attn_norm.weight"), 0);
    assert_int_equal(wt_gram_read(gram, "nothing", NULL, &err), -1);
    wt_gram_close(gram);
    wt_statistics_free(s);
    wt_chunks_release(&chunks);
    wt_model_close(model);
    assert_null(wt_gram_open(WT_SOURCE_DIR "/data/seedling.gguf", &err));
    assert_non_null(strstr(err.message, "no Gram matrices"));
}

static image make_gram(const char *tensor, const char *input, uint64_t values, const float *data, const float *rows) {
    image m = {0};
    image_head(&m, 3, 2, 3);
    image_kv_str(&m, "general.type", "gram");
    image_kv_array(&m, "gram.tensors", 8, 1);
    image_str(&m, tensor);
    image_kv_array(&m, "gram.inputs", 8, 1);
    image_str(&m, input);
    image_tensor(&m, "x.in_gram", 1, &values, WT_F32, 0);
    image_tensor(&m, "x.counts", 1, &(uint64_t){1}, WT_F32, 32);
    image_pad(&m, 32);
    image_bytes(&m, data, values * sizeof *data);
    image_pad(&m, 32);
    image_bytes(&m, rows, sizeof *rows);
    image_pad(&m, 32);
    return m;
}

static void test_wrong_gram(void **state) {
    (void)state;
    static const float NUMBERS[] = {1, 2, 3, 4, 5, NAN}, NONE = 0, NO_NUMBER = NAN, TWO = 2;
    static const struct {
        const char *input;
        uint64_t values;
        const float *rows;
        const char *says;
    } CASES[] = {
        {"y", 3, &TWO, "no tensor 'y.in_gram'"},
        {"x", 4, &TWO, "4 values, which are no triangle"},
        {"x", 3, &NONE, "says 0 rows"},
        {"x", 3, &NO_NUMBER, "says nan rows"},
    };
    wt_error err = {0};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        image m = make_gram("t", CASES[i].input, CASES[i].values, NUMBERS, CASES[i].rows);
        assert_null(wt_gram_from_memory(m.data, m.size, "made", &err));
        if (!strstr(err.message, CASES[i].says) || !strstr(err.message, "'made'")) fail_msg("%s", err.message);
        image_free(&m);
    }
    image m = make_gram("t", "x", 3, NUMBERS, &TWO);
    wt_gram *gram = wt_gram_from_memory(m.data, m.size, "made", &err);
    assert_int_equal(wt_gram_columns(gram, "t"), 2);
    double out[9];
    assert_int_equal(wt_gram_read(gram, "t", out, &err), 0);
    assert_true(out[0] == 0.5 && out[1] == 1.0 && out[2] == 1.0 && out[3] == 1.5);
    wt_gram_close(gram);
    image_free(&m);
    m = make_gram("t", "x", 6, NUMBERS, &TWO);
    assert_non_null(gram = wt_gram_from_memory(m.data, m.size, "made", &err));
    assert_int_equal(wt_gram_read(gram, "t", out, &err), -1);
    assert_non_null(strstr(err.message, "nan at 2, 2"));
    wt_gram_close(gram);
    image_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram_sum),
        cmocka_unit_test(test_gram_file),
        cmocka_unit_test(test_wrong_gram),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
