/*
 * Between the codebook types (encode_codebook.c: what a block's bytes are) and the search for the best codes of 256 weights
 * (encode_codebook_search.c), which knows of bytes nothing.
 */
#ifndef WT_QUANT_ENCODE_CODEBOOK_H
#define WT_QUANT_ENCODE_CODEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quant/encode_private.h"

enum {
    WT_BOOK_ROWS = 4096,  /* at most, and a multiple of WT_BOOK_LANES */
    WT_BOOK_GROUPS = 64,  /* of a block, at most */
    WT_BOOK_RUNS = 16,    /* of a block, at most */
    WT_BOOK_LANES = 16
};

/* A codebook: values [width][rows], one weight's after another's, so that rows lie side by side. */
typedef struct wt_book {
    size_t rows, width;
    const float *values;
} wt_book;

/*
 * How 256 weights are cut. A run shares an integer scale 2 k + 1, k < levels; a weight is d (2 k + 1) unit times the value in
 * its group's row of the book, with a sign where the book has magnitudes only.
 */
typedef struct wt_book_shape {
    const wt_book *book;
    size_t run; /* weights: 16 or 32 */
    int levels; /* <= WT_BOOK_LANES */
    float unit;
    enum {
        WT_SIGNS_IN_BOOK, /* any row for any group */
        WT_SIGNS_HALVES,  /* the same, but a run's rows are all of the book's first half, or all of its second */
        WT_SIGNS_FREE,    /* a sign for each weight */
        WT_SIGNS_EVEN     /* the number of minus signs of 8 weights is even */
    } signs;
    float lo, hi; /* between which multiples of (largest weight / largest value) a run's scale may usefully lie */
} wt_book_shape;

/* What the search found: row of each group, signs of each 8 weights, k of each run. */
typedef struct wt_book_codes {
    uint16_t d;
    uint8_t k[WT_BOOK_RUNS], signs[32];
    uint16_t rows[WT_BOOK_GROUPS];
} wt_book_codes;

/* A codebook type: how its weights are cut, and how codes become bytes. */
typedef struct wt_book_type {
    wt_book_shape shape;
    void (*pack)(const wt_book_codes *codes, void *dst);
    size_t bytes; /* of a block */
} wt_book_type;

/* NULL for other types. Thread-safe. */
const wt_book_type *wt_book_type_of(wt_type type);

/* The codes of 256 weights x with importance w. */
void wt_book_search(const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w,
                    const wt_search *search, wt_book_codes *codes);

/* The inner loops, a file an instruction set; all give the same bits: sums in order, products and sums never fused. */
typedef struct wt_book_kernels {
    /*
     * The lines s a - b2 of rows from.. of a book for a group of weights, a, b2 [rows]: a = sum w v v, b2 = 2 sum w x v,
     * where `flip` takes the smallest term of that sum with the other sign. rows is a multiple of WT_BOOK_LANES.
     */
    void (*lines)(const wt_book *book, size_t from, size_t rows, const float *x, const float *w, bool flip, float *a,
                  float *b2);
    /* The lowest line at s, the first of equals. */
    size_t (*lowest)(const float *a, const float *b2, size_t rows, float s);
    /* The lines that are below `limit` at s, in order: how many, and their a, b2 and rows; out arrays [rows]. */
    size_t (*below)(const float *a, const float *b2, size_t rows, float s, float limit, float *out_a, float *out_b2,
                    uint32_t *out_row);
    /* sum[j] += the lowest of n lines at s[j], WT_BOOK_LANES of them. */
    void (*add_lowest)(const float *a, const float *b2, int n, const float *s, float *sum);
} wt_book_kernels;

extern const wt_book_kernels wt_book_kernels_avx2, wt_book_kernels_avx512;

const wt_book_kernels *wt_book_kernels_of(const wt_encode_kernels *k);

#endif
