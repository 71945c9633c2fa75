/*
 * Measuring statistics: the model runs over the text while a tap adds up what enters its matrices.
 *
 * Matrices that share an input (q, k and v; gate and up) share its sums. Sums are double and each column is added up in
 * the order of the text by one thread, so that neither threads nor batches show in them. The head's input is the final norm of
 * the states, so its logits need not be computed.
 *
 * Without Gram matrices a batch of tokens goes through all layers at once. With them the whole text goes through one layer
 * after another, its states waiting in a temporary file: only one layer's Gram matrices are in memory, and each is
 * written once.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "engine/gram.h"
#include "engine/reference.h"
#include "engine/statistics_private.h"

/* The inputs of a layer, and who takes part: the engine shows an input once for each matrix, the first present one counts. */
enum { INPUT_ATTN, INPUT_ATTN_OUT, INPUT_FFN, INPUT_FFN_DOWN, LAYER_INPUTS };

static const wt_role SHARERS[LAYER_INPUTS + 1][4] = {
    [INPUT_ATTN] = {WT_ROLE_ATTN_QKV, WT_ROLE_ATTN_Q, WT_ROLE_ATTN_K, WT_ROLE_ATTN_V},
    [INPUT_ATTN_OUT] = {WT_ROLE_ATTN_OUT, WT_ROLE_LIMIT, WT_ROLE_LIMIT, WT_ROLE_LIMIT},
    [INPUT_FFN] = {WT_ROLE_FFN_GATE, WT_ROLE_FFN_UP, WT_ROLE_LIMIT, WT_ROLE_LIMIT},
    [INPUT_FFN_DOWN] = {WT_ROLE_FFN_DOWN, WT_ROLE_LIMIT, WT_ROLE_LIMIT, WT_ROLE_LIMIT},
    [LAYER_INPUTS] = {WT_ROLE_OUTPUT, WT_ROLE_LIMIT, WT_ROLE_LIMIT, WT_ROLE_LIMIT},
};

/* Columns that a thread adds up together: whole cache lines of every row. */
#define STRIPE ((size_t)64)

/* One input of the model. */
typedef struct input {
    const char *names[4]; /* of the matrices that take it; the first stands for all */
    size_t sharers;
    wt_role leader;
    size_t columns, rows;
    double *sum2, *sum4;  /* [columns] */
    float *max;           /* [columns] */
} input;

typedef struct collector {
    const wt_model *model;
    input *inputs; /* LAYER_INPUTS per layer, then the head's */
    size_t count;
    wt_arena arena;
    wt_gram_sum *grams[LAYER_INPUTS + 1]; /* of the layer that runs; NULL where none are wanted */
    wt_gram_writer *writer;
    wt_error *err;
    int rc; /* of what failed inside the tap */
} collector;

/* ---- inputs ---- */

static int prepare_input(collector *c, input *in, int kind, uint32_t layer, wt_error *err) {
    for (int k = 0; k < 4; k++) {
        if (SHARERS[kind][k] == WT_ROLE_LIMIT) break;
        const wt_tensor *t = wt_model_weight(c->model, SHARERS[kind][k], layer).tensor;
        if (!t) continue;
        if (in->sharers == 0) {
            in->leader = SHARERS[kind][k];
            in->columns = (size_t)t->dims[0];
        }
        in->names[in->sharers++] = t->name;
    }
    size_t bytes;
    if (!wt_mul_size(in->columns, sizeof(double), &bytes)) return wt_fail_memory(err, SIZE_MAX);
    in->sum2 = wt_arena_alloc(&c->arena, bytes, err);
    in->sum4 = in->sum2 ? wt_arena_alloc(&c->arena, bytes, err) : NULL;
    in->max = in->sum4 ? wt_arena_alloc(&c->arena, bytes / 2, err) : NULL;
    return in->max ? 0 : -1;
}

static int prepare_inputs(collector *c, wt_error *err) {
    const size_t layers = wt_model_hparams(c->model)->n_layers;
    c->count = layers * LAYER_INPUTS + 1;
    if (!(c->inputs = wt_calloc(c->count, sizeof *c->inputs, err))) return -1;
    for (size_t i = 0; i < c->count; i++) {
        size_t layer = i / LAYER_INPUTS;
        int kind = layer < layers ? (int)(i % LAYER_INPUTS) : LAYER_INPUTS;
        if (prepare_input(c, &c->inputs[i], kind, (uint32_t)layer, err) != 0) return -1;
    }
    return 0;
}

/* Adds columns `from` .. `to`-1 of x [rows, in->columns]. */
static void add_stripe(input *in, const float *x, size_t rows, size_t from, size_t to) {
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * in->columns;
        for (size_t i = from; i < to; i++) {
            float magnitude = fabsf(row[i]);
            double square = (double)row[i] * (double)row[i];
            in->sum2[i] += square;
            in->sum4[i] += square * square;
            in->max[i] = magnitude > in->max[i] ? magnitude : in->max[i];
        }
    }
}

static void add_input(collector *c, size_t index, const float *x, size_t rows) {
    input *in = &c->inputs[index];
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < in->columns; from += STRIPE)
        add_stripe(in, x, rows, from, in->columns - from < STRIPE ? in->columns : from + STRIPE);
    in->rows += rows;
    wt_gram_sum *gram = c->grams[index + 1 == c->count ? LAYER_INPUTS : index % LAYER_INPUTS];
    if (gram && c->rc == 0) c->rc = wt_gram_sum_add(gram, x, rows, c->err);
}

static void on_input(void *user, wt_role role, int layer, const float *x, size_t rows, size_t cols) {
    collector *c = user;
    (void)cols;
    for (size_t kind = 0; layer >= 0 && kind < LAYER_INPUTS; kind++) {
        size_t index = (size_t)layer * LAYER_INPUTS + kind;
        if (c->inputs[index].leader == role) add_input(c, index, x, rows);
    }
}

/* ---- Gram matrices ---- */

static int open_grams(collector *c, const wt_statistics_options *options, wt_error *err) {
    if (!options->gram) return 0;
    if (!(c->writer = wt_gram_writer_open(options->gram, options->dataset, err))) return -1;
    for (size_t i = 0; i < c->count; i++) {
        const input *in = &c->inputs[i];
        if (wt_gram_writer_announce(c->writer, in->names, in->sharers, in->columns, err) != 0) return -1;
    }
    for (int k = 0; k < LAYER_INPUTS; k++) {
        if (!(c->grams[k] = wt_gram_sum_new(c->inputs[k].columns, err))) return -1;
    }
    return 0;
}

/* Writes the sums of inputs `first` .. and begins anew. */
static int put_grams(collector *c, size_t first, size_t n, wt_gram_sum **sums, wt_error *err) {
    for (size_t k = 0; c->writer && k < n; k++) {
        if (wt_gram_writer_put(c->writer, sums[k], c->inputs[first + k].rows, err) != 0) return -1;
        wt_gram_sum_clear(sums[k]);
    }
    return 0;
}

/* Makes room for the head's by giving up the layers'. */
static int turn_to_head(collector *c, wt_error *err) {
    if (!c->writer) return 0;
    for (int k = 0; k < LAYER_INPUTS; k++) {
        wt_gram_sum_free(c->grams[k]);
        c->grams[k] = NULL;
    }
    return (c->grams[LAYER_INPUTS] = wt_gram_sum_new(c->inputs[c->count - 1].columns, err)) ? 0 : -1;
}

/* ---- running ---- */

typedef struct run {
    wt_engine *engine;
    const wt_chunks *chunks;
    size_t batch, width; /* chunks that go together, columns of the states */
    size_t layers;
    size_t *lengths;     /* [batch] */
    float *states;       /* of one batch; with Gram matrices of the whole text */
    size_t states_bytes;
    bool whole;
    float *normed;       /* of one batch */
    const wt_progress *progress;
    double reported;     /* tokens */
    wt_error *err;
} run;

/* For the engine, in the middle of a layer: a large model takes seconds for one. */
static int stop_asked(void *user) {
    const run *r = user;
    double all = (double)(r->chunks->count * r->chunks->context);
    return wt_progress_report(r->progress, "calibrating", r->reported, all, "tokens", NULL);
}

static int report(run *r, size_t chunks, double layers) {
    const double tokens = (double)r->chunks->context, all = (double)r->chunks->count * tokens;
    double done = (double)chunks * tokens * layers / (double)r->layers;
    r->reported = done < all ? done : all;
    return wt_progress_report(r->progress, "calibrating", r->reported, all, "tokens", r->err);
}

static int prepare_run(run *r, const collector *c, wt_error *err) {
    const size_t chunk_floats = r->chunks->context * r->width;
    size_t bytes;
    r->whole = c->writer != NULL;
    if (!wt_mul_size(r->whole ? r->chunks->count : r->batch, chunk_floats * sizeof(float), &r->states_bytes) ||
        !wt_mul_size(r->batch, chunk_floats * sizeof(float), &bytes))
        return wt_fail_memory(err, SIZE_MAX);
    if (!(r->lengths = wt_calloc(r->batch, sizeof *r->lengths, err))) return -1;
    for (size_t i = 0; i < r->batch; i++) r->lengths[i] = r->chunks->context;
    r->states = r->whole ? wt_map_temporary(r->states_bytes, err) : wt_alloc_aligned(r->states_bytes, 1, err);
    return r->states && (r->normed = wt_alloc_aligned(bytes, 1, err)) ? 0 : -1;
}

static void release_run(run *r) {
    if (r->whole)
        wt_unmap_temporary(r->states, r->states_bytes);
    else
        free(r->states);
    free(r->normed);
    free(r->lengths);
    wt_engine_close(r->engine);
}

/* Chunks of the batch that begins at chunk `c`. */
static size_t batch_at(const run *r, size_t c) { return r->chunks->count - c < r->batch ? r->chunks->count - c : r->batch; }

static float *states_at(const run *r, size_t c) {
    return r->states + (r->whole ? c * r->chunks->context * r->width : 0);
}

static int run_block(const run *r, collector *k, size_t c, size_t layer) {
    const wt_batch batch = {.tokens = r->chunks->tokens + c * r->chunks->context,
                            .lengths = r->lengths,
                            .sequences = batch_at(r, c),
                            .first_block = (uint32_t)layer,
                            .last_block = (uint32_t)layer + 1};
    return wt_engine_run(r->engine, &batch, states_at(r, c), r->err) != 0 || k->rc != 0 ? -1 : 0;
}

static int run_head(const run *r, collector *k, size_t c) {
    const size_t rows = batch_at(r, c) * r->chunks->context;
    wt_engine_final_norm(r->engine, states_at(r, c), rows, r->normed);
    add_input(k, k->count - 1, r->normed, rows);
    return k->rc;
}

/* A batch through all layers, then the next one. */
static int run_by_batch(run *r, collector *k) {
    for (size_t c = 0; c < r->chunks->count; c += r->batch) {
        for (size_t layer = 0; layer < r->layers; layer++) {
            double done = (double)c * (double)r->layers + (double)(batch_at(r, c) * layer);
            if (report(r, 1, done) != 0 || run_block(r, k, c, layer) != 0) return -1;
        }
        if (run_head(r, k, c) != 0) return -1;
    }
    return report(r, r->chunks->count, (double)r->layers);
}

/* All batches through a layer, then the next one. */
static int run_by_layer(run *r, collector *k) {
    for (size_t layer = 0; layer < r->layers; layer++) {
        for (size_t c = 0; c < r->chunks->count; c += r->batch) {
            double done = (double)(r->chunks->count * layer + c);
            if (report(r, 1, done) != 0 || run_block(r, k, c, layer) != 0) return -1;
        }
        if (put_grams(k, layer * LAYER_INPUTS, LAYER_INPUTS, k->grams, r->err) != 0) return -1;
    }
    if (turn_to_head(k, r->err) != 0) return -1;
    for (size_t c = 0; c < r->chunks->count; c += r->batch) {
        if (report(r, r->chunks->count, (double)r->layers) != 0 || run_head(r, k, c) != 0) return -1;
    }
    return put_grams(k, k->count - 1, 1, &k->grams[LAYER_INPUTS], r->err);
}

/* ---- results ---- */

static int check_sums(const input *in, wt_error *err) {
    for (size_t i = 0; i < in->columns; i++) {
        if (in->sum2[i] <= FLT_MAX) continue;
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot calibrate: column %zu of what enters '%s' is not finite or too large", i,
                in->names[0]);
        return wt_hint(err, "the model computes no number there: its file is damaged, or made for other arithmetic");
    }
    return 0;
}

static int add_entries(wt_statistics *s, const input *in, wt_error *err) {
    if (check_sums(in, err) != 0) return -1;
    for (size_t k = 0; k < in->sharers; k++) {
        wt_stats_entry *e = wt_statistics_add(s, in->names[k], strlen(in->names[k]), in->columns, 1, err);
        if (!e || !(e->max = wt_statistics_floats(s, in->columns, err)) ||
            !(e->sum4 = wt_statistics_floats(s, in->columns, err)))
            return -1;
        for (size_t i = 0; i < in->columns; i++) {
            e->sum2[i] = (float)in->sum2[i];
            e->sum4[i] = in->sum4[i] < FLT_MAX ? (float)in->sum4[i] : FLT_MAX;
        }
        memcpy(e->max, in->max, in->columns * sizeof *in->max);
        e->counts[0] = (float)in->rows;
    }
    return 0;
}

static wt_statistics *results(const collector *c, const wt_chunks *chunks, const char *dataset, wt_error *err) {
    wt_statistics *s = wt_statistics_new("", err);
    if (!s) return NULL;
    wt_str name = {dataset, dataset ? strlen(dataset) : 0};
    s->chunks = (uint32_t)chunks->count;
    s->chunk_size = (uint32_t)chunks->context;
    int rc = name.len ? wt_statistics_set_datasets(s, &name, 1, err) : 0;
    for (size_t i = 0; rc == 0 && i < c->count; i++) rc = add_entries(s, &c->inputs[i], err);
    if (rc == 0 && wt_statistics_finish(s, err) == 0) return s;
    wt_statistics_free(s);
    return NULL;
}

wt_statistics *wt_statistics_measure(const wt_model *model, const wt_chunks *chunks,
                                     const wt_statistics_options *options, const wt_progress *progress, wt_error *err) {
    static const wt_statistics_options NONE = {0};
    const wt_statistics_options *o = options ? options : &NONE;
    const wt_hparams *hp = wt_model_hparams(model);
    collector k = {.model = model, .err = err};
    const wt_tap tap = {on_input, &k};
    const size_t batch = wt_batch_chunks(chunks, o->batch_tokens);
    run r = {.chunks = chunks,
             .batch = batch < chunks->count ? batch : chunks->count,
             .width = hp->width,
             .layers = hp->n_layers,
             .progress = progress,
             .err = err};
    const wt_engine_options engine = {.tap = &tap, .context = chunks->context, .stop = {stop_asked, &r}};
    wt_statistics *s = NULL;
    if (prepare_inputs(&k, err) != 0 || open_grams(&k, o, err) != 0 || prepare_run(&r, &k, err) != 0) goto done;
    if (!(r.engine = wt_engine_open(model, &engine, err))) goto done;
    if ((k.writer ? run_by_layer(&r, &k) : run_by_batch(&r, &k)) != 0) goto done;
    if (!(s = results(&k, chunks, o->dataset, err))) goto done;
    if (k.writer) {
        int rc = wt_gram_writer_finish(k.writer, err);
        k.writer = NULL;
        if (rc != 0) {
            wt_statistics_free(s);
            s = NULL;
        }
    }
done:
    wt_gram_writer_abandon(k.writer);
    for (int i = 0; i <= LAYER_INPUTS; i++) wt_gram_sum_free(k.grams[i]);
    release_run(&r);
    free(k.inputs);
    wt_arena_release(&k.arena);
    return s;
}
