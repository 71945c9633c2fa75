/* The K types for AVX-512. */
#include "quant/codec_k_body.h"

void wt_codec_k_avx512(wt_codec *table) { fill_k(table); }
