/* IQ1, IQ2 and IQ3 in plain C. */
/* 8 weights: a row of 2-bit digits. */
static void put_2(unsigned row, const float *values, unsigned signs, float scale, float *dst) {
    for (int j = 0; j < 8; j++) {
        float v = scale * values[row >> 2 * j & 3];
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

static void put_1(unsigned row, const float *values, float delta, float scale, float *dst) {
    for (int j = 0; j < 8; j++) dst[j] = scale * (values[row >> 2 * j & 3] + delta);
}

#include "quant/codec_codebook_body.h"

void wt_codec_codebook(wt_codec *table) {
    static const wt_type TYPES[] = {WT_IQ1_S, WT_IQ1_M, WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S};
    fill_codebook(table);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) table[TYPES[i]].has_codebook = true;
}
