/*
 * Which rows of a book are the best for a group of weights, under any scale. Under a scale s a row costs s^2 a - 2 s b
 * (and what the weights cost alone), where a = sum w v v and b = sum w x v: divided by s, a line in s. The best row for
 * every scale is therefore the lower envelope of some hundred lines, of which about ten lie on it. Between two scales
 * whose best rows are known the others are found by looking for the lowest line where two neighbours of the envelope
 * meet.
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

float wt_book_look(const wt_book_kernels *k, const wt_book_group *groups, size_t n, float s, wt_book_point *point,
                   wt_book_envelope *e) {
    wt_book_best best = {.y = INFINITY};
    size_t group = 0;
    if (e->n > 0) { /* the last one found is not far from the best, so that hardly another is looked at */
        group = e->at[e->n - 1] / WT_BOOK_ROWS;
        best.at = e->at[e->n - 1] % WT_BOOK_ROWS;
        best.y = wt_book_cost(&groups[group], best.at, s);
    }
    for (size_t i = 0; i < n; i++) {
        wt_book_best own = {.y = best.y, .at = i == group ? best.at : 0}; /* another book's row is not beaten by an equal */
        if (k->lowest(&groups[i], s, &own)) best = own, group = i;
    }
    point->at = (uint16_t)(group * WT_BOOK_ROWS + best.at);
    point->a = wt_book_a(&groups[group], best.at);
    point->b2 = wt_book_b2(&groups[group], best.at);
    bool known = e->n == LINES;
    for (int i = 0; i < e->n && !known; i++) known = e->at[i] == point->at;
    if (!known) keep(point->a, point->b2, point->at, e);
    return best.y;
}

/* What a line has to be lower than at s to count as lower than two others: rounding can make a line lower than itself. */
static float limit_of(float s, float a1, float b1, float a2, float b2) {
    float y1 = s * a1 - b1, y2 = s * a2 - b2;
    return (y1 < y2 ? y1 : y2) - 1e-6f * fabsf(b1);
}

/* The lines that lie under two of the envelope between the places where each of the two is lowest. */
static void keep_between(const lines *l, float a1, float b1, float a2, float b2, wt_book_envelope *e) {
    if (e->n == LINES || !(a1 > a2)) return;
    float s = (b1 - b2) / (a1 - a2);
    size_t at = l->kernels->lowest_line(l->a, l->b2, l->n, s);
    float a = l->a[at], b = l->b2[at];
    if (!(s * a - b < limit_of(s, a1, b1, a2, b2))) return;
    keep(a, b, l->at[at], e);
    keep_between(l, a1, b1, a, b, e);
    keep_between(l, a, b, a2, b2, e);
}

/*
 * A line that is under the two at the ends of the envelope anywhere is so where these two meet: only those that are
 * take part in what follows.
 */
void wt_book_fill_between(const wt_book_kernels *k, const wt_book_group *groups, size_t n, const wt_book_point *low,
                          const wt_book_point *high, wt_book_envelope *e) {
    lines l;
    uint32_t at[WT_BOOK_ROWS + LANES];
    float a1 = low->a, b1 = low->b2, a2 = high->a, b2 = high->b2;
    if (low->at == high->at || !(a1 > a2)) return;
    float s = (b1 - b2) / (a1 - a2), limit = limit_of(s, a1, b1, a2, b2);
    l.kernels = k;
    l.n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t found = k->below(&groups[i], s, limit, at);
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
