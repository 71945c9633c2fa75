/*
 * make-candidate MODEL OUT KIND [AMOUNT] [SEED]: a copy of a model whose matrices were changed, to be measured against
 * it. KIND noise: normal noise of AMOUNT times each row's RMS is added, in the matrix's own type (F16 or F32); f32: the
 * same values as F32; bf16: rounded to nearest even; q8_0: rounded to blocks of 32 8-bit numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/gguf.h"
#include "quant/codec.h"

static void add_noise(float *row, size_t n, double amount, wt_rng *rng) {
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) squares += (double)row[i] * row[i];
    double rms = sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) row[i] += (float)(amount * rms * wt_rng_normal(rng));
}

static size_t encode_q8_0(const float *row, size_t n, unsigned char *out) {
    size_t used = 0;
    for (size_t b = 0; b < n; b += 32) {
        float max = 0.0f;
        for (size_t i = 0; i < 32; i++) max = fmaxf(max, fabsf(row[b + i]));
        uint16_t scale = wt_f32_to_f16(max / 127.0f);
        float d = wt_f16_to_f32(scale);
        memcpy(out + used, &scale, 2);
        for (size_t i = 0; i < 32; i++) {
            float q = d > 0.0f ? fmaxf(-127.0f, fminf(127.0f, roundf(row[b + i] / d))) : 0.0f;
            out[used + 2 + i] = (unsigned char)(signed char)q;
        }
        used += 34;
    }
    return used;
}

/* A row in the type that it is stored as, into `out` (4 bytes a weight are enough for all). Returns its bytes. */
static size_t encode(const float *row, size_t n, wt_type type, unsigned char *out) {
    if (type == WT_Q8_0) return encode_q8_0(row, n, out);
    if (type == WT_F32) return memcpy(out, row, n * sizeof *row), n * sizeof *row;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        uint16_t half = type == WT_F16 ? wt_f32_to_f16(row[i]) : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        memcpy(out + 2 * i, &half, 2);
    }
    return 2 * n;
}

static wt_type target_type(const wt_tensor *t, const char *kind) {
    if (t->rows == 1) return t->type;
    if (strcmp(kind, "f32") == 0) return WT_F32;
    if (strcmp(kind, "bf16") == 0) return WT_BF16;
    if (strcmp(kind, "q8_0") == 0 && t->dims[0] % 32 == 0) return WT_Q8_0;
    return t->type;
}

static int write_tensor(wt_gguf_writer *w, const wt_tensor *t, wt_type type, double noise, wt_rng *rng, wt_error *err) {
    uint64_t row_bytes = t->bytes / t->rows;
    float *row = wt_calloc(t->dims[0], sizeof *row, err);
    unsigned char *out = wt_calloc(t->dims[0], sizeof(float), err);
    int rc = row && out ? 0 : -1;
    for (uint64_t r = 0; rc == 0 && r < t->rows; r++) {
        wt_codec_of(t->type)->decode((const char *)t->data + r * row_bytes, row, t->dims[0]);
        if (t->rows > 1 && noise > 0.0) add_noise(row, t->dims[0], noise, rng);
        rc = wt_gguf_writer_data(w, out, encode(row, t->dims[0], type, out), err);
    }
    free(row);
    free(out);
    return rc;
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {"noise", "f32", "bf16", "q8_0"};
    bool known = false;
    for (size_t i = 0; argc >= 4 && i < 4; i++) known |= strcmp(argv[3], kinds[i]) == 0;
    if (!known) {
        fprintf(stderr, "usage: make-candidate MODEL OUT noise|f32|bf16|q8_0 [AMOUNT] [SEED]\n");
        return 2;
    }
    wt_error err = {0};
    double noise = argc > 4 ? atof(argv[4]) : 0.0;
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
    wt_gguf *g = wt_gguf_open(argv[1], &err);
    wt_gguf_writer *w = g ? wt_gguf_writer_open(argv[2], &err) : NULL;
    int rc = w ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < wt_gguf_kv_count(g); i++) rc = wt_gguf_writer_copy_kv(w, wt_gguf_kv(g, i), &err);
    for (size_t i = 0; rc == 0 && i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        rc = wt_gguf_writer_add_tensor(w, t->name, target_type(t, argv[3]), t->dims, t->n_dims, &err);
    }
    for (size_t i = 0; rc == 0 && i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        wt_rng rng;
        wt_rng_init(&rng, seed, i, 0);
        rc = write_tensor(w, t, target_type(t, argv[3]), noise, &rng, &err);
    }
    if (rc == 0)
        rc = wt_gguf_writer_finish(w, &err);
    else
        wt_gguf_writer_abandon(w);
    wt_gguf_close(g);
    if (rc != 0) fprintf(stderr, "make-candidate: %s\n", err.message);
    return rc == 0 ? 0 : 1;
}
