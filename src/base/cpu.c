#include "base/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const NAMES[WT_CPU_LEVELS] = {
    [WT_CPU_REFERENCE] = "reference",
#if defined(__x86_64__)
    [WT_CPU_AVX2] = "avx2",
    [WT_CPU_AVX512] = "avx512",
#elif defined(__aarch64__)
    [WT_CPU_NEON] = "neon",
#endif
};

const char *wt_cpu_level_name(wt_cpu_level level) { return NAMES[level]; }

int wt_cpu_level_by_name(const char *name) {
    for (int i = 0; i < WT_CPU_LEVELS; i++) {
        if (strcmp(NAMES[i], name) == 0) return i;
    }
    return -1;
}

#if defined(__x86_64__)
/* clang 14's __builtin_cpu_supports does not know F16C: leaf 1, bit 29 of ECX. */
static bool has_f16c(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & 1u << 29);
}
#endif

/* __builtin_cpu_supports asks the system's state too: it is false where the registers are not saved. */
static wt_cpu_level detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return WT_CPU_REFERENCE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return WT_CPU_AVX2;
    return WT_CPU_AVX512;
#elif defined(__aarch64__)
    return WT_CPU_NEON;
#else
    return WT_CPU_REFERENCE;
#endif
}

static wt_cpu_level best, chosen;

/* Once: under a hypervisor the CPUID instruction takes microseconds. */
static void decide(void) {
    const char *wish = getenv("WT_KERNELS");
    int wanted = wish ? wt_cpu_level_by_name(wish) : -1;
    best = chosen = detect();
    if (wanted >= 0 && wanted < (int)best) chosen = (wt_cpu_level)wanted;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

wt_cpu_level wt_cpu_best(void) {
    pthread_once(&once, decide);
    return best;
}

wt_cpu_level wt_cpu_chosen(void) {
    pthread_once(&once, decide);
    return chosen;
}
