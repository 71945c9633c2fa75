/* Token ids against llama.cpp's own vectors, and properties that need no vocabulary of others. */
#include "support/testing.h"

#include <string.h>
#include <time.h>

#include "base/file.h"
#include "engine/tokenizer.h"
#include "engine/unicode.h"
#include "support/hard_texts.h"
#include "unit/tokenizer_golden.h"

#define MARKER "\n__ggml_vocab_test__\n"

static void check_case(const wt_tokenizer *t, const char *text, size_t len, char *expected, const char *file) {
    wt_tokens got = {0};
    wt_error err = {0};
    if (wt_tokenize(t, text, len, 0, &got, &err) != 0) fail_msg("%s: %s", file, err.message);
    size_t n = 0;
    for (char *p = strtok(expected, " \n"); p; p = strtok(NULL, " \n"), n++) {
        if (n >= got.count || got.ids[n] != atoi(p))
            fail_msg("%s: '%.*s': token %zu is %d, not %s", file, (int)len, text, n, n < got.count ? got.ids[n] : -1,
                     p);
    }
    assert_int_equal(n, got.count);
    free(got.ids);
}

static void check_vectors(const char *name) {
    char path[512], inp[520], out[520];
    snprintf(path, sizeof path, "%s/../shared/vocab/ggml-vocab-%s.gguf", WT_SOURCE_DIR, name);
    snprintf(inp, sizeof inp, "%s.inp", path);
    snprintf(out, sizeof out, "%s.out", path);
    wt_error err = {0};
    wt_gguf *g = wt_gguf_open(path, &err);
    if (!g) fail_msg("%s", err.message);
    wt_tokenizer *t = wt_tokenizer_open(g, &err);
    if (!t) fail_msg("%s", err.message);
    wt_gguf_close(g);
    size_t cases_len, ids_len, count = 0;
    char *cases = wt_read_text(inp, &cases_len, &err), *ids = wt_read_text(out, &ids_len, &err);
    assert_non_null(cases);
    assert_non_null(ids);
    char *text = cases, *line = ids;
    while (line && *line) {
        char *end = memmem(text, cases_len - (size_t)(text - cases), MARKER, strlen(MARKER));
        size_t len = end ? (size_t)(end - text) : cases_len - (size_t)(text - cases);
        char *next = strchr(line, '\n');
        if (next) *next++ = '\0';
        check_case(t, text, len, line, name);
        count++;
        if (!end) break;
        text = end + strlen(MARKER);
        line = next;
    }
    printf("%s: %zu cases\n", name, count);
    assert_true(count > 30);
    free(cases);
    free(ids);
    wt_tokenizer_close(t);
}

static void test_vectors(void **state) {
    (void)state;
    need_shared();
    check_vectors("llama-spm");
    check_vectors("phi-3");
    check_vectors("gpt-2");
    check_vectors("deepseek-llm");
}

static wt_tokenizer *open_image(image m) {
    wt_error err = {0};
    wt_gguf *g = wt_gguf_from_memory(m.data, m.size, "image", &err);
    if (!g) fail_msg("%s", err.message);
    wt_tokenizer *t = wt_tokenizer_open(g, &err);
    if (!t) fail_msg("%s", err.message);
    wt_gguf_close(g);
    image_free(&m); /* the tokenizer keeps nothing of the file */
    return t;
}

static wt_tokens ids_of(const wt_tokenizer *t, const char *text, size_t len, int flags) {
    wt_tokens ids = {0};
    wt_error err = {0};
    if (wt_tokenize(t, text, len, flags, &ids, &err) != 0) fail_msg("%s", err.message);
    for (size_t i = 0; i < ids.count; i++) assert_in_range(ids.ids[i], 0, wt_tokenizer_size(t) - 1);
    return ids;
}

/* Builds with a sanitizer take shorter texts and leave out aliases: they look for faults, the others for wrong ids. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define ALL_FLAGS (WT_TOKENIZE_ADD_SPECIAL | WT_TOKENIZE_PARSE_SPECIAL)

static void hash_ids(const wt_tokenizer *t, hard_text text, int flags, uint64_t *hash) {
    wt_tokens ids = ids_of(t, text.text, text.len, flags);
    *hash = hard_hash(*hash, ids.ids, ids.count);
    free(ids.ids);
}

static uint64_t hash_pairs(const char *pre) {
    uint64_t hash = 0;
    char buf[256];
    for (uint64_t seed = 1; seed <= HARD_GOLDEN_SEEDS; seed++) {
        wt_tokenizer *t = open_image(hard_pairs(pre, seed));
        assert_string_equal(wt_tokenizer_pre(t), pre);
        for (size_t k = 0; k < HARD_TEXT_COUNT + HARD_GOLDEN_RANDOM; k++)
            hash_ids(t, hard_golden(k, buf, sizeof buf), ALL_FLAGS, &hash);
        wt_tokenizer_close(t);
    }
    return hash;
}

static uint64_t hash_specials(bool spm, const char *name) {
    uint64_t hash = 0;
    char text[256];
    wt_tokenizer *t = open_image(hard_specials(spm, name));
    wt_rng rng;
    wt_rng_init(&rng, 1, 3, 0);
    for (size_t k = 0; k < HARD_SPECIALS_ROUNDS; k++) {
        size_t len = hard_specials_text(&rng, text, sizeof text);
        hash_ids(t, (hard_text){text, len}, k % 2 ? WT_TOKENIZE_ADD_SPECIAL : ALL_FLAGS, &hash);
    }
    wt_tokenizer_close(t);
    return hash;
}

/* The ids that stock llama.cpp gives (hashed) for every pre-tokenizer's name, and for overlapping special tokens. */
static void test_golden(void **state) {
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof GOLDEN / sizeof *GOLDEN; i++) {
        const char *pre = GOLDEN[i].pre;
        if (SANITIZED && i > 0 && GOLDEN[i].hash == GOLDEN[i - 1].hash) continue;
        uint64_t hash = strncmp(pre, "specials", 8) != 0
                            ? hash_pairs(pre)
                            : hash_specials(strstr(pre, "SPM") != NULL, strstr(pre, "phi-3") ? "Phi-3-Test" : "test");
        if (hash == GOLDEN[i].hash) continue;
        print_error("%s: ids are not stock llama.cpp's\n", pre);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* A megabyte of anything takes a moment, whatever the patterns and merges make of it. */
static void check_long(const wt_tokenizer *t, const char *unit, const char *end) {
    size_t n = strlen(unit), len = 0, room = (size_t)1 << (SANITIZED ? 17 : 20);
    char *text = malloc(room + 64);
    assert_non_null(text);
    for (; len < room; len += n) memcpy(text + len, unit, n);
    memcpy(text + len, end, strlen(end));
    double begin = (double)clock() / CLOCKS_PER_SEC;
    wt_tokens ids = ids_of(t, text, len + strlen(end), 0);
    double took = (double)clock() / CLOCKS_PER_SEC - begin;
    /* What grows with the square of a million takes minutes. */
    if (took > 30) fail_msg("%s: 1 MB of '%s' took %.1f s", wt_tokenizer_pre(t), unit, took);
    if (strcmp(wt_tokenizer_pre(t), "gemma4") != 0) assert_true(ids.count > 1000); /* it writes other characters */
    free(ids.ids);
    free(text);
}

static void test_long_runs(void **state) {
    (void)state;
    static const char *const names[] = {"default", "llama-bpe",  "deepseek-llm", "superbpe",
                                        "afmoe",   "exaone-moe", "gemma4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wt_tokenizer *t = open_image(hard_pairs(names[i], 1));
        check_long(t, "a", "");
        check_long(t, " ", "x");
        check_long(t, "7", "");
        check_long(t, "\xe4\xb8\xad", "");
        wt_tokenizer_close(t);
    }
    wt_tokenizer *t = open_image(hard_specials(true, "test"));
    check_long(t, "a", "");
    check_long(t, "abc", "");
    check_long(t, " ", "x");
    check_long(t, "<a>", "");
    wt_tokenizer_close(t);
}

static void test_special_rules(void **state) {
    (void)state;
    wt_tokenizer *t = open_image(hard_specials(true, "test"));
    assert_string_equal(wt_tokenizer_model(t), "llama");
    assert_string_equal(wt_tokenizer_pre(t), "");
    assert_int_equal(wt_tokenizer_bos(t), 1);
    assert_int_equal(wt_tokenizer_eos(t), 2);
    assert_true(wt_tokenizer_adds_bos(t));
    assert_false(wt_tokenizer_adds_eos(t));
    assert_true(wt_tokenizer_is_eog(t, 2));
    assert_false(wt_tokenizer_is_eog(t, 1));
    assert_false(wt_tokenizer_is_eog(t, -1));
    assert_false(wt_tokenizer_is_eog(t, 1 << 30));
    wt_tokens none = ids_of(t, "", 0, 0), bos = ids_of(t, "", 0, ALL_FLAGS), written = ids_of(t, "<s>", 3, ALL_FLAGS);
    wt_tokens plain = ids_of(t, "<s>", 3, WT_TOKENIZE_ADD_SPECIAL);
    assert_int_equal(none.count, 0);
    assert_int_equal(bos.count, 1);
    assert_int_equal(bos.ids[0], 1);
    assert_int_equal(written.count, 2);
    assert_int_equal(written.ids[1], 1);
    assert_true(plain.count > 3); /* without parsing, it is text */
    char text[8];
    assert_int_equal(wt_token_text(t, 1, false, text, sizeof text), 0);
    assert_int_equal(wt_token_text(t, 1, true, text, sizeof text), 3);
    assert_int_equal(wt_token_text(t, 1, true, text, 1), 3); /* how many it has, not how many fit */
    assert_int_equal(wt_token_text(t, 3 + 0xc3, false, text, sizeof text), 1);
    assert_int_equal((unsigned char)text[0], 0xc3);
    assert_int_equal(wt_token_text(t, -1, true, text, sizeof text), 0);
    assert_int_equal(wt_token_text(t, wt_tokenizer_size(t), true, text, sizeof text), 0);
    free(none.ids);
    free(bos.ids);
    free(written.ids);
    free(plain.ids);
    wt_tokenizer_close(t);
}

/* Every text comes back from its tokens where the vocabulary covers all bytes. */
static void check_round_trip(const wt_tokenizer *t, const char *text, size_t len, bool prefix) {
    wt_tokens ids = {0};
    wt_error err = {0};
    assert_int_equal(wt_tokenize(t, text, len, 0, &ids, &err), 0);
    char back[4096];
    size_t used = 0;
    for (size_t i = 0; i < ids.count; i++) used += wt_token_text(t, ids.ids[i], true, back + used, sizeof back - used);
    assert_int_equal(used, len ? len + prefix : 0);
    if (len) assert_memory_equal(back + prefix, text, len);
    free(ids.ids);
}

static void test_round_trip(void **state) {
    (void)state;
    wt_error err = {0};
    wt_gguf *g = wt_gguf_open(WT_SOURCE_DIR "/data/seedling.gguf", &err);
    assert_non_null(g);
    wt_tokenizer *t = wt_tokenizer_open(g, &err);
    assert_non_null(t);
    wt_gguf_close(g);
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 1, 0);
    for (int i = 0; i < 2000; i++) {
        char text[200];
        size_t len = wt_rng_below(&rng, sizeof text);
        bool bytes = i % 2;
        for (size_t j = 0; j < len; j++)
            text[j] = bytes ? (char)(33 + wt_rng_below(&rng, 223)) : "aAb c'de\n\t0.,;! the "[wt_rng_below(&rng, 20)];
        /* Random bytes without spaces: one behind a truncated sequence would be torn apart with its mark, as in llama.cpp.
         * U+2581 by chance comes back as a space. */
        if (!memmem(text, len, "\xe2\x96\x81", 3)) check_round_trip(t, text, len, true);
    }
    wt_tokenizer_close(t);
}

/* Byte-level BPE gives back any valid UTF-8, and U+FFFD for each byte of what is not. */
static void test_round_trip_bpe(void **state) {
    (void)state;
    static const char *const names[] = {"default", "gpt-2", "llama-bpe", "qwen35", "deepseek-llm", "falcon", "kimi-k2"};
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 2, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wt_tokenizer *t = open_image(hard_pairs(names[i], 1));
        for (int k = 0; k < 300; k++) {
            char text[256], expected[1024], back[1024];
            size_t len = hard_random(&rng, text, sizeof text), n = 0, used = 0;
            for (size_t at = 0; at < len;) n += wt_utf8_encode(wt_utf8_decode(text, len, &at), expected + n);
            wt_tokens ids = ids_of(t, text, len, 0);
            for (size_t j = 0; j < ids.count; j++)
                used += wt_token_text(t, ids.ids[j], false, back + used, sizeof back - used);
            assert_int_equal(used, n);
            assert_memory_equal(back, expected, n);
            free(ids.ids);
        }
        wt_tokenizer_close(t);
    }
}

static void test_same(void **state) {
    (void)state;
    wt_error err = {0};
    wt_tokenizer *a = open_image(hard_pairs("gpt-2", 1)), *b = open_image(hard_pairs("qwen2", 2));
    wt_tokenizer *c = open_image(hard_specials(false, "test")), *d = open_image(hard_specials(true, "test"));
    assert_int_equal(wt_tokenizer_same(a, b, &err), 0);
    assert_int_equal(wt_tokenizer_same(a, c, &err), -1);
    assert_int_equal(err.code, WT_ERR_MISMATCH);
    assert_int_equal(wt_tokenizer_same(c, d, &err), -1);
    assert_non_null(strstr(err.message, "token 3"));
    wt_tokenizer_close(a);
    wt_tokenizer_close(b);
    wt_tokenizer_close(c);
    wt_tokenizer_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_golden),         cmocka_unit_test(test_special_rules),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_round_trip_bpe), cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
