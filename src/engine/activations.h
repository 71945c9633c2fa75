/*
 * The roundings of llama.cpp's CPU kernels, so that our figures can be those that people get. Before a matrix product
 * llama.cpp rounds the input rows to a type that goes with the weights' (8-bit blocks for quantized weights, 16-bit
 * floats for 16-bit weights), and its cache may hold keys and values as blocks. Here a rounding takes floats to
 * the floats that the rounded form stands for; products are then computed in fp32, as llama.cpp accumulates them.
 */
#ifndef WT_ENGINE_ACTIVATIONS_H
#define WT_ENGINE_ACTIVATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/types.h"

/* How the inputs of matrix products are treated. */
typedef enum wt_activations {
    WT_ACTIVATIONS_F32, /* exactly */
    WT_ACTIVATIONS_Q8,  /* as llama.cpp's CPU kernels treat them */
    WT_ACTIVATIONS_Q8_ALL, /* the same as if every matrix were quantized, whatever its type: 8-bit blocks */
} wt_activations;

typedef enum wt_rounding {
    WT_ROUND_NONE,
    WT_ROUND_F16,
    WT_ROUND_BF16,
    WT_ROUND_Q8_0, /* blocks of 32, scale in F16 */
    WT_ROUND_Q8_1, /* the same values, for weights with minima: see wt_q8_1_excess */
    WT_ROUND_Q8_K, /* blocks of 256, scale in F32 */
    WT_ROUND_Q4_0, /* this one and those below: blocks of 32, for the cache alone */
    WT_ROUND_Q4_1,
    WT_ROUND_Q5_0,
    WT_ROUND_Q5_1,
    WT_ROUND_IQ4_NL,
    WT_ROUNDINGS,
} wt_rounding;

/* What llama.cpp does to the input of a product with weights of type `weights`. */
wt_rounding wt_rounding_of_input(wt_type weights);

/* What a cache of type `cache` does to the values that it holds; false where llama.cpp's cannot be of that type. */
bool wt_rounding_of_cache(wt_type cache, wt_rounding *rounding);

/* Values that are rounded together: rows have a multiple of so many. 1 where each is by itself. */
size_t wt_rounding_block(wt_rounding rounding);

/*
 * y [n] = x [n] rounded; n is a multiple of wt_rounding_block. y may be x. A block with an infinity or a NaN comes out
 * with a NaN. Thread-safe.
 */
void wt_round(wt_rounding rounding, const float *x, float *y, size_t n);

/*
 * Q8_1 keeps the sum of a block's values beside them, for the weights' minimum to be multiplied with, and rounds it to F16: so
 * minima meet another sum than the codes' values have. excess [n / 32] is that difference, block by block.
 */
void wt_q8_1_excess(const float *x, float *excess, size_t n);

/* The minima, [n / 32], that blocks of WT_ROUND_Q4_1 and WT_ROUND_Q5_1 get. */
void wt_round_minima(const float *x, float *minima, size_t n);

/*
 * gate[i] = gelu(gate[i]) * up[i] where GELU comes from llama.cpp's table of F16: argument and value are rounded to
 * F16, and beyond +-10 GELU is the argument or 0. In place.
 */
void wt_gelu_table_mul(float *gate, const float *up, size_t n);

#endif
