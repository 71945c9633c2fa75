/* Facts of a GGUF file; see facts.h. */
#include "cli/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/source.h"
#include "engine/tokenizer.h"

static bool is_whole(wt_kv_type t) {
    return t != WT_KV_F32 && t != WT_KV_F64 && t != WT_KV_STRING && t != WT_KV_ARRAY && t != WT_KV_BOOL;
}

/* The value of `key`, or the range of an array; unknown where it is absent or no whole number. */
static wt_fact read_fact(const wt_gguf *gguf, const char *key) {
    const wt_kv *kv = wt_gguf_find_kv(gguf, key);
    if (!kv || !is_whole(kv->type == WT_KV_ARRAY ? kv->element : kv->type) || kv->count == 0) return (wt_fact){0};
    wt_fact fact = {0};
    for (uint64_t i = 0; i < kv->count; i++) {
        int64_t v = wt_kv_integer(kv, i);
        if (v < 0) return (wt_fact){0};
        if (i == 0 || (uint64_t)v < fact.least) fact.least = (uint64_t)v;
        if (i == 0 || (uint64_t)v > fact.most) fact.most = (uint64_t)v;
    }
    fact.known = true;
    return fact;
}

static wt_fact read_arch_fact(const wt_gguf *gguf, wt_str arch, const char *suffix) {
    char key[160];
    if (!arch.data || arch.len > 100) return (wt_fact){0};
    snprintf(key, sizeof key, "%.*s.%s", (int)arch.len, arch.data, suffix);
    return read_fact(gguf, key);
}

static wt_str read_name(const wt_gguf *gguf, const char *key) {
    wt_str s = {0};
    return wt_gguf_get_str(gguf, key, &s, NULL) == 1 ? s : (wt_str){0};
}

/* Finds out whether the engine could run the file. Reads names, shapes and the vocabulary, no weights. */
static const char *find_gap(const wt_gguf *gguf, wt_error *gap) {
    if (wt_gguf_tensor_count(gguf) == 0) {
        wt_fail(gap, WT_ERR_UNSUPPORTED, "the file has no weights");
        return gap->message;
    }
    wt_model *model = wt_model_from_gguf(gguf, gap);
    if (!model) return gap->message;
    wt_model_close(model);
    const wt_tensor *t = wt_source_undecodable(gguf);
    if (!t) {
        wt_tokenizer *tokenizer = wt_tokenizer_open(gguf, gap);
        bool known = tokenizer != NULL;
        wt_tokenizer_close(tokenizer);
        return known ? NULL : gap->message;
    }
    wt_fail(gap, WT_ERR_UNSUPPORTED, "tensor '%s' has type %s, which this build cannot decode", t->name,
            wt_type_find(t->type)->name);
    return gap->message;
}

void wt_facts_read(wt_facts *f, const wt_gguf *gguf) {
    *f = (wt_facts){0};
    f->architecture = read_name(gguf, "general.architecture");
    f->name = read_name(gguf, "general.name");
    f->tokenizer = read_name(gguf, "tokenizer.ggml.model");
    f->pre = read_name(gguf, "tokenizer.ggml.pre");
    f->layers = read_arch_fact(gguf, f->architecture, "block_count");
    f->width = read_arch_fact(gguf, f->architecture, "embedding_length");
    f->heads = read_arch_fact(gguf, f->architecture, "attention.head_count");
    f->kv_heads = read_arch_fact(gguf, f->architecture, "attention.head_count_kv");
    f->ffn = read_arch_fact(gguf, f->architecture, "feed_forward_length");
    f->context = read_arch_fact(gguf, f->architecture, "context_length");
    f->experts = read_arch_fact(gguf, f->architecture, "expert_count");
    f->bos = read_fact(gguf, "tokenizer.ggml.bos_token_id");
    f->eos = read_fact(gguf, "tokenizer.ggml.eos_token_id");
    const wt_kv *tokens = wt_gguf_find_kv(gguf, "tokenizer.ggml.tokens");
    if (tokens && tokens->type == WT_KV_ARRAY)
        f->vocabulary = (wt_fact){true, tokens->count, tokens->count};
    else
        f->vocabulary = read_arch_fact(gguf, f->architecture, "vocab_size");
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        f->parameters += t->dims[0] * t->rows; /* cannot overflow: the reader has checked the bytes of all */
        f->tensor_bytes += t->bytes;
    }
    f->engine_gap = find_gap(gguf, &f->gap);
}

/* Cuts "blk.17.ffn_up.weight" down to "ffn_up". */
static void role_of(const char *name, const char **role, size_t *len) {
    *role = name;
    if (strncmp(name, "blk.", 4) == 0) {
        size_t digits = strspn(name + 4, "0123456789");
        if (digits > 0 && name[4 + digits] == '.') *role = name + 5 + digits;
    }
    *len = strlen(*role);
    static const char SUFFIX[] = ".weight";
    size_t n = sizeof SUFFIX - 1;
    if (*len > n && memcmp(*role + *len - n, SUFFIX, n) == 0) *len -= n;
}

static int compare_names(const void *pa, const void *pb) {
    const wt_share *a = pa, *b = pb;
    size_t n = a->role_len < b->role_len ? a->role_len : b->role_len;
    int order = n ? memcmp(a->role, b->role, n) : 0;
    if (order) return order;
    if (a->role_len != b->role_len) return a->role_len < b->role_len ? -1 : 1;
    return (a->type > b->type) - (a->type < b->type);
}

static int compare_bytes(const void *pa, const void *pb) {
    const wt_share *a = pa, *b = pb;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return compare_names(pa, pb);
}

/* Merges equal neighbours after sorting by name; returns how many are left. */
static size_t merge(wt_share *items, size_t n) {
    size_t kept = 0;
    qsort(items, n, sizeof *items, compare_names);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_names(&items[kept - 1], &items[i]) == 0) {
            items[kept - 1].tensors += items[i].tensors;
            items[kept - 1].parameters += items[i].parameters;
            items[kept - 1].bytes += items[i].bytes;
        } else {
            items[kept++] = items[i];
        }
    }
    qsort(items, kept, sizeof *items, compare_bytes);
    return kept;
}

int wt_shares_sum(const wt_gguf *gguf, wt_share **roles, size_t *n_roles, wt_share **types, size_t *n_types,
                  wt_error *err) {
    size_t n = wt_gguf_tensor_count(gguf);
    *roles = wt_calloc(n + 1, sizeof **roles, err);
    *types = *roles ? wt_calloc(n + 1, sizeof **types, err) : NULL;
    if (!*types) {
        free(*roles);
        *roles = NULL;
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        wt_share *share = &(*roles)[i];
        *share = (wt_share){.type = t->type, .tensors = 1, .parameters = t->dims[0] * t->rows, .bytes = t->bytes};
        (*types)[i] = *share;
        (*types)[i].role = "";
        role_of(t->name, &share->role, &share->role_len);
    }
    *n_roles = merge(*roles, n);
    *n_types = merge(*types, n);
    return 0;
}
