/*
 * The arena: a model, its texts and the store, and individuals that are planned and measured there. What the store knows already is
 * not done again, so that a run which is repeated from its beginning costs nothing up to where it was cut off; counts of work go
 * on all the same.
 */
#ifndef WT_SURVIVE_CONTEST_H
#define WT_SURVIVE_CONTEST_H

#include "apply/study.h"
#include "base/hash.h"
#include "measure/axis.h"
#include "store/store.h"
#include "survive/rules.h"

/* A strategy at a budget, and what became of it. */
typedef struct wt_individual {
    int64_t id; /* in the store; 0: not there yet */
    uint64_t generation, place;
    wt_strategy strategy;
    char name[WT_STRATEGY_NAME];
    bool human, pinned;
    bool visitor;          /* is measured beside a run, not born in it: the store keeps its scores, but no individual */
    char label[40];        /* of a human */
    const char *made_by;   /* the operator's name */
    int made_with;         /* a wt_operator, or -1: something else */
    int64_t parents[2];
    uint64_t budget;
    /* found out by planning */
    bool planned;
    uint64_t bytes, memory;
    wt_hash makes;         /* of what it makes of the model: wt_contest_makes */
    char *types;           /* JSON: {"blk.0.attn_q.weight": "Q4_K", ...}; NULL before it has a plan */
    char cause[420];       /* of death; "" alive */
    /* found out by measuring */
    wt_chunk_score *scores; /* [chunks of the search part] */
    size_t measured;        /* of them, from the first on */
    float *klds;            /* [chunks, scored], where an axis wants them */
    double *finals;         /* [numbers of measure/finals.h] NaN: not measured; NULL: none is */
    /* while it is being measured */
    wt_plan *plan;
    wt_candidate *candidate;
} wt_individual;

void wt_individual_release(wt_individual *individual);

typedef struct wt_contest_counts {
    uint64_t evaluations; /* individuals whose first chunk was measured */
    uint64_t tokens;      /* through the model, for calibration, sensitivity and scores */
    uint64_t lethal;
} wt_contest_counts;

typedef struct wt_contest {
    const wt_rules *rules;
    const wt_gguf *gguf;
    wt_study *study;
    wt_run_store *store;
    const wt_chunks *search_chunks, *playoff_chunks,
        *holdout_chunks;                 /* the play-off: NULL or none where there is none */
    wt_exam *search, *playoff, *holdout; /* the latter two once they begin */
    wt_scope scope;            /* what strategies may be made of */
    bool positions;            /* an axis or a constraint wants every position's divergence */
    const wt_finals_options *final_options; /* what finalists are measured on; NULL: nothing but what takes no text */
    wt_finals *finals;
    wt_axis *command_axes;     /* [rules->command_count] */
    wt_contest_counts counts;
    bool sensed;               /* tokens of sensitivity are counted: the first who asks for it pays */
    const wt_progress *progress;
} wt_contest;

/* Fills what depends on the others: the scope by the rules' types, the search exam (which runs the exact model). */
int wt_contest_open(wt_contest *c, wt_error *err);
/* Nobody who is born from now on has error feedback. */
void wt_contest_leave_feedback(wt_contest *c);
void wt_contest_close(wt_contest *c); /* what it made itself: exams and scope */

/*
 * The law that a plan exists within the constraints on bytes and memory: fills bytes, memory and types, or `cause`. Writes the individual to
 * the store (its id is set). -1 only where something other than the strategy is at fault.
 */
int wt_contest_plan(wt_contest *c, wt_individual *individual, wt_error *err);

/*
 * Fills `makes` of an individual that is planned and lives: a hash of types, transforms, encoding and the cache's types. Two with the same
 * compute the same. -1: no memory, or the file cannot be read.
 */
int wt_contest_makes(wt_contest *c, wt_individual *individual, wt_error *err);

/*
 * Measures chunks up to `until` of the search part that are not measured yet. Logits that are not finite are a cause of death, not a
 * failure. The candidate stays in memory until wt_contest_rest.
 */
int wt_contest_measure(wt_contest *c, wt_individual *individual, size_t until, wt_error *err);
void wt_contest_rest(wt_individual *individual);

/*
 * Measures what is measured of finalists alone and not measured yet: what axes and constraints name, and with `verdict` also what the rules
 * have files and commands for. A command that fails is a cause of death, and one that it died of before the run was cut off is so again: 0 all
 * the same, look at `cause`. Its candidate is kept until wt_contest_rest. -1: the machine or the person is at fault, not the strategy.
 */
int wt_contest_finals(wt_contest *c, wt_individual *individual, bool verdict, wt_error *err);

/* The axis of that name, a command's too; NULL: the rules know none. */
const wt_axis *wt_contest_axis(const wt_contest *c, const char *name);

/* Scores on all of holdout, [its chunks], with klds (may be NULL). 1 where the strategy breaks a law there, which *err tells. */
int wt_contest_hold_out(wt_contest *c, wt_individual *individual, wt_chunk_score *scores, float *klds, wt_error *err);
/* The same on all of the play-off, [its chunks]. */
int wt_contest_play_off(wt_contest *c, wt_individual *individual, wt_chunk_score *scores, wt_error *err);

/* Writes its file. */
int wt_contest_export(wt_contest *c, wt_individual *individual, const char *path, wt_error *err);

/* By what share it breaks the constraints on the search text, in sum; 0: it meets them all. */
double wt_contest_violation(const wt_contest *c, const wt_individual *individual);

/* What axes see of it. */
wt_measured wt_contest_view(const wt_contest *c, const wt_individual *individual);

#endif
