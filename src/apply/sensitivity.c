#include "apply/sensitivity.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/divergence.h"
#include "quant/encode.h"
#include "quant/importance.h"

bool wt_probe_type(uint64_t columns, wt_type *type) {
    static const wt_type PROBES[] = {WT_Q3_K, WT_IQ4_NL};
    for (size_t i = 0; i < 2; i++) {
        uint64_t bytes;
        *type = PROBES[i];
        if (wt_type_row_bytes(*type, columns, &bytes)) return true;
    }
    return false;
}

void *wt_probe_encode(const wt_tensor *t, const wt_statistics *statistics, wt_type type, wt_error *err) {
    const wt_column_stats *s = statistics ? wt_statistics_find(statistics, t->name) : NULL;
    const float *h = s && s->columns == t->dims[0] ? s->mean_square : NULL;
    const size_t cols = (size_t)t->dims[0];
    uint64_t from_bytes, to_bytes;
    if (!wt_type_row_bytes(t->type, cols, &from_bytes) || !wt_type_row_bytes(type, cols, &to_bytes)) {
        wt_fail(err, WT_ERR_ARGUMENT, "rows of '%s' do not fit type %s", t->name, wt_type_find(type)->name);
        return NULL;
    }
    uint8_t *out = wt_alloc_aligned((size_t)t->rows, (size_t)to_bytes, err);
    bool failed = !out;
#pragma omp parallel if (!failed)
    {
        float *x = failed ? NULL : wt_alloc_aligned(cols, 2 * sizeof(float), NULL);
#pragma omp for schedule(static)
        for (int64_t r = 0; r < (int64_t)t->rows; r++) {
            if (!x) {
#pragma omp atomic write
                failed = true;
                continue;
            }
            wt_codec_of(t->type)->decode((const uint8_t *)t->data + (uint64_t)r * from_bytes, x, cols);
            wt_importance_stock(type, x, h, cols, x + cols);
            wt_encode(type, x, x + cols, cols, NULL, out + (uint64_t)r * to_bytes);
        }
        free(x);
    }
    if (failed && out) wt_fail_memory(err, cols * 2 * sizeof(float));
    if (!failed) return out;
    free(out);
    return NULL;
}

/* ---- measuring ---- */

typedef struct probe {
    const wt_gguf *gguf;
    const wt_chunks *chunks;
    const wt_statistics *statistics;
    wt_model *exact_model, *model;
    wt_engine *exact, *engine; /* as it is; with one matrix at a time encoded */
    size_t rows, width;
    float *before;             /* [rows, width] the exact states before the layer at hand */
    float *after;              /* [rows, width] scratch */
    float *reference, *states; /* [scored rows, width] after the final norm */
    int32_t *targets;
    size_t *lengths;
    wt_position *positions;
    wt_sensitivity *out;
    const wt_progress *progress;
    size_t done, total;
    wt_error *err;
} probe;

/* The states of scored positions after blocks `first`.. have run on what `hidden` holds before them (tokens, where first is 0). */
static int run_from(probe *p, wt_engine *engine, uint32_t first, uint32_t last, float *hidden) {
    const wt_batch batch = {.tokens = p->chunks->tokens,
                            .lengths = p->lengths,
                            .sequences = p->chunks->count,
                            .first_block = first,
                            .last_block = last};
    return wt_engine_run(engine, &batch, hidden, p->err);
}

static void finish(probe *p, wt_engine *engine, const float *hidden, float *states) {
    const wt_chunks *c = p->chunks;
    for (size_t i = 0; i < c->count; i++)
        wt_engine_final_norm(engine, hidden + (i * c->context + c->first) * p->width, c->scored,
                             states + i * c->scored * p->width);
}

static int diverge(probe *p, wt_engine *head, const float *states, double *nats) {
    const size_t n = p->chunks->count * p->chunks->scored;
    const wt_states ours = {head, states}, theirs = {p->exact, p->reference};
    if (wt_score(&ours, &theirs, p->targets, n, p->positions, p->err) != 0) return -1;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += p->positions[i].kld;
    *nats = sum / (double)n;
    if (!(*nats >= 0)) *nats = 0; /* rounding of a divergence of nothing */
    return 0;
}

/* One matrix encoded; `layer` -1 for those outside the layers. */
static int probe_tensor(probe *p, size_t index, int layer) {
    const wt_tensor *t = wt_gguf_tensor(p->gguf, index);
    const wt_hparams *hp = wt_model_hparams(p->model);
    wt_type type;
    if (wt_progress_report(p->progress, "sensitivity", (double)p->done++, (double)p->total, "matrices", p->err) != 0)
        return -1;
    if (!wt_probe_type(t->dims[0], &type)) return 0;
    void *encoded = wt_probe_encode(t, p->statistics, type, p->err);
    if (!encoded) return -1;
    const bool head = strcmp(t->name, "output.weight") == 0;
    int rc = wt_model_override(p->model, t->name, type, encoded, p->err);
    if (rc == 0 && head) rc = diverge(p, p->engine, p->reference, &p->out->nats[index]);
    if (rc == 0 && !head) {
        const uint32_t first = layer < 0 ? 0 : (uint32_t)layer;
        if (layer > 0) memcpy(p->after, p->before, p->rows * p->width * sizeof(float));
        rc = run_from(p, p->engine, first, WT_ALL_BLOCKS, p->after);
        p->out->tokens += p->rows * (hp->n_layers - first) / hp->n_layers;
        if (rc == 0) finish(p, p->engine, p->after, p->states);
        if (rc == 0) rc = diverge(p, p->engine, p->states, &p->out->nats[index]);
        if (rc == 0 && layer < 0 && hp->tied_head && (rc = diverge(p, p->exact, p->states, &p->out->lookup)) == 0)
            rc = diverge(p, p->engine, p->reference, &p->out->head);
    }
    if (wt_model_override(p->model, t->name, t->type, NULL, p->err) != 0) rc = -1;
    free(encoded);
    return rc;
}

/* As probe_tensor counts them. */
uint64_t wt_sensitivity_tokens(const wt_gguf *gguf, const wt_hparams *hp, const wt_chunks *chunks) {
    const uint64_t rows = chunks->count * chunks->context;
    uint64_t sum = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        wt_role role;
        wt_type type;
        int layer;
        if (t->rows < 2 || !wt_role_of(t->name, &role, &layer) || !wt_probe_type(t->dims[0], &type) || strcmp(t->name, "output.weight") == 0)
            continue;
        sum += rows * (hp->n_layers - (layer < 0 ? 0 : (uint32_t)layer)) / hp->n_layers;
    }
    return sum;
}

/* The matrices of one layer, or those outside. */
static int probe_layer(probe *p, int layer) {
    for (size_t i = 0; i < wt_gguf_tensor_count(p->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(p->gguf, i);
        wt_role role;
        int at;
        if (t->rows < 2 || !wt_role_of(t->name, &role, &at) || at != layer) continue;
        if (probe_tensor(p, i, layer) != 0) return -1;
    }
    return 0;
}

static int allocate(probe *p) {
    const wt_chunks *c = p->chunks;
    const size_t scored = c->count * c->scored;
    p->rows = c->count * c->context;
    p->width = wt_model_hparams(p->model)->width;
    p->before = wt_alloc_aligned(p->rows, p->width * sizeof(float), p->err);
    p->after = wt_alloc_aligned(p->rows, p->width * sizeof(float), p->err);
    p->reference = wt_alloc_aligned(scored, p->width * sizeof(float), p->err);
    p->states = wt_alloc_aligned(scored, p->width * sizeof(float), p->err);
    p->targets = wt_calloc(scored, sizeof(int32_t), p->err);
    p->lengths = wt_calloc(c->count, sizeof(size_t), p->err);
    p->positions = wt_calloc(scored, sizeof(wt_position), p->err);
    p->out->nats = wt_calloc(wt_gguf_tensor_count(p->gguf), sizeof(double), p->err);
    if (!p->before || !p->after || !p->reference || !p->states || !p->targets || !p->lengths || !p->positions ||
        !p->out->nats)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        p->lengths[i] = c->context;
        memcpy(p->targets + i * c->scored, c->tokens + i * c->context + c->first + 1, c->scored * sizeof(int32_t));
    }
    return 0;
}

static int measure(probe *p) {
    const uint32_t layers = wt_model_hparams(p->model)->n_layers;
    for (size_t i = 0; i < wt_gguf_tensor_count(p->gguf); i++) p->total += wt_gguf_tensor(p->gguf, i)->rows > 1;
    if (run_from(p, p->exact, 0, WT_ALL_BLOCKS, p->after) != 0) return -1;
    finish(p, p->exact, p->after, p->reference);
    if (probe_layer(p, -1) != 0) return -1;
    for (uint32_t l = 0; l < layers; l++) {
        /* the exact states one layer further on */
        if (l > 0 && run_from(p, p->exact, l - 1, l, p->before) != 0) return -1;
        if (probe_layer(p, (int)l) != 0) return -1;
    }
    return 0;
}

int wt_sensitivity_measure(const wt_gguf *gguf, const wt_chunks *chunks, const wt_statistics *statistics,
                           wt_sensitivity *out, const wt_progress *progress, wt_error *err) {
    probe p = {.gguf = gguf, .chunks = chunks, .statistics = statistics, .out = out, .progress = progress, .err = err};
    const wt_engine_options options = {.context = chunks->context, .resident_bytes = (size_t)256 << 20};
    int rc = -1;
    *out = (wt_sensitivity){0};
    if ((p.exact_model = wt_model_from_gguf(gguf, err)) && (p.model = wt_model_from_gguf(gguf, err)) &&
        (p.exact = wt_engine_open(p.exact_model, &options, err)) &&
        (p.engine = wt_engine_open(p.model, &options, err)) && allocate(&p) == 0)
        rc = measure(&p);
    wt_engine_close(p.exact);
    wt_engine_close(p.engine);
    wt_model_close(p.exact_model);
    wt_model_close(p.model);
    free(p.before);
    free(p.after);
    free(p.reference);
    free(p.states);
    free(p.targets);
    free(p.lengths);
    free(p.positions);
    if (rc != 0) {
        free(out->nats);
        *out = (wt_sensitivity){0};
    }
    return rc;
}
