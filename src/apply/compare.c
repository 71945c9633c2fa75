/*
 * Comparing weights as a stream: threads take pieces of rows, decode both sides in buffers of one row, and leave the sums of their
 * piece in its place; these are added in order.
 */
#include "apply/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "quant/codec.h"

enum {
    PIECE_WEIGHTS = 65536,
    BATCH_PIECES = 256,        /* pieces between two returns of pages */
    SCRATCH_BYTES = 256 << 20, /* of all threads; beyond it fewer run */
};

/* What the pieces share. */
typedef struct pair {
    const wt_tensor *a, *b;
    wt_decode_fn decode_a, decode_b;
    uint64_t a_bytes, b_bytes; /* of a row */
    size_t columns;
    const wt_column_stats *stats;
} pair;

void wt_difference_add(wt_difference *sum, const wt_difference *more) {
    sum->signal += more->signal;
    sum->error += more->error;
    sum->weighted_signal += more->weighted_signal;
    sum->weighted_error += more->weighted_error;
    if (more->largest > sum->largest) sum->largest = more->largest;
    sum->weights += more->weights;
    sum->skipped += more->skipped;
    sum->weighted |= more->weighted;
}

double wt_relative_error(double error, double signal) {
    if (signal > 0) return error / signal;
    return error > 0 ? NAN : 0;
}

double wt_signal_to_noise(double error, double signal) {
    if (signal > 0 || error > 0) return 10 * log10(signal / error);
    return INFINITY;
}

static void add_row(const pair *p, uint64_t row, const float *x, const float *y, wt_difference *d) {
    const size_t matrix = (size_t)(row / p->a->dims[1] % p->a->dims[2]);
    const float *h = p->stats ? p->stats->mean_square + matrix * p->columns : NULL;
    for (size_t i = 0; i < p->columns; i++) {
        const double a = x[i], delta = a - y[i];
        if (!isfinite(delta)) {
            d->skipped++;
            continue;
        }
        d->signal += a * a;
        d->error += delta * delta;
        if (fabs(delta) > d->largest) d->largest = fabs(delta);
        if (!h) continue;
        d->weighted_signal += h[i] * a * a;
        d->weighted_error += h[i] * delta * delta;
    }
    d->weights += p->columns;
}

static void add_piece(const pair *p, uint64_t first, uint64_t end, float *x, float *y, wt_difference *d) {
    *d = (wt_difference){.weighted = p->stats != NULL};
    for (uint64_t row = first; row < end; row++) {
        p->decode_a((const uint8_t *)p->a->data + row * p->a_bytes, x, p->columns);
        p->decode_b((const uint8_t *)p->b->data + row * p->b_bytes, y, p->columns);
        add_row(p, row, x, y, d);
    }
}

/* Statistics that fit the tensor, or NULL. */
static const wt_column_stats *stats_of(const wt_statistics *statistics, const wt_tensor *t) {
    const wt_column_stats *s = statistics ? wt_statistics_find(statistics, t->name) : NULL;
    return s && s->columns % t->dims[0] == 0 && s->columns / t->dims[0] == t->dims[2] ? s : NULL;
}

static int undecodable(const wt_gguf *file, const wt_tensor *t, wt_error *err) {
    return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot compare '%s' of '%s': this build does not read %s", t->name,
                   wt_gguf_path(file), wt_type_find(t->type)->name);
}

int wt_compare_tensors(const wt_gguf *a_file, const wt_tensor *a, const wt_gguf *b_file, const wt_tensor *b,
                       const wt_statistics *statistics, wt_difference *difference, wt_error *err) {
    pair p = {a,
              b,
              wt_codec_of(a->type)->decode,
              wt_codec_of(b->type)->decode,
              a->bytes / a->rows,
              b->bytes / b->rows,
              (size_t)a->dims[0],
              stats_of(statistics, a)};
    if (!p.decode_a) return undecodable(a_file, a, err);
    if (!p.decode_b) return undecodable(b_file, b, err);
    const size_t stride = (p.columns + 15) / 16 * 16, affordable = SCRATCH_BYTES / (2 * sizeof(float)) / stride;
    int threads = wt_threads_get();
    if (affordable < (size_t)threads) threads = affordable > 1 ? (int)affordable : 1;
    const uint64_t piece = p.columns < PIECE_WEIGHTS ? PIECE_WEIGHTS / p.columns : 1;
    wt_difference parts[BATCH_PIECES];
    float *scratch = wt_alloc_aligned(stride, (size_t)threads * 2 * sizeof(float), err);
    if (!scratch) return -1;
    *difference = (wt_difference){0};
    for (uint64_t row = 0; row < a->rows; row += piece * BATCH_PIECES) {
        const uint64_t left = a->rows - row, count = left < piece * BATCH_PIECES ? left : piece * BATCH_PIECES;
        const int64_t pieces = (int64_t)((count + piece - 1) / piece);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t i = 0; i < pieces; i++) {
            float *x = scratch + (size_t)wt_thread_id() * 2 * stride;
            const uint64_t from = row + (uint64_t)i * piece, end = from + piece;
            add_piece(&p, from, end < row + count ? end : row + count, x, x + stride, &parts[i]);
        }
        for (int64_t i = 0; i < pieces; i++) wt_difference_add(difference, &parts[i]);
        wt_gguf_unload(a_file, (const uint8_t *)a->data + row * p.a_bytes, count * p.a_bytes);
        wt_gguf_unload(b_file, (const uint8_t *)b->data + row * p.b_bytes, count * p.b_bytes);
    }
    free(scratch);
    return 0;
}
