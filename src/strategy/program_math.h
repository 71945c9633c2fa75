/*
 * exp, log, tanh and pow over vectors, by Taylor series after the usual reductions of the argument. Arguments are
 * finite and within +-1e30, and so are results. Nothing is fused, so that every instruction set rounds alike; the unit
 * test compares them with double precision. Where whole numbers are meant, ROUNDER (1.5 * 2^23) is added and taken away
 * again: the sum's low bits are the whole number.
 */
#ifndef WT_STRATEGY_PROGRAM_MATH_H
#define WT_STRATEGY_PROGRAM_MATH_H

#include "strategy/expression.h"
#include "strategy/program_lanes.h"

#define ROUNDER 12582912.0f
#define LN2_HIGH 0.693359375f /* 9 bits: exact times any exponent */
#define LN2_LOW -2.12194440e-4f
#define LOG2_E 1.44269504f

/*
 * e^r * 2^n for |r| up to about 0.7, n a whole number in -160..100. In two factors, so that what is below 2^-126 rounds
 * once.
 */
INLINE vec vec_exp_reduced(vec r, vec n) {
    vec p = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    const ivec whole = (ivec)(n + ROUNDER) - (ivec)vec_set(ROUNDER), half = whole >> 1;
    const vec first = (vec)((half + 127) << 23), second = (vec)((whole - half + 127) << 23);
    return vec_min(p * first * second, vec_set(WT_EXPR_MAX_NUMBER));
}

INLINE vec vec_exp(vec x) {
    x = vec_max(vec_min(x, vec_set(69.5f)), vec_set(-110.0f));
    const vec n = (x * LOG2_E + ROUNDER) - ROUNDER;
    return vec_exp_reduced((x - n * LN2_HIGH) - n * LN2_LOW, n);
}

/*
 * x = 2^exponent * (1 + f) with 1 + f in sqrt(1/2)..sqrt(2), for normal x > 0. Gives log(1 + f) without f: it is
 * f - returned, by 2 atanh(s) with s = f / (2 + f); the exponent is a whole number.
 */
INLINE vec vec_log_split(vec x, vec *exponent, vec *f) {
    const ivec base = ivec_set(0x3f3504f3); /* sqrt(1/2) */
    const ivec e = ((ivec)x - base) >> 23;
    *exponent = (vec)((ivec)vec_set(ROUNDER) + e) - ROUNDER;
    *f = (vec)((ivec)x - (e << 23)) - 1.0f;
    const vec s = *f / (*f + 2.0f), z = s * s, half_square = *f * *f * 0.5f;
    vec r = z * (2.0f / 9.0f) + 2.0f / 7.0f;
    r = r * z + 2.0f / 5.0f;
    r = r * z + 2.0f / 3.0f;
    return half_square - s * (half_square + r * z);
}

INLINE vec vec_log(vec x) {
    vec e, f;
    const vec less = vec_log_split(vec_max(vec_abs(x), vec_set(1e-30f)), &e, &f);
    return e * LN2_HIGH + (f - (less - e * LN2_LOW));
}

/* Below 0.6 the fraction x(945 + 105x^2 + x^4) / (945 + 420x^2 + 15x^4), above it (e^2x - 1) / (e^2x + 1). */
INLINE vec vec_tanh(vec x) {
    const vec a = vec_min(vec_abs(x), vec_set(10.0f)), z = a * a, e = vec_exp(a + a);
    const mask small = mask_lt(a, vec_set(0.6f));
    const vec above = vec_pick(small, a * ((z + 105.0f) * z + 945.0f), e - 1.0f);
    const vec below = vec_pick(small, (z * 15.0f + 420.0f) * z + 945.0f, e + 1.0f);
    return (vec)((ivec)(above / below) | ((ivec)x & ivec_set(INT32_MIN)));
}

/*
 * 2^(b log2|a|). The exponent's part of the logarithm times b is kept exact, by cutting b into halves of 12 bits, so
 * that the error is that of b log2 of the mantissa alone.
 */
INLINE vec vec_pow(vec a, vec b) {
    const vec zero = vec_set(0.0f), x = vec_abs(a);
    const mask tiny = mask_lt(x, vec_set(0x1p-60f)), none = mask_eq(x, zero);
    vec e, f;
    const vec less = vec_log_split(vec_pick(tiny, vec_max(x * 0x1p90f, vec_set(0x1p-60f)), x), &e, &f);
    e = vec_pick(tiny, e - 90.0f, e);
    const vec mantissa = (f - less) * LOG2_E * b;
    const vec high = (vec)((ivec)b & ivec_set(-4096)), low = b - high;
    const vec y = vec_max(vec_min(b * e + mantissa, vec_set(100.0f)), vec_set(-159.0f));
    const vec n = (y + ROUNDER) - ROUNDER;
    const vec rest = vec_within(((high * e - n) + low * e) + mantissa, 1.0f);
    const vec r = vec_exp_reduced(rest * 0.693147181f, n);
    return vec_pick(none, vec_pick(mask_eq(b, zero), vec_set(1.0f), zero), r);
}

/* a / b, 0 where b is 0, within range. */
INLINE vec vec_div(vec a, vec b) {
    return vec_within(vec_pick(mask_eq(b, vec_set(0.0f)), vec_set(0.0f), a / b), WT_EXPR_MAX_NUMBER);
}

/* An input as programs see it: no number is 0, what is beyond the range saturates. */
INLINE vec vec_admit(vec a) { return vec_within(vec_pick(mask_eq(a, a), a, vec_set(0.0f)), WT_EXPR_MAX_NUMBER); }

#endif
