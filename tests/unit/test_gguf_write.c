/* Writing GGUF files: what is written reads back, unchanged files stay byte for byte, failures leave nothing behind. */
#include "support/testing.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "model/gguf.h"

static char folder[] = "/tmp/wt-write-XXXXXX";
static char path[64];

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/out.gguf", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails where a temporary file was left behind */
}

static void copy_model(const char *from, const char *to) {
    wt_error err = {0};
    wt_gguf *g = wt_gguf_open(from, &err);
    assert_non_null(g);
    wt_gguf_writer *w = wt_gguf_writer_open(to, &err);
    assert_non_null(w);
    for (size_t i = 0; i < wt_gguf_kv_count(g); i++)
        assert_int_equal(wt_gguf_writer_copy_kv(w, wt_gguf_kv(g, i), &err), 0);
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        assert_int_equal(wt_gguf_writer_add_tensor(w, t->name, t->type, t->dims, t->n_dims, &err), 0);
    }
    uint64_t predicted = wt_gguf_writer_file_bytes(w);
    for (size_t i = 0; i < wt_gguf_tensor_count(g); i++) {
        const wt_tensor *t = wt_gguf_tensor(g, i);
        uint64_t half = t->bytes / 2;
        assert_int_equal(wt_gguf_writer_data(w, t->data, half, &err), 0);
        assert_int_equal(wt_gguf_writer_data(w, (const char *)t->data + half, t->bytes - half, &err), 0);
    }
    assert_int_equal(wt_gguf_writer_finish(w, &err), 0);
    struct stat st;
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_size, predicted);
    wt_gguf_close(g);
}

static void test_copy_is_identical(void **state) {
    (void)state;
    const char *from = WT_SOURCE_DIR "/data/seedling.gguf";
    copy_model(from, path);
    wt_map a, b;
    wt_error err = {0};
    assert_int_equal(wt_map_open(&a, from, &err), 0);
    assert_int_equal(wt_map_open(&b, path, &err), 0);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    wt_map_close(&a);
    wt_map_close(&b);
}

static void test_values(void **state) {
    (void)state;
    wt_error err = {0};
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    assert_non_null(w);
    const float floats[] = {1.5f, -2.0f};
    const wt_str strs[] = {{"a", 1}, {"", 0}, {"\xe2\x96\x81", 3}};
    assert_int_equal(wt_gguf_writer_set_str(w, "s", "before", &err), 0);
    assert_int_equal(wt_gguf_writer_set_u32(w, "u", 7, &err), 0);
    assert_int_equal(wt_gguf_writer_set_i32(w, "i", -7, &err), 0);
    assert_int_equal(wt_gguf_writer_set_f32(w, "f", 0.25f, &err), 0);
    assert_int_equal(wt_gguf_writer_set_bool(w, "b", true, &err), 0);
    assert_int_equal(wt_gguf_writer_set_array(w, "af", WT_KV_F32, floats, 2, &err), 0);
    assert_int_equal(wt_gguf_writer_set_strs(w, "as", strs, 3, &err), 0);
    assert_int_equal(wt_gguf_writer_set_u32(w, "gone", 1, &err), 0);
    wt_gguf_writer_remove(w, "gone");
    assert_int_equal(wt_gguf_writer_set_str(w, "s", "after", &err), 0); /* keeps its place */
    assert_int_equal(wt_gguf_writer_finish(w, &err), 0);
    wt_gguf *g = wt_gguf_open(path, &err);
    assert_non_null(g);
    assert_int_equal(wt_gguf_kv_count(g), 7);
    assert_string_equal(wt_gguf_kv(g, 0)->key, "s");
    wt_str s;
    wt_gguf_get_str(g, "s", &s, &err);
    assert_int_equal(s.len, 5);
    assert_int_equal(wt_kv_integer(wt_gguf_find_kv(g, "i"), 0), -7);
    assert_true(wt_kv_number(wt_gguf_find_kv(g, "af"), 1) == -2.0);
    wt_str back[3];
    wt_kv_strings(wt_gguf_find_kv(g, "as"), back);
    assert_int_equal(back[2].len, 3);
    wt_gguf_close(g);
}

static void test_misuse(void **state) {
    (void)state;
    wt_error err = {0};
    const uint64_t odd[] = {33}, fine[] = {32};
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    assert_int_equal(wt_gguf_writer_add_tensor(w, "t", WT_Q8_0, odd, 1, &err), -1);
    assert_int_equal(wt_gguf_writer_add_tensor(w, "t", WT_Q8_0, fine, 1, &err), 0);
    assert_int_equal(wt_gguf_writer_add_tensor(w, "t", WT_Q8_0, fine, 1, &err), -1);
    uint8_t data[64] = {0};
    assert_int_equal(wt_gguf_writer_data(w, data, 35, &err), -1);
    assert_int_equal(wt_gguf_writer_finish(w, &err), -1); /* announced, not written */
    assert_non_null(strstr(err.message, "'t'"));
}

/* A disk that is full after 1000 bytes. */
static void test_no_space(void **state) {
    (void)state;
    wt_error err = {0};
    struct rlimit before, small;
    unlink(path);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){1000, before.rlim_max};
    const uint64_t dims[] = {4096};
    float *data = calloc(4096, sizeof *data);
    wt_gguf_writer *w = wt_gguf_writer_open(path, &err);
    assert_non_null(w);
    assert_int_equal(wt_gguf_writer_add_tensor(w, "t", WT_F32, dims, 1, &err), 0);
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = wt_gguf_writer_data(w, data, 4096 * sizeof *data, &err);
    if (rc == 0)
        rc = wt_gguf_writer_finish(w, &err);
    else
        wt_gguf_writer_abandon(w);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(err.message, "cannot write"));
    assert_int_equal(access(path, F_OK), -1);
    free(data);
    assert_null(wt_gguf_writer_open("/nonexistent/folder/x.gguf", &err));
    assert_non_null(strstr(err.message, "/nonexistent/folder/x.gguf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copy_is_identical), cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_misuse), cmocka_unit_test(test_no_space)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
