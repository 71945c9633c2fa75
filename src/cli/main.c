/*
 * The program: finds the command, parses its words by its table, runs it, and turns its outcome into messages and an
 * exit status. Only this folder prints, and only this function ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/report.h"

const wt_command *const WT_COMMANDS[] = {&WT_COMMAND_INSPECT,   &WT_COMMAND_EVAL,     &WT_COMMAND_GENERATE,
                                         &WT_COMMAND_TOKENIZE,  &WT_COMMAND_CALIBRATE, &WT_COMMAND_QUANTIZE,
                                         &WT_COMMAND_COMPARE,   &WT_COMMAND_STRATEGY, &WT_COMMAND_EVOLVE,
                                         &WT_COMMAND_RUNS,      &WT_COMMAND_SHOW,     &WT_COMMAND_EXPORT,
                                         &WT_COMMAND_PICK,      &WT_COMMAND_EXPLAIN,  &WT_COMMAND_REPORT,
                                         &WT_COMMAND_WATCH,     &WT_COMMAND_RULES,    &WT_COMMAND_HELP,
                                         NULL};

const wt_command *wt_command_find(const char *name) {
    for (const wt_command *const *c = WT_COMMANDS; *c; c++) {
        if (strcmp((*c)->name, name) == 0) return *c;
    }
    return NULL;
}

int wt_command_unknown(const char *name, wt_error *err) {
    const char *names[32];
    size_t n = 0;
    for (const wt_command *const *c = WT_COMMANDS; *c && n < 31; c++) names[n++] = (*c)->name;
    names[n] = NULL;
    wt_usage(err, "unknown command '%s'", name);
    const char *near = wt_nearest(name, names);
    if (near)
        wt_hint(err, "did you mean 'wildtype %s'? 'wildtype --help' lists the commands", near);
    else
        wt_hint(err, "'wildtype --help' lists the commands");
    return WT_EXIT_USAGE;
}

/*
 * Descriptors 0 to 2 that the caller closed are occupied, so that no model or temporary file gets the number of
 * standard output. Opened read-only, a write to it fails and is noticed.
 */
static void occupy_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) < 0) return;
    }
}

/*
 * OpenMP's threads wait for each other by spinning, milliseconds long, which on a machine that others use too takes the
 * processor from the thread that is waited for: a run then takes several times as long. The runtime reads how to wait before
 * main begins, so the program starts itself once more with the variables set. Whoever sets one of them decides alone.
 */
static void wait_without_spinning(char **argv) {
    static const char *const VARIABLES[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};
    for (size_t i = 0; i < sizeof VARIABLES / sizeof *VARIABLES; i++) {
        if (getenv(VARIABLES[i])) return;
    }
    if (setenv("GOMP_SPINCOUNT", "1000", 1) != 0) return; /* some 10 microseconds: what a short gap is worth */
    if (setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1); /* what a debugger's stand-in calls itself, too */
    if (n <= 0) return;
    program[n] = '\0';
    execv(program, argv); /* where it returns, the program is slower on a busy machine, nothing else */
}

static void print_error(const wt_error *err) {
    char text[3200];
    wt_progress_clear();
    fprintf(stderr, "wildtype: %s\n", wt_printable(text, sizeof text, err->message, strlen(err->message)));
    if (err->hint[0]) fprintf(stderr, "hint: %s\n", wt_printable(text, sizeof text, err->hint, strlen(err->hint)));
}

static int run_command(const wt_command *command, int argc, char **argv, wt_error *err) {
    void *settings = malloc(command->settings_size);
    if (!settings) {
        wt_fail(err, WT_ERR_MEMORY, "cannot allocate %zu bytes", command->settings_size);
        return WT_EXIT_FAILED;
    }
    int status = WT_EXIT_DONE;
    switch (wt_command_parse(command, argc, argv, settings, err)) {
    case WT_PARSED_RUN: {
        status = command->run(settings, err);
        break;
    }
    case WT_PARSED_HELP: {
        wt_help_command(stdout, command);
        break;
    }
    case WT_PARSED_VERSION: {
        printf("wildtype %s\n", wt_version());
        break;
    }
    case WT_PARSED_WRONG: {
        status = WT_EXIT_USAGE;
        break;
    }
    }
    free(settings);
    return status;
}

static int dispatch(int argc, char **argv, wt_error *err) {
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        wt_help_overview(stderr);
        return WT_EXIT_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        wt_help_overview(stdout);
        return WT_EXIT_DONE;
    }
    if (strcmp(word, "--version") == 0) {
        printf("wildtype %s\n", wt_version());
        return WT_EXIT_DONE;
    }
    if (word[0] == '-') {
        wt_usage(err, "unknown option '%s' before a command", word);
        wt_hint(err, "the command comes first: wildtype COMMAND [OPTION]...; 'wildtype --help' lists the commands");
        return WT_EXIT_USAGE;
    }
    const wt_command *command = wt_command_find(word);
    return command ? run_command(command, argc - 2, argv + 2, err) : wt_command_unknown(word, err);
}

int main(int argc, char **argv) {
    occupy_standard_descriptors();
    signal(SIGCHLD, SIG_DFL); /* a parent's choice to ignore it is inherited, and would leave outside commands without an exit status */
    if (argc > 1 && argv[1][0] != '-') wait_without_spinning(argv);
    wt_error err = {0};
    int status = dispatch(argc, argv, &err);
    wt_progress_clear();
    if (wt_interrupt_signal() && status != WT_EXIT_DONE) {
        status = WT_EXIT_SIGNAL + wt_interrupt_signal();
        if (err.code != WT_ERR_INTERRUPTED) wt_fail(&err, WT_ERR_INTERRUPTED, "stopped");
    }
    if (status != WT_EXIT_DONE && err.message[0]) print_error(&err);
    wt_error late = {0};
    if (wt_stdout_finish(&late) != 0) {
        if (status == WT_EXIT_DONE) status = WT_EXIT_FAILED;
        if (!err.message[0]) print_error(&late);
    }
    return status;
}
