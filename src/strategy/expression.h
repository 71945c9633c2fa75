/*
 * Expressions: the rules of strategies. Text is parsed to a typed tree, which is made canonical, and compiled to a flat
 * program that runs over whole rows of values.
 *
 * They are total. Every value, inputs and intermediates included, is kept within -1e30..1e30: what is beyond saturates
 * there; an input that is no number counts as 0. Division by zero gives 0; sqrt and log act on |x|, log of less than
 * 1e-30 is log of that; pow is |a|^b with 0^b = 0 (and 0^0 = 1). No program on any input makes a NaN, an infinity or a
 * negative zero. All arithmetic is fp32, with exp, log, tanh and pow by our own polynomials, each step rounded by
 * itself, so that every instruction set gives the same bits.
 */
#ifndef WT_STRATEGY_EXPRESSION_H
#define WT_STRATEGY_EXPRESSION_H

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"

#include <stdbool.h>

/* Bounds of one expression: they hold for parsed, drawn and mutated ones alike. */
#define WT_EXPR_MAX_NODES 64
#define WT_EXPR_MAX_DEPTH 16
#define WT_EXPR_MAX_NUMBER 1e30f
#define WT_EXPR_MAX_INPUTS 64

/*
 * What names mean where an expression stands: input i is variables[i]. Names are of letters, digits and '_', none an
 * operator's.
 */
typedef struct wt_domain {
    const char *name;                /* "tensor", "channel", "element", "column": for messages and docs */
    const char *const *variables;    /* [count], as people write them */
    const char *const *descriptions; /* [count], one line each, with units, for the docs */
    size_t count;                    /* at most WT_EXPR_MAX_INPUTS */
} wt_domain;

typedef enum wt_op {
    WT_OP_NUMBER,
    WT_OP_VARIABLE,
    WT_OP_NEG,
    WT_OP_ADD,
    WT_OP_SUB,
    WT_OP_MUL,
    WT_OP_DIV,
    WT_OP_MIN,
    WT_OP_MAX,
    WT_OP_ABS,
    WT_OP_SQRT,
    WT_OP_LOG,
    WT_OP_EXP,
    WT_OP_TANH,
    WT_OP_POW,
    WT_OP_IF, /* if(truth, a, b) */
    WT_OP_LT,
    WT_OP_LE,
    WT_OP_GT,
    WT_OP_GE,
    WT_OP_EQ,
    WT_OP_NE, /* two numbers give a truth */
    WT_OP_COUNT,
} wt_op;

/* A row of the table of operators, which parser, printer, mutators and docs read. */
typedef struct wt_op_info {
    const char *name; /* "+", "min"; of a number or variable: "number", "variable" */
    int arity;
    bool truth; /* gives a truth, which only if() takes */
    bool commutative;
    const char *help; /* one line, for the docs */
} wt_op_info;
const wt_op_info *wt_op_of(wt_op op);

typedef struct wt_expr_node {
    uint8_t op;       /* wt_op */
    uint8_t variable; /* of WT_OP_VARIABLE: its index in the domain */
    float number;     /* of WT_OP_NUMBER: within +-WT_EXPR_MAX_NUMBER, not -0 */
} wt_expr_node;

/*
 * A tree in prefix order: a node, then its operands' trees one after another. So a subtree is a range, and mutation and
 * crossover are splices. A plain value: copy it freely.
 */
typedef struct wt_expr {
    wt_expr_node nodes[WT_EXPR_MAX_NODES];
    size_t count;
} wt_expr;

/* How many nodes the subtree that begins at node `at` has; 0 where the tree ends too early. */
size_t wt_expr_span(const wt_expr *e, size_t at);

/* Whether it is one whole tree, typed, within the bounds, of numbers within range and variables that the domain has. */
bool wt_expr_valid(const wt_expr *e, const wt_domain *domain);

/* The most nodes on a way from the root to a leaf, 1 for a leaf alone. */
size_t wt_expr_depth(const wt_expr *e);

/*
 * Replaces the subtree at `at` of `into` by the subtree at `from` of `source` (which may be the same expression's
 * copy). False, with `into` untouched, where the result would break a bound or a type.
 */
bool wt_expr_splice(wt_expr *into, size_t at, const wt_expr *source, size_t from);

/* Where a text begins in the file that people see; 1-based. */
typedef struct wt_place {
    uint32_t line, column;
} wt_place;

/*
 * Parses `len` bytes. Errors: "line 3, column 17: expected a number, a variable or '(' but found 'foo'", with a hint
 * that lists the domain's variables where a name is unknown. `start` is where the text begins.
 */
int wt_expr_parse(wt_expr *out, const wt_domain *domain, const char *text, size_t len, wt_place start, wt_error *err);

/*
 * Writes it as text, snprintf's way: at most cap bytes with the NUL; returns the length it needs. Parsing it gives it
 * back.
 */
size_t wt_expr_print(const wt_expr *e, const wt_domain *domain, char *buffer, size_t cap);

/*
 * The canonical form of a valid expression, in place: constants folded by the very arithmetic that programs have,
 * operands of commutative operators and comparisons in a fixed order, what does nothing gone (x + 0, x*1, --x, abs
 * under sqrt). Idempotent, never larger or deeper, and never changes a bit of a result, whatever the input.
 */
void wt_expr_canonical(wt_expr *e);

/* A total order over expressions: 0 where they are the same, node by node. */
int wt_expr_compare(const wt_expr *a, const wt_expr *b);

/* ---- drawing and varying: what comes out is valid, canonical and a function of the stream alone ---- */

/* Draws one of at most max_nodes nodes (at least 1; more than WT_EXPR_MAX_NODES counts as that). */
void wt_expr_random(wt_expr *out, const wt_domain *domain, wt_rng *rng, size_t max_nodes);

/*
 * One small change of a valid expression, in place: a subtree drawn anew, another operator of the same type and arity,
 * another variable, a number scaled or shifted, a subtree put in the place of the whole or of its parent, or something
 * wrapped around one. The result differs from what was given wherever a few tries find such a change.
 */
void wt_expr_mutate(wt_expr *e, const wt_domain *domain, wt_rng *rng);

/*
 * Swaps a subtree of `a` with one of `b` of the same type: two valid expressions of one domain give two. `second` may
 * be NULL.
 */
void wt_expr_cross(const wt_expr *a, const wt_expr *b, wt_rng *rng, wt_expr *first, wt_expr *second);

/*
 * How far apart two valid expressions are, 0..1: 0 for equal ones, symmetric. Half of it is behaviour, the mean of
 * |a-b| / (|a|+|b|) over fixed sample inputs; half is form, the share of (operator, parent) pairs that only one of them
 * has.
 */
double wt_expr_distance(const wt_expr *a, const wt_expr *b, const wt_domain *domain);

/* ---- programs ---- */

#define WT_PROGRAM_PLACES 64
/* At most a step for each node, those that keep an operator's result, and the end. */
#define WT_PROGRAM_STEPS (2 * WT_EXPR_MAX_NODES)

/*
 * A step of a machine with one register: the register takes a value made of itself and of places a to d, or place d
 * takes it. Codes are those of program_private.h.
 */
typedef struct wt_step {
    uint16_t code;
    uint8_t a, b, c, d;
} wt_step;

/*
 * A verified flat program; a plain value. Its places: the leaves, which are inputs and then numbers, and the slots, which
 * steps write; place `places` is the result, which the last step writes. There are two lists of steps for the same
 * function: `careful` ones saturate after each operation, `fast` ones only where they must while no input is beyond
 * fast_limit, and do up to three operations in one.
 */
typedef struct wt_program {
    wt_step careful[WT_PROGRAM_STEPS], fast[WT_PROGRAM_STEPS];
    struct {
        uint8_t input, spread; /* an input's; a number's: whether fast steps read a tile of it, not one value */
        float number;
    } leaves[WT_PROGRAM_PLACES]; /* [places - slots]; inputs are the first `rows` */
    size_t rows;
    size_t careful_count, fast_count, slots, fast_slots, places; /* fast steps use the first fast_slots */
    float fast_limit;
    uint64_t inputs; /* bit i: input i is read; others may be NULL when it runs */
} wt_program;

/* Compiles a valid expression (see wt_expr_valid; -1 where it is not one). */
int wt_program_compile(wt_program *program, const wt_expr *e, const wt_domain *domain, wt_error *err);

/* Whether running it stays within its places, and every slot is written before it is read. Compiled programs are. */
bool wt_program_verify(const wt_program *program);

/*
 * One input of a run: n values, or one for all of them. Where the caller knows that all are numbers and none is larger
 * in magnitude than `most`, it spares the run looking them over (which, for cheap rules, is a third of the work); 0:
 * not known. The result is the same either way, but a promise that does not hold may give infinities.
 */
typedef struct wt_row {
    const float *values;
    bool scalar;
    float most;
} wt_row;

/*
 * out[i] for i < n, inputs [domain's count]. `out` may be one of the inputs (the same address). Thread-safe; no
 * allocation, 70 KB of stack.
 */
void wt_program_run(const wt_program *program, const wt_row *inputs, size_t n, float *out);

/* As wt_program_run with the kernels of `level`, which this processor must have. */
void wt_program_run_at(const wt_program *program, wt_cpu_level level, const wt_row *inputs, size_t n, float *out);

#endif
