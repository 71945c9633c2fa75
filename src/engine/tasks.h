/*
 * Multiple-choice tasks in HellaSwag's text format as llama-perplexity reads it: six lines a task (context, the index of
 * the right ending, four endings). The ending with the highest mean log-probability per token wins.
 */
#ifndef WT_ENGINE_TASKS_H
#define WT_ENGINE_TASKS_H

#include "engine/forward.h"
#include "engine/tokenizer.h"

typedef struct wt_task {
    const char *context;
    const char *endings[4];
    int gold;
} wt_task;

typedef struct wt_tasks {
    wt_task *items;
    size_t count;
    char *storage;
} wt_tasks;

/* Reads a task file; wrong line counts and indices fail with the line. Release with wt_tasks_release. */
int wt_tasks_read(wt_tasks *tasks, const char *path, wt_error *err);
void wt_tasks_release(wt_tasks *tasks);

typedef struct wt_task_result {
    size_t count;
    double accuracy, accuracy_stderr;
} wt_task_result;

/* Answers every task: choices[count] gets 0..3. `tokens_per_batch` bounds the work of one forward pass. */
int wt_tasks_answer(wt_engine *engine, const wt_tokenizer *tokenizer, const wt_tasks *tasks, size_t tokens_per_batch,
                    int *choices, const char *stage, const wt_progress *progress, wt_error *err);

void wt_tasks_score(const wt_tasks *tasks, const int *choices, wt_task_result *out);

#endif
