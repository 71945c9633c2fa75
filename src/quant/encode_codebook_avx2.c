/* The inner loops of the codebook search with AVX2: eight rows, halves or scales a register. */
#include <immintrin.h>
#include <math.h>

#include "quant/encode_codebook_body.h"

enum { LANES = 8 };

static void lines(wt_book_group *g, const float *x, const float *w) {
    const size_t width = g->book->width / 2;
    const __m256 two = _mm256_set1_ps(2.0f);
    for (size_t half = 0; half < 2; half++, x += width, w += width) {
        for (size_t r = 0; r < g->book->n[half]; r += LANES) {
            __m256 a = _mm256_setzero_ps(), b = _mm256_setzero_ps(), least = _mm256_set1_ps(INFINITY);
            for (size_t i = 0; i < width; i++) {
                __m256 v = _mm256_loadu_ps(g->book->values[half][i] + r), wv = _mm256_mul_ps(_mm256_set1_ps(w[i]), v);
                __m256 p = _mm256_mul_ps(wv, _mm256_set1_ps(x[i]));
                a = _mm256_add_ps(a, _mm256_mul_ps(wv, v));
                b = _mm256_add_ps(b, p);
                least = _mm256_min_ps(p, least);
            }
            _mm256_store_ps(g->a[half] + r, a);
            _mm256_store_ps(g->b2[half] + r, _mm256_mul_ps(two, b));
            if (g->flip) _mm256_store_ps(g->least[half] + r, least);
        }
    }
}

/* ---- rows that are low ---- */

/* What the halves cost at s, and the least that a row costs more than its first half. */
typedef struct book_costs {
    _Alignas(32) float c[2][WT_BOOK_HALF];
    float low_second, low_flip;
} book_costs;

static inline float least_of(__m256 v) {
    __m128 m = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_min_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_min_ss(m, _mm_shuffle_ps(m, m, 1)));
}

static inline void find_costs(const wt_book_group *g, float s, bool flip, book_costs *c) {
    const __m256 scale = _mm256_set1_ps(s);
    __m256 low = _mm256_set1_ps(INFINITY), least = low;
    for (size_t half = 0; half < 2; half++) {
        low = _mm256_set1_ps(INFINITY);
        for (size_t i = 0; i < g->book->n[half]; i += LANES) {
            __m256 y = _mm256_mul_ps(scale, _mm256_load_ps(g->a[half] + i));
            y = _mm256_sub_ps(y, _mm256_load_ps(g->b2[half] + i));
            _mm256_store_ps(c->c[half] + i, y);
            low = _mm256_min_ps(y, low);
            if (flip) least = _mm256_min_ps(_mm256_load_ps(g->least[half] + i), least);
        }
    }
    c->low_second = least_of(low);
    c->low_flip = flip ? 4.0f * least_of(least) : 0.0f;
}

/* The costs of the eight rows from `at` on, whose first half is `first`. */
static inline __m256 row_costs(const wt_book_group *g, const book_costs *c, size_t first, size_t at, bool flip) {
    __m256i second = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(g->book->second + at)));
    __m256 y = _mm256_add_ps(_mm256_set1_ps(c->c[0][first]), _mm256_i32gather_ps(c->c[1], second, 4));
    if (!flip) return y;
    __m256 least = _mm256_min_ps(_mm256_set1_ps(g->least[0][first]), _mm256_i32gather_ps(g->least[1], second, 4));
    return _mm256_add_ps(y, _mm256_mul_ps(_mm256_set1_ps(4.0f), least));
}

static inline unsigned lower(__m256 y, float limit) {
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(y, _mm256_set1_ps(limit), _CMP_LT_OQ));
}

static inline unsigned as_low(__m256 y, float limit) {
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(y, _mm256_set1_ps(limit), _CMP_LE_OQ));
}

static inline unsigned lanes_left(size_t n) { return n < LANES ? (1u << n) - 1 : 255u; }

static inline bool scan(const wt_book_group *g, const book_costs *c, size_t first, bool flip, wt_book_best *best) {
    bool found = false;
    size_t end = g->book->start[first + 1];
    for (size_t at = g->book->start[first]; at < end; at += LANES) {
        __m256 y = row_costs(g, c, first, at, flip);
        unsigned some = as_low(y, best->y) & lanes_left(end - at);
        float lane[LANES];
        if (some) _mm256_storeu_ps(lane, y);
        for (; some; some &= some - 1) {
            size_t j = (size_t)__builtin_ctz(some);
            if (lane[j] < best->y || (lane[j] == best->y && at + j < best->at))
                found = true, best->y = lane[j], best->at = at + j;
        }
    }
    return found;
}

/* The first halves of eight that may belong to a row below `limit`, or as low. */
static inline unsigned hopeful(const book_costs *c, size_t i, float limit) {
    __m256 y = _mm256_add_ps(_mm256_load_ps(c->c[0] + i), _mm256_set1_ps(c->low_second));
    return as_low(_mm256_add_ps(y, _mm256_set1_ps(c->low_flip)), limit);
}

static size_t cheapest_first(const wt_book_group *g, const book_costs *c) {
    size_t best = 0;
    for (size_t i = 1; i < g->book->n[0]; i++) best = c->c[0][i] < c->c[0][best] ? i : best;
    return best;
}

static inline bool lowest_of(const wt_book_group *g, float s, bool flip, wt_book_best *best) {
    book_costs c;
    find_costs(g, s, flip, &c);
    bool found = scan(g, &c, cheapest_first(g, &c), flip, best);
    for (size_t i = 0; i < g->book->n[0]; i += LANES) {
        for (unsigned some = hopeful(&c, i, best->y); some; some &= some - 1)
            found |= scan(g, &c, i + (size_t)__builtin_ctz(some), flip, best);
    }
    return found;
}

static bool lowest(const wt_book_group *g, float s, wt_book_best *best) {
    return g->flip ? lowest_of(g, s, true, best) : lowest_of(g, s, false, best);
}

const wt_book_kernels wt_book_kernels_avx2 = WT_BOOK_KERNELS(lines, lowest);
