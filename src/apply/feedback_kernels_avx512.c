/* 32 rows in two registers, eight columns at a time; a tile of the factor in eight. */
#include <immintrin.h>

#include "apply/feedback_private.h"

enum { LANES = WT_FEEDBACK_LANES, SIDE = WT_FEEDBACK_SIDE };

static inline __attribute__((always_inline)) void some(const float *e, size_t n, const float *p, size_t stride,
                                                       int columns, float *s) {
    __m512 low[8], high[8];
    for (int j = 0; j < columns; j++) {
        low[j] = _mm512_loadu_ps(s + LANES * j);
        high[j] = _mm512_loadu_ps(s + LANES * j + 16);
    }
    for (size_t i = 0; i < n; i++, e += LANES, p += stride) {
        const __m512 a = _mm512_loadu_ps(e), b = _mm512_loadu_ps(e + 16);
        for (int j = 0; j < columns; j++) {
            const __m512 by = _mm512_set1_ps(p[j]);
            low[j] = _mm512_add_ps(low[j], _mm512_mul_ps(a, by));
            high[j] = _mm512_add_ps(high[j], _mm512_mul_ps(b, by));
        }
    }
    for (int j = 0; j < columns; j++) {
        _mm512_storeu_ps(s + LANES * j, low[j]);
        _mm512_storeu_ps(s + LANES * j + 16, high[j]);
    }
}

static void accumulate(const float *e, size_t n, const float *p, size_t stride, size_t width, float *s) {
    size_t j = 0;
    for (; j + 8 <= width; j += 8) some(e, n, p + j, stride, 8, s + LANES * j);
    for (; j + 2 <= width; j += 2) some(e, n, p + j, stride, 2, s + LANES * j);
    if (j < width) some(e, n, p + j, stride, 1, s + LANES * j);
}

static void products(const double *x, const double *y, size_t n, double *sum) {
    __m512d rows[SIDE];
    for (int i = 0; i < SIDE; i++) rows[i] = _mm512_setzero_pd();
    for (size_t k = 0; k < n; k++) {
        const __m512d a = _mm512_loadu_pd(y + k * SIDE);
        for (int i = 0; i < SIDE; i++) rows[i] = _mm512_add_pd(rows[i], _mm512_mul_pd(_mm512_set1_pd(x[k * SIDE + (size_t)i]), a));
    }
    for (int i = 0; i < SIDE; i++) _mm512_storeu_pd(sum + i * SIDE, rows[i]);
}

const wt_feedback_kernels wt_feedback_kernels_avx512 = {accumulate, products};
