/*
 * Expressions as text and as trees: messages point to the right column, printing and parsing are inverse, canonical form is
 * idempotent and changes no bit, variation stays within bounds. Trees are drawn here, by other means than the library's own.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "strategy/expression.h"

static const char *const NAMES[] = {"h", "v", "x", "log_act", "_a9"};
static const wt_domain DOMAIN = {.name = "element", .variables = NAMES, .count = 5};
enum { ROW = 40 };

static const wt_op KIN[3][8] = {
    {WT_OP_NUMBER, WT_OP_VARIABLE},
    {WT_OP_NEG, WT_OP_ABS, WT_OP_SQRT, WT_OP_LOG, WT_OP_EXP, WT_OP_TANH, WT_OP_NEG, WT_OP_NEG},
    {WT_OP_ADD, WT_OP_SUB, WT_OP_MUL, WT_OP_DIV, WT_OP_MIN, WT_OP_MAX, WT_OP_POW, WT_OP_SUB},
};

static float any_float(wt_rng *rng) {
    float f;
    do {
        uint32_t bits = (uint32_t)wt_rng_next(rng);
        memcpy(&f, &bits, sizeof f);
    } while (!(fabsf(f) <= 1e30f) || f == 0.0f);
    return f;
}

static float a_number(wt_rng *rng) {
    static const float PLAIN[] = {0.0f, 1.0f, -1.0f, 2.0f, -3.0f, 0.5f, 1e30f, -1e30f, 1e-30f, 1e-45f};
    return wt_rng_below(rng, 4) == 0 ? any_float(rng) : PLAIN[wt_rng_below(rng, sizeof PLAIN / sizeof *PLAIN)];
}

/* Any tree at all, canonical or not; fails (leaving it unusable) where it gets too big. */
static void draw(wt_expr *e, wt_rng *rng, int levels, bool truth) {
    if (e->count >= WT_EXPR_MAX_NODES) return;
    wt_expr_node *node = &e->nodes[e->count++];
    memset(node, 0, sizeof *node);
    if (truth) {
        node->op = (uint8_t)(WT_OP_LT + wt_rng_below(rng, 6));
        draw(e, rng, levels - 1, false);
        draw(e, rng, levels - 1, false);
        return;
    }
    const size_t kind = levels <= 1 ? 0 : wt_rng_below(rng, 9);
    if (kind < 2) {
        node->op = (uint8_t)KIN[0][wt_rng_below(rng, 2)];
        if (node->op == WT_OP_NUMBER) node->number = a_number(rng);
        if (node->op == WT_OP_VARIABLE) node->variable = (uint8_t)wt_rng_below(rng, DOMAIN.count);
    } else if (kind < 4) {
        node->op = (uint8_t)KIN[1][wt_rng_below(rng, 8)];
        draw(e, rng, levels - 1, false);
    } else if (kind < 8 || levels < 3) {
        node->op = (uint8_t)KIN[2][wt_rng_below(rng, 8)];
        draw(e, rng, levels - 1, false);
        draw(e, rng, levels - 1, false);
    } else {
        node->op = WT_OP_IF;
        draw(e, rng, levels - 1, true);
        draw(e, rng, levels - 1, false);
        draw(e, rng, levels - 1, false);
    }
}

static wt_expr any_tree(wt_rng *rng) {
    wt_expr e;
    do {
        memset(&e, 0, sizeof e);
        draw(&e, rng, (int)(1 + wt_rng_below(rng, wt_rng_below(rng, 8) == 0 ? WT_EXPR_MAX_DEPTH : 8)), false);
    } while (!wt_expr_valid(&e, &DOMAIN));
    return e;
}

static wt_expr parse(const char *text) {
    wt_expr e;
    wt_error err = {0};
    if (wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    assert_true(wt_expr_valid(&e, &DOMAIN));
    return e;
}

static void assert_prints(const wt_expr *e, const char *want) {
    char text[512];
    const size_t length = wt_expr_print(e, &DOMAIN, text, sizeof text);
    assert_string_equal(text, want);
    assert_int_equal(length, strlen(want));
}

/* ---- text ---- */

static void test_print(void **state) {
    (void)state;
    static const char *const SAME[] = {
        "h*sqrt(2*v + x*x)",
        "-(2)",
        "-(-2)",
        "--(2)",
        "-x",
        "--x",
        "-(x*h)",
        "-x*h",
        "x - -2",
        "x*-2",
        "x - (h - v)",
        "x - h - v",
        "x/(h*v)",
        "x/h*v",
        "x/h/v",
        "(x + h)*v",
        "if(x + 1 < h*2, min(x, h), -x)",
        "if(x == h, 1, 0)",
        "1e30",
        "1e-30",
        "-1e-45",
        "0.1",
        "10",
        "300",
        "16777216",
        "1e6",
        "3.4028235e-38",
        "pow(abs(x), 0.5)",
        "log_act + _a9",
        "1e-5",
        "1.5e-9",
        "if(x >= 0, exp(x), tanh(log(h)))",
    };
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
        wt_expr e = parse(SAME[i]);
        assert_prints(&e, SAME[i]);
    }
    static const char *const OTHER[][2] = {
        {" ( h )*\n(((x)))\t+1.0", "h*x + 1"},
        {"-0", "0"},
        {"-0.0*x", "0*x"},
        {"1E+5", "100000"},
        {".5", "0.5"},
        {"5.", "5"},
        {"if((x<h),(1),2)", "if(x < h, 1, 2)"},
        {"0.100000001490116", "0.1"},
        {"1e-60", "0"},
        {"- 3", "-3"},
        {"h-3", "h - 3"},
        {"(x*h)*v", "x*h*v"},
        {"x*(h*v)", "x*(h*v)"},
        {"(h+v)-x", "h + v - x"},
    };
    for (size_t i = 0; i < sizeof OTHER / sizeof *OTHER; i++) {
        wt_expr e = parse(OTHER[i][0]);
        assert_prints(&e, OTHER[i][1]);
    }
    char small[4];
    wt_expr e = parse("log_act");
    assert_int_equal(wt_expr_print(&e, &DOMAIN, small, sizeof small), 7);
    assert_string_equal(small, "log");
    assert_int_equal(wt_expr_print(&e, &DOMAIN, NULL, 0), 7);
}

static void test_round_trip(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    size_t longest = 0;
    for (int i = 0; i < 100000; i++) {
        wt_expr e, back;
        char text[4096];
        wt_error err = {0};
        if (i % 2)
            wt_expr_random(&e, &DOMAIN, &rng, 1 + wt_rng_below(&rng, WT_EXPR_MAX_NODES));
        else
            e = any_tree(&rng);
        const size_t length = wt_expr_print(&e, &DOMAIN, text, sizeof text);
        assert_true(length < sizeof text);
        if (length > longest) longest = length;
        if (wt_expr_parse(&back, &DOMAIN, text, length, (wt_place){1, 1}, &err) != 0)
            fail_msg("%s: %s", text, err.message);
        if (wt_expr_compare(&e, &back) != 0) fail_msg("%s is not what it was", text);
    }
    printf("100000 expressions print and parse back, the longest of %zu bytes\n", longest);
}

static void test_messages(void **state) {
    (void)state;
    static const struct {
        const char *text;
        wt_place place;
        const char *message;
    } CASES[] = {
        {"x + foo", {1, 5}, "expected a number, a variable or '(' but found 'foo'"},
        {"", {1, 1}, "expected a number, a variable or '(' but found the end"},
        {"x +\n  *", {2, 3}, "expected a number, a variable or '(' but found '*'"},
        {"(x", {1, 3}, "expected an operator or ')' but found the end"},
        {"x h", {1, 3}, "expected an operator or the end but found 'h'"},
        {"x)", {1, 2}, "expected an operator or the end but found ')'"},
        {"sqrt x", {1, 6}, "expected '(' after 'sqrt' but found 'x'"},
        {"sqrt(x, h)", {1, 7}, "expected ')' (sqrt takes 1 operand) but found ','"},
        {"min(x)", {1, 6}, "expected ',' (min takes 2 operands) but found ')'"},
        {"if(x, 1, 2)", {1, 4}, "expected a comparison, as in if(a < b, a, b), but found a number"},
        {"1 + (x < 2)", {1, 8}, "expected a number but found a comparison ('<'); only if() takes one"},
        {"x <= 2", {1, 3}, "expected a number but found a comparison ('<='); only if() takes one"},
        {"if(x < h < v, 1, 2)", {1, 10}, "expected ',' (if takes 3 operands) but found '<'"},
        {"1e31", {1, 1}, "the number '1e31' is beyond 1e30"},
        {"x = 2", {1, 3}, "expected an operator or the end but found '='"},
        {"nan", {1, 1}, "expected a number, a variable or '(' but found 'nan'"},
        {"x*\xc3\xa9", {1, 3}, "expected a number, a variable or '(' but found the byte 0xc3"},
        {"2x", {1, 2}, "expected an operator or the end but found 'x'"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        wt_expr e = {.count = 77};
        wt_error err = {0};
        char want[600];
        assert_int_equal(wt_expr_parse(&e, &DOMAIN, CASES[i].text, strlen(CASES[i].text), (wt_place){1, 1}, &err), -1);
        snprintf(want, sizeof want, "line %u, column %u: %s", CASES[i].place.line, CASES[i].place.column,
                 CASES[i].message);
        assert_string_equal(err.message, want);
        assert_int_equal(e.count, 77);
    }
    wt_expr e;
    wt_error err = {0};
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, "y", 1, (wt_place){3, 17}, &err), -1);
    assert_string_equal(err.message, "line 3, column 17: expected a number, a variable or '(' but found 'y'");
    assert_string_equal(err.hint, "the variables here (element) are h, v, x, log_act, _a9");
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, "x\n+y", 4, (wt_place){3, 17}, &err), -1);
    assert_string_equal(err.message, "line 4, column 2: expected a number, a variable or '(' but found 'y'");
}

static void repeat(char *to, const char *text, int times) {
    for (*to = '\0'; times > 0; times--) strcat(to, text);
}

static void test_bounds(void **state) {
    (void)state;
    char text[4096];
    wt_expr e;
    wt_error err = {0};
    repeat(text, "abs(", 15);
    strcat(text, "x");
    repeat(text + strlen(text), ")", 15);
    e = parse(text); /* 16 levels */
    assert_int_equal(wt_expr_depth(&e), 16);
    repeat(text, "abs(", 16);
    strcat(text, "x");
    repeat(text + strlen(text), ")", 16);
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err), -1);
    assert_string_equal(err.message, "line 1, column 65: the expression is deeper than 16 levels");
    repeat(text, "(", 10000 < (int)sizeof text ? 10000 : 4000);
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err), -1);
    assert_string_equal(err.message, "line 1, column 65: nested deeper than 64");
    repeat(text, "-", 4000);
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err), -1);
    repeat(text, "(x+h)*(x+h)+", 9); /* 8 nodes each with the '+' after it */
    strcat(text, "x");
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err), -1);
    assert_non_null(strstr(err.message, "more than 64 numbers, variables and operators"));
    repeat(text, "7", 64);
    assert_int_equal(wt_expr_parse(&e, &DOMAIN, text, strlen(text), (wt_place){1, 1}, &err), -1);
    assert_non_null(strstr(err.message, "more than 63 characters"));
}

static void test_invalid(void **state) {
    (void)state;
    wt_expr e = parse("if(x < h, v, 2)");
    assert_true(wt_expr_valid(&e, &DOMAIN));
    for (size_t i = 0; i < e.count; i++) {
        wt_expr bad = e;
        bad.nodes[i].op = WT_OP_COUNT;
        assert_false(wt_expr_valid(&bad, &DOMAIN));
        bad = e;
        bad.count = i;
        assert_false(wt_expr_valid(&bad, &DOMAIN));
    }
    wt_expr bad = e;
    bad.nodes[5].number = INFINITY;
    assert_false(wt_expr_valid(&bad, &DOMAIN));
    bad.nodes[5].number = -0.0f;
    assert_false(wt_expr_valid(&bad, &DOMAIN));
    bad = e;
    bad.nodes[4].variable = 5;
    assert_false(wt_expr_valid(&bad, &DOMAIN));
    bad = e;
    bad.nodes[1].op = WT_OP_ADD; /* if() of a number */
    assert_false(wt_expr_valid(&bad, &DOMAIN));
    bad = parse("x + h");
    bad.nodes[0].op = WT_OP_LT;
    assert_false(wt_expr_valid(&bad, &DOMAIN));
    wt_program program;
    wt_error err = {0};
    assert_int_equal(wt_program_compile(&program, &bad, &DOMAIN, &err), -1);
}

static void test_splice(void **state) {
    (void)state;
    wt_expr e = parse("x*(h + 2)"), source = parse("if(v < 1, sqrt(v), 3)");
    assert_true(wt_expr_splice(&e, 2, &source, 4));
    assert_prints(&e, "x*sqrt(v)");
    assert_false(wt_expr_splice(&e, 1, &source, 1)); /* a truth for a number */
    assert_prints(&e, "x*sqrt(v)");
    assert_true(wt_expr_splice(&e, 0, &source, 0));
    assert_true(wt_expr_splice(&e, 1, &source, 1));
    assert_false(wt_expr_splice(&e, 9, &source, 0));
    assert_prints(&e, "if(v < 1, sqrt(v), 3)");
}

/* ---- canonical form ---- */

static void test_canonical_table(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"x*h", "h*x"},
        {"x + 2*3", "6 + x"},
        {"--x", "x"},
        {"-(2)", "-2"},
        {"x - -h", "h + x"},
        {"x + -2", "x - 2"},
        {"x - 0", "x"},
        {"0 - x", "-x"},
        {"x*1", "x"},
        {"x*0", "0"},
        {"x*-1", "-x"},
        {"x/1", "x"},
        {"x - x", "0"},
        {"min(x, x)", "x"},
        {"1/0", "0"},
        {"sqrt(-4)", "2"},
        {"exp(100)", "1e30"},
        {"0 < 1 - x + x*0", NULL},
        {"if(0 < x, 1, 2)", "if(x > 0, 1, 2)"},
        {"if(1 < 2, x, h)", "x"},
        {"if(x < h, v, v)", "v"},
        {"if(x < x, v, h)", "h"},
        {"if(x <= x, v, h)", "v"},
        {"abs(-x)", "abs(x)"},
        {"sqrt(abs(x))", "sqrt(x)"},
        {"abs(sqrt(x))", "sqrt(x)"},
        {"log(-x)", "log(x)"},
        {"-x*-h", "h*x"},
        {"-(2*x)", "-2*x"},
        {"-(x - h)", "h - x"},
        {"x + (h + v)", "x + (h + v)"},
        {"(h + v) + x", "x + (h + v)"},
        {"pow(-x, 2)", "pow(x, 2)"},
        {"1e30*10", "1e30"},
        {"1e30*-10 + 5", "-1e30"},
        {"x*-h", "x*-h"},
        {"tanh(-x)", "tanh(-x)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        if (!CASES[i][1]) continue;
        wt_expr e = parse(CASES[i][0]);
        wt_expr_canonical(&e);
        assert_prints(&e, CASES[i][1]);
    }
}

static void any_row(float *row, wt_rng *rng) {
    static const float ODD[] = {0.0f, -0.0f, 1.0f, -1.0f, 1e30f, -1e30f, 1e-45f, 3.4e38f, -INFINITY, INFINITY};
    for (int i = 0; i < ROW; i++) {
        const size_t kind = wt_rng_below(rng, 4);
        row[i] = kind == 0 ? ODD[wt_rng_below(rng, 10)] : kind == 1 ? any_float(rng) : (float)wt_rng_normal(rng);
        if (kind == 0 && wt_rng_below(rng, 12) == 0) row[i] = NAN;
    }
}

static void run(const wt_expr *e, float rows[5][ROW], float *out) {
    wt_program program;
    wt_error err = {0};
    wt_row inputs[5];
    for (int i = 0; i < 5; i++) inputs[i] = (wt_row){.values = rows[i]};
    if (wt_program_compile(&program, e, &DOMAIN, &err) != 0) fail_msg("%s", err.message);
    wt_program_run(&program, inputs, ROW, out);
}

static void test_canonical(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    size_t before = 0, after = 0;
    for (int i = 0; i < 50000; i++) {
        float rows[5][ROW], a[ROW], b[ROW];
        const wt_expr e = any_tree(&rng);
        wt_expr once = e, twice;
        wt_expr_canonical(&once);
        twice = once;
        wt_expr_canonical(&twice);
        assert_true(wt_expr_valid(&once, &DOMAIN));
        assert_int_equal(wt_expr_compare(&once, &twice), 0);
        assert_true(once.count <= e.count && wt_expr_depth(&once) <= wt_expr_depth(&e));
        before += e.count;
        after += once.count;
        for (int k = 0; k < 5; k++) any_row(rows[k], &rng);
        run(&e, rows, a);
        run(&once, rows, b);
        if (memcmp(a, b, sizeof a) == 0) continue;
        char text[4096], other[4096];
        wt_expr_print(&e, &DOMAIN, text, sizeof text);
        wt_expr_print(&once, &DOMAIN, other, sizeof other);
        fail_msg("%s is not %s", text, other);
    }
    printf("50000 expressions: %zu nodes before, %zu after\n", before, after);
}

/* ---- variation ---- */

static void assert_canonical(const wt_expr *e) {
    wt_expr again = *e;
    assert_true(wt_expr_valid(e, &DOMAIN));
    wt_expr_canonical(&again);
    assert_int_equal(wt_expr_compare(e, &again), 0);
}

static void test_variation(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 3, 0);
    int same = 0, ops[WT_OP_COUNT] = {0};
    for (int i = 0; i < 20000; i++) {
        const size_t most = 1 + wt_rng_below(&rng, WT_EXPR_MAX_NODES);
        wt_expr a, b, first, second, third, mutant;
        wt_expr_random(&a, &DOMAIN, &rng, most);
        wt_expr_random(&b, &DOMAIN, &rng, most);
        assert_canonical(&a);
        assert_true(a.count <= most);
        for (size_t k = 0; k < a.count; k++) ops[a.nodes[k].op]++;
        mutant = a;
        wt_rng copy = rng;
        wt_expr_mutate(&mutant, &DOMAIN, &rng);
        assert_canonical(&mutant);
        same += wt_expr_compare(&a, &mutant) == 0;
        third = a;
        wt_expr_mutate(&third, &DOMAIN, &copy);
        assert_int_equal(wt_expr_compare(&third, &mutant), 0);
        wt_expr_cross(&a, &b, &rng, &first, &second);
        assert_canonical(&first);
        assert_canonical(&second);
        const double d = wt_expr_distance(&a, &b, &DOMAIN), back = wt_expr_distance(&b, &a, &DOMAIN);
        assert_true(d >= 0.0 && d <= 1.0 && d == back);
        assert_true(wt_expr_distance(&a, &a, &DOMAIN) == 0.0);
        if (wt_expr_compare(&a, &b) == 0) assert_true(d == 0.0);
    }
    printf("20000 mutations, of which %d changed nothing\n", same);
    assert_true(same < 20);
    for (int op = 0; op < WT_OP_COUNT; op++) assert_true(ops[op] > 0);
    /* Bounds hold from the largest trees on. */
    wt_expr e = any_tree(&rng);
    for (int i = 0; i < 20000; i++) {
        wt_expr other = any_tree(&rng);
        wt_expr_mutate(&e, &DOMAIN, &rng);
        assert_canonical(&e);
        if (i % 3 == 0) wt_expr_cross(&e, &other, &rng, &e, NULL);
        assert_canonical(&e);
    }
}

static void test_no_variables(void **state) {
    (void)state;
    static const wt_domain NOTHING = {.name = "constant"};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, 0);
    wt_expr e;
    wt_expr_random(&e, &NOTHING, &rng, 9);
    for (int i = 0; i < 1000; i++) {
        wt_expr_mutate(&e, &NOTHING, &rng);
        assert_true(wt_expr_valid(&e, &NOTHING));
    }
}

static void test_distance(void **state) {
    (void)state;
    const wt_expr a = parse("h*sqrt(2*v + x*x)"), near = parse("h*sqrt(2.1*v + x*x)"),
                  far = parse("if(log(x) < 3, -1, exp(v))");
    const double d1 = wt_expr_distance(&a, &near, &DOMAIN), d2 = wt_expr_distance(&a, &far, &DOMAIN);
    printf("distance of a tuned number %.4f, of another rule %.4f\n", d1, d2);
    assert_true(d1 > 0.0 && d1 < 0.05 && d2 > 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),     cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_invalid),         cmocka_unit_test(test_splice),
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_canonical_table), cmocka_unit_test(test_variation),
        cmocka_unit_test(test_distance),  cmocka_unit_test(test_no_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
