/* The kind that is no rotation, or a Hadamard matrix whose random signs follow from a seed. */
#include "strategy/gene_kinds.h"

/* Seeds are drawn so small, for the eye; any of 32 bits is valid. */
enum { DRAWN_SEEDS = 1000 };

static int parse(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    (void)gene;
    out->rotation.hadamard = false;
    out->rotation.seed = 0;
    if (wt_reader_take_word(r, "none")) return 0;
    if (!wt_reader_take_word(r, "hadamard")) return wt_reader_fail_expected(r, "'none' or 'hadamard SEED'", err);
    wt_reader_skip_blanks(r);
    const wt_reader start = *r;
    double seed;
    if (!wt_reader_number(r, &seed)) return wt_reader_fail_expected(r, "a seed", err);
    if (!(seed >= 0 && seed <= UINT32_MAX && seed == (double)(uint32_t)seed))
        return wt_reader_fail_at(start.place, err, "the seed is no whole number from 0 to %u", UINT32_MAX);
    out->rotation.hadamard = true;
    out->rotation.seed = (uint32_t)seed;
    return 0;
}

static void print(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    if (v->rotation.hadamard)
        wt_text_add(to, "hadamard %u", v->rotation.seed);
    else
        wt_text_add(to, "none");
}

static bool valid(const wt_gene_info *gene, const wt_gene_value *v) {
    (void)gene;
    return v->rotation.hadamard || v->rotation.seed == 0;
}

static bool equal(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->rotation.hadamard == b->rotation.hadamard && a->rotation.seed == b->rotation.seed;
}

static int draw(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)gene;
    (void)scope;
    (void)err;
    out->rotation.hadamard = true;
    out->rotation.seed = (uint32_t)wt_rng_below(rng, DRAWN_SEEDS);
    return 0;
}

static int mutate(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                  wt_error *err) {
    (void)op;
    if (!v->rotation.hadamard || wt_rng_below(rng, 2)) return draw(gene, scope, rng, v, err);
    v->rotation.hadamard = false;
    v->rotation.seed = 0;
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

/* Two rotations are alike, whatever their signs. */
static double distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    if (equal(gene, a, b)) return 0;
    return a->rotation.hadamard && b->rotation.hadamard ? 0.1 : 1;
}

const wt_gene_kind_info wt_kind_rotation = {
    .name = "rotation",
    .form = "none, or hadamard SEED",
    .help =
        "None, or an orthonormal Walsh-Hadamard matrix with random signs, which follow from the seed (0 to 4294967295). "
        "Mutation turns it on, off, or draws another seed; crossover takes a parent's.",
    .operators = 1u << WT_OPERATOR_CHOICE,
    .parse = parse,
    .print = print,
    .valid = valid,
    .equal = equal,
    .draw = draw,
    .mutate = mutate,
    .cross = cross,
    .distance = distance,
};
