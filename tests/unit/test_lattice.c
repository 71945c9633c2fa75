/* Lattices against the decoders, which llama.cpp's golden values hold to: whatever codes are put, their values are what is decoded. */
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_type)};
    return cmocka_run_group_tests_name("lattice", tests, NULL, NULL);
}
