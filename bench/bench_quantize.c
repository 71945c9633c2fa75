/*
 * bench_quantize WILDTYPE FOLDER [--weights MILLIONS] [--type PRESET] [--threads N] [--json]: how much memory `wildtype quantize`
 * takes for a large model. Makes a llama-shaped F16 model of 1,000 million weights (2 GB; the same random bytes over and over, which
 * costs little to write) in FOLDER, quantizes it, and removes both files. Anonymous memory is what the program holds beyond the
 * file that it has mapped; the peak is of all resident pages, those of the mapped file included.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/gguf.h"
#include "quant/codec.h"

enum { WIDTH = 2048, FFN = 5632, HEADS = 32, KV_HEADS = 8, HEAD = 64, VOCABULARY = 32000, REPEATED = 8 << 20 };

typedef struct settings {
    const char *program, *folder, *type, *threads;
    uint64_t millions;
    bool json;
} settings;

/* What was seen of the process. */
typedef struct memory {
    long anonymous, file, peak; /* KiB, the largest of each */
    double seconds;
    int status;
} memory;

static void die(const wt_error *err) {
    fprintf(stderr, "bench_quantize: %s\n", err->message);
    exit(1);
}

static void add(wt_gguf_writer *w, int layer, const char *what, uint64_t columns, uint64_t rows) {
    char name[64];
    wt_error err = {0};
    const uint64_t dims[] = {columns, rows};
    if (layer >= 0)
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, what);
    else
        snprintf(name, sizeof name, "%s.weight", what);
    if (wt_gguf_writer_add_tensor(w, name, rows ? WT_F16 : WT_F32, dims, rows ? 2 : 1, &err) != 0) die(&err);
}

static void add_layer(wt_gguf_writer *w, int layer) {
    add(w, layer, "attn_norm", WIDTH, 0);
    add(w, layer, "attn_q", WIDTH, HEADS * HEAD);
    add(w, layer, "attn_k", WIDTH, KV_HEADS * HEAD);
    add(w, layer, "attn_v", WIDTH, KV_HEADS * HEAD);
    add(w, layer, "attn_output", HEADS * HEAD, WIDTH);
    add(w, layer, "ffn_norm", WIDTH, 0);
    add(w, layer, "ffn_gate", WIDTH, FFN);
    add(w, layer, "ffn_up", WIDTH, FFN);
    add(w, layer, "ffn_down", FFN, WIDTH);
}

/* Weights of a standard deviation of 0.02, as bytes of F16; as F32 they are finite too. */
static uint16_t *random_bytes(void) {
    uint16_t *half = malloc(REPEATED);
    wt_rng rng;
    wt_rng_init(&rng, 1, 0, 0);
    for (size_t i = 0; half && i < REPEATED / 2; i++) half[i] = wt_f32_to_f16((float)(0.02 * wt_rng_normal(&rng)));
    return half;
}

static uint64_t make_model(const char *path, uint64_t wanted) {
    const uint64_t layer = 2 * WIDTH * HEADS * HEAD + 2 * WIDTH * KV_HEADS * HEAD + 3 * (uint64_t)WIDTH * FFN;
    const uint64_t ends = 2 * (uint64_t)VOCABULARY * WIDTH;
    const int layers = wanted > ends + layer ? (int)((wanted - ends + layer - 1) / layer) : 1;
    wt_error err = {0};
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    if (!w || wt_gguf_writer_set_str(w, "general.architecture", "llama", &err) ||
        wt_gguf_writer_set_u32(w, "llama.block_count", (uint32_t)layers, &err) ||
        wt_gguf_writer_set_u32(w, "llama.attention.head_count", HEADS, &err) ||
        wt_gguf_writer_set_u32(w, "llama.attention.head_count_kv", KV_HEADS, &err))
        die(&err);
    add(w, -1, "token_embd", WIDTH, VOCABULARY);
    for (int i = 0; i < layers; i++) add_layer(w, i);
    add(w, -1, "output_norm", WIDTH, 0);
    add(w, -1, "output", WIDTH, VOCABULARY);
    uint16_t *bytes = random_bytes();
    if (!bytes) exit(1);
    const uint64_t norm = WIDTH * 4, matrices[] = {WIDTH * HEADS * HEAD,
                                                   WIDTH * KV_HEADS * HEAD,
                                                   WIDTH * KV_HEADS * HEAD,
                                                   HEADS * HEAD * WIDTH,
                                                   0,
                                                   WIDTH * FFN,
                                                   WIDTH * FFN,
                                                   WIDTH * FFN};
    /* In the order of announcement; 0 stands for a norm. */
    uint64_t sizes[16], n = 0;
    sizes[n++] = 0;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) sizes[n++] = matrices[i];
    for (int i = -1; i <= layers; i++) {
        const uint64_t edge[] = {i < 0 ? (uint64_t)VOCABULARY * WIDTH : 0, (uint64_t)VOCABULARY * WIDTH};
        const uint64_t *list = i < 0 || i == layers ? edge : sizes;
        const uint64_t count = i < 0 ? 1 : i == layers ? 2 : n;
        for (uint64_t k = 0; k < count; k++) {
            uint64_t left = list[k] ? list[k] * 2 : norm;
            for (uint64_t part; left > 0; left -= part) {
                part = left < REPEATED ? left : REPEATED;
                if (wt_gguf_writer_data(w, bytes, part, &err) != 0) die(&err);
            }
        }
    }
    free(bytes);
    if (wt_gguf_writer_finish(w, &err) != 0) die(&err);
    return ends + (uint64_t)layers * layer;
}

/* A line of /proc/PID/status in KiB, 0 where it is not there. */
static long status_line(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

static void look(pid_t process, memory *m) {
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *f = fopen(path, "r");
    if (!f) return;
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const long anonymous = status_line(text, "RssAnon:"), file = status_line(text, "RssFile:");
    if (anonymous > m->anonymous) m->anonymous = anonymous;
    if (file > m->file) m->file = file;
}

static memory watch(const settings *s, const char *model, const char *out) {
    memory m = {0};
    struct timespec start, end, nap = {0, 5000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    const pid_t process = fork();
    if (process == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(126);
        execl(s->program, s->program, "quantize", model, "--type", s->type, "-o", out, "--threads", s->threads,
              (char *)NULL);
        _exit(127);
    }
    struct rusage usage;
    pid_t ended;
    while ((ended = wait4(process, &m.status, WNOHANG, &usage)) == 0) {
        look(process, &m);
        nanosleep(&nap, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    m.peak = usage.ru_maxrss;
    m.seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    return m;
}

static settings read_settings(int argc, char **argv) {
    settings s = {.type = "Q4_K_S", .millions = 1000};
    static char processors[16];
    snprintf(processors, sizeof processors, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    s.threads = processors;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            s.json = true;
        else if (i + 1 < argc && strcmp(argv[i], "--weights") == 0)
            s.millions = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--type") == 0)
            s.type = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--threads") == 0)
            s.threads = argv[++i];
        else
            argc = 0;
    }
    if (argc < 3) {
        fprintf(stderr,
                "usage: bench_quantize WILDTYPE FOLDER [--weights MILLIONS] [--type PRESET] [--threads N] [--json]\n");
        exit(2);
    }
    s.program = argv[1];
    s.folder = argv[2];
    return s;
}

int main(int argc, char **argv) {
    const settings s = read_settings(argc, argv);
    char model[4096], out[4096];
    snprintf(model, sizeof model, "%s/bench-quantize-%d-F16.gguf", s.folder, (int)getpid());
    snprintf(out, sizeof out, "%s/bench-quantize-%d-out.gguf", s.folder, (int)getpid());
    const uint64_t weights = make_model(model, s.millions * 1000000);
    const memory m = watch(&s, model, out);
    unlink(model);
    unlink(out);
    if (m.status != 0) {
        fprintf(stderr, "bench_quantize: wildtype quantize ended with status %d\n", m.status);
        return 1;
    }
    const double mib = 1.0 / 1024, rate = (double)weights / m.seconds / 1e6;
    if (s.json)
        printf("{\"weights\": %llu, \"type\": \"%s\", \"threads\": %s, \"anonymous_mib\": %.1f, \"file_mib\": %.1f, "
               "\"peak_mib\": %.1f, \"seconds\": %.1f, \"million_weights_per_second\": %.1f}\n",
               (unsigned long long)weights, s.type, s.threads, (double)m.anonymous * mib, (double)m.file * mib,
               (double)m.peak * mib, m.seconds, rate);
    else
        printf(
            "%.0f million weights to %s, %s threads: %.1f MiB beyond the mapped files, of which at most %.1f MiB were resident "
            "at a time; peak of both %.1f MiB; %.1f s, %.1f million weights/s\n",
            (double)weights / 1e6, s.type, s.threads, (double)m.anonymous * mib, (double)m.file * mib,
            (double)m.peak * mib, m.seconds, rate);
    return 0;
}
