/* The types of one to two bits for AVX-512. */
#include "quant/codec_ternary_body.h"

void wt_codec_ternary_avx512(wt_codec *table) { fill_ternary(table); }
