/*
 * Block codecs: what a block's bytes mean. One table, indexed by type number (sizes are model/types.h's). This floor knows
 * nothing of models. Formats: ggml's, as described in docs/formats; F16 is IEEE half, BF16 the upper half of a float.
 */
#ifndef WT_QUANT_CODEC_H
#define WT_QUANT_CODEC_H

#include "model/types.h"

/* Decodes n weights (a whole number of blocks) from src (any alignment) to dst. */
typedef void (*wt_decode_fn)(const void *src, float *dst, size_t n);

typedef struct wt_codec {
    wt_decode_fn decode; /* NULL: this build cannot decode the type */
} wt_codec;

/* The codec of a type, never NULL; the variants for this processor are chosen on the first call. */
const wt_codec *wt_codec_of(wt_type type);

/* Half-precision conversions, bit-exact and rounding to nearest even. */
float wt_f16_to_f32(uint16_t h);
uint16_t wt_f32_to_f16(float f);

#endif
