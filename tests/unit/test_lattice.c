/* Lattices against the decoders, which llama.cpp's golden values hold to: whatever codes are put, their values are what is decoded. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/lattice.h"

enum { N = 256, SEEDS = 20 };

/* A random value on the grid: integers, or what is nearest to a random place. */
static float any_value(wt_rng *rng, const wt_grid *grid) {
    double u = wt_rng_uniform(rng);
    return wt_grid_nearest(grid, grid->lo + (grid->hi - grid->lo) * (float)u);
}

static void each_type(void **state) {
    (void)state;
    int types = 0;
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_lattice_has((wt_type)type)) continue;
        const wt_type_info *info = wt_type_find((uint32_t)type);
        types++;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            float x[N], decoded[N], expected[N];
            unsigned char bytes[N * 2], again[N * 2];
            int8_t q[N];
            wt_rng rng;
            wt_rng_init(&rng, seed, (uint64_t)type, 0);
            for (int i = 0; i < N; i++) x[i] = (float)wt_rng_normal(&rng);
            wt_encode((wt_type)type, x, NULL, N, NULL, bytes);
            wt_codec_of((wt_type)type)->decode(bytes, decoded, N);
            memcpy(again, bytes, sizeof bytes);
            for (size_t b = 0; b < N / info->block; b++) {
                wt_lattice l;
                wt_lattice_read((wt_type)type, bytes + b * info->block_bytes, &l);
                assert_int_equal(l.weights, info->block);
                /* The encoder's own codes come back, and are put back as they were. */
                for (size_t i = 0; i < l.weights; i++) {
                    const float v = decoded[b * l.weights + i], s = l.scale[i / l.run], m = l.min[i / l.run];
                    q[i] = (int8_t)wt_grid_nearest(&l.grid, s != 0.0f ? (v + m) / s : 0.0f);
                    assert_true(s * (float)q[i] - m == v);
                }
                wt_lattice_write((wt_type)type, q, again + b * info->block_bytes);
            }
            wt_codec_of((wt_type)type)->decode(again, expected, N);
            assert_memory_equal(expected, decoded, sizeof decoded);
            for (size_t b = 0; b < N / info->block; b++) {
                wt_lattice l;
                wt_lattice_read((wt_type)type, bytes + b * info->block_bytes, &l);
                for (size_t i = 0; i < l.weights; i++) {
                    const float s = l.scale[i / l.run], m = l.min[i / l.run], v = any_value(&rng, &l.grid);
                    q[i] = (int8_t)v;
                    expected[b * l.weights + i] = s * v - m;
                }
                wt_lattice_write((wt_type)type, q, again + b * info->block_bytes);
            }
            wt_codec_of((wt_type)type)->decode(again, decoded, N);
            for (int i = 0; i < N; i++) {
                if (!(decoded[i] == expected[i]))
                    fail_msg("%s, seed %llu: weight %d is %g, not %g", info->name, (unsigned long long)seed, i,
                             (double)decoded[i], (double)expected[i]);
            }
        }
    }
    assert_int_equal(types, 18);
    assert_false(wt_lattice_has(WT_F16));
    assert_false(wt_lattice_has(WT_IQ2_S));
}

/* Sets every run of a block to wanted scales and mins: it gets the nearest of all that were ever got, and nothing else changes. */
static void set_runs(wt_type type, uint64_t seed) {
    enum { TRIES = 60 };
    const wt_type_info *info = wt_type_find(type);
    float x[N], decoded[N], wanted[TRIES], got[TRIES], wanted_min[TRIES], got_min[TRIES];
    _Alignas(16) unsigned char bytes[N * 2];
    int8_t q[N];
    wt_rng rng;
    wt_lattice l, after;
    wt_rng_init(&rng, seed, (uint64_t)type, 1);
    for (int i = 0; i < N; i++) x[i] = (float)wt_rng_normal(&rng);
    wt_encode(type, x, NULL, N, NULL, bytes);
    wt_lattice_read(type, bytes, &l);
    for (size_t i = 0; i < l.weights; i++) q[i] = (int8_t)any_value(&rng, &l.grid);
    wt_lattice_write(type, q, bytes);
    for (size_t run = 0; run < l.weights / l.run; run++) {
        for (int n = 0; n < TRIES; n++) {
            wanted[n] = l.scale[run] * (float)(2.5 * wt_rng_uniform(&rng) - 0.5);
            wanted_min[n] = l.min[run] * (float)(2.5 * wt_rng_uniform(&rng) - 0.5);
            wt_lattice_set(type, run, wanted[n], wanted_min[n], bytes);
            wt_lattice_read(type, bytes, &after);
            got[n] = after.scale[run];
            got_min[n] = after.min[run];
            for (size_t r = 0; r < l.weights / l.run; r++) {
                if (r == run) continue;
                assert_true(after.scale[r] == l.scale[r] && after.min[r] == l.min[r]);
            }
        }
        for (int n = 0; n < TRIES; n++) {
            for (int k = 0; k < TRIES; k++) {
                assert_true(fabsf(got[n] - wanted[n]) <= fabsf(got[k] - wanted[n]) * 1.00001f);
                assert_true(fabsf(got_min[n] - wanted_min[n]) <= fabsf(got_min[k] - wanted_min[n]) * 1.00001f);
            }
        }
        l.scale[run] = after.scale[run];
        l.min[run] = after.min[run];
    }
    wt_codec_of(type)->decode(bytes, decoded, info->block);
    for (size_t i = 0; i < l.weights; i++)
        assert_true(decoded[i] == l.scale[i / l.run] * (float)q[i] - l.min[i / l.run]);
}

static void scales_are_set(void **state) {
    (void)state;
    int types = 0;
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_lattice_can_set((wt_type)type)) continue;
        types++;
        for (uint64_t seed = 0; seed < SEEDS; seed++) set_runs((wt_type)type, seed);
    }
    assert_int_equal(types, 12);
    assert_false(wt_lattice_can_set(WT_MXFP4));
    assert_false(wt_lattice_can_set(WT_IQ3_S));
}

static void scales_that_are_no_numbers(void **state) {
    (void)state;
    static const float ODD[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_lattice_can_set((wt_type)type)) continue;
        for (size_t i = 0; i < sizeof ODD / sizeof *ODD; i++) {
            float x[N], decoded[N];
            _Alignas(16) unsigned char bytes[N * 2];
            for (int k = 0; k < N; k++) x[k] = (float)(k % 7 - 3);
            wt_encode((wt_type)type, x, NULL, N, NULL, bytes);
            wt_lattice_set((wt_type)type, 0, ODD[i], ODD[i], bytes);
            wt_codec_of((wt_type)type)->decode(bytes, decoded, N);
            for (int k = 0; k < N; k++) assert_true(isfinite(decoded[k]));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_type), cmocka_unit_test(scales_are_set),
                                       cmocka_unit_test(scales_that_are_no_numbers)};
    return cmocka_run_group_tests_name("lattice", tests, NULL, NULL);
}
