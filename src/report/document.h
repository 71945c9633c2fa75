/*
 * The report's document: one JSON object with everything that a page, or a program, needs to show a run; from its store alone.
 * docs/report-data.md is its schema. `wildtype report --format json` prints it, the page embeds it, `wildtype watch` serves it.
 */
#ifndef WT_REPORT_DOCUMENT_H
#define WT_REPORT_DOCUMENT_H

#include <stdbool.h>

#include "store/store.h"

/*
 * The document as compact JSON, UTF-8, NUL-terminated; *len without the NUL; free() it. `running`: somebody works on the run now. Under
 * 2 MB at 5,000 individuals of 60 tensors. NULL and an error where the store cannot be read.
 */
char *wt_document_make(wt_run_store *store, bool running, size_t *len, wt_error *err);

/*
 * The individuals as CSV (RFC 4180, a line of headings first; docs/report-data.md names the columns); otherwise as wt_document_make.
 */
char *wt_document_csv(wt_run_store *store, size_t *len, wt_error *err);

#endif
