#include "survive/knockout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct explainer {
    wt_contest *c;
    const wt_individual *of;
    uint64_t budget;          /* of the altered ones: the same, or where it had none the bytes that it has */
    size_t chunks;
    double *own, *altered;    /* [chunks] divergence */
    size_t done, total;       /* knock-outs, for progress */
    wt_knockout_call call;
    void *user;
    wt_error *err;
} explainer;

/* ---- measuring ---- */

/* All chunks of the search part, block by block, so that somebody may stop it. */
static int measure(explainer *x, wt_individual *i, double *values) {
    const size_t block = x->c->rules->race_block ? (size_t)x->c->rules->race_block : x->chunks;
    for (size_t until = 0; until < x->chunks && !i->cause[0];) {
        until = until + block < x->chunks ? until + block : x->chunks;
        if (wt_progress_report(x->c->progress, "knock-outs", (double)x->done, (double)x->total, "genes", x->err) != 0 ||
            wt_contest_measure(x->c, i, until, x->err) != 0)
            return -1;
    }
    for (size_t k = 0; k < i->measured; k++) values[k] = i->scores[k].kld;
    return 0;
}

/* Takes the strategy over, also on failure. */
static int visit(explainer *x, wt_individual *i, wt_strategy *strategy, uint64_t budget) {
    *i = (wt_individual){.strategy = *strategy, .visitor = true, .budget = budget, .made_by = "knock-out", .made_with = -1};
    return wt_strategy_name(&i->strategy, i->name, x->err);
}

/* Plans and measures the altered individual, and tells the difference. */
static int compare(explainer *x, wt_individual *i, wt_knockout *k) {
    if (!i->cause[0] && measure(x, i, x->altered) != 0) return -1;
    x->done++;
    k->cause = i->cause;
    k->change = (wt_interval){NAN, NAN, NAN};
    if (!i->cause[0] && wt_bootstrap_difference(x->altered, x->own, x->chunks, x->c->rules->seed, &k->change, x->err) != 0) return -1;
    const wt_stored_knockout row = {.individual = x->of->id, .gene = k->gene, .value = k->value, .change = k->change.value,
                                    .low = k->change.low, .high = k->change.high, .cause = k->cause};
    return wt_store_put_knockout(x->c->store, &row, x->err);
}

/* ---- one knock-out ---- */

static int knock_out_gene(explainer *x, wt_gene gene) {
    const wt_gene_info *info = wt_gene_of(gene);
    wt_strategy s;
    wt_individual i;
    wt_knockout k = {.value = info->human_text};
    snprintf(k.gene, sizeof k.gene, "%s", info->name);
    if (wt_strategy_copy(&s, &x->of->strategy, x->err) != 0) return -1;
    int rc = wt_strategy_set_gene(&s, gene, info->human_text, x->err);
    const bool same = rc == 0 && wt_gene_equal(gene, &s.genes[gene], &x->of->strategy.genes[gene]);
    if (rc != 0 || same) {
        wt_strategy_release(&s);
        return rc;
    }
    rc = visit(x, &i, &s, x->budget) == 0 && wt_contest_plan(x->c, &i, x->err) == 0 ? compare(x, &i, &k) : -1;
    if (rc == 0) rc = x->call(x->user, &k, x->err);
    wt_individual_release(&i);
    return rc;
}

static const wt_planned *planned_as(const wt_plan *plan, const char *tensor) {
    for (size_t i = 0; plan && i < plan->count; i++)
        if (strcmp(plan->tensors[i].site->name, tensor) == 0) return &plan->tensors[i];
    return NULL;
}

static int knock_out_pin(explainer *x, const wt_pin *pin) {
    wt_strategy s;
    wt_individual i;
    wt_knockout k = {.value = ""};
    snprintf(k.gene, sizeof k.gene, "pin %s", pin->tensor);
    if (wt_strategy_copy(&s, &x->of->strategy, x->err) != 0) return -1;
    wt_pins_remove(&s.genes[WT_GENE_ALLOC_PINS].pins, pin->tensor);
    int rc = visit(x, &i, &s, x->budget) == 0 && wt_contest_plan(x->c, &i, x->err) == 0 ? 0 : -1;
    const wt_planned *p = rc == 0 ? planned_as(i.plan, pin->tensor) : NULL;
    if (p) k.value = wt_type_find(p->type)->name;
    if (rc == 0) rc = compare(x, &i, &k);
    if (rc == 0) rc = x->call(x->user, &k, x->err);
    wt_individual_release(&i);
    return rc;
}

/* ---- which pins ---- */

typedef struct ranked {
    const wt_pin *pin;
    double price;
    uint64_t bytes;
} ranked;

static int by_price(const void *pa, const void *pb) {
    const ranked *a = pa, *b = pb;
    if (a->price != b->price) return a->price > b->price ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return strcmp(a->pin->tensor, b->pin->tensor);
}

/* The pins by what the strategy itself says their tensors cost, the larger first where it makes no difference; free() it. */
static ranked *rank_pins(explainer *x, const wt_plan *plan) {
    const wt_pins *pins = &x->of->strategy.genes[WT_GENE_ALLOC_PINS].pins;
    ranked *list = wt_calloc(pins->count + 1, sizeof *list, x->err);
    for (size_t i = 0; list && i < pins->count; i++) {
        const wt_planned *p = planned_as(plan, pins->items[i].tensor);
        list[i] = (ranked){&pins->items[i], p ? p->price : 0, p ? p->bytes : 0};
    }
    if (list) qsort(list, pins->count, sizeof *list, by_price);
    return list;
}

/* ---- the whole ---- */

static size_t count_genes(const wt_strategy *s) {
    size_t n = 0;
    for (int g = 0; g < WT_GENES; g++) {
        wt_strategy human;
        wt_strategy_init(&human);
        if (wt_strategy_set_gene(&human, (wt_gene)g, wt_gene_of((wt_gene)g)->human_text, NULL) == 0)
            n += !wt_gene_equal((wt_gene)g, &human.genes[g], &s->genes[g]);
        wt_strategy_release(&human);
    }
    return n;
}

/* What it is measured against; its plan stays for the ranking. */
static int measure_own(explainer *x, wt_individual *own) {
    wt_strategy s;
    if (wt_strategy_copy(&s, &x->of->strategy, x->err) != 0) return -1;
    if (visit(x, own, &s, x->of->budget) != 0 || wt_contest_plan(x->c, own, x->err) != 0 || measure(x, own, x->own) != 0) return -1;
    return own->cause[0] ? wt_fail(x->err, WT_ERR_ARGUMENT, "cannot explain '%s': it died of %s", x->of->name, own->cause) : 0;
}

int wt_knockout_run(wt_contest *c, const wt_individual *individual, size_t pins, wt_knockout_call call, void *user, wt_error *err) {
    explainer x = {.c = c, .of = individual, .chunks = wt_exam_chunks(c->search), .call = call, .user = user, .err = err};
    const size_t pinned = individual->strategy.genes[WT_GENE_ALLOC_PINS].pins.count;
    wt_individual own = {0};
    ranked *list = NULL;
    x.own = wt_calloc(x.chunks, sizeof *x.own, err);
    x.altered = wt_calloc(x.chunks, sizeof *x.altered, err);
    if (pins > pinned) pins = pinned;
    x.total = count_genes(&individual->strategy) + pins;
    int rc = x.own && x.altered ? measure_own(&x, &own) : -1;
    x.budget = individual->budget ? individual->budget : own.bytes;
    if (rc == 0 && !(list = rank_pins(&x, own.plan))) rc = -1;
    wt_contest_rest(&own);
    for (int g = 0; rc == 0 && g < WT_GENES; g++) rc = knock_out_gene(&x, (wt_gene)g);
    for (size_t k = 0; rc == 0 && k < pins; k++) rc = knock_out_pin(&x, list[k].pin);
    wt_individual_release(&own);
    free(list);
    free(x.own);
    free(x.altered);
    return rc;
}
