/*
 * Error feedback against a plain double-precision version of GPTQ's recursion (inverse of the Gram matrix, its Cholesky factor,
 * one column at a time) followed by plain coordinate descent; then what it must do for every type.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apply/cholesky.h"
#include "apply/feedback_private.h"
#include "base/rng.h"
#include "base/threads.h"
#include "quant/codec.h"
#include "quant/lattice.h"

#define DAMP 0.1

static void *need(size_t count, size_t size) {
    void *p = calloc(count, size);
    assert_non_null(p);
    return p;
}

/* Inputs whose columns go along with their neighbours, some of them much larger: gram [n, n] of `samples` rows. */
static double *correlated(size_t n, uint64_t seed) {
    const size_t samples = 2 * n;
    double *gram = need(n * n, sizeof *gram), *row = need(n, sizeof *row);
    wt_rng rng;
    wt_rng_init(&rng, seed, 1, 0);
    double *size = need(n, sizeof *size), common;
    for (size_t i = 0; i < n; i++) size[i] = exp(0.7 * wt_rng_normal(&rng));
    for (size_t s = 0; s < samples; s++) {
        common = wt_rng_normal(&rng);
        for (size_t i = 0; i < n; i++) {
            double before = i ? row[i - 1] / size[i - 1] : 0.0;
            row[i] = size[i] * (0.7 * before + 0.3 * common + 0.6 * wt_rng_normal(&rng));
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < n; k++) gram[i * n + k] += row[i] * row[k] / (double)samples;
        }
    }
    free(row);
    free(size);
    return gram;
}

static float *weights(size_t count, uint64_t seed) {
    float *x = need(count, sizeof *x);
    wt_rng rng;
    wt_rng_init(&rng, seed, 2, 0);
    for (size_t i = 0; i < count; i++) x[i] = (float)(0.02 * wt_rng_normal(&rng));
    return x;
}

static size_t bytes_of(wt_type type, size_t cols) {
    uint64_t bytes = 0;
    assert_true(wt_type_row_bytes(type, cols, &bytes));
    return (size_t)bytes;
}

/* e G e of one row, with a share of the mean diagonal added. */
static double loss_of(const double *gram, size_t n, double damp, const float *x, const float *q) {
    double loss = 0.0, mean = 0.0;
    for (size_t i = 0; i < n; i++) mean += gram[i * n + i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double e = (double)x[i] - (double)q[i];
        loss += damp * mean * e * e;
        for (size_t k = 0; k < n; k++) loss += e * gram[i * n + k] * ((double)x[k] - (double)q[k]);
    }
    return loss;
}

/* ---- the reference ---- */

/* In place: the upper triangular U with U^T U = a. */
static void cholesky(double *a, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < i; k++) sum -= a[k * n + i] * a[k * n + j];
            if (i == j) assert_true(sum > 0.0);
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[i * n + i];
        }
    }
}

static double *inverse(const double *g, size_t n) {
    double *a = need(n * n, sizeof *a), *x = need(n * n, sizeof *x);
    memcpy(a, g, n * n * sizeof *a);
    for (size_t i = 0; i < n; i++) x[i * n + i] = 1.0;
    for (size_t k = 0; k < n; k++) {
        double pivot = a[k * n + k];
        for (size_t j = 0; j < n; j++) a[k * n + j] /= pivot, x[k * n + j] /= pivot;
        for (size_t i = 0; i < n; i++) {
            double by = i == k ? 0.0 : a[i * n + k];
            for (size_t j = 0; j < n; j++) a[i * n + j] -= by * a[k * n + j], x[i * n + j] -= by * x[k * n + j];
        }
    }
    free(a);
    return x;
}

/* The nearest value to y that weight `column` may have. */
static double nearest(wt_type type, const unsigned char *row, size_t column, double y) {
    const wt_type_info *info = wt_type_find(type);
    wt_lattice l;
    wt_lattice_read(type, row + column / info->block * info->block_bytes, &l);
    size_t run = column % info->block / l.run;
    double best = INFINITY, value = 0.0;
    for (int q = -128; q < 128; q++) {
        if ((float)q < l.grid.lo || (float)q > l.grid.hi || wt_grid_nearest(&l.grid, (float)q) != (float)q) continue;
        double v = (double)(l.scale[run] * (float)q - l.min[run]);
        if (fabs(v - y) < best) best = fabs(v - y), value = v;
    }
    return value;
}

/* One row x [n] to its values q [n]; order [n]. Scales come from the encoder, on the weights as they are then. */
static void reference_row(wt_type type, const double *gram, size_t n, const uint32_t *order, const float *x, float *q) {
    const size_t block = wt_type_find(type)->block, span = block > 32 ? 256 : 32;
    double *g = need(n * n, sizeof *g), *w = need(n, sizeof *w), mean = 0.0;
    unsigned char *row = need(1, bytes_of(type, n));
    for (size_t i = 0; i < n; i++) mean += gram[i * n + i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) g[i * n + k] = gram[order[i] * n + order[k]] + (i == k ? DAMP * mean : 0.0);
        w[i] = (double)x[order[i]];
    }
    double *u = inverse(g, n);
    cholesky(u, n);
    double *e = need(n, sizeof *e);
    for (size_t j = 0; j < n; j++) {
        if (j % span == 0) {
            const size_t first = order[j] / span * span, size = n - first < span ? n - first : span;
            float now[256];
            for (size_t i = j; i < j + size; i++) now[order[i] - first] = (float)w[i];
            wt_encode(type, now, NULL, size, NULL, row + bytes_of(type, first));
        }
        double value = nearest(type, row, order[j], w[j]), error = (w[j] - value) / u[j * n + j];
        for (size_t k = j; k < n; k++) w[k] -= error * u[j * n + k];
        q[order[j]] = (float)value;
        e[j] = (double)x[order[j]] - value;
    }
    for (int again = 0; again < 2; again++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (size_t i = 0; i < n; i++) sum += i == j ? 0.0 : e[i] * g[i * n + j];
            double value = nearest(type, row, order[j], (double)x[order[j]] + sum / g[j * n + j]);
            q[order[j]] = (float)value;
            e[j] = (double)x[order[j]] - value;
        }
    }
    free(g);
    free(w);
    free(u);
    free(e);
    free(row);
}

static void against_reference(wt_type type, size_t cols, bool ordered, uint64_t seed) {
    enum { ROWS = 12 };
    double *gram = correlated(cols, seed);
    float *x = weights(ROWS * cols, seed), *priority = need(cols, sizeof *priority);
    float *q = need(cols, sizeof *q), *expected = need(cols, sizeof *expected);
    const size_t row_bytes = bytes_of(type, cols);
    unsigned char *out = need(ROWS, row_bytes);
    int unequal = 0;
    for (size_t i = 0; i < cols; i++) priority[i] = (float)gram[i * cols + i];
    wt_feedback *f = wt_feedback_new(gram, cols, DAMP, ordered ? priority : NULL, NULL);
    assert_non_null(f);
    assert_int_equal(wt_feedback_encode(f, type, x, NULL, ROWS, NULL, 0, out, NULL), 0);
    for (size_t r = 0; r < ROWS; r++) {
        wt_codec_of(type)->decode(out + r * row_bytes, q, cols);
        reference_row(type, gram, cols, f->order, x + r * cols, expected);
        double ours = loss_of(gram, cols, DAMP, x + r * cols, q),
               theirs = loss_of(gram, cols, DAMP, x + r * cols, expected);
        unequal += !(fabs(ours - theirs) <= 1e-6 * theirs);
    }
    /* A weight that lies between two values to the last bits of a float may go the other way, and all after it differ. */
    if (unequal > 1)
        fail_msg("%s, %zu columns, seed %llu: %d of %d rows differ from the reference", wt_type_find(type)->name, cols,
                 (unsigned long long)seed, unequal, ROWS);
    wt_feedback_free(f);
    free(gram);
    free(x);
    free(priority);
    free(q);
    free(expected);
    free(out);
}

static void equals_plain_recursion(void **state) {
    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        against_reference(WT_Q4_0, 96, ordered, 1);
        against_reference(WT_Q4_0, 288, ordered, 2);
        against_reference(WT_Q4_1, 64, ordered, 3);
        against_reference(WT_IQ4_NL, 64, ordered, 4);
        against_reference(WT_Q2_K, 256, ordered, 5);
        against_reference(WT_Q3_K, 512, ordered, 6);
        against_reference(WT_Q4_K, 256, ordered, 7);
        against_reference(WT_IQ4_XS, 256, ordered, 8);
    }
}

/* ---- order ---- */

static float best_of(const float *priority, const uint32_t *order, size_t n) {
    float best = -INFINITY;
    for (size_t i = 0; i < n; i++) best = priority[order[i]] > best ? priority[order[i]] : best;
    return best;
}

static void order_keeps_blocks(void **state) {
    (void)state;
    static const size_t LEVELS[] = {256, 32, 8, 4, 1};
    enum { COLS = 256 + 256 + 96 };
    float priority[COLS];
    bool seen[COLS] = {false};
    double *gram = correlated(COLS, 9);
    wt_rng rng;
    wt_rng_init(&rng, 9, 9, 9);
    for (int i = 0; i < COLS; i++) priority[i] = (float)wt_rng_normal(&rng);
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, priority, NULL);
    assert_non_null(f);
    for (int i = 0; i < COLS; i++) {
        assert_true(f->order[i] < COLS && !seen[f->order[i]]);
        seen[f->order[i]] = true;
    }
    size_t start = 0;
    for (size_t g = 0; g < f->groups; start += f->group[g++].size) assert_int_equal(f->group[g].start, start);
    assert_int_equal(start, COLS);
    for (size_t level = 0; level + 1 < sizeof LEVELS / sizeof *LEVELS; level++) {
        const size_t outer = LEVELS[level], inner = LEVELS[level + 1];
        for (size_t g = 0; g < f->groups; g++) {
            const wt_feedback_group *group = &f->group[g];
            for (size_t at = 0; at < group->size; at += inner) {
                const uint32_t *order = f->order + group->start + at;
                for (size_t i = 0; i < inner; i++) assert_int_equal(order[i] / inner, order[0] / inner);
                if ((at + inner) % outer == 0 || at + inner >= group->size) continue;
                assert_true(best_of(priority, order, inner) >= best_of(priority, order + inner, inner));
            }
        }
    }
    for (size_t i = 0; i < COLS; i++) priority[i] = NAN;
    wt_feedback *none = wt_feedback_new(gram, COLS, DAMP, priority, NULL);
    assert_non_null(none);
    for (uint32_t i = 0; i < COLS; i++) assert_int_equal(none->order[i], i);
    wt_feedback_free(f);
    wt_feedback_free(none);
    free(gram);
}

/* ---- every type ---- */

/* The sum of the rows' losses that a type's encoder leaves, with `refit` looks that fit scales anew. */
static double loss_with(const wt_feedback *f, wt_type type, const double *gram, double damp, const float *x,
                        const float *w, size_t rows, size_t cols, int refit) {
    const size_t row_bytes = bytes_of(type, cols);
    unsigned char *out = need(rows, row_bytes);
    float *q = need(cols, sizeof *q);
    double loss = 0.0;
    assert_int_equal(wt_feedback_encode(f, type, x, w, rows, NULL, refit, out, NULL), 0);
    for (size_t r = 0; r < rows; r++) {
        wt_codec_of(type)->decode(out + r * row_bytes, q, cols);
        for (size_t i = 0; i < cols; i++) assert_true(isfinite(q[i]));
        loss += loss_of(gram, cols, damp, x + r * cols, q);
    }
    free(out);
    free(q);
    return loss;
}

static void lowers_the_loss(void **state) {
    (void)state;
    enum { COLS = 512, ROWS = 40 };
    double *gram = correlated(COLS, 10);
    float *x = weights(ROWS * COLS, 10), *w = need(ROWS * COLS, sizeof *w), priority[COLS], *q = need(COLS, sizeof *q);
    unsigned char *out = need(COLS, 4);
    int types = 0;
    for (size_t i = 0; i < COLS; i++) priority[i] = (float)gram[i * COLS + i];
    for (size_t i = 0; i < ROWS * COLS; i++) w[i] = priority[i % COLS];
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, priority, NULL);
    assert_non_null(f);
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_feedback_fits((wt_type)type)) continue;
        double before = 0.0;
        types++;
        for (size_t r = 0; r < ROWS; r++) {
            wt_encode((wt_type)type, x + r * COLS, w + r * COLS, COLS, NULL, out);
            wt_codec_of((wt_type)type)->decode(out, q, COLS);
            before += loss_of(gram, COLS, 0.0, x + r * COLS, q);
        }
        const double after = loss_with(f, (wt_type)type, gram, 0.0, x, w, ROWS, COLS, 0);
        print_message("%-8s loss %.3f of that without\n", wt_type_find((uint32_t)type)->name, after / before);
        if (!(after <= 0.75 * before))
            fail_msg("%s: the loss is %g with feedback, %g without", wt_type_find((uint32_t)type)->name, after, before);
    }
    assert_int_equal(types, 25);
    wt_feedback_free(f);
    free(gram);
    free(x);
    free(w);
    free(q);
    free(out);
}

/* Twice, as often as scales that stay are looked at; and oftener, which gains more. What is least is the damped loss. */
static void scales_fitted_anew_lower_it_further(void **state) {
    (void)state;
    enum { COLS = 512, ROWS = 75 };
    double *gram = correlated(COLS, 15);
    float *x = weights(ROWS * COLS, 15), priority[COLS];
    int fitted = 0;
    for (size_t i = 0; i < COLS; i++) priority[i] = (float)gram[i * COLS + i];
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, priority, NULL);
    assert_non_null(f);
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_feedback_fits((wt_type)type)) continue;
        double loss[3];
        static const int REFIT[] = {0, 2, 5};
        for (int i = 0; i < 3; i++) loss[i] = loss_with(f, (wt_type)type, gram, DAMP, x, NULL, ROWS, COLS, REFIT[i]);
        print_message("%-8s refit 2: %.4f, 5: %.4f\n", wt_type_find((uint32_t)type)->name, loss[1] / loss[0],
                      loss[2] / loss[0]);
        const bool can = wt_lattice_can_set((wt_type)type) || wt_codebook_group((wt_type)type);
        fitted += can;
        if (can ? !(loss[1] < loss[0] && loss[2] < loss[1]) : !(loss[1] == loss[0] && loss[2] == loss[0]))
            fail_msg("%s: the losses are %g, %g and %g", wt_type_find((uint32_t)type)->name, loss[0], loss[1], loss[2]);
    }
    assert_int_equal(fitted, 19);
    wt_feedback_free(f);
    free(gram);
    free(x);
}

/* ---- one run's scale ---- */

/* A row that was rounded, as the further looks see it; and its loss in double precision, by what its bytes decode to. */
static double loss_of_bytes(wt_type type, const double *gram, size_t n, const float *x, const unsigned char *bytes,
                            float *q) {
    wt_codec_of(type)->decode(bytes, q, n);
    return loss_of(gram, n, DAMP, x, q);
}

/*
 * Fits run after run of a rounded row anew: against every scale and min around where each run was and where it came to. Without mins the
 * nearest scale that the block can hold is the best there is; with mins scale and min are found one after the other.
 */
static void fits_one_run(wt_type type, uint64_t seed) {
    enum { COLS = 256, REACH = 4 };
    double *gram = correlated(COLS, seed);
    float *x = weights(COLS, seed), *q = need(COLS, sizeof *q);
    const size_t bytes = bytes_of(type, COLS);
    unsigned char *row = need(1, bytes), *tried = need(1, bytes);
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, NULL, NULL);
    wt_feedback_tile *t = need(1, sizeof *t);
    assert_non_null(f);
    assert_int_equal(wt_feedback_encode(f, type, x, NULL, 1, NULL, 0, row, NULL), 0);
    t->lanes = 1;
    t->errors = need(COLS * WT_FEEDBACK_LANES, sizeof *t->errors);
    const wt_feedback_kernels *kernels = wt_feedback_kernels_at(wt_cpu_chosen());
    double gained = 0.0, best_gain = 0.0;
    wt_lattice l;
    wt_lattice_read(type, row, &l);
    for (size_t run = 0; run < COLS / l.run; run++) {
        const size_t at = run * l.run / 32 * 32, block = run * l.run / wt_type_find(type)->block;
        unsigned char *from = row + block * wt_type_find(type)->block_bytes;
        const size_t own = run * l.run % l.weights / l.run;
        const double before = loss_of_bytes(type, gram, COLS, x, row, q);
        wt_lattice_read(type, from, &l);
        t->run = l.run;
        t->scale[run][0] = l.scale[own];
        t->min[run][0] = l.min[own];
        t->inverse[run][0] = wt_feedback_inverse(l.scale[own]);
        for (size_t i = 0; i < COLS; i++) {
            t->x[i][0] = x[i];
            t->errors[i * WT_FEEDBACK_LANES] = x[i] - q[i];
        }
        memset(t->shift, 0, sizeof t->shift);
        kernels->accumulate(t->errors, COLS, f->group[0].look[1].before, COLS, COLS, t->shift[0]);
        double least = before;
        memcpy(tried, row, bytes);
        const float unit = l.weights > 32 ? fabsf(l.scale[own]) / 24.0f : fabsf(l.scale[own]) / 60.0f;
        for (int s = -REACH; s <= REACH; s++) {
            for (int m = -REACH; m <= (wt_lattice_has_mins(type) ? REACH : -REACH); m++) {
                wt_lattice_set(type, own, l.scale[own] + (float)s * unit, l.min[own] * (1.0f + (float)m / 24.0f),
                               tried + (from - row));
                const double loss = loss_of_bytes(type, gram, COLS, x, tried, q);
                least = loss < least ? loss : least;
            }
        }
        wt_feedback_refit refit = {.kernels = kernels,
                                   .group = &f->group[0],
                                   .order = f->order,
                                   .type = type,
                                   .size = 32,
                                   .affine = wt_lattice_has_mins(type),
                                   .weights = l.weights};
        refit.block[0] = from;
        float change[32 * WT_FEEDBACK_LANES] = {0};
        wt_feedback_refit_run(&refit, t, at, run, change);
        const double after = loss_of_bytes(type, gram, COLS, x, row, q);
        for (size_t i = 0; i < COLS; i++)
            assert_true(fabsf(t->errors[i * WT_FEEDBACK_LANES] - (x[i] - q[i])) <= 1e-5f * fabsf(x[i]) + 1e-7f);
        assert_true(after <= before * (1 + 1e-6));
        if (!wt_lattice_has_mins(type) && !(after <= least * (1 + 1e-5)))
            fail_msg("%s, seed %llu, run %zu: the loss is %g, %g with another scale", wt_type_find(type)->name,
                     (unsigned long long)seed, run, after, least);
        gained += before - after;
        best_gain += before - least;
    }
    print_message("%-7s one run after another gains %.3g, the best nearby %.3g\n", wt_type_find(type)->name, gained,
                  best_gain);
    if (!(gained >= 0.8 * best_gain)) /* 0 of 0 where super-scales leave nothing nearer */
        fail_msg("%s, seed %llu: runs gain %g of %g", wt_type_find(type)->name, (unsigned long long)seed, gained,
                 best_gain);
    wt_feedback_free(f);
    free(t->errors);
    free(t);
    free(gram);
    free(x);
    free(q);
    free(row);
    free(tried);
}

static void scales_are_the_best_there_are(void **state) {
    (void)state;
    static const wt_type TYPES[] = {WT_Q3_K, WT_Q5_0, WT_IQ4_XS, WT_Q4_0, WT_Q4_1, WT_Q2_K, WT_Q4_K};
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++) {
        for (uint64_t seed = 20; seed < 23; seed++) fits_one_run(TYPES[t], seed);
    }
}

static void threads_and_pieces_change_nothing(void **state) {
    (void)state;
    enum { COLS = 512, ROWS = 75 };
    static const wt_type TYPES[] = {WT_Q4_0, WT_Q4_1, WT_Q3_K, WT_IQ4_XS, WT_IQ3_XXS, WT_Q4_K, WT_IQ2_S, WT_IQ1_S};
    const int before = wt_threads_get();
    double *gram = correlated(COLS, 11);
    float *x = weights(ROWS * COLS, 11);
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, NULL, NULL);
    assert_non_null(f);
    for (size_t n_tried = 0; n_tried < 2 * (sizeof TYPES / sizeof *TYPES); n_tried++) {
        const size_t t = n_tried / 2;
        const int refit = n_tried % 2 ? 3 : 0;
        const size_t row_bytes = bytes_of(TYPES[t], COLS);
        unsigned char *one = need(ROWS, row_bytes), *three = need(ROWS, row_bytes), *pieces = need(ROWS, row_bytes);
        wt_threads_set(1);
        assert_int_equal(wt_feedback_encode(f, TYPES[t], x, NULL, ROWS, NULL, refit, one, NULL), 0);
        wt_threads_set(3);
        assert_int_equal(wt_feedback_encode(f, TYPES[t], x, NULL, ROWS, NULL, refit, three, NULL), 0);
        for (size_t r = 0, n; r < ROWS; r += n) {
            n = ROWS - r < 7 ? ROWS - r : 7;
            assert_int_equal(
                wt_feedback_encode(f, TYPES[t], x + r * COLS, NULL, n, NULL, refit, pieces + r * row_bytes, NULL), 0);
        }
        assert_memory_equal(one, three, ROWS * row_bytes);
        assert_memory_equal(one, pieces, ROWS * row_bytes);
        int failed = 0;
        memset(pieces, 0, ROWS * row_bytes);
#pragma omp parallel for num_threads(3) reduction(+ : failed)
        for (size_t r = 0; r < ROWS; r += 25)
            failed +=
                wt_feedback_encode(f, TYPES[t], x + r * COLS, NULL, 25, NULL, refit, pieces + r * row_bytes, NULL) != 0;
        assert_int_equal(failed, 0);
        assert_memory_equal(one, pieces, ROWS * row_bytes);
        free(one);
        free(three);
        free(pieces);
    }
    wt_threads_set(before);
    wt_feedback_free(f);
    free(gram);
    free(x);
}

static void kernels_give_the_same_bits(void **state) {
    (void)state;
    enum { MOST = 67, STRIDE = 80, LANES = WT_FEEDBACK_LANES };
    static float e[MOST * LANES], p[MOST * STRIDE], plain[MOST * LANES], other[MOST * LANES], start[MOST * LANES];
    wt_rng rng;
    wt_rng_init(&rng, 12, 0, 0);
    for (size_t i = 0; i < MOST * LANES; i++) e[i] = (float)wt_rng_normal(&rng), start[i] = (float)wt_rng_normal(&rng);
    for (size_t i = 0; i < MOST * STRIDE; i++) p[i] = (float)wt_rng_normal(&rng);
    for (int level = 1; level <= (int)wt_cpu_best(); level++) {
        for (size_t n = 0; n <= MOST; n += n < 3 ? 1 : 13) {
            for (size_t width = 0; width <= MOST; width++) {
                memcpy(plain, start, sizeof start);
                memcpy(other, start, sizeof start);
                wt_feedback_kernels_at(WT_CPU_REFERENCE)->accumulate(e, n, p, STRIDE, width, plain);
                wt_feedback_kernels_at((wt_cpu_level)level)->accumulate(e, n, p, STRIDE, width, other);
                assert_memory_equal(plain, other, sizeof plain);
            }
        }
    }
}

static void tiles_of_the_factor_give_the_same_bits(void **state) {
    (void)state;
    enum { MOST = 41, SIDE = WT_FEEDBACK_SIDE };
    static double x[MOST * SIDE], y[MOST * SIDE], plain[SIDE * SIDE], other[SIDE * SIDE];
    wt_rng rng;
    wt_rng_init(&rng, 14, 0, 0);
    for (size_t i = 0; i < MOST * SIDE; i++) x[i] = wt_rng_normal(&rng), y[i] = wt_rng_normal(&rng);
    for (size_t n = 0; n <= MOST; n++) {
        wt_feedback_kernels_at(WT_CPU_REFERENCE)->products(x, y, n, plain);
        for (size_t at = 0; at < SIDE * SIDE; at++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) sum += x[k * SIDE + at / SIDE] * y[k * SIDE + at % SIDE];
            assert_true(plain[at] == sum);
        }
        for (int level = 1; level <= (int)wt_cpu_best(); level++) {
            wt_feedback_kernels_at((wt_cpu_level)level)->products(x, y, n, other);
            assert_memory_equal(plain, other, sizeof plain);
        }
    }
}

/* L times its transpose is the matrix again, at sizes around those of strips and blocks, and on any number of threads. */
static void factors_of_all_sizes(void **state) {
    (void)state;
    wt_error err = {0};
    static const size_t SIZES[] = {1, 2, 7, 8, 9, 127, 128, 129, 136, 200, 256, 300, 521};
    const int before = wt_threads_get();
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
        const size_t n = SIZES[s], rows = n + 3;
        double *a = need(n * n, sizeof *a), *l = need(n * n, sizeof *l), *again = need(n * n, sizeof *again);
        float *x = weights(rows * n, 15);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                double sum = i == j ? 1e-3 : 0;
                for (size_t r = 0; r < rows; r++) sum += (double)x[r * n + i] * x[r * n + j] / (double)rows;
                a[i * n + j] = sum;
            }
        }
        memcpy(l, a, n * n * sizeof *a);
        memcpy(again, a, n * n * sizeof *a);
        wt_threads_set(1);
        assert_int_equal(wt_cholesky(l, n, &err), 0);
        wt_threads_set(3);
        assert_int_equal(wt_cholesky(again, n, &err), 0);
        assert_memory_equal(l, again, n * n * sizeof *l);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++) {
                double sum = 0;
                for (size_t k = 0; k <= j; k++) sum += l[i * n + k] * l[j * n + k];
                assert_true(fabs(sum - a[i * n + j]) < 1e-12 * (1 + fabs(a[i * n + j])));
            }
        }
        memcpy(l, a, n * n * sizeof *a);
        l[n * n - 1] -= 2 * (fabs(a[n * n - 1]) + 1); /* the last pivot is below 0 */
        assert_int_equal(wt_cholesky(l, n, &err), 1);
        free(a);
        free(l);
        free(again);
        free(x);
    }
    wt_threads_set(before);
}

/* ---- what is degenerate, and what is refused ---- */

static void degenerate_matrices(void **state) {
    (void)state;
    enum { COLS = 256, ROWS = 3 };
    double *gram = need(COLS * COLS, sizeof *gram);
    float *x = weights(ROWS * COLS, 13), q[COLS];
    unsigned char *out = need(ROWS, bytes_of(WT_Q4_0, COLS)), *plain = need(ROWS, bytes_of(WT_Q4_0, COLS));
    /* Nothing is known: no error goes anywhere. */
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, NULL, NULL);
    assert_non_null(f);
    assert_int_equal(wt_feedback_encode(f, WT_Q4_0, x, NULL, ROWS, NULL, 0, out, NULL), 0);
    wt_encode(WT_Q4_0, x, NULL, ROWS * COLS, NULL, plain);
    assert_memory_equal(out, plain, ROWS * bytes_of(WT_Q4_0, COLS));
    wt_feedback_free(f);
    /* Rank one, and a damp below what doubles can tell; columns that are never used. */
    for (size_t i = 0; i < COLS * COLS; i++) gram[i] = (i / COLS < 99) && (i % COLS < 99) ? 1.0 : 0.0;
    f = wt_feedback_new(gram, COLS, 1e-18, NULL, NULL);
    assert_non_null(f);
    for (int type = 0; type < WT_TYPE_LIMIT; type++) {
        if (!wt_type_find((uint32_t)type) || !wt_feedback_fits((wt_type)type)) continue;
        for (int refit = 0; refit <= 3; refit += 3) {
            unsigned char *any = need(ROWS, bytes_of((wt_type)type, COLS));
            assert_int_equal(wt_feedback_encode(f, (wt_type)type, x, NULL, ROWS, NULL, refit, any, NULL), 0);
            for (size_t r = 0; r < ROWS; r++) {
                wt_codec_of((wt_type)type)->decode(any + r * bytes_of((wt_type)type, COLS), q, COLS);
                for (size_t i = 0; i < COLS; i++) assert_true(isfinite(q[i]));
            }
            free(any);
        }
    }
    wt_feedback_free(f);
    /* Tiny and huge activations are taken to the same size. */
    free(gram);
    gram = correlated(COLS, 13);
    for (int by = 0; by < 3; by++) {
        static const double SCALES[] = {1.0, 0x1p-300, 0x1p300};
        double *scaled = need(COLS * COLS, sizeof *scaled);
        for (size_t i = 0; i < COLS * COLS; i++) scaled[i] = gram[i] * SCALES[by];
        f = wt_feedback_new(scaled, COLS, DAMP, NULL, NULL);
        assert_non_null(f);
        assert_int_equal(wt_feedback_encode(f, WT_Q4_0, x, NULL, ROWS, NULL, 0, by ? plain : out, NULL), 0);
        if (by) assert_memory_equal(out, plain, ROWS * bytes_of(WT_Q4_0, COLS));
        wt_feedback_free(f);
        free(scaled);
    }
    free(gram);
    free(x);
    free(out);
    free(plain);
}

static void refusals(void **state) {
    (void)state;
    enum { COLS = 96 };
    wt_error err = {0};
    unsigned char out[COLS * 4];
    double *gram = correlated(COLS, 14);
    float *x = weights(COLS, 14);
    assert_null(wt_feedback_new(gram, COLS, 0.0, NULL, &err));
    assert_null(wt_feedback_new(gram, COLS, (double)NAN, NULL, &err));
    assert_null(wt_feedback_new(gram, 0, DAMP, NULL, &err));
    wt_feedback *f = wt_feedback_new(gram, COLS, DAMP, NULL, &err);
    assert_non_null(f);
    assert_false(wt_feedback_fits(WT_F16));
    assert_int_equal(wt_feedback_encode(f, WT_F16, x, NULL, 1, NULL, 0, out, &err), -1);
    assert_int_equal(wt_feedback_encode(f, WT_Q4_K, x, NULL, 1, NULL, 0, out, &err), -1); /* no whole block */
    assert_non_null(strstr(err.message, "Q4_K"));
    assert_int_equal(wt_feedback_encode(f, WT_Q4_0, x, NULL, 0, NULL, 0, out, &err), 0);
    wt_feedback_free(f);
    gram[5 * COLS + 7] = (double)NAN;
    assert_null(wt_feedback_new(gram, COLS, DAMP, NULL, &err));
    assert_non_null(strstr(err.message, "5, 7"));
    gram[5 * COLS + 7] = 0.0;
    gram[9 * COLS + 9] = -1.0;
    assert_null(wt_feedback_new(gram, COLS, DAMP, NULL, &err));
    gram[9 * COLS + 9] = 1.0;
    for (int i = 0; i < 2; i++) gram[(i ? 10 : 9) * COLS + (i ? 9 : 10)] = 1e6; /* no Gram matrix of anything */
    assert_null(wt_feedback_new(gram, COLS, DAMP, NULL, &err));
    assert_non_null(strstr(err.message, "semidefinite"));
    wt_feedback_free(NULL);
    free(gram);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_plain_recursion),
        cmocka_unit_test(order_keeps_blocks),
        cmocka_unit_test(lowers_the_loss),
        cmocka_unit_test(scales_fitted_anew_lower_it_further),
        cmocka_unit_test(scales_are_the_best_there_are),
        cmocka_unit_test(threads_and_pieces_change_nothing),
        cmocka_unit_test(kernels_give_the_same_bits),
        cmocka_unit_test(tiles_of_the_factor_give_the_same_bits),
        cmocka_unit_test(factors_of_all_sizes),
        cmocka_unit_test(degenerate_matrices),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests_name("feedback", tests, NULL, NULL);
}
