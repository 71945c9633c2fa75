/* Roundings of activations and caches: against ggml's own encodings, every half, definitions in double, and odd input. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "engine/activations.h"
#include "engine/cache_form.h"
#include "engine/kernels.h"
#include "quant/codec.h"

static uint32_t bits(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

/* ---- ggml's encodings: the layout is in ../shared/golden/make_golden.c ---- */

static uint64_t read_number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* Rounding the file's floats gives, to the bit, what ggml's plain encoding decodes to. */
static void check_golden(const char *name, wt_rounding rounding) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/golden/%s.golden", WT_SOURCE_DIR, name);
    wt_map map;
    wt_error err = {0};
    if (wt_map_open(&map, path, &err) != 0) fail_msg("%s", err.message);
    size_t rows = read_number(map.data + 12, 4), cols = read_number(map.data + 16, 4);
    size_t row_bytes = read_number(map.data + 20, 8);
    assert_true(rows > 0 && cols > 0 && map.size >= 28 + 4 * cols * (2 * rows + 1) + rows * row_bytes);
    float *x = malloc(cols * sizeof *x), *expected = malloc(cols * sizeof *x), *y = malloc(cols * sizeof *x);
    assert_true(x && expected && y);
    for (size_t r = 0; r < rows; r++) {
        memcpy(x, map.data + 28 + r * cols * 4, cols * 4);
        memcpy(expected, map.data + 28 + 4 * cols * (rows + 1) + rows * row_bytes + r * cols * 4, cols * 4);
        wt_round(rounding, x, y, cols);
        for (size_t i = 0; i < cols; i++) {
            if (y[i] != expected[i])
                fail_msg("%s: row %zu, %zu: %a becomes %a, not %a", name, r, i, (double)x[i], (double)y[i],
                         (double)expected[i]);
        }
    }
    free(x);
    free(expected);
    free(y);
    wt_map_close(&map);
}

static void test_golden(void **state) {
    (void)state;
    check_golden("q8_0", WT_ROUND_Q8_0);
    check_golden("q4_0", WT_ROUND_Q4_0);
    check_golden("q4_1", WT_ROUND_Q4_1);
    check_golden("q5_0", WT_ROUND_Q5_0);
    check_golden("q5_1", WT_ROUND_Q5_1);
}

/* ---- 16-bit floats ---- */

/* Every half, its neighbours in between, and what lies outside, against the codec's conversions. */
static void check_half(float x) {
    float y, expected = wt_f16_to_f32(wt_f32_to_f16(x));
    wt_round(WT_ROUND_F16, &x, &y, 1);
    if (bits(y) != bits(expected) && !(isnan(y) && isnan(expected)))
        fail_msg("%a becomes %a, not %a", (double)x, (double)y, (double)expected);
}

static void test_halves(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = wt_f16_to_f32((uint16_t)h), next = wt_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)(((double)x + (double)next) / 2);
        float tries[] = {x, middle, nextafterf(middle, INFINITY), nextafterf(middle, -INFINITY)};
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) check_half(tries[i]);
    }
    static const float ODD[] = {65519.0f, 65519.996f, 65520.0f, 65536.0f,
                                3e38f,    1e-45f,     2.9e-8f,  2.98023223876953125e-8f,
                                2.99e-8f, INFINITY,   NAN,      0.0f};
    for (size_t i = 0; i < sizeof ODD / sizeof *ODD; i++) {
        check_half(ODD[i]);
        check_half(-ODD[i]);
    }
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 40, 0);
    for (int i = 0; i < 300000; i++) {
        uint32_t any = (uint32_t)wt_rng_next(&rng);
        float x;
        memcpy(&x, &any, sizeof x);
        check_half(x);
        float y, low, high;
        wt_round(WT_ROUND_BF16, &x, &y, 1);
        for (int level = 0; level <= (int)wt_cpu_best(); level++) { /* what products convert with: the same rounding */
            uint16_t half;
            wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level))->to_bf16(&half, &x, 1);
            uint32_t whole = (uint32_t)half << 16;
            float z;
            memcpy(&z, &whole, sizeof z);
            assert_true(isnan(x) ? isnan(z) : bits(z) == bits(y));
        }
        if (isnan(x)) {
            assert_true(isnan(y));
            continue;
        }
        uint32_t down = any & 0xffff0000u, up = down + 0x10000u; /* y is one of the two, and the nearer */
        memcpy(&low, &down, sizeof low);
        memcpy(&high, &up, sizeof high);
        double below = fabs((double)x - (double)low), above = fabs((double)high - (double)x);
        if (isinf(high) || isnan(high)) continue;
        assert_true(below < above   ? bits(y) == down
                    : above < below ? bits(y) == up
                                    : bits(y) == (down & 0x10000u ? up : down));
    }
}

/* ---- 8-bit blocks by their definitions ---- */

static void test_eight_bits(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 41, 0);
    for (int round = 0; round < 2000; round++) {
        float x[512], y[512];
        float size = (float)exp(round % 17 - 8.0);
        for (size_t i = 0; i < 512; i++) x[i] = size * (float)wt_rng_normal(&rng);
        wt_rounding rounding = round % 2 ? WT_ROUND_Q8_0 : WT_ROUND_Q8_K;
        size_t block = wt_rounding_block(rounding);
        assert_int_equal(block, round % 2 ? 32 : 256);
        wt_round(rounding, x, y, 512);
        for (size_t b = 0; b < 512; b += block) {
            double most = 0;
            for (size_t i = b; i < b + block; i++) most = fmax(most, fabs((double)x[i]));
            double scale = most / 127;
            double slack = round % 2 ? scale * 127 * 0x1p-11 + 0x1p-25 * 127 : most * 0x1p-22; /* of the stored scale */
            double worst = 0;
            for (size_t i = b; i < b + block; i++) {
                double error = fabs((double)y[i] - (double)x[i]);
                if (error > scale / 2 * 1.0001 + slack)
                    fail_msg("%a is off by %g; the step is %g", (double)x[i], error, scale);
                worst = fmax(worst, error);
            }
            /* 32 and 256 random numbers do not all lie within a quarter step, unless it is no rounding at all */
            if (most < 60000) assert_true(worst > scale / 8);
        }
        float again[512];
        memcpy(again, x, sizeof x);
        wt_round(rounding, again, again, 512); /* in place */
        assert_memory_equal(again, y, sizeof y);
    }
}

/* A scale that halves cannot hold: by hand. */
static void test_by_hand(void **state) {
    (void)state;
    float x[32] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.49f}, y[32];
    wt_round(WT_ROUND_Q8_0, x, y, 32); /* scale 1: halves go to the even neighbour, as vector units round */
    static const float EXPECTED[] = {127.0f, 0.0f, 2.0f, 2.0f, -0.0f, -2.0f, 126.0f, 0.0f};
    for (size_t i = 0; i < 8; i++) assert_true(y[i] == EXPECTED[i]);
    for (size_t i = 0; i < 32; i++) x[i] = 100.0f * (float)i;
    wt_round(WT_ROUND_Q8_0, x, y, 32);
    float kept = wt_f16_to_f32(wt_f32_to_f16(3100.0f / 127.0f));
    for (size_t i = 0; i < 32; i++) assert_true(y[i] == kept * (float)rint(127.0f / 3100.0f * x[i]));
    for (size_t i = 0; i < 32; i++) x[i] = i == 3 ? -12.7f : 0.0127f; /* IQ4_NL: the extreme one has code -127 */
    wt_round(WT_ROUND_IQ4_NL, x, y, 32);
    kept = wt_f16_to_f32(wt_f32_to_f16(0.1f));
    assert_true(fabsf(y[3] + 127.0f * kept) < 1e-3f && fabsf(y[0] - kept) < 1e-3f);
}

/* The sum that minima meet is d times the sum of the codes, rounded to F16; d itself is rounded only for the values. */
static void test_excess(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 43, 0);
    double largest = 0;
    for (int round = 0; round < 1000; round++) {
        float x[64], y[64], excess[2];
        for (size_t i = 0; i < 64; i++) x[i] = (float)wt_rng_normal(&rng) + 0.5f;
        wt_round(WT_ROUND_Q8_1, x, y, 64);
        wt_q8_1_excess(x, excess, 64);
        for (size_t b = 0; b < 2; b++) {
            float most = 0;
            for (size_t i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[32 * b + i]));
            float d = most / 127.0f, kept = wt_f16_to_f32(wt_f32_to_f16(d));
            double sum = 0, codes = 0;
            for (size_t i = 0; i < 32; i++) {
                sum += (double)y[32 * b + i];
                codes += rint((double)y[32 * b + i] / (double)kept);
            }
            float stored = wt_f16_to_f32(wt_f32_to_f16((float)codes * d));
            assert_true(fabs(sum + (double)excess[b] - (double)stored) < 1e-5);
            largest = fmax(largest, fabs((double)excess[b]));
        }
    }
    assert_true(largest > 1e-3);
}

/* ---- the cache's form ---- */

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Products of queries with keys and results of values survive the form but for what the blocks' steps allow. */
static void check_form(wt_type type, size_t d, size_t expected_rotation, double step) {
    wt_cache_form form;
    wt_error err = {0};
    assert_int_equal(wt_cache_form_init(&form, type, type, WT_ACTIVATIONS_Q8, d, &err), 0);
    assert_int_equal(form.key_rotation, expected_rotation);
    assert_int_equal(form.value_rotation, expected_rotation ? 64 : 0);
    assert_int_equal(form.key_dim, d + (type == WT_Q4_1 || type == WT_Q5_1 ? d / 32 : 0));
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 44, d);
    double off = 0, size = 0, value_off = 0, value_size = 0;
    for (int round = 0; round < 200; round++) {
        float q[256], k[256], v[256], before[3][256], formed[3][256 + 8];
        for (size_t i = 0; i < d; i++) {
            q[i] = before[0][i] = (float)wt_rng_normal(&rng);
            k[i] = before[1][i] = (float)wt_rng_normal(&rng) + (i % 64 == 3 ? 8.0f : 0.0f); /* a channel stands out */
            v[i] = before[2][i] = (float)wt_rng_normal(&rng);
        }
        wt_cache_form_query(&form, q, formed[0]);
        wt_cache_form_key(&form, k, formed[1]);
        wt_cache_form_value(&form, v, formed[2]);
        double error = dot(formed[0], formed[1], form.key_dim) - dot(before[0], before[1], d);
        off += error * error;
        size += dot(before[0], before[0], d) * dot(before[1], before[1], d) / (double)d;
        wt_cache_form_result(&form, formed[2]);
        for (size_t i = 0; i < d; i++) value_off += pow((double)formed[2][i] - (double)before[2][i], 2);
        value_size += dot(before[2], before[2], d);
    }
    if (sqrt(off / size) > step) fail_msg("%s: products are off by %g", wt_type_find(type)->name, sqrt(off / size));
    if (sqrt(value_off / value_size) > step)
        fail_msg("%s: values are off by %g", wt_type_find(type)->name, sqrt(value_off / value_size));
    assert_true(value_off > 0 || type == WT_F32);
}

static void test_cache_form(void **state) {
    (void)state;
    check_form(WT_F32, 20, 0, 1e-7);
    check_form(WT_F16, 20, 0, 1e-3);
    check_form(WT_BF16, 20, 0, 1e-2);
    check_form(WT_Q8_0, 64, 64, 2e-2);
    check_form(WT_Q8_0, 128, 128, 2e-2);
    check_form(WT_Q8_0, 192, 64, 2e-2);
    check_form(WT_Q4_0, 256, 256, 0.15); /* without the rotation keys lie further off */
    check_form(WT_Q5_1, 128, 128, 0.06);
    check_form(WT_Q4_1, 64, 64, 0.12);
    check_form(WT_IQ4_NL, 64, 64, 0.12);
    check_form(WT_Q5_0, 32, 0, 0.4);
}

/* ---- odd blocks ---- */

static void test_odd(void **state) {
    (void)state;
    for (int rounding = WT_ROUND_NONE; rounding < WT_ROUNDINGS; rounding++) {
        float x[256] = {0}, y[256];
        wt_round((wt_rounding)rounding, x, y, 256);
        for (size_t i = 0; i < 256; i++) assert_true(y[i] == 0.0f);
        for (size_t i = 0; i < 256; i++) x[i] = i % 2 ? 1e-42f : -1e-44f; /* too small for any scale */
        wt_round((wt_rounding)rounding, x, y, 256);
        for (size_t i = 0; i < 256; i++) assert_true(isnan(y[i]) || fabsf(y[i]) <= 0x1p-20f);
        for (size_t i = 0; i < 256; i++) x[i] = (float)i;
        x[70] = NAN;
        wt_round((wt_rounding)rounding, x, y, 256);
        assert_true(isnan(y[70]));
        if (rounding != WT_ROUND_Q8_K) {
            for (size_t i = 0; i < 64; i++) assert_true(isfinite(y[i]));
        }
        x[70] = INFINITY;
        wt_round((wt_rounding)rounding, x, y, 256);
        assert_false(isfinite(y[70]));
        x[70] = 3e38f; /* its block's scale overflows a half */
        wt_round((wt_rounding)rounding, x, y, 256);
        assert_true(rounding == WT_ROUND_Q8_K || rounding == WT_ROUND_NONE || rounding == WT_ROUND_BF16 ||
                    !isfinite(y[70]));
        wt_round((wt_rounding)rounding, x, y, 0);
    }
}

static void test_tables(void **state) {
    (void)state;
    static const wt_type CACHES[] = {WT_F32, WT_F16, WT_BF16, WT_Q8_0, WT_Q4_0, WT_Q4_1, WT_Q5_0, WT_Q5_1, WT_IQ4_NL};
    size_t found = 0;
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        const wt_type_info *info = wt_type_find((uint32_t)type);
        wt_rounding rounding = WT_ROUNDINGS;
        if (wt_rounding_of_cache((wt_type)type, &rounding)) {
            assert_true(found < sizeof CACHES / sizeof *CACHES);
            assert_int_equal(wt_rounding_block(rounding), info->block);
            found++;
        }
        if (!info || info->block == 1) continue;
        /* Rows that fit the weights' blocks fit those of their input. */
        size_t block = wt_rounding_block(wt_rounding_of_input((wt_type)type));
        assert_true(block > 1 && info->block % block == 0);
    }
    assert_int_equal(found, sizeof CACHES / sizeof *CACHES);
    assert_int_equal(wt_rounding_of_input(WT_F32), WT_ROUND_NONE);
    assert_int_equal(wt_rounding_of_input(WT_F16), WT_ROUND_F16);
    assert_int_equal(wt_rounding_of_input(WT_BF16), WT_ROUND_BF16);
    assert_int_equal(wt_rounding_of_input(WT_Q6_K), WT_ROUND_Q8_K);
    assert_int_equal(wt_rounding_of_input(WT_IQ4_NL), WT_ROUND_Q8_0);
    assert_int_equal(wt_rounding_of_input(WT_IQ4_XS), WT_ROUND_Q8_K);
}

/* Every argument that the table knows, and some that it does not. */
static void test_gelu_table(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = wt_f16_to_f32((uint16_t)h), up = 2.0f, y = x;
        if (isnan(x)) continue;
        wt_gelu_table_mul(&y, &up, 1);
        double z = (double)x, exact = 0.5 * z * (1 + tanh(0.79788456080286535588 * z * (1 + 0.044715 * z * z)));
        if (x >= 10) exact = z;
        if (x <= -10) exact = 0;
        double half = (double)wt_f16_to_f32(wt_f32_to_f16((float)exact));
        double step = fabs(half) > 0x1p-14 ? fabs(half) * 0x1p-10 : 0x1p-24; /* it may fall on the other side */
        step += fabs(z) * 0x1p-23;                                           /* 1 + tanh cancels where it is small */
        if (fabs(x) >= 10 ? (double)y != 2 * exact : fabs((double)y / 2 - half) > step)
            fail_msg("gelu(%a) is %a, not %a", z, (double)y / 2, half);
    }
    float x[300], up[300], again[300];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 42, 0);
    for (size_t i = 0; i < 300; i++) {
        again[i] = x[i] = 5.0f * (float)wt_rng_normal(&rng);
        up[i] = (float)wt_rng_normal(&rng);
    }
    wt_gelu_table_mul(x, up, 300); /* more than it takes at a time */
    for (size_t i = 0; i < 300; i++) wt_gelu_table_mul(again + i, up + i, 1);
    assert_memory_equal(x, again, sizeof x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_halves), cmocka_unit_test(test_eight_bits),
        cmocka_unit_test(test_by_hand),    cmocka_unit_test(test_odd),    cmocka_unit_test(test_tables),
        cmocka_unit_test(test_gelu_table), cmocka_unit_test(test_excess), cmocka_unit_test(test_cache_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
