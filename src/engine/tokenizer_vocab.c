/*
 * Reading a vocabulary. The habits that no key spells out (which tokens end a text, which control tokens are not marked as
 * such, what phi-3's do with white space) follow llama.cpp, which goes by names.
 */
#include <ctype.h>
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
    for (int32_t i = 0; i < t->n; i++) bytes += strs[i].len ? strs[i].len : 24; /* they are in the file: no overflow */
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
            strs[i].len = (size_t)snprintf(t->text + at, 24, "[EMPTY_%d]", i);
        t->offsets[i + 1] = at + (uint32_t)strs[i].len;
        size_t slot = slot_of(hash_bytes(HASH_START, t->text + at, strs[i].len), t->ids.mask);
        for (; t->ids.slots[slot]; slot = (slot + 1) & t->ids.mask) {
            wt_str other = token_str(t, (int32_t)t->ids.slots[slot] - 1);
            if (other.len == strs[i].len && memcmp(other.data, t->text + at, other.len) == 0) break; /* the last wins */
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
    }
    return 0;
}

static int read_merges(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    const wt_kv *kv;
    if (find_array(g, "tokenizer.ggml.merges", true, 0, &kv, err) != 0) return -1;
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

/* A special token's id: the key's where it is there and in range, else `fallback` where that is in range. */
static int read_id(const wt_tokenizer *t, const wt_gguf *g, const char *key, int32_t fallback, int32_t *out,
                   wt_error *err) {
    uint64_t id = 0;
    int rc = wt_gguf_get_u64(g, key, &id, err);
    if (rc < 0) return -1;
    *out = fallback < t->n ? fallback : -1;
    if (rc == 1 && id < (uint64_t)t->n) *out = (int32_t)id;
    return 0;
}

static int32_t find_name(const wt_tokenizer *t, const char *name) { return token_find(t, name, strlen(name)); }

/* Marks the tokens of a NULL-terminated list of names. */
static void mark_names(wt_tokenizer *t, const char *const *names, uint8_t flags) {
    for (; *names; names++) {
        int32_t id = find_name(t, *names);
        if (id >= 0) t->flags[id] |= flags;
    }
}

/* One of a kind of special token: from its key, or the first of the names that the vocabulary has. */
static int mark_kind(wt_tokenizer *t, const wt_gguf *g, const char *key, const char *const *names, uint8_t flags,
                     wt_error *err) {
    int32_t id;
    if (read_id(t, g, key, -1, &id, err) != 0) return -1;
    bool by_name = id < 0;
    for (; id < 0 && *names; names++) id = find_name(t, *names);
    if (id >= 0) t->flags[id] |= (uint8_t)(flags | (by_name ? TOKEN_CONTROL : 0));
    return 0;
}

static int mark_specials(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
#define NAMES(...) (const char *const[]){__VA_ARGS__, NULL}
    if (mark_kind(t, g, "tokenizer.ggml.eot_token_id",
                  NAMES("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
                        "<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"),
                  TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.eom_token_id", NAMES("<|eom_id|>"), TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_pre_token_id",
                  NAMES("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
                        "<|code_prefix|>", "<|prefix|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_suf_token_id",
                  NAMES("<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
                        "<|code_suffix|>", "<|suffix|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_mid_token_id",
                  NAMES("<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
                        "<|code_middle|>", "<|middle|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_pad_token_id", NAMES("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
                  TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_rep_token_id",
                  NAMES("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"), TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_sep_token_id", NAMES("<|file_sep|>"), TOKEN_EOG, err))
        return -1;
    mark_names(t,
               NAMES("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
                     "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
                     "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
                     "<｜end▁of▁sentence｜>", "[e~["),
               TOKEN_EOG | TOKEN_CONTROL);
    for (const char *const *name = NAMES("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"); *name; name++) {
        int32_t id = find_name(t, *name);
        if (id >= 0) t->flags[id] = (uint8_t)((t->flags[id] & TOKEN_EOG) | TOKEN_USER);
    }
#undef NAMES
    if (t->eos >= 0) t->flags[t->eos] |= TOKEN_EOG;
    /* "<|end|>" ends a part, not the text, where there are tokens that end the text. */
    int32_t end = find_name(t, "<|end|>");
    bool call = find_name(t, "<|call|>") >= 0 || find_name(t, "<|calls|>") >= 0;
    if (end >= 0 && call && (find_name(t, "<|return|>") >= 0 || find_name(t, "<|flush|>") >= 0))
        t->flags[end] = TOKEN_USER;
    int32_t s = find_name(t, "</s>");
    if (s >= 0 && find_name(t, "<|tool_response>") >= 0) t->flags[s] = TOKEN_NORMAL;
    return 0;
}

static int longest_first(const void *a, const void *b, void *context) {
    const wt_tokenizer *t = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    size_t m = token_str(t, x).len, n = token_str(t, y).len;
    return m != n ? (m < n ? 1 : -1) : (x > y) - (x < y);
}

static int collect_specials(wt_tokenizer *t, wt_error *err) {
    if (!(t->special = wt_calloc((size_t)t->n, sizeof *t->special, err))) return -1;
    for (int32_t i = 0; i < t->n; i++) {
        if (t->flags[i] & (TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN)) t->special[t->n_special++] = i;
    }
    qsort_r(t->special, t->n_special, sizeof *t->special, longest_first, t);
    return 0;
}

static bool lower_contains(wt_str s, const char *what) {
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= s.len; i++) {
        size_t j = 0;
        while (j < n && tolower((unsigned char)s.data[i + j]) == what[j]) j++;
        if (j == n) return true;
    }
    return false;
}

/* Which special tokens swallow white space is not in the file; llama.cpp goes by the model's and the tokenizer's name. */
static int mark_stripping(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    wt_str name = {"", 0};
    if (wt_gguf_get_str(g, "general.name", &name, err) < 0) return -1;
    int32_t id;
    if (strstr(t->pre, "jina-v2-de") || strstr(t->pre, "jina-v2-es") || strstr(t->pre, "jina-v2-code")) {
        if ((id = find_name(t, "<mask>")) >= 0) t->flags[id] |= TOKEN_LSTRIP;
    } else if (lower_contains(name, "phi-3") || lower_contains(name, "phi3")) {
        for (size_t i = 0; i < t->n_special; i++) t->flags[t->special[i]] |= TOKEN_RSTRIP;
        if ((id = find_name(t, "</s>")) >= 0) t->flags[id] |= TOKEN_RSTRIP;
        static const char *const keep[] = {"<unk>", "<s>", "<|endoftext|>"};
        for (int i = 0; i < 3; i++) {
            if ((id = find_name(t, keep[i])) >= 0) t->flags[id] &= (uint8_t)~TOKEN_RSTRIP;
        }
    } else if (lower_contains(name, "modern-bert") && (id = find_name(t, "[MASK]")) >= 0) {
        t->flags[id] |= TOKEN_LSTRIP;
    }
    return 0;
}

/* The model's kind and its defaults. */
static int read_model(wt_tokenizer *t, const wt_gguf *g, int32_t defaults[3], wt_error *err) {
    wt_str model = {"", 0}, pre = {"", 0};
    if (wt_gguf_get_str(g, "tokenizer.ggml.model", &model, err) < 0) return -1;
    if (wt_gguf_get_str(g, "tokenizer.ggml.pre", &pre, err) < 0) return -1;
    t->is_spm = model.len == 5 && memcmp(model.data, "llama", 5) == 0;
    if (!t->is_spm && !(model.len == 4 && memcmp(model.data, "gpt2", 4) == 0)) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': tokenizer '%.*s' is not supported", wt_gguf_path(g),
                model.len > 64 ? 64 : (int)model.len, model.data);
        return wt_hint(err, model.len ? "known are: llama (SentencePiece), gpt2 (byte-level BPE)"
                                      : "the file holds no tokenizer; known are: llama (SentencePiece), gpt2 (byte-level BPE)");
    }
    memcpy(t->model, model.data, model.len);
    if (t->is_spm) {
        t->add_bos = t->add_space_prefix = true;
        memcpy(defaults, (const int32_t[]){1, 2, 0}, 3 * sizeof *defaults);
        return 0;
    }
    memcpy(defaults, (const int32_t[]){11, 11, -1}, 3 * sizeof *defaults);
    if (pre.len == 0) pre = (wt_str){"default", 7}; /* as llama.cpp, for files from before there were names */
    snprintf(t->pre, sizeof t->pre, "%.*s", pre.len > 64 ? 64 : (int)pre.len, pre.data);
    wt_pretokenizer_habits habits;
    if (!(t->splitter = wt_pretokenizer_open(t->pre, &habits, err))) {
        return wt_error_prefix(err, "cannot use '%s'", wt_gguf_path(g));
    }
    t->ignore_merges = habits.ignore_merges;
    t->add_bos = habits.add_bos;
    if (habits.no_bos_token) defaults[0] = -1;
    return 0;
}

static int read_vocabulary(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    int32_t defaults[3]; /* BOS, EOS, unknown */
    if (read_model(t, g, defaults, err) != 0 || read_tokens(t, g, err) != 0 || read_kinds(t, g, err) != 0) return -1;
    if (!t->is_spm && read_merges(t, g, err) != 0) return -1;
    if (read_id(t, g, "tokenizer.ggml.bos_token_id", defaults[0], &t->bos, err) != 0) return -1;
    if (read_id(t, g, "tokenizer.ggml.eos_token_id", defaults[1], &t->eos, err) != 0) return -1;
    if (read_id(t, g, "tokenizer.ggml.unknown_token_id", defaults[2], &t->unk, err) != 0) return -1;
    if (wt_gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, err) < 0) return -1;
    if (wt_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &t->add_bos, err) < 0) return -1;
    if (wt_gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &t->add_eos, err) < 0) return -1;
    if (!t->is_spm) t->add_space_prefix = false;
    t->add_bos = t->add_bos && t->bos >= 0;
    t->add_eos = t->add_eos && t->eos >= 0;
    for (int b = 0; b < 256; b++) {
        char name[8], byte = (char)b;
        snprintf(name, sizeof name, "<0x%02X>", b);
        t->byte_ids[b] = find_name(t, name);
        if (t->byte_ids[b] < 0) t->byte_ids[b] = token_find(t, &byte, 1);
    }
    if (mark_specials(t, g, err) != 0 || collect_specials(t, err) != 0) return -1;
    return mark_stripping(t, g, err);
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
    free(tokenizer);
}
