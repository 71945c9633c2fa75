/* The types that are numbers: nothing to choose, only to round (to nearest, ties to even). */
#include <string.h>

#include "quant/encode_kernels.h"

static void encode_f32(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                       void *dst) {
    (void)k, (void)w, (void)search;
    memcpy(dst, x, n * sizeof *x);
}

static void encode_f16(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                       void *dst) {
    (void)k, (void)w, (void)search;
    unsigned char *to = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = wt_f32_to_f16(x[i]);
        memcpy(to + 2 * i, &h, 2);
    }
}

static void encode_bf16(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    (void)k, (void)w, (void)search;
    unsigned char *to = dst;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], 4);
        bool nan = (u & 0x7fffffff) > 0x7f800000;
        uint16_t h = (uint16_t)(nan ? u >> 16 | 64 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
        memcpy(to + 2 * i, &h, 2);
    }
}

void wt_encoders_float(wt_encoder_row *table) {
    const wt_encoder traits = {.exists = true, .search = {.steps = 1, .bias = 1.0f}};
    table[WT_F32] = (wt_encoder_row){.encode = encode_f32, .traits = traits};
    table[WT_F16] = (wt_encoder_row){.encode = encode_f16, .traits = traits};
    table[WT_BF16] = (wt_encoder_row){.encode = encode_bf16, .traits = traits};
}
