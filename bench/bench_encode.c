/*
 * Encoding against stock ggml (libggml-base of the llama.cpp under FOLDER/node_modules), type by type, with the same
 * weights: how much weighted error is left, and how many weights a second.
 *   bench_encode FOLDER [--type NAME] [--verbose] [--speed-only | --error-only] [FILE.golden | MODEL.gguf ...]
 * Errors are ratios ours / stock per row; speeds are medians of runs in turn, one thread. Fails where a row is worse, and
 * where there are files but no row of some type.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/rng.h"
#include "bench/stock_library.h"
#include "model/gguf.h"
#include "quant/encode.h"
#include "quant/importance.h"

typedef size_t (*stock_fn)(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t columns,
                           const float *importance);

static stock_fn stock_quantize;
static void (*stock_init)(int type);
static bool (*stock_requires)(int type);

static const wt_type TYPES[] = {WT_Q4_0,   WT_Q4_1,  WT_Q5_0,    WT_Q5_1,   WT_Q8_0,   WT_Q2_K,  WT_Q3_K,
                                WT_Q4_K,   WT_Q5_K,  WT_Q6_K,    WT_IQ4_NL, WT_IQ4_XS, WT_MXFP4, WT_NVFP4,
                                WT_Q1_0,   WT_Q2_0,  WT_TQ1_0,   WT_TQ2_0,  WT_IQ1_S,  WT_IQ1_M, WT_IQ2_XXS,
                                WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)

static const char *only_type;
static bool verbose;

static const char *type_name(wt_type type) { return wt_type_find(type)->name; }

static bool is_wanted(size_t t, bool weighted) {
    if (only_type && strcmp(only_type, type_name(TYPES[t])) != 0) return false;
    return wt_encoder_of(TYPES[t])->exists && (weighted || !stock_requires((int)TYPES[t]));
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* both sides use this thread alone: what else runs does not count */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) {
        fprintf(stderr, "bench_encode: out of memory\n");
        exit(1);
    }
    return p;
}

/* ---- errors ---- */

typedef struct tally {
    size_t rows, worse; /* worse: by more than 1e-6 of stock's error */
    double worst, logs, ours, stock;
    size_t counted; /* rows in `logs` */
} tally;

static tally tallies[N_TYPES][2];

static void compare_row(size_t t, int weighted, const float *x, const float *h, size_t columns, const char *where,
                        size_t row) {
    wt_type type = TYPES[t];
    uint64_t bytes;
    if (!wt_type_row_bytes(type, columns, &bytes)) return;
    float *w = need(columns * sizeof *w);
    unsigned char *ours = need(bytes), *stock = need(bytes);
    wt_importance_stock(type, x, weighted ? h : NULL, columns, w);
    wt_encode(type, x, w, columns, NULL, ours);
    stock_quantize((int)type, x, stock, 0, 1, (int64_t)columns, weighted ? h : NULL);
    double a = wt_encoding_error(type, x, w, columns, ours), b = wt_encoding_error(type, x, w, columns, stock);
    tally *s = &tallies[t][weighted];
    s->rows++;
    s->ours += a;
    s->stock += b;
    double ratio = b > 0.0 ? a / b : a == 0.0 ? 1.0 : INFINITY;
    if (ratio != ratio) ratio = INFINITY; /* an error that is no number */
    if (ratio > 1.0 + 1e-6) {
        s->worse++;
        if (verbose)
            printf("%s %s row %zu (%s): %.7g\n", type_name(type), where, row, weighted ? "weighted" : "plain", ratio);
    }
    if (ratio > s->worst) s->worst = ratio;
    if (a > 0.0 && b > 0.0) {
        s->logs += log(ratio);
        s->counted++;
    }
    free(w);
    free(ours);
    free(stock);
}

static void compare_rows(const float *x, const float *h, size_t rows, size_t columns, const char *where) {
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            if (!is_wanted(t, weighted)) continue;
            for (size_t r = 0; r < rows; r++) compare_row(t, weighted, x + r * columns, h, columns, where, r);
        }
    }
}

static int compare_golden(const char *path, wt_error *err) {
    wt_map map;
    if (wt_map_open(&map, path, err) != 0) return -1;
    enum { HEAD = 28 }; /* magic, type, rows, columns, bytes of a row; see make_golden.c */
    uint32_t head[3] = {0};
    if (map.size >= HEAD && memcmp(map.data, "GOLDEN1", 8) == 0) memcpy(head, map.data + 8, sizeof head);
    const size_t rows = head[1], columns = head[2];
    if (rows == 0 || columns == 0 || (map.size - HEAD) / 4 / columns < rows + 1) {
        wt_map_close(&map);
        return wt_fail(err, WT_ERR_FORMAT, "cannot read '%s': not whole golden vectors", path);
    }
    float *x = need(4 * rows * columns), *h = need(4 * columns);
    memcpy(x, map.data + 28, 4 * rows * columns);
    memcpy(h, map.data + 28 + 4 * rows * columns, 4 * columns);
    compare_rows(x, h, rows, columns, path);
    free(x);
    free(h);
    wt_map_close(&map);
    return 0;
}

/* Activations of a made-up kind: log-normal mean squares. */
static float *activations(size_t columns) {
    wt_rng rng;
    wt_rng_init(&rng, 7, 1, 0);
    float *h = need(4 * columns);
    for (size_t i = 0; i < columns; i++) h[i] = (float)exp(1.5 * wt_rng_normal(&rng));
    return h;
}

static int compare_model(const char *path, wt_error *err) {
    wt_gguf *gguf = wt_gguf_open(path, err);
    if (!gguf) return -1;
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        const wt_codec *codec = wt_codec_of(t->type);
        size_t columns = (size_t)t->dims[0], n = columns * (size_t)t->rows;
        if (t->n_dims < 2 || !codec->decode) continue;
        float *x = need(4 * n), *h = activations(columns);
        codec->decode(t->data, x, n);
        compare_rows(x, h, (size_t)t->rows, columns, t->name);
        free(x);
        free(h);
    }
    wt_gguf_close(gguf);
    return 0;
}

/* Whether no row is worse than stock's, and every type has some. */
static bool print_errors(void) {
    bool good = true;
    printf("%-8s %-8s %9s %7s %12s %12s %12s\n", "type", "weights", "rows", "worse", "worst row", "mean ratio",
           "total");
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            const tally *s = &tallies[t][weighted];
            if (is_wanted(t, weighted) && (s->rows == 0 || s->worse > 0)) good = false;
            if (is_wanted(t, weighted) && s->rows == 0)
                fprintf(stderr, "bench_encode: no row of these files fits %s\n", type_name(TYPES[t]));
            if (!s->rows) continue;
            printf("%-8s %-8s %9zu %7zu %12.6f %12.4f %12.4f\n", type_name(TYPES[t]), weighted ? "imatrix" : "none",
                   s->rows, s->worse, s->worst, s->counted ? exp(s->logs / (double)s->counted) : 1.0,
                   s->stock > 0.0 ? s->ours / s->stock : 1.0);
        }
    }
    return good;
}

/* ---- speed ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum { ROUNDS = 7 };

static void time_type(wt_type type, bool weighted, const float *x, const float *h, size_t rows, size_t columns) {
    uint64_t bytes;
    if (!wt_type_row_bytes(type, columns, &bytes)) return;
    unsigned char *out = need(bytes * rows);
    float *w = need(4 * columns);
    double ours[ROUNDS], stock[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t r = 0; r < rows; r++) {
            wt_importance_stock(type, x + r * columns, weighted ? h : NULL, columns, w);
            wt_encode(type, x + r * columns, w, columns, NULL, out + r * bytes);
        }
        ours[round] = now() - start;
        start = now();
        stock_quantize((int)type, x, out, 0, (int64_t)rows, (int64_t)columns, weighted ? h : NULL);
        stock[round] = now() - start;
    }
    qsort(ours, ROUNDS, sizeof *ours, by_value);
    qsort(stock, ROUNDS, sizeof *stock, by_value);
    double n = (double)(rows * columns) / 1e6;
    printf("%-8s %-8s %10.2f %10.2f %8.2f\n", type_name(type), weighted ? "imatrix" : "none", n / ours[ROUNDS / 2],
           n / stock[ROUNDS / 2], stock[ROUNDS / 2] / ours[ROUNDS / 2]);
    fflush(stdout);
    free(out);
    free(w);
}

static void time_all(void) {
    enum { ROWS = 64, COLUMNS = 2048 };
    wt_rng rng;
    wt_rng_init(&rng, 11, 1, 0);
    float *x = need(4 * ROWS * COLUMNS), *h = activations(COLUMNS);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) x[i] = 0.02f * (float)wt_rng_normal(&rng);
    printf("%-8s %-8s %10s %10s %8s   (million weights a second, one thread)\n", "type", "weights", "ours", "stock",
           "ratio");
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            if (is_wanted(t, weighted)) time_type(TYPES[t], weighted, x, h, t >= 18 ? 8 : ROWS, COLUMNS);
        }
    }
    free(x);
    free(h);
}

/* ---- */

/* 0, or the exit status. */
static int open_stock(const char *folder) {
    wt_error err = {0};
    bool missing;
    void *lib = stock_library(folder, "libggml-base", &missing, &err);
    if (!lib) {
        printf(missing ? "SKIPPED: %s; run tools/install-dependencies test\n" : "bench_encode: %s\n", err.message);
        return missing ? 77 : 1;
    }
    *(void **)&stock_quantize = dlsym(lib, "ggml_quantize_chunk");
    *(void **)&stock_init = dlsym(lib, "ggml_quantize_init");
    *(void **)&stock_requires = dlsym(lib, "ggml_quantize_requires_imatrix");
    if (!stock_quantize || !stock_init || !stock_requires) {
        printf("bench_encode: the library under '%s' is not ggml's base library\n", folder);
        return 1;
    }
    fprintf(stderr, "preparing stock's codebooks, which may take half a minute\n");
    for (size_t t = 0; t < N_TYPES; t++) {
        if (!only_type || strcmp(only_type, type_name(TYPES[t])) == 0) stock_init((int)TYPES[t]);
    }
    return 0;
}

static int usage(void) {
    fprintf(stderr,
            "usage: bench_encode FOLDER [--type NAME] [--verbose] [--speed-only | --error-only] [FILE ...]\n"
            "example: bench_encode tests/interop --type Q4_K tests/data/golden/q4_K.golden data/seedling.gguf\n");
    return 2;
}

int main(int argc, char **argv) {
    bool speed = true, error = true;
    int files = 0, status;
    wt_error err = {0};
    if (argc < 2) return usage();
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
            only_type = argv[++i];
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--speed-only") == 0)
            error = false;
        else if (strcmp(argv[i], "--error-only") == 0)
            speed = false;
        else if (strncmp(argv[i], "--", 2) == 0)
            return usage();
        else
            argv[2 + files++] = argv[i]; /* files come to the front */
    }
    if (!speed && files == 0) return usage();
    if (only_type && wt_type_by_name(only_type) < 0) {
        fprintf(stderr, "bench_encode: unknown type '%s'\n", only_type);
        return 2;
    }
    if ((status = open_stock(argv[1])) != 0) return status;
    for (int i = 2; error && i < 2 + files; i++) {
        const size_t length = strlen(argv[i]);
        fprintf(stderr, "comparing rows of %s\n", argv[i]);
        const bool golden = length > 7 && strcmp(argv[i] + length - 7, ".golden") == 0;
        if ((golden ? compare_golden(argv[i], &err) : compare_model(argv[i], &err)) != 0) {
            fprintf(stderr, "bench_encode: %s\n", err.message);
            return 1;
        }
    }
    const bool good = !error || files == 0 || print_errors();
    if (speed) time_all();
    return !good;
}
