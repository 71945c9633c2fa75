#include "engine/tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/divergence.h"

#define LINES_PER_TASK 6
#define DEFAULT_BATCH_TOKENS 2048

/* ---- reading ---- */

/* Cuts the text into NUL-terminated lines, without carriage returns. The last newline ends the last line. */
static char **cut_lines(char *text, size_t len, size_t *count, wt_error *err) {
    char **lines = NULL;
    size_t cap = 0;
    *count = 0;
    for (char *line = text, *end = text + len; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        char *next = stop + 1;
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = '\0';
        if (wt_grow((void **)&lines, &cap, *count + 1, sizeof *lines, err) != 0) {
            free(lines);
            return NULL;
        }
        lines[(*count)++] = line;
        line = next;
    }
    if (!lines) wt_fail(err, WT_ERR_FORMAT, "the file is empty");
    return lines;
}

static int read_task(wt_task *task, char **lines, const char *path, size_t first, wt_error *err) {
    for (size_t i = 0; i < LINES_PER_TASK; i++) {
        if (lines[i][0] == '\0')
            return wt_fail(err, WT_ERR_FORMAT, "cannot read tasks from '%s': line %zu is empty", path, first + i + 1);
    }
    const char *gold = lines[1];
    if (gold[0] < '0' || gold[0] > '3' || gold[1] != '\0') {
        wt_fail(err, WT_ERR_FORMAT, "cannot read tasks from '%s': line %zu is '%.40s', not an ending's index 0 to 3", path,
                first + 2, gold);
        return wt_hint(err, "a task is six lines: context, index of the right ending, four endings");
    }
    *task = (wt_task){.context = lines[0], .gold = gold[0] - '0'};
    for (int e = 0; e < WT_ENDINGS; e++) task->endings[e] = lines[2 + e];
    return 0;
}

int wt_tasks_read(wt_tasks *tasks, const char *path, wt_error *err) {
    *tasks = (wt_tasks){0};
    size_t len, n = 0;
    char **lines = NULL;
    if (!(tasks->storage = wt_read_text(path, &len, err))) return -1;
    if (!(lines = cut_lines(tasks->storage, len, &n, err))) {
        wt_error_prefix(err, "cannot read tasks from '%s'", path);
        goto fail;
    }
    if (n % LINES_PER_TASK != 0) {
        wt_fail(err, WT_ERR_FORMAT, "cannot read tasks from '%s': %zu lines are no multiple of six", path, n);
        wt_hint(err, "a task is six lines: context, index of the right ending, four endings");
        goto fail;
    }
    tasks->count = n / LINES_PER_TASK;
    if (!(tasks->items = wt_calloc(tasks->count, sizeof *tasks->items, err))) goto fail;
    for (size_t i = 0; i < tasks->count; i++) {
        if (read_task(&tasks->items[i], lines + i * LINES_PER_TASK, path, i * LINES_PER_TASK, err) != 0) goto fail;
    }
    free(lines);
    return 0;
fail:
    free(lines);
    wt_tasks_release(tasks);
    return -1;
}

void wt_tasks_release(wt_tasks *tasks) {
    if (!tasks) return;
    free(tasks->items);
    free(tasks->storage);
    *tasks = (wt_tasks){0};
}

/* ---- answering ---- */

/* One task as tokens: four sequences, and how many tokens they all begin with. */
typedef struct question {
    wt_tokens sequences[WT_ENDINGS];
    size_t shared, tokens;
} question;

static void question_release(question *q) {
    for (int e = 0; e < WT_ENDINGS; e++) free(q->sequences[e].ids);
}

static int question_prepare(question *q, const wt_task *task, const wt_tokenizer *tokenizer, size_t number,
                            wt_error *err) {
    size_t shortest = SIZE_MAX;
    for (int e = 0; e < WT_ENDINGS; e++) {
        size_t a = strlen(task->context), b = strlen(task->endings[e]);
        char *text = wt_calloc(a + b + 2, 1, err);
        if (!text) return -1;
        memcpy(text, task->context, a);
        text[a] = ' ';
        memcpy(text + a + 1, task->endings[e], b);
        int rc = wt_tokenize(tokenizer, text, a + b + 1, WT_TOKENIZE_ADD_SPECIAL, &q->sequences[e], err);
        free(text);
        if (rc != 0) return -1;
        q->tokens += q->sequences[e].count;
        if (q->sequences[e].count < shortest) shortest = q->sequences[e].count;
    }
    if (shortest < 2) return wt_fail(err, WT_ERR_ARGUMENT, "task %zu has no tokens to score", number);
    const int32_t *first = q->sequences[0].ids;
    /* An ending keeps a token of its own even where it is a beginning of the others, and needs one before it. */
    while (q->shared + 1 < shortest && first[q->shared] == q->sequences[1].ids[q->shared] &&
           first[q->shared] == q->sequences[2].ids[q->shared] && first[q->shared] == q->sequences[3].ids[q->shared])
        q->shared++;
    if (q->shared == 0) q->shared = 1;
    return 0;
}

/* Runs a batch of questions, from number `first` (from 0) on, and picks each one's ending. */
static int answer_batch(wt_engine *engine, const question *questions, size_t first, size_t count, int *choices,
                        wt_error *err) {
    size_t width = wt_model_hparams(wt_engine_model(engine))->width, rows = 0, scored = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        for (int e = 0; e < WT_ENDINGS; e++) {
            rows += questions[i].sequences[e].count;
            scored += questions[i].sequences[e].count - questions[i].shared;
        }
    }
    int rc = -1;
    int32_t *tokens = wt_calloc(rows, sizeof *tokens, err), *targets = wt_calloc(scored, sizeof *targets, err);
    size_t *lengths = wt_calloc(count * WT_ENDINGS, sizeof *lengths, err);
    float *hidden = wt_alloc_aligned(rows, width * sizeof *hidden, err);
    float *states = wt_alloc_aligned(scored, width * sizeof *states, err);
    wt_position *positions = wt_calloc(scored, sizeof *positions, err);
    if (!tokens || !targets || !lengths || !hidden || !states || !positions) goto done;
    for (size_t i = 0; i < count; i++) {
        for (int e = 0; e < WT_ENDINGS; e++) {
            const wt_tokens *s = &questions[i].sequences[e];
            memcpy(tokens + at, s->ids, s->count * sizeof *tokens);
            lengths[i * WT_ENDINGS + (size_t)e] = s->count;
            at += s->count;
        }
    }
    wt_batch batch = {.tokens = tokens, .lengths = lengths, .sequences = count * WT_ENDINGS,
                      .last_block = WT_ALL_BLOCKS};
    if (wt_engine_run(engine, &batch, hidden, err) != 0) goto done;
    size_t row = 0, out = 0;
    for (size_t i = 0; i < count * WT_ENDINGS; row += lengths[i++]) {
        size_t shared = questions[i / WT_ENDINGS].shared;
        for (size_t j = shared; j < lengths[i]; j++, out++) {
            memcpy(states + out * width, hidden + (row + j - 1) * width, width * sizeof *states);
            targets[out] = tokens[row + j];
        }
    }
    wt_engine_final_norm(engine, states, scored, states);
    wt_states side = {engine, states};
    if (wt_score(&side, NULL, targets, scored, positions, err) != 0) goto done;
    out = 0;
    for (size_t i = 0; i < count; i++) {
        double best = -INFINITY;
        choices[i] = 0;
        for (int e = 0; e < WT_ENDINGS; e++) {
            size_t n = questions[i].sequences[e].count - questions[i].shared;
            double sum = 0.0;
            for (size_t j = 0; j < n; j++) sum += positions[out++].logp;
            if (!isfinite(sum)) {
                wt_fail_not_finite(engine, "task", first + i + 1, err);
                goto done;
            }
            if (sum / (double)n > best) {
                best = sum / (double)n;
                choices[i] = e;
            }
        }
    }
    rc = 0;
done:
    free(tokens);
    free(targets);
    free(lengths);
    free(hidden);
    free(states);
    free(positions);
    return rc;
}

int wt_tasks_answer(wt_engine *engine, const wt_tokenizer *tokenizer, const wt_tasks *tasks, size_t batch_tokens,
                    int *choices, const char *stage, const wt_progress *progress, wt_error *err) {
    size_t limit = batch_tokens ? batch_tokens : DEFAULT_BATCH_TOKENS;
    question *questions = wt_calloc(tasks->count, sizeof *questions, err);
    if (!questions) return -1;
    int rc = -1;
    for (size_t i = 0; i < tasks->count; i++) {
        if (question_prepare(&questions[i], &tasks->items[i], tokenizer, i + 1, err) != 0) goto done;
    }
    for (size_t from = 0; from < tasks->count;) {
        size_t to = from + 1, tokens = questions[from].tokens;
        while (to < tasks->count && tokens + questions[to].tokens <= limit) tokens += questions[to++].tokens;
        if (wt_progress_report(progress, stage, (double)from, (double)tasks->count, "tasks", err) != 0) goto done;
        if (answer_batch(engine, questions + from, from, to - from, choices + from, err) != 0) goto done;
        from = to;
    }
    wt_progress_report(progress, stage, (double)tasks->count, (double)tasks->count, "tasks", NULL);
    rc = 0;
done:
    for (size_t i = 0; i < tasks->count; i++) question_release(&questions[i]);
    free(questions);
    return rc;
}

int wt_tasks_tokens(const wt_tasks *tasks, const wt_tokenizer *tokenizer, size_t *tokens, wt_error *err) {
    int rc = 0;
    *tokens = 0;
    for (size_t i = 0; rc == 0 && i < tasks->count; i++) {
        question q = {0};
        rc = question_prepare(&q, &tasks->items[i], tokenizer, i + 1, err);
        *tokens += q.tokens;
        question_release(&q);
    }
    return rc;
}

void wt_tasks_score(const wt_tasks *tasks, const int *choices, wt_task_result *out) {
    size_t right = 0;
    for (size_t i = 0; i < tasks->count; i++) right += choices[i] == tasks->items[i].gold;
    double n = (double)tasks->count, p = (double)right / n;
    *out = (wt_task_result){tasks->count, p, tasks->count > 1 ? sqrt(p * (1.0 - p) / (n - 1.0)) : NAN};
}
