/*
 * What a transform says of inputs and channels: statistics and Gram matrices against those that are measured on the
 * transformed model; features against sums over the rotated tensors; scales; keys; errors.
 */
#include "support/testing.h"
#include "support/transformed.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "engine/chunks.h"

#define CONTEXT ((size_t)64)
#define CHUNKS ((size_t)8)

static char folder[] = "/tmp/wt-inputs-XXXXXX";

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
    if (random_model_write(transform_model_find(variant), 7, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s: %s", variant, err.message);
    return model;
}

static wt_transform *make_transform(const wt_model *model, const wt_transform_request *request,
                                    const wt_calibration *calibration) {
    wt_error err = {0};
    wt_transform *t = wt_transform_request_new(model, request, calibration, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

/* ---- measuring ---- */

typedef struct measured {
    wt_statistics *statistics;
    wt_gram *gram;
    wt_calibration both;
} measured;

static measured measure(const wt_model *model, const char *name) {
    wt_error err = {0};
    measured m;
    wt_rng rng;
    wt_rng_init(&rng, 11, 0, 0);
    int32_t *tokens = calloc(CHUNKS * CONTEXT, sizeof *tokens);
    for (size_t i = 0; i < CHUNKS * CONTEXT; i++)
        tokens[i] = (int32_t)wt_rng_below(&rng, wt_model_hparams(model)->vocab);
    wt_chunks chunks;
    assert_int_equal(wt_chunks_from_tokens(&chunks, tokens, CONTEXT, CHUNKS, &err), 0);
    wt_statistics_options options = {.dataset = "tokens", .gram = path_of(name)};
    m.statistics = wt_statistics_measure(model, &chunks, &options, NULL, &err);
    if (!m.statistics) fail_msg("%s", err.message);
    m.gram = wt_gram_open(options.gram, &err);
    if (!m.gram) fail_msg("%s", err.message);
    wt_chunks_release(&chunks);
    m.both = (wt_calibration){m.statistics, m.gram};
    return m;
}

static void measured_free(measured *m) {
    wt_statistics_free(m->statistics);
    wt_gram_close(m->gram);
}

/* ---- statistics of the transformed model ---- */

/* The largest differences of matrix i: mean squares, and Gram elements over the root of both squares. */
static void compare_input(const wt_transform *t, size_t i, const measured *again, double *squares, double *grams) {
    wt_error err = {0};
    const wt_site_tensor *s = wt_transform_at(t, i);
    const wt_column_stats *stats = wt_statistics_find(again->statistics, s->name);
    float *h = calloc(s->cols, sizeof *h);
    double *g = calloc(s->cols * s->cols, sizeof *g), *right = calloc(s->cols * s->cols, sizeof *right);
    uint64_t shared = 0;
    if (!stats) { /* no matrix's input: vectors, the embedding where it is no head */
        assert_int_equal(wt_transform_mean_square(t, i, h, &err), 1);
        for (size_t c = 0; c < s->cols; c++) assert_true(h[c] == 1.0f);
        assert_int_equal(wt_transform_gram(t, i, g, &shared, &err), 1);
    } else {
        assert_int_equal(wt_transform_mean_square(t, i, h, &err), 0);
        assert_int_equal(wt_transform_gram(t, i, g, &shared, &err), 0);
        assert_true(shared != 0);
        assert_int_equal(wt_gram_read(again->gram, s->name, right, &err), 0);
        for (size_t c = 0; c < s->cols; c++) {
            double d = fabs((double)h[c] / (double)stats->mean_square[c] - 1);
            if (!(d <= *squares)) *squares = d;
            for (size_t k = 0; k < s->cols; k++) {
                assert_true(g[c * s->cols + k] == g[k * s->cols + c]);
                d = fabs(g[c * s->cols + k] - right[c * s->cols + k]) /
                    sqrt(right[c * s->cols + c] * right[k * s->cols + k]);
                if (!(d <= *grams)) *grams = d;
            }
        }
    }
    free(h);
    free(g);
    free(right);
}

static void check_inputs(wt_model *model, const char *name, uint64_t seed) {
    wt_error err = {0};
    measured before = measure(model, "before");
    wt_transform_request request = random_request(transform_parts(model), &seed);
    wt_transform *t = make_transform(model, &request, &before.both);
    transformed m;
    assert_int_equal(transformed_apply(&m, model, t, &err), 0);
    measured after = measure(model, "after");
    double squares = 0, grams = 0;
    size_t compared = 0;
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        compare_input(t, i, &after, &squares, &grams);
        compared += wt_statistics_find(after.statistics, wt_transform_at(t, i)->name) != NULL;
    }
    assert_int_equal(compared, wt_statistics_count(after.statistics));
    print_message("%-20s mean squares %.1e  Gram matrices %.1e\n", name, squares, grams);
    if (!(squares <= 1e-4 && grams <= 1e-4)) fail_msg("%s: %g, %g", name, squares, grams);
    transformed_undo(&m, t);
    wt_transform_free(t);
    measured_free(&before);
    measured_free(&after);
}

static void test_inputs_of_random_models(void **state) {
    (void)state;
    static const char *const names[] = {"llama-160", "llama-tied-gqa", "llama-biases", "llama-fused-qkv", "qwen2-72",
                                        "qwen3-96", "gemma3-160", "phi3-96", "phi3-70"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wt_model *model = make_model(names[i]);
        check_inputs(model, names[i], test_seed());
        wt_model_close(model);
    }
}

static void test_inputs_of_trained_models(void **state) {
    (void)state;
    need_shared();
    static const char *const names[] = {"seedling-F16", "gnarled-F16"};
    for (size_t i = 0; i < 2; i++) {
        wt_error err = {0};
        char path[256];
        snprintf(path, sizeof path, "%s/../shared/models/%s.gguf", WT_SOURCE_DIR, names[i]);
        wt_model *model = wt_model_open(path, &err);
        if (!model) fail_msg("%s", err.message);
        check_inputs(model, names[i], test_seed());
        wt_model_close(model);
    }
}

static void test_shared_inputs(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama");
    measured before = measure(model, "before");
    wt_transform_request none = {0};
    wt_transform *t = make_transform(model, &none, &before.both);
    double *g = calloc(1 << 16, sizeof *g);
    uint64_t of[64] = {0};
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        assert_in_range(i, 0, 63);
        assert_true(wt_transform_gram(t, i, g, &of[i], &err) >= 0);
        assert_false(wt_transform_at(t, i)->changed);
    }
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        for (size_t j = 0; j < wt_transform_count(t); j++) {
            const wt_site_tensor *a = wt_transform_at(t, i), *b = wt_transform_at(t, j);
            if (of[i] == 0 || of[j] == 0) continue;
            bool qkv = a->role <= WT_ROLE_ATTN_V && b->role <= WT_ROLE_ATTN_V;
            bool ffn = (a->role == WT_ROLE_FFN_GATE || a->role == WT_ROLE_FFN_UP) &&
                       (b->role == WT_ROLE_FFN_GATE || b->role == WT_ROLE_FFN_UP);
            bool same = i == j || (a->layer == b->layer && (qkv || ffn));
            assert_int_equal(of[i] == of[j], same);
        }
    }
    free(g);
    wt_transform_free(t);
    measured_free(&before);
    wt_model_close(model);
}

/* Without Gram matrices a rotated channel is the mean of its block; unrotated ones are as measured. */
static void test_without_gram(void **state) {
    (void)state;
    wt_error err = {0};
    uint64_t seed = test_seed();
    wt_model *model = make_model("llama-160");
    measured before = measure(model, "before");
    wt_calibration bare = {before.statistics, NULL};
    wt_transform_request request = random_request(ROTATE_RESIDUAL, &seed);
    wt_transform *t = make_transform(model, &request, &bare);
    float h[224];
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        const wt_site_tensor *s = wt_transform_at(t, i);
        const wt_column_stats *stats = wt_statistics_find(before.statistics, s->source->name);
        if (!stats || s->role == WT_ROLE_EMBEDDING) continue;
        assert_in_range(s->cols, 1, 224);
        assert_int_equal(wt_transform_mean_square(t, i, h, &err), 0);
        assert_int_equal(wt_transform_gram(t, i, NULL, NULL, &err), 1);
        bool rotated = s->role != WT_ROLE_ATTN_OUT && s->role != WT_ROLE_FFN_DOWN;
        wt_role norm = s->role == WT_ROLE_OUTPUT ? WT_ROLE_OUTPUT_NORM
                       : s->role <= WT_ROLE_ATTN_V ? WT_ROLE_ATTN_NORM : WT_ROLE_FFN_NORM;
        const float *gain = wt_model_weight(model, norm, s->layer < 0 ? 0 : (uint32_t)s->layer).data;
        for (size_t c = 0; c < s->cols; c++) {
            double right = (double)stats->mean_square[c];
            if (rotated) {
                right = 0;
                for (size_t k = c / 32 * 32; k < c / 32 * 32 + 32; k++)
                    right += (double)stats->mean_square[k] / ((double)gain[k] * (double)gain[k]) / 32;
            }
            assert_true(fabs((double)h[c] / right - 1) < 1e-6);
        }
    }
    wt_transform_free(t);
    measured_free(&before);
    wt_model_close(model);
}

/* A channel that a norm hides counts as one of mean square 1 that nothing correlates with. */
static void test_zero_gain(void **state) {
    (void)state;
    wt_error err = {0};
    uint64_t seed = test_seed();
    wt_model *model = make_model("llama");
    size_t n = wt_model_hparams(model)->width;
    float *gain = calloc(n, sizeof *gain), *h = calloc(n, sizeof *h);
    memcpy(gain, wt_model_weight(model, WT_ROLE_ATTN_NORM, 0).data, n * sizeof *gain);
    gain[5] = 0.0f;
    assert_int_equal(wt_model_override(model, "blk.0.attn_norm.weight", WT_F32, gain, &err), 0);
    measured before = measure(model, "before");
    for (int with = 0; with < 2; with++) {
        wt_calibration c = {before.statistics, with ? before.gram : NULL};
        wt_transform_request request = random_request(ROTATE_RESIDUAL, &seed);
        wt_transform *t = make_transform(model, &request, &c);
        for (size_t i = 0; i < wt_transform_count(t); i++) {
            if (strcmp(wt_transform_at(t, i)->name, "blk.0.attn_q.weight") != 0) continue;
            assert_int_equal(wt_transform_mean_square(t, i, h, &err), 0);
            double sum = 0, right = 1; /* a rotation keeps the sum */
            for (size_t k = 0; k < n; k++) sum += (double)h[k];
            for (size_t k = 0; k < n; k++) {
                const double m = (double)wt_statistics_find(before.statistics, "blk.0.attn_q.weight")->mean_square[k];
                if (k != 5) right += m / ((double)gain[k] * (double)gain[k]);
            }
            assert_true(fabs(sum / right - 1) < 1e-5);
        }
        wt_transform_free(t);
    }
    measured_free(&before);
    free(gain);
    free(h);
    wt_model_close(model);
}

/* ---- features and scales ---- */

/* Keeps what a rule was shown in layer 1, and answers with a sum of it. */
typedef struct shown {
    float features[WT_CHANNEL_VARIABLES][256];
    size_t n, calls;
} shown;

static void show(void *user, size_t layer, const float *const features[WT_CHANNEL_VARIABLES], size_t n, float *out) {
    shown *s = user;
    s->calls++;
    s->n = n;
    assert_in_range(n, 1, 256);
    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) {
            assert_non_null(features[v]);
            if (layer == 1) s->features[v][i] = features[v][i];
            out[i] += 3 * features[v][i];
        }
    }
}

/* Divides by the geometric mean. */
static void relate(double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += log(x[i]);
    for (size_t i = 0; i < n; i++) x[i] /= exp(sum / (double)n);
}

static const struct site { wt_fold fold; const char *readers[4]; } SITES[] = {
    {WT_FOLD_ATTN_IN, {"attn_q", "attn_k", "attn_v", "attn_qkv"}},
    {WT_FOLD_ATTN_OUT, {"attn_output"}},
    {WT_FOLD_FFN_IN, {"ffn_gate", "ffn_up"}},
    {WT_FOLD_FFN_MID, {"ffn_down"}},
};

/* What the features should be, from a model that is rotated only and was measured anew. */
typedef struct expected {
    double features[WT_CHANNEL_VARIABLES][256];
    size_t n;
} expected;

static size_t find_tensor(const wt_transform *t, const char *name) {
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        if (strcmp(wt_transform_at(t, i)->name, name) == 0) return i;
    }
    return SIZE_MAX;
}

static expected expect_features(const wt_model *model, const wt_transform *rotated, const measured *again,
                                const struct site *site, bool values_rotate, bool stream_rotates) {
    wt_error err = {0};
    const wt_hparams *hp = wt_model_hparams(model);
    static expected e;
    memset(&e, 0, sizeof e);
    size_t rows = 0;
    for (int k = 0; k < 4 && site->readers[k]; k++) {
        char name[64];
        snprintf(name, sizeof name, "blk.1.%s.weight", site->readers[k]);
        size_t i = find_tensor(rotated, name);
        if (i == SIZE_MAX) continue;
        const wt_site_tensor *s = wt_transform_at(rotated, i);
        const wt_column_stats *stats = wt_statistics_find(again->statistics, name);
        float *w = calloc(s->rows * s->cols, sizeof *w);
        assert_int_equal(wt_transform_read(rotated, i, w, &err), 0);
        bool heads = site->fold == WT_FOLD_ATTN_OUT;
        bool moved = heads ? values_rotate : stream_rotates && site->fold != WT_FOLD_FFN_MID;
        size_t group = heads ? hp->n_heads / hp->n_kv_heads : 1, d = hp->head_dim;
        e.n = s->cols / group;
        for (size_t c = 0; c < s->cols; c++) {
            size_t to = heads ? c / d / group * d + c % d : c;
            double act = sqrt((double)stats->mean_square[c]);
            double peak = moved ? act : (double)stats->max[c];
            if (k == 0 || rows == 0) {
                e.features[WT_CHANNEL_ACT][to] += act * act / (double)group;
                e.features[WT_CHANNEL_ACT_MAX][to] = fmax(e.features[WT_CHANNEL_ACT_MAX][to], peak);
            }
            for (size_t r = 0; r < s->rows; r++) {
                double x = fabs((double)w[r * s->cols + c]);
                e.features[WT_CHANNEL_W][to] += x * x;
                e.features[WT_CHANNEL_W_MAX][to] = fmax(e.features[WT_CHANNEL_W_MAX][to], x);
            }
        }
        rows += s->rows;
        free(w);
    }
    for (size_t i = 0; i < e.n; i++) {
        e.features[WT_CHANNEL_ACT][i] = sqrt(e.features[WT_CHANNEL_ACT][i]);
        e.features[WT_CHANNEL_W][i] = sqrt(e.features[WT_CHANNEL_W][i]);
    }
    for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) relate(e.features[v], e.n);
    return e;
}

/* Channels of the site in layer 1 have scales exp(clamped rule), whose geometric mean is 1. */
static void check_scales(const wt_transform *t, wt_fold fold, const shown *s, double lo, double hi) {
    static const int spaces[] = {WT_SPACE_ATTN_IN, WT_SPACE_VALUE, WT_SPACE_FFN_IN, WT_SPACE_FFN_MID};
    const float *scale = wt_layer_space(t, 1, spaces[fold])->scale;
    double values[256], mean = 0, logs = 0;
    for (size_t i = 0; i < s->n; i++) {
        values[i] = 0;
        for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) values[i] += 3 * (double)s->features[v][i];
        values[i] = fmin(fmax(values[i], lo), hi);
        mean += values[i] / (double)s->n;
        logs += log((double)scale[i]);
    }
    assert_true(fabs(logs / (double)s->n) < 1e-6);
    for (size_t i = 0; i < s->n; i++) assert_true(fabs((double)scale[i] / exp(values[i] - mean) - 1) < 1e-4);
}

static void check_features(const char *variant, unsigned rotations, uint64_t seed) {
    wt_error err = {0};
    wt_model *model = make_model(variant);
    measured before = measure(model, "before");
    wt_transform_request request = random_request(rotations, &seed);
    wt_transform *rotated = make_transform(model, &request, &before.both);
    transformed m;
    assert_int_equal(transformed_apply(&m, model, rotated, &err), 0);
    measured after = measure(model, "after");
    transformed_undo(&m, rotated);
    for (size_t f = 0; f < 4; f++) {
        expected e = expect_features(model, rotated, &after, &SITES[f], rotations & ROTATE_VALUE,
                                     rotations & ROTATE_RESIDUAL);
        static shown s;
        memset(&s, 0, sizeof s);
        request = random_request(rotations | EVERY_FOLD, &seed); /* other folds do not change what a rule sees */
        request.folds[SITES[f].fold] = (wt_fold_rule){show, &s, (1 << WT_CHANNEL_VARIABLES) - 1, 11, 13};
        wt_transform *t = make_transform(model, &request, &before.both);
        assert_int_equal(s.calls, wt_model_hparams(model)->n_layers);
        assert_int_equal(s.n, e.n);
        for (int v = 0; v < WT_CHANNEL_VARIABLES; v++) {
            for (size_t i = 0; i < e.n; i++) {
                double d = fabs((double)s.features[v][i] / e.features[v][i] - 1);
                if (!(d <= 1e-4)) fail_msg("%s fold %d feature %d channel %zu: %g, should be %g", variant,
                                           (int)SITES[f].fold, v, i, (double)s.features[v][i], e.features[v][i]);
            }
        }
        check_scales(t, SITES[f].fold, &s, 11, 13);
        wt_transform_free(t);
    }
    wt_transform_free(rotated);
    measured_free(&before);
    measured_free(&after);
    wt_model_close(model);
}

static void test_features(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    check_features("llama-160", 0, seed);
    check_features("llama-160", ROTATE_RESIDUAL | ROTATE_VALUE, seed);
    check_features("llama-tied-gqa", ROTATE_VALUE, seed);
    check_features("phi3-96", ROTATE_RESIDUAL, seed);
    check_features("gemma3-160", ROTATE_VALUE, seed);
}

/* A strategy's genes are what is asked for: scales are the square root of what the rule of AWQ's paper reads. */
static void test_strategy(void **state) {
    (void)state;
    wt_error err = {0};
    wt_model *model = make_model("llama-160");
    measured m = measure(model, "before");
    const char *text = "strategy\nfold.ffn_in = 0.5 * log(act)\nfold.attn_in = 3\nfold.ffn_mid = 9 * log(w)\n"
                       "rotate.value = hadamard 9\n";
    wt_strategy strategy;
    if (wt_strategy_parse(&strategy, text, strlen(text), "text", &err) != 0) fail_msg("%s", err.message);
    wt_transform *t = wt_transform_new(model, &strategy, &m.both, &err);
    if (!t) fail_msg("%s", err.message);
    assert_null(wt_layer_space(t, 0, WT_SPACE_ATTN_IN)->scale); /* one factor for all is none */
    assert_null(wt_layer_space(t, 0, WT_SPACE_VALUE)->scale);
    assert_false(wt_transform_unties(t));
    assert_int_equal(wt_layer_space(t, 1, WT_SPACE_VALUE)->seed, 9);
    const float *scale = wt_layer_space(t, 0, WT_SPACE_FFN_IN)->scale;
    const wt_column_stats *stats = wt_statistics_find(m.statistics, "blk.0.ffn_gate.weight");
    double first = sqrt(sqrt((double)stats->mean_square[0])) / (double)scale[0];
    for (size_t i = 0; i < stats->columns; i++)
        assert_true(fabs(sqrt(sqrt((double)stats->mean_square[i])) / (double)scale[i] / first - 1) < 1e-5);
    double lo = 1e30, hi = 0; /* a rule that goes everywhere stays within its gene's bounds */
    const wt_gene_info *gene = wt_gene_of(WT_GENE_FOLD_FFN_MID);
    for (size_t i = 0; i < 224; i++) {
        double x = (double)wt_layer_space(t, 0, WT_SPACE_FFN_MID)->scale[i];
        lo = fmin(lo, x);
        hi = fmax(hi, x);
    }
    assert_true(hi / lo <= exp(gene->hi - gene->lo) * 1.0001);
    wt_transform_free(t);
    wt_strategy_init(&strategy);
    t = wt_transform_new(model, &strategy, NULL, &err); /* the default changes nothing and needs nothing */
    assert_non_null(t);
    for (size_t i = 0; i < wt_transform_count(t); i++) assert_false(wt_transform_at(t, i)->changed);
    wt_transform_free(t);
    wt_strategy_release(&strategy);
    measured_free(&m);
    wt_model_close(model);
}

/* ---- keys, threads, errors ---- */

static bool same_key(const wt_transform *a, const wt_transform *b, size_t i) {
    return memcmp(wt_transform_at(a, i)->key, wt_transform_at(b, i)->key, sizeof(uint64_t[2])) == 0;
}

/* Keys differ exactly where values or the input's statistics do. */
static void test_keys(void **state) {
    (void)state;
    uint64_t seed = test_seed(), other = seed + 5;
    wt_model *model = make_model("llama-160");
    wt_transform_request none = {0};
    wt_transform *plain = make_transform(model, &none, NULL);
    for (unsigned part = 1; part <= 32; part *= 2) {
        wt_transform_request one = random_request(part, &seed), two = random_request(part, &other);
        wt_transform *a = make_transform(model, &one, NULL), *again = make_transform(model, &one, NULL);
        wt_transform *b = make_transform(model, &two, NULL);
        size_t changed = 0;
        for (size_t i = 0; i < wt_transform_count(plain); i++) {
            const wt_site_tensor *s = wt_transform_at(a, i);
            assert_string_equal(s->name, wt_transform_at(plain, i)->name);
            assert_true(same_key(a, again, i));
            assert_int_equal(same_key(a, plain, i), !s->changed);
            bool norm = s->role == WT_ROLE_ATTN_NORM || s->role == WT_ROLE_FFN_NORM || s->role == WT_ROLE_OUTPUT_NORM;
            if (!(norm && part == ROTATE_RESIDUAL)) assert_int_equal(same_key(a, b, i), !s->changed);
            changed += s->changed;
            for (size_t j = 0; j < i; j++)
                assert_memory_not_equal(s->key, wt_transform_at(a, j)->key, sizeof s->key);
        }
        assert_true(changed > 0);
        assert_int_equal(wt_transform_unties(a), part == ROTATE_RESIDUAL);
        assert_int_equal(wt_transform_count(a), wt_transform_count(plain) + (part == ROTATE_RESIDUAL));
        wt_transform_free(a);
        wt_transform_free(again);
        wt_transform_free(b);
    }
    wt_transform_free(plain);
    wt_model_close(model);
}

/* All values and squares, hashed by adding them up in order. */
static double fingerprint(const wt_model *model, const wt_transform_request *request, const wt_calibration *c) {
    wt_error err = {0};
    wt_transform *t = make_transform(model, request, c);
    double sum = 0;
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        const wt_site_tensor *s = wt_transform_at(t, i);
        float *x = calloc(s->rows * s->cols, sizeof *x);
        assert_int_equal(wt_transform_read(t, i, x, &err), 0);
        for (size_t k = 0; k < s->rows * s->cols; k++) sum = sum * 0.999 + (double)x[k];
        assert_true(wt_transform_mean_square(t, i, x, &err) >= 0);
        for (size_t k = 0; k < s->cols; k++) sum = sum * 0.999 + (double)x[k];
        free(x);
    }
    wt_transform_free(t);
    return sum;
}

static void test_threads_do_not_show(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    int before = wt_threads_get();
    wt_model *model = make_model("llama-160");
    measured m = measure(model, "before");
    static shown s;
    wt_transform_request request = random_request(EVERYTHING, &seed);
    request.folds[WT_FOLD_ATTN_OUT] = (wt_fold_rule){show, &s, (1 << WT_CHANNEL_VARIABLES) - 1, -2, 20};
    request.folds[WT_FOLD_FFN_IN] = request.folds[WT_FOLD_ATTN_OUT];
    double prints[3];
    for (int i = 0; i < 3; i++) {
        wt_threads_set(i == 2 ? 5 : i + 1);
        prints[i] = fingerprint(model, &request, &m.both);
    }
    wt_threads_set(before);
    assert_true(prints[0] == prints[1] && prints[0] == prints[2]);
    measured_free(&m);
    wt_model_close(model);
}

static void expect_failure(const wt_model *model, const wt_transform_request *request, const wt_calibration *c,
                           const char *part) {
    wt_error err = {0};
    wt_transform *t = wt_transform_request_new(model, request, c, &err);
    assert_null(t);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
    print_message("  %s (%s)\n", err.message, err.hint);
}

static void test_errors(void **state) {
    (void)state;
    uint64_t seed = 1;
    static shown s;
    wt_model *gemma = make_model("gemma3-160"), *llama = make_model("llama"), *other = make_model("llama-160");
    wt_transform_request rotate = random_request(ROTATE_RESIDUAL, &seed), reads = {0};
    expect_failure(gemma, &rotate, NULL, "rotate.residual");
    expect_failure(gemma, &rotate, NULL, "'gemma3'");
    reads.folds[WT_FOLD_FFN_MID] = (wt_fold_rule){show, &s, 1 << WT_CHANNEL_ACT, -1, 1};
    expect_failure(llama, &reads, NULL, "fold.ffn_mid");
    measured m = measure(other, "before");
    expect_failure(llama, &reads, &m.both, "columns");
    measured_free(&m);
    wt_model_close(gemma);
    wt_model_close(llama);
    wt_model_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_of_random_models),
        cmocka_unit_test(test_inputs_of_trained_models),
        cmocka_unit_test(test_shared_inputs),
        cmocka_unit_test(test_without_gram),
        cmocka_unit_test(test_zero_gain),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_strategy),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_threads_do_not_show),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
