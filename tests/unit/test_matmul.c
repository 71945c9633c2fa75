/* Matrix products: against double sums at odd sizes, and the same bits however rows and threads are arranged. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "engine/matmul.h"
#include "quant/codec.h"

static float *random_floats(size_t n, uint64_t stream) {
    float *x = wt_alloc_aligned(n, sizeof *x, NULL);
    assert_non_null(x);
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, stream);
    for (size_t i = 0; i < n; i++) x[i] = (float)wt_rng_normal(&rng);
    return x;
}

static void check_size(size_t rows, size_t n, size_t k, wt_precision precision, double tolerance) {
    wt_error err = {0};
    float *x = random_floats(rows * k, 1), *w = random_floats(n * k, 2), *bias = random_floats(n, 3);
    float *y = wt_calloc(rows * n, sizeof *y, NULL), *z = wt_calloc(rows * n, sizeof *z, NULL);
    wt_packed *p = wt_pack(WT_F32, w, n, k, precision, NULL, &err);
    if (!p) fail_msg("%s", err.message);
    assert_int_equal(wt_matmul(x, rows, p, bias, WT_STORE, y, n, &err), 0);
    memcpy(z, y, rows * n * sizeof *y);
    assert_int_equal(wt_matmul(x, rows, p, NULL, WT_STORE_ADD, z, n, &err), 0);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < n; c++) {
            double sum = 0.0, size = 0.0;
            for (size_t i = 0; i < k; i++) {
                double product = (double)x[r * k + i] * (double)w[c * k + i];
                sum += product;
                size += fabs(product);
            }
            double off = fabs((double)y[r * n + c] - sum - (double)bias[c]);
            if (off > tolerance * (size + 1.0)) fail_msg("%zu x %zu x %zu: off by %g at %zu, %zu", rows, n, k, off, r, c);
            assert_true(fabs((double)z[r * n + c] - 2.0 * sum - (double)bias[c]) <= 2.0 * tolerance * (size + 1.0));
        }
    }
    wt_packed_free(p);
    free(x);
    free(w);
    free(bias);
    free(y);
    free(z);
}

static void test_sizes(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {1, 64, 32},  {31, 63, 31},   {32, 64, 64},  {33, 65, 33},
                                      {5, 300, 172}, {70, 100, 257}, {513, 7, 40}, {3, 130, 1000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_size(sizes[i][0], sizes[i][1], sizes[i][2], WT_PRECISION_F32, 1e-6);
        if (wt_matmul_has_bf16()) check_size(sizes[i][0], sizes[i][1], sizes[i][2], WT_PRECISION_BF16, 8e-3);
    }
}

/* Row r of a product is the same bits alone, in a crowd, at another place, and on any number of threads. */
static void check_same_bits(size_t n, size_t k, wt_precision precision) {
    wt_error err = {0};
    const size_t rows = 130;
    float *x = random_floats(rows * k, 4), *w = random_floats(n * k, 5);
    float *expected = wt_calloc(rows * n, sizeof *expected, NULL), *y = wt_calloc(rows * n, sizeof *y, NULL);
    wt_threads_set(1);
    wt_packed *p = wt_pack(WT_F32, w, n, k, precision, NULL, &err);
    assert_non_null(p);
    assert_int_equal(wt_matmul(x, rows, p, NULL, WT_STORE, expected, n, &err), 0);
    for (int threads = 1; threads <= 3; threads++) {
        wt_threads_set(threads);
        wt_packed *again = wt_pack(WT_F32, w, n, k, precision, NULL, &err);
        memset(y, 0, rows * n * sizeof *y);
        assert_int_equal(wt_matmul(x, rows, again, NULL, WT_STORE, y, n, &err), 0);
        assert_memory_equal(y, expected, rows * n * sizeof *y);
        wt_packed_free(again);
    }
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, k);
    for (int i = 0; i < 40; i++) {
        size_t from = wt_rng_below(&rng, rows), count = 1 + wt_rng_below(&rng, rows - from);
        assert_int_equal(wt_matmul(x + from * k, count, p, NULL, WT_STORE, y, n, &err), 0);
        assert_memory_equal(y, expected + from * n, count * n * sizeof *y);
    }
    wt_threads_set(0);
    wt_packed_free(p);
    free(x);
    free(w);
    free(expected);
    free(y);
}

static void test_same_bits(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{64, 64}, {192, 172}, {300, 256}, {65, 1000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_same_bits(sizes[i][0], sizes[i][1], WT_PRECISION_F32);
        if (wt_matmul_has_bf16()) check_same_bits(sizes[i][0], sizes[i][1], WT_PRECISION_BF16);
    }
}

/*
 * Matrices that share rounded rows: each product is that of the rows rounded before, to the bit, in any order of roundings; Q8_1
 * adds the weights' minima times what the sums have in excess.
 */
static void test_shared_input(void **state) {
    (void)state;
    wt_error err = {0};
    enum { ROWS = 45, N = 70, K = 256 };
    float *x = random_floats(ROWS * K, 7), *w = random_floats(N * K, 8);
    static float rounded[ROWS * K], expected[ROWS * N], y[ROWS * N], minima[N * K / 32], excess[ROWS * K / 32];
    static unsigned char blocks[N * K / 32 * 20]; /* Q4_1: a scale, a minimum, codes */
    for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (unsigned char)(i * 131 + i / 7);
    for (size_t i = 0; i < N * K / 32; i++) {
        uint16_t halves[2] = {wt_f32_to_f16(0.1f), wt_f32_to_f16(w[i])};
        memcpy(blocks + i * 20, halves, 4);
        minima[i] = wt_f16_to_f32(halves[1]);
    }
    for (int bf16 = 0; bf16 <= wt_matmul_has_bf16(); bf16++) {
        wt_precision precision = bf16 ? WT_PRECISION_BF16 : WT_PRECISION_F32;
        wt_packed *plain = wt_pack(WT_F32, w, N, K, precision, NULL, &err);
        wt_packed *other = wt_pack(WT_Q4_1, blocks, N, K, precision, NULL, &err);
        wt_packed *mins = wt_pack(WT_F32, minima, N, K / 32, precision, NULL, &err);
        assert_true(plain && other && mins);
        wt_input in = {0};
        wt_input_set(&in, x, ROWS, K);
        static const wt_rounding ORDER[] = {WT_ROUND_NONE, WT_ROUND_Q8_K, WT_ROUND_Q8_0, WT_ROUND_Q8_K, WT_ROUND_NONE,
                                            WT_ROUND_F16};
        for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
            wt_round(ORDER[i], x, rounded, ROWS * K);
            assert_int_equal(wt_matmul(rounded, ROWS, plain, NULL, WT_STORE, expected, N, &err), 0);
            for (int twice = 0; twice < 2; twice++) {
                assert_int_equal(wt_matmul_input(&in, ORDER[i], plain, NULL, WT_STORE, y, N, &err), 0);
                assert_memory_equal(y, expected, sizeof y);
            }
        }
        assert_int_equal(wt_matmul_input(&in, WT_ROUND_Q8_1, other, NULL, WT_STORE, y, N, &err), -1);
        assert_non_null(strstr(err.message, "minima"));
        assert_int_equal(wt_pack_minima(plain, WT_F32, w, &err), -1);
        assert_int_equal(wt_pack_minima(other, WT_Q4_1, blocks, &err), 0);
        wt_round(WT_ROUND_Q8_1, x, rounded, ROWS * K);
        wt_q8_1_excess(x, excess, ROWS * K);
        assert_int_equal(wt_matmul(rounded, ROWS, other, NULL, WT_STORE, expected, N, &err), 0);
        assert_int_equal(wt_matmul(excess, ROWS, mins, NULL, WT_STORE_ADD, expected, N, &err), 0);
        assert_int_equal(wt_matmul_input(&in, WT_ROUND_Q8_1, other, NULL, WT_STORE, y, N, &err), 0);
        assert_memory_equal(y, expected, sizeof y);
        /* Fewer rows, other rows: nothing of the former ones is left. */
        wt_input_set(&in, x + 5 * K, 3, K);
        wt_round(WT_ROUND_Q8_0, x + 5 * K, rounded, 3 * K);
        assert_int_equal(wt_matmul(rounded, 3, plain, NULL, WT_STORE, expected, N, &err), 0);
        assert_int_equal(wt_matmul_input(&in, WT_ROUND_Q8_0, plain, NULL, WT_STORE, y, N, &err), 0);
        assert_memory_equal(y, expected, 3 * N * sizeof *y);
        wt_input_release(&in);
        wt_packed_free(plain);
        wt_packed_free(other);
        wt_packed_free(mins);
    }
    free(x);
    free(w);
}

static void test_storage_is_used_again(void **state) {
    (void)state;
    wt_error err = {0};
    float *w = random_floats(128 * 64, 6);
    wt_packed *p = wt_pack(WT_F32, w, 128, 64, WT_PRECISION_F32, NULL, &err);
    size_t bytes = wt_packed_bytes(p);
    p = wt_pack(WT_F32, w, 64, 64, WT_PRECISION_F32, p, &err);
    assert_non_null(p);
    assert_int_equal(wt_packed_bytes(p), bytes);
    wt_packed_free(p);
    assert_null(wt_pack(WT_I32, w, 64, 64, WT_PRECISION_F32, NULL, &err));
    assert_int_equal(err.code, WT_ERR_UNSUPPORTED);
    free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_shared_input),
                                       cmocka_unit_test(test_storage_is_used_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
