/* Which kind of variation makes the next individual: those whose children come ahead of all their parents are tried more often, none is given up. */
#ifndef WT_SURVIVE_OPERATORS_H
#define WT_SURVIVE_OPERATORS_H

#include "strategy/strategy.h"

/* Raised whenever the rates or their learning change: a run that goes on bears the same children again, and is refused where it cannot. */
#define WT_OPERATORS_VERSION "2"

/* Those of strategies, and one of the arena's own: the plan of a rule, pinned tensor by tensor. */
enum { WT_MADE_FREEZE = WT_OPERATORS, WT_MADE_LIMIT };

typedef struct wt_operator_counts {
    double tried[WT_MADE_LIMIT],
        stayed[WT_MADE_LIMIT]; /* stayed: in the population, ahead of the parents; older generations count less */
} wt_operator_counts;

const char *wt_made_by(int made);

/* The rates, in sum 1, of those that `allowed` (bit per operator) has. */
void wt_operator_rates(const wt_operator_counts *counts, uint32_t allowed, double rates[WT_MADE_LIMIT]);
int wt_operator_draw(const wt_operator_counts *counts, uint32_t allowed, wt_rng *rng);

/* Takes note of one generation's children. */
void wt_operator_learn(wt_operator_counts *counts, const double tried[WT_MADE_LIMIT], const double stayed[WT_MADE_LIMIT]);

#endif
