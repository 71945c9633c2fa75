/* IQ4 and the FP4 types for AVX2. */
#include "quant/codec_iq4_body.h"

void wt_codec_iq4_avx2(wt_codec *table) { fill_iq4(table); }
