/*
 * What the parts of an evolution share: the loop over generations (evolve.c), the humans (evolve_humans.c), and one generation:
 * who is born, races and stays (evolve_generation.c).
 */
#ifndef WT_SURVIVE_EVOLVE_PRIVATE_H
#define WT_SURVIVE_EVOLVE_PRIVATE_H

#include "survive/budget.h"
#include "survive/race.h"

typedef struct wt_loop {
    wt_contest *c;
    wt_evolution *e;
    const wt_evolve_calls *calls;
    const wt_axis *first; /* axis */
    uint64_t next_id, generation, stale, deaths, eliminated, born, block;
    uint64_t known;    /* generations that the store has from before: they happen again, whatever the clock says */
    uint64_t last;     /* evaluations at the end of the last one of them */
    uint64_t finished; /* evaluations at the last generation's end */
    uint64_t idle;     /* generations in a row that measured nobody new */
    double best;
    wt_individual **pool; /* who races */
    size_t pool_count;
    bool hold;
    bool cut,
        hollow; /* the budget ended a generation in its middle; before anybody of it was measured, as if it had never begun */
    wt_budget budget;
    char last_death[420];
    wt_error *err;
} wt_loop;

/* A new individual, which the evolution owns. NULL: no memory. */
wt_individual *wt_loop_add(wt_loop *l);
void wt_loop_note_death(wt_loop *l, const wt_individual *i);
/* Shows how it stands, with `left` still in the race. */
void wt_loop_view(wt_loop *l, size_t left);
/* Not 0: somebody wants it to end. */
int wt_loop_interrupted(wt_loop *l);
/* On all chunks, unless it dies before. */
int wt_loop_measure_whole(wt_loop *l, wt_individual *i);
/* wt_individual_value, as archives call it; user: the contest. */
double wt_loop_value(void *user, const wt_individual *i);

/* The human methods and presets that compete, measured. */
int wt_loop_add_humans(wt_loop *l);

/*
 * `*count` children of this generation, planned; those that live and have the whole size enter the pool. *count becomes what there are: a
 * first generation has more where nobody lives.
 */
int wt_loop_bear(wt_loop *l, size_t *count, double tried[WT_MADE_LIMIT]);
/* entries [pool_count] */
int wt_loop_race(wt_loop *l, wt_race_entry *entries);
/* The next population, best first by the first axis, out of the pool's living that were not eliminated. */
int wt_loop_select(wt_loop *l, const wt_race_entry *entries);
/* Those of this generation's `count` children that were made for less than the size: they enter the archive alone. */
int wt_loop_measure_smaller(wt_loop *l, size_t count);

#endif
