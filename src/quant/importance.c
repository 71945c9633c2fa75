/*
 * ggml's rules. With measured activations nearly every type weighs a column's mean square by the size of the weight
 * itself, sqrt(s + x^2), where s is the mean square of the row, or the block, or twice that: large weights count more. Without
 * them each type has a rule of its own.
 */
#include "quant/importance.h"

#include <math.h>

/* How a type weighs, given activations and without. */
typedef struct rule {
    wt_type type;
    size_t span;         /* weights that s is the mean square of; 0: the row */
    float factor;        /* of s; negative: the activations alone */
    enum { EVEN, MAGNITUDE, SQUARE, SPREAD, /* root mean square of a run of 32, plus the magnitude */
           FLOOR /* half the block's mean square, plus the square */ } without;
} rule;

static const rule RULES[] = {
    {WT_Q4_0, 0, 1.0f, EVEN},        {WT_Q4_1, 0, 1.0f, EVEN},       {WT_Q5_0, 0, 1.0f, EVEN},
    {WT_Q5_1, 0, 1.0f, EVEN},        {WT_Q2_K, 256, 1.0f, MAGNITUDE}, {WT_Q3_K, 256, 2.0f, SQUARE},
    {WT_Q4_K, 256, 2.0f, SPREAD},    {WT_Q5_K, 256, 2.0f, SPREAD},   {WT_Q6_K, 256, -1.0f, SQUARE},
    {WT_IQ4_NL, 32, 2.0f, SQUARE},   {WT_IQ4_XS, 256, 2.0f, SQUARE},
    {WT_IQ1_S, 256, 2.0f, SQUARE},   {WT_IQ1_M, 256, 2.0f, SQUARE},  {WT_IQ2_XXS, 256, 1.0f, SQUARE},
    {WT_IQ2_XS, 256, 1.0f, SQUARE},  {WT_IQ2_S, 256, 2.0f, FLOOR},   {WT_IQ3_XXS, 256, 2.0f, SQUARE},
    {WT_IQ3_S, 256, 2.0f, SQUARE},
};

/* In single precision and in order, as ggml adds: its searches can take another path for the last bit of a weight. */
static float mean_square(const float *x, size_t n) {
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sum / (float)n;
}

static void weigh_activations(const rule *r, const float *x, const float *h, size_t n, float *w) {
    size_t span = r->span ? r->span : n;
    for (size_t start = 0; start < n; start += span) {
        float s = r->factor * mean_square(x + start, span);
        for (size_t i = start; i < start + span; i++) w[i] = r->factor < 0.0f ? h[i] : h[i] * sqrtf(s + x[i] * x[i]);
    }
}

/* mean_square of the next 8 runs of 32, whose sums need not wait for each other. */
static void mean_squares(const float *x, float out[8]) {
    float sums[8] = {0.0f};
    for (size_t i = 0; i < 32; i++) {
        for (size_t run = 0; run < 8; run++) sums[run] += x[32 * run + i] * x[32 * run + i];
    }
    for (size_t run = 0; run < 8; run++) out[run] = sums[run] / 32.0f;
}

static void weigh_weights(const rule *r, const float *x, size_t n, float *w) {
    switch (r->without) { /* loops apart: encoders take little longer than these where there is no importance */
    case EVEN:
        for (size_t i = 0; i < n; i++) w[i] = 1.0f;
        return;
    case SQUARE:
        for (size_t i = 0; i < n; i++) w[i] = x[i] * x[i];
        return;
    case MAGNITUDE:
        for (size_t i = 0; i < n; i++) w[i] = fabsf(x[i]);
        return;
    case SPREAD:
        for (size_t start = 0; start < n; start += 256) {
            float squares[8];
            mean_squares(x + start, squares);
            for (size_t run = 0; run < 8; run++) {
                const float spread = sqrtf(squares[run]);
                for (size_t i = start + 32 * run; i < start + 32 * run + 32; i++) w[i] = spread + fabsf(x[i]);
            }
        }
        return;
    case FLOOR:
        for (size_t start = 0; start < n; start += r->span) {
            const float least = 0.25f * (r->factor * mean_square(x + start, r->span));
            for (size_t i = start; i < start + r->span; i++) w[i] = least + x[i] * x[i];
        }
    }
}

void wt_importance_stock(wt_type type, const float *x, const float *h, size_t n, float *w) {
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++) {
        if (RULES[i].type != type) continue;
        if (h)
            weigh_activations(&RULES[i], x, h, n, w);
        else
            weigh_weights(&RULES[i], x, n, w);
        return;
    }
    /* Other types do not weigh in ggml: with activations their columns count as much as they are used. */
    for (size_t i = 0; i < n; i++) w[i] = h ? h[i] : 1.0f;
}
