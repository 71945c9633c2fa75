#include <stdlib.h>
#include <time.h>

#include "apply/workbench_private.h"
#include "base/memory.h"

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
        !(b->encoded =
              wt_encoded_cache_new(options->encoded_bytes ? options->encoded_bytes : (size_t)256 << 20, err)) ||
        !(b->factors = wt_factors_new(options->factor_bytes ? options->factor_bytes : WT_FACTOR_BYTES, err)) ||
        !(b->errors = wt_bench_errors_new(err))) {
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
    wt_bench_errors_free(b->errors);
    free(b);
}

const wt_gguf *wt_workbench_gguf(const wt_workbench *b) { return b->gguf; }
const wt_model *wt_workbench_model(const wt_workbench *b) { return b->model; }
const wt_calibration *wt_workbench_calibration(const wt_workbench *b) { return &b->calibration; }
wt_features *wt_workbench_features(wt_workbench *b) { return b->features; }
wt_cache_counts wt_workbench_counts(const wt_workbench *b) { return wt_encoded_cache_counts(b->encoded); }

/* ---- a matrix and its input, in memory ---- */

void wt_bench_release(wt_bench_matrix *m) {
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

int wt_bench_read(wt_bench_matrix *m, const wt_transform *t, size_t i, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    *m = (wt_bench_matrix){.site = site};
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

int wt_bench_factor(wt_workbench *b, const wt_transform *t, size_t i, const wt_bench_matrix *m, const wt_encoding *e,
                    const wt_type *types, size_t count, const wt_feedback **feedback, wt_error *err) {
    bool wanted = false, measured = true;
    *feedback = NULL;
    for (size_t k = 0; k < count; k++) wanted |= wt_encoding_feeds_back(e, types[k]);
    if (!wanted) return 0;
    *feedback = wt_factors_take(b->factors, t, i, e, m->x, m->h, &measured, err);
    return *feedback || !measured ? 0 : -1;
}

wt_hash wt_bench_key(const wt_transform *t, size_t i, const wt_encoding *e, wt_type type) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    wt_hash h = wt_hash_add_str(wt_hash_bytes(site->key, sizeof site->key), site->name);
    return wt_hash_add_u64(wt_hash_add(h, &e->key, sizeof e->key), type);
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
    const wt_hash key = wt_bench_key(t, i, encoding, type);
    wt_encoded *e = wt_encoded_cache_get(b->encoded, key);
    if (e) return e;
    const double begin = seconds_now();
    wt_bench_matrix m = {0};
    const wt_feedback *feedback = NULL;
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, site->cols, &row_bytes)) {
        wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights in '%s' do not fit type %s", site->cols, site->name,
                wt_type_find(type)->name);
        return NULL;
    }
    if (wt_bench_read(&m, t, i, err) == 0 && wt_bench_factor(b, t, i, &m, encoding, &type, 1, &feedback, err) == 0 &&
        (e = wt_encoded_new((size_t)row_bytes * site->rows, err))) {
        if (wt_encoding_run(encoding, site->name, type, m.x, site->rows, site->cols, m.h, feedback, e->data, err) == 0) {
            e->seconds = seconds_now() - begin;
            wt_encoded_cache_put(b->encoded, key, e);
        } else {
            wt_encoded_release(e);
            e = NULL;
        }
    }
    wt_factors_give(b->factors, feedback);
    wt_bench_release(&m);
    return e;
}
