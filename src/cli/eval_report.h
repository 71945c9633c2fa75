/* What `wildtype eval` has found out, and its two ways onto paper: a report for people and JSON for programs. */
#ifndef WT_CLI_EVAL_REPORT_H
#define WT_CLI_EVAL_REPORT_H

#include "engine/activations.h"
#include "engine/divergence.h"
#include "engine/tasks.h"

typedef struct wt_eval {
    const char *candidate, *reference; /* names for people; reference NULL: none */
    uint64_t bytes, parameters;        /* of the candidate: the file's size, the tensors' weights */
    uint64_t tensor_bytes;
    const char *text;     /* the file, or NULL where the model wrote its own */
    const char *tasks;    /* the file, or NULL where no tasks were asked for */
    const char *author;   /* of self-written text */
    uint64_t seed;        /* of self-written text */
    size_t context;       /* tokens per chunk */
    size_t chunks_wanted; /* of the text; the divergence knows how many were done */
    wt_activations activations;
    wt_type cache_k, cache_v; /* of the candidate */
    bool has_text, has_tasks, stopped;
    wt_divergence divergence;                  /* where has_text; of the chunks done before a stop */
    wt_task_result answers, reference_answers; /* where has_tasks */
    double flips;                              /* share of the answers that differ from the reference's; NaN without */
    double seconds;
} wt_eval;

void wt_eval_print(const wt_eval *e);
int wt_eval_print_json(const wt_eval *e, wt_error *err);

#endif
