/* The block types of 32 weights for AVX-512. */
#include "quant/codec_legacy_body.h"

void wt_codec_legacy_avx512(wt_codec *table) { fill_legacy(table); }
