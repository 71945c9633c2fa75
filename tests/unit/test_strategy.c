/*
 * Whole strategies: text, names, errors with their places, texts that mean harm, and variation within a scope. The seed
 * is printed; WT_SEED sets another.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "strategy/gene_kinds.h"

enum { TENSORS = 9 };

static uint64_t seed = 1;
static char names[TENSORS][32];
static wt_scope_tensor tensors[TENSORS];

static void must(int rc, const wt_error *err) {
    if (rc == 0) return;
    print_error("%s\n", err->message);
    fail();
}

static wt_scope make_scope(bool with_tensors, bool all_pinned) {
    wt_scope scope;
    wt_scope_init(&scope);
    if (!with_tensors) return scope;
    for (int i = 0; i < TENSORS; i++) {
        snprintf(names[i], sizeof names[i], "blk.%d.ffn_up.weight", i);
        tensors[i] = (wt_scope_tensor){.name = names[i], .weights = 65536, .fits = wt_types_all()};
    }
    scope.tensors = tensors;
    scope.tensor_count = TENSORS;
    scope.all_pinned = all_pinned;
    return scope;
}

static void parse(wt_strategy *s, const char *text) {
    wt_error err;
    must(wt_strategy_parse(s, text, strlen(text), "test", &err), &err);
}

/* ---- text ---- */

static const char EXAMPLE[] =
    "# found on a Tuesday\n"
    "strategy   # no name\n"
    "\n"
    "cache.k = q8_0\r\n"
    "alloc.price=rms_act*(1.4+tanh(kurt))/(0.3+depth) # comment\n"
    "alloc.types = [Q8_0, Q2_K\n"
    "   Q4_K] # over lines\n"
    "alloc.pins = { blk.0.ffn_down.weight: Q6_K, \"odd # \\\"name\\\"\\x09\" : F16 # here too\n"
    "               a:IQ2_XS, }\n"
    "rotate.residual = hadamard   77\n"
    "encode.grid = { lo: -0.9, hi: 0.9, steps: 36 }\n"
    "fold.ffn_in = 0\n"
    "feedback.damp = 1e-2\n";

static const char CANONICAL[] = "alloc.types     = [Q2_K Q4_K Q8_0]\n"
                                "alloc.pins      = {\n"
                                "    a: IQ2_XS\n"
                                "    blk.0.ffn_down.weight: Q6_K\n"
                                "    \"odd # \\\"name\\\"\\x09\": F16\n"
                                "}\n"
                                "rotate.residual = hadamard 77\n"
                                "encode.grid     = { lo: -0.9, hi: 0.9, steps: 36 }\n"
                                "feedback.damp   = 0.01\n"
                                "cache.k         = Q8_0\n";

static void test_text(void **state) {
    (void)state;
    wt_strategy s, again;
    wt_error err;
    parse(&s, EXAMPLE);
    assert_true(s.genes[WT_GENE_CACHE_K].type == WT_Q8_0);
    assert_true(s.genes[WT_GENE_ROTATE_RESIDUAL].rotation.seed == 77);
    assert_true(s.genes[WT_GENE_FEEDBACK_DAMP].number == 0.01f);
    assert_true(s.genes[WT_GENE_ENCODE_GRID].grid.steps == 36);
    assert_true(s.genes[WT_GENE_ALLOC_PINS].pins.count == 3);
    assert_true(wt_pins_find(&s.genes[WT_GENE_ALLOC_PINS].pins, "odd # \"name\"\t")->type == WT_F16);
    assert_true(wt_gene_is_default(WT_GENE_FOLD_FFN_IN, &s.genes[WT_GENE_FOLD_FFN_IN]));

    char *text = wt_strategy_print(&s, &err);
    assert_non_null(text);
    assert_true(strncmp(text, "strategy \"", 10) == 0);
    const char *price = strchr(text, '\n') + 1, *rest = strchr(price, '\n') + 1;
    assert_true(strncmp(price, "alloc.price     = ", 18) == 0);
    assert_string_equal(rest, CANONICAL);

    parse(&again, text); /* the name is checked here */
    assert_true(wt_strategy_equal(&s, &again));
    char *second = wt_strategy_print(&again, &err);
    assert_string_equal(text, second);
    free(text);
    free(second);
    wt_strategy_release(&s);
    wt_strategy_release(&again);
}

/* A name is 48 bits of XXH3 (xxhsum -H3 of the same bytes), and of nothing but the genes. */
static void test_name(void **state) {
    (void)state;
    wt_strategy s;
    wt_error err;
    char name[WT_STRATEGY_NAME];
    wt_strategy_init(&s);
    must(wt_strategy_name(&s, name, &err), &err);
    assert_string_equal(name, "2d06800538d3"); /* XXH3_64bits of no bytes: 2d06800538d394c2 */
    parse(&s, "strategy \"2d06800538d3\"");
    parse(&s, "strategy\ncache.v=F16\nencode.bias = 1.0\n");
    must(wt_strategy_name(&s, name, &err), &err);
    assert_string_equal(name, "2d06800538d3");
    assert_int_equal(wt_strategy_set_gene(&s, WT_GENE_CACHE_V, "Q8_0", &err), 0);
    char other[WT_STRATEGY_NAME];
    must(wt_strategy_name(&s, other, &err), &err);
    assert_string_not_equal(name, other);
}

/* ---- errors ---- */

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *message, *hint;
    } CASES[] = {
        {"", "'test': line 1, column 1: expected 'strategy' but found the end of the text", "first line"},
        {"\n  alloc.price = 1\n", "'test': line 2, column 3: expected 'strategy' but found 'alloc.price'", ""},
        {"strategy alloc.price = 1",
         "line 1, column 10: expected a name in quotes or the end of the line but found 'alloc.price'", ""},
        {"strategy \"9f3\"", "line 1, column 10: a name is 12 hexadecimal digits", "leave it out"},
        {"strategy \"9f3c21e07ab4\"",
         "line 1, column 10: the name \"9f3c21e07ab4\" is another strategy's: these genes are \"2d06800538d3\"", ""},
        {"strategy \"9f3", "line 1, column 14: expected a closing '\"' but found the end of the text", ""},
        {"strategy\nalloc.prize = 1", "line 2, column 1: expected a gene but found 'alloc.prize'",
         "alloc.price, alloc.types, alloc.pins"},
        {"strategy\nprize = 1", "line 2, column 1: expected a gene but found 'prize'", "cache.v"},
        {"strategy\n\t= 1", "line 2, column 2: expected a gene but found '='", ""},
        {"strategy\nalloc.price : 1", "line 2, column 13: expected '=' but found ':'", ""},
        {"strategy\nalloc.price =\ncache.k = F16",
         "line 2, column 14: expected an expression but found the end of the line", ""},
        {"strategy\nalloc.price = 2 * foo", "line 2, column 19: ", "rms_act"},
        {"strategy\nalloc.price = (1 +\n  h)", "line 3, column 3: ", "kurt"},
        {"strategy\nalloc.price = 1\nalloc.price = 1",
         "line 3, column 1: the gene 'alloc.price' stands there twice, first in line 2", ""},
        {"strategy\nalloc.types = []", "line 2, column 16: expected a type but found ']'", ""},
        {"strategy\nalloc.types = Q4_K", "line 2, column 15: expected '[' before the types but found 'Q4_K'", ""},
        {"strategy\nalloc.types = [Q4_K", "line 2, column 20: expected a type or ']' but found the end of the text",
         ""},
        {"strategy\nalloc.types = [Q4_K Q9_K]", "line 2, column 21: expected a type but found 'Q9_K'", "Q8_0"},
        {"strategy\nalloc.types = [Q4_K I32]", "line 2, column 21: the type I32 cannot stand here", "Q8_0"},
        {"strategy\nalloc.types = [Q4_K q4_k]", "line 2, column 21: the type Q4_K stands there twice", ""},
        {"strategy\nalloc.pins = { a: Q4_K\nb: Q8_0\n a: Q6_K }",
         "line 4, column 2: the tensor \"a\" is pinned twice, first in line 2", ""},
        {"strategy\nalloc.pins = { \"\\x1b\": Q4_K \"\\x1b\": Q8_0 }",
         "line 2, column 29: the tensor \"\\x1b\" is pinned twice", ""},
        {"strategy\nalloc.pins = { a Q4_K }", "line 2, column 18: expected ':' but found 'Q4_K'", ""},
        {"strategy\nalloc.pins = { \"\": Q4_K }", "line 2, column 16: a tensor's name is empty", ""},
        {"strategy\nalloc.pins = { \"a\\q\": Q4_K }", "line 2, column 18: expected \\\", \\\\ or \\xNN", ""},
        {"strategy\nalloc.pins = { \"a\\x00\": Q4_K }", "line 2, column 18: expected", ""},
        {"strategy\nalloc.pins = { \"a\n\": Q4_K }",
         "line 2, column 18: expected a closing '\"' but found the end of the line", ""},
        {"strategy\nrotate.value = yes", "line 2, column 16: expected 'none' or 'hadamard SEED' but found 'yes'", ""},
        {"strategy\nrotate.value = hadamard", "line 2, column 24: expected a seed but found the end of the text", ""},
        {"strategy\nrotate.value = hadamard 1.5", "line 2, column 25: the seed is no whole number", ""},
        {"strategy\nrotate.value = hadamard 4294967296",
         "line 2, column 25: the seed is no whole number from 0 to 4294967295", ""},
        {"strategy\nencode.grid = { lo: 1, hi: 0, steps: 3 }", "line 2, column 28: 'hi' is less than 'lo'", ""},
        {"strategy\nencode.grid = { lo: 1, hi: 3, steps: 3 }",
         "line 2, column 28: 3 is out of range: 'hi' is a number from -2 to 2", ""},
        {"strategy\nencode.grid = { lo: 0, hi: 1, steps: 0 }",
         "line 2, column 38: 0 is out of range: 'steps' is a whole number from 1 to 64", ""},
        {"strategy\nencode.grid = { lo: 0 hi: 1, steps: 0 }", "line 2, column 23: expected ',' but found 'hi'", ""},
        {"strategy\nencode.passes = 9",
         "line 2, column 17: 9 is out of range: encode.passes is a whole number from 0 to 8", ""},
        {"strategy\nencode.passes = 2.5", "line 2, column 17: 2.5 is out of range", ""},
        {"strategy\nencode.passes = many", "line 2, column 17: expected a whole number or 'own' but found 'many'", ""},
        {"strategy\nencode.bias = 1.2",
         "line 2, column 15: 1.2 is out of range: encode.bias is a number from 0.9 to 1.1", ""},
        {"strategy\nencode.bias = nan", "line 2, column 15: expected a number but found 'nan'", ""},
        {"strategy\nencode.bias = 1 1", "line 2, column 17: expected the end of the line but found '1'", ""},
        {"strategy\nfeedback.damp = 1e99", "line 2, column 17: inf is out of range", ""},
        {"strategy\nfeedback.damp = -0.1", "line 2, column 17: -0.1 is out of range", ""},
        {"strategy\ncache.k = Q4_K", "line 2, column 11: the type Q4_K cannot stand here", "Q8_0"},
        {"strategy\ncache.k = \x1b[31m", "line 2, column 11: expected a type but found byte 0x1b", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        wt_strategy s;
        wt_error err = {0};
        assert_int_equal(wt_strategy_parse(&s, CASES[i].text, strlen(CASES[i].text), "test", &err), -1);
        if (!strstr(err.message, CASES[i].message) || !strstr(err.hint, CASES[i].hint))
            fail_msg("%s\n  expected: %s (%s)\n  got:      %s (%s)", CASES[i].text, CASES[i].message, CASES[i].hint,
                     err.message, err.hint);
        assert_true(wt_gene_is_default(WT_GENE_ALLOC_PINS, &s.genes[WT_GENE_ALLOC_PINS])); /* nothing to release */
    }
    print_message("%zu wrong texts\n", sizeof CASES / sizeof *CASES);
}

/* Texts that are too long, too deep, cut anywhere, or have any byte anywhere. */
static void test_hostile(void **state) {
    (void)state;
    wt_strategy s;
    wt_error err;
    const size_t huge = WT_STRATEGY_MAX_TEXT + 1;
    char *text = malloc(huge + 1);
    assert_non_null(text);
    memset(text, '(', huge);
    assert_int_equal(wt_strategy_parse(&s, text, huge, "test", &err), -1);
    assert_non_null(strstr(err.message, "too long"));
    memcpy(text, "strategy\nalloc.price = ", 23);
    assert_int_equal(wt_strategy_parse(&s, text, huge - 1, "test", &err), -1);
    memset(text + 23, ' ', huge - 23);
    memset(text + 9, '"', huge - 9);
    assert_int_equal(wt_strategy_parse(&s, text, huge - 1, "test", &err), -1);

    /* Pins up to the limit, and one more. */
    for (int extra = 0; extra < 2; extra++) {
        size_t n = (size_t)sprintf(text, "strategy\nalloc.pins = {");
        for (int i = WT_STRATEGY_MAX_PINS + extra; i > 0; i--) n += (size_t)sprintf(text + n, " t%d: Q4_K", i);
        n += (size_t)sprintf(text + n, "}");
        assert_int_equal(wt_strategy_parse(&s, text, n, "test", &err), extra ? -1 : 0);
        if (extra) assert_non_null(strstr(err.message, "more than 16384 pins"));
        wt_strategy_release(&s);
    }
    free(text);

    const size_t len = strlen(EXAMPLE);
    char copy[sizeof EXAMPLE];
    size_t right = 0;
    for (size_t n = 0; n <= len; n++) {
        if (wt_strategy_parse(&s, EXAMPLE, n, "test", &err) == 0) {
            right++;
            wt_strategy_release(&s);
        }
    }
    for (size_t i = 0; i < len; i++) {
        for (int byte = 0; byte < 256; byte += 1 + byte % 3) {
            memcpy(copy, EXAMPLE, sizeof copy);
            copy[i] = (char)byte;
            if (wt_strategy_parse(&s, copy, len, "test", &err) == 0) {
                right++;
                wt_strategy_release(&s);
            }
        }
    }
    assert_true(right > 100); /* changes in comments, for one */
}

/* ---- variation ---- */

static void check(const wt_strategy *s, const wt_scope *scope) {
    wt_error err;
    wt_strategy back;
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        assert_true(wt_gene_kind_of(gene->kind)->valid(gene, &s->genes[g]));
    }
    assert_int_equal(s->genes[WT_GENE_ALLOC_TYPES].types & ~scope->types & ~wt_gene_default(WT_GENE_ALLOC_TYPES)->types,
                     0);
    if (scope->all_pinned) assert_int_equal(s->genes[WT_GENE_ALLOC_PINS].pins.count, TENSORS);
    char *text = wt_strategy_print(s, &err);
    assert_non_null(text);
    parse(&back, text);
    assert_true(wt_strategy_equal(s, &back));
    assert_true(wt_strategy_distance(s, &back) == 0);
    free(text);
    wt_strategy_release(&back);
}

static void vary(const wt_scope *scope, uint64_t stream, size_t done[WT_OPERATORS]) {
    wt_strategy last, s, child;
    wt_error err;
    wt_rng rng;
    wt_rng_init(&rng, seed, stream, 0);
    must(wt_strategy_random(&last, scope, &rng, &err), &err);
    for (int i = 0; i < 1000; i++) {
        must(wt_strategy_random(&s, scope, &rng, &err), &err);
        check(&s, scope);
        const double d = wt_strategy_distance(&s, &last);
        assert_true(d == wt_strategy_distance(&last, &s) && d >= 0 && d <= 1);
        for (int op = WT_OPERATOR_RULE; op <= WT_OPERATORS; op++) {
            wt_operator was = WT_OPERATORS;
            must(wt_strategy_mutate(&child, &s, scope, (wt_operator)op, &rng, &was, &err), &err);
            assert_true(was >= WT_OPERATOR_RULE && was < WT_OPERATORS);
            done[was] += op < WT_OPERATORS && (int)was == op;
            check(&child, scope);
            if (wt_strategy_equal(&child, &s)) fail_msg("operator %s changed nothing", wt_operator_name(was));
            wt_strategy_release(&child);
        }
        must(wt_strategy_cross(&child, &s, &last, scope, &rng, &err), &err);
        check(&child, scope);
        wt_strategy_release(&child);
        wt_strategy_release(&last);
        last = s;
    }
    wt_strategy_release(&last);
}

static void test_variation(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        size_t done[WT_OPERATORS] = {0};
        const wt_scope scope = make_scope(kind > 0, kind == 2);
        vary(&scope, (uint64_t)kind, done);
        for (int op = WT_OPERATOR_RULE; op < WT_OPERATORS; op++) {
            /* Without tensors nothing is there to pin. */
            if (kind > 0 || op != WT_OPERATOR_SWITCH) assert_true(done[op] > 900);
        }
    }
}

/* The same stream gives the same strategy; other ones others. */
static void test_streams(void **state) {
    (void)state;
    const wt_scope scope = make_scope(true, false);
    char seen[200][WT_STRATEGY_NAME], again[WT_STRATEGY_NAME];
    wt_error err;
    for (uint64_t i = 0; i < 200; i++) {
        for (int k = 0; k < 2; k++) {
            wt_strategy s;
            wt_rng rng;
            wt_rng_init(&rng, seed, i, 5);
            must(wt_strategy_random(&s, &scope, &rng, &err), &err);
            must(wt_strategy_name(&s, k ? again : seen[i], &err), &err);
            wt_strategy_release(&s);
        }
        assert_string_equal(seen[i], again);
        for (uint64_t j = 0; j < i; j++) assert_string_not_equal(seen[i], seen[j]);
    }
}

static void test_scope(void **state) {
    (void)state;
    wt_error err;
    wt_rng rng;
    wt_strategy s, child;
    wt_scope scope = make_scope(false, false);
    wt_rng_init(&rng, seed, 9, 0);
    /* Types and frozen genes are kept to. */
    scope.types = UINT64_C(1) << WT_Q3_K | UINT64_C(1) << WT_IQ2_XXS;
    scope.frozen = 1u << WT_GENE_FEEDBACK_DAMP | 1u << WT_GENE_ALLOC_PRICE;
    parse(&s, "strategy\nfeedback.damp = 0.5\nalloc.types = [Q3_K]");
    for (int i = 0; i < 500; i++) {
        must(wt_strategy_mutate(&child, &s, &scope, WT_OPERATORS, &rng, NULL, &err), &err);
        wt_strategy_release(&s);
        s = child;
        assert_true(s.genes[WT_GENE_FEEDBACK_DAMP].number == 0.5f);
        assert_true(wt_gene_is_default(WT_GENE_ALLOC_PRICE, &s.genes[WT_GENE_ALLOC_PRICE]));
        assert_int_equal(s.genes[WT_GENE_ALLOC_TYPES].types & ~scope.types, 0);
    }
    /* Where nothing may vary, that is an error. */
    scope.frozen = UINT32_MAX;
    assert_int_equal(wt_strategy_mutate(&child, &s, &scope, WT_OPERATORS, &rng, NULL, &err), -1);
    assert_int_equal(wt_strategy_mutate(&child, &s, &scope, WT_OPERATOR_CROSS, &rng, NULL, &err), -1);
    scope.types = 0;
    assert_int_equal(wt_strategy_random(&child, &scope, &rng, &err), -1);
    wt_strategy_release(&s);
    wt_strategy_release(&child);
}

/* Two thirds and more of what is drawn has something on, feedback more often than not; most caches are F16. */
static void test_what_is_drawn(void **state) {
    (void)state;
    const wt_scope scope = make_scope(true, false);
    wt_error err;
    int feedback = 0, folds = 0, rotations = 0, pins = 0, f16 = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        wt_strategy s;
        wt_rng rng;
        wt_rng_init(&rng, seed, i, 6);
        must(wt_strategy_random(&s, &scope, &rng, &err), &err);
        feedback += s.genes[WT_GENE_FEEDBACK_DAMP].number > 0;
        folds += !wt_gene_is_default(WT_GENE_FOLD_FFN_IN, &s.genes[WT_GENE_FOLD_FFN_IN]);
        rotations += s.genes[WT_GENE_ROTATE_RESIDUAL].rotation.hadamard;
        pins += s.genes[WT_GENE_ALLOC_PINS].pins.count > 0;
        f16 += s.genes[WT_GENE_CACHE_K].type == WT_F16;
        wt_strategy_release(&s);
    }
    print_message(
        "of 1000 random strategies: feedback %d, fold.ffn_in %d, rotate.residual %d, pins %d, cache.k F16 %d\n",
        feedback, folds, rotations, pins, f16);
    assert_true(feedback > 600 && feedback < 800);
    assert_true(folds > 300 && folds < 500);
    assert_true(rotations > 90 && rotations < 220);
    assert_true(pins > 130 && pins < 270);
    assert_true(f16 > 750);
}

static void test_pins(void **state) {
    (void)state;
    wt_error err;
    wt_pins pins = {0};
    wt_rng rng;
    wt_rng_init(&rng, seed, 10, 0);
    int here[100];
    memset(here, -1, sizeof here);
    char name[16];
    for (int i = 0; i < 5000; i++) {
        const int which = (int)wt_rng_below(&rng, 100);
        snprintf(name, sizeof name, "t%d", which);
        if (wt_rng_below(&rng, 2)) {
            must(wt_pins_set(&pins, name, i % 2 ? WT_Q4_K : WT_Q8_0, &err), &err);
            here[which] = i % 2 ? WT_Q4_K : WT_Q8_0;
        } else {
            assert_int_equal(wt_pins_remove(&pins, name), here[which] >= 0);
            here[which] = -1;
        }
        size_t count = 0;
        for (int k = 0; k < 100; k++) {
            snprintf(name, sizeof name, "t%d", k);
            const wt_pin *pin = wt_pins_find(&pins, name);
            assert_int_equal(pin ? (int)pin->type : -1, here[k]);
            count += here[k] >= 0;
        }
        assert_int_equal(pins.count, count);
    }
    wt_gene_value v = {.pins = pins};
    assert_true(wt_gene_kind_of(WT_GENE_PINS)->valid(wt_gene_of(WT_GENE_ALLOC_PINS), &v));
    wt_gene_release(wt_gene_of(WT_GENE_ALLOC_PINS), &v);
}

static double smallest_bytes(const wt_scope *scope, const wt_pins *pins) {
    double sum = 0;
    for (size_t i = 0; i < pins->count; i++) {
        wt_type sorted[WT_TYPE_LIMIT];
        for (size_t t = 0; t < scope->tensor_count; t++) {
            if (strcmp(scope->tensors[t].name, pins->items[i].tensor) != 0) continue;
            assert_true(wt_types_sorted(scope->types & scope->tensors[t].fits, sorted) > 0);
            sum += (double)scope->tensors[t].weights * wt_type_bits(sorted[0]) / 8;
        }
    }
    return sum;
}

/* As many bytes as were asked are gone, or all that can go; where little was asked, not more than the cheapest step takes. */
static void test_shrinking(void **state) {
    (void)state;
    wt_error err;
    wt_rng rng;
    wt_strategy s, before;
    const wt_scope scope = make_scope(true, true);
    int whole = 0;
    for (int i = 0; i < TENSORS; i++) tensors[i].weights = 4096u << i % 4;
    wt_rng_init(&rng, seed, 11, 0);
    for (int i = 0; i < 2000; i++) {
        must(wt_strategy_random(&s, &scope, &rng, &err), &err);
        must(wt_strategy_copy(&before, &s, &err), &err);
        wt_pins *pins = &s.genes[WT_GENE_ALLOC_PINS].pins;
        const double bytes = wt_pins_bytes(pins, &scope), least = smallest_bytes(&scope, pins);
        const double excess = (wt_rng_uniform(&rng) * 1.5 - 0.2) * (bytes - least);
        wt_pins_shrink(pins, &scope, excess, &rng);
        const double left = wt_pins_bytes(pins, &scope);
        assert_int_equal(pins->count, before.genes[WT_GENE_ALLOC_PINS].pins.count);
        for (size_t k = 0; k < pins->count; k++)
            assert_true(wt_type_bits(pins->items[k].type) <=
                        wt_type_bits(before.genes[WT_GENE_ALLOC_PINS].pins.items[k].type));
        if (excess <= 0)
            assert_true(wt_strategy_equal(&s, &before));
        else
            assert_true(left <= bytes - excess || left == least);
        whole += excess > 0 && left == least;
        check(&s, &scope);
        wt_strategy_release(&s);
        wt_strategy_release(&before);
    }
    assert_true(whole > 200 && whole < 1800);
}

int main(void) {
    const char *given = getenv("WT_SEED");
    if (given) seed = strtoull(given, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_name),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hostile),   cmocka_unit_test(test_pins),  cmocka_unit_test(test_variation),
        cmocka_unit_test(test_streams),   cmocka_unit_test(test_scope), cmocka_unit_test(test_what_is_drawn),
        cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
