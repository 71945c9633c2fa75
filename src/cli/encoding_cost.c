#include "cli/encoding_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/encoding.h"
#include "apply/sensitivity.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/progress.h"
#include "quant/codec.h"
#include "quant/encode.h"

enum {
    WIDTHS = 4,      /* of rows that are sampled; others take what the one of most weights takes */
    ROWS = 32,       /* that a thread gets: as many as error feedback takes together */
    PART = 256,      /* columns: blocks of all types fit multiples of it */
    NARROW = 512,    /* columns that speak for wider rows, whose time grows with their columns */
    WIDE = 1024,
    LEADS = 2        /* types whose errors a plan measures, on a sample of rows */
};

/* Types of so many times more or less bits than the size has on average are what strategies mix. */
#define NEAR 1.5

/* Factors of error feedback that a workbench keeps; of larger models each is made twice, for the plan and for encoding. */
#define KEPT ((double)WT_FACTOR_BYTES)
#define BYTES_AN_ENTRY 6.0 /* of cols², apply/feedback.h */

/* Rows of as many columns, over all matrices. */
typedef struct width {
    size_t cols;
    double weights;
    const wt_tensor *largest;
} width;

typedef struct sampling {
    wt_encoding encoding[2]; /* the default genes, without and with feedback */
    const wt_statistics *statistics;
    uint64_t types;
    double bits; /* a weight, of the size */
    width widths[WIDTHS];
    size_t count;
    double others; /* weights of further widths */
    wt_feedback *factors[2]; /* of NARROW and WIDE columns, made where they are needed */
    double factor_seconds[2];
    wt_error *err;
} sampling;

/* ---- what is there ---- */

static void count_widths(sampling *s, const wt_gguf *gguf) {
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        const double weights = (double)t->dims[0] * (double)t->rows;
        size_t at = 0;
        if (t->rows < 2) continue;
        while (at < s->count && s->widths[at].cols != t->dims[0]) at++;
        if (at == WIDTHS) {
            s->others += weights;
            continue;
        }
        if (at == s->count) s->widths[s->count++] = (width){.cols = (size_t)t->dims[0], .largest = t};
        s->widths[at].weights += weights;
        if (t->rows > s->widths[at].largest->rows) s->widths[at].largest = t;
    }
}

static double bits_of(wt_type type) {
    const wt_type_info *info = wt_type_find(type);
    return 8.0 * (double)info->block_bytes / (double)info->block;
}

/* The allowed types that fit rows of so many columns and have about the size's bits, or where none has, the nearest. */
static size_t list_types(const sampling *s, size_t cols, wt_type *list) {
    size_t count = 0;
    double nearest = INFINITY;
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++) {
        uint64_t bytes;
        if (!(s->types >> t & 1) || !wt_encoder_of((wt_type)t)->exists || !wt_type_row_bytes((wt_type)t, cols, &bytes)) continue;
        const double apart = fabs(log(bits_of((wt_type)t) / s->bits));
        if (apart > log(NEAR) && (apart >= nearest || nearest <= log(NEAR))) continue;
        if (apart < nearest && nearest > log(NEAR)) count = 0; /* what is there was the nearest so far */
        nearest = apart < nearest ? apart : nearest;
        list[count++] = (wt_type)t;
    }
    return count;
}

/* ---- rows and their seconds ---- */

/* ROWS rows a thread, evenly spread over the tensor, the first `cols` columns of each. */
static float *take_rows(const wt_tensor *t, size_t cols, size_t rows, wt_error *err) {
    uint64_t row_bytes;
    float *x = wt_alloc_aligned(rows, cols * sizeof *x, err), *row = wt_alloc_aligned((size_t)t->dims[0], sizeof *row, err);
    const bool ready = x && row && wt_type_row_bytes(t->type, t->dims[0], &row_bytes) && wt_codec_of(t->type)->decode;
    for (size_t r = 0; ready && r < rows; r++) {
        const uint64_t at = rows <= t->rows ? r * t->rows / rows : r % t->rows;
        wt_codec_of(t->type)->decode((const uint8_t *)t->data + at * row_bytes, row, (size_t)t->dims[0]);
        memcpy(x + r * cols, row, cols * sizeof *x);
    }
    free(row);
    if (ready) return x;
    free(x);
    return NULL;
}

/* Seconds a weight of one type. The first row is for tables that are made when they are first needed. */
static int time_type(const sampling *s, const width *w, wt_type type, const float *x, size_t rows, size_t cols, const wt_feedback *feedback,
                     double *seconds) {
    const wt_column_stats *c = s->statistics ? wt_statistics_find(s->statistics, w->largest->name) : NULL;
    const float *h = c && c->columns == w->cols ? c->mean_square : NULL;
    const wt_encoding *e = &s->encoding[feedback != NULL];
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, cols, &row_bytes)) return 0;
    void *out = wt_alloc_aligned(rows, (size_t)row_bytes, s->err);
    int rc = out ? wt_encoding_run(e, w->largest->name, type, x, 1, cols, h, NULL, out, s->err) : -1;
    const double start = wt_clock();
    if (rc == 0) rc = wt_encoding_run(e, w->largest->name, type, x, rows, cols, h, feedback, out, s->err);
    *seconds = (wt_clock() - start) / ((double)rows * (double)cols);
    free(out);
    return rc;
}

/* The mean of the types' seconds a weight, of rows cut to `cols` columns. */
static int time_types(const sampling *s, const width *w, size_t cols, const wt_feedback *feedback, double *seconds) {
    wt_type types[WT_TYPE_LIMIT];
    const size_t count = list_types(s, w->cols, types), rows = (size_t)wt_threads_get() * ROWS;
    *seconds = 0;
    if (count == 0) return 0;
    float *x = take_rows(w->largest, cols, rows, s->err);
    int rc = x ? 0 : -1;
    for (size_t k = 0; rc == 0 && k < count; k++) {
        double own = 0;
        rc = time_type(s, w, types[k], x, rows, cols, feedback, &own);
        *seconds += own / (double)count;
    }
    free(x);
    return rc;
}

/* ---- error feedback ---- */

/* A factor for so many columns, and what it took. What a Gram matrix holds does not matter for that. */
static wt_feedback *make_factor(size_t cols, double *seconds, wt_error *err) {
    double *gram = wt_alloc_aligned(cols, cols * sizeof *gram, err);
    if (!gram) return NULL;
    for (size_t i = 0; i < cols; i++)
        for (size_t j = 0; j < cols; j++) gram[i * cols + j] = 1.0 / (1.0 + fabs((double)i - (double)j));
    const double start = wt_clock();
    wt_feedback *f = wt_feedback_new(gram, cols, 0.1, NULL, err);
    *seconds = wt_clock() - start;
    free(gram);
    return f;
}

static int make_factors(sampling *s) {
    for (int k = 0; k < 2; k++)
        if (!s->factors[k] && !(s->factors[k] = make_factor(k ? WIDE : NARROW, &s->factor_seconds[k], s->err))) return -1;
    return 0;
}

/* Seconds that a factor takes: its entries, and for each of them its columns. */
static double factor_seconds(const sampling *s, double cols) {
    const double n = NARROW, w = WIDE;
    double cubic = (s->factor_seconds[1] / (w * w) - s->factor_seconds[0] / (n * n)) / (w - n);
    if (!(cubic > 0)) cubic = s->factor_seconds[1] / (w * w * w);
    const double square = fmax(s->factor_seconds[1] / (w * w) - cubic * w, 0);
    return cols * cols * (square + cubic * cols);
}

/* Seconds a weight with feedback: rows of one width measured where they are narrow, and otherwise on the line through two measurements. */
static int time_feedback(sampling *s, const width *w, double *seconds) {
    double narrow = 0, wide = 0;
    if (w->cols < WIDE) {
        double unused;
        const size_t cols = w->cols < PART ? w->cols : w->cols / PART * PART;
        wt_feedback *own = make_factor(cols, &unused, s->err);
        const int rc = own ? time_types(s, w, cols, own, seconds) : -1;
        wt_feedback_free(own);
        return rc;
    }
    if (time_types(s, w, NARROW, s->factors[0], &narrow) != 0 || time_types(s, w, WIDE, s->factors[1], &wide) != 0) return -1;
    *seconds = wide + fmax(wide - narrow, 0) / (WIDE - NARROW) * ((double)w->cols - WIDE);
    return 0;
}

/* All factors of a model: each layer's matrices have four inputs, two of the width of the residual stream, the head another one. */
static double all_factors(const sampling *s, const wt_hparams *hp) {
    const double wide = hp->width, query = (double)hp->n_heads * hp->head_dim, ffn = hp->ffn, layers = hp->n_layers;
    const double seconds = layers * (2 * factor_seconds(s, wide) + factor_seconds(s, query) + factor_seconds(s, ffn)) + factor_seconds(s, wide);
    const double bytes = BYTES_AN_ENTRY * (layers * (2 * wide * wide + query * query + ffn * ffn) + wide * wide);
    return bytes > KEPT ? 2 * seconds : seconds;
}

/* ---- the whole ---- */

static int init_encodings(sampling *s) {
    wt_strategy plain;
    wt_strategy_init(&plain);
    int rc = wt_encoding_init(&s->encoding[0], &plain, s->err);
    plain.genes[WT_GENE_FEEDBACK_DAMP].number = 0.1f;
    if (rc == 0) rc = wt_encoding_init(&s->encoding[1], &plain, s->err);
    wt_strategy_release(&plain);
    return rc;
}

int wt_encoding_cost_measure(const wt_gguf *gguf, const wt_hparams *hp, const wt_statistics *statistics, uint64_t types, double bytes,
                             bool feedback, wt_encoding_cost *cost, wt_error *err) {
    sampling s = {.statistics = statistics, .types = types, .err = err};
    double weights = 0, plain = 0, with = 0;
    *cost = (wt_encoding_cost){0};
    count_widths(&s, gguf);
    for (size_t k = 0; k < s.count; k++) weights += s.widths[k].weights;
    s.bits = 8 * bytes / (weights + s.others);
    int rc = weights > 0 && s.bits > 0 ? 0 : 1;
    if (rc == 0) rc = init_encodings(&s);
    if (rc == 0 && feedback) rc = make_factors(&s);
    for (size_t k = 0; rc == 0 && k < s.count; k++) {
        double own = 0, fed = 0;
        rc = time_types(&s, &s.widths[k], s.widths[k].cols, NULL, &own);
        if (rc == 0 && feedback) rc = time_feedback(&s, &s.widths[k], &fed);
        plain += own * s.widths[k].weights;
        with += fed * s.widths[k].weights;
    }
    if (rc == 0) {
        const double all = (1 + s.others / weights) * (1 + (double)LEADS / WT_SAMPLE_EVERY);
        *cost = (wt_encoding_cost){all * plain, feedback ? all * with + all_factors(&s, hp) : 0};
    }
    for (int k = 0; k < 2; k++) wt_feedback_free(s.factors[k]);
    return rc < 0 ? -1 : 0;
}
