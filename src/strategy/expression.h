/*
 * Expressions: the rules of strategies. Text is parsed to a typed tree, which is made canonical, and compiled to a flat program that
 * runs over whole rows of values.
 *
 * They are total: division by zero gives 0; sqrt and log act on |x|, log floors at 1e-30; pow is |a|^b with 0^b = 0 (and 0^0 = 1);
 * exp and whatever overflows saturate at 1e30 of the right sign; an input that is no number counts as 0. No program on
 * any input makes a NaN or an infinity. All arithmetic is fp32, with exp, log, tanh and pow by our own polynomials of fused or
 * unfused steps that every variant takes alike, so that all of them give the same bits.
 */
#ifndef WT_STRATEGY_EXPRESSION_H
#define WT_STRATEGY_EXPRESSION_H

#include "base/cpu.h"
#include "base/error.h"

#include <stdbool.h>

/* Bounds of one expression: they hold for parsed, drawn and mutated ones alike. */
#define WT_EXPR_MAX_NODES 64
#define WT_EXPR_MAX_DEPTH 16

/* What names mean where an expression stands: input i is variables[i]. */
typedef struct wt_domain {
    const char *name;                 /* "tensor", "channel", "element", "column": for messages and docs */
    const char *const *variables;     /* [count], as people write them */
    const char *const *descriptions;  /* [count], one line each, with units, for the docs */
    size_t count;
} wt_domain;

typedef enum wt_op {
    WT_OP_NUMBER, WT_OP_VARIABLE,
    WT_OP_NEG, WT_OP_ADD, WT_OP_SUB, WT_OP_MUL, WT_OP_DIV,
    WT_OP_MIN, WT_OP_MAX, WT_OP_ABS, WT_OP_SQRT, WT_OP_LOG, WT_OP_EXP, WT_OP_TANH, WT_OP_POW,
    WT_OP_IF,                                    /* if(truth, a, b) */
    WT_OP_LT, WT_OP_LE, WT_OP_GT, WT_OP_GE, WT_OP_EQ, WT_OP_NE, /* two numbers give a truth */
    WT_OP_COUNT,
} wt_op;

/* A row of the table of operators, which parser, printer, mutators and docs read. */
typedef struct wt_op_info {
    const char *name;    /* "+", "min"; of a number or variable: "number", "variable" */
    int arity;
    bool truth;          /* gives a truth, which only if() takes */
    bool commutative;
    const char *help;    /* one line, for the docs */
} wt_op_info;
const wt_op_info *wt_op_of(wt_op op);

typedef struct wt_expr_node {
    uint8_t op;       /* wt_op */
    uint8_t variable; /* of WT_OP_VARIABLE: its index in the domain */
    float number;     /* of WT_OP_NUMBER: finite */
} wt_expr_node;

/*
 * A tree in prefix order: a node, then its operands' trees one after another. So a subtree is a range, and mutation and crossover are
 * splices. A plain value: copy it freely.
 */
typedef struct wt_expr {
    wt_expr_node nodes[WT_EXPR_MAX_NODES];
    size_t count;
} wt_expr;

/* How many nodes the subtree that begins at node `at` has. */
size_t wt_expr_span(const wt_expr *e, size_t at);

/* Whether it is one whole tree, typed, within the bounds, of numbers that are finite and variables that the domain has. */
bool wt_expr_valid(const wt_expr *e, const wt_domain *domain);

/* The node count and depth; for `strategy show` and limits. */
size_t wt_expr_depth(const wt_expr *e);

/*
 * Replaces the subtree at `at` of `into` by the subtree at `from` of `source` (which may be the same expression's copy). False, with
 * `into` untouched, where the result would break a bound or a type.
 */
bool wt_expr_splice(wt_expr *into, size_t at, const wt_expr *source, size_t from);

/* Where a text begins in the file that people see; 1-based. */
typedef struct wt_place {
    uint32_t line, column;
} wt_place;

/*
 * Parses `len` bytes. Errors: "line 3, column 17: expected a number, a variable or '(' but found 'foo'", with a hint that lists the
 * domain's variables where a name is unknown. `start` is where the text begins.
 */
int wt_expr_parse(wt_expr *out, const wt_domain *domain, const char *text, size_t len, wt_place start, wt_error *err);

/* Writes it as text, snprintf's way: at most cap bytes with the NUL; returns the length it needs. Parsing it gives it back. */
size_t wt_expr_print(const wt_expr *e, const wt_domain *domain, char *buffer, size_t cap);

/*
 * The canonical form, in place: constants folded by the very arithmetic that programs have, operands of commutative operators in a
 * fixed order, -0 as 0, double negation gone. Idempotent; never changes a result's bits for inputs that are numbers.
 */
void wt_expr_canonical(wt_expr *e);

/* An order over canonical expressions (for equality and distance): 0 where they are the same. */
int wt_expr_compare(const wt_expr *a, const wt_expr *b);

/* A verified flat program. A plain value. */
typedef struct wt_program {
    struct {
        uint8_t op, to, a, b, c; /* registers; of a variable: a is the input; of a number: the constant's place in `number` */
        float number;
    } steps[WT_EXPR_MAX_NODES];
    size_t count;
    size_t registers;
    uint64_t inputs; /* bit i: input i is read; others may be NULL when it runs */
} wt_program;

/* Compiles a valid expression (see wt_expr_valid; -1 where it is not one). */
int wt_program_compile(wt_program *program, const wt_expr *e, const wt_domain *domain, wt_error *err);

/* One input of a run: n values, or one for all of them. */
typedef struct wt_row {
    const float *values;
    bool scalar;
} wt_row;

/* out[i] for i < n, inputs [domain's count]. `out` may be one of the inputs. Thread-safe, no allocation. */
void wt_program_run(const wt_program *program, const wt_row *inputs, size_t n, float *out);

/* As wt_program_run with the kernels of `level`, which this processor must have. */
void wt_program_run_at(const wt_program *program, wt_cpu_level level, const wt_row *inputs, size_t n, float *out);

#endif
