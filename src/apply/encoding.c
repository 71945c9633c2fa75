#include "apply/encoding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

enum {
    PIECE_WEIGHTS = 16384, /* what a thread takes at a time, in whole rows */
    FEEDBACK_ROWS = 32     /* rows that error feedback takes together */
};

#define REACH 1e9f /* no block holds more, and squares of it are finite */

/* ---- genes ---- */

static int compile(wt_program *program, const wt_strategy *s, wt_gene gene, wt_error *err) {
    return wt_program_compile(program, &s->genes[gene].rule, wt_gene_of(gene)->domain, err);
}

/* Everything that encoding depends on, and nothing that it does not: the canonical text of the genes that have a say. */
static int make_key(wt_encoding *e, const wt_strategy *s, wt_error *err) {
    static const wt_gene GENES[] = {WT_GENE_ENCODE_WEIGHT, WT_GENE_ENCODE_GRID,   WT_GENE_ENCODE_PASSES,
                                    WT_GENE_ENCODE_BIAS,   WT_GENE_FEEDBACK_DAMP, WT_GENE_FEEDBACK_ORDER,
                                    WT_GENE_FEEDBACK_REFIT};
    const size_t count = e->damp > 0 ? 7 : 4; /* without feedback its other genes say nothing */
    e->key = (wt_hash){0};
    for (size_t i = 0; i < count; i++) {
        char *text = wt_strategy_print_gene(s, GENES[i], err);
        if (!text) return -1;
        e->key = wt_hash_add_str(wt_hash_add_u64(e->key, GENES[i]), text);
        free(text);
    }
    return 0;
}

int wt_encoding_init(wt_encoding *e, const wt_strategy *s, wt_error *err) {
    const wt_gene_value *grid = &s->genes[WT_GENE_ENCODE_GRID];
    *e = (wt_encoding){.own_grid = grid->grid.own,
                       .lo = grid->grid.lo,
                       .hi = grid->grid.hi,
                       .steps = grid->grid.steps,
                       .passes = s->genes[WT_GENE_ENCODE_PASSES].integer,
                       .bias = s->genes[WT_GENE_ENCODE_BIAS].number,
                       .damp = s->genes[WT_GENE_FEEDBACK_DAMP].number,
                       .refit = s->genes[WT_GENE_FEEDBACK_REFIT].integer};
    if (compile(&e->weight, s, WT_GENE_ENCODE_WEIGHT, err) != 0 ||
        compile(&e->order, s, WT_GENE_FEEDBACK_ORDER, err) != 0)
        return -1;
    e->ordered = e->damp > 0 && e->order.inputs != 0; /* a constant orders nothing */
    return make_key(e, s, err);
}

wt_search wt_encoding_search(const wt_encoding *e, wt_type type) {
    wt_search search = wt_encoder_of(type)->search;
    if (!e->own_grid) {
        search.lo = e->lo;
        search.hi = e->hi;
        search.steps = e->steps;
    }
    if (e->passes >= 0) search.passes = e->passes;
    search.bias *= e->bias;
    return search;
}

bool wt_encoding_feeds_back(const wt_encoding *e, wt_type type) { return e->damp > 0 && wt_feedback_fits(type); }

/* ---- rules on weights and columns ---- */

float wt_encoding_largest(const float *x, size_t n) {
    float largest = 1.0f; /* a bound, not the largest: where all are 0, 0 would promise nothing */
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= WT_EXPR_MAX_NUMBER)) return 0.0f;
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    }
    return largest;
}

void wt_encoding_weigh(const wt_encoding *e, wt_type type, const float *x, const float *h, float h_most, size_t n,
                       float *w, float *scratch) {
    const size_t block = wt_type_find(type)->block;
    const float one = 1.0f;
    float *v = scratch, *a = scratch + n, mean, most = 1.0f; /* a bound, which 0 would not be */
    double row = 0;
    for (size_t i = 0; i < n; i += block) {
        double sum = 0;
        float largest = 0;
        for (size_t j = i; j < i + block; j++) {
            sum += (double)x[j] * x[j];
            largest = fabsf(x[j]) > largest ? fabsf(x[j]) : largest;
        }
        for (size_t j = i; j < i + block; j++) {
            v[j] = (float)(sum / (double)block);
            a[j] = largest;
        }
        row += sum;
        most = largest > most ? largest : most;
    }
    mean = (float)(row / (double)n);
    /*
     * Bounds of the inputs, which the loop has found on its way: with them the rule runs without looking its rows over, 3% of the time
     * that this function takes for 256 weights. v is at most the largest square, but for its rounding to float, for which twice
     * that leaves room. Where a weight is no number or beyond 1e15, the sum is no number or beyond 1e30, and nothing is promised.
     */
    if (!(row <= 1e30)) most = 0.0f;
    const float square = 2.0f * most * most;
    const wt_row inputs[WT_ELEMENT_VARIABLES] = {
        [WT_ELEMENT_X] = {.values = x, .most = most},
        [WT_ELEMENT_H] = {.values = h ? h : &one, .scalar = !h, .most = h_most},
        [WT_ELEMENT_V] = {.values = v, .most = square},
        [WT_ELEMENT_A] = {.values = a, .most = most},
        [WT_ELEMENT_R] = {.values = &mean, .scalar = true}};
    wt_program_run(&e->weight, inputs, n, w);
    for (size_t i = 0; i < n; i++) w[i] = w[i] > 0.0f ? w[i] : 0.0f;
}

/* x[i] over the geometric mean of them; all 1 where that says nothing. */
static void relate(float *x, size_t n) {
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] > 0)) continue;
        sum += log(x[i]);
        count++;
    }
    const float by = count ? (float)exp(-sum / (double)count) : 0.0f;
    for (size_t i = 0; i < n; i++) x[i] = count ? x[i] * by : 1.0f;
}

int wt_encoding_prioritise(const wt_encoding *e, const float *x, size_t rows, size_t cols, const float *h,
                           float *priority, wt_error *err) {
    double *sum = wt_calloc(cols, sizeof *sum, err);
    float *columns = wt_alloc_aligned(cols, 2 * sizeof(float), err), *w = columns + cols;
    int rc = sum && columns ? 0 : -1;
    if (rc == 0) {
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) sum[c] += (double)x[r * cols + c] * x[r * cols + c];
        for (size_t c = 0; c < cols; c++) {
            columns[c] = h ? h[c] : 1.0f;
            w[c] = (float)(sum[c] / (double)rows);
        }
        relate(columns, cols);
        relate(w, cols);
        const wt_row inputs[WT_COLUMN_VARIABLES] = {[WT_COLUMN_H] = {.values = columns}, [WT_COLUMN_W] = {.values = w}};
        wt_program_run(&e->order, inputs, cols, priority);
    }
    free(sum);
    free(columns);
    return rc;
}

/* ---- rows ---- */

static bool within_reach(const float *x, size_t n) {
    bool within = true;
    for (size_t i = 0; i < n; i++) within &= fabsf(x[i]) <= REACH; /* false for a NaN */
    return within;
}

/* One call's work. */
typedef struct job {
    const wt_encoding *encoding;
    wt_type type;
    wt_search search;
    const float *x, *h;
    float h_most; /* see wt_encoding_largest */
    size_t rows, cols, row_bytes;
    const wt_feedback *feedback;
    uint8_t *dst;
    float *scratch; /* [threads, FEEDBACK_ROWS + 2, cols] */
    size_t stride;
} job;

/* Rows first .. first + count - 1, count <= FEEDBACK_ROWS with feedback. */
static int encode_rows(const job *k, size_t first, size_t count, float *scratch, wt_error *err) {
    const float *x = k->x + first * k->cols;
    float *w = scratch + 2 * k->cols;
    uint8_t *to = k->dst + first * k->row_bytes;
    if (!k->feedback) {
        for (size_t r = 0; r < count; r++) {
            wt_encoding_weigh(k->encoding, k->type, x + r * k->cols, k->h, k->h_most, k->cols, w, scratch);
            wt_encode(k->type, x + r * k->cols, w, k->cols, &k->search, to + r * k->row_bytes);
        }
        return 0;
    }
    for (size_t r = 0; r < count; r++)
        wt_encoding_weigh(k->encoding, k->type, x + r * k->cols, k->h, k->h_most, k->cols, w + r * k->cols, scratch);
    return wt_feedback_encode(k->feedback, k->type, x, w, count, &k->search, k->encoding->refit, to, err);
}

/* Scales in half precision may overflow where weights are huge: what was written has to be finite. */
static int check_rows(const job *k, const char *name, wt_error *err) {
    float largest = 0;
    for (size_t i = 0; i < k->rows * k->cols; i++) largest = fabsf(k->x[i]) > largest ? fabsf(k->x[i]) : largest;
    if (largest <= 65504.0f) return 0;
    for (size_t r = 0; r < k->rows; r++) {
        wt_codec_of(k->type)->decode(k->dst + r * k->row_bytes, k->scratch, k->cols);
        if (within_reach(k->scratch, k->cols)) continue;
        return wt_fail(err, WT_ERR_ARGUMENT, "cannot encode '%s' as %s: row %zu holds a weight beyond the type's range",
                       name, wt_type_find(k->type)->name, r);
    }
    return 0;
}

static int encode_all(job *k, wt_error *err) {
    const size_t piece = k->feedback ? FEEDBACK_ROWS : k->cols < PIECE_WEIGHTS ? PIECE_WEIGHTS / k->cols : 1;
    const int64_t pieces = (int64_t)((k->rows + piece - 1) / piece);
    int rc = 0;
#pragma omp parallel for schedule(dynamic)
    for (int64_t p = 0; p < pieces; p++) {
        const size_t first = (size_t)p * piece, left = k->rows - first;
        wt_error own = {0};
        if (encode_rows(k, first, left < piece ? left : piece, k->scratch + (size_t)wt_thread_id() * k->stride, &own) ==
            0)
            continue;
#pragma omp critical(wt_encoding_failed)
        {
            if (rc == 0 && err) *err = own;
            rc = -1;
        }
    }
    return rc;
}

int wt_encoding_run(const wt_encoding *e, const char *name, wt_type type, const float *x, size_t rows, size_t cols,
                    const float *h, const wt_feedback *feedback, void *dst, wt_error *err) {
    uint64_t row_bytes;
    if (!wt_type_row_bytes(type, cols, &row_bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights in '%s' do not fit type %s", cols, name,
                       wt_type_find(type)->name);
    for (size_t r = 0; r < rows; r++) {
        if (!within_reach(x + r * cols, cols))
            return wt_fail(err, WT_ERR_FORMAT, "cannot encode '%s': row %zu holds a weight that is not finite, or huge",
                           name, r);
    }
    job k = {.encoding = e,
             .type = type,
             .search = wt_encoding_search(e, type),
             .x = x,
             .h = h,
             .h_most = h ? wt_encoding_largest(h, cols) : 0.0f,
             .rows = rows,
             .cols = cols,
             .row_bytes = (size_t)row_bytes,
             .dst = dst};
    if (feedback && wt_encoding_feeds_back(e, type)) k.feedback = feedback;
    k.stride = (k.feedback ? FEEDBACK_ROWS + 2 : 3) * cols;
    k.scratch = wt_alloc_aligned((size_t)wt_threads_get() * k.stride, sizeof(float), err);
    int rc = k.scratch ? encode_all(&k, err) : -1;
    if (rc == 0) rc = check_rows(&k, name, err);
    free(k.scratch);
    return rc;
}
