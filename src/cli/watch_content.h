/*
 * What `watch` serves: a run's document and the page with it, made when somebody asks, and again only where the store changed since. A body
 * that is being sent stays until it has gone.
 *
 * Making it again takes time from the run that is watched: it happens at most every two seconds, and at most so often that it costs less than
 * a hundredth of one processor while the run goes on.
 */
#ifndef WT_CLI_WATCH_CONTENT_H
#define WT_CLI_WATCH_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/page_source.h"
#include "store/store.h"

/* Bytes that several answers share. */
typedef struct wt_body {
    char *data;
    size_t len;
    char tag[36]; /* an entity tag: the hash of the document, in quotes */
    int users;
} wt_body;

typedef struct wt_store_times { /* of the files: what changes when somebody writes */
    int64_t seconds[2], nanoseconds[2], size[2];
    uint64_t number[2];
    bool busy, fresh; /* fresh: so new that a further change might not show */
} wt_store_times;

typedef struct wt_watch_content {
    const char *folder;
    const wt_page_source *page; /* html NULL: none */
    wt_body *document, *filled; /* filled: the page with that document; made when it is asked for */
    wt_store_times times;       /* when the document was made */
    double made, cost;          /* on wt_clock, and its seconds of processor time */
    uint64_t count;             /* documents that were made */
    wt_error wrong;             /* why the last attempt failed; code 0: it did not */
} wt_watch_content;

/* The document, or the page with it; its user count is one more: wt_body_leave it. NULL and content->wrong where there is none. */
wt_body *wt_watch_document(wt_watch_content *content);
wt_body *wt_watch_page(wt_watch_content *content);

void wt_body_leave(void *body); /* frees it with its last user; NULL-safe */
void wt_watch_content_release(wt_watch_content *content);

#endif
