/* The plain loops; every variant gives their bits. */
#include "quant/encode_kernels.h"

static void symmetric(const float *x, const float *w, size_t n, const wt_grid *grid, size_t groups,
                      const wt_symmetric_lanes *l) {
    for (size_t c = 0; c < groups * WT_LANES; c++) {
        float qx = 0.0f, qq = 0.0f, error = 0.0f;
        for (size_t i = 0; i < n; i++) {
            float q = wt_grid_nearest(grid, x[i] * l->inverse[c]), wq = w[i] * q;
            qx += wq * x[i];
            qq += wq * q;
            if (l->error) {
                float e = x[i] - l->scale[c] * q;
                error += w[i] * e * e;
            }
        }
        l->qx[c] = qx;
        l->qq[c] = qq;
        if (l->error) l->error[c] = error;
    }
}

static void affine(const float *x, const float *w, size_t n, float hi, size_t groups, const wt_affine_lanes *l) {
    const wt_grid grid = {0.0f, hi, NULL};
    for (size_t c = 0; c < groups * WT_LANES; c++) {
        float sum = 0.0f, qx = 0.0f, qq = 0.0f, error = 0.0f;
        for (size_t i = 0; i < n; i++) {
            float shifted = x[i] + l->min[c], q = wt_grid_nearest(&grid, shifted * l->inverse[c]), wq = w[i] * q;
            sum += wq;
            qx += wq * x[i];
            qq += wq * q;
            if (l->error) {
                float e = shifted - l->scale[c] * q;
                error += w[i] * e * e;
            }
        }
        l->q[c] = sum;
        l->qx[c] = qx;
        l->qq[c] = qq;
        if (l->error) l->error[c] = error;
    }
}

static void assign(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q) {
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)wt_grid_nearest(grid, (x[i] + min) * inverse);
}

static const wt_encode_kernels PLAIN = {symmetric, affine, assign};

const wt_encode_kernels *wt_encode_kernels_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level >= WT_CPU_AVX512) return &wt_encode_kernels_avx512;
    if (level >= WT_CPU_AVX2) return &wt_encode_kernels_avx2;
#endif
    (void)level;
    return &PLAIN;
}
