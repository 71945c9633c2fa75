/*
 * `wildtype evolve`: the main job. The rules come from a file or from the options; the run lives in a folder, whose store knows
 * everything, so that it can be cut off at any moment and go on.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/presets.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/evolve_cost.h"
#include "cli/evolve_view.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_session.h"
#include "cli/size_option.h"
#include "report/document.h"
#include "report/page.h"
#include "report/summary.h"
#include "survive/budget.h"
#include "survive/verdict.h"

typedef struct settings {
    const char *model, *output, *rules, *size, *text, *holdout, *resume;
    uint64_t seed, evaluations, threads;
    double minutes;
    bool json, quiet, allow_commands;
} settings;

/* The built-in model's run: a preset's size, two minutes. */
#define BUILT_IN_MINUTES 2

typedef struct work {
    const settings *options;
    wt_run_session run;
    wt_evolution evolution;
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
    wt_rules *r = &w->run.rules;
    uint64_t bytes;
    if ((s->rules ? wt_rules_read(r, s->rules, err) : wt_rules_init(r, err)) != 0) return -1;
    if (set_text(&r->text, s->text, err) != 0 || set_text(&r->holdout_text, s->holdout, err) != 0) return -1;
    if ((r->text && strcmp(r->text, "-") == 0) || (r->holdout_text && strcmp(r->holdout_text, "-") == 0)) {
        wt_fail(err, WT_ERR_ARGUMENT, "a run's text cannot come from standard input: the run has to find it again");
        return wt_hint(err, "save it to a file first");
    }
    if (s->size) {
        if (wt_read_size("--size", s->size, &bytes, err) != 0) return -1;
        const double max = (double)bytes;
        if (wt_rules_bound(r, "bytes", NULL, &max, err) != 0) return -1;
    }
    if (s->seed) r->seed = s->seed;
    if (!s->rules && wt_source_is_embedded(s->model)) r->minutes = BUILT_IN_MINUTES;
    if (s->minutes > 0) r->minutes = s->minutes;
    if (s->evaluations) {
        r->evaluations = s->evaluations;
        if (!(s->minutes > 0)) r->minutes = 0;
    }
    return 0;
}

/* The size of a preset's file, for a run that nobody gave a size. */
static int preset_size(work *w, const char *name, double *bytes, wt_error *err) {
    const wt_gguf *gguf = w->run.session.gguf;
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
    const wt_rule_constraint *c = wt_rules_constraint(&w->run.rules, "bytes");
    double bytes;
    char text[32];
    if (c && c->max) return 0;
    if (preset_size(w, "Q3_K_M", &bytes, err) != 0) return -1;
    wt_note("no --size: %s, the size of Q3_K_M", wt_format_bytes(text, (uint64_t)bytes));
    return wt_rules_bound(&w->run.rules, "bytes", NULL, &bytes, err);
}

/* Evaluations with error feedback that a search has to have time for, and children that a first generation has whatever the time. */
enum { LEAST_FED = 4, LEAST_FIRST = 2 };

/* ---- opening ---- */

static int put_number(work *w, const char *key, double value, wt_error *err) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    return wt_store_set(w->run.store, key, text, err);
}

static int seconds_of(void *user, const wt_stored_generation *g) {
    *(double *)user = g->seconds;
    return 0;
}

static void announce(const work *w) {
    char size[32];
    const wt_run_session *run = &w->run;
    const wt_rule_constraint *c = wt_rules_constraint(&run->rules, "bytes");
    wt_note(
        "'%s' within %s; calibrate %zu, search %zu, play-off %zu, holdout %zu chunks of %zu tokens; population %" PRIu64
        ", %" PRIu64 " children a generation",
        run->session.name, wt_format_bytes(size, (uint64_t)*c->max), run->texts.calibrate.count,
        run->texts.search.count, run->texts.playoff.count, run->texts.holdout.count, run->texts.search.context,
        run->rules.population, run->rules.offspring);
    char timed[512];
    wt_run_timed_axes(&run->rules, timed, sizeof timed);
    if (timed[0]) wt_note("this run will not repeat to the byte: it values times or outside commands (%s)", timed);
}

/* What the model would write itself is counted before, a file once it is cut. */
static int open_texts(wt_run_session *run, wt_error *err) {
    const bool own = !run->rules.text;
    if (own && wt_evolve_cost_check(run, err) != 0) return -1;
    return wt_run_open_texts(run, own ? NULL : wt_evolve_cost_check, err);
}

/* Whether a run has begun in the folder; what else lies there is looked at when the store is made. */
static bool has_run(const char *folder) {
    wt_run_store *store = wt_store_open(folder, WT_STORE_READ, NULL);
    char *rules = NULL;
    const bool begun = store && wt_store_get(store, "rules", &rules, NULL) == 1;
    free(rules);
    wt_store_close(store);
    return begun;
}

/* A new run; its folder is made once everything that may be wrong with what was given has been looked at. */
static int open_new(work *w, wt_error *err) {
    wt_run_session *run = &w->run;
    if (has_run(run->folder)) {
        wt_fail(err, WT_ERR_ARGUMENT, "there is a run in '%s' already", run->folder);
        return wt_hint(err, "'--resume %s' goes on with it; -o names another folder", run->folder);
    }
    if (read_rules(w, err) != 0 || wt_run_open_model(run, w->options->model, err) != 0 || choose_size(w, err) != 0 ||
        wt_rules_check(&run->rules, err) != 0 || wt_run_open_asked(run, w->options->allow_commands, err) != 0 ||
        open_texts(run, err) != 0 || wt_run_open_finals(run, err) != 0)
        return -1;
    return wt_run_begin(run, err);
}

/* Children are born again on the way to where the run was. */
static int check_operators(const wt_run_session *run, wt_error *err) {
    char *then = NULL;
    const int found = wt_store_get(run->store, "operators", &then, err);
    const bool same = found == 1 && strcmp(then, WT_OPERATORS_VERSION) == 0;
    free(then);
    if (found < 0 || same) return found < 0 ? -1 : 0;
    wt_fail(err, WT_ERR_MISMATCH, "cannot go on with the run in '%s': the program that began it varied strategies in another way", run->folder);
    return wt_hint(err, "show, pick, export and explain read it as ever; begin a new run to search on");
}

/* An old one goes on, perhaps with more time. */
static int open_old(work *w, wt_error *err) {
    const settings *s = w->options;
    wt_run_session *run = &w->run;
    if (wt_run_reopen(run, s->resume, WT_STORE_WRITE, s->model, err) != 0 || check_operators(run, err) != 0) return -1;
    if (s->minutes > 0 || s->evaluations) { /* what is given anew takes the place of both: the other one may be spent */
        run->rules.minutes = s->minutes;
        run->rules.evaluations = s->evaluations;
    }
    if (wt_rules_check(&run->rules, err) != 0 || wt_run_open_asked(run, s->allow_commands, err) != 0 || open_texts(run, err) != 0)
        return -1;
    if (wt_run_open_finals(run, err) != 0) return -1;
    if (s->minutes <= 0 && !s->evaluations) return 0;
    return wt_budget_extend(run->store, err) == 0 ? wt_run_store_rules(run, err)
                                                  : -1; /* for the next time, now that all is well */
}

/* Why it ended, and the mark of a complete verdict: what a run that goes on again says no longer. */
static int forget_end(work *w, wt_error *err) {
    return wt_store_set(w->run.store, "ended", "", err) == 0 && wt_store_set(w->run.store, "noise", "", err) == 0 ? 0 : -1;
}

/* What rules leave to what an evaluation takes, decided once and kept with the run, which goes on and repeats with it. */
static int decide(wt_run_session *run, const wt_evolve_time *time, wt_error *err) {
    wt_rules *r = &run->rules;
    char decided[80] = "";
    const uint64_t first = wt_evolve_first(r);
    if (r->feedback != WT_FEEDBACK_AUTO && r->first) return 0;
    if (r->feedback == WT_FEEDBACK_AUTO) {
        const bool fits = wt_evolve_time_fits(time, r, true, LEAST_FED);
        r->feedback = fits ? WT_FEEDBACK_ALLOWED : WT_FEEDBACK_ABSENT;
        if (!fits) {
            wt_note(
                "error feedback is left out, as hardly an evaluation with it fits into the search; rules with 'feedback: allowed' have it");
            wt_contest_leave_feedback(&run->contest);
            snprintf(decided, sizeof decided, "feedback: absent");
        }
    }
    if (!r->first) {
        const bool fed = r->feedback == WT_FEEDBACK_ALLOWED;
        for (r->first = first; r->first > LEAST_FIRST && !wt_evolve_time_fits(time, r, fed, 2 * r->first);) r->first--;
        if (r->first < first) {
            const size_t at = strlen(decided);
            wt_note("the first generation has %" PRIu64 " children in place of %" PRIu64
                    ", which half of the minutes may be enough for",
                    r->first, first);
            snprintf(decided + at, sizeof decided - at, "%sfirst: %" PRIu64, at ? ", " : "", r->first);
        }
    }
    return wt_store_set(run->store, "decided", decided, err) == 0 ? wt_run_store_rules(run, err) : -1;
}

/* `seconds`: what the exact model took for the search part. */
static int announce_cost(work *w, double seconds, wt_error *err) {
    wt_run_session *run = &w->run;
    const wt_rule_constraint *bytes = wt_rules_constraint(&run->rules, "bytes");
    wt_encoding_cost encoding;
    if (wt_encoding_cost_measure(run->session.gguf, wt_model_hparams(run->session.model), run->study.statistics,
                                 run->contest.scope.types, *bytes->max, run->rules.feedback != WT_FEEDBACK_ABSENT,
                                 &encoding, err) != 0)
        return -1;
    const wt_evolve_time time = wt_evolve_cost_announce(run, seconds, &encoding);
    return decide(run, &time, err);
}

static int open_run(work *w, wt_error *err) {
    const settings *s = w->options;
    double before = 0, started;
    if ((s->resume ? open_old(w, err) : open_new(w, err)) != 0) return -1;
    if (wt_store_each_generation(w->run.store, seconds_of, &before, err) != 0) return -1;
    wt_evolve_view_init(&w->view, before, s->quiet || s->json);
    announce(w);
    if (wt_run_open_study(&w->run, err) != 0) return -1;
    started = wt_clock();
    if (wt_run_open_arena(&w->run, err) != 0) return -1;
    const double seconds = wt_clock() - started;
    if (announce_cost(w, seconds, err) != 0) return -1;
    return s->resume ? forget_end(w, err) : 0;
}

/* ---- the run ---- */

static int finish_run(work *w, wt_error *err) {
    if (wt_store_set(w->run.store, "ended", w->evolution.ended, err) != 0 ||
        put_number(w, "raced_tokens", (double)w->evolution.raced_tokens, err) != 0 ||
        put_number(w, "full_tokens", (double)w->evolution.full_tokens, err) != 0)
        return -1;
    wt_evolve_view_clear(&w->view);
    return wt_verdict(&w->run.contest, &w->evolution, w->run.folder, err);
}

/* The page of the run, where one is built in. What else the run found is there already: a page that cannot be written is no failure of it. */
static bool write_page(work *w) {
    size_t page_len, document_len, len = 0;
    char path[4096];
    wt_error err = {0};
    const char *page = wt_page_embedded(&page_len);
    if (!page || snprintf(path, sizeof path, "%s/report.html", w->run.folder) >= (int)sizeof path) return false;
    char *document = wt_document_make(w->run.store, false, &document_len, &err);
    char *text = document ? wt_page_fill(page, page_len, document, document_len, true, &len, &err) : NULL;
    const bool written = text && wt_file_write(path, text, len, &err) == 0;
    if (!written) wt_note("no report.html: %s", err.message);
    free(document);
    free(text);
    return written;
}

static int print_outcome(work *w, wt_error *err) {
    const bool page = write_page(w);
    wt_progress_clear();
    char *text = w->options->json ? wt_summary_json(w->run.store, err) : wt_summary_markdown(w->run.store, err);
    if (!text) return -1;
    fputs(text, stdout);
    if (w->options->json) putchar('\n');
    free(text);
    if (!w->options->json) printf("\nEverything is in %s: %ssummary.md, summary.json, run.db\n", w->run.folder, page ? "report.html, " : "");
    return 0;
}

/* Nobody lives: it was stopped, or its budget was, or everybody died. */
static int fail_empty(const work *w, wt_error *err) {
    const wt_evolution *e = &w->evolution;
    wt_evolve_view_clear((wt_evolve_view *)&w->view);
    if (strcmp(e->ended, "interrupted") == 0) {
        wt_fail(err, WT_ERR_INTERRUPTED, "stopped before the first generation was done");
        return wt_hint(err, "'wildtype evolve --resume %s' goes on", w->run.folder);
    }
    wt_fail(err, WT_ERR_ARGUMENT, "nobody lives after %" PRIu64 " generations: no strategy kept the laws and the constraints", e->generations);
    if (strstr(e->ended, "spent"))
        return wt_hint(err, "'wildtype show %s' says what they died of; '--resume %s --evaluations N' goes on",
                       w->run.folder, w->run.folder);
    return wt_hint(err, "'wildtype show %s' says what they died of", w->run.folder);
}

static int evolve(work *w, wt_error *err) {
    wt_threads_set((int)w->options->threads);
    if (open_run(w, err) != 0) return -1;
    const wt_evolve_calls calls = {wt_evolve_view_draw, wt_evolve_view_clock, &w->view};
    if (wt_evolve(&w->run.contest, &calls, &w->evolution, err) != 0) return -1;
    if (w->evolution.population_count == 0) return fail_empty(w, err);
    /* a first Ctrl-C ends the search; the verdict that follows takes a second one */
    if (strcmp(w->evolution.ended, "interrupted") == 0) w->run.contest.progress = NULL;
    if (finish_run(w, err) != 0 || wt_summary_write(w->run.store, w->run.folder, err) != 0) return -1;
    return print_outcome(w, err);
}

static void release(work *w) {
    wt_evolution_release(&w->evolution);
    wt_run_close(&w->run);
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    const settings *s = given;
    static char folder[64];
    if (s->resume && (s->rules || s->size || s->text || s->holdout || s->output))
        return wt_usage(err, "--resume goes on with a run's own rules: leave out --rules, --size, --text, --holdout and --output");
    w.run.folder = s->resume ? s->resume : s->output;
    for (int i = 1; !w.run.folder; i++) { /* the first that is free */
        struct stat st;
        snprintf(folder, sizeof folder, "run-%d", i);
        if (stat(folder, &st) != 0) w.run.folder = folder;
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
     .help = "The text that strategies are measured on: cut into parts to calibrate, to search and for the verdict. A third "
             "of what is chosen on is the model's own writing (text: {own: ...} in the rules); without a text, all is."},
    {.name = "holdout", .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(holdout),
     .help = "Another text for the verdict, instead of the last part of --text."},
    {.name = "rules", .letter = 'r', .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(rules),
     .help = "The rules of survival; 'wildtype rules init' writes them with comments. Other options go before what the file says."},
    {.name = "output", .letter = 'o', .kind = WT_OPTION_TEXT, .value = "FOLDER", SETTING(output),
     .help = "The run's folder, which must hold no run. Default: run-1, run-2, ..."},
    {.name = "resume", .kind = WT_OPTION_TEXT, .value = "FOLDER", SETTING(resume),
     .help = "Goes on with a run, from its last finished evaluation. Without --minutes and --evaluations it keeps those that it has; one of "
             "them takes the place of both."},
    {.name = "minutes", .kind = WT_OPTION_NUMBER, .value = "M", SETTING(minutes), .min = 0.01, .max = 1e6,
     .help = "How long to search; the verdict comes on top. Default: 10, or 2 with the built-in model."},
    {.name = "evaluations", .kind = WT_OPTION_COUNT, .value = "N", SETTING(evaluations), .min = 1, .max = 1e9,
     .help = "How many individuals to measure, instead of --minutes: such a run can be repeated to the byte."},
    {.name = "seed", .letter = 's', .kind = WT_OPTION_COUNT, .value = "N", SETTING(seed), .min = 1, .max = 9007199254740992.0,
     .help = "Seed of everything that is drawn. Default: 1."},
    {.name = "threads", .letter = 't', .kind = WT_OPTION_COUNT, .value = "N", SETTING(threads), .min = 1, .max = 1024,
     .help = "Threads to use. Default: one per processor. Results do not depend on it."},
    {.name = "allow-commands", .kind = WT_OPTION_FLAG, SETTING(allow_commands),
     .help = "Lets the outside commands of the rules run. Rules may come from somebody else: read them first."},
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
        "files that llama.cpp runs, each with its strategy as text, a summary and a page to look at (report.html): who survived, against which hand-made presets and methods, by how "
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
