/* The kind that is the grid of a search, from lo to hi in so many steps, or the block type's own. */
#include <math.h>

#include "strategy/gene_kinds.h"

/* Steps of a grid: more cost time and find nothing. */
enum { MOST_STEPS = 64 };

/* A grid of one step has no end. */
static void settle(wt_gene_value *v) {
    if (v->grid.steps == 1) v->grid.hi = v->grid.lo;
    if (v->grid.lo == 0) v->grid.lo = 0; /* -0 */
    if (v->grid.hi == 0) v->grid.hi = 0;
}

static int parse_end(const wt_gene_info *gene, wt_reader *r, const char *name, float *out, wt_error *err) {
    const wt_place start = r->place;
    if (!wt_reader_float(r, out)) return wt_reader_fail_expected(r, "a number", err);
    if (!(*out >= gene->lo && *out <= gene->hi))
        return wt_reader_fail_at(start, err, "%g is out of range: '%s' is a number from %g to %g", (double)*out, name,
                                 gene->lo, gene->hi);
    return 0;
}

/* "NAME:" and blanks around it. */
static int parse_key(wt_reader *r, const char *name, const char *what, wt_error *err) {
    wt_reader_skip_space(r);
    if (!wt_reader_take_word(r, name)) return wt_reader_fail_expected(r, what, err);
    wt_reader_skip_space(r);
    if (wt_reader_expect(r, ':', "':'", err) != 0) return -1;
    wt_reader_skip_space(r);
    return 0;
}

static int parse_comma(wt_reader *r, wt_error *err) {
    wt_reader_skip_space(r);
    return wt_reader_expect(r, ',', "','", err);
}

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    out->grid.lo = out->grid.hi = 0;
    out->grid.steps = 0;
    if ((out->grid.own = wt_reader_take_word(r, "own"))) return 0;
    if (!wt_reader_take(r, '{')) return wt_reader_fail_expected(r, "'own' or '{ lo: L, hi: H, steps: N }'", err);
    if (parse_key(r, "lo", "'lo'", err) != 0 || parse_end(gene, r, "lo", &out->grid.lo, err) != 0) return -1;
    if (parse_comma(r, err) != 0 || parse_key(r, "hi", "'hi'", err) != 0) return -1;
    const wt_place end = r->place;
    if (parse_end(gene, r, "hi", &out->grid.hi, err) != 0) return -1;
    if (out->grid.hi < out->grid.lo) return wt_reader_fail_at(end, err, "'hi' is less than 'lo'");
    if (parse_comma(r, err) != 0 || parse_key(r, "steps", "'steps'", err) != 0) return -1;
    const wt_place start = r->place;
    double steps;
    if (!wt_reader_number(r, &steps)) return wt_reader_fail_expected(r, "a whole number", err);
    if (!(steps >= 1 && steps <= MOST_STEPS) || steps != floor(steps))
        return wt_reader_fail_at(start, err, "%g is out of range: 'steps' is a whole number from 1 to %d", steps,
                                 MOST_STEPS);
    out->grid.steps = (int)steps;
    settle(out);
    wt_reader_skip_space(r);
    return wt_reader_expect(r, '}', "'}'", err);
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    if (v->grid.own) {
        wt_text_add(to, "own");
        return;
    }
    wt_text_add(to, "{ lo: ");
    wt_text_add_number(to, v->grid.lo);
    wt_text_add(to, ", hi: ");
    wt_text_add_number(to, v->grid.hi);
    wt_text_add(to, ", steps: %d }", v->grid.steps);
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    if (v->grid.own) return v->grid.lo == 0 && v->grid.hi == 0 && v->grid.steps == 0;
    return v->grid.lo >= gene->lo && v->grid.hi <= gene->hi && v->grid.lo <= v->grid.hi && v->grid.steps >= 1 &&
           v->grid.steps <= MOST_STEPS && (v->grid.steps > 1 || v->grid.lo == v->grid.hi);
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->grid.own == b->grid.own && a->grid.lo == b->grid.lo && a->grid.hi == b->grid.hi &&
           a->grid.steps == b->grid.steps;
}

static float within(const wt_gene_info *gene, double x) {
    return (float)wt_round_drawn(x < gene->lo ? gene->lo : x > gene->hi ? gene->hi : x);
}

static void set_ends(const wt_gene_info *gene, wt_gene_value *v, double a, double b) {
    v->grid.lo = within(gene, fmin(a, b));
    v->grid.hi = within(gene, fmax(a, b));
    settle(v);
}

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    out->grid.own = false;
    if (wt_rng_uniform(rng) < 0.8) { /* about one code to either side, which is where people look */
        out->grid.steps = 8 + (int)wt_rng_below(rng, MOST_STEPS / 2);
        const double lo = -0.9 + 0.3 * wt_rng_normal(rng);
        set_ends(gene, out, lo, 0.9 + 0.3 * wt_rng_normal(rng));
        return 0;
    }
    out->grid.steps = 1 + (int)wt_rng_below(rng, MOST_STEPS);
    const double a = gene->lo + (gene->hi - gene->lo) * wt_rng_uniform(rng);
    set_ends(gene, out, a, gene->lo + (gene->hi - gene->lo) * wt_rng_uniform(rng));
    return 0;
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    if (v->grid.own) return op == WT_OPERATOR_CHOICE ? draw(gene, scope, rng, v, err) : 0;
    if (op == WT_OPERATOR_CHOICE) {
        v->grid.own = true;
        v->grid.lo = v->grid.hi = 0;
        v->grid.steps = 0;
        return 0;
    }
    double lo = v->grid.lo, hi = v->grid.hi;
    const double step = 0.2 * wt_rng_normal(rng);
    switch (wt_rng_below(rng, 3)) {
    case 0: lo += step; break;
    case 1: hi += step; break;
    default: {
        const int steps = (int)lround(v->grid.steps * exp(0.4 * wt_rng_normal(rng)));
        v->grid.steps = steps < 1 ? 1 : steps > MOST_STEPS ? MOST_STEPS : steps;
    }
    }
    set_ends(gene, v, lo, hi);
    return 0;
}

static int cross(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                 const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    const uint64_t how = wt_rng_below(rng, 4);
    *out = *(how & 1 ? a : b);
    if (a->grid.own || b->grid.own || how < 2) return 0;
    set_ends(gene, out, a->grid.lo, b->grid.hi);
    return 0;
}

static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    if (equal(gene, a, b)) return 0;
    if (a->grid.own || b->grid.own) return 1;
    const double range = gene->hi - gene->lo;
    const double steps = fabs(log((double)a->grid.steps) - log((double)b->grid.steps)) / log(MOST_STEPS);
    return (fabs((double)a->grid.lo - b->grid.lo) / range + fabs((double)a->grid.hi - b->grid.hi) / range + steps) / 3;
}

const wt_gene_kind_info wt_kind_grid = {
    .name = "grid",
    .form = "{ lo: L, hi: H, steps: N }, or own",
    .help =
        "From lo to hi in so many steps (1 to 64; one step is lo alone), or what people chose for the block type. "
        "Mutation moves an end or the number of steps, or turns 'own' on and off; crossover takes a parent's or an end"
        " of each.",
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
