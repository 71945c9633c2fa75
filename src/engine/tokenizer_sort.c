/*
 * Sorting special tokens by length, longest first, as stock llama.cpp does: with std::sort, which leaves equal
 * elements in an order of its own making. That order decides which of two special tokens of the same length is cut out
 * first where they overlap in a text ("<a" and "a>" in "<a>"), so it has to be the same: the GNU library's
 * introspective sort, that is, quicksort around the median of three down to stretches of 16, then one insertion sort
 * over all.
 */
#include <stdlib.h>

#include "engine/tokenizer_private.h"

#define SHORT_STRETCH 16

typedef struct sorter {
    const wt_tokenizer *t;
    int32_t *ids;
} sorter;

/* Whether token a comes before token b. */
static bool longer(const sorter *s, int32_t a, int32_t b) { return token_str(s->t, a).len > token_str(s->t, b).len; }

static void swap_at(const sorter *s, size_t i, size_t j) {
    int32_t kept = s->ids[i];
    s->ids[i] = s->ids[j];
    s->ids[j] = kept;
}

/* The place of the median of three. */
static size_t median(const sorter *s, size_t a, size_t b, size_t c) {
    const int32_t *ids = s->ids;
    if (longer(s, ids[a], ids[b])) return longer(s, ids[b], ids[c]) ? b : longer(s, ids[a], ids[c]) ? c : a;
    return longer(s, ids[a], ids[c]) ? a : longer(s, ids[b], ids[c]) ? c : b;
}

/* Divides [first + 1, last) around the pivot at `first`; returns where the second half starts. */
static size_t divide(const sorter *s, size_t first, size_t last) {
    int32_t pivot = s->ids[first];
    for (size_t low = first + 1, high = last;; low++) {
        while (longer(s, s->ids[low], pivot)) low++;
        do {
            high--;
        } while (longer(s, pivot, s->ids[high]));
        if (low >= high) return low;
        swap_at(s, low, high);
    }
}

/* Moves the element at i back to behind the first one that does not come after it, but not beyond `first`. */
static void insert(const sorter *s, size_t first, size_t i) {
    int32_t id = s->ids[i];
    for (; i > first && longer(s, id, s->ids[i - 1]); i--) s->ids[i] = s->ids[i - 1];
    s->ids[i] = id;
}

static int by_length(const void *a, const void *b, void *context) {
    const wt_tokenizer *t = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    size_t m = token_str(t, x).len, n = token_str(t, y).len;
    return m != n ? (m < n ? 1 : -1) : (x > y) - (x < y);
}

static void divide_all(const sorter *s, size_t first, size_t last, int depth) {
    while (last - first > SHORT_STRETCH) {
        if (depth-- == 0) {
            /* Only lengths in an order made for it come here; std::sort sorts a heap then, with yet another order. */
            qsort_r(s->ids + first, last - first, sizeof *s->ids, by_length, (void *)(uintptr_t)s->t);
            return;
        }
        swap_at(s, first, median(s, first + 1, first + (last - first) / 2, last - 1));
        size_t cut = divide(s, first, last);
        divide_all(s, cut, last, depth);
        last = cut;
    }
}

void special_sort(const wt_tokenizer *t, int32_t *ids, size_t n) {
    const sorter s = {t, ids};
    int depth = 0;
    for (size_t k = n; k > 1; k /= 2) depth += 2;
    divide_all(&s, 0, n, depth);
    for (size_t i = 1; i < n; i++) insert(&s, 0, i);
}
