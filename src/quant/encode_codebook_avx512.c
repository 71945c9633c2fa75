/* The inner loops of the codebook search with AVX-512: sixteen rows, halves or scales a register. */
#include <immintrin.h>
#include <math.h>

#include "quant/encode_codebook_body.h"

enum { LANES = WT_BOOK_LANES, REGISTERS = WT_BOOK_HALF / WT_BOOK_LANES };

static void lines(wt_book_group *g, const float *x, const float *w) {
    const size_t width = g->book->width / 2;
    const __m512 two = _mm512_set1_ps(2.0f);
    for (size_t half = 0; half < 2; half++, x += width, w += width) {
        for (size_t r = 0; r < g->book->n[half]; r += LANES) {
            __m512 a = _mm512_setzero_ps(), b = _mm512_setzero_ps(), least = _mm512_set1_ps(INFINITY);
            for (size_t i = 0; i < width; i++) {
                __m512 v = _mm512_loadu_ps(g->book->values[half][i] + r), wv = _mm512_mul_ps(_mm512_set1_ps(w[i]), v);
                __m512 p = _mm512_mul_ps(wv, _mm512_set1_ps(x[i]));
                a = _mm512_add_ps(a, _mm512_mul_ps(wv, v));
                b = _mm512_add_ps(b, p);
                least = _mm512_min_ps(p, least);
            }
            _mm512_store_ps(g->a[half] + r, a);
            _mm512_store_ps(g->b2[half] + r, _mm512_mul_ps(two, b));
            if (g->flip) _mm512_store_ps(g->least[half] + r, least);
        }
    }
}

/* ---- rows that are low ---- */

/* What the halves cost at s, and the least that a row costs more than its first half. */
typedef struct book_costs {
    _Alignas(64) float first[WT_BOOK_HALF];
    __m512 second[REGISTERS], least[REGISTERS];
    float low_second, low_flip;
} book_costs;

static inline __m512 line_at(const wt_book_group *g, size_t half, size_t i, __m512 s) {
    return _mm512_sub_ps(_mm512_mul_ps(s, _mm512_load_ps(g->a[half] + i)), _mm512_load_ps(g->b2[half] + i));
}

static inline void find_costs(const wt_book_group *g, float s, bool flip, book_costs *c) {
    const __m512 scale = _mm512_set1_ps(s);
    __m512 low = _mm512_set1_ps(INFINITY), least = low;
    for (size_t i = 0; i < g->book->n[0]; i += LANES) {
        _mm512_store_ps(c->first + i, line_at(g, 0, i, scale));
        if (flip) least = _mm512_min_ps(_mm512_load_ps(g->least[0] + i), least);
    }
    for (size_t i = 0; i < g->book->n[1]; i += LANES) {
        __m512 y = line_at(g, 1, i, scale);
        c->second[i / LANES] = y;
        low = _mm512_min_ps(y, low);
        if (flip) c->least[i / LANES] = _mm512_load_ps(g->least[1] + i);
        if (flip) least = _mm512_min_ps(c->least[i / LANES], least);
    }
    c->low_second = _mm512_reduce_min_ps(low);
    c->low_flip = flip ? 4.0f * _mm512_reduce_min_ps(least) : 0.0f;
}

/* table[at], of 64 numbers or, where there are more, 96. */
static inline __m512 look_up(const __m512 *table, __m512i at, bool wide) {
    __m512 y = _mm512_permutex2var_ps(table[0], at, table[1]), z = _mm512_permutex2var_ps(table[2], at, table[3]);
    y = _mm512_mask_mov_ps(y, _mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), z);
    if (!wide) return y;
    z = _mm512_permutex2var_ps(table[4], at, table[5]);
    return _mm512_mask_mov_ps(y, _mm512_test_epi32_mask(at, _mm512_set1_epi32(64)), z);
}

/* The costs of the sixteen rows from `at` on, whose first half is `first`. */
static inline __m512 row_costs(const wt_book_group *g, const book_costs *c, size_t first, size_t at, bool flip,
                               bool wide) {
    __m512i second = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(g->book->second + at)));
    __m512 y = _mm512_add_ps(_mm512_set1_ps(c->first[first]), look_up(c->second, second, wide));
    if (!flip) return y;
    __m512 least = _mm512_min_ps(_mm512_set1_ps(g->least[0][first]), look_up(c->least, second, wide));
    return _mm512_add_ps(y, _mm512_mul_ps(_mm512_set1_ps(4.0f), least));
}

static inline __mmask16 lanes_left(size_t n) { return n < LANES ? (__mmask16)((1u << n) - 1) : (__mmask16)0xffff; }

/* The lowest row of each lane, the first of equals. */
typedef struct lows {
    __m512 y;
    __m512i at;
} lows;

static inline void scan(const wt_book_group *g, const book_costs *c, size_t first, bool flip, bool wide, lows *low) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t end = g->book->start[first + 1];
    for (size_t at = g->book->start[first]; at < end; at += LANES) {
        __m512 y = row_costs(g, c, first, at, flip, wide);
        __m512i rows = _mm512_add_epi32(lane, _mm512_set1_epi32((int)at));
        __mmask16 within = lanes_left(end - at), lower = _mm512_mask_cmp_ps_mask(within, y, low->y, _CMP_LT_OQ);
        __mmask16 equal = _mm512_mask_cmp_ps_mask(within, y, low->y, _CMP_EQ_OQ);
        lower |= _mm512_mask_cmplt_epi32_mask(equal, rows, low->at);
        low->y = _mm512_mask_mov_ps(low->y, lower, y);
        low->at = _mm512_mask_mov_epi32(low->at, lower, rows);
    }
}

/* The first halves of sixteen that may belong to a row below `limit`, or as low. */
static inline unsigned hopeful(const book_costs *c, size_t i, float limit) {
    __m512 y = _mm512_add_ps(_mm512_load_ps(c->first + i), _mm512_set1_ps(c->low_second));
    y = _mm512_add_ps(y, _mm512_set1_ps(c->low_flip));
    return _mm512_cmp_ps_mask(y, _mm512_set1_ps(limit), _CMP_LE_OQ);
}

static size_t cheapest_first(const wt_book_group *g, const book_costs *c) {
    __m512 low = _mm512_load_ps(c->first);
    for (size_t i = LANES; i < g->book->n[0]; i += LANES) low = _mm512_min_ps(_mm512_load_ps(c->first + i), low);
    low = _mm512_set1_ps(_mm512_reduce_min_ps(low));
    for (size_t i = 0; i < g->book->n[0]; i += LANES) {
        unsigned equal = _mm512_cmp_ps_mask(_mm512_load_ps(c->first + i), low, _CMP_EQ_OQ);
        if (equal) return i + (size_t)__builtin_ctz(equal);
    }
    return 0;
}

static inline bool lowest_of(const wt_book_group *g, float s, bool flip, bool wide, wt_book_best *best) {
    book_costs c;
    lows low = {_mm512_set1_ps(best->y), _mm512_set1_epi32((int)best->at)};
    find_costs(g, s, flip, &c);
    unsigned hope = best->y < INFINITY ? 0 : 1; /* a row that is known may leave none */
    for (size_t i = 0; i < g->book->n[0] && !hope; i += LANES) hope = hopeful(&c, i, best->y);
    if (!hope) return false;
    size_t cheapest = cheapest_first(g, &c);
    scan(g, &c, cheapest, flip, wide, &low);
    float limit = _mm512_reduce_min_ps(low.y);
    for (size_t i = 0; i < g->book->n[0]; i += LANES) {
        unsigned some = hopeful(&c, i, limit);
        if (i == cheapest / LANES * LANES) some &= ~(1u << cheapest % LANES);
        for (; some; some &= some - 1) scan(g, &c, i + (size_t)__builtin_ctz(some), flip, wide, &low);
    }
    float y = _mm512_reduce_min_ps(low.y);
    __mmask16 equal = _mm512_cmp_ps_mask(low.y, _mm512_set1_ps(y), _CMP_EQ_OQ);
    size_t at = _mm512_mask_reduce_min_epu32(equal, low.at);
    if (!(y < best->y || at < best->at)) return false;
    best->y = y;
    best->at = at;
    return true;
}

static bool lowest(const wt_book_group *g, float s, wt_book_best *best) {
    bool wide = g->book->n[1] > 64;
    if (g->flip) return wide ? lowest_of(g, s, true, true, best) : lowest_of(g, s, true, false, best);
    return wide ? lowest_of(g, s, false, true, best) : lowest_of(g, s, false, false, best);
}

const wt_book_kernels wt_book_kernels_avx512 = WT_BOOK_KERNELS(lines, lowest);
