#include "engine/kernels.h"

#include "base/cpu.h"
#include "engine/kernels_private.h"

static const wt_kernels *const VARIANTS[WT_CPU_LEVELS] = {
    [WT_CPU_REFERENCE] = &wt_kernels_reference,
#if defined(__x86_64__)
    [WT_CPU_AVX2] = &wt_kernels_avx2,
    [WT_CPU_AVX512] = &wt_kernels_avx512,
#elif defined(__aarch64__)
    [WT_CPU_NEON] = &wt_kernels_neon,
#endif
};

const wt_kernels *wt_kernels_get(void) { return VARIANTS[wt_cpu_chosen()]; }

const wt_kernels *wt_kernels_variant(const char *name) {
    int level = wt_cpu_level_by_name(name);
    return level >= 0 && level <= (int)wt_cpu_best() ? VARIANTS[level] : NULL;
}
