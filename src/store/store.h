/*
 * Runs that outlive the process: one SQLite file (run.db, WAL mode, one writer) with everything that a run knows. It knows of strategies
 * nothing but their texts. Schema and versions are in store/schema.c and docs/store.md; older files are migrated when they are
 * opened for writing, newer ones refused.
 *
 * Every call commits what it was given: after a kill -9 the file holds all calls that had returned. Readers (sqlite3, a second process)
 * may be there at any time. A full disk is an error that leaves the file as it was.
 */
#ifndef WT_STORE_STORE_H
#define WT_STORE_STORE_H

#include <stdbool.h>

#include "base/error.h"

typedef struct wt_run_store wt_run_store;

typedef enum wt_store_mode {
    WT_STORE_CREATE, /* a new run: fails where there is one already; a file without "rules" was cut off before it began, and is none */
    WT_STORE_WRITE,  /* goes on with one: fails where another process writes to it */
    WT_STORE_READ,
} wt_store_mode;

/* Opens FOLDER/run.db; CREATE makes the folder where it is missing. Errors name the file and the cause. */
wt_run_store *wt_store_open(const char *folder, wt_store_mode mode, wt_error *err);
void wt_store_close(wt_run_store *store); /* NULL-safe */

/* Whether a process writes to the run in `folder` at this moment. */
bool wt_store_is_busy(const char *folder);
/* The process that does, 0 where there is none or it cannot be told. */
long wt_store_writer(const char *folder);

/* ---- what the run is: keys and texts ("rules", "model", "model_hash", "text_hash", "version", "cpu", "threads", "seed", "ended", ...) ---- */

int wt_store_set(wt_run_store *store, const char *key, const char *value, wt_error *err);
/* 1 and *value (the caller's to free) where it is there, 0 where it is not, -1 on failure. */
int wt_store_get(wt_run_store *store, const char *key, char **value, wt_error *err);

/*
 * Between these two everything that is read is of one moment, whatever a writer commits meanwhile. Nothing may be written between them. Begin
 * fails as any reading does; the end of what did not begin does nothing.
 */
int wt_store_snapshot_begin(wt_run_store *store, wt_error *err);
void wt_store_snapshot_end(wt_run_store *store);

/* ---- individuals ---- */

/* Strings belong to whoever filled the struct; those that a call fills live until the next call on the store. */
typedef struct wt_stored_individual {
    int64_t id;            /* given by the store, from 1 on, in the order of birth */
    uint64_t generation, place;
    const char *name;      /* the strategy's */
    const char *text;      /* the strategy's canonical text */
    const char *kind;      /* "evolved", "human" */
    const char *label;     /* of a human: "Q4_K_M"; "" otherwise */
    const char *species;   /* "rule", "pinned" */
    const char *operator_name; /* that made it */
    int64_t parents[2];    /* ids, 0: none */
    uint64_t budget, bytes; /* asked for, and the file's; bytes 0: it never had a plan */
    uint64_t memory;       /* bytes at the rules' context length */
    const char *plan;      /* JSON of tensors and types; "" before there is one */
    const char *cause;     /* of death: "" alive or outlived, otherwise a law and what broke it, or "race", "selection" */
} wt_stored_individual;

/* Adds it (id is set), or writes bytes, memory, plan and cause of one that is there (id > 0). */
int wt_store_put_individual(wt_run_store *store, wt_stored_individual *individual, wt_error *err);
/* By id. 1, 0 where there is none, -1. */
int wt_store_individual(wt_run_store *store, int64_t id, wt_stored_individual *individual, wt_error *err);
/* Calls `each` for all, in the order of ids, until it returns non-zero (which is returned). */
int wt_store_each_individual(wt_run_store *store, int (*each)(void *user, const wt_stored_individual *individual), void *user,
                             wt_error *err);
/* The first of that name (or of a beginning of it that no other has) or label; 1, 0, -1 (also where several fit). */
int wt_store_find_individual(wt_run_store *store, const char *name, wt_stored_individual *individual, wt_error *err);

/* ---- evaluations: by strategy and budget, not by individual, so that the same strategy is measured once ---- */

typedef struct wt_stored_score {
    uint32_t chunk;
    double kld, logp, logp_reference, same_top;
} wt_stored_score;

/* `part` of the text: "search", "holdout" or another name. `positions` (may be NULL) [count, per_chunk]: every position's divergence. */
int wt_store_put_scores(wt_run_store *store, const char *name, uint64_t budget, const char *part,
                        const wt_stored_score *scores, size_t count, const float *positions, size_t per_chunk,
                        wt_error *err);
/* Fills scores and positions (either may be NULL) of chunks first .. first + count - 1; 1 where all are there, 0 where not, -1. */
int wt_store_scores(wt_run_store *store, const char *name, uint64_t budget, const char *part, uint32_t first, size_t count,
                    wt_stored_score *scores, float *positions, size_t per_chunk, wt_error *err);

/* Any other measured quantity of a strategy at a budget, by axis ("command tokens/s", "tasks accuracy"). */
int wt_store_put_value(wt_run_store *store, const char *name, uint64_t budget, const char *axis, double value, wt_error *err);
int wt_store_value(wt_run_store *store, const char *name, uint64_t budget, const char *axis, double *value, wt_error *err); /* 1, 0, -1 */

/* All such quantities of a strategy at a budget, by axis, which lives during the call; stops where `each` returns non-zero, and returns that. */
int wt_store_each_value(wt_run_store *store, const char *name, uint64_t budget, int (*each)(void *user, const char *axis, double value),
                        void *user, wt_error *err);

/* ---- generations ---- */

typedef struct wt_stored_generation {
    uint64_t number, evaluations, tokens; /* spent so far */
    double seconds;
    double best;        /* of the first axis */
    double diversity;   /* mean distance of the population's strategies */
    uint64_t lethal, born, eliminated; /* in this generation */
    double cache_hits, state_reuse;    /* shares, 0..1 */
    const char *operators; /* JSON: tried and succeeded, and the rate, of each operator */
} wt_stored_generation;

int wt_store_put_generation(wt_run_store *store, const wt_stored_generation *generation, wt_error *err); /* replaces one of its number */
int wt_store_each_generation(wt_run_store *store, int (*each)(void *user, const wt_stored_generation *generation), void *user,
                             wt_error *err);

/* ---- the verdict, and what genes are worth ---- */

typedef struct wt_stored_verdict {
    int64_t individual;
    const char *role;   /* "survivor", "human", "rejected" */
    const char *file;   /* relative to the folder; "" for none */
    double kld_mean, kld_chunk_stderr, low, high; /* on holdout, with its 95% interval; NaN: not measured, as the next three */
    double kld_p99, same_top, perplexity_ratio;
    const char *note;
    uint64_t place; /* of survivors and the rejected: 1 the best before holdout was looked at, and so on; 0 of humans */
} wt_stored_verdict;

int wt_store_put_verdict(wt_run_store *store, const wt_stored_verdict *verdict, wt_error *err); /* replaces that of the individual */
int wt_store_remove_verdict(wt_run_store *store, int64_t individual, wt_error *err); /* it need not be there */
/* Survivors first, by place, then the others by their divergence. */
int wt_store_each_verdict(wt_run_store *store, int (*each)(void *user, const wt_stored_verdict *verdict), void *user, wt_error *err);

typedef struct wt_stored_knockout {
    int64_t individual;
    const char *gene;    /* "alloc.price", or "pin blk.0.ffn_up.weight" */
    const char *value;   /* what it was set to */
    double change, low, high; /* of the mean divergence when it is set so, with its 95% interval; NaN: it was lethal */
    const char *cause;   /* of death when it is set so; "" it was measured */
} wt_stored_knockout;

int wt_store_put_knockout(wt_run_store *store, const wt_stored_knockout *knockout, wt_error *err); /* replaces that of individual and gene */
int wt_store_each_knockout(wt_run_store *store, int64_t individual, int (*each)(void *user, const wt_stored_knockout *knockout),
                           void *user, wt_error *err); /* the largest change first */

#endif
