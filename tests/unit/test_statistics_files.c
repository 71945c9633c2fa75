/* Files of statistics in both formats, right ones and wrong ones, and whether they belong to a model. */
#include "support/guarded.h"
#include "support/image.h"
#include "support/measured.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>

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
    assert_int_equal(wt_statistics_write(s, path_of("."), &err), -1);
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
        {"x.in_sum4", 2, {3, 2}, FOURTHS, WT_F32},
        {"x.in_max", 2, {3, 2}, MAXIMA, WT_F32},
        {"x.in_sum2", 2, {3, 2}, SUMS, WT_F32},
        {"x.counts", 2, {1, 2}, TWO_FOUR, WT_F32},
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
        if (!strstr(err.message, CASES[i].says) || !strstr(err.message, "'made'"))
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(err.code, WT_ERR_FORMAT);
        image_free(&m);
    }
    /* A model in the place of statistics. */
    wt_error err;
    assert_null(wt_statistics_read(WT_SOURCE_DIR "/data/seedling.gguf", &err));
    assert_non_null(strstr(err.message, "it is a model"));
    assert_null(wt_statistics_read(path_of("absent"), &err));
    assert_null(wt_statistics_read(path_of("."), &err));
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
    for (int i = 0; i < 6; i++) assert_true(wt_statistics_find(again, b->tensor)->mean_square[i] == b->mean_square[i]);
    for (int i = 0; i < 3; i++) assert_true(wt_statistics_find(again, a->tensor)->mean_square[i] == a->mean_square[i]);
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
        {0, 1, 1, 6, "begins with 0"},
        {-1, 1, 1, 6, "begins with -1"},
        {1000000, 1, 1, 6, "begins with"},
        {1, 0, 1, 6, "name of entry 1"},
        {1, -1, 1, 6, "name of entry 1"},
        {1, INT32_MAX, 1, 6, "name of entry 1"},
        {1, 1, 1, 0, "says it has 0 values"},
        {1, 1, 1, -6, "says it has -6 values"},
        {1, 1, 1, INT32_MAX, "2147483647 values"},
        {1, 1, -1, 6, "says -1 calls"},
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
        snprintf(counts, sizeof counts, "%.*s.counts", (int)(strlen(CASES[i].name) - strlen(".in_sum2")),
                 CASES[i].name);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_reads_llama_files),
        cmocka_unit_test(test_reads_ours), cmocka_unit_test(test_wrong_gguf),
        cmocka_unit_test(test_reads_dat),  cmocka_unit_test(test_wrong_dat),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
