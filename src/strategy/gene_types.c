/* Types of blocks: the kind that is a set of them, the kind that is one of them, and what pins share with both. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "strategy/gene_kinds.h"

#define BIT(type) (UINT64_C(1) << (type))

/* ---- shared ---- */

double wt_type_bits(wt_type type) {
    const wt_type_info *info = wt_type_find(type);
    return 8.0 * info->block_bytes / info->block;
}

size_t wt_types_sorted(uint64_t types, wt_type out[WT_TYPE_LIMIT]) {
    size_t n = 0;
    for (int t = 0; t < WT_TYPE_LIMIT; t++) {
        if (!(types & BIT(t))) continue;
        size_t at = n++;
        for (; at > 0 && wt_type_bits(out[at - 1]) > wt_type_bits((wt_type)t); at--) out[at] = out[at - 1];
        out[at] = (wt_type)t;
    }
    return n;
}

double wt_type_distance(wt_type a, wt_type b) {
    if (a == b) return 0;
    const double octaves = fabs(log2(wt_type_bits(a)) - log2(wt_type_bits(b)));
    return 0.25 + 0.75 * fmin(1, octaves / 3);
}

/* "Q2_K, Q3_K or Q4_K", as far as there is room. */
static void list_types(uint64_t types, char *out, size_t cap) {
    wt_type sorted[WT_TYPE_LIMIT];
    const size_t n = wt_types_sorted(types, sorted);
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *name = wt_type_find(sorted[i])->name;
        if (len + strlen(name) + 2 > cap) return;
        if (i) out[len++] = ' ';
        len += strlen(strcpy(out + len, name));
    }
}

int wt_reader_type(wt_reader *r, uint64_t allowed, wt_type *out, wt_error *err) {
    const size_t n = wt_reader_word(r);
    char word[16] = "", names[240];
    if (n && n < sizeof word) {
        memcpy(word, r->text + r->at, n);
        word[n] = '\0';
    }
    const int type = *word ? wt_type_by_name(word) : -1;
    if (type >= 0 && allowed & BIT(type)) {
        wt_reader_advance(r, n);
        *out = (wt_type)type;
        return 0;
    }
    if (type >= 0)
        wt_reader_fail_at(r->place, err, "the type %s cannot stand here", wt_type_find((uint32_t)type)->name);
    else
        wt_reader_fail_expected(r, "a type", err);
    list_types(allowed, names, sizeof names);
    return wt_hint(err, "types here: %s", names);
}

wt_type wt_type_any(uint64_t types, wt_rng *rng) {
    uint64_t skip = wt_rng_below(rng, (uint64_t)__builtin_popcountll(types));
    while (skip--) types &= types - 1;
    return (wt_type)__builtin_ctzll(types);
}

/* ---- a set ---- */

static int parse_set(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    (void)gene;
    uint64_t types = 0;
    if (wt_reader_expect(r, '[', "'[' before the types", err) != 0) return -1;
    for (;;) {
        wt_reader_skip_space(r);
        if (types && wt_reader_take(r, ',')) wt_reader_skip_space(r);
        if (types && wt_reader_take(r, ']')) break;
        if (wt_reader_word(r) == 0) return wt_reader_fail_expected(r, types ? "a type or ']'" : "a type", err);
        const wt_place start = r->place;
        wt_type type;
        if (wt_reader_type(r, wt_types_all(), &type, err) != 0) return -1;
        if (types & BIT(type))
            return wt_reader_fail_at(start, err, "the type %s stands there twice", wt_type_find(type)->name);
        types |= BIT(type);
    }
    out->types = types;
    return 0;
}

static void print_set(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    wt_type sorted[WT_TYPE_LIMIT];
    const size_t n = wt_types_sorted(v->types, sorted);
    for (size_t i = 0; i < n; i++) wt_text_add(to, "%s%s", i ? " " : "[", wt_type_find(sorted[i])->name);
    wt_text_add(to, "]");
}

static bool valid_set(const wt_gene_info *gene, const wt_gene_value *v) {
    (void)gene;
    return v->types && !(v->types & ~wt_types_all());
}

static bool equal_set(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->types == b->types;
}

/* Half of them all but a few: the allocation takes what it needs. The others any subset, so that their number is any as often. */
static int draw_set(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)gene;
    (void)err;
    const uint64_t count = (uint64_t)__builtin_popcountll(scope->types);
    const bool most = wt_rng_below(rng, 2) != 0;
    uint64_t from = scope->types, n = most ? count - wt_rng_below(rng, count < 6 ? count : 6) : 1 + wt_rng_below(rng, count);
    out->types = 0;
    while (n--) {
        const wt_type type = wt_type_any(from, rng);
        out->types |= BIT(type);
        from &= ~BIT(type);
    }
    return 0;
}

/* Adds a type, removes one, or exchanges one. */
static int mutate_set(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                      wt_error *err) {
    (void)gene;
    (void)op;
    (void)err;
    const uint64_t absent = scope->types & ~v->types;
    const uint64_t how = wt_rng_below(rng, 3);
    uint64_t types = v->types;
    if (absent && how != 1) types |= BIT(wt_type_any(absent, rng));
    if (how != 0 && __builtin_popcountll(types) > 1) types &= ~BIT(wt_type_any(v->types, rng));
    v->types = types;
    return 0;
}

static int cross_set(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                     const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)gene;
    (void)scope;
    (void)err;
    const uint64_t mask = wt_rng_next(rng);
    out->types = (a->types & b->types) | (mask & (a->types ^ b->types));
    if (!out->types) out->types = mask & 1 ? a->types : b->types;
    return 0;
}

static double distance_set(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    const int either = __builtin_popcountll(a->types | b->types);
    return either ? 1 - (double)__builtin_popcountll(a->types & b->types) / either : 0;
}

const wt_gene_kind_info wt_kind_types = {
    .name = "types",
    .form = "[TYPE TYPE ...]",
    .help =
        "A set of block types. Mutation adds one, removes one or exchanges one; crossover keeps those of both parents "
        "and each of the others by chance; the distance is the share of all their types that not both have.",
    .operators = BIT(WT_OPERATOR_TYPES),
    .parse = parse_set,
    .print = print_set,
    .valid = valid_set,
    .equal = equal_set,
    .draw = draw_set,
    .mutate = mutate_set,
    .cross = cross_set,
    .distance = distance_set,
};

/* ---- one type ---- */

static int parse_one(const wt_gene_info *gene, wt_reader *r, wt_gene_value *out, wt_error *err) {
    return wt_reader_type(r, gene->types, &out->type, err);
}

static void print_one(const wt_gene_info *gene, const wt_gene_value *v, wt_text *to) {
    (void)gene;
    wt_text_add(to, "%s", wt_type_find(v->type)->name);
}

static bool valid_one(const wt_gene_info *gene, const wt_gene_value *v) {
    return (uint32_t)v->type < WT_TYPE_LIMIT && gene->types & BIT(v->type);
}

static bool equal_one(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return a->type == b->type;
}

/* F16 or Q8_0, which costs little; one time in five any that is smaller than F16. */
static int draw_one(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *out, wt_error *err) {
    (void)scope;
    (void)err;
    uint64_t small = gene->types & ~(BIT(WT_F32) | BIT(WT_F16) | BIT(WT_BF16));
    const uint64_t how = wt_rng_below(rng, 5);
    out->type = how == 0 ? wt_type_any(small, rng) : how == 1 ? WT_F16 : WT_Q8_0;
    return 0;
}

static int mutate_one(const wt_gene_info *gene, const wt_scope *scope, wt_operator op, wt_rng *rng, wt_gene_value *v,
                      wt_error *err) {
    (void)op;
    return draw_one(gene, scope, rng, v, err);
}

static int cross_one(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, const wt_gene_value *a,
                     const wt_gene_value *b, wt_gene_value *out, wt_error *err) {
    (void)gene;
    (void)scope;
    (void)err;
    *out = *(wt_rng_below(rng, 2) ? a : b);
    return 0;
}

static double distance_one(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    (void)gene;
    return wt_type_distance(a->type, b->type);
}

const wt_gene_kind_info wt_kind_type = {
    .name = "type",
    .form = "TYPE",
    .help = "One block type. Mutation draws it anew, mostly F16 or Q8_0; crossover takes a parent's.",
    .operators = BIT(WT_OPERATOR_TYPES),
    .parse = parse_one,
    .print = print_one,
    .valid = valid_one,
    .equal = equal_one,
    .draw = draw_one,
    .mutate = mutate_one,
    .cross = cross_one,
    .distance = distance_one,
};
