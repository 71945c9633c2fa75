/* Whether rules can be played by: contradictions are named, with what comes nearest. */
#include <string.h>

#include "measure/axis.h"
#include "quant/encode.h"
#include "survive/rules.h"

static int unknown_axis(const char *axis, wt_error *err) {
    char known[300] = "";
    for (size_t i = 0; wt_axis_at(i); i++) {
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, wt_axis_at(i)->name, sizeof known - strlen(known) - 1);
    }
    wt_fail(err, WT_ERR_ARGUMENT, "the rules name an axis '%s' that does not exist", axis);
    return wt_hint(err, "axes are %s, and the names of commands", known);
}

/* That what an axis needs is there. */
static int check_axis(const wt_rules *r, const char *axis, wt_error *err) {
    const wt_axis *row = wt_axis_find(axis);
    const bool tasks = row && (row->final == 1 + WT_FINAL_TASKS || row->final == 1 + WT_FINAL_FLIPS);
    if (!row && !wt_rules_command(r, axis)) return unknown_axis(axis, err);
    if (tasks && !r->tasks) {
        wt_fail(err, WT_ERR_ARGUMENT, "the axis '%s' needs tasks, and the rules name no file of them", axis);
        return wt_hint(err, "tasks: FILE");
    }
    if (row && row->final == 1 + WT_FINAL_KLD_OTHER && !r->other_text) {
        wt_fail(err, WT_ERR_ARGUMENT, "the axis '%s' needs a text of another kind, and the rules name none", axis);
        return wt_hint(err, "text: {other_file: FILE}");
    }
    return 0;
}

/* Names stand in tables, in the store and in messages. */
static bool is_name(const char *name) {
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == strlen(name) && strlen(name) <= 40;
}

static int check_command(const wt_rules *r, unsigned i, wt_error *err) {
    const wt_command_axis *c = &r->commands[i];
    if (!is_name(c->name)) {
        wt_fail(err, WT_ERR_ARGUMENT, "a command cannot have the name '%.60s'", c->name);
        return wt_hint(err, "at most 40 letters, digits, and _ - . /");
    }
    if (wt_axis_find(c->name)) return wt_fail(err, WT_ERR_ARGUMENT, "a command has the name of the axis '%s'", c->name);
    if (wt_rules_command(r, c->name) != c) return wt_fail(err, WT_ERR_ARGUMENT, "two commands have the name '%s'", c->name);
    if (c->count == 0 || !c->words[0][0]) return wt_fail(err, WT_ERR_ARGUMENT, "the command '%s' has no words", c->name);
    if (wt_command_names_model(c)) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "the command '%s' does not name the file that it measures", c->name);
    return wt_hint(err, "%s in one of its words stands for it", WT_COMMAND_MODEL);
}

static int check_constraint(const wt_rules *r, const wt_rule_constraint *c, wt_error *err) {
    if (check_axis(r, c->axis, err) != 0) return -1;
    if (!c->min && !c->max) return wt_fail(err, WT_ERR_ARGUMENT, "the constraint on '%s' has neither min nor max", c->axis);
    if (c->min && c->max && *c->min > *c->max) {
        wt_fail(err, WT_ERR_ARGUMENT, "the constraint on '%s' cannot be met: min %.10g is above max %.10g", c->axis, *c->min, *c->max);
        return wt_hint(err, "the nearest that can be met is max: %.10g", *c->min);
    }
    if (strcmp(c->axis, "bytes") == 0 && c->max && *c->max < 1024)
        return wt_fail(err, WT_ERR_ARGUMENT, "the constraint on 'bytes' cannot be met: no model fits into %.0f bytes", *c->max);
    return 0;
}

int wt_rules_check(const wt_rules *r, wt_error *err) {
    const double parts = r->calibrate + r->search + (r->holdout_text ? 0 : r->holdout);
    for (unsigned i = 0; i < r->command_count; i++)
        if (check_command(r, i, err) != 0) return -1;
    for (unsigned i = 0; i < r->constraint_count; i++)
        if (check_constraint(r, &r->constraints[i], err) != 0) return -1;
    for (unsigned i = 0; i < r->axis_count; i++) {
        if (check_axis(r, r->axes[i].axis, err) != 0) return -1;
        for (unsigned k = 0; k < i; k++)
            if (strcmp(r->axes[i].axis, r->axes[k].axis) == 0)
                return wt_fail(err, WT_ERR_ARGUMENT, "the rules name the axis '%s' twice", r->axes[i].axis);
    }
    for (unsigned i = 0; i < r->type_count; i++) {
        const int type = wt_type_by_name(r->types[i]);
        if (type >= 0 && wt_encoder_of((wt_type)type)->exists) continue;
        wt_fail(err, WT_ERR_ARGUMENT, "the rules name a type '%s' that does not exist", r->types[i]);
        return wt_hint(err, "'wildtype quantize --help' lists the types");
    }
    if (parts > 1 + 1e-9) {
        wt_fail(err, WT_ERR_ARGUMENT, "the parts of the text sum to %.4g, more than all of it", parts);
        return wt_hint(err, "the nearest is calibrate %.3g, search %.3g, holdout %.3g", r->calibrate / parts, r->search / parts,
                       r->holdout / parts);
    }
    if (!r->rule_species && !r->pinned_species) {
        wt_fail(err, WT_ERR_ARGUMENT, "the rules allow no species");
        return wt_hint(err, "species: [rule, pinned]");
    }
    if (r->evaluations == 0 && r->tokens == 0 && !(r->minutes > 0) && r->patience == 0) {
        wt_fail(err, WT_ERR_ARGUMENT, "the rules have no end: evaluations, tokens, minutes and patience are all 0");
        return wt_hint(err, "budget: {minutes: 10}");
    }
    return 0;
}
