/*
 * Reading a vocabulary: tokens, their kinds and scores, merges, and the keys beside them. What contradicts itself is
 * refused; where llama.cpp has a habit (a text ends at its first NUL, a token without text gets a name, an id out of
 * range counts as absent), so has this file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/tokenizer_private.h"

static uint64_t hash_bytes(uint64_t h, const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

static size_t slot_of(uint64_t h, size_t mask) { return (size_t)(h ^ h >> 31) & mask; }

#define HASH_START 14695981039346656037u

static int table_new(string_table *table, size_t n, wt_error *err) {
    size_t size = 16;
    while (size < n * 2) size *= 2;
    table->mask = size - 1;
    table->slots = wt_calloc(size, sizeof *table->slots, err);
    return table->slots ? 0 : -1;
}

int32_t token_find(const wt_tokenizer *t, const char *s, size_t len) {
    size_t at = slot_of(hash_bytes(HASH_START, s, len), t->ids.mask);
    for (; t->ids.slots[at]; at = (at + 1) & t->ids.mask) {
        int32_t id = (int32_t)t->ids.slots[at] - 1;
        wt_str token = token_str(t, id);
        if (token.len == len && memcmp(token.data, s, len) == 0) return id;
    }
    return -1;
}

static uint64_t hash_pair(const char *left, size_t left_len, const char *right, size_t right_len) {
    uint64_t h = hash_bytes(HASH_START, left, left_len);
    return hash_bytes((h ^ 0x100) * 1099511628211u, right, right_len);
}

int32_t merge_find(const wt_tokenizer *t, const char *left, size_t left_len, const char *right, size_t right_len) {
    size_t at = slot_of(hash_pair(left, left_len, right, right_len), t->ranks.mask);
    for (; t->ranks.slots[at]; at = (at + 1) & t->ranks.mask) {
        const merge *m = &t->merges[t->ranks.slots[at] - 1];
        const char *text = t->merge_text + m->offset;
        if (m->left == left_len && m->right == right_len && memcmp(text, left, left_len) == 0 &&
            memcmp(text + left_len, right, right_len) == 0)
            return (int32_t)t->ranks.slots[at] - 1;
    }
    return -1;
}

/* An array entry with the wanted kind of elements and at least `at_least` of them; NULL in *out where absent. */
static int find_array(const wt_gguf *g, const char *key, bool strings, uint64_t at_least, const wt_kv **out,
                      wt_error *err) {
    const wt_kv *kv = *out = wt_gguf_find_kv(g, key);
    if (!kv) return 0;
    if (kv->type != WT_KV_ARRAY || (kv->element == WT_KV_STRING) != strings || kv->count < at_least) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key '%s' is no array of at least %" PRIu64 " %s",
                       wt_gguf_path(g), key, at_least, strings ? "strings" : "numbers");
    }
    return 0;
}

#define EMPTY_NAME 24 /* room for the name of a token without text */

static int read_tokens(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    const wt_kv *tokens;
    if (find_array(g, "tokenizer.ggml.tokens", true, 1, &tokens, err) != 0) return -1;
    if (!tokens || tokens->count >= INT32_MAX) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key 'tokenizer.ggml.tokens' is %s", wt_gguf_path(g),
                tokens ? "too long" : "missing");
        return wt_hint(err, "the file holds no tokenizer");
    }
    t->n = (int32_t)tokens->count;
    wt_str *strs = wt_calloc((size_t)t->n, sizeof *strs, err);
    if (!strs) return -1;
    wt_kv_strings(tokens, strs);
    size_t bytes = 0;
    for (int32_t i = 0; i < t->n; i++) { /* they are in the file: no overflow */
        strs[i].len = strnlen(strs[i].data, strs[i].len);
        bytes += strs[i].len ? strs[i].len : EMPTY_NAME;
    }
    int rc = -1;
    if (bytes > UINT32_MAX) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': a vocabulary of %zu bytes", wt_gguf_path(g), bytes);
        goto done;
    }
    t->text = wt_calloc(bytes, 1, err);
    t->offsets = wt_calloc((size_t)t->n + 1, sizeof *t->offsets, err);
    t->flags = wt_calloc((size_t)t->n, 1, err);
    t->scores = wt_calloc((size_t)t->n, sizeof *t->scores, err);
    if (!t->text || !t->offsets || !t->flags || !t->scores || table_new(&t->ids, (size_t)t->n, err) != 0) goto done;
    for (int32_t i = 0; i < t->n; i++) {
        uint32_t at = t->offsets[i];
        if (strs[i].len)
            memcpy(t->text + at, strs[i].data, strs[i].len);
        else /* llama.cpp gives tokens without text a name */
            strs[i].len = (size_t)snprintf(t->text + at, EMPTY_NAME, "[EMPTY_%d]", i);
        t->offsets[i + 1] = at + (uint32_t)strs[i].len;
        size_t slot = slot_of(hash_bytes(HASH_START, t->text + at, strs[i].len), t->ids.mask);
        for (; t->ids.slots[slot]; slot = (slot + 1) & t->ids.mask) {
            wt_str other = token_str(t, (int32_t)t->ids.slots[slot] - 1);
            if (other.len != strs[i].len || memcmp(other.data, t->text + at, other.len) != 0) continue;
            wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': tokens %u and %d are both '%.*s'", wt_gguf_path(g),
                    t->ids.slots[slot] - 1, i, other.len > 64 ? 64 : (int)other.len, other.data);
            wt_hint(err, "llama.cpp refuses such a vocabulary too; convert the model again");
            goto done;
        }
        t->ids.slots[slot] = (uint32_t)i + 1;
    }
    rc = 0;
done:
    free(strs);
    return rc;
}

static int read_kinds(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    const wt_kv *scores, *types;
    if (find_array(g, "tokenizer.ggml.scores", false, (uint64_t)t->n, &scores, err) != 0) return -1;
    if (find_array(g, "tokenizer.ggml.token_type", false, (uint64_t)t->n, &types, err) != 0) return -1;
    static const uint8_t flag_of[] = {0, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, 0, TOKEN_BYTE};
    for (int32_t i = 0; i < t->n; i++) {
        t->scores[i] = scores ? (float)wt_kv_number(scores, (uint64_t)i) : 0.0f;
        if (t->scores[i] != t->scores[i]) t->scores[i] = 0.0f; /* NaN has no place in an order */
        int64_t type = types ? wt_kv_integer(types, (uint64_t)i) : 1;
        t->flags[i] = type >= 0 && type < 7 ? flag_of[type] : 0;
        if (t->flags[i] == TOKEN_BYTE && token_str(t, i).len < 3) {
            return wt_fail(err, WT_ERR_FORMAT,
                           "cannot use '%s': token %d is of the type 'byte', but is not written <0xXX>",
                           wt_gguf_path(g), i);
        }
    }
    return 0;
}

static int read_merges(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    const wt_kv *kv;
    if (find_array(g, "tokenizer.ggml.merges", true, 0, &kv, err) != 0) return -1;
    if (!kv && t->habits.without_merges) return table_new(&t->ranks, 0, err);
    if (!kv || kv->count >= INT32_MAX) {
        return wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': key 'tokenizer.ggml.merges' is %s", wt_gguf_path(g),
                       kv ? "too long" : "missing");
    }
    t->n_merges = (size_t)kv->count;
    wt_str *strs = wt_calloc(t->n_merges, sizeof *strs, err);
    t->merges = wt_calloc(t->n_merges, sizeof *t->merges, err);
    t->merge_text = wt_calloc(kv->value_bytes, 1, err);
    int rc = -1;
    if (!strs || !t->merges || !t->merge_text || table_new(&t->ranks, t->n_merges, err) != 0) goto done;
    if (kv->value_bytes > UINT32_MAX) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': merges of %zu bytes", wt_gguf_path(g), kv->value_bytes);
        goto done;
    }
    wt_kv_strings(kv, strs);
    uint32_t at = 0;
    for (size_t i = 0; i < t->n_merges; i++) {
        /* "LEFT RIGHT"; the first character may be a space of LEFT's own. */
        strs[i].len = strnlen(strs[i].data, strs[i].len);
        const char *space = strs[i].len > 1 ? memchr(strs[i].data + 1, ' ', strs[i].len - 1) : NULL;
        if (!space) continue; /* llama.cpp keeps it as a merge of nothing with nothing */
        uint32_t left = (uint32_t)(space - strs[i].data), right = (uint32_t)(strs[i].len - left - 1);
        t->merges[i] = (merge){at, left, right};
        memcpy(t->merge_text + at, strs[i].data, left);
        memcpy(t->merge_text + at + left, space + 1, right);
        at += left + right;
        const char *text = t->merge_text + t->merges[i].offset;
        if (merge_find(t, text, left, text + left, right) >= 0) continue; /* of equal ones the first counts */
        size_t slot = slot_of(hash_pair(text, left, text + left, right), t->ranks.mask);
        while (t->ranks.slots[slot]) slot = (slot + 1) & t->ranks.mask;
        t->ranks.slots[slot] = (uint32_t)i + 1;
    }
    rc = 0;
done:
    free(strs);
    return rc;
}

static bool str_is(wt_str s, const char *what) { return s.len == strlen(what) && memcmp(s.data, what, s.len) == 0; }

/* Reads a string that ends at its first NUL. */
static int read_str(const wt_gguf *g, const char *key, wt_str *out, wt_error *err) {
    *out = (wt_str){"", 0};
    if (wt_gguf_get_str(g, key, out, err) < 0) return -1;
    out->len = strnlen(out->data, out->len);
    return 0;
}

/* The model's kind and its defaults: ids of BOS and EOS. */
static int read_model(wt_tokenizer *t, const wt_gguf *g, int32_t defaults[2], wt_error *err) {
    wt_str model, pre;
    if (read_str(g, "tokenizer.ggml.model", &model, err) != 0) return -1;
    if (read_str(g, "tokenizer.ggml.pre", &pre, err) != 0) return -1;
    t->is_spm = str_is(model, "llama");
    bool gemma4 = str_is(model, "gemma4");
    if (!t->is_spm && !gemma4 && !str_is(model, "gpt2")) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': tokenizer '%.*s' is not supported", wt_gguf_path(g),
                model.len > 64 ? 64 : (int)model.len, model.data);
        return wt_hint(err, "%sknown are: llama (SentencePiece), gpt2 (byte-level BPE), gemma4",
                       model.len ? "" : "the file holds no tokenizer; ");
    }
    memcpy(t->model, model.data, model.len);
    if (t->is_spm) {
        t->add_bos = t->add_space_prefix = true;
        memcpy(defaults, (const int32_t[]){1, 2}, 2 * sizeof *defaults);
        return 0;
    }
    memcpy(defaults, gemma4 ? (const int32_t[]){-1, -1} : (const int32_t[]){11, 11}, 2 * sizeof *defaults);
    if (gemma4) pre = (wt_str){"gemma4", 6};
    if (pre.len == 0) pre = (wt_str){"default", 7}; /* as llama.cpp, for files from before there were names */
    snprintf(t->pre, sizeof t->pre, "%.*s", (int)(pre.len < sizeof t->pre ? pre.len : sizeof t->pre - 1), pre.data);
    if (!(t->splitter = wt_pretokenizer_open(t->pre, &t->habits, err))) {
        return wt_error_prefix(err, "cannot use '%s'", wt_gguf_path(g));
    }
    t->add_bos = t->habits.add_bos;
    if (t->habits.no_bos_token) defaults[0] = -1;
    return 0;
}

/* Which tokens stand for single bytes, and for SentencePiece which bytes can stand side by side in a token. */
static void index_bytes(wt_tokenizer *t) {
    for (int b = 0; b < 256; b++) {
        char name[8], byte = (char)b;
        snprintf(name, sizeof name, "<0x%02X>", b);
        t->byte_ids[b] = token_find(t, name, 6);
        if (t->byte_ids[b] < 0 && t->is_spm) t->byte_ids[b] = token_find(t, &byte, 1);
    }
    for (int32_t i = 0; t->is_spm && i < t->n; i++) {
        wt_str token = token_str(t, i);
        for (size_t k = 1; k < token.len; k++) {
            size_t pair = (size_t)(unsigned char)token.data[k - 1] << 8 | (unsigned char)token.data[k];
            t->joins[pair >> 3] |= (uint8_t)(1u << (pair & 7));
        }
    }
}

/* Whether BOS and EOS are added; a vocabulary that wants one that it does not have is refused. */
static int read_added(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    if (wt_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &t->add_bos, err) < 0) return -1;
    if (wt_gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &t->add_eos, err) < 0) return -1;
    t->add_bos = t->add_bos || t->habits.always_bos;
    if ((t->add_bos && t->bos < 0) || (t->add_eos && t->eos < 0)) {
        const char *which = t->add_bos && t->bos < 0 ? "bos" : "eos";
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': texts are to have a token (%s) added that the vocabulary lacks",
                wt_gguf_path(g), which);
        return wt_hint(
            err, "set 'tokenizer.ggml.%s_token_id' to one of the %d tokens, or 'tokenizer.ggml.add_%s_token' to false",
            which, t->n, which);
    }
    return 0;
}

static int read_vocabulary(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    int32_t defaults[2];
    if (read_model(t, g, defaults, err) != 0 || read_tokens(t, g, err) != 0 || read_kinds(t, g, err) != 0) return -1;
    if (!t->is_spm && read_merges(t, g, err) != 0) return -1;
    if (special_id(t, g, "tokenizer.ggml.bos_token_id", defaults[0], &t->bos, err) != 0) return -1;
    if (special_id(t, g, "tokenizer.ggml.eos_token_id", defaults[1], &t->eos, err) != 0) return -1;
    if (t->is_spm && wt_gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, err) < 0) return -1;
    index_bytes(t);
    if (read_added(t, g, err) != 0) return -1;
    return special_read(t, g, err);
}

wt_tokenizer *wt_tokenizer_open(const wt_gguf *gguf, wt_error *err) {
    wt_tokenizer *t = wt_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    if (read_vocabulary(t, gguf, err) != 0) {
        wt_tokenizer_close(t);
        return NULL;
    }
    return t;
}

void wt_tokenizer_close(wt_tokenizer *tokenizer) {
    if (!tokenizer) return;
    wt_pretokenizer_close(tokenizer->splitter);
    free(tokenizer->text);
    free(tokenizer->offsets);
    free(tokenizer->flags);
    free(tokenizer->scores);
    free(tokenizer->ids.slots);
    free(tokenizer->merge_text);
    free(tokenizer->merges);
    free(tokenizer->ranks.slots);
    free(tokenizer->special);
    free(tokenizer->sorted);
    free(tokenizer);
}
