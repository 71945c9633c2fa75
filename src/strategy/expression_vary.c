/*
 * Drawing expressions at random, and varying them. Drawing grows a tree from the root with a budget of nodes that is dealt out among
 * operands, so that bounds hold by construction and types always fit. Variation draws one change, applies it where the bounds allow and
 * makes the result canonical; changes that canonical form undoes (x + 0) are drawn again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/expression_private.h"

enum { TRIES = 16, SMALL = 7, SMALLEST_IF = 6 };

static const wt_op UNARY[] = {WT_OP_NEG, WT_OP_ABS, WT_OP_SQRT, WT_OP_LOG, WT_OP_EXP, WT_OP_TANH};
static const wt_op BINARY[] = {WT_OP_ADD, WT_OP_SUB, WT_OP_MUL, WT_OP_DIV, WT_OP_MIN, WT_OP_MAX, WT_OP_POW};
static const wt_op TRUTHS[] = {WT_OP_LT, WT_OP_LE, WT_OP_GT, WT_OP_GE, WT_OP_EQ, WT_OP_NE};
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DRAW(array, rng) (array)[wt_rng_below(rng, COUNT(array))]

/* ---- drawing ---- */

/* Three significant digits: people read these numbers. */
static float tidy(double value) {
    char text[40];
    if (!(fabs(value) <= (double)WT_EXPR_MAX_NUMBER)) value = value < 0.0 ? -1e30 : 1e30;
    snprintf(text, sizeof text, "%.3g", value);
    const float number = strtof(text, NULL);
    return number == 0.0f ? 0.0f : number;
}

static wt_expr_node draw_number(wt_rng *rng) {
    static const float COMMON[] = {0.0f, 0.5f, 1.0f, 2.0f, 3.0f, 10.0f};
    if (wt_rng_below(rng, 2) == 0) return (wt_expr_node){.op = WT_OP_NUMBER, .number = DRAW(COMMON, rng)};
    const double size = exp(1.5 * wt_rng_normal(rng));
    return (wt_expr_node){.op = WT_OP_NUMBER, .number = tidy(wt_rng_below(rng, 4) == 0 ? -size : size)};
}

static wt_expr_node draw_leaf(const wt_domain *domain, wt_rng *rng) {
    if (domain->count == 0 || wt_rng_below(rng, 10) < 3) return draw_number(rng);
    return (wt_expr_node){.op = WT_OP_VARIABLE, .variable = (uint8_t)wt_rng_below(rng, domain->count)};
}

/* Of at least 1 and at most `most` nodes, of at most `levels` levels. */
static void grow(wt_expr *e, const wt_domain *domain, wt_rng *rng, size_t most, size_t levels) {
    const size_t nodes = most < 2 || levels < 2 ? 1 : 1 + wt_rng_below(rng, most);
    if (nodes < 2) {
        e->nodes[e->count++] = draw_leaf(domain, rng);
        return;
    }
    size_t left = nodes - 1;
    if (nodes >= SMALLEST_IF && levels >= 3 && wt_rng_below(rng, 8) == 0) {
        e->nodes[e->count++].op = WT_OP_IF;
        e->nodes[e->count++].op = (uint8_t)DRAW(TRUTHS, rng);
        left--;
        for (size_t i = 4; i > 0; i--) {
            const size_t begin = e->count, share = left - (i - 1); /* one is left for each of the others */
            grow(e, domain, rng, i > 1 ? 1 + share / 2 : share, levels - (i > 2 ? 2 : 1));
            left -= e->count - begin;
        }
        return;
    }
    const bool unary = nodes == 2 || wt_rng_below(rng, 4) == 0;
    e->nodes[e->count++].op = (uint8_t)(unary ? DRAW(UNARY, rng) : DRAW(BINARY, rng));
    const size_t begin = e->count;
    grow(e, domain, rng, unary ? left : 1 + wt_rng_below(rng, left - 1), levels - 1);
    if (!unary) grow(e, domain, rng, left - (e->count - begin), levels - 1);
}

static wt_expr draw(const wt_domain *domain, wt_rng *rng, size_t most) {
    wt_expr e;
    memset(&e, 0, sizeof e);
    grow(&e, domain, rng, most < 1 ? 1 : most > WT_EXPR_MAX_NODES ? WT_EXPR_MAX_NODES : most, WT_EXPR_MAX_DEPTH);
    return e;
}

void wt_expr_random(wt_expr *out, const wt_domain *domain, wt_rng *rng, size_t max_nodes) {
    *out = draw(domain, rng, max_nodes);
    wt_expr_canonical(out);
}

/* ---- mutation: each kind tells whether it found something to change ---- */

static bool is_truth(const wt_expr *e, size_t at) { return wt_op_of((wt_op)e->nodes[at].op)->truth; }

/* A node that `fits`, each with equal chance; false where there is none. */
static bool pick_node(const wt_expr *e, wt_rng *rng, bool (*fits)(const wt_expr *, size_t), size_t *at) {
    size_t seen = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (fits(e, i) && wt_rng_below(rng, ++seen) == 0) *at = i;
    }
    return seen > 0;
}

static bool is_numeric(const wt_expr *e, size_t at) { return !is_truth(e, at); }
static bool is_number(const wt_expr *e, size_t at) { return e->nodes[at].op == WT_OP_NUMBER; }
static bool is_variable(const wt_expr *e, size_t at) { return e->nodes[at].op == WT_OP_VARIABLE; }
static bool has_kin(const wt_expr *e, size_t at) {
    return e->nodes[at].op > WT_OP_VARIABLE && e->nodes[at].op != WT_OP_IF;
}

static bool redraw_subtree(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    size_t at = 0;
    if (!pick_node(e, rng, is_numeric, &at)) return false;
    const wt_expr fresh = draw(domain, rng, SMALL);
    return wt_expr_splice(e, at, &fresh, 0);
}

static bool change_operator(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    (void)domain;
    size_t at = 0;
    if (!pick_node(e, rng, has_kin, &at)) return false;
    const wt_op_info *info = wt_op_of((wt_op)e->nodes[at].op);
    e->nodes[at].op = (uint8_t)(info->truth        ? DRAW(TRUTHS, rng)
                                : info->arity == 1 ? DRAW(UNARY, rng)
                                                   : DRAW(BINARY, rng));
    return true;
}

static bool change_variable(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    size_t at = 0;
    if (domain->count < 2 || !pick_node(e, rng, is_variable, &at)) return false;
    e->nodes[at].variable =
        (uint8_t)((e->nodes[at].variable + 1u + wt_rng_below(rng, domain->count - 1)) % domain->count);
    return true;
}

static bool tune_number(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    (void)domain;
    size_t at = 0;
    if (!pick_node(e, rng, is_number, &at)) return false;
    const double now = (double)e->nodes[at].number, draw_normal = wt_rng_normal(rng);
    const bool scale = wt_rng_below(rng, 3) > 0;
    e->nodes[at].number = tidy(scale ? now * exp(0.3 * draw_normal) : now + 0.3 * draw_normal);
    return true;
}

/* A subtree takes the place of one that it stands in. */
static bool hoist(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    (void)domain;
    size_t above = 0, from = 0;
    if (e->count < 2 || !pick_node(e, rng, is_numeric, &above)) return false;
    const size_t span = wt_expr_span(e, above);
    if (span < 2) return false;
    from = above + 1 + wt_rng_below(rng, span - 1);
    const wt_expr source = *e;
    return is_numeric(e, from) && wt_expr_splice(e, above, &source, from);
}

/* An operator is put around a subtree; its other operand is drawn. */
static bool wrap(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    size_t at = 0;
    if (!pick_node(e, rng, is_numeric, &at)) return false;
    wt_expr around = {.count = 2};
    const bool unary = wt_rng_below(rng, 3) == 0;
    around.nodes[0].op = (uint8_t)(unary ? DRAW(UNARY, rng) : DRAW(BINARY, rng));
    around.nodes[1] = (wt_expr_node){.op = WT_OP_NUMBER}; /* stands for the subtree */
    size_t hole = 1;
    if (!unary) {
        const bool second = wt_rng_below(rng, 2) == 0;
        around.nodes[around.count++] = around.nodes[1];
        const wt_expr other = draw(domain, rng, SMALL / 2);
        wt_expr_splice(&around, second ? 1 : 2, &other, 0);
        hole = second ? 1 + wt_expr_span(&around, 1) : 1;
    }
    return wt_expr_splice(&around, hole, e, at) && wt_expr_splice(e, at, &around, 0);
}

void wt_expr_mutate(wt_expr *e, const wt_domain *domain, wt_rng *rng) {
    static bool (*const KINDS[])(wt_expr *, const wt_domain *, wt_rng *) = {
        redraw_subtree, redraw_subtree, change_operator, change_variable, tune_number, tune_number, hoist, wrap, wrap,
    };
    wt_expr before = *e;
    wt_expr_canonical(&before);
    for (int i = 0; i < TRIES; i++) {
        wt_expr changed = before;
        if (!DRAW(KINDS, rng)(&changed, domain, rng)) continue;
        wt_expr_canonical(&changed);
        if (wt_expr_compare(&changed, &before) == 0) continue;
        *e = changed;
        return;
    }
    *e = before;
}

/* ---- crossover ---- */

void wt_expr_cross(const wt_expr *a, const wt_expr *b, wt_rng *rng, wt_expr *first, wt_expr *second) {
    wt_expr x = *a, y = *b;
    for (int i = 0; i < TRIES; i++) {
        const size_t at = wt_rng_below(rng, a->count), from = wt_rng_below(rng, b->count);
        wt_expr one = *a, two = *b;
        if (!wt_expr_splice(&one, at, b, from) || !wt_expr_splice(&two, from, a, at)) continue;
        x = one;
        y = two;
        break;
    }
    wt_expr_canonical(&x);
    wt_expr_canonical(&y);
    if (first) *first = x;
    if (second) *second = y;
}
