/*
 * Rotations and folds: the model's function stays, on random models of every architecture and on trained ones; every part
 * of a transform that is left out, and a wrong way of doing it, is noticed ten times over. Statistics and Gram matrices against
 * those that are measured on the transformed model.
 */
#include "support/random_model.h"
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

/* Widths, heads and middles that are no powers of two, beside those of tests/support/random_model.c. */
#define ODD .layers = 2, .vocab = 300, .context = 512, .rope_base = 10000.0, .norm_eps = 1e-5
static const random_model ODD_MODELS[] = {
    {"llama-160", "llama", ODD, .width = 160, .heads = 6, .kv_heads = 2, .head_dim = 24, .ffn = 224, .qkv_bias = true,
     .out_bias = true, .ffn_bias = true},
    {"qwen2-72", "qwen2", ODD, .width = 72, .heads = 6, .kv_heads = 3, .head_dim = 12, .ffn = 100, .qkv_bias = true, .bytes = true},
    {"qwen3-96", "qwen3", ODD, .width = 96, .heads = 4, .kv_heads = 2, .head_dim = 24, .ffn = 160, .bytes = true},
    {"gemma3-160", "gemma3", ODD, .width = 160, .heads = 4, .kv_heads = 2, .head_dim = 40, .ffn = 96, .window = 24},
    {"phi3-96", "phi3", ODD, .width = 96, .heads = 6, .kv_heads = 3, .head_dim = 16, .ffn = 160, .qkv_bias = true,
     .fused_qkv = true, .fused_bias = true},
    {"phi3-75", "phi3", ODD, .width = 75, .heads = 2, .kv_heads = 1, .head_dim = 14, .ffn = 33},
};
#define ODD_COUNT (sizeof ODD_MODELS / sizeof *ODD_MODELS)

/* Model i of all, NULL past the last. */
static const random_model *variant_at(size_t i) {
    return i < ODD_COUNT ? &ODD_MODELS[i] : random_model_judged(i - ODD_COUNT);
}

static const random_model *variant_find(const char *name) {
    for (size_t i = 0; i < ODD_COUNT; i++) {
        if (strcmp(ODD_MODELS[i].name, name) == 0) return &ODD_MODELS[i];
    }
    return random_model_find(name);
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

/* What of a transform the model's architecture has. */
static unsigned parts_of(const wt_model *model) {
    return wt_model_hparams(model)->post_norms ? EVERYTHING & ~(unsigned)ROTATE_RESIDUAL : EVERYTHING;
}

/* ---- the function stays ---- */

/* Prints a line: the relative difference for each part, and for all together. */
static void check_function(wt_model *model, const char *name, uint64_t seed) {
    float *right = logits_of(model);
    char line[256];
    int used = snprintf(line, sizeof line, "%-24s", name);
    double worst = 0;
    for (int i = 0; i <= 6; i++) {
        unsigned parts = i < 6 ? 1u << i : parts_of(model);
        if (!(parts & parts_of(model))) {
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
    for (size_t i = 0; variant_at(i); i++) {
        wt_model *model = make_model(variant_at(i));
        check_function(model, variant_at(i)->name, test_seed());
        wt_model_close(model);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function_of_random_models),
        cmocka_unit_test(test_function_of_trained_models),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
