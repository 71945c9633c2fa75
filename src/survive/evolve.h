/*
 * The loop: generation, laws, race, selection, variation, archive, until an end. It holds no numbers of its own: what is valued, and for how
 * long, is in the rules. A run is a function of (model, texts, rules, seed, build): to resume one is to run it again with a
 * store that knows the answers up to where it was cut off.
 */
#ifndef WT_SURVIVE_EVOLVE_H
#define WT_SURVIVE_EVOLVE_H

#include "survive/archive.h"
#include "survive/operators.h"

/* What a live view shows. */
typedef struct wt_evolve_status {
    uint64_t generation, population, left; /* left: that are still in the race */
    wt_contest_counts counts;
    double best, best_human;    /* of the first axis on the search text; NaN: nobody yet */
    const char *best_human_label;
    const char *last_death;     /* "" none yet */
    uint64_t deaths, eliminated;
    double encoded_hits, state_reuse; /* shares, 0..1 */
    double spent;               /* share of the compute budget, 0..1; NaN: there is none */
} wt_evolve_status;

typedef struct wt_evolve_calls {
    void (*view)(void *user, const wt_evolve_status *status); /* after every measurement; may be NULL */
    double (*clock)(void *user); /* seconds since the run began, over all its processes */
    void *user;
} wt_evolve_calls;

/* How it went. Everything belongs to it: release with wt_evolution_release. */
typedef struct wt_evolution {
    wt_individual **all; /* everybody who is still of use: population, elites, humans */
    size_t count, cap;
    wt_individual **population; /* best first */
    size_t population_count;
    wt_individual **humans;
    size_t human_count;
    wt_archive archive;
    wt_operator_counts operators;
    uint64_t generations;
    uint64_t raced_tokens, full_tokens; /* what races measured, and what measuring all on everything would have */
    char ended[96];
    uint64_t size;              /* the budget, bytes */
    double *scratch;
} wt_evolution;

/*
 * Runs to an end; interrupted by the contest's progress, it ends too ("interrupted"), with what there is. The population is measured on
 * the whole search part.
 */
int wt_evolve(wt_contest *c, const wt_evolve_calls *calls, wt_evolution *evolution, wt_error *err);
/* Individuals that race side by side at most: all that are born for the first generation, or population and children of a later one. */
uint64_t wt_evolve_most(const wt_rules *rules);
/* Children of the first generation: the rules' number, or three times the offspring, or population and offspring together. */
uint64_t wt_evolve_first(const wt_rules *rules);

void wt_evolution_release(wt_evolution *evolution);

/* The first axis' mean over the search part, lower being better. */
double wt_individual_value(const wt_contest *c, const wt_individual *individual);
/* The axis that it is on: the rules' first one where chunks have it, else the divergence. */
const wt_axis *wt_individual_axis(const wt_contest *c);

#endif
