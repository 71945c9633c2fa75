#include "support/random_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "quant/codec.h"

#define BODY .layers = 2, .width = 64, .ffn = 96, .vocab = 300, .context = 512
#define SMALL BODY, .heads = 4, .kv_heads = 4, .head_dim = 16
#define PLAIN .rope_base = 10000.0, .norm_eps = 1e-5
#define QWEN .rope_base = 1000000.0, .norm_eps = 1e-6
#define YARN .rope_yarn = 4.0, .original_context = 64, .attn_factor = 1.1
#define ALL_BIASES .qkv_bias = true, .out_bias = true, .ffn_bias = true
/* Where the first norm's epsilon decides: it is as large as the mean square of the embeddings. */
#define FAINT .norm_eps = 1e-3, .embedding_scale = 0.02
/* Keys that llama.cpp ignores everywhere but in gemma3: Mistral's and Phi-3's window, a soft cap. */
#define IGNORED .window = 16, .softcap = 3.0

/* Variants that differ in their layers. */
static const random_model VARIANTS[] = {
    {"llama", "llama", SMALL, PLAIN, .untied = true},
    {"llama-f16", "llama", SMALL, PLAIN, .untied = true, .f16 = true},
    {"llama-tied-gqa", "llama", .layers = 3, .width = 96, .heads = 6, .kv_heads = 2, .head_dim = 16, .ffn = 160,
     .vocab = 300, .context = 512, .rope_base = 500000.0, .norm_eps = 1e-5},
    {"llama-factors", "llama", SMALL, .rope_base = 500000.0, .norm_eps = 1e-5, .rope_factors = true, .untied = true,
     .bytes = true},
    {"llama-linear", "llama", SMALL, PLAIN, .rope_linear = 4.0, .attn_factor = 1.1, .untied = true},
    {"llama-yarn", "llama", SMALL, PLAIN, .rope_yarn = 4.0, .original_context = 64, .untied = true},
    {"llama-biases", "llama", SMALL, PLAIN, ALL_BIASES, .untied = true},
    {"llama-wide-heads", "llama", BODY, .heads = 3, .kv_heads = 1, .head_dim = 32, PLAIN, .untied = true},
    {"llama-small-embedding", "llama", SMALL, .rope_base = 10000.0, FAINT, IGNORED, .untied = true},
    {"qwen2", "qwen2", SMALL, QWEN, .qkv_bias = true, .bytes = true},
    {"qwen2-f16", "qwen2", SMALL, QWEN, .qkv_bias = true, .f16 = true, .bytes = true},
    {"qwen3", "qwen3", BODY, .heads = 4, .kv_heads = 2, .head_dim = 32, QWEN, .bytes = true},
    {"qwen3-small-embedding", "qwen3", SMALL, .rope_base = 10000.0, FAINT, IGNORED, .untied = true, .bytes = true},
    {"gemma3", "gemma3", .layers = 7, .width = 64, .heads = 4, .kv_heads = 1, .head_dim = 32, .ffn = 96, .vocab = 300,
     .context = 512, .rope_base = 1000000.0, .norm_eps = 1e-6, .window = 24},
    {"gemma3-variant", "gemma3", .layers = 4, .width = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 96,
     .vocab = 300, .context = 512, .rope_base = 100000.0, .rope_base_window = 5000.0, .norm_eps = 1e-3,
     .rope_linear = 8.0, .softcap = 3.0, .window = 40, .window_period = 3, .embedding_scale = 0.002,
     .untied = true},
    {"phi3", "phi3", SMALL, PLAIN, .window = 16, .untied = true, .rope_dims = 16},
    {"phi3-short", "phi3", SMALL, PLAIN, .rope_long_short = true, .original_context = 512, .attn_factor = 1.19,
     .untied = true, .rope_dims = 16},
    {"phi3-long", "phi3", SMALL, PLAIN, .rope_long_short = true, .original_context = 64, .attn_factor = 1.19,
     .untied = true, .rope_dims = 16, .rope_type = "longrope"},
    {"phi3-partial", "phi3", BODY, .heads = 4, .kv_heads = 2, .head_dim = 16, PLAIN, .rope_dims = 12},
};

/* Variants whose difference is a number or a key: of interest to the outside judge alone. */
static const random_model JUDGED[] = {
    {"llama-fused-qkv", "llama", BODY, .heads = 4, .kv_heads = 2, .head_dim = 16, PLAIN, .qkv_bias = true,
     .fused_qkv = true},
    {"llama-yarn-shrunk", "llama", SMALL, PLAIN, .rope_yarn = 0.5, .original_context = 64, .untied = true},
    {"llama-scaling-none", "llama", SMALL, PLAIN, .rope_factor = 4.0, .rope_type = "none", .untied = true},
    {"llama-scaling-old-key", "llama", SMALL, PLAIN, .rope_scale_linear = 4.0, .untied = true},
    {"qwen2-yarn", "qwen2", SMALL, QWEN, YARN, .qkv_bias = true, .untied = true, .bytes = true},
    {"qwen2-small-embedding", "qwen2", BODY, .heads = 4, .kv_heads = 2, .head_dim = 16, .rope_base = 10000.0, FAINT,
     IGNORED, .qkv_bias = true, .bytes = true},
    {"qwen3-f16", "qwen3", SMALL, QWEN, .f16 = true, .bytes = true},
    {"qwen3-yarn", "qwen3", SMALL, QWEN, YARN, .qkv_bias = true, .untied = true, .bytes = true},
    {"gemma3-f16", "gemma3", .layers = 3, .width = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 96,
     .vocab = 300, .context = 512, QWEN, .window = 24, .window_period = 2, .f16 = true},
    {"gemma3-yarn", "gemma3", .layers = 4, .width = 64, .heads = 4, .kv_heads = 2, .head_dim = 32, .ffn = 96,
     .vocab = 300, .context = 512, PLAIN, .rope_yarn = 8.0, .original_context = 64, .window = 24, .window_period = 2,
     .qkv_bias = true},
    {"gemma3-no-window", "gemma3", SMALL, QWEN, .untied = true},
    {"gemma3-window-flags", "gemma3", .layers = 4, .width = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 96,
     .vocab = 300, .context = 512, QWEN, .window = 24, .window_flags = true},
    /* As deep as the 27B model, which llama.cpp gives another attention scale. */
    {"gemma3-deep", "gemma3", .layers = 62, .width = 32, .heads = 2, .kv_heads = 1, .head_dim = 8, .ffn = 32,
     .vocab = 300, .context = 512, QWEN, .window = 24},
    {"phi3-f16", "phi3", SMALL, PLAIN, .f16 = true},
    {"phi3-yarn", "phi3", SMALL, PLAIN, YARN, .qkv_bias = true, .fused_qkv = true, .fused_bias = true},
    {"phi3-small-embedding", "phi3", SMALL, .rope_base = 10000.0, FAINT, IGNORED, .untied = true},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

const random_model *random_model_at(size_t i) { return i < COUNT(VARIANTS) ? &VARIANTS[i] : NULL; }

const random_model *random_model_judged(size_t i) {
    if (i < COUNT(VARIANTS)) return &VARIANTS[i];
    return i - COUNT(VARIANTS) < COUNT(JUDGED) ? &JUDGED[i - COUNT(VARIANTS)] : NULL;
}

const random_model *random_model_find(const char *name) {
    for (size_t i = 0; random_model_judged(i); i++) {
        if (strcmp(random_model_judged(i)->name, name) == 0) return random_model_judged(i);
    }
    return NULL;
}

/* How a tensor's values are drawn. */
typedef enum fill { WEIGHT, GAIN, BIAS, EMBEDDING, FACTOR } fill;

typedef struct planned {
    char name[64];
    uint64_t dims[2];
    fill fill;
    wt_type type;
} planned;

typedef struct plan {
    planned items[1024];
    size_t n;
} plan;

static void add(plan *p, const random_model *m, int layer, const char *name, uint64_t cols, uint64_t rows, fill kind) {
    planned *t = &p->items[p->n++];
    if (layer >= 0)
        snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, name);
    else
        snprintf(t->name, sizeof t->name, "%s", name);
    t->dims[0] = cols;
    t->dims[1] = rows;
    t->fill = kind;
    t->type = rows > 0 && m->f16 ? WT_F16 : WT_F32;
}

static void plan_layer(plan *p, const random_model *m, int l) {
    bool phi = strcmp(m->arch, "phi3") == 0, gemma = strcmp(m->arch, "gemma3") == 0;
    uint64_t w = m->width, q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim, f = m->ffn;
    add(p, m, l, "attn_norm.weight", w, 0, GAIN);
    if (phi || m->fused_qkv) {
        add(p, m, l, "attn_qkv.weight", w, q + 2 * kv, WEIGHT);
    } else {
        add(p, m, l, "attn_q.weight", w, q, WEIGHT);
        add(p, m, l, "attn_k.weight", w, kv, WEIGHT);
        add(p, m, l, "attn_v.weight", w, kv, WEIGHT);
    }
    if (m->qkv_bias && m->fused_bias) {
        add(p, m, l, "attn_qkv.bias", q + 2 * kv, 0, BIAS);
    } else if (m->qkv_bias) {
        add(p, m, l, "attn_q.bias", q, 0, BIAS);
        add(p, m, l, "attn_k.bias", kv, 0, BIAS);
        add(p, m, l, "attn_v.bias", kv, 0, BIAS);
    }
    if (gemma || strcmp(m->arch, "qwen3") == 0) {
        add(p, m, l, "attn_q_norm.weight", m->head_dim, 0, GAIN);
        add(p, m, l, "attn_k_norm.weight", m->head_dim, 0, GAIN);
    }
    add(p, m, l, "attn_output.weight", q, w, WEIGHT);
    if (m->out_bias) add(p, m, l, "attn_output.bias", w, 0, BIAS);
    if (gemma) add(p, m, l, "post_attention_norm.weight", w, 0, GAIN);
    add(p, m, l, "ffn_norm.weight", w, 0, GAIN);
    if (!phi) add(p, m, l, "ffn_gate.weight", w, f, WEIGHT);
    add(p, m, l, "ffn_up.weight", w, phi ? 2 * f : f, WEIGHT);
    add(p, m, l, "ffn_down.weight", f, w, WEIGHT);
    if (m->ffn_bias) {
        add(p, m, l, "ffn_gate.bias", f, 0, BIAS);
        add(p, m, l, "ffn_up.bias", f, 0, BIAS);
        add(p, m, l, "ffn_down.bias", w, 0, BIAS);
    }
    if (gemma) add(p, m, l, "post_ffw_norm.weight", w, 0, GAIN);
}

static void plan_model(plan *p, const random_model *m) {
    add(p, m, -1, "token_embd.weight", m->width, m->vocab, EMBEDDING);
    add(p, m, -1, "output_norm.weight", m->width, 0, GAIN);
    if (m->untied) add(p, m, -1, "output.weight", m->width, m->vocab, WEIGHT);
    uint64_t pairs = (m->rope_dims ? m->rope_dims : m->head_dim) / 2;
    if (m->rope_factors) add(p, m, -1, "rope_freqs.weight", pairs, 0, FACTOR);
    if (m->rope_long_short) {
        add(p, m, -1, "rope_factors_long.weight", pairs, 0, FACTOR);
        add(p, m, -1, "rope_factors_short.weight", pairs, 0, FACTOR);
    }
    for (uint32_t l = 0; l < m->layers; l++) plan_layer(p, m, (int)l);
}

static int set_number(wt_gguf_writer *w, const random_model *m, const char *suffix, double v, bool real,
                      wt_error *err) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", m->arch, suffix);
    return real ? wt_gguf_writer_set_f32(w, key, (float)v, err) : wt_gguf_writer_set_u32(w, key, (uint32_t)v, err);
}

static int set_hparams(wt_gguf_writer *w, const random_model *m, wt_error *err) {
    const struct { const char *key; double value; bool real; } numbers[] = {
        {"block_count", m->layers, false}, {"embedding_length", m->width, false},
        {"feed_forward_length", m->ffn, false}, {"attention.head_count", m->heads, false},
        {"attention.head_count_kv", m->kv_heads, false}, {"attention.key_length", m->head_dim, false},
        {"attention.value_length", m->head_dim, false}, {"context_length", m->context, false},
        {"attention.layer_norm_rms_epsilon", m->norm_eps, true}, {"rope.freq_base", m->rope_base, true},
        {"rope.freq_base_swa", m->rope_base_window, true}, {"rope.scaling.attn_factor", m->attn_factor, true},
        {"rope.scaling.original_context_length", m->original_context, false},
        {"rope.scaling.factor", m->rope_linear + m->rope_yarn + m->rope_factor, true},
        {"rope.scale_linear", m->rope_scale_linear, true},
        {"final_logit_softcapping", m->softcap, true}, {"attention.sliding_window", m->window, false},
        {"attention.sliding_window_pattern", m->window_period, false}, {"rope.dimension_count", m->rope_dims, false}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].value != 0.0 &&
            set_number(w, m, numbers[i].key, numbers[i].value, numbers[i].real, err) != 0)
            return -1;
    }
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.type", m->arch);
    const char *type = m->rope_linear > 0.0 ? "linear" : m->rope_yarn > 0.0 ? "yarn" : m->rope_type;
    if (type && wt_gguf_writer_set_str(w, key, type, err) != 0) return -1;
    if (!m->window_flags) return 0;
    bool flags[] = {false, true, true, false};
    snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", m->arch);
    return wt_gguf_writer_set_array(w, key, WT_KV_BOOL, flags, m->layers, err);
}

#define MAX_VOCAB 4096

/* The letter that byte-level vocabularies write for a byte, as UTF-8: the byte itself where printable, or from 256. */
static void byte_letter(uint32_t byte, char *out) {
    uint32_t code = byte, others = 0;
    for (uint32_t b = 0; b <= byte; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (!printable && b == byte) code = 256 + others;
        others += !printable;
    }
    size_t n = 0;
    if (code < 128) {
        out[n++] = (char)code;
    } else {
        out[n++] = (char)(0xc0 | code >> 6);
        out[n++] = (char)(0x80 | (code & 63));
    }
    out[n] = '\0';
}

/* A byte-level vocabulary: every byte, pairs of lower-case letters that merge, and one special at the end. */
static int set_byte_tokenizer(wt_gguf_writer *w, const random_model *m, wt_error *err) {
    static char names[MAX_VOCAB][16], merges[MAX_VOCAB][16];
    wt_str strs[MAX_VOCAB], pairs[MAX_VOCAB];
    int32_t types[MAX_VOCAB];
    uint32_t last = m->vocab - 1;
    for (uint32_t i = 0; i < m->vocab; i++) {
        types[i] = i == last ? 3 : 1;
        if (i < 256) {
            byte_letter(i, names[i]);
        } else if (i < last) {
            uint32_t a = 'a' + (i - 256) / 26 % 26, b = 'a' + (i - 256) % 26;
            snprintf(names[i], sizeof names[i], "%c%c", (char)a, (char)b);
            snprintf(merges[i - 256], sizeof merges[i - 256], "%c %c", (char)a, (char)b);
            pairs[i - 256] = (wt_str){merges[i - 256], 3};
        } else {
            snprintf(names[i], sizeof names[i], "<|end|>");
        }
        strs[i] = (wt_str){names[i], strlen(names[i])};
    }
    const char *pre = strncmp(m->arch, "qwen", 4) == 0 ? "qwen2" : "llama-bpe";
    return wt_gguf_writer_set_str(w, "tokenizer.ggml.model", "gpt2", err) ||
                   wt_gguf_writer_set_str(w, "tokenizer.ggml.pre", pre, err) ||
                   wt_gguf_writer_set_strs(w, "tokenizer.ggml.tokens", strs, m->vocab, err) ||
                   wt_gguf_writer_set_array(w, "tokenizer.ggml.token_type", WT_KV_I32, types, m->vocab, err) ||
                   wt_gguf_writer_set_strs(w, "tokenizer.ggml.merges", pairs, last - 256, err) ||
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.bos_token_id", last, err) ||
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", last, err)
               ? -1
               : 0;
}

/* A SentencePiece vocabulary: three specials, every byte, and single letters. */
static int set_tokenizer(wt_gguf_writer *w, const random_model *m, wt_error *err) {
    if (m->bytes) return set_byte_tokenizer(w, m, err);
    wt_str strs[MAX_VOCAB];
    static char names[MAX_VOCAB][16];
    float scores[MAX_VOCAB];
    int32_t types[MAX_VOCAB];
    for (uint32_t i = 0; i < m->vocab; i++) {
        if (i < 3)
            snprintf(names[i], sizeof names[i], "%s", i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
        else if (i < 259)
            snprintf(names[i], sizeof names[i], "<0x%02X>", i - 3);
        else
            snprintf(names[i], sizeof names[i], "w%u", i);
        strs[i] = (wt_str){names[i], strlen(names[i])};
        scores[i] = -(float)i;
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
    }
    return wt_gguf_writer_set_str(w, "tokenizer.ggml.model", "llama", err) ||
                   wt_gguf_writer_set_strs(w, "tokenizer.ggml.tokens", strs, m->vocab, err) ||
                   wt_gguf_writer_set_array(w, "tokenizer.ggml.scores", WT_KV_F32, scores, m->vocab, err) ||
                   wt_gguf_writer_set_array(w, "tokenizer.ggml.token_type", WT_KV_I32, types, m->vocab, err) ||
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.bos_token_id", 1, err) ||
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", 2, err)
               ? -1
               : 0;
}

static float draw(const random_model *m, fill kind, uint64_t cols, wt_rng *rng) {
    double n = wt_rng_normal(rng);
    switch (kind) {
    case GAIN: return (float)(1.0 + 0.3 * n);
    case BIAS: return (float)(0.5 * n);
    case FACTOR: return (float)(1.0 + 7.0 * wt_rng_uniform(rng));
    case EMBEDDING: return (float)(n * (m->embedding_scale > 0.0 ? m->embedding_scale : 1.0));
    default: return (float)(n / sqrt((double)cols));
    }
}

static int write_tensor(wt_gguf_writer *w, const random_model *m, const planned *t, wt_rng *rng, wt_error *err) {
    uint64_t n = t->dims[0] * (t->dims[1] ? t->dims[1] : 1);
    for (uint64_t i = 0; i < n; i++) {
        float v = draw(m, t->fill, t->dims[0], rng);
        uint16_t half = wt_f32_to_f16(v);
        if (t->type == WT_F16 ? wt_gguf_writer_data(w, &half, 2, err) : wt_gguf_writer_data(w, &v, 4, err)) return -1;
    }
    return 0;
}

int random_model_write(const random_model *m, uint64_t seed, const char *path, wt_error *err) {
    plan *p = wt_calloc(1, sizeof *p, err);
    wt_gguf_writer *w = p ? wt_gguf_writer_open(path, err) : NULL;
    if (!w) {
        free(p);
        return -1;
    }
    plan_model(p, m);
    int rc = wt_gguf_writer_set_str(w, "general.architecture", m->arch, err) ||
             wt_gguf_writer_set_str(w, "general.name", "random", err) || set_hparams(w, m, err) ||
             set_tokenizer(w, m, err);
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        const planned *t = &p->items[i];
        rc = wt_gguf_writer_add_tensor(w, t->name, t->type, t->dims, t->dims[1] ? 2 : 1, err);
    }
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        wt_rng rng;
        wt_rng_init(&rng, seed, i, 0);
        rc = write_tensor(w, m, &p->items[i], &rng, err);
    }
    free(p);
    if (rc == 0) return wt_gguf_writer_finish(w, err);
    wt_gguf_writer_abandon(w);
    return -1;
}
