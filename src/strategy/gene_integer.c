/* The kind that is a whole number within its gene's range, or, where the gene allows it, the block type's own: -1. */
#include <math.h>

#include "strategy/gene_kinds.h"

static int fail_word(const wt_gene_info *gene, const wt_reader *r, wt_error *err) {
    return wt_reader_fail_expected(r, gene->own ? "a whole number or 'own'" : "a whole number", err);
}

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    const wt_place start = r->place;
    double x;
    out->integer = -1;
    if (gene->own && wt_reader_take_word(r, "own")) return 0;
    if (!wt_reader_number(r, &x)) return fail_word(gene, r, err);
    if (!(x >= gene->lo && x <= gene->hi) || x != floor(x))
        return wt_reader_fail_at(start, err, "%g is out of range: %s is a whole number from %g to %g", x, gene->name,
                                 gene->lo, gene->hi);
    out->integer = (int)x;
    return 0;
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    if (gene->own && v->integer < 0)
        wt_text_add(to, "own");
    else
        wt_text_add(to, "%d", v->integer);
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    return (gene->own && v->integer == -1) || (v->integer >= gene->lo && v->integer <= gene->hi);
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->integer == b->integer;
}

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    out->integer = (int)gene->lo + (int)wt_rng_below(rng, (uint64_t)(gene->hi - gene->lo) + 1);
    return 0;
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    const bool own = gene->own && v->integer < 0;
    if (own && op == WT_OPERATOR_CONSTANT) return 0;
    if (op == WT_OPERATOR_CHOICE && !own && gene->own) {
        v->integer = -1;
        return 0;
    }
    if (op == WT_OPERATOR_CHOICE) return draw(gene, scope, rng, v, err);
    const int step = 1 + (int)wt_rng_below(rng, 2), to = v->integer + (wt_rng_below(rng, 2) ? step : -step);
    v->integer = to < (int)gene->lo ? (int)gene->lo : to > (int)gene->hi ? (int)gene->hi : to;
    return 0;
}

static int cross(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)gene;
    (void)scope;
    (void)err;
    *out = *(wt_rng_below(rng, 2) ? a : b);
    return 0;
}

static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    if (a->integer == b->integer) return 0;
    if (gene->own && (a->integer < 0 || b->integer < 0)) return 1;
    return fabs((double)a->integer - b->integer) / (gene->hi - gene->lo);
}

const wt_gene_kind_info wt_kind_integer = {
    .name = "integer",
    .form = "NUMBER, or own",
    .help =
        "A whole number within its range, or what people chose for the block type. Mutation moves it by one or two, or turns "
        "'own' on and off; crossover takes a parent's.",
    .operators = 1u << WT_OPERATOR_CONSTANT | 1u << WT_OPERATOR_CHOICE,
    .parse = parse,
    .print = print,
    .valid = valid,
    .equal = equal,
    .draw = draw,
    .mutate = mutate,
    .cross = cross,
    .distance = distance,
};
