/*
 * Special tokens. No key spells out which tokens end a text, which control tokens are not marked as such, or what
 * phi-3's do with white space; llama.cpp goes by names, and so does this file. In raw text they are cut out one after
 * another, longest first. A vocabulary may have thousands of them (gemma's unused ones), so a walk over the text first
 * finds which occur at all.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/tokenizer_private.h"

int special_id(const wt_tokenizer *t, const wt_gguf *g, const char *key, int32_t fallback, int32_t *out,
               wt_error *err) {
    uint64_t id = 0;
    int rc = wt_gguf_get_u64(g, key, &id, err);
    if (rc < 0) return -1;
    *out = fallback < t->n ? fallback : -1;
    if (rc == 1 && id < (uint64_t)t->n) *out = (int32_t)id;
    return 0;
}

#define IN_RAW_TEXT (TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN)

static int32_t find_name(const wt_tokenizer *t, const char *name) { return token_find(t, name, strlen(name)); }

/* Marks the tokens of a NULL-terminated list of names. */
static void mark_names(wt_tokenizer *t, const char *const *names, uint8_t flags) {
    for (; *names; names++) {
        int32_t id = find_name(t, *names);
        if (id >= 0) t->flags[id] |= flags;
    }
}

/*
 * One of a kind of special token: from its key (or the key's old name), or the first of the names that the vocabulary
 * has, which then is a control token whatever its type says.
 */
static int mark_kind(wt_tokenizer *t, const wt_gguf *g, const char *key, const char *old_key, const char *const *names,
                     uint8_t flags, wt_error *err) {
    int32_t id;
    if (special_id(t, g, key, -1, &id, err) != 0) return -1;
    if (old_key && special_id(t, g, old_key, id, &id, err) != 0) return -1;
    bool by_name = id < 0;
    for (; id < 0 && *names; names++) id = find_name(t, *names);
    if (id >= 0) t->flags[id] |= (uint8_t)(flags | (by_name ? TOKEN_CONTROL : 0));
    return 0;
}

static int mark_specials(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
#define NAMES(...)                                                                                                     \
    (const char *const[]) { __VA_ARGS__, NULL }
    if (mark_kind(t, g, "tokenizer.ggml.eot_token_id", NULL,
                  NAMES("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
                        "<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"),
                  TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.eom_token_id", NULL, NAMES("<|eom_id|>"), TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id",
                  NAMES("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
                        "<|code_prefix|>", "<|prefix|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id",
                  NAMES("<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
                        "<|code_suffix|>", "<|suffix|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id",
                  NAMES("<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
                        "<|code_middle|>", "<|middle|>"),
                  0, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_pad_token_id", NULL,
                  NAMES("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"), TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_rep_token_id", NULL,
                  NAMES("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"), TOKEN_EOG, err) ||
        mark_kind(t, g, "tokenizer.ggml.fim_sep_token_id", NULL, NAMES("<|file_sep|>"), TOKEN_EOG, err))
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

static int by_bytes(const void *a, const void *b, void *context) {
    const wt_tokenizer *t = context;
    wt_str x = token_str(t, t->special[*(const uint32_t *)a]), y = token_str(t, t->special[*(const uint32_t *)b]);
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static int collect_specials(wt_tokenizer *t, wt_error *err) {
    for (int32_t i = 0; i < t->n; i++) t->n_special += (t->flags[i] & IN_RAW_TEXT) != 0;
    t->special = wt_calloc(t->n_special, sizeof *t->special, err);
    t->sorted = wt_calloc(t->n_special, sizeof *t->sorted, err);
    if (!t->special || !t->sorted) return -1;
    size_t n = 0;
    for (int32_t i = 0; i < t->n; i++) {
        if (t->flags[i] & IN_RAW_TEXT) t->special[n++] = i;
    }
    special_sort(t, t->special, n);
    for (size_t i = 0; i < n; i++) t->sorted[i] = (uint32_t)i;
    qsort_r(t->sorted, n, sizeof *t->sorted, by_bytes, t);
    for (size_t i = 0, byte = 0; byte < 257; byte++) {
        while (i < n && (unsigned char)token_str(t, t->special[t->sorted[i]]).data[0] < byte) i++;
        t->first[byte] = (uint32_t)i;
    }
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

/* Which special tokens swallow white space is not in the file; llama.cpp goes by the model's name. */
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

int special_read(wt_tokenizer *t, const wt_gguf *g, wt_error *err) {
    if (mark_specials(t, g, err) != 0 || collect_specials(t, err) != 0) return -1;
    return mark_stripping(t, g, err);
}

/* ---- in raw text ---- */

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
        while ((t->flags[id] & TOKEN_LSTRIP) && before.len > 0 &&
               isspace((unsigned char)text[before.at + before.len - 1]))
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

/* The byte at `depth` of the special token at place `k` of the sorted list; -1 where it is shorter. */
static int byte_at(const wt_tokenizer *t, uint32_t k, size_t depth) {
    wt_str token = token_str(t, t->special[t->sorted[k]]);
    return depth < token.len ? (unsigned char)token.data[depth] : -1;
}

/* The first place in [low, high) whose byte at `depth` is at least `byte`; the tokens there agree up to `depth`. */
static uint32_t lower_bound(const wt_tokenizer *t, uint32_t low, uint32_t high, size_t depth, int byte) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (byte_at(t, middle, depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Sets present[i] for every special token i (a place in t->special) that occurs in the text, found by narrowing. */
static void find_present(const wt_tokenizer *t, const char *text, size_t len, unsigned char *present) {
    for (size_t at = 0; at < len; at++) {
        uint32_t low = t->first[(unsigned char)text[at]], high = t->first[(unsigned char)text[at] + 1];
        for (size_t depth = 1; low < high; depth++) {
            if (byte_at(t, low, depth) < 0) present[t->sorted[low++]] = 1; /* the shortest comes first */
            if (at + depth == len) break;
            int byte = (unsigned char)text[at + depth];
            low = lower_bound(t, low, high, depth, byte);
            high = lower_bound(t, low, high, depth, byte + 1);
        }
    }
}

int special_cut(const wt_tokenizer *t, const char *text, size_t len, bool parse, fragments *out, wt_error *err) {
    fragments next = {0};
    int rc = -1;
    unsigned char *present = wt_calloc(t->n_special, 1, err);
    if (!present || (len > 0 && push_fragment(out, (fragment){0, len, -1}, err) != 0)) goto done;
    find_present(t, text, len, present);
    for (size_t s = 0; s < t->n_special; s++) {
        int32_t id = t->special[s];
        if (!present[s] || (!parse && (t->flags[id] & (TOKEN_CONTROL | TOKEN_UNKNOWN)))) continue;
        next.count = 0;
        for (size_t i = 0; i < out->count; i++) {
            if (out->items[i].token >= 0 ? push_fragment(&next, out->items[i], err) != 0
                                         : cut_fragment(t, text, out->items[i], id, &next, err) != 0)
                goto done;
        }
        fragments swap = *out;
        *out = next;
        next = swap;
    }
    rc = 0;
done:
    free(present);
    free(next.items);
    return rc;
}
