/* Running somebody else's program: with a limit of time, without a shell, and what it said kept for whoever has to explain it. */
#ifndef WT_BASE_PROCESS_H
#define WT_BASE_PROCESS_H

#include <stdbool.h>

#include "base/error.h"

/* What is kept of each stream: its end. */
enum { WT_PROCESS_OUTPUT = 4096 };

typedef struct wt_process {
    int status;     /* its exit status; -1 where a signal ended it, or nothing could be found out */
    int signal;     /* that ended it; 0: none */
    bool timed_out; /* it was ended because its time was over */
    char out[WT_PROCESS_OUTPUT + 1], err[WT_PROCESS_OUTPUT + 1]; /* the ends of standard output and standard error */
} wt_process;

/*
 * Runs argv [.., NULL], found by PATH, in a process group of its own, with /dev/null as standard input; waits for it, at most
 * `seconds`. When it is over, or its time is, or `progress` (may be NULL, asked ten times a second, as `stage`) says stop, the whole group is
 * killed: nothing of it goes on, but for what put itself into a group of its own, or ran when this program itself was killed. -1 where it
 * cannot be started (WT_ERR_IO) or was stopped (WT_ERR_INTERRUPTED); how it ended otherwise is in *process. While this program ignores
 * SIGCHLD nothing is started: the kernel would keep no exit status. Safe from several threads.
 */
int wt_process_run(char *const argv[], double seconds, const wt_progress *progress, const char *stage, wt_process *process, wt_error *err);

/*
 * Kills the groups of all that run at this moment, in whichever thread, and lets no other begin: for a program that is about to be ended by a
 * signal, which does not reach groups of their own.
 */
void wt_process_end_all(void);

/* Whether `program` names one that may be started, with a folder or in PATH. */
bool wt_process_exists(const char *program);

/* The last words of what it said, standard error first: one line of UTF-8 without anything that steers a terminal, of at most
 * `size` bytes with its NUL. */
void wt_process_tail(const wt_process *process, char *tail, size_t size);

#endif
