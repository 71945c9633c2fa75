#include "random_llama.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "quant/codec.h"

enum { HEAD = 64, VOCABULARY = 2048, SPECIALS = 3, BYTES = 256, BLOCK = 9 };

typedef struct shape {
    const char *name;
    uint64_t cols, rows; /* rows 0: a vector of ones */
} shape;

/* The tensors of a layer, in the order of the file. */
static void fill_block(shape block[BLOCK], uint32_t width) {
    const uint64_t heads = width / HEAD, kv = heads / 4 ? heads / 4 : 1, ffn = (uint64_t)width * 3;
    const shape all[BLOCK] = {{"attn_norm", width, 0},       {"attn_q", width, width},      {"attn_k", width, kv * HEAD},
                              {"attn_v", width, kv * HEAD},  {"attn_output", width, width}, {"ffn_norm", width, 0},
                              {"ffn_gate", width, ffn},      {"ffn_up", width, ffn},        {"ffn_down", ffn, width}};
    memcpy(block, all, sizeof all);
}

uint64_t random_llama_weights(uint32_t width, uint32_t layers) {
    shape block[BLOCK];
    uint64_t layer = 0;
    fill_block(block, width);
    for (size_t i = 0; i < BLOCK; i++) layer += block[i].cols * block[i].rows;
    return (uint64_t)VOCABULARY * width + layers * layer;
}

static int set_numbers(wt_gguf_writer *w, uint32_t width, uint32_t layers, wt_error *err) {
    shape block[BLOCK];
    fill_block(block, width);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"llama.block_count", layers},
                   {"llama.context_length", 4096},
                   {"llama.embedding_length", width},
                   {"llama.feed_forward_length", block[6].rows},
                   {"llama.attention.head_count", width / HEAD},
                   {"llama.attention.head_count_kv", block[2].rows / HEAD}};
    if (wt_gguf_writer_set_str(w, "general.architecture", "llama", err) != 0) return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (wt_gguf_writer_set_u32(w, numbers[i].key, (uint32_t)numbers[i].value, err) != 0) return -1;
    return wt_gguf_writer_set_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, err);
}

/* SentencePiece's: unknown, beginning and end, every byte, and words that no text merges to. */
static int set_tokenizer(wt_gguf_writer *w, wt_error *err) {
    wt_str strs[VOCABULARY];
    char names[VOCABULARY][16];
    float scores[VOCABULARY] = {0};
    int32_t types[VOCABULARY];
    static const char *const SPECIAL[SPECIALS] = {"<unk>", "<s>", "</s>"};
    for (int i = 0; i < VOCABULARY; i++) {
        if (i < SPECIALS)
            snprintf(names[i], sizeof names[i], "%s", SPECIAL[i]);
        else
            snprintf(names[i], sizeof names[i], i < SPECIALS + BYTES ? "<0x%02X>" : "t%d", i < SPECIALS + BYTES ? i - SPECIALS : i);
        strs[i] = (wt_str){names[i], strlen(names[i])};
        types[i] = i == 0 ? 2 : i < SPECIALS ? 3 : i < SPECIALS + BYTES ? 6 : 1; /* unknown, control, byte, normal */
    }
    return wt_gguf_writer_set_str(w, "tokenizer.ggml.model", "llama", err) == 0 &&
                   wt_gguf_writer_set_strs(w, "tokenizer.ggml.tokens", strs, VOCABULARY, err) == 0 &&
                   wt_gguf_writer_set_array(w, "tokenizer.ggml.scores", WT_KV_F32, scores, VOCABULARY, err) == 0 &&
                   wt_gguf_writer_set_array(w, "tokenizer.ggml.token_type", WT_KV_I32, types, VOCABULARY, err) == 0 &&
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.bos_token_id", 1, err) == 0 &&
                   wt_gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", 2, err) == 0
               ? 0
               : -1;
}

static int announce(wt_gguf_writer *w, const char *name, const shape *s, wt_error *err) {
    const uint64_t dims[] = {s->cols, s->rows};
    return wt_gguf_writer_add_tensor(w, name, s->rows ? WT_F16 : WT_F32, dims, s->rows ? 2 : 1, err);
}

/* Rows of normal draws; a pool of 64 Ki of them, entered anywhere, is quick and enough for time, memory and statistics of columns. */
static int write_random(wt_gguf_writer *w, const shape *s, wt_rng *rng, wt_error *err) {
    enum { POOL = 1 << 16 };
    static float pool[POOL];
    if (pool[0] == 0.0f) {
        for (int i = 0; i < POOL; i++) pool[i] = (float)wt_rng_normal(rng);
    }
    const float scale = 1.0f / sqrtf((float)s->cols), one = 1.0f;
    uint16_t *row = wt_calloc(s->cols, sizeof *row, err);
    int rc = row ? 0 : -1;
    for (uint64_t r = 0; rc == 0 && r < s->rows; r++) {
        const uint64_t at = wt_rng_below(rng, POOL);
        for (uint64_t c = 0; c < s->cols; c++) row[c] = wt_f32_to_f16(scale * pool[(at + c) % POOL]);
        rc = wt_gguf_writer_data(w, row, s->cols * 2, err);
    }
    for (uint64_t c = 0; rc == 0 && s->rows == 0 && c < s->cols; c++) rc = wt_gguf_writer_data(w, &one, sizeof one, err);
    free(row);
    return rc;
}

int random_llama_write(const char *path, uint32_t width, uint32_t layers, wt_error *err) {
    const shape embedding = {"token_embd", width, VOCABULARY}, norm = {"output_norm", width, 0};
    shape block[BLOCK];
    char name[64];
    wt_rng rng;
    wt_gguf_writer *w = wt_gguf_writer_open(path, err);
    if (!w) return -1;
    fill_block(block, width);
    wt_rng_init(&rng, 1, width, 0);
    int rc = set_numbers(w, width, layers, err) == 0 && set_tokenizer(w, err) == 0 && announce(w, "token_embd.weight", &embedding, err) == 0 &&
                     announce(w, "output_norm.weight", &norm, err) == 0
                 ? 0
                 : -1;
    for (uint32_t l = 0; rc == 0 && l < layers; l++) {
        for (size_t i = 0; rc == 0 && i < BLOCK; i++) {
            snprintf(name, sizeof name, "blk.%u.%s.weight", l, block[i].name);
            rc = announce(w, name, &block[i], err);
        }
    }
    if (rc == 0) rc = write_random(w, &embedding, &rng, err);
    if (rc == 0) rc = write_random(w, &norm, &rng, err);
    for (uint32_t l = 0; rc == 0 && l < layers; l++)
        for (size_t i = 0; rc == 0 && i < BLOCK; i++) rc = write_random(w, &block[i], &rng, err);
    if (rc == 0) return wt_gguf_writer_finish(w, err);
    wt_gguf_writer_abandon(w);
    return -1;
}
