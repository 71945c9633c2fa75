/*
 * Each kernel is one body of plain C over short vectors (GCC's vector extension, which clang has too), inlined into a function
 * per instruction set: the compiler turns a vector of 16 floats into one AVX-512 register, two AVX registers or four of SSE
 * or NEON. The arithmetic is written out (no contraction, no reassociation), so every variant gives the same bits.
 */
#include "engine/kernels.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Vectors are only ever passed to functions that are inlined, so their calling convention does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float vh __attribute__((vector_size(LANES * 2)));   /* half a vf */
typedef double vd __attribute__((vector_size(LANES * 4)));  /* half the lanes in double */

/* ---- vectors ---- */

INLINE vf splat(float x) { return (vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

INLINE vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

/* The first n < LANES floats, `fill` in the other lanes. */
INLINE vf load_part(const float *p, size_t n, float fill) {
    vf v = splat(fill);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE void store_part(float *p, vf v, size_t n) { memcpy(p, &v, n * sizeof *p); }

INLINE vf choose(vi mask, vf yes, vf no) {
    union { vf f; vi i; } a = {.f = yes}, b = {.f = no}, r;
    r.i = (mask & a.i) | (~mask & b.i);
    return r.f;
}

/* 16 stripes of double: sums that decide. */
typedef struct stripes {
    vd low, high;
} stripes;

INLINE void add_stripes(stripes *s, vf v) {
    union { vf v; vh h[2]; } u = {.v = v};
    s->low += __builtin_convertvector(u.h[0], vd);
    s->high += __builtin_convertvector(u.h[1], vd);
}

/* The stripes' sum, in a fixed tree. */
INLINE double total(const stripes *s) {
    union { vd v; double d[LANES / 2]; } u = {.v = s->low + s->high};
    return ((u.d[0] + u.d[4]) + (u.d[2] + u.d[6])) + ((u.d[1] + u.d[5]) + (u.d[3] + u.d[7]));
}

/* ---- exp and tanh ---- */

/*
 * e^x: x = n ln2 + r with |r| <= ln2 / 2, a polynomial in r (the classic single-precision one of the Cephes library's
 * family, degree 7), times 2^n in two steps so that subnormal results are right. Within 2 ulp; the test prints the worst.
 */
INLINE vf vexp(vf x) {
    const vf magic = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    vf bounded = choose(x > splat(89.0f), splat(89.0f), x);
    bounded = choose(bounded < splat(-105.0f), splat(-105.0f), bounded);
    union { vf f; vi i; } shifted = {.f = bounded * splat(1.44269504088896341f) + magic}, bias = {.f = magic}, a, b;
    vf n = shifted.f - magic;
    vf r = bounded - n * splat(0.693359375f);
    r = r - n * splat(-2.12194440e-4f);
    vf p = splat(1.9875691500e-4f);
    p = p * r + splat(1.3981999507e-3f);
    p = p * r + splat(8.3334519073e-3f);
    p = p * r + splat(4.1665795894e-2f);
    p = p * r + splat(1.6666665459e-1f);
    p = p * r + splat(5.0000001201e-1f);
    p = (p * (r * r) + r) + splat(1.0f);
    vi whole = shifted.i - bias.i, half = whole >> 1;
    a.i = (half + 127) << 23;
    b.i = (whole - half + 127) << 23;
    vf y = p * a.f * b.f;
    y = choose(x > splat(88.7228394f), splat(INFINITY), y);
    y = choose(x < splat(-103.972084f), splat(0.0f), y);
    return choose(x == x, y, x); /* NaN stays */
}

/* tanh x: a polynomial near 0, where the exponential form cancels, else 1 - 2 / (e^2|x| + 1). */
INLINE vf vtanh(vf x) {
    union { vf f; vi i; } u = {.f = x}, a, s;
    a.i = u.i & 0x7fffffff;
    s.i = u.i & ~0x7fffffff;
    vf z = x * x;
    vf p = splat(-5.70498872745e-3f);
    p = p * z + splat(2.06390887954e-2f);
    p = p * z + splat(-5.37397155531e-2f);
    p = p * z + splat(1.33314422036e-1f);
    p = p * z + splat(-3.33332819422e-1f);
    vf near_zero = p * z * x + x;
    union { vf f; vi i; } far = {.f = splat(1.0f) - splat(2.0f) / (vexp(a.f + a.f) + splat(1.0f))};
    far.i |= s.i;
    return choose(a.f < splat(0.625f), near_zero, far.f);
}

/* ---- bodies ---- */

INLINE void rms_norm_body(float *y, const float *x, const float *gain, float eps, size_t n) {
    stripes s = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        union { vf v; vh h[2]; } u = {.v = load(x + i)};
        vd low = __builtin_convertvector(u.h[0], vd), high = __builtin_convertvector(u.h[1], vd);
        s.low += low * low;
        s.high += high * high;
    }
    if (i < n) {
        union { vf v; vh h[2]; } u = {.v = load_part(x + i, n - i, 0.0f)};
        vd low = __builtin_convertvector(u.h[0], vd), high = __builtin_convertvector(u.h[1], vd);
        s.low += low * low;
        s.high += high * high;
    }
    vf scale = splat((float)(1.0 / sqrt(total(&s) / (double)n + (double)eps)));
    for (i = 0; i + LANES <= n; i += LANES) {
        vf v = load(x + i) * scale;
        store(y + i, gain ? v * load(gain + i) : v);
    }
    if (i < n) {
        vf v = load_part(x + i, n - i, 0.0f) * scale;
        store_part(y + i, gain ? v * load_part(gain + i, n - i, 0.0f) : v, n - i);
    }
}

INLINE void add_body(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

INLINE vf silu(vf x) { return x / (splat(1.0f) + vexp(-x)); }

INLINE vf gelu(vf x) {
    vf inner = splat(0.79788456080286535588f) * (x + splat(0.044715f) * x * x * x);
    return splat(0.5f) * x * (splat(1.0f) + vtanh(inner));
}

INLINE void act_mul_body(float *gate, const float *up, size_t n, bool is_silu) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = load(gate + i);
        store(gate + i, (is_silu ? silu(g) : gelu(g)) * load(up + i));
    }
    if (i < n) {
        vf g = load_part(gate + i, n - i, 0.0f);
        store_part(gate + i, (is_silu ? silu(g) : gelu(g)) * load_part(up + i, n - i, 0.0f), n - i);
    }
}

INLINE void softcap_body(float *x, float cap, size_t n) {
    vf c = splat(cap), inverse = splat(1.0f / cap);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) store(x + i, c * vtanh(load(x + i) * inverse));
    if (i < n) store_part(x + i, c * vtanh(load_part(x + i, n - i, 0.0f) * inverse), n - i);
}

INLINE float max_body(const float *x, size_t n, size_t *index) {
    vf best = splat(-INFINITY);
    vi at = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t i = 0;
    for (; i < n; i += LANES, here += LANES) {
        vf v = i + LANES <= n ? load(x + i) : load_part(x + i, n - i, -INFINITY);
        vi greater = v > best;
        best = choose(greater, v, best);
        at = (greater & here) | (~greater & at);
    }
    union { vf v; float f[LANES]; } b = {.v = best};
    union { vi v; int32_t i[LANES]; } a = {.v = at};
    int lane = 0;
    for (int l = 1; l < LANES; l++) {
        if (b.f[l] > b.f[lane] || (b.f[l] == b.f[lane] && a.i[l] < a.i[lane])) lane = l;
    }
    if (index) *index = (size_t)a.i[lane];
    return b.f[lane];
}

INLINE void softmax_body(float *x, float scale, size_t n, size_t padded) {
    float largest = max_body(x, n, NULL);
    memset(x + n, 0, (padded - n) * sizeof *x);
    if (largest == -INFINITY) {
        bool nan = false;
        for (size_t j = 0; j < n; j++) nan = nan || x[j] != x[j];
        if (!nan) memset(x, 0, n * sizeof *x);
        return;
    }
    vf s = splat(scale), m = splat(scale * largest);
    stripes sum = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf e = vexp(load(x + i) * s - m);
        add_stripes(&sum, e);
        store(x + i, e);
    }
    if (i < n) {
        vf e = vexp(load_part(x + i, n - i, -INFINITY) * s - m);
        add_stripes(&sum, e);
        store_part(x + i, e, n - i);
    }
    vf inverse = splat((float)(1.0 / total(&sum)));
    for (i = 0; i + LANES <= n; i += LANES) store(x + i, load(x + i) * inverse);
    if (i < n) store_part(x + i, load_part(x + i, n - i, 0.0f) * inverse, n - i);
}

INLINE void rope_pairs_body(float *restrict x, const float *restrict cos, const float *restrict sin, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cos[i] - b * sin[i];
        x[2 * i + 1] = a * sin[i] + b * cos[i];
    }
}

INLINE void rope_halves_body(float *restrict x, const float *restrict cos, const float *restrict sin, size_t n) {
    float *restrict y = x + n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cos[i] - b * sin[i];
        y[i] = a * sin[i] + b * cos[i];
    }
}

INLINE double sum_exp_body(const float *x, float max, size_t n) {
    stripes sum = {0};
    vf m = splat(max);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_stripes(&sum, vexp(load(x + i) - m));
    if (i < n) add_stripes(&sum, vexp(load_part(x + i, n - i, -INFINITY) - m));
    return total(&sum);
}

INLINE void add_kl(stripes *sum, vf p, vf q, vf m) {
    union { vf v; vh h[2]; } e = {.v = vexp(p - m)}, a = {.v = p}, b = {.v = q};
    sum->low += __builtin_convertvector(e.h[0], vd) *
                (__builtin_convertvector(a.h[0], vd) - __builtin_convertvector(b.h[0], vd));
    sum->high += __builtin_convertvector(e.h[1], vd) *
                 (__builtin_convertvector(a.h[1], vd) - __builtin_convertvector(b.h[1], vd));
}

INLINE double kl_sum_body(const float *p, float max_p, const float *q, size_t n) {
    stripes sum = {0};
    vf m = splat(max_p);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_kl(&sum, load(p + i), load(q + i), m);
    /* The filling is the same in both and far below any maximum: it adds 0. */
    if (i < n) add_kl(&sum, load_part(p + i, n - i, -1e30f), load_part(q + i, n - i, -1e30f), m);
    return total(&sum);
}

/* ---- variants ---- */

#define VARIANT(suffix, label, target)                                                                                 \
    target static void rms_norm_##suffix(float *y, const float *x, const float *g, float eps, size_t n) {              \
        rms_norm_body(y, x, g, eps, n);                                                                                \
    }                                                                                                                  \
    target static void add_##suffix(float *y, const float *x, size_t n) { add_body(y, x, n); }                         \
    target static void silu_mul_##suffix(float *g, const float *u, size_t n) { act_mul_body(g, u, n, true); }          \
    target static void gelu_mul_##suffix(float *g, const float *u, size_t n) { act_mul_body(g, u, n, false); }         \
    target static void softcap_##suffix(float *x, float cap, size_t n) { softcap_body(x, cap, n); }                    \
    target static void softmax_##suffix(float *x, float scale, size_t n, size_t padded) {                              \
        softmax_body(x, scale, n, padded);                                                                             \
    }                                                                                                                  \
    target static void rope_pairs_##suffix(float *x, const float *c, const float *s, size_t n) {                       \
        rope_pairs_body(x, c, s, n);                                                                                   \
    }                                                                                                                  \
    target static void rope_halves_##suffix(float *x, const float *c, const float *s, size_t n) {                      \
        rope_halves_body(x, c, s, n);                                                                                  \
    }                                                                                                                  \
    target static float max_##suffix(const float *x, size_t n, size_t *index) { return max_body(x, n, index); }        \
    target static double sum_exp_##suffix(const float *x, float max, size_t n) { return sum_exp_body(x, max, n); }     \
    target static double kl_sum_##suffix(const float *p, float max_p, const float *q, size_t n) {                      \
        return kl_sum_body(p, max_p, q, n);                                                                            \
    }                                                                                                                  \
    static const wt_kernels KERNELS_##suffix = {                                                                       \
        label,                rms_norm_##suffix,   add_##suffix,         silu_mul_##suffix,                            \
        gelu_mul_##suffix,    softcap_##suffix,    softmax_##suffix,     rope_pairs_##suffix,                          \
        rope_halves_##suffix, max_##suffix,        sum_exp_##suffix,     kl_sum_##suffix,                              \
    };

VARIANT(reference, "reference", )
#if defined(__x86_64__)
VARIANT(avx2, "avx2", __attribute__((target("avx2"))))
VARIANT(avx512, "avx512", __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))))
#endif

const wt_kernels *wt_kernels_variant(const char *name) {
    if (strcmp(name, "reference") == 0) return &KERNELS_reference;
#if defined(__x86_64__)
    if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2")) return &KERNELS_avx2;
    if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return &KERNELS_avx512;
#endif
    return NULL;
}

static const wt_kernels *chosen;

static void choose_variant(void) {
    const char *forced = getenv("WT_KERNELS");
    static const char *const best_first[] = {"avx512", "avx2", "reference"};
    if (forced) chosen = wt_kernels_variant(forced);
    for (size_t i = 0; !chosen && i < 3; i++) chosen = wt_kernels_variant(best_first[i]);
}

const wt_kernels *wt_kernels_get(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_variant);
    return chosen;
}
