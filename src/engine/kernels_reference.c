/*
 * The kernels in plain C: what the other variants must equal bit for bit, and what runs where there is no other. Sums
 * keep 16 stripes in an array; the inner loops over them are for the compiler to vectorise.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels_private.h"

static inline uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* `yes ? a : b` without a branch, which GCC would not vectorise; that is also why comparisons are math.h's quiet ones. */
static inline float choose(bool yes, float a, float b) {
    uint32_t mask = 0u - (uint32_t)yes;
    return float_of((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

/* NaN passes the bounds, which are false for it, and then makes everything NaN. */
static inline float exp_of(float x) {
    x = choose(isgreater(x, WT_EXP_HIGHEST), WT_EXP_HIGHEST, x);
    x = choose(isless(x, WT_EXP_LOWEST), WT_EXP_LOWEST, x);
    float shifted = x * WT_EXP_LOG2E + WT_EXP_ROUND;
    float n = shifted - WT_EXP_ROUND;
    float r = x - n * WT_EXP_LN2_HIGH;
    r = r - n * WT_EXP_LN2_LOW;
    float p = WT_EXP_P0;
    p = p * r + WT_EXP_P1;
    p = p * r + WT_EXP_P2;
    p = p * r + WT_EXP_P3;
    p = p * r + WT_EXP_P4;
    p = (p * (r * r) + r) + 1.0f;
    /* 2^n in two factors: the first product is exact, so that a subnormal result is rounded once. */
    int32_t whole = (int32_t)(bits_of(shifted) - bits_of(WT_EXP_ROUND)), half = whole >> 1;
    return p * float_of((uint32_t)(half + 127) << 23) * float_of((uint32_t)(whole - half + 127) << 23);
}

static inline float tanh_of(float x) {
    uint32_t sign = bits_of(x) & 0x80000000u;
    float a = float_of(bits_of(x) & 0x7fffffffu), z = a * a;
    float q = WT_TANH_Q0;
    q = q * z + WT_TANH_Q1;
    q = q * z + WT_TANH_Q2;
    q = q * z + WT_TANH_Q3;
    q = q * z + WT_TANH_Q4;
    float small = q * z * a + a, large = 1.0f - 2.0f / (exp_of(a + a) + 1.0f);
    return float_of(bits_of(choose(isless(a, WT_TANH_SMALL), small, large)) | sign);
}

/* Pairs stripes 8 apart, then 4, 2, 1. */
static double total(const double *s) {
    double d[8];
    for (int l = 0; l < 8; l++) d[l] = s[l] + s[l + 8];
    return ((d[0] + d[4]) + (d[2] + d[6])) + ((d[1] + d[5]) + (d[3] + d[7]));
}

static void rms_norm(float *y, const float *x, const float *gain, float eps, size_t n) {
    double s[WT_STRIPES] = {0};
    size_t i = 0;
    for (; i + WT_STRIPES <= n; i += WT_STRIPES) {
        for (size_t l = 0; l < WT_STRIPES; l++) s[l] += (double)x[i + l] * (double)x[i + l];
    }
    for (size_t l = 0; i + l < n; l++) s[l] += (double)x[i + l] * (double)x[i + l];
    float scale = (float)(1.0 / sqrt(total(s) / (double)n + (double)eps));
    for (i = 0; i < n; i++) {
        float v = x[i] * scale;
        y[i] = gain ? v * gain[i] : v;
    }
}

static void to_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        uint32_t nan = (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : 0;
        out[i] = (uint16_t)(((bits + 0x7fffu + (bits >> 16 & 1)) | nan) >> 16);
    }
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void silu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + exp_of(-gate[i])) * up[i];
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], inner = WT_GELU_SCALE * (x + WT_GELU_CUBE * x * x * x);
        gate[i] = 0.5f * x * (1.0f + tanh_of(inner)) * up[i];
    }
}

static void softcap(float *x, float cap, size_t n) {
    float inverse = 1.0f / cap;
    for (size_t i = 0; i < n; i++) x[i] = cap * tanh_of(x[i] * inverse);
}

static float max(const float *x, size_t n, size_t *index) {
    float best = -INFINITY;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > best) {
            best = x[i];
            at = i;
        }
    }
    if (index) *index = at;
    return best;
}

static void softmax(float *x, float scale, size_t n, size_t padded) {
    float largest = max(x, n, NULL);
    /* Of nothing but -Inf the differences are made -Inf too: a row of zeros, or of NaN where there is one. */
    float from = largest == -INFINITY ? 0.0f : largest;
    double s[WT_STRIPES] = {0};
    memset(x + n, 0, (padded - n) * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = exp_of((x[i] - from) * scale);
    size_t i = 0;
    for (; i + WT_STRIPES <= n; i += WT_STRIPES) {
        for (size_t l = 0; l < WT_STRIPES; l++) s[l] += (double)x[i + l];
    }
    for (size_t l = 0; i + l < n; l++) s[l] += (double)x[i + l];
    double sum = total(s);
    float inverse = sum == 0.0 ? 0.0f : (float)(1.0 / sum);
    for (i = 0; i < n; i++) x[i] *= inverse;
}

static void rope_pairs(float *restrict x, const float *restrict cos, const float *restrict sin, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cos[i] - b * sin[i];
        x[2 * i + 1] = a * sin[i] + b * cos[i];
    }
}

static void rope_halves(float *restrict x, const float *restrict cos, const float *restrict sin, size_t n) {
    float *restrict y = x + n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cos[i] - b * sin[i];
        y[i] = a * sin[i] + b * cos[i];
    }
}

static double sum_exp(const float *x, float max_x, size_t n) {
    float from = max_x == -INFINITY ? 0.0f : max_x;
    double s[WT_STRIPES] = {0};
    size_t i = 0;
    for (; i + WT_STRIPES <= n; i += WT_STRIPES) {
        for (size_t l = 0; l < WT_STRIPES; l++) s[l] += (double)exp_of(x[i + l] - from);
    }
    for (size_t l = 0; i + l < n; l++) s[l] += (double)exp_of(x[i + l] - from);
    return total(s);
}

/* What p never takes adds nothing, whatever q says of it: 0 log 0 is 0. */
static inline double kl_term(float p, float from, float q) {
    bool taken = !(p == -INFINITY);
    return (double)choose(taken, exp_of(p - from), 0.0f) *
           ((double)choose(taken, p, 0.0f) - (double)choose(taken, q, 0.0f));
}

static double kl_sum(const float *p, float max_p, const float *q, size_t n) {
    float from = max_p == -INFINITY ? 0.0f : max_p;
    double s[WT_STRIPES] = {0};
    size_t i = 0;
    for (; i + WT_STRIPES <= n; i += WT_STRIPES) {
        for (size_t l = 0; l < WT_STRIPES; l++) s[l] += kl_term(p[i + l], from, q[i + l]);
    }
    for (size_t l = 0; i + l < n; l++) s[l] += kl_term(p[i + l], from, q[i + l]);
    return total(s);
}

const wt_kernels wt_kernels_reference = {
    .name = "reference",
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
