/*
 * Presets: every choice for every shape equals stock llama.cpp's (tests/data/presets.golden: what its quantizer wrote, regenerated
 * with `interop_presets FOLDER SCRATCH --golden`; the interop suite asks it anew), names, a person's rules, and what is refused.
 */
#include "support/testing.h"

#include <string.h>

#include "apply/presets.h"
#include "support/preset_shapes.h"

enum { MOST_TENSORS = 2048, TEXT = 1 << 16 };

static wt_assignment assignments[MOST_TENSORS];
static size_t fallbacks;

/* A shape's file in memory. */
typedef struct model {
    image bytes;
    wt_gguf *gguf;
} model;

static model open_shape(const preset_shape *shape) {
    wt_error err = {0};
    model m = {.bytes = preset_shape_image(shape)};
    m.gguf = wt_gguf_from_memory(m.bytes.data, m.bytes.size, shape->name, &err);
    if (!m.gguf) fail_msg("%s", err.message);
    assert_true(wt_gguf_tensor_count(m.gguf) <= MOST_TENSORS);
    return m;
}

static model open_named(const char *name) {
    for (size_t i = 0; preset_shape_at(i); i++) {
        if (strcmp(preset_shape_at(i)->name, name) == 0) return open_shape(preset_shape_at(i));
    }
    fail_msg("no shape '%s'", name);
    abort();
}

static void close_model(model *m) {
    wt_gguf_close(m->gguf);
    image_free(&m->bytes);
}

static const wt_assignment *of(const model *m, const char *name) {
    const wt_tensor *t = wt_gguf_find_tensor(m->gguf, name);
    assert_non_null(t);
    return &assignments[t - wt_gguf_tensor(m->gguf, 0)];
}

static wt_preset_request ask(const char *preset) {
    const wt_preset *p = wt_preset_find(preset);
    assert_non_null(p);
    return (wt_preset_request){.preset = p, .output_type = -1, .embedding_type = -1};
}

static void assign(const model *m, const wt_preset_request *request) {
    wt_error err = {0};
    if (wt_preset_assign(m->gguf, request, assignments, &fallbacks, &err) != 0) fail_msg("%s", err.message);
}

static void refuse(const model *m, const wt_preset_request *request, const char *message) {
    wt_error err = {0};
    assert_int_equal(wt_preset_assign(m->gguf, request, assignments, &fallbacks, &err), -1);
    if (!strstr(err.message, message)) fail_msg("expected '%s', got '%s'", message, err.message);
    assert_true(err.hint[0]);
}

/* ---- stock's choices ---- */

/* What we make of a line's question, in its form. */
static const char *answer(const model *m, const char *preset, bool importance) {
    static char text[TEXT];
    static wt_type types[MOST_TENSORS];
    wt_preset_request request = ask(preset);
    request.has_importance = importance;
    if (wt_preset_assign(m->gguf, &request, assignments, &fallbacks, NULL) != 0) return "refused";
    const size_t n = wt_gguf_tensor_count(m->gguf);
    for (size_t i = 0; i < n; i++) {
        if (assignments[i].needs_importance && !importance) return "refused";
        types[i] = assignments[i].type;
    }
    return preset_types_text(types, n, text, TEXT);
}

static void expect(const char *line, const model *m, const char *preset, bool importance, const char *expected) {
    const char *got = answer(m, preset, importance);
    if (strcmp(got, expected) != 0)
        fail_msg("%.60s... importance %d:\n  stock %s\n  ours  %s", line, importance, expected, got);
}

static void test_stock(void **state) {
    (void)state;
    static char line[TEXT];
    char shape[64], preset[64], when[64], open[64] = "";
    int at, lines = 0;
    model m = {0};
    FILE *f = fopen(WT_SOURCE_DIR "/tests/data/presets.golden", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        assert_int_equal(sscanf(line, "%63s %63s %63s %n", shape, preset, when, &at), 3);
        if (strcmp(open, shape) != 0) {
            close_model(&m);
            m = open_named(shape);
            snprintf(open, sizeof open, "%s", shape);
        }
        if (strcmp(when, "with") != 0) expect(line, &m, preset, false, line + at);
        if (strcmp(when, "without") != 0) expect(line, &m, preset, true, line + at);
        lines++;
    }
    fclose(f);
    close_model(&m);
    size_t presets, shapes = 0;
    wt_presets(&presets);
    while (preset_shape_at(shapes)) shapes++;
    assert_true((size_t)lines >= presets * shapes);
}

/* ---- names ---- */

static void test_names(void **state) {
    (void)state;
    static const char *const ALL[] = {"Q1_0",   "Q2_0",  "Q2_K",    "Q2_K_S",    "Q3_K_S", "Q3_K_M",  "Q3_K_L",
                                      "Q4_0",   "Q4_1",  "Q4_K_S",  "Q4_K_M",    "Q5_0",   "Q5_1",    "Q5_K_S",
                                      "Q5_K_M", "Q6_K",  "Q8_0",    "IQ1_S",     "IQ1_M",  "IQ2_XXS", "IQ2_XS",
                                      "IQ2_S",  "IQ2_M", "IQ3_XXS", "IQ3_XS",    "IQ3_S",  "IQ3_M",   "IQ4_NL",
                                      "IQ4_XS", "TQ1_0", "TQ2_0",   "MXFP4_MOE", "F32",    "F16",     "BF16"};
    size_t count;
    const wt_preset *all = wt_presets(&count);
    assert_int_equal(count, sizeof ALL / sizeof *ALL);
    for (size_t i = 0; i < count; i++) {
        const wt_preset *p = wt_preset_find(ALL[i]);
        assert_non_null(p);
        assert_string_equal(p->name, ALL[i]);
        for (size_t k = 0; k < i; k++) assert_true(all[k].file_type != all[i].file_type);
    }
    assert_string_equal(wt_preset_find("q4_k_m")->name, "Q4_K_M");
    assert_string_equal(wt_preset_find("Q3_k")->name, "Q3_K_M");
    assert_string_equal(wt_preset_find("Q4_K")->name, "Q4_K_M");
    assert_string_equal(wt_preset_find("Q5_K")->name, "Q5_K_M");
    assert_null(wt_preset_find("Q4_K_"));
    assert_null(wt_preset_find(""));
    assert_null(wt_preset_find("NVFP4"));
}

static void test_file_types(void **state) {
    (void)state;
    wt_file_type f;
    assert_true(wt_file_type_of(WT_Q4_K, &f) && f == WT_FILE_Q4_K_S);
    assert_true(wt_file_type_of(WT_IQ2_XS, &f) && f == WT_FILE_IQ2_XS);
    assert_true(wt_file_type_of(WT_IQ3_S, &f) && f == WT_FILE_IQ3_S);
    assert_true(wt_file_type_of(WT_Q8_0, &f) && f == WT_FILE_Q8_0);
    assert_true(wt_file_type_of(WT_NVFP4, &f) && f == WT_FILE_NVFP4);
    assert_false(wt_file_type_of(WT_I32, &f));
}

/* ---- a person's wishes ---- */

static void test_rules(void **state) {
    (void)state;
    model m = open_named("plain");
    const wt_type_rule rules[] = {{"BLK\\.1\\.ffn_up", WT_Q8_0}, {"ffn_up|ffn_gate", WT_Q3_K}, {"^token", WT_Q2_K}};
    wt_preset_request request = ask("Q4_K_S");
    request.rules = rules;
    request.rule_count = 3;
    assign(&m, &request);
    assert_int_equal(of(&m, "blk.1.ffn_up.weight")->type, WT_Q8_0);
    assert_int_equal(of(&m, "blk.11.ffn_up.weight")->type, WT_Q3_K);
    assert_int_equal(of(&m, "blk.1.ffn_gate.weight")->type, WT_Q3_K);
    assert_int_equal(of(&m, "token_embd.weight")->type, WT_Q2_K);
    assert_int_equal(of(&m, "output.weight")->type, WT_Q6_K);
    assert_int_equal(of(&m, "blk.1.attn_norm.weight")->type, WT_F32);
    request = ask("F16"); /* llama.cpp ignores rules here, and says nothing */
    request.rules = rules;
    request.rule_count = 3;
    assign(&m, &request);
    assert_int_equal(of(&m, "blk.1.ffn_up.weight")->type, WT_Q8_0);
    assert_int_equal(of(&m, "blk.1.ffn_down.weight")->type, WT_F16);
    close_model(&m);
}

static void test_pure(void **state) {
    (void)state;
    model m = open_named("plain");
    wt_preset_request request = {.pure_type = WT_NVFP4, .output_type = -1, .embedding_type = WT_F16};
    assign(&m, &request);
    assert_int_equal(of(&m, "blk.0.attn_v.weight")->type, WT_NVFP4);
    assert_int_equal(of(&m, "output.weight")->type, WT_NVFP4);
    assert_int_equal(of(&m, "token_embd.weight")->type, WT_F16);
    assert_int_equal(of(&m, "output_norm.weight")->type, WT_F32);
    assert_int_equal(fallbacks, 0);
    close_model(&m);
}

static void test_fallbacks(void **state) {
    (void)state;
    model m = open_named("odd");
    wt_preset_request request = ask("Q4_K_S");
    assign(&m, &request);
    assert_int_equal(of(&m, "blk.3.attn_q.weight")->type, WT_Q5_0);
    assert_int_equal(of(&m, "blk.3.attn_q.weight")->wanted, WT_Q4_K);
    size_t expected = 0;
    for (size_t i = 0; i < wt_gguf_tensor_count(m.gguf); i++) expected += assignments[i].type != assignments[i].wanted;
    assert_true(expected > 0);
    assert_int_equal(fallbacks, expected);
    close_model(&m);
}

/* ---- what is refused ---- */

static void test_bad_patterns(void **state) {
    (void)state;
    model m = open_named("odd");
    wt_type_rule rule = {"attn_(q", WT_Q8_0};
    wt_preset_request request = ask("Q8_0");
    request.rules = &rule;
    request.rule_count = 1;
    refuse(&m, &request, "cannot use the pattern 'attn_(q': missing closing parenthesis, at character 8");
    rule.pattern = "(.+)+x.*(.+)+(?=y)$(?<=z)|(a?){40}a{40}*[";
    refuse(&m, &request, "cannot use the pattern");
    close_model(&m);
}

static void test_rows_that_fit_nothing(void **state) {
    (void)state;
    model m = open_named("odd");
    wt_preset_request request = ask("Q8_0");
    request.output_type = WT_Q6_K;
    refuse(&m, &request,
           "cannot quantize 'output.weight' to Q6_K: its rows of 288 weights are no whole number of 256-weight");
    request = ask("Q8_0");
    request.embedding_type = WT_Q4_K;
    refuse(&m, &request, "cannot quantize 'token_embd.weight' to Q4_K");
    request = (wt_preset_request){.pure_type = WT_Q1_0, .output_type = -1, .embedding_type = -1};
    refuse(&m, &request, "to Q1_0: its rows of 288");
    close_model(&m);
}

static void test_quantized_source(void **state) {
    (void)state;
    image bytes = {0};
    const uint64_t dims[] = {64, 4};
    wt_error err = {0};
    image_head(&bytes, 3, 1, 0);
    image_tensor(&bytes, "blk.0.attn_q.weight", 2, dims, WT_Q8_0, 0);
    image_pad(&bytes, 32);
    for (int i = 0; i < 4 * 2 * 34; i++) image_bytes(&bytes, "", 1);
    image_pad(&bytes, 32);
    model m = {bytes, wt_gguf_from_memory(bytes.data, bytes.size, "model.gguf", &err)};
    assert_non_null(m.gguf);
    wt_preset_request request = ask("Q4_0");
    refuse(&m, &request, "cannot quantize 'model.gguf' to Q4_0: 'blk.0.attn_q.weight' is quantized already, to Q8_0");
    request.allow_requantize = true;
    assign(&m, &request);
    assert_int_equal(assignments[0].type, WT_Q4_0);
    request = ask("Q8_0"); /* nothing to do: a copy */
    assign(&m, &request);
    assert_int_equal(assignments[0].type, WT_Q8_0);
    close_model(&m);
}

/* Names and shapes of every kind: whatever is in a file, an answer or an error. */
static void test_odd_files(void **state) {
    (void)state;
    static const char *const NAMES[] = {"weight",
                                        "x",
                                        "",
                                        "blk.99999999999999999999.ffn_up.weight",
                                        "blk.-1.ffn_down.weight",
                                        "blk.1.ffn_down.weight",
                                        "blk..weight",
                                        "blk.2.",
                                        "a\xff.weight"};
    const size_t n = sizeof NAMES / sizeof *NAMES;
    for (uint32_t experts = 0; experts < 3; experts += 2) {
        image bytes = {0};
        wt_error err = {0};
        const uint64_t dims[] = {32, 2};
        image_head(&bytes, 3, n, 4);
        image_kv_str(&bytes, "general.architecture", "llama");
        image_kv_u32(&bytes, "llama.expert_count", experts);
        image_kv_u32(&bytes, "llama.block_count", UINT32_MAX);
        image_kv_str(&bytes, "llama.attention.head_count", "many");
        for (size_t i = 0; i < n; i++) image_tensor(&bytes, NAMES[i], 2, dims, WT_F32, i * 256);
        image_pad(&bytes, 32);
        for (size_t i = 0; i < n * 256; i++) image_bytes(&bytes, "", 1);
        wt_gguf *gguf = wt_gguf_from_memory(bytes.data, bytes.size, "odd", &err);
        if (!gguf) fail_msg("%s", err.message);
        wt_preset_request request = ask("Q4_K_M");
        const int rc = wt_preset_assign(gguf, &request, assignments, &fallbacks, &err);
        assert_int_equal(rc, experts > 1 ? -1 : 0);
        if (rc != 0) assert_non_null(strstr(err.message, "cannot tell the layer of"));
        wt_gguf_close(gguf);
        image_free(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stock),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_file_types),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_rows_that_fit_nothing),
        cmocka_unit_test(test_quantized_source),
        cmocka_unit_test(test_odd_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
