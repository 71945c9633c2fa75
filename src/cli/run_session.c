#include "cli/run_session.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/progress.h"
#include "survive/evolve.h"
#include "survive/operators.h"

/* The last part of a path. */
static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- the model ---- */

int wt_run_open_model(wt_run_session *run, const char *model, wt_error *err) {
    return wt_session_open(&run->session, model, err);
}

/* ---- texts ---- */

char *wt_run_read_text(const char *path, size_t *len, wt_error *err) {
    wt_interrupt_at_once(true);
    char *text = wt_read_text(path, len, err);
    wt_interrupt_at_once(false);
    return text;
}

static int write_texts(wt_run_session *run, size_t context, wt_error *err) {
    const size_t count = wt_texts_wanted(&run->rules);
    int32_t *tokens = wt_run_write(run, "written", count, context, run->rules.seed, err);
    if (!tokens) return -1;
    snprintf(run->text_name, sizeof run->text_name, "written by %.1000s, seed %" PRIu64, base_name(run->session.name),
             run->rules.seed);
    return wt_texts_deal(&run->texts, &run->rules, context, tokens, count, err);
}

static int cut_texts(wt_run_session *run, size_t context, wt_error *err) {
    const wt_rules *r = &run->rules;
    size_t len = 0, holdout_len = 0;
    char *text = wt_run_read_text(r->text, &len, err);
    char *holdout = text && r->holdout_text ? wt_run_read_text(r->holdout_text, &holdout_len, err) : NULL;
    int rc = text && (holdout || !r->holdout_text) ? 0 : -1;
    if (rc == 0 && wt_texts_cut(&run->texts, r, context, run->session.tokenizer, text, len, holdout, holdout_len, err) != 0)
        rc = wt_error_prefix(err, "cannot use '%s'", r->text);
    free(text);
    free(holdout);
    snprintf(run->text_name, sizeof run->text_name, "%s", base_name(r->text));
    return rc;
}

/* A run goes on only with what it began with. */
int wt_run_check_same(const wt_run_session *run, const char *key, const char *now, const char *what, const char *hint, wt_error *err) {
    char *then = NULL;
    const int found = wt_store_get(run->store, key, &then, err);
    int rc = found < 0 ? -1 : 0;
    if (found == 1 && strcmp(then, now) != 0) {
        wt_fail(err, WT_ERR_MISMATCH, "cannot use the run in '%s': it was begun with another %s (%.40s, now %s)", run->folder, what, then,
                now);
        rc = wt_hint(err, "%s", hint);
    }
    free(then);
    return rc;
}

size_t wt_run_context(const wt_run_session *run) {
    return run->rules.context ? (size_t)run->rules.context : wt_chunks_usual_context(wt_model_hparams(run->session.model)->context);
}

/* The model's own chunks among those of the text; a model that has no token to begin with writes none. */
static int mix_texts(wt_run_session *run, size_t context, wt_error *err) {
    const size_t count = wt_texts_own(&run->texts, &run->rules);
    if (!run->rules.text || count == 0 || wt_tokenizer_bos(run->session.tokenizer) < 0) return 0;
    int32_t *own = wt_run_write(run, "written", count, context, run->rules.seed, err);
    if (!own) return -1;
    wt_texts_mix(&run->texts, &run->rules, own);
    free(own);
    const size_t len = strlen(run->text_name);
    snprintf(run->text_name + len, sizeof run->text_name - len, ", %zu chunks by the model", count);
    return 0;
}

int wt_run_open_texts(wt_run_session *run, wt_run_check *check, wt_error *err) {
    const size_t context = wt_run_context(run);
    char number[32];
    if ((run->rules.text ? cut_texts(run, context, err) : write_texts(run, context, err)) != 0) return -1;
    if ((check && check(run, err) != 0) || mix_texts(run, context, err) != 0) return -1;
    if (!run->store) return 0;
    snprintf(number, sizeof number, "%016" PRIx64, run->texts.hash);
    return wt_run_check_same(run, "text_hash", number, "text", "its file has changed since; begin a new run for the new text", err);
}

/* ---- the store ---- */

/* Where a file lies, whatever folder the run is opened from later; the word itself where that cannot be said. */
static char *absolute(const char *path, wt_error *err) {
    char *found = realpath(path, NULL);
    if (!found && !(found = strdup(path))) wt_fail_memory(err, strlen(path));
    return found;
}

/* Where a program lies, without following links: many programs ask by what name and from where they were started. */
static char *absolute_program(const char *path, wt_error *err) {
    char here[4096], *found = NULL;
    if (path[0] != '/' && !getcwd(here, sizeof here)) {
        wt_fail_errno(err, errno, "cannot tell where the command '%s' lies: this folder's name", path);
        return NULL;
    }
    if (path[0] == '/')
        found = strdup(path);
    else if (asprintf(&found, "%s/%s", here, path) < 0)
        found = NULL;
    if (!found) wt_fail_memory(err, strlen(path));
    return found;
}

/* The rules as they are stored: with texts that are found from anywhere. */
int wt_run_store_rules(wt_run_session *run, wt_error *err) {
    char **const texts[] = {&run->rules.text, &run->rules.holdout_text, &run->rules.other_text, &run->rules.tasks};
    for (unsigned i = 0; i < 4 + run->rules.command_count; i++) {
        char **file = i < 4 ? texts[i] : run->rules.commands[i - 4].words; /* a command's program */
        if (!*file || (i >= 4 && (run->rules.commands[i - 4].shell || !strchr(*file, '/')))) continue;
        char *path = i < 4 ? absolute(*file, err) : absolute_program(*file, err);
        if (!path) return -1;
        free(*file);
        *file = path;
    }
    char *rules = wt_rules_print(&run->rules, false, err);
    const int rc = rules ? wt_store_set(run->store, "rules", rules, err) : -1;
    free(rules);
    return rc;
}

static int store_model(wt_run_session *run, wt_error *err) {
    char hash[33];
    const char *name = run->session.name;
    char *path = wt_source_is_embedded(name) ? strdup(name) : absolute(name, err);
    if (!path) return wt_fail_memory(err, strlen(name));
    wt_hash_print(wt_model_hash(run->session.gguf), hash, 32);
    const int rc = wt_store_set(run->store, "model", name, err) == 0 && wt_store_set(run->store, "model_path", path, err) == 0 &&
                           wt_store_set(run->store, "model_hash", hash, err) == 0
                       ? 0
                       : -1;
    free(path);
    return rc;
}

static int store_number(wt_run_session *run, const char *key, uint64_t value, wt_error *err) {
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, value);
    return wt_store_set(run->store, key, number, err);
}

/* What finalists are measured on, and what makes the run one that does not repeat to the byte. */
static int store_finals(wt_run_session *run, wt_error *err) {
    char hash[32], timed[512];
    wt_run_timed_axes(&run->rules, timed, sizeof timed);
    if (wt_run_finals_hash(run, hash) && wt_store_set(run->store, "finals_hash", hash, err) != 0) return -1;
    return timed[0] ? wt_store_set(run->store, "timed_axes", timed, err) : 0;
}

int wt_run_begin(wt_run_session *run, wt_error *err) {
    char hash[32];
    snprintf(hash, sizeof hash, "%016" PRIx64, run->texts.hash);
    if (!(run->store = wt_store_open(run->folder, WT_STORE_CREATE, err))) return -1;
    return store_model(run, err) == 0 && wt_store_set(run->store, "text", run->text_name, err) == 0 &&
                   wt_store_set(run->store, "text_hash", hash, err) == 0 &&
                   wt_store_set(run->store, "version", wt_version(), err) == 0 &&
                   wt_store_set(run->store, "operators", WT_OPERATORS_VERSION, err) == 0 &&
                   wt_store_set(run->store, "cpu", wt_cpu_level_name(wt_cpu_chosen()), err) == 0 &&
                   store_number(run, "threads", (uint64_t)wt_threads_get(), err) == 0 &&
                   store_number(run, "seed", run->rules.seed, err) == 0 &&
                   store_number(run, "context", run->texts.search.context, err) == 0 &&
                   store_number(run, "search_chunks", run->texts.search.count, err) == 0 &&
                   store_finals(run, err) == 0 && wt_run_store_written(run, err) == 0 &&
                   wt_run_store_rules(run, err) == 0 /* the last: a run without them never began */
               ? 0
               : -1;
}

/* ---- a run that is there ---- */

static int never_began(const wt_run_session *run, wt_error *err) {
    wt_fail(err, WT_ERR_FORMAT, "cannot use the run in '%s': it never began", run->folder);
    return wt_hint(err, "remove the folder and begin again with 'wildtype evolve -o %s'", run->folder);
}

static int read_rules(wt_run_session *run, wt_error *err) {
    char *rules = NULL;
    const int found = wt_store_get(run->store, "rules", &rules, err);
    if (found != 1) return found < 0 ? -1 : never_began(run, err);
    const int rc = wt_rules_parse(&run->rules, rules, strlen(rules), run->folder, err);
    if (rc == 0 &&
        !strstr(rules,
                "playoff:")) { /* written when there was none; what was cut from the text has to be the same again */
        run->rules.playoff = 0;
        run->rules.presets = UINT64_MAX;
    }
    if (rc == 0 && !strstr(rules, "\n  own:")) run->rules.own = 0; /* likewise */
    if (rc == 0 && !strstr(rules, "\nfeedback:")) run->rules.feedback = WT_FEEDBACK_ALLOWED;
    if (rc == 0 && !strstr(rules, "\nfirst:")) run->rules.first = wt_evolve_first(&run->rules);
    free(rules);
    if (rc != 0) run->rules = (wt_rules){0};
    return rc;
}

static int find_model(wt_run_session *run, wt_error *err) {
    int found = wt_store_get(run->store, "model_path", &run->model, err);
    if (found == 0) found = wt_store_get(run->store, "model", &run->model, err);
    return found == 1 ? 0 : found < 0 ? -1 : never_began(run, err);
}

int wt_run_reopen(wt_run_session *run, const char *folder, wt_store_mode mode, const char *model, wt_error *err) {
    char hash[33];
    run->folder = folder;
    if (!(run->store = wt_store_open(folder, mode, err)) || read_rules(run, err) != 0 || find_model(run, err) != 0 ||
        wt_run_check_same(run, "version", wt_version(), "version of wildtype", "use the version that made it, or begin a new run", err) != 0)
        return -1;
    if (wt_session_open(&run->session, model ? model : run->model, err) != 0) {
        if (err && err->code == WT_ERR_IO && !model) wt_hint(err, "the run's model was there when it began; where it has moved, name it");
        return -1;
    }
    wt_hash_print(wt_model_hash(run->session.gguf), hash, 32);
    return wt_run_check_same(run, "model_hash", hash, "model", "the numbers are hashes of its weights and metadata; begin a new run for another model", err);
}

/* ---- what strategies compete in ---- */

int wt_run_open_study(wt_run_session *run, wt_error *err) {
    const size_t spare = wt_session_spare_memory();
    run->cache = wt_cache_folder();
    const wt_study_options options = {.chunks = &run->texts.calibrate,
                                      .dataset = run->text_name,
                                      .cache = run->cache,
                                      .note = wt_note_heard,
                                      .encoded_bytes = (run->rules.max_memory ? run->rules.max_memory : spare) / 4};
    if (wt_study_open(&run->study, run->session.gguf, &options, wt_progress_terminal(), err) != 0) return -1;
    run->contest = (wt_contest){.rules = &run->rules,
                                .gguf = run->session.gguf,
                                .study = &run->study,
                                .store = run->store,
                                .search_chunks = &run->texts.search,
                                .playoff_chunks = &run->texts.playoff,
                                .holdout_chunks = &run->texts.holdout,
                                .final_options = run->finals.file ? &run->finals : NULL,
                                .progress = wt_progress_terminal()};
    return 0;
}

int wt_run_open_arena(wt_run_session *run, wt_error *err) { return wt_contest_open(&run->contest, err); }

void wt_run_close(wt_run_session *run) {
    wt_contest_close(&run->contest);
    wt_study_close(&run->study);
    wt_store_close(run->store);
    wt_texts_release(&run->texts);
    wt_chunks_release(&run->half);
    wt_chunks_release(&run->full);
    wt_chunks_release(&run->other);
    wt_tasks_release(&run->tasks);
    wt_session_close(&run->session);
    wt_rules_release(&run->rules);
    wt_run_release_written(run);
    free(run->cache);
    free(run->final_file);
    free(run->model);
    *run = (wt_run_session){0};
}
