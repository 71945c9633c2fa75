/*
 * The kernels for AVX2: element by element in registers of 8, sums in pairs of registers, which are the 16 stripes. A
 * rest is copied to a buffer and filled up with what adds nothing. Multiplications and additions stay apart (no
 * contraction), so that the bits are the reference's.
 */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "engine/kernels_private.h"

#define LANES 8

static inline __m256 splat(float x) { return _mm256_set1_ps(x); }

/* p * x + c, rounded twice. */
static inline __m256 step(__m256 p, __m256 x, float c) { return _mm256_add_ps(_mm256_mul_ps(p, x), splat(c)); }

/* The first n < 8 floats at p, `fill` in the other lanes. */
static inline __m256 load_rest(const float *p, size_t n, float fill) {
    float buffer[LANES] = {fill, fill, fill, fill, fill, fill, fill, fill};
    memcpy(buffer, p, n * sizeof *p);
    return _mm256_loadu_ps(buffer);
}

static inline void store_rest(float *p, size_t n, __m256 v) {
    float buffer[LANES];
    _mm256_storeu_ps(buffer, v);
    memcpy(p, buffer, n * sizeof *p);
}

/* 2^n for whole numbers n in -126..127. */
static inline __m256 power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* MIN and MAX give their second operand where one is NaN. */
static inline __m256 exp_of(__m256 x) {
    x = _mm256_min_ps(splat(WT_EXP_HIGHEST), x);
    x = _mm256_max_ps(splat(WT_EXP_LOWEST), x);
    __m256 shifted = step(x, splat(WT_EXP_LOG2E), WT_EXP_ROUND), n = _mm256_sub_ps(shifted, splat(WT_EXP_ROUND));
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(n, splat(WT_EXP_LN2_HIGH)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(n, splat(WT_EXP_LN2_LOW)));
    __m256 p = splat(WT_EXP_P0);
    p = step(p, r, WT_EXP_P1);
    p = step(p, r, WT_EXP_P2);
    p = step(p, r, WT_EXP_P3);
    p = step(p, r, WT_EXP_P4);
    p = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r), splat(1.0f));
    __m256i whole = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(splat(WT_EXP_ROUND)));
    __m256i half = _mm256_srai_epi32(whole, 1);
    return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}

static inline __m256 tanh_of(__m256 x) {
    const __m256 sign_bit = splat(-0.0f);
    __m256 a = _mm256_andnot_ps(sign_bit, x), z = _mm256_mul_ps(a, a), q = splat(WT_TANH_Q0);
    q = step(q, z, WT_TANH_Q1);
    q = step(q, z, WT_TANH_Q2);
    q = step(q, z, WT_TANH_Q3);
    q = step(q, z, WT_TANH_Q4);
    __m256 small = _mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(q, z), a), a);
    __m256 e = _mm256_add_ps(exp_of(_mm256_add_ps(a, a)), splat(1.0f));
    __m256 large = _mm256_sub_ps(splat(1.0f), _mm256_div_ps(splat(2.0f), e));
    __m256 y = _mm256_blendv_ps(large, small, _mm256_cmp_ps(a, splat(WT_TANH_SMALL), _CMP_LT_OQ));
    return _mm256_or_ps(y, _mm256_and_ps(x, sign_bit));
}

/* ---- sums: 16 stripes of double, in 4 registers ---- */

typedef struct stripes {
    __m256d s[4];
} stripes;

static inline __m256d low_half(__m256 v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
static inline __m256d high_half(__m256 v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }

/* To stripes 0-7 (half 0) or 8-15 (half 1). */
static inline void add_to(stripes *t, int half, __m256 v) {
    t->s[2 * half] = _mm256_add_pd(t->s[2 * half], low_half(v));
    t->s[2 * half + 1] = _mm256_add_pd(t->s[2 * half + 1], high_half(v));
}

static inline double total(const stripes *t) {
    __m256d four = _mm256_add_pd(_mm256_add_pd(t->s[0], t->s[2]), _mm256_add_pd(t->s[1], t->s[3]));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

static inline stripes no_stripes(void) {
    __m256d zero = _mm256_setzero_pd();
    return (stripes){{zero, zero, zero, zero}};
}

/* ---- kernels ---- */

static inline void add_squares(stripes *t, int half, __m256 v) {
    __m256d low = low_half(v), high = high_half(v);
    t->s[2 * half] = _mm256_add_pd(t->s[2 * half], _mm256_mul_pd(low, low));
    t->s[2 * half + 1] = _mm256_add_pd(t->s[2 * half + 1], _mm256_mul_pd(high, high));
}

static void rms_norm(float *y, const float *x, const float *gain, float eps, size_t n) {
    stripes t = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        add_squares(&t, 0, _mm256_loadu_ps(x + i));
        add_squares(&t, 1, _mm256_loadu_ps(x + i + LANES));
    }
    for (int half = 0; i < n; i += LANES, half++)
        add_squares(&t, half, i < whole ? _mm256_loadu_ps(x + i) : load_rest(x + i, n - i, 0.0f));
    __m256 scale = splat((float)(1.0 / sqrt(total(&t) / (double)n + (double)eps)));
    for (i = 0; i < whole; i += LANES) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), scale);
        _mm256_storeu_ps(y + i, gain ? _mm256_mul_ps(v, _mm256_loadu_ps(gain + i)) : v);
    }
    if (i == n) return;
    __m256 v = _mm256_mul_ps(load_rest(x + i, n - i, 0.0f), scale);
    store_rest(y + i, n - i, gain ? _mm256_mul_ps(v, load_rest(gain + i, n - i, 0.0f)) : v);
}

/* In the low half of each element. */
static inline __m256i bf16_of(__m256 x) {
    __m256i bits = _mm256_castps_si256(x);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
    return _mm256_srli_epi32(_mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x7fc00000))), 16);
}

static void to_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        __m256i half = bf16_of(n - i < LANES ? load_rest(x + i, n - i, 0.0f) : _mm256_loadu_ps(x + i));
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(half, half), 0x08);
        if (n - i < LANES) {
            uint16_t buffer[LANES];
            _mm_storeu_si128((__m128i *)buffer, _mm256_castsi256_si128(packed));
            memcpy(out + i, buffer, (n - i) * sizeof *out);
        } else {
            _mm_storeu_si128((__m128i *)(out + i), _mm256_castsi256_si128(packed));
        }
    }
}

static void add(float *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), _mm256_loadu_ps(x + i)));
    for (; i < n; i++) y[i] += x[i];
}

static inline __m256 silu(__m256 x, __m256 up) {
    __m256 e = exp_of(_mm256_xor_ps(x, splat(-0.0f)));
    return _mm256_mul_ps(_mm256_div_ps(x, _mm256_add_ps(splat(1.0f), e)), up);
}

static void silu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(gate + i, silu(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
    if (i < n) store_rest(gate + i, n - i, silu(load_rest(gate + i, n - i, 0.0f), load_rest(up + i, n - i, 0.0f)));
}

static inline __m256 gelu(__m256 x, __m256 up) {
    __m256 cube = _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(splat(WT_GELU_CUBE), x), x), x);
    __m256 t = tanh_of(_mm256_mul_ps(splat(WT_GELU_SCALE), _mm256_add_ps(x, cube)));
    return _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(splat(0.5f), x), _mm256_add_ps(splat(1.0f), t)), up);
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(gate + i, gelu(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
    if (i < n) store_rest(gate + i, n - i, gelu(load_rest(gate + i, n - i, 0.0f), load_rest(up + i, n - i, 0.0f)));
}

static void softcap(float *x, float cap, size_t n) {
    __m256 c = splat(cap), inverse = splat(1.0f / cap);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(x + i, _mm256_mul_ps(c, tanh_of(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse))));
    if (i == n) return;
    store_rest(x + i, n - i, _mm256_mul_ps(c, tanh_of(_mm256_mul_ps(load_rest(x + i, n - i, 0.0f), inverse))));
}

static float max(const float *x, size_t n, size_t *index) {
    __m256 best = splat(-INFINITY);
    __m256i at = _mm256_setzero_si256(), here = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (size_t i = 0; i < n; i += LANES, here = _mm256_add_epi32(here, _mm256_set1_epi32(LANES))) {
        __m256 v = n - i >= LANES ? _mm256_loadu_ps(x + i) : load_rest(x + i, n - i, -INFINITY);
        __m256 greater = _mm256_cmp_ps(v, best, _CMP_GT_OQ);
        best = _mm256_blendv_ps(best, v, greater);
        at = _mm256_blendv_epi8(at, here, _mm256_castps_si256(greater));
    }
    /* Of the lanes with the largest value, the one that saw it first. */
    float value[LANES];
    uint32_t seen[LANES];
    int lane = 0;
    _mm256_storeu_ps(value, best);
    _mm256_storeu_si256((__m256i *)(void *)seen, at);
    for (int l = 1; l < LANES; l++) {
        if (value[l] > value[lane] || (value[l] == value[lane] && seen[l] < seen[lane])) lane = l;
    }
    if (index) *index = seen[lane];
    return value[lane];
}

static void softmax(float *x, float scale, size_t n, size_t padded) {
    float largest = max(x, n, NULL);
    __m256 from = splat(largest == -INFINITY ? 0.0f : largest), by = splat(scale);
    stripes t = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    memset(x + n, 0, (padded - n) * sizeof *x);
    for (; i + LANES <= n; i += LANES) {
        __m256 e = exp_of(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), from), by));
        add_to(&t, i / LANES % 2, e);
        _mm256_storeu_ps(x + i, e);
    }
    if (i < n) {
        store_rest(x + i, n - i, exp_of(_mm256_mul_ps(_mm256_sub_ps(load_rest(x + i, n - i, 0.0f), from), by)));
        add_to(&t, i / LANES % 2, load_rest(x + i, n - i, 0.0f));
    }
    double sum = total(&t);
    float inverse = sum == 0.0 ? 0.0f : (float)(1.0 / sum);
    for (i = 0; i < whole; i += LANES) _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), splat(inverse)));
    for (; i < n; i++) x[i] *= inverse;
}

/* Pairs side by side: each is multiplied by cos, and crosswise by sin; ADDSUB subtracts in the even lanes. */
static void rope_pairs(float *x, const float *cos, const float *sin, size_t n) {
    size_t i = 0;
    for (; i + LANES / 2 <= n / 2; i += LANES / 2) {
        __m128 c = _mm_loadu_ps(cos + i), s = _mm_loadu_ps(sin + i);
        __m256 cc = _mm256_set_m128(_mm_unpackhi_ps(c, c), _mm_unpacklo_ps(c, c));
        __m256 ss = _mm256_set_m128(_mm_unpackhi_ps(s, s), _mm_unpacklo_ps(s, s));
        __m256 v = _mm256_loadu_ps(x + 2 * i), crossed = _mm256_permute_ps(v, 0xb1);
        _mm256_storeu_ps(x + 2 * i, _mm256_addsub_ps(_mm256_mul_ps(v, cc), _mm256_mul_ps(crossed, ss)));
    }
    for (; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cos[i] - b * sin[i];
        x[2 * i + 1] = a * sin[i] + b * cos[i];
    }
}

static void rope_halves(float *x, const float *cos, const float *sin, size_t n) {
    float *y = x + n / 2;
    size_t i = 0;
    for (; i + LANES <= n / 2; i += LANES) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(y + i);
        __m256 c = _mm256_loadu_ps(cos + i), s = _mm256_loadu_ps(sin + i);
        _mm256_storeu_ps(x + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)));
    }
    for (; i < n / 2; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cos[i] - b * sin[i];
        y[i] = a * sin[i] + b * cos[i];
    }
}

static double sum_exp(const float *x, float max_x, size_t n) {
    __m256 from = splat(max_x == -INFINITY ? 0.0f : max_x);
    stripes t = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        add_to(&t, 0, exp_of(_mm256_sub_ps(_mm256_loadu_ps(x + i), from)));
        add_to(&t, 1, exp_of(_mm256_sub_ps(_mm256_loadu_ps(x + i + LANES), from)));
    }
    for (int half = 0; i < n; i += LANES, half++) {
        __m256 v = i < whole ? _mm256_loadu_ps(x + i) : load_rest(x + i, n - i, -INFINITY);
        add_to(&t, half, exp_of(_mm256_sub_ps(v, from)));
    }
    return total(&t);
}

/* Adds exp(p - from) * (p - q) in the lanes where p is not -Inf. */
static inline void add_kl(stripes *t, int half, __m256 p, __m256 from, __m256 q) {
    __m256 none = _mm256_cmp_ps(p, splat(-INFINITY), _CMP_EQ_OQ);
    __m256 e = exp_of(_mm256_sub_ps(p, from));
    __m256d low = _mm256_mul_pd(low_half(e), _mm256_sub_pd(low_half(p), low_half(q)));
    __m256d high = _mm256_mul_pd(high_half(e), _mm256_sub_pd(high_half(p), high_half(q)));
    /* A mask of floats widens to one of doubles as integers do. */
    __m256i none_low = _mm256_cvtepi32_epi64(_mm_castps_si128(_mm256_castps256_ps128(none)));
    __m256i none_high = _mm256_cvtepi32_epi64(_mm_castps_si128(_mm256_extractf128_ps(none, 1)));
    low = _mm256_andnot_pd(_mm256_castsi256_pd(none_low), low);
    high = _mm256_andnot_pd(_mm256_castsi256_pd(none_high), high);
    t->s[2 * half] = _mm256_add_pd(t->s[2 * half], low);
    t->s[2 * half + 1] = _mm256_add_pd(t->s[2 * half + 1], high);
}

static double kl_sum(const float *p, float max_p, const float *q, size_t n) {
    __m256 from = splat(max_p == -INFINITY ? 0.0f : max_p);
    stripes t = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        add_kl(&t, 0, _mm256_loadu_ps(p + i), from, _mm256_loadu_ps(q + i));
        add_kl(&t, 1, _mm256_loadu_ps(p + i + LANES), from, _mm256_loadu_ps(q + i + LANES));
    }
    for (int half = 0; i < n; i += LANES, half++) {
        if (i < whole)
            add_kl(&t, half, _mm256_loadu_ps(p + i), from, _mm256_loadu_ps(q + i));
        else
            add_kl(&t, half, load_rest(p + i, n - i, -INFINITY), from, load_rest(q + i, n - i, 0.0f));
    }
    return total(&t);
}

const wt_kernels wt_kernels_avx2 = {
    .name = "avx2",
    .rms_norm = rms_norm,
    .add = add,
    .to_bf16 = to_bf16,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .softcap = softcap,
    .softmax = softmax,
    .rope_pairs = rope_pairs,
    .rope_halves = rope_halves,
    .max = max,
    .sum_exp = sum_exp,
    .kl_sum = kl_sum,
};
