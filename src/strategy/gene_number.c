/* The kind that is a number within its gene's range. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "strategy/gene_kinds.h"

double wt_round_drawn(double x) {
    char text[40];
    snprintf(text, sizeof text, "%.2e", x);
    return strtod(text, NULL);
}

static float clamp(const wt_gene_info *gene, double x, double lo) {
    return (float)wt_round_drawn(x < lo ? lo : x > gene->hi ? gene->hi : x);
}

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    const wt_place start = r->place;
    float x;
    if (!wt_reader_float(r, &x)) return wt_reader_fail_expected(r, "a number", err);
    if (!(x >= (float)gene->lo && x <= (float)gene->hi))
        return wt_reader_fail_at(start, err, "%g is out of range: %s is a number from %g to %g", (double)x, gene->name,
                                 gene->lo, gene->hi);
    out->number = x == 0 ? 0 : x; /* no -0 */
    return 0;
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    wt_text_add_number(to, v->number);
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    return v->number >= (float)gene->lo && v->number <= (float)gene->hi;
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->number == b->number;
}

static double lowest(const wt_gene_info *gene) { return gene->draw_lo > 0 ? gene->draw_lo : gene->lo; }

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    const double lo = lowest(gene), range = gene->hi - lo;
    double x = 0;
    switch (gene->draw) {
    case WT_DRAW_LOGARITHM: x = lo * exp(log(gene->hi / lo) * wt_rng_uniform(rng)); break;
    case WT_DRAW_NEAR: x = atof(gene->default_text) + 0.1 * range * wt_rng_normal(rng); break;
    default: x = lo + range * wt_rng_uniform(rng);
    }
    out->number = clamp(gene, x, lo);
    return 0;
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    const double lo = lowest(gene);
    const bool off = v->number == 0 && gene->draw_lo > 0;
    if (op == WT_OPERATOR_CHOICE && !off && gene->draw_lo > 0) {
        v->number = 0;
        return 0;
    }
    if (op == WT_OPERATOR_CHOICE) return draw(gene, scope, rng, v, err);
    if (off) return 0; /* a number that is off has no near ones */
    const double step = wt_rng_normal(rng);
    const double x =
        gene->draw == WT_DRAW_LOGARITHM ? v->number * exp(0.5 * step) : v->number + 0.05 * (gene->hi - gene->lo) * step;
    v->number = clamp(gene, x, lo);
    return 0;
}

static int cross(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    const bool off = gene->draw_lo > 0 && (a->number == 0 || b->number == 0);
    *out = *(wt_rng_below(rng, 2) ? a : b);
    if (off || a->number == b->number || wt_rng_below(rng, 2)) return 0;
    const double lo = fmin(a->number, b->number), hi = fmax(a->number, b->number), share = wt_rng_uniform(rng);
    const double x = gene->draw == WT_DRAW_LOGARITHM ? lo * exp(log(hi / lo) * share) : lo + (hi - lo) * share;
    out->number = clamp(gene, x, gene->lo);
    return 0;
}

static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    if (a->number == b->number) return 0;
    if (gene->draw_lo > 0 && (a->number == 0 || b->number == 0)) return 1;
    if (gene->draw == WT_DRAW_LOGARITHM)
        return fmin(1, fabs(log((double)a->number) - log((double)b->number)) / log(gene->hi / lowest(gene)));
    return fmin(1, fabs((double)a->number - b->number) / (gene->hi - gene->lo));
}

const wt_gene_kind_info wt_kind_number = {
    .name = "number",
    .form = "NUMBER",
    .help =
        "A number within its range. Mutation moves it, or turns it off and on where 0 means off; crossover takes a parent's or "
        "one between them.",
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
