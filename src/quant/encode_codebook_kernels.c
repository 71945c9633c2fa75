/* The inner loops of the codebook search in plain C, which the variants agree with bit for bit. */
#include <math.h>

#include "quant/encode_codebook.h"
#include "quant/encode_kernels.h"

enum { LANES = WT_BOOK_LANES };

static void lines(const wt_book *book, size_t from, size_t rows, const float *x, const float *w, bool flip, float *a,
                  float *b2) {
    float least[LANES];
    for (size_t r = 0; r < rows; r += LANES, a += LANES, b2 += LANES) {
        for (int j = 0; j < LANES; j++) a[j] = b2[j] = 0.0f;
        for (int j = 0; j < LANES; j++) least[j] = INFINITY;
        for (size_t i = 0; i < book->width; i++) {
            const float *v = book->values + i * book->rows + from + r;
            for (int j = 0; j < LANES; j++) {
                float wv = w[i] * v[j], p = wv * x[i];
                a[j] += wv * v[j];
                b2[j] += p;
                least[j] = p < least[j] ? p : least[j];
            }
        }
        for (int j = 0; j < LANES; j++) b2[j] = 2.0f * (flip ? b2[j] - 2.0f * least[j] : b2[j]);
    }
}

static size_t lowest(const float *a, const float *b2, size_t rows, float s) {
    float least[LANES];
    size_t at[LANES], best = 0;
    for (int j = 0; j < LANES; j++) least[j] = INFINITY, at[j] = 0;
    for (size_t r = 0; r < rows; r += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            float y = s * a[r + j] - b2[r + j];
            at[j] = y < least[j] ? r + j : at[j];
            least[j] = y < least[j] ? y : least[j];
        }
    }
    for (size_t j = 1; j < LANES; j++) {
        if (least[j] < least[best] || (least[j] == least[best] && at[j] < at[best])) best = j;
    }
    return at[best];
}

static size_t below(const float *a, const float *b2, size_t rows, float s, float limit, float *out_a, float *out_b2,
                    uint32_t *out_row) {
    size_t n = 0;
    for (size_t r = 0; r < rows; r++) {
        if (!(s * a[r] - b2[r] < limit)) continue;
        out_a[n] = a[r];
        out_b2[n] = b2[r];
        out_row[n++] = (uint32_t)r;
    }
    return n;
}

static void add_lowest(const float *a, const float *b2, int n, const float *s, float *sum) {
    float y[LANES];
    for (int j = 0; j < LANES; j++) y[j] = s[j] * a[0] - b2[0];
    for (int i = 1; i < n; i++) {
        for (int j = 0; j < LANES; j++) {
            float other = s[j] * a[i] - b2[i];
            y[j] = other < y[j] ? other : y[j];
        }
    }
    for (int j = 0; j < LANES; j++) sum[j] += y[j];
}

static const wt_book_kernels PLAIN = {lines, lowest, below, add_lowest};

const wt_book_kernels *wt_book_kernels_of(const wt_encode_kernels *k) {
#if defined(__x86_64__)
    if (k == &wt_encode_kernels_avx512) return &wt_book_kernels_avx512;
    if (k == &wt_encode_kernels_avx2) return &wt_book_kernels_avx2;
#endif
    (void)k;
    return &PLAIN;
}
