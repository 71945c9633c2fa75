/*
 * Quantizing files: what is written is what the encoders make of each row, whatever the number of threads; metadata; what is
 * refused; and that nothing is left behind where it fails. And comparing files.
 */
#include "support/testing.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "apply/compare.h"
#include "apply/presets.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "quant/importance.h"

static char folder[] = "/tmp/wt-quantize-XXXXXX";
static char model_path[128], out_path[128], stats_path[128];

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(model_path, sizeof model_path, "%s/model.gguf", folder);
    snprintf(out_path, sizeof out_path, "%s/out.gguf", folder);
    snprintf(stats_path, sizeof stats_path, "%s/stats.gguf", folder);
    return 0;
}

/* How many files are in the folder: a temporary one that is left behind counts. */
static int files_there(void) {
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int teardown(void **state) {
    (void)state;
    unlink(model_path);
    unlink(out_path);
    unlink(stats_path);
    return rmdir(folder);
}

static wt_error err;

#define must(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != 0) fail_msg("%s", err.message);                                                                  \
    } while (0)

/* ---- models ---- */

typedef struct tensor_spec {
    const char *name;
    wt_type type; /* F32 or F16 */
    uint32_t n_dims;
    uint64_t dims[3];
} tensor_spec;

static const tensor_spec TENSORS[] = {
    {"token_embd.weight", WT_F16, 2, {256, 300, 1}},        {"blk.0.attn_norm.weight", WT_F32, 1, {256, 1, 1}},
    {"blk.0.attn_q.weight", WT_F32, 2, {256, 70, 1}},       {"blk.0.attn_v.weight", WT_F16, 2, {32, 5, 1}},
    {"blk.0.ffn_up.weight", WT_F16, 2, {20480, 3, 1}}, /* a row is longer than a piece */
    {"blk.0.ffn_down_exps.weight", WT_F16, 3, {512, 6, 4}}, {"output.weight", WT_F16, 2, {256, 9, 1}},
};
enum { TENSOR_COUNT = sizeof TENSORS / sizeof *TENSORS };

static size_t weights_of(const tensor_spec *t) { return t->dims[0] * t->dims[1] * t->dims[2]; }

/* Writes the model with random weights; `spoil` (NaN or large) takes the place of one weight of `victim`. */
static void write_model(uint64_t seed, const char *victim, float spoil) {
    wt_gguf_writer *w = wt_gguf_writer_open(model_path, &err);
    assert_non_null(w);
    must(wt_gguf_writer_set_str(w, "general.architecture", "llama", &err));
    must(wt_gguf_writer_set_u32(w, "general.file_type", 1, &err));
    must(wt_gguf_writer_set_str(w, "odd \xff key", "\x01\x02 value", &err));
    must(wt_gguf_writer_set_u32(w, "llama.block_count", 1, &err));
    must(wt_gguf_writer_set_str(w, "quantize.imatrix.dataset", "of an earlier time", &err));
    must(wt_gguf_writer_set_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5F, &err));
    for (int i = 0; i < TENSOR_COUNT; i++)
        must(wt_gguf_writer_add_tensor(w, TENSORS[i].name, TENSORS[i].type, TENSORS[i].dims, TENSORS[i].n_dims, &err));
    for (int i = 0; i < TENSOR_COUNT; i++) {
        const tensor_spec *t = &TENSORS[i];
        const size_t n = weights_of(t);
        float *x = malloc(n * sizeof *x);
        uint16_t *half = malloc(n * sizeof *half);
        wt_rng rng;
        wt_rng_init(&rng, seed, (uint64_t)i, 0);
        for (size_t k = 0; k < n; k++) x[k] = (float)(0.05 * wt_rng_normal(&rng));
        if (victim && strcmp(victim, t->name) == 0) x[n / 2] = spoil;
        for (size_t k = 0; k < n; k++) half[k] = wt_f32_to_f16(x[k]);
        must(wt_gguf_writer_data(w, t->type == WT_F32 ? (void *)x : half, n * (t->type == WT_F32 ? 4 : 2), &err));
        free(x);
        free(half);
    }
    must(wt_gguf_writer_finish(w, &err));
}

/* An imatrix file of the tensors but `left_out`; some of its entries are 0. */
static void write_importance(const char *left_out) {
    wt_gguf_writer *w = wt_gguf_writer_open(stats_path, &err);
    const wt_str dataset = {"some text.txt", 13};
    assert_non_null(w);
    must(wt_gguf_writer_set_str(w, "general.type", "imatrix", &err));
    must(wt_gguf_writer_set_strs(w, "imatrix.datasets", &dataset, 1, &err));
    must(wt_gguf_writer_set_u32(w, "imatrix.chunk_count", 17, &err));
    must(wt_gguf_writer_set_u32(w, "imatrix.chunk_size", 512, &err));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < TENSOR_COUNT; i++) {
            const tensor_spec *t = &TENSORS[i];
            char name[128];
            const uint64_t sums[] = {t->dims[0], t->dims[2]}, counts[] = {1, t->dims[2]};
            const size_t n = t->dims[0] * t->dims[2];
            float values[32768];
            if (t->n_dims == 1 || strcmp(t->name, "token_embd.weight") == 0) continue;
            if (left_out && strcmp(left_out, t->name) == 0) continue;
            if (pass == 0) {
                snprintf(name, sizeof name, "%s.in_sum2", t->name);
                must(wt_gguf_writer_add_tensor(w, name, WT_F32, sums, 2, &err));
                snprintf(name, sizeof name, "%s.counts", t->name);
                must(wt_gguf_writer_add_tensor(w, name, WT_F32, counts, 2, &err));
                continue;
            }
            for (size_t k = 0; k < n; k++)
                values[k] = k % 50 == 7 ? 0 : 10.0F * (float)(1 + k % 13 + 100 * (k / t->dims[0]));
            must(wt_gguf_writer_data(w, values, n * 4, &err));
            for (size_t k = 0; k < t->dims[2]; k++) values[k] = 10;
            must(wt_gguf_writer_data(w, values, t->dims[2] * 4, &err));
        }
    }
    must(wt_gguf_writer_finish(w, &err));
}

/* A model that is open, and what is to become of it. */
typedef struct job {
    wt_gguf *gguf;
    wt_statistics *statistics;
    wt_assignment assignments[TENSOR_COUNT];
    wt_quantization plan;
} job;

/* `preset` with --allow-requantize; `importance`: stats_path. */
static void open_job(job *j, const char *preset, bool importance) {
    size_t fallbacks;
    j->gguf = wt_gguf_open(model_path, &err);
    if (!j->gguf) fail_msg("%s", err.message);
    j->statistics = importance ? wt_statistics_read(stats_path, &err) : NULL;
    if (importance && !j->statistics) fail_msg("%s", err.message);
    const wt_preset *p = wt_preset_find(preset);
    assert_non_null(p);
    const wt_preset_request request = {
        .preset = p, .output_type = -1, .embedding_type = -1, .has_importance = importance};
    must(wt_preset_assign(j->gguf, &request, j->assignments, &fallbacks, &err));
    j->plan = (wt_quantization){j->assignments, j->statistics, p->file_type};
}

static void close_job(job *j) {
    wt_statistics_free(j->statistics);
    wt_gguf_close(j->gguf);
}

static void quantize(const job *j) { must(wt_quantize(j->gguf, &j->plan, out_path, NULL, &err)); }

/* Fails as expected, and leaves nothing new in the folder. */
static void refuse(const job *j, const char *message) {
    const int before = files_there();
    assert_int_equal(wt_quantize(j->gguf, &j->plan, out_path, NULL, &err), -1);
    if (!strstr(err.message, message)) fail_msg("expected '%s', got '%s'", message, err.message);
    assert_int_equal(files_there(), before);
}

/* ---- data ---- */

/* One row at a time, with nothing of the streaming. */
static void expect_encoded(const job *j, const wt_gguf *made, int i) {
    const wt_tensor *t = wt_gguf_tensor(j->gguf, (size_t)i), *out = wt_gguf_find_tensor(made, t->name);
    const wt_assignment *a = &j->assignments[i];
    assert_non_null(out);
    assert_int_equal(out->type, a->type);
    if (a->type == t->type) {
        assert_int_equal(out->bytes, t->bytes);
        assert_memory_equal(out->data, t->data, t->bytes);
        return;
    }
    const size_t n = t->dims[0], from = t->bytes / t->rows, to = out->bytes / t->rows;
    float *x = malloc(n * 4), *w = malloc(n * 4), *h = malloc(n * 4);
    uint8_t *expected = malloc(to);
    const wt_column_stats *s = j->statistics ? wt_statistics_find(j->statistics, t->name) : NULL;
    for (uint64_t row = 0; row < t->rows; row++) {
        wt_codec_of(t->type)->decode((const uint8_t *)t->data + row * from, x, n);
        if (s) {
            double sum = 0;
            for (size_t k = 0; k < s->columns; k++) sum += s->mean_square[k];
            for (size_t k = 0; k < n; k++) {
                h[k] = s->mean_square[row / t->dims[1] * n + k];
                if (h[k] == 0) h[k] = (float)(sum / (double)s->columns) * 1e-6F;
            }
        }
        wt_importance_stock(a->type, x, s ? h : NULL, n, w);
        wt_encode(a->type, x, wt_type_find(a->type)->block > 1 ? w : NULL, n, NULL, expected);
        assert_memory_equal((const uint8_t *)out->data + row * to, expected, to);
    }
    free(x);
    free(w);
    free(h);
    free(expected);
}

static void test_rows(void **state) {
    (void)state;
    static const char *const PRESETS[] = {"Q4_K_M", "Q8_0", "Q4_0", "F16", "BF16", "F32", "Q3_K_S", "Q6_K"};
    write_model(test_seed(), NULL, 0);
    write_importance(NULL);
    for (size_t p = 0; p < sizeof PRESETS / sizeof *PRESETS; p++) {
        for (int importance = 0; importance < 2; importance++) {
            job j;
            open_job(&j, PRESETS[p], importance);
            quantize(&j);
            wt_gguf *made = wt_gguf_open(out_path, &err);
            if (!made) fail_msg("%s", err.message);
            for (int i = 0; i < TENSOR_COUNT; i++) expect_encoded(&j, made, i);
            wt_gguf_close(made);
            close_job(&j);
        }
    }
}

static void expect_same_bytes(const char *a, const char *b) {
    wt_map x, y;
    must(wt_map_open(&x, a, &err));
    must(wt_map_open(&y, b, &err));
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    wt_map_close(&x);
    wt_map_close(&y);
}

static void test_threads(void **state) {
    (void)state;
    char first[160];
    snprintf(first, sizeof first, "%s/first.gguf", folder);
    write_model(test_seed(), NULL, 0);
    for (int threads = 1; threads <= 3; threads++) {
        job j;
        wt_threads_set(threads);
        open_job(&j, "Q5_K_M", false);
        quantize(&j);
        close_job(&j);
        if (threads == 1)
            assert_int_equal(rename(out_path, first), 0);
        else
            expect_same_bytes(first, out_path);
    }
    wt_threads_set(0);
    unlink(first);
}

/* ---- metadata ---- */

static void expect_u32(const wt_gguf *g, const char *key, uint32_t value) {
    const wt_kv *kv = wt_gguf_find_kv(g, key);
    if (!kv) fail_msg("no key '%s'", key);
    assert_int_equal(kv->type, WT_KV_U32);
    assert_int_equal(wt_kv_integer(kv, 0), value);
}

static void expect_str(const wt_gguf *g, const char *key, const char *value) {
    wt_str text;
    assert_int_equal(wt_gguf_get_str(g, key, &text, &err), 1);
    assert_int_equal(text.len, strlen(value));
    assert_memory_equal(text.data, value, text.len);
}

static void test_metadata(void **state) {
    (void)state;
    write_model(1, NULL, 0);
    write_importance(NULL);
    for (int importance = 0; importance < 2; importance++) {
        job j;
        open_job(&j, "Q4_K_M", importance);
        quantize(&j);
        wt_gguf *made = wt_gguf_open(out_path, &err);
        assert_non_null(made);
        expect_u32(made, "general.file_type", 15);
        expect_u32(made, "general.quantization_version", 2);
        for (size_t i = 0; i < wt_gguf_kv_count(j.gguf); i++) {
            const wt_kv *kv = wt_gguf_kv(j.gguf, i), *copy = wt_gguf_find_kv(made, kv->key);
            assert_non_null(copy);
            if (strcmp(kv->key, "general.file_type") == 0 || strncmp(kv->key, "quantize.", 9) == 0) continue;
            assert_int_equal(copy->entry_bytes, kv->entry_bytes);
            assert_memory_equal(copy->entry, kv->entry, kv->entry_bytes);
        }
        assert_int_equal(wt_gguf_kv_count(made), wt_gguf_kv_count(j.gguf) + (importance ? 4 : 1));
        if (importance) {
            expect_str(made, "quantize.imatrix.file", stats_path);
            expect_str(made, "quantize.imatrix.dataset", "some text.txt");
            expect_u32(made, "quantize.imatrix.entries_count", 5);
            expect_u32(made, "quantize.imatrix.chunks_count", 17);
        }
        wt_gguf_close(made);
        close_job(&j);
    }
}

/* ---- the review ---- */

static void test_review(void **state) {
    (void)state;
    wt_quantization_review r;
    struct stat st;
    job j;
    write_model(2, NULL, 0);
    write_importance("blk.0.ffn_up.weight");
    open_job(&j, "Q4_K_M", true);
    must(wt_quantize_review(j.gguf, &j.plan, &r, &err));
    quantize(&j);
    assert_int_equal(stat(out_path, &st), 0);
    assert_int_equal(r.file_bytes, st.st_size);
    assert_int_equal(r.tensors, TENSOR_COUNT);
    assert_int_equal(r.encoded, TENSOR_COUNT - 1);
    assert_null(r.needy);
    assert_int_equal(r.missing_count, 1); /* the embedding is only looked up: nobody misses it */
    assert_string_equal(r.missing[0]->name, "blk.0.ffn_up.weight");
    assert_int_equal(r.columns, 256 + 32 + 512 * 4 + 256);
    assert_int_equal(r.zeros, 5 + 1 + 41 + 5);
    wt_quantization_review_release(&r);
    close_job(&j);
}

static void test_needs_importance(void **state) {
    (void)state;
    job j;
    write_model(3, NULL, 0);
    write_importance("blk.0.ffn_down_exps.weight");
    open_job(&j, "IQ2_XXS", false);
    refuse(&j, "to IQ2_XXS: it needs importance statistics");
    close_job(&j);
    open_job(&j, "IQ1_S", true);
    refuse(&j, "cannot quantize 'blk.0.ffn_down_exps.weight' to ");
    close_job(&j);
}

/* ---- what is refused ---- */

static void test_bad_weights(void **state) {
    (void)state;
    static const struct {
        const char *victim, *preset, *message;
        float spoil;
    } CASES[] = {
        {"blk.0.ffn_up.weight", "Q4_K_M", "'blk.0.ffn_up.weight': row 1 holds a weight that is no finite number", NAN},
        {"blk.0.attn_q.weight", "Q8_0", "'blk.0.attn_q.weight': row 35 holds a weight that is no finite number",
         INFINITY},
        {"blk.0.attn_q.weight", "Q4_0", "'blk.0.attn_q.weight' to Q4_0: row 35 holds a weight beyond", 1e12F},
        {"blk.0.attn_q.weight", "F16", "'blk.0.attn_q.weight' to F16: row 35 holds a weight beyond", 1e6F},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        job j;
        write_model(4, CASES[i].victim, CASES[i].spoil);
        open_job(&j, CASES[i].preset, false);
        unlink(out_path);
        refuse(&j, CASES[i].message);
        close_job(&j);
    }
}

static int stop_at(void *user, const char *stage, double done, double total, const char *unit) {
    (void)stage, (void)unit;
    assert_true(done <= total * 1.0001);
    return done >= *(double *)user;
}

static void test_interrupted(void **state) {
    (void)state;
    job j;
    write_model(5, NULL, 0);
    open_job(&j, "Q4_K_M", false);
    unlink(out_path);
    const int before = files_there();
    for (double stop = 0; stop < 150000; stop += 20000) {
        const wt_progress progress = {stop_at, &stop};
        assert_int_equal(wt_quantize(j.gguf, &j.plan, out_path, &progress, &err), -1);
        assert_int_equal(err.code, WT_ERR_INTERRUPTED);
        assert_int_equal(files_there(), before);
    }
    close_job(&j);
}

static void test_full_disk(void **state) {
    (void)state;
    struct rlimit old, tight;
    job j;
    write_model(6, NULL, 0);
    open_job(&j, "Q8_0", false);
    unlink(out_path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = (struct rlimit){.rlim_cur = 50000, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    refuse(&j, "cannot write");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    close_job(&j);
}

static void test_input_is_output(void **state) {
    (void)state;
    job j;
    char link_path[160];
    snprintf(link_path, sizeof link_path, "%s/link.gguf", folder);
    write_model(7, NULL, 0);
    open_job(&j, "Q8_0", false);
    assert_int_equal(wt_quantize(j.gguf, &j.plan, model_path, NULL, &err), -1);
    assert_non_null(strstr(err.message, "it is the model that is read"));
    for (int hard = 0; hard < 2; hard++) {
        assert_int_equal(hard ? link(model_path, link_path) : symlink(model_path, link_path), 0);
        assert_int_equal(wt_quantize(j.gguf, &j.plan, link_path, NULL, &err), -1);
        assert_non_null(strstr(err.message, "it is the model that is read"));
        unlink(link_path);
    }
    must(wt_quantize(j.gguf, &j.plan, out_path, NULL, &err)); /* one that is there is replaced */
    must(wt_quantize(j.gguf, &j.plan, out_path, NULL, &err));
    close_job(&j);
}

static void test_counting_writer(void **state) {
    (void)state;
    wt_gguf_writer *w = wt_gguf_writer_open(NULL, &err);
    const uint64_t dims[] = {32, 2};
    assert_non_null(w);
    must(wt_gguf_writer_add_tensor(w, "x", WT_F32, dims, 2, &err));
    assert_true(wt_gguf_writer_file_bytes(w) > 256);
    assert_int_equal(wt_gguf_writer_data(w, dims, 4, &err), -1);
    assert_int_equal(wt_gguf_writer_finish(w, &err), -1);
}

/* ---- comparing ---- */

static void test_compare(void **state) {
    (void)state;
    job j;
    wt_difference d, total = {0};
    write_model(test_seed(), NULL, 0);
    write_importance(NULL);
    open_job(&j, "Q4_0", true);
    quantize(&j);
    wt_gguf *made = wt_gguf_open(out_path, &err);
    assert_non_null(made);
    for (int i = 0; i < TENSOR_COUNT; i++) {
        const wt_tensor *t = wt_gguf_tensor(j.gguf, (size_t)i), *q = wt_gguf_find_tensor(made, t->name);
        const size_t n = t->dims[0] * t->rows;
        const wt_column_stats *s = wt_statistics_find(j.statistics, t->name);
        float *x = malloc(n * 4), *y = malloc(n * 4);
        double signal = 0, error = 0, weighted = 0, largest = 0;
        wt_codec_of(t->type)->decode(t->data, x, n);
        wt_codec_of(q->type)->decode(q->data, y, n);
        for (size_t k = 0; k < n; k++) {
            const double delta = (double)x[k] - y[k],
                         h = s ? s->mean_square[k / (t->dims[0] * t->dims[1]) * t->dims[0] + k % t->dims[0]] : 0;
            signal += (double)x[k] * x[k];
            error += delta * delta;
            weighted += h * delta * delta;
            if (fabs(delta) > largest) largest = fabs(delta);
        }
        must(wt_compare_tensors(j.gguf, t, made, q, j.statistics, &d, &err));
        assert_int_equal(d.weights, n);
        assert_int_equal(d.skipped, 0);
        assert_true(d.largest == largest);
        assert_true(fabs(d.signal - signal) <= 1e-12 * signal);
        assert_true(fabs(d.error - error) <= 1e-9 * error);
        assert_true(fabs(d.weighted_error - weighted) <= 1e-9 * weighted);
        assert_int_equal(d.weighted, s != NULL);
        wt_difference one;
        wt_threads_set(1);
        must(wt_compare_tensors(j.gguf, t, made, q, j.statistics, &one, &err));
        wt_threads_set(3);
        must(wt_compare_tensors(j.gguf, t, made, q, j.statistics, &d, &err));
        wt_threads_set(0);
        assert_true(d.error == one.error && d.weighted_error == one.weighted_error);
        wt_difference_add(&total, &d);
        must(wt_compare_tensors(j.gguf, t, j.gguf, t, NULL, &d, &err));
        assert_true(d.error == 0 && wt_relative_error(d.error, d.signal) == 0);
        assert_true(isinf(wt_signal_to_noise(d.error, d.signal)));
        free(x);
        free(y);
    }
    assert_true(total.weighted && wt_relative_error(total.error, total.signal) > 1e-3);
    assert_true(isnan(wt_relative_error(1, 0)) && wt_signal_to_noise(1, 100) == 20);
    wt_gguf_close(made);
    close_job(&j);
}

static void test_compare_not_finite(void **state) {
    (void)state;
    wt_difference d;
    write_model(8, "blk.0.attn_q.weight", NAN);
    wt_gguf *g = wt_gguf_open(model_path, &err);
    assert_non_null(g);
    const wt_tensor *t = wt_gguf_find_tensor(g, "blk.0.attn_q.weight");
    must(wt_compare_tensors(g, t, g, t, NULL, &d, &err));
    assert_int_equal(d.skipped, 1);
    assert_true(d.error == 0 && isfinite(d.signal));
    wt_gguf_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_review),
        cmocka_unit_test(test_needs_importance),
        cmocka_unit_test(test_bad_weights),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_input_is_output),
        cmocka_unit_test(test_counting_writer),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_not_finite),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
