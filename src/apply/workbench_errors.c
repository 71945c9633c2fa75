/*
 * What encoding a matrix as a type loses. A strategy's own errors are measured, on a sample of rows, for few types only, the leads:
 * how the errors of the other types stand to those of their lead hardly depends on folds, rotations and the search, so that is
 * measured once per model, on the matrix as the file has it, with the default genes (and error feedback, where the strategy has
 * it). Of codebook types, whose search takes ten times as long as any other, a strategy thereby measures one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "apply/sensitivity.h"
#include "apply/workbench_private.h"
#include "base/memory.h"
#include "quant/codebook.h"

/* Errors that are kept, in a hashed table whose newer entries replace what is in their place. */
enum { MOST_ERRORS = 1 << 16 };

/* The damping of the plain encoding with feedback: that of `human sensitivity`. */
#define PLAIN_DAMP 0.1f

typedef struct known_error {
    wt_hash key;
    double error;
} known_error;

/* Errors of a matrix as the file has it, measured once: NaN before. */
typedef struct plain_errors {
    double of[2][WT_TYPE_LIMIT]; /* without and with feedback */
    double probe;                /* at the probe type, by the Gram matrix */
} plain_errors;

struct wt_bench_errors {
    pthread_mutex_t lock;
    known_error known[MOST_ERRORS];
    wt_transform *plain;      /* the model as the file has it, made when it is first needed */
    plain_errors *of_plain;   /* [its tensors] */
    wt_encoding encoding[2];  /* the default genes, without and with feedback */
};

wt_bench_errors *wt_bench_errors_new(wt_error *err) {
    wt_bench_errors *e = wt_calloc(1, sizeof *e, err);
    if (e) pthread_mutex_init(&e->lock, NULL);
    return e;
}

void wt_bench_errors_free(wt_bench_errors *e) {
    if (!e) return;
    wt_transform_free(e->plain);
    free(e->of_plain);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

/* ---- quadratic forms ---- */

/* sum over rows of u e², u the mean squares of the columns (NULL: 1). */
static double diagonal_form(const float *e, size_t rows, size_t cols, const float *u) {
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) sum += (u ? u[c] : 1.0) * e[r * cols + c] * e[r * cols + c];
    return sum;
}

/*
 * sum over rows of e G e. Rows lie side by side in strips [cols, SIDE], and so do columns of G, which is symmetric: of each the part above the
 * diagonal counts twice. Their products are a tile of the kernels of error feedback.
 */
static int gram_form(const float *e, size_t rows, size_t cols, const double *gram, double *out, wt_error *err) {
    enum { SIDE = WT_FEEDBACK_SIDE };
    const wt_feedback_kernels *kernels = wt_feedback_kernels_at(wt_cpu_chosen());
    const size_t strips = (rows + SIDE - 1) / SIDE, strip = cols * SIDE;
    double *across = wt_alloc_aligned(strips + 1, strip * sizeof(double), err), *columns = across + strips * strip;
    if (!across) return -1;
    for (size_t r = 0; r < strips * SIDE; r++)
        for (size_t c = 0; c < cols; c++) across[r / SIDE * strip + c * SIDE + r % SIDE] = r < rows ? e[r * cols + c] : 0.0;
    double sum = 0;
    for (size_t c = 0; c < cols; c += SIDE) {
        const size_t width = cols - c < SIDE ? cols - c : SIDE, end = c + width;
        for (size_t j = 0; j < SIDE; j++) {
            const double *g = gram + (c + j) * cols;
            for (size_t k = 0; k < end; k++) columns[k * SIDE + j] = j >= width || k > c + j ? 0.0 : k == c + j ? 0.5 * g[k] : g[k];
        }
        for (size_t s = 0; s < strips; s++) {
            const double *own = across + s * strip;
            double products[SIDE * SIDE];
            kernels->products(own, columns, end, products);
            for (size_t i = 0; i < SIDE; i++)
                for (size_t j = 0; j < width; j++) sum += 2 * own[(c + j) * SIDE + i] * products[i * SIDE + j];
        }
    }
    free(across);
    *out = sum;
    return 0;
}

/* ---- a sample ---- */

/* What the errors of one matrix are measured with. */
typedef struct sample {
    wt_bench_matrix full;
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

static void release_sample(wt_workbench *b, sample *s) {
    wt_factors_give(b->factors, s->feedback);
    wt_bench_release(&s->full);
    free(s->x);
    free(s->gram);
}

/* by_gram: errors count by the Gram matrix, where there is one, whatever feeds back. */
static int take_sample(wt_workbench *b, sample *s, const wt_transform *t, size_t i, const wt_encoding *e,
                       const wt_type *types, size_t count, size_t every, bool by_gram, wt_error *err) {
    *s = (sample){0};
    if (wt_bench_read(&s->full, t, i, err) != 0 ||
        wt_bench_factor(b, t, i, &s->full, e, types, count, &s->feedback, err) != 0)
        return -1;
    const size_t rows = s->full.site->rows, cols = s->full.site->cols;
    s->rows = (rows + every - 1) / every;
    if (every > 1 && s->rows > WT_SAMPLE_MOST) s->rows = WT_SAMPLE_MOST;
    if (s->rows < WT_SAMPLE_LEAST) s->rows = rows < WT_SAMPLE_LEAST ? rows : WT_SAMPLE_LEAST;
    if (!(s->x = wt_alloc_aligned(s->rows, cols * sizeof(float), err))) return -1;
    for (size_t r = 0; r < s->rows; r++) /* evenly spread */
        memcpy(s->x + r * cols, s->full.x + (r * rows + rows / 2) / s->rows * cols, cols * sizeof(float));
    if (by_gram) {
        if (!(s->gram = wt_alloc_aligned(cols, cols * sizeof(double), err))) return -1;
        const int got = wt_transform_gram(t, i, s->gram, NULL, err);
        if (got < 0) return -1;
        if (got == 1) free(s->gram), s->gram = NULL;
    }
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
    int rc = take_sample(b, &s, t, i, encoding, types, count, every, encoding->damp > 0, err);
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
    release_sample(b, &s);
    return rc;
}

/* ---- what is known ---- */

/* Measures what is not known yet of types [count]; errors [count]. */
static int measure(wt_workbench *b, const wt_transform *t, size_t i, const wt_encoding *encoding, const wt_type *types,
                   size_t count, double *errors, wt_error *err) {
    wt_bench_errors *store = b->errors;
    wt_type unknown[WT_TYPE_LIMIT];
    wt_hash keys[WT_TYPE_LIMIT];
    double measured[WT_TYPE_LIMIT];
    size_t place[WT_TYPE_LIMIT], n = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t k = 0; k < count; k++) {
        const wt_hash key = wt_bench_key(t, i, encoding, types[k]);
        const known_error *known = &store->known[key.low % MOST_ERRORS];
        errors[k] = known->error;
        if (wt_hash_equal(known->key, key)) continue;
        place[n] = k;
        keys[n] = key;
        unknown[n++] = types[k];
    }
    pthread_mutex_unlock(&store->lock);
    if (n == 0) return 0;
    if (wt_workbench_errors_sampled(b, t, i, encoding, unknown, n, WT_SAMPLE_EVERY, measured, err) != 0) return -1;
    pthread_mutex_lock(&store->lock);
    for (size_t k = 0; k < n; k++) {
        store->known[keys[k].low % MOST_ERRORS] = (known_error){keys[k], measured[k]};
        errors[place[k]] = measured[k];
    }
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* ---- the model as the file has it ---- */

static int make_plain(wt_workbench *b, wt_error *err) {
    wt_bench_errors *e = b->errors;
    wt_strategy plain;
    wt_strategy_init(&plain);
    int rc = wt_encoding_init(&e->encoding[0], &plain, err);
    plain.genes[WT_GENE_FEEDBACK_DAMP].number = PLAIN_DAMP;
    if (rc == 0) rc = wt_encoding_init(&e->encoding[1], &plain, err);
    wt_transform *t = rc == 0 ? wt_transform_new(b->model, &plain, &b->calibration, err) : NULL;
    wt_strategy_release(&plain);
    const size_t count = t ? wt_transform_count(t) : 0;
    if (t && (e->of_plain = wt_calloc(count + 1, sizeof *e->of_plain, err))) {
        for (size_t i = 0; i < count; i++) {
            e->of_plain[i].probe = NAN;
            for (size_t k = 0; k < WT_TYPE_LIMIT; k++) e->of_plain[i].of[0][k] = e->of_plain[i].of[1][k] = NAN;
        }
        e->plain = t;
        return 0;
    }
    wt_transform_free(t);
    return -1;
}

/* The model as the file has it, once. */
static int prepare_plain(wt_workbench *b, wt_error *err) {
    pthread_mutex_lock(&b->errors->lock);
    const int rc = b->errors->plain ? 0 : make_plain(b, err);
    pthread_mutex_unlock(&b->errors->lock);
    return rc;
}

/* Which tensor of the plain model a matrix is made of. */
static int find_plain(wt_workbench *b, const wt_site_tensor *site, size_t *at, wt_error *err) {
    if (prepare_plain(b, err) != 0) return -1;
    for (*at = 0; *at < wt_transform_count(b->errors->plain); ++*at) {
        const wt_site_tensor *s = wt_transform_at(b->errors->plain, *at);
        if (s->source == site->source && s->matrix) return 0;
    }
    return wt_fail(err, WT_ERR_ARGUMENT, "'%s' is no matrix of the model", site->source->name);
}

int wt_workbench_probe_error(wt_workbench *b, const wt_site_tensor *site, const wt_encoding *encoding, double *error,
                             wt_error *err) {
    wt_bench_errors *store = b->errors;
    size_t at;
    wt_type type;
    sample s;
    *error = wt_features_probe_error(b->features, site->source);
    if (encoding->damp <= 0 || !b->calibration.gram || !wt_probe_type(site->cols, &type)) return 0;
    if (find_plain(b, site, &at, err) != 0) return -1;
    double *known = &store->of_plain[at].probe;
    pthread_mutex_lock(&store->lock);
    const double probe = *known;
    pthread_mutex_unlock(&store->lock);
    if (!isnan(probe)) {
        *error = probe;
        return 0;
    }
    int rc = take_sample(b, &s, store->plain, at, &store->encoding[0], &type, 1, WT_SAMPLE_EVERY, true, err);
    if (rc == 0) rc = error_of(&s, &store->encoding[0], type, error, err);
    release_sample(b, &s);
    pthread_mutex_lock(&store->lock);
    if (rc == 0) *known = *error;
    pthread_mutex_unlock(&store->lock);
    return rc;
}

/* Errors of types [count] of the matrix that is tensor `at` of the plain model. */
static int measure_plain(wt_workbench *b, size_t at, bool feedback, const wt_type *types, size_t count, double *errors,
                         wt_error *err) {
    wt_bench_errors *store = b->errors;
    double *known = store->of_plain[at].of[feedback], measured[WT_TYPE_LIMIT];
    wt_type unknown[WT_TYPE_LIMIT];
    size_t n = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t k = 0; k < count; k++) {
        errors[k] = known[types[k]];
        if (isnan(errors[k])) unknown[n++] = types[k];
    }
    pthread_mutex_unlock(&store->lock);
    if (n == 0) return 0;
    if (wt_workbench_errors_sampled(b, store->plain, at, &store->encoding[feedback], unknown, n, WT_SAMPLE_EVERY, measured, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    for (size_t k = 0; k < n; k++) known[unknown[k]] = measured[k];
    for (size_t k = 0; k < count; k++) errors[k] = known[types[k]];
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* ---- leads ---- */

/* The type whose error stands for that of `type` where rows have so many columns: its own, where no lead fits them. */
static wt_type lead_of(wt_type type, size_t cols) {
    const wt_type lead = wt_codebook_group(type) ? WT_IQ2_XS : WT_Q4_K;
    uint64_t bytes;
    return wt_type_row_bytes(lead, cols, &bytes) ? lead : type;
}

static size_t place_of(const wt_type *types, size_t count, wt_type type) {
    size_t k = 0;
    while (k < count && types[k] != type) k++;
    return k;
}

int wt_workbench_errors(wt_workbench *b, const wt_transform *t, size_t i, const wt_encoding *encoding,
                        const wt_type *types, size_t count, double *errors, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    wt_type leads[WT_TYPE_LIMIT], all[WT_TYPE_LIMIT];
    double own[WT_TYPE_LIMIT], plain[WT_TYPE_LIMIT];
    size_t n = 0, others = 0;
    for (size_t k = 0; k < count; k++) {
        const wt_type lead = lead_of(types[k], site->cols);
        if (place_of(leads, n, lead) == n) leads[n++] = lead;
        if (types[k] != lead) all[others++] = types[k];
    }
    size_t at;
    if (find_plain(b, site, &at, err) != 0 || measure(b, t, i, encoding, leads, n, own, err) != 0) return -1;
    const size_t plains = others ? others + n : 0;
    if (others) memcpy(all + others, leads, n * sizeof *leads);
    if (others && measure_plain(b, at, encoding->damp > 0, all, plains, plain, err) != 0) return -1;
    for (size_t k = 0; k < count; k++) {
        const wt_type lead = lead_of(types[k], site->cols);
        errors[k] = own[place_of(leads, n, lead)];
        if (types[k] == lead) continue;
        const double of_lead = plain[place_of(all, plains, lead)], of_type = plain[place_of(all, plains, types[k])];
        errors[k] = of_lead > 0 ? errors[k] * (of_type / of_lead) : of_type;
    }
    return 0;
}
