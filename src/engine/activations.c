/*
 * Roundings as plain loops that a compiler makes vectors of: no branches inside, sums of nothing, rounding to whole numbers by
 * adding and subtracting 1.5 * 2^23, which the rounding mode (to nearest even) makes exact for magnitudes below 2^22.
 */
#include "engine/activations.h"

#include <string.h>

#include "engine/kernels.h"
#include "quant/codec.h"

#define WHOLE 12582912.0f /* 1.5 * 2^23 */

enum { SMALL_BLOCK = 32, SUPER_BLOCK = 256 };

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float round_whole(float x) { return (x + WHOLE) - WHOLE; }

/* ---- 16-bit floats ---- */

/*
 * Normal numbers lose 13 bits; below 2^-14 the steps are 2^-24, which is the last place of a sum with 0.75; from 65520 on
 * the nearest is infinite.
 */
static void round_f16(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = bits_of(x[i]), sign = bits & 0x80000000u, size = bits ^ sign;
        uint32_t normal = (size + 0xfffu + (size >> 13 & 1)) & ~0x1fffu;
        uint32_t tiny = bits_of((of_bits(size < 0x38800000u ? size : 0) + 0.75f) - 0.75f);
        uint32_t out = size < 0x38800000u ? tiny : normal;
        out = size >= 0x477ff000u ? 0x7f800000u : out;
        out = size > 0x7f800000u ? 0x7fc00000u : out;
        y[i] = of_bits(out | sign);
    }
}

static void round_bf16(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = bits_of(x[i]), size = bits & 0x7fffffffu;
        uint32_t out = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
        y[i] = of_bits(size > 0x7f800000u ? 0x7fc00000u : out);
    }
}

static float to_half(float x) {
    float y;
    round_f16(&x, &y, 1);
    return y;
}

/* ---- blocks ---- */

/* The largest magnitude; a NaN is larger than anything. By bits, since the order of magnitudes is that of theirs. */
static float largest(const float *x, size_t n) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t size = bits_of(x[i]) & 0x7fffffffu;
        most = size > most ? size : most;
    }
    return of_bits(most);
}

/* Codes -127..127 of one inverse scale, the scale itself rounded to F16 after the codes are chosen. */
static void round_q8_0(const float *x, float *y, size_t n) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        float most = largest(x + b, SMALL_BLOCK), inverse = most != 0.0f ? 127.0f / most : 0.0f;
        float scale = to_half(most / 127.0f);
        for (size_t i = b; i < b + SMALL_BLOCK; i++) y[i] = scale * round_whole(inverse * x[i]);
    }
}

void wt_q8_1_excess(const float *x, float *excess, size_t n) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        float most = largest(x + b, SMALL_BLOCK), inverse = most != 0.0f ? 127.0f / most : 0.0f, sum = 0.0f;
        for (size_t i = b; i < b + SMALL_BLOCK; i++) sum += round_whole(inverse * x[i]); /* whole numbers: exact */
        float scale = most / 127.0f;
        excess[b / SMALL_BLOCK] = to_half(scale * sum) - to_half(scale) * sum;
    }
}

/* llama.cpp takes the largest element's sign into the scale, which changes no value: rounding is symmetric. */
static void round_q8_k(const float *x, float *y, size_t n) {
    for (size_t b = 0; b < n; b += SUPER_BLOCK) {
        float most = largest(x + b, SUPER_BLOCK), inverse = most != 0.0f ? 127.0f / most : 0.0f;
        float scale = most != 0.0f ? 1.0f / inverse : 0.0f;
        for (size_t i = b; i < b + SUPER_BLOCK; i++) y[i] = scale * round_whole(inverse * x[i]);
    }
}

/* The element of the largest magnitude, the first of several, with its sign. */
static float extreme(const float *x, size_t n) {
    float most = largest(x, n);
    for (size_t i = 0; i < n; i++) {
        if ((bits_of(x[i]) & 0x7fffffffu) == bits_of(most)) return x[i];
    }
    return most;
}

/* The whole number at or below x, for 0 <= x < 2^22: what a conversion to an integer would leave. */
static float floor_whole(float x) {
    float near = round_whole(x);
    return near > x ? near - 1.0f : near;
}

/* Codes 0 .. 2 half - 1 around `half`: the extreme element has code 0, whichever its sign. */
static void round_symmetric(const float *x, float *y, size_t n, float half) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        float scale = extreme(x + b, SMALL_BLOCK) / -half, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
        float kept = to_half(scale), highest = 2.0f * half - 1.0f;
        for (size_t i = b; i < b + SMALL_BLOCK; i++) {
            float code = floor_whole(x[i] * inverse + (half + 0.5f));
            y[i] = kept * ((code > highest ? highest : code) - half);
        }
    }
}

/* Codes 0 .. highest from the least to the largest element. */
static void round_affine(const float *x, float *y, size_t n, float highest) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        float low = x[b], high = x[b];
        for (size_t i = b; i < b + SMALL_BLOCK; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        float scale = (high - low) / highest, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
        float kept = to_half(scale), base = to_half(low);
        for (size_t i = b; i < b + SMALL_BLOCK; i++) {
            float code = floor_whole((x[i] - low) * inverse + 0.5f);
            y[i] = kept * (code > highest ? highest : code) + base;
        }
    }
}

void wt_round_minima(const float *x, float *minima, size_t n) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        float low = x[b];
        for (size_t i = b; i < b + SMALL_BLOCK; i++) low = x[i] < low ? x[i] : low;
        minima[b / SMALL_BLOCK] = to_half(low);
    }
}

/* IQ4_NL's sixteen values. */
static const float GRID[16] = {-127.0f, -104.0f, -83.0f, -65.0f, -49.0f, -35.0f, -22.0f, -10.0f,
                               1.0f,    13.0f,   25.0f,  38.0f,  53.0f,  69.0f,  89.0f,  113.0f};

/* The nearest of them; of two equally near ones the upper. A NaN stays. */
static float nearest_on_grid(float x) {
    float nearest = GRID[0];
    for (int i = 1; i < 16; i++) nearest = x - GRID[i - 1] < GRID[i] - x ? nearest : GRID[i];
    return x == x ? nearest : x;
}

/* Codes by the scale that takes the extreme element to -127; then the scale that fits them best, errors weighing x². */
static void round_iq4_nl(const float *x, float *y, size_t n) {
    for (size_t b = 0; b < n; b += SMALL_BLOCK) {
        const float *block = x + b;
        float most = extreme(block, SMALL_BLOCK), code[SMALL_BLOCK], fit = 0.0f, size = 0.0f;
        float inverse = 1.0f / (most / GRID[0]);
        bool empty = most < 1e-15f && most > -1e-15f;
        for (size_t i = 0; i < SMALL_BLOCK; i++) {
            code[i] = empty ? 0.0f : nearest_on_grid(inverse * block[i]);
            float weight = block[i] * block[i];
            fit += weight * code[i] * block[i];
            size += weight * code[i] * code[i];
        }
        float scale = to_half(size > 0.0f ? fit / size : size); /* 0, or NaN */
        for (size_t i = 0; i < SMALL_BLOCK; i++) y[b + i] = scale * code[i];
    }
}

/* ---- the table ---- */

wt_rounding wt_rounding_of_input(wt_type weights) {
    switch (weights) {
    case WT_F16: return WT_ROUND_F16;
    case WT_BF16: return WT_ROUND_BF16;
    case WT_Q4_1:
    case WT_Q5_1: return WT_ROUND_Q8_1;
    case WT_Q4_0:
    case WT_Q5_0:
    case WT_Q8_0:
    case WT_IQ4_NL:
    case WT_MXFP4:
    case WT_NVFP4:
    case WT_Q1_0:
    case WT_Q2_0: return WT_ROUND_Q8_0;
    case WT_Q2_K:
    case WT_Q3_K:
    case WT_Q4_K:
    case WT_Q5_K:
    case WT_Q6_K:
    case WT_IQ1_S:
    case WT_IQ1_M:
    case WT_IQ2_XXS:
    case WT_IQ2_XS:
    case WT_IQ2_S:
    case WT_IQ3_XXS:
    case WT_IQ3_S:
    case WT_IQ4_XS:
    case WT_TQ1_0:
    case WT_TQ2_0: return WT_ROUND_Q8_K;
    default: return WT_ROUND_NONE; /* F32; integers are no weights */
    }
}

bool wt_rounding_of_cache(wt_type cache, wt_rounding *rounding) {
    static const struct {
        wt_type type;
        wt_rounding rounding;
    } KINDS[] = {{WT_F32, WT_ROUND_NONE},  {WT_F16, WT_ROUND_F16},   {WT_BF16, WT_ROUND_BF16},
                 {WT_Q8_0, WT_ROUND_Q8_0}, {WT_Q4_0, WT_ROUND_Q4_0}, {WT_Q4_1, WT_ROUND_Q4_1},
                 {WT_Q5_0, WT_ROUND_Q5_0}, {WT_Q5_1, WT_ROUND_Q5_1}, {WT_IQ4_NL, WT_ROUND_IQ4_NL}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (KINDS[i].type != cache) continue;
        *rounding = KINDS[i].rounding;
        return true;
    }
    return false;
}

size_t wt_rounding_block(wt_rounding rounding) {
    if (rounding <= WT_ROUND_BF16) return 1;
    return rounding == WT_ROUND_Q8_K ? SUPER_BLOCK : SMALL_BLOCK;
}

void wt_round(wt_rounding rounding, const float *x, float *y, size_t n) {
    switch (rounding) {
    case WT_ROUND_F16: round_f16(x, y, n); break;
    case WT_ROUND_BF16: round_bf16(x, y, n); break;
    case WT_ROUND_Q8_0:
    case WT_ROUND_Q8_1: round_q8_0(x, y, n); break;
    case WT_ROUND_Q8_K: round_q8_k(x, y, n); break;
    case WT_ROUND_Q4_0: round_symmetric(x, y, n, 8.0f); break;
    case WT_ROUND_Q5_0: round_symmetric(x, y, n, 16.0f); break;
    case WT_ROUND_Q4_1: round_affine(x, y, n, 15.0f); break;
    case WT_ROUND_Q5_1: round_affine(x, y, n, 31.0f); break;
    case WT_ROUND_IQ4_NL: round_iq4_nl(x, y, n); break;
    default:
        if (x != y) memcpy(y, x, n * sizeof *y);
    }
}

void wt_gelu_table_mul(float *gate, const float *up, size_t n) {
    enum { PART = 256 };
    const wt_kernels *k = wt_kernels_get();
    float value[PART], one[PART];
    for (size_t i = 0; i < PART; i++) one[i] = 1.0f;
    for (size_t at = 0; at < n; at += PART) {
        size_t count = n - at < PART ? n - at : PART;
        round_f16(gate + at, value, count);
        k->gelu_mul(value, one, count);
        round_f16(value, value, count);
        for (size_t i = 0; i < count; i++) {
            float x = gate[at + i], y = x <= -10.0f ? 0.0f : x >= 10.0f ? x : value[i];
            gate[at + i] = y * up[at + i];
        }
    }
}
