/*
 * The page's bytes, put into the read-only data by the assembler. WT_PAGE_FILE is the path, from cmake/page.cmake; where the build had no page
 * to build in, the file is empty.
 */
#include "report/page.h"

#ifdef WT_PAGE_FILE
__asm__(".pushsection .rodata\n"
        ".hidden wt_page_begin\n"
        ".hidden wt_page_end\n"
        ".globl wt_page_begin\n"
        ".globl wt_page_end\n"
        "wt_page_begin:\n"
        ".incbin \"" WT_PAGE_FILE "\"\n"
        "wt_page_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char wt_page_begin[] __attribute__((visibility("hidden")));
extern const char wt_page_end[] __attribute__((visibility("hidden")));

const char *wt_page_embedded(size_t *len) {
    *len = (size_t)(wt_page_end - wt_page_begin);
    return *len ? wt_page_begin : NULL;
}
#else
const char *wt_page_embedded(size_t *len) {
    *len = 0;
    return NULL;
}
#endif

int wt_page_missing(const char * or, wt_error *err) {
    wt_fail(err, WT_ERR_UNSUPPORTED, "this wildtype was built without the page");
    return wt_hint(err, "where Node 20 or newer and npm are found, the build makes it: build again; or %s", or);
}
