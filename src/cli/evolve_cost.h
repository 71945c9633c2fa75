/* What a run will cost, said before it starts; what cannot fit is refused before anything is measured. */
#ifndef WT_CLI_EVOLVE_COST_H
#define WT_CLI_EVOLVE_COST_H

#include "cli/encoding_cost.h"
#include "cli/run_session.h"

typedef struct wt_evolve_cost {
    uint64_t least;     /* memory without which nothing works, bytes */
    uint64_t most;      /* with every cache full */
    uint64_t limit;     /* the rules' max_memory, or what is free */
    uint64_t temporary; /* of Gram matrices in TMPDIR, which the kernel maps */
    uint64_t disk;      /* of the survivors' files */
} wt_evolve_cost;

/* By the model's shape and the rules; chunks are counted where the texts are cut, and otherwise the rules' most. */
void wt_evolve_cost_count(const wt_run_session *run, wt_evolve_cost *cost);

/* Fails where memory or disk cannot hold a run, saying what is needed, what there is, and what would make it smaller. */
int wt_evolve_cost_check(const wt_run_session *run, wt_error *err);

/* Seconds of an evaluation, planning included and nothing reused. */
typedef struct wt_evolve_time {
    double plain, fed; /* without and with error feedback */
} wt_evolve_time;

/* Whether so many evaluations fit into the rules' minutes, if they have any. */
bool wt_evolve_time_fits(const wt_evolve_time *time, const wt_rules *rules, bool fed, uint64_t evaluations);

/*
 * Notes memory, what an evaluation takes, and what bounds the search. `seconds`: what the exact model took for the search part; an evaluation
 * adds the head, twice, and `encoding`.
 */
wt_evolve_time wt_evolve_cost_announce(const wt_run_session *run, double seconds, const wt_encoding_cost *encoding);

#endif
