/* IQ4 and the FP4 types for AVX-512. */
#include "quant/codec_iq4_body.h"

void wt_codec_iq4_avx512(wt_codec *table) { fill_iq4(table); }
