#include "quant/codec.h"

#include <pthread.h>

#include "quant/codec_families.h"

static wt_codec tables[WT_CPU_LEVELS][WT_TYPE_LIMIT];

static void fill_tables(void) {
    for (int level = WT_CPU_REFERENCE; level < WT_CPU_LEVELS; level++) {
        wt_codec *table = tables[level];
        wt_codec_float(table);
        wt_codec_legacy(table);
        wt_codec_k(table);
        wt_codec_iq4(table);
        wt_codec_ternary(table);
        wt_codec_codebook(table);
#if defined(__x86_64__)
        if (level >= WT_CPU_AVX2) {
            wt_codec_float_avx2(table);
            wt_codec_blocks_avx2(table);
            wt_codec_codebook_avx2(table);
        }
        if (level >= WT_CPU_AVX512) {
            wt_codec_float_avx512(table);
            wt_codec_blocks_avx512(table);
        }
#elif defined(__aarch64__)
        if (level >= WT_CPU_NEON) {
            wt_codec_float_neon(table);
            wt_codec_blocks_neon(table);
            wt_codec_k_neon(table);
        }
#endif
    }
}

const wt_codec *wt_codec_at(wt_type type, wt_cpu_level level) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const wt_codec none;
    pthread_once(&once, fill_tables);
    return (unsigned)type < WT_TYPE_LIMIT ? &tables[level][type] : &none;
}

const wt_codec *wt_codec_of(wt_type type) { return wt_codec_at(type, wt_cpu_chosen()); }
