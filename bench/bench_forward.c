/*
 * bench_forward [--json] [--quick] [--keep FOLDER] [MODEL...]: how fast the forward pass is, as a share of what oneDNN's own threaded
 * sgemm reaches on the same shapes in the same run, which makes the figure mean the same on any machine. Without MODEL it
 * makes llama-shaped models with random F16 weights of several widths. With bf16 where the processor has it: the speed
 * against fp32, and the divergence that rounding adds. --quick times the forward pass alone; --keep leaves the random models there.
 */
#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/threads.h"
#include "engine/divergence.h"
#include "engine/forward.h"
#include "random_llama.h"

#define ROWS 2048

/*
 * Everything is measured FEWEST times, then until SECONDS are over, at most MOST times: a short disturbance spoils a whole run
 * of a small model.
 */
#define FEWEST 5
#define MOST 41
#define SECONDS 5.0

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what, const wt_error *err) {
    fprintf(stderr, "bench_forward: %s: %s\n", what, err->message);
    exit(1);
}

/* ---- timing ---- */

/* Seconds of one call of oneDNN's sgemm with its own threads, the best of three. */
static double sgemm_seconds(size_t m, size_t n, size_t k) {
    float *a = wt_alloc_aligned(m * k, 4, NULL), *b = wt_alloc_aligned(n * k, 4, NULL), *c = wt_alloc_aligned(m * n, 4, NULL);
    for (size_t i = 0; i < m * k; i++) a[i] = (float)(i % 17) - 8.0f;
    for (size_t i = 0; i < n * k; i++) b[i] = (float)(i % 13) - 6.0f;
    double best = 1e9;
    for (int r = 0; r < 4; r++) {
        double t = now();
        dnnl_sgemm('N', 'T', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a, (dnnl_dim_t)k, b, (dnnl_dim_t)k, 0.0f, c,
                   (dnnl_dim_t)n);
        t = now() - t;
        if (r > 0 && t < best) best = t;
    }
    free(a);
    free(b);
    free(c);
    return best;
}

static double layer_sgemm_seconds(const wt_hparams *hp) {
    size_t q = hp->n_heads * hp->head_dim, kv = hp->n_kv_heads * hp->head_dim, w = hp->width;
    return sgemm_seconds(ROWS, q, w) + 2.0 * sgemm_seconds(ROWS, kv, w) + sgemm_seconds(ROWS, w, q) +
           2.0 * sgemm_seconds(ROWS, hp->ffn, w) + sgemm_seconds(ROWS, w, hp->ffn);
}

static double run_seconds(wt_engine *e, const wt_batch *batch, float *hidden) {
    wt_error err = {0};
    double t = now();
    if (wt_engine_run(e, batch, hidden, &err) != 0) die("running", &err);
    return now() - t;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

/* Mean divergence of bf16 from fp32 on a few chunks of random tokens. */
static double bf16_divergence(wt_engine *fp32, wt_engine *bf16, const int32_t *tokens) {
    wt_error err = {0};
    int32_t *copy = wt_calloc(4 * 128, sizeof *copy, &err);
    memcpy(copy, tokens, 4 * 128 * sizeof *copy);
    wt_chunks chunks;
    wt_divergence d;
    if (wt_chunks_from_tokens(&chunks, copy, 128, 4, &err) != 0) die("chunks", &err);
    if (wt_measure(bf16, fp32, NULL, &chunks, 0, &d, NULL, &err) != 0) die("measuring", &err);
    wt_chunks_release(&chunks);
    return d.kld_mean;
}

/* Tokens per second of the fp32 forward pass alone, the best of three after a warm-up; for comparisons with other programs. */
static void quick(wt_engine *e, const wt_batch *batch, float *hidden, const char *name, bool last) {
    double best = 1e9;
    for (int r = 0; r < 4; r++) {
        double t = run_seconds(e, batch, hidden);
        if (r > 0 && t < best) best = t;
    }
    printf("  {\"model\": \"%s\", \"tokens_per_second\": %.0f}%s\n", name, ROWS / best, last ? "" : ",");
}

static void bench_model(const char *path, bool json, bool only_quick, bool last) {
    wt_error err = {0};
    wt_model *model = wt_model_open(path, &err);
    wt_engine_options options = {.precision = WT_PRECISION_BF16};
    wt_engine *e = model ? wt_engine_open(model, NULL, &err) : NULL;
    if (!e) die(path, &err);
    wt_engine *b = wt_matmul_has_bf16() ? wt_engine_open(model, &options, &err) : NULL;
    const wt_hparams *hp = wt_model_hparams(model);
    size_t context = 256, sequences = ROWS / context, lengths[ROWS / 256];
    for (size_t i = 0; i < sequences; i++) lengths[i] = context;
    int32_t *tokens = wt_calloc(ROWS, sizeof *tokens, &err);
    wt_rng rng;
    wt_rng_init(&rng, 1, 2, 3);
    for (size_t i = 0; i < ROWS; i++) tokens[i] = 3 + (int32_t)wt_rng_below(&rng, hp->vocab - 3);
    float *hidden = wt_alloc_aligned(ROWS, hp->width * sizeof *hidden, &err);
    wt_batch batch = {.tokens = tokens, .lengths = lengths, .sequences = sequences, .last_block = WT_ALL_BLOCKS};
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    double plain[MOST], half[MOST], sgemm[MOST], ratio[MOST], speedup[MOST];
    int n = 0;
    if (only_quick) {
        quick(e, &batch, hidden, name, last);
        goto done;
    }
    run_seconds(e, &batch, hidden);
    if (b) run_seconds(b, &batch, hidden);
    /* In turn, so that a machine that drifts does so for all. */
    for (double start = now(); n < FEWEST || (n < MOST && now() - start < SECONDS); n++) {
        sgemm[n] = hp->n_layers * layer_sgemm_seconds(hp);
        plain[n] = run_seconds(e, &batch, hidden);
        half[n] = b ? run_seconds(b, &batch, hidden) : NAN;
        ratio[n] = sgemm[n] / plain[n];
        speedup[n] = plain[n] / half[n];
    }
    double gflop = wt_engine_block_flops(e, ROWS) * 1e-9, kld = b ? bf16_divergence(e, b, tokens) : NAN;
    double fp32_rate = gflop / median(plain, n), sgemm_rate = gflop / median(sgemm, n);
    if (json) {
        printf("  {\"model\": \"%s\", \"width\": %u, \"layers\": %u, \"threads\": %d, \"fp32_gflops\": %.1f, \"sgemm_gflops\": %.1f, "
               "\"share_of_sgemm\": %.3f, \"tokens_per_second\": %.0f",
               name, hp->width, hp->n_layers, wt_threads_get(), fp32_rate, sgemm_rate, median(ratio, n),
               ROWS / median(plain, n));
        if (b) printf(", \"bf16_speedup\": %.2f, \"bf16_kld\": %.3g", median(speedup, n), kld);
        printf("}%s\n", last ? "" : ",");
    } else {
        printf("%-24s %6u %7u %11.0f %12.0f %8.0f%% %10.0f", name, hp->width, hp->n_layers, fp32_rate, sgemm_rate,
               100.0 * median(ratio, n), ROWS / median(plain, n));
        if (b)
            printf(" %9.2fx %9.2g\n", median(speedup, n), kld);
        else
            printf("      none\n");
    }
    fflush(stdout);
done:
    free(tokens);
    free(hidden);
    wt_engine_close(e);
    wt_engine_close(b);
    wt_model_close(model);
}

int main(int argc, char **argv) {
    static const uint32_t widths[] = {256, 512, 1024, 2048};
    bool json = false, only_quick = false;
    const char *keep = NULL;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--json") == 0) json = true;
        if (strcmp(argv[first], "--quick") == 0) json = only_quick = true;
        if (strcmp(argv[first], "--keep") == 0 && first + 1 < argc) keep = argv[++first];
    }
    wt_threads_set(0);
    if (json)
        printf("[\n");
    else
        printf("%-24s %6s %7s %11s %12s %9s %10s %10s %9s\n", "model", "width", "layers", "fp32 GF/s", "sgemm GF/s", "share",
               "tokens/s", "bf16", "bf16 KLD");
    for (int i = first; i < argc; i++) bench_model(argv[i], json, only_quick, i + 1 == argc);
    for (size_t i = 0; first == argc && i < sizeof widths / sizeof *widths; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/random-%u.gguf", keep ? keep : "/tmp", widths[i]);
        wt_error err = {0};
        if (random_llama_write(path, widths[i], widths[i] >= 2048 ? 2 : 4, &err) != 0) die(path, &err);
        bench_model(path, json, only_quick, i + 1 == sizeof widths / sizeof *widths);
        if (!keep) unlink(path);
    }
    if (json) printf("]\n");
    return 0;
}
