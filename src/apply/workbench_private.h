/* What the files of the workbench share: its parts, and a matrix with its input in memory. */
#ifndef WT_APPLY_WORKBENCH_PRIVATE_H
#define WT_APPLY_WORKBENCH_PRIVATE_H

#include <pthread.h>

#include "apply/factors.h"
#include "apply/workbench.h"

/* Errors of types (workbench_errors.c). */
typedef struct wt_bench_errors wt_bench_errors;

struct wt_workbench {
    const wt_gguf *gguf;
    wt_model *model;
    wt_calibration calibration;
    wt_features *features;
    wt_encoded_cache *encoded;
    wt_factors *factors;
    wt_bench_errors *errors;
};

wt_bench_errors *wt_bench_errors_new(wt_error *err);
void wt_bench_errors_free(wt_bench_errors *errors);

typedef struct wt_bench_matrix {
    const wt_site_tensor *site;
    float *x, *h; /* [rows, cols], [cols]; h NULL: nothing was measured */
} wt_bench_matrix;

/* Release it also after failure. */
int wt_bench_read(wt_bench_matrix *m, const wt_transform *t, size_t i, wt_error *err);
void wt_bench_release(wt_bench_matrix *m);

/*
 * The factor, where one of the types asks for one and the input's Gram matrix is known; *feedback NULL otherwise. Give it back to
 * wt_factors_give.
 */
int wt_bench_factor(wt_workbench *b, const wt_transform *t, size_t i, const wt_bench_matrix *m, const wt_encoding *e,
                    const wt_type *types, size_t count, const wt_feedback **feedback, wt_error *err);

/* What determines matrix i encoded so. */
wt_hash wt_bench_key(const wt_transform *t, size_t i, const wt_encoding *e, wt_type type);

#endif
