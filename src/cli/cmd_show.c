/* `wildtype show`: a run, or one of its individuals, from the store alone. */
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/run_report.h"

typedef struct settings {
    const char *run, *individual;
    bool json;
} settings;

static int show(const settings *s, wt_run_store *store, const wt_run_facts *facts, const wt_population *p, wt_error *err) {
    if (!s->individual) {
        if (!s->json) return wt_run_print(s->run, facts, p, store, err);
        json_t *root = wt_run_json(facts, p, store, err);
        return root ? wt_json_print(root, err) : -1;
    }
    const wt_record *r = wt_population_find(p, s->individual, err);
    if (!r) return -1;
    if (!s->json) return wt_record_print(r, p, store, err);
    json_t *root = wt_record_json(r, p, store, err);
    return root ? wt_json_print(root, err) : -1;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    wt_run_facts facts;
    wt_population p = {0};
    if (!s->run) return wt_usage(err, "which run is not said: wildtype show RUN [INDIVIDUAL]");
    wt_run_store *store = wt_store_open(s->run, WT_STORE_READ, err);
    int rc = store && wt_run_facts_read(&facts, store, s->run, err) == 0 && wt_population_read(&p, store, err) == 0 ? 0 : -1;
    if (rc == 0) rc = show(s, store, &facts, &p, err);
    wt_population_release(&p);
    wt_store_close(store);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"RUN", offsetof(settings, run), "The run's folder; 'wildtype runs' lists them."},
    {"INDIVIDUAL", offsetof(settings, individual),
     "A strategy's name, a beginning of it that no other has, the label of a human (Q4_K_M), or # and a number."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "json", .kind = WT_OPTION_FLAG, .offset = offsetof(settings, json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype show run/", "Who survived, against which humans, and how the run went."},
    {"wildtype show run/ 9f3c", "The individual whose name begins so."},
    {"wildtype show run/ Q3_K_M", "A human of that run."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_SHOW = {
    .name = "show",
    .summary = "show a run, or one of its individuals",
    .synopsis = "RUN [INDIVIDUAL]",
    .description =
        "Of a run: the verdict on the holdout text, the best of the population on the text that was searched on, what strategies died of, and the "
        "generations.\n"
        "\n"
        "Of an individual: its strategy, the types that its tensors got, its figures, parents and children, what it died of, and what its genes are "
        "worth where 'wildtype explain' has found that out. The run may be going on meanwhile.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
