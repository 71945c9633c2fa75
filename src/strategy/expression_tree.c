/* Trees in prefix order: their extent, their validity, and the exchange of subtrees. */
#include <math.h>
#include <string.h>

#include "strategy/expression_private.h"

static int arity(const wt_expr_node *node) { return node->op < WT_OP_COUNT ? wt_op_of((wt_op)node->op)->arity : 0; }

size_t wt_expr_span(const wt_expr *e, size_t at) {
    size_t open = 1, i = at;
    for (; open > 0; i++) {
        if (i >= e->count) return 0;
        open += (size_t)arity(&e->nodes[i]);
        open--;
    }
    return i - at;
}

size_t wt_expr_depth(const wt_expr *e) {
    uint8_t left[WT_EXPR_MAX_NODES + 1] = {0}; /* operands still to come, per level */
    size_t level = 0, deepest = 0;
    for (size_t i = 0; i < e->count && i < WT_EXPR_MAX_NODES; i++) {
        level++;
        if (level > deepest) deepest = level;
        left[level] = (uint8_t)arity(&e->nodes[i]);
        while (level > 0 && left[level] == 0) {
            level--;
            if (level > 0) left[level]--;
        }
    }
    return deepest;
}

static bool valid_node(const wt_expr_node *node, const wt_domain *domain) {
    if (node->op >= WT_OP_COUNT) return false;
    if (node->op == WT_OP_VARIABLE) return node->variable < domain->count;
    if (node->op != WT_OP_NUMBER) return true;
    return fabsf(node->number) <= WT_EXPR_MAX_NUMBER && !(node->number == 0.0f && signbit(node->number));
}

/* Returns where the subtree at `at` ends, or 0 where a type is wrong. The extent is known to be right. */
static size_t check_types(const wt_expr *e, size_t at, bool truth) {
    const wt_op op = (wt_op)e->nodes[at].op;
    if (wt_op_of(op)->truth != truth) return 0;
    at++;
    for (int i = 0; i < wt_op_of(op)->arity; i++) {
        at = check_types(e, at, wt_op_takes_truth(op, i));
        if (at == 0) return 0;
    }
    return at;
}

bool wt_expr_valid(const wt_expr *e, const wt_domain *domain) {
    if (e->count == 0 || e->count > WT_EXPR_MAX_NODES || domain->count > WT_EXPR_MAX_INPUTS) return false;
    for (size_t i = 0; i < e->count; i++) {
        if (!valid_node(&e->nodes[i], domain)) return false;
    }
    return wt_expr_span(e, 0) == e->count && wt_expr_depth(e) <= WT_EXPR_MAX_DEPTH && check_types(e, 0, false) != 0;
}

bool wt_expr_splice(wt_expr *into, size_t at, const wt_expr *source, size_t from) {
    if (at >= into->count || from >= source->count) return false;
    const size_t out = wt_expr_span(into, at), in = wt_expr_span(source, from);
    if (out == 0 || in == 0 || into->count - out + in > WT_EXPR_MAX_NODES) return false;
    if (wt_op_of((wt_op)into->nodes[at].op)->truth != wt_op_of((wt_op)source->nodes[from].op)->truth) return false;
    wt_expr r = *into;
    r.count = into->count - out + in;
    memcpy(r.nodes + at, source->nodes + from, in * sizeof *r.nodes);
    memcpy(r.nodes + at + in, into->nodes + at + out, (into->count - at - out) * sizeof *r.nodes);
    if (wt_expr_depth(&r) > WT_EXPR_MAX_DEPTH) return false;
    *into = r;
    return true;
}

int wt_expr_compare_nodes(const wt_expr_node *a, const wt_expr_node *b) {
    if (a->op != b->op) return a->op < b->op ? -1 : 1;
    if (a->op == WT_OP_VARIABLE) return (a->variable > b->variable) - (a->variable < b->variable);
    if (a->op == WT_OP_NUMBER) return (a->number > b->number) - (a->number < b->number);
    return 0;
}

int wt_expr_compare(const wt_expr *a, const wt_expr *b) {
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = wt_expr_compare_nodes(&a->nodes[i], &b->nodes[i]);
        if (order != 0) return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}
