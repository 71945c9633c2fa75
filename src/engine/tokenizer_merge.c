/* Merging neighbours, best pair first, with a heap: n log n in the length of the text. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tokenizer_private.h"
#include "engine/unicode.h"

int merger_start(merger *m, const char *text, size_t len, wt_error *err) {
    m->n = m->heap_n = 0;
    if (len > INT32_MAX) return wt_fail(err, WT_ERR_ARGUMENT, "a text of %zu bytes in one piece is too long", len);
    for (size_t at = 0; at < len;) {
        size_t n = wt_utf8_length((unsigned char)text[at]);
        if (n > len - at) n = len - at;
        if (wt_grow((void **)&m->symbols, &m->cap, m->n + 1, sizeof *m->symbols, err) != 0) return -1;
        m->symbols[m->n] = (symbol){(int32_t)m->n - 1, (int32_t)m->n + 1, (uint32_t)at, (uint32_t)n};
        m->n++;
        at += n;
    }
    if (m->n) m->symbols[m->n - 1].next = -1;
    return 0;
}

static bool before(const bigram *a, const bigram *b) {
    return a->key < b->key || (a->key == b->key && a->left < b->left);
}

static int heap_push(merger *m, bigram b, wt_error *err) {
    if (wt_grow((void **)&m->heap, &m->heap_cap, m->heap_n + 1, sizeof *m->heap, err) != 0) return -1;
    size_t i = m->heap_n++;
    for (; i > 0 && before(&b, &m->heap[(i - 1) / 2]); i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = b;
    return 0;
}

static bigram heap_pop(merger *m) {
    bigram top = m->heap[0], last = m->heap[--m->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->heap_n) break;
        if (child + 1 < m->heap_n && before(&m->heap[child + 1], &m->heap[child])) child++;
        if (!before(&m->heap[child], &last)) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

static int propose(merger *m, const wt_tokenizer *t, const char *text, merge_key key, int32_t left, int32_t right,
                   wt_error *err) {
    if (left < 0 || right < 0) return 0;
    const symbol *a = &m->symbols[left], *b = &m->symbols[right];
    bigram made = {.left = left, .right = right, .len = a->len + b->len};
    if (!key(t, text, a->at, a->len, b->len, &made.key)) return 0;
    return heap_push(m, made, err);
}

int merger_run(merger *m, const wt_tokenizer *t, const char *text, merge_key key, wt_error *err) {
    for (size_t i = 1; i < m->n; i++) {
        if (propose(m, t, text, key, (int32_t)i - 1, (int32_t)i, err) != 0) return -1;
    }
    while (m->heap_n > 0) {
        bigram b = heap_pop(m);
        symbol *left = &m->symbols[b.left], *right = &m->symbols[b.right];
        if (left->len == 0 || right->len == 0 || left->len + right->len != b.len) continue; /* out of date */
        left->len += right->len;
        right->len = 0;
        left->next = right->next;
        if (right->next >= 0) m->symbols[right->next].prev = b.left;
        if (propose(m, t, text, key, left->prev, b.left, err) != 0) return -1;
        if (propose(m, t, text, key, b.left, left->next, err) != 0) return -1;
    }
    return 0;
}

void merger_release(merger *m) {
    free(m->symbols);
    free(m->heap);
}
