/* Encoders of four-bit codes that index a table of values. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/search.h"

/* ---- tables of values, as the kernels look them up ---- */

typedef struct value_table {
    wt_cells cells;
    uint8_t code_of[256]; /* by value + 128 */
    float lo, hi;
} value_table;

static value_table iq4, fp4;

/* What NVFP4's bytes of scales stand for, without the last, which is none. */
static float nvfp4_scales[127], nvfp4_inverses[127];

/* values: ascending, `count` of them; codes: what the format calls each. */
static void fill_values(value_table *t, const int8_t *values, const uint8_t *codes, int count) {
    t->lo = values[0];
    t->hi = values[count - 1];
    wt_cells_of(&t->cells, values, count);
    for (int i = 0; i < count; i++) t->code_of[values[i] + 128] = codes[i];
}

static void fill_tables(void) {
    static const uint8_t plain[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t fp4_codes[15] = {15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7};
    int8_t ascending[15];
    for (int i = 0; i < 15; i++) ascending[i] = WT_VALUES_FP4[fp4_codes[i]];
    fill_values(&iq4, WT_VALUES_IQ4, plain, 16);
    fill_values(&fp4, ascending, fp4_codes, 15);
    for (int i = 0; i < 127; i++) {
        nvfp4_scales[i] = wt_nvfp4_scale((uint8_t)i);
        nvfp4_inverses[i] = wt_inverse(nvfp4_scales[i]);
    }
}

/* The codes of n values, packed: low nibbles for the first half. */
static void pack_values(const value_table *t, const int8_t *q, int n, uint8_t *qs) {
    for (int j = 0; j < n / 2; j++) qs[j] = (uint8_t)(t->code_of[q[j] + 128] | t->code_of[q[j + n / 2] + 128] << 4);
}

/* ---- IQ4 ---- */

static void encode_iq4_nl(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                          void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, iq4.lo, iq4.hi, &iq4.cells, false, search);
    unsigned char *to = dst;
    uint16_t d[WT_MAX_BLOCKS];
    float inverse[WT_MAX_BLOCKS];
    int8_t q[WT_PIECE];
    wt_block_iq4_nl b;
    size_t blocks = n / 32;
    wt_search_scales(k, x, w, blocks, &codes, search, d);
    for (size_t i = 0; i < blocks; i++) inverse[i] = wt_inverse(wt_half_to_float(d[i]));
    k->assign(x, blocks, 32, &codes.grid, inverse, NULL, q);
    for (size_t i = 0; i < blocks; i++, to += sizeof b) {
        b.d = d[i];
        pack_values(&iq4, q + 32 * i, 32, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_iq4_xs(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                          void *dst) {
    static const wt_super SHAPE = {.runs = 8, .run = 32, .lo = -32, .hi = 31};
    wt_codes codes;
    wt_codes_init(&codes, iq4.lo, iq4.hi, &iq4.cells, false, search);
    unsigned char *to = dst;
    uint16_t d[WT_MAX_SUPERS];
    int scales[WT_MAX_RUNS];
    float inverse[WT_MAX_RUNS];
    int8_t q[WT_PIECE];
    wt_block_iq4_xs b;
    for (size_t i = 0, blocks; i < n / WT_SUPER; i += blocks, x += blocks * WT_SUPER, w += blocks * WT_SUPER) {
        blocks = n / WT_SUPER - i < WT_MAX_SUPERS ? n / WT_SUPER - i : WT_MAX_SUPERS;
        wt_search_super(k, x, w, blocks, &SHAPE, &codes, search, 2, d, scales);
        for (size_t j = 0; j < 8 * blocks; j++) inverse[j] = wt_inverse(wt_half_to_float(d[j / 8]) * (float)scales[j]);
        k->assign(x, 8 * blocks, 32, &codes.grid, inverse, NULL, q);
        for (size_t s = 0; s < blocks; s++, to += sizeof b) {
            b = (wt_block_iq4_xs){.d = d[s]};
            for (size_t j = 0; j < 8; j++) {
                unsigned code = (unsigned)(scales[8 * s + j] + 32);
                b.scales_l[j / 2] |= (uint8_t)((code & 15) << (4 * (j % 2)));
                b.scales_h |= (uint16_t)(code >> 4 << (2 * j));
                pack_values(&iq4, q + WT_SUPER * s + 32 * j, 32, b.qs + 16 * j);
            }
            memcpy(to, &b, sizeof b);
        }
    }
}

/* 2^exponent of a normal float. */
static float power_of_two(int exponent) {
    union {
        uint32_t u;
        float f;
    } power = {.u = (uint32_t)(exponent + 127) << 23};
    return power.f;
}

/* The power of two at or below v > 0, of normal floats. */
static int exponent_of(float v) {
    union {
        float f;
        uint32_t u;
    } bits = {.f = v};
    int exponent = (int)(bits.u >> 23) - 127;
    return exponent < -126 ? -126 : exponent;
}

/* ---- scales that are floats of eight bits: each of those near is tried, exactly ---- */

/*
 * Every power of two that could be best: the largest code is 12, so that from 2^-1 the largest weight (taken to 1..2) falls under
 * the first code; much smaller scales serve blocks whose important weights are small.
 */
static void encode_mxfp4(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                         void *dst) {
    enum { HIGHEST = 2 };
    const wt_grid grid = {fp4.lo, fp4.hi, NULL, WT_FP4};
    unsigned char *to = dst;
    float scale[WT_LANES], inverse[WT_LANES], y[32];
    int8_t q[32];
    wt_block_mxfp4 b;
    (void)search; /* all candidates there are are looked at */
    for (int i = 0; i < WT_LANES; i++) {
        scale[i] = ldexpf(1.0f, HIGHEST - i);
        inverse[i] = ldexpf(1.0f, i - HIGHEST);
    }
    for (size_t i = 0; i < n; i += 32, to += sizeof b, x += 32, w += 32) {
        float largest = k->magnitude(x, 32);
        memset(&b, 0, sizeof b);
        if (largest > 0.0f) {
            int exponent = exponent_of(largest);
            float by = power_of_two(-exponent), undo = power_of_two(exponent);
            for (int j = 0; j < 32; j++) y[j] = x[j] * by;
            int best = k->least(y, w, 32, &grid, 1, inverse, scale), e = HIGHEST - best + exponent + 128;
            b.e = (uint8_t)(e < 0 ? 0 : e > 255 ? 255 : e);
            float to_codes = b.e == e ? inverse[best] : ldexpf(undo, 128 - b.e);
            k->assign(y, 1, 32, &grid, &to_codes, NULL, q);
            pack_values(&fp4, q, 32, b.qs);
        }
        memcpy(to, &b, sizeof b);
    }
}

/* Two registers of neighbouring codes, most of them below the one that just holds the largest weight. */
static void encode_nvfp4(const wt_encode_kernels *k, const float *x, const float *w, size_t n, const wt_search *search,
                         void *dst) {
    enum { LANES = 2 * WT_LANES, ABOVE = 8, LAST = 0x7e };
    const wt_grid grid = {fp4.lo, fp4.hi, NULL, WT_FP4};
    unsigned char *to = dst;
    int8_t q[64];
    float to_codes[4];
    wt_block_nvfp4 b;
    (void)search;
    for (size_t i = 0; i < n; i += 64, to += sizeof b, x += 64, w += 64) {
        for (size_t run = 0; run < 4; run++) {
            float wanted = k->magnitude(x + 16 * run, 16) / fp4.hi;
            int fits = 0, step = 64;
            for (; step; step /= 2) {
                if (fits + step <= LAST && nvfp4_scales[fits + step] <= wanted) fits += step;
            }
            int first = fits + ABOVE - (LANES - 1);
            first = first > LAST - (LANES - 1) ? LAST - (LANES - 1) : first;
            first = first < 0 ? 0 : first;
            int best = k->least(x + 16 * run, w + 16 * run, 16, &grid, 2, nvfp4_inverses + first, nvfp4_scales + first);
            b.d[run] = (uint8_t)(first + best);
            to_codes[run] = nvfp4_inverses[first + best];
        }
        k->assign(x, 4, 16, &grid, to_codes, NULL, q);
        for (int run = 0; run < 4; run++) pack_values(&fp4, q + 16 * run, 16, b.qs + 8 * run);
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_iq4(wt_encoder_row *table) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    const wt_search values = {.lo = -15.0f, .hi = 15.0f, .steps = 31, .passes = 2, .bias = 1.0f};
    const wt_search none = {.steps = 1, .bias = 1.0f};
    table[WT_IQ4_NL] = (wt_encoder_row){.encode = encode_iq4_nl, .traits = {.exists = true, .search = values}};
    table[WT_IQ4_XS] = (wt_encoder_row){.encode = encode_iq4_xs, .traits = {.exists = true, .search = values}};
    table[WT_MXFP4] = (wt_encoder_row){.encode = encode_mxfp4, .traits = {.exists = true, .search = none}};
    table[WT_NVFP4] = (wt_encoder_row){.encode = encode_nvfp4, .traits = {.exists = true, .search = none}};
}
