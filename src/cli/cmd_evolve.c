/*
 * `wildtype evolve`: the main job. The rules come from a file or from the options; the run lives in a folder, whose store knows
 * everything, so that it can be cut off at any moment and go on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/presets.h"
#include "apply/study.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/evolve_view.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/size_option.h"
#include "engine/generate.h"
#include "report/summary.h"
#include "survive/texts.h"
#include "survive/verdict.h"

typedef struct settings {
    const char *model, *output, *rules, *size, *text, *holdout, *resume;
    uint64_t seed, evaluations, threads;
    double minutes;
    bool json, quiet;
} settings;

/* The built-in model's run: a preset's size, two minutes. */
enum { DEFAULT_CONTEXT = 512 };

typedef struct work {
    const settings *options;
    wt_rules rules;
    const char *folder;
    wt_session session;
    wt_texts texts;
    wt_study study;
    wt_run_store *store;
    wt_contest contest;
    wt_evolution evolution;
    char *cache, *model; /* model: the path that the store knows, of a run that is resumed */
    char text_name[1200];
    wt_evolve_view view;
} work;

/* ---- rules ---- */

static int set_text(char **to, const char *from, wt_error *err) {
    if (!from) return 0;
    free(*to);
    return (*to = strdup(from)) ? 0 : wt_fail_memory(err, strlen(from));
}

/* What the options say goes before what the file says. */
static int read_rules(work *w, wt_error *err) {
    const settings *s = w->options;
    uint64_t bytes;
    if ((s->rules ? wt_rules_read(&w->rules, s->rules, err) : wt_rules_init(&w->rules, err)) != 0) return -1;
    if (set_text(&w->rules.text, s->text, err) != 0 || set_text(&w->rules.holdout_text, s->holdout, err) != 0) return -1;
    if (s->size) {
        if (wt_read_size("--size", s->size, &bytes, err) != 0) return -1;
        const double max = (double)bytes;
        if (wt_rules_bound(&w->rules, "bytes", NULL, &max, err) != 0) return -1;
    }
    if (s->seed) w->rules.seed = s->seed;
    if (s->minutes > 0) w->rules.minutes = s->minutes;
    if (s->evaluations) {
        w->rules.evaluations = s->evaluations;
        if (!(s->minutes > 0)) w->rules.minutes = 0;
    }
    return 0;
}

/* The size of a preset's file, for a run that nobody gave a size. */
static int preset_size(work *w, const char *name, double *bytes, wt_error *err) {
    const wt_gguf *gguf = w->session.gguf;
    wt_assignment *a = wt_calloc(wt_gguf_tensor_count(gguf) + 1, sizeof *a, err);
    const wt_preset *preset = wt_preset_find(name);
    const wt_preset_request request = {.preset = preset, .output_type = -1, .embedding_type = -1, .has_importance = true};
    const wt_quantization q = {.assignments = a, .file_type = preset->file_type};
    wt_quantization_review review = {0};
    size_t fallbacks;
    int rc = a && wt_preset_assign(gguf, &request, a, &fallbacks, err) == 0 && wt_quantize_review(gguf, &q, &review, err) == 0
                 ? 0
                 : -1;
    /* the strategy's text has to find room too */
    if (rc == 0) *bytes = (double)review.file_bytes + 2048;
    wt_quantization_review_release(&review);
    free(a);
    return rc;
}

static int choose_size(work *w, wt_error *err) {
    const wt_rule_constraint *c = wt_rules_constraint(&w->rules, "bytes");
    double bytes;
    char text[32];
    if (c && c->max) return 0;
    if (preset_size(w, "Q3_K_M", &bytes, err) != 0) return -1;
    wt_note("no --size: %s, the size of Q3_K_M", wt_format_bytes(text, (uint64_t)bytes));
    return wt_rules_bound(&w->rules, "bytes", NULL, &bytes, err);
}

/* ---- texts ---- */

static char *read_text(const char *path, size_t *len, wt_error *err) {
    wt_interrupt_at_once(true);
    char *text = wt_read_text(path, len, err);
    wt_interrupt_at_once(false);
    return text;
}

static int write_texts(work *w, size_t context, wt_error *err) {
    const size_t count = wt_texts_wanted(&w->rules);
    int32_t *tokens = wt_calloc(count * context + 1, sizeof *tokens, err);
    wt_note("no --text: '%s' writes its own, %zu chunks of %zu tokens", w->session.name, count, context);
    if (!tokens || wt_session_start(&w->session, context, false, wt_session_spare_memory(), err) != 0 ||
        wt_self_write(w->session.engine, w->session.tokenizer, count, context, w->rules.seed, tokens, wt_progress_terminal(),
                      err) != 0) {
        free(tokens);
        return -1;
    }
    wt_engine_close(w->session.engine);
    w->session.engine = NULL;
    snprintf(w->text_name, sizeof w->text_name, "written by %.1000s, seed %" PRIu64, w->session.name, w->rules.seed);
    return wt_texts_deal(&w->texts, &w->rules, context, tokens, count, err);
}

static int make_texts(work *w, wt_error *err) {
    const uint32_t trained = wt_model_hparams(w->session.model)->context;
    const size_t context = w->rules.context                                  ? (size_t)w->rules.context
                           : trained >= 4 && trained < DEFAULT_CONTEXT       ? trained
                                                                             : DEFAULT_CONTEXT;
    size_t len, holdout_len = 0;
    if (!w->rules.text) return write_texts(w, context, err);
    char *text = read_text(w->rules.text, &len, err);
    char *holdout = text && w->rules.holdout_text ? read_text(w->rules.holdout_text, &holdout_len, err) : NULL;
    int rc = text && (holdout || !w->rules.holdout_text) ? 0 : -1;
    if (rc == 0) rc = wt_texts_cut(&w->texts, &w->rules, context, w->session.tokenizer, text, len, holdout, holdout_len, err);
    if (rc != 0) wt_error_prefix(err, "cannot use '%s'", w->rules.text);
    free(text);
    free(holdout);
    snprintf(w->text_name, sizeof w->text_name, "%s", w->rules.text);
    return rc;
}

/* ---- the store ---- */

static int put_number(work *w, const char *key, double value, wt_error *err) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return wt_store_set(w->store, key, text, err);
}

static int begin_run(work *w, wt_error *err) {
    char hash[33], number[32];
    char *rules = wt_rules_print(&w->rules, false, err);
    wt_hash_print(wt_model_hash(w->session.gguf), hash, 32);
    int rc = rules &&
                     wt_store_set(w->store, "model", w->session.name, err) == 0 &&
                     wt_store_set(w->store, "model_hash", hash, err) == 0 &&
                     wt_store_set(w->store, "text", w->text_name, err) == 0 &&
                     wt_store_set(w->store, "version", wt_version(), err) == 0 &&
                     wt_store_set(w->store, "cpu", wt_cpu_level_name(wt_cpu_chosen()), err) == 0
                 ? 0
                 : -1;
    snprintf(number, sizeof number, "%016" PRIx64, w->texts.hash);
    if (rc == 0) rc = wt_store_set(w->store, "text_hash", number, err);
    snprintf(number, sizeof number, "%d", wt_threads_get());
    if (rc == 0) rc = wt_store_set(w->store, "threads", number, err);
    snprintf(number, sizeof number, "%" PRIu64, w->rules.seed);
    if (rc == 0) rc = wt_store_set(w->store, "seed", number, err);
    if (rc == 0) rc = wt_store_set(w->store, "rules", rules, err); /* the last: a run without them never began */
    free(rules);
    return rc;
}

/* A run goes on only with the model, the text and the version that it began with. */
static int check_same(work *w, const char *key, const char *now, const char *what, wt_error *err) {
    char *then = NULL;
    int found = wt_store_get(w->store, key, &then, err);
    int rc = found < 0 ? -1 : 0;
    if (found == 1 && strcmp(then, now) != 0) {
        rc = wt_fail(err, WT_ERR_MISMATCH, "cannot go on with '%s': it was begun with another %s", w->folder, what);
        wt_hint(err, "begin a new run, with -o and another folder");
    }
    free(then);
    return rc;
}

static int check_run(work *w, wt_error *err) {
    char hash[33], number[32];
    wt_hash_print(wt_model_hash(w->session.gguf), hash, 32);
    snprintf(number, sizeof number, "%016" PRIx64, w->texts.hash);
    if (check_same(w, "model_hash", hash, "model", err) != 0 || check_same(w, "text_hash", number, "text", err) != 0) return -1;
    return check_same(w, "version", wt_version(), "version of wildtype", err);
}

static int seconds_of(void *user, const wt_stored_generation *g) {
    *(double *)user = g->seconds;
    return 0;
}

static int open_store(work *w, wt_error *err) {
    const settings *s = w->options;
    double before = 0;
    char *rules = NULL;
    w->store = wt_store_open(w->folder, s->resume ? WT_STORE_WRITE : WT_STORE_CREATE, err);
    if (!w->store) return -1;
    if (s->resume) {
        if (wt_store_get(w->store, "rules", &rules, err) != 1 || wt_rules_parse(&w->rules, rules, strlen(rules), w->folder, err) != 0 ||
            wt_store_get(w->store, "model", &w->model, err) != 1) {
            free(rules);
            return err && err->message[0] ? -1 : wt_fail(err, WT_ERR_FORMAT, "cannot go on with '%s': it never began", w->folder);
        }
        free(rules);
        if (wt_store_each_generation(w->store, seconds_of, &before, err) != 0) return -1;
        if (s->minutes > 0) w->rules.minutes = s->minutes; /* more time for an old run */
        if (s->evaluations) w->rules.evaluations = s->evaluations;
    }
    wt_evolve_view_init(&w->view, before, s->quiet || s->json);
    return 0;
}

/* ---- the run ---- */

static void announce(const work *w) {
    char size[32];
    const wt_rule_constraint *c = wt_rules_constraint(&w->rules, "bytes");
    wt_note("'%s' within %s; calibrate %zu, search %zu, holdout %zu chunks of %zu tokens; population %" PRIu64 ", %" PRIu64
            " children a generation",
            w->session.name, wt_format_bytes(size, (uint64_t)*c->max), w->texts.calibrate.count, w->texts.search.count,
            w->texts.holdout.count, w->texts.search.context, w->rules.population, w->rules.offspring);
}

static int open_run(work *w, wt_error *err) {
    const settings *s = w->options;
    if (!s->resume && read_rules(w, err) != 0) return -1;
    if (s->resume && open_store(w, err) != 0) return -1;
    if (wt_session_open(&w->session, s->model ? s->model : w->model, err) != 0 || choose_size(w, err) != 0 ||
        wt_rules_check(&w->rules, err) != 0 || make_texts(w, err) != 0)
        return -1;
    if (!s->resume && (open_store(w, err) != 0 || begin_run(w, err) != 0)) return -1;
    if (s->resume && check_run(w, err) != 0) return -1;
    announce(w);
    w->cache = wt_cache_folder();
    const wt_study_options study = {.chunks = &w->texts.calibrate,
                                    .dataset = w->text_name,
                                    .cache = w->cache,
                                    .encoded_bytes = w->rules.max_memory ? w->rules.max_memory / 4 : wt_session_spare_memory() / 4};
    if (wt_study_open(&w->study, w->session.gguf, &study, wt_progress_terminal(), err) != 0) return -1;
    w->contest = (wt_contest){.rules = &w->rules,
                              .gguf = w->session.gguf,
                              .study = &w->study,
                              .store = w->store,
                              .search_chunks = &w->texts.search,
                              .holdout_chunks = &w->texts.holdout,
                              .progress = wt_progress_terminal()};
    return wt_contest_open(&w->contest, err);
}

static int finish_run(work *w, wt_error *err) {
    if (wt_store_set(w->store, "ended", w->evolution.ended, err) != 0 ||
        put_number(w, "raced_tokens", (double)w->evolution.raced_tokens, err) != 0 ||
        put_number(w, "full_tokens", (double)w->evolution.full_tokens, err) != 0)
        return -1;
    wt_evolve_view_clear(&w->view);
    return wt_verdict(&w->contest, &w->evolution, w->folder, err);
}

static int print_outcome(work *w, wt_error *err) {
    wt_progress_clear();
    char *text = w->options->json ? wt_summary_json(w->store, err) : wt_summary_markdown(w->store, err);
    if (!text) return -1;
    fputs(text, stdout);
    if (w->options->json) putchar('\n');
    free(text);
    if (!w->options->json) printf("\nEverything is in %s: summary.md, summary.json, run.db\n", w->folder);
    return 0;
}

static int evolve(work *w, wt_error *err) {
    wt_threads_set((int)w->options->threads);
    if (open_run(w, err) != 0) return -1;
    const wt_evolve_calls calls = {wt_evolve_view_draw, wt_evolve_view_clock, &w->view};
    if (wt_evolve(&w->contest, &calls, &w->evolution, err) != 0) return -1;
    if (w->evolution.population_count == 0) {
        wt_fail(err, WT_ERR_INTERRUPTED, "stopped before the first generation was done");
        return wt_hint(err, "'wildtype evolve --resume %s' goes on", w->folder);
    }
    /* a first Ctrl-C ends the search; the verdict that follows takes a second one */
    if (strcmp(w->evolution.ended, "interrupted") == 0) w->contest.progress = NULL;
    if (finish_run(w, err) != 0 || wt_summary_write(w->store, w->folder, err) != 0) return -1;
    return print_outcome(w, err);
}

static void release(work *w) {
    wt_evolution_release(&w->evolution);
    wt_contest_close(&w->contest);
    wt_study_close(&w->study);
    wt_store_close(w->store);
    wt_texts_release(&w->texts);
    wt_session_close(&w->session);
    wt_rules_release(&w->rules);
    free(w->cache);
    free(w->model);
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    const settings *s = given;
    static char folder[64];
    if (s->resume && (s->rules || s->size || s->text || s->holdout || s->output))
        return wt_usage(err, "--resume goes on with a run's own rules: leave out --rules, --size, --text, --holdout and --output");
    w.folder = s->resume ? s->resume : s->output;
    for (int i = 1; !w.folder; i++) { /* the first that is free */
        struct stat st;
        snprintf(folder, sizeof folder, "run-%d", i);
        if (stat(folder, &st) != 0) w.folder = folder;
    }
    wt_interrupt_watch();
    int rc = evolve(&w, err);
    release(&w);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model), "The GGUF file, as a rule in F16, BF16 or F32; 'seedling', the model that is built in, where left out."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "size", .kind = WT_OPTION_TEXT, .value = "SIZE", SETTING(size),
     .help = "What a survivor's file may have at most, in bytes or with a unit (3.2MiB, 14GB). Default: the size of Q3_K_M."},
    {.name = "text", .letter = 'f', .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(text),
     .help = "The text that strategies are measured on: cut into parts to calibrate, to search and for the verdict. Without it the model writes "
             "its own."},
    {.name = "holdout", .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(holdout),
     .help = "Another text for the verdict, instead of the last part of --text."},
    {.name = "rules", .letter = 'r', .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(rules),
     .help = "The rules of survival; 'wildtype rules init' writes them with comments. Other options go before what the file says."},
    {.name = "output", .letter = 'o', .kind = WT_OPTION_TEXT, .value = "FOLDER", SETTING(output),
     .help = "The run's folder, which must hold no run. Default: run-1, run-2, ..."},
    {.name = "resume", .kind = WT_OPTION_TEXT, .value = "FOLDER", SETTING(resume),
     .help = "Goes on with a run, from its last finished evaluation. --minutes and --evaluations may give it more."},
    {.name = "minutes", .kind = WT_OPTION_NUMBER, .value = "M", SETTING(minutes), .min = 0.01, .max = 1e6,
     .help = "How long to search; the verdict comes on top. Default: 10, or 2 with the built-in model."},
    {.name = "evaluations", .kind = WT_OPTION_COUNT, .value = "N", SETTING(evaluations), .min = 1, .max = 1e9,
     .help = "How many individuals to measure, instead of --minutes: such a run can be repeated to the byte."},
    {.name = "seed", .letter = 's', .kind = WT_OPTION_COUNT, .value = "N", SETTING(seed), .min = 1, .max = 9007199254740992.0,
     .help = "Seed of everything that is drawn. Default: 1."},
    {.name = "threads", .letter = 't', .kind = WT_OPTION_COUNT, .value = "N", SETTING(threads), .min = 1, .max = 1024,
     .help = "Threads to use. Default: one per processor. Results do not depend on it."},
    {.name = "quiet", .kind = WT_OPTION_FLAG, SETTING(quiet), .help = "Shows nothing while the run goes on."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints the summary as JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype evolve model.gguf --size 3.2MiB --text my.txt --seed 1 -o run/", "The best that ten minutes find within 3.2 MiB."},
    {"wildtype evolve model.gguf --rules rules.yaml -o run/", "By rules of your own."},
    {"wildtype evolve --resume run/", "After Ctrl-C, a power cut, or for more."},
    {"wildtype evolve", "The model that is built in, on text that it writes itself."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_EVOLVE = {
    .name = "evolve",
    .summary = "let quantization strategies compete, keep what survives",
    .synopsis = "[MODEL] [--size SIZE] [--text FILE] [-o FOLDER] [OPTION]...\n[MODEL] --rules FILE [-o FOLDER] [OPTION]...\n--resume FOLDER [OPTION]...",
    .description =
        "Generates quantization strategies, lets them compete on the model itself under the rules of survival, and writes the survivors as GGUF "
        "files that llama.cpp runs, each with its strategy as text, and a summary: who survived, against which hand-made presets and methods, by how "
        "much, with confidence intervals, on text that no one searched on.\n"
        "\n"
        "Strategies that are worse are sent home early, by paired tests on the same chunks of text; the effort goes to the undecided. What nobody "
        "may look at before the end, the holdout, confirms or rejects what was found; where nothing beats the humans, the summary says so.\n"
        "\n"
        "Ctrl-C ends the search and goes on to the verdict; a second one stops at once. Nothing is lost either way: --resume goes on.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
