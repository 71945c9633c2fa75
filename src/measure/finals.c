#include "measure/finals.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

/* Packed weights that each exam's engine keeps: there are several, and they run seldom. */
#define RESIDENT_BYTES ((size_t)128 << 20)

enum { TEXTS = 3 };

struct wt_finals {
    wt_finals_options options;
    wt_exam *exams[TEXTS]; /* half, full, other; made when they are asked for */
    int *answers;          /* [tasks] the exact model's */
    size_t task_tokens;
};

wt_finals *wt_finals_new(const wt_finals_options *options, wt_error *err) {
    wt_finals *f = wt_calloc(1, sizeof *f, err);
    if (!f) return NULL;
    f->options = *options;
    if (!options->tasks || wt_tasks_tokens(options->tasks, options->tokenizer, &f->task_tokens, err) == 0) return f;
    free(f);
    return NULL;
}

void wt_finals_free(wt_finals *f) {
    if (!f) return;
    for (int i = 0; i < TEXTS; i++) wt_exam_free(f->exams[i]);
    free(f->answers);
    free(f);
}

size_t wt_finals_count(const wt_finals *f) { return WT_FINALS + f->options.command_count; }

/* The text of a divergence, or NULL: it is another kind of number, or the text is not there. */
static const wt_chunks *text_of(const wt_finals *f, size_t which) {
    const wt_chunks *const texts[] = {f->options.half, f->options.full, f->options.other};
    const wt_chunks *text = which >= WT_FINAL_KLD_HALF && which <= WT_FINAL_KLD_OTHER ? texts[which - WT_FINAL_KLD_HALF] : NULL;
    return text && text->count ? text : NULL;
}

static bool has_tasks(const wt_finals *f) { return f->options.tasks && f->options.tasks->count; }

uint64_t wt_finals_tokens(const wt_finals *f, size_t which) {
    const wt_chunks *text = text_of(f, which);
    return text ? text->count * text->context : which == WT_FINAL_TASKS ? f->task_tokens : 0;
}

/* What goes wrong with the exact model, or with a disk, is nobody's death: only codes of strategies that break a law are that. */
static int not_its_fault(wt_error *err, const char *what) {
    if (err && err->code != WT_ERR_INTERRUPTED && err->code != WT_ERR_MEMORY) err->code = WT_ERR_IO;
    return wt_error_prefix(err, "%s", what);
}

/* ---- divergence on a text of its own ---- */

static int diverge(wt_finals *f, size_t which, const wt_candidate *candidate, const wt_plan *plan, const wt_progress *progress,
                   double *value, wt_error *err) {
    const wt_chunks *text = text_of(f, which);
    wt_exam **exam = &f->exams[which - WT_FINAL_KLD_HALF];
    const wt_exam_options options = {.activations = f->options.activations, .resident_bytes = RESIDENT_BYTES};
    double sum = 0;
    if (!text) return wt_fail(err, WT_ERR_IO, "there is no text to measure this divergence on");
    if (!*exam && !(*exam = wt_exam_new(f->options.gguf, text, &options, progress, err)))
        return not_its_fault(err, "the exact model");
    wt_chunk_score *scores = wt_calloc(text->count, sizeof *scores, err);
    const int rc = scores ? wt_exam_run(*exam, candidate, plan, 0, text->count, scores, NULL, err) : -1;
    for (size_t i = 0; rc == 0 && i < text->count; i++) sum += scores[i].kld;
    free(scores);
    *value = sum / (double)text->count;
    return rc;
}

/* ---- tasks ---- */

static int answer(const wt_finals *f, const wt_model *model, const wt_engine_options *options, int *answers, const wt_progress *progress,
                  wt_error *err) {
    wt_engine *engine = wt_engine_open(model, options, err);
    const int rc = engine ? wt_tasks_answer(engine, f->options.tokenizer, f->options.tasks, 0, answers, "tasks", progress, err) : -1;
    wt_engine_close(engine);
    return rc;
}

static int answer_exactly(wt_finals *f, const wt_progress *progress, wt_error *err) {
    const wt_engine_options options = {.resident_bytes = RESIDENT_BYTES};
    wt_model *model = wt_model_from_gguf(f->options.gguf, err);
    int *answers = model ? wt_calloc(f->options.tasks->count, sizeof *answers, err) : NULL;
    const int rc = answers ? answer(f, model, &options, answers, progress, err) : -1;
    wt_model_close(model);
    if (rc == 0)
        f->answers = answers;
    else
        free(answers);
    return rc;
}

static int ask(wt_finals *f, const wt_candidate *candidate, const wt_plan *plan, const wt_progress *progress, double *values,
               wt_error *err) {
    const wt_tasks *tasks = f->options.tasks;
    const wt_engine_options options = {.resident_bytes = RESIDENT_BYTES, .activations = f->options.activations,
                                       .cache_k = plan->cache_k, .cache_v = plan->cache_v};
    wt_task_result result;
    size_t flips = 0;
    if (!has_tasks(f)) return wt_fail(err, WT_ERR_IO, "there are no tasks for 'tasks' and 'flips'");
    if (!f->answers && answer_exactly(f, progress, err) != 0) return not_its_fault(err, "the exact model");
    int *ours = wt_calloc(tasks->count, sizeof *ours, err);
    const int rc = ours ? answer(f, wt_candidate_model(candidate), &options, ours, progress, err) : -1;
    if (rc == 0) {
        wt_tasks_score(tasks, ours, &result);
        for (size_t i = 0; i < tasks->count; i++) flips += ours[i] != f->answers[i];
        values[WT_FINAL_TASKS] = result.accuracy;
        values[WT_FINAL_FLIPS] = (double)flips / (double)tasks->count;
    }
    free(ours);
    return rc;
}

/* ---- commands ---- */

static int command(const wt_finals *f, size_t which, const wt_candidate *candidate, const wt_progress *progress, double *value,
                   wt_error *err) {
    if (wt_candidate_write(candidate, f->options.file, err) != 0) return not_its_fault(err, "the file for the command");
    const int rc = wt_command_run(&f->options.commands[which - WT_FINALS], f->options.file, progress, value, err);
    unlink(f->options.file);
    return rc;
}

int wt_finals_measure(wt_finals *f, size_t which, const wt_candidate *candidate, const wt_plan *plan, const wt_progress *progress,
                      double *values, wt_error *err) {
    if (which >= WT_FINALS) return command(f, which, candidate, progress, &values[which], err);
    if (which <= WT_FINAL_FLIPS) return ask(f, candidate, plan, progress, values, err);
    if (which == WT_FINAL_ENCODE_SECONDS) {
        values[which] = wt_candidate_seconds(candidate);
        return 0;
    }
    return diverge(f, which, candidate, plan, progress, &values[which], err);
}
