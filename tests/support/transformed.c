#include "support/transformed.h"

#include <stdlib.h>
#include <string.h>

#define ODD .layers = 2, .vocab = 300, .context = 512, .rope_base = 10000.0, .norm_eps = 1e-5
static const random_model ODD_MODELS[] = {
    {"llama-160", "llama", ODD, .width = 160, .heads = 6, .kv_heads = 2, .head_dim = 24, .ffn = 224, .qkv_bias = true,
     .out_bias = true, .ffn_bias = true},
    {"qwen2-72", "qwen2", ODD, .width = 72, .heads = 6, .kv_heads = 3, .head_dim = 12, .ffn = 100, .qkv_bias = true,
     .bytes = true},
    {"qwen3-96", "qwen3", ODD, .width = 96, .heads = 4, .kv_heads = 2, .head_dim = 24, .ffn = 160, .bytes = true},
    {"gemma3-160", "gemma3", ODD, .width = 160, .heads = 4, .kv_heads = 2, .head_dim = 40, .ffn = 96, .window = 24},
    {"phi3-96", "phi3", ODD, .width = 96, .heads = 6, .kv_heads = 3, .head_dim = 16, .ffn = 160, .qkv_bias = true,
     .fused_qkv = true, .fused_bias = true},
    {"phi3-70", "phi3", ODD, .width = 70, .heads = 5, .kv_heads = 1, .head_dim = 14, .ffn = 33},
};
#define ODD_COUNT (sizeof ODD_MODELS / sizeof *ODD_MODELS)

/* Of the judged ones those whose tensors are others, not their numbers alone. */
static const char *const JUDGED[] = {"llama-fused-qkv", "phi3-yarn", "gemma3-yarn"};

const random_model *transform_model_at(size_t i) {
    if (i < ODD_COUNT) return &ODD_MODELS[i];
    i -= ODD_COUNT;
    if (i < sizeof JUDGED / sizeof *JUDGED) return random_model_find(JUDGED[i]);
    return random_model_at(i - sizeof JUDGED / sizeof *JUDGED);
}

const random_model *transform_model_find(const char *name) {
    for (size_t i = 0; transform_model_at(i); i++) {
        if (strcmp(transform_model_at(i)->name, name) == 0) return transform_model_at(i);
    }
    return NULL;
}

static const char *const NAMES[] = {"rotate.residual", "rotate.value", "fold.attn_in", "fold.attn_out", "fold.ffn_in",
                                    "fold.ffn_mid"};

const char *transform_part_name(unsigned parts) {
    for (unsigned i = 0; i < 6; i++) {
        if (parts == 1u << i) return NAMES[i];
    }
    return "all";
}

unsigned transform_parts(const wt_model *model) {
    return wt_model_hparams(model)->post_norms ? EVERYTHING & ~(unsigned)ROTATE_RESIDUAL : EVERYTHING;
}

static void draw(const uint64_t *seed, uint64_t site, size_t layer, size_t n, float *out) {
    wt_rng rng;
    wt_rng_init(&rng, *seed, 100 + site, layer);
    for (size_t i = 0; i < n; i++) out[i] = (float)(0.5 * wt_rng_normal(&rng));
}

#define DEFINE_RULE(name, site)                                                                                        \
    static void name(void *user, size_t layer, const float *const features[], size_t n, float *out) {                  \
        (void)features;                                                                                                \
        draw(user, site, layer, n, out);                                                                               \
    }
DEFINE_RULE(draw_attn_in, WT_FOLD_ATTN_IN)
DEFINE_RULE(draw_attn_out, WT_FOLD_ATTN_OUT)
DEFINE_RULE(draw_ffn_in, WT_FOLD_FFN_IN)
DEFINE_RULE(draw_ffn_mid, WT_FOLD_FFN_MID)

wt_transform_request random_request(unsigned parts, uint64_t *seed) {
    wt_transform_request r = {.rotate_residual = parts & ROTATE_RESIDUAL, .rotate_value = parts & ROTATE_VALUE,
                              .residual_seed = (uint32_t)*seed, .value_seed = (uint32_t)*seed + 1};
    const struct { unsigned part; wt_fold fold; wt_fold_rule rule; } folds[] = {
        {FOLD_ATTN_IN, WT_FOLD_ATTN_IN, {draw_attn_in, seed, 0, -4, 4}},
        {FOLD_ATTN_OUT, WT_FOLD_ATTN_OUT, {draw_attn_out, seed, 0, -4, 4}},
        {FOLD_FFN_IN, WT_FOLD_FFN_IN, {draw_ffn_in, seed, 0, -4, 4}},
        {FOLD_FFN_MID, WT_FOLD_FFN_MID, {draw_ffn_mid, seed, 0, -4, 4}}};
    for (size_t i = 0; i < 4; i++) {
        if (parts & folds[i].part) r.folds[folds[i].fold] = folds[i].rule;
    }
    return r;
}

int transformed_apply(transformed *out, wt_model *model, const wt_transform *t, wt_error *err) {
    *out = (transformed){.model = model, .count = wt_transform_count(t)};
    if (!(out->values = wt_calloc(out->count, sizeof *out->values, err))) return -1;
    for (size_t i = 0; i < out->count; i++) {
        const wt_site_tensor *s = wt_transform_at(t, i);
        if (!s->changed) continue;
        if (!(out->values[i] = wt_calloc(s->rows * s->cols, sizeof(float), err)) ||
            wt_transform_read(t, i, out->values[i], err) != 0 ||
            wt_model_override(model, s->name, WT_F32, out->values[i], err) != 0)
            return -1;
    }
    return 0;
}

void transformed_undo(transformed *m, const wt_transform *t) {
    for (size_t i = 0; m->values && i < m->count; i++) {
        if (!m->values[i]) continue;
        wt_model_override(m->model, wt_transform_at(t, i)->name, WT_F32, NULL, NULL);
        free(m->values[i]);
    }
    free(m->values);
    *m = (transformed){0};
}

/* Whether tensor i is written as the file has it. */
static bool as_it_was(const wt_transform *t, size_t i, const char *without) {
    const wt_site_tensor *s = wt_transform_at(t, i);
    return !s->changed || (without && strcmp(s->name, without) == 0);
}

/* A head that is left out is tied again. */
static bool is_left_out(const wt_transform *t, size_t i, const char *without) {
    const wt_site_tensor *s = wt_transform_at(t, i);
    return as_it_was(t, i, without) && s->role == WT_ROLE_OUTPUT && wt_transform_unties(t);
}

static int write_tensor(wt_gguf_writer *w, const wt_transform *t, size_t i, const char *without, wt_error *err) {
    const wt_site_tensor *s = wt_transform_at(t, i);
    if (is_left_out(t, i, without)) return 0;
    if (as_it_was(t, i, without)) return wt_gguf_writer_data(w, s->source->data, s->source->bytes, err);
    float *values = wt_calloc(s->rows * s->cols, sizeof *values, err);
    int rc = values && wt_transform_read(t, i, values, err) == 0
                 ? wt_gguf_writer_data(w, values, s->rows * s->cols * sizeof *values, err)
                 : -1;
    free(values);
    return rc;
}

int transformed_write(const wt_model *model, const wt_transform *t, const char *without, const char *path, wt_error *err) {
    const wt_gguf *g = wt_model_gguf(model);
    wt_gguf_writer *w = wt_gguf_writer_open(path, err);
    if (!w) return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < wt_gguf_kv_count(g); i++) rc = wt_gguf_writer_copy_kv(w, wt_gguf_kv(g, i), err);
    for (size_t i = 0; rc == 0 && i < wt_transform_count(t); i++) {
        const wt_site_tensor *s = wt_transform_at(t, i);
        if (is_left_out(t, i, without)) continue;
        rc = wt_gguf_writer_add_tensor(w, s->name, as_it_was(t, i, without) ? s->source->type : WT_F32, s->source->dims,
                                       s->source->n_dims, err);
    }
    for (size_t i = 0; rc == 0 && i < wt_transform_count(t); i++) rc = write_tensor(w, t, i, without, err);
    if (rc == 0) return wt_gguf_writer_finish(w, err);
    wt_gguf_writer_abandon(w);
    return -1;
}
