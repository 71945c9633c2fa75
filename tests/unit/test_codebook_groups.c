/* Codebook blocks group by group: what is chosen against every row and all signs, and against what is decoded. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "quant/codebook.h"
#include "quant/codebook_tables.h"
#include "quant/codec.h"

static const wt_type TYPES[] = {WT_IQ1_S, WT_IQ1_M, WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)

static const char *name_of(wt_type type) { return wt_type_find(type)->name; }

static void random_block(wt_rng *rng, int round, float *x, float *w) {
    for (int i = 0; i < 256; i++) {
        float g = (float)wt_rng_normal(rng);
        x[i] = round % 3 == 2 ? 0.02f * g * g * g : 0.02f * g;
        w[i] = round % 2 ? expf((float)wt_rng_normal(rng)) : 1.0f;
    }
}

/* ---- brute force ---- */

/* Which rows may be used: all, or those with a delta of one sign. */
enum { ANY, ADDED, TAKEN };

static void grid_of(wt_type type, const uint16_t **grid, size_t *rows, const float **digits) {
    static const float ones[4] = WT_VALUES_IQ1, twos[4] = WT_VALUES_IQ2, threes_xxs[8] = WT_VALUES_IQ3_XXS,
                       threes[8] = WT_VALUES_IQ3_S;
    *grid = type == WT_IQ2_XXS ? wt_grid_iq2xxs : type == WT_IQ2_XS ? wt_grid_iq2xs : type == WT_IQ2_S ? wt_grid_iq2s
            : type == WT_IQ3_XXS ? wt_grid_iq3xxs : type == WT_IQ3_S ? wt_grid_iq3s : wt_grid_iq1s;
    *rows = type == WT_IQ2_XXS || type == WT_IQ3_XXS ? 256 : type == WT_IQ2_XS || type == WT_IQ3_S ? 512
            : type == WT_IQ2_S ? 1024 : 2048;
    *digits = type == WT_IQ3_XXS ? threes_xxs : type == WT_IQ3_S ? threes
              : type == WT_IQ1_S || type == WT_IQ1_M ? ones : twos;
}

/* The least cost of one group with an even or odd number of minus signs: least[2]. */
static void least_costs(wt_type type, int delta, double scale, const float *x, const float *w, double *least) {
    const uint16_t *grid;
    const float *digits;
    size_t rows, width = wt_codebook_group(type);
    int bits = width == 4 ? 3 : 2;
    bool is_signed = type == WT_IQ1_S || type == WT_IQ1_M;
    grid_of(type, &grid, &rows, &digits);
    least[0] = least[1] = INFINITY;
    for (size_t r = 0; r < 2 * rows; r++) {
        double shift = !is_signed ? 0.0 : r < rows ? 0.125 : -0.125;
        if (r >= rows && (!is_signed || delta == ADDED)) continue;
        if (r < rows && delta == TAKEN) continue;
        double plain[8], minus[8];
        for (size_t i = 0; i < width; i++) {
            double q = scale * ((double)digits[grid[r % rows] >> bits * (int)i & ((1 << bits) - 1)] + shift);
            plain[i] = (double)w[i] * ((double)x[i] - q) * ((double)x[i] - q);
            minus[i] = (double)w[i] * ((double)x[i] + q) * ((double)x[i] + q);
        }
        for (unsigned signs = 0; signs < (is_signed ? 1u : 1u << width); signs++) {
            double sum = 0.0;
            for (size_t i = 0; i < width; i++) sum += signs >> i & 1 ? minus[i] : plain[i];
            double *best = &least[__builtin_popcount(signs) & 1];
            *best = sum < *best ? sum : *best;
        }
    }
}

static void check_cost(wt_type type, size_t at, double got, double least, const float *x, const float *w, size_t n) {
    double size = 0.0; /* costs are compared in single precision */
    for (size_t i = 0; i < n; i++) size += (double)w[i] * (double)x[i] * (double)x[i];
    if (!(fabs(got - least) <= 1e-5 * least + 1e-6 * size))
        fail_msg("%s: %g at %zu where %g was possible", name_of(type), got, at, least);
}

static double smaller(double a, double b) { return a < b ? a : b; }

/* What the block can do for the weights at `at`, alone or with their other half. */
static double possible(const wt_codebook_block *b, size_t at, size_t n, const float *x, const float *w) {
    double first[2], second[2], scale = (double)wt_codebook_scale(b, at);
    size_t width = wt_codebook_group(b->type), group = at / width;
    int delta = b->type != WT_IQ1_S ? ANY : b->rows[group] >= 2048 ? TAKEN : ADDED;
    least_costs(b->type, delta, scale, x, w, first);
    if (n > width) {
        least_costs(b->type, delta, scale, x + width, w + width, second);
        if (b->type == WT_IQ3_XXS) return smaller(first[0] + second[0], first[1] + second[1]);
        return smaller(first[0], first[1]) + smaller(second[0], second[1]);
    }
    if (b->type == WT_IQ2_XXS || b->type == WT_IQ2_XS) return first[0];
    if (b->type == WT_IQ3_XXS && b->chosen >> (group ^ 1) & 1)
        return first[__builtin_popcount(b->signs[at / 8] >> (at % 8 ? 0 : 4) & 15) & 1];
    return smaller(first[0], first[1]);
}

/* ---- tests ---- */

static void test_scales_are_the_encoders(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        size_t bytes = wt_type_find(TYPES[t])->block_bytes;
        wt_search few = wt_encoder_of(TYPES[t])->search;
        few.steps = 3;
        few.passes = 1;
        for (int round = 0; round < 6; round++) {
            float x[256], w[256], q[256], back[256];
            unsigned char block[128], packed[128];
            random_block(&rng, round, x, w);
            if (round == 3) memset(w, 0, sizeof w);
            if (round == 4) memset(x, 0, sizeof x);
            const wt_search *search = round % 2 ? &few : NULL;
            const float *weights = round == 5 ? NULL : w;
            wt_codebook_block b;
            wt_encode(TYPES[t], x, weights, 256, search, block);
            wt_codebook_scales(TYPES[t], x, weights, search, &b);
            wt_codebook_pack(&b, packed);
            if (memcmp(block, packed, bytes) != 0) fail_msg("%s: not the encoder's block (%d)", name_of(TYPES[t]), round);
            wt_codebook_values(&b, q);
            wt_codec_of(TYPES[t])->decode(packed, back, 256);
            assert_memory_equal(q, back, sizeof q);
        }
    }
}

/* Groups in a random order, each for a target that has moved away from the weights the scales were chosen for. */
static void choose_all(wt_type type, wt_rng *rng, int round, size_t n) {
    float x[256], w[256], q[256], back[256];
    unsigned char block[128];
    wt_codebook_block b;
    random_block(rng, round, x, w);
    wt_codebook_scales(type, x, w, NULL, &b);
    size_t order[64], groups = 256 / n;
    for (size_t i = 0; i < groups; i++) {
        size_t j = wt_rng_below(rng, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < 256; i++) x[i] += 0.02f * (float)wt_rng_normal(rng);
    for (size_t i = 0; i < groups; i++) {
        size_t at = order[i] * n;
        bool check = i % 4 == 0;
        double least = check ? possible(&b, at, n, x + at, w + at) : 0.0;
        double got = wt_codebook_choose(&b, at, n, x + at, w + at, q + at);
        if (check) check_cost(type, at, got, least, x + at, w + at, n);
    }
    wt_codebook_pack(&b, block);
    wt_codec_of(type)->decode(block, back, 256);
    if (memcmp(q, back, sizeof q) != 0) fail_msg("%s: values do not come back, by %zu", name_of(type), n);
}

static void test_choices_are_best(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int round = 0; round < 6; round++) {
            choose_all(TYPES[t], &rng, round, wt_codebook_group(TYPES[t]));
            choose_all(TYPES[t], &rng, round, 8);
        }
    }
}

/* ---- scales that are set ---- */

/* A block with scales of all sizes. */
static void mixed_block(wt_type type, wt_rng *rng, wt_codebook_block *b) {
    float x[256], w[256];
    random_block(rng, 1, x, w);
    for (size_t i = 0; i < 256; i++) x[i] *= 1.0f + 2.0f * (float)(i / wt_codebook_run(type) % 5);
    wt_codebook_scales(type, x, w, NULL, b);
    assert_true(wt_codebook_scale(b, 0) > 0.0f);
}

static void test_runs(void **state) {
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        bool short_runs = TYPES[t] == WT_IQ1_M || TYPES[t] == WT_IQ2_XS || TYPES[t] == WT_IQ2_S;
        assert_int_equal(wt_codebook_run(TYPES[t]), short_runs ? 16 : 32);
    }
}

/* The scales that were read, set again, leave the block's bytes; every run has its own. */
static void test_scales_come_back(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        size_t bytes = wt_type_find(TYPES[t])->block_bytes, run = wt_codebook_run(TYPES[t]), changed = 0;
        for (int round = 0; round < 6; round++) {
            wt_codebook_block b;
            float scales[16];
            unsigned char before[128], other[128], after[128];
            mixed_block(TYPES[t], &rng, &b);
            wt_codebook_pack(&b, before);
            for (size_t at = 0; at < 256; at += run) scales[at / run] = wt_codebook_scale(&b, at);
            for (size_t at = 0; at < 256; at += run) wt_codebook_set_scale(&b, at, scales[(256 - run - at) / run]);
            wt_codebook_pack(&b, other);
            changed += memcmp(before, other, bytes) != 0;
            for (size_t at = 0; at < 256; at += run)
                assert_true(wt_codebook_scale(&b, at) == scales[(256 - run - at) / run]);
            for (size_t at = 0; at < 256; at += run) wt_codebook_set_scale(&b, at + run - 1, scales[at / run]);
            wt_codebook_pack(&b, after);
            assert_memory_equal(before, after, bytes);
        }
        assert_true(changed > 0);
    }
}

static size_t levels_of(wt_type type) { return type == WT_IQ1_S || type == WT_IQ1_M ? 8 : 16; }

static void test_set_scale_is_nearest(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        size_t levels = levels_of(TYPES[t]), run = wt_codebook_run(TYPES[t]);
        wt_codebook_block b, others;
        for (int round = 0; round < 200; round++) {
            if (round % 20 == 0) mixed_block(TYPES[t], &rng, &b);
            size_t at = wt_rng_below(&rng, 256), first = at / run;
            uint8_t own = b.k[first];
            b.k[first] = 0;
            double one = (double)wt_codebook_scale(&b, at), most = one * (double)(2 * levels - 1), least = INFINITY;
            double wanted = most * (1.4 * wt_rng_uniform(&rng) - 0.2); /* beyond both ends, too */
            b.k[first] = own;
            memcpy(&others, &b, sizeof b);
            wt_codebook_set_scale(&b, at, (float)wanted);
            for (size_t k = 0; k < levels; k++) {
                double away = fabs(wanted - one * (double)(2 * k + 1));
                least = away < least ? away : least;
            }
            double away = fabs(wanted - (double)wt_codebook_scale(&b, at));
            assert_true(b.k[first] < levels);
            if (!(away <= least + 1e-6 * most)) fail_msg("%s: %g away, %g possible", name_of(TYPES[t]), away, least);
            others.k[first] = b.k[first]; /* nothing but the run's scale was touched */
            assert_memory_equal(&others, &b, sizeof b);
        }
    }
}

static void test_set_scale_of_odd_numbers(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 5, 0);
    for (size_t t = 0; t < N_TYPES; t++) {
        uint8_t top = (uint8_t)(levels_of(TYPES[t]) - 1);
        const struct {
            float scale;
            uint8_t k;
        } ODD[] = {{NAN, 0},  {-NAN, 0},   {-INFINITY, 0}, {-1.0f, 0},
                   {0.0f, 0}, {1e-45f, 0}, {3e38f, top},   {INFINITY, top}};
        for (size_t i = 0; i < 2 * sizeof ODD / sizeof *ODD; i++) {
            wt_codebook_block b;
            float q[256];
            mixed_block(TYPES[t], &rng, &b);
            bool zero = i % 2; /* any scale of nothing is nothing */
            if (zero) b.d = 0;
            b.k[0] = 5;
            wt_codebook_set_scale(&b, 3, ODD[i / 2].scale);
            assert_int_equal(b.k[0], zero ? 0 : ODD[i / 2].k);
            assert_true(isfinite(wt_codebook_scale(&b, 0)));
            assert_true(!zero || wt_codebook_scale(&b, 0) == 0.0f);
            wt_codebook_values(&b, q);
            for (int j = 0; j < 256; j++) assert_true(zero ? q[j] == 0.0f : isfinite(q[j]));
        }
    }
}

static void test_zero_blocks(void **state) {
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        float x[256] = {0}, q[8], target[8] = {1, -1, 1, 1, 1, 1, 1, 1};
        wt_codebook_block b;
        wt_codebook_scales(TYPES[t], x, x, NULL, &b);
        double error = wt_codebook_choose(&b, 8, 8, target, x, q); /* nothing counts: everything does */
        assert_true(wt_codebook_scale(&b, 8) == 0.0f);
        assert_true(error == 8.0);
        for (int i = 0; i < 8; i++) assert_true(q[i] == 0.0f);
    }
    assert_int_equal(wt_codebook_group(WT_Q4_K), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scales_are_the_encoders),
        cmocka_unit_test(test_choices_are_best),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_scales_come_back),
        cmocka_unit_test(test_set_scale_is_nearest),
        cmocka_unit_test(test_set_scale_of_odd_numbers),
        cmocka_unit_test(test_zero_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
