/* The codebook types (IQ1, IQ2, IQ3): decoding against ggml's golden bytes, and encoding against every row there is. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "quant/codec.h"
#include "quant/codec_families.h"
#include "quant/codebook.h"
#include "quant/codebook_tables.h"
#include "quant/codebook_blocks.h"
#include "quant/encode.h"
#include "support/guarded.h"

static const struct {
    const char *name;
    wt_type type;
} TYPES[] = {{"iq1_s", WT_IQ1_S}, {"iq1_m", WT_IQ1_M},     {"iq2_xxs", WT_IQ2_XXS}, {"iq2_xs", WT_IQ2_XS},
             {"iq2_s", WT_IQ2_S}, {"iq3_xxs", WT_IQ3_XXS}, {"iq3_s", WT_IQ3_S}};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)

/* ---- golden vectors: the layout is in tests/data/golden/README.md ---- */

typedef struct golden {
    wt_map map;
    size_t rows, cols, row_bytes;
    const float *x, *importance;
    const unsigned char *encoded[2]; /* without and with importance, [rows, row_bytes] */
    const unsigned char *decoded[2]; /* floats [rows, cols] */
} golden;

static uint64_t read_number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static golden golden_open(size_t t) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/golden/%s.golden", WT_SOURCE_DIR, TYPES[t].name);
    golden g = {0};
    wt_error err = {0};
    if (wt_map_open(&g.map, path, &err) != 0) fail_msg("%s", err.message);
    const unsigned char *p = g.map.data;
    assert_true(g.map.size > 28 && memcmp(p, "GOLDEN1", 8) == 0);
    assert_int_equal(read_number(p + 8, 4), TYPES[t].type);
    g.rows = read_number(p + 12, 4);
    g.cols = read_number(p + 16, 4);
    g.row_bytes = read_number(p + 20, 8);
    g.x = (const float *)(p + 28);
    g.importance = g.x + g.rows * g.cols;
    p = (const unsigned char *)(g.importance + g.cols);
    for (int i = 0; i < 2; i++) {
        g.encoded[i] = p;
        g.decoded[i] = p + g.rows * g.row_bytes;
        p = g.decoded[i] + 4 * g.rows * g.cols;
    }
    uint64_t expected;
    assert_true(wt_type_row_bytes(TYPES[t].type, g.cols, &expected));
    assert_int_equal(g.row_bytes, expected);
    assert_int_equal(g.map.size, p - g.map.data);
    return g;
}

static void test_golden_decode(void **state) {
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        golden g = golden_open(t);
        guarded src = guarded_new(g.row_bytes + 4), dst = guarded_new(4 * g.cols);
        for (int level = 0; level <= (int)wt_cpu_best(); level++) {
            for (size_t r = 0; r < 2 * g.rows; r++) {
                size_t set = r / g.rows, row = r % g.rows;
                unsigned char *from = guarded_tail(&src, g.row_bytes + r % 4);
                float *to = guarded_tail(&dst, 4 * g.cols);
                memcpy(from, g.encoded[set] + row * g.row_bytes, g.row_bytes);
                wt_codec_at(TYPES[t].type, (wt_cpu_level)level)->decode(from, to, g.cols);
                if (memcmp(to, g.decoded[set] + 4 * row * g.cols, 4 * g.cols) != 0)
                    fail_msg("%s: row %zu of set %zu decodes differently (%s)", TYPES[t].name, row, set,
                             wt_cpu_level_name((wt_cpu_level)level));
            }
        }
        guarded_free(&src);
        guarded_free(&dst);
        wt_map_close(&g.map);
    }
}

/* ---- encoding: a fixed block's rows are the best there are for its own scales ---- */

static void random_block(wt_rng *rng, int round, float *x, float *w) {
    for (int i = 0; i < 256; i++) {
        float g = (float)wt_rng_normal(rng);
        x[i] = round % 3 == 2 ? 0.02f * g * g * g : 0.02f * g;
        w[i] = round % 2 ? expf((float)wt_rng_normal(rng)) : 1.0f;
    }
}

static double cost(const float *x, const float *w, const double *q, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)w[i] * ((double)x[i] - q[i]) * ((double)x[i] - q[i]);
    return sum;
}

/* The least cost of 8 weights over rows of 2-bit digits and all signs, or those with an even number of minus signs. */
static double least_cost(const float *x, const float *w, const uint16_t *grid, size_t rows, bool even, double scale) {
    static const double VALUES[4] = WT_VALUES_IQ2;
    double least = INFINITY, q[8];
    for (size_t r = 0; r < rows; r++) {
        for (unsigned code = 0; code < (even ? 128u : 256u); code++) {
            unsigned signs = even ? wt_signs_of(code) : code;
            for (int j = 0; j < 8; j++) q[j] = scale * VALUES[grid[r] >> 2 * j & 3] * (signs >> j & 1 ? -1.0 : 1.0);
            double c = cost(x, w, q, 8);
            least = c < least ? c : least;
        }
    }
    return least;
}

/*
 * Rows are looked for between scales that a run may usefully have, so that a run which got its scale from its neighbours may do a
 * little worse than the best; nearly all groups must have exactly the best.
 */
static void test_rows_are_best(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 7, 0);
    size_t groups = 0, best = 0;
    for (int round = 0; round < 6; round++) {
        float x[256], w[256], back[256];
        random_block(&rng, round, x, w);
        for (int even = 0; even < 2; even++) {
            wt_block_iq2_xxs xxs;
            wt_block_iq2_s s;
            void *block = even ? (void *)&xxs : (void *)&s;
            wt_type type = even ? WT_IQ2_XXS : WT_IQ2_S;
            wt_encode(type, x, w, 256, NULL, block);
            wt_codec_of(type)->decode(block, back, 256);
            for (int g = 0; g < 32; g += 5) {
                int k = even ? xxs.qs[g / 4 * 4 + 3] >> 12 : s.scales[g / 4] >> g / 2 % 2 * 4 & 15;
                double d = (double)wt_half_to_float(even ? xxs.d : s.d), scale = d * (0.5 + k) * 0.25, q[8];
                for (int j = 0; j < 8; j++) q[j] = (double)back[8 * g + j];
                double ours = cost(x + 8 * g, w + 8 * g, q, 8);
                double least = least_cost(x + 8 * g, w + 8 * g, even ? wt_grid_iq2xxs : wt_grid_iq2s, even ? 256 : 1024,
                                          even, scale);
                assert_true(ours >= least * (1.0 - 1e-5)); /* else the blocks are read wrongly here */
                groups++;
                best += ours <= least * (1.0 + 1e-4);
            }
        }
    }
    print_message("%zu of %zu groups have the best row\n", best, groups);
    assert_true(best * 20 >= groups * 19);
}

/* Weights that a block can hold exactly come back as they were, from every type: any block decoded and encoded again. */
static void test_blocks_come_back(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 8, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int round = 0; round < 6; round++) {
            float x[256], w[256], again[256];
            unsigned char block[128];
            random_block(&rng, 0, x, w);
            wt_encode(TYPES[t].type, x, NULL, 256, NULL, block);
            wt_codec_of(TYPES[t].type)->decode(block, again, 256);
            double size = 0.0;
            for (int i = 0; i < 256; i++) size += (double)again[i] * (double)again[i];
            wt_encode(TYPES[t].type, again, NULL, 256, NULL, block);
            double error = wt_encoding_error(TYPES[t].type, again, NULL, 256, block);
            if (!(error <= 1e-9 * size)) fail_msg("%s: %g of %g is lost the second time", TYPES[t].name, error, size);
        }
    }
}

/* The least size of values that a run of n weights can have under a scale of 1, weighted: all rows of the type's grid. */
static double least_size(wt_type type, const float *w, size_t n) {
    static const float ones[4] = WT_VALUES_IQ1, twos[4] = WT_VALUES_IQ2, threes_xxs[8] = WT_VALUES_IQ3_XXS,
                       threes[8] = WT_VALUES_IQ3_S;
    bool iq1 = type == WT_IQ1_S || type == WT_IQ1_M, iq3 = type == WT_IQ3_XXS || type == WT_IQ3_S;
    const uint16_t *grid = iq1                  ? wt_grid_iq1s
                           : type == WT_IQ2_XXS ? wt_grid_iq2xxs
                           : type == WT_IQ2_XS  ? wt_grid_iq2xs
                           : type == WT_IQ2_S   ? wt_grid_iq2s
                           : type == WT_IQ3_XXS ? wt_grid_iq3xxs
                                                : wt_grid_iq3s;
    const float *digits = iq1 ? ones : !iq3 ? twos : type == WT_IQ3_XXS ? threes_xxs : threes;
    size_t rows = iq1 ? 2048 : type == WT_IQ2_XS || type == WT_IQ3_S ? 512 : type == WT_IQ2_S ? 1024 : 256;
    size_t width = iq3 ? 4 : 8;
    int bits = iq3 ? 3 : 2;
    double sizes[2] = {0};
    for (int taken = 0; taken < 2;
         taken++) { /* IQ1_S: one delta for the run; IQ1_M's zeros cost the same with either */
        double shift = !iq1 ? 0.0 : taken ? -0.125 : 0.125;
        for (size_t i = 0; i < n; i += width) {
            double least = INFINITY;
            for (size_t r = 0; r < rows; r++) {
                double sum = 0.0;
                for (size_t j = 0; j < width; j++) {
                    double v = (double)digits[grid[r] >> bits * (int)j & ((1 << bits) - 1)] + shift;
                    sum += (double)w[i + j] * v * v;
                }
                least = sum < least ? sum : least;
            }
            sizes[taken] += least;
        }
    }
    return sizes[0] < sizes[1] ? sizes[0] : sizes[1];
}

/* What a block holds for a run of zeros, as far as it can: the lowest scale and the least values. `tiny`: not quite zeros. */
static void check_zero_run(size_t t, int level, wt_rng *rng, int round, float tiny) {
    size_t n = wt_codebook_run(TYPES[t].type);
    float x[256], w[256], back[256], ones[256];
    unsigned char block[128];
    wt_codebook_block b;
    random_block(rng, round, x, w);
    for (size_t i = 0; i < 256; i++) ones[i] = 1.0f;
    for (size_t i = 0; i < n; i++) x[i] = i % 2 ? -tiny : tiny;
    wt_encode_at(TYPES[t].type, (wt_cpu_level)level, x, round ? w : NULL, 256, NULL, block);
    wt_codec_of(TYPES[t].type)->decode(block, back, 256);
    wt_codebook_scales(TYPES[t].type, x, round ? w : NULL, NULL, &b);
    double scale = (double)wt_codebook_scale(&b, 0), size = 0.0;
    for (size_t i = 0; i < n; i++) size += (double)(round ? w[i] : 1.0f) * (double)back[i] * (double)back[i];
    assert_true(scale > 0.0);
    assert_int_equal(b.k[0], 0);
    double least = scale * scale * least_size(TYPES[t].type, round ? w : ones, n);
    if (!(fabs(size - least) <= 1e-5 * least))
        fail_msg("%s (%s), round %d: a run of zeros has %g where %g is possible", TYPES[t].name,
                 wt_cpu_level_name((wt_cpu_level)level), round, size, least);
}

static void test_zero_runs(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 9, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int level = 0; level <= (int)wt_cpu_best(); level++) {
            for (int round = 0; round < 2; round++) {
                check_zero_run(t, level, &rng, round, 0.0f);
                check_zero_run(t, level, &rng, round, 1e-30f); /* its square is nothing */
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_decode),
        cmocka_unit_test(test_rows_are_best),
        cmocka_unit_test(test_blocks_come_back),
        cmocka_unit_test(test_zero_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
