/*
 * make-candidate MODEL OUT KIND [AMOUNT] [SEED]: a copy of a model whose matrices were changed, to be measured against it.
 * KIND noise: normal noise of AMOUNT times each row's RMS is added, in the matrix's own type (F16 or F32); f32: the same
 * values as F32; q8_0: rounded to blocks of 32 8-bit numbers.
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

/* A row in the type it is stored as; Q8_0 by plain rounding. */
static size_t encode(const float *row, size_t n, wt_type type, unsigned char *out) {
    size_t used = 0;
    if (type == WT_Q8_0) {
        for (size_t b = 0; b < n; b += 32) {
            float max = 0.0f;
            for (size_t i = 0; i < 32; i++) max = fmaxf(max, fabsf(row[b + i]));
            uint16_t scale = wt_f32_to_f16(max / 127.0f);
            float d = wt_f16_to_f32(scale);
            memcpy(out + used, &scale, 2);
            for (size_t i = 0; i < 32; i++)
                out[used + 2 + i] = (unsigned char)(signed char)(d > 0.0f ? fmaxf(-127.0f, fminf(127.0f, roundf(row[b + i] / d))) : 0);
            used += 34;
        }
        return used;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t half = wt_f32_to_f16(row[i]);
        memcpy(out + used, type == WT_F16 ? (const void *)&half : (const void *)&row[i], type == WT_F16 ? 2 : 4);
        used += type == WT_F16 ? 2 : 4;
    }
    return used;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: make-candidate MODEL OUT noise|f32|q8_0 [AMOUNT] [SEED]\n");
        return 2;
    }
    wt_error err = {0};
    double amount = argc > 4 ? atof(argv[4]) : 0.0;
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
    wt_gguf *g = wt_gguf_open(argv[1], &err);
    wt_gguf_writer *w = g ? wt_gguf_writer_open(argv[2], &err) : NULL;
    if (!w) goto fail;
    for (size_t i = 0; i < wt_gguf_kv_count(g); i++) {
        if (wt_gguf_writer_copy_kv(w, wt_gguf_kv(g, i), &err) != 0) goto fail;
    }
    wt_type *types = wt_calloc(wt_gguf_tensor_count(g), sizeof *types, &err);
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        types[i] = t->type;
        if (t->rows > 1 && strcmp(argv[3], "f32") == 0) types[i] = WT_F32;
        if (t->rows > 1 && strcmp(argv[3], "q8_0") == 0 && t->dims[0] % 32 == 0) types[i] = WT_Q8_0;
        if (wt_gguf_writer_add_tensor(w, t->name, types[i], t->dims, t->n_dims, &err) != 0) goto fail;
    }
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        uint64_t row_bytes = t->bytes / t->rows;
        float *row = wt_calloc(t->dims[0], sizeof *row, &err);
        unsigned char *out = wt_calloc(t->dims[0], 4, &err);
        wt_rng rng;
        wt_rng_init(&rng, seed, i, 0);
        for (uint64_t r = 0; r < t->rows; r++) {
            wt_codec_of(t->type)->decode((const char *)t->data + r * row_bytes, row, t->dims[0]);
            if (t->rows > 1 && amount > 0.0) add_noise(row, t->dims[0], amount, &rng);
            if (wt_gguf_writer_data(w, out, encode(row, t->dims[0], types[i], out), &err) != 0) goto fail;
        }
        free(row);
        free(out);
    }
    free(types);
    if (wt_gguf_writer_finish(w, &err) != 0) {
        w = NULL;
        goto fail;
    }
    wt_gguf_close(g);
    return 0;
fail:
    wt_gguf_writer_abandon(w);
    fprintf(stderr, "make-candidate: %s\n", err.message);
    return 1;
}
