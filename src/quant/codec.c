/* The table of codecs: which function decodes a type. One family of types a file. */
#include "quant/codec.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "quant/codec_families.h"

static wt_codec table[WT_TYPE_LIMIT];

bool wt_codec_wants(const char *variant) {
#if defined(__x86_64__)
    const char *forced = getenv("WT_KERNELS");
    bool allowed = !forced || strcmp(forced, "avx512") == 0 || strcmp(forced, variant) == 0;
    if (strcmp(variant, "avx2") == 0) return allowed && __builtin_cpu_supports("avx2");
    return allowed && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#else
    (void)variant;
    return false;
#endif
}

static void fill_table(void) {
    wt_codec_float(table);
    wt_codec_legacy(table);
    wt_codec_k(table);
}

const wt_codec *wt_codec_of(wt_type type) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const wt_codec none;
    pthread_once(&once, fill_table);
    return (unsigned)type < WT_TYPE_LIMIT ? &table[type] : &none;
}
