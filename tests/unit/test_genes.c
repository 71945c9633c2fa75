/*
 * The table of genes, enumerated: what is true of one gene's values has to be true of every gene's, those that are
 * added later included. 10,000 random values per gene; each prints, reads back equal, is valid, varies within its
 * range, crosses, and has distances as distances are. The seed is printed; WT_SEED sets another.
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "strategy/gene_kinds.h"

enum { VALUES = 10000, TENSORS = 12 };

static uint64_t seed = 1;
static char names[TENSORS][40];
static wt_scope_tensor tensors[TENSORS];

static void must(int rc, const wt_error *err) {
    if (rc == 0) return;
    print_error("%s\n", err->message);
    fail();
}

/* A model of 12 tensors; rows of the last one fit blocks of 32 alone. */
static wt_scope make_scope(bool all_pinned) {
    wt_scope scope;
    wt_scope_init(&scope);
    for (int i = 0; i < TENSORS; i++) {
        snprintf(names[i], sizeof names[i], i % 3 ? "blk.%02d.ffn_down.weight" : "blk.%02d.a b\"#\\\x01\xc3\xa9", i);
        tensors[i] = (wt_scope_tensor){.name = names[i], .weights = 4096u << (i % 4)};
        for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++) {
            if (wt_type_find(t) && (i < TENSORS - 1 || wt_type_find(t)->block <= 32))
                tensors[i].fits |= UINT64_C(1) << t;
        }
    }
    scope.tensors = tensors;
    scope.tensor_count = TENSORS;
    scope.all_pinned = all_pinned;
    return scope;
}

static char *print(const wt_gene_info *gene, const wt_gene_value *v) {
    wt_error err;
    wt_text text = {0};
    wt_gene_kind_of(gene->kind)->print(gene, v, &text);
    char *s = wt_text_finish(&text, &err);
    assert_non_null(s);
    return s;
}

static void check_round_trip(const wt_gene_info *gene, const wt_gene_value *v) {
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    wt_error err;
    char *text = print(gene, v);
    wt_reader r = {.text = text, .len = strlen(text), .place = {1, 1}};
    wt_gene_value back;
    if (!kind->valid(gene, v)) fail_msg("%s: not valid: %s", gene->name, text);
    must(kind->parse(gene, &r, &back, &err), &err);
    assert_int_equal(r.at, r.len);
    char *again = print(gene, &back);
    assert_string_equal(text, again);
    if (!kind->equal(gene, v, &back)) fail_msg("%s: another value is read back from %s", gene->name, text);
    wt_gene_release(gene, &back);
    free(text);
    free(again);
}

static void check_distance(const wt_gene_info *gene, const wt_gene_value *a, const wt_gene_value *b) {
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    const double ab = kind->distance(gene, a, b), ba = kind->distance(gene, b, a);
    assert_true(kind->distance(gene, a, a) == 0);
    assert_true(ab == ba);
    assert_true(ab >= 0 && ab <= 1);
    if (kind->equal(gene, a, b)) assert_true(ab == 0);
    /* Two rules may differ where no sample of inputs shows it. */
    if (gene->kind != WT_GENE_RULE && ab == 0) assert_true(kind->equal(gene, a, b));
}

/* One random value, the last one beside it, what mutation makes of it by every operator, and their cross. */
static void check_value(const wt_gene_info *gene, const wt_scope *scope, wt_rng *rng, wt_gene_value *last, bool measure,
                        size_t changes[]) {
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    wt_error err;
    wt_gene_value v, child;
    must(kind->draw(gene, scope, rng, &v, &err), &err);
    check_round_trip(gene, &v);
    check_distance(gene, &v, last);
    for (int op = 0; op < WT_OPERATORS; op++) {
        if (!(kind->operators >> op & 1)) continue;
        must(wt_gene_copy(gene, &child, &v, &err), &err);
        assert_true(kind->equal(gene, &child, &v));
        must(kind->mutate(gene, scope, (wt_operator)op, rng, &child, &err), &err);
        changes[op] += !kind->equal(gene, &child, &v);
        check_round_trip(gene, &child);
        if (measure) check_distance(gene, &child, &v);
        wt_gene_release(gene, &child);
    }
    must(kind->cross(gene, scope, rng, &v, last, &child, &err), &err);
    check_round_trip(gene, &child);
    wt_gene_release(gene, &child);
    wt_gene_release(gene, last);
    *last = v;
}

static void test_every_gene(void **state) {
    (void)state;
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        for (int pinned = 0; pinned < (gene->kind == WT_GENE_PINS ? 2 : 1); pinned++) {
            const wt_scope scope = make_scope(pinned);
            size_t changes[WT_OPERATORS] = {0}, distinct = 0;
            wt_gene_value last;
            wt_error err;
            wt_rng rng;
            wt_rng_init(&rng, seed, (uint64_t)g, (uint64_t)pinned);
            must(wt_gene_copy(gene, &last, wt_gene_default((wt_gene)g), &err), &err);
            for (int i = 0; i < VALUES; i++) {
                char *before = print(gene, &last);
                check_value(gene, &scope, &rng, &last, i % 8 == 0, changes); /* distances of rules are slow */
                char *now = print(gene, &last);
                distinct += strcmp(before, now) != 0;
                free(before);
                free(now);
            }
            wt_gene_release(gene, &last);
            /* What is drawn varies, and every operator of the kind changes something. */
            assert_true(distinct > 500);
            for (int op = 0; op < WT_OPERATORS; op++) {
                if (wt_gene_kind_of(gene->kind)->operators >> op & 1) assert_true(changes[op] > VALUES / 20);
            }
            print_message("%-16s %-8s %d values, %zu of them unlike the one before\n", gene->name,
                          wt_gene_kind_name(gene->kind), VALUES, distinct);
        }
    }
}

/* ---- the table itself ---- */

static void test_rows(void **state) {
    (void)state;
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        assert_non_null(gene->name);
        assert_int_equal(wt_gene_by_name(gene->name, strlen(gene->name)), g);
        assert_true(strlen(gene->help) > 20);
        assert_true(gene->chance > 0 && gene->chance <= 1);
        assert_true((gene->kind == WT_GENE_RULE) == (gene->domain != NULL));
        wt_strategy s;
        wt_error err;
        wt_strategy_init(&s);
        assert_true(wt_gene_is_default((wt_gene)g, &s.genes[g]));
        check_round_trip(gene, &s.genes[g]);
        must(wt_strategy_set_gene(&s, (wt_gene)g, gene->human_text, &err), &err);
        check_round_trip(gene, &s.genes[g]);
        wt_strategy_release(&s);
    }
    assert_int_equal(wt_gene_by_name("alloc.pric", 10), -1);
    assert_int_equal(wt_gene_by_name("alloc.price=", 12), -1);
}

/* Types that only very new runtimes know are none that are drawn; integers are none at all. */
static void test_types(void **state) {
    (void)state;
    const wt_type newest[] = {WT_Q1_0, WT_Q2_0, WT_NVFP4}, integers[] = {WT_I8, WT_I16, WT_I32, WT_I64, WT_F64};
    for (size_t i = 0; i < 3; i++) {
        assert_false(wt_types_usual() >> newest[i] & 1);
        assert_true(wt_types_all() >> newest[i] & 1);
    }
    for (size_t i = 0; i < 5; i++) assert_false(wt_types_all() >> integers[i] & 1);
    assert_int_equal(wt_types_usual() & ~wt_types_all(), 0);
    assert_true(wt_types_usual() >> WT_IQ2_XXS & 1 && wt_types_usual() >> WT_Q3_K & 1 &&
                wt_types_usual() >> WT_Q8_0 & 1);
}

/* Numbers are drawn over the whole of their range: damp is as often within 0.01..0.1 as within 0.1..1. */
static void test_damp_is_logarithmic(void **state) {
    (void)state;
    const wt_gene_info *gene = wt_gene_of(WT_GENE_FEEDBACK_DAMP);
    const wt_scope scope = make_scope(false);
    wt_rng rng;
    wt_rng_init(&rng, seed, 77, 0);
    int low = 0;
    for (int i = 0; i < VALUES; i++) {
        wt_gene_value v;
        must(wt_gene_kind_of(gene->kind)->draw(gene, &scope, &rng, &v, NULL), NULL);
        assert_true(v.number >= 0.01f && v.number <= 1);
        low += v.number < 0.1f;
    }
    assert_true(abs(low - VALUES / 2) < 4 * 50); /* four standard deviations */
}

/* The bytes of pinned tensors stay about the same when their types are switched. */
static void test_switch_keeps_bytes(void **state) {
    (void)state;
    const wt_scope scope = make_scope(true);
    const wt_gene_info *gene = wt_gene_of(WT_GENE_ALLOC_PINS);
    const wt_gene_kind_info *kind = wt_gene_kind_of(gene->kind);
    wt_rng rng;
    wt_rng_init(&rng, seed, 78, 0);
    double drift = 0;
    int n = 0;
    for (int i = 0; i < 2000; i++) {
        wt_gene_value v;
        double bytes[2];
        must(kind->draw(gene, &scope, &rng, &v, NULL), NULL);
        for (int k = 0; k < 2; k++) {
            bytes[k] = 0;
            for (size_t t = 0; t < v.pins.count; t++) {
                assert_string_equal(v.pins.items[t].tensor, tensors[t].name);
                assert_true(tensors[t].fits >> v.pins.items[t].type & scope.types >> v.pins.items[t].type & 1);
                bytes[k] += (double)tensors[t].weights * wt_type_bits(v.pins.items[t].type) / 8;
            }
            if (k == 0) must(kind->mutate(gene, &scope, WT_OPERATOR_SWITCH, &rng, &v, NULL), NULL);
        }
        drift += fabs(bytes[1] / bytes[0] - 1);
        n += fabs(bytes[1] / bytes[0] - 1) > 0.02;
        wt_gene_release(gene, &v);
    }
    print_message("switching types moves the bytes by %.4f%% in the mean; by more than 2%% in %d of 2000\n", drift / 20,
                  n);
    assert_true(drift / 2000 < 0.01);
}

/* Whether the expression has operators of this set alone, and one variable or more twice. */
static bool repeats_within(const wt_expr *e, uint32_t operators) {
    size_t seen[WT_EXPR_MAX_INPUTS] = {0};
    bool repeats = false;
    for (size_t i = 0; i < e->count; i++) {
        if (e->nodes[i].op == WT_OP_VARIABLE) repeats |= ++seen[e->nodes[i].variable] > 1;
        if (e->nodes[i].op > WT_OP_VARIABLE && !(operators >> e->nodes[i].op & 1)) return false;
    }
    return repeats;
}

/*
 * Powers and products have a variable once: 0.2 * log(w) + 0.4 * log(w) is one power. A fifth is drawn as any expression, which may have
 * the same operators by chance and then repeat what it likes.
 */
static void test_no_variable_twice(void **state) {
    (void)state;
    const struct {
        wt_gene gene;
        uint32_t operators;
    } drawn[] = {{WT_GENE_FOLD_ATTN_IN, 1u << WT_OP_ADD | 1u << WT_OP_SUB | 1u << WT_OP_MUL | 1u << WT_OP_LOG},
                 {WT_GENE_ALLOC_PRICE, 1u << WT_OP_MUL | 1u << WT_OP_POW | 1u << WT_OP_EXP | 1u << WT_OP_ADD}};
    const wt_scope scope = make_scope(false);
    for (size_t g = 0; g < 2; g++) {
        const wt_gene_info *gene = wt_gene_of(drawn[g].gene);
        wt_rng rng;
        wt_rng_init(&rng, seed, 79, g);
        int repeated = 0;
        for (int i = 0; i < VALUES; i++) {
            wt_gene_value v;
            must(wt_gene_kind_of(gene->kind)->draw(gene, &scope, &rng, &v, NULL), NULL);
            repeated += repeats_within(&v.rule, drawn[g].operators);
        }
        print_message("%s: %d of %d repeat a variable\n", gene->name, repeated, VALUES);
        assert_true(repeated < VALUES / 100);
    }
}

int main(void) {
    const char *given = getenv("WT_SEED");
    if (given) seed = strtoull(given, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_every_gene),
        cmocka_unit_test(test_damp_is_logarithmic),
        cmocka_unit_test(test_switch_keeps_bytes),
        cmocka_unit_test(test_no_variable_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
