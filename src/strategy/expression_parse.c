/*
 * Text to trees, by recursive descent:
 *
 *   comparison = sum [('<' | '<=' | '>' | '>=' | '==' | '!=') sum]
 *   sum        = product {('+' | '-') product}
 *   product    = sign {('*' | '/') sign}
 *   sign       = '-' number | '-' sign | alone
 *   alone      = number | variable | name '(' comparison {',' comparison} ')' | '(' comparison ')'
 *
 * Nodes are appended in prefix order; an infix operator is slipped in before its left operand once it is seen. Beside each node stands
 * its place in the text, so that an error found late still points to where it is.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/expression_private.h"

enum { MAX_NESTING = 4 * WT_EXPR_MAX_DEPTH, MAX_DIGITS = 63 };

typedef enum kind { END, NUMBER, NAME, MARK } kind;

typedef struct token {
    kind kind;
    const char *text;
    size_t len;
    wt_place place;
    float number;
} token;

typedef struct parser {
    const wt_domain *domain;
    const char *at, *end;
    wt_place place; /* of `at` */
    token now;
    wt_expr *out;
    wt_place places[WT_EXPR_MAX_NODES];
    int nesting;
    wt_error *err;
} parser;

static int fail_at(parser *p, wt_place place, const char *fmt, ...) WT_PRINTF(3, 4);
static int fail_at(parser *p, wt_place place, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return wt_fail(p->err, WT_ERR_FORMAT, "line %u, column %u: %s", place.line, place.column, text);
}

/* What stands at the current token, as messages quote it: 'foo', or "the end". */
static const char *found(const parser *p, char buffer[64]) {
    const unsigned char first = p->now.kind == END ? 0 : (unsigned char)p->now.text[0];
    if (p->now.kind == END)
        snprintf(buffer, 64, "the end");
    else if (first < ' ' || first >= 0x7f)
        snprintf(buffer, 64, "the byte 0x%02x", first);
    else
        snprintf(buffer, 64, p->now.len > 32 ? "'%.*s...'" : "'%.*s'", (int)(p->now.len > 32 ? 32 : p->now.len),
                 p->now.text);
    return buffer;
}

static int expected(parser *p, const char *what) {
    char text[64];
    return fail_at(p, p->now.place, "expected %s but found %s", what, found(p, text));
}

/* ---- tokens ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

size_t wt_expr_name_length(const char *text, size_t len) {
    size_t n = 0;
    while (n < len && (is_letter(text[n]) || (n > 0 && is_digit(text[n])))) n++;
    return n;
}

/* Columns count characters: the continuation bytes of UTF-8 take none. */
static void advance(parser *p, size_t bytes) {
    for (; bytes > 0; bytes--, p->at++) {
        if (*p->at == '\n') {
            p->place.line++;
            p->place.column = 1;
        } else if (((unsigned char)*p->at & 0xc0) != 0x80) {
            p->place.column++;
        }
    }
}

static size_t number_length(const char *text, size_t len) {
    size_t n = 0, digits = 0;
    for (; n < len && is_digit(text[n]); n++) digits++;
    if (n < len && text[n] == '.')
        for (n++; n < len && is_digit(text[n]); n++) digits++;
    if (digits == 0) return 0;
    if (n < len && (text[n] == 'e' || text[n] == 'E')) {
        size_t e = n + 1;
        if (e < len && (text[e] == '+' || text[e] == '-')) e++;
        if (e < len && is_digit(text[e])) {
            for (n = e; n < len && is_digit(text[n]);) n++;
        }
    }
    return n;
}

static int read_number(parser *p) {
    char text[MAX_DIGITS + 1];
    token *t = &p->now;
    if (t->len > MAX_DIGITS) return fail_at(p, t->place, "a number of more than %d characters", MAX_DIGITS);
    memcpy(text, t->text, t->len);
    text[t->len] = '\0';
    t->number = strtof(text, NULL);
    if (!(t->number <= WT_EXPR_MAX_NUMBER)) return fail_at(p, t->place, "the number '%s' is beyond 1e30", text);
    return 0;
}

static int next(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) advance(p, 1);
    const size_t left = (size_t)(p->end - p->at);
    token *t = &p->now;
    *t = (token){.kind = END, .text = p->at, .place = p->place};
    if (left == 0) return 0;
    if ((t->len = number_length(p->at, left)) > 0) {
        t->kind = NUMBER;
        if (read_number(p) != 0) return -1;
    } else if ((t->len = wt_expr_name_length(p->at, left)) > 0) {
        t->kind = NAME;
    } else {
        t->kind = MARK;
        t->len = left > 1 && p->at[1] == '=' && strchr("<>=!", *p->at) && *p->at ? 2 : 1;
    }
    advance(p, t->len);
    return 0;
}

static bool is_mark(const parser *p, const char *mark) {
    return p->now.kind == MARK && p->now.len == strlen(mark) && memcmp(p->now.text, mark, p->now.len) == 0;
}

static int take_mark(parser *p, const char *mark, const char *what) {
    return is_mark(p, mark) ? next(p) : expected(p, what);
}

/* ---- nodes ---- */

/* Puts a node in front of the one at `at`. */
static int insert(parser *p, size_t at, wt_expr_node node, wt_place place) {
    wt_expr *e = p->out;
    if (e->count == WT_EXPR_MAX_NODES)
        return fail_at(p, place, "the expression has more than %d numbers, variables and operators", WT_EXPR_MAX_NODES);
    memmove(e->nodes + at + 1, e->nodes + at, (e->count - at) * sizeof *e->nodes);
    memmove(p->places + at + 1, p->places + at, (e->count - at) * sizeof *p->places);
    e->nodes[at] = node;
    p->places[at] = place;
    e->count++;
    return 0;
}

static int append(parser *p, wt_expr_node node, wt_place place) { return insert(p, p->out->count, node, place); }

/* The operand whose tree begins at `at` has to be a truth, or must not be one. */
static int check_type(parser *p, size_t at, bool truth) {
    const wt_op_info *info = wt_op_of((wt_op)p->out->nodes[at].op);
    if (info->truth == truth) return 0;
    if (truth) return fail_at(p, p->places[at], "expected a comparison, as in if(a < b, a, b), but found a number");
    return fail_at(p, p->places[at], "expected a number but found a comparison ('%s'); only if() takes one",
                   info->name);
}

/* ---- the grammar ---- */

static int parse_comparison(parser *p);

static int unknown_name(parser *p) {
    char text[64], names[256] = "";
    size_t length = 0;
    fail_at(p, p->now.place, "expected a number, a variable or '(' but found %s", found(p, text));
    for (size_t i = 0; i < p->domain->count && length < sizeof names; i++)
        length +=
            (size_t)snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "", p->domain->variables[i]);
    if (p->domain->count == 0) return wt_hint(p->err, "there are no variables here (%s)", p->domain->name);
    return wt_hint(p->err, "the variables here (%s) are %s", p->domain->name, names);
}

int wt_op_by_name(const char *name, size_t len) {
    for (int op = 0; op < WT_OP_COUNT; op++) {
        const wt_op_info *info = wt_op_of((wt_op)op);
        if (info->arity > 0 && wt_expr_name_length(info->name, 1) == 1 && strlen(info->name) == len &&
            memcmp(info->name, name, len) == 0)
            return op;
    }
    return -1;
}

static int parse_call(parser *p, wt_op op) {
    const wt_op_info *info = wt_op_of(op);
    char what[64];
    if (append(p, (wt_expr_node){.op = (uint8_t)op}, p->now.place) != 0 || next(p) != 0) return -1;
    snprintf(what, sizeof what, "'(' after '%s'", info->name);
    if (take_mark(p, "(", what) != 0) return -1;
    for (int i = 0; i < info->arity; i++) {
        if (i > 0) {
            snprintf(what, sizeof what, "',' (%s takes %d operands)", info->name, info->arity);
            if (take_mark(p, ",", what) != 0) return -1;
        }
        const size_t at = p->out->count;
        if (parse_comparison(p) != 0 || check_type(p, at, wt_op_takes_truth(op, i)) != 0) return -1;
    }
    if (is_mark(p, ",")) {
        snprintf(what, sizeof what, "')' (%s takes %d operand%s)", info->name, info->arity,
                 info->arity == 1 ? "" : "s");
        return expected(p, what);
    }
    return take_mark(p, ")", "an operator or ')'");
}

static int parse_name(parser *p) {
    const int op = wt_op_by_name(p->now.text, p->now.len);
    if (op >= 0) return parse_call(p, (wt_op)op);
    for (size_t i = 0; i < p->domain->count; i++) {
        if (strlen(p->domain->variables[i]) == p->now.len &&
            memcmp(p->domain->variables[i], p->now.text, p->now.len) == 0) {
            const wt_expr_node node = {.op = WT_OP_VARIABLE, .variable = (uint8_t)i};
            return append(p, node, p->now.place) != 0 ? -1 : next(p);
        }
    }
    return unknown_name(p);
}

static int parse_number(parser *p, wt_place place, float sign) {
    const float number = p->now.number == 0.0f ? 0.0f : sign * p->now.number;
    return append(p, (wt_expr_node){.op = WT_OP_NUMBER, .number = number}, place) != 0 ? -1 : next(p);
}

static int parse_alone(parser *p) {
    if (p->now.kind == NUMBER) return parse_number(p, p->now.place, 1.0f);
    if (p->now.kind == NAME) return parse_name(p);
    if (!is_mark(p, "(")) return expected(p, "a number, a variable or '('");
    if (next(p) != 0 || parse_comparison(p) != 0) return -1;
    return take_mark(p, ")", "an operator or ')'");
}

static int parse_sign(parser *p) {
    if (!is_mark(p, "-")) return parse_alone(p);
    const wt_place place = p->now.place;
    if (next(p) != 0) return -1;
    if (p->now.kind == NUMBER) return parse_number(p, place, -1.0f);
    const size_t at = p->out->count;
    if (append(p, (wt_expr_node){.op = WT_OP_NEG}, place) != 0) return -1;
    if (++p->nesting > MAX_NESTING) return fail_at(p, place, "nested deeper than %d", MAX_NESTING);
    if (parse_sign(p) != 0) return -1;
    p->nesting--;
    return check_type(p, at + 1, false);
}

/* Operators of one level, all of them binding to the left. */
static int parse_infix(parser *p, int (*operand)(parser *), const char *const *marks, const wt_op *ops, size_t count,
                       bool once) {
    const size_t left = p->out->count;
    if (operand(p) != 0) return -1;
    for (bool more = true; more;) {
        size_t i = 0;
        while (i < count && !is_mark(p, marks[i])) i++;
        if (i == count) return 0;
        const wt_place place = p->now.place;
        if (check_type(p, left, false) != 0 || next(p) != 0) return -1;
        const size_t right = p->out->count;
        if (operand(p) != 0 || check_type(p, right, false) != 0) return -1;
        if (insert(p, left, (wt_expr_node){.op = (uint8_t)ops[i]}, place) != 0) return -1;
        more = !once;
    }
    return 0;
}

static int parse_product(parser *p) {
    static const char *const marks[] = {"*", "/"};
    static const wt_op ops[] = {WT_OP_MUL, WT_OP_DIV};
    return parse_infix(p, parse_sign, marks, ops, 2, false);
}

static int parse_sum(parser *p) {
    static const char *const marks[] = {"+", "-"};
    static const wt_op ops[] = {WT_OP_ADD, WT_OP_SUB};
    return parse_infix(p, parse_product, marks, ops, 2, false);
}

static int parse_comparison(parser *p) {
    static const char *const marks[] = {"<", "<=", ">", ">=", "==", "!="};
    static const wt_op ops[] = {WT_OP_LT, WT_OP_LE, WT_OP_GT, WT_OP_GE, WT_OP_EQ, WT_OP_NE};
    if (++p->nesting > MAX_NESTING) return fail_at(p, p->now.place, "nested deeper than %d", MAX_NESTING);
    int status = parse_infix(p, parse_sum, marks, ops, 6, true);
    p->nesting--;
    return status;
}

/* The place of the first node that stands too deep. */
static int check_depth(parser *p) {
    wt_expr part = *p->out;
    if (wt_expr_depth(&part) <= WT_EXPR_MAX_DEPTH) return 0;
    for (part.count = 1; wt_expr_depth(&part) <= WT_EXPR_MAX_DEPTH;) part.count++;
    return fail_at(p, p->places[part.count - 1], "the expression is deeper than %d levels", WT_EXPR_MAX_DEPTH);
}

int wt_expr_parse(wt_expr *out, const wt_domain *domain, const char *text, size_t len, wt_place start, wt_error *err) {
    wt_expr parsed = {.count = 0};
    parser p = {.domain = domain, .at = text, .end = text + len, .place = start, .out = &parsed, .err = err};
    if (next(&p) != 0 || parse_comparison(&p) != 0) return -1;
    if (p.now.kind != END) return expected(&p, "an operator or the end");
    if (check_type(&p, 0, false) != 0 || check_depth(&p) != 0) return -1;
    *out = parsed;
    return 0;
}
