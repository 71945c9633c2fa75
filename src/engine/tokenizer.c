/*
 * From text to ids: special tokens that stand in the text are cut out first, longest first; what lies between them goes
 * through the vocabulary's way of merging.
 */
#include "engine/tokenizer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/tokenizer_private.h"
#include "engine/unicode.h"

#define SPACE_MARK "\xe2\x96\x81" /* U+2581, what SentencePiece writes for a space */

int token_push(wt_tokens *out, int32_t id, wt_error *err) {
    if (wt_grow((void **)&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, err) != 0) return -1;
    out->ids[out->count++] = id;
    return 0;
}

/* A stretch of raw text, or (token >= 0) a special token that was found. */
typedef struct fragment {
    size_t at, len;
    int32_t token;
} fragment;

typedef struct fragments {
    fragment *items;
    size_t count, capacity;
} fragments;

static int push_fragment(fragments *f, fragment item, wt_error *err) {
    if (wt_grow((void **)&f->items, &f->capacity, f->count + 1, sizeof *f->items, err) != 0) return -1;
    f->items[f->count++] = item;
    return 0;
}

/* Cuts every occurrence of one special token out of one raw fragment. */
static int cut_fragment(const wt_tokenizer *t, const char *text, fragment raw, int32_t id, fragments *out,
                        wt_error *err) {
    wt_str token = token_str(t, id);
    for (;;) {
        const char *hit = raw.len >= token.len ? memmem(text + raw.at, raw.len, token.data, token.len) : NULL;
        if (!hit) break;
        size_t left = (size_t)(hit - (text + raw.at));
        fragment before = {raw.at, left, -1};
        while ((t->flags[id] & TOKEN_LSTRIP) && before.len > 0 && isspace((unsigned char)text[before.at + before.len - 1]))
            before.len--;
        if (before.len > 0 && push_fragment(out, before, err) != 0) return -1;
        if (push_fragment(out, (fragment){0, 0, id}, err) != 0) return -1;
        raw.at += left + token.len;
        raw.len -= left + token.len;
        while ((t->flags[id] & TOKEN_RSTRIP) && raw.len > 0 && isspace((unsigned char)text[raw.at])) {
            raw.at++;
            raw.len--;
        }
    }
    return raw.len > 0 ? push_fragment(out, raw, err) : 0;
}

static int partition(const wt_tokenizer *t, const char *text, size_t len, bool parse_special, fragments *f,
                     wt_error *err) {
    fragments next = {0};
    int rc = -1;
    if (len > 0 && push_fragment(f, (fragment){0, len, -1}, err) != 0) goto done;
    for (size_t s = 0; s < t->n_special; s++) {
        int32_t id = t->special[s];
        wt_str token = token_str(t, id);
        if (!parse_special && (t->flags[id] & (TOKEN_CONTROL | TOKEN_UNKNOWN))) continue;
        if (!memmem(text, len, token.data, token.len)) continue;
        next.count = 0;
        for (size_t i = 0; i < f->count; i++) {
            if (f->items[i].token >= 0 ? push_fragment(&next, f->items[i], err) != 0
                                       : cut_fragment(t, text, f->items[i], id, &next, err) != 0)
                goto done;
        }
        fragments swap = *f;
        *f = next;
        next = swap;
    }
    rc = 0;
done:
    free(next.items);
    return rc;
}

/* Raw text for SentencePiece: every space becomes its mark, with one in front where `prefix`. */
static int spm_fragment(const wt_tokenizer *t, const char *text, size_t len, bool prefix, wt_tokens *out,
                        wt_error *err) {
    size_t size, used = 0;
    if (!wt_mul_size(len + 1, 3, &size)) return wt_fail_memory(err, SIZE_MAX);
    char *escaped = wt_calloc(size, 1, err);
    if (!escaped) return -1;
    if (prefix) {
        memcpy(escaped, SPACE_MARK, 3);
        used = 3;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            memcpy(escaped + used, SPACE_MARK, 3);
            used += 3;
        } else {
            escaped[used++] = text[i];
        }
    }
    int rc = spm_tokenize(t, escaped, used, out, err);
    free(escaped);
    return rc;
}

int wt_tokenize(const wt_tokenizer *tokenizer, const char *text, size_t len, int flags, wt_tokens *out, wt_error *err) {
    const wt_tokenizer *t = tokenizer;
    fragments f = {0};
    int rc = -1;
    bool after_special = true; /* a space goes in front of the first text and of one that follows a special token */
    if (partition(t, text, len, flags & WT_TOKENIZE_PARSE_SPECIAL, &f, err) != 0) goto done;
    if ((flags & WT_TOKENIZE_ADD_SPECIAL) && t->add_bos && token_push(out, t->bos, err) != 0) goto done;
    for (size_t i = 0; i < f.count; i++) {
        const fragment *x = &f.items[i];
        if (x->token >= 0) {
            if (token_push(out, x->token, err) != 0) goto done;
            after_special = true;
            continue;
        }
        int failed = t->is_spm ? spm_fragment(t, text + x->at, x->len, t->add_space_prefix && after_special, out, err)
                               : bpe_tokenize(t, text + x->at, x->len, out, err);
        if (failed) goto done;
        after_special = false;
    }
    if ((flags & WT_TOKENIZE_ADD_SPECIAL) && t->add_eos && token_push(out, t->eos, err) != 0) goto done;
    rc = 0;
done:
    free(f.items);
    return rc;
}

/* ---- back to text ---- */

/* Collects bytes into a buffer that may be too small, counting them all. */
typedef struct sink {
    char *buf;
    size_t size, used;
} sink;

static void put(sink *s, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++, s->used++) {
        if (s->used < s->size) s->buf[s->used] = bytes[i];
    }
}

size_t wt_token_text(const wt_tokenizer *tokenizer, int32_t id, bool special, char *buf, size_t size) {
    const wt_tokenizer *t = tokenizer;
    sink s = {buf, size, 0};
    if (id < 0 || id >= t->n) return 0;
    wt_str token = token_str(t, id);
    uint8_t flags = t->flags[id];
    if (flags & (TOKEN_CONTROL | TOKEN_UNKNOWN)) {
        if (special) put(&s, token.data, token.len);
    } else if (flags & TOKEN_USER) {
        put(&s, token.data, token.len);
    } else if (flags & TOKEN_BYTE) {
        for (int b = 0; b < 256; b++) {
            if (t->byte_ids[b] == id) {
                char byte = (char)b;
                put(&s, &byte, 1);
                break;
            }
        }
    } else if (flags & TOKEN_NORMAL) {
        for (size_t at = 0; at < token.len;) {
            size_t from = at;
            uint32_t code = wt_utf8_decode(token.data, token.len, &at);
            int byte = t->is_spm ? (code == 0x2581 ? ' ' : -1) : bpe_byte_of_code(code);
            if (byte >= 0) {
                char c = (char)byte;
                put(&s, &c, 1);
            } else {
                put(&s, token.data + from, at - from);
            }
        }
    }
    return s.used;
}

int32_t wt_tokenizer_size(const wt_tokenizer *tokenizer) { return tokenizer->n; }
int32_t wt_tokenizer_bos(const wt_tokenizer *tokenizer) { return tokenizer->bos; }
int32_t wt_tokenizer_eos(const wt_tokenizer *tokenizer) { return tokenizer->eos; }
bool wt_tokenizer_adds_bos(const wt_tokenizer *tokenizer) { return tokenizer->add_bos; }
bool wt_tokenizer_adds_eos(const wt_tokenizer *tokenizer) { return tokenizer->add_eos; }
const char *wt_tokenizer_model(const wt_tokenizer *tokenizer) { return tokenizer->model; }
const char *wt_tokenizer_pre(const wt_tokenizer *tokenizer) { return tokenizer->pre; }

bool wt_tokenizer_is_eog(const wt_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && id < tokenizer->n && (tokenizer->flags[id] & TOKEN_EOG);
}

int wt_tokenizer_same(const wt_tokenizer *a, const wt_tokenizer *b, wt_error *err) {
    if (a->n != b->n) {
        return wt_fail(err, WT_ERR_MISMATCH, "the vocabularies differ: %d tokens against %d", a->n, b->n);
    }
    for (int32_t i = 0; i < a->n; i++) {
        wt_str x = token_str(a, i), y = token_str(b, i);
        if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0) {
            return wt_fail(err, WT_ERR_MISMATCH, "the vocabularies differ: token %d is '%.*s' against '%.*s'", i,
                           x.len > 64 ? 64 : (int)x.len, x.data, y.len > 64 ? 64 : (int)y.len, y.data);
        }
    }
    return 0;
}
