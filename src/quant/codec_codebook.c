/* IQ1, IQ2 and IQ3 in plain C. */
#include <string.h>

#include "quant/codebook_blocks.h"
#include "quant/codebook_tables.h"
#include "quant/codec_families.h"

static const float VALUES_1[4] = WT_VALUES_IQ1, VALUES_2[4] = WT_VALUES_IQ2, VALUES_3_XXS[8] = WT_VALUES_IQ3_XXS,
                   VALUES_3_S[8] = WT_VALUES_IQ3_S;

/* 8 weights: a row of 2-bit digits. */
static void put_2(unsigned row, unsigned signs, float scale, float *dst) {
    for (int j = 0; j < 8; j++) {
        float v = scale * VALUES_2[row >> 2 * j & 3];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

/* 8 weights: two rows of 3-bit digits. */
static void put_3(unsigned first, unsigned second, const float *values, unsigned signs, float scale, float *dst) {
    for (int j = 0; j < 8; j++) {
        unsigned row = j < 4 ? first : second;
        float v = scale * values[row >> 3 * (j % 4) & 7];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

static void put_1(unsigned row, float delta, float scale, float *dst) {
    for (int j = 0; j < 8; j++) dst[j] = scale * (VALUES_1[row >> 2 * j & 3] + delta);
}

#include "quant/codec_codebook_body.h"

void wt_codec_codebook(wt_codec *table) { fill_codebook(table); }
