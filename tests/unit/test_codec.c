/* Decoders against ggml's own bytes and floats, and every variant against the plain one. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "quant/codec_families.h"
#include "support/guarded.h"

static const wt_type DECODED[] = {
    WT_F32,   WT_F16,   WT_BF16,  WT_Q4_0,    WT_Q4_1,   WT_Q5_0,  WT_Q5_1,    WT_Q8_0,  WT_Q2_K, WT_Q3_K,
    WT_Q4_K,  WT_Q5_K,  WT_Q6_K,  WT_IQ4_NL,  WT_IQ4_XS, WT_MXFP4, WT_NVFP4,   WT_Q1_0,  WT_Q2_0, WT_TQ1_0,
    WT_TQ2_0, WT_IQ1_S, WT_IQ1_M, WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S,
};
#define N_DECODED (sizeof DECODED / sizeof *DECODED)

/* ---- golden vectors: the layout is in ../shared/golden/make_golden.c ---- */

static uint64_t read_number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* One encoding: `rows` rows of `row_bytes`, then the floats they decode to. Sources begin at every offset 0..3. */
static void check_encoding(const char *path, wt_type type, const unsigned char *rows, size_t n_rows, size_t row_bytes,
                           size_t cols, const unsigned char *floats) {
    guarded src = guarded_new(row_bytes + 4), dst = guarded_new(cols * sizeof(float));
    for (int level = 0; level <= (int)wt_cpu_best(); level++) {
        for (size_t r = 0; r < n_rows; r++) {
            unsigned char *from = guarded_tail(&src, row_bytes + r % 4);
            float *to = guarded_tail(&dst, cols * sizeof(float));
            memcpy(from, rows + r * row_bytes, row_bytes);
            wt_codec_at(type, (wt_cpu_level)level)->decode(from, to, cols);
            if (memcmp(to, floats + r * cols * 4, cols * 4) != 0)
                fail_msg("%s: row %zu decodes differently (%s)", path, r, wt_cpu_level_name((wt_cpu_level)level));
        }
    }
    guarded_free(&src);
    guarded_free(&dst);
}

static void check_golden(const char *folder, const char *name, wt_type type) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s.golden", WT_SOURCE_DIR, folder, name);
    wt_map map;
    wt_error err = {0};
    if (wt_map_open(&map, path, &err) != 0) fail_msg("%s", err.message);
    assert_true(map.size > 28 && memcmp(map.data, "GOLDEN1", 8) == 0);
    size_t rows = read_number(map.data + 12, 4), cols = read_number(map.data + 16, 4);
    size_t row_bytes = read_number(map.data + 20, 8), encoding = rows * (row_bytes + 4 * cols);
    size_t first = 28 + 4 * cols * (rows + 1);
    uint64_t expected;
    assert_int_equal(read_number(map.data + 8, 4), type);
    assert_true(wt_type_row_bytes(type, cols, &expected));
    assert_int_equal(row_bytes, expected);
    assert_int_equal(map.size, first + 2 * encoding);
    for (size_t i = 0; i < 2; i++) {
        const unsigned char *at = map.data + first + i * encoding;
        check_encoding(path, type, at, rows, row_bytes, cols, at + rows * row_bytes);
    }
    wt_map_close(&map);
}

static void test_golden(void **state) {
    (void)state;
    static const struct {
        const char *name;
        wt_type type;
    } files[] = {
        {"q4_0", WT_Q4_0},       {"q4_1", WT_Q4_1},     {"q5_0", WT_Q5_0},     {"q5_1", WT_Q5_1},
        {"q8_0", WT_Q8_0},       {"q2_K", WT_Q2_K},     {"q3_K", WT_Q3_K},     {"q4_K", WT_Q4_K},
        {"q5_K", WT_Q5_K},       {"q6_K", WT_Q6_K},     {"iq4_nl", WT_IQ4_NL}, {"iq4_xs", WT_IQ4_XS},
        {"mxfp4", WT_MXFP4},     {"nvfp4", WT_NVFP4},   {"q1_0", WT_Q1_0},     {"q2_0", WT_Q2_0},
        {"tq1_0", WT_TQ1_0},     {"tq2_0", WT_TQ2_0},   {"iq1_s", WT_IQ1_S},   {"iq1_m", WT_IQ1_M},
        {"iq2_xxs", WT_IQ2_XXS}, {"iq2_xs", WT_IQ2_XS}, {"iq2_s", WT_IQ2_S},   {"iq3_xxs", WT_IQ3_XXS},
        {"iq3_s", WT_IQ3_S},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_golden("tests/data/golden", files[i].name, files[i].type);
}

/* ---- variants ---- */

/*
 * Random bytes make every code, and scales that are infinite, NaN or subnormal. Rows of 0 to some blocks, sources at
 * odd addresses, both buffers up against a guard page; what lies before the destination stays. Any NaN will do
 * for another, but in Q1_0, which only copies them.
 */
static void test_variants(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    for (size_t t = 0; t < N_DECODED; t++) {
        const wt_type_info *info = wt_type_find(DECODED[t]);
        for (size_t blocks = 0; blocks < (info->block == 1 ? 71 : 5); blocks++) {
            size_t n = blocks * info->block, bytes = blocks * info->block_bytes;
            guarded src = guarded_new(bytes + 3), expected = guarded_new(4 * n + 4), got = guarded_new(4 * n + 4);
            for (int round = 0; round < 40; round++) {
                unsigned char *from = guarded_tail(&src, bytes + (size_t)round % 4);
                for (size_t i = 0; i < bytes; i++) from[i] = (unsigned char)wt_rng_next(&rng);
                float *a = guarded_tail(&expected, 4 * n), *b = guarded_tail(&got, 4 * n);
                wt_codec_at(DECODED[t], WT_CPU_REFERENCE)->decode(from, a, n);
                for (int level = 1; level <= (int)wt_cpu_best(); level++) {
                    b[-1] = 42.0f;
                    memset(b, 0xa5, 4 * n);
                    wt_codec_at(DECODED[t], (wt_cpu_level)level)->decode(from, b, n);
                    assert_true(b[-1] == 42.0f);
                    for (size_t i = 0; i < n; i++) {
                        if (!(DECODED[t] == WT_Q1_0 ? memcmp(a + i, b + i, 4) == 0 : same_float(a[i], b[i])))
                            fail_msg("%s, %s: weight %zu of %zu is %a, not %a", info->name,
                                     wt_cpu_level_name((wt_cpu_level)level), i, n, (double)b[i], (double)a[i]);
                    }
                }
            }
            guarded_free(&src);
            guarded_free(&expected);
            guarded_free(&got);
        }
    }
}

/*
 * wt_decode_streaming at every place of a cache line (the guard stands at the end, so that what lies between moves the
 * beginning), of less than a line to some of its pieces; the floats before and after stay.
 */
static void test_streaming(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, 0);
    for (size_t t = 0; t < N_DECODED; t++) {
        const wt_type_info *info = wt_type_find(DECODED[t]);
        size_t last = SIZE_MAX;
        for (size_t weights = 0; weights < 2100; weights += weights < 100 ? 1 : 31) {
            const size_t blocks = weights / info->block, n = blocks * info->block, bytes = blocks * info->block_bytes;
            if (n == last) continue;
            last = n;
            guarded src = guarded_new(bytes + 3), expected = guarded_new(4 * n + 4), got = guarded_new(4 * n + 72);
            unsigned char *from = guarded_tail(&src, bytes + weights % 4);
            for (size_t i = 0; i < bytes; i++) from[i] = (unsigned char)wt_rng_next(&rng);
            float *a = guarded_tail(&expected, 4 * n);
            wt_codec_of(DECODED[t])->decode(from, a, n);
            for (size_t after = 0; after < 17; after++) {
                float *b = (float *)guarded_tail(&got, 4 * (n + after));
                memset(b, 0xa5, 4 * (n + after));
                b[-1] = 42.0f;
                if (after) b[n] = 43.0f;
                wt_decode_streaming(DECODED[t], from, b, n);
                if (memcmp(a, b, 4 * n) != 0)
                    fail_msg("%s: %zu weights, %zu floats from the end, are streamed differently", info->name, n,
                             after);
                assert_true(b[-1] == 42.0f && (!after || b[n] == 43.0f));
            }
            guarded_free(&src);
            guarded_free(&expected);
            guarded_free(&got);
        }
    }
}

/* ---- halves ---- */

/* By the definition: sign, 5 bits of exponent, 10 of fraction. */
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 0   ? ldexp(fraction, -24)
               : exponent < 31 ? ldexp(1024 + fraction, exponent - 25)
               : fraction == 0 ? (double)INFINITY
                               : (double)NAN;
    return h & 0x8000 ? -v : v;
}

static void test_every_half(void **state) {
    (void)state;
    static uint16_t all[65536];
    static float out[65536];
    for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    for (int level = 0; level <= (int)wt_cpu_best(); level++) {
        wt_codec_at(WT_F16, (wt_cpu_level)level)->decode(all, out, 65536);
        for (int i = 0; i < 65536; i++) {
            assert_true(same_float(out[i], (float)half_value(all[i])));
            assert_true(same_float(out[i], wt_f16_to_f32(all[i])));
        }
        wt_codec_at(WT_BF16, (wt_cpu_level)level)->decode(all, out, 65536);
        for (int i = 0; i < 65536; i++) {
            uint32_t bits;
            memcpy(&bits, &out[i], 4);
            assert_true(bits == (uint32_t)i << 16);
        }
    }
    for (int i = 0; i < 65536; i++) {
        uint16_t back = wt_f32_to_f16(wt_f16_to_f32(all[i]));
        if ((i & 0x7fff) > 0x7c00)
            assert_true((back & 0x7fff) > 0x7c00 && (back & 0x8000) == (i & 0x8000));
        else
            assert_int_equal(back, i);
    }
}

/* Every byte that is a scale, by the definitions: MXFP4's a power of 2, NVFP4's half of an E4M3. */
static void test_scale_bytes(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        int exponent = byte >> 3 & 15, fraction = byte & 7;
        double e4m3 = exponent ? ldexp(8 + fraction, exponent - 10) : ldexp(fraction, -9);
        assert_true((double)wt_mxfp4_scale((uint8_t)byte) == ldexp(1.0, byte - 128));
        assert_true((double)wt_nvfp4_scale((uint8_t)byte) == (byte == 0x7f ? 0.0 : e4m3 / 2));
    }
}

/* The nearest half, of two equally near the even one; 65520 and above is infinity. */
static void check_rounding(float f) {
    uint16_t h = wt_f32_to_f16(f);
    double x = fabs((double)f), got = half_value(h & 0x7fff);
    assert_int_equal(h >> 15, signbit(f) != 0);
    if (x >= 65520.0) {
        assert_int_equal(h & 0x7fff, 0x7c00);
        return;
    }
    assert_true((h & 0x7fff) < 0x7c00);
    uint16_t magnitude = h & 0x7fff;
    double above = magnitude == 0x7bff ? 65536.0 : half_value((uint16_t)(magnitude + 1)), error = fabs(x - got);
    if (fabs(above - x) < error || (fabs(above - x) == error && magnitude % 2)) fail_msg("%a becomes %a", x, got);
    if (magnitude == 0) return;
    double below = half_value((uint16_t)(magnitude - 1));
    if (fabs(below - x) < error || (fabs(below - x) == error && magnitude % 2)) fail_msg("%a becomes %a", x, got);
}

static void test_rounding_to_half(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    for (int i = 0; i < 0x7c00; i++) { /* between neighbours: the middle, and a hair to each side */
        float middle = (float)((half_value((uint16_t)i) + (i == 0x7bff ? 65536.0 : half_value((uint16_t)(i + 1)))) / 2);
        float near[3] = {nextafterf(middle, 0.0f), middle, nextafterf(middle, INFINITY)};
        for (int k = 0; k < 3; k++) {
            check_rounding(near[k]);
            check_rounding(-near[k]);
        }
    }
    for (int i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)wt_rng_next(&rng);
        float f;
        memcpy(&f, &bits, sizeof f);
        if (f == f) check_rounding(f);
    }
}

/* ---- the table ---- */

static void test_table(void **state) {
    (void)state;
    for (size_t t = 0; t < N_DECODED; t++) {
        assert_non_null(wt_codec_of(DECODED[t])->decode);
        assert_ptr_equal(wt_codec_of(DECODED[t]), wt_codec_at(DECODED[t], wt_cpu_chosen()));
    }
    static const int none[] = {WT_I8, WT_I64, WT_F64, 4, 15, WT_TYPE_LIMIT, 1000, -1};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_null(wt_codec_of((wt_type)none[i])->decode);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_variants),         cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_every_half),  cmocka_unit_test(test_rounding_to_half), cmocka_unit_test(test_table),
        cmocka_unit_test(test_scale_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
