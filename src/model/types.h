/*
 * The one table of tensor types: what number a GGUF file gives them, how many weights a block holds and how many bytes it
 * takes. Nothing else in the program knows a block's size. What a block means is quant/'s business.
 */
#ifndef WT_MODEL_TYPES_H
#define WT_MODEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers as stored in GGUF files (ggml's). Gaps are types that were withdrawn. */
typedef enum wt_type {
    WT_F32 = 0,
    WT_F16 = 1,
    WT_Q4_0 = 2,
    WT_Q4_1 = 3,
    WT_Q5_0 = 6,
    WT_Q5_1 = 7,
    WT_Q8_0 = 8,
    WT_Q2_K = 10,
    WT_Q3_K = 11,
    WT_Q4_K = 12,
    WT_Q5_K = 13,
    WT_Q6_K = 14,
    WT_IQ2_XXS = 16,
    WT_IQ2_XS = 17,
    WT_IQ3_XXS = 18,
    WT_IQ1_S = 19,
    WT_IQ4_NL = 20,
    WT_IQ3_S = 21,
    WT_IQ2_S = 22,
    WT_IQ4_XS = 23,
    WT_I8 = 24,
    WT_I16 = 25,
    WT_I32 = 26,
    WT_I64 = 27,
    WT_F64 = 28,
    WT_IQ1_M = 29,
    WT_BF16 = 30,
    WT_TQ1_0 = 34,
    WT_TQ2_0 = 35,
    WT_MXFP4 = 39,
    WT_NVFP4 = 40,
    WT_Q1_0 = 41,
    WT_Q2_0 = 42,
    WT_TYPE_LIMIT = 43, /* one past the highest number */
} wt_type;

typedef struct wt_type_info {
    const char *name;      /* as people write it: "Q4_K" */
    uint32_t block;        /* weights in a block */
    uint32_t block_bytes;  /* bytes in a block */
} wt_type_info;

/* The row of a type; NULL for a number that is unknown or withdrawn. Static storage. */
const wt_type_info *wt_type_find(uint32_t number);

/* The number of a type by name, case-insensitive; -1 for an unknown one. */
int wt_type_by_name(const char *name);

/* Stores the bytes of a row of `n` weights; false where n is no whole number of blocks or the product overflows. */
bool wt_type_row_bytes(wt_type type, uint64_t n, uint64_t *bytes);

#endif
