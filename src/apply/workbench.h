/*
 * A model on the bench: its file, what was measured on it, and the work that strategies have in common, kept for the next one: encoded
 * tensors, errors of types, factors of error feedback. Everything that apply/ does to a model goes through here.
 */
#ifndef WT_APPLY_WORKBENCH_H
#define WT_APPLY_WORKBENCH_H

#include "apply/encoded_cache.h"
#include "apply/encoding.h"
#include "apply/features.h"

typedef struct wt_workbench wt_workbench;

#define WT_FACTOR_BYTES                                                                                                \
    ((size_t)512 << 20) /* of factors of error feedback that are kept, where nothing else is asked */

typedef struct wt_workbench_options {
    wt_calibration calibration; /* of the model, or empty */
    const wt_chunks *chunks;    /* that sensitivity is measured on; NULL: strategies that ask for it fail */
    const char *cache;          /* folder for what is measured once; NULL: none */
    void (*note)(void *user, const char *text); /* as in wt_features_options */
    void *note_user;
    size_t encoded_bytes;       /* encoded tensors that are kept; 0: a quarter of a gigabyte */
    size_t factor_bytes;        /* factors of error feedback that are kept; 0: WT_FACTOR_BYTES */
} wt_workbench_options;

/* The file, and what `options` points to, must outlive the workbench. Fails where statistics or Gram matrices are another model's. */
wt_workbench *wt_workbench_new(const wt_gguf *gguf, const wt_workbench_options *options, wt_error *err);
void wt_workbench_free(wt_workbench *bench);

const wt_gguf *wt_workbench_gguf(const wt_workbench *bench);
const wt_model *wt_workbench_model(const wt_workbench *bench); /* exact; nobody may override its weights */
const wt_calibration *wt_workbench_calibration(const wt_workbench *bench);
wt_features *wt_workbench_features(wt_workbench *bench);

/*
 * The error of encoding matrix i of a transformed model as each of types [count]: the share of its output's mean square that it loses
 * (by the Gram matrix where errors are fed back, by the mean squares of the columns otherwise), on a sample of rows. Measured so for
 * Q4_K and, where there is a codebook type among them, IQ2_XS; the errors of others stand to those as they do in the matrix as the
 * file has it, with default genes, which is measured once. Kept by what determines it. Thread-safe.
 */
int wt_workbench_errors(wt_workbench *bench, const wt_transform *t, size_t i, const wt_encoding *encoding,
                        const wt_type *types, size_t count, double *errors, wt_error *err);
/* Each type's error measured, with every `sample_every`-th row (1: all of them); not kept. */
int wt_workbench_errors_sampled(wt_workbench *bench, const wt_transform *t, size_t i, const wt_encoding *encoding,
                                const wt_type *types, size_t count, size_t sample_every, double *errors, wt_error *err);

/*
 * The error at the probe type of the matrix that `site` is made of, as the file has it and without feedback, measured as
 * wt_workbench_errors measures: what prices are relative to. 0 where no probe fits. Thread-safe.
 */
int wt_workbench_probe_error(wt_workbench *bench, const wt_site_tensor *site, const wt_encoding *encoding, double *error,
                             wt_error *err);

/* Rows that are sampled: one of so many, but no fewer than WT_SAMPLE_LEAST, nor more than WT_SAMPLE_MOST, whose mean error is known well enough. */
#define WT_SAMPLE_EVERY 16
#define WT_SAMPLE_LEAST 24
#define WT_SAMPLE_MOST 64

/* Matrix i of a transformed model as `type`, encoded or from the cache; the caller lets it go. */
wt_encoded *wt_workbench_encode(wt_workbench *bench, const wt_transform *t, size_t i, const wt_encoding *encoding,
                                wt_type type, wt_error *err);

wt_cache_counts wt_workbench_counts(const wt_workbench *bench);

#endif
