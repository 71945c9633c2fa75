/*
 * Byte-level BPE (GPT-2): words are split off by patterns, their bytes are written as printable characters, and
 * neighbours merge in the order of the merge list.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tokenizer_private.h"
#include "engine/unicode.h"

/* Bytes that are printable in Latin-1 stand for themselves, the others are numbered from 256 on. */
static bool printable(unsigned byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* How many bytes below `byte` are not printable: 0..32, 127..160 and 173 are not. */
static unsigned hidden_below(unsigned byte) {
    unsigned n = byte < 33 ? byte : 33;
    if (byte > 127) n += (byte < 161 ? byte : 161) - 127;
    return n + (byte > 173);
}

uint32_t bpe_code_of_byte(unsigned char byte) { return printable(byte) ? byte : 256 + hidden_below(byte); }

int bpe_byte_of_code(uint32_t code) {
    if (code < 256) return printable(code) ? (int)code : -1;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!printable(byte) && 256 + hidden_below(byte) == code) return (int)byte;
    }
    return -1;
}

static bool bpe_key(const wt_tokenizer *t, const char *text, uint32_t at, uint32_t left, uint32_t right, double *key) {
    int32_t rank = merge_find(t, text + at, left, text + at + left, right);
    *key = rank;
    return rank >= 0;
}

/* A piece that is no token: those of its bytes that are; the rest is dropped, as llama.cpp drops it. */
static int push_bytes(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->habits.raw_bytes ? t->byte_ids[(unsigned char)text[i]] : token_find(t, text + i, 1);
        if (id >= 0 && token_push(out, id, err) != 0) return -1;
    }
    return 0;
}

static int word_tokenize(const wt_tokenizer *t, merger *m, const char *word, size_t len, wt_tokens *out,
                         wt_error *err) {
    bool whole = t->habits.ignore_merges || (t->habits.newline_tokens && word[0] == '\n');
    int32_t id = whole ? token_find(t, word, len) : -1;
    if (id >= 0) return token_push(out, id, err);
    if (merger_start(m, word, len, err) != 0 || merger_run(m, t, word, bpe_key, err) != 0) return -1;
    for (int32_t i = m->n ? 0 : -1; i >= 0; i = m->symbols[i].next) {
        const symbol *s = &m->symbols[i];
        id = token_find(t, word + s->at, s->len);
        if (id >= 0 ? token_push(out, id, err) != 0 : push_bytes(t, word + s->at, s->len, out, err) != 0) return -1;
    }
    return 0;
}

/* Code points as the vocabulary writes them: at most 4 bytes each, each of which takes at most 2. */
static size_t write_word(const wt_tokenizer *t, const uint32_t *codes, size_t count, char *word) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        size_t n = wt_utf8_encode(codes[i], bytes);
        for (size_t b = 0; b < n; b++) {
            if (t->habits.raw_bytes)
                word[used++] = bytes[b];
            else
                used += wt_utf8_encode(bpe_code_of_byte((unsigned char)bytes[b]), word + used);
        }
    }
    return used;
}

int bpe_tokenize(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    uint32_t *codes = wt_calloc(len, sizeof *codes, err);
    size_t count = 0, *ends = NULL, n = 0, word_cap = 0;
    char *word = NULL;
    merger m = {0};
    int rc = -1;
    if (!codes) return -1;
    for (size_t at = 0; at < len;) codes[count++] = wt_utf8_decode(text, len, &at);
    if (wt_pretokenizer_split(t->splitter, codes, count, &ends, &n, err) != 0) goto done;
    for (size_t w = 0, from = 0; w < n; from = ends[w++]) {
        if (wt_grow((void **)&word, &word_cap, (ends[w] - from) * 8, 1, err) != 0) goto done;
        size_t used = write_word(t, codes + from, ends[w] - from, word);
        if (word_tokenize(t, &m, word, used, out, err) != 0) goto done;
    }
    rc = 0;
done:
    free(codes);
    free(ends);
    free(word);
    merger_release(&m);
    return rc;
}
