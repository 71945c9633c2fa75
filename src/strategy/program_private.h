/*
 * The codes of steps, and the machine for each instruction set. A step acts on a register, and on places in memory: a
 * to d. Operators that need not saturate are numbered in the codes: with the register and a place ADD, SUB, MUL, MIN,
 * MAX 0..4, and 5 is SUB with its operands the other way around; of two places those of wt_pair. Comparisons are
 * numbered LT, LE, EQ, NE 0..3, and GT, GE 4, 5 where operands cannot change sides.
 */
#ifndef WT_STRATEGY_PROGRAM_PRIVATE_H
#define WT_STRATEGY_PROGRAM_PRIVATE_H

#include "strategy/expression.h"

#define WT_PROGRAM_SLOTS 32 /* a slot in use holds at least two nodes of the tree */

enum {
    WT_STEP_LOAD,     /* a */
    WT_STEP_LOAD_ABS, /* abs(a) */
    WT_STEP_NEG,      /* of the register, as are those that follow */
    WT_STEP_ABS,
    WT_STEP_SQRT,
    WT_STEP_LOG,
    WT_STEP_EXP,
    WT_STEP_TANH,
    WT_STEP_DIV,        /* register / a */
    WT_STEP_INTO,       /* a / register */
    WT_STEP_POW,        /* pow(register, a) */
    WT_STEP_POWER_OF,   /* pow(a, register) */
    WT_STEP_ADD_WITHIN, /* these four saturate */
    WT_STEP_SUB_WITHIN,
    WT_STEP_MUL_WITHIN,
    WT_STEP_FROM_WITHIN, /* a - register */
    WT_STEP_LT,          /* register < a ? b : c */
    WT_STEP_LE,
    WT_STEP_GT,
    WT_STEP_GE,
    WT_STEP_EQ,
    WT_STEP_NE,
    WT_STEP_KEEP, /* the register to d, which is a slot */
    WT_STEP_OUT   /* the register to d, which is the result: the last step, as are those that end in OUT below */
};

/* Of places x and y. Squares and multiples by numbers are common, and load one place alone from memory. */
typedef enum wt_pair {
    WT_PAIR_ADD,
    WT_PAIR_SUB,
    WT_PAIR_MUL,
    WT_PAIR_SQUARE, /* x*x */
    WT_PAIR_SCALE,  /* x*y, x being a number */
    WT_PAIR_MIN,
    WT_PAIR_MAX,
    WT_PAIR_FIRST /* x */
} wt_pair;

#define WT_STEP_APPLY(op) (32 + (op))                            /* register op a */
#define WT_STEP_APPLY_NUMBER(op) (38 + (op))                     /* the same, a being a number */
#define WT_STEP_SQRT_APPLY(op) (44 + (op))                       /* sqrt(register) op a */
#define WT_STEP_LOAD_2(pair) (50 + (pair))                       /* a pair b; up to MAX */
#define WT_STEP_LOAD_3(pair, op) (57 + (pair)*6 + (op))          /* (a pair b) op c; up to MAX */
#define WT_STEP_CHAIN(first, second) (99 + (first)*6 + (second)) /* (register first a) second b */
#define WT_STEP_JOIN(op, pair) (135 + (op)*7 + (pair))           /* register op (a pair b); up to MAX */
#define WT_STEP_LOAD_4(first, op, last)                                                                                \
    (177 + (first)*15 + (op)*5 + (last)) /* (a first b) op (c last d); up to SCALE, MUL */
#define WT_STEP_JOIN_3(op, pair, last)                                                                                 \
    (252 + (op)*15 + (pair)*3 + (last))                                /* register op ((a pair b) last c); likewise */
#define WT_STEP_PICK(comparison, pair) (297 + (comparison)*8 + (pair)) /* a comparison b ? (c pair d) : register */
#define WT_STEP_PICK_SQUARE(comparison, pair)                                                                          \
    (329 + (comparison)*8 + (pair))         /* a*a comparison b ? (c pair d) : register */
#define WT_STEP_PICK_OWN(comparison) (377 + (comparison)) /* a*a comparison b ? a*c : register: one load of a */
#define WT_STEP_KEEP_2(pair) (383 + (pair)) /* a pair b to d, which is a slot; up to MAX; leaves the register */
#define WT_STEP_APPLY_OUT(op) (390 + (op))
#define WT_STEP_APPLY_NUMBER_OUT(op) (396 + (op))
#define WT_STEP_JOIN_OUT(op, pair) (402 + (op)*7 + (pair))
#define WT_STEP_END 444

void wt_program_run_reference(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx2(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx512(const wt_program *program, const wt_row *inputs, size_t n, float *out);

#endif
