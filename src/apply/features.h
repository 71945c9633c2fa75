/*
 * What the rules of alloc.price may know of a model's matrices (strategy/domains.h), measured once per model and text. Shapes of weights
 * and activations come from the file and the statistics; sensitivity, which takes forward passes, only where somebody asks for
 * it. Both are kept in a folder of the user's cache, by a hash of all they depend on and with a checksum: what a damaged file kept
 * is measured again.
 */
#ifndef WT_APPLY_FEATURES_H
#define WT_APPLY_FEATURES_H

#include "apply/transform.h"
#include "base/hash.h"

typedef struct wt_features wt_features;

/* The hash of a model's tensors (names, types, shapes, bytes) and of what its metadata says of its shape: reads the whole file. */
wt_hash wt_model_hash(const wt_gguf *gguf);

/* The hash of statistics: names and values. That of NULL is a constant. */
wt_hash wt_statistics_hash(const wt_statistics *statistics);

typedef struct wt_features_options {
    const wt_statistics *statistics;            /* NULL: activations count as alike */
    const wt_chunks *chunks;                    /* that sensitivity is measured on; NULL: it cannot be */
    const char *cache;                          /* a folder, made where it is missing; NULL: nothing is kept */
    void (*note)(void *user, const char *text); /* told of a damaged file there, which is no failure; NULL: nobody is */
    void *note_user;
} wt_features_options;

/* The chunks and statistics of `options` must outlive the features, as must the file; the folder's name need not. */
wt_features *wt_features_new(const wt_gguf *gguf, const wt_features_options *options, wt_error *err);
void wt_features_free(wt_features *f);

/* Measures sensitivity, or takes it from the cache; done once. Fails without chunks, with a hint. */
int wt_features_need_sensitivity(wt_features *f, const wt_progress *progress, wt_error *err);
/* Tokens that went through the model for sensitivity in this process: 0 where the cache had it. */
uint64_t wt_features_tokens(const wt_features *f);

/* Tokens that it takes to measure it, whether the cache has it or not; 0 without chunks. */
uint64_t wt_features_sensitivity_tokens(const wt_features *f);

/* values [WT_TENSOR_VARIABLES] of a matrix; `unties`: the transformed model's head is a tensor of its own. sens is 0 before it is measured. */
void wt_features_of(const wt_features *f, const wt_site_tensor *t, bool unties, float *values);

/* The share of a matrix's output that the probe type loses, encoded as people do: what prices are relative to. 0 where no probe fits. */
double wt_features_probe_error(const wt_features *f, const wt_tensor *source);

/* The user's cache folder for such things ($XDG_CACHE_HOME/wildtype or ~/.cache/wildtype), or NULL; free() it. */
char *wt_cache_folder(void);

#endif
