/*
 * Between the encoders (plain C, one family a file) and the kernels that they spend their time in (one file an instruction set).
 * A family's file fills its rows of the table of encoders; an instruction set's file fills the kernels it has.
 */
#ifndef WT_QUANT_ENCODE_PRIVATE_H
#define WT_QUANT_ENCODE_PRIVATE_H

#include "quant/encode.h"

typedef struct wt_encode_kernels wt_encode_kernels;

#define WT_PIECE 512

/* Encodes whole blocks, at most WT_PIECE weights (blocks of one weight: any number); w is never NULL and no block's weights are all 0. */
typedef void (*wt_encode_fn)(const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                             const wt_search *search, void *dst);

/* The same of weights that all count alike, by the type's default search for these. */
typedef void (*wt_encode_even_fn)(const wt_encode_kernels *k, const float *x, size_t n, void *dst);

typedef struct wt_encoder_row {
    wt_encode_fn encode;
    wt_encoder traits;
    wt_encode_even_fn even; /* NULL: `encode` */
    wt_encode_fn
        plain; /* of weights that are what stock has without importance, where no search is given; NULL: `encode` */
    wt_encode_fn brief; /* of others where no search is given; NULL: `encode` */
    const wt_search *usual; /* where no search is given; NULL: that of the traits */
} wt_encoder_row;

/* Weights x [n] and importance w [n], or NULL, as encoders get them, n <= 256, a whole number of runs of 16. */
void wt_encode_prepare(const float *x, const float *w, size_t n, float *weights, float *importance);

/* Each fills its rows of a table of WT_TYPE_LIMIT. */
void wt_encoders_float(wt_encoder_row *table);    /* F32, F16, BF16 */
void wt_encoders_legacy(wt_encoder_row *table);   /* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 */
void wt_encoders_ternary(wt_encoder_row *table);  /* Q1_0, Q2_0, TQ1_0, TQ2_0 */
void wt_encoders_k(wt_encoder_row *table);        /* Q2_K to Q6_K */
void wt_encoders_iq4(wt_encoder_row *table);      /* IQ4_NL, IQ4_XS, MXFP4, NVFP4 */
void wt_encoders_codebook(wt_encoder_row *table); /* IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S */

#endif
