/* Every variant against the plain one, bit for bit, and the plain one against double precision. */
#include "support/testing.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/cpu.h"
#include "engine/kernels.h"
#include "support/guarded.h"

#define MOST 1100 /* longest row of the tests */

static const wt_kernels *reference(void) { return wt_kernels_variant("reference"); }

/* ---- inputs ---- */

typedef enum input_kind { PLAIN, WIDE, SPECIAL, BITS, KINDS } input_kind;

/* A float of moderate size; of any size; often a special one; or any bits at all, NaN and subnormals among them. */
static float draw(wt_rng *rng, input_kind kind) {
    static const float special[] = {0.0f,   -0.0f,   INFINITY, -INFINITY, NAN,      1e-45f,   -1e-45f, 1e-38f,
                                    -3e38f, 3.4e38f, 88.7228f, 88.7229f,  -87.337f, -103.97f, -104.0f, 1.0f};
    uint32_t bits = (uint32_t)wt_rng_next(rng);
    float x;
    memcpy(&x, &bits, sizeof x);
    if (kind == BITS) return x;
    if (kind == WIDE) return (float)(wt_rng_normal(rng) * exp(12.0 * wt_rng_normal(rng)));
    if (kind == SPECIAL && bits % 4 == 0) return special[wt_rng_below(rng, sizeof special / sizeof *special)];
    return (float)(5.0 * wt_rng_normal(rng));
}

static void fill(wt_rng *rng, input_kind kind, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = draw(rng, kind);
}

/* ---- variants ---- */

/* Arguments of one call, up against guard pages: results of a variant and of the reference, and what they read. */
typedef struct arena {
    guarded in_place, expected, a, b;
} arena;

typedef void (*call_fn)(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out);

static void call_rms_norm(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)out;
    k->rms_norm(x, a, b, 1e-5f, n);
}
static void call_rms_norm_in_place(const wt_kernels *k, float *x, const float *a, const float *b, size_t n,
                                   double *out) {
    (void)a, (void)b, (void)out;
    k->rms_norm(x, x, NULL, 1e-6f, n);
}
static void call_add(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)b, (void)out;
    k->add(x, a, n);
}
static void call_silu(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)b, (void)out;
    k->silu_mul(x, a, n);
}
static void call_gelu(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)b, (void)out;
    k->gelu_mul(x, a, n);
}
static void call_to_bf16(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)b, (void)out;
    k->to_bf16((uint16_t *)(void *)x + n, a, n); /* up to the guard page */
}
static void call_softcap(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)a, (void)b, (void)out;
    k->softcap(x, 30.0f, n);
}
static void call_softmax(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)a, (void)b, (void)out;
    k->softmax(x, 0.125f, n - n / 5, n);
}
static void call_rope_pairs(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)out;
    k->rope_pairs(x, a, b, n);
}
static void call_rope_halves(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)out;
    k->rope_halves(x, a, b, n);
}
static void call_max(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)x, (void)b;
    size_t index = 0;
    if (n > 0) out[0] = (double)k->max(a, n, &index);
    out[1] = (double)index;
}
static void call_sum_exp(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)x, (void)b;
    out[0] = k->sum_exp(a, n ? reference()->max(a, n, NULL) : 0.0f, n);
    out[1] = k->sum_exp(a, 1.5f, n);
}
static void call_kl_sum(const wt_kernels *k, float *x, const float *a, const float *b, size_t n, double *out) {
    (void)x;
    out[0] = k->kl_sum(a, n ? reference()->max(a, n, NULL) : 0.0f, b, n);
}

static const struct {
    const char *name;
    call_fn call;
    bool halved;
} CALLS[] = {
    {"rms_norm", call_rms_norm, false},
    {"rms_norm in place", call_rms_norm_in_place, false},
    {"add", call_add, false},
    {"to_bf16", call_to_bf16, false},
    {"silu_mul", call_silu, false},
    {"gelu_mul", call_gelu, false},
    {"softcap", call_softcap, false},
    {"softmax", call_softmax, false},
    {"rope_pairs", call_rope_pairs, true},
    {"rope_halves", call_rope_halves, true},
    {"max", call_max, false},
    {"sum_exp", call_sum_exp, false},
    {"kl_sum", call_kl_sum, false},
};

/* halved: the arguments a and b have one element per pair, so that reading more crashes. */
static void compare(const wt_kernels *k, size_t c, const arena *m, wt_rng *rng, input_kind kind, size_t n) {
    size_t n_in = CALLS[c].halved ? n / 2 : n;
    float *x = guarded_tail(&m->in_place, 4 * n), *y = guarded_tail(&m->expected, 4 * n);
    float *a = guarded_tail(&m->a, 4 * n_in), *b = guarded_tail(&m->b, 4 * n_in);
    double got[2] = {0}, want[2] = {0};
    fill(rng, kind, x, n);
    fill(rng, kind, a, n_in);
    fill(rng, kind, b, n_in);
    memcpy(y, x, 4 * n);
    x[-1] = 42.0f;
    CALLS[c].call(reference(), y, a, b, n, want);
    CALLS[c].call(k, x, a, b, n, got);
    if (x[-1] != 42.0f) fail_msg("%s %s, n = %zu: wrote before the row", k->name, CALLS[c].name, n);
    for (size_t i = 0; i < n; i++) {
        if (!same_float(x[i], y[i]))
            fail_msg("%s %s, n = %zu, inputs %d: [%zu] is %a, not %a", k->name, CALLS[c].name, n, (int)kind, i,
                     (double)x[i], (double)y[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (!same_double(got[i], want[i]))
            fail_msg("%s %s, n = %zu, inputs %d: result %d is %a, not %a", k->name, CALLS[c].name, n, (int)kind, i,
                     got[i], want[i]);
    }
}

static void test_variants(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    arena m = {guarded_new(4 * MOST + 4), guarded_new(4 * MOST + 4), guarded_new(4 * MOST), guarded_new(4 * MOST)};
    for (int level = 1; level <= (int)wt_cpu_best(); level++) {
        const wt_kernels *k = wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level));
        assert_non_null(k);
        assert_string_equal(k->name, wt_cpu_level_name((wt_cpu_level)level));
        /* Rows end at the guard page, so their lengths move their beginnings over every offset within a register. */
        for (size_t c = 0; c < sizeof CALLS / sizeof *CALLS; c++) {
            for (int kind = 0; kind < KINDS; kind++) {
                for (size_t n = 0; n <= 70; n++) {
                    for (int round = 0; round < 8; round++) compare(k, c, &m, &rng, (input_kind)kind, n);
                }
                compare(k, c, &m, &rng, (input_kind)kind, 999);
                compare(k, c, &m, &rng, (input_kind)kind, MOST);
            }
        }
        printf("%s: equal to the reference\n", k->name);
    }
    guarded_free(&m.in_place);
    guarded_free(&m.expected);
    guarded_free(&m.a);
    guarded_free(&m.b);
}

/* exp and tanh at hundreds of thousands of points of the whole range, and at every special value, in rows of 1000. */
static void test_variants_functions(void **state) {
    (void)state;
    static float x[1000], want[1000], got[1000], ones[1000];
    for (size_t i = 0; i < 1000; i++) ones[i] = 1.0f;
    for (uint64_t first = 0; first < 1ull << 32; first += 1000 * 1999) {
        for (size_t i = 0; i < 1000; i++) {
            uint32_t bits = (uint32_t)(first + i * 1999);
            memcpy(&x[i], &bits, 4);
        }
        for (int level = 1; level <= (int)wt_cpu_best(); level++) {
            const wt_kernels *k = wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level));
            memcpy(want, x, sizeof x);
            memcpy(got, x, sizeof x);
            reference()->silu_mul(want, ones, 1000);
            k->silu_mul(got, ones, 1000);
            for (size_t i = 0; i < 1000; i++) assert_true(same_float(got[i], want[i]));
            memcpy(want, x, sizeof x);
            memcpy(got, x, sizeof x);
            reference()->softcap(want, 1.0f, 1000);
            k->softcap(got, 1.0f, 1000);
            for (size_t i = 0; i < 1000; i++) assert_true(same_float(got[i], want[i]));
        }
    }
}

/* ---- accuracy of the reference ---- */

/* The distance of two floats' values in units of the last place of the exact one (never below a subnormal's). */
static double ulps(double got, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs(got - exact) / ldexp(1.0, exponent < -125 ? -149 : exponent - 24);
}

static float exp_of(float x) { return (float)reference()->sum_exp(&x, 0.0f, 1); }

static float tanh_of(float x) {
    reference()->softcap(&x, 1.0f, 1);
    return x;
}

static void test_exp(void **state) {
    (void)state;
    double worst = 0.0, subnormal = 0.0;
    float worst_at = 0.0f;
    for (uint64_t i = 0; i < 1ull << 32; i += 499) {
        uint32_t bits = (uint32_t)i;
        float x;
        memcpy(&x, &bits, 4);
        if (!(x > -104.5f && x < 88.72284f)) continue;
        double exact = exp((double)x), off = ulps((double)exp_of(x), exact);
        if (exact < 0x1p-126) {
            subnormal = fmax(subnormal, off);
        } else if (off > worst) {
            worst = off;
            worst_at = x;
        }
    }
    printf("exp: at most %.3f ulp, at %a; subnormal results %.3f\n", worst, (double)worst_at, subnormal);
    assert_true(worst < 1.0 && subnormal < 1.0);
    assert_true(exp_of(0.0f) == 1.0f && exp_of(-0.0f) == 1.0f);
    assert_true(exp_of(-INFINITY) == 0.0f && exp_of(-104.5f) == 0.0f && exp_of(-3e38f) == 0.0f);
    assert_true(exp_of(INFINITY) == INFINITY && exp_of(88.73f) == INFINITY && exp_of(3e38f) == INFINITY);
    assert_true(isnan(exp_of(NAN)) && isnan(exp_of(-NAN)));
}

static void test_tanh(void **state) {
    (void)state;
    double worst = 0.0;
    for (uint64_t i = 0; i < 1ull << 32; i += 997) {
        uint32_t bits = (uint32_t)i;
        float x;
        memcpy(&x, &bits, 4);
        if (x == x) worst = fmax(worst, ulps((double)tanh_of(x), tanh((double)x)));
    }
    printf("tanh: at most %.3f ulp\n", worst);
    assert_true(worst < 1.5);
    assert_true(tanh_of(INFINITY) == 1.0f && tanh_of(-INFINITY) == -1.0f && isnan(tanh_of(NAN)));
    assert_true(tanh_of(0.0f) == 0.0f && signbit(tanh_of(-0.0f)));
}

static void test_activations(void **state) {
    (void)state;
    double silu_worst = 0.0, gelu_worst = 0.0;
    for (int i = -2000000; i <= 2000000; i++) {
        float x = (float)i * 1e-5f, silu = x, gelu = x, up = 1.0f;
        double d = (double)x;
        reference()->silu_mul(&silu, &up, 1);
        reference()->gelu_mul(&gelu, &up, 1);
        double inner = sqrt(2.0 / 3.14159265358979323846) * (d + 0.044715 * d * d * d);
        silu_worst = fmax(silu_worst, ulps((double)silu, d / (1.0 + exp(-d))));
        gelu_worst = fmax(gelu_worst, fabs((double)gelu - 0.5 * d * (1.0 + tanh(inner))) / (fabs(d) + 1e-30));
    }
    printf("silu: at most %.3f ulp; gelu: at most %.3g of |x|\n", silu_worst, gelu_worst);
    assert_true(silu_worst < 3.0);
    assert_true(gelu_worst < 3e-7);
    float x[3] = {3.0f, INFINITY, -200.0f}, up[3] = {-2.0f, 1.0f, 1.0f};
    reference()->silu_mul(x, up, 3);
    assert_true(fabs((double)x[0] + 6.0 / (1.0 + exp(-3.0))) < 1e-6 && x[1] == INFINITY && x[2] == 0.0f);
}

static void test_rms_norm(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    static float x[MOST], gain[MOST], y[MOST];
    static const double sizes[] = {1e-30, 1e-3, 1.0, 1e5, 1e30};
    for (int round = 0; round < 500; round++) {
        size_t n = 1 + wt_rng_below(&rng, MOST);
        double size = sizes[round % 5], eps = round % 2 ? 1e-5 : 1e-12, sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            x[i] = (float)(size * wt_rng_normal(&rng));
            gain[i] = (float)wt_rng_normal(&rng);
            sum += (double)x[i] * (double)x[i];
        }
        reference()->rms_norm(y, x, gain, (float)eps, n);
        double scale = 1.0 / sqrt(sum / (double)n + (double)(float)eps);
        for (size_t i = 0; i < n; i++) {
            double exact = (double)x[i] * scale * (double)gain[i];
            assert_true(fabs((double)y[i] - exact) <= 3e-7 * fabs(exact) + 0x1p-148);
        }
        reference()->rms_norm(y, x, NULL, (float)eps, n);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs((double)y[i] - (double)x[i] * scale) <= 3e-7 * fabs((double)x[i] * scale) + 0x1p-148);
    }
}

static void test_softmax(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, 0);
    static float x[MOST + 30], y[MOST + 30];
    double worst = 0.0, worst_sum = 0.0;
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + wt_rng_below(&rng, MOST), padded = n + wt_rng_below(&rng, 30);
        float scale = (float)(0.05 + wt_rng_uniform(&rng)), shift = (float)(200.0 * wt_rng_normal(&rng));
        double sum = 0.0, max = -INFINITY, total = 0.0;
        for (size_t i = 0; i < n; i++) {
            x[i] = y[i] = i % 7 == 3 ? -INFINITY : (float)(4.0 * wt_rng_normal(&rng)) + shift;
            max = fmax(max, (double)x[i]);
        }
        for (size_t i = n; i < padded; i++) y[i] = NAN;
        for (size_t i = 0; i < n; i++) sum += exp((double)scale * ((double)x[i] - max));
        reference()->softmax(y, scale, n, padded);
        for (size_t i = 0; i < n; i++) {
            double exact = exp((double)scale * ((double)x[i] - max)) / sum;
            if (exact > 1e-3) worst = fmax(worst, fabs((double)y[i] - exact) / exact);
            assert_true(fabs((double)y[i] - exact) <= 1e-6 * exact + 1e-9);
            total += (double)y[i];
        }
        worst_sum = fmax(worst_sum, fabs(total - 1.0));
        for (size_t i = n; i < padded; i++) assert_true(y[i] == 0.0f);
    }
    printf("softmax: at most %.2g relative where above 0.001, the sum at most %.2g from 1\n", worst, worst_sum);
    assert_true(worst < 1e-6 && worst_sum < 1e-6);
}

static void test_softmax_specials(void **state) {
    (void)state;
    for (int level = 0; level <= (int)wt_cpu_best(); level++) {
        const wt_kernels *k = wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level));
        float none[20], nan[20], both[20], inf[20];
        for (int i = 0; i < 20; i++) {
            none[i] = -INFINITY;
            nan[i] = i == 18 ? NAN : (float)i;
            both[i] = i == 3 ? NAN : -INFINITY;
            inf[i] = i == 5 ? INFINITY : 0.0f;
        }
        k->softmax(none, 0.5f, 20, 20);
        k->softmax(nan, 0.5f, 20, 20);
        k->softmax(both, 0.5f, 20, 20);
        k->softmax(inf, 0.5f, 20, 20);
        for (int i = 0; i < 20; i++) {
            assert_true(none[i] == 0.0f && !signbit(none[i]));
            assert_true(isnan(nan[i]) && isnan(both[i]) && isnan(inf[i]));
        }
        float one = -3e38f;
        k->softmax(&one, 1.0f, 1, 1);
        assert_true(one == 1.0f);
        k->softmax(&one, 1.0f, 0, 1);
        assert_true(one == 0.0f);
    }
}

static void test_rope(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, 0);
    for (size_t n = 0; n <= 130; n += 2) {
        float x[130] = {0}, pairs[130], halves[130], c[65], s[65];
        for (size_t i = 0; i < n / 2; i++) {
            double angle = 100.0 * wt_rng_uniform(&rng);
            c[i] = (float)cos(angle);
            s[i] = (float)sin(angle);
        }
        fill(&rng, PLAIN, x, n);
        memcpy(pairs, x, sizeof x);
        memcpy(halves, x, sizeof x);
        reference()->rope_pairs(pairs, c, s, n);
        reference()->rope_halves(halves, c, s, n);
        for (size_t i = 0; i < n / 2; i++) {
            const float *results[2] = {pairs, halves};
            size_t first[2] = {2 * i, i}, second[2] = {2 * i + 1, i + n / 2};
            for (int kind = 0; kind < 2; kind++) {
                double a = (double)x[first[kind]], b = (double)x[second[kind]], cc = (double)c[i], ss = (double)s[i];
                double room = 3e-7 * (fabs(a) + fabs(b));
                assert_true(fabs((double)results[kind][first[kind]] - (a * cc - b * ss)) <= room);
                assert_true(fabs((double)results[kind][second[kind]] - (a * ss + b * cc)) <= room);
            }
        }
    }
}

static void test_max(void **state) {
    (void)state;
    for (int level = 0; level <= (int)wt_cpu_best(); level++) {
        const wt_kernels *k = wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level));
        float x[100];
        size_t at = 7;
        for (int i = 0; i < 100; i++) x[i] = (float)(i % 50);
        assert_true(k->max(x, 100, &at) == 49.0f && at == 49);
        assert_true(k->max(x, 49, &at) == 48.0f && at == 48);
        x[49] = NAN;
        assert_true(k->max(x, 100, &at) == 49.0f && at == 99);
        for (int i = 0; i < 100; i++) x[i] = i % 2 ? NAN : -INFINITY;
        assert_true(k->max(x, 100, &at) == -INFINITY && at == 0);
        x[37] = -3e38f;
        assert_true(k->max(x, 100, NULL) == -3e38f);
        for (int i = 0; i < 100; i++) x[i] = i < 20 ? -1.0f : i % 2 ? 0.0f : -0.0f;
        assert_true(signbit(k->max(x, 100, &at)) && at == 20);
    }
}

static void test_sums(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 5, 0);
    static float p[MOST], q[MOST];
    double worst_exp = 0.0, worst_kl = 0.0;
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + wt_rng_below(&rng, MOST);
        double sum = 0.0, kl = 0.0, size = 0.0;
        for (size_t i = 0; i < n; i++) {
            p[i] = (float)(6.0 * wt_rng_normal(&rng));
            q[i] = p[i] + (float)(0.1 * wt_rng_normal(&rng));
        }
        float max = reference()->max(p, n, NULL);
        for (size_t i = 0; i < n; i++) {
            double e = exp((double)p[i] - (double)max), d = (double)p[i] - (double)q[i];
            sum += e;
            kl += e * d;
            size += e * fabs(d);
        }
        worst_exp = fmax(worst_exp, fabs(reference()->sum_exp(p, max, n) - sum) / sum);
        worst_kl = fmax(worst_kl, fabs(reference()->kl_sum(p, max, q, n) - kl) / size);
    }
    printf("sum_exp: at most %.2g relative; kl_sum: at most %.2g of the sum of sizes\n", worst_exp, worst_kl);
    assert_true(worst_exp < 3e-7 && worst_kl < 1e-6);
}

static void test_sums_specials(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 6, 0);
    for (int level = 0; level <= (int)wt_cpu_best(); level++) {
        const wt_kernels *k = wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level));
        for (size_t n = 1; n < 100; n++) {
            float p[100] = {0}, q[100];
            fill(&rng, PLAIN, p, n);
            for (size_t i = 2; i < n; i += 5) p[i] = -INFINITY;
            memcpy(q, p, sizeof p);
            float max = k->max(p, n, NULL);
            assert_true(k->kl_sum(p, max, q, n) == 0.0);
            for (size_t i = 2; i < n; i += 5) q[i] = i % 2 ? NAN : 3.0f;
            assert_true(k->kl_sum(p, max, q, n) == 0.0);
            q[0] = NAN;
            assert_true(isnan(k->kl_sum(p, max, q, n)) && isnan(k->sum_exp(q, max, n)));
            for (size_t i = 0; i < n; i++) p[i] = -INFINITY;
            assert_true(k->sum_exp(p, -INFINITY, n) == 0.0 && k->kl_sum(p, -INFINITY, p, n) == 0.0);
        }
    }
}

/* ---- choice ---- */

static void test_choice(void **state) {
    (void)state;
    assert_non_null(reference());
    assert_null(wt_kernels_variant("avx9"));
    assert_null(wt_kernels_variant(""));
    assert_string_equal(wt_kernels_get()->name, wt_cpu_level_name(wt_cpu_chosen()));
    for (int level = (int)wt_cpu_best() + 1; level < WT_CPU_LEVELS; level++)
        assert_null(wt_kernels_variant(wt_cpu_level_name((wt_cpu_level)level)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants),    cmocka_unit_test(test_variants_functions),
        cmocka_unit_test(test_exp),         cmocka_unit_test(test_tanh),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_rms_norm),
        cmocka_unit_test(test_softmax),     cmocka_unit_test(test_softmax_specials),
        cmocka_unit_test(test_rope),        cmocka_unit_test(test_max),
        cmocka_unit_test(test_sums),        cmocka_unit_test(test_sums_specials),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
