/* Encoders of the K types: 256 weights, in runs that have quantized scales (and minima) of their own. */
#include <math.h>
#include <string.h>

#include "quant/codec_families.h"
#include "quant/pack.h"
#include "quant/search.h"

/* Codes under the scales of the runs, counted from the format's lowest code `lo`. */
static void assign_runs(const wt_encode_kernels *k, const float *x, const wt_super *shape, const wt_grid *grid, int lo,
                        uint16_t d, const int *scales, uint8_t *q) {
    float by = wt_half_to_float(d);
    int8_t codes[WT_SUPER];
    for (size_t j = 0; j < shape->runs; j++) {
        float scale = by * (float)scales[j];
        k->assign(x + j * shape->run, shape->run, grid, wt_inverse(scale), 0.0f, codes + j * shape->run);
    }
    for (int i = 0; i < WT_SUPER; i++) q[i] = (uint8_t)(codes[i] - lo);
}

static void assign_runs_min(const wt_encode_kernels *k, const float *x, const wt_super *shape, int hi, uint16_t d,
                            uint16_t dmin, const int *scales, const int *mins, uint8_t *q) {
    const wt_grid grid = {0.0f, (float)hi, NULL};
    float by = wt_half_to_float(d), by_min = wt_half_to_float(dmin);
    for (size_t j = 0; j < shape->runs; j++) {
        float scale = by * (float)scales[j], min = by_min * (float)mins[j];
        k->assign(x + j * shape->run, shape->run, &grid, wt_inverse(scale), min, (int8_t *)q + j * shape->run);
    }
}

/* Scales and minima of the runs; without minima of their own (see encode_legacy.c) these are the scales over again. */
static void search_runs(const wt_encode_kernels *k, const float *x, const float *w, const wt_super *shape, int hi,
                        const wt_search *search, uint16_t *d, uint16_t *dmin, int *scales, int *mins) {
    if (!search->symmetric) {
        wt_search_super_min(k, x, w, shape, (float)hi, search, d, dmin, scales, mins);
        return;
    }
    wt_cells odd;
    wt_cells_of_odd(&odd, hi);
    wt_codes codes;
    wt_codes_init(&codes, (float)-hi, (float)hi, &odd, true, search);
    wt_search_super(k, x, w, shape, &codes, search, d, scales);
    float half = fabsf(wt_half_to_float(*d));
    *d = wt_search_half(2.0f * half);
    *dmin = wt_search_half((float)hi * half);
    memcpy(mins, scales, shape->runs * sizeof *mins);
}

#define EACH_BLOCK(type)                                                                                               \
    unsigned char *to = dst;                                                                                           \
    uint8_t q[WT_SUPER];                                                                                               \
    int scales[WT_MAX_RUNS];                                                                                           \
    type b;                                                                                                            \
    for (size_t i = 0; i < n; i += WT_SUPER, to += sizeof b, x += WT_SUPER, w += WT_SUPER)

static void encode_q2_k(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    static const wt_super SHAPE = {.runs = 16, .run = 16, .hi = 15};
    int mins[WT_MAX_RUNS];
    EACH_BLOCK(wt_block_q2_k) {
        search_runs(k, x, w, &SHAPE, 3, search, &b.d, &b.dmin, scales, mins);
        assign_runs_min(k, x, &SHAPE, 3, b.d, b.dmin, scales, mins, q);
        for (int j = 0; j < 16; j++) b.scales[j] = (uint8_t)(scales[j] | mins[j] << 4);
        wt_pack_crumbs(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q3_k(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    static const wt_super SHAPE = {.runs = 16, .run = 16, .lo = -32, .hi = 31};
    wt_codes codes;
    wt_codes_init(&codes, -4.0f, 3.0f, NULL, false, search);
    EACH_BLOCK(wt_block_q3_k) {
        wt_search_super(k, x, w, &SHAPE, &codes, search, &b.d, scales);
        assign_runs(k, x, &SHAPE, &codes.grid, -4, b.d, scales, q);
        memset(b.scales, 0, sizeof b.scales);
        for (int j = 0; j < 16; j++) {
            unsigned s = (unsigned)(scales[j] + 32);
            b.scales[j % 8] |= (uint8_t)((s & 15) << (j < 8 ? 0 : 4));
            b.scales[8 + j % 4] |= (uint8_t)(s >> 4 << (2 * (j / 4)));
        }
        wt_pack_planes(q, 2, b.hmask);
        wt_pack_crumbs(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

/* Eight 6-bit scales and minima in 12 bytes; wt_q4_k_scale reads them. */
static void pack_q4_k_scales(const int *scales, const int *mins, uint8_t *s) {
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(mins[j] | mins[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
    }
}

static const wt_super EIGHT = {.runs = 8, .run = 32, .hi = 63};

static void encode_q4_k(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    int mins[WT_MAX_RUNS];
    EACH_BLOCK(wt_block_q4_k) {
        search_runs(k, x, w, &EIGHT, 15, search, &b.d, &b.dmin, scales, mins);
        assign_runs_min(k, x, &EIGHT, 15, b.d, b.dmin, scales, mins, q);
        pack_q4_k_scales(scales, mins, b.scales);
        wt_pack_pairs(q, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q5_k(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    int mins[WT_MAX_RUNS];
    EACH_BLOCK(wt_block_q5_k) {
        search_runs(k, x, w, &EIGHT, 31, search, &b.d, &b.dmin, scales, mins);
        assign_runs_min(k, x, &EIGHT, 31, b.d, b.dmin, scales, mins, q);
        pack_q4_k_scales(scales, mins, b.scales);
        wt_pack_pairs(q, b.qs);
        wt_pack_planes(q, 4, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_q6_k(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                        void *dst) {
    static const wt_super SHAPE = {.runs = 16, .run = 16, .lo = -128, .hi = 127};
    wt_codes codes;
    wt_codes_init(&codes, -32.0f, 31.0f, NULL, false, search);
    EACH_BLOCK(wt_block_q6_k) {
        wt_search_super(k, x, w, &SHAPE, &codes, search, &b.d, scales);
        assign_runs(k, x, &SHAPE, &codes.grid, -32, b.d, scales, q);
        for (int j = 0; j < 16; j++) b.scales[j] = (int8_t)scales[j];
        wt_pack_sixths(q, b.ql, b.qh);
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_k(wt_encoder_row *table) {
    const wt_search scales = {.lo = -1.8f, .hi = 1.8000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    /* Steps of 0.05f exactly, as ggml makes them. */
    const wt_search ranges = {.lo = -0.9f, .hi = 0.9000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    table[WT_Q2_K] = (wt_encoder_row){encode_q2_k, {.exists = true, .search = ranges}};
    table[WT_Q3_K] = (wt_encoder_row){encode_q3_k, {.exists = true, .search = scales}};
    table[WT_Q4_K] = (wt_encoder_row){encode_q4_k, {.exists = true, .search = ranges}};
    table[WT_Q5_K] = (wt_encoder_row){encode_q5_k, {.exists = true, .search = ranges}};
    table[WT_Q6_K] = (wt_encoder_row){encode_q6_k, {.exists = true, .search = scales}};
}
