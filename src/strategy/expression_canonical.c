/*
 * The canonical form, from the leaves up, again until nothing changes. Every rule is exact for every input: values are finite and
 * within +-1e30, saturation is symmetric, and the sign of zero is nowhere to be seen (programs never give -0). Sums are not
 * reassociated, for rounding would differ, and no rule makes a tree larger or deeper.
 */
#include <math.h>
#include <string.h>

#include "strategy/expression_private.h"
#include "strategy/program_private.h"

static wt_expr number(float value) {
    return (wt_expr){.count = 1, .nodes = {{.op = WT_OP_NUMBER, .number = value == 0.0f ? 0.0f : value}}};
}

static void append(wt_expr *e, const wt_expr *tail) {
    memcpy(e->nodes + e->count, tail->nodes, tail->count * sizeof *e->nodes);
    e->count += tail->count;
}

static wt_expr one(wt_op op, const wt_expr *a) {
    wt_expr r = {.count = 1, .nodes = {{.op = (uint8_t)op}}};
    append(&r, a);
    return r;
}

static wt_expr two(wt_op op, const wt_expr *a, const wt_expr *b) {
    wt_expr r = one(op, a);
    append(&r, b);
    return r;
}

static wt_expr operand(const wt_expr *e, int which) {
    size_t at = 1;
    for (; which > 0; which--) at += wt_expr_span(e, at);
    wt_expr r = {.count = wt_expr_span(e, at)};
    memcpy(r.nodes, e->nodes + at, r.count * sizeof *r.nodes);
    return r;
}

static bool is_op(const wt_expr *e, wt_op op) { return e->nodes[0].op == op; }
static bool is_number(const wt_expr *e) { return is_op(e, WT_OP_NUMBER); }
static bool is_value(const wt_expr *e, float value) { return is_number(e) && e->nodes[0].number == value; }
static bool is_negative(const wt_expr *e) { return is_number(e) && e->nodes[0].number < 0.0f; }
static bool is_same(const wt_expr *a, const wt_expr *b) { return wt_expr_compare(a, b) == 0; }
static bool is_positive_op(const wt_expr *e) {
    return is_op(e, WT_OP_ABS) || is_op(e, WT_OP_SQRT) || is_op(e, WT_OP_EXP) || is_op(e, WT_OP_POW);
}

/* The value of an expression without variables, by a program as any other. */
static wt_expr fold(const wt_expr *e) {
    static const wt_domain NOTHING = {.name = "constant"};
    wt_program program;
    float value = 0.0f;
    if (wt_program_compile(&program, e, &NOTHING, NULL) != 0) return *e;
    wt_program_run_reference(&program, NULL, 1, &value);
    return number(value);
}

static wt_expr negated(const wt_expr *e) { return is_number(e) ? number(-e->nodes[0].number) : one(WT_OP_NEG, e); }

/* ---- rules, one function an operator: operands are canonical already ---- */

static wt_expr make_neg(const wt_expr *a) {
    wt_expr x, y;
    if (is_number(a)) return negated(a);
    if (is_op(a, WT_OP_NEG)) return operand(a, 0);
    if (!is_op(a, WT_OP_SUB) && !is_op(a, WT_OP_MUL)) return one(WT_OP_NEG, a);
    x = operand(a, 0);
    y = operand(a, 1);
    if (is_op(a, WT_OP_SUB)) return two(WT_OP_SUB, &y, &x);
    if (!is_number(&x)) return one(WT_OP_NEG, a);
    x = negated(&x);
    return two(WT_OP_MUL, &x, &y);
}

static wt_expr ordered(wt_op op, const wt_expr *a, const wt_expr *b) {
    return wt_expr_compare(a, b) <= 0 ? two(op, a, b) : two(op, b, a);
}

/* a + b and a - b: what is subtracted is neither a negative number nor a negation, and what is added neither. */
static wt_expr make_sum(bool minus, const wt_expr *a, const wt_expr *b) {
    wt_expr t;
    if (is_value(b, 0.0f)) return *a;
    if (is_value(a, 0.0f)) return minus ? make_neg(b) : *b;
    if (minus && is_same(a, b)) return number(0.0f);
    if (is_op(b, WT_OP_NEG) || is_negative(b)) {
        t = make_neg(b);
        return minus ? ordered(WT_OP_ADD, a, &t) : two(WT_OP_SUB, a, &t);
    }
    if (!minus && (is_op(a, WT_OP_NEG) || is_negative(a))) {
        t = make_neg(a);
        return two(WT_OP_SUB, b, &t);
    }
    return minus ? two(WT_OP_SUB, a, b) : ordered(WT_OP_ADD, a, b);
}

/* Signs of factors cancel, or go into a number among them. */
static wt_expr make_product(wt_op op, const wt_expr *a, const wt_expr *b) {
    wt_expr x, y;
    const bool divide = op == WT_OP_DIV;
    if (is_value(a, 0.0f) || is_value(b, 0.0f)) return number(0.0f);
    if (is_value(b, 1.0f)) return *a;
    if (is_value(b, -1.0f)) return make_neg(a);
    if (!divide && is_value(a, 1.0f)) return *b;
    if (!divide && is_value(a, -1.0f)) return make_neg(b);
    if ((is_op(a, WT_OP_NEG) && (is_op(b, WT_OP_NEG) || is_number(b))) || (is_number(a) && is_op(b, WT_OP_NEG))) {
        x = make_neg(a);
        y = make_neg(b);
        return divide ? two(op, &x, &y) : ordered(op, &x, &y);
    }
    return divide ? two(op, a, b) : ordered(op, a, b);
}

/* Functions that do not see their operand's sign. */
static wt_expr make_even(wt_op op, const wt_expr *a, const wt_expr *b) {
    if (op == WT_OP_ABS && is_positive_op(a)) return *a;
    wt_expr x = is_op(a, WT_OP_NEG) || is_op(a, WT_OP_ABS) ? operand(a, 0) : *a;
    return op == WT_OP_POW ? two(op, &x, b) : one(op, &x);
}

/* Operands in order, but a number last: "x > 0". */
static wt_expr make_comparison(wt_op op, const wt_expr *a, const wt_expr *b) {
    const bool swap = is_number(a) != is_number(b) ? is_number(a) : wt_expr_compare(a, b) > 0;
    if (!swap) return two(op, a, b);
    const wt_op mirror = op == WT_OP_LT   ? WT_OP_GT
                         : op == WT_OP_GT ? WT_OP_LT
                         : op == WT_OP_LE ? WT_OP_GE
                         : op == WT_OP_GE ? WT_OP_LE
                                          : op;
    return two(mirror, b, a);
}

static wt_expr make_if(const wt_expr *c, const wt_expr *a, const wt_expr *b) {
    const wt_expr x = operand(c, 0), y = operand(c, 1), yes = number(1.0f), no = number(0.0f);
    wt_expr r = one(WT_OP_IF, c);
    if (is_same(a, b)) return *a;
    if (is_same(&x, &y)) return is_op(c, WT_OP_LE) || is_op(c, WT_OP_GE) || is_op(c, WT_OP_EQ) ? *a : *b;
    if (is_number(&x) && is_number(&y)) {
        append(&r, &yes);
        append(&r, &no);
        r = fold(&r);
        return is_value(&r, 1.0f) ? *a : *b;
    }
    append(&r, a);
    append(&r, b);
    return r;
}

static wt_expr make(wt_op op, const wt_expr *x) {
    const wt_op_info *info = wt_op_of(op);
    if (op == WT_OP_IF) return make_if(&x[0], &x[1], &x[2]);
    if (info->truth) return make_comparison(op, &x[0], &x[1]);
    if (is_number(&x[0]) && (info->arity == 1 || is_number(&x[1]))) {
        const wt_expr e = info->arity == 1 ? one(op, &x[0]) : two(op, &x[0], &x[1]);
        return fold(&e);
    }
    switch (op) {
    case WT_OP_NEG: return make_neg(&x[0]);
    case WT_OP_ADD:
    case WT_OP_SUB: return make_sum(op == WT_OP_SUB, &x[0], &x[1]);
    case WT_OP_MUL:
    case WT_OP_DIV: return make_product(op, &x[0], &x[1]);
    case WT_OP_MIN:
    case WT_OP_MAX: return is_same(&x[0], &x[1]) ? x[0] : ordered(op, &x[0], &x[1]);
    case WT_OP_ABS:
    case WT_OP_SQRT:
    case WT_OP_LOG:
    case WT_OP_POW: return make_even(op, &x[0], &x[1]);
    default: return one(op, &x[0]);
    }
}

/* The subtree at *at, made canonical; *at moves past it. */
static wt_expr canonical(const wt_expr *e, size_t *at) {
    wt_expr operands[3], leaf = {.count = 1, .nodes = {e->nodes[*at]}};
    const wt_op op = (wt_op)e->nodes[(*at)++].op;
    const int arity = wt_op_of(op)->arity;
    if (arity == 0) return leaf;
    for (int i = 0; i < arity; i++) operands[i] = canonical(e, at);
    return make(op, operands);
}

void wt_expr_canonical(wt_expr *e) {
    for (;;) {
        size_t at = 0;
        const wt_expr next = canonical(e, &at);
        const bool done = is_same(&next, e);
        *e = next;
        if (done) return;
    }
}
