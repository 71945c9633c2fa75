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

/* One lane of wt_encode_kernels.fit: its candidates from `scale` and `lowest` as they stand. */
static void fit_lane(const float *x, const float *w, size_t n, float hi, int steps, int lane, wt_fit_lanes *l) {
    const wt_grid grid = {0.0f, hi, NULL};
    float q[WT_MAX_RUN], sum_w = l->sum_w[lane], sum_x = l->sum_x[lane];
    for (int step = -1; step < steps; step++) {
        float t = step < 0 ? 0.0f : l->first[lane] + l->step[lane] * (float)step;
        float range = l->most[lane] - l->lowest[lane];
        float inverse = range > 0.0f ? (t + hi) / range : 0.0f;
        float sq = 0.0f, qq = 0.0f, qx = 0.0f, error = 0.0f;
        for (size_t i = 0; i < n; i++) {
            q[i] = wt_grid_nearest(&grid, (x[i * WT_LANES + lane] - l->lowest[lane]) * inverse);
            float wq = w[i * WT_LANES + lane] * q[i];
            sq += wq;
            qq += wq * q[i];
            qx += wq * x[i * WT_LANES + lane];
        }
        float determinant = sum_w * qq - sq * sq, scale = range > 0.0f ? range / hi : 0.0f, lowest = l->lowest[lane];
        if (step >= 0) {
            scale = (sum_w * qx - sum_x * sq) / determinant;
            lowest = (qq * sum_x - sq * qx) / determinant;
            if (lowest > l->floor[lane]) {
                lowest = l->floor[lane];
                scale = qx / qq;
            }
            if (!(determinant > 0.0f)) continue;
        }
        for (size_t i = 0; i < n; i++) {
            float e = scale * q[i] + lowest - x[i * WT_LANES + lane];
            error += w[i * WT_LANES + lane] * (e * e);
        }
        if (step < 0 || error < l->error[lane]) {
            l->error[lane] = error;
            l->scale[lane] = scale;
            l->lowest[lane] = lowest;
            l->qq[lane] = qq;
        }
    }
}

static void fit(const float *x, const float *w, size_t n, float hi, int steps, wt_fit_lanes *l) {
    for (int lane = 0; lane < WT_LANES; lane++) {
        float least = x[lane], most = x[lane], sum_w = 0.0f, sum_x = 0.0f;
        for (size_t i = 0; i < n; i++) {
            float v = x[i * WT_LANES + lane];
            least = v < least ? v : least;
            most = v > most ? v : most;
            sum_w += w[i * WT_LANES + lane];
            sum_x += w[i * WT_LANES + lane] * v;
        }
        l->least[lane] = least;
        l->most[lane] = most;
        l->sum_w[lane] = sum_w;
        l->sum_x[lane] = sum_x;
        l->lowest[lane] = least < l->floor[lane] ? least : l->floor[lane];
        fit_lane(x, w, n, hi, steps, lane, l);
    }
}

static void assign(const float *x, size_t n, const wt_grid *grid, float inverse, float min, int8_t *q) {
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)wt_grid_nearest(grid, (x[i] + min) * inverse);
}

static const wt_encode_kernels PLAIN = {symmetric, affine, fit, assign};

const wt_encode_kernels *wt_encode_kernels_at(wt_cpu_level level) {
#if defined(__x86_64__)
    if (level >= WT_CPU_AVX512) return &wt_encode_kernels_avx512;
    if (level >= WT_CPU_AVX2) return &wt_encode_kernels_avx2;
#endif
    (void)level;
    return &PLAIN;
}
