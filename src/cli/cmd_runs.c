/* `wildtype runs`: the runs below a folder, a line each. */
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/run_facts.h"

typedef struct settings {
    const char *folder;
    bool json;
} settings;

/* Deeper than people keep runs. */
enum { DEEPEST = 8 };

typedef struct entry {
    char *folder;
    wt_run_facts facts;
    wt_error wrong; /* why it has no facts; code 0: it has */
} entry;

typedef struct list {
    entry *items;
    size_t count, cap;
} list;

/* ---- finding ---- */

static int add(list *l, const char *folder, wt_error *err) {
    if (wt_grow((void **)&l->items, &l->cap, l->count + 1, sizeof *l->items, err) != 0) return -1;
    entry *e = &l->items[l->count];
    *e = (entry){.folder = strdup(folder)};
    if (!e->folder) return wt_fail_memory(err, strlen(folder));
    l->count++;
    wt_run_store *store = wt_store_open(folder, WT_STORE_READ, &e->wrong);
    if (store && wt_run_facts_read(&e->facts, store, folder, &e->wrong) == 0) e->wrong = (wt_error){0};
    wt_store_close(store);
    return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

/* Folders that may not be read are passed over, but for the first. */
static int find(list *l, const char *folder, wt_error *err) {
    char *paths[] = {(char *)folder, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, by_name);
    int rc = tree ? 0 : wt_fail_errno(err, errno, "cannot read '%s'", folder);
    for (FTSENT *e; rc == 0 && (e = fts_read(tree));) {
        if (e->fts_level == 0 && e->fts_info != FTS_D && e->fts_info != FTS_DP) {
            rc = e->fts_info == FTS_DNR || e->fts_info == FTS_NS || e->fts_info == FTS_ERR
                     ? wt_fail_errno(err, e->fts_errno, "cannot read '%s'", folder)
                     : wt_fail(err, WT_ERR_ARGUMENT, "'%s' is no folder", folder);
        } else if (e->fts_info == FTS_D && e->fts_level >= DEEPEST) {
            fts_set(tree, e, FTS_SKIP);
        } else if (e->fts_info != FTS_D && e->fts_info != FTS_DP && strcmp(e->fts_name, "run.db") == 0 && e->fts_pathlen > 7) {
            e->fts_path[e->fts_pathlen - 7] = '\0';
            rc = add(l, e->fts_path, err);
            e->fts_path[e->fts_pathlen - 7] = '/';
        }
    }
    if (tree) fts_close(tree);
    return rc;
}

static void release(list *l) {
    for (size_t i = 0; i < l->count; i++) free(l->items[i].folder);
    free(l->items);
}

/* ---- printing ---- */

static const char *format_value(char buf[32], double x) {
    if (isnan(x)) return "-";
    snprintf(buf, 32, "%.6f", x);
    return buf;
}

static void print_entry(const entry *e, int width) {
    char folder[512], size[32], survivor[32], human[32], wrong[1024];
    const wt_run_facts *f = &e->facts;
    wt_printable(folder, sizeof folder, e->folder, strlen(e->folder));
    if (e->wrong.code) {
        printf("%-*s  %s\n", width, folder, wt_printable(wrong, sizeof wrong, e->wrong.message, strlen(e->wrong.message)));
        return;
    }
    printf("%-*s  %-16s  %10s  %-18s  %11" PRIu64 "  %11" PRIu64 "  %9s  %9s %s\n", width, folder, f->model,
           f->size ? wt_format_bytes(size, f->size) : "-", wt_run_facts_state(f), f->generations, f->evaluations,
           format_value(survivor, f->survivor), format_value(human, f->human), f->human_label);
}

static void print_list(const list *l, const char *folder) {
    size_t width = 6;
    char name[512];
    if (l->count == 0) {
        printf("no runs below '%s'; 'wildtype evolve' makes one\n", wt_printable(name, sizeof name, folder, strlen(folder)));
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        const size_t n = strlen(wt_printable(name, sizeof name, l->items[i].folder, strlen(l->items[i].folder)));
        if (n > width) width = n < 40 ? n : 40;
    }
    printf("%-*s  %-16s  %10s  %-18s  %11s  %11s  %9s  %9s\n", (int)width, "folder", "model", "size", "ended", "generations", "evaluations",
           "survivor", "human");
    for (size_t i = 0; i < l->count; i++) print_entry(&l->items[i], (int)width);
}

static json_t *entry_json(const entry *e) {
    const wt_run_facts *f = &e->facts;
    json_t *o = json_object();
    json_object_set_new(o, "folder", wt_json_text(e->folder, strlen(e->folder)));
    if (e->wrong.code) {
        json_object_set_new(o, "wrong", wt_json_text(e->wrong.message, strlen(e->wrong.message)));
        return o;
    }
    json_object_set_new(o, "model", json_string(f->model));
    json_object_set_new(o, "size", json_integer((json_int_t)f->size));
    json_object_set_new(o, "running", json_boolean(f->running));
    json_object_set_new(o, "ended", f->ended[0] ? json_string(f->ended) : json_null());
    json_object_set_new(o, "generations", json_integer((json_int_t)f->generations));
    json_object_set_new(o, "evaluations", json_integer((json_int_t)f->evaluations));
    json_object_set_new(o, "survivor", f->survivor_name[0] ? json_string(f->survivor_name) : json_null());
    json_object_set_new(o, "survivor_kld", wt_json_real(f->survivor));
    json_object_set_new(o, "human", f->human_label[0] ? json_string(f->human_label) : json_null());
    json_object_set_new(o, "human_kld", wt_json_real(f->human));
    return o;
}

static int print_json(const list *l, wt_error *err) {
    json_t *root = json_object(), *runs = json_array();
    for (size_t i = 0; i < l->count; i++) json_array_append_new(runs, entry_json(&l->items[i]));
    json_object_set_new(root, "runs", runs);
    return wt_json_print(root, err);
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    const char *folder = s->folder ? s->folder : ".";
    list l = {0};
    int rc = find(&l, folder, err);
    if (rc == 0 && s->json)
        rc = print_json(&l, err);
    else if (rc == 0)
        print_list(&l, folder);
    release(&l);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"FOLDER", offsetof(settings, folder), "Where to look, eight folders deep. Default: the folder that you are in."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "json", .kind = WT_OPTION_FLAG, .offset = offsetof(settings, json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype runs", "What ran here, and what came of it."},
    {"wildtype runs ~/experiments --json", "The same of another folder, for programs."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_RUNS = {
    .name = "runs",
    .summary = "list the runs below a folder",
    .synopsis = "[FOLDER]",
    .description =
        "Lists every folder with a run of evolve: its model, the size that it was for, whether it is running, how it ended or that it was stopped, "
        "what it spent, and the mean divergence of its first survivor beside that of the best human, both on the holdout text.\n"
        "\n"
        "Nothing is changed, and runs that are going on are not disturbed.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
