/* The inner loops of the codebook search in plain C, which the variants agree with bit for bit. */
#include <math.h>

#include "quant/encode_codebook_body.h"
#include "quant/encode_kernels.h"

static void lines(wt_book_group *g, const float *x, const float *w) {
    size_t width = g->book->width / 2;
    for (size_t half = 0; half < 2; half++, x += width, w += width) {
        for (size_t r = 0; r < g->book->n[half]; r++) {
            float a = 0.0f, b = 0.0f, least = INFINITY;
            for (size_t i = 0; i < width; i++) {
                float v = g->book->values[half][i][r], wv = w[i] * v, p = wv * x[i];
                a += wv * v;
                b += p;
                least = p < least ? p : least;
            }
            g->a[half][r] = a;
            g->b2[half][r] = 2.0f * b;
            if (g->flip) g->least[half][r] = least;
        }
    }
}

/* ---- rows that are low ---- */

/* What the halves cost at s, and the least that a row costs more than its first half. */
typedef struct row_costs {
    float c[2][WT_BOOK_HALF], second, flip;
} row_costs;

static void find_costs(const wt_book_group *g, float s, row_costs *out) {
    float least = INFINITY;
    out->second = INFINITY;
    for (size_t half = 0; half < 2; half++) {
        for (size_t i = 0; i < g->book->n[half]; i++) {
            out->c[half][i] = s * g->a[half][i] - g->b2[half][i];
            if (g->flip) least = g->least[half][i] < least ? g->least[half][i] : least;
        }
    }
    for (size_t i = 0; i < g->book->n[1]; i++) out->second = out->c[1][i] < out->second ? out->c[1][i] : out->second;
    out->flip = g->flip ? 4.0f * least : 0.0f;
}

static float row_cost(const wt_book_group *g, const row_costs *c, size_t at) {
    size_t i = g->book->first[at], j = g->book->second[at];
    float y = c->c[0][i] + c->c[1][j];
    if (!g->flip) return y;
    return y + 4.0f * (g->least[0][i] < g->least[1][j] ? g->least[0][i] : g->least[1][j]);
}

static bool scan(const wt_book_group *g, const row_costs *c, size_t first, wt_book_best *best) {
    bool found = false;
    for (size_t at = g->book->start[first]; at < g->book->start[first + 1]; at++) {
        float y = row_cost(g, c, at);
        if (y < best->y || (y == best->y && at < best->at)) found = true, best->y = y, best->at = at;
    }
    return found;
}

static bool lowest(const wt_book_group *g, float s, wt_book_best *best) {
    row_costs c;
    find_costs(g, s, &c);
    size_t first = 0; /* the cheapest first half is likely to be the best's: few others are worth a look after it */
    for (size_t i = 1; i < g->book->n[0]; i++) first = c.c[0][i] < c.c[0][first] ? i : first;
    bool found = scan(g, &c, first, best);
    for (size_t i = 0; i < g->book->n[0]; i++) {
        if (c.c[0][i] + c.second + c.flip <= best->y) found |= scan(g, &c, i, best);
    }
    return found;
}

static const wt_book_kernels PLAIN = WT_BOOK_KERNELS(lines, lowest);

const wt_book_kernels *wt_book_kernels_of(const wt_encode_kernels *k) {
#if defined(__x86_64__)
    if (k == &wt_encode_kernels_avx512) return &wt_book_kernels_avx512;
    if (k == &wt_encode_kernels_avx2) return &wt_book_kernels_avx2;
#endif
    (void)k;
    return &PLAIN;
}
