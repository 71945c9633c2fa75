/* Which channels each tensor reads and writes, and the tensors themselves; see transform_private.h. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "apply/transform_private.h"
#include "base/checked.h"
#include "quant/codec.h"

/* ---- channels ---- */

static float *arena_floats(wt_transform *t, size_t n, wt_error *err) {
    size_t bytes;
    if (!wt_mul_size(n, sizeof(float), &bytes)) return wt_fail_memory(err, SIZE_MAX), NULL;
    return wt_arena_alloc(&t->arena, bytes, err);
}

/* The gain of a norm, which becomes the readers'. */
static int merge_gain(wt_transform *t, const wt_model *model, wt_role role, size_t layer, wt_channels *c, wt_error *err) {
    wt_weight w = wt_model_weight(model, role, (uint32_t)layer);
    float *gain = arena_floats(t, c->n, err);
    if (!gain) return -1;
    wt_codec_of(w.type)->decode(w.data, gain, c->n);
    c->gain = gain;
    return 0;
}

static int rotate_stream(wt_transform *t, const wt_model *model, uint32_t seed, wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(model);
    if (hp->post_norms) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot apply rotate.residual to '%s': architecture '%s' has a norm with gains after "
                "attention and after the FFN, with which no rotation of the residual stream commutes",
                wt_gguf_path(wt_model_gguf(model)), hp->arch->name);
        return wt_hint(err, "rotate.value and all folds work on it");
    }
    float *signs = arena_floats(t, hp->width, err);
    if (!signs) return -1;
    wt_rng rng;
    wt_rng_init(&rng, seed, 0, 0);
    wt_hadamard_signs(&rng, signs, hp->width);
    wt_channels *head = &t->shared[WT_SPACE_HEAD_IN];
    if (merge_gain(t, model, WT_ROLE_OUTPUT_NORM, 0, head, err) != 0) return -1;
    const wt_rotation rotation = {signs, hp->width, wt_hadamard_block(hp->width)};
    t->shared[WT_SPACE_STREAM].rotation = head->rotation = rotation;
    t->shared[WT_SPACE_STREAM].seed = head->seed = seed;
    for (size_t l = 0; l < t->n_layers; l++) {
        wt_channels *attn = wt_layer_space(t, l, WT_SPACE_ATTN_IN), *ffn = wt_layer_space(t, l, WT_SPACE_FFN_IN);
        if (merge_gain(t, model, WT_ROLE_ATTN_NORM, l, attn, err) != 0 ||
            merge_gain(t, model, WT_ROLE_FFN_NORM, l, ffn, err) != 0)
            return -1;
        attn->rotation = ffn->rotation = rotation;
        attn->seed = ffn->seed = seed;
    }
    return 0;
}

/* Each KV head has signs of its own. */
static int rotate_values(wt_transform *t, uint32_t seed, wt_error *err) {
    for (size_t l = 0; l < t->n_layers; l++) {
        wt_channels *value = wt_layer_space(t, l, WT_SPACE_VALUE), *out = wt_layer_space(t, l, WT_SPACE_ATTN_OUT);
        float *signs = arena_floats(t, value->n, err), *expanded = arena_floats(t, out->n, err);
        if (!signs || !expanded) return -1;
        wt_rng rng;
        wt_rng_init(&rng, seed, 1 + l, 0);
        wt_hadamard_signs(&rng, signs, value->n);
        wt_expand_heads(t, signs, value->n, expanded);
        const size_t block = wt_hadamard_block(t->head_dim);
        value->rotation = (wt_rotation){signs, value->n, block};
        out->rotation = (wt_rotation){expanded, out->n, block};
        value->seed = out->seed = seed;
    }
    return 0;
}

/* The name by which calibration knows the input of a layer's matrix. */
static const char *input_name(const wt_model *model, size_t layer, const wt_role *roles, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_model_weight(model, roles[i], (uint32_t)layer).tensor;
        if (t) return t->name;
    }
    return NULL;
}

static int find_channels(wt_transform *t, const wt_model *model, wt_error *err) {
    static const wt_role attn_in[] = {WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_Q}, attn_out[] = {WT_ROLE_ATTN_OUT};
    static const wt_role ffn_in[] = {WT_ROLE_FFN_GATE, WT_ROLE_FFN_UP}, ffn_mid[] = {WT_ROLE_FFN_DOWN};
    const wt_hparams *hp = wt_model_hparams(model);
    t->n_layers = hp->n_layers;
    t->head_dim = hp->head_dim;
    t->heads_per_kv = hp->n_heads / hp->n_kv_heads;
    t->layers = wt_arena_alloc(&t->arena, t->n_layers * WT_LAYER_SPACES * sizeof *t->layers, err);
    t->by_role = t->layers ? wt_arena_alloc(&t->arena, t->n_layers * WT_LAYER_ROLES * sizeof *t->by_role, err) : NULL;
    if (!t->by_role) return -1;
    for (size_t l = 0; l < t->n_layers; l++) {
        wt_channels *c = wt_layer_space(t, l, 0);
        c[WT_SPACE_ATTN_IN] = (wt_channels){.n = hp->width, .measured = input_name(model, l, attn_in, 2)};
        c[WT_SPACE_VALUE] = (wt_channels){.n = (size_t)hp->n_kv_heads * hp->head_dim};
        c[WT_SPACE_ATTN_OUT] = (wt_channels){.n = (size_t)hp->n_heads * hp->head_dim,
                                             .measured = input_name(model, l, attn_out, 1)};
        c[WT_SPACE_FFN_IN] = (wt_channels){.n = hp->width, .measured = input_name(model, l, ffn_in, 2)};
        c[WT_SPACE_FFN_MID] = (wt_channels){.n = hp->ffn, .measured = input_name(model, l, ffn_mid, 1)};
    }
    t->shared[WT_SPACE_STREAM] = (wt_channels){.n = hp->width};
    t->shared[WT_SPACE_HEAD_IN] = (wt_channels){
        .n = hp->width, .measured = wt_model_weight(model, WT_ROLE_OUTPUT, 0).tensor->name};
    return 0;
}

/* ---- tensors ---- */

/* Which channels of its layer the tensor of a role reads and writes. */
static void connect_layer(const wt_transform *t, const wt_hparams *hp, wt_recipe *r) {
    const size_t q_and_k = ((size_t)hp->n_heads + hp->n_kv_heads) * hp->head_dim;
    const wt_channels *c = wt_layer_space(t, (size_t)r->site.layer, 0), *stream = &t->shared[WT_SPACE_STREAM];
    const wt_role role = r->site.role;
    switch (role) {
    case WT_ROLE_ATTN_NORM:
    case WT_ROLE_FFN_NORM:
        r->rows = &c[role == WT_ROLE_ATTN_NORM ? WT_SPACE_ATTN_IN : WT_SPACE_FFN_IN];
        r->norm = true;
        break;
    case WT_ROLE_ATTN_Q:
    case WT_ROLE_ATTN_K: r->columns = &c[WT_SPACE_ATTN_IN]; break;
    case WT_ROLE_ATTN_V:
    case WT_ROLE_ATTN_QKV:
        r->columns = &c[WT_SPACE_ATTN_IN];
        r->rows = &c[WT_SPACE_VALUE];
        r->first_row = role == WT_ROLE_ATTN_QKV ? q_and_k : 0;
        break;
    case WT_ROLE_ATTN_V_BIAS:
    case WT_ROLE_ATTN_QKV_BIAS:
        r->rows = &c[WT_SPACE_VALUE];
        r->first_row = role == WT_ROLE_ATTN_QKV_BIAS ? q_and_k : 0;
        break;
    case WT_ROLE_ATTN_OUT: r->columns = &c[WT_SPACE_ATTN_OUT]; /* fall through */
    case WT_ROLE_ATTN_OUT_BIAS: r->rows = stream; break;
    case WT_ROLE_FFN_GATE: r->columns = &c[WT_SPACE_FFN_IN]; break;
    case WT_ROLE_FFN_UP: r->columns = &c[WT_SPACE_FFN_IN]; /* fall through */
    case WT_ROLE_FFN_UP_BIAS:
        r->rows = &c[WT_SPACE_FFN_MID];
        r->first_row = hp->arch->fused_gate_up ? hp->ffn : 0;
        break;
    case WT_ROLE_FFN_DOWN: r->columns = &c[WT_SPACE_FFN_MID]; /* fall through */
    case WT_ROLE_FFN_DOWN_BIAS: r->rows = stream; break;
    default: break; /* biases of q, k and gate, norms of heads, post-norms */
    }
    if (r->columns) r->input = 1 + (uint64_t)(r->columns - t->layers);
}

static void connect_shared(const wt_transform *t, bool tied, wt_recipe *r) {
    switch (r->site.role) {
    case WT_ROLE_EMBEDDING: /* its rows are values of the stream, and the readers' rows change as those do; or it is the head */
        r->columns = &t->shared[tied ? WT_SPACE_HEAD_IN : WT_SPACE_STREAM];
        break;
    case WT_ROLE_OUTPUT: r->columns = &t->shared[WT_SPACE_HEAD_IN]; break;
    case WT_ROLE_OUTPUT_NORM:
        r->rows = &t->shared[WT_SPACE_HEAD_IN];
        r->norm = true;
        break;
    default: break;
    }
    if (r->columns == &t->shared[WT_SPACE_HEAD_IN]) r->input = 1 + t->n_layers * WT_LAYER_SPACES;
}

static int add_tensor(wt_transform *t, const wt_model *model, const char *name, wt_role role, int layer, bool tied,
                      wt_error *err) {
    const wt_hparams *hp = wt_model_hparams(model);
    wt_recipe *r = &t->tensors[t->count++];
    r->weight = wt_model_weight(model, role, layer < 0 ? 0 : (uint32_t)layer);
    const wt_tensor *source = r->weight.tensor;
    const bool matrix = source->rows > 1;
    r->site = (wt_site_tensor){.name = wt_arena_strndup(&t->arena, name, strlen(name), err),
                               .source = source, .role = role, .layer = layer,
                               .rows = (size_t)source->rows, .cols = (size_t)source->dims[0], .matrix = matrix};
    if (!r->site.name) return -1;
    if (!wt_codec_of(r->weight.type)->decode) {
        return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot transform '%s': tensor '%s' has type %s, which cannot be decoded",
                       wt_gguf_path(wt_model_gguf(model)), name, wt_type_find(r->weight.type)->name);
    }
    if (layer >= 0) {
        connect_layer(t, hp, r);
        t->by_role[(size_t)layer * WT_LAYER_ROLES + role] = r;
    } else {
        connect_shared(t, tied, r);
    }
    return 0;
}

static int find_tensors(wt_transform *t, const wt_model *model, wt_error *err) {
    const wt_gguf *gguf = wt_model_gguf(model);
    const size_t n = wt_gguf_tensor_count(gguf);
    const bool tied = wt_model_hparams(model)->tied_head;
    t->unties = tied && t->shared[WT_SPACE_STREAM].rotation.signs;
    bool has_head = false;
    if (!(t->tensors = wt_arena_alloc(&t->arena, (n + 1) * sizeof *t->tensors, err))) return -1;
    for (size_t i = 0; i < n; i++) {
        const char *name = wt_gguf_tensor(gguf, i)->name;
        wt_role role;
        int layer;
        if (!wt_role_of(name, &role, &layer)) continue; /* a model has none such */
        has_head |= role == WT_ROLE_OUTPUT;
        if (add_tensor(t, model, name, role, layer, tied && !t->unties, err) != 0) return -1;
    }
    if (has_head || (tied && !t->unties)) return 0;
    return add_tensor(t, model, "output.weight", WT_ROLE_OUTPUT, -1, false, err);
}

/* ---- values ---- */

/* Rows that are changed together: a cache line of columns at a time goes through all of them. */
#define STRIPE ((size_t)16)

/* A matrix this small is not worth the meeting of threads. */
#define WORTH_THREADS ((size_t)1 << 14)

static bool channels_change(const wt_channels *c) { return c && (c->gain || c->rotation.signs || c->scale); }

static void read_row(const wt_channels *c, bool folds, float *row) {
    if (!c) return;
    for (size_t i = 0; c->gain && i < c->n; i++) row[i] *= c->gain[i];
    wt_hadamard_apply(&c->rotation, row);
    for (size_t i = 0; folds && c->scale && i < c->n; i++) row[i] *= c->scale[i];
}

/* What writes the channels: columns `from` .. `to`-1 of x, whose rows are the channels. */
static void write_columns(const wt_channels *c, bool folds, float *x, size_t stride, size_t from, size_t to) {
    wt_hadamard_apply_down(&c->rotation, x, stride, from, to);
    for (size_t i = 0; folds && c->scale && i < c->n; i++) {
        for (size_t k = from; k < to; k++) x[i * stride + k] /= c->scale[i];
    }
}

/* Rows of a large matrix that one thread streams in turn. */
#define STREAMED_ROWS ((size_t)16)

static void read_rows(const wt_recipe *r, bool folds, size_t row_bytes, float *out) {
    const size_t rows = r->site.rows, cols = r->site.cols;
    const wt_decode_fn decode = wt_codec_of(r->weight.type)->decode;
#pragma omp parallel for schedule(static) if (rows * cols > WORTH_THREADS)
    for (size_t i = 0; i < rows; i++) {
        decode((const unsigned char *)r->weight.data + i * row_bytes, out + i * cols, cols);
        read_row(r->columns, folds, out + i * cols);
    }
}

static void stream_rows(const wt_recipe *r, size_t row_bytes, float *out) {
    const size_t rows = r->site.rows, cols = r->site.cols;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i += STREAMED_ROWS) {
        const unsigned char *from = (const unsigned char *)r->weight.data + i * row_bytes;
        const size_t n = (rows - i < STREAMED_ROWS ? rows - i : STREAMED_ROWS) * cols;
        wt_decode_streaming(r->weight.type, from, out + i * cols, n);
    }
}

int wt_recipe_read(const wt_recipe *r, bool folds, bool touched, float *out, wt_error *err) {
    const size_t rows = r->site.rows, cols = r->site.cols;
    uint64_t row_bytes;
    if (!wt_type_row_bytes(r->weight.type, cols, &row_bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "tensor '%s' has rows of no whole blocks", r->site.name);
    if (touched && !channels_change(r->columns) && rows * cols >= WT_BEYOND_CACHES)
        stream_rows(r, (size_t)row_bytes, out);
    else
        read_rows(r, folds, (size_t)row_bytes, out);
    const wt_channels *c = r->rows;
    if (!c || !(c->rotation.signs || (folds && c->scale))) return 0;
    if (r->norm) {
        for (size_t i = 0; i < c->n; i++)
            out[i] = (c->gain ? 1.0f : out[i]) / (folds && c->scale ? c->scale[i] : 1.0f);
    } else if (rows == 1) { /* a bias is one column */
        write_columns(c, folds, out + r->first_row, 1, 0, 1);
    } else {
#pragma omp parallel for schedule(static) if (rows * cols > WORTH_THREADS)
        for (size_t from = 0; from < cols; from += STRIPE)
            write_columns(c, folds, out + r->first_row * cols, cols, from, cols - from < STRIPE ? cols : from + STRIPE);
    }
    return 0;
}

int wt_transform_read(const wt_transform *t, size_t i, float *out, wt_error *err) {
    return wt_recipe_read(&t->tensors[i], true, false, out, err);
}

/* ---- keys ---- */

/* All numbers that the change depends on, beside the model's. The name says which channels they are. */
static void hash_channels(XXH3_state_t *state, const wt_channels *c) {
    const uint64_t head[3] = {c && c->rotation.signs ? 1 + (uint64_t)c->seed : 0, c && c->gain, c && c->scale};
    XXH3_128bits_update(state, head, sizeof head);
    if (c && c->scale) XXH3_128bits_update(state, c->scale, c->n * sizeof *c->scale);
}

static int finish_tensors(wt_transform *t, wt_error *err) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return wt_fail_memory(err, sizeof(XXH3_state_t *));
    for (size_t i = 0; i < t->count; i++) {
        wt_recipe *r = &t->tensors[i];
        r->site.changed = channels_change(r->columns) || channels_change(r->rows);
        XXH3_128bits_reset(state);
        XXH3_128bits_update(state, r->site.name, strlen(r->site.name) + 1);
        hash_channels(state, r->columns);
        hash_channels(state, r->rows);
        XXH128_hash_t h = XXH3_128bits_digest(state);
        r->site.key[0] = h.low64;
        r->site.key[1] = h.high64;
    }
    XXH3_freeState(state);
    return 0;
}

/* ---- life ---- */

/* Every rule sees the channels as the rotations left them, so that no fold depends on another. */
static int fold_channels(wt_transform *t, const wt_transform_request *request, wt_error *err) {
    static const int spaces[WT_FOLDS] = {WT_SPACE_ATTN_IN, WT_SPACE_VALUE, WT_SPACE_FFN_IN, WT_SPACE_FFN_MID};
    float **scales[WT_FOLDS] = {0};
    for (int f = 0; f < WT_FOLDS; f++) {
        if (!request->folds[f].run) continue;
        scales[f] = wt_arena_alloc(&t->arena, t->n_layers * sizeof **scales, err);
        if (!scales[f] || wt_fold_evaluate(t, (wt_fold)f, &request->folds[f], scales[f], err) != 0) return -1;
    }
    for (int f = 0; f < WT_FOLDS; f++) {
        for (size_t l = 0; scales[f] && l < t->n_layers; l++) {
            wt_channels *c = wt_layer_space(t, l, spaces[f]), *out = wt_layer_space(t, l, WT_SPACE_ATTN_OUT);
            c->scale = scales[f][l];
            if (f != WT_FOLD_ATTN_OUT) continue;
            float *expanded = arena_floats(t, out->n, err);
            if (!expanded) return -1;
            wt_expand_heads(t, c->scale, c->n, expanded);
            out->scale = expanded;
        }
    }
    return 0;
}

wt_transform *wt_transform_request_new(const wt_model *model, const wt_transform_request *request,
                                       const wt_calibration *calibration, wt_error *err) {
    wt_transform *t = wt_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    pthread_mutex_init(&t->lock, NULL);
    if (calibration) t->calibration = *calibration;
    if (find_channels(t, model, err) != 0 ||
        (request->rotate_residual && rotate_stream(t, model, request->residual_seed, err) != 0) ||
        (request->rotate_value && rotate_values(t, request->value_seed, err) != 0) || find_tensors(t, model, err) != 0 ||
        fold_channels(t, request, err) != 0 || finish_tensors(t, err) != 0) {
        wt_transform_free(t);
        return NULL;
    }
    return t;
}

void wt_transform_free(wt_transform *t) {
    if (!t) return;
    for (size_t i = 0; t->layers && i < t->n_layers * WT_LAYER_SPACES; i++) free(t->layers[i].mean_square);
    for (size_t i = 0; i < WT_SHARED_SPACES; i++) free(t->shared[i].mean_square);
    wt_arena_release(&t->arena);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

size_t wt_transform_count(const wt_transform *t) { return t->count; }
const wt_site_tensor *wt_transform_at(const wt_transform *t, size_t i) { return &t->tensors[i].site; }
bool wt_transform_unties(const wt_transform *t) { return t->unties; }
