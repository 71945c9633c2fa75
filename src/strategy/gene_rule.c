/*
 * The kind that is an expression, in its gene's domain. Values are always canonical. A rule ends with its line, except
 * within parentheses.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/domains.h"
#include "strategy/gene_kinds.h"

/* Nodes of expressions that are drawn: enough for a few variables; variation adds more where it pays. */
enum { DRAWN_NODES = 15 };

/* The length of the text from the reader to the end of the value. */
static size_t extent(const wt_reader *r) {
    size_t depth = 0, end = r->at;
    for (; end < r->len && (depth || r->text[end] != '\n'); end++) {
        if (r->text[end] == '(') depth++;
        if (r->text[end] == ')' && depth) depth--;
    }
    while (end > r->at && strchr(" \t\r\n", r->text[end - 1])) end--;
    return end - r->at;
}

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    const size_t n = extent(r);
    if (n == 0) return wt_reader_fail_expected(r, "an expression", err);
    if (wt_expr_parse(&out->rule, gene->domain, r->text + r->at, n, r->place, err) != 0) return -1;
    wt_expr_canonical(&out->rule);
    wt_reader_advance(r, n);
    return 0;
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    char small[512];
    wt_expr canonical = v->rule;
    wt_expr_canonical(&canonical);
    const size_t n = wt_expr_print(&canonical, gene->domain, small, sizeof small);
    char *text = small;
    if (n >= sizeof small) {
        text = malloc(n + 1);
        if (text) wt_expr_print(&canonical, gene->domain, text, n + 1);
    }
    if (text)
        wt_text_add(to, "%s", text);
    else
        to->failed = true;
    if (text != small) free(text);
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    if (!wt_expr_valid(&v->rule, gene->domain)) return false;
    wt_expr canonical = v->rule;
    wt_expr_canonical(&canonical);
    return wt_expr_compare(&canonical, &v->rule) == 0;
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return wt_expr_compare(&a->rule, &b->rule) == 0;
}

/* ---- variation ---- */

/* What came of a variation, in canonical form. The scales of a channel have 1 as their mean: a rule without variables is none. */
static void settle(const wt_gene_info *gene, wt_expr *e) {
    wt_expr_canonical(e);
    if (gene->draw != WT_DRAW_POWER) return;
    for (size_t i = 0; i < e->count; i++)
        if (e->nodes[i].op == WT_OP_VARIABLE) return;
    *e = wt_gene_default(wt_gene_number(gene))->rule;
}

/*
 * One of the variables first .. first + count - 1 that is not among `used`, of which some are left, and now is: two powers of one
 * variable are one power, which says less than its text.
 */
static size_t draw_unused(wt_rng *rng, size_t first, size_t count, uint64_t *used) {
    size_t left = 0, which = first;
    for (size_t i = first; i < first + count; i++) left += !(*used >> i & 1);
    for (uint64_t skip = wt_rng_below(rng, left);; which++) {
        if (*used >> which & 1) continue;
        if (skip-- == 0) break;
    }
    *used |= UINT64_C(1) << which;
    return which;
}

/* c * log(VARIABLE), or the sum of two such: a scale that is a power of what is measured. */
static int draw_power(const wt_gene_info *gene, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    char text[160];
    size_t len = 0;
    uint64_t used = 0;
    const uint64_t terms = gene->domain->count > 1 ? 1 + wt_rng_below(rng, 2) : 1;
    for (uint64_t i = 0; i < terms; i++) {
        const char *variable = gene->domain->variables[draw_unused(rng, 0, gene->domain->count, &used)];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.2e * log(%s)", i ? " + " : "",
                                0.4 * wt_rng_normal(rng), variable);
    }
    if (wt_expr_parse(&out->rule, gene->domain, text, len, (wt_place){1, 1}, err) != 0) return -1;
    settle(gene, &out->rule);
    return 0;
}

/* A factor of a price: a power of the variable, or what does the same where it is 0 or less somewhere. */
static size_t print_factor(const wt_domain *domain, size_t variable, double power, char *out, size_t cap) {
    const char *name = domain->variables[variable];
    int n;
    if (variable == WT_TENSOR_SIZE) /* a logarithm */
        n = snprintf(out, cap, "exp(%.2g * %s)", power, name);
    else if (variable == WT_TENSOR_DEPTH || variable >= WT_TENSOR_IS_Q)
        n = snprintf(out, cap, "(1 + %.2g * %s)", exp(2 * power) - 1, name);
    else
        n = snprintf(out, cap, "pow(%s, %.2g)", name, power);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/*
 * A product of one to four factors, each of another variable. What was measured of the model itself (the sensitivity or the error of a tensor) is one more often than
 * not, with a power near 1: a price says what errors do, and what is searched is what else has a say.
 */
static int draw_product(const wt_gene_info *gene, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    enum { KINDS = WT_TENSOR_VARIABLES - WT_TENSOR_IS_Q };
    char text[320];
    size_t len = 0;
    uint64_t used = 0;
    if (wt_rng_uniform(rng) < 0.7) {
        const size_t which = wt_rng_below(rng, 3) ? WT_TENSOR_SENS : WT_TENSOR_ERROR;
        used |= UINT64_C(1) << which;
        len = print_factor(gene->domain, which, 1 + 0.25 * wt_rng_normal(rng), text, sizeof text);
    }
    for (uint64_t n = wt_rng_below(rng, 4) + (len == 0); n; n--) {
        const bool kind = wt_rng_below(rng, 2) != 0;
        const size_t which =
            kind ? draw_unused(rng, WT_TENSOR_IS_Q, KINDS, &used) : draw_unused(rng, 0, WT_TENSOR_SENS, &used);
        if (len) len += (size_t)snprintf(text + len, sizeof text - len, " * ");
        len += print_factor(gene->domain, which, 0.4 * wt_rng_normal(rng), text + len, sizeof text - len);
    }
    if (wt_expr_parse(&out->rule, gene->domain, text, len, (wt_place){1, 1}, err) != 0) return -1;
    settle(gene, &out->rule);
    return 0;
}

static int draw_varied(const wt_gene_info *gene, wt_rng *rng, wt_gene_value *out) {
    out->rule = wt_gene_default(wt_gene_number(gene))->rule;
    for (uint64_t n = 1 + wt_rng_below(rng, 2); n; n--) wt_expr_mutate(&out->rule, gene->domain, rng);
    settle(gene, &out->rule);
    return 0;
}

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)scope;
    if (gene->draw != WT_DRAW_PLAIN && wt_rng_uniform(rng) < 0.8) {
        if (gene->draw == WT_DRAW_POWER) return draw_power(gene, rng, out, err);
        if (gene->draw == WT_DRAW_PRODUCT) return draw_product(gene, rng, out, err);
        if (gene->draw == WT_DRAW_VARIED) return draw_varied(gene, rng, out);
    }
    wt_expr_random(&out->rule, gene->domain, rng, 1 + (size_t)wt_rng_below(rng, DRAWN_NODES));
    settle(gene, &out->rule);
    return 0;
}

/*
 * One of the numbers in the rule, scaled, shifted or with the other sign; without numbers, the whole times one near 1.
 */
static void tune(const wt_gene_info *gene, wt_rng *rng, wt_expr *e) {
    size_t numbers = 0;
    for (size_t i = 0; i < e->count; i++) numbers += e->nodes[i].op == WT_OP_NUMBER;
    if (numbers == 0) {
        wt_expr_mutate(e, gene->domain, rng);
        return;
    }
    size_t which = (size_t)wt_rng_below(rng, numbers), at = 0;
    for (;; at++) {
        if (e->nodes[at].op == WT_OP_NUMBER && which-- == 0) break;
    }
    const double x = e->nodes[at].number, step = wt_rng_normal(rng);
    const uint64_t how = wt_rng_below(rng, 8);
    double to = how == 0 ? -x : how < 3 || x == 0 ? x + 0.2 * step : x * exp(0.3 * step);
    to = wt_round_drawn(to);
    if (fabs(to) > WT_EXPR_MAX_NUMBER) to = copysign(WT_EXPR_MAX_NUMBER, to);
    e->nodes[at].number = to == 0 ? 0 : (float)to;
    wt_expr_canonical(e);
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    switch (op) {
    case WT_OPERATOR_CONSTANT: tune(gene, rng, &v->rule); break;
    case WT_OPERATOR_CHOICE: {
        const wt_expr *off = &wt_gene_default(wt_gene_number(gene))->rule;
        if (wt_expr_compare(&v->rule, off) == 0) return draw(gene, scope, rng, v, err);
        v->rule = *off;
        return 0;
    }
    default: wt_expr_mutate(&v->rule, gene->domain, rng);
    }
    settle(gene, &v->rule);
    return 0;
}

static int cross(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    wt_expr_cross(&a->rule, &b->rule, rng, &out->rule, NULL);
    settle(gene, &out->rule);
    return 0;
}

static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    return wt_expr_distance(&a->rule, &b->rule, gene->domain);
}

const wt_gene_kind_info wt_kind_rule = {
    .name = "rule",
    .form = "EXPRESSION",
    .help =
        "An expression over the variables of its domain, in canonical form. Mutation changes a subtree, an operator, a"
        " variable or a number; crossover puts a subtree of one parent into the other; the distance is half in what "
        "they compute and half in how.",
    .operators = 1u << WT_OPERATOR_RULE | 1u << WT_OPERATOR_CONSTANT | 1u << WT_OPERATOR_CHOICE,
    .parse = parse,
    .print = print,
    .valid = valid,
    .equal = equal,
    .draw = draw,
    .mutate = mutate,
    .cross = cross,
    .distance = distance,
};
