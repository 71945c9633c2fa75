/* The block types for AVX-512, but those with a codebook. */
#ifndef __AVX512F__
#error "codec_x86.h would make this the variant for AVX2"
#endif

#include "quant/codec_iq4_body.h"
#include "quant/codec_k_body.h"
#include "quant/codec_legacy_body.h"
#include "quant/codec_ternary_body.h"

void wt_codec_blocks_avx512(wt_codec *table) {
    fill_legacy(table);
    fill_k(table);
    fill_iq4(table);
    fill_ternary(table);
}
