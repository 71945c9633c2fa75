/* The plain variant of the encoders' kernels, and which one a level has. */
#include "quant/encode_kernels_body.h"

static const wt_encode_kernels PLAIN = WT_ENCODE_KERNELS;

const wt_encode_kernels *wt_encode_kernels_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level >= WT_CPU_AVX512) return &wt_encode_kernels_avx512;
    if (level >= WT_CPU_AVX2) return &wt_encode_kernels_avx2;
#elif defined(__aarch64__)
    if (level >= WT_CPU_NEON) return &wt_encode_kernels_neon;
#endif
    (void)level;
    return &PLAIN;
}
