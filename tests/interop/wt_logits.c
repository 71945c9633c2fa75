/*
 * wt-logits [--q8] [--cache K V] MODEL TOKENS OUT [CHANGE...]: our engine's logits at every position, for comparison with the outside
 * judge's. TOKENS holds int32 ids; OUT gets float32 [changes + 1, tokens, vocabulary]: one run per deliberate change,
 * made alone, and the unchanged model last, which shows that every change was undone. Per change one line with the
 * right value.
 *
 * A CHANGE is FIELD=NUMBER, a hyperparameter; or TENSOR=NUMBER, every element of the tensors of that name in all
 * layers; or TENSOR=swap, their upper and lower halves exchanged. --fields lists the hyperparameters. --q8 rounds
 * activations as llama.cpp does, --cache keys and values through types.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/forward.h"
#include "quant/codec.h"

/* ---- hyperparameters by name ---- */

typedef enum kind { REAL, FLAG, NUMBER, ROPE_KIND, ACTIVATION, WINDOW_ALL, WINDOW_PERIOD } kind;

static const struct field {
    const char *name;
    kind kind;
    size_t offset;
} FIELDS[] = {
    {"norm_eps", REAL, offsetof(wt_hparams, norm_eps)},
    {"attention_scale", REAL, offsetof(wt_hparams, attention_scale)},
    {"embedding_scale", REAL, offsetof(wt_hparams, embedding_scale)},
    {"final_softcap", REAL, offsetof(wt_hparams, final_softcap)},
    {"rope_base", REAL, offsetof(wt_hparams, rope_base)},
    {"rope_base_window", REAL, offsetof(wt_hparams, rope_base_window)},
    {"rope_scale", REAL, offsetof(wt_hparams, rope_scale)},
    {"rope_scale_window", REAL, offsetof(wt_hparams, rope_scale_window)},
    {"rope_magnitude", REAL, offsetof(wt_hparams, rope_magnitude)},
    {"qk_norm", FLAG, offsetof(wt_hparams, qk_norm)},
    {"post_norms", FLAG, offsetof(wt_hparams, post_norms)},
    {"biases", FLAG, offsetof(wt_hparams, biases)},
    {"tied_head", FLAG, offsetof(wt_hparams, tied_head)},
    {"rope_factors", FLAG, offsetof(wt_hparams, rope_factors)},
    {"rope_yarn", FLAG, offsetof(wt_hparams, rope_yarn)},
    {"window", NUMBER, offsetof(wt_hparams, window)},
    {"rope_dims", NUMBER, offsetof(wt_hparams, rope_dims)},
    {"rope_original_context", NUMBER, offsetof(wt_hparams, rope_original_context)},
    {"rope_kind", ROPE_KIND, offsetof(wt_hparams, rope_kind)},
    {"activation", ACTIVATION, offsetof(wt_hparams, activation)},
    {"window_period", WINDOW_PERIOD, 0}, /* every so many-th layer is global */
    {"window_all", WINDOW_ALL, 0},       /* a window that llama.cpp ignores, honoured in every layer */
};

/* The period that `windowed` repeats, as far as the model is deep; 0 where no layer is global. */
static uint32_t period_of(const wt_hparams *hp) {
    for (uint32_t l = 0; l < hp->n_layers; l++) {
        if (!hp->windowed[l]) return l + 1;
    }
    return 0;
}

/* Sets the field to `v` and returns the value that it had. */
static double exchange(wt_hparams *hp, const struct field *f, double v) {
    char *at = (char *)hp + f->offset;
    double right = 0.0;
    switch (f->kind) {
    case REAL: return right = *(double *)(void *)at, *(double *)(void *)at = v, right;
    case FLAG: return right = *(bool *)at, *(bool *)at = v != 0.0, right;
    case NUMBER: return right = *(uint32_t *)(void *)at, *(uint32_t *)(void *)at = (uint32_t)v, right;
    case ROPE_KIND: return right = hp->rope_kind, hp->rope_kind = (wt_rope_kind)v, right;
    case ACTIVATION: return right = hp->activation, hp->activation = (wt_activation)v, right;
    case WINDOW_ALL:
        right = hp->window;
        hp->window = (uint32_t)v;
        memset(hp->windowed, 1, hp->n_layers);
        return right;
    case WINDOW_PERIOD:
        right = period_of(hp);
        for (uint32_t l = 0; l < hp->n_layers; l++) hp->windowed[l] = l % (uint32_t)v < (uint32_t)v - 1;
        return right;
    }
    return right;
}

/* ---- tensors ---- */

/* Whether a tensor's name, its layer left out, is `name`. */
static bool is_named(const wt_tensor *t, const char *name) {
    wt_role role;
    int layer;
    const char *rest = t->name;
    if (wt_role_of(t->name, &role, &layer) && layer >= 0) rest = strchr(t->name + 4, '.') + 1;
    return strcmp(rest, name) == 0;
}

/* The tensor's values, all of them `fill` or, where that is NULL, with its halves exchanged. The caller frees. */
static float *changed_values(const wt_tensor *t, const double *fill, wt_error *err) {
    size_t n = t->dims[0] * t->rows;
    float *x = wt_alloc_aligned(n, sizeof *x, err), *y = wt_alloc_aligned(n, sizeof *y, err);
    if (x && y) {
        wt_codec_of(t->type)->decode(t->data, x, n);
        for (size_t i = 0; i < n; i++) y[i] = fill ? (float)*fill : x[(i + n / 2) % n];
    }
    free(x);
    return y;
}

/* Overrides every tensor of that name; the values go to `kept` (NULL-terminated). Returns how many, or -1. */
static int change_tensors(wt_model *model, const char *name, const double *fill, float **kept, wt_error *err) {
    const wt_gguf *gguf = wt_model_gguf(model);
    int n = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (!is_named(t, name)) continue;
        if (!(kept[n] = changed_values(t, fill, err))) return -1;
        if (wt_model_override(model, t->name, WT_F32, kept[n++], err) != 0) return -1;
    }
    return n;
}

static int restore_tensors(wt_model *model, const char *name, float **kept, wt_error *err) {
    const wt_gguf *gguf = wt_model_gguf(model);
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (is_named(t, name) && wt_model_override(model, t->name, t->type, NULL, err) != 0) return -1;
    }
    for (int i = 0; i < WT_MAX_LAYERS; i++) {
        free(kept[i]);
        kept[i] = NULL;
    }
    return 0;
}

/* ---- runs ---- */

typedef struct job {
    wt_model *model;
    const int32_t *tokens;
    size_t rows;
    wt_engine_options options;
    FILE *out;
} job;

static int run(const job *j, wt_error *err) {
    size_t width = wt_model_hparams(j->model)->width, vocab = wt_model_hparams(j->model)->vocab;
    wt_engine *engine = wt_engine_open(j->model, &j->options, err);
    float *hidden = wt_alloc_aligned(j->rows * width, sizeof *hidden, err);
    float *logits = wt_alloc_aligned(j->rows * vocab, sizeof *logits, err);
    wt_batch batch = {.tokens = j->tokens, .lengths = &j->rows, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    int rc = -1;
    if (!engine || !hidden || !logits || wt_engine_run(engine, &batch, hidden, err) != 0) goto done;
    wt_engine_final_norm(engine, hidden, j->rows, hidden);
    if (wt_engine_logits(engine, hidden, j->rows, logits, err) != 0) goto done;
    rc = fwrite(logits, sizeof *logits, j->rows * vocab, j->out) == j->rows * vocab
             ? 0
             : wt_fail(err, WT_ERR_IO, "cannot write the logits");
done:
    free(hidden);
    free(logits);
    wt_engine_close(engine);
    return rc;
}

static int run_changed(const job *j, const char *change, wt_error *err) {
    static float *kept[WT_MAX_LAYERS + 1];
    char name[96] = "", *end;
    const char *equals = strchr(change, '=');
    if (!equals || (size_t)(equals - change) >= sizeof name)
        return wt_fail(err, WT_ERR_ARGUMENT, "'%s' is no NAME=VALUE", change);
    memcpy(name, change, (size_t)(equals - change));
    double value = strtod(equals + 1, &end);
    bool swap = strcmp(equals + 1, "swap") == 0;
    if (!swap && (*end || end == equals + 1)) return wt_fail(err, WT_ERR_ARGUMENT, "'%s' has no number", change);

    wt_hparams right = *wt_model_hparams(j->model), wrong = right;
    for (size_t i = 0; !swap && i < sizeof FIELDS / sizeof *FIELDS; i++) {
        if (strcmp(FIELDS[i].name, name) != 0) continue;
        printf("%s\t%.6g\n", change, exchange(&wrong, &FIELDS[i], value));
        wt_model_set_hparams(j->model, &wrong);
        int rc = run(j, err);
        wt_model_set_hparams(j->model, &right);
        return rc;
    }
    int n = change_tensors(j->model, name, swap ? NULL : &value, kept, err);
    if (n == 0) return wt_fail(err, WT_ERR_ARGUMENT, "'%s' is no hyperparameter and no tensor of the model", name);
    printf("%s\tas stored\n", change);
    int rc = n < 0 ? -1 : run(j, err);
    return restore_tensors(j->model, name, kept, rc == 0 ? err : NULL) != 0 ? -1 : rc;
}

int main(int argc, char **argv) {
    wt_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--fields") == 0) {
        for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) printf("%s\n", FIELDS[i].name);
        return 0;
    }
    wt_engine_options options = {0};
    for (; argc > 1 && strncmp(argv[1], "--", 2) == 0; argc--, argv++) {
        if (strcmp(argv[1], "--q8") == 0) options.activations = WT_ACTIVATIONS_Q8;
        if (strcmp(argv[1], "--cache") != 0 || argc < 4) continue;
        options.cache_k = (wt_type)wt_type_by_name(argv[2]);
        options.cache_v = (wt_type)wt_type_by_name(argv[3]);
        argc -= 2;
        argv += 2;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: wt-logits [--q8] [--cache K V] MODEL TOKENS OUT [CHANGE...] | wt-logits --fields\n");
        return 2;
    }
    size_t bytes = 0;
    int rc = -1;
    job j = {.model = wt_model_open(argv[1], &err),
             .options = options,
             .out = fopen(argv[3], "wb")};
    char *tokens = j.model ? wt_read_text(argv[2], &bytes, &err) : NULL;
    if (!j.out) wt_fail(&err, WT_ERR_IO, "cannot write '%s'", argv[3]);
    if (tokens && j.out) {
        j.tokens = (const int32_t *)(const void *)tokens;
        j.rows = j.options.context = bytes / sizeof(int32_t);
        rc = 0;
        for (int i = 4; rc == 0 && i < argc; i++) rc = run_changed(&j, argv[i], &err);
        if (rc == 0) rc = run(&j, &err);
    }
    if (j.out && fclose(j.out) != 0 && rc == 0) rc = wt_fail(&err, WT_ERR_IO, "cannot write '%s'", argv[3]);
    if (rc != 0) fprintf(stderr, "wt-logits: %s\n", err.message);
    free(tokens);
    wt_model_close(j.model);
    return rc == 0 ? 0 : 1;
}
