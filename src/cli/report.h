/*
 * What commands print: numbers as people read them, text from untrusted files made harmless for a terminal, and JSON.
 */
#ifndef WT_CLI_REPORT_H
#define WT_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/utf8.h"
#include "report/json_values.h"

/* 1234567 as "1,234,567"; returns buf. */
const char *wt_format_count(char buf[32], uint64_t n);

/* A number of bytes in the unit that suits: "5.55 MiB"; returns buf. */
const char *wt_format_bytes(char buf[32], uint64_t n);

/*
 * `len` bytes of text with control characters, and bytes that are not UTF-8, written as \xNN: a name in a file must not
 * steer the terminal. Cut to `size`; returns buf.
 */
const char *wt_printable(char *buf, size_t size, const char *s, size_t len);

/* Prints `root` and a newline to stdout and frees it; fails where it is NULL (memory) or cannot be printed. */
int wt_json_print(json_t *root, wt_error *err);

/* Flushes stdout and says whether everything written to it has arrived. */
int wt_stdout_finish(wt_error *err);

#endif
