/* `wildtype export`: the file of any individual of a run, made again from its strategy, the model and the text. */
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_individual.h"
#include "cli/run_report.h"

typedef struct settings {
    const char *run, *individual, *output, *model;
    uint64_t threads;
    bool json;
} settings;

static int print(const settings *s, const wt_record *r, wt_error *err) {
    char bytes[32], path[600];
    wt_progress_clear();
    if (s->json) {
        json_t *root = json_object();
        json_object_set_new(root, "name", json_string(r->row.name));
        if (r->row.label[0]) json_object_set_new(root, "label", json_string(r->row.label));
        json_object_set_new(root, "bytes", json_integer((json_int_t)r->row.bytes));
        json_object_set_new(root, "output", wt_json_text(s->output, strlen(s->output)));
        return wt_json_print(root, err);
    }
    printf("%s: %s, %s bytes\n", wt_printable(path, sizeof path, s->output, strlen(s->output)), wt_record_called(r),
           wt_format_count(bytes, r->row.bytes));
    return 0;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    wt_run_session session = {0};
    wt_population p = {0};
    const wt_record *r = NULL;
    if (!s->run || !s->individual) return wt_usage(err, "a run and an individual are needed: wildtype export RUN INDIVIDUAL -o FILE");
    if (!s->output) return wt_usage(err, "where to write is not said: add --output FILE");
    wt_interrupt_watch();
    wt_threads_set((int)s->threads);
    int rc = wt_run_reopen(&session, s->run, WT_STORE_READ, s->model, err) == 0 && wt_population_read(&p, session.store, err) == 0 ? 0 : -1;
    if (rc == 0 && !(r = wt_population_find(&p, s->individual, err))) rc = -1;
    if (rc == 0 && wt_run_export(&session, r, s->output, err) != 0) rc = -1;
    if (rc == 0) rc = print(s, r, err);
    wt_population_release(&p);
    wt_run_close(&session);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"RUN", offsetof(settings, run), "The run's folder; 'wildtype runs' lists them."},
    {"INDIVIDUAL", offsetof(settings, individual),
     "A strategy's name, a beginning of it that no other has, the label of a human (Q4_K_M), or # and a number."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "output", .letter = 'o', .kind = WT_OPTION_TEXT, .value = "FILE", SETTING(output), .help = "The GGUF file to write."},
    {.name = "model", .letter = 'm', .kind = WT_OPTION_TEXT, .value = "MODEL", SETTING(model),
     .help = "The run's model, where it lies elsewhere by now. Default: where it was when the run began."},
    {.name = "threads", .letter = 't', .kind = WT_OPTION_COUNT, .value = "N", SETTING(threads), .min = 1, .max = 1024,
     .help = "Threads to use. Default: one per processor. The file does not depend on it."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype export run/ 9f3c -o x.gguf", "The file of the individual whose name begins so."},
    {"wildtype export run/ Q3_K_M -o human.gguf --model ~/models/model.gguf", "A human's, of a run whose model has moved."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_EXPORT = {
    .name = "export",
    .summary = "write the file of an individual",
    .synopsis = "RUN INDIVIDUAL -o FILE [--model MODEL]",
    .description =
        "Makes the GGUF file of any individual of a run: strategy, model and text are all there is to it, so that the bytes are those which evolve "
        "wrote, or would have written. What the run measured on its text before the search is measured again.\n"
        "\n"
        "Refused where model, text or version of wildtype are not those of the run.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
