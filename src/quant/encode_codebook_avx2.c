/* The inner loops of the codebook search with AVX2: eight rows, or scales, a register. */
#include <immintrin.h>
#include <math.h>

#include "quant/encode_codebook.h"

static void lines(const wt_book *book, size_t from, size_t rows, const float *x, const float *w, bool flip, float *a,
                  float *b2) {
    const __m256 two = _mm256_set1_ps(2.0f);
    for (size_t r = 0; r < rows; r += 8) {
        const float *values = book->values + from + r;
        __m256 sum_a = _mm256_setzero_ps(), sum_b = _mm256_setzero_ps(), least = _mm256_set1_ps(INFINITY);
        for (size_t i = 0; i < book->width; i++) {
            __m256 v = _mm256_loadu_ps(values + i * book->rows), wv = _mm256_mul_ps(_mm256_set1_ps(w[i]), v);
            __m256 p = _mm256_mul_ps(wv, _mm256_set1_ps(x[i]));
            sum_a = _mm256_add_ps(sum_a, _mm256_mul_ps(wv, v));
            sum_b = _mm256_add_ps(sum_b, p);
            if (flip) least = _mm256_min_ps(p, least);
        }
        if (flip) sum_b = _mm256_sub_ps(sum_b, _mm256_mul_ps(two, least));
        _mm256_storeu_ps(a + r, sum_a);
        _mm256_storeu_ps(b2 + r, _mm256_mul_ps(two, sum_b));
    }
}

static size_t lowest(const float *a, const float *b2, size_t rows, float s) {
    const __m256 scale = _mm256_set1_ps(s);
    const __m256i step = _mm256_set1_epi32(8);
    __m256i row = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), at = _mm256_setzero_si256();
    __m256 least = _mm256_set1_ps(INFINITY);
    float lane[8];
    int32_t lane_at[8], best = 0;
    for (size_t r = 0; r < rows; r += 8) {
        __m256 y = _mm256_sub_ps(_mm256_mul_ps(scale, _mm256_loadu_ps(a + r)), _mm256_loadu_ps(b2 + r));
        at = _mm256_blendv_epi8(at, row, _mm256_castps_si256(_mm256_cmp_ps(y, least, _CMP_LT_OQ)));
        least = _mm256_min_ps(y, least);
        row = _mm256_add_epi32(row, step);
    }
    _mm256_storeu_ps(lane, least);
    _mm256_storeu_si256((__m256i *)lane_at, at);
    for (int j = 1; j < 8; j++) {
        if (lane[j] < lane[best] || (lane[j] == lane[best] && lane_at[j] < lane_at[best])) best = j;
    }
    return (size_t)lane_at[best];
}

static size_t below(const float *a, const float *b2, size_t rows, float s, float limit, float *out_a, float *out_b2,
                    uint32_t *out_row) {
    const __m256 scale = _mm256_set1_ps(s), under = _mm256_set1_ps(limit);
    size_t n = 0;
    for (size_t r = 0; r < rows; r += 8) {
        __m256 y = _mm256_sub_ps(_mm256_mul_ps(scale, _mm256_loadu_ps(a + r)), _mm256_loadu_ps(b2 + r));
        unsigned some = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(y, under, _CMP_LT_OQ));
        for (; some; some &= some - 1) {
            size_t row = r + (size_t)__builtin_ctz(some);
            out_a[n] = a[row];
            out_b2[n] = b2[row];
            out_row[n++] = (uint32_t)row;
        }
    }
    return n;
}

static void add_lowest(const float *a, const float *b2, int n, const float *s, float *sum) {
    const __m256 s0 = _mm256_loadu_ps(s), s1 = _mm256_loadu_ps(s + 8);
    __m256 y0 = _mm256_set1_ps(INFINITY), y1 = y0;
    for (int i = 0; i < n; i++) {
        __m256 slope = _mm256_set1_ps(a[i]), shift = _mm256_set1_ps(b2[i]);
        y0 = _mm256_min_ps(_mm256_sub_ps(_mm256_mul_ps(s0, slope), shift), y0);
        y1 = _mm256_min_ps(_mm256_sub_ps(_mm256_mul_ps(s1, slope), shift), y1);
    }
    _mm256_storeu_ps(sum, _mm256_add_ps(_mm256_loadu_ps(sum), y0));
    _mm256_storeu_ps(sum + 8, _mm256_add_ps(_mm256_loadu_ps(sum + 8), y1));
}

const wt_book_kernels wt_book_kernels_avx2 = {lines, lowest, below, add_lowest};
