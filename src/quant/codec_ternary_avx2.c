/* The types of one to two bits for AVX2. */
#include "quant/codec_ternary_body.h"

void wt_codec_ternary_avx2(wt_codec *table) { fill_ternary(table); }
