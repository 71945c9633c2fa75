/*
 * IQ1, IQ2 and IQ3: 256 weights in groups of 8, each a row of a codebook (or two rows of 4), signs and a scale that 16
 * or 32 weights share. Included by a file for each instruction set, which writes the 8 weights of a group by
 *   put_1(row, values, delta, scale, dst): a row of 2-bit digits that stand for values[4], delta added to them;
 *   put_2(row, values, signs, scale, dst): the same without, and bit j of signs is weight j's;
 *   put_3(first, second, values, signs, scale, dst): two rows of 4 3-bit digits each that stand for values[8],
 * the products in the formula's order. Blocks are copied out first: they lie at any alignment.
 */
#include <string.h>

#include "quant/codebook_blocks.h"
#include "quant/codebook_tables.h"
#include "quant/codec_families.h"

static const float VALUES_1[4] = WT_VALUES_IQ1, VALUES_2[4] = WT_VALUES_IQ2, VALUES_3_XXS[8] = WT_VALUES_IQ3_XXS,
                   VALUES_3_S[8] = WT_VALUES_IQ3_S;

static void decode_iq2_xxs(const void *src, float *dst, size_t n) {
    wt_block_iq2_xxs b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int run = 0; run < 8; run++) {
            const uint16_t *q = b.qs + 4 * run;
            uint32_t rows = q[0] | (uint32_t)q[1] << 16, signs = q[2] | (uint32_t)q[3] << 16;
            float scale = d * (0.5f + (float)(signs >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++, dst += 8)
                put_2(wt_grid_iq2xxs[rows >> 8 * l & 255], VALUES_2, wt_signs_of(signs >> 7 * l & 127), scale, dst);
        }
    }
}

static void decode_iq2_xs(const void *src, float *dst, size_t n) {
    wt_block_iq2_xs b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int l = 0; l < 32; l++, dst += 8) {
            float scale = d * (0.5f + (float)(b.scales[l / 4] >> l / 2 % 2 * 4 & 15)) * 0.25f;
            put_2(wt_grid_iq2xs[b.qs[l] & 511], VALUES_2, wt_signs_of(b.qs[l] >> 9), scale, dst);
        }
    }
}

static void decode_iq2_s(const void *src, float *dst, size_t n) {
    wt_block_iq2_s b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int l = 0; l < 32; l++, dst += 8) {
            float scale = d * (0.5f + (float)(b.scales[l / 4] >> l / 2 % 2 * 4 & 15)) * 0.25f;
            unsigned row = b.qs[l] | (b.qh[l / 4] >> l % 4 * 2 & 3u) << 8;
            put_2(wt_grid_iq2s[row], VALUES_2, b.signs[l], scale, dst);
        }
    }
}

static void decode_iq3_xxs(const void *src, float *dst, size_t n) {
    wt_block_iq3_xxs b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int run = 0; run < 8; run++) {
            const uint8_t *q = b.qs + 8 * run, *s = b.signs + 4 * run;
            uint32_t signs = s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
            float scale = d * (0.5f + (float)(signs >> 28)) * 0.5f;
            for (int l = 0; l < 4; l++, dst += 8)
                put_3(wt_grid_iq3xxs[q[2 * l]], wt_grid_iq3xxs[q[2 * l + 1]], VALUES_3_XXS,
                      wt_signs_of(signs >> 7 * l & 127), scale, dst);
        }
    }
}

static void decode_iq3_s(const void *src, float *dst, size_t n) {
    wt_block_iq3_s b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int l = 0; l < 32; l++, dst += 8) {
            int run = l / 4, shift = l % 4 * 2;
            float scale = d * (float)(1 + 2 * (b.scales[run / 2] >> run % 2 * 4 & 15));
            unsigned first = b.qs[2 * l] | (b.qh[run] >> shift & 1u) << 8;
            unsigned second = b.qs[2 * l + 1] | (b.qh[run] >> (shift + 1) & 1u) << 8;
            put_3(wt_grid_iq3s[first], wt_grid_iq3s[second], VALUES_3_S, b.signs[l], scale, dst);
        }
    }
}

static void decode_iq1_s(const void *src, float *dst, size_t n) {
    wt_block_iq1_s b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int l = 0; l < 32; l++, dst += 8) {
            unsigned h = b.qh[l / 4];
            float scale = d * (float)(2 * (h >> 12 & 7) + 1), delta = h >> 15 ? -WT_IQ1_DELTA : WT_IQ1_DELTA;
            put_1(wt_grid_iq1s[b.qs[l] | (h >> l % 4 * 3 & 7) << 8], VALUES_1, delta, scale, dst);
        }
    }
}

static void decode_iq1_m(const void *src, float *dst, size_t n) {
    wt_block_iq1_m b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(wt_iq1_m_d(&b));
        for (int l = 0; l < 32; l++, dst += 8) {
            unsigned h = b.qh[l / 2] >> l % 2 * 4 & 15;
            float scale = d * (float)(2 * (b.scales[l / 8] >> l / 2 % 4 * 3 & 7) + 1);
            put_1(wt_grid_iq1s[b.qs[l] | (h & 7) << 8], VALUES_1, h & 8 ? -WT_IQ1_DELTA : WT_IQ1_DELTA, scale, dst);
        }
    }
}

static void fill_codebook(wt_codec *table) {
    table[WT_IQ1_S].decode = decode_iq1_s;
    table[WT_IQ1_M].decode = decode_iq1_m;
    table[WT_IQ2_XXS].decode = decode_iq2_xxs;
    table[WT_IQ2_XS].decode = decode_iq2_xs;
    table[WT_IQ2_S].decode = decode_iq2_s;
    table[WT_IQ3_XXS].decode = decode_iq3_xxs;
    table[WT_IQ3_S].decode = decode_iq3_s;
}
