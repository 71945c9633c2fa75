#include "report/dictionary.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 64 };

/* The slot where the text stands, or would. */
static size_t slot_of(const wt_dictionary *d, const char *text, size_t len) {
    size_t at = (size_t)wt_hash_bytes(text, len).low & (d->slot_count - 1);
    while (d->slots[at]) {
        const char *there = d->items[d->slots[at] - 1];
        if (strncmp(there, text, len) == 0 && there[len] == '\0') break;
        at = (at + 1) & (d->slot_count - 1);
    }
    return at;
}

/* Room for one more, half of the slots free. */
static int make_room(wt_dictionary *d, wt_error *err) {
    if (wt_grow((void **)&d->items, &d->cap, d->count + 1, sizeof *d->items, err) != 0) return -1;
    if (2 * (d->count + 1) <= d->slot_count) return 0;
    const size_t slot_count = d->slot_count ? 2 * d->slot_count : FIRST_SLOTS;
    uint32_t *slots = wt_calloc(slot_count, sizeof *slots, err);
    if (!slots) return -1;
    free(d->slots);
    d->slots = slots;
    d->slot_count = slot_count;
    for (size_t i = 0; i < d->count; i++) d->slots[slot_of(d, d->items[i], strlen(d->items[i]))] = (uint32_t)i + 1;
    return 0;
}

long wt_dictionary_add(wt_dictionary *d, const char *text, size_t len, wt_error *err) {
    if (make_room(d, err) != 0) return -1;
    const size_t at = slot_of(d, text, len);
    if (d->slots[at]) return (long)d->slots[at] - 1;
    if (d->count == INT32_MAX) return wt_fail(err, WT_ERR_UNSUPPORTED, "more than %d different texts", INT32_MAX);
    if (!(d->items[d->count] = wt_arena_strndup(&d->texts, text, len, err))) return -1;
    d->slots[at] = (uint32_t)++d->count;
    return (long)d->count - 1;
}

long wt_dictionary_find(const wt_dictionary *d, const char *text, size_t len) {
    return d->slot_count ? (long)d->slots[slot_of(d, text, len)] - 1 : -1;
}

void wt_dictionary_release(wt_dictionary *d) {
    free(d->items);
    free(d->slots);
    wt_arena_release(&d->texts);
    *d = (wt_dictionary){0};
}
