/* The block types of 32 weights for AVX2. */
#include "quant/codec_legacy_body.h"

void wt_codec_legacy_avx2(wt_codec *table) { fill_legacy(table); }
