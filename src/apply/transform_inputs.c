/*
 * Statistics of the transformed model's inputs from those that were measured: x' = R (x / gain) / scale, so with the
 * Gram matrix G (mean of x x^T) the new one is A G A^T with A = S^-1 R diag(1/gain), and its diagonal the new mean
 * squares. Without a Gram matrix a rotated channel is taken for the mean of its block, which it is where channels do
 * not correlate.
 *
 * A gain of 0 hides its channel from every measurement. The channel then counts as a normed one that has nothing to do
 * with the others: mean square 1.
 */
#include <math.h>
#include <stdlib.h>

#include "apply/transform_private.h"
#include "base/checked.h"

int wt_channels_measured(const wt_transform *t, const wt_channels *c, const wt_column_stats **out, wt_error *err) {
    *out = NULL;
    if (!c || !c->measured || !t->calibration.statistics) return 0;
    const wt_column_stats *s = wt_statistics_find(t->calibration.statistics, c->measured);
    if (s && (s->columns != c->n || s->matrices != 1)) {
        return wt_fail(err, WT_ERR_MISMATCH, "the statistics of '%s' have %zu columns, the tensor %zu", c->measured,
                       s->columns, c->n);
    }
    *out = s;
    return 0;
}

/* 1 where there is a Gram matrix of the channels, 0 where not, -1 where it is of another shape. */
static int has_gram(const wt_transform *t, const wt_channels *c, wt_error *err) {
    if (!c || !c->measured || !t->calibration.gram) return 0;
    size_t columns = wt_gram_columns(t->calibration.gram, c->measured);
    if (columns != 0 && columns != c->n) {
        return wt_fail(err, WT_ERR_MISMATCH, "the Gram matrix of '%s' has %zu columns, the tensor %zu", c->measured, columns,
                       c->n);
    }
    return columns != 0;
}

/* ---- Gram matrices ---- */

static double inverse_gain(const wt_channels *c, size_t i) {
    return !c->gain ? 1.0 : c->gain[i] != 0.0f ? 1.0 / (double)c->gain[i] : 0.0;
}

static void rotate_rows(const wt_channels *c, double *g) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < c->n; i++) wt_hadamard_apply_double(&c->rotation, g + i * c->n);
}

static void transpose(double *g, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            const double x = g[i * n + j];
            g[i * n + j] = g[j * n + i];
            g[j * n + i] = x;
        }
    }
}

/* g [n, n] = R diag(1/gain) G diag(1/gain) R^T */
static int read_rotated(const wt_transform *t, const wt_channels *c, double *g, wt_error *err) {
    if (wt_gram_read(t->calibration.gram, c->measured, g, err) != 0) return -1;
    const size_t n = c->n;
    for (size_t i = 0; c->gain && i < n; i++) {
        const double mine = inverse_gain(c, i);
        for (size_t j = 0; j < n; j++) g[i * n + j] *= mine * inverse_gain(c, j);
        if (c->gain[i] == 0.0f) g[i * n + i] = 1.0;
    }
    if (!c->rotation.signs) return 0;
    rotate_rows(c, g);
    transpose(g, n);
    rotate_rows(c, g);
    for (size_t i = 0; i < n; i++) { /* the two halves differ by rounding */
        for (size_t j = 0; j < i; j++) g[i * n + j] = g[j * n + i];
    }
    return 0;
}

int wt_transform_gram(const wt_transform *t, size_t i, double *out, uint64_t *shared, wt_error *err) {
    const wt_channels *c = t->tensors[i].columns;
    if (shared) *shared = t->tensors[i].input;
    const int rc = has_gram(t, c, err);
    if (rc <= 0) return rc == 0 ? 1 : -1;
    if (read_rotated(t, c, out, err) != 0) return -1;
    for (size_t a = 0; c->scale && a < c->n; a++) {
        for (size_t b = 0; b < c->n; b++) out[a * c->n + b] /= (double)c->scale[a] * (double)c->scale[b];
    }
    return 0;
}

/* ---- mean squares ---- */

/* out[n] = the diagonal of the rotated Gram matrix. */
static int rotated_diagonal(const wt_transform *t, const wt_channels *c, float *out, wt_error *err) {
    size_t values;
    if (!wt_mul_size(c->n, c->n, &values)) return wt_fail_memory(err, SIZE_MAX);
    double *g = wt_alloc_aligned(values, sizeof *g, err);
    int rc = g ? read_rotated(t, c, g, err) : -1;
    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        const double v = g[i * c->n + i];
        out[i] = v > 0.0 ? (float)v : 0.0f;
    }
    free(g);
    return rc;
}

/* The mean over each block of the mean squares before rotation. */
static void block_means(const wt_channels *c, const float *squares, float *out) {
    for (size_t at = 0; at < c->n; at += c->rotation.block) {
        double sum = 0.0;
        for (size_t i = at; i < at + c->rotation.block; i++) {
            const double inverse = inverse_gain(c, i);
            sum += inverse != 0.0 ? (double)squares[i] * inverse * inverse : 1.0;
        }
        for (size_t i = at; i < at + c->rotation.block; i++) out[i] = (float)(sum / (double)c->rotation.block);
    }
}

/* Of rotated channels, or of those that only a Gram matrix knows. */
static float *make_squares(const wt_transform *t, const wt_channels *c, const wt_column_stats *s, bool gram,
                           wt_error *err) {
    float *out = wt_alloc_aligned(c->n, sizeof *out, err);
    if (!out) return NULL;
    if (!gram) {
        block_means(c, s->mean_square, out);
    } else if (rotated_diagonal(t, c, out, err) != 0) {
        free(out);
        return NULL;
    }
    return out;
}

const float *wt_channels_mean_square(const wt_transform *t, const wt_channels *c, bool *measured, wt_error *err) {
    const wt_column_stats *s;
    *measured = true;
    if (wt_channels_measured(t, c, &s, err) != 0) return NULL;
    const int gram = has_gram(t, c, err);
    if (gram < 0) return NULL;
    *measured = s || gram;
    if (!*measured) return NULL;
    if (s && !c->rotation.signs) return s->mean_square;
    wt_transform *own = (wt_transform *)t; /* what is made once and kept is no change that a caller sees */
    wt_channels *mine = (wt_channels *)c;
    pthread_mutex_lock(&own->lock);
    if (!mine->mean_square) mine->mean_square = make_squares(t, c, s, gram, err);
    const float *out = mine->mean_square;
    pthread_mutex_unlock(&own->lock);
    return out;
}

int wt_transform_mean_square(const wt_transform *t, size_t i, float *out, wt_error *err) {
    const wt_channels *c = t->tensors[i].columns;
    bool measured;
    const float *squares = wt_channels_mean_square(t, c, &measured, err);
    if (!squares && measured) return -1;
    for (size_t k = 0; k < t->tensors[i].site.cols; k++) {
        if (!squares)
            out[k] = 1.0f;
        else
            out[k] = c->scale ? (float)((double)squares[k] / ((double)c->scale[k] * (double)c->scale[k])) : squares[k];
    }
    return squares ? 0 : 1;
}
