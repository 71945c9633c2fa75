/*
 * From text to ids: special tokens that stand in the text are cut out first, longest first; what lies between them goes
 * through the vocabulary's way of merging.
 */
#include "engine/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/tokenizer_private.h"
#include "engine/unicode.h"

int token_push(wt_tokens *out, int32_t id, wt_error *err) {
    if (wt_grow((void **)&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, err) != 0) return -1;
    out->ids[out->count++] = id;
    return 0;
}

char *escape_spaces(const char *text, size_t len, bool prefix, size_t *escaped, wt_error *err) {
    size_t size, used = 0;
    if (!wt_mul_size(len + 1, sizeof SPACE_MARK - 1, &size)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    char *out = wt_calloc(size, 1, err);
    if (!out) return NULL;
    if (prefix) {
        memcpy(out, SPACE_MARK, 3);
        used = 3;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            memcpy(out + used, SPACE_MARK, 3);
            used += 3;
        } else {
            out[used++] = text[i];
        }
    }
    *escaped = used;
    return out;
}

/* Raw text between special tokens. `first`: a space goes in front, where the vocabulary wants one. */
static int tokenize_raw(const wt_tokenizer *t, const char *text, size_t len, bool first, wt_tokens *out,
                        wt_error *err) {
    if (!t->is_spm && !t->habits.raw_bytes) return bpe_tokenize(t, text, len, out, err);
    char *escaped = escape_spaces(text, len, t->is_spm && t->add_space_prefix && first, &len, err);
    if (!escaped) return -1;
    int rc = t->is_spm ? spm_tokenize(t, escaped, len, out, err) : bpe_tokenize(t, escaped, len, out, err);
    free(escaped);
    return rc;
}

int wt_tokenize(const wt_tokenizer *tokenizer, const char *text, size_t len, int flags, wt_tokens *out, wt_error *err) {
    const wt_tokenizer *t = tokenizer;
    fragments f = {0};
    int rc = -1;
    if (special_cut(t, text, len, flags & WT_TOKENIZE_PARSE_SPECIAL, &f, err) != 0) goto done;
    if ((flags & WT_TOKENIZE_ADD_SPECIAL) && t->add_bos && token_push(out, t->bos, err) != 0) goto done;
    for (size_t i = 0; i < f.count; i++) {
        const fragment *x = &f.items[i];
        bool first = i == 0 || f.items[i - 1].token >= 0; /* of the text, or after a special token */
        if (x->token >= 0 ? token_push(out, x->token, err) != 0
                          : tokenize_raw(t, text + x->at, x->len, first, out, err) != 0)
            goto done;
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

/* SentencePiece: marks become spaces again. */
static void put_unescaped(sink *s, wt_str token) {
    for (size_t at = 0; at < token.len;) {
        bool mark = token.len - at >= 3 && memcmp(token.data + at, SPACE_MARK, 3) == 0;
        put(s, mark ? " " : token.data + at, 1);
        at += mark ? 3 : 1;
    }
}

/* Byte-level BPE: characters become the bytes that they stand for; one that stands for none is spelled out. */
static void put_decoded(sink *s, wt_str token) {
    for (size_t at = 0; at < token.len;) {
        uint32_t code = wt_utf8_decode(token.data, token.len, &at);
        int byte = bpe_byte_of_code(code);
        if (byte >= 0) {
            char c = (char)byte;
            put(s, &c, 1);
            continue;
        }
        char bytes[4], hex[4];
        size_t n = wt_utf8_encode(code, bytes);
        put(s, "[UNK_BYTE_0x", 12);
        for (size_t i = 0; i < n; i++) put(s, hex, (size_t)snprintf(hex, sizeof hex, "%02x", (unsigned char)bytes[i]));
        put(s, token.data, token.len);
        put(s, "]", 1);
    }
}

/* A byte token, written "<0xXX>". */
static void put_byte(sink *s, wt_str token) {
    char digits[3] = "", c;
    for (size_t i = 0; i < 2 && 3 + i < token.len; i++) digits[i] = token.data[3 + i];
    c = (char)strtol(digits, NULL, 16);
    put(s, &c, 1);
}

int wt_tokenize_prompt(const wt_tokenizer *tokenizer, const char *text, wt_tokens *out, wt_error *err) {
    const int32_t bos = wt_tokenizer_bos(tokenizer), eos = wt_tokenizer_eos(tokenizer), start = bos >= 0 ? bos : eos;
    const int flags = WT_TOKENIZE_ADD_SPECIAL | WT_TOKENIZE_PARSE_SPECIAL;
    if (*text && wt_tokenize(tokenizer, text, strlen(text), flags, out, err) != 0) return -1;
    if (out->count > 0 && wt_tokenizer_adds_eos(tokenizer) && out->ids[out->count - 1] == eos) out->count--;
    if (out->count > 0) return 0;
    if (start < 0) return wt_fail(err, WT_ERR_ARGUMENT, "cannot begin a text: the model has neither BOS nor EOS");
    if (wt_grow((void **)&out->ids, &out->capacity, 1, sizeof *out->ids, err) != 0) return -1;
    out->ids[out->count++] = start;
    return 0;
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
    } else if (flags & TOKEN_NORMAL) {
        if (t->is_spm || t->habits.raw_bytes)
            put_unescaped(&s, token);
        else
            put_decoded(&s, token);
    } else if (flags & TOKEN_BYTE) {
        put_byte(&s, token);
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
