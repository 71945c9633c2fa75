/*
 * The order of columns and the factor of the damped Gram matrix. Columns keep to their groups of 256, pieces of 32, vectors of 8 and
 * halves of vectors, because blocks of some type share scales or codes among each: one order then serves every type.
 */
#include <inttypes.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "base/checked.h"
#include "base/memory.h"

/* ---- the order ---- */

static const size_t LEVELS[] = {WT_FEEDBACK_WIDE, WT_FEEDBACK_NARROW, WT_FEEDBACK_VECTOR, 4, 1};
enum { N_LEVELS = sizeof LEVELS / sizeof *LEVELS };

typedef struct ranked {
    float best; /* of its columns */
    size_t first, size;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->best != y->best) return x->best > y->best ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* NaN comes last. */
static float priority_of(const float *priority, size_t column) {
    return !priority ? 0.0f : isnan(priority[column]) ? -INFINITY : priority[column];
}

/* Appends the columns first .. first + size - 1 to `order`, by parts of LEVELS[level]; scratch [parts of all levels]. */
static uint32_t *put_in_order(const float *priority, size_t first, size_t size, int level, ranked *scratch,
                              uint32_t *order) {
    size_t parts = 0;
    for (size_t at = 0; at < size; at += LEVELS[level]) {
        ranked *r = &scratch[parts++];
        *r = (ranked){-INFINITY, first + at, size - at < LEVELS[level] ? size - at : LEVELS[level]};
        for (size_t i = 0; i < r->size; i++) {
            float p = priority_of(priority, r->first + i);
            r->best = p > r->best ? p : r->best;
        }
    }
    qsort(scratch, parts, sizeof *scratch, by_rank);
    for (size_t i = 0; i < parts; i++) {
        if (level == N_LEVELS - 1)
            *order++ = (uint32_t)scratch[i].first;
        else
            order = put_in_order(priority, scratch[i].first, scratch[i].size, level + 1, scratch + parts, order);
    }
    return order;
}

static int make_order(wt_feedback *f, const float *priority, wt_error *err) {
    ranked *scratch = wt_calloc(f->groups + 64, sizeof *scratch, err);
    if (!scratch) return -1;
    put_in_order(priority, 0, f->cols, 0, scratch, f->order);
    free(scratch);
    for (size_t at = 0, g = 0; g < f->groups; g++) {
        size_t first = f->order[at] / WT_FEEDBACK_WIDE * WT_FEEDBACK_WIDE;
        size_t size = f->cols - first < WT_FEEDBACK_WIDE ? f->cols - first : WT_FEEDBACK_WIDE;
        f->group[g] = (wt_feedback_group){.start = at, .size = size, .first = first};
        at += size;
    }
    return 0;
}

/* ---- the factor ---- */

/* The mean of the diagonal; fails where a value is not finite or a mean square is below 0. */
static int mean_diagonal(const double *gram, size_t n, double *mean, wt_error *err) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!isfinite(gram[i * n + j]))
                return wt_fail(err, WT_ERR_FORMAT, "the Gram matrix has %g at %zu, %zu", gram[i * n + j], i, j);
        }
        if (gram[i * n + i] < 0.0)
            return wt_fail(err, WT_ERR_FORMAT, "the Gram matrix has a mean square of %g at %zu", gram[i * n + i], i);
        sum += gram[i * n + i] / (double)n;
    }
    *mean = sum;
    return 0;
}

/*
 * Factors the matrix with its rows and columns from last to first: a [n, n], lower triangular, times its transpose. What
 * is then read from last to first is the upper triangular R of G = R R^T.
 */
static int factor(const wt_feedback *f, const double *gram, double mean, double damp, double *a, wt_error *err) {
    const size_t n = f->cols;
    for (double tried = damp;; tried *= 10.0) {
        for (size_t i = 0; i < n; i++) {
            const double *row = gram + (size_t)f->order[n - 1 - i] * n;
            for (size_t j = 0; j <= i; j++) a[i * n + j] = mean > 0.0 ? row[f->order[n - 1 - j]] / mean : i == j;
            static int dmode = -1;
            if (dmode < 0) dmode = getenv("FB_D") ? atoi(getenv("FB_D")) : 0;
            if (dmode == 1) a[i * n + i] *= 1 + tried, a[i*n+i] += 1e-4;
            else if (dmode == 2) a[i * n + i] += tried * sqrt(a[i*n+i]);
            else
            a[i * n + i] += tried;
        }
        /* Upper by columns is lower by rows. */
        lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n);
        if (info == 0) return 0;
        if (!(tried < 1.0))
            return wt_fail(err, WT_ERR_FORMAT, "the Gram matrix is not positive semidefinite: LAPACK's dpotrf gives %d",
                           (int)info);
    }
}

/* R[i][j] at positions i <= j. */
static double upper(const double *a, size_t n, size_t i, size_t j) { return a[(n - 1 - i) * n + (n - 1 - j)]; }

/* The inverses of the diagonal blocks of `size` columns of P, unit upper triangular, to [group size, size]. */
static void invert_blocks(const float *p, const wt_feedback_group *g, size_t size, float *to) {
    double x[WT_FEEDBACK_WIDE];
    for (size_t at = 0; at < g->size; at += size) {
        const size_t m = g->size - at < size ? g->size - at : size;
        /* Row by row, x P = a row of ones and zeros. */
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < m; j++) x[j] = i == j;
            for (size_t k = i; k < m; k++) {
                const float *row = p + (at + k) * g->size + at;
                const double by = x[k];
                for (size_t j = k + 1; j < m; j++) x[j] -= by * (double)row[j];
            }
            for (size_t j = 0; j < size; j++) to[(at + i) * size + j] = j < m ? (float)x[j] : 0.0f;
        }
    }
}

static void fill_group(wt_feedback *f, const double *a, size_t g_index, double mean, float **at) {
    wt_feedback_group *g = &f->group[g_index];
    const size_t n = f->cols, rows = g->start + g->size;
    float *panel = *at, *inverse = panel + rows * g->size, *pieces = inverse + g->size * g->size;
    float *vectors = pieces + g->size * WT_FEEDBACK_NARROW;
    for (size_t j = 0; j < g->size; j++) {
        double diagonal = upper(a, n, g->start + j, g->start + j);
        f->weight[g->start + j] = (float)(diagonal * diagonal * (mean > 0.0 ? mean : 1.0));
        for (size_t i = 0; i < rows; i++)
            panel[i * g->size + j] = i <= g->start + j ? (float)(upper(a, n, i, g->start + j) / diagonal) : 0.0f;
    }
    const float *own = panel + g->start * g->size;
    invert_blocks(own, g, g->size, inverse);
    invert_blocks(own, g, WT_FEEDBACK_NARROW, pieces);
    invert_blocks(own, g, WT_FEEDBACK_VECTOR, vectors);
    g->panel = panel;
    g->inverse = inverse;
    g->pieces = pieces;
    g->vectors = vectors;
    *at = vectors + g->size * WT_FEEDBACK_VECTOR;
}

wt_feedback *wt_feedback_new(const double *gram, size_t cols, double damp, const float *priority, wt_error *err) {
    double mean = 0.0, *a = NULL;
    size_t floats = 0, square;
    if (!(damp > 0.0 && isfinite(damp)) || cols == 0 || cols > INT32_MAX) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot make error feedback for %zu columns with damp %g", cols, damp);
        return NULL;
    }
    if (mean_diagonal(gram, cols, &mean, err) != 0) return NULL;
    wt_feedback *f = wt_calloc(1, sizeof *f, err);
    if (!f) return NULL;
    f->cols = cols;
    f->groups = (cols + WT_FEEDBACK_WIDE - 1) / WT_FEEDBACK_WIDE;
    if (!wt_mul_size(cols, cols, &square)) {
        wt_fail_memory(err, SIZE_MAX);
        goto fail;
    }
    if (!(f->order = wt_calloc(cols, sizeof *f->order, err)) || !(f->weight = wt_calloc(cols, sizeof *f->weight, err)) ||
        !(f->group = wt_calloc(f->groups, sizeof *f->group, err)) || make_order(f, priority, err) != 0 ||
        !(a = wt_alloc_aligned(square, sizeof *a, err)) || factor(f, gram, mean, damp, a, err) != 0)
        goto fail;
    for (size_t g = 0; g < f->groups; g++) {
        const wt_feedback_group *group = &f->group[g];
        floats += group->size * (group->start + 2 * group->size + WT_FEEDBACK_NARROW + WT_FEEDBACK_VECTOR);
    }
    if (!(f->data = wt_alloc_aligned(floats, sizeof *f->data, err))) goto fail;
    float *at = f->data;
    for (size_t g = 0; g < f->groups; g++) fill_group(f, a, g, mean, &at);
    free(a);
    return f;
fail:
    free(a);
    wt_feedback_free(f);
    return NULL;
}

void wt_feedback_free(wt_feedback *f) {
    if (!f) return;
    free(f->order);
    free(f->weight);
    free(f->group);
    free(f->data);
    free(f);
}
