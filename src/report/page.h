/*
 * The page: one HTML file, made from web/, that shows a document. It holds one data block, which the document is put into so that nothing in
 * it can end the block; and it is described to browsers by a content security policy that allows its own inline code by hash and nothing else.
 */
#ifndef WT_REPORT_PAGE_H
#define WT_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The page that is built in, *len bytes; NULL where the build had none to build in. Static storage. */
const char *wt_page_embedded(size_t *len);

/* Fails with what to do where there is no page to build in. `or`: what else the person may do. */
int wt_page_missing(const char * or, wt_error *err);

/* Whether `html` is a page: it holds the empty data block once. `name` stands for it in messages. */
int wt_page_check(const char *html, size_t len, const char *name, wt_error *err);

/*
 * The page with the document in it; *out_len bytes and a NUL, free() it. Fails where wt_page_check does. `alone`: for a file that is opened from disk, so that
 * the policy stands in the page itself, and allows no connection at all.
 */
char *wt_page_fill(const char *html, size_t len, const char *document, size_t document_len, bool alone, size_t *out_len,
                   wt_error *err);

/* The policy of the page as served, the value of Content-Security-Policy; free() it. */
char *wt_page_policy(const char *html, size_t len, wt_error *err);

#endif
