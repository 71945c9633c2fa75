/*
 * Makes odd GGUF files for the shell tests: copies IN to OUT with changes.
 *
 *   cli_gguf IN OUT [set-str KEY VALUE | set-u32 KEY VALUE | remove KEY | drop TENSOR | drop-all | rename TENSOR NAME |
 *                    retype TENSOR TYPE | reshape TENSOR COLUMNS ROWS | replace-token ID TEXT | set-last TENSOR NUMBER]...
 *   cli_gguf IN PREFIX split N        writes PREFIX-00001-of-0000N.gguf and so on
 *
 * Values may hold \xNN. Tensors that change type or shape are filled with zeros; set-last is for F32 tensors.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/gguf.h"

typedef struct change {
    const char *verb, *a, *b, *c;
} change;

static void check(int rc, const wt_error *err) {
    if (rc == 0) return;
    fprintf(stderr, "cli_gguf: %s\n", err->message);
    exit(1);
}

/* Undoes \xNN. */
static char *unescape(const char *s) {
    char *out = malloc(strlen(s) + 1), *o = out;
    if (!out) exit(1);
    while (*s) {
        unsigned value;
        if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &value) == 1) {
            *o++ = (char)value;
            s += 4;
        } else {
            *o++ = *s++;
        }
    }
    *o = '\0';
    return out;
}

static const change *find(const change *changes, int n, const char *verb, const char *subject) {
    for (int i = 0; i < n; i++) {
        if (strcmp(changes[i].verb, verb) == 0 && (!subject || strcmp(changes[i].a, subject) == 0)) return &changes[i];
    }
    return NULL;
}

static void replace_token(wt_gguf_writer *w, const wt_gguf *g, const change *c) {
    wt_error err = {0};
    const wt_kv *kv = wt_gguf_find_kv(g, "tokenizer.ggml.tokens");
    if (!kv) exit(1);
    wt_str *tokens = calloc(kv->count, sizeof *tokens);
    if (!tokens) exit(1);
    wt_kv_strings(kv, tokens);
    tokens[atoi(c->a)] = (wt_str){c->b, strlen(c->b)};
    check(wt_gguf_writer_set_strs(w, "tokenizer.ggml.tokens", tokens, kv->count, &err), &err);
    free(tokens);
}

static wt_gguf_writer *begin(const wt_gguf *g, const char *path, const change *changes, int n) {
    wt_error err = {0};
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    check(w ? 0 : -1, &err);
    for (size_t i = 0; i < wt_gguf_kv_count(g); i++) check(wt_gguf_writer_copy_kv(w, wt_gguf_kv(g, i), &err), &err);
    for (int i = 0; i < n; i++) {
        const change *c = &changes[i];
        if (strcmp(c->verb, "set-str") == 0) {
            char *value = unescape(c->b);
            check(wt_gguf_writer_set_str(w, c->a, value, &err), &err);
            free(value);
        } else if (strcmp(c->verb, "set-u32") == 0) {
            check(wt_gguf_writer_set_u32(w, c->a, (uint32_t)strtoul(c->b, NULL, 10), &err), &err);
        } else if (strcmp(c->verb, "remove") == 0) {
            wt_gguf_writer_remove(w, c->a);
        } else if (strcmp(c->verb, "replace-token") == 0) {
            replace_token(w, g, c);
        }
    }
    return w;
}

/* A tensor as it will be written; `zeros` where its data does not fit any more. */
typedef struct plan {
    const wt_tensor *tensor;
    uint64_t bytes;
    bool zeros;
    const char *last; /* the last element's new value, or NULL */
} plan;

static plan announce(wt_gguf_writer *w, const wt_tensor *t, const change *changes, int n) {
    wt_error err = {0};
    plan p = {.tensor = t, .bytes = t->bytes};
    uint64_t dims[WT_GGUF_MAX_DIMS];
    uint32_t n_dims = t->n_dims;
    memcpy(dims, t->dims, sizeof dims);
    wt_type type = t->type;
    const change *c;
    if ((c = find(changes, n, "retype", t->name))) type = (wt_type)wt_type_by_name(c->b);
    if ((c = find(changes, n, "reshape", t->name))) {
        dims[0] = strtoull(c->b, NULL, 10);
        dims[1] = strtoull(c->c, NULL, 10);
        n_dims = 2;
    }
    if ((c = find(changes, n, "set-last", t->name))) {
        if (t->type != WT_F32) exit(1);
        p.last = c->b;
    }
    char *name = unescape((c = find(changes, n, "rename", t->name)) ? c->b : t->name);
    if (type != t->type || memcmp(dims, t->dims, sizeof dims) != 0) {
        uint64_t rows = 1;
        for (uint32_t d = 1; d < n_dims; d++) rows *= dims[d];
        if (!wt_type_row_bytes(type, dims[0], &p.bytes)) exit(1);
        p.bytes *= rows;
        p.zeros = true;
    }
    check(wt_gguf_writer_add_tensor(w, name, type, dims, n_dims, &err), &err);
    free(name);
    return p;
}

/* Writes the tensors first, first+step, ... that no change drops. */
static void write_tensors(wt_gguf_writer *w, const wt_gguf *g, const change *changes, int n, size_t first,
                          size_t step) {
    wt_error err = {0};
    size_t count = wt_gguf_tensor_count(g), kept = 0;
    plan *plans = calloc(count + 1, sizeof *plans);
    if (!plans) exit(1);
    for (size_t i = first; i < count; i += step) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        if (!find(changes, n, "drop-all", NULL) && !find(changes, n, "drop", t->name))
            plans[kept++] = announce(w, t, changes, n);
    }
    for (size_t i = 0; i < kept; i++) {
        char *own = plans[i].zeros || plans[i].last ? calloc(plans[i].bytes + 1, 1) : NULL;
        if (plans[i].last) {
            float value = strtof(plans[i].last, NULL);
            memcpy(own, plans[i].tensor->data, plans[i].bytes);
            memcpy(own + plans[i].bytes - sizeof value, &value, sizeof value);
        }
        check(wt_gguf_writer_data(w, own ? own : plans[i].tensor->data, plans[i].bytes, &err), &err);
        free(own);
    }
    check(wt_gguf_writer_finish(w, &err), &err);
    free(plans);
}

static void write_split(const wt_gguf *g, const char *prefix, int parts) {
    wt_error err = {0};
    for (int part = 0; part < parts; part++) {
        char path[4096];
        snprintf(path, sizeof path, "%s-%05d-of-%05d.gguf", prefix, part + 1, parts);
        wt_gguf_writer *w = begin(g, path, NULL, 0);
        uint16_t no = (uint16_t)part, all = (uint16_t)parts;
        check(wt_gguf_writer_set_u32(w, "split.no", no, &err), &err);
        check(wt_gguf_writer_set_u32(w, "split.count", all, &err), &err);
        check(wt_gguf_writer_set_i32(w, "split.tensors.count", (int32_t)wt_gguf_tensor_count(g), &err), &err);
        write_tensors(w, g, NULL, 0, (size_t)part, (size_t)parts);
    }
}

int main(int argc, char **argv) {
    wt_error err = {0};
    if (argc < 3) return 1;
    wt_gguf *g = wt_gguf_open(argv[1], &err);
    check(g ? 0 : -1, &err);
    if (argc == 5 && strcmp(argv[3], "split") == 0) {
        write_split(g, argv[2], atoi(argv[4]));
        wt_gguf_close(g);
        return 0;
    }
    change changes[16];
    int n = 0;
    for (int i = 3; i < argc && n < 16; n++) {
        const char *verb = argv[i];
        int words = strcmp(verb, "drop-all") == 0                              ? 0
                    : strcmp(verb, "remove") == 0 || strcmp(verb, "drop") == 0 ? 1
                    : strcmp(verb, "reshape") == 0                             ? 3
                                                                               : 2;
        if (i + words >= argc) return 1;
        changes[n] =
            (change){verb, words > 0 ? argv[i + 1] : "", words > 1 ? argv[i + 2] : "", words > 2 ? argv[i + 3] : ""};
        i += words + 1;
    }
    wt_gguf_writer *w = begin(g, argv[2], changes, n);
    write_tensors(w, g, changes, n, 0, 1);
    wt_gguf_close(g);
    return 0;
}
