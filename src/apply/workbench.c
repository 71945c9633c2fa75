#include "apply/workbench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/factors.h"
#include "base/memory.h"

/* Errors that are kept, in a hashed table whose newer entries replace what is in their place. */
enum { MOST_ERRORS = 1 << 16 };

typedef struct known_error {
    wt_hash key;
    double error;
} known_error;

struct wt_workbench {
    const wt_gguf *gguf;
    wt_model *model;
    wt_calibration calibration;
    wt_features *features;
    wt_encoded_cache *encoded;
    wt_factors *factors;
    known_error *errors; /* [MOST_ERRORS] */
};

/* ---- opening ---- */

/* Gram matrices of another model have other widths. */
static int check_gram(const wt_workbench *b, wt_error *err) {
    const char *name;
    for (size_t i = 0; b->calibration.gram && (name = wt_gram_tensor(b->calibration.gram, i)); i++) {
        const wt_tensor *t = wt_gguf_find_tensor(b->gguf, name);
        if (t && wt_gram_columns(b->calibration.gram, name) == t->dims[0]) continue;
        wt_fail(err, WT_ERR_MISMATCH, "the Gram matrices are another model's: '%s' %s here", name,
                t ? "has another width" : "is no tensor");
        return wt_hint(err, "'wildtype calibrate --gram' makes them for this model");
    }
    return 0;
}

wt_workbench *wt_workbench_new(const wt_gguf *gguf, const wt_workbench_options *options, wt_error *err) {
    wt_workbench *b = wt_calloc(1, sizeof *b, err);
    if (!b) return NULL;
    const wt_features_options features = {.statistics = options->calibration.statistics,
                                          .chunks = options->chunks,
                                          .cache = options->cache,
                                          .note = options->note,
                                          .note_user = options->note_user};
    b->gguf = gguf;
    b->calibration = options->calibration;
    if ((b->calibration.statistics && wt_statistics_check(b->calibration.statistics, gguf, err) != 0) ||
        check_gram(b, err) != 0 || !(b->model = wt_model_from_gguf(gguf, err)) ||
        !(b->features = wt_features_new(gguf, &features, err)) ||
        !(b->encoded = wt_encoded_cache_new(options->encoded_bytes ? options->encoded_bytes : (size_t)256 << 20, err)) ||
        !(b->factors = wt_factors_new(options->factor_bytes ? options->factor_bytes : (size_t)512 << 20, err)) ||
        !(b->errors = wt_calloc(MOST_ERRORS, sizeof *b->errors, err))) {
        wt_workbench_free(b);
        return NULL;
    }
    return b;
}

void wt_workbench_free(wt_workbench *b) {
    if (!b) return;
    wt_features_free(b->features);
    wt_encoded_cache_free(b->encoded);
    wt_factors_free(b->factors);
    wt_model_close(b->model);
    free(b->errors);
    free(b);
}

const wt_gguf *wt_workbench_gguf(const wt_workbench *b) { return b->gguf; }
const wt_model *wt_workbench_model(const wt_workbench *b) { return b->model; }
const wt_calibration *wt_workbench_calibration(const wt_workbench *b) { return &b->calibration; }
wt_features *wt_workbench_features(wt_workbench *b) { return b->features; }
wt_cache_counts wt_workbench_counts(const wt_workbench *b) { return wt_encoded_cache_counts(b->encoded); }

/* ---- a matrix and its input, in memory ---- */

typedef struct matrix {
    const wt_site_tensor *site;
    float *x, *h; /* [rows, cols], [cols]; h NULL: nothing was measured */
} matrix;

static void release_matrix(matrix *m) {
    free(m->x);
    free(m->h);
}

/* A column that calibration never saw counts as a millionth of the mean: any code would do, but the nearest is the best guess. */
static void raise_zeros(float *h, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += h[i];
    const float least = sum > 0 ? (float)(sum / (double)n) * 1e-6f : 1.0f;
    for (size_t i = 0; i < n; i++) h[i] = h[i] > least ? h[i] : least;
}

static int read_matrix(matrix *m, const wt_transform *t, size_t i, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    *m = (matrix){.site = site};
    if (!(m->x = wt_alloc_aligned(site->rows, site->cols * sizeof(float), err)) ||
        !(m->h = wt_alloc_aligned(site->cols, sizeof(float), err)) || wt_transform_read(t, i, m->x, err) != 0)
        return -1;
    int measured = wt_transform_mean_square(t, i, m->h, err);
    if (measured == 1) {
        free(m->h);
        m->h = NULL;
    }
    if (measured == 0) raise_zeros(m->h, site->cols);
    return measured < 0 ? -1 : 0;
}

/* The factor, where the types ask for one and the input's Gram matrix is known; *feedback NULL otherwise. */
static int get_factor(wt_workbench *b, const wt_transform *t, size_t i, const matrix *m, const wt_encoding *e,
                      const wt_type *types, size_t count, const wt_feedback **feedback, wt_error *err) {
    bool wanted = false, measured = true;
    *feedback = NULL;
    for (size_t k = 0; k < count; k++) wanted |= wt_encoding_feeds_back(e, types[k]);
    if (!wanted) return 0;
    *feedback = wt_factors_get(b->factors, t, i, e, m->x, m->h, &measured, err);
    return *feedback || !measured ? 0 : -1;
}

/* ---- errors ---- */

/* sum over rows of u e², u the mean squares of the columns (NULL: 1). */
static double diagonal_form(const float *e, size_t rows, size_t cols, const float *u) {
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) sum += (u ? u[c] : 1.0) * e[r * cols + c] * e[r * cols + c];
    return sum;
}

/*
 * sum over rows of e G e. Rows lie side by side [cols, rows], so that a row of G goes by once for all of them and their sums are
 * independent of each other; G is symmetric, and half of it is read.
 */
static int gram_form(const float *e, size_t rows, size_t cols, const double *gram, double *out, wt_error *err) {
    double *across = wt_alloc_aligned(cols + 1, rows * sizeof(double), err), *products = across + cols * rows;
    if (!across) return -1;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) across[c * rows + r] = e[r * cols + c];
    double sum = 0;
    for (size_t c = 0; c < cols; c++) {
        const double *g = gram + c * cols, *own = across + c * rows;
        for (size_t r = 0; r < rows; r++) products[r] = 0.5 * g[c] * own[r];
        for (size_t d = c + 1; d < cols; d++) {
            const double factor = g[d], *other = across + d * rows;
            for (size_t r = 0; r < rows; r++) products[r] += factor * other[r];
        }
        for (size_t r = 0; r < rows; r++) sum += 2 * own[r] * products[r];
    }
    free(across);
    *out = sum;
    return 0;
}

/* What the errors of one matrix are measured with. */
typedef struct sample {
    matrix full;
    float *x; /* [rows, cols] of the sample */
    size_t rows;
    double *gram;
    double whole; /* the form of the weights themselves */
    const wt_feedback *feedback;
} sample;

/* What errors or weights e [rows, cols] make of the output's mean square. */
static int form_of(const sample *s, const float *e, double *out, wt_error *err) {
    const size_t cols = s->full.site->cols;
    if (s->gram) return gram_form(e, s->rows, cols, s->gram, out, err);
    *out = diagonal_form(e, s->rows, cols, s->full.h);
    return 0;
}

static void release_sample(sample *s) {
    release_matrix(&s->full);
    free(s->x);
    free(s->gram);
}

static int take_sample(wt_workbench *b, sample *s, const wt_transform *t, size_t i, const wt_encoding *e,
                       const wt_type *types, size_t count, size_t every, wt_error *err) {
    *s = (sample){0};
    if (read_matrix(&s->full, t, i, err) != 0 ||
        get_factor(b, t, i, &s->full, e, types, count, &s->feedback, err) != 0)
        return -1;
    const size_t rows = s->full.site->rows, cols = s->full.site->cols;
    s->rows = (rows + every - 1) / every;
    if (s->rows < WT_SAMPLE_LEAST) s->rows = rows < WT_SAMPLE_LEAST ? rows : WT_SAMPLE_LEAST;
    if (!(s->x = wt_alloc_aligned(s->rows, cols * sizeof(float), err))) return -1;
    for (size_t r = 0; r < s->rows; r++) /* evenly spread */
        memcpy(s->x + r * cols, s->full.x + (r * rows + rows / 2) / s->rows * cols, cols * sizeof(float));
    if (s->feedback && (!(s->gram = wt_alloc_aligned(cols, cols * sizeof(double), err)) ||
                        wt_transform_gram(t, i, s->gram, NULL, err) != 0))
        return -1;
    return form_of(s, s->x, &s->whole, err);
}

static int error_of(const sample *s, const wt_encoding *e, wt_type type, double *error, wt_error *err) {
    const size_t cols = s->full.site->cols, weights = s->rows * cols;
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, cols, &row_bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights in '%s' do not fit type %s", cols, s->full.site->name,
                       wt_type_find(type)->name);
    void *blocks = wt_alloc_aligned(s->rows, (size_t)row_bytes, err);
    float *q = wt_alloc_aligned(weights, sizeof(float), err);
    int rc = -1;
    if (blocks && q &&
        (rc = wt_encoding_run(e, s->full.site->name, type, s->x, s->rows, cols, s->full.h, s->feedback, blocks, err)) ==
            0) {
        wt_codec_of(type)->decode(blocks, q, weights);
        double lost = 0;
        for (size_t k = 0; k < weights; k++) q[k] = s->x[k] - q[k];
        rc = form_of(s, q, &lost, err);
        *error = s->whole > 0 ? fmax(lost, 0) / s->whole : 0;
    }
    free(blocks);
    free(q);
    return rc;
}

int wt_workbench_errors_sampled(wt_workbench *b, const wt_transform *t, size_t i, const wt_encoding *encoding,
                                const wt_type *types, size_t count, size_t every, double *errors, wt_error *err) {
    sample s;
    int rc = take_sample(b, &s, t, i, encoding, types, count, every, err);
    bool failed = rc != 0;
#pragma omp parallel for schedule(dynamic) if (!failed)
    for (size_t k = 0; k < count; k++) { /* a sample has too few rows to share among threads, so types are */
        wt_error own = {0};
        if (failed || error_of(&s, encoding, types[k], &errors[k], &own) == 0) continue;
#pragma omp critical(wt_workbench_failed)
        {
            if (rc == 0 && err) *err = own;
            rc = -1;
        }
    }
    release_sample(&s);
    return rc;
}

static wt_hash tensor_key(const wt_transform *t, size_t i, const wt_encoding *e, wt_type type) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    wt_hash h = wt_hash_add_str(wt_hash_bytes(site->key, sizeof site->key), site->name);
    return wt_hash_add_u64(wt_hash_add(h, &e->key, sizeof e->key), type);
}

int wt_workbench_errors(wt_workbench *b, const wt_transform *t, size_t i, const wt_encoding *encoding,
                        const wt_type *types, size_t count, double *errors, wt_error *err) {
    wt_type unknown[WT_TYPE_LIMIT];
    double measured[WT_TYPE_LIMIT];
    size_t place[WT_TYPE_LIMIT], n = 0;
    for (size_t k = 0; k < count; k++) {
        wt_hash key = tensor_key(t, i, encoding, types[k]);
        const known_error *known = &b->errors[key.low % MOST_ERRORS];
        errors[k] = known->error;
        if (wt_hash_equal(known->key, key)) continue;
        place[n] = k;
        unknown[n++] = types[k];
    }
    if (n == 0) return 0;
    if (wt_workbench_errors_sampled(b, t, i, encoding, unknown, n, WT_SAMPLE_EVERY, measured, err) != 0) return -1;
    for (size_t k = 0; k < n; k++) {
        wt_hash key = tensor_key(t, i, encoding, unknown[k]);
        b->errors[key.low % MOST_ERRORS] = (known_error){key, measured[k]};
        errors[place[k]] = measured[k];
    }
    return 0;
}

/* ---- encoding ---- */

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

wt_encoded *wt_workbench_encode(wt_workbench *b, const wt_transform *t, size_t i, const wt_encoding *encoding,
                                wt_type type, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    const wt_hash key = tensor_key(t, i, encoding, type);
    wt_encoded *e = wt_encoded_cache_get(b->encoded, key);
    if (e) return e;
    const double begin = seconds_now();
    matrix m = {0};
    const wt_feedback *feedback;
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, site->cols, &row_bytes)) {
        wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights in '%s' do not fit type %s", site->cols, site->name,
                wt_type_find(type)->name);
        return NULL;
    }
    if (read_matrix(&m, t, i, err) == 0 && get_factor(b, t, i, &m, encoding, &type, 1, &feedback, err) == 0 &&
        (e = wt_encoded_new((size_t)row_bytes * site->rows, err))) {
        if (wt_encoding_run(encoding, site->name, type, m.x, site->rows, site->cols, m.h, feedback, e->data, err) == 0) {
            e->seconds = seconds_now() - begin;
            wt_encoded_cache_put(b->encoded, key, e);
        } else {
            wt_encoded_release(e);
            e = NULL;
        }
    }
    release_matrix(&m);
    return e;
}
