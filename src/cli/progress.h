/*
 * What a person at a terminal sees of long work, and how Ctrl-C stops it. Both meet in one wt_progress: the callback
 * redraws a line on standard error where that is a terminal, and asks the work to stop once a signal has come.
 */
#ifndef WT_CLI_PROGRESS_H
#define WT_CLI_PROGRESS_H

#include <stdbool.h>

#include "base/error.h"

/*
 * From now on the first SIGINT or SIGTERM is only remembered; the second ends the process as if nobody had asked.
 * Signals that are ignored (nohup, a job in the background) stay ignored. Call it once, before any other thread begins,
 * and only where the work listens to wt_progress_terminal or wt_interrupt_signal.
 */
void wt_interrupt_watch(void);

/*
 * While `at_once` is true the first signal ends the process too: around reading inputs, which may be a pipe or a terminal
 * that nobody writes to. Nothing that would be lost may exist then. Does nothing without wt_interrupt_watch.
 */
void wt_interrupt_at_once(bool at_once);

/* The signal that asked us to stop, 0 for none. */
int wt_interrupt_signal(void);

/* The listener for every long call. Static storage; one piece of work at a time. */
const wt_progress *wt_progress_terminal(void);

/* Removes the line, where one is drawn. Call before printing anything else. */
void wt_progress_clear(void);

/* A remark on standard error, beginning with "note: "; the progress line is removed first. */
void wt_note(const char *fmt, ...) WT_PRINTF(1, 2);

/* As wt_note, for the library to call (wt_study_options). */
void wt_note_heard(void *user, const char *text);

/* Seconds on a clock that only goes forward. */
double wt_clock(void);

#endif
