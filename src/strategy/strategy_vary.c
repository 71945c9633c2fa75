/*
 * New strategies: drawn, or made of one or two others. Which gene an operator takes is decided here, what happens to it
 * by its kind. All of it follows from the stream of random numbers and the scope.
 */
#include <string.h>

#include "strategy/gene_kinds.h"

/* How often a mutation is tried before another kind of it is, and altogether; most change something the first time. */
enum { TRIES_OF_KIND = 32, TRIES = 512 };

static const struct {
    const char *name, *help;
} OPERATORS[WT_OPERATORS] = {
    [WT_OPERATOR_RANDOM] =
        {"random", "a new strategy, drawn gene by gene: each is drawn in the share of strategies that its row says"},
    [WT_OPERATOR_CROSS] = {"cross",
                           "two parents: each gene is one's, or a mix as its kind mixes; rules exchange subtrees"},
    [WT_OPERATOR_RULE] = {"rule", "one rule: a subtree, an operator, a variable or a number of it"},
    [WT_OPERATOR_CONSTANT] = {"constant", "one number: in a rule, of a grid, or a gene that is one"},
    [WT_OPERATOR_SWITCH] =
        {"switch",
         "types of pinned tensors: one gets more bits or fewer and others give or take them, so that the bytes "
         "stay about the same; where not all are pinned: a pin more, one less, or another type"},
    [WT_OPERATOR_TYPES] = {"types",
                           "the set of types gets one more, one less or another; or the type of a cache changes"},
    [WT_OPERATOR_CHOICE] = {"choice", "something is turned on or off: a rotation, a fold, feedback, a grid of its own"},
};

const char *wt_operator_name(wt_operator op) { return OPERATORS[op].name; }
const char *wt_operator_help(wt_operator op) { return OPERATORS[op].help; }

void wt_scope_init(wt_scope *scope) { *scope = (wt_scope){.types = wt_types_usual()}; }

/* Whether the gene may vary and makes a difference. With every tensor pinned, nothing is left to price. */
static bool varies(const wt_strategy *s, wt_gene gene, const wt_scope *scope) {
    if (scope->frozen >> gene & 1) return false;
    switch (gene) {
    case WT_GENE_ALLOC_PRICE:
    case WT_GENE_ALLOC_TYPES: return !scope->all_pinned;
    case WT_GENE_FEEDBACK_ORDER:
    case WT_GENE_FEEDBACK_REFIT: return s->genes[WT_GENE_FEEDBACK_DAMP].number > 0;
    default: return true;
    }
}

/* Whether `op` is one that varies genes of this one's kind. Of rules only folds are off at their default. */
static bool applies(const wt_gene_info *info, wt_operator op) {
    if (op == WT_OPERATOR_CHOICE && info->kind == WT_GENE_RULE && info->draw != WT_DRAW_POWER) return false;
    return wt_gene_kind_of(info->kind)->operators >> op & 1;
}

static int check_scope(const wt_scope *scope, wt_error *err) {
    if (scope->types && !(scope->types & ~wt_types_all())) return 0;
    return wt_fail(err, WT_ERR_ARGUMENT, "strategies need at least one type, of those that weights are quantized to");
}

int wt_strategy_random(wt_strategy *out, const wt_scope *scope, wt_rng *rng, wt_error *err) {
    wt_strategy_init(out);
    if (check_scope(scope, err) != 0) return -1;
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *info = wt_gene_of((wt_gene)g);
        const bool drawn = wt_rng_uniform(rng) < info->chance;
        if (!drawn || !varies(out, (wt_gene)g, scope)) continue;
        wt_gene_value value;
        if (wt_gene_kind_of(info->kind)->draw(info, scope, rng, &value, err) != 0) {
            wt_strategy_release(out);
            return -1;
        }
        wt_gene_release(info, &out->genes[g]);
        out->genes[g] = value;
    }
    return 0;
}

/* One try: 1 where the strategy changed, 0 where not. */
static int try_once(wt_strategy *s, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_error *err) {
    wt_gene genes[WT_GENES];
    size_t n = 0;
    for (int g = 0; g < WT_GENES; g++) {
        if (varies(s, (wt_gene)g, scope) && applies(wt_gene_of((wt_gene)g), op)) genes[n++] = (wt_gene)g;
    }
    if (n == 0) return 0;
    const wt_gene gene = genes[wt_rng_below(rng, n)];
    const wt_gene_info *info = wt_gene_of(gene);
    const wt_gene_kind_info *kind = wt_gene_kind_of(info->kind);
    wt_gene_value value;
    if (wt_gene_copy(info, &value, &s->genes[gene], err) != 0) return -1;
    if (kind->mutate(info, scope, op, rng, &value, err) != 0) {
        wt_gene_release(info, &value);
        return -1;
    }
    const bool same = kind->equal(info, &value, &s->genes[gene]);
    wt_gene_release(info, same ? &value : &s->genes[gene]);
    if (!same) s->genes[gene] = value;
    return !same;
}

static wt_operator any_mutation(wt_rng *rng) {
    return (wt_operator)(WT_OPERATOR_RULE + wt_rng_below(rng, WT_OPERATORS - WT_OPERATOR_RULE));
}

int wt_strategy_mutate(wt_strategy *out, const wt_strategy *parent, const wt_scope *scope, wt_operator op, wt_rng *rng,
                       wt_operator *done, wt_error *err) {
    wt_strategy_init(out);
    if (check_scope(scope, err) != 0) return -1;
    if (op < WT_OPERATOR_RULE)
        return wt_fail(err, WT_ERR_ARGUMENT, "'%s' is no kind of mutation", wt_operator_name(op));
    if (wt_strategy_copy(out, parent, err) != 0) return -1;
    for (int i = 0; i < TRIES; i++) {
        const wt_operator now = op == WT_OPERATORS || i >= TRIES_OF_KIND ? any_mutation(rng) : op;
        const int changed = try_once(out, scope, now, rng, err);
        if (changed > 0 && done) *done = now;
        if (changed > 0) return 0;
        if (changed < 0) {
            wt_strategy_release(out);
            return -1;
        }
    }
    wt_strategy_release(out);
    wt_fail(err, WT_ERR_ARGUMENT, "nothing of the strategy can vary within the scope");
    return wt_hint(err, "allow more types, or freeze fewer genes");
}

int wt_strategy_cross(wt_strategy *out, const wt_strategy *a, const wt_strategy *b, const wt_scope *scope, wt_rng *rng,
                      wt_error *err) {
    wt_strategy_init(out);
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *info = wt_gene_of((wt_gene)g);
        const wt_gene_kind_info *kind = wt_gene_kind_of(info->kind);
        const wt_gene_value *p = &a->genes[g], *q = &b->genes[g];
        const bool whole = info->kind != WT_GENE_PINS && wt_rng_below(rng, 2), from_a = wt_rng_below(rng, 2);
        wt_gene_value value;
        int rc;
        if (scope->frozen >> g & 1)
            rc = wt_gene_copy(info, &value, p, err);
        else if (whole || kind->equal(info, p, q))
            rc = wt_gene_copy(info, &value, from_a ? p : q, err);
        else
            rc = kind->cross(info, scope, rng, p, q, &value, err);
        if (rc != 0) {
            wt_strategy_release(out);
            return -1;
        }
        wt_gene_release(info, &out->genes[g]);
        out->genes[g] = value;
    }
    return 0;
}
