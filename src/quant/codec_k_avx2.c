/* The K types for AVX2. */
#include "quant/codec_k_body.h"

void wt_codec_k_avx2(wt_codec *table) { fill_k(table); }
