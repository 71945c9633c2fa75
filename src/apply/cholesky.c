#include "apply/cholesky.h"

#include <lapacke.h>
#include <stdlib.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "base/memory.h"

enum {
    BLOCK = 128,          /* columns that are eliminated together */
    SIDE = WT_FEEDBACK_SIDE,
    GROUP = 4             /* strips of SIDE rows that a thread takes together: another strip comes to them from the nearest cache */
};

/* The rows below a block of columns, in strips of SIDE rows, columns outside: strip [columns, SIDE]. */
typedef struct panel {
    double *a;
    size_t n, at, size; /* the block's columns: at .. at + size - 1 */
    double *strips;
    size_t count;       /* of strips */
    const wt_feedback_kernels *kernels;
} panel;

static double *strip_at(const panel *p, size_t strip) { return p->strips + strip * p->size * SIDE; }
static size_t row_of(const panel *p, size_t strip) { return p->at + p->size + strip * SIDE; }
static size_t rows_of(const panel *p, size_t strip) {
    const size_t left = p->n - row_of(p, strip);
    return left < SIDE ? left : SIDE;
}

/* A strip of L: the rows' part of the matrix through the transposed factor of the diagonal block. Rows beyond the last are 0. */
static void solve_strip(const panel *p, size_t strip) {
    double *x = strip_at(p, strip);
    const size_t rows = rows_of(p, strip);
    double *row = p->a + row_of(p, strip) * p->n + p->at;
    for (size_t j = 0; j < p->size; j++)
        for (size_t i = 0; i < SIDE; i++) x[j * SIDE + i] = i < rows ? row[i * p->n + j] : 0.0;
    for (size_t j = 0; j < p->size; j++) {
        const double *l = p->a + (p->at + j) * p->n + p->at;
        double sum[SIDE];
        memcpy(sum, x + j * SIDE, sizeof sum);
        for (size_t k = 0; k < j; k++)
            for (size_t i = 0; i < SIDE; i++) sum[i] -= l[k] * x[k * SIDE + i];
        for (size_t i = 0; i < SIDE; i++) x[j * SIDE + i] = sum[i] / l[j];
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < p->size; j++) row[i * p->n + j] = x[j * SIDE + i];
}

/* What the panel takes off the matrix where the rows of one strip meet the columns of another, which is no later one. */
static void take_off(const panel *p, size_t strip, size_t other) {
    double sum[SIDE * SIDE];
    const size_t first = row_of(p, other), rows = rows_of(p, strip);
    p->kernels->products(strip_at(p, strip), strip_at(p, other), p->size, sum);
    for (size_t i = 0; i < rows; i++) {
        const size_t row = row_of(p, strip) + i, left = row + 1 - first;
        double *to = p->a + row * p->n + first;
        for (size_t j = 0; j < (left < SIDE ? left : SIDE); j++) to[j] -= sum[i * SIDE + j];
    }
}

static void take_off_group(const panel *p, size_t group) {
    const size_t first = group * GROUP, end = first + GROUP < p->count ? first + GROUP : p->count;
    for (size_t other = 0; other < end; other++)
        for (size_t strip = other > first ? other : first; strip < end; strip++) take_off(p, strip, other);
}

int wt_cholesky(double *a, size_t n, wt_error *err) {
    panel p = {.a = a, .n = n, .kernels = wt_feedback_kernels_at(wt_cpu_chosen())};
    if (!(p.strips = wt_alloc_aligned((n + SIDE - 1) / SIDE, BLOCK * SIDE * sizeof *p.strips, err))) return -1;
    lapack_int info = 0;
    for (; p.at < n && info == 0; p.at += p.size) {
        p.size = n - p.at < BLOCK ? n - p.at : BLOCK;
        p.count = (n - p.at - p.size + SIDE - 1) / SIDE;
        const size_t groups = (p.count + GROUP - 1) / GROUP;
        /* Upper by columns is lower by rows. */
        info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)p.size, a + p.at * n + p.at, (lapack_int)n);
        if (info != 0) break;
#pragma omp parallel for schedule(static)
        for (size_t strip = 0; strip < p.count; strip++) solve_strip(&p, strip);
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t group = 0; group < groups; group++) take_off_group(&p, groups - 1 - group); /* the longest first */
    }
    free(p.strips);
    return info != 0;
}
