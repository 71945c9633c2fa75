#include "engine/matmul_bf16.h"

#include "base/cpu.h"

const wt_bf16_products *wt_bf16_products_get(void) {
#if defined(__x86_64__)
    return wt_cpu_chosen() == WT_CPU_AVX512 && wt_matmul_has_bf16() ? &wt_bf16_products_avx512 : NULL;
#else
    return NULL;
#endif
}
