/* Block types for NEON: those that the text for AVX serves too. */
#include "quant/codec_iq4_body.h"
#include "quant/codec_legacy_body.h"

void wt_codec_blocks_neon(wt_codec *table) {
    fill_legacy(table);
    fill_iq4(table);
}
