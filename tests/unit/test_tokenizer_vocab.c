/* Vocabularies that contradict themselves, lack things or lie: a clear error, or llama.cpp's habit; never a crash. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "engine/tokenizer.h"
#include "support/hard_texts.h"

/* A small vocabulary; what is NULL or 0 is left out of the file. */
typedef struct vocabulary {
    const char *model, *pre;
    const char *tokens[16], *merges[4];
    int32_t types[16];
    float scores[16];
    size_t n_types, n_scores; /* how many are written; SIZE_MAX: an empty array */
    struct {
        const char *key;
        uint32_t type, value;
    } extra[3];
    bool empty_tokens, empty_merges;
} vocabulary;

enum { KV_U32 = 4, KV_BOOL = 7 };

static image write_image(const vocabulary *v) {
    image m = {0}, body = {0};
    size_t n = 0, merges = 0;
    uint64_t kvs = 0;
    while (n < 16 && v->tokens[n]) n++;
    while (merges < 4 && v->merges[merges]) merges++;
    if (v->model) image_kv_str(&body, "tokenizer.ggml.model", v->model), kvs++;
    if (v->pre) image_kv_str(&body, "tokenizer.ggml.pre", v->pre), kvs++;
    if (n || v->empty_tokens) image_kv_array(&body, "tokenizer.ggml.tokens", 8, n), kvs++;
    for (size_t i = 0; i < n; i++) image_str(&body, v->tokens[i]);
    if (merges || v->empty_merges) image_kv_array(&body, "tokenizer.ggml.merges", 8, merges), kvs++;
    for (size_t i = 0; i < merges; i++) image_str(&body, v->merges[i]);
    if (v->n_types) {
        size_t count = v->n_types == SIZE_MAX ? 0 : v->n_types;
        image_kv_array(&body, "tokenizer.ggml.token_type", 5, count);
        for (size_t i = 0; i < count; i++) image_u32(&body, (uint32_t)v->types[i]);
        kvs++;
    }
    if (v->n_scores) {
        size_t count = v->n_scores == SIZE_MAX ? 0 : v->n_scores;
        image_kv_array(&body, "tokenizer.ggml.scores", 6, count);
        for (size_t i = 0; i < count; i++) image_bytes(&body, &v->scores[i], 4);
        kvs++;
    }
    for (int i = 0; i < 3 && v->extra[i].key; i++, kvs++) {
        image_str(&body, v->extra[i].key);
        image_u32(&body, v->extra[i].type);
        image_bytes(&body, &v->extra[i].value, v->extra[i].type == KV_BOOL ? 1 : 4);
    }
    image_head(&m, 3, 0, kvs);
    image_bytes(&m, body.data, body.size);
    image_pad(&m, 32);
    image_free(&body);
    return m;
}

static wt_tokenizer *open_vocabulary(const vocabulary *v, wt_error *err) {
    image m = write_image(v);
    wt_gguf *g = wt_gguf_from_memory(m.data, m.size, "image", err);
    if (!g) fail_msg("%s", err->message);
    wt_tokenizer *t = wt_tokenizer_open(g, err);
    wt_gguf_close(g);
    image_free(&m);
    return t;
}

/* It must be refused, with this in the message or the hint. */
static void refused(const char *what, vocabulary v) {
    wt_error err = {0};
    wt_tokenizer *t = open_vocabulary(&v, &err);
    if (t) fail_msg("accepted, though it should say '%s'", what);
    if (!strstr(err.message, what) && !strstr(err.hint, what))
        fail_msg("'%s' (%s) lacks '%s'", err.message, err.hint, what);
}

static wt_tokenizer *accepted(vocabulary v) {
    wt_error err = {0};
    wt_tokenizer *t = open_vocabulary(&v, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static void expect_ids(const wt_tokenizer *t, const char *text, int flags, size_t n, const int32_t *ids) {
    wt_tokens got = {0};
    wt_error err = {0};
    if (wt_tokenize(t, text, strlen(text), flags, &got, &err) != 0) fail_msg("%s", err.message);
    assert_int_equal(got.count, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(got.ids[i], ids[i]);
    free(got.ids);
}

#define IDS(...)                                                                                                       \
    sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (int32_t[]) { __VA_ARGS__ }

static void test_unknown_kinds(void **state) {
    (void)state;
    refused("known are: llama", (vocabulary){.model = "bert", .tokens = {"a"}});
    refused("'bert'", (vocabulary){.model = "bert", .tokens = {"a"}});
    refused("holds no tokenizer", (vocabulary){.tokens = {"a"}});
    refused("holds no tokenizer", (vocabulary){.model = "", .tokens = {"a"}});
    const vocabulary strange = {.model = "gpt2", .pre = "strange", .tokens = {"a"}, .merges = {"a b"}};
    refused("'strange'", strange);
    refused("llama-bpe", strange);
    refused("sarvam-moe", strange); /* the list of known ones is complete */
    refused("not supported", (vocabulary){.model = "gpt2", .pre = "gpt-2 phi-2", .tokens = {"a"}, .merges = {"a b"}});
    refused("not supported", (vocabulary){.model = "gpt2", .pre = "gpt", .tokens = {"a"}, .merges = {"a b"}});
    wt_tokenizer *t = accepted((vocabulary){.model = "gpt2", .tokens = {"a"}, .merges = {"a b"}});
    assert_string_equal(wt_tokenizer_pre(t), "default"); /* as llama.cpp, where no pre-tokenizer is named */
    wt_tokenizer_close(t);
}

static void test_contradictions(void **state) {
    (void)state;
    refused("tokenizer.ggml.tokens", (vocabulary){.model = "llama"});
    refused("tokenizer.ggml.tokens", (vocabulary){.model = "llama", .empty_tokens = true});
    refused("tokenizer.ggml.merges", (vocabulary){.model = "gpt2", .tokens = {"a"}});
    refused("tokenizer.ggml.token_type", (vocabulary){.model = "llama", .tokens = {"a", "b", "c"}, .n_types = 2});
    refused("tokenizer.ggml.scores", (vocabulary){.model = "llama", .tokens = {"a", "b", "c"}, .n_scores = 2});
    refused("tokenizer.ggml.scores", (vocabulary){.model = "llama", .tokens = {"a"}, .n_scores = SIZE_MAX});
    refused("tokens 1 and 3 are both 'b'", (vocabulary){.model = "llama", .tokens = {"a", "b", "c", "b"}});
    refused("token 1 is of the type 'byte'",
            (vocabulary){.model = "llama", .tokens = {"<0x41>", "<0"}, .types = {6, 6}, .n_types = 2});
    refused("add_bos_token", (vocabulary){.model = "gpt2",
                                          .pre = "llama-bpe",
                                          .tokens = {"a", "b"}, /* 11, the default, is none of them */
                                          .merges = {"a b"}});
    refused("add_eos_token", (vocabulary){.model = "gpt2",
                                          .tokens = {"a", "b"},
                                          .merges = {"a b"},
                                          .extra = {{"tokenizer.ggml.add_eos_token", KV_BOOL, 1}}});
    refused(
        "tokenizer.ggml.add_bos_token",
        (vocabulary){.model = "llama", .tokens = {"a", "b"}, .extra = {{"tokenizer.ggml.add_bos_token", KV_U32, 1}}});
}

static void test_ids_out_of_range(void **state) {
    (void)state;
    /* llama.cpp warns and keeps the default, which for SentencePiece is 1 and 2. */
    wt_tokenizer *t = accepted((vocabulary){.model = "llama",
                                            .tokens = {"<unk>", "<s>", "</s>", "a"},
                                            .extra = {{"tokenizer.ggml.bos_token_id", KV_U32, 4},
                                                      {"tokenizer.ggml.eos_token_id", KV_U32, UINT32_MAX},
                                                      {"tokenizer.ggml.add_space_prefix", KV_BOOL, 0}}});
    assert_int_equal(wt_tokenizer_bos(t), 1);
    assert_int_equal(wt_tokenizer_eos(t), 2);
    expect_ids(t, "a", WT_TOKENIZE_ADD_SPECIAL, IDS(1, 3));
    wt_tokenizer_close(t);
}

static void test_no_bytes(void **state) {
    (void)state;
    wt_tokenizer *t = accepted((vocabulary){.model = "llama",
                                            .tokens = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a", "ab", "b"},
                                            .scores = {0, 0, 0, -1, -2, NAN, -INFINITY},
                                            .types = {2, 3, 3, 1, 1, 1, 1},
                                            .n_types = 7,
                                            .n_scores = 7});
    expect_ids(t, "a ab", 0, IDS(3, 4, 3, 5));
    wt_tokens got = {0};
    wt_error err = {0};
    assert_int_equal(wt_tokenize(t, "aX", 2, 0, &got, &err), -1);
    assert_non_null(strstr(err.message, "0x58"));
    free(got.ids);
    wt_tokenizer_close(t);
}

static void test_merges_of_strangers(void **state) {
    (void)state;
    /* Merges name tokens that are not there; pieces without a token fall apart into those of their bytes that are. */
    wt_tokenizer *t = accepted((vocabulary){
        .model = "gpt2", .pre = "gpt-2", .tokens = {"a", "b", "", "abc"}, .merges = {"b c", "a b", "x", " "}});
    expect_ids(t, "ab", 0, IDS(0, 1));
    expect_ids(t, "abc", 0, IDS(0, 1)); /* "bc" is merged first and is no token, nor is "c" */
    expect_ids(t, "[EMPTY_2]", 0, 0, NULL);
    wt_tokenizer_close(t);
    t = accepted((vocabulary){.model = "gpt2", .pre = "gpt-2", .tokens = {"a"}, .empty_merges = true});
    expect_ids(t, "aa", 0, IDS(0, 0));
    wt_tokenizer_close(t);
}

/* Damage anywhere in a vocabulary: it opens or not, and what opens tokenizes into ids of its own. */
static void test_damage(void **state) {
    (void)state;
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 4, 0);
    image whole[2] = {hard_specials(true, "test"), hard_specials(false, "test")};
    size_t opened = 0;
    for (int i = 0; i < 4000; i++) {
        const image *from = &whole[i % 2];
        uint8_t *data = malloc(from->size);
        assert_non_null(data);
        memcpy(data, from->data, from->size);
        for (uint64_t k = 1 + wt_rng_below(&rng, 6); k > 0; k--)
            data[24 + wt_rng_below(&rng, from->size - 24)] = (uint8_t)wt_rng_next(&rng);
        wt_error err = {0};
        wt_gguf *g = wt_gguf_from_memory(data, from->size, "image", &err);
        wt_tokenizer *t = g ? wt_tokenizer_open(g, &err) : NULL;
        if (!t) assert_true(strlen(err.message) > 10);
        wt_gguf_close(g);
        free(data);
        char text[200], piece[64];
        wt_tokens ids = {0};
        if (t && wt_tokenize(t, text, hard_specials_text(&rng, text, sizeof text), (int)(i % 4), &ids, &err) == 0) {
            opened++;
            for (size_t k = 0; k < ids.count; k++) {
                assert_in_range(ids.ids[k], 0, wt_tokenizer_size(t) - 1);
                wt_token_text(t, ids.ids[k], true, piece, sizeof piece);
            }
        }
        free(ids.ids);
        wt_tokenizer_close(t);
    }
    printf("%zu of 4000 damaged vocabularies still opened\n", opened);
    assert_true(opened > 100 && opened < 4000);
    image_free(&whole[0]);
    image_free(&whole[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_kinds),       cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_ids_out_of_range),    cmocka_unit_test(test_no_bytes),
        cmocka_unit_test(test_merges_of_strangers), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
