/*
 * The codes of steps beside those of wt_op, and the machine for each instruction set. Fused steps are for ADD, SUB, MUL, MIN and MAX,
 * numbered 0..4 in the codes below; 5 is SUB with its operands the other way around.
 */
#ifndef WT_STRATEGY_PROGRAM_PRIVATE_H
#define WT_STRATEGY_PROGRAM_PRIVATE_H

#include "strategy/expression.h"

#define WT_PROGRAM_SLOTS 32 /* a slot in use holds at least two nodes of the tree */
#define WT_PROGRAM_OUT 255  /* in `to`: where the result goes */

/* WT_OP_VARIABLE copies place a, a number or an input. A comparison's code picks. */
#define WT_STEP_CLAMPED(op) (0x80 | (op))                        /* ADD, SUB and MUL: saturates */
#define WT_STEP_ABS(op) (100 + (op))                             /* abs(a) op b */
#define WT_STEP_SQRT(op) (106 + (op))                            /* sqrt(a) op b */
#define WT_STEP_THREE(first, second) (32 + (first)*6 + (second)) /* (a first b) second c */
#define WT_STEP_FOUR(first, middle, last)                                                                              \
    (64 + (first)*9 + (middle)*3 + (last)) /* (a first b) middle (c last d); 0..2 each */

void wt_program_run_reference(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx2(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx512(const wt_program *program, const wt_row *inputs, size_t n, float *out);

#endif
