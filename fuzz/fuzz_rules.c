/* Any bytes as a rules file. What is accepted prints, and reads back as rules that print the same; checking them is total. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "survive/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_error err = {0};
    wt_rules rules, back;
    if (wt_rules_parse(&rules, (const char *)data, size, "input", &err) != 0) {
        if (!err.message[0] || memchr(err.message, '\x1b', strlen(err.message)) || memchr(err.hint, '\x1b', strlen(err.hint))) abort();
        return 0;
    }
    if (wt_rules_check(&rules, &err) != 0 && !err.message[0]) abort();
    for (int comments = 0; comments < 2; comments++) {
        char *text = wt_rules_print(&rules, comments, &err);
        if (!text) abort();
        if (wt_rules_parse(&back, text, strlen(text), "printed", &err) != 0) {
            fprintf(stderr, "%s\n%s", err.message, text);
            abort();
        }
        char *again = wt_rules_print(&back, comments, &err);
        if (!again || strcmp(text, again) != 0) abort();
        free(text);
        free(again);
        wt_rules_release(&back);
    }
    wt_rules_release(&rules);
    return 0;
}
