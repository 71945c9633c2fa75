/*
 * The parts of a text: contiguous, in order, without a token in common; texts that overlap are found; too short ones are refused with what
 * is needed. The tokenizer is the built-in model's.
 */
#include "support/testing.h"

#include <string.h>

#include "model/gguf.h"
#include "survive/texts.h"

static wt_error err;
static wt_gguf *gguf;
static wt_tokenizer *tokenizer;

static int set_up(void **state) {
    (void)state;
    gguf = wt_gguf_open(WT_SOURCE_DIR "/data/seedling.gguf", &err);
    tokenizer = gguf ? wt_tokenizer_open(gguf, &err) : NULL;
    if (!tokenizer) print_error("%s\n", err.message);
    return tokenizer ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    wt_tokenizer_close(tokenizer);
    wt_gguf_close(gguf);
    return 0;
}

/* Words that no other part of the text has: "w17 ". */
static char *numbered(size_t words, size_t from, size_t *len) {
    char *text = malloc(words * 12 + 1);
    assert_non_null(text);
    *len = 0;
    for (size_t i = 0; i < words; i++) *len += (size_t)sprintf(text + *len, "w%zu%c", from + i, i % 10 == 9 ? '\n' : ' ');
    return text;
}

static wt_rules some_rules(void) {
    wt_rules r;
    assert_int_equal(wt_rules_init(&r, &err), 0);
    r.calibrate_chunks = r.search_chunks = r.holdout_chunks = 1000;
    return r;
}

static void same_chunks(const wt_chunks *a, const wt_chunks *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->context, b->context);
    assert_memory_equal(a->tokens, b->tokens, a->count * a->context * sizeof(int32_t));
}

/* Each part is what cutting its own stretch of the text gives, and the stretches lie one behind the other. */
static void test_parts(void **state) {
    size_t len, last = 0;
    wt_texts t;
    wt_rules r = some_rules();
    (void)state;
    char *text = numbered(6000, 10000, &len);
    assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, text, len, NULL, 0, &err), 0);
    const wt_chunks *parts[] = {&t.calibrate, &t.search, &t.holdout};
    const double shares[] = {0, 0.5, 0.8, 1};
    for (int k = 0; k < 3; k++) {
        wt_chunks expected;
        size_t from = (size_t)(shares[k] * (double)len), to = (size_t)(shares[k + 1] * (double)len);
        while (from > 0 && from < len && text[from - 1] != ' ' && text[from - 1] != '\n') from++;
        while (to < len && text[to - 1] != ' ' && text[to - 1] != '\n') to++;
        assert_true(from >= last && to > from);
        last = to;
        assert_int_equal(wt_chunks_cut(&expected, tokenizer, text + from, to - from, 32, 1000, &err), 0);
        same_chunks(parts[k], &expected);
        wt_chunks_release(&expected);
    }
    assert_int_equal(last, len);
    uint64_t hash = t.hash;
    wt_texts_release(&t);
    r.search_chunks = 3; /* at most */
    assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, text, len, NULL, 0, &err), 0);
    assert_int_equal(t.search.count, 3);
    assert_true(t.hash != hash);
    wt_texts_release(&t);
    free(text);
}

/* The play-off is what follows the search's chunks in the same part, so many of them; no other part changes by it. */
static void test_playoff(void **state) {
    size_t len;
    wt_texts whole, t;
    wt_rules r = some_rules();
    (void)state;
    char *text = numbered(6000, 10000, &len);
    r.playoff = 0;
    assert_int_equal(wt_texts_cut(&whole, &r, 32, tokenizer, text, len, NULL, 0, &err), 0);
    assert_int_equal(whole.playoff.count, 0);
    assert_true(whole.search.count > 12);
    static const struct {
        uint64_t search;
        double playoff;
        size_t chunks;
    } CASES[] = {{4, 2, 8}, {4, 0, 0}, {5, 0.5, 2}, {12, 1000, SIZE_MAX}, {100000, 2, 0}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        r.search_chunks = CASES[k].search;
        r.playoff = CASES[k].playoff;
        assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, text, len, NULL, 0, &err), 0);
        const size_t all = whole.search.count, search = CASES[k].search < all ? CASES[k].search : all;
        assert_int_equal(t.search.count, search);
        assert_int_equal(t.playoff.count, CASES[k].chunks < all - search ? CASES[k].chunks : all - search);
        same_chunks(&t.calibrate, &whole.calibrate);
        same_chunks(&t.holdout, &whole.holdout);
        assert_memory_equal(t.search.tokens, whole.search.tokens, search * 32 * sizeof(int32_t));
        if (t.playoff.count) {
            assert_memory_equal(t.playoff.tokens, whole.search.tokens + search * 32,
                                t.playoff.count * 32 * sizeof(int32_t));
            assert_true(t.playoff.context == 32 && t.playoff.first == whole.search.first &&
                        t.playoff.scored == whole.search.scored);
            assert_true(t.hash != whole.hash);
        }
        wt_texts_release(&t);
    }
    wt_texts_release(&whole);
    free(text);
}

static void test_overlap(void **state) {
    size_t a_len, b_len, where;
    wt_texts t;
    wt_rules r = some_rules();
    (void)state;
    char *a = numbered(4000, 10000, &a_len), *b = numbered(4000, 20000, &b_len);
    assert_true(wt_texts_overlap(a, a_len, b, b_len, &where, &err) == 0);
    assert_true(wt_texts_overlap(a, a_len, a, a_len, &where, &err) == 1);
    assert_int_equal(where, 0);
    assert_true(wt_texts_overlap("", 0, b, b_len, NULL, &err) == 0);
    assert_true(wt_texts_overlap(a, a_len, "", 0, NULL, &err) == 0);
    assert_true(wt_texts_overlap("x", 1, "x", 1, NULL, &err) == 0);
    assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, a, a_len, b, b_len, &err), 0);
    wt_texts_release(&t);
    memcpy(b + 6 * 1000, a + 6 * 500, 6 * 200); /* 200 of 4000 words are copied: 5% */
    for (size_t i = 6 * 1000; i < 6 * 1200; i++)
        if (b[i] == ' ' && i % 5 == 0) b[i] = '\n'; /* other white space hides nothing */
    const double share = wt_texts_overlap(a, a_len, b, b_len, &where, &err);
    assert_true(share > 0.04 && share < 0.051); /* but for passages that reach beyond the copy */
    assert_true(where >= 6 * 1000 && where < 6 * 1020);
    assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, a, a_len, b, b_len, &err), -1);
    assert_non_null(strstr(err.message, "shares"));
    assert_non_null(strstr(err.message, "in its line"));
    free(a);
    free(b);
}

/* A text that says everything twice has no part that nobody looked at. */
static void test_repeated(void **state) {
    size_t len;
    wt_texts t;
    wt_rules r = some_rules();
    (void)state;
    char *once = numbered(3000, 10000, &len), *twice = malloc(2 * len);
    assert_non_null(twice);
    memcpy(twice, once, len);
    memcpy(twice + len, once, len);
    assert_int_equal(wt_texts_cut(&t, &r, 32, tokenizer, twice, 2 * len, NULL, 0, &err), -1);
    assert_non_null(strstr(err.message, "repeats"));
    free(once);
    free(twice);
}

/* A text without a blank, as some languages have, is cut between its characters. */
static void test_no_blanks(void **state) {
    enum { CHARACTERS = 6000 };
    static char text[CHARACTERS * 3];
    wt_texts t;
    wt_rules r = some_rules();
    wt_rng rng;
    (void)state;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (size_t i = 0; i < CHARACTERS; i++) {
        const uint32_t c = 0x4e00 + (uint32_t)wt_rng_below(&rng, 5000);
        text[3 * i] = (char)(0xe0 | c >> 12);
        text[3 * i + 1] = (char)(0x80 | (c >> 6 & 63));
        text[3 * i + 2] = (char)(0x80 | (c & 63));
    }
    if (wt_texts_cut(&t, &r, 32, tokenizer, text, sizeof text, NULL, 0, &err) != 0) fail_msg("%s", err.message);
    assert_true(t.calibrate.count > t.search.count && t.search.count > t.holdout.count && t.holdout.count >= 2);
    wt_texts_release(&t);
}

static void test_too_short(void **state) {
    size_t len, needed = 0;
    wt_texts t;
    wt_rules r = some_rules();
    (void)state;
    char *text = numbered(60, 10000, &len);
    for (size_t n = 0; n <= len; n += 37) {
        assert_int_equal(wt_texts_cut(&t, &r, 512, tokenizer, text, n, NULL, 0, &err), -1);
        assert_int_equal(err.code, WT_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "less than 2 chunks of 512 tokens"));
    }
    assert_int_equal(sscanf(err.hint, "it takes about %zu bytes", &needed), 1);
    free(text);
    text = numbered(needed / 7 + 1, 10000, &len); /* with so much it is enough: numbers are many tokens a byte */
    if (wt_texts_cut(&t, &r, 512, tokenizer, text, len, NULL, 0, &err) != 0) fail_msg("%s", err.message);
    wt_texts_release(&t);
    free(text);
}

static void test_deal(void **state) {
    wt_texts t;
    wt_rules r = some_rules();
    (void)state;
    r.calibrate_chunks = 3;
    r.search_chunks = 2;
    r.holdout_chunks = 4;
    assert_int_equal(wt_texts_wanted(&r), 9);
    int32_t *tokens = malloc(9 * 8 * sizeof *tokens);
    for (int i = 0; i < 9 * 8; i++) tokens[i] = i;
    assert_int_equal(wt_texts_deal(&t, &r, 8, tokens, 9, &err), 0);
    assert_int_equal(t.calibrate.tokens[0], 0);
    assert_int_equal(t.search.tokens[0], 3 * 8);
    assert_int_equal(t.holdout.tokens[0], 5 * 8);
    assert_int_equal(t.holdout.tokens[4 * 8 - 1], 9 * 8 - 1);
    wt_texts_release(&t);
    wt_texts_release(&t);
    tokens = calloc(8 * 8, sizeof *tokens); /* one chunk too few */
    err = (wt_error){0};
    assert_int_equal(wt_texts_deal(&t, &r, 8, tokens, 8, &err), -1);
    assert_true(err.message[0]);
}

/* The model's own chunks stand evenly among those of all parts but the holdout, in order; the others stay, and the hash tells. */
static void test_mix(void **state) {
    enum { CONTEXT = 8 };
    size_t len, own = 0;
    wt_texts t, before;
    wt_rules r = some_rules();
    (void)state;
    char *text = numbered(3000, 0, &len);
    r.calibrate_chunks = 10;
    r.search_chunks = 9;
    r.playoff = 2;
    r.own = 0.34;
    assert_int_equal(wt_texts_cut(&t, &r, CONTEXT, tokenizer, text, len, NULL, 0, &err), 0);
    assert_int_equal(wt_texts_cut(&before, &r, CONTEXT, tokenizer, text, len, NULL, 0, &err), 0);
    const size_t count = wt_texts_own(&t, &r);
    assert_int_equal(t.playoff.count, 18);
    assert_int_equal(count, 3 + 3 + 6);
    int32_t *tokens = malloc(count * CONTEXT * sizeof *tokens);
    for (size_t i = 0; i < count * CONTEXT; i++) tokens[i] = -1 - (int32_t)i; /* no token of the text's */
    wt_texts_mix(&t, &r, tokens);
    const wt_chunks *parts[] = {&t.calibrate, &t.search, &t.playoff},
                    *were[] = {&before.calibrate, &before.search, &before.playoff};
    for (int p = 0; p < 3; p++) {
        size_t here = 0, together = 0;
        for (size_t k = 0; k < parts[p]->count; k++) {
            const int32_t *chunk = parts[p]->tokens + k * CONTEXT;
            const bool is_own = chunk[0] < 0;
            assert_memory_equal(chunk, is_own ? tokens + own * CONTEXT : were[p]->tokens + k * CONTEXT,
                                CONTEXT * sizeof *chunk);
            own += is_own;
            here += is_own;
            together = is_own ? together + 1 : 0;
            assert_true(together < 2 && here <= k + 1);
            assert_true((double)here > 0.34 * (double)(k + 1) - 1.0 && (double)here <= 0.34 * (double)(k + 1));
        }
    }
    assert_int_equal(own, count);
    same_chunks(&t.holdout, &before.holdout);
    assert_true(t.hash != before.hash);
    r.own = 0;
    assert_int_equal(wt_texts_own(&before, &r), 0);
    wt_texts_release(&t);
    wt_texts_release(&before);
    free(tokens);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_playoff),   cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_repeated), cmocka_unit_test(test_no_blanks), cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_deal),     cmocka_unit_test(test_mix),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
