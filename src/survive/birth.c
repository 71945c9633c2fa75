#include "survive/birth.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 6, TOURNAMENT = 2, MOST_FURTHER = 2 };

/* How often one more mutation follows the first: two genes may be worth something together that neither is alone. */
#define FURTHER 0.3

/* Bytes beside blocks and text that a file may have more than its parent's: what aligns tensors. */
#define SLACK 64

int wt_freeze(const wt_individual *parent, wt_strategy *out, wt_error *err) {
    json_t *types = parent->types ? json_loads(parent->types, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    int rc = types ? wt_strategy_copy(out, &parent->strategy, err) : wt_fail(err, WT_ERR_ARGUMENT, "a parent without a plan");
    if (rc != 0) {
        json_decref(types);
        return rc;
    }
    json_object_foreach(types, name, value) {
        int type = wt_type_by_name(json_string_value(value) ? json_string_value(value) : "");
        if (rc == 0 && type >= 0) rc = wt_pins_set(&out->genes[WT_GENE_ALLOC_PINS].pins, name, (wt_type)type, err);
    }
    json_decref(types);
    if (rc != 0) wt_strategy_release(out);
    return rc;
}

/* The better of a few: parents stand best first. */
static const wt_individual *pick(const wt_parents *p, wt_rng *rng) {
    size_t best = p->count - 1;
    for (int i = 0; i < TOURNAMENT; i++) {
        size_t at = wt_rng_below(rng, p->count);
        best = at < best ? at : best;
    }
    return p->items[best];
}

/* What may be done to this parent. */
static uint32_t allowed_for(const wt_contest *c, const wt_individual *parent) {
    uint32_t all = (1u << WT_MADE_LIMIT) - 1;
    if (!c->rules->rule_species && !parent->pinned) return 1u << WT_MADE_FREEZE; /* a human's child is pinned first of all */
    if (parent->pinned || !c->rules->pinned_species || !parent->types) all &= ~(1u << WT_MADE_FREEZE);
    return all;
}

static int make(wt_contest *c, const wt_parents *parents, const wt_operator_counts *counts, wt_rng *rng,
                wt_individual *child, wt_error *err) {
    wt_scope scope = c->scope;
    child->parents[0] = child->parents[1] = 0;
    child->pinned = scope.all_pinned = !c->rules->rule_species;
    child->made_with = WT_OPERATOR_RANDOM;
    if (parents->count == 0) return wt_strategy_random(&child->strategy, &scope, rng, err);
    const wt_individual *a = pick(parents, rng);
    const int made = wt_operator_draw(counts, allowed_for(c, a), rng);
    child->made_with = made;
    if (made == WT_OPERATOR_RANDOM) return wt_strategy_random(&child->strategy, &scope, rng, err);
    child->parents[0] = a->id;
    child->pinned = scope.all_pinned = a->pinned;
    if (made == WT_MADE_FREEZE) {
        child->pinned = true;
        return wt_freeze(a, &child->strategy, err);
    }
    if (made == WT_OPERATOR_CROSS) {
        const wt_individual *b = pick(parents, rng);
        child->parents[1] = b->id;
        child->pinned = scope.all_pinned = a->pinned && (b->pinned || !c->rules->rule_species);
        return wt_strategy_cross(&child->strategy, &a->strategy, &b->strategy, &scope, rng, err);
    }
    wt_operator done;
    int rc = wt_strategy_mutate(&child->strategy, &a->strategy, &scope, (wt_operator)made, rng, &done, err);
    child->made_with = (int)done;
    for (int i = 0; rc == 0 && i < MOST_FURTHER && wt_rng_uniform(rng) < FURTHER; i++) {
        wt_strategy once = child->strategy;
        rc = wt_strategy_mutate(&child->strategy, &once, &scope, WT_OPERATORS, rng, NULL, err);
        wt_strategy_release(&once);
    }
    return rc;
}

/*
 * Types that are all pinned do not follow the budget, which may be less than the parent's, and their names are bytes of the file too: the child
 * gives up as many bits as it takes.
 */
static int fit(const wt_contest *c, const wt_individual *parent, wt_individual *child, wt_rng *rng, wt_error *err) {
    wt_strategy frozen;
    char *before = wt_strategy_print(&parent->strategy, err),
         *after = before ? wt_strategy_print(&child->strategy, err) : NULL;
    const int rc = after ? wt_freeze(parent, &frozen, err) : -1;
    if (rc == 0) {
        wt_pins *pins = &child->strategy.genes[WT_GENE_ALLOC_PINS].pins;
        const double text = (double)strlen(after) - (double)strlen(before);
        const double blocks =
            wt_pins_bytes(pins, &c->scope) - wt_pins_bytes(&frozen.genes[WT_GENE_ALLOC_PINS].pins, &c->scope);
        wt_pins_shrink(pins, &c->scope, (double)parent->bytes + blocks + text + SLACK - (double)child->budget, rng);
        wt_strategy_release(&frozen);
    }
    free(before);
    free(after);
    return rc;
}

static const wt_individual *parent_of(const wt_parents *p, const wt_individual *child) {
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i]->id == child->parents[0]) return p->items[i];
    return NULL;
}

static bool is_parent(const wt_parents *p, const wt_individual *child) {
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i]->budget == child->budget && strcmp(p->items[i]->name, child->name) == 0) return true;
    return false;
}

int wt_birth(wt_contest *c, const wt_parents *parents, const wt_operator_counts *counts, uint64_t size, uint64_t generation,
             uint64_t place, wt_individual *child, wt_error *err) {
    wt_rng rng;
    wt_rng_init(&rng, c->rules->seed, generation, place);
    child->generation = generation;
    child->place = place;
    child->budget = size;
    if (wt_rng_uniform(&rng) < c->rules->smaller) child->budget = (uint64_t)((double)size * (0.7 + 0.28 * wt_rng_uniform(&rng)));
    for (int i = 0; i < TRIES; i++) {
        if (i > 0) wt_strategy_release(&child->strategy);
        if (make(c, parents, counts, &rng, child, err) != 0) return -1;
        const wt_individual *parent = child->pinned ? parent_of(parents, child) : NULL;
        if (parent && parent->types && fit(c, parent, child, &rng, err) != 0) return -1;
        if (wt_strategy_name(&child->strategy, child->name, err) != 0) return -1;
        if (!is_parent(parents, child)) break;
    }
    child->made_by = wt_made_by(child->made_with);
    return 0;
}
