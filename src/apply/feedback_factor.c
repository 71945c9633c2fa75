/*
 * The order of columns and the factor of the damped Gram matrix. Columns keep to their groups of 256, pieces of 32, vectors of 8 and
 * halves of vectors, because blocks of some type share scales or codes among each: one order then serves every type.
 */
#include <math.h>
#include <stdlib.h>

#include "apply/cholesky.h"
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
 * Factors the matrix, its mean square taken to 1, with its rows and columns from last to first: a [n, n], lower triangular, times
 * its transpose. What is then read from last to first is the upper triangular R of G = R R^T. A damp too small for the
 * matrix's own rounding grows tenfold until it serves.
 */
static int factor(const wt_feedback *f, const double *gram, double mean, double *damp, double *a, wt_error *err) {
    const size_t n = f->cols;
    for (;; *damp *= 10.0) {
        for (size_t i = 0; i < n; i++) {
            const double *row = gram + (size_t)f->order[n - 1 - i] * n;
            for (size_t j = 0; j <= i; j++) a[i * n + j] = mean > 0.0 ? row[f->order[n - 1 - j]] / mean : i == j;
            a[i * n + i] += *damp;
        }
        const int broken = wt_cholesky(a, n, err);
        if (broken <= 0) return broken;
        if (!(*damp < 1.0)) return wt_fail(err, WT_ERR_FORMAT, "the Gram matrix is not positive semidefinite");
    }
}

/* R[i][j] at positions i <= j. */
static double upper(const double *a, size_t n, size_t i, size_t j) { return a[(n - 1 - i) * n + (n - 1 - j)]; }

/*
 * The inverses of the diagonal blocks of `size` columns of p [m, m], by elimination without exchanges (triangular and positive
 * definite ones need none), to [m, size]. Of an upper triangular p most of what elimination adds is 0, and left out.
 */
static void invert_blocks(const float *p, size_t m, size_t size, bool triangular, double *work, float *to) {
    for (size_t at = 0; at < m; at += size) {
        const size_t n = m - at < size ? m - at : size;
        double *a = work, *x = work + n * n; /* a becomes ones, x the inverse */
        for (size_t i = 0; i < n * n; i++) {
            a[i] = (double)p[(at + i / n) * m + at + i % n];
            x[i] = i / n == i % n;
        }
        for (size_t k = n; k-- > 0;) {
            const double pivot = 1.0 / a[k * n + k];
            const size_t first = triangular ? k : 0; /* column of row k that is not 0 */
            for (size_t j = first; j < n; j++) {
                a[k * n + j] *= pivot;
                x[k * n + j] *= pivot;
            }
            for (size_t i = 0; i < (triangular ? k : n); i++) {
                const double by = i == k ? 0.0 : a[i * n + k];
                if (by == 0.0) continue;
                for (size_t j = 0; !triangular && j < n; j++) a[i * n + j] -= by * a[k * n + j];
                for (size_t j = first; j < n; j++) x[i * n + j] -= by * x[k * n + j];
            }
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < size; j++) to[(at + i) * size + j] = j < n ? (float)x[i * n + j] : 0.0f;
        }
    }
}

/* ---- the groups ---- */

/* Floats of a group. */
static size_t group_floats(const wt_feedback *f, const wt_feedback_group *g) {
    return g->size * (g->start + f->cols + 2 * g->size + WT_FEEDBACK_NARROW + 4 * WT_FEEDBACK_VECTOR);
}

/* The first look: P = R over its diagonal, D the diagonal's squares. */
static float *fill_first(const wt_feedback *f, const double *a, wt_feedback_group *g, double *work, float *at) {
    const size_t n = f->cols, size = g->size, rows = g->start + size;
    float *panel = at, *own = panel + g->start * size, *inverse = own + size * size, *pieces = inverse + size * size;
    float *vectors = pieces + size * WT_FEEDBACK_NARROW, *forms = vectors + size * WT_FEEDBACK_VECTOR;
    for (size_t j = 0; j < size; j++) {
        const double diagonal = upper(a, n, g->start + j, g->start + j);
        for (size_t i = 0; i < rows; i++)
            panel[i * size + j] = i <= g->start + j ? (float)(upper(a, n, i, g->start + j) / diagonal) : 0.0f;
    }
    for (size_t i = 0; i < size; i++) {
        const size_t vector = i / WT_FEEDBACK_VECTOR * WT_FEEDBACK_VECTOR;
        for (size_t j = vector; j < vector + WT_FEEDBACK_VECTOR; j++) {
            double sum = 0.0;
            for (size_t k = i > j ? i : j; k < vector + WT_FEEDBACK_VECTOR && k < size; k++)
                sum += upper(a, n, g->start + i, g->start + k) * upper(a, n, g->start + j, g->start + k);
            forms[i * WT_FEEDBACK_VECTOR + j - vector] = (float)sum;
        }
    }
    invert_blocks(own, size, size, true, work, inverse);
    invert_blocks(own, size, WT_FEEDBACK_NARROW, true, work, pieces);
    invert_blocks(own, size, WT_FEEDBACK_VECTOR, true, work, vectors);
    g->look[0] = (wt_feedback_look){panel, own, vectors, forms};
    g->inverse = inverse;
    g->pieces = pieces;
    return forms + size * WT_FEEDBACK_VECTOR;
}

/* The damped Gram matrix at positions i, j, its mean square taken to 1. */
static double damped(const wt_feedback *f, const double *gram, double mean, double damp, size_t i, size_t j) {
    const double g = mean > 0.0 ? gram[(size_t)f->order[j] * f->cols + f->order[i]] / mean : i == j;
    return i == j ? g + damp : g;
}

static float *fill_again(const wt_feedback *f, const double *gram, double mean, double damp, wt_feedback_group *g,
                         double *work, float *at) {
    const size_t size = g->size;
    float *all = at, *own = all + g->start * size, *vectors = all + f->cols * size;
    float *forms = vectors + size * WT_FEEDBACK_VECTOR;
    for (size_t j = 0; j < size; j++) {
        const double diagonal = damped(f, gram, mean, damp, g->start + j, g->start + j);
        for (size_t i = 0; i < f->cols; i++)
            all[i * size + j] = (float)(damped(f, gram, mean, damp, i, g->start + j) / diagonal);
    }
    for (size_t i = 0; i < size; i++) {
        const size_t vector = i / WT_FEEDBACK_VECTOR * WT_FEEDBACK_VECTOR;
        for (size_t j = vector; j < vector + WT_FEEDBACK_VECTOR; j++)
            forms[i * WT_FEEDBACK_VECTOR + j - vector] =
                j < size ? (float)damped(f, gram, mean, damp, g->start + i, g->start + j) : 0.0f;
    }
    invert_blocks(own, size, WT_FEEDBACK_VECTOR, false, work, vectors);
    g->look[1] = (wt_feedback_look){all, own, vectors, forms};
    return forms + size * WT_FEEDBACK_VECTOR;
}

static int fill_groups(wt_feedback *f, const double *gram, double mean, double damp, wt_error *err) {
    const size_t n = f->cols;
    size_t floats = 0;
    for (size_t g = 0; g < f->groups; g++) floats += group_floats(f, &f->group[g]);
    double *a = wt_alloc_aligned(n * n, sizeof *a, err);
    double *work = wt_alloc_aligned(2 * WT_FEEDBACK_WIDE * WT_FEEDBACK_WIDE, sizeof *work, err);
    int rc = a && work && factor(f, gram, mean, &damp, a, err) == 0 &&
                     (f->data = wt_alloc_aligned(floats, sizeof *f->data, err))
                 ? 0
                 : -1;
    float *at = f->data;
    for (size_t g = 0; rc == 0 && g < f->groups; g++) {
        at = fill_first(f, a, &f->group[g], work, at);
        at = fill_again(f, gram, mean, damp, &f->group[g], work, at);
    }
    free(a);
    free(work);
    return rc;
}

wt_feedback *wt_feedback_new(const double *gram, size_t cols, double damp, const float *priority, wt_error *err) {
    double mean = 0.0;
    size_t bytes;
    if (!(damp > 0.0 && isfinite(damp)) || cols == 0 || cols > INT32_MAX) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot make error feedback for %zu columns with a damp of %g", cols, damp);
        return NULL;
    }
    if (!wt_mul_size(cols, cols, &bytes) || !wt_mul_size(bytes, 4 * sizeof(double), &bytes)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    if (mean_diagonal(gram, cols, &mean, err) != 0) return NULL;
    wt_feedback *f = wt_calloc(1, sizeof *f, err);
    if (!f) return NULL;
    f->cols = cols;
    f->groups = (cols + WT_FEEDBACK_WIDE - 1) / WT_FEEDBACK_WIDE;
    if ((f->order = wt_calloc(cols, sizeof *f->order, err)) &&
        (f->group = wt_calloc(f->groups, sizeof *f->group, err)) && make_order(f, priority, err) == 0 &&
        fill_groups(f, gram, mean, damp, err) == 0)
        return f;
    wt_feedback_free(f);
    return NULL;
}

void wt_feedback_free(wt_feedback *f) {
    if (!f) return;
    free(f->order);
    free(f->group);
    free(f->data);
    free(f);
}
