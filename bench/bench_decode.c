/*
 * bench_decode [--json] [--type NAME]: decoding to floats on one thread against the memory bandwidth of that
 * thread, both in bytes read and written a second. Bandwidth is memcpy's, between buffers far larger than the
 * caches, written to before; decoding goes from such a buffer to another, in turn with it, medians of the rounds:
 * "streamed" by wt_decode_streaming, which is for such buffers, and "ordinary" by the codec's decode, whose stores read
 * each line before they write it. "cached" is that decode to a buffer that stays in the cache, which is how rows are
 * decoded that are multiplied or measured at once. What counts is the streamed share of the bandwidth: for the legacy
 * and the K types it is to be half.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "quant/codec.h"

enum { WEIGHTS = 1 << 27, ROUNDS = 5 };
#define BYTES ((size_t)4 * WEIGHTS) /* 512 MiB: memcpy, too, streams from some size on, which depends on the caches */

static const wt_type TYPES[] = {
    WT_Q4_0,  WT_Q4_1,  WT_Q5_0,  WT_Q5_1,   WT_Q8_0,    WT_Q2_K,   WT_Q3_K,  WT_Q4_K,    WT_Q5_K,
    WT_Q6_K,  WT_F16,   WT_BF16,  WT_IQ4_NL, WT_IQ4_XS,  WT_MXFP4,  WT_NVFP4, WT_Q1_0,    WT_Q2_0,
    WT_TQ1_0, WT_TQ2_0, WT_IQ1_S, WT_IQ1_M,  WT_IQ2_XXS, WT_IQ2_XS, WT_IQ2_S, WT_IQ3_XXS, WT_IQ3_S,
};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)
#define N_GATED 10 /* of them, the legacy and the K types, are to reach half */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* both sides use this thread alone: what else runs counts little */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

typedef struct buffers {
    unsigned char *from, *to; /* [BYTES] each */
} buffers;

/* Random bytes, over and over: any are blocks of every type. */
static bool buffers_init(buffers *b) {
    b->from = aligned_alloc(64, BYTES);
    b->to = aligned_alloc(64, BYTES);
    if (!b->from || !b->to) return false;
    wt_rng rng;
    wt_rng_init(&rng, 3, 1, 0);
    for (size_t i = 0; i < BYTES; i++)
        b->from[i] = (unsigned char)(i < 4096 ? wt_rng_below(&rng, 256) : b->from[i - 4093]);
    memset(b->to, 1, BYTES);
    return true;
}

typedef struct speed {
    double streamed, ordinary, cached, copied; /* bytes read and written a second */
} speed;

/* Rows of this many weights, all to the same place. */
enum { ROW = 4096 };

static void decode_rows(wt_type type, const unsigned char *from, float *row) {
    const wt_decode_fn decode = wt_codec_of(type)->decode;
    uint64_t row_bytes = 0;
    wt_type_row_bytes(type, ROW, &row_bytes);
    for (size_t i = 0; i < WEIGHTS; i += ROW, from += row_bytes) decode(from, row, ROW);
}

static speed measure(wt_type type, const buffers *b) {
    float *to = (float *)(void *)b->to;
    double streamed[ROUNDS], ordinary[ROUNDS], cached[ROUNDS], copied[ROUNDS];
    uint64_t bytes = 0;
    wt_type_row_bytes(type, WEIGHTS, &bytes);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        wt_decode_streaming(type, b->from, to, WEIGHTS);
        streamed[round] = now() - start;
        start = now();
        wt_codec_of(type)->decode(b->from, to, WEIGHTS);
        ordinary[round] = now() - start;
        start = now();
        decode_rows(type, b->from, to);
        cached[round] = now() - start;
        start = now();
        memcpy(to, b->from, BYTES);
        copied[round] = now() - start;
    }
    const double moved = (double)bytes + (double)BYTES;
    return (speed){moved / median(streamed), moved / median(ordinary), moved / median(cached),
                   2.0 * (double)BYTES / median(copied)};
}

int main(int argc, char **argv) {
    bool json = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--type") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: bench_decode [--json] [--type NAME]\n");
            return 2;
        }
    }
    if (only && wt_type_by_name(only) < 0) {
        fprintf(stderr, "bench_decode: unknown type '%s'\n", only);
        return 2;
    }
    buffers b;
    if (!buffers_init(&b)) {
        fprintf(stderr, "bench_decode: out of memory\n");
        return 1;
    }
    if (json)
        printf("{\"kernels\": \"%s\", \"bytes_per_second\": [", wt_cpu_level_name(wt_cpu_chosen()));
    else
        printf("%-8s %9s %9s %9s %9s %7s   (GB/s, one thread, kernels: %s)\n", "type", "copied", "streamed", "ordinary",
               "cached", "share", wt_cpu_level_name(wt_cpu_chosen()));
    double least = 1e30;
    bool first = true;
    for (size_t t = 0; t < N_TYPES; t++) {
        const char *name = wt_type_find(TYPES[t])->name;
        if (only && strcmp(only, name) != 0) continue;
        if (!wt_codec_of(TYPES[t])->decode) continue;
        const speed s = measure(TYPES[t], &b);
        const double share = s.streamed / s.copied, giga = 1e-9;
        if (t < N_GATED && share < least) least = share;
        if (json)
            printf("%s\n    {\"type\": \"%s\", \"copied\": %.0f, \"streamed\": %.0f, \"ordinary\": %.0f, "
                   "\"cached\": %.0f, \"share\": %.3f}",
                   first ? "" : ",", name, s.copied, s.streamed, s.ordinary, s.cached, share);
        else
            printf("%-8s %9.2f %9.2f %9.2f %9.2f %7.2f\n", name, giga * s.copied, giga * s.streamed, giga * s.ordinary,
                   giga * s.cached, share);
        fflush(stdout);
        first = false;
    }
    const bool any = least < 1e30;
    if (json) printf("\n]");
    if (json && any) printf(", \"least_share_of_legacy_and_k\": %.3f", least);
    if (json) printf("}\n");
    if (!json && any) printf("the least of the legacy and the K types: %.2f\n", least);
    free(b.from);
    free(b.to);
    return 0;
}
