/* Reading GGUF images: a right one, every truncation of it, lies in every field, and random damage. */
#include "support/image.h"
#include "support/testing.h"

#include <string.h>
#include <sys/stat.h>

#include "model/gguf.h"

static wt_gguf *open_image(const image *m, wt_error *err) { return wt_gguf_from_memory(m->data, m->size, "image", err); }

static void check_sample(uint32_t version) {
    image m = image_sample(version);
    wt_error err = {0};
    wt_gguf *g = open_image(&m, &err);
    if (!g) fail_msg("%s", err.message);
    assert_int_equal(wt_gguf_version(g), version);
    assert_int_equal(wt_gguf_alignment(g), 64);
    assert_int_equal(wt_gguf_kv_count(g), 16);
    assert_int_equal(wt_gguf_tensor_count(g), 3);
    assert_int_equal(wt_gguf_file_bytes(g), m.size);
    uint64_t u = 0;
    double d = 0.0;
    bool b = false;
    wt_str s;
    for (const char *key = "abcdefhkl"; *key; key++) {
        char name[] = "value.?";
        name[6] = *key;
        if (*key == 'h') {
            assert_int_equal(wt_gguf_get_bool(g, name, &b, &err), 1);
            assert_true(b);
            continue;
        }
        assert_int_equal(wt_gguf_get_u64(g, name, &u, &err), 1);
        assert_int_equal(u, 1);
    }
    assert_int_equal(wt_gguf_get_f64(g, "value.g", &d, &err), 1);
    assert_int_equal(wt_gguf_get_u64(g, "absent", &u, &err), 0);
    assert_int_equal(wt_gguf_get_u64(g, "general.architecture", &u, &err), -1);
    assert_int_equal(wt_gguf_get_str(g, "general.architecture", &s, &err), 1);
    assert_int_equal(s.len, 4);
    const wt_kv *strs = wt_gguf_find_kv(g, "array.str");
    wt_str two[2];
    assert_int_equal(strs->count, 2);
    wt_kv_strings(strs, two);
    assert_int_equal(two[0].len, 3);
    assert_int_equal(two[1].len, 0);
    assert_int_equal(wt_kv_integer(wt_gguf_find_kv(g, "array.u32"), 2), 2);
    const wt_tensor *c = wt_gguf_find_tensor(g, "c");
    assert_int_equal(c->rows, 2);
    assert_int_equal(c->bytes, 256);
    assert_int_equal(*(const uint8_t *)c->data, 192);
    assert_null(wt_gguf_find_tensor(g, "d"));
    wt_gguf_close(g);
    image_free(&m);
}

static void test_sample(void **state) {
    (void)state;
    check_sample(2);
    check_sample(3);
}

static void test_every_truncation(void **state) {
    (void)state;
    image m = image_sample(3);
    for (size_t n = 0; n < m.size; n++) {
        wt_error err = {0};
        uint8_t *exact = malloc(n ? n : 1); /* its own block, so that the sanitizer sees a read past the end */
        memcpy(exact, m.data, n);
        wt_gguf *g = wt_gguf_from_memory(exact, n, "image", &err);
        if (g) fail_msg("opened after %zu of %zu bytes", n, m.size);
        assert_true(strlen(err.message) > 10);
        free(exact);
    }
    image_free(&m);
}

static void expect_error(image *m, const char *part) {
    wt_error err = {0};
    wt_gguf *g = open_image(m, &err);
    if (g) fail_msg("opened; wanted an error with '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
    image_free(m);
}

/* A file with one tensor, whose fields the caller chooses. */
static image one_tensor(uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset, size_t data) {
    image m = {0};
    image_head(&m, 3, 1, 0);
    image_tensor(&m, "t", n_dims, dims, type, offset);
    image_pad(&m, 32);
    for (size_t i = 0; i < data; i++) image_bytes(&m, &(uint8_t){0}, 1);
    return m;
}

static void test_lies(void **state) {
    (void)state;
    image m = {0};
    image_bytes(&m, "GGML", 4);
    expect_error(&m, "not a GGUF");
    image_head(&m, 0x03000000, 0, 0);
    expect_error(&m, "big-endian");
    image_head(&m, 1, 0, 0);
    expect_error(&m, "version 1");
    image_head(&m, 3, UINT64_MAX, 0);
    expect_error(&m, "do not fit");
    image_head(&m, 3, 0, UINT64_MAX / 13);
    expect_error(&m, "do not fit");
    image_head(&m, 3, 0, 1);
    image_u64(&m, UINT64_MAX); /* a key's length */
    for (int i = 0; i < 16; i++) image_u32(&m, 0);
    expect_error(&m, "needs 18446744073709551615 bytes");
    image_head(&m, 3, 0, 1);
    image_kv_array(&m, "k", 4, UINT64_MAX / 2);
    expect_error(&m, "an array");
    image_head(&m, 3, 0, 1);
    image_kv_array(&m, "k", 9, 1);
    for (int i = 0; i < 8; i++) image_u32(&m, 0);
    expect_error(&m, "array of arrays");
    image_head(&m, 3, 0, 1);
    image_kv_array(&m, "k", 8, 1000000000);
    for (int i = 0; i < 8; i++) image_u32(&m, 0);
    expect_error(&m, "string of an array");
    image_head(&m, 3, 0, 1);
    image_str(&m, "k");
    image_u32(&m, 13);
    image_u64(&m, 0);
    expect_error(&m, "unknown value type 13");
    image_head(&m, 3, 0, 2);
    image_kv_u32(&m, "k", 1);
    image_kv_u32(&m, "k", 2);
    expect_error(&m, "'k' stands in it twice");
    image_head(&m, 3, 0, 1);
    image_kv_u32(&m, "general.alignment", 3);
    expect_error(&m, "alignment of 3");
    image_head(&m, 3, 0, 1);
    image_u64(&m, 3);
    image_bytes(&m, "a\0b", 3);
    image_u32(&m, 4);
    image_u32(&m, 4);
    expect_error(&m, "holds a NUL");
}

static void test_tensor_lies(void **state) {
    (void)state;
    const uint64_t ok[] = {32, 2}, odd[] = {33, 1}, zero[] = {0, 1}, huge[] = {1ull << 40, 1ull << 40},
                   wide[] = {1ull << 62, 1, 1, 1};
    image m = one_tensor(2, ok, 8, 0, 68);
    wt_error err = {0};
    wt_gguf *g = open_image(&m, &err);
    assert_non_null(g);
    wt_gguf_close(g);
    image_free(&m);
    m = one_tensor(2, ok, 8, 0, 67);
    expect_error(&m, "'t' ends 1 bytes past");
    m = one_tensor(2, ok, 8, 32, 68);
    expect_error(&m, "'t' ends 32 bytes past");
    m = one_tensor(2, ok, 8, 1, 200);
    expect_error(&m, "no multiple of 32");
    m = one_tensor(2, ok, 8, UINT64_MAX - 31, 200);
    expect_error(&m, "past the file");
    m = one_tensor(2, odd, 8, 0, 200);
    expect_error(&m, "no whole number of Q8_0 blocks");
    m = one_tensor(2, zero, 0, 0, 200);
    expect_error(&m, "impossible dimension 0");
    m = one_tensor(2, huge, 0, 0, 200);
    expect_error(&m, "impossible dimension");
    m = one_tensor(4, wide, 0, 0, 200);
    expect_error(&m, "overflows");
    m = one_tensor(2, ok, 4, 0, 200);
    expect_error(&m, "unknown or withdrawn type 4");
    m = one_tensor(2, ok, 43, 0, 200);
    expect_error(&m, "unknown or withdrawn type 43");
    m = one_tensor(0, ok, 0, 0, 200);
    expect_error(&m, "0 dimensions");
    m = (image){0};
    image_head(&m, 3, 1, 0);
    image_str(&m, "t");
    image_u32(&m, 5);
    for (int i = 0; i < 20; i++) image_u64(&m, 1);
    expect_error(&m, "5 dimensions");
    for (int overlap = 0; overlap < 2; overlap++) {
        m = (image){0};
        image_head(&m, 3, 2, 0);
        image_tensor(&m, "t", 2, ok, 8, 0);
        image_tensor(&m, overlap ? "u" : "t", 2, ok, 8, overlap ? 64 : 96);
        image_pad(&m, 32);
        for (int i = 0; i < 200; i++) image_bytes(&m, &(uint8_t){0}, 1);
        expect_error(&m, overlap ? "overlap" : "'t' stands in it twice");
    }
}

/* Random damage: whatever opens has to be consistent, which the sanitizers check while everything is read. */
static void test_damage(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    volatile uint64_t sink = 0;
    size_t opened = 0;
    for (int round = 0; round < 30000; round++) {
        image m = image_sample(2 + round % 2);
        size_t header = m.size - 448;
        for (uint64_t k = 1 + wt_rng_below(&rng, 4); k > 0; k--)
            m.data[8 + wt_rng_below(&rng, header - 8)] = (uint8_t)(wt_rng_below(&rng, 2) ? wt_rng_next(&rng) : 0xff);
        wt_error err = {0};
        wt_gguf *g = open_image(&m, &err);
        for (size_t i = 0; g && i < wt_gguf_tensor_count(g); i++) {
            const wt_tensor *t = wt_gguf_tensor(g, i);
            for (uint64_t j = 0; j < t->bytes; j++) sink += ((const uint8_t *)t->data)[j];
        }
        if (!g) assert_true(err.message[0] != '\0');
        opened += g != NULL;
        wt_gguf_close(g);
        image_free(&m);
    }
    printf("%zu of 30000 damaged files still opened (%llu)\n", opened, (unsigned long long)sink);
}

static void write_file(const char *path, const image *m) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(m->data, 1, m->size, f), m->size);
    fclose(f);
}

/* Part i of n, with one tensor "t<i>" of 8 floats. */
static image split_part(uint32_t i, uint32_t n, uint32_t tensors) {
    image m = {0};
    const uint64_t dims[] = {8};
    char name[] = "t?";
    name[1] = (char)('0' + i);
    image_head(&m, 3, 1, 3);
    image_kv_u32(&m, "split.no", i);
    image_kv_u32(&m, "split.count", n);
    image_kv_u32(&m, "split.tensors.count", tensors);
    image_tensor(&m, name, 1, dims, 0, 0);
    image_pad(&m, 32);
    for (int k = 0; k < 8; k++) image_u32(&m, i);
    return m;
}

static void test_split(void **state) {
    (void)state;
    char folder[] = "/tmp/wt-split-XXXXXX", path[3][128];
    assert_non_null(mkdtemp(folder));
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/m-0000%u-of-00003.gguf", folder, i + 1);
        image m = split_part(i, 3, 3);
        write_file(path[i], &m);
        image_free(&m);
    }
    wt_error err = {0};
    for (int named = 0; named < 3; named++) {
        wt_gguf *g = wt_gguf_open(path[named], &err);
        if (!g) fail_msg("%s", err.message);
        assert_int_equal(wt_gguf_parts(g), 3);
        assert_int_equal(wt_gguf_tensor_count(g), 3);
        assert_int_equal(*(const uint32_t *)wt_gguf_find_tensor(g, "t2")->data, 2);
        assert_int_equal(wt_gguf_kv_count(g), 3);
        wt_gguf_close(g);
    }
    image lost = split_part(1, 4, 3);
    write_file(path[1], &lost);
    image_free(&lost);
    assert_null(wt_gguf_open(path[0], &err));
    assert_non_null(strstr(err.message, "part 2 of 4"));
    unlink(path[1]);
    assert_null(wt_gguf_open(path[0], &err));
    assert_non_null(strstr(err.message, "m-00002-of-00003.gguf"));
    assert_true(strlen(err.hint) > 0);
    char renamed[160];
    snprintf(renamed, sizeof renamed, "%s/renamed.gguf", folder);
    assert_int_equal(rename(path[2], renamed), 0);
    assert_null(wt_gguf_open(renamed, &err));
    assert_non_null(strstr(err.message, "part 3 of 3"));
    unlink(renamed);
    unlink(path[0]);
    rmdir(folder);
}

static void test_files_that_are_none(void **state) {
    (void)state;
    wt_error err = {0};
    assert_null(wt_gguf_open("/nonexistent/x.gguf", &err));
    assert_non_null(strstr(err.message, "cannot open '/nonexistent/x.gguf'"));
    assert_null(wt_gguf_open("/tmp", &err));
    assert_non_null(strstr(err.message, "not a regular file"));
    char empty[] = "/tmp/wt-empty-XXXXXX";
    close(mkstemp(empty));
    assert_null(wt_gguf_open(empty, &err));
    assert_non_null(strstr(err.message, "empty"));
    unlink(empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample), cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_lies),
        cmocka_unit_test(test_tensor_lies), cmocka_unit_test(test_damage), cmocka_unit_test(test_split),
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
