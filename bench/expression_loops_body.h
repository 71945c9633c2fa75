/* The loops, in one text for every instruction set; see expression_loops.h. */
#include "expression_loops.h"

#include "strategy/program_math.h"

#define ROWS                                                                                                           \
    const float *restrict x, const float *restrict h, const float *restrict v, const float *restrict a,                \
        const float *restrict r, size_t n, float *restrict out
#define GIVEN x, h, v, a, r, n, out

/* ---- one value at a time where the compiler vectorises that at every level, which choices and division prevent ---- */

INLINE float saturate(float a) {
    a = a < WT_EXPR_MAX_NUMBER ? a : WT_EXPR_MAX_NUMBER;
    return a > -WT_EXPR_MAX_NUMBER ? a : -WT_EXPR_MAX_NUMBER;
}
INLINE float admit(float a) { return saturate(a == a ? a : 0.0f); }
#define SCALAR(name, value)                                                                                            \
    static void name(ROWS) {                                                                                           \
        (void)x, (void)h, (void)v, (void)a, (void)r;                                                                   \
        for (size_t i = 0; i < n; i++) out[i] = (value);                                                               \
    }
#define VECTOR(name, value)                                                                                            \
    static void name(ROWS) {                                                                                           \
        (void)x, (void)h, (void)v, (void)a, (void)r;                                                                   \
        for (size_t i = 0; i < n; i += WIDTH) vec_store(out + i, (value));                                             \
    }

/* ---- rules: F is what an input goes through, S what sums and products do ---- */

#define F(row) row[i]
#define S(value) (value)
#define VF(row) vec_load(row + i)
#define VS(value) (value)
#define IMPORTANCE S(F(h) * sqrtf(fabsf(S(S(2.0f * F(v)) + S(F(x) * F(x))))))
#define ROOT S(IMPORTANCE + S(F(r) * F(a)))
#define PRODUCTS S(S(S(S(F(x) * F(x)) * F(h)) + S(S(2.0f * F(v)) * F(x))) + S(F(a) * F(r)))
#define EXTREMES VS(VS(vec_max(vec_abs(VF(x)), VF(a)) * VF(h)) - vec_div(vec_min(VS(VF(x) * VF(x)), VF(v)), VF(r)))
#define BRANCH VS(vec_pick(mask_lt(VF(v), VS(VF(x) * VF(x))), VS(VF(h) * VF(x)), VS(VF(a) + VS(VF(r) * VF(x)))) * 2.0f)
#define FUNCTIONS VS(VS(vec_exp(vec_neg(VF(x))) * VF(h)) + VS(vec_tanh(VF(v)) * vec_log(VF(a))))
#define POWER VS(VS(VS(VF(h) * vec_pow(vec_abs(VF(x)), vec_set(0.75f))) + VS(VF(v) * VF(a))) - VS(VF(r) * VF(x)))

#define RULES_AS(suffix)                                                                                               \
    SCALAR(importance##suffix, IMPORTANCE)                                                                             \
    SCALAR(root##suffix, ROOT)                                                                                         \
    SCALAR(products##suffix, PRODUCTS)                                                                                 \
    VECTOR(extremes##suffix, EXTREMES)                                                                                 \
    VECTOR(branch##suffix, BRANCH)                                                                                     \
    VECTOR(functions##suffix, FUNCTIONS)                                                                               \
    VECTOR(power##suffix, POWER)

RULES_AS(_plain)

#undef F
#undef S
#undef VF
#undef VS
#define F(row) admit(row[i])
#define S(value) saturate(value)
#define VF(row) vec_admit(vec_load(row + i))
#define VS(value) vec_within(value, WT_EXPR_MAX_NUMBER)

RULES_AS(_clamped)

/* ---- looking: the largest magnitude as bits, where no number is above every number ---- */

INLINE int32_t larger(int32_t most, float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= INT32_MAX;
    return bits > most ? bits : most;
}

#define LOOKING_RULE(name, ...)                                                                                        \
    static void name##_looking(ROWS) {                                                                                 \
        const float *const rows[] = {__VA_ARGS__};                                                                     \
        int32_t most = 0;                                                                                              \
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {                                                      \
            for (size_t i = 0; i < n; i++) most = larger(most, rows[k][i]);                                            \
        }                                                                                                              \
        if (most < 0x49800000) /* 2^20 */                                                                              \
            name##_plain(GIVEN);                                                                                       \
        else                                                                                                           \
            name##_clamped(GIVEN);                                                                                     \
    }

LOOKING_RULE(importance, x, h, v)
LOOKING_RULE(root, x, h, v, a, r)
LOOKING_RULE(products, x, h, v, a, r)
LOOKING_RULE(extremes, x, h, v, a, r)
LOOKING_RULE(branch, x, h, v, a, r)
LOOKING_RULE(functions, x, h, v, a)
LOOKING_RULE(power, x, h, v, a, r)

#define ALL(suffix)                                                                                                    \
    {                                                                                                                  \
        importance##suffix, root##suffix, products##suffix, extremes##suffix, branch##suffix, functions##suffix,       \
            power##suffix                                                                                              \
    }
#define RULE_LOOPS                                                                                                     \
    { ALL(_plain), ALL(_looking), ALL(_clamped) }
