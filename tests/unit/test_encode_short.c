/* Where no search is given: the short and the brief searches, and the descent of codes that the short one shares with stock. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "quant/encode.h"
#include "quant/encode_kernels.h"
#include "quant/importance.h"
#include "support/odd_weights.h"

static void *need(size_t bytes) {
    void *p = calloc(bytes ? bytes : 1, 1);
    assert_non_null(p);
    return p;
}

/* ---- weights that count as stock has it without importance ---- */

static const struct {
    wt_type type;
    double most; /* of the full search's error, on average */
} SHORT[] = {{WT_Q2_K, 1.06}, {WT_Q3_K, 1.03}, {WT_Q4_K, 1.03}, {WT_Q5_K, 1.06}};
#define N_SHORT (sizeof SHORT / sizeof *SHORT)

/* The encoding's error, which is a number only where every value is. */
static double error_of(wt_type type, const void *blocks, const float *x, const float *w, size_t n) {
    const double error = wt_encoding_error(type, x, w, n, blocks);
    assert_true(isfinite(error));
    return error;
}

/*
 * What the short search costs is a figure of 64 rows, some of which the full one writes almost exactly, so that their ratio has a long
 * tail (for Q3_K 1.016 on average over seeds, 1.032 at the 99th of them): measured on one fixed sample, it is the same on every run.
 */
static void test_short_cost(void **state) {
    (void)state;
    enum { N = 512, ROUNDS = 64 };
    for (size_t i = 0; i < N_SHORT; i++) {
        const wt_type type = SHORT[i].type;
        const wt_search full = wt_encoder_of(type)->search;
        unsigned char blocks[2 * N];
        double logs = 0.0;
        int compared = 0;
        wt_rng rng;
        wt_rng_init(&rng, 1, 7, 0);
        for (int round = 0; round < ROUNDS; round++) {
            float x[N], w[N];
            odd_weights(&rng, round, x, N);
            wt_importance_stock(type, x, NULL, N, w);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, NULL, blocks);
            const double by_short = error_of(type, blocks, x, w, N);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, &full, blocks);
            const double by_full = error_of(type, blocks, x, w, N);
            if (!(by_full > 0.0)) continue;
            logs += log(by_short / by_full);
            compared++;
        }
        const double ratio = exp(logs / compared);
        printf("%s: the short search's error is %.4f of the full one's\n", wt_type_find(type)->name, ratio);
        assert_true(compared > ROUNDS / 2);
        assert_true(ratio < SHORT[i].most);
    }
}

static void test_short(void **state) {
    (void)state;
    enum { N = 512, ROUNDS = 32 };
    static const float SCALES[] = {1.0f, 1e-3f, 1e3f, 1e-20f, 1e8f};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 7, 0);
    for (size_t i = 0; i < N_SHORT; i++) {
        const wt_type type = SHORT[i].type;
        const wt_search full = wt_encoder_of(type)->search;
        uint64_t bytes;
        assert_true(wt_type_row_bytes(type, N, &bytes));
        unsigned char *expected = need(bytes), *got = need(bytes);
        int differ = 0;
        for (int round = 0; round < ROUNDS; round++) {
            float x[N], w[N];
            odd_weights(&rng, round, x, N);
            for (size_t k = 0; k < N; k++) x[k] *= SCALES[round % 5];
            if (round % 8 == 7) memset(x + N / 2, 0, sizeof x / 2); /* a block of zeros, whose weights are all 0 */
            wt_importance_stock(type, x, NULL, N, w);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, NULL, expected);
            for (int level = 1; level <= (int)wt_cpu_best(); level++) {
                memset(got, 0xa5, bytes);
                wt_encode_at(type, (wt_cpu_level)level, x, w, N, NULL, got);
                if (memcmp(expected, got, bytes) != 0)
                    fail_msg("%s, round %d: %s writes other bytes", wt_type_find(type)->name, round,
                             wt_cpu_level_name((wt_cpu_level)level));
            }
            assert_true(error_of(type, expected, x, w, N) >= 0.0); /* and every value is finite */
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, &full, got);
            differ += memcmp(expected, got, bytes) != 0;
            if (type == WT_Q3_K) continue; /* whose default is a brief one: see below */
            w[0] += w[0] * 0.5f + 1.0f;    /* others: the full search, as if it were given */
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, NULL, expected);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, &full, got);
            assert_memory_equal(expected, got, bytes);
        }
        assert_true(differ > 0); /* it was the short one */
        free(expected);
        free(got);
    }
}

/* A block's bytes are its own, however many stand beside it and whatever they hold. */
static void test_short_alone(void **state) {
    (void)state;
    enum { BLOCK = 256, BLOCKS = 5, N = BLOCK * BLOCKS };
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 9, 0);
    for (size_t i = 0; i < N_SHORT; i++) {
        const wt_type type = SHORT[i].type;
        uint64_t bytes;
        assert_true(wt_type_row_bytes(type, N, &bytes));
        const size_t each = (size_t)bytes / BLOCKS;
        unsigned char *whole = need(bytes), *alone = need(bytes);
        for (int round = 0; round < 16; round++) {
            float x[N], w[N];
            odd_weights(&rng, round, x, N);
            if (round % 4 == 3) memset(x + BLOCK, 0, BLOCK * sizeof *x);
            wt_importance_stock(type, x, NULL, N, w);
            for (int level = 0; level <= (int)wt_cpu_best(); level++) {
                wt_encode_at(type, (wt_cpu_level)level, x, w, N, NULL, whole);
                for (size_t b = 0; b < BLOCKS; b++)
                    wt_encode_at(type, (wt_cpu_level)level, x + b * BLOCK, w + b * BLOCK, BLOCK, NULL,
                                 alone + b * each);
                assert_memory_equal(whole, alone, bytes);
            }
        }
        free(whole);
        free(alone);
    }
}

/* The descent of one lane, a division each time, as ggml has it. */
static void descend_plainly(const float *x, const float *w, size_t n, float lo, float hi, float inverse, float *q) {
    float qx = 0.0f, qq = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float y = x[i] * inverse;
        q[i] = rintf(y < lo ? lo : y > hi ? hi : y);
        qx += w[i] * x[i] * q[i];
        qq += w[i] * q[i] * q[i];
    }
    bool moved = true;
    for (int round = 0; round < 5 && moved; round++) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            float other_qx = qx - w[i] * x[i] * q[i], other_qq = qq - w[i] * q[i] * q[i];
            if (!(other_qx > 0.0f && other_qq > 0.0f)) continue;
            const float y = x[i] * other_qq / other_qx, to = rintf(y < lo ? lo : y > hi ? hi : y);
            if (to == q[i]) continue;
            other_qx += w[i] * x[i] * to;
            other_qq += w[i] * to * to;
            if (!(other_qx * other_qx * qq > qx * qx * other_qq)) continue;
            qx = other_qx, qq = other_qq, q[i] = to, moved = true;
        }
    }
}

/*
 * Codes move as with exact divisions, at every level, in one set and in two: weights on and beside the middle of two codes, far beyond
 * the highest one, tiny, and 0.
 */
static void test_descend(void **state) {
    (void)state;
    enum { N = 32, SETS = 2, ROUNDS = 300 };
    static const float RANGES[][2] = {{-4.0f, 3.0f}, {0.0f, 15.0f}, {0.0f, 63.0f}};
    static wt_lanes x[SETS][N], w[SETS][N], q[SETS][N];
    size_t apart = 0;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 10, 0);
    for (int round = 0; round < ROUNDS; round++) {
        const float lo = RANGES[round % 3][0], hi = RANGES[round % 3][1], size = powf(10.0f, (float)(round % 7) - 4.0f);
        const size_t n = round % 2 ? 16 : N;
        wt_descent_lanes l[SETS];
        for (int k = 0; k < SETS; k++) {
            l[k] = (wt_descent_lanes){.x = x[k], .w = w[k], .q = q[k]};
            for (int lane = 0; lane < WT_LANES; lane++) {
                for (size_t i = 0; i < n; i++) {
                    const double code = (double)lo + (double)(hi - lo) * wt_rng_uniform(&rng);
                    const int kind = (int)wt_rng_below(&rng, 6);
                    const double y = kind == 0   ? floor(code) + 0.5
                                     : kind == 1 ? floor(code) + 0.5 + 1e-4 * wt_rng_normal(&rng)
                                     : kind == 2 ? 40.0 * code
                                     : kind == 3 ? 0.0
                                                 : code;
                    x[k][i][lane] = size * (float)y;
                    w[k][i][lane] = kind == 4 ? x[k][i][lane] * x[k][i][lane] : (float)wt_rng_uniform(&rng);
                }
                l[k].inverse[lane] = (1.0f + 0.2f * (float)wt_rng_normal(&rng)) / size;
            }
        }
        for (int level = 0; level <= (int)wt_cpu_best(); level++) {
            for (size_t sets = 1; sets <= SETS; sets++) {
                wt_encode_kernels_at((wt_cpu_level)level)->descend(sets, n, lo, hi, l);
                for (size_t at = 0; at < sets * WT_LANES; at++) {
                    const size_t k = at / WT_LANES, lane = at % WT_LANES;
                    float own_x[N], own_w[N], expected[N];
                    for (size_t i = 0; i < n; i++) own_x[i] = x[k][i][lane], own_w[i] = w[k][i][lane];
                    descend_plainly(own_x, own_w, n, lo, hi, l[k].inverse[lane], expected);
                    for (size_t i = 0; i < n; i++) {
                        apart += q[k][i][lane] != rintf(own_x[i] * l[k].inverse[lane]);
                        if (q[k][i][lane] != expected[i])
                            fail_msg("round %d, %s, %zu sets, lane %zu: code %zu is %g, not %g", round,
                                     wt_cpu_level_name((wt_cpu_level)level), sets, at, i, (double)q[k][i][lane],
                                     (double)expected[i]);
                    }
                }
            }
        }
    }
    assert_true(apart > ROUNDS); /* some did move */
}

/* Where no search is given, Q3_K and Q6_K search less whatever the weights: other bytes than of the thorough search, and hardly worse ones. */
static void test_brief(void **state) {
    (void)state;
    enum { N = 512, ROUNDS = 64 };
    static const struct {
        wt_type type;
        double most; /* of the thorough search's error, on average */
    } TYPES[] = {{WT_Q3_K, 1.05}, {WT_Q6_K, 1.10}};
    for (int i = 0; i < 2; i++) {
        const wt_type type = TYPES[i].type;
        const wt_search full = wt_encoder_of(type)->search;
        uint64_t bytes;
        assert_true(wt_type_row_bytes(type, N, &bytes));
        unsigned char expected[2 * N], got[2 * N];
        double logs = 0.0;
        int compared = 0, differ = 0;
        wt_rng rng;
        wt_rng_init(&rng, 1, 8, (uint64_t)i);
        for (int round = 0; round < ROUNDS; round++) {
            float x[N], w[N];
            odd_weights(&rng, round, x, N);
            odd_importance(&rng, round / 8, w, N);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, NULL, expected);
            for (int level = 1; level <= (int)wt_cpu_best(); level++) {
                wt_encode_at(type, (wt_cpu_level)level, x, w, N, NULL, got);
                assert_memory_equal(got, expected, bytes);
            }
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, &full, got);
            differ += memcmp(expected, got, bytes) != 0;
            const double brief = error_of(type, expected, x, w, N), by_full = error_of(type, got, x, w, N);
            if (!(by_full > 0.0)) continue;
            logs += log(brief / by_full);
            compared++;
        }
        const double ratio = exp(logs / compared);
        printf("%s: the brief search's error is %.4f of the thorough one's; %d rows differ\n", wt_type_find(type)->name,
               ratio, differ);
        assert_true(compared > ROUNDS / 2 && differ > ROUNDS / 4);
        assert_true(ratio < TYPES[i].most);
    }
}

/* ---- types with a codebook: a pass less ---- */

static void test_codebooks_by_default(void **state) {
    (void)state;
    enum { N = 512 };
    static const wt_type types[] = {WT_IQ1_S, WT_IQ1_M, WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 31, 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        wt_search search = wt_encoder_of(types[i])->search;
        search.passes--;
        for (int round = 0; round < 8; round++) {
            float x[N], w[N];
            unsigned char by_default[2 * N] = {0}, by_search[2 * N] = {0};
            odd_weights(&rng, round, x, N);
            odd_importance(&rng, round, w, N);
            wt_encode(types[i], x, w, N, NULL, by_default);
            wt_encode(types[i], x, w, N, &search, by_search);
            if (memcmp(by_default, by_search, sizeof by_default) != 0)
                fail_msg("%s: the default is not the search with a pass less", wt_type_find(types[i])->name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codebooks_by_default), cmocka_unit_test(test_short),   cmocka_unit_test(test_short_cost),
        cmocka_unit_test(test_short_alone),          cmocka_unit_test(test_descend), cmocka_unit_test(test_brief),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
