#include "survive/evolve.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "survive/evolve_private.h"

/* Progress is a first axis that falls by at least this share. */
#define PROGRESS 1e-3

/* Candidates are kept in memory through a race while they take no more than this, bytes. */
#define HELD_BYTES ((uint64_t)2 << 30)

/* Generations in a row without anybody new who can be measured: no further one will change that. */
enum { MOST_IDLE = 20, MOST_BARREN = 3 };

/* So many times the children of another generation are drawn for the first: what it lacks, later ones have to find again. */
enum { FIRST = 3 };

uint64_t wt_evolve_first(const wt_rules *rules) {
    const uint64_t usual = FIRST * rules->offspring, full = rules->population + rules->offspring;
    return rules->first ? rules->first : usual > full ? usual : full;
}

uint64_t wt_evolve_most(const wt_rules *rules) {
    const uint64_t first = wt_evolve_first(rules), later = rules->population + rules->offspring;
    return first > later ? first : later;
}

double wt_loop_value(void *user, const wt_individual *i) { return wt_individual_value(user, i); }

const wt_axis *wt_individual_axis(const wt_contest *c) {
    const wt_axis *axis = c->rules->axis_count ? wt_axis_find(c->rules->axes[0].axis) : NULL;
    return axis && axis->of_chunk ? axis : wt_axis_find("kld");
}

double wt_individual_value(const wt_contest *c, const wt_individual *i) {
    const wt_axis *axis = wt_individual_axis(c);
    double sum = 0;
    for (size_t k = 0; k < i->measured; k++) sum += axis->of_chunk(&i->scores[k]);
    return i->measured ? sum / (double)i->measured : INFINITY;
}

/* ---- individuals ---- */

wt_individual *wt_loop_add(wt_loop *l) {
    wt_evolution *e = l->e;
    if (wt_grow((void **)&e->all, &e->cap, e->count + 1, sizeof *e->all, l->err) != 0) return NULL;
    wt_individual *i = wt_calloc(1, sizeof *i, l->err);
    if (!i) return NULL;
    i->id = (int64_t)++l->next_id;
    e->all[e->count++] = i;
    return i;
}

static bool is_listed(wt_individual *const *list, size_t n, const wt_individual *i) {
    for (size_t k = 0; k < n; k++)
        if (list[k] == i) return true;
    return false;
}

/* Frees those whom nobody needs any more. */
static void sweep(wt_evolution *e) {
    size_t left = 0;
    for (size_t k = 0; k < e->count; k++) {
        wt_individual *i = e->all[k];
        wt_contest_rest(i);
        if (is_listed(e->population, e->population_count, i) || is_listed(e->humans, e->human_count, i) ||
            wt_archive_holds(&e->archive, i)) {
            e->all[left++] = i;
        } else {
            wt_individual_release(i);
            free(i);
        }
    }
    e->count = left;
}

void wt_evolution_release(wt_evolution *e) {
    for (size_t k = 0; k < e->count; k++) {
        wt_individual_release(e->all[k]);
        free(e->all[k]);
    }
    free(e->all);
    free(e->population);
    free(e->humans);
    wt_archive_release(&e->archive);
    *e = (wt_evolution){0};
}

/* ---- the view, and the end ---- */

void wt_loop_view(wt_loop *l, size_t left) {
    const wt_evolution *e = l->e;
    const wt_cache_counts cache = wt_workbench_counts(l->c->study->bench);
    const wt_exam_counts exam = wt_exam_count(l->c->search);
    const wt_individual *human = NULL;
    if (!l->calls->view) return;
    for (size_t k = 0; k < e->human_count; k++) {
        const wt_individual *h = e->humans[k];
        if (h->measured && !h->cause[0] && h->bytes <= e->size &&
            (!human || wt_individual_value(l->c, h) < wt_individual_value(l->c, human)))
            human = h;
    }
    const wt_evolve_status status = {
        .generation = l->generation,
        .population = e->population_count,
        .left = left,
        .counts = l->c->counts,
        .best = isfinite(l->best) ? l->best : NAN,
        .best_human = human ? wt_individual_value(l->c, human) : NAN,
        .best_human_label = human ? human->label : "",
        .last_death = l->last_death,
        .deaths = l->deaths,
        .eliminated = l->eliminated,
        .encoded_hits = cache.hits + cache.misses ? (double)cache.hits / (double)(cache.hits + cache.misses) : 0,
        .state_reuse = exam.blocks > 0 ? exam.reused / exam.blocks : 0,
        .spent = wt_budget_spent(&l->budget),
    };
    l->calls->view(l->calls->user, &status);
}

void wt_loop_note_death(wt_loop *l, const wt_individual *i) {
    l->deaths++;
    snprintf(l->last_death, sizeof l->last_death, "%s", i->cause);
}

/* The reason to end, at a generation's boundary; NULL: go on. A first generation there always is. */
static int find_end(wt_loop *l, const char **reason) {
    const wt_rules *r = l->c->rules;
    *reason = NULL;
    if (l->generation > 0 && wt_budget_reason(&l->budget, l->generation < l->known, reason, l->err) != 0) return -1;
    if (!*reason && r->patience && l->stale >= r->patience) *reason = "no progress";
    if (!*reason && l->idle >= MOST_IDLE) *reason = "nothing new is born";
    return 0;
}

int wt_loop_interrupted(wt_loop *l) { return wt_progress_report(l->c->progress, "evolving", 0, 0, "", l->err); }

int wt_loop_measure_whole(wt_loop *l, wt_individual *i) {
    const size_t chunks = wt_exam_chunks(l->c->search);
    for (size_t until = l->block; i->measured < chunks && !i->cause[0]; until += l->block) {
        if (wt_loop_interrupted(l) != 0 || wt_contest_measure(l->c, i, until < chunks ? until : chunks, l->err) != 0)
            return -1;
        wt_loop_view(l, 1);
    }
    if (i->cause[0]) wt_loop_note_death(l, i);
    wt_contest_rest(i);
    return 0;
}

/* ---- generations ---- */

static double diversity(const wt_evolution *e) {
    double sum = 0;
    size_t pairs = 0;
    for (size_t i = 0; i < e->population_count; i++)
        for (size_t k = 0; k < i; k++, pairs++)
            sum += wt_strategy_distance(&e->population[i]->strategy, &e->population[k]->strategy);
    return pairs ? sum / (double)pairs : 0;
}

static int record(wt_loop *l, uint64_t deaths, uint64_t eliminated, uint64_t born) {
    /* its row says how long it took when it happened, unless the run had ended in its middle and goes on */
    if (l->generation + 1 < l->known || (l->generation < l->known && l->c->counts.evaluations <= l->last)) return 0;
    const wt_cache_counts cache = wt_workbench_counts(l->c->study->bench);
    const wt_exam_counts exam = wt_exam_count(l->c->search);
    double rates[WT_MADE_LIMIT];
    json_t *operators = json_object();
    wt_operator_rates(&l->e->operators, (1u << WT_MADE_LIMIT) - 1, rates);
    for (int i = 0; i < WT_MADE_LIMIT; i++)
        json_object_set_new(operators, wt_made_by(i),
                            json_pack("{s:f,s:f,s:f}", "tried", l->e->operators.tried[i], "stayed",
                                      l->e->operators.stayed[i], "rate", rates[i]));
    char *text = json_dumps(operators, JSON_COMPACT);
    json_decref(operators);
    const wt_stored_generation g = {
        .number = l->generation,
        .evaluations = l->c->counts.evaluations,
        .tokens = l->c->counts.tokens,
        .seconds = l->calls->clock(l->calls->user),
        .best = l->best,
        .diversity = diversity(l->e),
        .lethal = deaths,
        .born = born,
        .eliminated = eliminated,
        .cache_hits = cache.hits + cache.misses ? (double)cache.hits / (double)(cache.hits + cache.misses) : 0,
        .state_reuse = exam.blocks > 0 ? exam.reused / exam.blocks : 0,
        .operators = text ? text : "{}",
    };
    int rc = wt_store_put_generation(l->c->store, &g, l->err);
    free(text);
    return rc;
}

static const wt_individual *find(const wt_evolution *e, int64_t id) {
    for (size_t i = e->count; i-- > 0;)
        if (e->all[i]->id == id) return e->all[i];
    return NULL;
}

/* Whether a child is better than a parent by any axis of the rules that repeats; by the first where none can be compared yet. */
static bool gains(const wt_loop *l, const wt_individual *child, const wt_individual *parent) {
    const wt_rules *r = l->c->rules;
    const wt_measured now = wt_contest_view(l->c, child), before = wt_contest_view(l->c, parent);
    bool compared = false;
    for (size_t k = 0; k < r->axis_count; k++) {
        const wt_axis *axis = wt_contest_axis(l->c, r->axes[k].axis);
        if (!axis || axis->timed) continue;
        const double a = wt_axis_value(axis, &now), b = wt_axis_value(axis, &before);
        if (!isfinite(a) || !isfinite(b)) continue;
        compared = true;
        if ((axis->higher ? a - b : b - a) > fabs(b) * PROGRESS) return true;
    }
    return !compared && wt_individual_value(l->c, child) < wt_individual_value(l->c, parent);
}

static bool is_ahead(const wt_loop *l, const wt_individual *child) {
    for (int i = 0; i < 2; i++) {
        const wt_individual *parent = child->parents[i] ? find(l->e, child->parents[i]) : NULL;
        if (parent && parent->measured && !gains(l, child, parent)) return false;
    }
    return true;
}

/*
 * Who stayed of this generation's children, ahead of all their parents, by the operator that made them: one that only equals its
 * parent stays, too, and gains nothing.
 */
static void count_stayed(const wt_loop *l, double stayed[WT_MADE_LIMIT]) {
    for (size_t i = 0; i < l->e->population_count; i++) {
        const wt_individual *p = l->e->population[i];
        if (p->generation == l->generation && p->made_with >= 0 && is_ahead(l, p)) stayed[p->made_with] += 1;
    }
}

static int generation(wt_loop *l) {
    wt_evolution *e = l->e;
    const wt_rules *r = l->c->rules;
    size_t children = l->generation == 0 ? wt_evolve_first(r) : r->offspring;
    const uint64_t deaths = l->deaths, eliminated = l->eliminated, born = l->born,
                   evaluations = l->c->counts.evaluations;
    double tried[WT_MADE_LIMIT] = {0}, stayed[WT_MADE_LIMIT] = {0};
    wt_race_entry *entries = wt_calloc(e->population_count + children + 1, sizeof *entries, l->err);
    l->pool = wt_calloc(e->population_count + children + 1, sizeof *l->pool, l->err);
    l->pool_count = 0;
    int rc = entries && l->pool ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < e->population_count; i++) l->pool[l->pool_count++] = e->population[i];
    if (rc == 0) rc = wt_loop_bear(l, &children, tried);
    if (rc == 0 && l->pool_count) rc = wt_loop_race(l, entries);
    if (rc == 0 && l->pool_count) rc = wt_loop_select(l, entries);
    if (rc == 0) rc = wt_loop_measure_smaller(l, children);
    l->hollow = l->cut && l->c->counts.evaluations == evaluations;
    if (rc == 0 && !l->hollow) {
        const double best = e->population_count ? wt_individual_value(l->c, e->population[0]) : INFINITY;
        const bool progress = best < (isfinite(l->best) ? l->best - fabs(l->best) * PROGRESS : INFINITY);
        l->stale = progress ? 0 : l->stale + 1;
        if (best < l->best) l->best = best;
        count_stayed(l, stayed);
        wt_operator_learn(&e->operators, tried, stayed);
        for (size_t i = 0; rc == 0 && i < e->population_count; i++)
            rc = wt_archive_offer(&e->archive, e->population[i], wt_individual_value(l->c, e->population[i]),
                                  wt_loop_value, l->c, l->err) < 0
                     ? -1
                     : 0;
        sweep(e);
        l->idle = l->c->counts.evaluations > evaluations ? 0 : l->idle + 1;
        l->finished = l->c->counts.evaluations;
        if (rc == 0) rc = record(l, l->deaths - deaths, l->eliminated - eliminated, l->born - born);
    }
    free(entries);
    free(l->pool);
    l->pool = NULL;
    return rc;
}

/* ---- the whole ---- */

/* The budget that strategies are made for. */
static uint64_t size_of(const wt_contest *c) {
    const wt_rule_constraint *bytes = wt_rules_constraint(c->rules, "bytes");
    return bytes && bytes->max ? (uint64_t)*bytes->max : 0;
}

static int count_generation(void *user, const wt_stored_generation *g) {
    wt_loop *l = user;
    if (g->number + 1 <= l->known) return 0;
    l->known = g->number + 1;
    l->last = g->evaluations;
    return 0;
}

/* How it ended, and the count of evaluations by which it ends the same without a clock. */
static int note_end(wt_loop *l, const char *reason) {
    char text[24];
    snprintf(l->e->ended, sizeof l->e->ended, "%s", reason);
    snprintf(text, sizeof text, "%" PRIu64, l->finished);
    return wt_store_set(l->c->store, "repeat_evaluations", text, l->err);
}

/* Whether nobody lives, and it looks as if nobody ever will. */
static int check_barren(const wt_loop *l) {
    if (l->e->population_count > 0 || l->generation < MOST_BARREN) return 0;
    wt_fail(l->err, WT_ERR_ARGUMENT, "no strategy lived in %d generations; the last died of %s", MOST_BARREN,
            l->last_death[0] ? l->last_death : "nothing that is known");
    return wt_hint(l->err, "the rules ask for what cannot be: allow more bytes or memory, or more types");
}

int wt_evolve(wt_contest *c, const wt_evolve_calls *calls, wt_evolution *e, wt_error *err) {
    const wt_rules *r = c->rules;
    wt_loop l = {
        .c = c, .e = e, .calls = calls, .best = INFINITY, .block = r->race_block ? r->race_block : 8, .err = err};
    *e = (wt_evolution){.size = size_of(c)};
    l.first = wt_individual_axis(c);
    const uint64_t held = r->max_memory && r->max_memory / 8 < HELD_BYTES ? r->max_memory / 8 : HELD_BYTES;
    l.hold = wt_evolve_most(r) * e->size <= held;
    if (!(e->population = wt_calloc(r->population + 1, sizeof *e->population, err))) return -1;
    wt_error own = {0};
    l.err = &own;
    int rc = wt_budget_open(&l.budget, c, calls, &own);
    if (rc == 0) rc = wt_store_each_generation(c->store, count_generation, &l, &own) == 0 ? wt_loop_add_humans(&l) : -1;
    sweep(e);
    const char *reason = NULL;
    while (rc == 0 && (rc = find_end(&l, &reason)) == 0 && !reason) {
        rc = generation(&l);
        if (rc == 0 && !l.hollow) e->generations = ++l.generation;
        if (rc == 0) rc = check_barren(&l);
    }
    if (rc != 0 && own.code == WT_ERR_INTERRUPTED) {
        sweep(e); /* those of the generation that was cut off */
        reason = "interrupted";
        rc = 0;
    }
    if (rc == 0 && reason) rc = note_end(&l, reason);
    if (rc != 0 && err) *err = own;
    return rc;
}
