/* The people who compete: methods and presets at about the budget's size. */
#include <stdio.h>

#include "apply/humans.h"
#include "base/memory.h"
#include "survive/evolve_private.h"

/* Humans of other sizes than about the budget's tell nothing. */
#define HUMAN_LEAST 0.55

/* Plans a human, who competes where the size is about the budget's; others are swept. */
static int add_human(wt_loop *l, const wt_human_info *info) {
    wt_evolution *e = l->e;
    wt_individual *i = wt_loop_add(l);
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
static void choose_humans(wt_loop *l) {
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

int wt_loop_add_humans(wt_loop *l) {
    wt_human_info info;
    wt_evolution *e = l->e;
    size_t count = 0;
    if (l->c->rules->humans == WT_HUMANS_ABSENT) return 0;
    while (wt_human_at(count, &info)) count++;
    if (!(e->humans = wt_calloc(count + 1, sizeof *e->humans, l->err))) return -1;
    for (size_t k = 0; k < count; k++) {
        wt_human_at(k, &info);
        /* labelled types of no bits to speak of, and what only the newest runtimes know, compete nowhere */
        if (info.preset &&
            (!(wt_types_usual() >> info.preset->type & 1) || wt_type_find(info.preset->type)->block == 1))
            continue;
        if (add_human(l, &info) != 0) return -1;
    }
    choose_humans(l);
    for (size_t k = 0; k < e->human_count; k++)
        if (wt_loop_measure_whole(l, e->humans[k]) != 0) return -1;
    return 0;
}
