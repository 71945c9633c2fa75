/* The products of error feedback in plain C; every variant adds in the same order, without fusing, and gives the same bits. */
#include "apply/feedback_private.h"

enum { LANES = WT_FEEDBACK_LANES, SIDE = WT_FEEDBACK_SIDE };

static void accumulate(const float *e, size_t n, const float *p, size_t stride, size_t width, float *s) {
    for (size_t j = 0; j < width; j++, s += LANES) {
        float sum[LANES];
        for (int lane = 0; lane < LANES; lane++) sum[lane] = s[lane];
        for (size_t i = 0; i < n; i++) {
            const float by = p[i * stride + j];
            for (int lane = 0; lane < LANES; lane++) sum[lane] += e[i * LANES + (size_t)lane] * by;
        }
        for (int lane = 0; lane < LANES; lane++) s[lane] = sum[lane];
    }
}

static void products(const double *x, const double *y, size_t n, double *sum) {
    for (size_t i = 0; i < SIDE; i++) {
        double own[SIDE] = {0};
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j < SIDE; j++) own[j] += x[k * SIDE + i] * y[k * SIDE + j];
        for (size_t j = 0; j < SIDE; j++) sum[i * SIDE + j] = own[j];
    }
}

static const wt_feedback_kernels PLAIN = {accumulate, products};

const wt_feedback_kernels *wt_feedback_kernels_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level >= WT_CPU_AVX512) return &wt_feedback_kernels_avx512;
    if (level >= WT_CPU_AVX2) return &wt_feedback_kernels_avx2;
#endif
    (void)level;
    return &PLAIN;
}
