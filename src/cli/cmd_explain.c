/* `wildtype explain`: what an individual's genes are worth, by setting each to what people use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_individual.h"
#include "cli/run_report.h"
#include "survive/knockout.h"

typedef struct settings {
    const char *run, *individual, *model;
    uint64_t pins, threads;
    bool json;
} settings;

/* A result, kept until all are there to be sorted. */
typedef struct result {
    char gene[WT_KNOCKOUT_GENE];
    char *value, *cause;
    wt_interval change;
} result;

typedef struct results {
    result *items;
    size_t count, cap;
} results;

static int take(void *user, const wt_knockout *k, wt_error *err) {
    results *l = user;
    if (wt_grow((void **)&l->items, &l->cap, l->count + 1, sizeof *l->items, err) != 0) return -1;
    result *r = &l->items[l->count];
    *r = (result){.change = k->change, .value = strdup(k->value), .cause = strdup(k->cause)};
    memcpy(r->gene, k->gene, sizeof r->gene);
    l->count++;
    return r->value && r->cause ? 0 : wt_fail_memory(err, 1);
}

/* What is worth most first, and what could not be measured last. */
static int by_worth(const void *pa, const void *pb) {
    const result *a = pa, *b = pb;
    if (!a->cause[0] != !b->cause[0]) return a->cause[0] ? 1 : -1;
    if (a->change.value != b->change.value) return a->change.value > b->change.value ? -1 : 1;
    return strcmp(a->gene, b->gene);
}

/* ---- printing ---- */

static void print_text(const results *l, const wt_record *r, bool stopped) {
    char name[200], cause[500];
    printf("%s, %s: by how much its mean divergence changes when a gene is set to what people use\n", wt_record_called(r),
           stopped ? "before it was stopped" : "all genes that differ");
    if (l->count == 0) {
        puts(stopped ? "nothing was measured yet" : "every gene is what people use");
        return;
    }
    wt_knockout_print_head();
    for (size_t i = 0; i < l->count; i++) {
        const result *k = &l->items[i];
        if (k->cause[0])
            printf("%-34s  %10s  %s\n", wt_printable(name, sizeof name, k->gene, strlen(k->gene)), "lethal",
                   wt_printable(cause, sizeof cause, k->cause, strlen(k->cause)));
        else
            wt_knockout_print(k->gene, k->value, k->change.value, k->change.low, k->change.high);
    }
}

static int print_json(const results *l, const wt_record *r, bool stopped, wt_error *err) {
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "name", json_string(r->row.name));
    if (r->row.label[0]) json_object_set_new(root, "label", json_string(r->row.label));
    json_object_set_new(root, "stopped", json_boolean(stopped));
    for (size_t i = 0; i < l->count; i++) {
        const result *k = &l->items[i];
        json_t *o = k->cause[0] ? json_object() : wt_knockout_json(k->gene, k->value, k->change.value, k->change.low, k->change.high);
        if (k->cause[0]) {
            json_object_set_new(o, "gene", wt_json_text(k->gene, strlen(k->gene)));
            json_object_set_new(o, "cause", wt_json_text(k->cause, strlen(k->cause)));
        }
        json_array_append_new(list, o);
    }
    json_object_set_new(root, "knockouts", list);
    return wt_json_print(root, err);
}

/* ---- the whole ---- */

static int explain(const settings *s, wt_run_session *run, const wt_record *r, wt_error *err) {
    wt_individual i;
    results l = {0};
    int rc = wt_run_individual(&i, r, err);
    if (rc == 0 && (wt_run_open_texts(run, NULL, err) != 0 || wt_run_open_study(run, err) != 0 ||
                    wt_run_open_arena(run, err) != 0))
        rc = -1;
    if (rc == 0) rc = wt_knockout_run(&run->contest, &i, (size_t)s->pins, take, &l, err);
    const bool stopped = rc != 0 && err->code == WT_ERR_INTERRUPTED;
    if (rc == 0 || (stopped && l.count)) {
        wt_progress_clear();
        qsort(l.items, l.count, sizeof *l.items, by_worth);
        if (!s->json)
            print_text(&l, r, stopped);
        else if (print_json(&l, r, stopped, stopped ? NULL : err) != 0)
            rc = -1;
    }
    for (size_t k = 0; k < l.count; k++) {
        free(l.items[k].value);
        free(l.items[k].cause);
    }
    free(l.items);
    wt_individual_release(&i);
    return rc;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    wt_run_session session = {0};
    wt_population p = {0};
    const wt_record *r = NULL;
    if (!s->run || !s->individual) return wt_usage(err, "a run and an individual are needed: wildtype explain RUN INDIVIDUAL");
    wt_interrupt_watch();
    wt_threads_set((int)s->threads);
    int rc = wt_run_reopen(&session, s->run, WT_STORE_WRITE, s->model, err) == 0 && wt_population_read(&p, session.store, err) == 0 ? 0 : -1;
    if (rc == 0 && !(r = wt_population_find(&p, s->individual, err))) rc = -1;
    if (rc == 0) rc = explain(s, &session, r, err);
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
    {.name = "pins", .kind = WT_OPTION_COUNT, .value = "N", SETTING(pins), .min = 0, .max = WT_STRATEGY_MAX_PINS,
     .help = "Of the pinned tensors, so many are given back to the rules one by one: those of the highest price. Default: 8."},
    {.name = "model", .letter = 'm', .kind = WT_OPTION_TEXT, .value = "MODEL", SETTING(model),
     .help = "The run's model, where it lies elsewhere by now. Default: where it was when the run began."},
    {.name = "threads", .letter = 't', .kind = WT_OPTION_COUNT, .value = "N", SETTING(threads), .min = 1, .max = 1024,
     .help = "Threads to use. Default: one per processor. Results do not depend on it."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype explain run/ 9f3c", "What makes the individual whose name begins so what it is."},
    {0},
};

static const settings DEFAULTS = {.pins = 8};

const wt_command WT_COMMAND_EXPLAIN = {
    .name = "explain",
    .summary = "find out what an individual's genes are worth",
    .synopsis = "RUN INDIVIDUAL [--pins N]",
    .description =
        "Knock-outs: each gene that is not what people use is set to what they use, and each of the most important pinned tensors is given back to "
        "the rules; the altered strategy is made for the same bytes and measured on the chunks that were searched on. Printed is by how much "
        "the mean divergence changes, with its 95% interval by the bootstrap over chunks, what is worth most first: above zero the "
        "individual's own value is better.\n"
        "\n"
        "What is known is stored in the run at once; 'wildtype show' prints it, and after Ctrl-C the same command goes on where it was. The run must "
        "not be going on.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
