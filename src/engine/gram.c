/* Summing and writing Gram matrices; see gram.h. */
#include "engine/gram.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/gram_private.h"
#include "engine/matmul.h"
#include "model/gguf.h"

/* Columns of the product that are computed and added together: whole tiles, few enough for a small buffer. */
#define STRIPE ((size_t)256)

/* Floats that are converted and written together. */
#define WRITE_FLOATS ((size_t)65536)

struct wt_gram_sum {
    size_t columns;
    double *upper; /* as in the file */
};

bool wt_gram_values(uint64_t columns, uint64_t *values) {
    uint64_t twice;
    if (columns == UINT64_MAX || !wt_mul_u64(columns, columns + 1, &twice)) return false;
    *values = twice / 2;
    return true;
}

wt_gram_sum *wt_gram_sum_new(size_t columns, wt_error *err) {
    uint64_t values;
    wt_gram_sum *s = wt_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->columns = columns;
    if (!wt_gram_values(columns, &values) || values > SIZE_MAX)
        wt_fail_memory(err, SIZE_MAX);
    else
        s->upper = wt_calloc((size_t)values, sizeof *s->upper, err);
    if (s->upper) return s;
    free(s);
    return NULL;
}

void wt_gram_sum_free(wt_gram_sum *sum) {
    if (!sum) return;
    free(sum->upper);
    free(sum);
}

static size_t triangle(size_t columns) { return columns * (columns + 1) / 2; }

/* Where row i of the upper triangle begins, with its element j = i. */
static size_t row_start(size_t columns, size_t i) { return triangle(columns) - triangle(columns - i); }

void wt_gram_sum_clear(wt_gram_sum *sum) { memset(sum->upper, 0, triangle(sum->columns) * sizeof *sum->upper); }

double wt_gram_sum_at(const wt_gram_sum *sum, size_t i, size_t j) {
    size_t low = i < j ? i : j, high = i < j ? j : i;
    return sum->upper[row_start(sum->columns, low) + (high - low)];
}

/* t [columns, rows] = x [rows, columns] turned. */
static void transpose(const float *x, size_t rows, size_t columns, float *t) {
    const size_t side = 32;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < columns; c += side) {
        for (size_t r = 0; r < rows; r += side) {
            for (size_t i = c; i < columns && i < c + side; i++) {
                for (size_t k = r; k < rows && k < r + side; k++) t[i * rows + k] = x[k * columns + i];
            }
        }
    }
}

/* Adds y [end, n], columns from .. end-1 of the product, where they lie in the upper triangle. */
static void add_stripe(wt_gram_sum *s, const float *y, size_t from, size_t n) {
    const size_t end = from + n;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < end; i++) {
        const size_t first = i > from ? i : from;
        double *to = s->upper + row_start(s->columns, i) + (first - i);
        const float *row = y + i * n + (first - from);
        for (size_t j = 0; j < end - first; j++) to[j] += (double)row[j];
    }
}

int wt_gram_sum_add(wt_gram_sum *sum, const float *x, size_t rows, wt_error *err) {
    const size_t columns = sum->columns, widest = columns < STRIPE ? columns : STRIPE;
    size_t bytes, out_bytes;
    if (rows == 0) return 0;
    if (!wt_mul_size(columns, rows, &bytes) || !wt_mul_size(bytes, sizeof(float), &bytes) ||
        !wt_mul_size(columns, widest * sizeof(float), &out_bytes))
        return wt_fail_memory(err, SIZE_MAX);
    float *turned = wt_alloc_aligned(bytes, 1, err), *y = turned ? wt_alloc_aligned(out_bytes, 1, err) : NULL;
    wt_packed *packed = NULL;
    int rc = y ? 0 : -1;
    if (rc == 0) transpose(x, rows, columns, turned);
    for (size_t from = 0; rc == 0 && from < columns; from += STRIPE) {
        const size_t n = columns - from < STRIPE ? columns - from : STRIPE;
        packed = wt_pack(WT_F32, turned + from * rows, n, rows, WT_PRECISION_F32, packed, err);
        rc = packed ? wt_matmul(turned, from + n, packed, NULL, WT_STORE, y, n, err) : -1;
        if (rc == 0) add_stripe(sum, y, from, n);
    }
    wt_packed_free(packed);
    free(turned);
    free(y);
    return rc;
}

/* ---- writing ---- */

struct wt_gram_writer {
    wt_gguf_writer *gguf;
    wt_str *tensors, *inputs; /* the lists of the file */
    size_t count, tensor_capacity, input_capacity;
    bool lists_written;
    float *buffer; /* [WRITE_FLOATS] */
};

wt_gram_writer *wt_gram_writer_open(const char *path, const char *dataset, wt_error *err) {
    wt_gram_writer *w = wt_calloc(1, sizeof *w, err);
    if (!w) return NULL;
    if ((w->buffer = wt_calloc(WRITE_FLOATS, sizeof *w->buffer, err)) && (w->gguf = wt_gguf_writer_open(path, err)) &&
        wt_gguf_writer_set_str(w->gguf, "general.type", WT_GRAM_TYPE, err) == 0 &&
        wt_gguf_writer_set_str(w->gguf, "gram.dataset", dataset ? dataset : "", err) == 0)
        return w;
    wt_gram_writer_abandon(w);
    return NULL;
}

static void writer_free(wt_gram_writer *w) {
    free(w->tensors);
    free(w->inputs);
    free(w->buffer);
    free(w);
}

void wt_gram_writer_abandon(wt_gram_writer *w) {
    if (!w) return;
    wt_gguf_writer_abandon(w->gguf);
    writer_free(w);
}

static int announce_tensor(wt_gram_writer *w, const char *name, const char *ending, uint64_t values, wt_error *err) {
    char *full = wt_calloc(strlen(name) + strlen(ending) + 1, 1, err);
    if (!full) return -1;
    strcat(strcpy(full, name), ending);
    int rc = wt_gguf_writer_add_tensor(w->gguf, full, WT_F32, &values, 1, err);
    free(full);
    return rc;
}

int wt_gram_writer_announce(wt_gram_writer *w, const char *const *names, size_t count, size_t columns, wt_error *err) {
    uint64_t values;
    if (!wt_gram_values(columns, &values)) return wt_fail_memory(err, SIZE_MAX);
    if (wt_grow((void **)&w->tensors, &w->tensor_capacity, w->count + count, sizeof *w->tensors, err) != 0 ||
        wt_grow((void **)&w->inputs, &w->input_capacity, w->count + count, sizeof *w->inputs, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        w->tensors[w->count] = (wt_str){names[i], strlen(names[i])};
        w->inputs[w->count++] = (wt_str){names[0], strlen(names[0])};
    }
    if (announce_tensor(w, names[0], WT_GRAM_MATRIX, values, err) != 0) return -1;
    return announce_tensor(w, names[0], WT_GRAM_COUNTS, 1, err);
}

int wt_gram_writer_put(wt_gram_writer *w, const wt_gram_sum *sum, size_t rows, wt_error *err) {
    if (!w->lists_written) {
        if (wt_gguf_writer_set_strs(w->gguf, "gram.tensors", w->tensors, w->count, err) != 0 ||
            wt_gguf_writer_set_strs(w->gguf, "gram.inputs", w->inputs, w->count, err) != 0)
            return -1;
        w->lists_written = true;
    }
    const size_t values = triangle(sum->columns);
    for (size_t at = 0; at < values; at += WRITE_FLOATS) {
        const size_t n = values - at < WRITE_FLOATS ? values - at : WRITE_FLOATS;
        for (size_t i = 0; i < n; i++) w->buffer[i] = (float)sum->upper[at + i];
        if (wt_gguf_writer_data(w->gguf, w->buffer, n * sizeof *w->buffer, err) != 0) return -1;
    }
    const float count = (float)rows;
    return wt_gguf_writer_data(w->gguf, &count, sizeof count, err);
}

int wt_gram_writer_finish(wt_gram_writer *w, wt_error *err) {
    int rc = wt_gguf_writer_finish(w->gguf, err);
    writer_free(w);
    return rc;
}
