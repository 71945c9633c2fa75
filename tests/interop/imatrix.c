/*
 * imatrix FOLDER SCRATCH MODEL...: our statistics against stock llama.cpp (under FOLDER/node_modules), on random models of every
 * architecture and on the MODELs.
 *
 * Values: stock llama.cpp runs the same tokens and shows the input of every product, as it does for llama-imatrix; its sums of
 * squares, fourth powers and maxima have to be ours. Every matrix that either side sees is compared, the tied head
 * included. Files: stock's own GGUF reader has to find our values where llama-quantize looks for them, and a file that
 * stock's own writer made of stock's sums has to read as them. Quantizing: stock takes our file for a type that needs one.
 *
 * Exit: 0 all agree, 1 something differs, 77 no stock llama.cpp.
 */
#include <dlfcn.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "bench/stock.h"
#include "engine/statistics.h"
#include "support/random_model.h"

/* Stock rounds a context up to a multiple of 256, which decides between short and long rope factors. */
enum { CONTEXT = 256, MOST_CHUNKS = 2, MOST_MATRICES = 512 };

/* How far values may be apart: fp32 sums in another order; F16 weights and gemma's GELU, where stock rounds to F16. */
#define TOLERANCE_F32 2e-5
#define TOLERANCE_F16 5e-3

/* ---- stock llama.cpp's C interface, as far as it is needed; the structs are those of the pinned build ---- */

typedef struct stock_tensor {
    int32_t type;
    void *buffer;
    int64_t ne[4];
    size_t nb[4];
    int32_t op, op_params[16], flags;
    struct stock_tensor *src[10], *view_src;
    size_t view_offset;
    void *data;
    char name[64];
    void *extra;
    char padding[8];
} stock_tensor;

typedef struct model_params {
    void *pointers[2];
    int32_t numbers[5];
    const float *split;
    void *callbacks[3];
    bool flags[6];
} model_params;

typedef struct context_params {
    uint32_t context, batch, physical_batch, sequences, snapshots, outputs, outputs_per_sequence;
    int32_t threads, batch_threads;
    int32_t context_type, rope_scaling, pooling, attention, flash_attention;
    float rope[6];
    uint32_t original_context;
    float defrag;
    bool (*on_node)(stock_tensor *, bool, void *);
    void *on_node_user;
    int32_t type_k, type_v;
    void *abort_callback, *abort_user;
    bool embeddings, offload_kqv, no_perf, offload_ops, full_window, unified;
    void *samplers;
    size_t sampler_count;
    void *other;
} context_params;

typedef struct stock_batch {
    int32_t count, *tokens;
    float *embeddings;
    int32_t *positions, *sequence_counts, **sequences;
    int8_t *outputs;
} stock_batch;

typedef struct gguf_params {
    bool no_data;
    void **context;
} gguf_params;

typedef struct memory_params {
    size_t bytes;
    void *memory;
    bool no_data;
} memory_params;

#define FUNCTIONS(X)                                                                                                   \
    X(void, llama_log_set, (void (*)(int, const char *, void *), void *))                                              \
    X(model_params, llama_model_default_params, (void))                                                                \
    X(context_params, llama_context_default_params, (void))                                                            \
    X(void *, llama_model_load_from_file, (const char *, model_params))                                                \
    X(void, llama_model_free, (void *))                                                                                \
    X(void *, llama_init_from_model, (void *, context_params))                                                         \
    X(void, llama_free, (void *))                                                                                      \
    X(void *, llama_get_memory, (const void *))                                                                        \
    X(void, llama_memory_clear, (void *, bool))                                                                        \
    X(stock_batch, llama_batch_init, (int32_t, int32_t, int32_t))                                                      \
    X(void, llama_batch_free, (stock_batch))                                                                           \
    X(int32_t, llama_decode, (void *, stock_batch))                                                                    \
    X(void, ggml_backend_load_all_from_path, (const char *))                                                           \
    X(const char *, ggml_op_name, (int))                                                                               \
    X(void *, ggml_init, (memory_params))                                                                              \
    X(void, ggml_free, (void *))                                                                                       \
    X(stock_tensor *, ggml_new_tensor_2d, (void *, int, int64_t, int64_t))                                             \
    X(stock_tensor *, ggml_get_tensor, (void *, const char *))                                                         \
    X(int64_t, ggml_nelements, (const stock_tensor *))                                                                 \
    X(void *, gguf_init_empty, (void))                                                                                 \
    X(void *, gguf_init_from_file, (const char *, gguf_params))                                                        \
    X(void, gguf_free, (void *))                                                                                       \
    X(int64_t, gguf_find_key, (const void *, const char *))                                                            \
    X(uint32_t, gguf_get_val_u32, (const void *, int64_t))                                                             \
    X(const char *, gguf_get_val_str, (const void *, int64_t))                                                         \
    X(size_t, gguf_get_arr_n, (const void *, int64_t))                                                                 \
    X(const char *, gguf_get_arr_str, (const void *, int64_t, size_t))                                                 \
    X(void, gguf_set_val_str, (void *, const char *, const char *))                                                    \
    X(void, gguf_set_val_u32, (void *, const char *, uint32_t))                                                        \
    X(void, gguf_set_arr_str, (void *, const char *, const char **, size_t))                                           \
    X(void, gguf_add_tensor, (void *, const stock_tensor *))                                                           \
    X(bool, gguf_write_to_file, (const void *, const char *, bool))

#define DECLARE(result, name, arguments) result(*name) arguments;
static struct {
    FUNCTIONS(DECLARE)
} lib;

static void quiet(int level, const char *text, void *user) { (void)level, (void)text, (void)user; }

/* Loads the libraries and the processor's backend; their symbols are global, so one handle finds all. */
static bool open_stock(const char *folder) {
    static const char *const FILES[] = {"libggml-base", "libggml.", "libllama."};
    char pattern[4096];
    void *handle = NULL;
    snprintf(pattern, sizeof pattern, "%s/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64", folder);
    char *bins = strdup(pattern);
    for (int i = 0; i < 3; i++) {
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s*so*", bins, FILES[i]);
        if (glob(pattern, 0, NULL, &found) == 0) handle = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_GLOBAL);
        globfree(&found);
    }
    bool ok = handle != NULL;
#define FIND(result, name, arguments)                                                                                  \
    *(void **)&lib.name = dlsym(RTLD_DEFAULT, #name);                                                                  \
    ok = ok && lib.name;
    FUNCTIONS(FIND)
    if (ok) {
        lib.llama_log_set(quiet, NULL);
        lib.ggml_backend_load_all_from_path(bins);
    }
    free(bins);
    return ok;
}

/* ---- what stock sees ---- */

typedef struct seen {
    char name[64];
    size_t columns, rows;
    double *square, *fourth, *max;
} seen;

static seen matrices[MOST_MATRICES];
static size_t matrix_count;
static int checks, failures;

static void forget(void) {
    for (size_t i = 0; i < matrix_count; i++) {
        free(matrices[i].square);
        free(matrices[i].fourth);
        free(matrices[i].max);
    }
    memset(matrices, 0, sizeof matrices);
    matrix_count = 0;
}

static seen *seen_of(const char *name, size_t columns) {
    for (size_t i = 0; i < matrix_count; i++) {
        if (strcmp(matrices[i].name, name) == 0) return &matrices[i];
    }
    if (matrix_count == MOST_MATRICES) abort();
    seen *s = &matrices[matrix_count++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->columns = columns;
    s->square = calloc(columns, sizeof(double));
    s->fourth = calloc(columns, sizeof(double));
    s->max = calloc(columns, sizeof(double));
    if (!s->square || !s->fourth || !s->max) abort();
    return s;
}

/* Products of the model's matrices are looked at; those inside attention are not. */
static bool on_node(stock_tensor *t, bool ask, void *user) {
    (void)user;
    if (strcmp(lib.ggml_op_name(t->op), "MUL_MAT") != 0) return !ask;
    const stock_tensor *w = t->src[0], *x = t->src[1];
    bool wanted = strncmp(w->name, "blk.", 4) == 0 || strcmp(w->name, "output.weight") == 0 ||
                  strcmp(w->name, "token_embd.weight") == 0;
    if (ask) return wanted;
    if (!wanted) return true;
    if (x->type != 0 || x->ne[2] != 1 || x->ne[3] != 1 || x->nb[0] != sizeof(float)) abort();
    seen *s = seen_of(w->name, (size_t)x->ne[0]);
    for (int64_t r = 0; r < x->ne[1]; r++) {
        const float *row = (const float *)((const char *)x->data + (size_t)r * x->nb[1]);
        for (size_t i = 0; i < s->columns; i++) {
            double v = (double)row[i];
            s->square[i] += v * v;
            s->fourth[i] += v * v * v * v;
            if (fabs(v) > s->max[i]) s->max[i] = fabs(v);
        }
    }
    s->rows += (size_t)x->ne[1];
    return true;
}

static bool run_stock(const char *path, const wt_chunks *chunks) {
    void *model = lib.llama_model_load_from_file(path, lib.llama_model_default_params());
    if (!model) return false;
    context_params p = lib.llama_context_default_params();
    p.context = p.batch = p.physical_batch = (uint32_t)chunks->context;
    p.sequences = 1;
    p.threads = p.batch_threads = 2;
    p.flash_attention = 0;
    p.type_k = p.type_v = 0; /* F32: the cache rounds nothing */
    p.on_node = on_node;
    void *context = lib.llama_init_from_model(model, p);
    bool ok = context != NULL;
    stock_batch batch = lib.llama_batch_init((int32_t)chunks->context, 0, 1);
    for (size_t c = 0; ok && c < chunks->count; c++) {
        lib.llama_memory_clear(lib.llama_get_memory(context), true);
        batch.count = (int32_t)chunks->context;
        for (size_t i = 0; i < chunks->context; i++) {
            batch.tokens[i] = chunks->tokens[c * chunks->context + i];
            batch.positions[i] = (int32_t)i;
            batch.sequence_counts[i] = 1;
            batch.sequences[i][0] = 0;
            batch.outputs[i] = 1; /* all rows reach the last layer's end */
        }
        ok = lib.llama_decode(context, batch) == 0;
    }
    lib.llama_batch_free(batch);
    if (context) lib.llama_free(context);
    lib.llama_model_free(model);
    return ok;
}

/* ---- comparing ---- */

static void expect(bool holds, const char *model, const char *what) {
    checks++;
    if (holds) return;
    failures++;
    printf("%s: %s\n", model, what);
}

/* How far apart two values of a column are, as a share of the value or of the columns' typical one, whichever is larger. */
static double distance(double ours, double theirs, double typical) {
    return fabs(ours - theirs) / fmax(theirs, typical);
}

static void compare_values(const char *model, const wt_statistics *ours, double tolerance, double *worst) {
    char text[256];
    snprintf(text, sizeof text, "%zu matrices, stock sees %zu", wt_statistics_count(ours), matrix_count);
    expect(wt_statistics_count(ours) == matrix_count, model, text);
    for (size_t k = 0; k < matrix_count; k++) {
        const seen *s = &matrices[k];
        const wt_column_stats *e = wt_statistics_find(ours, s->name);
        snprintf(text, sizeof text, "'%.63s' is missing, or has other columns or rows", s->name);
        bool shaped = e && e->columns == s->columns && e->count == (double)s->rows;
        expect(shaped, model, text);
        if (!shaped) continue;
        double square = 0, fourth = 0, max = 0, off[3] = {0};
        for (size_t i = 0; i < s->columns; i++) {
            square += s->square[i] / (double)s->rows / (double)s->columns;
            fourth += s->fourth[i] / (double)s->rows / (double)s->columns;
            max = fmax(max, s->max[i]);
        }
        for (size_t i = 0; i < s->columns; i++) {
            off[0] = fmax(off[0], distance((double)e->mean_square[i], s->square[i] / (double)s->rows, square));
            off[1] = fmax(off[1], distance((double)e->mean_fourth[i], s->fourth[i] / (double)s->rows, fourth));
            off[2] = fmax(off[2], distance((double)e->max[i], s->max[i], max));
        }
        for (int i = 0; i < 3; i++) {
            snprintf(text, sizeof text, "'%.63s': %s is off by %.2e", s->name,
                     i == 0   ? "a mean square"
                     : i == 1 ? "a fourth moment"
                              : "a maximum",
                     off[i]);
            expect(off[i] <= tolerance, model, text);
            worst[i] = fmax(worst[i], off[i]);
        }
    }
}

/* Our file through stock's reader, looked at as llama-quantize does: by endings, sums over counts. */
static void compare_our_file(const char *model, const wt_statistics *ours, const char *path) {
    void *tensors = NULL;
    void *gguf = lib.gguf_init_from_file(path, (gguf_params){false, &tensors});
    expect(gguf != NULL, model, "stock cannot read our file");
    if (!gguf) return;
    int64_t type = lib.gguf_find_key(gguf, "general.type"), texts = lib.gguf_find_key(gguf, "imatrix.datasets"),
            count = lib.gguf_find_key(gguf, "imatrix.chunk_count"), size = lib.gguf_find_key(gguf, "imatrix.chunk_size");
    expect(type >= 0 && texts >= 0 && count >= 0 && size >= 0, model, "a key is missing that llama-quantize wants");
    if (type >= 0 && texts >= 0 && count >= 0 && size >= 0) {
        expect(strcmp(lib.gguf_get_val_str(gguf, type), "imatrix") == 0, model, "general.type");
        expect(lib.gguf_get_arr_n(gguf, texts) == 1 &&
                   strcmp(lib.gguf_get_arr_str(gguf, texts, 0), wt_statistics_dataset(ours)) == 0,
               model, "imatrix.datasets");
        expect(lib.gguf_get_val_u32(gguf, count) == wt_statistics_chunks(ours), model, "imatrix.chunk_count");
        expect(lib.gguf_get_val_u32(gguf, size) == wt_statistics_chunk_size(ours), model, "imatrix.chunk_size");
    }
    for (size_t k = 0; k < wt_statistics_count(ours); k++) {
        const wt_column_stats *e = wt_statistics_at(ours, k);
        char name[128], text[256];
        snprintf(name, sizeof name, "%s.in_sum2", e->tensor);
        const stock_tensor *sums = lib.ggml_get_tensor(tensors, name);
        snprintf(name, sizeof name, "%s.counts", e->tensor);
        const stock_tensor *counts = lib.ggml_get_tensor(tensors, name);
        bool same = sums && counts && sums->type == 0 && counts->type == 0 && lib.ggml_nelements(counts) == 1 &&
                    lib.ggml_nelements(sums) == (int64_t)e->columns;
        for (size_t i = 0; same && i < e->columns; i++) {
            float n = (float)lroundf(((const float *)counts->data)[0]);
            same = ((const float *)sums->data)[i] / n == e->mean_square[i];
        }
        snprintf(text, sizeof text, "'%s' is not in our file as stock reads it", e->tensor);
        expect(same, model, text);
    }
    lib.gguf_free(gguf);
    lib.ggml_free(tensors);
}

/* Stock's sums in a file of stock's writer, read by us. */
static void compare_their_file(const char *model, const char *path) {
    void *tensors = lib.ggml_init((memory_params){(size_t)64 << 20, NULL, false}), *gguf = lib.gguf_init_empty();
    const char *texts[] = {"theirs"};
    lib.gguf_set_val_str(gguf, "general.type", "imatrix");
    lib.gguf_set_arr_str(gguf, "imatrix.datasets", texts, 1);
    lib.gguf_set_val_u32(gguf, "imatrix.chunk_count", 3);
    lib.gguf_set_val_u32(gguf, "imatrix.chunk_size", CONTEXT);
    for (size_t k = 0; k < matrix_count; k++) {
        stock_tensor *sums = lib.ggml_new_tensor_2d(tensors, 0, (int64_t)matrices[k].columns, 1);
        stock_tensor *counts = lib.ggml_new_tensor_2d(tensors, 0, 1, 1);
        snprintf(sums->name, sizeof sums->name, "%.50s.in_sum2", matrices[k].name);
        snprintf(counts->name, sizeof counts->name, "%.50s.counts", matrices[k].name);
        for (size_t i = 0; i < matrices[k].columns; i++) ((float *)sums->data)[i] = (float)matrices[k].square[i];
        ((float *)counts->data)[0] = (float)matrices[k].rows;
        lib.gguf_add_tensor(gguf, sums);
        lib.gguf_add_tensor(gguf, counts);
    }
    wt_error err = {0};
    wt_statistics *s = lib.gguf_write_to_file(gguf, path, false) ? wt_statistics_read(path, &err) : NULL;
    expect(s != NULL, model, "stock's file cannot be read");
    if (s) {
        expect(wt_statistics_count(s) == matrix_count && wt_statistics_chunks(s) == 3 &&
                   strcmp(wt_statistics_dataset(s), "theirs") == 0,
               model, "stock's file reads differently");
        for (size_t k = 0; k < matrix_count; k++) {
            const wt_column_stats *e = wt_statistics_find(s, matrices[k].name);
            bool same = e && e->columns == matrices[k].columns && !e->max && !e->mean_fourth;
            for (size_t i = 0; same && i < e->columns; i++)
                same = e->mean_square[i] == (float)matrices[k].square[i] / (float)matrices[k].rows;
            expect(same, model, matrices[k].name);
        }
    }
    wt_statistics_free(s);
    lib.gguf_free(gguf);
    lib.ggml_free(tensors);
}

/* ---- a model ---- */

static wt_chunks random_chunks(const wt_model *model) {
    wt_rng rng;
    wt_error err = {0};
    wt_chunks chunks = {0};
    wt_rng_init(&rng, 3, 0, 0);
    int32_t *tokens = wt_calloc(CONTEXT * MOST_CHUNKS, sizeof *tokens, &err);
    if (!tokens) abort();
    for (size_t i = 0; i < CONTEXT * MOST_CHUNKS; i++)
        tokens[i] = (int32_t)wt_rng_below(&rng, wt_model_hparams(model)->vocab);
    if (wt_chunks_from_tokens(&chunks, tokens, CONTEXT, MOST_CHUNKS, &err) != 0) abort();
    return chunks;
}

static void judge_model(const char *name, const char *path, const char *scratch, double tolerance) {
    char file[4096];
    wt_error err = {0};
    double worst[3] = {0};
    wt_model *model = wt_model_open(path, &err);
    wt_statistics *ours = NULL;
    wt_chunks chunks = {0};
    const int before = failures;
    if (model) {
        chunks = random_chunks(model);
        const wt_statistics_options options = {.dataset = "random tokens"};
        ours = wt_statistics_measure(model, &chunks, &options, NULL, &err);
    }
    expect(ours != NULL, name, err.message);
    if (!ours) goto done;
    expect(run_stock(path, &chunks), name, "stock does not run it");
    compare_values(name, ours, tolerance, worst);
    snprintf(file, sizeof file, "%s/ours.gguf", scratch);
    expect(wt_statistics_write(ours, file, &err) == 0, name, err.message);
    compare_our_file(name, ours, file);
    snprintf(file, sizeof file, "%s/theirs.gguf", scratch);
    compare_their_file(name, file);
    printf("%-24s %3zu matrices; off by %.1e (squares), %.1e (fourth powers), %.1e (maxima)%s\n", name, matrix_count,
           worst[0], worst[1], worst[2], failures > before ? "  FAILED" : "");
done:
    forget();
    wt_statistics_free(ours);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static void quantize_with_ours(const char *folder, const char *scratch, const char *model) {
    char stats[4096], out[4096], message[600];
    wt_error err = {0};
    snprintf(stats, sizeof stats, "%s/ours.gguf", scratch);
    snprintf(out, sizeof out, "%s/quantized.gguf", scratch);
    stock *library = stock_open(folder, &err);
    stock_request request = {.file_type = 19 /* IQ2_XXS */, .output_type = -1, .embedding_type = -1, .threads = 2};
    snprintf(message, sizeof message, "stock quantizes to IQ2_XXS without importance");
    expect(library && stock_quantize(library, model, out, &request, &err) != 0, model, message);
    request.imatrix = stats;
    int rc = library ? stock_quantize(library, model, out, &request, &err) : -1;
    snprintf(message, sizeof message, "stock does not quantize with our file: %.500s", err.message);
    expect(rc == 0, model, message);
    unlink(out);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    if (!open_stock(argv[1])) {
        printf("SKIPPED: no stock llama.cpp under '%s'; run tools/install-dependencies test\n", argv[1]);
        return 77;
    }
    char path[4096];
    const random_model *m;
    for (size_t i = 0; (m = random_model_judged(i)); i++) {
        wt_error err = {0};
        snprintf(path, sizeof path, "%s/model.gguf", argv[2]);
        if (random_model_write(m, 5, path, &err) != 0) {
            printf("%s\n", err.message);
            return 1;
        }
        judge_model(m->name, path, argv[2], m->f16 || strcmp(m->arch, "gemma3") == 0 ? TOLERANCE_F16 : TOLERANCE_F32);
    }
    for (int i = 3; i < argc; i++) {
        if (access(argv[i], R_OK) != 0) continue;
        judge_model(argv[i], argv[i], argv[2], TOLERANCE_F16);
        if (i == 3) quantize_with_ours(argv[1], argv[2], argv[i]);
    }
    printf("%d checks, %d failed\n", checks, failures);
    return failures ? 1 : 0;
}
