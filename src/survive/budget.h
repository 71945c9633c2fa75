/*
 * The compute budget of a run: evaluations, tokens, minutes. It ends a run at a generation's boundary, or before the next individual of a
 * generation is measured: those who were not measured then never lived. Where a clock ended it, the store keeps after how many evaluations, so
 * that the run ends there every time it is gone through again, and a run by that many evaluations ends there too.
 */
#ifndef WT_SURVIVE_BUDGET_H
#define WT_SURVIVE_BUDGET_H

#include "survive/evolve.h"

typedef struct wt_budget {
    const wt_contest *contest;
    const wt_evolve_calls *calls;
    uint64_t cut; /* 1 + the evaluations after which the clock ended the run; 0: it did not */
} wt_budget;

/* Not 0: the store cannot be read. */
int wt_budget_open(wt_budget *budget, const wt_contest *contest, const wt_evolve_calls *calls, wt_error *err);
/* Forgets where a clock ended the run, which gets more of it. */
int wt_budget_extend(wt_run_store *store, wt_error *err);

/* The share that is spent, 0..1 and above; NaN: there is no end to it. */
double wt_budget_spent(const wt_budget *budget);

/*
 * Whether it ends before `next`, whom nothing was measured of, is measured. Who was measured when the run was here before is so again, whatever
 * the clock says. Where it is the clock that ends it, the store is told; not 0: it cannot be.
 */
int wt_budget_ends(wt_budget *budget, const wt_individual *next, bool *ends, wt_error *err);
/*
 * Why a generation was the last one; *reason is NULL where it was not. `replayed`: the generation that comes next happened before. As above, the
 * store is told of a clock.
 */
int wt_budget_reason(wt_budget *budget, bool replayed, const char **reason, wt_error *err);

#endif
