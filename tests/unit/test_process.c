/*
 * Running other programs: what is kept of their output, how they end and how that is told, their limit of time, and that nothing of them goes
 * on. A program lives as long as it holds the end of a pipe that it inherited: no test waits for a while and looks.
 */
#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/process.h"

#define LONG 60.0 /* seconds that no test takes, unless it fails */

static wt_error err;
static wt_process p;

static int run_shell(const char *script, double seconds) {
    char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
    err = (wt_error){0};
    return wt_process_run(argv, seconds, NULL, "test", &p, &err);
}

static void expect_end(int rc, int status, int signal_number) {
    if (rc != 0) fail_msg("%s", err.message);
    assert_int_equal(p.status, status);
    assert_int_equal(p.signal, signal_number);
}

/* ---- a pipe whose other end is held by everything that is started ---- */

static int held[2];

static void hold(void) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    held[0] = ends[0];
    held[1] = fcntl(ends[1], F_DUPFD, 3);
    close(ends[1]);
    fcntl(held[0], F_SETFD, FD_CLOEXEC);
    assert_true(held[1] < 10); /* a shell's scripts name it by one digit */
}

static bool can_read(void) {
    struct pollfd f = {.fd = held[0], .events = POLLIN};
    return poll(&f, 1, (int)(1000 * LONG)) == 1;
}

/* That whoever held the other end is gone. Only ends without a byte in between. */
static void expect_gone(void) {
    char byte;
    close(held[1]);
    if (!can_read()) fail_msg("something of it goes on");
    assert_int_equal(read(held[0], &byte, 1), 0);
    close(held[0]);
}

/* ---- output and status ---- */

static void test_output(void **state) {
    (void)state;
    expect_end(run_shell("printf 'to \\344 out'; printf 'to err\\n' >&2; exit 7", LONG), 7, 0);
    assert_string_equal(p.out, "to \344 out");
    assert_string_equal(p.err, "to err\n");
    assert_false(p.timed_out);
    expect_end(run_shell(":", LONG), 0, 0); /* nothing of the one before is left */
    assert_string_equal(p.out, "");
    assert_string_equal(p.err, "");
    expect_end(run_shell("exec cat", LONG), 0, 0); /* nobody types to it */
    assert_string_equal(p.out, "");
    expect_end(run_shell("exec >&- 2>&-; exit 5", LONG), 5, 0);
    expect_end(run_shell("printf 'a\\000b'", LONG), 0, 0);
    assert_string_equal(p.out, "a b");
}

/* Words go as they are: nobody splits, expands or unquotes them. */
static void test_words(void **state) {
    char *argv[] = {"printf", "<%s>", "a  b", "$HOME", "*", "", "'\"\\", NULL};
    (void)state;
    expect_end(wt_process_run(argv, LONG, NULL, "test", &p, &err), 0, 0);
    assert_string_equal(p.out, "<a  b><$HOME><*><><'\"\\>");
}

static void test_signal(void **state) {
    (void)state;
    expect_end(run_shell("echo before; kill -TERM $$; exit 3", LONG), -1, SIGTERM);
    assert_string_equal(p.out, "before\n");
    expect_end(run_shell("exit 255", LONG), 255, 0);
    expect_end(run_shell("kill -KILL $$", LONG), -1, SIGKILL);
    assert_false(p.timed_out);
}

/* Of each stream the end is kept, whatever the pieces in which it comes and however much more than a pipe holds. */
static void test_long_output(void **state) {
    char script[160], text[24] = "";
    static const size_t lengths[] = {WT_PROCESS_OUTPUT - 1, WT_PROCESS_OUTPUT, WT_PROCESS_OUTPUT + 1, 3 * WT_PROCESS_OUTPUT, 300000};
    (void)state;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        snprintf(script, sizeof script, "seq 10000 99999 | tr -d '\\n' | head -c %zu; printf '%%05d' 12 >&2", lengths[k]);
        expect_end(run_shell(script, LONG), 0, 0);
        const size_t kept = lengths[k] < WT_PROCESS_OUTPUT ? lengths[k] : WT_PROCESS_OUTPUT;
        assert_int_equal(strlen(p.out), kept);
        for (size_t i = 0; i < kept; i++) { /* digit i of them all */
            const size_t at = lengths[k] - kept + i;
            snprintf(text, sizeof text, "%zu", 10000 + at / 5);
            if (p.out[i] != text[at % 5]) fail_msg("of %zu bytes, byte %zu is '%c', not '%c'", lengths[k], at, p.out[i], text[at % 5]);
        }
        assert_string_equal(p.err, "00012");
    }
    expect_end(run_shell("i=0; while [ $i -lt 3000 ]; do echo a$i; echo b$i >&2; i=$((i+1)); done", LONG), 0, 0);
    assert_string_equal(p.out + WT_PROCESS_OUTPUT - 12, "a2998\na2999\n");
    assert_string_equal(p.err + WT_PROCESS_OUTPUT - 12, "b2998\nb2999\n");
    assert_true(strlen(p.out) == WT_PROCESS_OUTPUT && strlen(p.err) == WT_PROCESS_OUTPUT);
}

static void test_cannot_start(void **state) {
    char *missing[] = {"/no/such/program", "x", NULL}, *unnamed[] = {"wt-no-such-program", NULL}, *folder[] = {"/", NULL};
    char **const all[] = {missing, unnamed, folder};
    (void)state;
    for (int k = 0; k < 3; k++) {
        assert_int_equal(wt_process_run(all[k], LONG, NULL, "test", &p, &err), -1);
        assert_int_equal(err.code, WT_ERR_IO);
        assert_non_null(strstr(err.message, all[k][0]));
        assert_int_equal(p.status, -1); /* nothing that looks like success */
        assert_false(wt_process_exists(all[k][0]));
    }
    assert_true(wt_process_exists("/bin/sh") && wt_process_exists("sh"));
    const char *path = getenv("PATH");
    char *saved = path ? strdup(path) : NULL;
    setenv("PATH", "/no/such/folder", 1);
    assert_true(!wt_process_exists("sh") && wt_process_exists("/bin/sh"));
    if (saved) setenv("PATH", saved, 1);
    free(saved);
}

/* ---- the end, whoever brings it ---- */

static void test_time_limit(void **state) {
    static const char *const SCRIPTS[] = {
        "echo before; sleep 90",
        "echo before; sleep 90 & sleep 90 & wait",                              /* grandchildren */
        "trap '' TERM INT HUP QUIT; echo before; (trap '' TERM; sleep 90) & sleep 90", /* who do not listen */
        "echo before; exec >&- 2>&-; sleep 90",                                 /* who say no more */
        "echo before; yes before >&2",                                          /* who say too much */
    };
    (void)state;
    for (size_t k = 0; k < sizeof SCRIPTS / sizeof *SCRIPTS; k++) {
        hold();
        expect_end(run_shell(SCRIPTS[k], 0.3), -1, SIGKILL);
        assert_true(p.timed_out);
        assert_string_equal(p.out, "before\n");
        expect_gone();
    }
}

/* What a program leaves behind ends with it; that it did not end by itself changes nothing of its status. */
static void test_left_behind(void **state) {
    (void)state;
    hold();
    expect_end(run_shell("sleep 90 & (sleep 90 &) ; echo done; exit 4", LONG), 4, 0);
    assert_string_equal(p.out, "done\n");
    assert_false(p.timed_out);
    expect_gone();
}

static int calls;

static int stop_third(void *user, const char *stage, double done, double total, const char *unit) {
    assert_ptr_equal(user, &calls);
    assert_string_equal(stage, "a stage");
    assert_string_equal(unit, "seconds");
    assert_true(done >= 0 && total == LONG);
    return ++calls == 3;
}

static void test_stopped(void **state) {
    char *argv[] = {"/bin/sh", "-c", "sleep 90 & sleep 90", NULL};
    const wt_progress progress = {.report = stop_third, .user = &calls};
    (void)state;
    hold();
    calls = 0;
    assert_int_equal(wt_process_run(argv, LONG, &progress, "a stage", &p, &err), -1);
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    assert_int_equal(calls, 3);
    assert_false(p.timed_out);
    expect_gone();
}

/* ---- signals of this program's own ---- */

/* Those that are ignored or blocked here are neither there: Ctrl-C, a closed pipe and a child's end are the program's own affair. */
static void test_own_signals(void **state) {
    static const int NUMBERS[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE};
    char script[48];
    sigset_t blocked, before;
    (void)state;
    for (size_t k = 0; k < sizeof NUMBERS / sizeof *NUMBERS; k++) {
        sigemptyset(&blocked);
        sigaddset(&blocked, NUMBERS[k]);
        sigprocmask(SIG_BLOCK, &blocked, &before);
        void (*const old)(int) = signal(NUMBERS[k], SIG_IGN);
        snprintf(script, sizeof script, "ulimit -c 0; kill -%d $$; exit 3", NUMBERS[k]);
        const int rc = run_shell(script, LONG);
        signal(NUMBERS[k], old);
        sigprocmask(SIG_SETMASK, &before, NULL);
        expect_end(rc, -1, NUMBERS[k]);
    }
}

static void refuse_unknown(const char *script) {
    assert_int_equal(run_shell(script, LONG), -1);
    assert_int_equal(err.code, WT_ERR_IO);
    assert_non_null(strstr(err.message, "cannot run '/bin/sh'"));
    assert_non_null(strstr(err.hint, "SIGCHLD"));
    assert_int_equal(p.status, -1);
}

/* Where the kernel keeps no exit status, none is made up, and nothing is started for nothing. */
static void test_ignored_children(void **state) {
    struct sigaction ways[] = {{.sa_handler = SIG_IGN}, {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT}}, old;
    char byte;
    (void)state;
    for (int k = 0; k < 2; k++) {
        char script[40];
        hold();
        snprintf(script, sizeof script, "echo x >&%d; exit 3", held[1]);
        assert_int_equal(sigaction(SIGCHLD, &ways[k], &old), 0);
        refuse_unknown(script);
        assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
        close(held[1]);
        assert_int_equal(read(held[0], &byte, 1), 0);
        close(held[0]);
    }
    expect_end(run_shell("exit 3", LONG), 3, 0);
}

static void wait_for_anybody(int number) {
    const int saved = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    errno = saved;
}

/* Somebody else of this program takes the exit status away. */
static void test_another_waits(void **state) {
    struct sigaction greedy = {.sa_handler = wait_for_anybody, .sa_flags = SA_RESTART}, old;
    (void)state;
    assert_int_equal(sigaction(SIGCHLD, &greedy, &old), 0);
    refuse_unknown("exit 3");
    assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
}

static void *run_until_ended(void *result) {
    char script[80];
    snprintf(script, sizeof script, "sleep 90 & printf x >&%d; sleep 90", held[1]);
    *(int *)result = run_shell(script, LONG);
    return NULL;
}

/* In a process of its own: after end_all nothing may be started. 0, or the line that does not hold. */
static int end_all_of_two(void) {
    pthread_t thread;
    char byte;
    int rc = -1;
    if (pthread_create(&thread, NULL, run_until_ended, &rc) != 0) return __LINE__;
    if (!can_read() || read(held[0], &byte, 1) != 1) return __LINE__; /* it runs */
    wt_process_end_all();
    pthread_join(thread, NULL);
    if (rc != 0 || p.signal != SIGKILL || p.timed_out) return __LINE__;
    if (run_shell("exit 0", LONG) != -1 || err.code != WT_ERR_INTERRUPTED) return __LINE__;
    wt_process_end_all(); /* nobody runs */
    return 0;
}

static void test_end_all(void **state) {
    int status;
    (void)state;
    hold();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int line = end_all_of_two();
        if (line) print_error("line %d does not hold\n", line);
        _exit(line ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect_gone();
    expect_end(run_shell("exit 3", LONG), 3, 0); /* elsewhere programs may run */
}

/* ---- last words ---- */

static void expect_tail(const char *out, const char *error, size_t size, const char *tail) {
    char got[64];
    memset(got, '#', sizeof got);
    snprintf(p.out, sizeof p.out, "%s", out);
    snprintf(p.err, sizeof p.err, "%s", error);
    wt_process_tail(&p, got, size);
    assert_string_equal(got, tail);
    for (size_t i = size; i < sizeof got; i++) assert_int_equal(got[i], '#');
}

static void test_tail(void **state) {
    (void)state;
    expect_tail("out", "err", 32, "err");
    expect_tail("out", " \r\n\t", 32, "out"); /* blanks are no words */
    expect_tail("", "", 32, "");
    expect_tail("one\ntwo\r\n\n", "", 32, "one two");
    expect_tail("0123456789", "", 6, "56789");
    expect_tail("0123456789\n\n", "", 11, "0123456789");
    expect_tail("0123456789", "", 1, "");
    expect_tail("\x1b[2Jred\x07\x7f", "", 32, " [2Jred ");            /* nothing steers a terminal */
    expect_tail("a\xc2\x9b" "31mb", "", 32, "a 31mb");                /* nor does C1 */
    expect_tail("a\xff\xfe\xc0\x80z", "", 32, "a z");                 /* what is no UTF-8 */
    expect_tail("\xc3\xa4\xc3\xb6\xc3\xbc", "", 6, " \xc3\xb6\xc3\xbc"); /* cut in the middle of a letter */
    expect_tail("\xe2\x82\xac", "", 4, "\xe2\x82\xac");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),       cmocka_unit_test(test_words),            cmocka_unit_test(test_signal),
        cmocka_unit_test(test_long_output),  cmocka_unit_test(test_cannot_start),     cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_left_behind),  cmocka_unit_test(test_stopped),          cmocka_unit_test(test_own_signals),
        cmocka_unit_test(test_ignored_children), cmocka_unit_test(test_another_waits), cmocka_unit_test(test_end_all),
        cmocka_unit_test(test_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
