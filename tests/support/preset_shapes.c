#include "support/preset_shapes.h"

#include <stdio.h>
#include <string.h>

static const preset_shape SHAPES[] = {
    {"plain", "llama", 32, 256, 512, 8, 8, 0, 0, 0},
    {"grouped", "llama", 16, 512, 768, 8, 2, 0, 0, 0},
    {"tied", "qwen2", 24, 256, 512, 4, 2, 0, 1, 0},
    {"seventy", "llama", 80, 256, 256, 64, 8, 0, 0, 0},
    {"seventy-qwen", "qwen2", 80, 256, 256, 8, 8, 0, 0, 0},
    {"odd", "llama", 6, 288, 320, 4, 1, 0, 0, 0},        /* blocks of 32 fit */
    {"odd-tied", "llama", 6, 320, 1152, 4, 1, 0, 1, 0},  /* blocks of 64 and 128 fit some */
    {"odd-ffn", "llama", 9, 512, 1376, 4, 4, 0, 0, 0},   /* all but ffn_down fit blocks of 256 */
    {"very-odd", "llama", 3, 80, 100, 4, 4, 0, 0, 0},    /* no block fits */
    {"experts-8", "llama", 32, 256, 512, 8, 2, 8, 0, 0}, /* Mixtral */
    {"experts-4", "llama", 10, 256, 512, 4, 4, 4, 0, 0},
    {"experts-2", "llama", 17, 256, 512, 4, 4, 2, 1, 0},
    {"falcon", "falcon", 32, 512, 1024, 8, 1, 0, 0, 1},
    {"fused", "phi3", 12, 512, 768, 8, 8, 0, 0, 1},
    {"positions", "gpt2", 7, 256, 1024, 4, 4, 0, 1, 1},
};

const preset_shape *preset_shape_at(size_t i) { return i < sizeof SHAPES / sizeof *SHAPES ? &SHAPES[i] : NULL; }

enum { F32 = 0, F16 = 1 };

/* The list of tensors, and where the next one's data goes. */
typedef struct list {
    image *out;
    uint64_t count, offset;
} list;

static void add(list *l, const char *name, uint64_t columns, uint64_t rows, uint64_t matrices) {
    const uint64_t dims[] = {columns, rows, matrices};
    const uint32_t n_dims = matrices ? 3 : rows ? 2 : 1;
    image_tensor(l->out, name, n_dims, dims, rows ? F16 : F32, l->offset);
    l->offset += (columns * (rows ? rows * (matrices ? matrices : 1) * 2 : 4) + 31) / 32 * 32;
    l->count++;
}

/* One of every layer. */
static void add_layers(list *l, const preset_shape *s, const char *what, uint64_t columns, uint64_t rows,
                       uint64_t matrices) {
    char name[64];
    for (uint32_t i = s->layers; i-- > 0;) { /* the last layer first */
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, what);
        add(l, name, columns, rows, matrices);
    }
}

static void add_tensors(list *l, const preset_shape *s) {
    static const char *const SEPARATE[] = {"attn_v", "attn_k", "attn_q"};
    add(l, "token_embd.weight", s->width, 2, 0);
    if (strcmp(s->arch, "gpt2") == 0) add(l, "position_embd.weight", s->width, 2, 0);
    add_layers(l, s, "attn_norm", s->width, 0, 0);
    if (s->fused) add_layers(l, s, "attn_qkv", s->width, 2, 0);
    for (int i = 0; i < 3 && !s->fused; i++) add_layers(l, s, SEPARATE[i], s->width, 2, 0);
    add_layers(l, s, "attn_output", s->width, 2, 0);
    if (s->experts) {
        add_layers(l, s, "ffn_gate_inp", s->width, s->experts, 0);
        add_layers(l, s, "ffn_gate_exps", s->width, 2, s->experts);
        add_layers(l, s, "ffn_up_exps", s->width, 2, s->experts);
        add_layers(l, s, "ffn_down_exps", s->ffn, 2, s->experts);
    } else {
        add_layers(l, s, "ffn_down", s->ffn, 2, 0);
        add_layers(l, s, "ffn_up", s->width, 2, 0);
        add_layers(l, s, "ffn_gate", s->width, 2, 0);
    }
    add(l, "output_norm.weight", s->width, 0, 0);
    if (!s->tied) add(l, "output.weight", s->width, 2, 0);
}

static void kv(image *m, const char *arch, const char *key, uint32_t value) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", arch, key);
    image_kv_u32(m, name, value);
}

image preset_shape_image(const preset_shape *s) {
    image tensors = {0}, m = {0};
    list l = {.out = &tensors};
    add_tensors(&l, s);
    char epsilon[96];
    image_head(&m, 3, l.count, 12);
    image_kv_str(&m, "general.architecture", s->arch);
    image_kv_str(&m, "general.name", s->name);
    image_kv_u32(&m, "general.file_type", 1);
    kv(&m, s->arch, "block_count", s->layers);
    kv(&m, s->arch, "context_length", 128);
    kv(&m, s->arch, "embedding_length", s->width);
    kv(&m, s->arch, "feed_forward_length", s->ffn);
    kv(&m, s->arch, "attention.head_count", s->heads);
    kv(&m, s->arch, "attention.head_count_kv", s->kv_heads);
    kv(&m, s->arch, "expert_count", s->experts);
    kv(&m, s->arch, "expert_used_count", s->experts ? 2 : 0);
    const int rms = strcmp(s->arch, "falcon") != 0 && strcmp(s->arch, "gpt2") != 0;
    snprintf(epsilon, sizeof epsilon, "%s.attention.layer_norm_%sepsilon", s->arch, rms ? "rms_" : "");
    image_kv_f32(&m, epsilon, 1e-5F);
    image_bytes(&m, tensors.data, tensors.size);
    image_pad(&m, 32);
    static const uint8_t zeros[4096];
    while (l.offset > 0) {
        size_t n = l.offset < sizeof zeros ? (size_t)l.offset : sizeof zeros;
        image_bytes(&m, zeros, n);
        l.offset -= n;
    }
    image_free(&tensors);
    return m;
}

const char *preset_types_text(const wt_type *types, size_t n, char *text, size_t size) {
    size_t used = 0, run;
    text[0] = '\0';
    for (size_t i = 0; i < n && used < size; i += run) {
        for (run = 1; i + run < n && types[i + run] == types[i]; run++) {
        }
        const char *name = wt_type_find(types[i])->name, *gap = i ? " " : "";
        if (run > 1)
            used += (size_t)snprintf(text + used, size - used, "%s%s*%zu", gap, name, run);
        else
            used += (size_t)snprintf(text + used, size - used, "%s%s", gap, name);
    }
    return text;
}
