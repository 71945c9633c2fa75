/* Stock llama.cpp's quantizer through dlopen; see stock.h. The structs are those of the pinned build's C interface. */
#include "stock.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench/stock_library.h"
#include "model/gguf.h"

enum { OVERRIDE_INT = 0, OVERRIDE_TEXT = 3, MOST_OVERRIDES = 5 };

/* llama_model_kv_override */
typedef struct stock_override {
    int32_t tag;
    char key[128];
    union {
        int64_t number;
        char text[128];
    } value;
} stock_override;

/* llama_model_imatrix_data */
typedef struct stock_importance {
    const char *name;
    const float *data;
    size_t size;
} stock_importance;

/* llama_model_tensor_override */
typedef struct stock_rule {
    const char *pattern;
    int32_t type;
} stock_rule;

/* llama_model_quantize_params */
typedef struct stock_params {
    int32_t threads, file_type, output_type, embedding_type;
    bool allow_requantize, quantize_output, only_copy, pure, keep_split, dry_run;
    const stock_importance *importance;
    const stock_override *overrides;
    const stock_rule *rules;
    const int32_t *prune;
    size_t max_buffer;
} stock_params;

struct stock {
    stock_params (*defaults)(void);
    uint32_t (*quantize)(const char *, const char *, const stock_params *);
};

/* What an imatrix file becomes: the arrays that the parameters point to. */
typedef struct importance {
    wt_gguf *gguf;
    wt_arena arena;
    stock_importance *entries; /* ends with one without a name */
    stock_override overrides[MOST_OVERRIDES];
} importance;

static char last_error[512]; /* what the library said last of a failure */

static void listen(int level, const char *text, void *user) {
    (void)user;
    if (level == 4) snprintf(last_error, sizeof last_error, "%.*s", (int)strcspn(text, "\n"), text); /* errors */
}

stock *stock_open(const char *folder, wt_error *err) {
    static stock library;
    bool missing;
    void *handle = stock_library(folder, "libllama", &missing, err);
    if (!handle) return NULL;
    void (*log_set)(void (*)(int, const char *, void *), void *) = NULL;
    *(void **)&library.defaults = dlsym(handle, "llama_model_quantize_default_params");
    *(void **)&library.quantize = dlsym(handle, "llama_model_quantize");
    *(void **)&log_set = dlsym(handle, "llama_log_set");
    if (!library.defaults || !library.quantize || !log_set) {
        wt_fail(err, WT_ERR_IO, "the stock llama.cpp under '%s' has no quantizer", folder);
        return NULL;
    }
    log_set(listen, NULL);
    return &library;
}

/* ---- importance, as llama-quantize reads it ---- */

static void set_override(stock_override *o, const char *key, const char *text, size_t len, int64_t number) {
    o->tag = text ? OVERRIDE_TEXT : OVERRIDE_INT;
    snprintf(o->key, sizeof o->key, "quantize.imatrix.%s", key);
    if (text)
        snprintf(o->value.text, sizeof o->value.text, "%.*s", len < 127 ? (int)len : 127, text);
    else
        o->value.number = number;
}

/* The means of one entry: sums over counts, a count for each matrix of the tensor; 1 where nothing was counted. */
static float *means(importance *im, const wt_tensor *sums, const wt_tensor *counts, wt_error *err) {
    const size_t n = sums->bytes / sizeof(float), matrices = counts->bytes / sizeof(float);
    const float *sum = sums->data, *count = counts->data;
    if (sums->type != WT_F32 || counts->type != WT_F32 || matrices == 0 || n % matrices != 0) {
        wt_fail(err, WT_ERR_FORMAT, "'%s' has sums and counts that do not match", sums->name);
        return NULL;
    }
    float *mean = wt_arena_alloc(&im->arena, n * sizeof *mean, err);
    for (size_t i = 0; mean && i < n; i++) {
        float rows = (float)lroundf(count[i / (n / matrices)]);
        mean[i] = rows > 0 ? sum[i] / rows : 1;
    }
    return mean;
}

static int read_entries(importance *im, size_t *entries, wt_error *err) {
    static const char SUMS[] = ".in_sum2";
    const size_t n = wt_gguf_tensor_count(im->gguf);
    if (!(im->entries = wt_arena_alloc(&im->arena, (n + 1) * sizeof *im->entries, err))) return -1;
    *entries = 0;
    for (size_t i = 0; i < n; i++) {
        const wt_tensor *sums = wt_gguf_tensor(im->gguf, i);
        const size_t len = strlen(sums->name), tail = strlen(SUMS);
        if (len < tail || strcmp(sums->name + len - tail, SUMS) != 0) continue;
        char *name = wt_arena_strndup(&im->arena, sums->name, len - tail, err), counts_name[512];
        if (!name) return -1;
        snprintf(counts_name, sizeof counts_name, "%s.counts", name);
        const wt_tensor *counts = wt_gguf_find_tensor(im->gguf, counts_name);
        if (!counts) return wt_fail(err, WT_ERR_FORMAT, "'%s' is not there", counts_name);
        stock_importance *e = &im->entries[(*entries)++];
        *e = (stock_importance){name, means(im, sums, counts, err), sums->bytes / sizeof(float)};
        if (!e->data) return -1;
    }
    return 0;
}

static int read_importance(importance *im, const char *path, wt_error *err) {
    size_t entries, used = 0;
    if (!(im->gguf = wt_gguf_open(path, err)) || read_entries(im, &entries, err) != 0) return -1;
    set_override(&im->overrides[used++], "file", path, strlen(path), 0);
    const wt_kv *datasets = wt_gguf_find_kv(im->gguf, "imatrix.datasets");
    if (datasets && datasets->type == WT_KV_ARRAY && datasets->element == WT_KV_STRING && datasets->count > 0) {
        wt_str *names = wt_arena_alloc(&im->arena, datasets->count * sizeof *names, err);
        if (!names) return -1;
        wt_kv_strings(datasets, names);
        set_override(&im->overrides[used++], "dataset", names[0].data, names[0].len, 0);
    }
    set_override(&im->overrides[used++], "entries_count", NULL, 0, (int64_t)entries);
    uint64_t chunks = 0;
    if (wt_gguf_get_u64(im->gguf, "imatrix.chunk_count", &chunks, err) < 0) return -1;
    if (chunks > 0) set_override(&im->overrides[used++], "chunks_count", NULL, 0, (int64_t)chunks);
    return 0;
}

static void release(importance *im) {
    wt_gguf_close(im->gguf);
    wt_arena_release(&im->arena);
}

/* ---- quantizing ---- */

/* "REGEX=NUMBER" each; ends with one without a pattern. */
static stock_rule *read_rules(wt_arena *arena, const stock_request *request, wt_error *err) {
    stock_rule *rules = wt_arena_alloc(arena, ((size_t)request->rule_count + 1) * sizeof *rules, err);
    for (int i = 0; rules && i < request->rule_count; i++) {
        const char *text = request->rules[i], *equals = strrchr(text, '=');
        if (!equals) {
            wt_fail(err, WT_ERR_ARGUMENT, "'%s' has no '='", text);
            return NULL;
        }
        rules[i].pattern = wt_arena_strndup(arena, text, (size_t)(equals - text), err);
        rules[i].type = atoi(equals + 1);
        if (!rules[i].pattern) return NULL;
    }
    return rules;
}

int stock_quantize(const stock *library, const char *model, const char *out, const stock_request *request,
                   wt_error *err) {
    importance im = {0};
    stock_params params = library->defaults();
    int rc = -1;
    params.file_type = request->file_type;
    params.threads = request->threads > 0 ? request->threads : 1;
    params.pure = request->pure;
    params.allow_requantize = true;
    if (request->output_type >= 0) params.output_type = request->output_type;
    if (request->embedding_type >= 0) params.embedding_type = request->embedding_type;
    if (request->imatrix) {
        if (read_importance(&im, request->imatrix, err) != 0) goto done;
        params.importance = im.entries;
        params.overrides = im.overrides;
    }
    if (request->rule_count > 0 && !(params.rules = read_rules(&im.arena, request, err))) goto done;
    last_error[0] = '\0';
    if (library->quantize(model, out, &params) == 0)
        rc = 0;
    else
        wt_fail(err, WT_ERR_IO, "llama.cpp cannot write '%s' as type %d: %s", out, request->file_type, last_error);
done:
    release(&im);
    return rc;
}
