/*
 * What error feedback is worth: a model's matrices become one type, without and with it, and the mean divergence on unseen text is
 * measured in memory.
 *   bench_feedback MODEL.gguf IMATRIX GRAM TEXT [--types A,B,..] [--damp A,B,..] [--chunks N] [--no-embedding | --embedding-only]
 *                  [--no-order]
 * IMATRIX and GRAM are of `wildtype calibrate --gram`, on another text. The embedding, where it is the head too, gets thrice the damp. `loss` is the matrices' mean e G e, G undamped, over that
 * without feedback. Speeds are million weights in a second of processor time, all threads together.
 *   bench_feedback --speed COLUMNS [--types A,B,..]
 * The same speeds on a random matrix of COLUMNS x COLUMNS, and what its factor takes.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/feedback.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/divergence.h"
#include "engine/gram.h"
#include "engine/statistics.h"
#include "quant/importance.h"

/* Of the embedding that is also the head: errors count where tokens are looked up, too, by no Gram matrix. */
#define TIED_DAMP 3.0

enum { CONTEXT = 256, MOST = 32 };

typedef struct bench {
    const char *model_path, *imatrix_path, *gram_path, *text_path;
    wt_gguf *gguf;
    wt_model *model;
    wt_model *original;
    wt_tokenizer *tokenizer;
    wt_statistics *statistics;
    wt_gram *gram;
    wt_chunks chunks;
    wt_engine *engine, *reference_engine;
    wt_reference *reference;
    wt_type types[MOST];
    double damps[MOST];
    size_t n_types, n_damps, n_chunks;
    bool no_embedding, embedding_only, no_order;
    size_t speed; /* columns; 0: a model */
} bench;

static void die(const char *what, const wt_error *err) {
    fprintf(stderr, "bench_feedback: %s%s%s\n", what, err ? ": " : "", err ? err->message : "");
    exit(1);
}

/* Of the processor: what other programs take does not count. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Which matrices are encoded: those that the statistics and the Gram matrices know. */
static bool is_encoded(const bench *b, const wt_tensor *t) {
    if (t->n_dims != 2 || !wt_gram_columns(b->gram, t->name) || !wt_statistics_find(b->statistics, t->name)) return false;
    const bool embedding = strcmp(t->name, "token_embd.weight") == 0;
    return !(b->no_embedding && embedding) && !(b->embedding_only && !embedding);
}

typedef struct outcome {
    double seconds, factor_seconds, weights, loss; /* loss: sum of e G e over matrices, each relative to its x G x */
} outcome;

/* tr(E G E^T) / tr(X G X^T). */
static double relative_loss(const double *gram, const float *x, const float *q, size_t rows, size_t cols) {
    double loss = 0.0, all = 0.0;
    size_t step = rows > 64 ? rows / 64 : 1; /* a sample is enough */
    for (size_t r = 0; r < rows; r += step) {
        const float *xr = x + r * cols, *qr = q + r * cols;
        for (size_t i = 0; i < cols; i++) {
            double se = 0.0, sx = 0.0;
            for (size_t k = 0; k < cols; k++) {
                se += gram[i * cols + k] * ((double)xr[k] - (double)qr[k]);
                sx += gram[i * cols + k] * (double)xr[k];
            }
            loss += se * ((double)xr[i] - (double)qr[i]);
            all += sx * (double)xr[i];
        }
    }
    return loss / all;
}

/* Encodes a matrix and puts it into the model; damp 0: without feedback. */
static unsigned char *encode_tensor(bench *b, const wt_tensor *t, wt_type type, double damp, outcome *o) {
    wt_error err = {0};
    const size_t cols = (size_t)t->dims[0], rows = (size_t)t->rows;
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, cols, &row_bytes)) die("rows do not fit", NULL);
    float *x = wt_alloc_aligned(rows * cols, sizeof *x, &err), *w = wt_alloc_aligned(rows * cols, sizeof *w, &err);
    double *gram = wt_alloc_aligned(cols * cols, sizeof *gram, &err);
    unsigned char *out = wt_alloc_aligned(rows, row_bytes, &err);
    const float *h = wt_statistics_find(b->statistics, t->name)->mean_square;
    if (!x || !w || !gram || !out || wt_gram_read(b->gram, t->name, gram, &err) != 0) die(t->name, &err);
    wt_codec_of(t->type)->decode(t->data, x, rows * cols);
    for (size_t r = 0; r < rows; r++) wt_importance_stock(type, x + r * cols, h, cols, w + r * cols);
    const bool tied = strcmp(t->name, "token_embd.weight") == 0;
    double start = now();
    if (damp > 0.0) {
        wt_feedback *f = wt_feedback_new(gram, cols, tied ? TIED_DAMP * damp : damp, b->no_order ? NULL : h, &err);
        if (!f) die(t->name, &err);
        o->factor_seconds += now() - start;
        start = now();
        if (wt_feedback_encode(f, type, x, w, rows, NULL, 0, out, &err) != 0) die(t->name, &err);
        wt_feedback_free(f);
    } else {
#pragma omp parallel for schedule(static)
        for (size_t r = 0; r < rows; r++) wt_encode(type, x + r * cols, w + r * cols, cols, NULL, out + r * row_bytes);
    }
    o->seconds += now() - start;
    o->weights += (double)(rows * cols);
    wt_codec_of(type)->decode(out, w, rows * cols);
    o->loss += relative_loss(gram, x, w, rows, cols);
    free(x);
    free(w);
    free(gram);
    return out;
}

static wt_divergence measure(bench *b, wt_type type, double damp, outcome *o) {
    wt_error err = {0};
    const size_t n = wt_gguf_tensor_count(b->gguf);
    unsigned char **kept = calloc(n, sizeof *kept);
    *o = (outcome){0};
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(b->gguf, i);
        if (!is_encoded(b, t)) continue;
        kept[i] = encode_tensor(b, t, type, damp, o);
        if (wt_model_override(b->model, t->name, type, kept[i], &err) != 0) die(t->name, &err);
    }
    wt_divergence d;
    if (wt_measure(b->engine, b->reference_engine, b->reference, &b->chunks, 0, &d, NULL, &err) != 0)
        die("measuring", &err);
    for (size_t i = 0; i < n; i++) {
        if (kept[i]) wt_model_override(b->model, wt_gguf_tensor(b->gguf, i)->name, 0, NULL, &err);
        free(kept[i]);
    }
    free(kept);
    return d;
}

static void open_all(bench *b) {
    wt_error err = {0};
    const wt_engine_options options = {.resident_bytes = (size_t)1 << 30, .context = CONTEXT};
    if (!(b->gguf = wt_gguf_open(b->model_path, &err)) || !(b->model = wt_model_from_gguf(b->gguf, &err)) ||
        !(b->original = wt_model_from_gguf(b->gguf, &err)) || !(b->tokenizer = wt_tokenizer_open(b->gguf, &err)) ||
        !(b->statistics = wt_statistics_read(b->imatrix_path, &err)) || !(b->gram = wt_gram_open(b->gram_path, &err)) ||
        !(b->engine = wt_engine_open(b->model, &options, &err)) ||
        !(b->reference_engine = wt_engine_open(b->original, &options, &err)))
        die("opening", &err);
    size_t len;
    char *text = wt_read_text(b->text_path, &len, &err);
    if (!text || wt_chunks_cut(&b->chunks, b->tokenizer, text, len, CONTEXT, b->n_chunks, &err) != 0) die("text", &err);
    free(text);
    b->reference = wt_reference_new(b->reference_engine, &b->chunks, 0, "reference", NULL, &err);
    if (!b->reference) die("reference", &err);
}

static void read_arguments(bench *b, int argc, char **argv) {
    char types[] = "Q3_K,Q4_K,IQ4_XS", *list = types, damps[] = "0.1", *damp_list = damps;
    b->n_chunks = 128;
    if (argc >= 3 && strcmp(argv[1], "--speed") == 0) b->speed = strtoull(argv[2], NULL, 10);
    if (argc < 5 && !b->speed) die("usage: bench_feedback MODEL IMATRIX GRAM TEXT [--types A,B] [--damp A,B] [--chunks N]", NULL);
    b->model_path = argv[1];
    b->imatrix_path = argv[2];
    b->gram_path = argv[3];
    b->text_path = argv[4];
    for (int i = b->speed ? 3 : 5; i < argc; i++) {
        if (strcmp(argv[i], "--no-embedding") == 0)
            b->no_embedding = true;
        else if (strcmp(argv[i], "--embedding-only") == 0)
            b->embedding_only = true;
        else if (strcmp(argv[i], "--no-order") == 0)
            b->no_order = true;
        else if (i + 1 < argc && strcmp(argv[i], "--types") == 0)
            list = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--damp") == 0)
            damp_list = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--chunks") == 0)
            b->n_chunks = strtoull(argv[++i], NULL, 10);
        else
            die("an option is unknown", NULL);
    }
    for (char *name = strtok(list, ","); name && b->n_types < MOST; name = strtok(NULL, ",")) {
        int type = wt_type_by_name(name);
        if (type < 0) die(name, NULL);
        b->types[b->n_types++] = (wt_type)type;
    }
    for (char *damp = strtok(damp_list, ","); damp && b->n_damps < MOST; damp = strtok(NULL, ","))
        b->damps[b->n_damps++] = strtod(damp, NULL);
}

/* A Gram matrix of columns that go along with their neighbours, and normal weights. */
static void measure_speed(const bench *b) {
    wt_error err = {0};
    wt_rng rng;
    const size_t n = b->speed;
    double *gram = wt_alloc_aligned(n * n, sizeof *gram, &err);
    float *x = wt_alloc_aligned(n * n, sizeof *x, &err);
    unsigned char *out = wt_alloc_aligned(n * n, 2, &err);
    if (!gram || !x || !out) die("memory", &err);
    wt_rng_init(&rng, 1, 2, 3);
    for (size_t i = 0; i < n * n; i++) {
        const double apart = fabs((double)(i / n) - (double)(i % n));
        x[i] = (float)(0.02 * wt_rng_normal(&rng));
        gram[i] = 1.0 / (1.0 + apart);
    }
    double start = now();
    wt_feedback *f = wt_feedback_new(gram, n, 0.1, NULL, &err);
    if (!f) die("factor", &err);
    printf("%zu x %zu: the factor takes %.2f s\n%-8s %10s %10s\n", n, n, now() - start, "type", "without", "with");
    for (size_t i = 0; i < b->n_types; i++) {
        const size_t rows = n < 256 ? n : 256; /* enough to know */
        start = now();
        wt_encode(b->types[i], x, NULL, rows * n, NULL, out);
        const double without = now() - start;
        start = now();
        if (wt_feedback_encode(f, b->types[i], x, NULL, rows, NULL, 0, out, &err) != 0) die("encoding", &err);
        printf("%-8s %10.2f %10.2f\n", wt_type_find(b->types[i])->name, (double)(rows * n) / without / 1e6,
               (double)(rows * n) / (now() - start) / 1e6);
    }
    wt_feedback_free(f);
    free(gram);
    free(x);
    free(out);
}

int main(int argc, char **argv) {
    bench b = {0};
    outcome o;
    read_arguments(&b, argc, argv);
    if (b.speed) {
        measure_speed(&b);
        return 0;
    }
    open_all(&b);
    printf("%-8s %6s %10s %9s %8s %8s %8s %10s %8s\n", "type", "damp", "KLD", "+-", "change", "loss", "Mw/s", "factor s",
           "top");
    for (size_t i = 0; i < b.n_types; i++) {
        const char *name = wt_type_find(b.types[i])->name;
        const wt_divergence before = measure(&b, b.types[i], 0.0, &o);
        const double loss = o.loss;
        printf("%-8s %6s %10.6f %9.6f %8s %8s %8.2f %10s %8.3f\n", name, "none", before.kld_mean, before.kld_stderr, "",
               "", o.weights / o.seconds / 1e6, "", 100.0 * before.same_top);
        for (size_t k = 0; wt_feedback_fits(b.types[i]) && k < b.n_damps; k++) {
            const wt_divergence after = measure(&b, b.types[i], b.damps[k], &o);
            printf("%-8s %6g %10.6f %9.6f %7.1f%% %8.4f %8.2f %10.2f %8.3f\n", name, b.damps[k], after.kld_mean,
                   after.kld_stderr, 100.0 * (after.kld_mean / before.kld_mean - 1.0), o.loss / loss,
                   o.weights / o.seconds / 1e6, o.factor_seconds, 100.0 * after.same_top);
            fflush(stdout);
        }
    }
    wt_reference_free(b.reference);
    wt_engine_close(b.engine);
    wt_engine_close(b.reference_engine);
    wt_chunks_release(&b.chunks);
    wt_gram_close(b.gram);
    wt_statistics_free(b.statistics);
    wt_tokenizer_close(b.tokenizer);
    wt_model_close(b.model);
    wt_model_close(b.original);
    wt_gguf_close(b.gguf);
    return 0;
}
