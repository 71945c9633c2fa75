/*
 * Angles are formed as llama.cpp forms them (a float product carried from pair to pair, cosf and sinf of a float angle):
 * at long positions a float angle is off by more than the tolerance that we compare within, and it is what people run.
 */
#include "engine/rope.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* YaRN (arXiv 2309.00071): pairs that turn more than BETA_FAST times within the original context keep their frequency,
 * those that turn less than BETA_SLOW times are interpolated, between them a ramp. */
#define BETA_FAST 32.0f
#define BETA_SLOW 1.0f

static float yarn_dimension(float rotations, const wt_hparams *hp, float base) {
    float n = (float)hp->rope_dims, context = (float)hp->rope_original_context;
    return n * logf(context / (rotations * 2.0f * 3.14159265358979f)) / (2.0f * logf(base));
}

int wt_rope_table_cover(wt_rope_table *table, const wt_hparams *hp, bool windowed, const float *factors,
                        size_t positions, wt_error *err) {
    if (positions <= table->positions) return 0;
    size_t pairs = hp->rope_dims / 2;
    wt_rope_table made = {.positions = positions, .pairs = pairs};
    made.cos = wt_alloc_aligned(positions * pairs, sizeof(float), err);
    made.sin = wt_alloc_aligned(positions * pairs, sizeof(float), err);
    if (!made.cos || !made.sin) {
        wt_rope_table_release(&made);
        return -1;
    }
    float base = (float)(windowed ? hp->rope_base_window : hp->rope_base);
    float scale = (float)(windowed ? hp->rope_scale_window : hp->rope_scale);
    float step = powf(base, -2.0f / (float)hp->rope_dims), magnitude = (float)hp->rope_magnitude;
    float low = 0.0f, high = 0.0f;
    if (hp->rope_yarn) {
        float stretch = (float)(1.0 / hp->rope_scale);
        if (stretch < 1.0f) magnitude /= 1.0f + 0.1f * logf(stretch);
        magnitude *= 1.0f + 0.1f * logf(1.0f / scale);
        low = fmaxf(0.0f, floorf(yarn_dimension(BETA_FAST, hp, base)));
        high = fminf((float)hp->rope_dims - 1.0f, ceilf(yarn_dimension(BETA_SLOW, hp, base)));
    }
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < positions; p++) {
        float angle = (float)p;
        for (size_t i = 0; i < pairs; i++, angle *= step) {
            float plain = factors ? angle / factors[i] : angle, theta = scale * plain;
            if (hp->rope_yarn) {
                float ramp = ((float)i - low) / fmaxf(0.001f, high - low);
                float keep = 1.0f - fminf(1.0f, fmaxf(0.0f, ramp));
                theta = theta * (1.0f - keep) + plain * keep;
            }
            made.cos[p * pairs + i] = cosf(theta) * magnitude;
            made.sin[p * pairs + i] = sinf(theta) * magnitude;
        }
    }
    wt_rope_table_release(table);
    *table = made;
    return 0;
}

void wt_rope_table_release(wt_rope_table *table) {
    free(table->cos);
    free(table->sin);
    *table = (wt_rope_table){0};
}
