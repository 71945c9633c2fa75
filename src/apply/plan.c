#include "apply/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/allocate.h"
#include "apply/candidate.h"
#include "apply/presets.h"
#include "base/memory.h"
#include "base/threads.h"

enum { ALIGNMENT = WT_GGUF_DEFAULT_ALIGNMENT };

/* What rows get that no type of the strategy fits: small blocks, as llama.cpp does; F16 fits all. */
static const wt_type SUBSTITUTES[] = {WT_IQ4_NL, WT_Q5_0, WT_Q8_0, WT_F16};

bool wt_strategy_needs_sensitivity(const wt_strategy *s) {
    const wt_expr *price = &s->genes[WT_GENE_ALLOC_PRICE].rule;
    for (size_t i = 0; i < price->count; i++)
        if (price->nodes[i].op == WT_OP_VARIABLE && price->nodes[i].variable == WT_TENSOR_SENS) return true;
    return false;
}

bool wt_strategy_needs_gram(const wt_strategy *s) {
    return s->genes[WT_GENE_FEEDBACK_DAMP].number > 0 || s->genes[WT_GENE_ROTATE_RESIDUAL].rotation.hadamard ||
           s->genes[WT_GENE_ROTATE_VALUE].rotation.hadamard;
}

/* The plan being made. */
typedef struct maker {
    wt_plan *plan;
    wt_workbench *bench;
    const wt_strategy *strategy;
    const wt_plan_options *options;
    wt_type (*types)[WT_TYPE_LIMIT];       /* [count] what each matrix may be */
    wt_option_cost (*costs)[WT_TYPE_LIMIT];
    double (*errors)[WT_TYPE_LIMIT];
    size_t *type_counts;
    wt_alloc_item *items;                  /* [item_count] the matrices' choices */
    size_t *place, item_count;             /* [item_count] which tensor of the plan an item is */
    uint64_t fixed;                        /* bytes of the file that are no matrices */
    wt_error *err;
} maker;

/* After a law was found broken: goes on to look for others where somebody wants to know them all. */
static int broken(const maker *m) {
    wt_laws *laws = m->options->laws;
    if (!laws || !m->err) return -1;
    if (laws->count < WT_MOST_LAWS) laws->items[laws->count++] = *m->err;
    return 0;
}

static uint64_t padded(uint64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static uint64_t bytes_of(const wt_site_tensor *s, wt_type type) {
    uint64_t row = 0;
    wt_type_row_bytes(type, s->cols, &row);
    return row * s->rows;
}

/* ---- laws on pins and types ---- */

static int check_pins(const maker *m) {
    const wt_pins *pins = &m->strategy->genes[WT_GENE_ALLOC_PINS].pins;
    char names[600] = "";
    size_t missing = 0, used = 0;
    for (size_t i = 0; i < pins->count; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < m->plan->count; k++) {
            const wt_site_tensor *s = m->plan->tensors[k].site;
            found = s->matrix && strcmp(s->name, pins->items[i].tensor) == 0;
        }
        if (found) continue;
        if (used + 110 < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%.100s", missing ? ", " : "",
                                     pins->items[i].tensor);
        missing++;
    }
    if (missing == 0 || m->options->ignore_missing_pins) return 0;
    wt_fail(m->err, WT_ERR_MISMATCH, "the strategy pins %zu matri%s that the model lacks: %s%s", missing,
            missing == 1 ? "x" : "ces", names, used + 110 >= sizeof names ? ", ..." : "");
    wt_hint(m->err, "it was found on another model; --ignore-missing-pins passes over them");
    return broken(m);
}

/* What matrix i may be: its pin, or the strategy's types that fit, or stand-ins. *fitted counts those that some type fits. */
static int list_types(maker *m, size_t i, size_t *fitted) {
    wt_planned *p = &m->plan->tensors[i];
    const wt_pin *pin = wt_pins_find(&m->strategy->genes[WT_GENE_ALLOC_PINS].pins, p->site->name);
    uint64_t allowed = m->strategy->genes[WT_GENE_ALLOC_TYPES].types, bytes;
    size_t n = 0;
    if (pin && !wt_type_row_bytes(pin->type, p->site->cols, &bytes)) {
        wt_fail(m->err, WT_ERR_ARGUMENT, "the strategy pins '%s' to %s, whose blocks its rows of %zu do not fit",
                p->site->name, wt_type_find(pin->type)->name, p->site->cols);
        if (broken(m) != 0) return -1;
    } else if (pin) {
        allowed = UINT64_C(1) << pin->type;
        p->pinned = true;
    }
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++) {
        if ((allowed >> t & 1) && wt_type_row_bytes((wt_type)t, p->site->cols, &bytes)) m->types[i][n++] = (wt_type)t;
    }
    *fitted += n > 0;
    p->substitute = n == 0;
    for (size_t k = 0; p->substitute && k < sizeof SUBSTITUTES / sizeof *SUBSTITUTES; k++) {
        if (wt_type_row_bytes(SUBSTITUTES[k], p->site->cols, &bytes)) m->types[i][n++] = SUBSTITUTES[k];
    }
    for (size_t k = 0; k < n; k++) m->costs[i][k].bytes = padded(bytes_of(p->site, m->types[i][k]));
    m->type_counts[i] = n;
    m->place[m->item_count] = i;
    m->items[m->item_count++] = (wt_alloc_item){m->costs[i], n};
    return 0;
}

static int list_all_types(maker *m) {
    size_t fitted = 0;
    for (size_t i = 0; i < m->plan->count; i++) {
        if (m->plan->tensors[i].site->matrix && list_types(m, i, &fitted) != 0) return -1;
    }
    if (fitted > 0 || m->item_count == 0) return 0;
    wt_fail(m->err, WT_ERR_ARGUMENT, "no type of alloc.types fits the rows of any matrix");
    wt_hint(m->err, "K types and IQ types have blocks of 256 weights; Q4_0 to Q8_0 and IQ4_NL of 32");
    return broken(m);
}

static void set_type(maker *m, size_t i, size_t k) {
    wt_planned *p = &m->plan->tensors[i];
    p->type = m->types[i][k];
    p->bytes = bytes_of(p->site, p->type);
}

static int count_file(maker *m) {
    const wt_statistics *s = wt_workbench_calibration(m->bench)->statistics;
    wt_gguf_writer *w = wt_plan_announce(wt_workbench_gguf(m->bench), m->plan, s, NULL, m->err);
    if (!w) return -1;
    m->plan->file_bytes = wt_gguf_writer_file_bytes(w);
    wt_gguf_writer_abandon(w);
    return 0;
}

/* The budget is the file's: what is not matrices comes off it first. Known before anything is measured. */
static int check_budget(maker *m) {
    const uint64_t budget = m->options->budget;
    uint64_t least, most, now = 0;
    for (size_t n = 0; n < m->item_count; n++) {
        set_type(m, m->place[n], 0);
        now += padded(m->plan->tensors[m->place[n]].bytes);
    }
    if (count_file(m) != 0) return -1;
    m->fixed = m->plan->file_bytes - now;
    wt_allocate_range(m->items, m->item_count, &least, &most);
    least += m->fixed;
    most += m->fixed;
    if (budget == 0 && least != most) {
        wt_fail(m->err, WT_ERR_ARGUMENT, "the strategy leaves types open, and there is no budget to choose them by");
        wt_hint(m->err, "give a size: --size 3.2MiB, or --bpw 3.5");
        return broken(m);
    }
    if (budget && least > budget) {
        wt_fail(m->err, WT_ERR_ARGUMENT,
                "a budget of %" PRIu64 " bytes is too small: the smallest file of this strategy has %" PRIu64 " bytes",
                budget, least);
        wt_hint(m->err, "give more, or allow smaller types in alloc.types");
        return broken(m);
    }
    if (budget && least != most && (double)most < WT_ALLOC_FILL * (double)budget) {
        wt_fail(m->err, WT_ERR_ARGUMENT,
                "a budget of %" PRIu64 " bytes is too large: the largest file of this strategy has %" PRIu64 " bytes",
                budget, most);
        wt_hint(m->err, "give less, or allow larger types in alloc.types");
        return broken(m);
    }
    return 0;
}

/* ---- prices and errors ---- */

static int price_all(maker *m, const wt_progress *progress) {
    wt_plan *plan = m->plan;
    wt_program program;
    const wt_domain *domain = &wt_domain_tensor;
    if (wt_program_compile(&program, &m->strategy->genes[WT_GENE_ALLOC_PRICE].rule, domain, m->err) != 0) return -1;
    wt_features *features = wt_workbench_features(m->bench);
    if (wt_strategy_needs_sensitivity(m->strategy) && wt_features_need_sensitivity(features, progress, m->err) != 0)
        return -1;
    double sum = 0;
    size_t matrices = 0;
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->tensors[i].site->matrix) continue;
        float values[WT_TENSOR_VARIABLES], price;
        wt_row inputs[WT_TENSOR_VARIABLES];
        wt_features_of(features, plan->tensors[i].site, wt_transform_unties(plan->transform), values);
        for (size_t v = 0; v < WT_TENSOR_VARIABLES; v++) inputs[v] = (wt_row){.values = &values[v], .scalar = true};
        wt_program_run(&program, inputs, 1, &price);
        plan->tensors[i].price = price > 0 ? price : 0;
        sum += plan->tensors[i].price;
        matrices++;
    }
    /* a little for each, so that of types that cost the same the more exact one is taken */
    const double least = sum > 0 ? 1e-6 * sum / (double)matrices : 1e-6;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->tensors[i].site->matrix) plan->tensors[i].price += least;
    return 0;
}

static int measure_error(maker *m, size_t i, wt_error *err) {
    const wt_planned *p = &m->plan->tensors[i];
    const size_t count = m->type_counts[i];
    double probe;
    if (count == 1) { /* nothing to choose: what it costs is not asked */
        m->errors[i][0] = m->costs[i][0].cost = 0;
        return 0;
    }
    if (wt_workbench_probe_error(m->bench, p->site, &m->plan->encoding, &probe, err) != 0 ||
        wt_workbench_errors(m->bench, m->plan->transform, i, &m->plan->encoding, m->types[i], count, m->errors[i], err) != 0)
        return -1;
    for (size_t k = 0; k < count; k++) m->costs[i][k].cost = p->price * (probe > 0 ? m->errors[i][k] / probe : m->errors[i][k]);
    return 0;
}

/*
 * Whether a matrix is measured beside others: each takes its weights in fp32 and, with feedback, its input's Gram matrix and factor. Larger
 * ones come one after another.
 */
static bool is_small(const maker *m, size_t n) {
    const size_t most = (size_t)1 << 22;
    const wt_site_tensor *s = m->plan->tensors[m->place[n]].site;
    return s->rows * s->cols <= most && (m->plan->encoding.damp <= 0 || s->cols * s->cols <= most);
}

static int report_errors(const maker *m, size_t done, const wt_progress *progress) {
    return wt_progress_report(progress, "errors of types", (double)done, (double)m->item_count, "tensors", m->err);
}

static int measure_small(maker *m, size_t *done, const wt_progress *progress) {
    enum { NOBODY = -1, STOPPED = -2 };
    int64_t failed = NOBODY; /* the first whose error it is; or STOPPED */
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t n = 0; n < m->item_count; n++) {
        wt_error own = {0};
        int64_t seen;
        size_t now;
#pragma omp atomic read
        seen = failed;
        if (seen != NOBODY || !is_small(m, n)) continue;
        const bool bad = measure_error(m, m->place[n], &own) != 0;
#pragma omp atomic capture
        now = ++*done;
#pragma omp critical(wt_plan_errors)
        if (bad && failed != STOPPED && (failed == NOBODY || (int64_t)n < failed)) {
            if (m->err) *m->err = own;
            failed = (int64_t)n;
        }
        if (!bad && wt_thread_id() == 0) { /* whoever listens is called from the thread that asked */
#pragma omp critical(wt_plan_errors)
            if (failed == NOBODY && report_errors(m, now, progress) != 0) failed = STOPPED;
        }
    }
    return failed == NOBODY ? 0 : -1;
}

static int measure_errors(maker *m, const wt_progress *progress) {
    size_t done = 0;
    int rc = measure_small(m, &done, progress);
    for (size_t n = 0; rc == 0 && n < m->item_count; n++) {
        if (is_small(m, n)) continue;
        rc = measure_error(m, m->place[n], m->err);
        if (rc == 0) rc = report_errors(m, ++done, progress);
    }
    return rc;
}

/* ---- the choice ---- */

static int allocate(maker *m) {
    wt_plan *plan = m->plan;
    size_t *chosen = wt_calloc(m->item_count + 1, sizeof *chosen, m->err);
    if (!chosen) return -1;
    const uint64_t rest = m->options->budget ? m->options->budget - m->fixed : UINT64_MAX / 2;
    const int rc = wt_allocate(m->items, m->item_count, rest, m->fixed, chosen, m->err);
    for (size_t n = 0; rc == 0 && n < m->item_count; n++) {
        const size_t i = m->place[n];
        set_type(m, i, chosen[n]);
        plan->tensors[i].error = m->errors[i][chosen[n]];
        plan->tensors[i].cost = m->costs[i][chosen[n]].cost;
        plan->cost += plan->tensors[i].cost;
    }
    free(chosen);
    return rc;
}

/* llama.cpp's name for a file whose weights are mostly of one type. */
static void label(wt_plan *plan) {
    uint64_t weights[WT_TYPE_LIMIT] = {0};
    uint32_t most = WT_F16;
    wt_file_type file_type;
    for (size_t i = 0; i < plan->count; i++) {
        const wt_planned *p = &plan->tensors[i];
        if (p->site->matrix) weights[p->type] += (uint64_t)p->site->rows * p->site->cols;
    }
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++)
        if (weights[t] > weights[most]) most = t;
    plan->file_type = wt_file_type_of((wt_type)most, &file_type) ? file_type : WT_FILE_F16;
}

/* ---- the whole ---- */

static int list_tensors(maker *m) {
    wt_plan *plan = m->plan;
    plan->count = wt_transform_count(plan->transform);
    plan->tensors = wt_calloc(plan->count + 1, sizeof *plan->tensors, m->err);
    m->types = wt_calloc(plan->count + 1, sizeof *m->types, m->err);
    m->costs = wt_calloc(plan->count + 1, sizeof *m->costs, m->err);
    m->errors = wt_calloc(plan->count + 1, sizeof *m->errors, m->err);
    m->type_counts = wt_calloc(plan->count + 1, sizeof *m->type_counts, m->err);
    m->items = wt_calloc(plan->count + 1, sizeof *m->items, m->err);
    m->place = wt_calloc(plan->count + 1, sizeof *m->place, m->err);
    if (!plan->tensors || !m->types || !m->costs || !m->errors || !m->type_counts || !m->items || !m->place) return -1;
    for (size_t i = 0; i < plan->count; i++) {
        const wt_site_tensor *s = wt_transform_at(plan->transform, i);
        plan->tensors[i] = (wt_planned){.site = s, .type = s->changed ? WT_F32 : s->source->type};
        plan->tensors[i].bytes = bytes_of(s, plan->tensors[i].type);
    }
    return 0;
}

/* Where the strategy's own transform breaks a law, the other laws are looked at on the model as it is. */
static int make_transform(maker *m) {
    const wt_model *model = wt_workbench_model(m->bench);
    const wt_calibration *calibration = wt_workbench_calibration(m->bench);
    if ((m->plan->transform = wt_transform_new(model, m->strategy, calibration, m->err))) return 0;
    wt_strategy plain;
    if (broken(m) != 0) return -1;
    wt_strategy_init(&plain);
    m->plan->transform = wt_transform_new(model, &plain, calibration, m->err);
    return m->plan->transform ? 0 : -1;
}

/* What needs no weight and no text. */
static int check_laws(maker *m) {
    if (make_transform(m) != 0 || list_tensors(m) != 0 || check_pins(m) != 0 || list_all_types(m) != 0 ||
        check_budget(m) != 0)
        return -1;
    if (!m->options->laws || m->options->laws->count == 0) return 0;
    if (m->err) *m->err = m->options->laws->items[0];
    return -1;
}

static int make(maker *m, const wt_progress *progress) {
    wt_plan *plan = m->plan;
    const wt_strategy *s = m->strategy;
    plan->budget = m->options->budget;
    plan->cache_k = s->genes[WT_GENE_CACHE_K].type;
    plan->cache_v = s->genes[WT_GENE_CACHE_V].type;
    if (wt_strategy_name(s, plan->name, m->err) != 0 || !(plan->text = wt_strategy_print(s, m->err)) ||
        wt_encoding_init(&plan->encoding, s, m->err) != 0 || check_laws(m) != 0 || price_all(m, progress) != 0 ||
        measure_errors(m, progress) != 0 || allocate(m) != 0)
        return -1;
    label(plan);
    return count_file(m);
}

int wt_plan_make(wt_plan *plan, wt_workbench *bench, const wt_strategy *strategy, const wt_plan_options *options,
                 const wt_progress *progress, wt_error *err) {
    *plan = (wt_plan){0};
    maker m = {.plan = plan, .bench = bench, .strategy = strategy, .options = options, .err = err};
    if (options->laws) options->laws->count = 0;
    int rc = make(&m, progress);
    free(m.items);
    free(m.place);
    free(m.types);
    free(m.costs);
    free(m.errors);
    free(m.type_counts);
    if (rc != 0) wt_plan_release(plan);
    return rc;
}

void wt_plan_release(wt_plan *plan) {
    if (!plan) return;
    wt_transform_free(plan->transform);
    free(plan->tensors);
    free(plan->text);
    *plan = (wt_plan){0};
}

uint64_t wt_plan_cache_bytes(const wt_plan *plan, const wt_model *model, uint64_t context) {
    const wt_hparams *hp = wt_model_hparams(model);
    uint64_t k = 0, v = 0;
    const uint64_t row = (uint64_t)hp->n_kv_heads * hp->head_dim;
    if (!wt_type_row_bytes(plan->cache_k, row, &k)) k = row * 2;
    if (!wt_type_row_bytes(plan->cache_v, row, &v)) v = row * 2;
    return hp->n_layers * context * (k + v);
}
