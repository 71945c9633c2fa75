/* The loops, in one text for every instruction set; see expression_loops.h. */
#include "expression_loops.h"

#include "strategy/program_math.h"

#define ROWS                                                                                                           \
    const float *restrict x, const float *restrict h, const float *restrict v, const float *restrict a,                \
        const float *restrict r, size_t n, float *restrict out
#define RULE(name, value)                                                                                              \
    static void name(ROWS) {                                                                                           \
        (void)x, (void)h, (void)v, (void)a, (void)r;                                                                   \
        for (size_t i = 0; i < n; i++) out[i] = value;                                                                 \
    }
#define AT(row) vec_load(row + i)
#define VECTOR_RULE(name, value)                                                                                       \
    static void name(ROWS) {                                                                                           \
        (void)x, (void)h, (void)v, (void)a, (void)r;                                                                   \
        for (size_t i = 0; i < n; i += WIDTH) vec_store(out + i, value);                                               \
    }

RULE(importance, h[i] * sqrtf(2.0f * v[i] + x[i] * x[i]))
RULE(root, h[i] * sqrtf(2.0f * v[i] + x[i] * x[i]) + r[i] * a[i])
RULE(products, x[i] * x[i] * h[i] + 2.0f * v[i] * x[i] + a[i] * r[i])
RULE(extremes, (fabsf(x[i]) > a[i] ? fabsf(x[i]) : a[i]) * h[i] - (x[i] * x[i] < v[i] ? x[i] * x[i] : v[i]) / r[i])
RULE(branch, (x[i] * x[i] > v[i] ? h[i] * x[i] : a[i] + r[i] * x[i]) * 2.0f)
VECTOR_RULE(functions, vec_exp(vec_neg(AT(x))) * AT(h) + vec_tanh(AT(v)) * vec_log(AT(a)))
VECTOR_RULE(power, AT(h) * vec_pow(vec_abs(AT(x)), vec_set(0.75f)) + AT(v) * AT(a) - AT(r) * AT(x))

#define RULE_LOOPS                                                                                                     \
    { importance, root, products, extremes, branch, functions, power }
