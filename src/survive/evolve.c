#include "survive/evolve.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/humans.h"
#include "base/memory.h"
#include "survive/birth.h"
#include "survive/budget.h"
#include "survive/race.h"
#include "survive/selection.h"

/* Progress is a first axis that falls by at least this share. */
#define PROGRESS 1e-3

/* Candidates are kept in memory through a race while they take no more than this, bytes. */
#define HELD_BYTES ((uint64_t)2 << 30)

/* Generations in a row without anybody new who can be measured: no further one will change that. */
enum { MOST_IDLE = 20, MOST_BARREN = 3 };

/* So many times the children of another generation are drawn for the first: what it lacks, later ones have to find again. */
enum { FIRST = 3 };

/* Humans of other sizes than about the budget's tell nothing. */
#define HUMAN_LEAST 0.55

typedef struct loop {
    wt_contest *c;
    wt_evolution *e;
    const wt_evolve_calls *calls;
    const wt_axis *first; /* axis */
    uint64_t next_id, generation, stale, deaths, eliminated, born, block;
    uint64_t known;      /* generations that the store has from before: they happen again, whatever the clock says */
    uint64_t last;       /* evaluations at the end of the last one of them */
    uint64_t finished;   /* evaluations at the last generation's end */
    uint64_t idle;       /* generations in a row that measured nobody new */
    double best;
    wt_individual **pool; /* who races */
    size_t pool_count;
    bool hold;
    bool cut,
        hollow; /* the budget ended a generation in its middle; before anybody of it was measured, as if it had never begun */
    wt_budget budget;
    char last_death[420];
    wt_error *err;
} loop;

uint64_t wt_evolve_most(const wt_rules *rules) {
    const uint64_t first = FIRST * rules->offspring, later = rules->population + rules->offspring;
    return first > later ? first : later;
}

static double value_of(void *user, const wt_individual *i) { return wt_individual_value(user, i); }

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

static wt_individual *add_individual(loop *l) {
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

static void view(loop *l, size_t left) {
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

static void note_death(loop *l, const wt_individual *i) {
    l->deaths++;
    snprintf(l->last_death, sizeof l->last_death, "%s", i->cause);
}

/* The reason to end, at a generation's boundary; NULL: go on. A first generation there always is. */
static int find_end(loop *l, const char **reason) {
    const wt_rules *r = l->c->rules;
    *reason = NULL;
    if (l->generation > 0 && wt_budget_reason(&l->budget, l->generation < l->known, reason, l->err) != 0) return -1;
    if (!*reason && r->patience && l->stale >= r->patience) *reason = "no progress";
    if (!*reason && l->idle >= MOST_IDLE) *reason = "nothing new is born";
    return 0;
}

static int interrupted(loop *l) {
    return wt_progress_report(l->c->progress, "evolving", 0, 0, "", l->err);
}

/* ---- humans ---- */

static int measure_whole(loop *l, wt_individual *i) {
    const size_t chunks = wt_exam_chunks(l->c->search);
    for (size_t until = l->block; i->measured < chunks && !i->cause[0]; until += l->block) {
        if (interrupted(l) != 0 || wt_contest_measure(l->c, i, until < chunks ? until : chunks, l->err) != 0) return -1;
        view(l, 1);
    }
    if (i->cause[0]) note_death(l, i);
    wt_contest_rest(i);
    return 0;
}

/* Plans a human, who competes where the size is about the budget's; others are swept. */
static int add_human(loop *l, const wt_human_info *info) {
    wt_evolution *e = l->e;
    wt_individual *i = add_individual(l);
    if (!i || wt_human(&i->strategy, info->name, l->c->gguf, l->c->study->statistics != NULL, l->err) != 0) return -1;
    i->human = true;
    i->made_by = "human";
    i->made_with = -1;
    i->budget = info->preset ? 0 : e->size; /* a preset's size is its own */
    i->place = e->human_count;
    snprintf(i->label, sizeof i->label, "%s", info->name);
    if (wt_strategy_name(&i->strategy, i->name, l->err) != 0 || wt_contest_plan(l->c, i, l->err) != 0) return -1;
    wt_contest_rest(i);
    if (i->cause[0] || i->bytes > e->size || (double)i->bytes < HUMAN_LEAST * (double)e->size) return 0;
    e->humans[e->human_count++] = i;
    return 0;
}

/* The methods, then the presets of most bytes, as many as the rules want. */
static void choose_humans(loop *l) {
    wt_evolution *e = l->e;
    size_t methods = 0;
    while (methods < e->human_count && e->humans[methods]->budget) methods++;
    for (size_t k = methods + 1; k < e->human_count; k++) {
        wt_individual *x = e->humans[k];
        size_t at = k;
        for (; at > methods && e->humans[at - 1]->bytes < x->bytes; at--) e->humans[at] = e->humans[at - 1];
        e->humans[at] = x;
    }
    if (e->human_count - methods > l->c->rules->presets) e->human_count = methods + l->c->rules->presets;
}

static int add_humans(loop *l) {
    wt_human_info info;
    wt_evolution *e = l->e;
    size_t count = 0;
    if (l->c->rules->humans == WT_HUMANS_ABSENT) return 0;
    while (wt_human_at(count, &info)) count++;
    if (!(e->humans = wt_calloc(count + 1, sizeof *e->humans, l->err))) return -1;
    for (size_t k = 0; k < count; k++) {
        wt_human_at(k, &info);
        /* labelled types of no bits to speak of, and what only the newest runtimes know, compete nowhere */
        if (info.preset && (!(wt_types_usual() >> info.preset->type & 1) || wt_type_find(info.preset->type)->block == 1))
            continue;
        if (add_human(l, &info) != 0) return -1;
    }
    choose_humans(l);
    for (size_t k = 0; k < e->human_count; k++)
        if (measure_whole(l, e->humans[k]) != 0) return -1;
    return 0;
}

/* ---- one generation ---- */

/* Whether the budget ends before an individual is measured at all. */
static int is_over(loop *l, const wt_individual *i, bool *over) {
    *over = false;
    if (i->measured > 0 || i->cause[0]) return 0;
    const int rc = wt_budget_ends(&l->budget, i, over, l->err);
    l->cut |= *over;
    return rc;
}

/* Whether nobody who races was measured and lives: without one there is nothing to end with, whatever the budget says. */
static bool is_empty(const loop *l) {
    for (size_t k = 0; k < l->pool_count; k++)
        if (l->pool[k]->measured > 0 && !l->pool[k]->cause[0]) return false;
    return true;
}

static int measure_call(void *user, size_t candidate, size_t first, size_t count, double *scores, wt_error *err) {
    loop *l = user;
    wt_individual *i = l->pool[candidate];
    const bool alive = !i->cause[0];
    bool over = false;
    if (interrupted(l) != 0 || (!is_empty(l) && is_over(l, i, &over) != 0)) return -1;
    if (!over && wt_contest_measure(l->c, i, first + count, err) != 0) return -1;
    if (alive && i->cause[0]) note_death(l, i);
    if (!l->hold) wt_contest_rest(i);
    for (size_t k = 0; k < count; k++)
        scores[k] = i->cause[0] || over ? 1e30 : l->first->of_chunk(&i->scores[first + k]);
    view(l, l->pool_count);
    return 0;
}

/* Nobody is sent home by somebody who is larger, where size is among the axes. */
static bool may_beat_call(void *user, size_t rival, size_t candidate) {
    const loop *l = user;
    const wt_measured a = wt_contest_view(l->c, l->pool[rival]), b = wt_contest_view(l->c, l->pool[candidate]);
    for (unsigned k = 0; k < l->c->rules->axis_count; k++) {
        const wt_axis *axis = wt_axis_find(l->c->rules->axes[k].axis);
        if (axis && axis->exact && axis->value(&a) > axis->value(&b)) return false;
    }
    return true;
}

/* Whether two have the same size and, on the first `chunks` chunks, the same scores: they compute the same, and one of them says nothing new. */
static bool is_echo(const wt_individual *a, const wt_individual *b, size_t chunks) {
    if (a->bytes != b->bytes || a->memory != b->memory || !chunks || a->measured < chunks || b->measured < chunks) return false;
    for (size_t k = 0; k < chunks; k++) {
        const wt_chunk_score *x = &a->scores[k], *y = &b->scores[k];
        if (x->kld != y->kld || x->logp != y->logp || x->same_top != y->same_top) return false;
    }
    return true;
}

static bool same_call(void *user, size_t a, size_t b, size_t chunks) {
    const loop *l = user;
    return is_echo(l->pool[a], l->pool[b], chunks);
}

static int race(loop *l, wt_race_entry *entries) {
    const wt_rules *r = l->c->rules;
    const size_t chunks = wt_exam_chunks(l->c->search);
    const wt_race_options options = {.candidates = l->pool_count,
                                     .chunks = chunks,
                                     .block = l->hold ? l->block : chunks,
                                     .keep = r->population < l->pool_count ? r->population : l->pool_count,
                                     .level = r->level,
                                     .to_the_end = true};
    const wt_race_calls calls = {measure_call, may_beat_call, same_call, l};
    size_t measured;
    if (wt_race_run(&options, &calls, entries, &measured, l->err) != 0) return -1;
    size_t ran = l->pool_count;
    for (size_t i = 0; i < l->pool_count; i++) { /* the budget did not reach so far */
        if (l->pool[i]->measured > 0 || l->pool[i]->cause[0]) continue;
        measured -= entries[i].chunks;
        ran--;
    }
    l->e->raced_tokens += measured * l->c->search_chunks->context;
    l->e->full_tokens += ran * chunks * l->c->search_chunks->context;
    return 0;
}

/* Fills the numbers that selection sees of `n` individuals. */
static int fill_standings(const loop *l, wt_individual *const *list, size_t n, wt_standings *s, double **storage) {
    const wt_rules *r = l->c->rules;
    const size_t axes = r->axis_count ? r->axis_count : 1, cases = wt_exam_chunks(l->c->search);
    double *values = wt_calloc(n * (axes + 1 + cases) + axes + 1, sizeof *values, l->err);
    if (!(*storage = values)) return -1;
    double *weights = values + n * axes, *broken = weights + axes, *per_case = broken + n;
    for (size_t k = 0; k < axes; k++) weights[k] = r->axis_count ? r->axes[k].weight : 1;
    for (size_t i = 0; i < n; i++) {
        const wt_measured m = wt_contest_view(l->c, list[i]);
        for (size_t k = 0; k < axes; k++) {
            const wt_axis *axis = r->axis_count ? wt_contest_axis(l->c, r->axes[k].axis) : l->first;
            const double v = axis ? wt_axis_value(axis, &m) : 0;
            values[i * axes + k] = axis && axis->higher ? -v : v;
        }
        broken[i] = wt_contest_violation(l->c, list[i]);
        for (size_t c = 0; c < cases; c++)
            per_case[i * cases + c] = c < list[i]->measured ? l->first->of_chunk(&list[i]->scores[c]) : NAN;
    }
    *s = (wt_standings){n, axes, cases, values, weights, broken, per_case};
    return 0;
}

/* The next population, best first by the first axis, out of the pool's living that were not eliminated. */
static int select_population(loop *l, const wt_race_entry *entries) {
    wt_evolution *e = l->e;
    wt_individual **left = wt_calloc(l->pool_count + 1, sizeof *left, l->err);
    size_t *chosen = wt_calloc(l->pool_count + 1, sizeof *chosen, l->err), n = 0;
    double *storage = NULL;
    wt_standings s;
    wt_rng rng;
    int rc = -1;
    if (!left || !chosen) goto done;
    for (size_t i = 0; i < l->pool_count; i++) {
        if (l->pool[i]->cause[0] || !l->pool[i]->measured) continue; /* the latter: the budget did not reach so far */
        if (entries[i].eliminated) {
            l->eliminated++;
            continue;
        }
        size_t first = 0; /* the older of two that compute the same stays */
        while (first < n && !is_echo(left[first], l->pool[i], wt_exam_chunks(l->c->search))) first++;
        if (first < n) continue;
        if (interrupted(l) != 0 || wt_contest_finals(l->c, l->pool[i], false, l->err) != 0) goto done;
        if (!l->hold) wt_contest_rest(l->pool[i]);
        if (l->pool[i]->cause[0])
            note_death(l, l->pool[i]);
        else
            left[n++] = l->pool[i];
    }
    const size_t keep = l->c->rules->population < n ? l->c->rules->population : n;
    wt_rng_init(&rng, l->c->rules->seed, l->generation, UINT64_MAX);
    if (fill_standings(l, left, n, &s, &storage) != 0 ||
        wt_selection_of(l->c->rules->selection)(&s, keep, &rng, chosen, l->err) != 0)
        goto done;
    for (size_t i = 0; i < keep; i++) e->population[i] = left[chosen[i]];
    e->population_count = keep;
    for (size_t i = 1; i < keep; i++) { /* parents are picked by place: the best of the first axis first */
        wt_individual *x = e->population[i];
        size_t at = i;
        for (; at > 0 && wt_individual_value(l->c, e->population[at - 1]) > wt_individual_value(l->c, x); at--)
            e->population[at] = e->population[at - 1];
        e->population[at] = x;
    }
    rc = 0;
done:
    free(left);
    free(chosen);
    free(storage);
    return rc;
}

/* Whether somebody who races makes the very same of the model: twins would crowd out others, and tell nothing. */
static bool has_twin(const loop *l, const wt_individual *i) {
    for (size_t k = 0; k < l->pool_count; k++)
        if (l->pool[k]->budget == i->budget && wt_hash_equal(l->pool[k]->makes, i->makes)) return true;
    return false;
}

/* Children of this generation, planned; those that live and have the whole size enter the pool. */
static int bear(loop *l, size_t count, double tried[WT_MADE_LIMIT]) {
    wt_evolution *e = l->e;
    wt_parents parents = {e->population, e->population_count};
    wt_parents with_humans = {NULL, 0};
    int rc = 0;
    if (l->c->rules->humans == WT_HUMANS_BREED && e->human_count) { /* they stand behind the population */
        wt_individual **both = wt_calloc(e->population_count + e->human_count, sizeof *both, l->err);
        if (!both) return -1;
        if (e->population_count) memcpy(both, e->population, e->population_count * sizeof *both);
        memcpy(both + e->population_count, e->humans, e->human_count * sizeof *both);
        with_humans = (wt_parents){both, e->population_count + e->human_count};
    }
    for (size_t k = 0; rc == 0 && k < count; k++) {
        wt_individual *i = add_individual(l);
        if (!i || interrupted(l) != 0) {
            rc = -1;
            break;
        }
        rc = wt_birth(l->c, with_humans.items ? &with_humans : &parents, &e->operators, e->size, l->generation, k, i, l->err);
        if (rc != 0) break;
        tried[i->made_with] += 1;
        l->born++;
        if ((rc = wt_contest_plan(l->c, i, l->err)) != 0) break;
        if (!i->cause[0] && i->budget == e->size) rc = wt_contest_makes(l->c, i, l->err);
        wt_contest_rest(i);
        if (rc != 0) break;
        if (i->cause[0])
            note_death(l, i);
        else if (i->budget == e->size && !has_twin(l, i))
            l->pool[l->pool_count++] = i;
        view(l, l->pool_count);
    }
    free((void *)with_humans.items);
    return rc;
}

/* Those of this generation's `count` children that were made for less than the size: they enter the archive alone. */
static int measure_smaller(loop *l, size_t count) {
    wt_evolution *e = l->e;
    for (size_t k = e->count - count; k < e->count; k++) { /* children are the last ones there */
        wt_individual *i = e->all[k];
        bool over;
        if (i->cause[0] || i->budget >= e->size) continue;
        if (is_over(l, i, &over) != 0) return -1;
        if (over) return 0;
        if (measure_whole(l, i) != 0) return -1;
        if (!i->cause[0] && wt_archive_offer(&e->archive, i, wt_individual_value(l->c, i), value_of, l->c, l->err) < 0)
            return -1;
    }
    return 0;
}

static double diversity(const wt_evolution *e) {
    double sum = 0;
    size_t pairs = 0;
    for (size_t i = 0; i < e->population_count; i++)
        for (size_t k = 0; k < i; k++, pairs++)
            sum += wt_strategy_distance(&e->population[i]->strategy, &e->population[k]->strategy);
    return pairs ? sum / (double)pairs : 0;
}

static int record(loop *l, uint64_t deaths, uint64_t eliminated, uint64_t born) {
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

/* Who stayed of this generation's children, by the operator that made them. */
static void count_stayed(const loop *l, double stayed[WT_MADE_LIMIT]) {
    for (size_t i = 0; i < l->e->population_count; i++) {
        const wt_individual *p = l->e->population[i];
        if (p->generation == l->generation && p->made_with >= 0) stayed[p->made_with] += 1;
    }
}

static int generation(loop *l) {
    wt_evolution *e = l->e;
    const wt_rules *r = l->c->rules;
    const size_t children = l->generation == 0 ? wt_evolve_most(r) : r->offspring;
    const uint64_t deaths = l->deaths, eliminated = l->eliminated, born = l->born, evaluations = l->c->counts.evaluations;
    double tried[WT_MADE_LIMIT] = {0}, stayed[WT_MADE_LIMIT] = {0};
    wt_race_entry *entries = wt_calloc(e->population_count + children + 1, sizeof *entries, l->err);
    l->pool = wt_calloc(e->population_count + children + 1, sizeof *l->pool, l->err);
    l->pool_count = 0;
    int rc = entries && l->pool ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < e->population_count; i++) l->pool[l->pool_count++] = e->population[i];
    if (rc == 0) rc = bear(l, children, tried);
    if (rc == 0 && l->pool_count) rc = race(l, entries);
    if (rc == 0 && l->pool_count) rc = select_population(l, entries);
    if (rc == 0) rc = measure_smaller(l, children);
    l->hollow = l->cut && l->c->counts.evaluations == evaluations;
    if (rc == 0 && !l->hollow) {
        const double best = e->population_count ? wt_individual_value(l->c, e->population[0]) : INFINITY;
        const bool progress = best < (isfinite(l->best) ? l->best - fabs(l->best) * PROGRESS : INFINITY);
        l->stale = progress ? 0 : l->stale + 1;
        if (best < l->best) l->best = best;
        count_stayed(l, stayed);
        wt_operator_learn(&e->operators, tried, stayed);
        for (size_t i = 0; rc == 0 && i < e->population_count; i++)
            rc = wt_archive_offer(&e->archive, e->population[i], wt_individual_value(l->c, e->population[i]), value_of, l->c,
                                  l->err) < 0
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
    loop *l = user;
    if (g->number + 1 <= l->known) return 0;
    l->known = g->number + 1;
    l->last = g->evaluations;
    return 0;
}

/* How it ended, and the count of evaluations by which it ends the same without a clock. */
static int note_end(loop *l, const char *reason) {
    char text[24];
    snprintf(l->e->ended, sizeof l->e->ended, "%s", reason);
    snprintf(text, sizeof text, "%" PRIu64, l->finished);
    return wt_store_set(l->c->store, "repeat_evaluations", text, l->err);
}

/* Whether nobody lives, and it looks as if nobody ever will. */
static int check_barren(const loop *l) {
    if (l->e->population_count > 0 || l->generation < MOST_BARREN) return 0;
    wt_fail(l->err, WT_ERR_ARGUMENT, "no strategy lived in %d generations; the last died of %s", MOST_BARREN,
            l->last_death[0] ? l->last_death : "nothing that is known");
    return wt_hint(l->err, "the rules ask for what cannot be: allow more bytes or memory, or more types");
}

int wt_evolve(wt_contest *c, const wt_evolve_calls *calls, wt_evolution *e, wt_error *err) {
    const wt_rules *r = c->rules;
    loop l = {.c = c, .e = e, .calls = calls, .best = INFINITY, .block = r->race_block ? r->race_block : 8, .err = err};
    *e = (wt_evolution){.size = size_of(c)};
    l.first = wt_individual_axis(c);
    const uint64_t held = r->max_memory && r->max_memory / 8 < HELD_BYTES ? r->max_memory / 8 : HELD_BYTES;
    l.hold = wt_evolve_most(r) * e->size <= held;
    if (!(e->population = wt_calloc(r->population + 1, sizeof *e->population, err))) return -1;
    wt_error own = {0};
    l.err = &own;
    int rc = wt_budget_open(&l.budget, c, calls, &own);
    if (rc == 0) rc = wt_store_each_generation(c->store, count_generation, &l, &own) == 0 ? add_humans(&l) : -1;
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
