/*
 * Block encoders: from weights to a block's bytes, so that the weighted error, sum of w[i] (x[i] - q[i])^2, is small. What
 * an error weighs is the caller's (quant/importance.h has the rules of people); how long to search is a parameter too,
 * because strategies decide both. Every variant for an instruction set writes the same bytes.
 */
#ifndef WT_QUANT_ENCODE_H
#define WT_QUANT_ENCODE_H

#include "quant/codec.h"

/*
 * The search for a block's scale. Candidates are the inverse scales (c + t) / a, where a is the largest magnitude (types
 * with a minimum: the range) of the weights that share the scale, c the type's largest code, and t runs from lo to hi in
 * `steps` equal steps (one step: lo alone). For each candidate the weights are rounded to codes and the scale is refitted in
 * closed form.
 */
typedef struct wt_search {
    float lo, hi;
    int steps;      /* >= 1 */
    int passes;     /* rounds of refinement of codes and scales against each other, >= 0 */
    float bias;     /* final factor on the scale of the (super-)block; 1: none */
    bool symmetric; /* codes of a grid that is symmetric about 0: the odd lowest code, or a minimum of its own, is not used */
} wt_search;

/* How a type is encoded. */
typedef struct wt_encoder {
    bool exists;           /* false for types that are not quantized into (integers, F64) */
    bool needs_importance; /* so few bits that stock tools refuse to encode without an importance matrix */
    wt_search search;      /* thorough: what strategies start from */
} wt_encoder;

/* The encoder of a type, never NULL. Thread-safe. */
const wt_encoder *wt_encoder_of(wt_type type);

/*
 * Encodes n weights (a whole number of blocks of one row) from x to dst (any alignment). `search` NULL: the default, which
 * is short enough to be faster than stock tools: a few candidates for Q4_0, Q4_1, Q5_0 and Q5_1 where all weights count alike
 * and for Q2_K to Q5_K where w is what stock tools make of x without importance (to the bit); fewer than traits.search has for Q3_K and
 * Q6_K, and a pass less for types with a codebook. A search that is given is made whatever the weights. w [n] are finite
 * and >= 0 (NULL: all 1); a block whose weights are all 0 is encoded as if they were 1. x is finite. Thread-safe.
 */
void wt_encode(wt_type type, const float *x, const float *w, size_t n, const wt_search *search, void *dst);

/* As wt_encode with the kernels of `level`, which this processor must have; for tests and benchmarks. */
void wt_encode_at(wt_type type, wt_cpu_level level, const float *x, const float *w, size_t n, const wt_search *search,
                  void *dst);

/* sum of w[i] (x[i] - q[i])^2 over n weights encoded at `blocks`, in double. */
double wt_encoding_error(wt_type type, const float *x, const float *w, size_t n, const void *blocks);

#endif
