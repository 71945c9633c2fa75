/*
 * Which rows of a book are the best for a group of weights, under any scale. Under a scale s a row costs s^2 a - 2 s b (and what
 * the weights cost alone), where a = sum w v v and b = sum w x v: divided by s, a line in s. The best row for every scale is
 * therefore the lower envelope of some hundred lines, of which about ten lie on it. They are found by looking for the lowest line
 * where two neighbours of the envelope meet.
 */
#include <math.h>

#include "quant/encode_codebook.h"

enum { LANES = WT_BOOK_LANES, LINES = WT_BOOK_LINES, ALL = 2 * WT_BOOK_ROWS + WT_BOOK_LANES };

/* Lines that can be on the envelope. */
typedef struct lines {
    const wt_book_kernels *kernels;
    size_t n; /* a multiple of LANES */
    float a[ALL], b2[ALL];
    uint16_t at[ALL];
} lines;

static void keep(float a, float b2, size_t at, wt_book_envelope *e) {
    e->a[e->n] = a;
    e->b2[e->n] = b2;
    e->at[e->n++] = (uint16_t)at;
}

/* The lines that lie under two of the envelope between the places where each of the two is lowest. */
static void keep_between(const lines *l, float a1, float b1, float a2, float b2, wt_book_envelope *e) {
    if (e->n == LINES || !(a1 > a2)) return;
    float s = (b1 - b2) / (a1 - a2), y1 = s * a1 - b1, y2 = s * a2 - b2;
    size_t at = l->kernels->lowest_line(l->a, l->b2, l->n, s);
    float a = l->a[at], b = l->b2[at];
    if (!(s * a - b < (y1 < y2 ? y1 : y2) - 1e-6f * b1)) return; /* rounding can make a line lower than itself */
    keep(a, b, l->at[at], e);
    keep_between(l, a1, b1, a, b, e);
    keep_between(l, a, b, a2, b2, e);
}

/* The lowest row of all groups at s, and its line; returns its group. */
static size_t lowest(const wt_book_kernels *k, const wt_book_group *groups, size_t n, float s, wt_book_best *best,
                     float *a, float *b2) {
    size_t group = 0;
    best->y = INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (k->lowest(&groups[i], s, best)) group = i;
    }
    *a = wt_book_a(&groups[group], best->at);
    *b2 = wt_book_b2(&groups[group], best->at);
    return group;
}

/*
 * A line that is under the two at the ends of the envelope anywhere is so where these two meet: only those that are take
 * part in what follows.
 */
void wt_book_find_envelope(const wt_book_kernels *k, const wt_book_group *groups, size_t n, float lo, float hi,
                           wt_book_envelope *e) {
    lines l;
    uint32_t at[WT_BOOK_ROWS + LANES];
    wt_book_best first, second;
    float a1, b1, a2, b2;
    size_t of_first = lowest(k, groups, n, lo, &first, &a1, &b1);
    size_t of_second = lowest(k, groups, n, hi, &second, &a2, &b2);
    e->n = 0;
    keep(a1, b1, of_first * WT_BOOK_ROWS + first.at, e);
    if (of_first == of_second && first.at == second.at) return;
    keep(a2, b2, of_second * WT_BOOK_ROWS + second.at, e);
    if (!(a1 > a2)) return;
    float s = (b1 - b2) / (a1 - a2), y1 = s * a1 - b1, y2 = s * a2 - b2;
    l.kernels = k;
    l.n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t found = k->below(&groups[i], s, y1 < y2 ? y1 : y2, at);
        for (size_t j = 0; j < found; j++, l.n++) {
            l.a[l.n] = wt_book_a(&groups[i], at[j]);
            l.b2[l.n] = wt_book_b2(&groups[i], at[j]);
            l.at[l.n] = (uint16_t)(i * WT_BOOK_ROWS + at[j]);
        }
    }
    if (l.n == 0) return;
    for (; l.n % LANES != 0; l.n++) l.a[l.n] = 0.0f, l.b2[l.n] = -INFINITY; /* never the lowest */
    keep_between(&l, a1, b1, a2, b2, e);
}
