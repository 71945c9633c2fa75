/*
 * Any bytes as statistics (an imatrix GGUF or an old .dat) and as Gram matrices: whatever opens keeps its promises, and is the
 * same after it was written and read again.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/gram.h"
#include "engine/statistics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds) {
    if (!holds) abort();
}

static void walk(const wt_statistics *s, size_t size) {
    size_t columns = 0;
    expect(wt_statistics_count(s) > 0);
    for (size_t i = 0; i < wt_statistics_count(s); i++) {
        const wt_column_stats *e = wt_statistics_at(s, i);
        expect(wt_statistics_find(s, e->tensor) == e);
        expect(e->columns > 0 && e->matrices > 0 && e->columns % e->matrices == 0 && e->count >= 0);
        columns += e->columns;
        for (size_t c = 0; c < e->columns; c++) {
            expect(isfinite(e->mean_square[c]) && e->mean_square[c] >= 0);
            expect(!e->max || (isfinite(e->max[c]) && e->max[c] >= 0));
            expect(!e->mean_fourth || (isfinite(e->mean_fourth[c]) && e->mean_fourth[c] >= 0));
        }
    }
    expect(columns <= size / sizeof(float));
}

static void expect_same(const wt_statistics *a, const wt_statistics *b) {
    expect(wt_statistics_count(a) == wt_statistics_count(b));
    expect(strcmp(wt_statistics_dataset(a), wt_statistics_dataset(b)) == 0);
    expect(wt_statistics_chunks(a) == wt_statistics_chunks(b));
    for (size_t i = 0; i < wt_statistics_count(a); i++) {
        const wt_column_stats *x = wt_statistics_at(a, i), *y = wt_statistics_at(b, i);
        expect(strcmp(x->tensor, y->tensor) == 0 && x->columns == y->columns && x->count == y->count);
        expect(memcmp(x->mean_square, y->mean_square, x->columns * sizeof(float)) == 0);
        expect(!x->max == !y->max && !x->mean_fourth == !y->mean_fourth);
        if (x->max) expect(memcmp(x->max, y->max, x->columns * sizeof(float)) == 0);
        if (x->mean_fourth) expect(memcmp(x->mean_fourth, y->mean_fourth, x->columns * sizeof(float)) == 0);
    }
}

/* Through a file: names may clash with those of the arrays (a.in_max beside a), and then writing says so. */
static void write_and_read(const wt_statistics *s) {
    char path[] = "/tmp/fuzz-statistics-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return;
    close(fd);
    wt_error err = {0};
    if (wt_statistics_write(s, path, &err) == 0) {
        wt_statistics *again = wt_statistics_read(path, &err);
        expect(again != NULL);
        expect_same(s, again);
        wt_statistics_free(again);
    } else {
        expect(err.message[0] != 0);
    }
    unlink(path);
}

static void walk_gram(const wt_gram *gram, size_t size) {
    wt_error err;
    const char *name;
    for (size_t i = 0; (name = wt_gram_tensor(gram, i)); i++) {
        size_t n = wt_gram_columns(gram, name);
        expect(n > 0 && n * (n + 1) / 2 <= size / sizeof(float));
        double *out = calloc(n * n, sizeof *out);
        if (out && wt_gram_read(gram, name, out, &err) == 0) {
            for (size_t k = 0; k < n * n; k++) expect(isfinite(out[k]) && out[k] == out[k % n * n + k / n]);
        }
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_error err = {0};
    wt_statistics *s = wt_statistics_from_memory(data, size, "fuzz", &err);
    if (s) {
        walk(s, size);
        write_and_read(s);
    } else {
        expect(err.message[0] != 0);
    }
    wt_statistics_free(s);
    wt_gram *gram = wt_gram_from_memory(data, size, "fuzz", &err);
    if (gram) walk_gram(gram, size);
    wt_gram_close(gram);
    return 0;
}
