/* The rules' life: defaults, bounds, release. Reading, checking and printing are in files of their own. */
#include "survive/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int wt_rules_init(wt_rules *r, wt_error *err) {
    (void)err;
    *r = (wt_rules){.calibrate = 0.5,
                    .search = 0.3,
                    .holdout = 0.2,
                    .own = 0.33,
                    .calibrate_chunks = 64,
                    .search_chunks = 48,
                    .holdout_chunks = 64,
                    .playoff = 2,
                    .final_chunks = 4,
                    .runtime = WT_RUNTIME_LLAMA_CPP_CPU,
                    .feedback = WT_FEEDBACK_AUTO,
                    .population = 8,
                    .offspring = 12,
                    .selection = WT_SELECT_PARETO,
                    .humans = WT_HUMANS_COMPETE,
                    .presets = 6,
                    .rule_species = true,
                    .pinned_species = true,
                    .smaller = 0.1,
                    .level = 0.05,
                    .race_block = 8,
                    .minutes = 10,
                    .survivors = 3,
                    .seed = 1};
    return 0;
}

void wt_rules_release(wt_rules *r) {
    if (!r) return;
    free(r->text);
    free(r->holdout_text);
    free(r->other_text);
    free(r->tasks);
    for (unsigned i = 0; i < r->constraint_count; i++) {
        free(r->constraints[i].axis);
        free(r->constraints[i].min);
        free(r->constraints[i].max);
    }
    free(r->constraints);
    for (unsigned i = 0; i < r->axis_count; i++) free(r->axes[i].axis);
    free(r->axes);
    for (unsigned i = 0; i < r->command_count; i++) wt_command_release(&r->commands[i]);
    free(r->commands);
    for (unsigned i = 0; i < r->type_count; i++) free(r->types[i]);
    free(r->types);
    *r = (wt_rules){0};
}

const wt_command_axis *wt_rules_command(const wt_rules *r, const char *name) {
    for (unsigned i = 0; i < r->command_count; i++)
        if (strcmp(r->commands[i].name, name) == 0) return &r->commands[i];
    return NULL;
}

bool wt_rules_value(const wt_rules *r, const char *axis) {
    for (unsigned i = 0; i < r->axis_count; i++)
        if (strcmp(r->axes[i].axis, axis) == 0) return true;
    return wt_rules_constraint(r, axis) != NULL;
}

const wt_rule_constraint *wt_rules_constraint(const wt_rules *r, const char *axis) {
    for (unsigned i = 0; i < r->constraint_count; i++)
        if (strcmp(r->constraints[i].axis, axis) == 0) return &r->constraints[i];
    return NULL;
}

static int set_bound(double **bound, const double *value, wt_error *err) {
    if (!value) return 0;
    if (!*bound && !(*bound = wt_calloc(1, sizeof **bound, err))) return -1;
    **bound = *value;
    return 0;
}

int wt_rules_bound(wt_rules *r, const char *axis, const double *min, const double *max, wt_error *err) {
    wt_rule_constraint *c = (wt_rule_constraint *)wt_rules_constraint(r, axis);
    if (!c) {
        wt_rule_constraint *more = realloc(r->constraints, (r->constraint_count + 1) * sizeof *more);
        if (!more) return wt_fail_memory(err, (r->constraint_count + 1) * sizeof *more);
        r->constraints = more;
        c = &more[r->constraint_count];
        *c = (wt_rule_constraint){.axis = strdup(axis)};
        if (!c->axis) return wt_fail_memory(err, 1);
        r->constraint_count++;
    }
    return set_bound(&c->min, min, err) != 0 || set_bound(&c->max, max, err) != 0 ? -1 : 0;
}
