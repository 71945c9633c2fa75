/* `wildtype pick`: an old run's answer for another budget, from what was measured then. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_individual.h"
#include "cli/run_report.h"
#include "cli/size_option.h"

typedef struct settings {
    const char *run, *size, *output, *model;
    double max_kld;
    uint64_t threads;
    bool json;
} settings;

/* What comes nearest: the smallest of all, or the best that has the size. */
static int refuse(const wt_population *p, uint64_t size, double max_kld, wt_error *err) {
    char asked[32], has[32];
    const wt_record *smallest = NULL, *best = wt_population_pick(p, size, 0);
    for (size_t i = 0; i < p->count; i++) {
        const wt_record *r = &p->items[i];
        if (wt_record_compares(p, r) && (!smallest || r->row.bytes < smallest->row.bytes)) smallest = r;
    }
    if (!smallest) {
        wt_fail(err, WT_ERR_ARGUMENT, "nobody in the run was measured yet");
        return wt_hint(err, "'wildtype evolve --resume' goes on with it");
    }
    if (!best) {
        wt_fail(err, WT_ERR_ARGUMENT, "nobody in the run has %s or less", wt_format_bytes(asked, size));
        return wt_hint(err, "the smallest is '%s' with %s; a run for that size finds more", wt_record_called(smallest),
                       wt_format_bytes(has, smallest->row.bytes));
    }
    wt_fail(err, WT_ERR_ARGUMENT, "nobody %s%s has a mean divergence of %.6g or less", size ? "of at most " : "in the run",
            size ? wt_format_bytes(asked, size) : "", max_kld);
    return wt_hint(err, "the best is '%s' with %.6f at %s", wt_record_called(best), best->kld, wt_format_bytes(has, best->row.bytes));
}

static int print(const settings *s, const wt_record *r, const wt_population *p, wt_error *err) {
    char bytes[32], size[32], path[600];
    wt_progress_clear();
    if (s->json) {
        json_t *root = json_object();
        json_object_set_new(root, "name", json_string(r->row.name));
        if (r->row.label[0]) json_object_set_new(root, "label", json_string(r->row.label));
        json_object_set_new(root, "kind", json_string(r->row.kind));
        json_object_set_new(root, "species", json_string(r->row.species));
        json_object_set_new(root, "bytes", json_integer((json_int_t)r->row.bytes));
        json_object_set_new(root, "memory", json_integer((json_int_t)r->row.memory));
        json_object_set_new(root, "kld_mean", wt_json_real(r->kld));
        json_object_set_new(root, "kld_chunk_stderr", wt_json_real(r->kld_stderr));
        json_object_set_new(root, "same_top", wt_json_real(r->same_top));
        json_object_set_new(root, "perplexity_ratio", wt_json_real(r->perplexity_ratio));
        json_object_set_new(root, "search_chunks", json_integer((json_int_t)p->chunks));
        json_object_set_new(root, "text", wt_json_text(r->row.text, strlen(r->row.text)));
        json_object_set_new(root, "output", s->output ? wt_json_text(s->output, strlen(s->output)) : json_null());
        return wt_json_print(root, err);
    }
    printf("%-10s %s%s\n", r->human ? "human" : "name", wt_record_called(r), r->human ? ": nobody born in the run is better at this size" : "");
    printf("file       %s bytes (%s)\n", wt_format_count(bytes, r->row.bytes), wt_format_bytes(size, r->row.bytes));
    printf("search     mean KLD %.6f +- %.6f, same top %.3f%%, perplexity ratio %.4f over %zu chunks\n", r->kld, r->kld_stderr, 100 * r->same_top,
           r->perplexity_ratio, p->chunks);
    puts("           these are the chunks that were searched on: no verdict, which takes text that no one looked at");
    if (s->output) printf("output     %s\n", wt_printable(path, sizeof path, s->output, strlen(s->output)));
    if (!s->output) printf("\n%s", r->row.text);
    return 0;
}

static int pick(const settings *s, uint64_t size, wt_run_store *store, wt_population *p, const wt_record **r, wt_error *err) {
    if (!store || wt_population_read(p, store, err) != 0) return -1;
    *r = wt_population_pick(p, size, s->max_kld);
    return *r ? 0 : refuse(p, size, s->max_kld, err);
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    uint64_t size = 0;
    wt_run_session session = {0};
    wt_population p = {0};
    const wt_record *r = NULL;
    if (!s->run) return wt_usage(err, "which run is not said: wildtype pick RUN --size SIZE");
    if (!s->size && !(s->max_kld > 0)) return wt_usage(err, "what to pick by is not said: --size SIZE, --max-kld X, or both");
    if (s->size && wt_read_size("--size", s->size, &size, err) != 0) return WT_EXIT_USAGE;
    int rc;
    if (s->output) {
        wt_interrupt_watch();
        wt_threads_set((int)s->threads);
        rc = wt_run_reopen(&session, s->run, WT_STORE_READ, s->model, err);
    } else { /* the model may be gone */
        rc = (session.store = wt_store_open(s->run, WT_STORE_READ, err)) ? 0 : -1;
    }
    if (rc == 0) rc = pick(s, size, session.store, &p, &r, err);
    if (rc == 0 && s->output) rc = wt_run_export(&session, r, s->output, err);
    if (rc == 0) rc = print(s, r, &p, err);
    wt_population_release(&p);
    wt_run_close(&session);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"RUN", offsetof(settings, run), "The run's folder; 'wildtype runs' lists them."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "size", .kind = WT_OPTION_TEXT, .value = "SIZE", SETTING(size),
     .help = "What the file may have at most, in bytes or with a unit (2.9MiB). Without it the smallest that keeps --max-kld."},
    {.name = "max-kld", .kind = WT_OPTION_NUMBER, .value = "X", SETTING(max_kld), .min = 0, .max = 1e6,
     .help = "What the mean divergence may be at most, nats per token on the search text."},
    {.name = "output", .letter = 'o', .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(output),
     .help = "Writes its GGUF file too, as 'wildtype export' does."},
    {.name = "model", .letter = 'm', .kind = WT_OPTION_TEXT, .value = "MODEL", SETTING(model),
     .help = "With --output: the run's model, where it lies elsewhere by now."},
    {.name = "threads", .letter = 't', .kind = WT_OPTION_COUNT, .value = "N", SETTING(threads), .min = 1, .max = 1024,
     .help = "Threads to use. Default: one per processor."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype pick run/ --size 2.9MiB", "The best that the run has measured within 2.9 MiB."},
    {"wildtype pick run/ --max-kld 0.05 -o x.gguf", "The smallest that diverges by no more, as a file."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_PICK = {
    .name = "pick",
    .summary = "ask a run for another budget",
    .synopsis = "RUN --size SIZE [--max-kld X] [-o FILE]\nRUN --max-kld X [-o FILE]",
    .description =
        "A run measures individuals of many sizes on the same chunks of text, those of the humans among them. This command finds the best of them "
        "within a size, and prints its figures and its strategy; nothing is measured again.\n"
        "\n"
        "Most individuals of a run are about as large as its budget: a smaller budget is answered by what rules.yaml's 'smaller' set apart, and a run "
        "of its own finds better.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
