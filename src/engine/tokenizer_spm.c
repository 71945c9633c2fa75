/*
 * SentencePiece BPE: neighbours merge where the two make a token, the token of the highest score first. Characters
 * whose bytes stand side by side in no token can never merge across, so the text is cut there first: the heaps stay
 * small (a word, mostly) and the result is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tokenizer_private.h"
#include "engine/unicode.h"

static bool spm_key(const wt_tokenizer *t, const char *text, uint32_t at, uint32_t left, uint32_t right, double *key) {
    int32_t id = token_find(t, text + at, left + right);
    if (id < 0) return false;
    *key = -(double)t->scores[id];
    return true;
}

/* The bytes of a piece that is no token. */
static int push_bytes(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->byte_ids[(unsigned char)text[i]];
        if (id < 0) {
            wt_fail(err, WT_ERR_FORMAT, "the vocabulary has no token for byte 0x%02X of the text",
                    (unsigned char)text[i]);
            return wt_hint(err, "it lacks '<0x%02X>'; llama.cpp cannot tokenize such a text either",
                           (unsigned char)text[i]);
        }
        if (token_push(out, id, err) != 0) return -1;
    }
    return 0;
}

static int stretch_tokenize(const wt_tokenizer *t, merger *m, const char *text, size_t len, wt_tokens *out,
                            wt_error *err) {
    if (merger_start(m, text, len, err) != 0 || merger_run(m, t, text, spm_key, err) != 0) return -1;
    for (int32_t i = m->n ? 0 : -1; i >= 0; i = m->symbols[i].next) {
        const symbol *s = &m->symbols[i];
        int32_t id = token_find(t, text + s->at, s->len);
        if (id >= 0 ? token_push(out, id, err) != 0 : push_bytes(t, text + s->at, s->len, out, err) != 0) return -1;
    }
    return 0;
}

static bool may_join(const wt_tokenizer *t, char left, char right) {
    size_t pair = (size_t)(unsigned char)left << 8 | (unsigned char)right;
    return t->joins[pair >> 3] >> (pair & 7) & 1;
}

int spm_tokenize(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err) {
    merger m = {0};
    int rc = 0;
    for (size_t from = 0, at = 0; rc == 0 && at < len;) {
        size_t n = wt_utf8_length((unsigned char)text[at]);
        at += n < len - at ? n : len - at;
        if (at < len && may_join(t, text[at - 1], text[at])) continue;
        rc = stretch_tokenize(t, &m, text + from, at - from, out, err);
        from = at;
    }
    merger_release(&m);
    return rc;
}
