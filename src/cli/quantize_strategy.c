#include "cli/quantize_strategy.h"

#include <stdio.h>
#include <string.h>

#include "apply/candidate.h"
#include "apply/labels.h"
#include "base/file.h"
#include "base/threads.h"
#include "cli/options.h"
#include "cli/plan_report.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/size_option.h"

/* The budget in bytes; 0: none was given. */
static int read_budget(const wt_strategy_job *job, const wt_gguf *gguf, uint64_t *budget, wt_error *err) {
    *budget = 0;
    if (job->size) return wt_read_size("--size", job->size, budget, err);
    if (job->bpw > 0) {
        uint64_t weights = 0;
        for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
            const wt_tensor *t = wt_gguf_tensor(gguf, i);
            weights += t->dims[0] * t->rows;
        }
        *budget = (uint64_t)(job->bpw * (double)weights / 8);
    }
    return 0;
}

static int refuse_quantized(const wt_strategy_job *job, const wt_gguf *gguf, wt_error *err) {
    for (size_t i = 0; !job->allow_requantize && i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        if (wt_type_find(t->type)->block == 1) continue;
        wt_fail(err, WT_ERR_ARGUMENT, "cannot quantize '%s': '%s' has type %s already", wt_gguf_path(gguf), t->name,
                wt_type_find(t->type)->name);
        return wt_hint(err, "take the original, or add --allow-requantize: it loses more");
    }
    return 0;
}

/* The output's place is tried before anything is measured. */
static int try_output(const wt_strategy_job *job, const wt_gguf *gguf, wt_error *err) {
    wt_output out;
    if (!job->output) return 0;
    if (wt_refuse_source(gguf, job->output, err) != 0 || wt_output_open(&out, job->output, err) != 0) return -1;
    wt_output_abandon(&out);
    return 0;
}

static int print(const wt_strategy_job *job, const wt_plan *plan, const wt_gguf *gguf, const char *text, double seconds,
                 wt_error *err) {
    wt_progress_clear();
    if (job->json) {
        json_t *root = wt_plan_json(plan);
        json_object_set_new(root, "output", job->output ? wt_json_text(job->output, strlen(job->output)) : json_null());
        json_object_set_new(root, "text", wt_json_text(text, strlen(text)));
        json_object_set_new(root, "seconds", wt_json_real(seconds));
        return wt_json_print(root, err);
    }
    wt_plan_print(plan, gguf, !job->output);
    if (text[0]) printf("text       %s\n", text);
    if (job->output) printf("output     %s, %.1f seconds\n", job->output, seconds);
    return 0;
}

/* The laws that the strategy breaks, in place of the plan; always -1. */
static int print_laws(const wt_strategy_job *job, const wt_laws *laws, const char *name, wt_error *err) {
    wt_progress_clear();
    json_t *list = json_array();
    for (size_t i = 0; i < laws->count; i++) {
        const wt_error *law = &laws->items[i];
        if (job->json) {
            json_t *item = json_object();
            json_object_set_new(item, "message", wt_json_text(law->message, strlen(law->message)));
            json_object_set_new(item, "hint", wt_json_text(law->hint, strlen(law->hint)));
            json_array_append_new(list, item);
        } else {
            char message[sizeof law->message];
            printf("broken     %s\n", wt_printable(message, sizeof message, law->message, strlen(law->message)));
            if (law->hint[0]) printf("           hint: %s\n", law->hint);
        }
    }
    json_t *root = job->json ? json_object() : NULL;
    json_object_set(root, "laws", list);
    json_decref(list);
    if (root && wt_json_print(root, err) != 0) return -1;
    wt_fail(err, WT_ERR_ARGUMENT, "'%s' cannot be applied to '%s': it breaks %zu law%s", job->strategy, name, laws->count,
            laws->count == 1 ? "" : "s");
    return wt_hint(err, "standard output says which");
}

static int apply(const wt_strategy_job *job, const wt_strategy *strategy, wt_studio *studio, wt_error *err) {
    const double start = wt_clock();
    wt_plan plan = {0};
    wt_laws laws = {0};
    wt_plan_options options = {.ignore_missing_pins = job->ignore_missing_pins, .laws = job->every_law ? &laws : NULL};
    wt_candidate *candidate = NULL;
    int rc = -1;
    if (wt_studio_open(studio, &job->studio, err) != 0) return -1;
    const wt_gguf *gguf = studio->session.gguf;
    if (refuse_quantized(job, gguf, err) != 0 || try_output(job, gguf, err) != 0 ||
        read_budget(job, gguf, &options.budget, err) != 0 ||
        wt_plan_make(&plan, studio->study.bench, strategy, &options, wt_progress_terminal(), err) != 0) {
        if (laws.count > 0) print_laws(job, &laws, studio->session.name, err);
        goto done;
    }
    if (plan.encoding.damp > 0 && !studio->study.gram)
        wt_note("the strategy feeds errors back, but there are no Gram matrices: give a --text, or --gram FILE");
    if (job->output) {
        if (!(candidate = wt_candidate_new(studio->study.bench, &plan, wt_progress_terminal(), err)) ||
            wt_candidate_write(candidate, job->output, err) != 0)
            goto done;
    }
    rc = print(job, &plan, gguf, studio->text, wt_clock() - start, err);
done:
    wt_candidate_free(candidate);
    wt_plan_release(&plan);
    return rc;
}

int wt_strategy_job_run(const wt_strategy_job *job, wt_error *err) {
    wt_strategy strategy;
    wt_studio studio = {0};
    uint64_t size;
    if (job->size && wt_read_size("--size", job->size, &size, err) != 0) return WT_EXIT_USAGE;
    wt_threads_set((int)job->threads);
    if (wt_strategy_read(&strategy, job->strategy, err) != 0) return WT_EXIT_FAILED;
    wt_strategy_job own = *job;
    own.studio.no_gram = !wt_strategy_needs_gram(&strategy);
    int rc = apply(&own, &strategy, &studio, err);
    wt_strategy_release(&strategy);
    wt_studio_close(&studio);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}
