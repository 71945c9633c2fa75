/* Different texts, each once, by number: what keeps a document of thousands of strategies small. */
#ifndef WT_REPORT_DICTIONARY_H
#define WT_REPORT_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Zero-initialise it. */
typedef struct wt_dictionary {
    const char **items; /* [count], in the order in which they came */
    size_t count, cap;
    uint32_t *slots; /* [slot_count], a power of two: 1 + the number of the text that stands there, 0: none */
    size_t slot_count;
    wt_arena texts;
} wt_dictionary;

/* The number of the text, copied where it is new; -1 without memory. The text must hold no NUL. */
long wt_dictionary_add(wt_dictionary *d, const char *text, size_t len, wt_error *err);

/* The number of a text that may be there, -1: it is not. */
long wt_dictionary_find(const wt_dictionary *d, const char *text, size_t len);

void wt_dictionary_release(wt_dictionary *d);

#endif
