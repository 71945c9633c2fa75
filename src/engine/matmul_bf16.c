#include "engine/matmul_bf16.h"

#include "base/cpu.h"

#if defined(__x86_64__)
extern const wt_bf16_products wt_bf16_products_avx512;

const wt_bf16_products *wt_bf16_products_get(void) {
    return wt_cpu_chosen() == WT_CPU_AVX512 && wt_matmul_has_bf16() ? &wt_bf16_products_avx512 : NULL;
}
#else
const wt_bf16_products *wt_bf16_products_get(void) { return NULL; }
#endif
