/*
 * Products of bf16 factors: against double sums of factors that bf16 holds exactly, where the sums' own rounding is all that
 * is left, at odd sizes and up against guard pages; both ways of packing; the same bits however rows are grouped.
 */
#include "support/testing.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/matmul_bf16.h"
#include "support/guarded.h"

enum { COLS = WT_TILE_COLS, MOST_ROWS = 40, MOST_K = 300 };

static const wt_bf16_products *products;
static guarded floats, left, result;
static uint16_t packed[WT_BF16_BLOCK(MOST_K)], packed_too[WT_BF16_BLOCK(MOST_K)];
static float x[MOST_ROWS * MOST_K], w[COLS * MOST_K], turned[COLS * MOST_K], bias[COLS], expected[MOST_ROWS * COLS];

/* Random numbers that bf16 holds exactly, some of them zeros. */
static void fill(wt_rng *rng, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = wt_rng_below(rng, 8) ? (float)wt_rng_normal(rng) : 0.0f;
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        bits &= 0xffff0000u;
        memcpy(out + i, &bits, sizeof bits);
    }
}

/* The block of columns w [cols, k], packed from its columns, which end at a guard page, and from its rows: the same. */
static void pack(size_t cols, size_t k) {
    for (size_t c = 0; c < cols; c++) {
        for (size_t i = 0; i < k; i++) turned[i * cols + c] = w[c * k + i];
    }
    memset(packed, 0xff, sizeof packed);
    memset(packed_too, 0xff, sizeof packed_too);
    float *source = guarded_tail(&floats, cols * k * sizeof *source);
    memcpy(source, w, cols * k * sizeof *source);
    products->pack_columns(source, k, cols, k, packed);
    memcpy(source, turned, cols * k * sizeof *source);
    products->pack_rows(source, cols, cols, k, packed_too);
    assert_memory_equal(packed, packed_too, sizeof packed);
    size_t used = WT_BF16_BLOCK(k);
    for (size_t i = used; i < sizeof packed / sizeof *packed; i++) assert_int_equal(packed[i], 0xffff);
    for (size_t c = 0; c < COLS; c++) {
        for (size_t i = 0; i < (k + 1) / 2 * 2; i++) {
            float v = c < cols && i < k ? w[c * k + i] : 0.0f;
            uint32_t bits;
            memcpy(&bits, &v, sizeof bits);
            assert_int_equal(packed[(i / 2 * COLS + c) * 2 + i % 2], bits >> 16);
        }
    }
}

static void check_size(size_t rows, size_t cols, size_t k, bool with_bias, wt_store store) {
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), rows * COLS + cols, k);
    size_t even = (k + 1) / 2 * 2;
    fill(&rng, x, rows * k);
    fill(&rng, w, cols * k);
    fill(&rng, bias, cols);
    pack(cols, k);
    uint16_t *half = guarded_tail(&left, rows * even * sizeof *half);
    memset(half, 0, rows * even * sizeof *half);
    for (size_t r = 0; r < rows; r++) wt_kernels_variant("reference")->to_bf16(half + r * even, x + r * k, k);
    float *y = guarded_tail(&result, rows * cols * sizeof *y);
    for (size_t i = 0; i < rows * cols; i++) y[i] = (float)(i % 5);
    products->multiply(rows, cols, even, half, even, packed, with_bias ? bias : NULL, store, y, cols);
    for (size_t i = 0; i < rows * cols; i++) {
        size_t r = i / cols, c = i % cols;
        double sum = store == WT_STORE_ADD ? (double)(i % 5) : 0.0, size = sum;
        if (with_bias) sum += (double)bias[c], size += fabs((double)bias[c]);
        for (size_t j = 0; j < k; j++) {
            double product = (double)x[r * k + j] * (double)w[c * k + j];
            sum += product;
            size += fabs(product);
        }
        /* Each addition rounds what is at most `size`. */
        if (!(fabs((double)y[i] - sum) <= (double)(k + 2) * 0.5 * (double)FLT_EPSILON * size))
            fail_msg("%zu x %zu x %zu: %g at %zu, %zu, not %g", rows, cols, k, (double)y[i], r, c, sum);
    }
}

static void test_sizes(void **state) {
    (void)state;
    if (!products) skip();
    static const size_t sizes[][3] = {{1, 1, 1},   {1, 64, 2},   {2, 16, 31},  {3, 17, 32},  {4, 63, 33},  {5, 64, 66},
                                      {6, 33, 64}, {7, 64, 128}, {12, 48, 65}, {23, 1, 300}, {40, 64, 256}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int mode = 0; mode < 4; mode++)
            check_size(sizes[i][0], sizes[i][1], sizes[i][2], mode & 1, mode & 2 ? WT_STORE_ADD : WT_STORE);
    }
}

/* A row is the same bits alone, in any group of rows, and where zeros stretch the inner dimension. */
static void test_same_bits(void **state) {
    (void)state;
    if (!products) skip();
    enum { K = 150 };
    static uint16_t half[MOST_ROWS * MOST_K];
    static float y[MOST_ROWS * COLS];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 6, 0);
    fill(&rng, x, MOST_ROWS * K);
    fill(&rng, w, COLS * K);
    pack(COLS, K);
    for (size_t r = 0; r < MOST_ROWS; r++) wt_kernels_get()->to_bf16(half + r * MOST_K, x + r * K, K);
    products->multiply(MOST_ROWS, COLS, K, half, MOST_K, packed, NULL, WT_STORE, expected, COLS);
    for (size_t count = 1; count <= MOST_ROWS; count++) {
        size_t from = wt_rng_below(&rng, MOST_ROWS - count + 1), cols = 1 + wt_rng_below(&rng, COLS);
        products->multiply(count, cols, K, half + from * MOST_K, MOST_K, packed, NULL, WT_STORE, y, COLS);
        for (size_t r = 0; r < count; r++)
            assert_memory_equal(y + r * COLS, expected + (from + r) * COLS, cols * sizeof *y);
    }
    memset(packed + WT_BF16_BLOCK(K), 0, sizeof packed - WT_BF16_BLOCK(K) * sizeof *packed);
    products->multiply(MOST_ROWS, COLS, MOST_K, half, MOST_K, packed, NULL, WT_STORE, y, COLS);
    assert_memory_equal(y, expected, sizeof y);
}

/* Packing rounds to nearest even, as to_bf16 does. */
static void test_rounding(void **state) {
    (void)state;
    if (!products) skip();
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 7, 0);
    uint16_t half[COLS];
    for (size_t i = 0; i < COLS; i++) w[i] = (float)wt_rng_normal(&rng);
    const uint32_t ties[] = {0x3f808000u, 0x3f818000u, 0x3f80ffffu, 0xbf818000u, 0x7f7fffffu, 0x7f800000u};
    memcpy(w, ties, sizeof ties);
    wt_kernels_variant("reference")->to_bf16(half, w, COLS);
    products->pack_columns(w, 1, COLS, 1, packed);
    products->pack_rows(w, COLS, COLS, 1, packed_too);
    assert_memory_equal(packed, packed_too, 2 * sizeof half);
    for (size_t i = 0; i < COLS; i++) assert_int_equal(packed[2 * i], half[i]);
}

static int setup(void **state) {
    (void)state;
    products = wt_bf16_products_get();
    if (!products) printf("this processor has no AVX512_BF16: nothing is tested\n");
    floats = guarded_new(sizeof w);
    left = guarded_new(MOST_ROWS * MOST_K * sizeof(uint16_t));
    result = guarded_new(sizeof expected);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    guarded_free(&floats);
    guarded_free(&left);
    guarded_free(&result);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_rounding)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
