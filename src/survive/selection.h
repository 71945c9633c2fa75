/*
 * Who stays: a way to select is one file with one function of this shape. It sees numbers alone: what was measured on each axis, lower being
 * better on all of them, by how much a constraint is broken, and the cases that an axis consists of.
 */
#ifndef WT_SURVIVE_SELECTION_H
#define WT_SURVIVE_SELECTION_H

#include "base/error.h"
#include "base/rng.h"
#include "survive/rules.h"

/* The individuals that selection chooses from. */
typedef struct wt_standings {
    size_t count, axes, cases;
    const double *values;    /* [count, axes] lower is better, finite */
    const double *weights;   /* [axes] */
    const double *violation; /* [count] 0: meets the constraints; otherwise by what share it breaks them, in sum */
    const double *per_case;  /* [count, cases] the first axis, chunk by chunk; NaN: not measured there */
} wt_standings;

/* chosen [keep] = the best, best first; keep <= count. Deterministic, but for what it draws. */
typedef int (*wt_select_fn)(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err);

int wt_select_pareto(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err);
int wt_select_lexicase(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err);
int wt_select_score(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err);

wt_select_fn wt_selection_of(wt_selection selection);

/* Whether a is at least as good as b on all axes and better on one; who breaks constraints less goes before all that. */
bool wt_dominates(const wt_standings *s, size_t a, size_t b);

#endif
