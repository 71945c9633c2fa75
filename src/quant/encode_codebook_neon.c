/*
 * The inner loops of the codebook search with NEON: sixteen rows, or scales, in four registers. Selections in place of its
 * own minimum, which would let a NaN through that comparisons pass over.
 */
#include <arm_neon.h>
#include <math.h>

#include "quant/encode_codebook.h"

enum { PARTS = WT_BOOK_LANES / 4 };

static inline float32x4_t lower(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

/* s a - b2, rounded twice. */
static inline float32x4_t line_at(float32x4_t s, float32x4_t a, float32x4_t b2) {
    return vsubq_f32(vmulq_f32(s, a), b2);
}

static void lines(const wt_book *book, size_t from, size_t rows, const float *x, const float *w, bool flip, float *a,
                  float *b2) {
    for (size_t r = 0; r < rows; r += 4) {
        const float *values = book->values + from + r;
        float32x4_t sum_a = vdupq_n_f32(0.0f), sum_b = sum_a, least = vdupq_n_f32(INFINITY);
        for (size_t i = 0; i < book->width; i++) {
            float32x4_t v = vld1q_f32(values + i * book->rows), wv = vmulq_n_f32(v, w[i]), p = vmulq_n_f32(wv, x[i]);
            sum_a = vaddq_f32(sum_a, vmulq_f32(wv, v));
            sum_b = vaddq_f32(sum_b, p);
            if (flip) least = lower(p, least);
        }
        if (flip) sum_b = vsubq_f32(sum_b, vmulq_n_f32(least, 2.0f));
        vst1q_f32(a + r, sum_a);
        vst1q_f32(b2 + r, vmulq_n_f32(sum_b, 2.0f));
    }
}

static size_t lowest(const float *a, const float *b2, size_t rows, float s) {
    const float32x4_t scale = vdupq_n_f32(s);
    float32x4_t least[PARTS];
    uint32x4_t at[PARTS], row = {0, 1, 2, 3};
    float lane[WT_BOOK_LANES];
    uint32_t lane_at[WT_BOOK_LANES], best = 0;
    for (int i = 0; i < PARTS; i++) least[i] = vdupq_n_f32(INFINITY), at[i] = vdupq_n_u32(0);
    for (size_t r = 0; r < rows; r += WT_BOOK_LANES) {
        for (int i = 0; i < PARTS; i++) {
            float32x4_t y = line_at(scale, vld1q_f32(a + r + 4 * i), vld1q_f32(b2 + r + 4 * i));
            at[i] = vbslq_u32(vcltq_f32(y, least[i]), row, at[i]);
            least[i] = lower(y, least[i]);
            row = vaddq_u32(row, vdupq_n_u32(4));
        }
    }
    for (int i = 0; i < PARTS; i++) vst1q_f32(lane + 4 * i, least[i]), vst1q_u32(lane_at + 4 * i, at[i]);
    for (uint32_t j = 1; j < WT_BOOK_LANES; j++) {
        if (lane[j] < lane[best] || (lane[j] == lane[best] && lane_at[j] < lane_at[best])) best = j;
    }
    return lane_at[best];
}

static size_t below(const float *a, const float *b2, size_t rows, float s, float limit, float *out_a, float *out_b2,
                    uint32_t *out_row) {
    const float32x4_t scale = vdupq_n_f32(s), under = vdupq_n_f32(limit);
    size_t n = 0;
    for (size_t r = 0; r < rows; r += 8) {
        uint32x4_t low = vcltq_f32(line_at(scale, vld1q_f32(a + r), vld1q_f32(b2 + r)), under);
        uint32x4_t high = vcltq_f32(line_at(scale, vld1q_f32(a + r + 4), vld1q_f32(b2 + r + 4)), under);
        /* A byte of ones for each row that is below. */
        uint8x8_t bytes = vmovn_u16(vcombine_u16(vmovn_u32(low), vmovn_u32(high)));
        uint64_t some = vget_lane_u64(vreinterpret_u64_u8(bytes), 0) & 0x0101010101010101u;
        for (; some; some &= some - 1) {
            size_t row = r + (size_t)__builtin_ctzll(some) / 8;
            out_a[n] = a[row];
            out_b2[n] = b2[row];
            out_row[n++] = (uint32_t)row;
        }
    }
    return n;
}

static void add_lowest(const float *a, const float *b2, int n, const float *s, float *sum) {
    float32x4_t scale[PARTS], y[PARTS];
    for (int j = 0; j < PARTS; j++) {
        scale[j] = vld1q_f32(s + 4 * j);
        y[j] = line_at(scale[j], vdupq_n_f32(a[0]), vdupq_n_f32(b2[0]));
    }
    for (int i = 1; i < n; i++) {
        for (int j = 0; j < PARTS; j++) y[j] = lower(line_at(scale[j], vdupq_n_f32(a[i]), vdupq_n_f32(b2[i])), y[j]);
    }
    for (int j = 0; j < PARTS; j++) vst1q_f32(sum + 4 * j, vaddq_f32(vld1q_f32(sum + 4 * j), y[j]));
}

const wt_book_kernels wt_book_kernels_neon = {lines, lowest, below, add_lowest};
