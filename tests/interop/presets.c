/*
 * presets FOLDER SCRATCH [--golden | MODEL...]: for every preset, with and without importance, the type of every tensor of many shapes
 * of models, ours against what stock llama.cpp (under FOLDER/node_modules) writes. What it refuses, we must refuse.
 * --golden prints stock's answers instead: tests/data/presets.golden. With MODELs, these are asked about as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/presets.h"
#include "base/memory.h"
#include "bench/stock.h"
#include "support/preset_shapes.h"

enum { MOST_TENSORS = 2048, TEXT = 1 << 16 };

static int checks, failures;

/* What may be asked beside a preset. */
typedef struct variation {
    const char *name;
    bool pure;
    int output_type, embedding_type;
    wt_type_rule rule;
} variation;

static const variation AS_IS = {.name = "", .output_type = -1, .embedding_type = -1};
static const variation VARIATIONS[] = {
    {"pure", true, -1, -1, {0}},
    {"output", false, WT_Q8_0, -1, {0}},
    {"pure output", true, WT_F16, -1, {0}},
    {"embedding", false, -1, WT_Q4_0, {0}},
    {"both", false, WT_Q5_0, WT_Q8_0, {0}},
    {"rule", false, -1, -1, {"ffn_down|blk\\.[02]\\.attn_v", WT_Q6_K}},
    {"rule for all", false, -1, WT_Q8_0, {".", WT_IQ4_XS}},
    {"rule and pure", true, -1, -1, {"attn_(k|v)\\.", WT_Q2_K}},
};

typedef struct bench {
    const stock *library;
    char model[4096], importance[4096], out[4096];
} bench;

static void die(const wt_error *err) {
    fprintf(stderr, "presets: %s\n", err->message);
    exit(1);
}

/* An importance of 1 for everything in the model. */
static void write_importance(const wt_gguf *gguf, const char *path) {
    wt_error err = {0};
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    wt_str dataset = {"ones", 4};
    if (!w || wt_gguf_writer_set_str(w, "general.type", "imatrix", &err) ||
        wt_gguf_writer_set_strs(w, "imatrix.datasets", &dataset, 1, &err) ||
        wt_gguf_writer_set_u32(w, "imatrix.chunk_count", 3, &err) ||
        wt_gguf_writer_set_u32(w, "imatrix.chunk_size", 8, &err))
        die(&err);
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        const uint64_t sums[] = {t->dims[0], t->dims[2]}, counts[] = {1, t->dims[2]};
        char name[256];
        snprintf(name, sizeof name, "%s.in_sum2", t->name);
        if (wt_gguf_writer_add_tensor(w, name, WT_F32, sums, 2, &err)) die(&err);
        snprintf(name, sizeof name, "%s.counts", t->name);
        if (wt_gguf_writer_add_tensor(w, name, WT_F32, counts, 2, &err)) die(&err);
    }
    for (size_t i = 0; i < wt_gguf_tensor_count(gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(gguf, i);
        const size_t n = t->dims[0] * t->dims[2];
        float *ones = malloc(n * sizeof *ones);
        for (size_t k = 0; k < n; k++) ones[k] = 1;
        if (wt_gguf_writer_data(w, ones, n * 4, &err) || wt_gguf_writer_data(w, ones, t->dims[2] * 4, &err)) die(&err);
        free(ones);
    }
    if (wt_gguf_writer_finish(w, &err)) die(&err);
}

/* Stock's types in the order of the model's tensors; false where it refuses. */
static bool ask_stock(const bench *b, const wt_gguf *model, const wt_preset *preset, const variation *v,
                      bool importance, wt_type *types, wt_error *err) {
    char rule[256];
    const char *rules[] = {rule};
    if (v->rule.pattern) snprintf(rule, sizeof rule, "%s=%d", v->rule.pattern, v->rule.type);
    const stock_request request = {.file_type = preset->file_type,
                                   .output_type = v->output_type,
                                   .embedding_type = v->embedding_type,
                                   .pure = v->pure,
                                   .threads = 1,
                                   .imatrix = importance ? b->importance : NULL,
                                   .rules = rules,
                                   .rule_count = v->rule.pattern ? 1 : 0};
    if (stock_quantize(b->library, b->model, b->out, &request, err) != 0) return false;
    wt_gguf *made = wt_gguf_open(b->out, err);
    if (!made) die(err);
    for (size_t i = 0; i < wt_gguf_tensor_count(model); i++) {
        const wt_tensor *t = wt_gguf_find_tensor(made, wt_gguf_tensor(model, i)->name);
        if (!t) exit(1);
        types[i] = t->type;
    }
    wt_gguf_close(made);
    return true;
}

/* Ours. */
static bool ask_us(const wt_gguf *model, const wt_preset *preset, const variation *v, bool importance, wt_type *types,
                   wt_error *err) {
    static wt_assignment assignments[MOST_TENSORS];
    const wt_preset_request request = {.preset = preset,
                                       .pure = v->pure,
                                       .output_type = v->output_type,
                                       .embedding_type = v->embedding_type,
                                       .rules = &v->rule,
                                       .rule_count = v->rule.pattern ? 1 : 0,
                                       .has_importance = importance,
                                       .allow_requantize = true};
    size_t fallbacks;
    if (wt_preset_assign(model, &request, assignments, &fallbacks, err) != 0) return false;
    for (size_t i = 0; i < wt_gguf_tensor_count(model); i++) {
        types[i] = assignments[i].type;
        if (assignments[i].needs_importance && !importance) {
            wt_fail(err, WT_ERR_ARGUMENT, "'%s' needs importance", wt_gguf_tensor(model, i)->name);
            return false;
        }
    }
    return true;
}

static void compare(const bench *b, const char *shape, const wt_gguf *model, const wt_preset *preset,
                    const variation *v, bool importance) {
    static wt_type theirs[MOST_TENSORS], ours[MOST_TENSORS];
    static char text[TEXT];
    wt_error stock_err = {0}, err = {0};
    const size_t n = wt_gguf_tensor_count(model);
    const bool made = ask_stock(b, model, preset, v, importance, theirs, &stock_err);
    const bool assigned = ask_us(model, preset, v, importance, ours, &err);
    checks++;
    size_t at = 0;
    while (made && assigned && at < n && ours[at] == theirs[at]) at++;
    if (made == assigned && (!made || at == n)) return;
    failures++;
    printf("FAILED %s %s %s%s: ", shape, preset->name, v->name, importance ? " with importance" : "");
    if (made != assigned)
        printf("stock says '%s', we say '%s'\n", stock_err.message, err.message);
    else
        printf("'%s' is %s in stock's file, %s in ours\n  %s\n", wt_gguf_tensor(model, at)->name,
               wt_type_find(theirs[at])->name, wt_type_find(ours[at])->name, preset_types_text(theirs, n, text, TEXT));
}

/* "SHAPE PRESET with TYPES" and the same "without" importance, or "either" where that makes no difference. */
static void print_golden(const bench *b, const char *shape, const wt_gguf *model, const wt_preset *preset) {
    static wt_type types[MOST_TENSORS];
    static char text[2][TEXT];
    wt_error err = {0};
    for (int importance = 0; importance < 2; importance++) {
        const bool made = ask_stock(b, model, preset, &AS_IS, importance, types, &err);
        snprintf(text[importance], TEXT, "refused");
        if (made) preset_types_text(types, wt_gguf_tensor_count(model), text[importance], TEXT);
    }
    if (strcmp(text[0], text[1]) == 0)
        printf("%s %s either %s\n", shape, preset->name, text[0]);
    else
        printf("%s %s without %s\n%s %s with %s\n", shape, preset->name, text[0], shape, preset->name, text[1]);
}

static void visit(const bench *b, const char *name, const wt_gguf *model, bool golden, bool vary) {
    size_t count;
    const wt_preset *presets = wt_presets(&count);
    const int before = checks;
    write_importance(model, b->importance);
    for (size_t i = 0; i < count; i++) {
        const wt_preset *preset = &presets[i];
        if (golden) {
            print_golden(b, name, model, preset);
            continue;
        }
        compare(b, name, model, preset, &AS_IS, false);
        compare(b, name, model, preset, &AS_IS, true);
        for (size_t k = 0; vary && k < sizeof VARIATIONS / sizeof *VARIATIONS; k++) {
            /* llama.cpp drops rules without a word where the preset is F16, BF16 or F32; we do as we are told. */
            if (!VARIATIONS[k].rule.pattern || wt_type_find(preset->type)->block > 1)
                compare(b, name, model, preset, &VARIATIONS[k], true);
        }
    }
    if (!golden) printf("%-14s %4d files, %zu tensors each\n", name, checks - before, wt_gguf_tensor_count(model));
}

/* A model as it is, weights and all. */
static void visit_file(bench *b, const char *path) {
    wt_error err = {0};
    wt_gguf *model = wt_gguf_open(path, &err);
    if (!model) die(&err);
    if (wt_gguf_tensor_count(model) > MOST_TENSORS) exit(1);
    snprintf(b->model, sizeof b->model, "%s", path);
    const char *slash = strrchr(path, '/');
    visit(b, slash ? slash + 1 : path, model, false, false);
    wt_gguf_close(model);
}

int main(int argc, char **argv) {
    wt_error err = {0};
    bench b = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: presets FOLDER SCRATCH [--golden | MODEL...]\n");
        return 2;
    }
    const bool golden = argc > 3 && strcmp(argv[3], "--golden") == 0;
    if (!(b.library = stock_open(argv[1], &err))) {
        printf("SKIPPED: %s; run tools/install-dependencies test\n", err.message);
        return 77;
    }
    snprintf(b.model, sizeof b.model, "%s/shape.gguf", argv[2]);
    snprintf(b.importance, sizeof b.importance, "%s/importance.gguf", argv[2]);
    snprintf(b.out, sizeof b.out, "%s/stock.gguf", argv[2]);
    for (size_t i = 0; preset_shape_at(i); i++) {
        const preset_shape *shape = preset_shape_at(i);
        image m = preset_shape_image(shape);
        FILE *f = fopen(b.model, "wb");
        if (!f || fwrite(m.data, 1, m.size, f) != m.size || fclose(f) != 0) return 1;
        wt_gguf *model = wt_gguf_from_memory(m.data, m.size, shape->name, &err);
        if (!model) die(&err);
        /* Types of a person's choice that do not fit are an error of ours and an assertion of stock's. */
        visit(&b, shape->name, model, golden, shape->width % 256 == 0 && shape->ffn % 32 == 0);
        wt_gguf_close(model);
        image_free(&m);
    }
    if (golden) return 0;
    for (int i = 3; i < argc; i++) visit_file(&b, argv[i]);
    printf("%d files, %d differ\n", checks, failures);
    return failures || !checks;
}
