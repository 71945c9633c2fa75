/* Encoders: never worse than ggml's own bytes, the same from every variant, exact where they say so, and sound on extremes. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/encode.h"
#include "quant/importance.h"
#include "support/odd_weights.h"

static const struct {
    const char *name;
    wt_type type;
    bool better; /* by 3% on average here too; Q3_K is on models' matrices (bench_encode), not on rows as odd as these */
} GOLDEN[] = {
    {"q4_0", WT_Q4_0, false},     {"q4_1", WT_Q4_1, false},     {"q5_0", WT_Q5_0, false},   {"q5_1", WT_Q5_1, false},
    {"q8_0", WT_Q8_0, false},     {"q2_K", WT_Q2_K, true},      {"q3_K", WT_Q3_K, false},    {"q4_K", WT_Q4_K, true},
    {"q5_K", WT_Q5_K, true},      {"q6_K", WT_Q6_K, true},      {"iq4_nl", WT_IQ4_NL, true}, {"iq4_xs", WT_IQ4_XS, true},
    {"mxfp4", WT_MXFP4, false},   {"nvfp4", WT_NVFP4, false},   {"q1_0", WT_Q1_0, false},   {"q2_0", WT_Q2_0, false},
    {"tq1_0", WT_TQ1_0, false},   {"tq2_0", WT_TQ2_0, false},   {"iq1_s", WT_IQ1_S, false}, {"iq1_m", WT_IQ1_M, false},
    {"iq2_xxs", WT_IQ2_XXS, false}, {"iq2_xs", WT_IQ2_XS, false}, {"iq2_s", WT_IQ2_S, false},
    {"iq3_xxs", WT_IQ3_XXS, false}, {"iq3_s", WT_IQ3_S, false},
};
#define N_GOLDEN (sizeof GOLDEN / sizeof *GOLDEN)

static void *need(size_t bytes) {
    void *p = calloc(bytes ? bytes : 1, 1);
    assert_non_null(p);
    return p;
}

/* ---- against ggml's bytes ---- */

typedef struct golden {
    wt_map map;
    size_t rows, columns, row_bytes;
    const unsigned char *x, *importance, *bytes[2]; /* bytes: without and with importance */
} golden;

static void golden_open(golden *g, const char *name) {
    char path[512];
    wt_error err = {0};
    snprintf(path, sizeof path, "%s/tests/data/golden/%s.golden", WT_SOURCE_DIR, name);
    if (wt_map_open(&g->map, path, &err) != 0) fail_msg("%s", err.message);
    uint32_t head[3];
    uint64_t row_bytes;
    memcpy(head, g->map.data + 8, sizeof head);
    memcpy(&row_bytes, g->map.data + 20, sizeof row_bytes);
    g->rows = head[1];
    g->columns = head[2];
    g->row_bytes = row_bytes;
    g->x = g->map.data + 28;
    g->importance = g->x + 4 * g->rows * g->columns;
    g->bytes[0] = g->importance + 4 * g->columns;
    g->bytes[1] = g->bytes[0] + g->rows * (g->row_bytes + 4 * g->columns);
}

/* By default, or as strategies start. */
static void check_against_stock(bool thorough) {
    for (size_t i = 0; i < N_GOLDEN; i++) {
        wt_type type = GOLDEN[i].type;
        if (!wt_encoder_of(type)->exists) {
            print_message("no encoder of %s\n", GOLDEN[i].name);
            continue;
        }
        golden g;
        golden_open(&g, GOLDEN[i].name);
        float *x = need(4 * g.columns), *h = need(4 * g.columns), *w = need(4 * g.columns);
        unsigned char *ours = need(g.row_bytes);
        memcpy(h, g.importance, 4 * g.columns);
        for (int weighted = wt_encoder_of(type)->needs_importance; weighted < 2; weighted++) {
            double logs = 0.0;
            size_t counted = 0;
            for (size_t r = 0; r < g.rows; r++) {
                memcpy(x, g.x + 4 * r * g.columns, 4 * g.columns);
                wt_importance_stock(type, x, weighted ? h : NULL, g.columns, w);
                wt_encode(type, x, w, g.columns, thorough ? &wt_encoder_of(type)->search : NULL, ours);
                double a = wt_encoding_error(type, x, w, g.columns, ours);
                double b = wt_encoding_error(type, x, w, g.columns, g.bytes[weighted] + r * g.row_bytes);
                if (!(a <= b * (1.0 + 1e-6)))
                    fail_msg("%s, row %zu, %s importance: %.9g, stock %.9g", GOLDEN[i].name, r,
                             weighted ? "with" : "without", a, b);
                if (a == 0.0 || b == 0.0) continue;
                logs += log(a / b);
                counted++;
            }
            if (GOLDEN[i].better && !(counted > 0 && logs / (double)counted < log(0.97)))
                fail_msg("%s: only %.4f of stock's error on average", GOLDEN[i].name, exp(logs / (double)counted));
        }
        free(x);
        free(h);
        free(w);
        free(ours);
        wt_map_close(&g.map);
    }
}

static void test_not_worse_than_stock(void **state) {
    (void)state;
    check_against_stock(false);
}

static void test_thorough_not_worse_than_stock(void **state) {
    (void)state;
    check_against_stock(true);
}

/* ---- variants ---- */

static void test_variants(void **state) {
    (void)state;
    enum { N = 512 };
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    float x[N], w[N];
    for (size_t i = 0; i < N_GOLDEN; i++) {
        wt_type type = GOLDEN[i].type;
        const wt_encoder *encoder = wt_encoder_of(type);
        if (!encoder->exists) continue;
        uint64_t bytes;
        assert_true(wt_type_row_bytes(type, N, &bytes));
        unsigned char *expected = need(bytes), *got = need(bytes);
        for (int round = 0; round < 48; round++) {
            wt_search search = encoder->search;
            if (round >= 32) {
                search.steps = 1 + (int)wt_rng_below(&rng, 30);
                search.passes = (int)wt_rng_below(&rng, 4);
                search.bias = 0.9f + 0.2f * (float)wt_rng_uniform(&rng);
                search.symmetric = round % 2;
            }
            odd_weights(&rng, round, x, N);
            odd_importance(&rng, round / 8, w, N);
            wt_encode_at(type, WT_CPU_REFERENCE, x, w, N, &search, expected);
            for (int level = 1; level <= (int)wt_cpu_best(); level++) {
                memset(got, 0xa5, bytes);
                wt_encode_at(type, (wt_cpu_level)level, x, w, N, &search, got);
                if (memcmp(expected, got, bytes) != 0)
                    fail_msg("%s, round %d: %s writes other bytes", GOLDEN[i].name, round,
                             wt_cpu_level_name((wt_cpu_level)level));
            }
        }
        free(expected);
        free(got);
    }
}

/* ---- exact on the candidates: against trying them all in double precision ---- */

static double nearest_error(const float *x, const float *w, size_t n, double scale, const double *values, int count) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double least = INFINITY;
        for (int v = 0; v < count; v++) {
            double e = (double)x[i] - scale * values[v];
            if (e * e < least) least = e * e;
        }
        sum += (double)w[i] * least;
    }
    return sum;
}

/* The two values nearest to y, by index, the nearer one first; one twice where floats can tell which it is. */
static void nearest_two(double y, const double *values, int count, int *two) {
    two[0] = 0;
    for (int v = 1; v < count; v++) {
        if (fabs(y - values[v]) < fabs(y - values[two[0]])) two[0] = v;
    }
    two[1] = two[0];
    for (int v = 0; v < count; v++) {
        if (v != two[0] && fabs(y - values[v]) - fabs(y - values[two[0]]) <= 1e-6 * (1.0 + fabs(y))) two[1] = v;
    }
}

/*
 * The least error over the search's candidates, each refitted and rounded to a half. The candidate that puts the largest weight in the
 * middle between two values may go either way in floats: it counts as the worse of both.
 */
static double brute_force(const float *x, const float *w, size_t n, const double *values, int count,
                          const wt_search *search) {
    double max = 0.0, least = INFINITY;
    for (size_t i = 0; i < n; i++) max = fabs((double)x[i]) > fabs(max) ? (double)x[i] : max;
    for (int s = 0; s < search->steps; s++) {
        double t = (double)search->lo + ((double)search->hi - (double)search->lo) * s / (search->steps - 1);
        double inverse = (values[0] - t) / max, qx[2] = {0}, qq[2] = {0}, error = 0.0;
        for (size_t i = 0; i < n; i++) {
            int two[2];
            nearest_two((double)x[i] * inverse, values, count, two);
            for (int way = 0; way < 2; way++) {
                qx[way] += (double)w[i] * (double)x[i] * values[two[way]];
                qq[way] += (double)w[i] * values[two[way]] * values[two[way]];
            }
        }
        for (int way = 0; way < 2; way++) {
            if (!(qq[way] > 0.0)) continue;
            double scale = (double)wt_f16_to_f32(wt_f32_to_f16((float)(qx[way] / qq[way])));
            double own = nearest_error(x, w, n, scale, values, count);
            error = own > error ? own : error;
        }
        if (qq[0] > 0.0 && error < least) least = error;
    }
    return least;
}

/* Q8_0's candidates: the halves around the one that takes the largest weight to 127. */
static double best_half(const float *x, const float *w, size_t n, const double *values, int count) {
    float max = 0.0f;
    double least = INFINITY;
    for (size_t i = 0; i < n; i++) max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    uint16_t middle = wt_f32_to_f16(max / 127.0f);
    for (int h = middle - 8; h < middle + 8; h++) {
        double error = nearest_error(x, w, n, (double)wt_f16_to_f32((uint16_t)h), values, count);
        if (error < least) least = error;
    }
    return least;
}

static void test_exact(void **state) {
    (void)state;
    static const wt_type TYPES[] = {WT_Q4_0, WT_Q5_0, WT_IQ4_NL, WT_Q8_0};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, 0);
    for (size_t t = 0; t < 4; t++) {
        double values[256];
        int lo = TYPES[t] == WT_Q4_0 ? -8 : TYPES[t] == WT_Q5_0 ? -16 : -127, count = 0;
        if (TYPES[t] == WT_IQ4_NL) {
            for (; count < 16; count++) values[count] = WT_VALUES_IQ4[count];
        } else {
            for (int v = lo; v <= (lo == -127 ? 127 : -lo - 1); v++) values[count++] = v;
        }
        for (int round = 0; round < 100; round++) {
            float x[32], w[32];
            unsigned char block[64];
            odd_weights(&rng, round % 3, x, 32);
            odd_importance(&rng, round % 2, w, 32);
            const wt_search *search = &wt_encoder_of(TYPES[t])->search;
            wt_encode(TYPES[t], x, w, 32, search, block);
            double ours = wt_encoding_error(TYPES[t], x, w, 32, block);
            double least = TYPES[t] == WT_Q8_0 ? best_half(x, w, 32, values, count)
                                               : brute_force(x, w, 32, values, count, search);
            if (!(ours <= least * (1.0 + 1e-5)))
                fail_msg("%s, round %d: %.9g, but a candidate has %.9g", wt_type_find(TYPES[t])->name, round, ours, least);
        }
    }
}

/* MXFP4 has few scales: all of them. */
static void test_exact_mxfp4(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, 0);
    double values[15];
    for (int i = 0; i < 15; i++) values[i] = WT_VALUES_FP4[i < 8 ? i : i + 1];
    for (int round = 0; round < 200; round++) {
        float x[32], w[32], scale = ldexpf(1.0f, (int)wt_rng_below(&rng, 200) - 120);
        unsigned char block[17];
        odd_weights(&rng, round % 3, x, 32);
        odd_importance(&rng, round % 2, w, 32);
        for (int i = 0; i < 32; i++) x[i] *= scale;
        wt_encode(WT_MXFP4, x, w, 32, NULL, block);
        double ours = wt_encoding_error(WT_MXFP4, x, w, 32, block), least = INFINITY;
        for (int e = 0; e < 256; e++) {
            double error = nearest_error(x, w, 32, ldexp(1.0, e - 128), values, 15);
            if (error < least) least = error;
        }
        if (scale < 1e9f && !(ours <= least * (1.0 + 1e-5))) fail_msg("round %d: %.9g, best %.9g", round, ours, least);
    }
}

/* ---- weights that all count alike ---- */

/* What ggml's one pass leaves of a block: the largest weight on the lowest code, or the range from the least weight on. */
static double one_pass_error(const float *x, int codes, bool min) {
    float least = x[0], most = x[0], max = 0.0f;
    double error = 0.0;
    for (int j = 0; j < 32; j++) {
        least = x[j] < least ? x[j] : least;
        most = x[j] > most ? x[j] : most;
        max = fabsf(x[j]) > fabsf(max) ? x[j] : max;
    }
    const float d = min ? (most - least) / (float)(codes - 1) : max / (float)(-codes / 2), from = min ? least : 0.0f;
    const float by = d != 0.0f ? 1.0f / d : 0.0f, middle = min ? 0.5f : (float)(codes / 2) + 0.5f;
    const double scale = (double)wt_half_to_float(wt_f32_to_f16(d));
    const double lowest = min ? (double)wt_half_to_float(wt_f32_to_f16(least)) : -scale * (codes / 2);
    for (int j = 0; j < 32; j++) {
        int q = (int)((x[j] - from) * by + middle);
        double e = (double)x[j] - (scale * (q < codes ? q : codes - 1) + lowest);
        error += e * e;
    }
    return error;
}

static void test_alike(void **state) {
    (void)state;
    enum { BLOCKS = 37, N = 32 * BLOCKS };
    static const struct {
        wt_type type;
        int codes;
        bool min;
    } TYPES[] = {{WT_Q4_0, 16, false}, {WT_Q4_1, 16, true}, {WT_Q5_0, 32, false}, {WT_Q5_1, 32, true}};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 7, 0);
    float x[N], w[N];
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++) {
        const wt_type type = TYPES[t].type;
        double logs = 0.0;
        uint64_t bytes, block;
        assert_true(wt_type_row_bytes(type, N, &bytes) && wt_type_row_bytes(type, 32, &block));
        unsigned char *ours = need(bytes), *other = need(bytes);
        for (int round = 0; round < 16; round++) {
            odd_weights(&rng, round, x, N);
            wt_encode_at(type, WT_CPU_REFERENCE, x, NULL, N, NULL, ours);
            for (size_t b = 0; b < BLOCKS; b++) {
                double a = wt_encoding_error(type, x + 32 * b, NULL, 32, ours + block * b);
                double stock = one_pass_error(x + 32 * b, TYPES[t].codes, TYPES[t].min);
                if (!(a <= stock * (1.0 + 1e-6)))
                    fail_msg("%s, round %d, block %zu: %.9g, one pass has %.9g", wt_type_find(type)->name, round, b, a,
                             stock);
                if (round % 8 == 0) logs += log(a / stock);
                wt_encode(type, x + 32 * b, NULL, 32, NULL, other); /* whatever stands beside it */
                assert_memory_equal(other, ours + block * b, block);
            }
            for (int level = 0; level <= (int)wt_cpu_best(); level++) {
                for (int j = 0; j < N; j++) w[j] = 0.75f * (float)(level % 2);
                memset(other, 0xa5, bytes);
                wt_encode_at(type, (wt_cpu_level)level, x, w, N, NULL, other);
                if (memcmp(ours, other, bytes) != 0)
                    fail_msg("%s, round %d: %s writes other bytes", wt_type_find(type)->name, round,
                             wt_cpu_level_name((wt_cpu_level)level));
            }
            /* One weight that counts more: the search for such. */
            const wt_search *search = &wt_encoder_of(type)->search;
            for (int j = 0; j < N; j++) w[j] = j == N - 1 ? 2.0f : 1.0f;
            wt_encode(type, x, w, N, NULL, ours);
            wt_encode(type, x, w, N, search, other);
            assert_memory_equal(other, ours, bytes);
        }
        /* Gaussian weights. */
        if (!(logs / (2 * BLOCKS) < log(0.93)))
            fail_msg("%s: %.4f of one pass's error on average", wt_type_find(type)->name, exp(logs / (2 * BLOCKS)));
        free(ours);
        free(other);
    }
}

/* ---- extremes and parameters ---- */

static void test_extremes(void **state) {
    (void)state;
    enum { N = 256 };
    static const float SIZES[] = {0.0f, 1e-45f, 1e-38f, 1e-20f, 6e-8f, 1.0f, 65504.0f, 1e6f, 1e9f, 3e38f};
    float x[N], w[N], back[N];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 5, 0);
    for (size_t i = 0; i < N_GOLDEN; i++) {
        wt_type type = GOLDEN[i].type;
        if (!wt_encoder_of(type)->exists) continue;
        uint64_t bytes;
        assert_true(wt_type_row_bytes(type, N, &bytes));
        unsigned char *blocks = need(bytes);
        for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; size++) {
            for (int kind = 0; kind < 12; kind++) {
                for (int j = 0; j < N; j++) {
                    x[j] = kind % 3 == 0 ? SIZES[size] : (float)(wt_rng_uniform(&rng) * 2.0 - 1.0) * SIZES[size];
                    if (kind % 3 == 2 && j != 77) x[j] = 0.0f;
                    w[j] = kind / 3 == 0 ? 1.0f : kind / 3 == 1 ? 0.0f : kind / 3 == 2 ? (float)(j % 32 == 5) : 1e38f;
                }
                wt_encode(type, x, w, N, NULL, blocks);
                wt_codec_of(type)->decode(blocks, back, N);
                double error = 0.0, nothing = 0.0;
                for (int j = 0; j < N; j++) {
                    assert_true(isfinite(back[j]));
                    error += (double)w[j] * ((double)x[j] - (double)back[j]) * ((double)x[j] - (double)back[j]);
                    nothing += (double)w[j] * (double)x[j] * (double)x[j];
                }
                if (nothing > 0.0 && SIZES[size] <= 1.0f && SIZES[size] >= 6e-8f && !(error <= nothing * (1.0 + 1e-6)))
                    fail_msg("%s, size %g, kind %d: %g, zeros would have %g", GOLDEN[i].name, (double)SIZES[size], kind,
                             error, nothing);
            }
        }
        free(blocks);
    }
}

static void test_parameters(void **state) {
    (void)state;
    enum { N = 256 };
    float x[N], back[N];
    unsigned char plain[256], other[256];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 6, 0);
    odd_weights(&rng, 0, x, N);
    x[3] = -0.1f; /* wants the lowest code */

    wt_search search = wt_encoder_of(WT_Q4_0)->search;
    search.symmetric = true;
    wt_encode(WT_Q4_0, x, NULL, N, &search, other);
    for (size_t b = 0; b < N / 32; b++) {
        for (int j = 0; j < 16; j++) { /* code 0 is -8 */
            assert_int_not_equal(other[18 * b + 2 + (size_t)j] & 15, 0);
            assert_int_not_equal(other[18 * b + 2 + (size_t)j] >> 4, 0);
        }
    }

    search = wt_encoder_of(WT_Q4_K)->search;
    search.symmetric = true;
    wt_encode(WT_Q4_K, x, NULL, N, &search, other);
    wt_block_q4_k k;
    memcpy(&k, other, sizeof k);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        wt_q4_k_scale(k.scales, j, &scale, &min);
        assert_int_equal(scale, min);
    }
    assert_true(fabsf(wt_half_to_float(k.dmin) / wt_half_to_float(k.d) - 7.5f) < 0.01f);

    /* A bias moves scales: the error grows, and with it decoded weights. */
    search = wt_encoder_of(WT_Q2_0)->search;
    wt_encode(WT_Q2_0, x, NULL, N, &search, plain);
    search.bias = 1.2f;
    wt_encode(WT_Q2_0, x, NULL, N, &search, other);
    assert_true(wt_encoding_error(WT_Q2_0, x, NULL, N, other) > wt_encoding_error(WT_Q2_0, x, NULL, N, plain));
    wt_codec_of(WT_Q2_0)->decode(other, back, N);

    /* More steps and passes never cost. */
    for (size_t i = 0; i < N_GOLDEN; i++) {
        wt_type type = GOLDEN[i].type;
        uint64_t bytes;
        if (!wt_encoder_of(type)->exists || !wt_type_row_bytes(type, N, &bytes) || bytes > sizeof plain) continue;
        search = wt_encoder_of(type)->search;
        wt_encode(type, x, NULL, N, &search, plain);
        search.passes += 2;
        wt_encode(type, x, NULL, N, &search, other);
        double a = wt_encoding_error(type, x, NULL, N, plain), b = wt_encoding_error(type, x, NULL, N, other);
        if (!(b <= a * (1.0 + 1e-6))) fail_msg("%s: more passes give %.9g, fewer %.9g", GOLDEN[i].name, b, a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_worse_than_stock),
        cmocka_unit_test(test_thorough_not_worse_than_stock),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_exact_mxfp4),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
