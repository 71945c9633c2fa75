/*
 * How far apart two expressions are: what they do and how they look, half each. Behaviour tells rules apart that differ by a number;
 * form tells apart those that happen to agree. Neither knows which of the two came first, so the distance is symmetric to the bit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/expression_private.h"
#include "strategy/program_private.h"

enum { SAMPLES = 128 };

/* Values of a variable: of both signs and many sizes in one half, positive around 1 in the other. Fixed for ever. */
static void draw_samples(float *to, size_t variable) {
    wt_rng rng;
    wt_rng_init(&rng, 0x77696c64, variable, 0);
    for (int i = 0; i < SAMPLES; i++) {
        const double size = wt_rng_normal(&rng), sign = wt_rng_normal(&rng);
        to[i] = (float)(i < SAMPLES / 2 ? copysign(exp(2.0 * size), sign) : exp(0.5 * size));
    }
}

/* Two runs a call need two expressions to be valid; one that is not counts as 0 everywhere. */
static void sample(const wt_expr *e, const wt_domain *domain, const wt_row *inputs, float *out) {
    wt_program program;
    memset(out, 0, SAMPLES * sizeof *out);
    if (wt_program_compile(&program, e, domain, NULL) == 0) wt_program_run(&program, inputs, SAMPLES, out);
}

static double behaviour(const wt_expr *a, const wt_expr *b, const wt_domain *domain) {
    float values[WT_EXPR_MAX_INPUTS][SAMPLES], x[SAMPLES], y[SAMPLES];
    wt_row inputs[WT_EXPR_MAX_INPUTS] = {{0}};
    double sum = 0.0;
    for (size_t i = 0; i < a->count + b->count; i++) {
        const wt_expr_node *node = i < a->count ? &a->nodes[i] : &b->nodes[i - a->count];
        if (node->op != WT_OP_VARIABLE || inputs[node->variable].values) continue;
        draw_samples(values[node->variable], node->variable);
        inputs[node->variable].values = values[node->variable];
    }
    sample(a, domain, inputs, x);
    sample(b, domain, inputs, y);
    for (int i = 0; i < SAMPLES; i++) {
        const double size = fabs((double)x[i]) + fabs((double)y[i]);
        if (size > 0.0) sum += fabs((double)x[i] - (double)y[i]) / size;
    }
    return sum / SAMPLES;
}

/* Operators or variables with their parents, numbers being all alike: sorted. */
static void list_pairs(const wt_expr *e, size_t *at, unsigned parent, uint32_t *pairs) {
    const wt_expr_node *node = &e->nodes[*at];
    const unsigned label = node->op == WT_OP_VARIABLE ? (unsigned)WT_OP_COUNT + node->variable : node->op;
    pairs[(*at)++] = parent << 16 | label;
    for (int i = 0; i < wt_op_of((wt_op)node->op)->arity; i++) list_pairs(e, at, label + 1, pairs);
}

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double form(const wt_expr *a, const wt_expr *b) {
    uint32_t x[WT_EXPR_MAX_NODES], y[WT_EXPR_MAX_NODES];
    size_t n = 0, m = 0, i = 0, k = 0, common = 0;
    list_pairs(a, &n, 0, x);
    list_pairs(b, &m, 0, y);
    qsort(x, n, sizeof *x, by_value);
    qsort(y, m, sizeof *y, by_value);
    while (i < n && k < m) {
        if (x[i] == y[k]) common++;
        const bool first = x[i] <= y[k], second = y[k] <= x[i];
        i += first;
        k += second;
    }
    return 1.0 - 2.0 * (double)common / (double)(n + m);
}

double wt_expr_distance(const wt_expr *a, const wt_expr *b, const wt_domain *domain) {
    if (wt_expr_compare(a, b) == 0) return 0.0;
    return 0.5 * behaviour(a, b, domain) + 0.5 * form(a, b);
}
