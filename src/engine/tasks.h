/*
 * Multiple-choice tasks in HellaSwag's text format, read and scored as llama-perplexity does: six lines a task (context,
 * the index of the right ending, four endings); context and ending are joined by a space and tokenized together; the
 * ending whose tokens behind the prefix that all four share have the highest mean log-probability is the answer.
 */
#ifndef WT_ENGINE_TASKS_H
#define WT_ENGINE_TASKS_H

#include "engine/forward.h"
#include "engine/tokenizer.h"

#define WT_ENDINGS 4

typedef struct wt_task {
    const char *context;
    const char *endings[WT_ENDINGS];
    int gold; /* 0..3 */
} wt_task;

typedef struct wt_tasks {
    wt_task *items;
    size_t count;
    char *storage; /* what the strings point into */
} wt_tasks;

/* Reads a task file; wrong line counts, indices and empty lines fail with the line. Release with wt_tasks_release. */
int wt_tasks_read(wt_tasks *tasks, const char *path, wt_error *err);
void wt_tasks_release(wt_tasks *tasks);

typedef struct wt_task_result {
    size_t count;
    double accuracy, accuracy_stderr; /* 0..1; the error is NaN for one task */
} wt_task_result;

/*
 * Answers every task: choices[count] gets 0..3. `batch_tokens` bounds the tokens of one forward pass (0: a sensible
 * default); `stage` names the work in progress reports, which count tasks. Logits that are not finite fail with the model
 * and the task (from 1).
 */
int wt_tasks_answer(wt_engine *engine, const wt_tokenizer *tokenizer, const wt_tasks *tasks, size_t batch_tokens,
                    int *choices, const char *stage, const wt_progress *progress, wt_error *err);

/* Tokens that go through the model to answer all tasks. */
int wt_tasks_tokens(const wt_tasks *tasks, const wt_tokenizer *tokenizer, size_t *tokens, wt_error *err);

void wt_tasks_score(const wt_tasks *tasks, const int *choices, wt_task_result *out);

#endif
