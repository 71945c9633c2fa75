/*
 * The kernels for NEON: element by element in registers of 4, sums 16 elements a turn, one for each stripe. A rest is
 * copied to a buffer and filled up with what adds nothing. Multiplications and additions stay apart (no contraction), so
 * that the bits are the reference's; NEON's own minimum and maximum would make NaN of what the reference bounds, hence
 * the selections.
 */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "engine/kernels_private.h"

#define LANES 4

static inline float32x4_t splat(float x) { return vdupq_n_f32(x); }

/* p * x + c, rounded twice. */
static inline float32x4_t step(float32x4_t p, float32x4_t x, float c) { return vaddq_f32(vmulq_f32(p, x), splat(c)); }

/* LANES floats of the n > 0 that are left at p, `fill` in the lanes behind them. */
static inline float32x4_t load(const float *p, size_t n, float fill) {
    if (n >= LANES) return vld1q_f32(p);
    float buffer[LANES] = {fill, fill, fill, fill};
    memcpy(buffer, p, n * sizeof *p);
    return vld1q_f32(buffer);
}

static inline void store(float *p, size_t n, float32x4_t v) {
    if (n >= LANES) {
        vst1q_f32(p, v);
    } else {
        float buffer[LANES];
        vst1q_f32(buffer, v);
        memcpy(p, buffer, n * sizeof *p);
    }
}

/* 2^n for whole numbers n in -126..127. */
static inline float32x4_t power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

static inline float32x4_t exp_of(float32x4_t x) {
    x = vbslq_f32(vcgtq_f32(x, splat(WT_EXP_HIGHEST)), splat(WT_EXP_HIGHEST), x);
    x = vbslq_f32(vcltq_f32(x, splat(WT_EXP_LOWEST)), splat(WT_EXP_LOWEST), x);
    float32x4_t shifted = step(x, splat(WT_EXP_LOG2E), WT_EXP_ROUND), n = vsubq_f32(shifted, splat(WT_EXP_ROUND));
    float32x4_t r = vsubq_f32(x, vmulq_f32(n, splat(WT_EXP_LN2_HIGH)));
    r = vsubq_f32(r, vmulq_f32(n, splat(WT_EXP_LN2_LOW)));
    float32x4_t p = splat(WT_EXP_P0);
    p = step(p, r, WT_EXP_P1);
    p = step(p, r, WT_EXP_P2);
    p = step(p, r, WT_EXP_P3);
    p = step(p, r, WT_EXP_P4);
    p = vaddq_f32(vaddq_f32(vmulq_f32(p, vmulq_f32(r, r)), r), splat(1.0f));
    int32x4_t whole = vsubq_s32(vreinterpretq_s32_f32(shifted), vreinterpretq_s32_f32(splat(WT_EXP_ROUND)));
    int32x4_t half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(p, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
}

static inline float32x4_t tanh_of(float32x4_t x) {
    float32x4_t a = vabsq_f32(x), z = vmulq_f32(a, a), q = splat(WT_TANH_Q0);
    q = step(q, z, WT_TANH_Q1);
    q = step(q, z, WT_TANH_Q2);
    q = step(q, z, WT_TANH_Q3);
    q = step(q, z, WT_TANH_Q4);
    float32x4_t small = vaddq_f32(vmulq_f32(vmulq_f32(q, z), a), a);
    float32x4_t e = vaddq_f32(exp_of(vaddq_f32(a, a)), splat(1.0f));
    float32x4_t large = vsubq_f32(splat(1.0f), vdivq_f32(splat(2.0f), e));
    float32x4_t y = vbslq_f32(vcltq_f32(a, splat(WT_TANH_SMALL)), small, large);
    return vbslq_f32(vdupq_n_u32(0x80000000u), x, y);
}

/* ---- sums: 16 stripes of double, in 8 registers ---- */

typedef struct stripes {
    float64x2_t s[WT_STRIPES / 2];
} stripes;

/* The 16 elements at p; where only n < 16 are left, in `buffer`, with `fill` behind them. */
static inline const float *sixteen(const float *p, size_t n, float fill, float *buffer) {
    if (n >= WT_STRIPES) return p;
    for (size_t i = 0; i < WT_STRIPES; i += LANES) vst1q_f32(buffer + i, splat(fill));
    memcpy(buffer, p, n * sizeof *p);
    return buffer;
}

static inline float64x2_t low_half(float32x4_t v) { return vcvt_f64_f32(vget_low_f32(v)); }

/* To stripes 4 quarter .. 4 quarter + 3. */
static inline void add_to(stripes *t, int quarter, float64x2_t low, float64x2_t high) {
    t->s[2 * quarter] = vaddq_f64(t->s[2 * quarter], low);
    t->s[2 * quarter + 1] = vaddq_f64(t->s[2 * quarter + 1], high);
}

static inline double total(const stripes *t) {
    float64x2_t d[4];
    for (int l = 0; l < 4; l++) d[l] = vaddq_f64(t->s[l], t->s[l + 4]);
    float64x2_t two = vaddq_f64(vaddq_f64(d[0], d[2]), vaddq_f64(d[1], d[3]));
    return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}

static inline stripes no_stripes(void) {
    stripes t;
    for (int l = 0; l < WT_STRIPES / 2; l++) t.s[l] = vdupq_n_f64(0.0);
    return t;
}

/* ---- kernels ---- */

static void rms_norm(float *y, const float *x, const float *gain, float eps, size_t n) {
    stripes t = no_stripes();
    float buffer[WT_STRIPES];
    for (size_t i = 0; i < n; i += WT_STRIPES) {
        const float *p = sixteen(x + i, n - i, 0.0f, buffer);
        for (int quarter = 0; quarter < 4; quarter++) {
            float32x4_t v = vld1q_f32(p + LANES * quarter);
            float64x2_t low = low_half(v), high = vcvt_high_f64_f32(v);
            add_to(&t, quarter, vmulq_f64(low, low), vmulq_f64(high, high));
        }
    }
    float32x4_t scale = splat((float)(1.0 / sqrt(total(&t) / (double)n + (double)eps)));
    for (size_t i = 0; i < n; i += LANES) {
        float32x4_t v = vmulq_f32(load(x + i, n - i, 0.0f), scale);
        store(y + i, n - i, gain ? vmulq_f32(v, load(gain + i, n - i, 0.0f)) : v);
    }
}

static void to_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        float32x4_t v = load(x + i, n - i, 0.0f);
        uint32x4_t bits = vreinterpretq_u32_f32(v), even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        uint32x4_t nan = vbicq_u32(vdupq_n_u32(0x7fc00000u), vceqq_f32(v, v));
        bits = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), even);
        uint16x4_t upper = vshrn_n_u32(vorrq_u32(bits, nan), 16);
        if (n - i >= LANES) {
            vst1_u16(out + i, upper);
        } else {
            uint16_t buffer[LANES];
            vst1_u16(buffer, upper);
            memcpy(out + i, buffer, (n - i) * sizeof *out);
        }
    }
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        store(y + i, n - i, vaddq_f32(load(y + i, n - i, 0.0f), load(x + i, n - i, 0.0f)));
}

static void silu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        float32x4_t x = load(gate + i, n - i, 0.0f), e = exp_of(vnegq_f32(x));
        float32x4_t y = vmulq_f32(vdivq_f32(x, vaddq_f32(splat(1.0f), e)), load(up + i, n - i, 0.0f));
        store(gate + i, n - i, y);
    }
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        float32x4_t x = load(gate + i, n - i, 0.0f);
        float32x4_t cube = vmulq_f32(vmulq_f32(vmulq_f32(splat(WT_GELU_CUBE), x), x), x);
        float32x4_t t = tanh_of(vmulq_f32(splat(WT_GELU_SCALE), vaddq_f32(x, cube)));
        float32x4_t y = vmulq_f32(vmulq_f32(splat(0.5f), x), vaddq_f32(splat(1.0f), t));
        store(gate + i, n - i, vmulq_f32(y, load(up + i, n - i, 0.0f)));
    }
}

static void softcap(float *x, float cap, size_t n) {
    float32x4_t c = splat(cap), inverse = splat(1.0f / cap);
    for (size_t i = 0; i < n; i += LANES)
        store(x + i, n - i, vmulq_f32(c, tanh_of(vmulq_f32(load(x + i, n - i, 0.0f), inverse))));
}

static float max(const float *x, size_t n, size_t *index) {
    float32x4_t best = splat(-INFINITY);
    uint32x4_t at = vdupq_n_u32(0), here = {0, 1, 2, 3};
    for (size_t i = 0; i < n; i += LANES, here = vaddq_u32(here, vdupq_n_u32(LANES))) {
        float32x4_t v = load(x + i, n - i, -INFINITY);
        uint32x4_t greater = vcgtq_f32(v, best);
        best = vbslq_f32(greater, v, best);
        at = vbslq_u32(greater, here, at);
    }
    /* Of the lanes with the largest value, the one that saw it first. */
    float value[LANES];
    uint32_t seen[LANES];
    int lane = 0;
    vst1q_f32(value, best);
    vst1q_u32(seen, at);
    for (int l = 1; l < LANES; l++) {
        if (value[l] > value[lane] || (value[l] == value[lane] && seen[l] < seen[lane])) lane = l;
    }
    if (index) *index = seen[lane];
    return value[lane];
}

static void softmax(float *x, float scale, size_t n, size_t padded) {
    float largest = max(x, n, NULL);
    float32x4_t from = splat(largest == -INFINITY ? 0.0f : largest), by = splat(scale);
    stripes t = no_stripes();
    float buffer[WT_STRIPES];
    memset(x + n, 0, (padded - n) * sizeof *x);
    for (size_t i = 0; i < n; i += LANES)
        store(x + i, n - i, exp_of(vmulq_f32(vsubq_f32(load(x + i, n - i, 0.0f), from), by)));
    for (size_t i = 0; i < n; i += WT_STRIPES) {
        const float *p = sixteen(x + i, n - i, 0.0f, buffer);
        for (int quarter = 0; quarter < 4; quarter++) {
            float32x4_t v = vld1q_f32(p + LANES * quarter);
            add_to(&t, quarter, low_half(v), vcvt_high_f64_f32(v));
        }
    }
    double sum = total(&t);
    float32x4_t inverse = splat(sum == 0.0 ? 0.0f : (float)(1.0 / sum));
    for (size_t i = 0; i < n; i += LANES) store(x + i, n - i, vmulq_f32(load(x + i, n - i, 0.0f), inverse));
}

static void rope_pairs(float *x, const float *cos, const float *sin, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n / 2; i += LANES) {
        float32x4x2_t v = vld2q_f32(x + 2 * i), y;
        float32x4_t c = vld1q_f32(cos + i), s = vld1q_f32(sin + i);
        y.val[0] = vsubq_f32(vmulq_f32(v.val[0], c), vmulq_f32(v.val[1], s));
        y.val[1] = vaddq_f32(vmulq_f32(v.val[0], s), vmulq_f32(v.val[1], c));
        vst2q_f32(x + 2 * i, y);
    }
    for (; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cos[i] - b * sin[i];
        x[2 * i + 1] = a * sin[i] + b * cos[i];
    }
}

static void rope_halves(float *x, const float *cos, const float *sin, size_t n) {
    float *y = x + n / 2;
    for (size_t i = 0; i < n / 2; i += LANES) {
        size_t left = n / 2 - i;
        float32x4_t a = load(x + i, left, 0.0f), b = load(y + i, left, 0.0f);
        float32x4_t c = load(cos + i, left, 0.0f), s = load(sin + i, left, 0.0f);
        store(x + i, left, vsubq_f32(vmulq_f32(a, c), vmulq_f32(b, s)));
        store(y + i, left, vaddq_f32(vmulq_f32(a, s), vmulq_f32(b, c)));
    }
}

static double sum_exp(const float *x, float max_x, size_t n) {
    float32x4_t from = splat(max_x == -INFINITY ? 0.0f : max_x);
    stripes t = no_stripes();
    float buffer[WT_STRIPES];
    for (size_t i = 0; i < n; i += WT_STRIPES) {
        const float *p = sixteen(x + i, n - i, -INFINITY, buffer);
        for (int quarter = 0; quarter < 4; quarter++) {
            float32x4_t e = exp_of(vsubq_f32(vld1q_f32(p + LANES * quarter), from));
            add_to(&t, quarter, low_half(e), vcvt_high_f64_f32(e));
        }
    }
    return total(&t);
}

/* Adds exp(p - from) * (p - q) in the lanes where p is not -Inf. */
static inline void add_kl(stripes *t, int quarter, float32x4_t p, float32x4_t from, float32x4_t q) {
    int32x4_t none = vreinterpretq_s32_u32(vceqq_f32(p, splat(-INFINITY)));
    float32x4_t e = exp_of(vsubq_f32(p, from));
    float64x2_t low = vmulq_f64(low_half(e), vsubq_f64(low_half(p), low_half(q)));
    float64x2_t high =
        vmulq_f64(vcvt_high_f64_f32(e), vsubq_f64(vcvt_high_f64_f32(p), vcvt_high_f64_f32(q)));
    /* A mask of floats widens to one of doubles as integers do. */
    uint64x2_t none_low = vreinterpretq_u64_s64(vmovl_s32(vget_low_s32(none)));
    uint64x2_t none_high = vreinterpretq_u64_s64(vmovl_high_s32(none));
    add_to(t, quarter, vbslq_f64(none_low, vdupq_n_f64(0.0), low), vbslq_f64(none_high, vdupq_n_f64(0.0), high));
}

static double kl_sum(const float *p, float max_p, const float *q, size_t n) {
    float32x4_t from = splat(max_p == -INFINITY ? 0.0f : max_p);
    stripes t = no_stripes();
    float buffer_p[WT_STRIPES], buffer_q[WT_STRIPES];
    for (size_t i = 0; i < n; i += WT_STRIPES) {
        const float *pp = sixteen(p + i, n - i, -INFINITY, buffer_p), *qq = sixteen(q + i, n - i, 0.0f, buffer_q);
        for (int quarter = 0; quarter < 4; quarter++)
            add_kl(&t, quarter, vld1q_f32(pp + LANES * quarter), from, vld1q_f32(qq + LANES * quarter));
    }
    return total(&t);
}

const wt_kernels wt_kernels_neon = {
    .name = "neon",
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
