#include "apply/candidate.h"

#include <stdlib.h>
#include <string.h>

#include "apply/labels.h"
#include "base/memory.h"

struct wt_candidate {
    const wt_gguf *source;
    const wt_plan *plan;
    const wt_statistics *statistics;
    wt_model *model;
    wt_encoded **tensors; /* [count of the plan]; NULL: the file's own bytes */
};

/* ---- making ---- */

/* A transformed vector, as F32. */
static wt_encoded *make_vector(const wt_transform *t, size_t i, wt_error *err) {
    const wt_site_tensor *s = wt_transform_at(t, i);
    wt_encoded *e = wt_encoded_new(s->rows * s->cols * sizeof(float), err);
    if (e && wt_transform_read(t, i, e->data, err) == 0) return e;
    wt_encoded_release(e);
    return NULL;
}

static int make_tensor(wt_candidate *c, wt_workbench *bench, size_t i, wt_error *err) {
    const wt_planned *p = &c->plan->tensors[i];
    if (!p->site->matrix && !p->site->changed) return 0;
    if (p->site->matrix && !p->site->changed && p->type == p->site->source->type) return 0; /* nothing happens to it */
    c->tensors[i] = p->site->matrix ? wt_workbench_encode(bench, c->plan->transform, i, &c->plan->encoding, p->type, err)
                                    : make_vector(c->plan->transform, i, err);
    if (!c->tensors[i]) return -1;
    return wt_model_override(c->model, p->site->name, p->type, c->tensors[i]->data, err);
}

wt_candidate *wt_candidate_new(wt_workbench *bench, const wt_plan *plan, const wt_progress *progress, wt_error *err) {
    wt_candidate *c = wt_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    double done = 0, total = 0;
    for (size_t i = 0; i < plan->count; i++) total += (double)plan->tensors[i].site->rows * (double)plan->tensors[i].site->cols;
    c->source = wt_workbench_gguf(bench);
    c->plan = plan;
    c->statistics = wt_workbench_calibration(bench)->statistics;
    c->tensors = wt_calloc(plan->count + 1, sizeof(wt_encoded *), err);
    if (!c->tensors || !(c->model = wt_model_from_gguf(c->source, err))) goto fail;
    for (size_t i = 0; i < plan->count; i++) {
        if (wt_progress_report(progress, "encoding", done, total, "weights", err) != 0 ||
            make_tensor(c, bench, i, err) != 0)
            goto fail;
        done += (double)plan->tensors[i].site->rows * (double)plan->tensors[i].site->cols;
    }
    return c;
fail:
    wt_candidate_free(c);
    return NULL;
}

void wt_candidate_free(wt_candidate *c) {
    if (!c) return;
    wt_model_close(c->model);
    for (size_t i = 0; c->tensors && i < c->plan->count; i++) wt_encoded_release(c->tensors[i]);
    free(c->tensors);
    free(c);
}

const wt_model *wt_candidate_model(const wt_candidate *c) { return c->model; }

double wt_candidate_seconds(const wt_candidate *c) {
    double sum = 0;
    for (size_t i = 0; i < c->plan->count; i++) sum += c->tensors[i] ? c->tensors[i]->seconds : 0;
    return sum;
}

wt_hash wt_candidate_prefix(const wt_candidate *c, uint32_t k) {
    wt_hash h = wt_hash_bytes("prefix", 6);
    for (int layer = -1; layer < (int)k; layer++) {
        for (size_t i = 0; i < c->plan->count; i++) {
            const wt_planned *p = &c->plan->tensors[i];
            const wt_site_tensor *s = p->site;
            if (s->layer != layer || s->role == WT_ROLE_OUTPUT || s->role == WT_ROLE_OUTPUT_NORM) continue;
            h = wt_hash_add_str(wt_hash_add_u64(h, p->type), s->name);
            h = wt_hash_add(h, s->key, sizeof s->key);
            if (c->tensors[i] && s->matrix) h = wt_hash_add(h, &c->plan->encoding.key, sizeof(wt_hash));
        }
    }
    return h;
}

/* ---- writing ---- */

wt_gguf_writer *wt_plan_announce(const wt_gguf *source, const wt_plan *plan, const wt_statistics *statistics,
                                 const char *path, wt_error *err) {
    wt_gguf_writer *w = wt_gguf_writer_open(path, err);
    if (!w) return NULL;
    if (wt_label_quantized(w, source, plan->file_type, statistics, err) != 0 ||
        wt_gguf_writer_set_str(w, "wildtype.version", WT_VERSION, err) != 0 ||
        wt_gguf_writer_set_str(w, "wildtype.strategy_name", plan->name, err) != 0 ||
        wt_gguf_writer_set_str(w, "wildtype.strategy", plan->text, err) != 0)
        goto fail;
    for (size_t i = 0; i < plan->count; i++) {
        const wt_planned *p = &plan->tensors[i];
        if (wt_gguf_writer_add_tensor(w, p->site->name, p->type, p->site->source->dims, p->site->source->n_dims, err) != 0)
            goto fail;
    }
    return w;
fail:
    wt_gguf_writer_abandon(w);
    return NULL;
}

int wt_candidate_write(const wt_candidate *c, const char *path, wt_error *err) {
    if (wt_refuse_source(c->source, path, err) != 0) return -1;
    wt_gguf_writer *w = wt_plan_announce(c->source, c->plan, c->statistics, path, err);
    if (!w) return -1;
    for (size_t i = 0; i < c->plan->count; i++) {
        const wt_planned *p = &c->plan->tensors[i];
        const void *data = c->tensors[i] ? c->tensors[i]->data : p->site->source->data;
        if (wt_gguf_writer_data(w, data, p->bytes, err) == 0) continue;
        wt_gguf_writer_abandon(w);
        return -1;
    }
    return wt_gguf_writer_finish(w, err);
}
