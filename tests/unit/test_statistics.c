/*
 * Statistics of activations: measured ones against plain sums over inputs that the test computes or records itself; files of
 * both formats, right ones and wrong ones; Gram matrices against a plain double loop.
 */
#include "support/guarded.h"
#include "support/image.h"
#include "support/random_model.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "engine/gram.h"
#include "engine/statistics.h"

#define CONTEXT ((size_t)48)
#define CHUNKS ((size_t)5)

static char folder[] = "/tmp/wt-statistics-XXXXXX";

static const char *path_of(const char *name) {
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static wt_model *make_model(const char *variant) {
    wt_error err = {0};
    const char *path = path_of(variant);
    if (random_model_write(random_model_find(variant), 7, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s: %s", variant, err.message);
    return model;
}

static wt_chunks make_chunks(const wt_model *model) {
    wt_error err = {0};
    wt_rng rng;
    wt_rng_init(&rng, 11, 0, 0);
    int32_t *tokens = wt_calloc(CHUNKS * CONTEXT, sizeof *tokens, &err);
    for (size_t i = 0; i < CHUNKS * CONTEXT; i++)
        tokens[i] = (int32_t)wt_rng_below(&rng, wt_model_hparams(model)->vocab);
    wt_chunks chunks;
    assert_int_equal(wt_chunks_from_tokens(&chunks, tokens, CONTEXT, CHUNKS, &err), 0);
    return chunks;
}

static wt_statistics *measure(const wt_model *model, const wt_chunks *chunks, const char *gram, size_t batch) {
    wt_error err = {0};
    wt_statistics_options options = {.dataset = "tokens", .gram = gram, .batch_tokens = batch};
    wt_statistics *s = wt_statistics_measure(model, chunks, &options, NULL, &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

/* ---- measuring ---- */

/* Plain sums over rows that are known: what the statistics of an input should be. */
typedef struct plain {
    double *square, *fourth, *max;
    size_t columns, rows;
} plain;

static void plain_add(plain *p, const float *x, size_t rows, size_t columns) {
    if (!p->columns) {
        p->columns = columns;
        p->square = calloc(columns, sizeof(double));
        p->fourth = calloc(columns, sizeof(double));
        p->max = calloc(columns, sizeof(double));
    }
    assert_int_equal(p->columns, columns);
    for (size_t i = 0; i < rows * columns; i++) {
        double v = (double)x[i];
        p->square[i % columns] += v * v;
        p->fourth[i % columns] += v * v * v * v;
        if (fabs(v) > p->max[i % columns]) p->max[i % columns] = fabs(v);
    }
    p->rows += rows;
}

static void expect_plain(const plain *p, const wt_column_stats *s, double tolerance) {
    assert_non_null(s);
    assert_int_equal(s->columns, p->columns);
    assert_int_equal((size_t)s->count, p->rows);
    for (size_t i = 0; i < p->columns; i++) {
        double square = p->square[i] / (double)p->rows, fourth = p->fourth[i] / (double)p->rows;
        if (fabs((double)s->mean_square[i] - square) > tolerance * square ||
            fabs((double)s->mean_fourth[i] - fourth) > 2 * tolerance * fourth ||
            fabs((double)s->max[i] - p->max[i]) > tolerance * p->max[i])
            fail_msg("%s column %zu: %g %g %g, should be %g %g %g", s->tensor, i, (double)s->mean_square[i],
                     (double)s->mean_fourth[i], (double)s->max[i], square, fourth, p->max[i]);
    }
}

static void plain_free(plain *p) {
    free(p->square);
    free(p->fourth);
    free(p->max);
    *p = (plain){0};
}

/* Everything that the engine shows, kept by role and layer. */
typedef struct record {
    plain layers[8][WT_LAYER_ROLES];
} record;

static void keep_input(void *user, wt_role role, int layer, const float *x, size_t rows, size_t cols) {
    record *r = user;
    if (layer >= 0) plain_add(&r->layers[layer][role], x, rows, cols);
}

/* RMS norm in double, from the definition: what enters q, k, v, and the head. */
static void norm(const float *x, const wt_tensor *gain, double eps, size_t rows, size_t n, float *y) {
    const float *g = gain->data;
    assert_int_equal(gain->type, WT_F32);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[r * n + i] * (double)x[r * n + i];
        for (size_t i = 0; i < n; i++)
            y[r * n + i] = (float)((double)x[r * n + i] / sqrt(sum / (double)n + eps) * (double)g[i]);
    }
}

static void check_model(const char *variant) {
    wt_error err = {0};
    wt_model *model = make_model(variant);
    const wt_hparams *hp = wt_model_hparams(model);
    wt_chunks chunks = make_chunks(model);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    record *r = calloc(1, sizeof *r);
    wt_tap tap = {keep_input, r};
    wt_engine_options options = {.tap = &tap, .context = CONTEXT};
    wt_engine *engine = wt_engine_open(model, &options, &err);
    float *hidden = calloc(CONTEXT * hp->width, sizeof *hidden), *normed = calloc(CONTEXT * hp->width, sizeof *normed);
    plain head = {0}, first[8] = {{0}};
    for (size_t c = 0; c < CHUNKS; c++) { /* chunk by chunk, block by block */
        for (uint32_t layer = 0; layer < hp->n_layers; layer++) {
            wt_batch batch = {chunks.tokens + c * CONTEXT, &(size_t){CONTEXT}, 1, layer, layer + 1, NULL};
            if (layer > 0) {
                norm(hidden, wt_model_weight(model, WT_ROLE_ATTN_NORM, layer).tensor, hp->norm_eps, CONTEXT, hp->width,
                     normed);
                plain_add(&first[layer], normed, CONTEXT, hp->width);
            }
            assert_int_equal(wt_engine_run(engine, &batch, hidden, &err), 0);
        }
        norm(hidden, wt_model_weight(model, WT_ROLE_OUTPUT_NORM, 0).tensor, hp->norm_eps, CONTEXT, hp->width, normed);
        plain_add(&head, normed, CONTEXT, hp->width);
    }
    /* Every matrix is there, with what the engine fed it. */
    size_t matrices = 1;
    for (uint32_t layer = 0; layer < hp->n_layers; layer++) {
        for (int role = 0; role < WT_LAYER_ROLES; role++) {
            const wt_tensor *t = wt_model_weight(model, (wt_role)role, layer).tensor;
            if (!t || t->n_dims < 2) continue;
            const wt_column_stats *found = wt_statistics_find(s, t->name);
            expect_plain(&r->layers[layer][role], found, 1e-6);
            bool reads_norm = role == WT_ROLE_ATTN_Q || role == WT_ROLE_ATTN_K || role == WT_ROLE_ATTN_V ||
                              role == WT_ROLE_ATTN_QKV;
            if (layer > 0 && reads_norm) expect_plain(&first[layer], found, 2e-5);
            matrices++;
        }
    }
    assert_int_equal(wt_statistics_count(s), matrices);
    const char *name = hp->tied_head ? "token_embd.weight" : "output.weight";
    expect_plain(&head, wt_statistics_find(s, name), 2e-5);
    assert_null(wt_statistics_find(s, hp->tied_head ? "output.weight" : "token_embd.weight"));
    assert_int_equal(wt_statistics_check(s, wt_model_gguf(model), &err), 0);
    assert_int_equal(wt_statistics_chunks(s), CHUNKS);
    assert_int_equal(wt_statistics_chunk_size(s), CONTEXT);
    assert_string_equal(wt_statistics_dataset(s), "tokens");
    assert_string_equal(wt_statistics_path(s), "");
    for (int layer = 0; layer < 8; layer++) {
        for (int role = 0; role < WT_LAYER_ROLES; role++) plain_free(&r->layers[layer][role]);
        plain_free(&first[layer]);
    }
    plain_free(&head);
    free(r);
    free(hidden);
    free(normed);
    wt_engine_close(engine);
    wt_statistics_free(s);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static void test_measured_values(void **state) {
    (void)state;
    static const char *const VARIANTS[] = {"llama",       "llama-tied-gqa",  "llama-wide-heads", "llama-biases",
                                           "qwen2",       "qwen3",           "gemma3-variant",   "gemma3",
                                           "phi3",        "llama-fused-qkv", "phi3-partial"};
    for (size_t i = 0; i < sizeof VARIANTS / sizeof *VARIANTS; i++) check_model(VARIANTS[i]);
}

static bool same_bits(const float *a, const float *b, size_t n) {
    if (!a || !b) return a == b;
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* Everything that can be asked is the same to the bit. */
static void expect_same(const wt_statistics *a, const wt_statistics *b) {
    assert_int_equal(wt_statistics_count(a), wt_statistics_count(b));
    assert_int_equal(wt_statistics_chunks(a), wt_statistics_chunks(b));
    assert_int_equal(wt_statistics_chunk_size(a), wt_statistics_chunk_size(b));
    assert_string_equal(wt_statistics_dataset(a), wt_statistics_dataset(b));
    for (size_t i = 0; i < wt_statistics_count(a); i++) {
        const wt_column_stats *x = wt_statistics_at(a, i), *y = wt_statistics_at(b, i);
        assert_string_equal(x->tensor, y->tensor);
        assert_int_equal(x->columns, y->columns);
        assert_int_equal(x->matrices, y->matrices);
        assert_true(x->count == y->count);
        if (!same_bits(x->mean_square, y->mean_square, x->columns) || !same_bits(x->max, y->max, x->columns) ||
            !same_bits(x->mean_fourth, y->mean_fourth, x->columns))
            fail_msg("%s differs", x->tensor);
    }
    assert_null(wt_statistics_at(a, wt_statistics_count(a)));
}

static void test_same_whatever_the_work_is_cut_into(void **state) {
    (void)state;
    wt_model *model = make_model("llama-tied-gqa");
    wt_chunks chunks = make_chunks(model);
    wt_threads_set(1);
    wt_statistics *one = measure(model, &chunks, NULL, 0);
    wt_threads_set(3);
    wt_statistics *three = measure(model, &chunks, NULL, 2 * CONTEXT);
    wt_statistics *layers = measure(model, &chunks, path_of("same.gram"), CONTEXT);
    wt_threads_set(0);
    expect_same(one, three);
    expect_same(one, layers);
    wt_statistics_free(one);
    wt_statistics_free(three);
    wt_statistics_free(layers);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static void test_no_number(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), "blk.1.ffn_up.weight");
    float *w = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *w, &err);
    memcpy(w, t->data, t->bytes);
    w[5] = NAN;
    assert_int_equal(wt_model_override(model, t->name, WT_F32, w, &err), 0);
    wt_statistics_options options = {.gram = path_of("never.gguf")};
    for (int gram = 0; gram < 2; gram++) {
        assert_null(wt_statistics_measure(model, &chunks, gram ? &options : NULL, NULL, &err));
        assert_non_null(strstr(err.message, "blk.1.ffn_down.weight"));
        assert_non_null(strstr(err.message, "not finite"));
    }
    assert_int_not_equal(access(options.gram, F_OK), 0);
    free(w);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

/* Fourth powers beyond F32 stop at its largest number; squares are still right. */
static void test_huge_inputs(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), "blk.0.ffn_up.weight");
    float *w = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *w, &err);
    const float *from = t->data;
    for (size_t i = 0; i < t->dims[0] * t->rows; i++) w[i] = from[i] * 1e12f;
    assert_int_equal(wt_model_override(model, t->name, WT_F32, w, &err), 0);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    const wt_column_stats *down = wt_statistics_find(s, "blk.0.ffn_down.weight");
    size_t stopped = 0;
    for (size_t i = 0; i < down->columns; i++) {
        assert_true(isfinite(down->mean_square[i]) && isfinite(down->mean_fourth[i]));
        assert_true((double)down->max[i] * (double)down->max[i] >= 0.999999 * (double)down->mean_square[i]);
        stopped += down->mean_fourth[i] > 1e36f;
    }
    assert_int_not_equal(stopped, 0);
    assert_int_equal(wt_statistics_write(s, path_of("huge.gguf"), &err), 0);
    wt_statistics *again = wt_statistics_read(path_of("huge.gguf"), &err);
    assert_non_null(again);
    expect_same(s, again);
    wt_statistics_free(again);
    wt_statistics_free(s);
    free(w);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

static int stop_after(void *user, const char *stage, double done, double total, const char *unit) {
    (void)stage;
    (void)unit;
    assert_true(done >= 0 && done <= total);
    return --*(int *)user < 0;
}

static void test_stopped(void **state) {
    (void)state;
    wt_model *model = make_model("llama");
    wt_chunks chunks = make_chunks(model);
    int reports = 0;
    for (int gram = 0; gram < 2; gram++) {
        wt_statistics_options options = {.gram = gram ? path_of("stopped.gguf") : NULL, .batch_tokens = CONTEXT};
        for (int after = 0;; after++) {
            wt_error err = {0};
            int left = after;
            wt_progress progress = {stop_after, &left};
            wt_statistics *s = wt_statistics_measure(model, &chunks, &options, &progress, &err);
            reports += after;
            if (s) {
                wt_statistics_free(s);
                assert_true(after > (int)CHUNKS);
                break;
            }
            assert_int_equal(err.code, WT_ERR_INTERRUPTED);
            if (gram) assert_int_not_equal(access(options.gram, F_OK), 0);
        }
    }
    assert_true(reports > 0);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

/* ---- files ---- */

static void test_round_trip(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("qwen3");
    wt_chunks chunks = make_chunks(model);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    const char *path = path_of("round.gguf");
    if (wt_statistics_write(s, path, &err) != 0) fail_msg("%s", err.message);
    wt_statistics *again = wt_statistics_read(path, &err);
    if (!again) fail_msg("%s", err.message);
    expect_same(s, again);
    assert_string_equal(wt_statistics_path(again), path);
    /* Names are in order and all are found. */
    for (size_t i = 0; i < wt_statistics_count(again); i++) {
        const wt_column_stats *e = wt_statistics_at(again, i);
        assert_ptr_equal(wt_statistics_find(again, e->tensor), e);
        if (i > 0) assert_true(strcmp(wt_statistics_at(again, i - 1)->tensor, e->tensor) < 0);
    }
    assert_null(wt_statistics_find(again, "blk.0.attn_q"));
    assert_int_equal(wt_statistics_write(s, path_of("no/such/folder.gguf"), &err), -1);
    assert_int_equal(wt_statistics_write(s, folder, &err), -1);
    wt_statistics_free(s);
    wt_statistics_free(again);
    wt_chunks_release(&chunks);
    wt_model_close(model);
}

/* One F32 tensor of a file that is being made. */
typedef struct made {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[4];
    const float *values;
    uint32_t type;
} made;

/* An imatrix GGUF of these tensors, with or without llama.cpp's keys. */
static image make_gguf(const made *tensors, size_t n, bool keys) {
    image m = {0};
    image_head(&m, 3, n, keys ? 4 : 0);
    if (keys) {
        image_kv_str(&m, "general.type", "imatrix");
        image_kv_array(&m, "imatrix.datasets", 8, 2);
        image_str(&m, "a.txt");
        image_str(&m, "b.txt");
        image_kv_u32(&m, "imatrix.chunk_count", 9);
        image_kv_u32(&m, "imatrix.chunk_size", 512);
    }
    uint64_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 1;
        for (uint32_t d = 0; d < tensors[i].n_dims; d++) count *= tensors[i].dims[d];
        image_tensor(&m, tensors[i].name, tensors[i].n_dims, tensors[i].dims, tensors[i].type, offset);
        offset = (offset + count * 4 + 31) / 32 * 32;
    }
    image_pad(&m, 32);
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 1;
        for (uint32_t d = 0; d < tensors[i].n_dims; d++) count *= tensors[i].dims[d];
        image_bytes(&m, tensors[i].values, (size_t)count * 4);
        image_pad(&m, 32);
    }
    return m;
}

static const float SUMS[] = {8, 0, 2, 6, 10, 14}, MAXIMA[] = {2, 0, 1, 1, 2, 3}, FOURTHS[] = {16, 0, 8, 1, 1, 1};
static const float FOUR[] = {4}, FOUR_NONE[] = {4, 0}, TWO_FOUR[] = {2, 4};

static wt_statistics *from_image(const image *m, wt_error *err) {
    *err = (wt_error){0};
    return wt_statistics_from_memory(m->data, m->size, "made", err);
}

static void test_reads_llama_files(void **state) {
    (void)state;
    wt_error err;
    const made tensors[] = {
        {"blk.1.ffn_up_exps.weight.in_sum2", 2, {3, 2}, SUMS, WT_F32},
        {"blk.1.ffn_up_exps.weight.counts", 2, {1, 2}, FOUR_NONE, WT_F32},
        {"blk.0.attn_q.weight.in_sum2", 1, {6}, SUMS, WT_F32},
        {"blk.0.attn_q.weight.counts", 1, {1}, FOUR, WT_F32},
        {"blk.0.attn_q.weight.of_the_future", 1, {1}, FOUR, WT_F32},
    };
    image m = make_gguf(tensors, 5, true);
    wt_statistics *s = from_image(&m, &err);
    if (!s) fail_msg("%s", err.message);
    assert_int_equal(wt_statistics_count(s), 2);
    assert_int_equal(wt_statistics_chunks(s), 9);
    assert_int_equal(wt_statistics_chunk_size(s), 512);
    assert_string_equal(wt_statistics_dataset(s), "a.txt");
    const wt_column_stats *q = wt_statistics_at(s, 0), *up = wt_statistics_at(s, 1);
    assert_string_equal(q->tensor, "blk.0.attn_q.weight");
    assert_int_equal(q->columns, 6);
    assert_int_equal(q->matrices, 1);
    assert_true(q->count == 4.0 && !q->max && !q->mean_fourth);
    for (int i = 0; i < 6; i++) assert_true(q->mean_square[i] == SUMS[i] / 4);
    assert_int_equal(up->columns, 6);
    assert_int_equal(up->matrices, 2);
    /* The second expert saw nothing: all its columns count alike. */
    for (int i = 0; i < 6; i++) assert_true(up->mean_square[i] == (i < 3 ? SUMS[i] / 4 : 1));
    /* Written and read again it is the same, experts and both texts included. */
    assert_int_equal(wt_statistics_write(s, path_of("again.gguf"), &err), 0);
    wt_statistics *again = wt_statistics_read(path_of("again.gguf"), &err);
    assert_non_null(again);
    expect_same(s, again);
    wt_statistics_free(again);
    wt_statistics_free(s);
    image_free(&m);
    m = make_gguf(tensors + 2, 2, false); /* nothing but tensors */
    assert_non_null(s = from_image(&m, &err));
    assert_string_equal(wt_statistics_dataset(s), "");
    assert_int_equal(wt_statistics_chunks(s), 0);
    wt_statistics_free(s);
    image_free(&m);
}

static void test_reads_ours(void **state) {
    (void)state;
    wt_error err;
    const made tensors[] = {
        {"x.in_sum4", 2, {3, 2}, FOURTHS, WT_F32}, {"x.in_max", 2, {3, 2}, MAXIMA, WT_F32},
        {"x.in_sum2", 2, {3, 2}, SUMS, WT_F32},    {"x.counts", 2, {1, 2}, TWO_FOUR, WT_F32},
    };
    image m = make_gguf(tensors, 4, true);
    wt_statistics *s = from_image(&m, &err);
    if (!s) fail_msg("%s", err.message);
    const wt_column_stats *x = wt_statistics_find(s, "x");
    assert_true(x->count == 4.0);
    for (int i = 0; i < 6; i++) {
        assert_true(x->mean_square[i] == SUMS[i] / TWO_FOUR[i / 3]);
        assert_true(x->mean_fourth[i] == FOURTHS[i] / TWO_FOUR[i / 3]);
        assert_true(x->max[i] == MAXIMA[i]);
    }
    wt_statistics_free(s);
    image_free(&m);
}

/* Each file is wrong in one thing, which the message tells. */
static void test_wrong_gguf(void **state) {
    (void)state;
    static const float NANS[] = {1, 2, NAN}, MINUS[] = {1, -2, 3}, INFINITE[] = {INFINITY, 1, 1}, MANY[] = {1e30f};
    static const float NO_COUNT[] = {NAN}, MINUS_COUNT[] = {-1};
    const made sums = {"x.in_sum2", 1, {3}, SUMS, WT_F32}, counts = {"x.counts", 1, {1}, FOUR, WT_F32};
    static const struct {
        made tensors[3];
        size_t n;
        const char *says;
    } CASES[] = {
        {{{"x.in_sum2", 1, {3}, NANS, WT_F32}}, 2, "'x.in_sum2' has the value nan at 2"},
        {{{"x.in_sum2", 1, {3}, MINUS, WT_F32}}, 2, "'x.in_sum2' has the value -2 at 1"},
        {{{"x.in_sum2", 1, {3}, INFINITE, WT_F32}}, 2, "'x.in_sum2' has the value inf at 0"},
        {{{"x.in_max", 1, {3}, NANS, WT_F32}}, 3, "'x.in_max' has the value nan"},
        {{{"x.in_sum4", 1, {3}, MINUS, WT_F32}}, 3, "'x.in_sum4' has the value -2"},
        {{{"x.in_max", 1, {2}, MAXIMA, WT_F32}}, 3, "'x.in_max' and 'x.in_sum2' have different shapes"},
        {{{"x.in_sum4", 2, {1, 3}, MAXIMA, WT_F32}}, 3, "'x.in_sum4' and 'x.in_sum2' have different shapes"},
        {{{"x.in_max", 1, {3}, SUMS, WT_I32}}, 3, "'x.in_max' has type I32"},
        {{{"x.in_sum2", 1, {3}, SUMS, WT_I32}}, 2, "'x.in_sum2' has type I32"},
        {{{"x.counts", 1, {1}, FOUR, WT_I32}}, 2, "'x.counts' has type I32"},
        {{{"x.counts", 1, {1}, NO_COUNT, WT_F32}}, 2, "'x.counts' has the value nan"},
        {{{"x.counts", 1, {1}, MINUS_COUNT, WT_F32}}, 2, "'x.counts' has the value -1"},
        {{{"x.counts", 1, {1}, MANY, WT_F32}}, 2, "'x.counts' says 1e+30 rows"},
        {{{"x.counts", 1, {2}, FOUR_NONE, WT_F32}}, 2, "'x.in_sum2' has 3 values and 2 counts"},
        {{{"y.in_sum2", 1, {3}, SUMS, WT_F32}}, 3, "'y.in_sum2' comes without its counts"},
        {{{"y.counts", 1, {1}, FOUR, WT_F32}}, 3, "'y.counts' comes without its sums"},
        {{{"y.in_max", 1, {3}, SUMS, WT_F32}}, 3, "'y.in_max' comes without its sums"},
        {{{"blk.0.x.weight", 1, {3}, SUMS, WT_F32}}, 1, "has no statistics"},
        {{{".in_sum2", 1, {3}, SUMS, WT_F32}}, 1, "has no statistics"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        /* The wrong tensor takes the place of a right one of its name, or stands beside both. */
        const made *wrong = &CASES[i].tensors[0];
        made all[3] = {*wrong};
        size_t n = 1;
        if (CASES[i].n > 1 && strcmp(wrong->name, sums.name) != 0) all[n++] = sums;
        if (CASES[i].n > 1 && strcmp(wrong->name, counts.name) != 0) all[n++] = counts;
        assert_int_equal(n, CASES[i].n);
        image m = make_gguf(all, n, true);
        wt_error err;
        wt_statistics *s = from_image(&m, &err);
        if (s) fail_msg("case %zu was read: %s", i, CASES[i].says);
        if (!strstr(err.message, CASES[i].says) || !strstr(err.message, "'made'")) fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(err.code, WT_ERR_FORMAT);
        image_free(&m);
    }
    /* A model in the place of statistics. */
    wt_error err;
    assert_null(wt_statistics_read(WT_SOURCE_DIR "/data/seedling.gguf", &err));
    assert_non_null(strstr(err.message, "it is a model"));
    assert_null(wt_statistics_read(path_of("absent"), &err));
    assert_null(wt_statistics_read(folder, &err));
}

/* ---- the old format ---- */

static void dat_entry(image *m, const char *name, int32_t calls, int32_t values) {
    image_u32(m, (uint32_t)strlen(name));
    image_bytes(m, name, strlen(name));
    image_u32(m, (uint32_t)calls);
    image_u32(m, (uint32_t)values);
}

static image make_dat(void) {
    image m = {0};
    image_u32(&m, 2);
    dat_entry(&m, "blk.0.b.weight", 4, 6);
    image_bytes(&m, SUMS, sizeof SUMS);
    dat_entry(&m, "blk.0.a.weight", 0, 3); /* no calls: the values are the means */
    image_bytes(&m, SUMS, 3 * sizeof *SUMS);
    image_u32(&m, 77);
    image_u32(&m, 5);
    image_bytes(&m, "c.txt", 5);
    return m;
}

static void test_reads_dat(void **state) {
    (void)state;
    wt_error err;
    image m = make_dat();
    wt_statistics *s = from_image(&m, &err);
    if (!s) fail_msg("%s", err.message);
    assert_int_equal(wt_statistics_count(s), 2);
    assert_int_equal(wt_statistics_chunks(s), 77);
    assert_string_equal(wt_statistics_dataset(s), "c.txt");
    const wt_column_stats *a = wt_statistics_at(s, 0), *b = wt_statistics_at(s, 1);
    assert_string_equal(a->tensor, "blk.0.a.weight");
    assert_string_equal(b->tensor, "blk.0.b.weight");
    for (int i = 0; i < 3; i++) assert_true(a->mean_square[i] == SUMS[i]);
    for (int i = 0; i < 6; i++) assert_true(b->mean_square[i] == SUMS[i] / 4);
    assert_true(b->matrices == 1 && b->columns == 6 && !b->max && !b->mean_fourth);
    /* As GGUF it says the same. */
    assert_int_equal(wt_statistics_write(s, path_of("from-dat.gguf"), &err), 0);
    wt_statistics *again = wt_statistics_read(path_of("from-dat.gguf"), &err);
    assert_non_null(again);
    for (int i = 0; i < 6; i++)
        assert_true(wt_statistics_find(again, b->tensor)->mean_square[i] == b->mean_square[i]);
    for (int i = 0; i < 3; i++)
        assert_true(wt_statistics_find(again, a->tensor)->mean_square[i] == a->mean_square[i]);
    wt_statistics_free(again);
    wt_statistics_free(s);
    image_free(&m);
}

static void expect_wrong(const image *m, const char *says) {
    wt_error err;
    wt_statistics *s = from_image(m, &err);
    if (s) fail_msg("was read: %s", says);
    if (!strstr(err.message, says) || !strstr(err.message, "'made'")) fail_msg("not '%s': %s", says, err.message);
}

static void test_wrong_dat(void **state) {
    (void)state;
    image m = {0};
    expect_wrong(&m, "0 bytes");
    image_bytes(&m, "The quick brown fox jumps over the lazy dog", 43);
    expect_wrong(&m, "cannot be the number of its entries");
    image_free(&m);
    static const struct {
        int32_t entries, len, calls, values;
        const char *says;
    } CASES[] = {
        {0, 1, 1, 6, "begins with 0"},          {-1, 1, 1, 6, "begins with -1"},
        {1000000, 1, 1, 6, "begins with"},      {1, 0, 1, 6, "name of entry 1"},
        {1, -1, 1, 6, "name of entry 1"},       {1, INT32_MAX, 1, 6, "name of entry 1"},
        {1, 1, 1, 0, "says it has 0 values"},   {1, 1, 1, -6, "says it has -6 values"},
        {1, 1, 1, INT32_MAX, "2147483647 values"}, {1, 1, -1, 6, "says -1 calls"},
        {2, 1, 1, 6, "ends before entry 2"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        image_u32(&m, (uint32_t)CASES[i].entries);
        image_u32(&m, (uint32_t)CASES[i].len);
        image_bytes(&m, "x", 1);
        image_u32(&m, (uint32_t)CASES[i].calls);
        image_u32(&m, (uint32_t)CASES[i].values);
        image_bytes(&m, SUMS, sizeof SUMS);
        expect_wrong(&m, CASES[i].says);
        image_free(&m);
    }
    static const float WRONG[][2] = {{1, NAN}, {1, -1}, {1, INFINITY}};
    for (size_t i = 0; i < 3; i++) {
        image_u32(&m, 1);
        dat_entry(&m, "x", 1, 2);
        image_bytes(&m, WRONG[i], sizeof WRONG[i]);
        expect_wrong(&m, "tensor 'x.in_sum2' has the value");
        image_free(&m);
    }
    image_u32(&m, 2);
    for (int i = 0; i < 2; i++) {
        dat_entry(&m, "twice", 1, 1);
        image_bytes(&m, SUMS, sizeof *SUMS);
    }
    expect_wrong(&m, "'twice' stands in it twice");
    image_free(&m);
    image_u32(&m, 1);
    image_u32(&m, 3);
    image_bytes(&m, "a\0b", 3);
    image_u32(&m, 1);
    image_u32(&m, 1);
    image_bytes(&m, SUMS, sizeof *SUMS);
    expect_wrong(&m, "name of entry 1");
    image_free(&m);
}

/* Cut at every byte, right before a page that must not be touched. */
static void cut_everywhere(const image *m, const size_t *whole, size_t n_whole) {
    guarded g = guarded_new(m->size);
    for (size_t size = 0; size < m->size; size++) {
        void *data = guarded_tail(&g, size);
        memcpy(data, m->data, size);
        wt_error err = {0};
        wt_statistics *s = wt_statistics_from_memory(data, size, "cut", &err);
        bool fine = false;
        for (size_t i = 0; i < n_whole; i++) fine |= size == whole[i];
        if ((s != NULL) != fine) fail_msg("%zu of %zu bytes: %s", size, m->size, s ? "was read" : err.message);
        if (!s && !err.message[0]) fail_msg("%zu bytes: no message", size);
        wt_statistics_free(s);
    }
    guarded_free(&g);
}

static void test_truncated(void **state) {
    (void)state;
    image m = make_dat();
    const size_t ends[] = {m.size - 13, m.size - 9}; /* without what is optional */
    cut_everywhere(&m, ends, 2);
    image_free(&m);
    const made tensors[] = {{"x.counts", 1, {1}, FOUR, WT_F32}, {"x.in_sum2", 1, {8}, SUMS, WT_F32}};
    const made eight[] = {tensors[0], {"x.in_sum2", 2, {3, 2}, SUMS, WT_F32}};
    m = make_gguf(eight, 2, true);
    m.size -= 8; /* the padding after the last tensor may be missing */
    cut_everywhere(&m, NULL, 0);
    image_free(&m);
}

/* ---- belonging to a model ---- */

static void test_check(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama"), *tied = make_model("llama-tied-gqa");
    wt_chunks chunks = make_chunks(model);
    wt_statistics *s = measure(model, &chunks, NULL, 0);
    assert_int_equal(wt_statistics_check(s, wt_model_gguf(model), &err), 0);
    assert_int_equal(wt_statistics_check(s, wt_model_gguf(tied), &err), -1);
    assert_int_equal(err.code, WT_ERR_MISMATCH);
    if (!strstr(err.message, "'blk.0.attn_k.weight' has 64 columns in them, 96 in '")) fail_msg("%s", err.message);
    wt_statistics_free(s);
    wt_chunks_release(&chunks);

    static const struct {
        const char *name;
        uint64_t dims[2], counts;
        const char *says; /* NULL: it fits */
    } CASES[] = {
        {"blk.9.attn_q.weight.in_sum2", {64, 1}, 1, "'blk.9.attn_q.weight', which is no tensor of '"},
        {"blk.0.attn_norm.weight.in_sum2", {64, 1}, 1, "'blk.0.attn_norm.weight', which is no matrix in '"},
        {"blk.0.attn_q.weight.in_sum2", {64, 2}, 2, "'blk.0.attn_q.weight' has 64 columns"},
        {"blk.0.attn_q.weight.in_sum2", {32, 1}, 1, "'blk.0.attn_q.weight' has 32 columns"},
        {"blk.0.attn_q.weight.in_sum2", {32, 2}, 2, "'blk.0.attn_q.weight' has 32 columns"},
        {"blk.0.attn_q.weight.in_sum2", {64, 1}, 1, NULL},
    };
    static const float ONES[128] = {1};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char counts[64];
        snprintf(counts, sizeof counts, "%.*s.counts", (int)(strlen(CASES[i].name) - strlen(".in_sum2")), CASES[i].name);
        made tensors[] = {{CASES[i].name, 2, {CASES[i].dims[0], CASES[i].dims[1]}, ONES, WT_F32},
                          {counts, 2, {1, CASES[i].counts}, TWO_FOUR, WT_F32}};
        image m = make_gguf(tensors, 2, true);
        assert_non_null(s = from_image(&m, &err));
        int rc = wt_statistics_check(s, wt_model_gguf(model), &err);
        assert_int_equal(rc, CASES[i].says ? -1 : 0);
        if (CASES[i].says && (!strstr(err.message, CASES[i].says) || !strstr(err.message, "'made'")))
            fail_msg("case %zu: %s", i, err.message);
        wt_statistics_free(s);
        image_free(&m);
    }
    wt_model_close(model);
    wt_model_close(tied);
}

/* ---- Gram matrices ---- */

static void test_gram_sum(void **state) {
    (void)state;
    static const size_t COLUMNS[] = {1, 7, 256, 257, 600}, ROWS[] = {1, 33, 100};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (size_t k = 0; k < sizeof COLUMNS / sizeof *COLUMNS; k++) {
        const size_t n = COLUMNS[k];
        wt_error err = {0};
        wt_gram_sum *sum = wt_gram_sum_new(n, &err);
        double *plain_sum = calloc(n * n, sizeof *plain_sum), *scale = calloc(n, sizeof *scale);
        for (size_t b = 0; b < sizeof ROWS / sizeof *ROWS; b++) {
            float *x = calloc(ROWS[b] * n, sizeof *x);
            for (size_t i = 0; i < ROWS[b] * n; i++) x[i] = (float)wt_rng_normal(&rng);
            assert_int_equal(wt_gram_sum_add(sum, x, ROWS[b], &err), 0);
            for (size_t r = 0; r < ROWS[b]; r++) {
                for (size_t i = 0; i < n; i++) {
                    for (size_t j = 0; j < n; j++)
                        plain_sum[i * n + j] += (double)x[r * n + i] * (double)x[r * n + j];
                }
            }
            free(x);
        }
        for (size_t i = 0; i < n; i++) scale[i] = sqrt(plain_sum[i * n + i]);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                double got = wt_gram_sum_at(sum, i, j), wanted = plain_sum[i * n + j];
                if (!(fabs(got - wanted) <= 1e-5 * scale[i] * scale[j]))
                    fail_msg("%zu columns: %zu, %zu is %g, should be %g", n, i, j, got, wanted);
            }
        }
        wt_gram_sum_clear(sum);
        assert_true(wt_gram_sum_at(sum, n - 1, 0) == 0.0);
        wt_gram_sum_free(sum);
        free(plain_sum);
        free(scale);
    }
}

static void test_gram_file(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama-tied-gqa");
    wt_chunks chunks = make_chunks(model);
    const char *path = path_of("gram.gguf");
    wt_statistics *s = measure(model, &chunks, path, 2 * CONTEXT);
    wt_gram *gram = wt_gram_open(path, &err);
    if (!gram) fail_msg("%s", err.message);
    size_t n = 0;
    while (wt_gram_tensor(gram, n)) n++;
    assert_int_equal(n, wt_statistics_count(s)); /* every matrix has one ... */
    for (size_t i = 0; i < n; i++) {
        const wt_column_stats *e = wt_statistics_at(s, i);
        assert_string_equal(wt_gram_tensor(gram, i), e->tensor);
        assert_int_equal(wt_gram_columns(gram, e->tensor), e->columns);
        double *g = calloc(e->columns * e->columns, sizeof *g);
        assert_int_equal(wt_gram_read(gram, e->tensor, g, &err), 0);
        for (size_t c = 0; c < e->columns; c++) { /* ... whose diagonal is the mean square */
            double mean = (double)e->mean_square[c], got = g[c * e->columns + c];
            if (!(fabs(got - mean) <= 1e-5 * mean)) fail_msg("%s, column %zu: %g, not %g", e->tensor, c, got, mean);
            for (size_t d = 0; d < c; d++) {
                assert_true(g[c * e->columns + d] == g[d * e->columns + c]);
                double most = sqrt(got * g[d * e->columns + d]); /* Cauchy and Schwarz */
                assert_true(fabs(g[c * e->columns + d]) <= most * (1 + 1e-5));
            }
        }
        free(g);
    }
    /* Matrices that share an input share what is stored. */
    wt_gguf *file = wt_gguf_open(path, &err);
    assert_non_null(wt_gguf_find_tensor(file, "blk.0.attn_q.weight.in_gram"));
    assert_null(wt_gguf_find_tensor(file, "blk.0.attn_k.weight.in_gram"));
    assert_int_equal(wt_gguf_tensor_count(file), 2 * (4 * wt_model_hparams(model)->n_layers + 1));
    wt_gguf_close(file);
    assert_int_equal(wt_gram_columns(gram, "blk.0.attn_norm.weight"), 0);
    assert_int_equal(wt_gram_read(gram, "nothing", NULL, &err), -1);
    wt_gram_close(gram);
    wt_statistics_free(s);
    wt_chunks_release(&chunks);
    wt_model_close(model);
    assert_null(wt_gram_open(WT_SOURCE_DIR "/data/seedling.gguf", &err));
    assert_non_null(strstr(err.message, "no Gram matrices"));
}

static image make_gram(const char *tensor, const char *input, uint64_t values, const float *data, const float *rows) {
    image m = {0};
    image_head(&m, 3, 2, 3);
    image_kv_str(&m, "general.type", "gram");
    image_kv_array(&m, "gram.tensors", 8, 1);
    image_str(&m, tensor);
    image_kv_array(&m, "gram.inputs", 8, 1);
    image_str(&m, input);
    image_tensor(&m, "x.in_gram", 1, &values, WT_F32, 0);
    image_tensor(&m, "x.counts", 1, &(uint64_t){1}, WT_F32, 32);
    image_pad(&m, 32);
    image_bytes(&m, data, values * sizeof *data);
    image_pad(&m, 32);
    image_bytes(&m, rows, sizeof *rows);
    image_pad(&m, 32);
    return m;
}

static void test_wrong_gram(void **state) {
    (void)state;
    static const float NUMBERS[] = {1, 2, 3, 4, 5, NAN}, NONE = 0, NO_NUMBER = NAN, TWO = 2;
    static const struct {
        const char *input;
        uint64_t values;
        const float *rows;
        const char *says;
    } CASES[] = {
        {"y", 3, &TWO, "no tensor 'y.in_gram'"},
        {"x", 4, &TWO, "4 values, which are no triangle"},
        {"x", 3, &NONE, "says 0 rows"},
        {"x", 3, &NO_NUMBER, "says nan rows"},
    };
    wt_error err = {0};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        image m = make_gram("t", CASES[i].input, CASES[i].values, NUMBERS, CASES[i].rows);
        assert_null(wt_gram_from_memory(m.data, m.size, "made", &err));
        if (!strstr(err.message, CASES[i].says) || !strstr(err.message, "'made'")) fail_msg("%s", err.message);
        image_free(&m);
    }
    image m = make_gram("t", "x", 3, NUMBERS, &TWO);
    wt_gram *gram = wt_gram_from_memory(m.data, m.size, "made", &err);
    assert_int_equal(wt_gram_columns(gram, "t"), 2);
    double out[9];
    assert_int_equal(wt_gram_read(gram, "t", out, &err), 0);
    assert_true(out[0] == 0.5 && out[1] == 1.0 && out[2] == 1.0 && out[3] == 1.5);
    wt_gram_close(gram);
    image_free(&m);
    m = make_gram("t", "x", 6, NUMBERS, &TWO);
    assert_non_null(gram = wt_gram_from_memory(m.data, m.size, "made", &err));
    assert_int_equal(wt_gram_read(gram, "t", out, &err), -1);
    assert_non_null(strstr(err.message, "nan at 2, 2"));
    wt_gram_close(gram);
    image_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured_values),
        cmocka_unit_test(test_same_whatever_the_work_is_cut_into),
        cmocka_unit_test(test_no_number),
        cmocka_unit_test(test_huge_inputs),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_reads_llama_files),
        cmocka_unit_test(test_reads_ours),
        cmocka_unit_test(test_wrong_gguf),
        cmocka_unit_test(test_reads_dat),
        cmocka_unit_test(test_wrong_dat),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_gram_sum),
        cmocka_unit_test(test_gram_file),
        cmocka_unit_test(test_wrong_gram),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
