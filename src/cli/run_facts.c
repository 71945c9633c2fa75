#include "cli/run_facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "survive/rules.h"

typedef struct reader {
    wt_run_facts *facts;
    int64_t survivor, human; /* ids */
} reader;

static int take_generation(void *user, const wt_stored_generation *g) {
    wt_run_facts *f = ((reader *)user)->facts;
    f->generations = g->number + 1;
    f->evaluations = g->evaluations;
    f->tokens = g->tokens;
    f->seconds = g->seconds;
    f->best = g->best;
    return 0;
}

static int take_verdict(void *user, const wt_stored_verdict *v) {
    reader *r = user;
    wt_run_facts *f = r->facts;
    const bool survivor = strcmp(v->role, "survivor") == 0, human = strcmp(v->role, "human") == 0;
    f->survivors += survivor;
    f->humans += human;
    f->rejected += !survivor && !human;
    if (survivor && f->survivors == 1) { /* the first is the winner of the search */
        f->survivor = v->kld_mean;
        r->survivor = v->individual;
    }
    if (human && !isnan(v->kld_mean) && !(v->kld_mean >= f->human)) {
        f->human = v->kld_mean;
        r->human = v->individual;
    }
    return 0;
}

static int read_key(wt_run_store *store, const char *key, char *to, size_t size, wt_error *err) {
    char *value = NULL;
    const int found = wt_store_get(store, key, &value, err);
    if (found == 1) wt_printable(to, size, value, strlen(value));
    free(value);
    return found < 0 ? -1 : 0;
}

static int read_name(wt_run_store *store, int64_t id, bool label, char *to, size_t size, wt_error *err) {
    wt_stored_individual i;
    const int found = id ? wt_store_individual(store, id, &i, err) : 0;
    if (found == 1) {
        const char *name = label ? i.label : i.name;
        wt_printable(to, size, name, strlen(name));
    }
    return found < 0 ? -1 : 0;
}

/* Rules that this program does not understand say no size; `evolve --resume` tells what is wrong with them. */
static int read_size(wt_run_facts *f, wt_run_store *store, wt_error *err) {
    char *text = NULL;
    wt_rules rules;
    const int found = wt_store_get(store, "rules", &text, err);
    if (found == 1 && wt_rules_parse(&rules, text, strlen(text), "rules", NULL) == 0) {
        const wt_rule_constraint *bytes = wt_rules_constraint(&rules, "bytes");
        if (bytes && bytes->max && *bytes->max > 0 && *bytes->max < 9e18) f->size = (uint64_t)*bytes->max;
        wt_rules_release(&rules);
    }
    free(text);
    return found < 0 ? -1 : 0;
}

int wt_run_facts_read(wt_run_facts *f, wt_run_store *store, const char *folder, wt_error *err) {
    *f = (wt_run_facts){.best = NAN, .survivor = NAN, .human = NAN, .running = wt_store_is_busy(folder)};
    reader r = {f, 0, 0};
    if (read_key(store, "model", f->model, sizeof f->model, err) != 0 || read_key(store, "text", f->text, sizeof f->text, err) != 0 ||
        read_key(store, "version", f->version, sizeof f->version, err) != 0 || read_key(store, "ended", f->ended, sizeof f->ended, err) != 0 ||
        read_key(store, "seed", f->seed, sizeof f->seed, err) != 0 || read_size(f, store, err) != 0)
        return -1;
    if (!f->model[0]) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use the run in '%s': it never began", folder);
        return wt_hint(err, "its folder may be removed");
    }
    if (wt_store_each_generation(store, take_generation, &r, err) != 0 || wt_store_each_verdict(store, take_verdict, &r, err) != 0)
        return -1;
    return read_name(store, r.survivor, false, f->survivor_name, sizeof f->survivor_name, err) == 0 &&
                   read_name(store, r.human, true, f->human_label, sizeof f->human_label, err) == 0
               ? 0
               : -1;
}

const char *wt_run_facts_state(const wt_run_facts *f) { return f->running ? "running" : f->ended[0] ? f->ended : "stopped"; }
