/* Four-bit codes that index a table of values, in plain C. Formats: ../shared/formats (ggml's IQ4 types, OCP MX, NVFP4). */
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"

const int8_t WT_VALUES_IQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t WT_VALUES_FP4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* `half` bytes of codes: the low nibbles are the first weights, the high ones the others. */
static void decode_run(const uint8_t *qs, int half, float scale, const int8_t *values, float *dst) {
    for (int j = 0; j < half; j++) {
        dst[j] = scale * (float)values[qs[j] & 15];
        dst[j + half] = scale * (float)values[qs[j] >> 4];
    }
}

static void decode_iq4_nl(const void *src, float *dst, size_t n) {
    wt_block_iq4_nl b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        decode_run(b.qs, 16, wt_half_to_float(b.d), WT_VALUES_IQ4, dst);
    }
}

static void decode_iq4_xs(const void *src, float *dst, size_t n) {
    wt_block_iq4_xs b;
    for (size_t i = 0; i < n / WT_SUPER; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        float d = wt_half_to_float(b.d);
        for (int j = 0; j < 8; j++, dst += 32) {
            int low = b.scales_l[j / 2] >> (4 * (j % 2)) & 15, high = b.scales_h >> (2 * j) & 3;
            decode_run(b.qs + 16 * j, 16, d * (float)((low | high << 4) - 32), WT_VALUES_IQ4, dst);
        }
    }
}

static void decode_mxfp4(const void *src, float *dst, size_t n) {
    wt_block_mxfp4 b;
    for (size_t i = 0; i < n / 32; i++, dst += 32) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        decode_run(b.qs, 16, wt_mxfp4_scale(b.e), WT_VALUES_FP4, dst);
    }
}

static void decode_nvfp4(const void *src, float *dst, size_t n) {
    wt_block_nvfp4 b;
    for (size_t i = 0; i < n / 64; i++) {
        memcpy(&b, (const unsigned char *)src + i * sizeof b, sizeof b);
        for (int j = 0; j < 4; j++, dst += 16) decode_run(b.qs + 8 * j, 8, wt_nvfp4_scale(b.d[j]), WT_VALUES_FP4, dst);
    }
}

void wt_codec_iq4(wt_codec *table) {
    table[WT_IQ4_NL].decode = decode_iq4_nl;
    table[WT_IQ4_XS].decode = decode_iq4_xs;
    table[WT_MXFP4].decode = decode_mxfp4;
    table[WT_NVFP4].decode = decode_nvfp4;
}
