/* The fast transforms against the Walsh-Hadamard matrix from its definition: the sign of (i, j) is the parity of the bits of i & j. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "apply/hadamard.h"

static const size_t SIZES[] = {1, 2, 3, 8, 12, 24, 64, 75, 96, 160, 256, 1536};
#define COUNT (sizeof SIZES / sizeof *SIZES)

/* (H D)[i][j] */
static double element(const float *signs, size_t block, size_t i, size_t j) {
    if (i / block != j / block) return 0;
    double sign = __builtin_popcountll((i % block) & (j % block)) % 2 ? -1 : 1;
    return sign * (double)signs[j] / sqrt((double)block);
}

static void test_block(void **state) {
    (void)state;
    const size_t expected[][2] = {{1, 1}, {2, 2}, {3, 1}, {12, 4}, {64, 64}, {75, 1}, {96, 32}, {160, 32}, {1536, 512}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(wt_hadamard_block(expected[i][0]), expected[i][1]);
}

static void check_size(size_t n, wt_rng *rng) {
    float *signs = calloc(n, sizeof *signs), *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    float *down = calloc(3 * n, sizeof *down);
    double *d = calloc(n, sizeof *d);
    wt_hadamard_signs(rng, signs, n);
    wt_rotation r = {signs, n, wt_hadamard_block(n)};
    for (size_t i = 0; i < n; i++) {
        assert_true(signs[i] == 1 || signs[i] == -1);
        d[i] = wt_rng_normal(rng);
        x[i] = y[i] = (float)d[i];
        d[i] = (double)x[i];
        for (size_t c = 0; c < 3; c++) down[3 * i + c] = x[i] * (float)(c + 1);
    }
    wt_hadamard_apply(&r, y);
    wt_hadamard_apply_double(&r, d);
    wt_hadamard_apply_down(&r, down, 3, 1, 3);
    double length = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += element(signs, r.block, i, j) * (double)x[j];
        assert_true(fabs(d[i] - sum) < 1e-12 * sqrt((double)n));
        assert_true(fabs((double)y[i] - sum) < 1e-6 * sqrt((double)n));
        assert_true(down[3 * i] == x[i]);        /* a column that was not asked for */
        assert_true(down[3 * i + 1] == 2 * y[i]); /* the same steps along and down */
        length += d[i] * d[i];
        before += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(length - before) < 1e-12 * before);
    free(signs);
    free(x);
    free(y);
    free(down);
    free(d);
}

static void test_against_definition(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (size_t i = 0; i < COUNT; i++) check_size(SIZES[i], &rng);
}

static void test_none(void **state) {
    (void)state;
    wt_rotation none = {0};
    float x[2] = {1, 2};
    double d[2] = {1, 2};
    wt_hadamard_apply(&none, x);
    wt_hadamard_apply_down(&none, x, 1, 0, 1);
    wt_hadamard_apply_double(&none, d);
    assert_true(x[0] == 1 && x[1] == 2 && d[0] == 1 && d[1] == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
