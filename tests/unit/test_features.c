/*
 * What is measured of a model before strategies are applied: features against sums of their definition, sensitivity against measuring
 * a model with one matrix replaced, sampled errors against full ones, and the files that keep them, damaged ones too.
 */
#include "support/studied.h"
#include "support/testing.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

#include "apply/humans.h"
#include "apply/presets.h"
#include "apply/quantize.h"
#include "apply/sensitivity.h"
#include "base/threads.h"
#include "engine/forward.h"
#include "quant/codec.h"

static char folder[] = "/tmp/wt-features-XXXXXX";

static const char *path_of(const char *name) {
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state) {
    (void)state;
    wt_threads_set(1); /* models are so small that threads would wait for each other most of the time */
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static float *decoded(const wt_tensor *t, wt_type type, const void *data) {
    uint64_t row_bytes;
    float *x = calloc((size_t)(t->dims[0] * t->rows), sizeof *x);
    assert_true(wt_type_row_bytes(type, t->dims[0], &row_bytes));
    for (size_t r = 0; r < t->rows; r++)
        wt_codec_of(type)->decode((const char *)data + r * row_bytes, x + r * t->dims[0], (size_t)t->dims[0]);
    return x;
}

static void assert_near(const char *what, double value, double expected, double relative) {
    if (!(fabs(value - expected) <= relative * fabs(expected) + 1e-300))
        fail_msg("%s: %.17g, not %.17g", what, value, expected);
}

/* ---- features ---- */

/* Kurtosis, peak, RMS of the input and error at the probe type, summed in long double. */
typedef struct direct {
    double kurt, peak, rms_act, kurt_act, weights, probe, lost;
} direct;

static direct measure_directly(const studied *s, const wt_tensor *t) {
    direct d = {.weights = (double)t->dims[0] * (double)t->rows};
    const wt_column_stats *c = wt_statistics_find(s->study.statistics, t->name);
    long double two = 0, four = 0, in_two = 0, in_four = 0, lost = 0, whole = 0;
    double most = 0;
    wt_type type;
    assert_true(wt_probe_type(t->dims[0], &type));
    void *blocks = wt_probe_encode(t, s->study.statistics, type, NULL);
    float *x = decoded(t, t->type, t->data), *q = decoded(t, type, blocks);
    const size_t cols = (size_t)t->dims[0];
    for (size_t i = 0; i < cols * t->rows; i++) {
        const long double v = x[i], e = (long double)x[i] - q[i], u = c ? c->mean_square[i % cols] : 1;
        two += v * v;
        four += v * v * v * v;
        most = fmax(most, fabs((double)v));
        lost += u * e * e;
        whole += u * v * v;
    }
    for (size_t i = 0; c && i < cols; i++) {
        in_two += c->mean_square[i];
        in_four += c->mean_fourth[i];
    }
    d.kurt = (double)(four * d.weights / (two * two));
    d.peak = most / sqrt((double)two / d.weights);
    d.rms_act = c ? sqrt((double)in_two / (double)cols) : 0;
    d.kurt_act = c ? (double)(in_four * cols / (in_two * in_two)) : 3;
    d.probe = (double)(lost / whole);
    d.lost = (double)lost;
    free(blocks);
    free(x);
    free(q);
    return d;
}

static void check_features(studied *s) {
    wt_error err = {0};
    wt_strategy plain = strategy_of("");
    wt_transform *t =
        wt_transform_new(wt_workbench_model(s->study.bench), &plain, wt_workbench_calibration(s->study.bench), &err);
    const wt_features *f = wt_workbench_features(s->study.bench);
    double weights = 0, logs = 0, losses = 0;
    size_t matrices = 0, known = 0;
    static direct all[512];
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        const wt_site_tensor *site = wt_transform_at(t, i);
        if (!site->matrix) continue;
        all[i] = measure_directly(s, site->source);
        weights += all[i].weights;
        losses += log(all[i].lost);
        if (all[i].rms_act > 0) {
            logs += log(all[i].rms_act);
            known++;
        }
        matrices++;
    }
    for (size_t i = 0; i < wt_transform_count(t); i++) {
        const wt_site_tensor *site = wt_transform_at(t, i);
        if (!site->matrix) continue;
        float v[WT_TENSOR_VARIABLES];
        const direct *d = &all[i];
        wt_features_of(f, site, false, v);
        assert_near("kurt", v[WT_TENSOR_KURT], d->kurt, 1e-5);
        assert_near("peak", v[WT_TENSOR_PEAK], d->peak, 1e-5);
        assert_near("kurt_act", v[WT_TENSOR_KURT_ACT], d->kurt_act, 1e-5);
        assert_near("rms_act", v[WT_TENSOR_RMS_ACT], d->rms_act > 0 ? d->rms_act / exp(logs / (double)known) : 1, 1e-5);
        assert_near("error", v[WT_TENSOR_ERROR], d->lost / exp(losses / (double)matrices), 1e-5);
        assert_near("probe", wt_features_probe_error(f, site->source), d->probe, 1e-9);
        if (fabs(v[WT_TENSOR_SIZE] - log2(d->weights / (weights / (double)matrices))) > 1e-5)
            fail_msg("size of %s", site->name);
        const double layers = wt_model_hparams(wt_workbench_model(s->study.bench))->n_layers - 1.0;
        const bool head = strcmp(site->name, "output.weight") == 0;
        assert_near("depth", v[WT_TENSOR_DEPTH], site->layer >= 0 ? site->layer / layers : head, 1e-6);
    }
    wt_transform_free(t);
    wt_strategy_release(&plain);
}

static void test_features_are_their_definitions(void **state) {
    (void)state;
    wt_error err = {0};
    studied s;
    studied_open(&s, NULL, NULL);
    check_features(&s);
    studied_close(&s);
    const char *const variants[] = {"llama", "phi3", "qwen2", "gemma3"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(random_model_write(random_model_find(variants[i]), 4, path_of(variants[i]), &err), 0);
        studied_open(&s, path_of(variants[i]), &(studied_options){.context = 32, .chunks = 2});
        check_features(&s);
        studied_close(&s);
    }
}

/* ---- sensitivity ---- */

/* Against overriding one matrix and running the whole model. */
static void check_sensitivity(studied *s, size_t every) {
    wt_error err = {0};
    wt_sensitivity found;
    assert_int_equal(wt_sensitivity_measure(s->gguf, &s->chunks, s->study.statistics, &found, NULL, &err), 0);
    wt_model *model = wt_model_from_gguf(s->gguf, &err);
    size_t compared = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(s->gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(s->gguf, i);
        wt_type type;
        if (t->rows < 2 || i % every != 0 || !wt_probe_type(t->dims[0], &type)) continue;
        void *blocks = wt_probe_encode(t, s->study.statistics, type, &err);
        assert_int_equal(wt_model_override(model, t->name, type, blocks, &err), 0);
        double mean;
        free(positions_of(s, model, &mean));
        if (!(fabs(found.nats[i] - mean) <= 1e-9 * fmax(mean, 1e-3)))
            fail_msg("%s: %.17g, not %.17g", t->name, found.nats[i], mean);
        assert_int_equal(wt_model_override(model, t->name, t->type, NULL, &err), 0);
        free(blocks);
        compared++;
    }
    /* of a tied head: each of its two uses alone, the other as it is */
    if (wt_model_hparams(model)->tied_head) {
        const wt_tensor *t = wt_gguf_find_tensor(s->gguf, "token_embd.weight");
        wt_type type;
        double mean;
        assert_true(wt_probe_type(t->dims[0], &type));
        void *blocks = wt_probe_encode(t, s->study.statistics, type, &err);
        assert_int_equal(wt_model_override(model, "output.weight", type, blocks, &err), 0);
        free(positions_of(s, model, &mean));
        assert_near("head alone", found.head, mean, 1e-9);
        assert_int_equal(wt_model_override(model, "output.weight", t->type, t->data, &err), 0);
        assert_int_equal(wt_model_override(model, "token_embd.weight", type, blocks, &err), 0);
        free(positions_of(s, model, &mean));
        assert_near("lookup alone", found.lookup, mean, 1e-9);
        free(blocks);
    }
    printf("  %zu matrices compared\n", compared);
    assert_true(compared >= 5);
    wt_model_close(model);
    free(found.nats);
}

static void test_sensitivity_is_the_divergence(void **state) {
    (void)state;
    wt_error err = {0};
    studied s;
    studied_open(&s, NULL, &(studied_options){.chunks = 2});
    check_sensitivity(&s, 1);
    studied_close(&s);
    const char *const variants[] = {"llama", "llama-tied-gqa", "gemma3"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(random_model_write(random_model_find(variants[i]), 4, path_of(variants[i]), &err), 0);
        studied_open(&s, path_of(variants[i]), &(studied_options){.context = 32, .chunks = 2});
        check_sensitivity(&s, 3);
        studied_close(&s);
    }
}

static void test_sensitivity_does_not_depend_on_threads(void **state) {
    (void)state;
    wt_error err = {0};
    studied s;
    wt_sensitivity first = {0}, other;
    studied_open(&s, NULL, &(studied_options){.chunks = 2, .context = 64});
    for (int threads = 1; threads <= 3; threads++) {
        wt_threads_set(threads);
        assert_int_equal(wt_sensitivity_measure(s.gguf, &s.chunks, s.study.statistics, &other, NULL, &err), 0);
        if (threads == 1) {
            first = other;
            continue;
        }
        assert_memory_equal(first.nats, other.nats, wt_gguf_tensor_count(s.gguf) * sizeof(double));
        assert_memory_equal(&first.lookup, &other.lookup, sizeof(double));
        assert_memory_equal(&first.head, &other.head, sizeof(double));
        free(other.nats);
    }
    free(first.nats);
    wt_threads_set(1);
    studied_close(&s);
}

/* ---- the cache on disk ---- */

static void values_of(studied *s, float *values, uint64_t *tokens) {
    wt_error err = {0};
    wt_strategy plain = strategy_of("");
    wt_transform *t =
        wt_transform_new(wt_workbench_model(s->study.bench), &plain, wt_workbench_calibration(s->study.bench), &err);
    wt_features *f = wt_workbench_features(s->study.bench);
    if (wt_features_need_sensitivity(f, NULL, &err) != 0) fail_msg("%s", err.message);
    for (size_t i = 0; i < wt_transform_count(t); i++)
        wt_features_of(f, wt_transform_at(t, i), false, values + i * WT_TENSOR_VARIABLES);
    *tokens = wt_features_tokens(f);
    wt_transform_free(t);
    wt_strategy_release(&plain);
}

/* Another last digit for the first number that has three: still a number, and as likely a one as before. */
static void flip_digit(const char *path) {
    size_t len, run = 0;
    unsigned char *bytes = bytes_of_file(path, &len);
    const char *payload = memmem(bytes, len, "payload", 7);
    assert_non_null(payload);
    for (size_t i = (size_t)(payload - (char *)bytes); i < len; i++) {
        run = bytes[i] >= '0' && bytes[i] <= '9' ? run + 1 : 0;
        if (run < 3) continue;
        bytes[i] ^= 1;
        break;
    }
    assert_true(run == 3);
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    free(bytes);
}

static void count_note(void *user, const char *text) {
    assert_non_null(strstr(text, "' is damaged: what it kept is measured again"));
    ++*(size_t *)user;
}

/* Every file in the cache: cut to half, emptied, with words where numbers were, or with one bit of a number flipped. */
static size_t damage(const char *cache, int how) {
    char command[600];
    size_t files = 0;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        files++;
        if (how == 0) snprintf(command, sizeof command, "truncate -s 300 '%.200s/%.200s'", cache, e->d_name);
        if (how == 1) snprintf(command, sizeof command, "truncate -s 0 '%.200s/%.200s'", cache, e->d_name);
        if (how == 2)
            snprintf(command, sizeof command,
                     "sed -i 's/: *[0-9][0-9.e-]*/: \"x\"/; s/^ *[0-9][0-9.e-]*/ null/' '%.200s/%.200s'", cache,
                     e->d_name);
        if (how == 3) {
            snprintf(command, sizeof command, "%.200s/%.200s", cache, e->d_name);
            flip_digit(command);
        } else {
            assert_int_equal(system(command), 0);
        }
    }
    if (d) closedir(d);
    return files;
}

static void test_cache_on_disk(void **state) {
    (void)state;
    const char *cache = path_of("cache/in/folders");
    char kept[256];
    snprintf(kept, sizeof kept, "%s", cache);
    static float first[512 * WT_TENSOR_VARIABLES], again[512 * WT_TENSOR_VARIABLES];
    uint64_t tokens;
    studied s;
    size_t notes = 0;
    const studied_options options = {
        .chunks = 2, .context = 64, .cache = kept, .note = count_note, .note_user = &notes};
    studied_open(&s, NULL, &options);
    values_of(&s, first, &tokens);
    assert_true(tokens > 0);
    studied_close(&s);
    assert_int_equal(notes, 0);
    for (int how = -1; how < 4; how++) {
        notes = 0;
        if (how >= 0) assert_int_equal(damage(kept, how), 2);
        studied_open(&s, NULL, &options);
        values_of(&s, again, &tokens);
        assert_memory_equal(first, again, sizeof first);
        if (how < 0) assert_int_equal(tokens, 0);
        if (how >= 0) assert_true(tokens > 0); /* measured anew */
        assert_int_equal(notes, how < 0 ? 0 : 2);
        studied_close(&s);
    }
    /* another text: other files */
    studied_open(&s, NULL, &(studied_options){.chunks = 3, .context = 64, .cache = kept});
    values_of(&s, again, &tokens);
    assert_true(tokens > 0);
    studied_close(&s);
    assert_int_equal(damage(kept, 1), 4);
}

/* ---- errors from a sample of rows ---- */

/* All rows: the error is that of what wt_workbench_encode encodes, by the Gram matrix where errors are fed back. */
static void test_full_errors(void **state) {
    (void)state;
    const char *const genes[] = {"", "feedback.damp = 0.1\nrotate.value = hadamard 3\nfold.ffn_mid = 0.3 * log(act)"};
    for (size_t k = 0; k < 2; k++) {
        wt_error err = {0};
        studied s;
        studied_open(&s, NULL, NULL);
        wt_strategy strategy = strategy_of(genes[k]);
        wt_encoding encoding;
        assert_int_equal(wt_encoding_init(&encoding, &strategy, &err), 0);
        wt_transform *t = wt_transform_new(wt_workbench_model(s.study.bench), &strategy,
                                           wt_workbench_calibration(s.study.bench), &err);
        for (size_t i = 2; i < wt_transform_count(t); i += 4) {
            const wt_site_tensor *site = wt_transform_at(t, i);
            const wt_type type = WT_Q3_K;
            if (!site->matrix || site->cols > 256) continue;
            const size_t n = site->rows * site->cols, cols = site->cols;
            double error, lost = 0, whole = 0, *gram = calloc(cols * cols, sizeof *gram);
            float *x = calloc(n, sizeof *x), *h = calloc(cols, sizeof *h), *q = calloc(n, sizeof *q);
            assert_int_equal(wt_workbench_errors_sampled(s.study.bench, t, i, &encoding, &type, 1, 1, &error, &err), 0);
            wt_encoded *e = wt_workbench_encode(s.study.bench, t, i, &encoding, type, &err);
            assert_int_equal(wt_transform_read(t, i, x, &err), 0);
            assert_int_equal(wt_transform_mean_square(t, i, h, &err), 0);
            if (k == 1) assert_int_equal(wt_transform_gram(t, i, gram, NULL, &err), 0);
            for (size_t c = 0; k == 0 && c < cols; c++) gram[c * cols + c] = h[c];
            wt_codec_of(type)->decode(e->data, q, n);
            for (size_t r = 0; r < site->rows; r++) {
                for (size_t c = 0; c < cols; c++) {
                    const double *g = gram + c * cols, a = x[r * cols + c], b = a - q[r * cols + c];
                    for (size_t d = 0; d < cols; d++) {
                        lost += b * g[d] * ((double)x[r * cols + d] - q[r * cols + d]);
                        whole += a * g[d] * x[r * cols + d];
                    }
                }
            }
            assert_near(site->name, error, lost / whole, 1e-5);
            wt_encoded_release(e);
            free(gram);
            free(x);
            free(h);
            free(q);
        }
        wt_transform_free(t);
        wt_strategy_release(&strategy);
        studied_close(&s);
    }
}

typedef struct ranked {
    double value;
    size_t at;
} ranked;

static int by_value(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value;
}

static double rank_correlation(const double *a, const double *b, size_t n) {
    ranked *order = calloc(n, sizeof *order);
    double *ranks[2] = {calloc(n, sizeof(double)), calloc(n, sizeof(double))}, squares = 0;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n; i++) order[i] = (ranked){k ? b[i] : a[i], i};
        qsort(order, n, sizeof *order, by_value);
        for (size_t i = 0; i < n; i++) ranks[k][order[i].at] = (double)i;
    }
    for (size_t i = 0; i < n; i++) squares += (ranks[0][i] - ranks[1][i]) * (ranks[0][i] - ranks[1][i]);
    free(order);
    free(ranks[0]);
    free(ranks[1]);
    return 1 - 6 * squares / ((double)n * ((double)n * (double)n - 1));
}

static void test_sampled_errors(void **state) {
    (void)state;
    static const wt_type types[] = {WT_IQ2_XXS, WT_Q2_K, WT_IQ3_XXS, WT_Q3_K, WT_IQ4_XS,
                                    WT_Q4_K,    WT_Q5_K, WT_Q6_K,    WT_Q8_0};
    enum { TYPES = sizeof types / sizeof *types };
    const char *const genes[] = {"", "feedback.damp = 0.1\nfold.ffn_in = 0.3 * log(act)"};
    for (size_t k = 0; k < 2; k++) {
        wt_error err = {0};
        studied s;
        studied_open(&s, NULL, NULL);
        wt_strategy strategy = strategy_of(genes[k]);
        wt_encoding encoding;
        assert_int_equal(wt_encoding_init(&encoding, &strategy, &err), 0);
        wt_transform *t = wt_transform_new(wt_workbench_model(s.study.bench), &strategy,
                                           wt_workbench_calibration(s.study.bench), &err);
        static double sampled[512], full[512];
        size_t n = 0, rows = 0, taken = 0;
        double worst = 0;
        for (size_t i = 0; i < wt_transform_count(t); i++) {
            const wt_site_tensor *site = wt_transform_at(t, i);
            if (!site->matrix || (k == 1 && site->layer != 1)) continue; /* with feedback full errors take long */
            assert_int_equal(wt_workbench_errors(s.study.bench, t, i, &encoding, types, TYPES, sampled + n, &err), 0);
            assert_int_equal(
                wt_workbench_errors_sampled(s.study.bench, t, i, &encoding, types, TYPES, 1, full + n, &err), 0);
            for (size_t j = 0; j < TYPES; j++, n++) worst = fmax(worst, fabs(sampled[n] / full[n] - 1));
            const size_t some = (site->rows + WT_SAMPLE_EVERY - 1) / WT_SAMPLE_EVERY;
            taken += some > WT_SAMPLE_MOST ? WT_SAMPLE_MOST : some > WT_SAMPLE_LEAST ? some : WT_SAMPLE_LEAST;
            rows += site->rows;
        }
        const double correlation = rank_correlation(sampled, full, n);
        printf("  %s: %zu of %zu rows; rank correlation %.5f over %zu pairs; worst ratio off by %.1f%%\n",
               k ? "folds and feedback" : "plain", taken, rows, correlation, n, 100 * worst);
        assert_true(correlation >= 0.98);
        wt_transform_free(t);
        wt_strategy_release(&strategy);
        studied_close(&s);
    }
}

/* ---- a preset as a strategy ---- */

/* Its types are those of the preset; its divergence is about that of the quantizer's file. */
static void test_presets_as_strategies(void **state) {
    (void)state;
    const char *const presets[] = {"Q3_K_M", "Q4_K_M", "IQ3_XXS"};
    studied s;
    studied_open(&s, NULL, &(studied_options){.chunks = 6});
    const size_t n = wt_gguf_tensor_count(s.gguf);
    for (size_t k = 0; k < 3; k++) {
        wt_error err = {0};
        wt_strategy human;
        assert_int_equal(wt_human(&human, presets[k], s.gguf, true, &err), 0);
        wt_plan plan = plan_of(&s, &human, 0);
        const wt_preset *preset = wt_preset_find(presets[k]);
        const wt_preset_request request = {
            .preset = preset, .output_type = -1, .embedding_type = -1, .has_importance = true};
        wt_assignment *assigned = calloc(n, sizeof *assigned);
        size_t fallbacks;
        assert_int_equal(wt_preset_assign(s.gguf, &request, assigned, &fallbacks, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(plan.tensors[i].site->name, wt_gguf_tensor(s.gguf, i)->name);
            assert_int_equal(plan.tensors[i].type, assigned[i].type);
        }
        const wt_quantization q = {assigned, s.study.statistics, preset->file_type};
        if (wt_quantize(s.gguf, &q, path_of("preset.gguf"), NULL, &err) != 0) fail_msg("%s", err.message);
        wt_candidate *c = wt_candidate_new(s.study.bench, &plan, NULL, &err);
        wt_model *model = wt_model_open(path_of("preset.gguf"), &err);
        double ours, theirs;
        free(positions_of(&s, wt_candidate_model(c), &ours));
        free(positions_of(&s, model, &theirs));
        printf("  %-8s divergence %.6f as a strategy, %.6f from the quantizer\n", presets[k], ours, theirs);
        assert_true(fabs(ours / theirs - 1) < 0.1);
        wt_model_close(model);
        wt_candidate_free(c);
        free(assigned);
        wt_plan_release(&plan);
        wt_strategy_release(&human);
    }
    studied_close(&s);
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_their_definitions),
        cmocka_unit_test(test_sensitivity_is_the_divergence),
        cmocka_unit_test(test_sensitivity_does_not_depend_on_threads),
        cmocka_unit_test(test_cache_on_disk),
        cmocka_unit_test(test_full_errors),
        cmocka_unit_test(test_sampled_errors),
        cmocka_unit_test(test_presets_as_strategies),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
