/* Where the page comes from: a file that the person names, or the one that is built in. */
#ifndef WT_CLI_PAGE_SOURCE_H
#define WT_CLI_PAGE_SOURCE_H

#include "report/page.h"

typedef struct wt_page_source {
    const char *html; /* a page: wt_page_check said so */
    size_t len;
    char *read; /* of a file */
} wt_page_source;

/* `path` NULL: the one that is built in; `or`: what to do where there is none. Close with wt_page_source_close. */
int wt_page_source_open(wt_page_source *page, const char *path, const char * or, wt_error *err);
void wt_page_source_close(wt_page_source *page);

#endif
