/*
 * What is measured of finalists alone, because it takes as long as everything else together: tasks, divergence at longer contexts and on
 * a text of another kind, outside commands. Each is one number of a candidate. What the exact model has to say is found out once, when it is first
 * asked for; a run that recalls all numbers from its store never asks.
 */
#ifndef WT_MEASURE_FINALS_H
#define WT_MEASURE_FINALS_H

#include "engine/tasks.h"
#include "measure/command.h"
#include "measure/exam.h"

/* Numbers of the program's own; those of commands come behind them, WT_FINALS + their place. */
enum { WT_FINAL_TASKS, WT_FINAL_FLIPS, WT_FINAL_KLD_HALF, WT_FINAL_KLD_FULL, WT_FINAL_KLD_OTHER, WT_FINAL_ENCODE_SECONDS, WT_FINALS };

typedef struct wt_finals wt_finals;

typedef struct wt_finals_options {
    const wt_gguf *gguf;
    wt_activations activations;
    const wt_chunks *half, *full, *other; /* NULL, or none: nobody may ask for it */
    const wt_tasks *tasks;                /* the same */
    const wt_tokenizer *tokenizer;        /* of tasks */
    const wt_command_axis *commands;
    size_t command_count;
    const char *file; /* where a candidate is written for commands; nothing is left there */
} wt_finals_options;

/* What `options` points to must outlive it. NULL without memory, or where a task has no tokens. */
wt_finals *wt_finals_new(const wt_finals_options *options, wt_error *err);
void wt_finals_free(wt_finals *finals); /* NULL-safe */

/* How many numbers there are. */
size_t wt_finals_count(const wt_finals *finals);

/* Tokens that one measurement takes through the model, 0 of what runs no text, and of flips, which come with the tasks. */
uint64_t wt_finals_tokens(const wt_finals *finals, size_t which);

/*
 * values[which] = that number of the candidate; tasks and flips come together, and both are set. Logits that are not finite, and a command
 * that fails, are WT_ERR_FORMAT: the candidate's fault.
 */
int wt_finals_measure(wt_finals *finals, size_t which, const wt_candidate *candidate, const wt_plan *plan, const wt_progress *progress,
                      double *values, wt_error *err);

#endif
