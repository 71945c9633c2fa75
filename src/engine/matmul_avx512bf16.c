/*
 * The products of matmul_bf16.h. Six rows times a block's 64 columns are 24 registers of sums; a step of the inner
 * dimension loads four registers of pairs of the block and multiplies them with a pair of each row.
 */
#include <immintrin.h>
#include <string.h>

#include "engine/matmul_bf16.h"

#define LANES 16
#define VECTORS (WT_TILE_COLS / LANES)
#define ROWS 6

/* The first n of 16 lanes. */
static inline __mmask16 first_lanes(size_t n) { return n < LANES ? (__mmask16)((1u << n) - 1) : 0xffff; }

/* What is left of n behind `done`. */
static inline size_t rest(size_t n, size_t done) { return n > done ? n - done : 0; }

/* ---- packing ---- */

/* The first n <= 32 floats at x in bf16, zeros behind them. */
static inline __m512i half_row(const float *x, size_t n) {
    __m512 low = _mm512_maskz_loadu_ps(first_lanes(n), x);
    __m512 high = _mm512_maskz_loadu_ps(first_lanes(rest(n, LANES)), n > LANES ? x + LANES : x);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Transposes 16 rows of 16 pairs: within lanes of four pairs first, then the lanes. */
static inline void transpose(__m512i *row) {
    __m512i two[LANES], four[LANES];
    for (size_t i = 0; i < LANES; i += 2) {
        two[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        two[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
    for (size_t i = 0; i < LANES; i += 4) {
        for (size_t j = 0; j < 2; j++) {
            four[i + 2 * j] = _mm512_unpacklo_epi64(two[i + j], two[i + 2 + j]);
            four[i + 2 * j + 1] = _mm512_unpackhi_epi64(two[i + j], two[i + 2 + j]);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        __m512i even = _mm512_shuffle_i32x4(four[i], four[4 + i], 0x88),
                odd = _mm512_shuffle_i32x4(four[i], four[4 + i], 0xdd);
        __m512i even2 = _mm512_shuffle_i32x4(four[8 + i], four[12 + i], 0x88);
        __m512i odd2 = _mm512_shuffle_i32x4(four[8 + i], four[12 + i], 0xdd);
        row[i] = _mm512_shuffle_i32x4(even, even2, 0x88);
        row[4 + i] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
        row[8 + i] = _mm512_shuffle_i32x4(even, even2, 0xdd);
        row[12 + i] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
    }
}

static void pack_columns(const float *columns, size_t ld, size_t n, size_t k, uint16_t *packed) {
    for (size_t i = 0; i < k; i += 2 * LANES) {
        size_t left = k - i < 2 * LANES ? k - i : 2 * LANES;
        for (size_t first = 0; first < WT_TILE_COLS; first += LANES) {
            __m512i pairs[LANES];
            for (size_t c = 0; c < LANES; c++)
                pairs[c] = first + c < n ? half_row(columns + (first + c) * ld + i, left) : _mm512_setzero_si512();
            transpose(pairs);
            for (size_t p = 0; 2 * p < left; p++)
                _mm512_storeu_si512(packed + ((i / 2 + p) * WT_TILE_COLS + first) * 2, pairs[p]);
        }
    }
}

static void pack_rows(const float *rows, size_t ld, size_t n, size_t k, uint16_t *packed) {
    uint16_t order[2 * LANES]; /* elements of two rows in turn */
    for (uint16_t c = 0; c < LANES; c++) {
        order[2 * c] = c;
        order[2 * c + 1] = LANES + c;
    }
    __m512i in_turn = _mm512_loadu_si512(order);
    for (size_t i = 0; i < k; i += 2) {
        for (size_t first = 0; first < WT_TILE_COLS; first += LANES, packed += 2 * LANES) {
            __mmask16 lanes = first_lanes(rest(n, first)), second = i + 1 < k ? lanes : 0;
            const float *row = lanes ? rows + i * ld + first : rows;
            __m512 low = _mm512_maskz_loadu_ps(lanes, row),
                   high = _mm512_maskz_loadu_ps(second, second ? row + ld : row);
            _mm512_storeu_si512(packed, _mm512_permutexvar_epi16(in_turn, (__m512i)_mm512_cvtne2ps_pbh(high, low)));
        }
    }
}

/* ---- multiplying ---- */

/* One product's arguments; see matmul_bf16.h. */
typedef struct product {
    size_t cols, k, ldx, ldy;
    const uint16_t *packed;
    const float *bias;
    wt_store store;
} product;

static inline void finish(const product *p, size_t first, __m512 sum, float *y) {
    __mmask16 lanes = first_lanes(rest(p->cols, first));
    if (!lanes) return;
    if (p->bias) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, p->bias + first));
    if (p->store == WT_STORE_ADD) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, y + first), sum);
    _mm512_mask_storeu_ps(y + first, lanes, sum);
}

/* `rows` is a constant where this is inlined, so that the sums are registers. */
static inline __attribute__((always_inline)) void multiply_rows(const product *p, size_t rows, const uint16_t *x,
                                                                float *y) {
    __m512 sum[ROWS][VECTORS];
    for (size_t r = 0; r < rows; r++) {
        for (size_t v = 0; v < VECTORS; v++) {
            sum[r][v] = _mm512_setzero_ps();
            __builtin_prefetch(y + r * p->ldy + v * LANES, 1); /* results lie far apart, a row each */
        }
    }
    const uint16_t *w = p->packed;
    for (size_t i = 0; i < p->k; i += 2, w += 2 * WT_TILE_COLS) {
        __m512bh pairs[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) pairs[v] = (__m512bh)_mm512_loadu_si512(w + 2 * LANES * v);
        for (size_t r = 0; r < rows; r++) {
            int pair;
            memcpy(&pair, x + r * p->ldx + i, sizeof pair);
            __m512bh same = (__m512bh)_mm512_set1_epi32(pair);
            for (size_t v = 0; v < VECTORS; v++) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], same, pairs[v]);
        }
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t v = 0; v < VECTORS; v++) finish(p, v * LANES, sum[r][v], y + r * p->ldy);
    }
}

static void multiply(size_t rows, size_t cols, size_t k, const uint16_t *x, size_t ldx, const uint16_t *packed,
                     const float *bias, wt_store store, float *y, size_t ldy) {
    product p = {cols, k, ldx, ldy, packed, bias, store};
    for (; rows >= ROWS; rows -= ROWS, x += ROWS * ldx, y += ROWS * ldy) multiply_rows(&p, ROWS, x, y);
    switch (rows) {
    case 5: multiply_rows(&p, 5, x, y); break;
    case 4: multiply_rows(&p, 4, x, y); break;
    case 3: multiply_rows(&p, 3, x, y); break;
    case 2: multiply_rows(&p, 2, x, y); break;
    case 1: multiply_rows(&p, 1, x, y); break;
    default: break;
    }
}

const wt_bf16_products wt_bf16_products_avx512 = {pack_columns, pack_rows, multiply};
