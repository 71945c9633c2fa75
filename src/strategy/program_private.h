/*
 * What a program becomes for a stretch of a row: micro-operations over tiles. A tile is as many floats as eight vector registers
 * hold, the accumulator is those registers, and every place is the address of a tile in memory (an input's own memory where that can
 * be), so that an operation is one load and one instruction per vector, and its dispatch is paid once per tile.
 */
#ifndef WT_STRATEGY_PROGRAM_PRIVATE_H
#define WT_STRATEGY_PROGRAM_PRIVATE_H

#include "strategy/expression.h"

#define WT_PROGRAM_SLOTS 32
#define WT_TILE_MAX 128 /* floats: eight vectors of AVX-512 */

void wt_program_run_reference(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx2(const wt_program *program, const wt_row *inputs, size_t n, float *out);
void wt_program_run_avx512(const wt_program *program, const wt_row *inputs, size_t n, float *out);

#endif
