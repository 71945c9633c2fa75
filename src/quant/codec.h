/*
 * Block codecs: what a block's bytes mean. One table, indexed by type number (sizes are model/types.h's). This floor
 * knows nothing of models. Formats: ggml's; F16 is IEEE half, BF16 the upper half of a float.
 *
 * A family of types is a file (codec_k.c), whose plain C fills the family's rows. Variants for instruction sets overwrite
 * the rows that they have something faster for: codec_k_neon.c, and codec_k_body.h, which is written once for AVX2 and
 * AVX-512 (codec_legacy_body.h and codec_iq4_body.h: for NEON too) and compiled by codec_blocks_avx2.c and the like. All decode to the same bits, but for those of a
 * NaN.
 */
#ifndef WT_QUANT_CODEC_H
#define WT_QUANT_CODEC_H

#include <stdbool.h>

#include "base/cpu.h"
#include "model/types.h"

/* Decodes n weights (a whole number of blocks) from src (any alignment) to dst (that of a float); no overlap. */
typedef void (*wt_decode_fn)(const void *src, float *dst, size_t n);

typedef struct wt_codec {
    wt_decode_fn decode; /* NULL: this build cannot decode the type */
    bool has_codebook;   /* a look-up for every few weights: slower to decode than memory is to write */
} wt_codec;

/* The codec of a type for this processor (see base/cpu.h), never NULL. Thread-safe. */
const wt_codec *wt_codec_of(wt_type type);

/* As wt_codec_of with the variants up to `level`, which this processor must have (wt_cpu_best); for tests. */
const wt_codec *wt_codec_at(wt_type type, wt_cpu_level level);

/*
 * Decodes n weights (a whole number of blocks) from src (any alignment) to dst (that of a float) without overlap, of a type
 * that this build can decode, as its codec's `decode` does, with stores that go past the
 * caches: for results larger than those, in memory that was written to before. Ordinary stores read such memory before
 * they write it, and turn out of the caches what else is there. Fresh memory, or what is read again at once, is better
 * decoded by `decode`; so are, and by this function too, types with a codebook, which no memory is too slow for.
 */
void wt_decode_streaming(wt_type type, const void *src, float *dst, size_t n);

/* Half-precision conversions, bit-exact and rounding to nearest even. A NaN stays one, made quiet by wt_f32_to_f16. */
float wt_f16_to_f32(uint16_t h);
uint16_t wt_f32_to_f16(float f);

#endif
