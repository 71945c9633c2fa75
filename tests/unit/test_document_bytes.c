/*
 * The report's document of runs whose texts are any bytes: what it says of them is JSON and steers no terminal, and plans and strategies that are
 * almost ones are no way past its arrays.
 */
#include "support/testing.h"

#include <string.h>

#include "support/made_run.h"

static wt_error err;

/* Up to 60 bytes: of HTML, of quotes, of controls, of UTF-8 that is whole and that is broken. */
static void draw_text(wt_rng *rng, char *text) {
    static const char *const PIECES[] = {"</script>",
                                         "<!--",
                                         "<script>alert(1)</script>",
                                         "\"",
                                         "\\",
                                         "'",
                                         "&amp;",
                                         "\xc3\xa4",
                                         "\xe2\x80\xa8",
                                         "\xf0\x9f\xa6\xa0",
                                         "\xff",
                                         "\xc3",
                                         "\xed\xa0\x80",
                                         "\x01",
                                         "\x7f",
                                         "\n",
                                         "\r",
                                         "\t",
                                         "a",
                                         "]]>",
                                         "\\u003c",
                                         ",",
                                         "=",
                                         ": "};
    size_t used = 0;
    text[0] = '\0';
    for (uint64_t n = wt_rng_below(rng, 6); n > 0 && used < 30; n--) {
        const char *piece = PIECES[wt_rng_below(rng, sizeof PIECES / sizeof *PIECES)];
        strcpy(text + used, piece);
        used += strlen(piece);
    }
}

/* What the document must say of a text: UTF-8 as it is, U+FFFD for a byte that is none, and '?' for what steers a terminal. */
static void expected_text(const char *s, char *out) {
    while (*s) {
        json_t *character = NULL;
        size_t n = 0;
        while (!character && n < strnlen(s, 4)) character = json_stringn(s, ++n); /* jansson takes valid UTF-8 alone */
        if (!character) n = 1;
        if (!character)
            out = stpcpy(out, "\xef\xbf\xbd");
        else if (n == 1 && (((unsigned char)*s < 32 && *s != '\n') || *s == 127))
            *out++ = '?';
        else
            out = mempcpy(out, s, n);
        s += n;
        json_decref(character);
    }
    *out = '\0';
}

static void test_any_bytes(void **state) {
    made_run *run = *state;
    const uint64_t seed = test_seed();
    wt_rng rng;
    char given[40][6][128], expected[400];
    wt_rng_init(&rng, seed, 3, 0);
    for (int k = 0; k < 40; k++) {
        for (int t = 0; t < 6; t++) draw_text(&rng, given[k][t]);
        wt_stored_individual i = made_individual();
        i.name = given[k][0];
        i.label = given[k][1];
        i.kind = given[k][2];
        i.species = given[k][3];
        i.operator_name = given[k][4];
        i.cause = given[k][5];
        i.text = given[k][wt_rng_below(&rng, 6)];
        i.plan = given[k][wt_rng_below(&rng, 6)];
        made_add(run, i);
        const wt_stored_verdict v = {k + 1, given[k][0], given[k][1], 1, 1, 1, 1, 1, 1, 1, given[k][2], 0};
        const wt_stored_knockout o = {k + 1, given[k][3], given[k][4], 1, 1, 1, ""};
        if (k % 3 == 0) assert_int_equal(wt_store_put_verdict(run->store, &v, &err), 0);
        if (k % 3 == 1) assert_int_equal(wt_store_put_knockout(run->store, &o, &err), 0);
    }
    made_set(run, "model", given[0][0]);
    made_set(run, "rules", given[1][0]);
    json_t *d = made_document(run);
    for (int k = 0; k < 40; k++) {
        static const char *const COLUMNS[] = {"name", "label", "kind", "species", "operator", "cause"};
        static const char *const WORDS[] = {NULL, NULL, "kinds", "species", "operators", NULL};
        for (int t = 0; t < 6; t++) {
            char path[64];
            expected_text(given[k][t], expected);
            snprintf(path, sizeof path, "individuals.%s.%d", COLUMNS[t], k);
            if (WORDS[t]) snprintf(path, sizeof path, "%s.%d", WORDS[t], (int)json_integer_value(made_at(d, path)));
            made_is_text(d, path, expected);
        }
    }
    json_decref(d);
}

/* Plans and strategies that are almost ones: bytes of good ones changed, left out, doubled, cut off. What comes of them is their business. */
static void test_almost(void **state) {
    static const char TEXT[] =
        "strategy \"000000000001\"\nalloc.price     = is_head*0.5\nalloc.pins      = {\n    blk.0.attn_q.weight: Q4_K\n"
        "    token_embd.weight: Q6_K\n}\nencode.grid     = { lo: -1.86, hi: 1.02, steps: 49 }\n";
    static const char PLAN[] = "{\"token_embd.weight\":\"Q6_K\",\"blk.0.attn_q.weight\":\"Q4_K\"}";
    static const char BYTES[] = "{}\":,.\\ \n=[]#0Q_b\xff";
    made_run *run = *state;
    const uint64_t seed = test_seed();
    wt_rng rng;
    wt_rng_init(&rng, seed, 4, 0);
    for (int k = 0; k < 1500; k++) {
        char copies[2][512];
        strcpy(copies[0], TEXT);
        strcpy(copies[1], PLAN);
        for (uint64_t changes = wt_rng_below(&rng, 4); changes > 0; changes--) {
            char *text = copies[wt_rng_below(&rng, 2)];
            const size_t len = strlen(text), at = wt_rng_below(&rng, len + 1);
            const uint64_t how = wt_rng_below(&rng, 8);
            if (how == 0)
                text[at] = '\0';
            else if (how < 3 && at < len)
                memmove(text + at, text + at + 1, len - at);
            else if (how < 5 && len + 2 < sizeof copies[0])
                memmove(text + at + 1, text + at, len - at + 1);
            else if (at < len)
                text[at] = BYTES[wt_rng_below(&rng, sizeof BYTES - 1)];
        }
        wt_stored_individual i = made_individual();
        i.text = copies[0];
        i.plan = copies[1];
        made_add(run, i);
    }
    json_t *d = made_document(run);
    const size_t plans = json_array_size(made_at(d, "plans")), lines = json_array_size(made_at(d, "lines")),
                 tensors = json_array_size(made_at(d, "tensors"));
    for (size_t p = 0; p < plans; p++)
        assert_int_equal(json_string_length(json_array_get(json_object_get(d, "plans"), p)), tensors);
    size_t i, l;
    json_t *value, *line;
    json_array_foreach(made_at(d, "individuals.plan"), i, value)
        assert_in_range(json_integer_value(value) + 1, 0, plans);
    json_array_foreach(made_at(d, "individuals.text"), i, value) json_array_foreach(value, l, line)
        assert_in_range(json_integer_value(line), 0, lines - 1);
    json_decref(d);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, made_run_set_up, made_run_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {ALONE(test_any_bytes), ALONE(test_almost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
