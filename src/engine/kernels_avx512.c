/*
 * The kernels for AVX-512 F, BW, VL, DQ: one register is the 16 stripes. Loops run over whole registers, then once over
 * a masked rest, whose missing lanes hold what adds nothing. Multiplications and additions stay apart (no contraction),
 * so that the bits are the reference's.
 */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "engine/kernels_private.h"

#define LANES 16

/* The rest's lanes: the first n of 16. */
static inline __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1); }

static inline __m512 splat(float x) { return _mm512_set1_ps(x); }

/* p * x + c, rounded twice. */
static inline __m512 step(__m512 p, __m512 x, float c) { return _mm512_add_ps(_mm512_mul_ps(p, x), splat(c)); }

/* MIN and MAX give their second operand where one is NaN. */
static inline __m512 exp_of(__m512 x) {
    x = _mm512_min_ps(splat(WT_EXP_HIGHEST), x);
    x = _mm512_max_ps(splat(WT_EXP_LOWEST), x);
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, splat(WT_EXP_LOG2E)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(n, splat(WT_EXP_LN2_HIGH)));
    r = _mm512_sub_ps(r, _mm512_mul_ps(n, splat(WT_EXP_LN2_LOW)));
    __m512 p = splat(WT_EXP_P0);
    p = step(p, r, WT_EXP_P1);
    p = step(p, r, WT_EXP_P2);
    p = step(p, r, WT_EXP_P3);
    p = step(p, r, WT_EXP_P4);
    p = _mm512_add_ps(_mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r), splat(1.0f));
    return _mm512_scalef_ps(p, n); /* rounds once, as the reference's two factors do */
}

static inline __m512 tanh_of(__m512 x) {
    const __m512 sign_bit = splat(-0.0f);
    __m512 a = _mm512_andnot_ps(sign_bit, x), z = _mm512_mul_ps(a, a), q = splat(WT_TANH_Q0);
    q = step(q, z, WT_TANH_Q1);
    q = step(q, z, WT_TANH_Q2);
    q = step(q, z, WT_TANH_Q3);
    q = step(q, z, WT_TANH_Q4);
    __m512 small = _mm512_add_ps(_mm512_mul_ps(_mm512_mul_ps(q, z), a), a);
    __m512 e = _mm512_add_ps(exp_of(_mm512_add_ps(a, a)), splat(1.0f));
    __m512 large = _mm512_sub_ps(splat(1.0f), _mm512_div_ps(splat(2.0f), e));
    __m512 y = _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, splat(WT_TANH_SMALL), _CMP_LT_OQ), large, small);
    return _mm512_or_ps(y, _mm512_and_ps(x, sign_bit));
}

/* ---- sums: 16 stripes of double ---- */

typedef struct stripes {
    __m512d low, high; /* stripes 0-7, 8-15 */
} stripes;

static inline __m512d low_half(__m512 v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
static inline __m512d high_half(__m512 v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }

static inline void add_to(stripes *s, __m512 v) {
    s->low = _mm512_add_pd(s->low, low_half(v));
    s->high = _mm512_add_pd(s->high, high_half(v));
}

static inline double total(const stripes *s) {
    __m512d d = _mm512_add_pd(s->low, s->high);
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(d), _mm512_extractf64x4_pd(d, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

static inline stripes no_stripes(void) { return (stripes){_mm512_setzero_pd(), _mm512_setzero_pd()}; }

/* ---- kernels ---- */

static inline void add_squares(stripes *s, __m512 v) {
    __m512d low = low_half(v), high = high_half(v);
    s->low = _mm512_add_pd(s->low, _mm512_mul_pd(low, low));
    s->high = _mm512_add_pd(s->high, _mm512_mul_pd(high, high));
}

static void rms_norm(float *y, const float *x, const float *gain, float eps, size_t n) {
    stripes s = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    __mmask16 rest = first_lanes(n - whole);
    for (; i < whole; i += LANES) add_squares(&s, _mm512_loadu_ps(x + i));
    add_squares(&s, _mm512_maskz_loadu_ps(rest, x + i));
    __m512 scale = splat((float)(1.0 / sqrt(total(&s) / (double)n + (double)eps)));
    for (i = 0; i < whole; i += LANES) {
        __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x + i), scale);
        _mm512_storeu_ps(y + i, gain ? _mm512_mul_ps(v, _mm512_loadu_ps(gain + i)) : v);
    }
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(rest, x + i), scale);
    if (gain) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(rest, gain + i));
    _mm512_mask_storeu_ps(y + i, rest, v);
}

/* 16 floats as bf16, rounded to nearest even; NaN stays NaN. */
static inline __m256i bf16_of(__m512 v) {
    const __m512i one = _mm512_set1_epi32(1), most = _mm512_set1_epi32(0x7fff), quiet = _mm512_set1_epi32(0x7fc00000);
    __m512i bits = _mm512_castps_si512(v), even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    bits = _mm512_add_epi32(_mm512_add_epi32(bits, most), even);
    bits = _mm512_mask_or_epi32(bits, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), bits, quiet);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
}

static void to_bf16(uint16_t *out, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) _mm256_storeu_si256((__m256i *)(out + i), bf16_of(_mm512_loadu_ps(x + i)));
    __mmask16 rest = first_lanes(n - i);
    if (rest) _mm256_mask_storeu_epi16(out + i, rest, bf16_of(_mm512_maskz_loadu_ps(rest, x + i)));
}

static void add(float *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(y + i, _mm512_add_ps(_mm512_loadu_ps(y + i), _mm512_loadu_ps(x + i)));
    __mmask16 rest = first_lanes(n - i);
    __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(rest, y + i), _mm512_maskz_loadu_ps(rest, x + i));
    _mm512_mask_storeu_ps(y + i, rest, v);
}

static inline __m512 silu(__m512 x, __m512 up) {
    __m512 e = exp_of(_mm512_xor_ps(x, splat(-0.0f)));
    return _mm512_mul_ps(_mm512_div_ps(x, _mm512_add_ps(splat(1.0f), e)), up);
}

static void silu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(gate + i, silu(_mm512_loadu_ps(gate + i), _mm512_loadu_ps(up + i)));
    __mmask16 rest = first_lanes(n - i);
    __m512 v = silu(_mm512_maskz_loadu_ps(rest, gate + i), _mm512_maskz_loadu_ps(rest, up + i));
    _mm512_mask_storeu_ps(gate + i, rest, v);
}

static inline __m512 gelu(__m512 x, __m512 up) {
    __m512 cube = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(splat(WT_GELU_CUBE), x), x), x);
    __m512 t = tanh_of(_mm512_mul_ps(splat(WT_GELU_SCALE), _mm512_add_ps(x, cube)));
    return _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(splat(0.5f), x), _mm512_add_ps(splat(1.0f), t)), up);
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(gate + i, gelu(_mm512_loadu_ps(gate + i), _mm512_loadu_ps(up + i)));
    __mmask16 rest = first_lanes(n - i);
    __m512 v = gelu(_mm512_maskz_loadu_ps(rest, gate + i), _mm512_maskz_loadu_ps(rest, up + i));
    _mm512_mask_storeu_ps(gate + i, rest, v);
}

static void softcap(float *x, float cap, size_t n) {
    __m512 c = splat(cap), inverse = splat(1.0f / cap);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(x + i, _mm512_mul_ps(c, tanh_of(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse))));
    __mmask16 rest = first_lanes(n - i);
    __m512 v = _mm512_mul_ps(c, tanh_of(_mm512_mul_ps(_mm512_maskz_loadu_ps(rest, x + i), inverse)));
    _mm512_mask_storeu_ps(x + i, rest, v);
}

static float max(const float *x, size_t n, size_t *index) {
    __m512 best = splat(-INFINITY);
    __m512i at = _mm512_setzero_si512(), step_by = _mm512_set1_epi32(LANES);
    __m512i here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES, here = _mm512_add_epi32(here, step_by)) {
        __m512 v = _mm512_loadu_ps(x + i);
        __mmask16 greater = _mm512_cmp_ps_mask(v, best, _CMP_GT_OQ);
        best = _mm512_mask_mov_ps(best, greater, v);
        at = _mm512_mask_mov_epi32(at, greater, here);
    }
    __m512 v = _mm512_mask_loadu_ps(splat(-INFINITY), first_lanes(n - i), x + i);
    __mmask16 greater = _mm512_cmp_ps_mask(v, best, _CMP_GT_OQ);
    best = _mm512_mask_mov_ps(best, greater, v);
    at = _mm512_mask_mov_epi32(at, greater, here);

    /* Of the lanes with the largest value, the one that saw it first; its element, for the sign of a zero. */
    __mmask16 equal = _mm512_cmp_ps_mask(best, splat(_mm512_reduce_max_ps(best)), _CMP_EQ_OQ);
    uint32_t first = _mm512_mask_reduce_min_epu32(equal, at);
    if (index) *index = first;
    __mmask16 winner = _mm512_mask_cmpeq_epi32_mask(equal, at, _mm512_set1_epi32((int)first));
    return _mm512_cvtss_f32(_mm512_maskz_compress_ps(winner, best));
}

static void softmax(float *x, float scale, size_t n, size_t padded) {
    float largest = max(x, n, NULL);
    __m512 from = splat(largest == -INFINITY ? 0.0f : largest), by = splat(scale);
    stripes s = no_stripes();
    size_t i = 0, whole = n / LANES * LANES;
    __mmask16 rest = first_lanes(n - whole);
    memset(x + n, 0, (padded - n) * sizeof *x);
    for (; i < whole; i += LANES) {
        __m512 e = exp_of(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), from), by));
        add_to(&s, e);
        _mm512_storeu_ps(x + i, e);
    }
    __m512 last = exp_of(_mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(rest, x + i), from), by));
    last = _mm512_maskz_mov_ps(rest, last);
    add_to(&s, last);
    double sum = total(&s);
    __m512 inverse = splat(sum == 0.0 ? 0.0f : (float)(1.0 / sum));
    for (i = 0; i < whole; i += LANES) _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
    _mm512_mask_storeu_ps(x + i, rest, _mm512_mul_ps(last, inverse));
}

/* Pairs side by side: each is multiplied by cos, and crosswise by sin with the sign changed in the even lanes. */
static void rope_pairs(float *x, const float *cos, const float *sin, size_t n) {
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512 even_sign = _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000));
    for (size_t i = 0; i < n / 2; i += LANES / 2) {
        size_t left = n / 2 - i < LANES / 2 ? n / 2 - i : LANES / 2;
        __mmask16 pairs = first_lanes(left), lanes = first_lanes(2 * left);
        __m512 c = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(pairs, cos + i));
        __m512 s = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(pairs, sin + i));
        __m512 v = _mm512_maskz_loadu_ps(lanes, x + 2 * i), crossed = _mm512_permute_ps(v, 0xb1);
        __m512 turned = _mm512_xor_ps(_mm512_mul_ps(crossed, s), even_sign);
        _mm512_mask_storeu_ps(x + 2 * i, lanes, _mm512_add_ps(_mm512_mul_ps(v, c), turned));
    }
}

static void rope_halves(float *x, const float *cos, const float *sin, size_t n) {
    float *y = x + n / 2;
    for (size_t i = 0; i < n / 2; i += LANES) {
        __mmask16 lanes = n / 2 - i < LANES ? first_lanes(n / 2 - i) : 0xffff;
        __m512 a = _mm512_maskz_loadu_ps(lanes, x + i), b = _mm512_maskz_loadu_ps(lanes, y + i);
        __m512 c = _mm512_maskz_loadu_ps(lanes, cos + i), s = _mm512_maskz_loadu_ps(lanes, sin + i);
        _mm512_mask_storeu_ps(x + i, lanes, _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)));
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_add_ps(_mm512_mul_ps(a, s), _mm512_mul_ps(b, c)));
    }
}

static double sum_exp(const float *x, float max_x, size_t n) {
    __m512 from = splat(max_x == -INFINITY ? 0.0f : max_x);
    stripes s = no_stripes();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_to(&s, exp_of(_mm512_sub_ps(_mm512_loadu_ps(x + i), from)));
    __mmask16 rest = first_lanes(n - i);
    __m512 last = exp_of(_mm512_sub_ps(_mm512_maskz_loadu_ps(rest, x + i), from));
    add_to(&s, _mm512_maskz_mov_ps(rest, last));
    return total(&s);
}

/* Adds exp(p - from) * (p - q) in the lanes of `wanted` where p is not -Inf. */
static inline void add_kl(stripes *s, __m512 p, __m512 from, __m512 q, __mmask16 wanted) {
    __mmask16 lanes = _mm512_mask_cmp_ps_mask(wanted, p, splat(-INFINITY), _CMP_NEQ_UQ);
    __m512 e = exp_of(_mm512_sub_ps(p, from));
    __m512d low = _mm512_mul_pd(low_half(e), _mm512_sub_pd(low_half(p), low_half(q)));
    __m512d high = _mm512_mul_pd(high_half(e), _mm512_sub_pd(high_half(p), high_half(q)));
    s->low = _mm512_mask_add_pd(s->low, (__mmask8)lanes, s->low, low);
    s->high = _mm512_mask_add_pd(s->high, (__mmask8)(lanes >> 8), s->high, high);
}

static double kl_sum(const float *p, float max_p, const float *q, size_t n) {
    __m512 from = splat(max_p == -INFINITY ? 0.0f : max_p);
    stripes s = no_stripes();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_kl(&s, _mm512_loadu_ps(p + i), from, _mm512_loadu_ps(q + i), 0xffff);
    __mmask16 rest = first_lanes(n - i);
    add_kl(&s, _mm512_maskz_loadu_ps(rest, p + i), from, _mm512_maskz_loadu_ps(rest, q + i), rest);
    return total(&s);
}

const wt_kernels wt_kernels_avx512 = {
    .name = "avx512",
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
