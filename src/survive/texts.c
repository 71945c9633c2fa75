#include "survive/texts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

enum { PASSAGE = 64, LEAST_CHUNKS = 2, LONGEST_WORD = 256, BYTES_PER_TOKEN = 5 };

/* More shared passages than this is no chance and no proverb. */
#define MOST_OVERLAP 0.005

/* Of a text with itself more is usual: forms, logs and code say the same again. */
#define MOST_REPEATED 0.5

void wt_texts_release(wt_texts *t) {
    wt_chunks_release(&t->calibrate);
    wt_chunks_release(&t->search);
    wt_chunks_release(&t->playoff);
    wt_chunks_release(&t->holdout);
    *t = (wt_texts){0};
}

/* ---- overlaps ---- */

/* The passage at `at`: PASSAGE characters, white space as one blank; 0 where the text ends before. */
static uint64_t passage(const char *text, size_t len, size_t at) {
    char words[PASSAGE];
    size_t n = 0;
    for (bool blank = false; at < len && n < PASSAGE; at++) {
        if (isspace((unsigned char)text[at])) {
            blank = true;
            continue;
        }
        if (blank && n < PASSAGE) words[n++] = ' ';
        blank = false;
        if (n < PASSAGE) words[n++] = text[at];
    }
    return n == PASSAGE ? wt_hash_bytes(words, PASSAGE).low | 1 : 0;
}

static bool word_begins(const char *text, size_t at) {
    return !isspace((unsigned char)text[at]) && (at == 0 || isspace((unsigned char)text[at - 1]));
}

static int ascending(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

double wt_texts_overlap(const char *a, size_t a_len, const char *b, size_t b_len, size_t *where, wt_error *err) {
    uint64_t *known = wt_calloc(a_len / 2 + 1, sizeof *known, err);
    size_t n = 0, words = 0, shared = 0;
    if (!known) return -1;
    for (size_t i = 0; i < a_len; i++) {
        uint64_t p = word_begins(a, i) ? passage(a, a_len, i) : 0;
        if (p) known[n++] = p;
    }
    qsort(known, n, sizeof *known, ascending);
    for (size_t i = 0; i < b_len; i++) {
        uint64_t p = word_begins(b, i) ? passage(b, b_len, i) : 0;
        if (!p) continue;
        words++;
        if (!bsearch(&p, known, n, sizeof *known, ascending)) continue;
        if (shared++ == 0 && where) *where = i;
    }
    free(known);
    return words ? (double)shared / (double)words : 0;
}

static int refuse_overlap(const char *text, size_t len, const char *holdout, size_t holdout_len, wt_error *err) {
    size_t where = 0, line = 1;
    double share = wt_texts_overlap(text, len, holdout, holdout_len, &where, err);
    if (share < 0) return -1;
    if (share <= MOST_OVERLAP) return 0;
    for (size_t i = 0; i < where; i++) line += holdout[i] == '\n';
    wt_fail(err, WT_ERR_ARGUMENT, "the holdout text shares %.1f%% of its passages with the text, first in its line %zu", 100 * share,
            line);
    return wt_hint(err, "a verdict on a text that was searched on is none: take another text, or leave it out for a part of the first");
}

static int refuse_repetition(const char *text, size_t begin, size_t len, wt_error *err) {
    const double share = wt_texts_overlap(text, begin, text + begin, len - begin, NULL, err);
    if (share < 0) return -1;
    if (share <= MOST_REPEATED) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "the text's last part, the holdout, repeats %.1f%% of its passages from what stands before", 100 * share);
    return wt_hint(err, "a verdict on a text that was searched on is none: take a text that goes on, or another for the holdout");
}

/* ---- parts ---- */

/* Chunks of the play-off, at most. */
static uint64_t playoff_chunks(const wt_rules *r) { return (uint64_t)(r->playoff * (double)r->search_chunks); }

/* A part's end: the share of the text, moved to where a word begins; in a text of few blanks, to where a character does. */
static size_t boundary(const char *text, size_t len, double share) {
    size_t at = (size_t)((double)len * (share < 1 ? share : 1)), word = at;
    while (word < len && word < at + LONGEST_WORD && !word_begins(text, word)) word++;
    if (word == len || word_begins(text, word)) return word;
    while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80) at++;
    return at;
}

static int cut_part(wt_chunks *chunks, const char *part, double share, const wt_tokenizer *tokenizer, const char *text, size_t len, size_t context,
                    uint64_t most, wt_error *err) {
    wt_error own = {0};
    int rc = wt_chunks_cut(chunks, tokenizer, text, len, context, most, &own);
    if (rc == 0 && chunks->count >= LEAST_CHUNKS) return 0;
    if (rc != 0 && own.code != WT_ERR_ARGUMENT && own.code != WT_ERR_FORMAT) {
        if (err) *err = own;
        return -1;
    }
    wt_fail(err, WT_ERR_ARGUMENT, "the text's part '%s' has %zu bytes, which is less than %d chunks of %zu tokens", part, len, LEAST_CHUNKS,
            context);
    return wt_hint(err, "it takes about %zu bytes of text in all, or a smaller context", (size_t)((double)(context * LEAST_CHUNKS * BYTES_PER_TOKEN) / share));
}

static uint64_t hash_of(const wt_texts *t) {
    const wt_chunks *parts[] = {&t->calibrate, &t->search, &t->playoff, &t->holdout};
    wt_hash h = wt_hash_bytes(NULL, 0);
    for (int i = 0; i < 4; i++)
        h = wt_hash_add(h, parts[i]->tokens, parts[i]->count * parts[i]->context * sizeof(int32_t));
    return h.low;
}

int wt_texts_cut(wt_texts *t, const wt_rules *r, size_t context, const wt_tokenizer *tokenizer, const char *text, size_t len,
                 const char *holdout, size_t holdout_len, wt_error *err) {
    *t = (wt_texts){0};
    if (holdout && refuse_overlap(text, len, holdout, holdout_len, err) != 0) return -1;
    const double whole = r->calibrate + r->search + (holdout ? 0 : r->holdout);
    double least = r->calibrate < r->search ? r->calibrate : r->search;
    if (!holdout && r->holdout < least) least = r->holdout;
    least /= whole;
    const size_t a = boundary(text, len, r->calibrate / whole), b = boundary(text, len, (r->calibrate + r->search) / whole);
    if (!holdout && refuse_repetition(text, b, len, err) != 0) return -1;
    if (cut_part(&t->calibrate, "calibrate", least, tokenizer, text, a, context, r->calibrate_chunks, err) != 0 ||
        cut_part(&t->search, "search", least, tokenizer, text + a, b - a, context, r->search_chunks + playoff_chunks(r),
                 err) != 0 ||
        wt_chunks_split(&t->search, r->search_chunks, &t->playoff, err) != 0 ||
        cut_part(&t->holdout, "holdout", holdout ? 1 : least, tokenizer, holdout ? holdout : text + b,
                 holdout ? holdout_len : len - b, context, r->holdout_chunks, err) != 0) {
        wt_texts_release(t);
        return -1;
    }
    t->hash = hash_of(t);
    return 0;
}

int wt_texts_cut_search(wt_chunks *chunks, const wt_rules *r, size_t context, uint64_t most, const wt_tokenizer *tokenizer, const char *text,
                        size_t len, wt_error *err) {
    const double whole = r->calibrate + r->search + (r->holdout_text ? 0 : r->holdout);
    const size_t a = boundary(text, len, r->calibrate / whole), b = boundary(text, len, (r->calibrate + r->search) / whole);
    wt_error own = {0};
    if (wt_chunks_cut(chunks, tokenizer, text + a, b - a, context, most, &own) == 0) return 0;
    if (err) *err = own;
    if (own.code != WT_ERR_ARGUMENT && own.code != WT_ERR_FORMAT) return -1;
    wt_fail(err, WT_ERR_ARGUMENT, "the text's part 'search' has %zu bytes, which is less than one chunk of %zu tokens", b - a, context);
    return wt_hint(err, "it takes about %zu bytes of text in all", (size_t)((double)(context * BYTES_PER_TOKEN) / (r->search / whole)));
}

/* Of the first k chunks of a part, how many are the model's. */
static size_t own_of(const wt_rules *r, size_t k) { return (size_t)(r->own * (double)k + 1e-9); }

size_t wt_texts_own(const wt_texts *t, const wt_rules *r) {
    return own_of(r, t->calibrate.count) + own_of(r, t->search.count) + own_of(r, t->playoff.count);
}

void wt_texts_mix(wt_texts *t, const wt_rules *r, const int32_t *own) {
    wt_chunks *parts[] = {&t->calibrate, &t->search, &t->playoff};
    for (int i = 0; i < 3; i++) {
        const size_t context = parts[i]->context;
        for (size_t k = 0; k < parts[i]->count; k++) {
            if (own_of(r, k + 1) == own_of(r, k)) continue;
            memcpy(parts[i]->tokens + k * context, own, context * sizeof *own);
            own += context;
        }
    }
    t->hash = hash_of(t);
}

size_t wt_texts_wanted(const wt_rules *r) { return r->calibrate_chunks + r->search_chunks + r->holdout_chunks; }

int wt_texts_deal(wt_texts *t, const wt_rules *r, size_t context, int32_t *tokens, size_t count, wt_error *err) {
    wt_chunks *parts[] = {&t->calibrate, &t->search, &t->holdout};
    const uint64_t sizes[] = {r->calibrate_chunks, r->search_chunks, r->holdout_chunks};
    size_t at = 0;
    *t = (wt_texts){0};
    for (int i = 0; i < 3; i++) {
        int32_t *own = at + sizes[i] <= count ? wt_calloc(sizes[i] * context + 1, sizeof *own, err) : NULL;
        if (!own) {
            if (at + sizes[i] > count) wt_fail(err, WT_ERR_ARGUMENT, "%zu chunks are fewer than the rules want", count);
            free(tokens);
            wt_texts_release(t);
            return -1;
        }
        memcpy(own, tokens + at * context, sizes[i] * context * sizeof *own);
        if (wt_chunks_from_tokens(parts[i], own, context, sizes[i], err) != 0) {
            free(tokens);
            wt_texts_release(t);
            return -1;
        }
        at += sizes[i];
    }
    free(tokens);
    t->hash = hash_of(t);
    return 0;
}
