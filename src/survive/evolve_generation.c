/* One generation: who is born, races and stays. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "survive/birth.h"
#include "survive/evolve_private.h"
#include "survive/selection.h"

/* A first generation has more children than are wanted, up to so many, while there is nobody among them who can race. */
enum { MOST_FIRST = 32 };

/* ---- births ---- */

/* Whether somebody who races makes the very same of the model: twins would crowd out others, and tell nothing. */
static bool has_twin(const wt_loop *l, const wt_individual *i) {
    for (size_t k = 0; k < l->pool_count; k++)
        if (l->pool[k]->budget == i->budget && wt_hash_equal(l->pool[k]->makes, i->makes)) return true;
    return false;
}

int wt_loop_bear(wt_loop *l, size_t *count, double tried[WT_MADE_LIMIT]) {
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
    const size_t wanted = *count, most = l->generation == 0 && wanted < MOST_FIRST ? MOST_FIRST : wanted;
    for (size_t k = 0; rc == 0 && (k < wanted || (k < most && l->pool_count == 0)); k++) {
        *count = k + 1;
        wt_individual *i = wt_loop_add(l);
        if (!i || wt_loop_interrupted(l) != 0) {
            rc = -1;
            break;
        }
        rc = wt_birth(l->c, with_humans.items ? &with_humans : &parents, &e->operators, e->size, l->generation, k, i,
                      l->err);
        if (rc != 0) break;
        tried[i->made_with] += 1;
        l->born++;
        if ((rc = wt_contest_plan(l->c, i, l->err)) != 0) break;
        if (!i->cause[0] && i->budget == e->size) rc = wt_contest_makes(l->c, i, l->err);
        wt_contest_rest(i);
        if (rc != 0) break;
        if (i->cause[0])
            wt_loop_note_death(l, i);
        else if (i->budget == e->size && !has_twin(l, i))
            l->pool[l->pool_count++] = i;
        wt_loop_view(l, l->pool_count);
    }
    free((void *)with_humans.items);
    return rc;
}

/* ---- the race ---- */

/* Whether the budget ends before an individual is measured at all. */
static int is_over(wt_loop *l, const wt_individual *i, bool *over) {
    *over = false;
    if (i->measured > 0 || i->cause[0]) return 0;
    const int rc = wt_budget_ends(&l->budget, i, over, l->err);
    l->cut |= *over;
    return rc;
}

/* Whether nobody who races was measured and lives: without one there is nothing to end with, whatever the budget says. */
static bool is_empty(const wt_loop *l) {
    for (size_t k = 0; k < l->pool_count; k++)
        if (l->pool[k]->measured > 0 && !l->pool[k]->cause[0]) return false;
    return true;
}

static int measure_call(void *user, size_t candidate, size_t first, size_t count, double *scores, wt_error *err) {
    wt_loop *l = user;
    wt_individual *i = l->pool[candidate];
    const bool alive = !i->cause[0];
    bool over = false;
    if (wt_loop_interrupted(l) != 0 || (!is_empty(l) && is_over(l, i, &over) != 0)) return -1;
    if (!over && wt_contest_measure(l->c, i, first + count, err) != 0) return -1;
    if (alive && i->cause[0]) wt_loop_note_death(l, i);
    if (!l->hold) wt_contest_rest(i);
    for (size_t k = 0; k < count; k++)
        scores[k] = i->cause[0] || over ? 1e30 : l->first->of_chunk(&i->scores[first + k]);
    wt_loop_view(l, l->pool_count);
    return 0;
}

/* Nobody is sent home by somebody who is larger, where size is among the axes. */
static bool may_beat_call(void *user, size_t rival, size_t candidate) {
    const wt_loop *l = user;
    const wt_measured a = wt_contest_view(l->c, l->pool[rival]), b = wt_contest_view(l->c, l->pool[candidate]);
    for (unsigned k = 0; k < l->c->rules->axis_count; k++) {
        const wt_axis *axis = wt_axis_find(l->c->rules->axes[k].axis);
        if (axis && axis->exact && axis->value(&a) > axis->value(&b)) return false;
    }
    return true;
}

/* Whether two have the same size and, on the first `chunks` chunks, the same scores: they compute the same, and one of them says nothing new. */
static bool is_echo(const wt_individual *a, const wt_individual *b, size_t chunks) {
    if (a->bytes != b->bytes || a->memory != b->memory || !chunks || a->measured < chunks || b->measured < chunks)
        return false;
    for (size_t k = 0; k < chunks; k++) {
        const wt_chunk_score *x = &a->scores[k], *y = &b->scores[k];
        if (x->kld != y->kld || x->logp != y->logp || x->same_top != y->same_top) return false;
    }
    return true;
}

static bool same_call(void *user, size_t a, size_t b, size_t chunks) {
    const wt_loop *l = user;
    return is_echo(l->pool[a], l->pool[b], chunks);
}

int wt_loop_race(wt_loop *l, wt_race_entry *entries) {
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
static int fill_standings(const wt_loop *l, wt_individual *const *list, size_t n, wt_standings *s, double **storage) {
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
int wt_loop_select(wt_loop *l, const wt_race_entry *entries) {
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
        if (wt_loop_interrupted(l) != 0 || wt_contest_finals(l->c, l->pool[i], false, l->err) != 0) goto done;
        if (!l->hold) wt_contest_rest(l->pool[i]);
        if (l->pool[i]->cause[0])
            wt_loop_note_death(l, l->pool[i]);
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

/* ---- those of smaller sizes ---- */

int wt_loop_measure_smaller(wt_loop *l, size_t count) {
    wt_evolution *e = l->e;
    for (size_t k = e->count - count; k < e->count; k++) { /* children are the last ones there */
        wt_individual *i = e->all[k];
        bool over;
        if (i->cause[0] || i->budget >= e->size) continue;
        if (is_over(l, i, &over) != 0) return -1;
        if (over) return 0;
        if (wt_loop_measure_whole(l, i) != 0) return -1;
        if (!i->cause[0] &&
            wt_archive_offer(&e->archive, i, wt_individual_value(l->c, i), wt_loop_value, l->c, l->err) < 0)
            return -1;
    }
    return 0;
}
