/* 32 rows in four registers, two columns at a time. */
#include <immintrin.h>

#include "apply/feedback_private.h"

enum { LANES = WT_FEEDBACK_LANES, REGISTERS = LANES / 8 };

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

const wt_feedback_kernels wt_feedback_kernels_avx2 = {accumulate};
