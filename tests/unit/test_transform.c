/*
 * Rotations and folds: the model's function stays, on random models of every architecture and on trained ones; every
 * part of a transform that is left out, and a wrong way of doing it, is noticed ten times over. Statistics and Gram
 * matrices against those that are measured on the transformed model.
 */
#include "support/testing.h"
#include "support/transformed.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "engine/chunks.h"
#include "engine/forward.h"
#include "quant/codec.h"

#define TOLERANCE 1e-4

static char folder[] = "/tmp/wt-transform-XXXXXX";

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

static wt_model *make_model(const random_model *variant) {
    wt_error err = {0};
    const char *path = path_of(variant->name);
    if (random_model_write(variant, 7, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s: %s", variant->name, err.message);
    return model;
}

static wt_transform *make_transform(const wt_model *model, const wt_transform_request *request,
                                    const wt_calibration *calibration) {
    wt_error err = {0};
    wt_transform *t = wt_transform_request_new(model, request, calibration, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static transformed apply(wt_model *model, const wt_transform *t) {
    wt_error err = {0};
    transformed m;
    if (transformed_apply(&m, model, t, &err) != 0) fail_msg("%s", err.message);
    return m;
}

#define TOKENS ((size_t)40)

/* Logits [TOKENS, vocab] of tokens that are always the same. The caller frees. */
static float *logits_of(const wt_model *model) {
    wt_error err = {0};
    const wt_hparams *hp = wt_model_hparams(model);
    int32_t tokens[TOKENS];
    size_t length = TOKENS;
    wt_rng rng;
    wt_rng_init(&rng, 3, 0, 0);
    for (size_t i = 0; i < TOKENS; i++) tokens[i] = (int32_t)wt_rng_below(&rng, hp->vocab);
    wt_engine_options options = {.context = TOKENS};
    wt_engine *e = wt_engine_open(model, &options, &err);
    if (!e) fail_msg("%s", err.message);
    float *hidden = calloc(TOKENS * hp->width, sizeof *hidden), *logits = calloc(TOKENS * hp->vocab, sizeof *logits);
    wt_batch batch = {.tokens = tokens, .lengths = &length, .sequences = 1, .last_block = WT_ALL_BLOCKS};
    assert_int_equal(wt_engine_run(e, &batch, hidden, &err), 0);
    wt_engine_final_norm(e, hidden, TOKENS, hidden);
    assert_int_equal(wt_engine_logits(e, hidden, TOKENS, logits, &err), 0);
    wt_engine_close(e);
    free(hidden);
    return logits;
}

/* RMS of the difference over the RMS of `right`; frees `other`. */
static double difference(float *other, const float *right, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)other[i] - right[i]) * ((double)other[i] - right[i]);
        size += (double)right[i] * right[i];
    }
    free(other);
    return sqrt(difference / size);
}

static size_t logit_count(const wt_model *model) { return TOKENS * wt_model_hparams(model)->vocab; }

/* ---- the function stays ---- */

/* Prints a line: the relative difference for each part, and for all together. */
static void check_function(wt_model *model, const char *name, uint64_t seed) {
    float *right = logits_of(model);
    char line[256];
    int used = snprintf(line, sizeof line, "%-24s", name);
    double worst = 0;
    for (int i = 0; i <= 6; i++) {
        unsigned parts = i < 6 ? 1u << i : transform_parts(model);
        if (!(parts & transform_parts(model))) {
            used += snprintf(line + used, sizeof line - (size_t)used, "        -");
            continue;
        }
        wt_transform_request request = random_request(parts, &seed);
        wt_transform *t = make_transform(model, &request, NULL);
        transformed m = apply(model, t);
        double d = difference(logits_of(model), right, logit_count(model));
        transformed_undo(&m, t);
        wt_transform_free(t);
        used += snprintf(line + used, sizeof line - (size_t)used, "  %.1e", d);
        if (!(d <= worst)) worst = d;
    }
    print_message("%s\n", line);
    if (!(worst <= TOLERANCE)) fail_msg("%s: relative difference %g", name, worst);
    assert_true(difference(logits_of(model), right, logit_count(model)) == 0.0); /* all was put back */
    free(right);
}

static void test_function_of_random_models(void **state) {
    (void)state;
    print_message("%-24s residual    value  attn_in attn_out   ffn_in  ffn_mid      all\n", "");
    for (size_t i = 0; transform_model_at(i); i++) {
        wt_model *model = make_model(transform_model_at(i));
        check_function(model, transform_model_at(i)->name, test_seed());
        wt_model_close(model);
    }
}

/* Reads the large matrices as into fresh memory and as into memory that was written to; returns how many there are. */
static size_t check_large(const wt_transform *t, bool folds) {
    wt_error err = {0};
    size_t seen = 0;
    for (size_t i = 0; i < t->count; i++) {
        const size_t n = t->tensors[i].site.rows * t->tensors[i].site.cols;
        if (n < WT_BEYOND_CACHES) continue;
        float *fresh = test_calloc(n, sizeof *fresh), *touched = test_calloc(n, sizeof *touched);
        memset(touched, 0xa5, n * sizeof *touched);
        assert_int_equal(wt_recipe_read(&t->tensors[i], folds, false, fresh, &err), 0);
        assert_int_equal(wt_recipe_read(&t->tensors[i], folds, true, touched, &err), 0);
        assert_memory_equal(fresh, touched, n * sizeof *fresh);
        test_free(fresh);
        test_free(touched);
        seen++;
    }
    return seen;
}

/* What is streamed past the caches is what ordinary stores write, whether channels of rows or columns change or not. */
static void test_large_matrices(void **state) {
    (void)state;
    random_model large = *random_model_find("llama-f16");
    large.name = "large";
    large.layers = 1;
    large.ffn = WT_BEYOND_CACHES / 64 + 64;
    wt_model *model = make_model(&large);
    uint64_t seed = test_seed();
    for (int i = 0; i <= 6; i++) {
        wt_transform_request request = random_request(i < 6 ? (1u << i) & transform_parts(model) : 0, &seed);
        wt_transform *t = make_transform(model, &request, NULL);
        assert_int_equal(check_large(t, true), 3); /* gate, up and down */
        assert_int_equal(check_large(t, false), 3);
        wt_transform_free(t);
    }
    wt_model_close(model);
}

static void test_function_of_trained_models(void **state) {
    (void)state;
    need_shared();
    static const char *const names[] = {"seedling-F16", "sapling-F16", "gnarled-F16"};
    for (size_t i = 0; i < 3; i++) {
        wt_error err = {0};
        char path[256];
        snprintf(path, sizeof path, "%s/../shared/models/%s.gguf", WT_SOURCE_DIR, names[i]);
        wt_model *model = wt_model_open(path, &err);
        if (!model) fail_msg("%s", err.message);
        check_function(model, names[i], test_seed());
        wt_model_close(model);
    }
}

/* ---- wrong ones are noticed ---- */

static void expect_wrong(const wt_model *model, const float *right, const char *what) {
    double d = difference(logits_of(model), right, logit_count(model));
    print_message("  %-56s %.1e\n", what, d);
    if (!(d > 10 * TOLERANCE)) fail_msg("%s is not noticed: %g", what, d);
}

/* Each tensor of the first layer and outside the layers, left as it was while all others are transformed. */
static void leave_out_each(const char *variant) {
    uint64_t seed = test_seed();
    wt_error err = {0};
    wt_model *model = make_model(transform_model_find(variant));
    float *right = logits_of(model);
    wt_transform_request request = random_request(transform_parts(model), &seed);
    wt_transform *t = make_transform(model, &request, NULL);
    transformed m = apply(model, t);
    for (size_t i = 0; i < m.count; i++) {
        const wt_site_tensor *s = wt_transform_at(t, i);
        if (!s->changed || s->layer > 0) continue;
        char what[128];
        snprintf(what, sizeof what, "%s without %s", variant, s->name);
        assert_int_equal(wt_model_override(model, s->name, WT_F32, NULL, &err), 0);
        expect_wrong(model, right, what);
        assert_int_equal(wt_model_override(model, s->name, WT_F32, m.values[i], &err), 0);
    }
    transformed_undo(&m, t);
    wt_transform_free(t);
    wt_model_close(model);
    free(right);
}

static void test_every_tensor_counts(void **state) {
    (void)state;
    static const char *const names[] = {"llama-160", "llama-tied-gqa", "llama-fused-qkv", "qwen2-72", "qwen3-96",
                                        "gemma3-variant", "phi3-96", "phi3-partial"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) leave_out_each(names[i]);
}

/* A model, one of its tensors, the transform of one part, and the logits that are right. */
typedef struct wrong {
    uint64_t seed;
    wt_model *model;
    wt_transform *t;
    transformed m;
    float *right, *values; /* values: of the tensor before */
    const wt_tensor *tensor;
    size_t rows, cols;
} wrong;

static wrong begin_wrong(const char *variant, unsigned part, const char *tensor) {
    wrong w = {.seed = test_seed(), .model = make_model(transform_model_find(variant))};
    w.right = logits_of(w.model);
    wt_transform_request request = random_request(part, &w.seed);
    w.t = make_transform(w.model, &request, NULL);
    w.m = apply(w.model, w.t);
    w.tensor = wt_gguf_find_tensor(wt_model_gguf(w.model), tensor);
    assert_non_null(w.tensor);
    w.rows = (size_t)w.tensor->rows;
    w.cols = (size_t)w.tensor->dims[0];
    w.values = calloc(w.rows * w.cols, sizeof *w.values);
    assert_int_equal(w.tensor->type, WT_F32);
    memcpy(w.values, w.tensor->data, w.rows * w.cols * sizeof(float));
    return w;
}

/* Puts the changed values into the model; they are noticed where `noticed`. */
static void end_wrong(wrong *w, bool noticed, const char *what) {
    wt_error err = {0};
    assert_int_equal(wt_model_override(w->model, w->tensor->name, WT_F32, w->values, &err), 0);
    if (noticed) {
        expect_wrong(w->model, w->right, what);
    } else {
        double d = difference(logits_of(w->model), w->right, logit_count(w->model));
        if (!(d <= TOLERANCE)) fail_msg("%s: %g", what, d);
    }
    transformed_undo(&w->m, w->t);
    wt_transform_free(w->t);
    wt_model_close(w->model);
    free(w->right);
    free(w->values);
}

/* Query head j reads the values of KV head j / group, not of j % KV heads. */
static void map_heads(bool right_way) {
    wrong w = begin_wrong("llama-160", FOLD_ATTN_OUT, "blk.0.attn_output.weight");
    const wt_hparams *hp = wt_model_hparams(w.model);
    const float *scale = wt_layer_space(w.t, 0, WT_SPACE_VALUE)->scale;
    size_t d = hp->head_dim, group = hp->n_heads / hp->n_kv_heads;
    for (size_t i = 0; i < w.rows * w.cols; i++) {
        size_t head = i % w.cols / d, kv = right_way ? head / group : head % hp->n_kv_heads;
        w.values[i] *= scale[kv * d + i % w.cols % d];
    }
    end_wrong(&w, !right_way, "heads mapped the wrong way round");
}

/* In phi3's fused tensor the gate stands before up. */
static void scale_half(bool right_half) {
    wrong w = begin_wrong("phi3-96", FOLD_FFN_MID, "blk.0.ffn_up.weight");
    const float *scale = wt_layer_space(w.t, 0, WT_SPACE_FFN_MID)->scale;
    size_t ffn = w.rows / 2, first = right_half ? ffn : 0;
    for (size_t i = 0; i < ffn * w.cols; i++) w.values[first * w.cols + i] /= scale[i / w.cols];
    end_wrong(&w, !right_half, "the gate scaled instead of up");
}

/* Scales of values go to the last rows of a fused q, k, v. */
static void scale_third(bool right_third) {
    wrong w = begin_wrong("phi3-96", FOLD_ATTN_OUT, "blk.0.attn_qkv.weight");
    const wt_channels *c = wt_layer_space(w.t, 0, WT_SPACE_VALUE);
    size_t first = w.rows - (right_third ? 1 : 2) * c->n;
    for (size_t i = 0; i < c->n * w.cols; i++) w.values[first * w.cols + i] /= c->scale[i / w.cols];
    end_wrong(&w, !right_third, "keys scaled instead of values");
}

static void test_wrong_ways(void **state) {
    (void)state;
    for (int right = 0; right < 2; right++) {
        map_heads(right);
        scale_half(right);
        scale_third(right);
    }
}

/* ---- a tied model with a head of its own ---- */

static void test_own_head(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model(transform_model_find("llama-tied-gqa"));
    const wt_hparams *hp = wt_model_hparams(model);
    const wt_tensor *embedding = wt_model_weight(model, WT_ROLE_EMBEDDING, 0).tensor;
    size_t n = (size_t)hp->vocab * hp->width;
    float *right = logits_of(model), *head = calloc(n, sizeof *head);
    assert_true(hp->tied_head);
    for (size_t i = 0; i < n; i++) head[i] = -2 * ((const float *)embedding->data)[i];
    /* One engine throughout, which keeps the head that it packed. */
    wt_engine_options options = {.resident_bytes = 1 << 24};
    wt_engine *e = wt_engine_open(model, &options, &err);
    assert_non_null(e);
    float *x = calloc(hp->width, sizeof *x), *y = calloc(hp->vocab, sizeof *y), *z = calloc(hp->vocab, sizeof *z);
    for (size_t i = 0; i < hp->width; i++) x[i] = (float)(i % 7) - 3;
    assert_int_equal(wt_engine_logits(e, x, 1, y, &err), 0);
    assert_int_equal(wt_model_override(model, "output.weight", WT_F32, head, &err), 0);
    assert_false(wt_model_hparams(model)->tied_head);
    assert_string_equal(wt_model_weight(model, WT_ROLE_OUTPUT, 0).tensor->name, "output.weight");
    assert_int_equal(wt_engine_logits(e, x, 1, z, &err), 0);
    for (size_t i = 0; i < hp->vocab; i++) assert_true(z[i] == -2 * y[i]);
    for (size_t i = 0; i < n; i++) head[i] *= -1; /* rewritten in place and announced */
    assert_int_equal(wt_model_override(model, "output.weight", WT_F32, head, &err), 0);
    assert_int_equal(wt_engine_logits(e, x, 1, z, &err), 0);
    for (size_t i = 0; i < hp->vocab; i++) assert_true(z[i] == 2 * y[i]);
    assert_int_equal(wt_model_override(model, "output.weight", WT_F32, NULL, &err), 0);
    assert_true(wt_model_hparams(model)->tied_head);
    assert_int_equal(wt_engine_logits(e, x, 1, z, &err), 0);
    assert_memory_equal(y, z, hp->vocab * sizeof *y);
    wt_engine_close(e);
    assert_true(difference(logits_of(model), right, logit_count(model)) == 0.0);
    assert_int_equal(wt_model_override(model, "output_norm.weight", WT_Q8_0, head, &err), -1);
    assert_non_null(strstr(err.message, "output_norm.weight"));
    free(x);
    free(y);
    free(z);
    free(head);
    free(right);
    wt_model_close(model);
}

/* An engine that is open follows when the final norm is overridden. */
static void test_norm_is_followed(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model(transform_model_find("llama"));
    size_t n = wt_model_hparams(model)->width;
    float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y), *z = calloc(n, sizeof *z), *gain = calloc(n, sizeof *gain);
    for (size_t i = 0; i < n; i++) x[i] = (float)(i % 5) - 1;
    memcpy(gain, wt_model_weight(model, WT_ROLE_OUTPUT_NORM, 0).data, n * sizeof *gain);
    for (size_t i = 0; i < n; i++) gain[i] *= 2;
    wt_engine *e = wt_engine_open(model, NULL, &err);
    wt_engine_final_norm(e, x, 1, y);
    assert_int_equal(wt_model_override(model, "output_norm.weight", WT_F32, gain, &err), 0);
    wt_engine_final_norm(e, x, 1, z);
    for (size_t i = 0; i < n; i++) assert_true(z[i] == 2 * y[i]);
    wt_engine_close(e);
    free(x);
    free(y);
    free(z);
    free(gain);
    wt_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_head),
        cmocka_unit_test(test_norm_is_followed),
        cmocka_unit_test(test_every_tensor_counts),
        cmocka_unit_test(test_wrong_ways),
        cmocka_unit_test(test_function_of_random_models),
        cmocka_unit_test(test_large_matrices),
        cmocka_unit_test(test_function_of_trained_models),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
