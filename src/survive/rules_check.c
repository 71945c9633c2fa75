/* Whether rules can be played by: contradictions are named, with what comes nearest. */
#include <string.h>

#include "measure/axis.h"
#include "quant/encode.h"
#include "survive/rules.h"

static int unknown_axis(const char *axis, wt_error *err) {
    char known[200] = "";
    for (size_t i = 0; wt_axis_at(i); i++) {
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, wt_axis_at(i)->name, sizeof known - strlen(known) - 1);
    }
    wt_fail(err, WT_ERR_ARGUMENT, "the rules name an axis '%s' that does not exist", axis);
    return wt_hint(err, "axes are %s", known);
}

static int check_constraint(const wt_rule_constraint *c, wt_error *err) {
    if (!wt_axis_find(c->axis)) return unknown_axis(c->axis, err);
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
    for (unsigned i = 0; i < r->constraint_count; i++)
        if (check_constraint(&r->constraints[i], err) != 0) return -1;
    for (unsigned i = 0; i < r->axis_count; i++) {
        if (!wt_axis_find(r->axes[i].axis)) return unknown_axis(r->axes[i].axis, err);
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
