/* What finalists alone are measured on: longer chunks, a text of another kind, tasks, the programs of commands. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/progress.h"
#include "cli/run_session.h"

/* ---- texts ---- */

/* Chunks of another context that the model writes itself: other streams than those of the run's own text. */
static int write_long(wt_run_session *run, const char *name, size_t context, wt_chunks *chunks, wt_error *err) {
    const size_t count = (size_t)run->rules.final_chunks;
    int32_t *tokens = wt_run_write(run, name, count, context, run->rules.seed + ((uint64_t)context << 32), err);
    return tokens ? wt_chunks_from_tokens(chunks, tokens, context, count, err) : -1;
}

static int cut_long(wt_run_session *run, size_t context, wt_chunks *chunks, wt_error *err) {
    size_t len;
    char *text = wt_run_read_text(run->rules.text, &len, err);
    const int rc = text ? wt_texts_cut_search(chunks, &run->rules, context, run->rules.final_chunks, run->session.tokenizer, text, len, err) : -1;
    if (text && rc != 0) wt_error_prefix(err, "cannot use '%s'", run->rules.text);
    free(text);
    return rc;
}

/* Chunks of a share of the training context, where an axis asks for them. */
static int open_long(wt_run_session *run, const char *axis, uint32_t part, wt_chunks *chunks, wt_error *err) {
    const size_t context = wt_model_hparams(run->session.model)->context / part;
    if (!wt_rules_value(&run->rules, axis)) return 0;
    if (context < 4) return wt_fail(err, WT_ERR_ARGUMENT, "cannot measure '%s': the model does not say what context it was trained for", axis);
    const int rc = run->rules.text ? cut_long(run, context, chunks, err)
                                   : write_long(run, part == 2 ? "written_half" : "written_full", context, chunks, err);
    return rc == 0 ? 0 : wt_error_prefix(err, "cannot measure '%s'", axis);
}

static int open_other(wt_run_session *run, wt_error *err) {
    const wt_rules *r = &run->rules;
    size_t len;
    char *text = r->other_text ? wt_run_read_text(r->other_text, &len, err) : NULL;
    if (!r->other_text) return 0;
    int rc = text ? wt_chunks_cut(&run->other, run->session.tokenizer, text, len, wt_run_context(run), r->final_chunks, err) : -1;
    if (text && rc != 0) wt_error_prefix(err, "cannot use '%s'", r->other_text);
    free(text);
    return rc;
}

static int open_tasks(wt_run_session *run, wt_error *err) {
    if (!run->rules.tasks) return 0;
    wt_interrupt_at_once(true);
    const int rc = wt_tasks_read(&run->tasks, run->rules.tasks, err);
    wt_interrupt_at_once(false);
    return rc;
}

/* ---- commands ---- */

/* Programs of somebody else's rules run where the person who runs them says so, and where they are there. */
static int check_commands(const wt_run_session *run, bool allowed, wt_error *err) {
    for (unsigned i = 0; i < run->rules.command_count; i++) {
        const wt_command_axis *c = &run->rules.commands[i];
        if (!allowed) {
            wt_fail(err, WT_ERR_ARGUMENT, "the rules run a program of their own, '%.80s', as the command '%s'", c->words[0], c->name);
            return wt_hint(err, "rules may come from somebody else: read their commands, then say --allow-commands");
        }
        if (c->shell || wt_process_exists(c->words[0])) continue;
        wt_fail(err, WT_ERR_ARGUMENT, "the command '%s' cannot be run: there is no program '%s'", c->name, c->words[0]);
        return wt_hint(err, "a name with a folder is one beside the rules' file, others are looked for in PATH");
    }
    return 0;
}

/* ---- the whole ---- */

int wt_run_open_asked(wt_run_session *run, bool allowed, wt_error *err) {
    return check_commands(run, allowed, err) != 0 || open_tasks(run, err) != 0 || open_other(run, err) != 0 ? -1 : 0;
}

bool wt_run_finals_hash(const wt_run_session *run, char text[32]) {
    const wt_chunks *parts[] = {&run->half, &run->full, &run->other};
    wt_hash h = wt_hash_bytes("finals", 6);
    bool any = run->tasks.count > 0;
    for (int i = 0; i < 3; i++) {
        h = wt_hash_add_u64(h, parts[i]->count);
        if (parts[i]->count) h = wt_hash_add(h, parts[i]->tokens, parts[i]->count * parts[i]->context * sizeof(int32_t));
        any |= parts[i]->count > 0;
    }
    for (size_t i = 0; i < run->tasks.count; i++) {
        h = wt_hash_add_u64(wt_hash_add_str(h, run->tasks.items[i].context), (uint64_t)run->tasks.items[i].gold);
        for (int e = 0; e < WT_ENDINGS; e++) h = wt_hash_add_str(h, run->tasks.items[i].endings[e]);
    }
    snprintf(text, 32, "%016" PRIx64, h.low);
    return any;
}

void wt_run_timed_axes(const wt_rules *r, char *text, size_t size) {
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; wt_axis_at(i); i++)
        if (wt_axis_at(i)->timed && wt_rules_value(r, wt_axis_at(i)->name) && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", wt_axis_at(i)->name);
    for (unsigned i = 0; i < r->command_count && at < size; i++) /* also one that no axis names: at the verdict all of them run */
        at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", r->commands[i].name);
}

int wt_run_open_finals(wt_run_session *run, wt_error *err) {
    char hash[32];
    if (open_long(run, "kld_half", 2, &run->half, err) != 0 || open_long(run, "kld_full", 1, &run->full, err) != 0) return -1;
    if (asprintf(&run->final_file, "%s/.candidate.gguf", run->folder) < 0) {
        run->final_file = NULL;
        return wt_fail_memory(err, strlen(run->folder));
    }
    if (run->store) unlink(run->final_file); /* of a process that was killed */
    run->finals = (wt_finals_options){.half = &run->half,
                                      .full = &run->full,
                                      .other = &run->other,
                                      .tasks = run->tasks.count ? &run->tasks : NULL,
                                      .tokenizer = run->session.tokenizer,
                                      .file = run->final_file};
    if (!run->store || !wt_run_finals_hash(run, hash)) return 0;
    return wt_run_check_same(run, "finals_hash", hash, "text or tasks for finalists", "a file has changed since; begin a new run for the new one", err);
}
