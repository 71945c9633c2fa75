/*
 * An outside command as an axis: which outputs are a number and which are none, every bad end, the words that it gets with and without a shell,
 * for files of any name.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "measure/command.h"

static wt_error err;
static double value;

#define UNTOUCHED 12345.678

/* Words up to a NULL. What a person's rules hold lives longer than a run: nothing is freed here. */
static int run_words(char **words, bool shell, const char *model, double seconds, const wt_progress *progress) {
    wt_command_axis c = {.name = "speed", .words = words, .seconds = seconds, .shell = shell};
    while (words[c.count]) c.count++;
    err = (wt_error){0};
    value = UNTOUCHED;
    return wt_command_run(&c, model, progress, &value, &err);
}

static int run_script(const char *script) {
    char *words[] = {(char *)script, NULL};
    return run_words(words, true, "m.gguf", 60, NULL);
}

static void expect_number(const char *script, double number) {
    if (run_script(script) != 0) fail_msg("%s: %s", script, err.message);
    if (value != number) fail_msg("%s: %.17g is not %.17g", script, value, number);
}

static void expect_failure(const char *script, wt_code code, const char *said) {
    if (run_script(script) != -1) fail_msg("%s: gave %.17g", script, value);
    if (err.code != code) fail_msg("%s: code %d, not %d", script, (int)err.code, (int)code);
    if (strcmp(err.message, said) != 0) fail_msg("%s: '%s' is not '%s'", script, err.message, said);
    assert_non_null(strstr(err.hint, "last line"));
}

/* ---- numbers ---- */

static void test_numbers(void **state) {
    (void)state;
    expect_number("echo 12.5", 12.5);
    expect_number("printf 12.5", 12.5); /* without a line's end */
    expect_number("printf ' \\t-3e-2 \\r\\n\\n \\n'", -0.03);
    expect_number("echo 1; echo loading 2; echo 3", 3); /* the last line counts, whatever was said before */
    expect_number("echo 4; echo 5 >&2", 4);           /* and what is said on standard error does not */
    expect_number("echo 0", 0);
    expect_number("echo 1.7976931348623157e308", 1.7976931348623157e308);
    expect_number("seq 1 20000", 20000); /* behind more than is kept */
    char script[80] = "echo ";
    memset(script + 5, '0', 62);
    strcpy(script + 5 + 62, "7");
    expect_number(script, 7);
}

static void test_no_numbers(void **state) {
    static const char *const LINES[] = {"nan",   "NaN",  "-nan", "inf",         "-inf",   "infinity", "1e999",     "-1e999", "tokens",
                                        "1 2",   "1,2",  "1;2",  "12 tokens/s", "1.2.3",  "speed: 7", "--",        "1e",     "7x",
                                        "7 # x", "\"7\"", ".",    "e5"};
    char script[80], said[120];
    (void)state;
    for (size_t k = 0; k < sizeof LINES / sizeof *LINES; k++) {
        snprintf(script, sizeof script, "echo 1; echo '%s'", LINES[k]);
        snprintf(said, sizeof said, "'speed' printed no number; its output ends: 1 %s", LINES[k]);
        expect_failure(script, WT_ERR_FORMAT, said);
    }
    expect_failure(":", WT_ERR_FORMAT, "'speed' printed no number; it said nothing");
    expect_failure("printf '\\n \\n'", WT_ERR_FORMAT, "'speed' printed no number; it said nothing");
    expect_failure("echo 5 >&2", WT_ERR_FORMAT, "'speed' printed no number; its output ends: 5");
    expect_failure("printf '1\\0002'", WT_ERR_FORMAT, "'speed' printed no number; its output ends: 1 2");
    char script_long[100] = "echo ", all[160];
    memset(script_long + 5, '1', 64);
    snprintf(all, sizeof all, "'speed' printed no number; its output ends: %s", script_long + 5);
    expect_failure(script_long, WT_ERR_FORMAT, all); /* of a number's digits some may be lost: it is none */
}

/* ---- bad ends: whatever was printed before ---- */

static void test_bad_ends(void **state) {
    (void)state;
    expect_failure("echo 5; exit 1", WT_ERR_FORMAT, "'speed' failed with status 1; its output ends: 5");
    expect_failure("echo 5; echo alas >&2; exit 77", WT_ERR_FORMAT, "'speed' failed with status 77; its output ends: alas");
    expect_failure("echo 5; kill -TERM $$", WT_ERR_FORMAT, "'speed' was ended by signal 15; its output ends: 5");
    expect_failure("exit 3", WT_ERR_FORMAT, "'speed' failed with status 3; it said nothing");
    /* a program that is not there is nobody's death, not the candidate's */
    assert_int_equal(run_script("wt-no-such-program 2>/dev/null"), -1);
    assert_int_equal(err.code, WT_ERR_IO);
    assert_int_equal(run_script("/ 2>/dev/null"), -1);
    assert_int_equal(err.code, WT_ERR_IO);
    char *words[] = {"wt-no-such-program", "{model}", NULL};
    assert_int_equal(run_words(words, false, "m.gguf", 60, NULL), -1);
    assert_int_equal(err.code, WT_ERR_IO);
    assert_non_null(strstr(err.message, "wt-no-such-program"));
    /* without a shell in between 127 is the program's own status */
    char *own[] = {"/bin/sh", "-c", "exit 127", NULL};
    assert_int_equal(run_words(own, false, "m.gguf", 60, NULL), -1);
    assert_int_equal(err.code, WT_ERR_FORMAT);
    assert_true(value == UNTOUCHED);
}

static void test_hangs(void **state) {
    char *words[] = {"echo 5; sleep 90 & sleep 90", NULL};
    (void)state;
    assert_int_equal(run_words(words, true, "m.gguf", 0.25, NULL), -1);
    assert_int_equal(err.code, WT_ERR_FORMAT);
    assert_string_equal(err.message, "'speed' took longer than its 0.25 seconds; its output ends: 5");
    assert_true(value == UNTOUCHED);
}

static int stop(void *user, const char *stage, double done, double total, const char *unit) {
    (void)done, (void)unit;
    assert_string_equal(stage, "command speed");
    assert_true(total == 60);
    return ++*(int *)user > 1;
}

static void test_stopped(void **state) {
    char *words[] = {"echo 5; sleep 90", NULL};
    int calls = 0;
    const wt_progress progress = {.report = stop, .user = &calls};
    (void)state;
    assert_int_equal(run_words(words, true, "m.gguf", 60, &progress), -1);
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    assert_true(value == UNTOUCHED);
}

/* What it says may steer no terminal, and a long name leaves room for the cause. */
static void test_messages(void **state) {
    char name[200], *words[] = {"printf 'a\\033[31mb\\n%0500d\\n' 8 >&2; exit 2", NULL};
    wt_command_axis c = {.name = name, .words = words, .count = 1, .seconds = 60, .shell = true};
    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(wt_command_run(&c, "m", NULL, &value, &err), -1);
    assert_null(strchr(err.message, '\033'));
    assert_non_null(strstr(err.message, "nnn' failed with status 2; its output ends: 000"));
    assert_string_equal(err.message + strlen(err.message) - 4, "0008");
    assert_true(strlen(err.message) < 320);
    assert_int_equal(wt_command_run(&c, "m", NULL, &value, NULL), -1); /* nobody wants to know */
}

/* ---- words ---- */

static const char *const NAMES[] = {"plain.gguf", "with space.gguf", "it's.gguf", "''", "$HOME `id` $(id)", "a;b|c&d>e", "back\\slash\"quote",
                                    "*?[x]", "-n", "new\nline", "\xc3\xa4\xff", "{model}"};

/* Without a shell every word is the program's as it is, the file's name put wherever it stands. */
static void test_without_shell(void **state) {
    char expected[200];
    (void)state;
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        snprintf(expected, sizeof expected, "%s|--in=%s:%s;|$HOME", NAMES[k], NAMES[k], NAMES[k]);
        setenv("WT_EXPECTED", expected, 1);
        char *words[] = {"/bin/sh", "-c", "[ \"$1|$2|$3\" = \"$WT_EXPECTED\" ] && echo $#", "sh", "{model}", "--in={model}:{model};", "$HOME", NULL};
        if (run_words(words, false, NAMES[k], 60, NULL) != 0) fail_msg("'%s': %s", NAMES[k], err.message);
        assert_true(value == 3);
    }
    /* no shell looks at what looks like its words */
    char *words[] = {"printf", "%s\\n", "1; echo 2 > x && $(id)", NULL};
    assert_int_equal(run_words(words, false, "m.gguf", 60, NULL), -1);
    assert_non_null(strstr(err.message, "ends: 1; echo 2 > x && $(id)"));
}

/* With one, the name is one word of it, whatever it is made of. */
static void test_with_shell(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        setenv("WT_EXPECTED", NAMES[k], 1);
        char *words[] = {"set -- {model} x{model}y; [ \"$1\" = \"$WT_EXPECTED\" ] && [ \"$2\" = \"x${WT_EXPECTED}y\" ] && echo $# | cat", NULL};
        if (run_words(words, true, NAMES[k], 60, NULL) != 0) fail_msg("'%s': %s", NAMES[k], err.message);
        assert_true(value == 2);
    }
}

static void test_names_model(void **state) {
    char *with[] = {"x", "a{model}b"}, *without[] = {"x", "model}", "{model"};
    (void)state;
    assert_true(wt_command_names_model(&(wt_command_axis){.words = with, .count = 2}));
    assert_false(wt_command_names_model(&(wt_command_axis){.words = with, .count = 1}));
    assert_false(wt_command_names_model(&(wt_command_axis){.words = without, .count = 3}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_no_numbers),    cmocka_unit_test(test_bad_ends),
        cmocka_unit_test(test_hangs),    cmocka_unit_test(test_stopped),       cmocka_unit_test(test_messages),
        cmocka_unit_test(test_without_shell), cmocka_unit_test(test_with_shell), cmocka_unit_test(test_names_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
