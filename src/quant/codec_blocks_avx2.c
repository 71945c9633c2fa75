/* The block types for AVX2, but those with a codebook. */
#include "quant/codec_iq4_body.h"
#include "quant/codec_k_body.h"
#include "quant/codec_legacy_body.h"
#include "quant/codec_ternary_body.h"

void wt_codec_blocks_avx2(wt_codec *table) {
    fill_legacy(table);
    fill_k(table);
    fill_iq4(table);
    fill_ternary(table);
}
