/*
 * Between the codebook types (encode_codebook.c: what a block's bytes are) and the search for the best codes of 256
 * weights (encode_codebook_search.c), which knows of bytes nothing.
 */
#ifndef WT_QUANT_ENCODE_CODEBOOK_H
#define WT_QUANT_ENCODE_CODEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quant/encode_private.h"

enum {
    WT_BOOK_ROWS = 2048, /* at most */
    WT_BOOK_HALF = 96,   /* different halves of rows, at most, and a multiple of WT_BOOK_LANES */
    WT_BOOK_GROUPS = 64, /* of a block, at most */
    WT_BOOK_RUNS = 16,   /* of a block, at most */
    WT_BOOK_LANES = 16,
    WT_BOOK_LIST = 4
};

/*
 * A codebook. Rows are cut into halves, of which there are far fewer than rows: what a row costs is what its two halves
 * cost. Rows are sorted by their first half, so that those with a hopeless first half are passed over without a look.
 */
typedef struct wt_book {
    size_t rows, width, first_row;                     /* first_row: what its row 0 is called */
    size_t n_digits;
    float digits[8];                                   /* a weight's values, ascending */
    size_t n[2];                                       /* halves, filled up to 64 or WT_BOOK_HALF with the first one */
    float values[2][4][WT_BOOK_HALF];                  /* [half][weight] */
    uint16_t start[WT_BOOK_HALF + 1];                  /* rows with first half i: start[i] .. start[i + 1] - 1 */
    uint8_t first[WT_BOOK_ROWS], second[WT_BOOK_ROWS + WT_BOOK_LANES]; /* a row's halves */
    uint16_t list[WT_BOOK_HALF + 1]; /* second halves that go with first half i: listed[list[i]] .. */
    uint8_t
        listed[WT_BOOK_ROWS + WT_BOOK_HALF * WT_BOOK_LIST]; /* .., each list filled up to a multiple of WT_BOOK_LIST */
    uint16_t row[WT_BOOK_ROWS], at[WT_BOOK_ROWS];      /* what it is called, less first_row; and where what is called so lies */
} wt_book;

/* What a row is called in wt_book_codes: as in files, but for IQ1, where the second book's rows come after the first's. */
static inline uint16_t wt_book_row(const wt_book *b, size_t at) { return (uint16_t)(b->first_row + b->row[at]); }

/*
 * How 256 weights are cut. A run shares an integer scale 2 k + 1, k < levels; a weight is d (2 k + 1) unit times the
 * value in its group's row of the book, with a sign where the book has magnitudes only.
 */
typedef struct wt_book_shape {
    const wt_book *books[2]; /* the second is NULL, or IQ1's with the delta taken away */
    size_t run;              /* weights: 16 or 32 */
    int levels;              /* the k that a run may have in files: 8 or 16 */
    float unit;
    enum wt_book_signs {
        WT_SIGNS_IN_BOOK, /* any row for any group */
        WT_SIGNS_HALVES,  /* the same, but a run's rows are all of the first book, or all of the second */
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
    wt_search usual; /* what is looked for where no search is given */
    void (*pack)(const wt_book_codes *codes, void *dst);
    size_t bytes; /* of a block */
} wt_book_type;

/* NULL for other types. Thread-safe. */
const wt_book_type *wt_book_type_of(wt_type type);

/* The codes of 256 weights x with importance w. */
void wt_book_search(const wt_encode_kernels *k, const wt_book_shape *shape, const float *x, const float *w,
                    const wt_search *search, wt_book_codes *codes);

/*
 * The lines of a group of weights x with importance w, by halves: a row costs s (s a - b2), where a and b2 are what its
 * halves have together, a = sum w v v, b2 = 2 sum w x v. Where `flip` is set the weight with the smallest term of that
 * sum has the other sign: b2 is 4 least smaller, with the smaller `least` of the two halves, least = min w x v.
 */
typedef struct wt_book_group {
    const wt_book *book;
    bool flip;
    _Alignas(64) float a[2][WT_BOOK_HALF], b2[2][WT_BOOK_HALF], least[2][WT_BOOK_HALF];
} wt_book_group;

typedef struct wt_book_best {
    float y;   /* s a - b2 */
    size_t at; /* in the book */
} wt_book_best;

/*
 * The rows of a group that are best at some scale, as lines. `at` is a row's place in the first book, or WT_BOOK_ROWS more than
 * that in the second.
 */
typedef struct wt_book_part {
    int n;
    float a[WT_BOOK_LANES], b2[WT_BOOK_LANES];
    uint16_t at[WT_BOOK_LANES];
    uint8_t best
        [WT_BOOK_LANES]; /* which line is, at each of the run's scales; of no use where a part has lines of two books */
} wt_book_part;

/* A choice of rows that is made as one: the best of `ways`, each the sum of `parts` groups; ways * parts lie side by side. */
typedef struct wt_book_unit {
    wt_book_part *first;
    size_t group; /* the first */
    uint8_t ways, parts;
    bool flips; /* way j flips a sign in part j */
} wt_book_unit;

/* The units of a run, and its error less the constant part: the best scale alone, and what some ascending scales cost. */
typedef struct wt_book_run {
    const wt_book_unit *units;
    size_t n;
    float scale;
    int steps; /* scales, <= WT_BOOK_LANES */
    float s[WT_BOOK_LANES], error[WT_BOOK_LANES];
    float least[WT_BOOK_LANES + 1]; /* [j]: at least what a scale between s[j - 1] and s[j] costs */
} wt_book_run;

/* The lowest rows at WT_BOOK_LANES scales: y = s a - b2, and where they are in the book. */
typedef struct wt_book_lows {
    float y[WT_BOOK_LANES], a[WT_BOOK_LANES], b2[WT_BOOK_LANES];
    int32_t at[WT_BOOK_LANES];
} wt_book_lows;

/* The inner loops, a file an instruction set; all give the same bits: sums in order, products and sums never fused. */
typedef struct wt_book_kernels {
    /* Fills a, b2 and, where flip is set, least, for x, w [width]. */
    void (*lines)(wt_book_group *g, const float *x, const float *w);
    /*
     * Makes *best the lowest row at s, the first of equals, if that is lower than *best or, being as low, comes before
     * it (y = infinity: there is none yet); whether it did.
     */
    bool (*lowest)(const wt_book_group *g, float s, wt_book_best *best);
    /* The lowest rows of weights x with importance w at s, where shifts are added to the book's values: [WT_BOOK_LANES]. */
    void (*lowest_each)(const wt_book *book, const float *x, const float *w, const float *s, const float *shifts,
                        bool flip, wt_book_lows *low);
    /*
     * The integer scales 2 k + 1, k < levels, that cost a run least when the block's scale is one[j], and what it costs then, less
     * the constant part: of the two around the run's own best scale; all that may be better where `thorough` is set.
     */
    void (*best_levels)(const wt_book_run *run, const float *one, int levels, bool thorough, float *k, float *error);
} wt_book_kernels;

/* What a row costs, as the kernels have it. */
static inline float wt_book_cost(const wt_book_group *g, size_t at, float s) {
    size_t i = g->book->first[at], j = g->book->second[at];
    float y = (s * g->a[0][i] - g->b2[0][i]) + (s * g->a[1][j] - g->b2[1][j]);
    if (!g->flip) return y;
    return y + 4.0f * (g->least[0][i] < g->least[1][j] ? g->least[0][i] : g->least[1][j]);
}

/* The value of weight i of a row. */
static inline float wt_book_value(const wt_book *b, size_t at, size_t i) {
    size_t half = b->width / 2;
    return i < half ? b->values[0][i][b->first[at]] : b->values[1][i - half][b->second[at]];
}

extern const wt_book_kernels wt_book_kernels_avx2, wt_book_kernels_avx512;

const wt_book_kernels *wt_book_kernels_of(const wt_encode_kernels *k);

#endif
