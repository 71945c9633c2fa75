/*
 * Finding a model's tensors. One table names every role's tensor and its shape in terms of the hyperparameters; opening a
 * model walks the table over the layers, checks what it finds, and then refuses a file that holds tensors which no role
 * claimed, because ignoring them would measure another model.
 */
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"

/* What a dimension of a shape stands for. */
typedef enum extent { NONE, WIDTH, FFN, HEAD, Q, KV, QKV, VOCAB, ROPE } extent;

typedef struct role_row {
    const char *name;    /* as the file spells it */
    const char *suffix;  /* ".weight" or ".bias" */
    extent cols, rows;   /* rows NONE: a vector */
} role_row;

static const role_row ROLES[WT_ROLE_LIMIT] = {
    [WT_ROLE_ATTN_NORM] = {"attn_norm", ".weight", WIDTH, NONE},
    [WT_ROLE_ATTN_Q] = {"attn_q", ".weight", WIDTH, Q},
    [WT_ROLE_ATTN_K] = {"attn_k", ".weight", WIDTH, KV},
    [WT_ROLE_ATTN_V] = {"attn_v", ".weight", WIDTH, KV},
    [WT_ROLE_ATTN_QKV] = {"attn_qkv", ".weight", WIDTH, QKV},
    [WT_ROLE_ATTN_Q_BIAS] = {"attn_q", ".bias", Q, NONE},
    [WT_ROLE_ATTN_K_BIAS] = {"attn_k", ".bias", KV, NONE},
    [WT_ROLE_ATTN_V_BIAS] = {"attn_v", ".bias", KV, NONE},
    [WT_ROLE_ATTN_QKV_BIAS] = {"attn_qkv", ".bias", QKV, NONE},
    [WT_ROLE_ATTN_Q_NORM] = {"attn_q_norm", ".weight", HEAD, NONE},
    [WT_ROLE_ATTN_K_NORM] = {"attn_k_norm", ".weight", HEAD, NONE},
    [WT_ROLE_ATTN_OUT] = {"attn_output", ".weight", Q, WIDTH},
    [WT_ROLE_ATTN_OUT_BIAS] = {"attn_output", ".bias", WIDTH, NONE},
    [WT_ROLE_ATTN_POST_NORM] = {"post_attention_norm", ".weight", WIDTH, NONE},
    [WT_ROLE_FFN_NORM] = {"ffn_norm", ".weight", WIDTH, NONE},
    [WT_ROLE_FFN_GATE] = {"ffn_gate", ".weight", WIDTH, FFN},
    [WT_ROLE_FFN_UP] = {"ffn_up", ".weight", WIDTH, FFN},
    [WT_ROLE_FFN_DOWN] = {"ffn_down", ".weight", FFN, WIDTH},
    [WT_ROLE_FFN_GATE_BIAS] = {"ffn_gate", ".bias", FFN, NONE},
    [WT_ROLE_FFN_UP_BIAS] = {"ffn_up", ".bias", FFN, NONE},
    [WT_ROLE_FFN_DOWN_BIAS] = {"ffn_down", ".bias", WIDTH, NONE},
    [WT_ROLE_FFN_POST_NORM] = {"post_ffw_norm", ".weight", WIDTH, NONE},
    [WT_ROLE_EMBEDDING] = {"token_embd", ".weight", WIDTH, VOCAB},
    [WT_ROLE_OUTPUT_NORM] = {"output_norm", ".weight", WIDTH, NONE},
    [WT_ROLE_OUTPUT] = {"output", ".weight", WIDTH, VOCAB},
    [WT_ROLE_ROPE_FACTORS] = {"rope_freqs", ".weight", ROPE, NONE},
    [WT_ROLE_ROPE_LONG] = {"rope_factors_long", ".weight", ROPE, NONE},
    [WT_ROLE_ROPE_SHORT] = {"rope_factors_short", ".weight", ROPE, NONE},
};

struct wt_model {
    wt_gguf *owned; /* NULL where the caller keeps the file */
    const wt_gguf *gguf;
    wt_hparams hp;
    wt_weight *layers; /* [n_layers][WT_LAYER_ROLES] */
    wt_weight outside[WT_ROLE_LIMIT - WT_LAYER_ROLES];
    wt_tensor own_head; /* the entry of a head that the file has not; see wt_model_override */
    uint64_t overrides; /* how many there were: the last one's version */
};

const char *wt_role_name(wt_role role) { return (unsigned)role < WT_ROLE_LIMIT ? ROLES[role].name : "unknown"; }

static uint64_t extent_of(const wt_hparams *hp, wt_role role, extent e) {
    uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;
    switch (e) {
    case NONE: return 1;
    case WIDTH: return hp->width;
    case FFN: return role == WT_ROLE_FFN_UP && hp->arch->fused_gate_up ? 2 * (uint64_t)hp->ffn : hp->ffn;
    case HEAD: return hp->head_dim;
    case Q: return q;
    case KV: return kv;
    case QKV: return q + 2 * kv;
    case VOCAB: return hp->vocab;
    case ROPE: return hp->rope_dims / 2;
    }
    return 0;
}

/* Whether the architecture reads the role at all, and whether it must be there. */
typedef enum presence { FORBIDDEN, OPTIONAL, REQUIRED } presence;

static presence presence_of(const wt_arch *arch, wt_role role) {
    switch (role) {
    case WT_ROLE_ATTN_NORM:
    case WT_ROLE_ATTN_OUT:
    case WT_ROLE_FFN_NORM:
    case WT_ROLE_FFN_UP:
    case WT_ROLE_FFN_DOWN:
    case WT_ROLE_EMBEDDING:
    case WT_ROLE_OUTPUT_NORM: return REQUIRED;
    case WT_ROLE_ATTN_Q_NORM:
    case WT_ROLE_ATTN_K_NORM: return arch->qk_norm ? REQUIRED : FORBIDDEN;
    case WT_ROLE_ATTN_POST_NORM:
    case WT_ROLE_FFN_POST_NORM: return arch->post_norms ? REQUIRED : FORBIDDEN;
    case WT_ROLE_FFN_GATE: return arch->fused_gate_up ? FORBIDDEN : REQUIRED;
    case WT_ROLE_FFN_GATE_BIAS:
    case WT_ROLE_FFN_UP_BIAS:
    case WT_ROLE_FFN_DOWN_BIAS: return arch->ffn_bias ? OPTIONAL : FORBIDDEN;
    case WT_ROLE_ATTN_OUT_BIAS: return arch->out_bias ? OPTIONAL : FORBIDDEN;
    case WT_ROLE_ROPE_LONG:
    case WT_ROLE_ROPE_SHORT: return arch->rope_long_short ? OPTIONAL : FORBIDDEN;
    case WT_ROLE_ROPE_FACTORS: return OPTIONAL; /* some converters add it to files that do not use it */
    default: return OPTIONAL;
    }
}

static void role_tensor_name(wt_role role, int layer, char *name, size_t size) {
    if (layer >= 0)
        snprintf(name, size, "blk.%d.%s%s", layer, ROLES[role].name, ROLES[role].suffix);
    else
        snprintf(name, size, "%s%s", ROLES[role].name, ROLES[role].suffix);
}

static wt_weight *slot(const wt_model *m, wt_role role, uint32_t layer) {
    if (role >= WT_LAYER_ROLES) return (wt_weight *)&m->outside[role - WT_LAYER_ROLES];
    return &m->layers[(size_t)layer * WT_LAYER_ROLES + role];
}

/* Whether the role may have the type: vectors are floats. */
static bool type_allowed(wt_role role, wt_type type) {
    return ROLES[role].rows != NONE || type == WT_F32 || type == WT_F16 || type == WT_BF16;
}

/* Finds one role's tensor and checks its shape. *found counts the tensors that were claimed. */
static int find_role(wt_model *m, wt_role role, int layer, size_t *found, wt_error *err) {
    presence wanted = presence_of(m->hp.arch, role);
    if (wanted == FORBIDDEN) return 0;
    char name[96];
    role_tensor_name(role, layer, name, sizeof name);
    const wt_tensor *t = wt_gguf_find_tensor(m->gguf, name);
    if (!t) {
        if (wanted == OPTIONAL) return 0;
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': tensor '%s' is missing", wt_gguf_path(m->gguf), name);
        return wt_hint(err, "the file is incomplete, or another kind of model than its metadata says");
    }
    uint64_t cols = extent_of(&m->hp, role, ROLES[role].cols), rows = extent_of(&m->hp, role, ROLES[role].rows);
    if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1) {
        return wt_fail(err, WT_ERR_MISMATCH,
                       "cannot use '%s': tensor '%s' is %" PRIu64 " x %" PRIu64 ", but the metadata asks for %" PRIu64
                       " x %" PRIu64,
                       wt_gguf_path(m->gguf), name, t->dims[0], t->dims[1], cols, rows);
    }
    if (!type_allowed(role, t->type)) {
        return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': vector '%s' has type %s, not a float",
                       wt_gguf_path(m->gguf), name, wt_type_find(t->type)->name);
    }
    *slot(m, role, layer < 0 ? 0 : (uint32_t)layer) = (wt_weight){t, t->type, t->data, 0};
    (*found)++;
    return 0;
}

/* Query, key and value are one fused matrix or three. */
static int check_attention(const wt_model *m, uint32_t layer, wt_error *err) {
    bool fused = slot(m, WT_ROLE_ATTN_QKV, layer)->tensor;
    static const wt_role separate[] = {WT_ROLE_ATTN_Q, WT_ROLE_ATTN_K, WT_ROLE_ATTN_V};
    for (int i = 0; i < 3; i++) {
        bool present = slot(m, separate[i], layer)->tensor;
        if (fused == present) {
            return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': layer %u has %s tensor 'attn_qkv' and %s '%s'",
                           wt_gguf_path(m->gguf), layer, fused ? "a fused" : "no", fused ? "also" : "no",
                           wt_role_name(separate[i]));
        }
    }
    return 0;
}

static int refuse_unclaimed(const wt_model *m, wt_error *err) {
    for (size_t i = 0; i < wt_gguf_tensor_count(m->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(m->gguf, i);
        wt_role role;
        int layer;
        bool claimed = wt_role_of(t->name, &role, &layer) && layer < (int)m->hp.n_layers &&
                       slot(m, role, layer < 0 ? 0 : (uint32_t)layer)->tensor == t;
        if (!claimed) {
            wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': nothing in architecture '%s' uses tensor '%s'",
                    wt_gguf_path(m->gguf), m->hp.arch->name, t->name);
            return wt_hint(err, "the model is a variant that this program does not know");
        }
    }
    return 0;
}

static int find_tensors(wt_model *m, wt_error *err) {
    const wt_tensor *embedding = wt_gguf_find_tensor(m->gguf, "token_embd.weight");
    if (!embedding) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': tensor 'token_embd.weight' is missing", wt_gguf_path(m->gguf));
        return wt_hint(err, wt_gguf_tensor_count(m->gguf) == 0 ? "the file holds a vocabulary and no weights"
                                                               : "the file is no language model");
    }
    const wt_kv *tokens = wt_gguf_find_kv(m->gguf, "tokenizer.ggml.tokens");
    uint64_t vocab = tokens && tokens->type == WT_KV_ARRAY ? tokens->count : embedding->dims[1];
    if (vocab == 0 || vocab > INT32_MAX) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': a vocabulary of %" PRIu64 " tokens", wt_gguf_path(m->gguf),
                       vocab);
    }
    m->hp.vocab = (uint32_t)vocab;
    /* The file vouches for the layers before anything is allocated for them: each has at least one tensor. */
    if (m->hp.n_layers > wt_gguf_tensor_count(m->gguf)) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': %u layers, but only %zu tensors", wt_gguf_path(m->gguf),
                       m->hp.n_layers, wt_gguf_tensor_count(m->gguf));
    }
    m->layers = wt_calloc((size_t)m->hp.n_layers * WT_LAYER_ROLES, sizeof *m->layers, err);
    if (!m->layers) return -1;
    size_t found = 0;
    for (int role = WT_LAYER_ROLES; role < WT_ROLE_LIMIT; role++) {
        if (find_role(m, (wt_role)role, -1, &found, err) != 0) return -1;
    }
    for (uint32_t l = 0; l < m->hp.n_layers; l++) {
        for (int role = 0; role < WT_LAYER_ROLES; role++) {
            if (find_role(m, (wt_role)role, (int)l, &found, err) != 0) return -1;
        }
        if (check_attention(m, l, err) != 0) return -1;
    }
    m->hp.tied_head = !slot(m, WT_ROLE_OUTPUT, 0)->tensor;
    if (m->hp.tied_head) {
        const wt_tensor *e = slot(m, WT_ROLE_EMBEDDING, 0)->tensor;
        m->own_head = *e;
        m->own_head.name = "output.weight";
        m->own_head.data = NULL;
    }
    return found == wt_gguf_tensor_count(m->gguf) ? 0 : refuse_unclaimed(m, err);
}

wt_model *wt_model_from_gguf(const wt_gguf *gguf, wt_error *err) {
    wt_model *m = wt_calloc(1, sizeof *m, err);
    if (!m) return NULL;
    m->gguf = gguf;
    if (wt_hparams_read(&m->hp, gguf, err) != 0 || find_tensors(m, err) != 0) {
        wt_model_close(m);
        return NULL;
    }
    return m;
}

wt_model *wt_model_open(const char *path, wt_error *err) {
    wt_gguf *gguf = wt_gguf_open(path, err);
    if (!gguf) return NULL;
    wt_model *m = wt_model_from_gguf(gguf, err);
    if (m)
        m->owned = gguf;
    else
        wt_gguf_close(gguf);
    return m;
}

void wt_model_close(wt_model *model) {
    if (!model) return;
    wt_gguf_close(model->owned);
    free(model->layers);
    free(model);
}

const wt_gguf *wt_model_gguf(const wt_model *model) { return model->gguf; }
const wt_hparams *wt_model_hparams(const wt_model *model) { return &model->hp; }
void wt_model_set_hparams(wt_model *model, const wt_hparams *hp) { model->hp = *hp; }

wt_weight wt_model_weight(const wt_model *model, wt_role role, uint32_t layer) {
    if (role == WT_ROLE_OUTPUT && model->hp.tied_head) role = WT_ROLE_EMBEDDING;
    return *slot(model, role, layer);
}

int wt_model_override(wt_model *model, const char *name, wt_type type, const void *data, wt_error *err) {
    wt_role role;
    int layer;
    wt_weight *w = NULL;
    if (wt_role_of(name, &role, &layer) && layer < (int)model->hp.n_layers)
        w = slot(model, role, layer < 0 ? 0 : (uint32_t)layer);
    const wt_tensor *t = w ? w->tensor : NULL;
    const bool own_head = w && role == WT_ROLE_OUTPUT && model->own_head.name;
    if (own_head) t = &model->own_head;
    if (!t) {
        return wt_fail(err, WT_ERR_ARGUMENT, "cannot override tensor '%s': '%s' has no such tensor", name,
                       wt_gguf_path(model->gguf));
    }
    uint64_t row_bytes;
    const wt_type_info *info = wt_type_find(type);
    if (data && !wt_type_row_bytes(type, t->dims[0], &row_bytes)) {
        return wt_fail(err, WT_ERR_ARGUMENT, "cannot override tensor '%s': rows of %" PRIu64 " do not fit type %s", name,
                       t->dims[0], info ? info->name : "unknown");
    }
    if (data && !type_allowed(role, type)) {
        return wt_fail(err, WT_ERR_ARGUMENT, "cannot override vector '%s': type %s is not a float", name, info->name);
    }
    w->tensor = own_head && !data ? NULL : t;
    w->type = data ? type : t->type;
    w->data = data ? data : t->data;
    w->version = ++model->overrides;
    if (own_head) model->hp.tied_head = !data;
    return 0;
}

bool wt_role_of(const char *name, wt_role *role, int *layer) {
    *layer = -1;
    const char *rest = name;
    if (strncmp(name, "blk.", 4) == 0) {
        char *end;
        if (name[4] < '0' || name[4] > '9') return false;
        unsigned long l = strtoul(name + 4, &end, 10);
        if (*end != '.' || l >= WT_MAX_LAYERS || (name[4] == '0' && end != name + 5)) return false;
        *layer = (int)l;
        rest = end + 1;
    }
    int from = *layer >= 0 ? 0 : WT_LAYER_ROLES, to = *layer >= 0 ? WT_LAYER_ROLES : WT_ROLE_LIMIT;
    for (int i = from; i < to; i++) {
        size_t n = strlen(ROLES[i].name);
        if (strncmp(rest, ROLES[i].name, n) == 0 && strcmp(rest + n, ROLES[i].suffix) == 0) {
            *role = (wt_role)i;
            return true;
        }
    }
    return false;
}
