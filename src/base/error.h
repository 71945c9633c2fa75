/* Errors: fill a wt_error in one line and return -1. Nothing here prints; only cli/ does. */
#ifndef WT_BASE_ERROR_H
#define WT_BASE_ERROR_H

#include <stdarg.h>

#include "wildtype.h"

#define WT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Fills `err` (may be NULL) with `code` and the formatted message, clears the hint. Always returns -1. */
int wt_fail(wt_error *err, wt_code code, const char *fmt, ...) WT_PRINTF(3, 4);

/* Adds what to do about it. Call after wt_fail. Always returns -1, so that `return wt_hint(...)` reads well. */
int wt_hint(wt_error *err, const char *fmt, ...) WT_PRINTF(2, 3);

/* Puts "PREFIX: " in front of the message of an error that a lower floor filled. Always returns -1. */
int wt_error_prefix(wt_error *err, const char *fmt, ...) WT_PRINTF(2, 3);

/* wt_fail for a failed system call: appends ": " and strerror(saved_errno). Always returns -1. */
int wt_fail_errno(wt_error *err, int saved_errno, const char *fmt, ...) WT_PRINTF(3, 4);

/* wt_fail with WT_ERR_MEMORY and the size that was asked for. Always returns -1. */
int wt_fail_memory(wt_error *err, size_t bytes);

/* Reports to `p` (may be NULL). Returns 0 to go on, or -1 with WT_ERR_INTERRUPTED. */
int wt_progress_report(const wt_progress *p, const char *stage, double done, double total, const char *unit,
                       wt_error *err);

#endif
