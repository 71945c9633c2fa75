/*
 * The codes of steps, and the machine for each instruction set. A step acts on a register, and on places in memory: a to d. Sums and the
 * like that need not saturate are numbered ADD, SUB, MUL, MIN, MAX 0..4 in the codes below; 5 is SUB with its operands the
 * other way around, or, where two places are meant, the first alone. Comparisons are numbered LT, LE, EQ, NE 0..3.
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
    WT_STEP_KEEP, /* the register to a, which is a slot */
    WT_STEP_OUT   /* the register to a, which is the result: the last step */
};

#define WT_STEP_APPLY(op) (32 + (op))                             /* register op a */
#define WT_STEP_SQRT_APPLY(op) (38 + (op))                        /* sqrt(register) op a */
#define WT_STEP_LOAD_2(op) (44 + (op))                            /* a op b; 0..4 */
#define WT_STEP_LOAD_3(first, second) (49 + (first)*6 + (second)) /* (a first b) second c; first 0..4 */
#define WT_STEP_CHAIN(first, second) (79 + (first)*6 + (second))  /* (register first a) second b */
#define WT_STEP_JOIN(first, second) (115 + (first)*5 + (second))  /* register first (a second b); second 0..4 */
#define WT_STEP_LOAD_4(first, middle, last)                                                                            \
    (145 + (first)*9 + (middle)*3 + (last)) /* (a first b) middle (c last d); 0..2 each */
#define WT_STEP_JOIN_3(first, second, third)                                                                           \
    (172 + (first)*9 + (second)*3 + (third)) /* register first ((a second b) third c); 0..2 each */
#define WT_STEP_PICK(comparison, op) (199 + (comparison)*6 + (op)) /* a comparison b ? (c op d) : register */
#define WT_STEP_END 223

void wt_program_run_reference(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx2(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx512(const wt_program *program, const wt_row *inputs, size_t n, float *out);

#endif
