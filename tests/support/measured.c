#include "support/measured.h"

#include <string.h>

#include "base/memory.h"
#include "support/testing.h"

static char folder[] = "/tmp/wt-statistics-XXXXXX";

const char *path_of(const char *name) {
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

wt_model *make_model(const char *variant) {
    wt_error err = {0};
    const char *path = path_of(variant);
    if (random_model_write(random_model_find(variant), 7, path, &err) != 0) fail_msg("%s", err.message);
    wt_model *model = wt_model_open(path, &err);
    if (!model) fail_msg("%s: %s", variant, err.message);
    return model;
}

wt_chunks make_chunks(const wt_model *model) {
    wt_error err = {0};
    wt_rng rng;
    wt_rng_init(&rng, 11, 0, 0);
    int32_t *tokens = wt_calloc(CHUNKS * CONTEXT, sizeof *tokens, &err);
    for (size_t i = 0; i < CHUNKS * CONTEXT; i++)
        tokens[i] = (int32_t)wt_rng_below(&rng, wt_model_hparams(model)->vocab);
    wt_chunks chunks;
    assert_int_equal(wt_chunks_from_tokens(&chunks, tokens, CONTEXT, CHUNKS, &err), 0);
    return chunks;
}

wt_statistics *measure(const wt_model *model, const wt_chunks *chunks, const char *gram, size_t batch) {
    wt_error err = {0};
    wt_statistics_options options = {.dataset = "tokens", .gram = gram, .batch_tokens = batch};
    wt_statistics *s = wt_statistics_measure(model, chunks, &options, NULL, &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

static bool same_bits(const float *a, const float *b, size_t n) {
    if (!a || !b) return a == b;
    return memcmp(a, b, n * sizeof *a) == 0;
}

void expect_same(const wt_statistics *a, const wt_statistics *b) {
    assert_int_equal(wt_statistics_count(a), wt_statistics_count(b));
    assert_int_equal(wt_statistics_chunks(a), wt_statistics_chunks(b));
    assert_int_equal(wt_statistics_chunk_size(a), wt_statistics_chunk_size(b));
    assert_string_equal(wt_statistics_dataset(a), wt_statistics_dataset(b));
    for (size_t i = 0; i < wt_statistics_count(a); i++) {
        const wt_column_stats *x = wt_statistics_at(a, i), *y = wt_statistics_at(b, i);
        assert_string_equal(x->tensor, y->tensor);
        assert_int_equal(x->columns, y->columns);
        assert_int_equal(x->matrices, y->matrices);
        assert_true(x->count == y->count);
        if (!same_bits(x->mean_square, y->mean_square, x->columns) || !same_bits(x->max, y->max, x->columns) ||
            !same_bits(x->mean_fourth, y->mean_fourth, x->columns))
            fail_msg("%s differs", x->tensor);
    }
    assert_null(wt_statistics_at(a, wt_statistics_count(a)));
}
