#include "cli/page_source.h"

#include <stdlib.h>

#include "base/file.h"

int wt_page_source_open(wt_page_source *page, const char *path, const char * or, wt_error *err) {
    *page = (wt_page_source){0};
    if (!path) {
        if (!(page->html = wt_page_embedded(&page->len))) return wt_page_missing(or, err);
        return wt_page_check(page->html, page->len, "the built-in page", err);
    }
    if (!(page->html = page->read = wt_read_text(path, &page->len, err))) return -1;
    if (wt_page_check(page->html, page->len, path, err) == 0) return 0;
    wt_page_source_close(page);
    return -1;
}

void wt_page_source_close(wt_page_source *page) {
    free(page->read);
    *page = (wt_page_source){0};
}
