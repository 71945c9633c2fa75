/*
 * Everybody who ever lived in a run, as its store tells it: who they are, what became of them, and their figures on the text that was
 * searched on. For commands that look at runs without their models.
 */
#ifndef WT_REPORT_POPULATION_H
#define WT_REPORT_POPULATION_H

#include "base/memory.h"
#include "store/store.h"

/* One individual. Strings live as long as the population. */
typedef struct wt_record {
    wt_stored_individual row;
    bool human;
    size_t measured;       /* chunks of the search part, from the first on */
    double kld;            /* mean over them, nats; NaN: not measured */
    double kld_stderr;     /* over chunks; NaN with fewer than two */
    double same_top, perplexity_ratio;
    const wt_stored_verdict *verdict; /* on the holdout text; NULL: none */
} wt_record;

typedef struct wt_population {
    wt_record *items; /* in the order of birth */
    size_t count, cap;
    wt_stored_verdict *verdicts;
    size_t verdict_count, verdict_cap;
    size_t chunks;    /* of the search part: the most that anybody was measured on */
    wt_arena strings;
} wt_population;

/* Release with wt_population_release, also after failure. */
int wt_population_read(wt_population *p, wt_run_store *store, wt_error *err);
void wt_population_release(wt_population *p);

/*
 * The individual of that name, of a beginning of it that no other has, of a human's label, or "#ID". Where a strategy was tried at several
 * budgets, the one that survived, otherwise the one of the largest budget that lived. NULL and an error that says what there is.
 */
const wt_record *wt_population_find(const wt_population *p, const char *word, wt_error *err);
const wt_record *wt_population_by_id(const wt_population *p, int64_t id); /* NULL: none */

/* Whether it lives and was measured on the whole search part, so that its figures compare with others'. */
bool wt_record_compares(const wt_population *p, const wt_record *r);

/*
 * The best of those that compare by mean divergence, of at most `bytes` (0: any) and a mean divergence of at most `max_kld` (0: any);
 * without a size the smallest that keeps `max_kld`. NULL where there is none.
 */
const wt_record *wt_population_pick(const wt_population *p, uint64_t bytes, double max_kld);

/* Those that compare, the least mean divergence first: [*count], free() it. */
const wt_record **wt_population_ranked(const wt_population *p, size_t *count, wt_error *err);

#endif
