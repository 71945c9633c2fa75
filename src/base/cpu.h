/*
 * Which instruction set the kernels and codecs may use: what the processor and the system have, or less where
 * WT_KERNELS in the environment says so. Decided once.
 */
#ifndef WT_BASE_CPU_H
#define WT_BASE_CPU_H

/* The levels of the architecture that is compiled for. Each has everything below it. */
typedef enum wt_cpu_level {
    WT_CPU_REFERENCE, /* plain C: whatever the compiler's baseline is */
#if defined(__x86_64__)
    WT_CPU_AVX2,   /* AVX2 and F16C */
    WT_CPU_AVX512, /* and AVX-512 F, BW, VL, DQ */
#elif defined(__aarch64__)
    WT_CPU_NEON, /* which every aarch64 processor has */
#endif
    WT_CPU_LEVELS,
} wt_cpu_level;

/* "reference"; "avx2", "avx512" or "neon": the names that WT_KERNELS takes. Static storage. */
const char *wt_cpu_level_name(wt_cpu_level level);

/* The level of that name, or -1. */
int wt_cpu_level_by_name(const char *name);

/* The highest level that this processor and build have. */
wt_cpu_level wt_cpu_best(void);

/* The level in force: wt_cpu_best, or WT_KERNELS where that is lower. An unknown name there changes nothing. */
wt_cpu_level wt_cpu_chosen(void);

#endif
