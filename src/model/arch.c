/*
 * The table of architectures and the reading of hyperparameters. Defaults and precedence are llama.cpp's: where it
 * differs from a paper (phi3's sliding window is ignored), so do we, because that is what people run.
 */
#include "model/arch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const wt_arch ARCHITECTURES[] = {
    /* Llama 1 to 3, Mistral, SmolLM2, TinyLlama */
    {.name = "llama", .rope = WT_ROPE_PAIRS, .ffn_bias = true, .out_bias = true, .rope_whole_head = true},
    {.name = "qwen2", .rope = WT_ROPE_HALVES, .rope_whole_head = true},
    {.name = "qwen3", .rope = WT_ROPE_HALVES, .qk_norm = true, .rope_whole_head = true},
    {.name = "gemma3",
     .rope = WT_ROPE_HALVES,
     .activation = WT_ACT_GELU_TANH,
     .qk_norm = true,
     .post_norms = true,
     .scale_embedding = true,
     .window_period = 6,
     .wide_scale_layers = 62,
     .final_softcap = true},
    {.name = "phi3", .rope = WT_ROPE_HALVES, .fused_gate_up = true, .rope_long_short = true},
};

const wt_arch *wt_arch_at(size_t i) {
    return i < sizeof ARCHITECTURES / sizeof *ARCHITECTURES ? &ARCHITECTURES[i] : NULL;
}

const wt_arch *wt_arch_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof *ARCHITECTURES; i++) {
        if (strlen(ARCHITECTURES[i].name) == len && memcmp(ARCHITECTURES[i].name, name, len) == 0)
            return &ARCHITECTURES[i];
    }
    return NULL;
}

/* Where keys are read from: the file, and the architecture's name that most of them start with. */
typedef struct reader {
    const wt_gguf *gguf;
    const char *arch;
    wt_error *err;
} reader;

static void full_key(const reader *r, const char *suffix, char *key, size_t size) {
    snprintf(key, size, "%s.%s", r->arch, suffix);
}

/* Reads ARCH.suffix into *out: 1 present, 0 absent, -1 not a number between 0 and `limit`. */
static int read_u32(const reader *r, const char *suffix, uint32_t limit, uint32_t *out) {
    char key[128];
    full_key(r, suffix, key, sizeof key);
    uint64_t value;
    int rc = wt_gguf_get_u64(r->gguf, key, &value, r->err);
    if (rc <= 0) return rc;
    if (value > limit) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s' is %" PRIu64 ", more than %u",
                       wt_gguf_path(r->gguf), key, value, limit);
    }
    *out = (uint32_t)value;
    return 1;
}

/* The same for a value that has to be there and positive. */
static int require_u32(const reader *r, const char *suffix, uint32_t limit, uint32_t *out) {
    int rc = read_u32(r, suffix, limit, out);
    if (rc < 0) return -1;
    if (rc == 1 && *out > 0) return 0;
    return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s.%s' is %s", wt_gguf_path(r->gguf), r->arch, suffix,
                   rc == 0 ? "missing" : "0");
}

/*
 * A number per layer, or one for all: llama.cpp allows arrays, we want them constant. 0 as read_u32, 1 present, -1.
 */
static int read_uniform_u32(const reader *r, const char *suffix, uint32_t n_layers, uint32_t limit, uint32_t *out) {
    char key[128];
    full_key(r, suffix, key, sizeof key);
    const wt_kv *kv = wt_gguf_find_kv(r->gguf, key);
    if (!kv || kv->type != WT_KV_ARRAY) return read_u32(r, suffix, limit, out);
    if (kv->element == WT_KV_STRING || kv->element == WT_KV_ARRAY || kv->count < n_layers) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s' is no array of %u numbers",
                       wt_gguf_path(r->gguf), key, n_layers);
    }
    for (uint64_t i = 0; i < n_layers; i++) {
        int64_t value = wt_kv_integer(kv, i);
        if (value != wt_kv_integer(kv, 0) || value < 0 || value > (int64_t)limit) {
            return wt_fail(r->err, WT_ERR_UNSUPPORTED,
                           "cannot use '%s': key '%s' differs between layers, which is not supported",
                           wt_gguf_path(r->gguf), key);
        }
    }
    *out = (uint32_t)wt_kv_integer(kv, 0);
    return 1;
}

/* Reads ARCH.suffix into *out where present; finite numbers only. 1, 0 or -1. */
static int read_f64(const reader *r, const char *suffix, double *out) {
    char key[128];
    full_key(r, suffix, key, sizeof key);
    double value;
    int rc = wt_gguf_get_f64(r->gguf, key, &value, r->err);
    if (rc <= 0) return rc;
    if (!isfinite(value)) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s' is not finite", wt_gguf_path(r->gguf), key);
    }
    *out = value;
    return 1;
}

static int read_dimensions(const reader *r, wt_hparams *hp) {
    const uint32_t max_width = 1u << 20, max_ffn = 1u << 24;
    if (require_u32(r, "block_count", WT_MAX_LAYERS, &hp->n_layers) != 0) return -1;
    if (require_u32(r, "embedding_length", max_width, &hp->width) != 0) return -1;
    if (read_uniform_u32(r, "attention.head_count", hp->n_layers, 1u << 16, &hp->n_heads) < 0) return -1;
    if (hp->n_heads == 0) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s.attention.head_count' is missing or 0",
                       wt_gguf_path(r->gguf), r->arch);
    }
    hp->n_kv_heads = hp->n_heads;
    if (read_uniform_u32(r, "attention.head_count_kv", hp->n_layers, 1u << 16, &hp->n_kv_heads) < 0) return -1;
    if (hp->n_kv_heads == 0 || hp->n_heads % hp->n_kv_heads != 0) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': %u heads do not divide among %u key-value heads",
                       wt_gguf_path(r->gguf), hp->n_heads, hp->n_kv_heads);
    }
    if (read_uniform_u32(r, "feed_forward_length", hp->n_layers, max_ffn, &hp->ffn) < 0) return -1;
    if (hp->ffn == 0) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s.feed_forward_length' is missing or 0",
                       wt_gguf_path(r->gguf), r->arch);
    }
    hp->head_dim = hp->width / hp->n_heads;
    uint32_t value_dim = hp->head_dim;
    if (read_u32(r, "attention.key_length", max_width, &hp->head_dim) < 0) return -1;
    if (read_u32(r, "attention.value_length", max_width, &value_dim) < 0) return -1;
    if (value_dim != hp->head_dim || hp->head_dim == 0) {
        return wt_fail(r->err, WT_ERR_UNSUPPORTED, "cannot use '%s': keys of %u and values of %u dimensions a head",
                       wt_gguf_path(r->gguf), hp->head_dim, value_dim);
    }
    uint32_t experts = 0;
    if (read_u32(r, "context_length", INT32_MAX, &hp->context) < 0) return -1;
    if (read_u32(r, "expert_count", UINT32_MAX, &experts) < 0) return -1;
    if (experts > 0) {
        return wt_fail(r->err, WT_ERR_UNSUPPORTED, "cannot use '%s': mixtures of experts are not supported",
                       wt_gguf_path(r->gguf));
    }
    return 0;
}

static int read_window(const reader *r, wt_hparams *hp) {
    if (hp->arch->window_period == 0) return 0;
    if (read_u32(r, "attention.sliding_window", INT32_MAX, &hp->window) < 0) return -1;
    if (hp->window == 0) return 0;
    char key[128];
    full_key(r, "attention.sliding_window_pattern", key, sizeof key);
    const wt_kv *kv = wt_gguf_find_kv(r->gguf, key);
    if (kv && kv->type == WT_KV_ARRAY) {
        if (kv->element == WT_KV_STRING || kv->element == WT_KV_ARRAY || kv->count < hp->n_layers) {
            return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': key '%s' is no array of %u flags",
                           wt_gguf_path(r->gguf), key, hp->n_layers);
        }
        for (uint32_t l = 0; l < hp->n_layers; l++) hp->windowed[l] = wt_kv_integer(kv, l) != 0;
        return 0;
    }
    uint32_t period = hp->arch->window_period;
    if (read_u32(r, "attention.sliding_window_pattern", INT32_MAX, &period) < 0) return -1;
    for (uint32_t l = 0; l < hp->n_layers; l++) hp->windowed[l] = period == 0 || l % period < period - 1;
    return 0;
}

static int read_rope(const reader *r, wt_hparams *hp) {
    hp->rope_kind = hp->arch->rope;
    hp->rope_factors = true;
    hp->rope_dims = hp->head_dim;
    if (read_u32(r, "rope.dimension_count", 1u << 20, &hp->rope_dims) < 0) return -1;
    if (hp->rope_dims > hp->head_dim || hp->rope_dims % 2 || hp->rope_dims == 0 ||
        (hp->arch->rope_whole_head && hp->rope_dims != hp->head_dim)) {
        return wt_fail(r->err, WT_ERR_FORMAT,
                       "cannot use '%s': key '%s.rope.dimension_count' is %u, but a head has %u dimensions",
                       wt_gguf_path(r->gguf), r->arch, hp->rope_dims, hp->head_dim);
    }
    hp->rope_base = hp->rope_base_window = 10000.0; /* windowed layers do not follow rope.freq_base */
    if (read_f64(r, "rope.freq_base", &hp->rope_base) < 0) return -1;
    if (read_f64(r, "rope.freq_base_swa", &hp->rope_base_window) < 0) return -1;

    double factor = 0.0;
    int rc = read_f64(r, "rope.scaling.factor", &factor);
    if (rc == 0) rc = read_f64(r, "rope.scale_linear", &factor); /* the key's older name */
    if (rc < 0) return -1;
    if (hp->rope_base <= 0.0 || hp->rope_base_window <= 0.0 || factor < 0.0) {
        return wt_fail(r->err, WT_ERR_FORMAT, "cannot use '%s': a rope base or factor is negative",
                       wt_gguf_path(r->gguf));
    }
    char key[128];
    wt_str kind = {"linear", 6};
    full_key(r, "rope.scaling.type", key, sizeof key);
    if (wt_gguf_get_str(r->gguf, key, &kind, r->err) < 0) return -1;
    static const char *const known[] = {"none", "linear", "yarn", "longrope"};
    size_t k = 0;
    while (k < 4 && !(strlen(known[k]) == kind.len && memcmp(known[k], kind.data, kind.len) == 0)) k++;
    if (k == 4) {
        wt_fail(r->err, WT_ERR_UNSUPPORTED, "cannot use '%s': rope scaling '%.*s' is unknown", wt_gguf_path(r->gguf),
                kind.len > 64 ? 64 : (int)kind.len, kind.data);
        return wt_hint(r->err, "known are: none, linear, yarn, longrope");
    }
    hp->rope_scale = k == 0 || factor == 0.0 ? 1.0 : 1.0 / factor;
    hp->rope_scale_window = 1.0;
    hp->rope_yarn = k == 2;
    hp->rope_magnitude = 1.0;
    if (read_f64(r, "rope.scaling.attn_factor", &hp->rope_magnitude) < 0) return -1;
    hp->rope_original_context = hp->context;
    return read_u32(r, "rope.scaling.original_context_length", INT32_MAX, &hp->rope_original_context) < 0 ? -1 : 0;
}

int wt_hparams_read(wt_hparams *hp, const wt_gguf *gguf, wt_error *err) {
    memset(hp, 0, sizeof *hp);
    wt_str name;
    int rc = wt_gguf_get_str(gguf, "general.architecture", &name, err);
    if (rc < 0) return -1;
    if (rc == 0) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key 'general.architecture' is missing", wt_gguf_path(gguf));
        return wt_hint(err, "the file holds no language model");
    }
    hp->arch = wt_arch_find(name.data, name.len);
    if (!hp->arch) {
        char list[256] = "";
        for (size_t i = 0; wt_arch_at(i); i++) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", wt_arch_at(i)->name);
        }
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': architecture '%.*s' is not supported", wt_gguf_path(gguf),
                name.len > 64 ? 64 : (int)name.len, name.data);
        return wt_hint(err, "known are: %s", list);
    }
    const reader r = {gguf, hp->arch->name, err};
    if (read_dimensions(&r, hp) != 0) return -1;

    hp->activation = hp->arch->activation;
    hp->qk_norm = hp->arch->qk_norm;
    hp->post_norms = hp->arch->post_norms;
    hp->biases = true;
    hp->embedding_scale = hp->arch->scale_embedding ? (double)sqrtf((float)hp->width) : 1.0;
    double per_head = hp->n_layers == hp->arch->wide_scale_layers ? (double)(hp->width / hp->n_heads) : hp->head_dim;
    hp->attention_scale = 1.0 / sqrt(per_head);
    rc = read_f64(&r, "attention.layer_norm_rms_epsilon", &hp->norm_eps);
    if (rc < 0) return -1;
    if (rc == 0 || hp->norm_eps < 0.0) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key '%s.attention.layer_norm_rms_epsilon' is %s",
                       wt_gguf_path(gguf), hp->arch->name, rc == 0 ? "missing" : "negative");
    }
    if (hp->arch->final_softcap && read_f64(&r, "final_logit_softcapping", &hp->final_softcap) < 0) return -1;
    if (hp->final_softcap < 0.0) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key '%s.final_logit_softcapping' is negative",
                       wt_gguf_path(gguf), hp->arch->name);
    }
    if (read_window(&r, hp) != 0) return -1;
    return read_rope(&r, hp);
}
