/*
 * Expressions as text: the shortest numbers that read back equal, brackets only where the grammar needs them. Levels of binding, from
 * loose to tight: comparison, sum, product, sign, and what stands alone.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/expression_private.h"

enum { COMPARISON, SUM, PRODUCT, SIGN, ALONE };

typedef struct printer {
    const wt_expr *e;
    const wt_domain *domain;
    char *buffer;
    size_t cap, length, at;
} printer;

static void put(printer *p, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++, p->length++) {
        if (p->length + 1 < p->cap) p->buffer[p->length] = text[i];
    }
}

static void put_text(printer *p, const char *text) { put(p, text, strlen(text)); }

size_t wt_expr_print_number(float number, char *buffer) {
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)number);
        if (strtof(text, NULL) == number) break;
    }
    /* %g writes 100 as 1e+02 where one digit will do. */
    if (fabsf(number) >= 1.0f && fabsf(number) < 1e6f && strchr(text, 'e'))
        snprintf(text, sizeof text, "%.7g", (double)number);
    /* 1e+30 and 1e-05 without what says nothing. */
    size_t length = 0;
    bool exponent = false;
    for (const char *c = text; *c; c++) {
        if (exponent && (*c == '+' || (*c == '0' && c[1] != '\0'))) continue;
        if (exponent && *c != '-') exponent = false;
        if (*c == 'e') exponent = true;
        buffer[length++] = *c;
    }
    buffer[length] = '\0';
    return length;
}

static int binding(const wt_expr_node *node) {
    switch (node->op) {
    case WT_OP_ADD:
    case WT_OP_SUB: return SUM;
    case WT_OP_MUL:
    case WT_OP_DIV: return PRODUCT;
    case WT_OP_NEG: return SIGN;
    default: return wt_op_of((wt_op)node->op)->truth ? COMPARISON : ALONE;
    }
}

static void print_tree(printer *p, int least);

static void print_call(printer *p, const wt_op_info *info) {
    put_text(p, info->name);
    put_text(p, "(");
    for (int i = 0; i < info->arity; i++) {
        if (i > 0) put_text(p, ", ");
        print_tree(p, COMPARISON);
    }
    put_text(p, ")");
}

static void print_operator(printer *p, const wt_expr_node *node, const wt_op_info *info) {
    const int level = binding(node);
    if (node->op == WT_OP_NEG) {
        put_text(p, "-");
        /* "-2" is a number: the negation of 2 needs brackets to be another thing. */
        print_tree(p, p->e->nodes[p->at].op == WT_OP_NUMBER ? ALONE + 1 : SIGN);
        return;
    }
    print_tree(p, level == COMPARISON ? SUM : level);
    if (level != PRODUCT) put_text(p, " ");
    put_text(p, info->name);
    if (level != PRODUCT) put_text(p, " ");
    print_tree(p, level + 1);
}

/* The subtree at p->at, in brackets where it binds less tightly than `least`. */
static void print_tree(printer *p, int least) {
    const wt_expr_node *node = &p->e->nodes[p->at++];
    const wt_op_info *info = wt_op_of((wt_op)node->op);
    const bool brackets = binding(node) < least;
    if (brackets) put_text(p, "(");
    if (node->op == WT_OP_NUMBER) {
        char text[32];
        put(p, text, wt_expr_print_number(node->number, text));
    } else if (node->op == WT_OP_VARIABLE) {
        put_text(p, p->domain->variables[node->variable]);
    } else if (binding(node) == ALONE) {
        print_call(p, info);
    } else {
        print_operator(p, node, info);
    }
    if (brackets) put_text(p, ")");
}

size_t wt_expr_print(const wt_expr *e, const wt_domain *domain, char *buffer, size_t cap) {
    printer p = {.e = e, .domain = domain, .buffer = buffer, .cap = cap};
    print_tree(&p, COMPARISON);
    if (cap > 0) buffer[p.length < cap ? p.length : cap - 1] = '\0';
    return p.length;
}
