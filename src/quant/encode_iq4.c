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
}

/* The codes of n values, packed: low nibbles for the first half. */
static void pack_values(const value_table *t, const int8_t *q, int n, uint8_t *qs) {
    for (int j = 0; j < n / 2; j++)
        qs[j] = (uint8_t)(t->code_of[q[j] + 128] | t->code_of[q[j + n / 2] + 128] << 4);
}

/* ---- IQ4 ---- */

static void encode_iq4_nl(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                          const wt_search *search, void *dst) {
    wt_codes codes;
    wt_codes_init(&codes, iq4.lo, iq4.hi, &iq4.cells, false, search);
    unsigned char *to = dst;
    int8_t q[32];
    wt_block_iq4_nl b;
    for (size_t i = 0; i < n; i += 32, to += sizeof b, x += 32, w += 32) {
        b.d = wt_search_scale(k, x, w, 32, &codes, search);
        k->assign(x, 32, &codes.grid, wt_inverse(wt_half_to_float(b.d)), 0.0f, q);
        pack_values(&iq4, q, 32, b.qs);
        memcpy(to, &b, sizeof b);
    }
}

static void encode_iq4_xs(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                          const wt_search *search, void *dst) {
    static const wt_super SHAPE = {.runs = 8, .run = 32, .lo = -32, .hi = 31};
    wt_codes codes;
    wt_codes_init(&codes, iq4.lo, iq4.hi, &iq4.cells, false, search);
    unsigned char *to = dst;
    int scales[WT_MAX_RUNS];
    int8_t q[32];
    wt_block_iq4_xs b;
    for (size_t i = 0; i < n; i += WT_SUPER, to += sizeof b, x += WT_SUPER, w += WT_SUPER) {
        wt_search_super(k, x, w, &SHAPE, &codes, search, &b.d, scales);
        float d = wt_half_to_float(b.d);
        b.scales_h = 0;
        memset(b.scales_l, 0, sizeof b.scales_l);
        for (int j = 0; j < 8; j++) {
            unsigned s = (unsigned)(scales[j] + 32);
            b.scales_l[j / 2] |= (uint8_t)((s & 15) << (4 * (j % 2)));
            b.scales_h |= (uint16_t)(s >> 4 << (2 * j));
            k->assign(x + 32 * j, 32, &codes.grid, wt_inverse(d * (float)scales[j]), 0.0f, q);
            pack_values(&iq4, q, 32, b.qs + 16 * j);
        }
        memcpy(to, &b, sizeof b);
    }
}

/* ---- scales that are floats of eight bits: each of those near is tried, exactly ---- */

static float largest_of(const float *x, size_t n) {
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    return largest;
}

/* The lane of the smallest error; scale [WT_LANES * groups], groups <= 2. */
static int best_lane(const wt_encode_kernels *k, const float *x, const float *w, size_t n, size_t groups,
                     const float *scale) {
    const wt_grid grid = {fp4.lo, fp4.hi, &fp4.cells};
    float inverse[2 * WT_LANES], qx[2 * WT_LANES], qq[2 * WT_LANES], error[2 * WT_LANES];
    int lanes = (int)groups * WT_LANES, best = 0;
    for (int i = 0; i < lanes; i++) inverse[i] = scale[i] != 0.0f ? 1.0f / scale[i] : 0.0f;
    wt_symmetric_lanes l = {inverse, scale, qx, qq, error};
    k->symmetric(x, w, n, &grid, groups, &l);
    for (int i = 1; i < lanes; i++) {
        if (error[i] < error[best]) best = i;
    }
    return best;
}

/*
 * Every power of two that could be best: the largest code is 12, so that from 2^-1 the largest weight (taken to 1..2) falls under
 * the first code; much smaller scales serve blocks whose important weights are small.
 */
static void encode_mxfp4(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                         const wt_search *search, void *dst) {
    enum { HIGHEST = 2 };
    const wt_grid grid = {fp4.lo, fp4.hi, &fp4.cells};
    unsigned char *to = dst;
    float scale[WT_LANES], y[32];
    int8_t q[32];
    wt_block_mxfp4 b;
    (void)search; /* all candidates there are are looked at */
    for (int i = 0; i < WT_LANES; i++) scale[i] = ldexpf(1.0f, HIGHEST - i);
    for (size_t i = 0; i < n; i += 32, to += sizeof b, x += 32, w += 32) {
        float largest = largest_of(x, 32);
        memset(&b, 0, sizeof b);
        if (largest > 0.0f) {
            int exponent = ilogbf(largest);
            float by = exponent < -126 ? 0x1p126f : ldexpf(1.0f, -exponent), undo = 1.0f / by;
            for (int j = 0; j < 32; j++) y[j] = x[j] * by;
            int e = HIGHEST - best_lane(k, y, w, 32, 1, scale) + ilogbf(undo) + 128;
            b.e = (uint8_t)(e < 0 ? 0 : e > 255 ? 255 : e);
            k->assign(y, 32, &grid, ldexpf(undo, 128 - b.e), 0.0f, q);
            pack_values(&fp4, q, 32, b.qs);
        }
        memcpy(to, &b, sizeof b);
    }
}

/* Two registers of neighbouring codes, most of them below the one that just holds the largest weight. */
static void encode_nvfp4(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                         const wt_search *search, void *dst) {
    enum { LANES = 2 * WT_LANES, ABOVE = 8, LAST = 0x7e };
    const wt_grid grid = {fp4.lo, fp4.hi, &fp4.cells};
    unsigned char *to = dst;
    float scale[LANES];
    int8_t q[16];
    wt_block_nvfp4 b;
    (void)search;
    for (size_t i = 0; i < n; i += 64, to += sizeof b) {
        for (int run = 0; run < 4; run++, x += 16, w += 16) {
            float wanted = largest_of(x, 16) / fp4.hi;
            int fits = 0, step = 64;
            for (; step; step /= 2) {
                if (fits + step <= LAST && wt_nvfp4_scale((uint8_t)(fits + step)) <= wanted) fits += step;
            }
            int first = fits + ABOVE - (LANES - 1);
            first = first > LAST - (LANES - 1) ? LAST - (LANES - 1) : first;
            first = first < 0 ? 0 : first;
            for (int lane = 0; lane < LANES; lane++) scale[lane] = wt_nvfp4_scale((uint8_t)(first + lane));
            int best = best_lane(k, x, w, 16, 2, scale);
            b.d[run] = (uint8_t)(first + best);
            k->assign(x, 16, &grid, wt_inverse(scale[best]), 0.0f, q);
            pack_values(&fp4, q, 16, b.qs + 8 * run);
        }
        memcpy(to, &b, sizeof b);
    }
}

void wt_encoders_iq4(wt_encoder_row *table) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    const wt_search values = {.lo = -15.0f, .hi = 15.0f, .steps = 31, .passes = 2, .bias = 1.0f};
    const wt_search none = {.steps = 1, .bias = 1.0f};
    table[WT_IQ4_NL] = (wt_encoder_row){encode_iq4_nl, {.exists = true, .search = values}};
    table[WT_IQ4_XS] = (wt_encoder_row){encode_iq4_xs, {.exists = true, .search = values}};
    table[WT_MXFP4] = (wt_encoder_row){encode_mxfp4, {.exists = true, .search = none}};
    table[WT_NVFP4] = (wt_encoder_row){encode_nvfp4, {.exists = true, .search = none}};
}
