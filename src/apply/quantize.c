/*
 * Quantizing a file as a stream. A tensor is encoded in batches of rows: threads take pieces of a batch, row by row (decode,
 * weigh, encode) in buffers of one row each, and the batch is written before the next one begins; the source's pages
 * that are done with are given back. So what is resident depends on the longest row and the number of threads, not on the model.
 * Rows are independent, so that the file depends on neither threads nor batches.
 */
#include "apply/quantize.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/labels.h"
#include "base/checked.h"
#include "base/memory.h"
#include "base/threads.h"
#include "quant/importance.h"

enum {
    PIECE_WEIGHTS = 16384,     /* what a thread takes at a time, in whole rows */
    PIECES_PER_THREAD = 8,     /* in a batch: more, and Ctrl-C has to wait; fewer, and threads do */
    COPY_BYTES = 8 << 20,      /* of a tensor that is copied, at a time */
    SCRATCH_BYTES = 256 << 20, /* buffers of all threads; beyond it fewer threads run */
};

#define FLOOR 1e-6F /* what a zero in the importance counts as, of the tensor's mean */

static bool is_quantized(wt_type type) { return wt_type_find(type)->block > 1; }

/* ---- metadata ---- */

/* A writer that knows everything but the data; `path` NULL: for counting. */
static wt_gguf_writer *announce(const wt_gguf *source, const wt_quantization *plan, const char *path, wt_error *err) {
    wt_gguf_writer *w = wt_gguf_writer_open(path, err);
    if (!w) return NULL;
    if (wt_label_quantized(w, source, plan->file_type, plan->statistics, err) != 0) goto fail;
    for (size_t i = 0; i < wt_gguf_tensor_count(source); i++) {
        const wt_tensor *t = wt_gguf_tensor(source, i);
        if (wt_gguf_writer_add_tensor(w, t->name, plan->assignments[i].type, t->dims, t->n_dims, err) != 0) goto fail;
    }
    return w;
fail:
    wt_gguf_writer_abandon(w);
    return NULL;
}

/* ---- review ---- */

/* The statistics of a tensor that is encoded with them, of each of its matrices; NULL: none. */
static const wt_column_stats *importance_of(const wt_quantization *plan, const wt_tensor *t, wt_type type) {
    if (!plan->statistics || !is_quantized(type)) return NULL;
    const wt_column_stats *s = wt_statistics_find(plan->statistics, t->name);
    return s && s->columns / t->dims[0] == t->dims[2] && s->columns % t->dims[0] == 0 ? s : NULL;
}

/* An embedding that is only looked up has no input, and is in no statistics. */
static bool is_lookup(const wt_gguf *source, const char *name) {
    return strcmp(name, "per_layer_token_embd.weight") == 0 ||
           (strcmp(name, "token_embd.weight") == 0 && wt_gguf_find_tensor(source, "output.weight"));
}

static int review_tensor(const wt_gguf *source, const wt_quantization *plan, const wt_tensor *t, const wt_assignment *a,
                         wt_quantization_review *r, wt_error *err) {
    const wt_type_info *info = wt_type_find(a->type);
    uint64_t bytes;
    if (!info || !wt_type_row_bytes(a->type, t->dims[0], &bytes) || !wt_mul_u64(bytes, t->rows, &bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %" PRIu64 " weights in '%s' do not fit type %s", t->dims[0],
                       t->name, info ? info->name : "unknown");
    r->tensors++;
    r->weights += t->dims[0] * t->rows;
    r->bytes_before += t->bytes;
    r->bytes_after += bytes;
    if (a->type == t->type) return 0;
    r->encoded++;
    if (!wt_codec_of(t->type)->decode)
        return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot quantize '%s': this build does not read %s", t->name,
                       wt_type_find(t->type)->name);
    if (!wt_encoder_of(a->type)->exists && !r->unwritten) {
        r->unwritten = t;
        r->unwritten_type = a->type;
    }
    if (!is_quantized(a->type)) return 0;
    const wt_column_stats *s = importance_of(plan, t, a->type);
    if (s) {
        r->columns += s->columns;
        for (size_t i = 0; i < s->columns; i++) r->zeros += !(s->mean_square[i] > 0);
        return 0;
    }
    if (a->needs_importance && !r->needy) {
        r->needy = t;
        r->needy_type = a->type;
    }
    if (plan->statistics && !is_lookup(source, t->name)) r->missing[r->missing_count++] = t;
    return 0;
}

int wt_quantize_review(const wt_gguf *source, const wt_quantization *plan, wt_quantization_review *review,
                       wt_error *err) {
    *review = (wt_quantization_review){0};
    const size_t n = wt_gguf_tensor_count(source);
    if (plan->statistics && wt_statistics_check(plan->statistics, source, err) != 0) return -1;
    if (!(review->missing = wt_calloc(n, sizeof *review->missing, err))) return -1;
    for (size_t i = 0; i < n; i++) {
        if (review_tensor(source, plan, wt_gguf_tensor(source, i), &plan->assignments[i], review, err) != 0) goto fail;
    }
    wt_gguf_writer *w = announce(source, plan, NULL, err);
    if (!w) goto fail;
    review->file_bytes = wt_gguf_writer_file_bytes(w);
    wt_gguf_writer_abandon(w);
    return 0;
fail:
    wt_quantization_review_release(review);
    return -1;
}

void wt_quantization_review_release(wt_quantization_review *review) {
    free(review->missing);
    *review = (wt_quantization_review){0};
}

/* ---- one tensor ---- */

/* The whole run. */
typedef struct run {
    const wt_gguf *source;
    wt_gguf_writer *writer;
    const wt_progress *progress;
    double done, total; /* weights */
    wt_error *err;
} run;

/* A tensor on its way. */
typedef struct work {
    const wt_tensor *tensor;
    const wt_assignment *assignment;
    size_t columns, row_bytes, out_bytes; /* of a row: weights, bytes before and after */
    float *importance;                    /* [dims[2] of the tensor, columns], NULL: none */
    int threads;
    float *scratch; /* [threads, 2, stride] */
    size_t stride;
    uint64_t batch;    /* rows */
    uint8_t *out;      /* [batch, out_bytes] */
    int64_t wrong_row; /* the first that could not be encoded, -1: none */
} work;

/* The largest magnitude's bits; above those of FLT_MAX where something is infinite or not a number. */
static uint32_t largest_bits(const float *x, size_t n) {
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], 4);
        bits &= 0x7FFFFFFF;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

#define FINITE_BITS 0x7F7FFFFFU   /* FLT_MAX */
#define HALF_MAX_BITS 0x477FE000U /* 65504, half precision's largest: what blocks' scales are made of */
#define REACH_BITS 0x4E6E6B28U    /* 1e9: no block holds more, and squares of it are finite */

/* Whether the row is finite, and stays so: scales in half precision may overflow where weights are huge. */
static bool encode_row(const work *k, uint64_t row, float *x, float *w) {
    const wt_tensor *t = k->tensor;
    const wt_type type = k->assignment->type;
    uint8_t *to = k->out + (row % k->batch) * k->out_bytes;
    wt_codec_of(t->type)->decode((const uint8_t *)t->data + row * k->row_bytes, x, k->columns);
    const uint32_t largest = largest_bits(x, k->columns);
    if (largest > (is_quantized(type) ? REACH_BITS : FINITE_BITS)) return false;
    if (is_quantized(type)) {
        const uint64_t matrix = row / t->dims[1] % t->dims[2];
        wt_importance_stock(type, x, k->importance ? k->importance + matrix * k->columns : NULL, k->columns, w);
        wt_encode(type, x, w, k->columns, k->assignment->search, to);
    } else {
        wt_encode(type, x, NULL, k->columns, NULL, to);
    }
    if (largest <= HALF_MAX_BITS) return true;
    wt_codec_of(type)->decode(to, w, k->columns);
    return largest_bits(w, k->columns) <= FINITE_BITS;
}

/* Rows first .. first + count - 1 into `out`, each on some thread. */
static void encode_batch(work *k, uint64_t first, uint64_t count) {
    const uint64_t piece = k->columns < PIECE_WEIGHTS ? PIECE_WEIGHTS / k->columns : 1;
    const int64_t pieces = (int64_t)((count + piece - 1) / piece);
#pragma omp parallel for schedule(dynamic) num_threads(k->threads)
    for (int64_t p = 0; p < pieces; p++) {
        float *x = k->scratch + (size_t)wt_thread_id() * 2 * k->stride;
        const uint64_t from = first + (uint64_t)p * piece, left = first + count - from;
        for (uint64_t row = from; row < from + (left < piece ? left : piece); row++) {
            if (encode_row(k, row, x, x + k->stride)) continue;
#pragma omp critical(wt_quantize_wrong)
            if (k->wrong_row < 0 || (int64_t)row < k->wrong_row) k->wrong_row = (int64_t)row;
        }
    }
}

static int fail_row(const work *k, wt_error *err) {
    const wt_tensor *t = k->tensor;
    const wt_codec *codec = wt_codec_of(t->type);
    codec->decode((const uint8_t *)t->data + (uint64_t)k->wrong_row * k->row_bytes, k->scratch, k->columns);
    if (largest_bits(k->scratch, k->columns) > FINITE_BITS) {
        wt_fail(err, WT_ERR_FORMAT, "cannot quantize '%s': row %" PRId64 " holds a weight that is no finite number",
                t->name, k->wrong_row);
        return wt_hint(err, "the file is damaged, or training or merging failed");
    }
    wt_fail(err, WT_ERR_ARGUMENT, "cannot quantize '%s' to %s: row %" PRId64 " holds a weight beyond the type's range",
            t->name, wt_type_find(k->assignment->type)->name, k->wrong_row);
    return wt_hint(err, "BF16 and F32 hold any weight: --tensor-type %s=BF16", t->name);
}

/* The tensor's importance with its zeros raised: [matrices, columns] in `out`. All zeros say nothing: false. */
static bool raise_zeros(const wt_column_stats *s, float *out) {
    double sum = 0;
    for (size_t i = 0; i < s->columns; i++) sum += s->mean_square[i];
    const float least = (float)(sum / (double)s->columns) * FLOOR;
    for (size_t i = 0; i < s->columns; i++) out[i] = s->mean_square[i] > least ? s->mean_square[i] : least;
    return sum > 0;
}

static void release_work(work *k) {
    free(k->importance);
    free(k->scratch);
    free(k->out);
}

/* Buffers for a tensor. Rows so long that threads would need more than SCRATCH_BYTES get fewer threads. */
static int prepare_work(work *k, const wt_quantization *plan, wt_error *err) {
    const wt_tensor *t = k->tensor;
    uint64_t before, after;
    if (!wt_type_row_bytes(t->type, t->dims[0], &before) || !wt_type_row_bytes(k->assignment->type, t->dims[0], &after))
        return wt_fail_memory(err, SIZE_MAX);
    k->columns = (size_t)t->dims[0];
    k->row_bytes = (size_t)before;
    k->out_bytes = (size_t)after;
    k->stride = (k->columns + 15) / 16 * 16;
    const size_t affordable = SCRATCH_BYTES / (2 * sizeof(float)) / k->stride;
    k->threads = wt_threads_get();
    if (affordable < (size_t)k->threads) k->threads = affordable > 1 ? (int)affordable : 1;
    k->batch = (uint64_t)k->threads * PIECES_PER_THREAD * PIECE_WEIGHTS / k->columns;
    if (k->batch == 0) k->batch = 1;
    if (k->batch > t->rows) k->batch = t->rows;
    const wt_column_stats *s = importance_of(plan, t, k->assignment->type);
    if (!(k->scratch = wt_alloc_aligned(k->stride, (size_t)k->threads * 2 * sizeof(float), err)) ||
        !(k->out = wt_alloc_aligned((size_t)k->batch, k->out_bytes, err)) ||
        (s && !(k->importance = wt_alloc_aligned(s->columns, sizeof(float), err))))
        return -1;
    if (s && !raise_zeros(s, k->importance)) {
        free(k->importance);
        k->importance = NULL;
    }
    return 0;
}

static int report(run *r, double weights) {
    r->done += weights;
    return wt_progress_report(r->progress, "quantizing", r->done, r->total, "weights", r->err);
}

static int encode_tensor(run *r, const wt_quantization *plan, const wt_tensor *t, const wt_assignment *a) {
    work k = {.tensor = t, .assignment = a, .wrong_row = -1};
    int rc = prepare_work(&k, plan, r->err);
    for (uint64_t row = 0; rc == 0 && row < t->rows; row += k.batch) {
        const uint64_t count = t->rows - row < k.batch ? t->rows - row : k.batch;
        encode_batch(&k, row, count);
        wt_gguf_unload(r->source, (const uint8_t *)t->data + row * k.row_bytes, count * k.row_bytes);
        if (k.wrong_row >= 0)
            rc = fail_row(&k, r->err);
        else if (wt_gguf_writer_data(r->writer, k.out, count * k.out_bytes, r->err) != 0)
            rc = -1;
        else
            rc = report(r, (double)(count * k.columns));
    }
    release_work(&k);
    return rc;
}

static int copy_tensor(run *r, const wt_tensor *t) {
    const double weights = (double)(t->dims[0] * t->rows);
    if (t->bytes == 0) return wt_gguf_writer_data(r->writer, t->data, 0, r->err);
    for (uint64_t at = 0, n; at < t->bytes; at += n) {
        const uint8_t *from = (const uint8_t *)t->data + at;
        n = t->bytes - at < COPY_BYTES ? t->bytes - at : COPY_BYTES;
        if (wt_gguf_writer_data(r->writer, from, n, r->err) != 0) return -1;
        wt_gguf_unload(r->source, from, n);
        if (report(r, weights * (double)n / (double)t->bytes) != 0) return -1;
    }
    return 0;
}

/* ---- the file ---- */

static int refuse(const wt_gguf *source, const wt_statistics *statistics, const wt_quantization_review *review,
                  const char *path, wt_error *err) {
    if (wt_refuse_source(source, path, err) != 0) return -1;
    if (review->unwritten && !review->needy) /* what a person can mend comes first */
        return wt_fail(err, WT_ERR_UNSUPPORTED, "cannot quantize '%s': this build does not write %s",
                       review->unwritten->name, wt_type_find(review->unwritten_type)->name);
    if (!review->needy) return 0;
    if (statistics) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot quantize '%s' to %s: it needs importance, and '%s' has none for it",
                review->needy->name, wt_type_find(review->needy_type)->name, wt_statistics_path(statistics));
        return wt_hint(err, "'wildtype calibrate' measures every matrix; or give this one a larger type");
    }
    wt_fail(err, WT_ERR_ARGUMENT,
            "cannot quantize '%s' to %s: it needs importance statistics, and there are none for it",
            review->needy->name, wt_type_find(review->needy_type)->name);
    return wt_hint(err, "make them with 'wildtype calibrate MODEL -o stats.gguf', then add --imatrix stats.gguf");
}

int wt_quantize(const wt_gguf *source, const wt_quantization *plan, const char *path, const wt_progress *progress,
                wt_error *err) {
    wt_quantization_review review;
    if (wt_quantize_review(source, plan, &review, err) != 0) return -1;
    int rc = refuse(source, plan->statistics, &review, path, err);
    run r = {.source = source, .progress = progress, .total = (double)review.weights, .err = err};
    wt_quantization_review_release(&review);
    if (rc != 0 || !(r.writer = announce(source, plan, path, err))) return -1;
    rc = report(&r, 0);
    for (size_t i = 0; rc == 0 && i < wt_gguf_tensor_count(source); i++) {
        const wt_tensor *t = wt_gguf_tensor(source, i);
        const wt_assignment *a = &plan->assignments[i];
        rc = a->type == t->type ? copy_tensor(&r, t) : encode_tensor(&r, plan, t, a);
    }
    if (rc == 0) return wt_gguf_writer_finish(r.writer, err);
    wt_gguf_writer_abandon(r.writer);
    return -1;
}
