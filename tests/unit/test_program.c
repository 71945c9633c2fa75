/*
 * Programs against double precision: every operator over all sizes of operands, whole programs against a walk over the tree that rounds
 * and saturates step by step, all instruction sets alike to the bit, and never a NaN, an infinity or a negative zero.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "strategy/expression.h"
#include "strategy/program_private.h"

static const char *const NAMES[] = {"a", "b", "c", "d"};
static const wt_domain DOMAIN = {.name = "test", .variables = NAMES, .count = 4};

static wt_expr parse(const char *text) {
    wt_expr e;
    wt_error err = {0};
    if (wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err) != 0) fail_msg("%s", err.message);
    return e;
}

static wt_program compile(const char *text) {
    const wt_expr e = parse(text);
    wt_program program;
    wt_error err = {0};
    if (wt_program_compile(&program, &e, &DOMAIN, &err) != 0) fail_msg("%s", err.message);
    return program;
}

static float any_bits(wt_rng *rng) {
    float f;
    uint32_t bits = (uint32_t)wt_rng_next(rng);
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Of all sizes within range, small ones and those near 1 more often; some are whole. */
static float operand(wt_rng *rng) {
    const size_t kind = wt_rng_below(rng, 8);
    if (kind == 0) return (float)((int)wt_rng_below(rng, 9) - 4);
    if (kind < 3) return (float)(wt_rng_normal(rng) * 4.0);
    if (kind == 3) return (float)(1.0 + 1e-3 * wt_rng_normal(rng));
    if (kind == 4) return (float)(wt_rng_normal(rng) * 40.0);
    for (;;) {
        float f = any_bits(rng);
        if (fabsf(f) <= 1e30f) return f;
    }
}

static double saturated(double x) { return x > 1e30f ? 1e30f : x < -1e30f ? -1e30f : x; }

/* ---- operators ---- */

enum { MANY = 400000 };

static double want_add(double a, double b) { return a + b; }
static double want_sub(double a, double b) { return a - b; }
static double want_mul(double a, double b) { return a * b; }
static double want_div(double a, double b) { return b == 0.0 ? 0.0 : a / b; }
static double want_neg(double a, double b) { return (void)b, -a; }
static double want_abs(double a, double b) { return (void)b, fabs(a); }
static double want_sqrt(double a, double b) { return (void)b, sqrt(fabs(a)); }
static double want_log(double a, double b) { return (void)b, log(fmax(fabs(a), 1e-30f)); }
static double want_exp(double a, double b) { return (void)b, exp(a); }
static double want_tanh(double a, double b) { return (void)b, tanh(a); }
static double want_pow(double a, double b) { return a == 0.0 ? (b == 0.0) : pow(fabs(a), b); }
static double want_min(double a, double b) { return a < b ? a : b; }
static double want_max(double a, double b) { return a > b ? a : b; }
static double want_lt(double a, double b) { return a < b; }
static double want_le(double a, double b) { return a <= b; }
static double want_gt(double a, double b) { return a > b; }
static double want_ge(double a, double b) { return a >= b; }
static double want_eq(double a, double b) { return a == b; }
static double want_ne(double a, double b) { return a != b; }

/* In units of the last place of the right result, where denormals all have the same. */
static double ulps(double got, double want) {
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, exponent - 24 > -149 ? exponent - 24 : -149);
}

/* Of pow the error of log2 of the mantissa (at most half in size) grows with the exponent: see program_math.h. */
static double pow_slack(double a, double b) {
    int exponent;
    double mantissa = frexp(fabs(a), &exponent);
    if (mantissa < 0.70710678) mantissa *= 2.0;
    return 2.0 * fabs(b * log2(mantissa));
}

static void test_operators(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double (*want)(double, double);
        double most; /* ulp; 0.5: rounded correctly */
    } CASES[] = {
        {"a + b", want_add, 0.5},
        {"a - b", want_sub, 0.5},
        {"a*b", want_mul, 0.5},
        {"a/b", want_div, 0.5},
        {"-a", want_neg, 0.0},
        {"abs(a)", want_abs, 0.0},
        {"sqrt(a)", want_sqrt, 0.5},
        {"log(a)", want_log, 1.0},
        {"exp(a)", want_exp, 1.5},
        {"tanh(a)", want_tanh, 3.0},
        {"pow(a, b)", want_pow, 3.0},
        {"min(a, b)", want_min, 0.0},
        {"max(a, b)", want_max, 0.0},
        {"if(a < b, 1, 0)", want_lt, 0.0},
        {"if(a <= b, 1, 0)", want_le, 0.0},
        {"if(a > b, 1, 0)", want_gt, 0.0},
        {"if(a >= b, 1, 0)", want_ge, 0.0},
        {"if(a == b, 1, 0)", want_eq, 0.0},
        {"if(a != b, 1, 0)", want_ne, 0.0},
    };
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    float *a = malloc(MANY * sizeof *a), *b = malloc(MANY * sizeof *b), *out = malloc(MANY * sizeof *out);
    assert_true(a && b && out);
    for (size_t i = 0; i < MANY; i++) {
        a[i] = operand(&rng);
        b[i] = i % 16 == 0 ? a[i] : operand(&rng);
    }
    const wt_row inputs[4] = {{.values = a, .scalar = false}, {.values = b, .scalar = false}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        const wt_program program = compile(CASES[k].text);
        double worst = 0.0;
        wt_program_run(&program, inputs, MANY, out);
        for (size_t i = 0; i < MANY; i++) {
            const double want = saturated(CASES[k].want((double)a[i], (double)b[i]));
            const double slack = CASES[k].want == want_pow ? pow_slack((double)a[i], (double)b[i]) : 0.0;
            const double error = ulps((double)out[i], want) - slack;
            if (error > worst) worst = error;
            if (error > CASES[k].most + 1e-6)
                fail_msg("%s at a = %a, b = %a is %a, not %a", CASES[k].text, (double)a[i], (double)b[i],
                         (double)out[i], want);
        }
        printf("%-18s at most %.3f ulp%s (allowed %.1f)\n", CASES[k].text, worst,
               CASES[k].want == want_pow ? " beside 2 |b log2 mantissa|" : "", CASES[k].most);
    }
    free(a);
    free(b);
    free(out);
}

/* ---- whole programs ---- */

static float admitted(float x) { return isnan(x) ? 0.0f : (float)saturated((double)x); }

static float clamped(float x) { return x > 1e30f ? 1e30f : x < -1e30f ? -1e30f : x; }

/* One of exp, log, tanh and pow, by a program of its own. */
static float by_program(wt_op op, float a, float b) {
    wt_expr e = {.count = 1, .nodes = {{.op = (uint8_t)op}}};
    wt_program program;
    float out;
    const wt_row inputs[4] = {{.values = &a, .scalar = true}, {.values = &b, .scalar = true}};
    for (int i = 0; i < wt_op_of(op)->arity; i++)
        e.nodes[e.count++] = (wt_expr_node){.op = WT_OP_VARIABLE, .variable = (uint8_t)i};
    if (wt_program_compile(&program, &e, &DOMAIN, NULL) != 0) fail();
    wt_program_run_at(&program, WT_CPU_REFERENCE, inputs, 1, &out);
    return out;
}

static float walk(const wt_expr *e, size_t *at, const float *values) {
    const wt_expr_node *node = &e->nodes[(*at)++];
    if (node->op == WT_OP_NUMBER) return node->number;
    if (node->op == WT_OP_VARIABLE) return admitted(values[node->variable]);
    const int arity = wt_op_of((wt_op)node->op)->arity;
    float x[3] = {0};
    for (int i = 0; i < arity; i++) x[i] = walk(e, at, values);
    switch (node->op) {
    case WT_OP_NEG: return -x[0];
    case WT_OP_ADD: return clamped(x[0] + x[1]);
    case WT_OP_SUB: return clamped(x[0] - x[1]);
    case WT_OP_MUL: return clamped(x[0] * x[1]);
    case WT_OP_DIV: return x[1] == 0.0f ? 0.0f : clamped(x[0] / x[1]);
    case WT_OP_MIN: return x[0] < x[1] ? x[0] : x[1];
    case WT_OP_MAX: return x[0] > x[1] ? x[0] : x[1];
    case WT_OP_ABS: return fabsf(x[0]);
    case WT_OP_SQRT: return sqrtf(fabsf(x[0]));
    case WT_OP_IF: return x[0] != 0.0f ? x[1] : x[2];
    case WT_OP_LT: return x[0] < x[1];
    case WT_OP_LE: return x[0] <= x[1];
    case WT_OP_GT: return x[0] > x[1];
    case WT_OP_GE: return x[0] >= x[1];
    case WT_OP_EQ: return x[0] == x[1];
    case WT_OP_NE: return x[0] != x[1];
    default: return by_program((wt_op)node->op, x[0], x[1]);
    }
}

static float any_input(wt_rng *rng) {
    static const float ODD[] = {0.0f, -0.0f, 1e30f, -1e30f, 1e-45f, -3e38f, INFINITY, -INFINITY, NAN, 1e-38f};
    const size_t kind = wt_rng_below(rng, 3);
    return kind == 0 ? ODD[wt_rng_below(rng, 10)] : kind == 1 ? any_bits(rng) : (float)wt_rng_normal(rng);
}

/* Tame; large, but no program overflows or many do, all of them within range; hostile. */
static float input_of(size_t kind, wt_rng *rng) {
    const double normal = wt_rng_normal(rng);
    if (kind == 0) return (float)normal;
    if (kind == 1) return (float)(normal * 1e5);
    if (kind == 2) return (float)saturated(copysign(exp(fabs(normal) * 20.0), wt_rng_normal(rng)));
    return any_input(rng);
}

static bool same(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

enum { LONGEST = 5000, GUARD = 16 };

/* Each level, each length, tame and hostile rows, inputs that are one value, and results on top of an input. */
static void test_programs(void **state) {
    (void)state;
    static const size_t LENGTHS[] = {1,  2,   3,   7,   15,  16,  17,   31,   33,   63,   64,
                                     65, 127, 128, 129, 255, 300, 1001, 2047, 2048, 2049, 4097};
    static const char *const CHOICES[] = {
        /* what random ones hardly have: squares that are compared, and multiplied or not */
        "if(a*a < b, a*c, a + d)",   "if(a*a <= b, c*a, sqrt(d))", "if(a*a == b, c*a, c + d)",
        "if(b > a*a, a*c, c*d + a)", "if(b >= a*a, c*a, c - d)",   "if(a*a != b, a*a, c*d)",
        "if(a*a > b, c - d, a*c)",   "if(b < a*a, 3*a, c + d*b)",  "if(a*a > b*b, b*d, a*c)*2",
        "if(b <= a*a, c*d, a*c)",    "if(a*a > c, a*c, 2*a + 1)",  "if(a*a > a, a*a, c + d)",
    };
    static float rows[4][LONGEST], want[LONGEST], got[LONGEST + GUARD];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    size_t most_slots = 0, kinds[4] = {0};
    for (int i = 0; i < 6000; i++) {
        wt_expr e;
        wt_program program;
        wt_row inputs[4];
        if (i % 8 == 1)
            e = parse(CHOICES[wt_rng_below(&rng, sizeof CHOICES / sizeof *CHOICES)]);
        else
            wt_expr_random(&e, &DOMAIN, &rng, 1 + wt_rng_below(&rng, WT_EXPR_MAX_NODES));
        assert_int_equal(wt_program_compile(&program, &e, &DOMAIN, NULL), 0);
        assert_true(wt_program_verify(&program));
        if (program.slots > most_slots) most_slots = program.slots;
        const size_t n =
            i % 8 == 0 ? LENGTHS[wt_rng_below(&rng, sizeof LENGTHS / sizeof *LENGTHS)] : 1 + wt_rng_below(&rng, 150);
        const size_t kind = wt_rng_below(&rng, 4);
        kinds[kind]++;
        for (int k = 0; k < 4; k++) {
            for (size_t j = 0; j < n; j++) rows[k][j] = input_of(kind, &rng);
            inputs[k] = (wt_row){.values = rows[k], .scalar = wt_rng_below(&rng, 4) == 0};
            if (kind == 0 && wt_rng_below(&rng, 2)) inputs[k].most = 16.0f; /* Box and Muller's 53 bits end at 8.6 */
            if (!(program.inputs >> k & 1)) inputs[k].values = NULL;
        }
        for (size_t j = 0; j < n; j++) {
            float values[4];
            size_t at = 0;
            for (int k = 0; k < 4; k++) values[k] = rows[k][inputs[k].scalar ? 0 : j];
            want[j] = walk(&e, &at, values) + 0.0f;
            assert_true(fabsf(want[j]) <= 1e30f);
        }
        for (int level = 0; level <= (int)wt_cpu_best(); level++) {
            float *out = got;
            for (size_t j = 0; j < n + GUARD; j++) got[j] = 77.0f;
            const size_t on = wt_rng_below(&rng, 8); /* in place, of a row that is not read as one value */
            if (on < 4 && !inputs[on].scalar) {
                memcpy(got, rows[on], n * sizeof *got);
                if (inputs[on].values) inputs[on].values = got;
            }
            wt_program_run_at(&program, (wt_cpu_level)level, inputs, n, out);
            for (size_t j = 0; j < n; j++) {
                if (same(out[j], want[j])) continue;
                char text[4096];
                wt_expr_print(&e, &DOMAIN, text, sizeof text);
                fail_msg("%s at %zu of %zu, %s: %a, not %a", text, j, n, wt_cpu_level_name((wt_cpu_level)level),
                         (double)out[j], (double)want[j]);
            }
            for (size_t j = n; j < n + GUARD; j++) assert_true(got[j] == 77.0f);
            for (int k = 0; k < 4; k++) {
                if (inputs[k].values) inputs[k].values = rows[k];
            }
        }
    }
    printf(
        "6000 programs on %d instruction sets, at most %zu slots; inputs tame, large, very large and hostile: %zu %zu %zu %zu\n",
        (int)wt_cpu_best() + 1, most_slots, kinds[0], kinds[1], kinds[2], kinds[3]);
}

/* All floats there are, one bit pattern in 257, through the four functions: the same bits everywhere. */
static void test_functions_alike(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"exp(a)", "log(a)", "tanh(a)", "pow(a, 0.37)", "pow(1.5, a)", "1/a"};
    static float x[1 << 16], want[1 << 16], got[1 << 16];
    for (size_t t = 0; t < sizeof TEXTS / sizeof *TEXTS; t++) {
        const wt_program program = compile(TEXTS[t]);
        const wt_row inputs[4] = {{.values = x, .scalar = false}};
        uint32_t bits = 0;
        for (int part = 0; part < 250; part++) {
            for (size_t i = 0; i < 1 << 16; i++, bits += 257) memcpy(&x[i], &bits, sizeof bits);
            wt_program_run_at(&program, WT_CPU_REFERENCE, inputs, 1 << 16, want);
            for (size_t i = 0; i < 1 << 16; i++) assert_true(fabsf(want[i]) <= 1e30f);
            for (int level = 1; level <= (int)wt_cpu_best(); level++) {
                wt_program_run_at(&program, (wt_cpu_level)level, inputs, 1 << 16, got);
                assert_memory_equal(got, want, sizeof want);
            }
        }
    }
}

static float value_of(const char *text, float a) {
    const wt_program program = compile(text);
    const wt_row inputs[4] = {{.values = &a, .scalar = true}};
    float out = -7.0f;
    wt_program_run(&program, inputs, 1, &out);
    return out;
}

static void test_total(void **state) {
    (void)state;
    static const struct {
        const char *text;
        float a, want;
    } CASES[] = {
        {"a", NAN, 0.0f},           {"a", INFINITY, 1e30f},
        {"a", -INFINITY, -1e30f},   {"a", 2e38f, 1e30f},
        {"a", -0.0f, 0.0f},         {"a/0", 3.0f, 0.0f},
        {"a/(a - a)", 3.0f, 0.0f},  {"sqrt(a)", -4.0f, 2.0f},
        {"exp(a)", 1e30f, 1e30f},   {"exp(a)", -1e30f, 0.0f},
        {"exp(-a)", 0.0f, 1.0f},    {"pow(0, a)", 0.0f, 1.0f},
        {"pow(0, a)", -2.0f, 0.0f}, {"pow(0, a)", 2.0f, 0.0f},
        {"pow(a, 3)", -2.0f, 8.0f}, {"pow(a, -1)", 1e-40f, 1e30f},
        {"a*a", 1e20f, 1e30f},      {"a*-a", 1e20f, -1e30f},
        {"a + a", -1e30f, -1e30f},  {"a*a - a*a*a", 1e25f, 0.0f},
        {"tanh(a)", 1e30f, 1.0f},   {"tanh(a)", -INFINITY, -1.0f},
        {"-a", 0.0f, 0.0f},         {"a*0", -5.0f, 0.0f},
        {"1/a", 1e-45f, 1e30f},     {"if(a == 0, 1, 2)", NAN, 1.0f},
        {"min(a, 1)", NAN, 0.0f},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const float got = value_of(CASES[i].text, CASES[i].a);
        if (!same(got, CASES[i].want)) fail_msg("%s at %a is %a", CASES[i].text, (double)CASES[i].a, (double)got);
    }
    const float log_0 = value_of("log(a)", 0.0f);
    assert_true(fabs((double)log_0 - log(1e-30)) < 1e-5);
}

/* ---- verification ---- */

/* Needs nothing in the register. KEEP_2 needs nothing there either, and leaves nothing. */
static bool loads(int code) {
    return code <= WT_STEP_LOAD_ABS || (code >= WT_STEP_LOAD_2(0) && code < WT_STEP_CHAIN(0, 0)) ||
           (code >= WT_STEP_LOAD_4(0, 0, 0) && code < WT_STEP_JOIN_3(0, 0, 0));
}

/* Reads place a: all steps do but those of the register alone. */
static bool reads_a(int code) {
    return !(code >= WT_STEP_NEG && code <= WT_STEP_TANH) && code != WT_STEP_KEEP && code != WT_STEP_OUT;
}

/* Each step of one list spoilt in each way; `refused` and `passed` count what depends on the steps before. */
static void spoil(const wt_program *good, bool fast, size_t refused[2], size_t passed[2]) {
    const size_t leaves = good->places - good->slots, slots = fast ? good->fast_slots : good->slots;
    const uint8_t last = (uint8_t)(leaves + slots - 1); /* the last slot, where there are any */
    bool loaded = false, kept[WT_PROGRAM_PLACES] = {false};
    for (size_t i = 0; i < (fast ? good->fast_count : good->careful_count); i++) {
        wt_program bad = *good;
        wt_step *step = fast ? &bad.fast[i] : &bad.careful[i];
        const wt_step before = *step;
        const bool ends = before.code == WT_STEP_OUT || before.code >= WT_STEP_APPLY_OUT(0);
        const bool keeps = before.code == WT_STEP_KEEP || (!ends && before.code >= WT_STEP_KEEP_2(0));
        step->d = (uint8_t)(good->places + ends); /* nowhere */
        assert_false(wt_program_verify(&bad));
        if (ends || keeps) {
            step->d = 0; /* over an input */
            assert_false(wt_program_verify(&bad));
        }
        *step = before;
        step->a = (uint8_t)good->places; /* the result */
        assert_false(wt_program_verify(&bad));
        *step = before;
        step->code = WT_STEP_END; /* there is none */
        assert_false(wt_program_verify(&bad));
        step->code = WT_STEP_OUT; /* before the last step */
        assert_int_equal(wt_program_verify(&bad), ends);
        step->code = WT_STEP_NEG; /* of what was loaded before; no result, and nothing to a slot that is read later */
        const bool negates = loaded && !ends && (!keeps || kept[before.d]);
        assert_int_equal(wt_program_verify(&bad), negates);
        (negates ? passed : refused)[0]++;
        *step = before;
        if (slots > 0) {
            step->a = last; /* a slot that something was written to before, where it is read at all */
            const bool reads = !reads_a(before.code) || kept[last];
            assert_int_equal(wt_program_verify(&bad), reads);
            (reads ? passed : refused)[1]++;
        }
        loaded |= loads(before.code);
        if (keeps) kept[before.d] = true;
    }
}

static void test_verify(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "if(a*b < c + d, sqrt(a + b), (a - b)*(c - d))",
        "exp(a*b)*tanh(c*d) + exp(a - b)*log(c + d)",
        "pow(a + b, exp(c - d)*(tanh(a) + pow(b, c)))/log(a*d)",
    };
    size_t refused[2] = {0}, passed[2] = {0};
    for (size_t t = 0; t < sizeof TEXTS / sizeof *TEXTS; t++) {
        const wt_program good = compile(TEXTS[t]);
        assert_true(wt_program_verify(&good));
        wt_program bad = good;
        bad.fast_count = 0;
        assert_false(wt_program_verify(&bad));
        bad = good;
        bad.inputs = 0;
        assert_false(wt_program_verify(&bad));
        spoil(&good, true, refused, passed);
        spoil(&good, false, refused, passed);
    }
    for (int k = 0; k < 2; k++) {
        printf("of steps spoilt, %zu refused and %zu passed\n", refused[k], passed[k]);
        assert_true(refused[k] > 0 && passed[k] > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators), cmocka_unit_test(test_programs), cmocka_unit_test(test_functions_alike),
        cmocka_unit_test(test_total),     cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
