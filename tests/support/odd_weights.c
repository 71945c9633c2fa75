#include "support/odd_weights.h"

#include <math.h>

void odd_weights(wt_rng *rng, int kind, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float g = (float)wt_rng_normal(rng);
        switch (kind % 8) {
        case 0: x[i] = 0.02f * g; break;
        case 1: x[i] = 0.02f * g + 0.05f; break;
        case 2: x[i] = 0.02f * g * g * g; break;
        case 3: x[i] = wt_rng_below(rng, 8) ? 0.0f : g; break;
        case 4: x[i] = -0.0125f; break;
        case 5: x[i] = 1e-7f * g; break;
        case 6: x[i] = 1e5f * g; break;
        default: x[i] = (float)(int)(4.0f * g) * 0.25f; break; /* many ties */
        }
    }
}

void odd_importance(wt_rng *rng, int kind, float *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float e = expf(1.5f * (float)wt_rng_normal(rng));
        w[i] = kind % 4 == 0   ? 1.0f
               : kind % 4 == 1 ? e
               : kind % 4 == 2 ? (wt_rng_below(rng, 3) ? 0.0f : e)
                               : 1e-30f * e;
    }
}
