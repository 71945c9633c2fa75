/* The inner loops of the codebook search with AVX-512: sixteen rows, or scales, a register. */
#include <immintrin.h>
#include <math.h>

#include "quant/encode_codebook.h"

static void lines(const wt_book *book, size_t from, size_t rows, const float *x, const float *w, bool flip, float *a,
                  float *b2) {
    const __m512 two = _mm512_set1_ps(2.0f);
    for (size_t r = 0; r < rows; r += 16) {
        const float *values = book->values + from + r;
        __m512 sum_a = _mm512_setzero_ps(), sum_b = _mm512_setzero_ps(), least = _mm512_set1_ps(INFINITY);
        for (size_t i = 0; i < book->width; i++) {
            __m512 v = _mm512_loadu_ps(values + i * book->rows), wv = _mm512_mul_ps(_mm512_set1_ps(w[i]), v);
            __m512 p = _mm512_mul_ps(wv, _mm512_set1_ps(x[i]));
            sum_a = _mm512_add_ps(sum_a, _mm512_mul_ps(wv, v));
            sum_b = _mm512_add_ps(sum_b, p);
            if (flip) least = _mm512_min_ps(p, least);
        }
        if (flip) sum_b = _mm512_sub_ps(sum_b, _mm512_mul_ps(two, least));
        _mm512_storeu_ps(a + r, sum_a);
        _mm512_storeu_ps(b2 + r, _mm512_mul_ps(two, sum_b));
    }
}

static size_t lowest(const float *a, const float *b2, size_t rows, float s) {
    const __m512 scale = _mm512_set1_ps(s);
    const __m512i step = _mm512_set1_epi32(16);
    __m512i row = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), at = _mm512_setzero_si512();
    __m512 least = _mm512_set1_ps(INFINITY);
    for (size_t r = 0; r < rows; r += 16) {
        __m512 y = _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_loadu_ps(a + r)), _mm512_loadu_ps(b2 + r));
        at = _mm512_mask_mov_epi32(at, _mm512_cmp_ps_mask(y, least, _CMP_LT_OQ), row);
        least = _mm512_min_ps(y, least);
        row = _mm512_add_epi32(row, step);
    }
    __mmask16 low = _mm512_cmp_ps_mask(least, _mm512_set1_ps(_mm512_reduce_min_ps(least)), _CMP_EQ_OQ);
    return _mm512_mask_reduce_min_epu32(low, at);
}

static size_t below(const float *a, const float *b2, size_t rows, float s, float limit, float *out_a, float *out_b2,
                    uint32_t *out_row) {
    const __m512 scale = _mm512_set1_ps(s), under = _mm512_set1_ps(limit);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t n = 0;
    for (size_t r = 0; r < rows; r += 16) {
        __m512 slope = _mm512_loadu_ps(a + r), shift = _mm512_loadu_ps(b2 + r);
        __mmask16 some = _mm512_cmp_ps_mask(_mm512_sub_ps(_mm512_mul_ps(scale, slope), shift), under, _CMP_LT_OQ);
        if (!some) continue;
        _mm512_storeu_ps(out_a + n, _mm512_maskz_compress_ps(some, slope)); /* n <= r: whole registers fit */
        _mm512_storeu_ps(out_b2 + n, _mm512_maskz_compress_ps(some, shift));
        _mm512_storeu_si512(out_row + n, _mm512_maskz_compress_epi32(some, _mm512_add_epi32(lane, _mm512_set1_epi32((int)r))));
        n += (size_t)__builtin_popcount(some);
    }
    return n;
}

static void add_lowest(const float *a, const float *b2, int n, const float *s, float *sum) {
    const __m512 scale = _mm512_loadu_ps(s);
    __m512 y = _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_set1_ps(a[0])), _mm512_set1_ps(b2[0]));
    for (int i = 1; i < n; i++)
        y = _mm512_min_ps(_mm512_sub_ps(_mm512_mul_ps(scale, _mm512_set1_ps(a[i])), _mm512_set1_ps(b2[i])), y);
    _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), y));
}

const wt_book_kernels wt_book_kernels_avx512 = {lines, lowest, below, add_lowest};
