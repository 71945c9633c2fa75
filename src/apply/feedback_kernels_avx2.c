/* 32 rows in four registers, two columns at a time; half a tile of the factor in eight. */
#include <immintrin.h>

#include "apply/feedback_private.h"

enum { LANES = WT_FEEDBACK_LANES, REGISTERS = LANES / 8, SIDE = WT_FEEDBACK_SIDE };

static inline __attribute__((always_inline)) void some(const float *e, size_t n, const float *p, size_t stride,
                                                       int columns, float *s) {
    __m256 sum[2][REGISTERS];
    for (int j = 0; j < columns; j++) {
        for (int k = 0; k < REGISTERS; k++) sum[j][k] = _mm256_loadu_ps(s + LANES * j + 8 * k);
    }
    for (size_t i = 0; i < n; i++, e += LANES, p += stride) {
        for (int j = 0; j < columns; j++) {
            const __m256 by = _mm256_set1_ps(p[j]);
            for (int k = 0; k < REGISTERS; k++)
                sum[j][k] = _mm256_add_ps(sum[j][k], _mm256_mul_ps(_mm256_loadu_ps(e + 8 * k), by));
        }
    }
    for (int j = 0; j < columns; j++) {
        for (int k = 0; k < REGISTERS; k++) _mm256_storeu_ps(s + LANES * j + 8 * k, sum[j][k]);
    }
}

static void accumulate(const float *e, size_t n, const float *p, size_t stride, size_t width, float *s) {
    size_t j = 0;
    for (; j + 2 <= width; j += 2) some(e, n, p + j, stride, 2, s + LANES * j);
    if (j < width) some(e, n, p + j, stride, 1, s + LANES * j);
}

static void products(const double *x, const double *y, size_t n, double *sum) {
    for (int half = 0; half < SIDE; half += 4) {
        __m256d low[4], high[4];
        for (int i = 0; i < 4; i++) low[i] = high[i] = _mm256_setzero_pd();
        for (size_t k = 0; k < n; k++) {
            const __m256d a = _mm256_loadu_pd(y + k * SIDE), b = _mm256_loadu_pd(y + k * SIDE + 4);
            for (int i = 0; i < 4; i++) {
                const __m256d by = _mm256_set1_pd(x[k * SIDE + (size_t)(half + i)]);
                low[i] = _mm256_add_pd(low[i], _mm256_mul_pd(by, a));
                high[i] = _mm256_add_pd(high[i], _mm256_mul_pd(by, b));
            }
        }
        for (int i = 0; i < 4; i++) {
            _mm256_storeu_pd(sum + (half + i) * SIDE, low[i]);
            _mm256_storeu_pd(sum + (half + i) * SIDE + 4, high[i]);
        }
    }
}

const wt_feedback_kernels wt_feedback_kernels_avx2 = {accumulate, products};
