/*
 * The rules: defaults, print and parse back, what every mistake is called and where, YAML that means harm, and what the check refuses.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "survive/rules.h"
#include "survive/rules_table.h"

static wt_error err;

static void parse(wt_rules *r, const char *text) {
    err = (wt_error){0};
    if (wt_rules_parse(r, text, strlen(text), "r.yaml", &err) != 0) fail_msg("%s\n%s", err.message, text);
}

/* That the text is refused with exactly this message. */
static void refuse(const char *text, const char *message) {
    wt_rules r;
    err = (wt_error){0};
    if (wt_rules_parse(&r, text, strlen(text), "r.yaml", &err) == 0) fail_msg("accepted: %s", text);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, WT_ERR_FORMAT);
}

/* The same, of any bytes, with any message. */
static void refuse_bytes(const char *text, size_t len) {
    wt_rules r;
    err = (wt_error){0};
    const clock_t before = clock();
    if (wt_rules_parse(&r, text, len, "r.yaml", &err) == 0) fail_msg("accepted %zu bytes", len);
    assert_true(err.message[0]);
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 5); /* seconds, sanitizers included */
}

static void same_text(const char *a, const char *b) {
    if (!a != !b || (a && strcmp(a, b) != 0)) fail_msg("'%s' and '%s'", a ? a : "NULL", b ? b : "NULL");
}

/* Equal in every key of the table and every list. */
static void same_rules(const wt_rules *a, const wt_rules *b) {
    for (size_t i = 0; wt_rule_key_at(i); i++) {
        const wt_rule_key *k = wt_rule_key_at(i);
        const char *x = (const char *)a + k->offset, *y = (const char *)b + k->offset;
        switch (k->kind) {
        case WT_KEY_TEXT: same_text(*(char *const *)x, *(char *const *)y); break;
        case WT_KEY_COUNT:
        case WT_KEY_SIZE: assert_int_equal(*(const uint64_t *)x, *(const uint64_t *)y); break;
        case WT_KEY_NUMBER: assert_true(*(const double *)x == *(const double *)y); break;
        case WT_KEY_CHOICE: assert_int_equal(*(const int *)x, *(const int *)y); break;
        default: break;
        }
    }
    assert_int_equal(a->rule_species, b->rule_species);
    assert_int_equal(a->pinned_species, b->pinned_species);
    assert_int_equal(a->constraint_count, b->constraint_count);
    for (unsigned i = 0; i < a->constraint_count; i++) {
        const wt_rule_constraint *x = &a->constraints[i], *y = &b->constraints[i];
        same_text(x->axis, y->axis);
        assert_int_equal(!x->min, !y->min);
        assert_int_equal(!x->max, !y->max);
        if (x->min) assert_true(*x->min == *y->min);
        if (x->max) assert_true(*x->max == *y->max);
    }
    assert_int_equal(a->axis_count, b->axis_count);
    for (unsigned i = 0; i < a->axis_count; i++) {
        same_text(a->axes[i].axis, b->axes[i].axis);
        assert_true(a->axes[i].weight == b->axes[i].weight);
    }
    assert_int_equal(a->type_count, b->type_count);
    for (unsigned i = 0; i < a->type_count; i++) same_text(a->types[i], b->types[i]);
    assert_int_equal(a->command_count, b->command_count);
    for (unsigned i = 0; i < a->command_count; i++) {
        same_text(a->commands[i].name, b->commands[i].name);
        assert_int_equal(a->commands[i].count, b->commands[i].count);
        for (unsigned k = 0; k < a->commands[i].count; k++) same_text(a->commands[i].words[k], b->commands[i].words[k]);
        assert_int_equal(a->commands[i].higher, b->commands[i].higher);
        assert_true(a->commands[i].seconds == b->commands[i].seconds);
        assert_int_equal(a->commands[i].shell, b->commands[i].shell);
    }
}

static void test_defaults(void **state) {
    wt_rules r, empty, printed;
    (void)state;
    assert_int_equal(wt_rules_init(&r, &err), 0);
    assert_true(r.calibrate == 0.5 && r.search == 0.3 && r.holdout == 0.2 && r.level == 0.05 && r.smaller == 0.1 && r.minutes == 10);
    assert_int_equal(r.population, 8);
    assert_int_equal(r.offspring, 12);
    assert_int_equal(r.selection, WT_SELECT_PARETO);
    assert_int_equal(r.humans, WT_HUMANS_COMPETE);
    assert_int_equal(r.runtime, WT_RUNTIME_LLAMA_CPP_CPU);
    assert_int_equal(r.survivors, 3);
    assert_int_equal(r.seed, 1);
    assert_int_equal(wt_rules_check(&r, &err), 0);
    static const char *const NOTHING[] = {"", "# a comment\n", "---\n", "{}\n", "text:\nbudget:\n"};
    for (int i = 0; i < 5; i++) {
        parse(&empty, NOTHING[i]);
        same_rules(&r, &empty);
        wt_rules_release(&empty);
    }
    for (int comments = 0; comments < 2; comments++) {
        char *text = wt_rules_print(&r, comments, &err);
        assert_non_null(text);
        parse(&printed, text);
        same_rules(&r, &printed);
        wt_rules_release(&printed);
        free(text);
    }
    wt_rules_release(&r);
    wt_rules_release(&r); /* idempotent */
    wt_rules_release(NULL);
}

/* ---- print, then parse ---- */

static char *any_text(wt_rng *rng) {
    static const char *const PARTS[] = {"a", "/", " ", "\"", "\\", "#", ": ", "'", "\n", "\t", "\xc3\xa4", "\xf0\x9f\x8c\xb1", "null", "-", "{", "\x7f", "\x01", "%", "*", "&"};
    char text[400] = "";
    const uint64_t n = 1 + wt_rng_below(rng, 12);
    for (uint64_t i = 0; i < n; i++) strcat(text, PARTS[wt_rng_below(rng, sizeof PARTS / sizeof *PARTS)]);
    if (strcmp(text, "null") == 0) strcpy(text, "x");
    return strdup(text);
}

static double any_number(wt_rng *rng, double lo, double hi) {
    switch (wt_rng_below(rng, 4)) {
    case 0: return lo;
    case 1: return hi;
    default: return lo + (hi - lo) * wt_rng_uniform(rng);
    }
}

static void draw_lists(wt_rules *r, wt_rng *rng) {
    static const char *const AXES[] = {"kld", "kld_p99", "same_top", "perplexity_ratio", "bytes", "memory"};
    static const char *const TYPES[] = {"Q2_K", "Q4_K", "IQ4_XS", "Q8_0", "a type, with: \"quotes\""};
    for (int i = 0; i < 6; i++) {
        const bool size = i >= 4;
        double lo = size ? (double)wt_rng_below(rng, 1ull << 50) : any_number(rng, -1e300, 1e300);
        double hi = size ? (double)wt_rng_below(rng, 1ull << 50) : any_number(rng, -1, 1);
        const uint64_t which = wt_rng_below(rng, 4);
        if (which) assert_int_equal(wt_rules_bound(r, AXES[i], which & 1 ? &lo : NULL, which & 2 ? &hi : NULL, &err), 0);
    }
    r->axis_count = (unsigned)wt_rng_below(rng, 4);
    r->axes = calloc(r->axis_count + 1, sizeof *r->axes);
    for (unsigned i = 0; i < r->axis_count; i++) r->axes[i] = (wt_rule_axis){strdup(AXES[i]), any_number(rng, 0, 1e9)};
    r->type_count = (unsigned)wt_rng_below(rng, 6);
    r->types = calloc(r->type_count + 1, sizeof *r->types);
    for (unsigned i = 0; i < r->type_count; i++) r->types[i] = strdup(TYPES[i]);
    r->rule_species = wt_rng_below(rng, 2);
    r->pinned_species = wt_rng_below(rng, 2);
}

static void draw_rules(wt_rules *r, wt_rng *rng) {
    assert_int_equal(wt_rules_init(r, &err), 0);
    for (size_t i = 0; wt_rule_key_at(i); i++) {
        const wt_rule_key *k = wt_rule_key_at(i);
        char *at = (char *)r + k->offset;
        switch (k->kind) {
        case WT_KEY_TEXT: *(char **)at = wt_rng_below(rng, 3) ? any_text(rng) : NULL; break;
        case WT_KEY_COUNT: *(uint64_t *)at = (uint64_t)any_number(rng, k->lo, k->hi); break;
        case WT_KEY_SIZE: *(uint64_t *)at = wt_rng_below(rng, 1ull << 53); break;
        case WT_KEY_NUMBER: *(double *)at = any_number(rng, k->lo, k->hi); break;
        case WT_KEY_CHOICE: {
            int n = 0;
            while (k->choices[n]) n++;
            *(int *)at = (int)wt_rng_below(rng, (uint64_t)n);
            break;
        }
        default: break;
        }
    }
    draw_lists(r, rng);
}

static void test_print_parse(void **state) {
    wt_rng rng;
    (void)state;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (int n = 0; n < 1000; n++) {
        wt_rules r, back;
        draw_rules(&r, &rng);
        char *text = wt_rules_print(&r, n % 2, &err);
        assert_non_null(text);
        parse(&back, text);
        same_rules(&r, &back);
        char *again = wt_rules_print(&back, n % 2, &err);
        assert_string_equal(text, again);
        free(text);
        free(again);
        wt_rules_release(&r);
        wt_rules_release(&back);
    }
}

static void test_reading(void **state) {
    wt_rules r;
    (void)state;
    parse(&r, "text: {file: a.txt, context: 64}\nconstraints:\n  - {axis: bytes, max: 3.2MiB}\n  - axis: kld_p99\n    max: 0.5\n    min: 0.1\n"
              "axes: [kld, {axis: bytes, weight: 2}]\ntypes: [Q4_K]\nselection: lexicase\nspecies: [pinned]\nbudget:\n  minutes: 0.5\n  tokens: 7\nseed: 9\n");
    assert_string_equal(r.text, "a.txt");
    assert_int_equal(r.context, 64);
    assert_true(*wt_rules_constraint(&r, "bytes")->max == 3.2 * 1048576 - 0.2 || (uint64_t)*wt_rules_constraint(&r, "bytes")->max == 3355443);
    assert_null(wt_rules_constraint(&r, "bytes")->min);
    assert_true(*wt_rules_constraint(&r, "kld_p99")->min == 0.1);
    assert_null(wt_rules_constraint(&r, "memory"));
    assert_int_equal(r.axis_count, 2);
    assert_true(r.axes[0].weight == 1 && r.axes[1].weight == 2);
    assert_int_equal(r.selection, WT_SELECT_LEXICASE);
    assert_false(r.rule_species);
    assert_true(r.minutes == 0.5 && r.tokens == 7 && r.seed == 9);
    wt_rules_release(&r);
    parse(&r, "text: &t {file: x}\n"); /* anchors are harmless */
    wt_rules_release(&r);
    assert_int_equal(wt_rules_read(&r, "/nonexistent/rules.yaml", &err), -1);
    assert_non_null(strstr(err.message, "/nonexistent/rules.yaml"));
}

/* ---- mistakes ---- */

static void test_messages(void **state) {
    (void)state;
    refuse("sed: 1\n", "'r.yaml', line 1, column 1: unknown key 'sed'");
    assert_string_equal(err.hint, "did you mean 'seed'?");
    refuse("seed: 1\nbudget:\n  minute: 3\n", "'r.yaml', line 3, column 3: unknown key 'minute'");
    assert_string_equal(err.hint, "did you mean 'minutes'?");
    refuse("abcdefghijkl: 1\n", "'r.yaml', line 1, column 1: unknown key 'abcdefghijkl'");
    assert_string_equal(err.hint, "docs/rules.md lists the keys");
    refuse("minutes: 3\n", "'r.yaml', line 1, column 1: unknown key 'minutes'"); /* it stands below budget */
    refuse("seed: 1\nseed: 2\n", "'r.yaml', line 2, column 1: twice the key 'seed'");
    refuse("text: {file: a, file: b}\n", "'r.yaml', line 1, column 17: twice the key 'file'");
    refuse("seed: x\n", "'r.yaml', line 1, column 7: wrong value of 'seed'");
    assert_non_null(strstr(err.hint, "a whole number from 0"));
    static const char *const NO_COUNTS[] = {"seed: -1\n", "seed: 1.5\n", "seed: 1e3\n", "seed: 99999999999999999999999\n", "seed: ''\n",
                                            "seed:\n", "seed: 0x10\n", "seed: '1 '\n"};
    for (int i = 0; i < 8; i++) refuse(NO_COUNTS[i], i == 5 ? "'r.yaml', line 1, column 6: wrong value of 'seed'" : "'r.yaml', line 1, column 7: wrong value of 'seed'");
    refuse("population: 0\n", "'r.yaml', line 1, column 13: wrong value of 'population'");
    static const char *const NO_NUMBERS[] = {"smaller: nan\n", "smaller: inf\n", "smaller: 1\n", "smaller: -0.1\n", "smaller: 0.1x\n", "smaller: x\n"};
    for (int i = 0; i < 6; i++) refuse(NO_NUMBERS[i], "'r.yaml', line 1, column 10: wrong value of 'smaller'");
    refuse("selection: best\n", "'r.yaml', line 1, column 12: wrong value of 'selection'");
    assert_string_equal(err.hint, "one of pareto, lexicase, score; not 'best'");
    refuse("max_memory: lots\n", "'r.yaml', line 1, column 13: wrong value of 'max_memory'");
    refuse("seed: [1]\n", "'r.yaml', line 1, column 7: expected a single value for 'seed'");
    refuse("text: a.txt\n", "'r.yaml', line 1, column 7: expected keys in 'text'");
    refuse("text: [a]\n", "'r.yaml', line 1, column 7: expected keys in 'text'");
    refuse("- seed\n", "'r.yaml', line 1, column 1: expected keys in 'r.yaml'");
    refuse("just words\n", "'r.yaml', line 1, column 1: expected keys in 'r.yaml'");
    refuse("[a]: 1\n", "'r.yaml', line 1, column 1: expected a single value for 'a key'");
    refuse("constraints: 3\n", "'r.yaml', line 1, column 14: expected a list for 'constraints'");
    refuse("constraints: [bytes]\n", "'r.yaml', line 1, column 15: expected {axis: ...} with 'axis min max'");
    refuse("constraints: [{max: 1}]\n", "'r.yaml', line 1, column 15: a constraint without 'axis'");
    refuse("constraints: [{axis: kld, maxi: 1}]\n", "'r.yaml', line 1, column 27: unknown key 'maxi'");
    assert_string_equal(err.hint, "known here are: axis min max");
    refuse("constraints: [{axis: kld, max: 1, max: 2}]\n", "'r.yaml', line 1, column 35: twice the key 'max'");
    refuse("constraints:\n  - {axis: kld, max: 1}\n  - {axis: kld, max: 2}\n", "'r.yaml', line 3, column 5: twice a constraint on 'kld'");
    refuse("constraints: [{axis: bytes, max: 3 bananas}]\n", "'r.yaml', line 1, column 34: wrong value of 'max'");
    refuse("constraints: [{axis: kld, max: 3MiB}]\n", "'r.yaml', line 1, column 32: wrong value of 'max'");
    refuse("constraints: [{axis: [kld], max: 3}]\n", "'r.yaml', line 1, column 22: expected a single value for 'axis'");
    refuse("axes: [{weight: 1}]\n", "'r.yaml', line 1, column 8: an axis without 'axis'");
    refuse("axes: ['']\n", "'r.yaml', line 1, column 8: an axis without 'a name'");
    refuse("axes: [{axis: kld, weight: -1}]\n", "'r.yaml', line 1, column 28: wrong value of 'weight'");
    refuse("axes: {kld: 1}\n", "'r.yaml', line 1, column 7: expected a list for 'axes'");
    refuse("types: ['']\n", "'r.yaml', line 1, column 9: a type without 'a name'");
    refuse("types: Q4_K\n", "'r.yaml', line 1, column 8: expected a list for 'types'");
    refuse("species: [rules]\n", "'r.yaml', line 1, column 11: species are rule and pinned, not 'rules'");
    refuse("seed: 1\n--- \nseed: 2\n", "'r.yaml', line 3, column 1: a second document; rules are one");
    refuse("<<: {seed: 1}\n", "'r.yaml', line 1, column 1: unknown key '<<'");
    refuse("seed: \"a\\0b\"\n", "'r.yaml', line 1, column 7: expected a single value for 'seed'"); /* a NUL inside */
    refuse("seed: {\n", "'r.yaml', line 2, column 1: did not find expected node content");
    refuse("seed: *nobody\n", "'r.yaml', line 1, column 7: found undefined alias");
}

/* Constraints on x: >= 20 and other things that a person may try get a place and no crash. */
static void test_hostile(void **state) {
    enum { LARGE = 1 << 16 };
    char *text = malloc(LARGE + 64);
    (void)state;
    assert_non_null(text);
    for (int k = 0; k < 3; k++) { /* deep nesting, as deep as a file may be */
        memset(text, k == 0 ? '[' : k == 1 ? '{' : '-', LARGE - 8);
        if (k == 2)
            for (size_t i = 1; i < LARGE - 8; i += 2) text[i] = ' ';
        refuse_bytes(text, LARGE - 8);
        refuse_bytes(text, 1000);
    }
    memset(text, ' ', LARGE);
    memset(text, '[', 1024);
    refuse_bytes(text, LARGE);
    memset(text, 'a', LARGE); /* one huge scalar, and a huge key */
    refuse_bytes(text, LARGE - 1);
    memcpy(text, "seed: ", 6);
    refuse_bytes(text, LARGE - 1);
    memset(text, ' ', LARGE);
    refuse_bytes(text, LARGE + 1); /* too large at all */
    size_t n = (size_t)sprintf(text, "a: &a [x,x,x,x,x,x,x,x,x]\n"); /* a billion laughs */
    for (char c = 'b'; c < 'k'; c++) n += (size_t)sprintf(text + n, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    refuse_bytes(text, n);
    n = (size_t)sprintf(text, "types: &t [*t]\n"); /* a list that holds itself */
    refuse_bytes(text, n);
    n = (size_t)sprintf(text, "constraints: &t [{axis: *t}]\n");
    refuse_bytes(text, n);
    n = (size_t)sprintf(text, "text: &t {file: *t}\n");
    refuse_bytes(text, n);
    n = (size_t)sprintf(text, "types: [");
    for (int i = 0; i < 30000; i++) n += (size_t)sprintf(text + n, "a,");
    n += (size_t)sprintf(text + n, "]\n");
    refuse_bytes(text, n);
    assert_non_null(strstr(err.message, "too many items in 'types'"));
    n = 0; /* the same key, again and again, where the mapping is not ours */
    n += (size_t)sprintf(text + n, "constraints: [{");
    for (int i = 0; i < 5000; i++) n += (size_t)sprintf(text + n, "axis: kld, ");
    n += (size_t)sprintf(text + n, "}]\n");
    refuse_bytes(text, n);
    refuse_bytes("seed: \xff\xfe\n", 9);
    refuse_bytes("seed: \xc3(\n", 9);
    refuse_bytes("se\0ed: 1\n", 9);
    refuse_bytes("\0", 1);
    refuse_bytes("\xff\xfe\0", 3);
    refuse_bytes("seed: 1\n\t- x\n", 13);
    refuse_bytes("%YAML 9.9\n---\nseed: 1\n", 22);
    refuse_bytes("seed: !!binary aGFsbG8=\n", 24);
    refuse_bytes("\"\\e[31mred\": 1\n", 15); /* an escape sequence for whoever reads the message */
    assert_null(strchr(err.message, '\x1b'));
    free(text);
}

/* ---- what cannot be ---- */

static void refuse_rules(const char *text, const char *message, const char *hint) {
    wt_rules r;
    parse(&r, text);
    err = (wt_error){0};
    assert_int_equal(wt_rules_check(&r, &err), -1);
    assert_string_equal(err.message, message);
    if (!strstr(err.hint, hint)) fail_msg("'%s' lacks '%s'", err.hint, hint);
    wt_rules_release(&r);
}

static void test_check(void **state) {
    (void)state;
    refuse_rules("constraints: [{axis: speed, max: 1}]\n", "the rules name an axis 'speed' that does not exist", "kld, kld_p99");
    refuse_rules("axes: [speed]\n", "the rules name an axis 'speed' that does not exist", "kld, kld_p99");
    refuse_rules("axes: [kld, kld]\n", "the rules name the axis 'kld' twice", "");
    refuse_rules("constraints: [{axis: kld}]\n", "the constraint on 'kld' has neither min nor max", "");
    refuse_rules("constraints: [{axis: kld, min: 2, max: 1}]\n", "the constraint on 'kld' cannot be met: min 2 is above max 1", "max: 2");
    refuse_rules("constraints: [{axis: bytes, max: 12}]\n", "the constraint on 'bytes' cannot be met: no model fits into 12 bytes", "");
    refuse_rules("types: [Q9_K]\n", "the rules name a type 'Q9_K' that does not exist", "wildtype quantize");
    refuse_rules("text: {calibrate: 0.9, search: 0.9}\n", "the parts of the text sum to 2, more than all of it", "calibrate 0.45, search 0.45, holdout 0.1");
    refuse_rules("species: []\n", "the rules allow no species", "rule, pinned");
    refuse_rules("budget: {minutes: 0}\n", "the rules have no end: evaluations, tokens, minutes and patience are all 0", "minutes: 10");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_print_parse), cmocka_unit_test(test_reading),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_hostile),     cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
