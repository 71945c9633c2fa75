/*
 * Attention against sums in double: heads that share keys, windows, sequences that begin behind what a cache holds. In bf16
 * the reference rounds queries, keys and values as the products do, so that the rounding of the probabilities is what is
 * left; and without rounding anything, it bounds what bf16 may cost.
 */
#include "support/testing.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "engine/attention.h"
#include "engine/matmul_bf16.h"

#define BF16_UNIT 0x1p-8 /* the largest relative error of rounding to bf16 */

typedef struct shape {
    uint32_t heads, kv_heads, head_dim, window;
    wt_type cache_k;             /* with rounded queries where not F32 */
    size_t starts[3], counts[3]; /* of three sequences */
} shape;

static const shape SHAPES[] = {
    {4, 2, 64, 0, WT_F32, {0, 0, 0}, {1, 64, 150}},     {3, 1, 16, 0, WT_F32, {130, 0, 63}, {2, 0, 66}},
    {2, 2, 80, 20, WT_F32, {0, 200, 90}, {200, 1, 70}}, {2, 1, 128, 64, WT_F32, {5, 64, 0}, {123, 129, 65}},
    {2, 1, 32, 0, WT_Q5_1, {0, 60, 3}, {70, 10, 1}}, /* keys of 33 numbers */
};

/* A shape's data, and what attention gives. */
typedef struct fixture {
    wt_hparams hp;
    wt_cache_form form;
    wt_kv_store store;
    wt_span spans[3];
    size_t rows;
    float *queries, *out; /* [rows, heads * head_dim] */
    float *formed;        /* queries in the cache's form, [rows, heads, key_dim] */
} fixture;

static float *random_floats(wt_rng *rng, size_t n, double scale) {
    float *x = wt_alloc_aligned(n, sizeof *x, NULL);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * wt_rng_normal(rng));
    return x;
}

static void fixture_init(fixture *f, const shape *s, uint64_t stream) {
    wt_rng rng;
    wt_error err;
    wt_rng_init(&rng, test_seed(), 8, stream);
    *f = (fixture){.hp = {.n_heads = s->heads,
                          .n_kv_heads = s->kv_heads,
                          .head_dim = s->head_dim,
                          .window = s->window,
                          .attention_scale = 1.0 / sqrt(s->head_dim)}};
    wt_activations activations = s->cache_k == WT_F32 ? WT_ACTIVATIONS_F32 : WT_ACTIVATIONS_Q8;
    assert_int_equal(wt_cache_form_init(&f->form, s->cache_k, WT_F32, activations, s->head_dim, &err), 0);
    size_t longest = 0;
    for (size_t i = 0; i < 3; i++) {
        f->spans[i] = (wt_span){f->rows, s->counts[i], s->starts[i]};
        f->rows += s->counts[i];
        if (s->starts[i] + s->counts[i] > longest) longest = s->starts[i] + s->counts[i];
    }
    f->store.capacity = (longest + WT_ATTENTION_TILE - 1) / WT_ATTENTION_TILE * WT_ATTENTION_TILE;
    size_t stored = 3 * s->kv_heads * f->store.capacity, width = (size_t)s->heads * s->head_dim;
    f->store.keys = random_floats(&rng, stored * f->form.key_dim, 1.0);
    f->store.values = random_floats(&rng, stored * s->head_dim, 1.0);
    f->queries = random_floats(&rng, f->rows * width, 1.5);
    f->out = wt_calloc(f->rows * width, sizeof *f->out, NULL);
    f->formed = wt_calloc(f->rows * s->heads * f->form.key_dim, sizeof *f->formed, NULL);
    assert_true(f->out && f->formed);
    float *query = random_floats(&rng, s->head_dim, 0.0);
    for (size_t i = 0; i < f->rows * s->heads; i++) {
        memcpy(query, f->queries + i * s->head_dim, s->head_dim * sizeof *query);
        wt_cache_form_query(&f->form, query, f->formed + i * f->form.key_dim);
    }
    free(query);
}

static void fixture_release(fixture *f) {
    free(f->store.keys);
    free(f->store.values);
    free(f->queries);
    free(f->out);
    free(f->formed);
}

static double rounded(float x, bool bf16) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bf16) bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

/* What attention is off by most, in units of what sums of probabilities times sizes of values are. */
static double worst(const fixture *f, bool windowed, bool bf16, double *largest_score) {
    size_t d = f->hp.head_dim, key_d = f->form.key_dim, heads = f->hp.n_heads;
    double off = 0.0;
    *largest_score = 0.0;
    double *p = wt_calloc(f->store.capacity, sizeof *p, NULL);
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 0; i < f->spans[s].count * heads; i++) {
            size_t row = f->spans[s].row + i / heads, head = i % heads, position = f->spans[s].start + i / heads;
            size_t base = (s * f->hp.n_kv_heads + head / (heads / f->hp.n_kv_heads)) * f->store.capacity;
            size_t low = windowed && f->hp.window && position + 1 > f->hp.window ? position + 1 - f->hp.window : 0;
            double top = -INFINITY, sum = 0.0;
            for (size_t j = low; j <= position; j++) {
                double size = 0.0;
                p[j] = 0.0;
                for (size_t c = 0; c < key_d; c++) {
                    double term = rounded(f->formed[(row * heads + head) * key_d + c], bf16) *
                                  rounded(f->store.keys[(base + j) * key_d + c], bf16) * f->hp.attention_scale;
                    p[j] += term;
                    size += fabs(term);
                }
                top = fmax(top, p[j]);
                *largest_score = fmax(*largest_score, size);
            }
            for (size_t j = low; j <= position; j++) sum += p[j] = exp(p[j] - top);
            for (size_t c = 0; c < d; c++) {
                double want = 0.0, size = 0.0;
                for (size_t j = low; j <= position; j++) {
                    double term = p[j] / sum * rounded(f->store.values[(base + j) * d + c], bf16);
                    want += term;
                    size += fabs(term);
                }
                off = fmax(off, fabs((double)f->out[(row * heads + head) * d + c] - want) / size);
            }
        }
    }
    free(p);
    return off;
}

static void attend(fixture *f, bool windowed, bool bf16) {
    wt_error err = {0};
    wt_kv_packed packed = {0};
    size_t floats = f->rows * f->hp.n_heads * f->hp.head_dim;
    float *queries = wt_alloc_aligned(floats, sizeof *queries, NULL); /* which are overwritten */
    memcpy(queries, f->queries, floats * sizeof *queries);
    memset(f->out, 0xff, floats * sizeof *f->out);
    if (wt_attention(&f->hp, &f->form, windowed, &f->store, bf16 ? &packed : NULL, f->spans, 3, queries, f->out,
                     &err) != 0)
        fail_msg("%s", err.message);
    free(queries);
    wt_kv_packed_release(&packed);
}

static void test_fp32(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * sizeof SHAPES / sizeof *SHAPES; i++) {
        fixture f;
        double score;
        fixture_init(&f, &SHAPES[i / 2], i);
        attend(&f, i % 2, false);
        double off = worst(&f, i % 2, false, &score);
        if (!(off < 1e-5)) fail_msg("shape %zu: off by %g", i, off);
        fixture_release(&f);
    }
}

static void test_bf16(void **state) {
    (void)state;
    if (!wt_bf16_products_get()) skip();
    double most = 0.0;
    for (size_t i = 0; i < 2 * sizeof SHAPES / sizeof *SHAPES; i++) {
        fixture f;
        double score;
        fixture_init(&f, &SHAPES[i / 2], i);
        attend(&f, i % 2, true);
        double off = worst(&f, i % 2, true, &score);
        if (!(off < BF16_UNIT + 1e-4)) fail_msg("shape %zu: off by %g", i, off);
        most = fmax(most, off);
        /*
         * Not rounding at all: a score moves by 2 units of its terms' sizes at most, so probabilities by e to twice that;
         * then they and the values round.
         */
        off = worst(&f, i % 2, false, &score);
        double bound = exp(2.0 * (2.0 * BF16_UNIT + BF16_UNIT * BF16_UNIT) * score) * pow(1.0 + BF16_UNIT, 2.0) - 1.0;
        if (!(off < bound)) fail_msg("shape %zu: off by %g, more than %g", i, off, bound);
        fixture_release(&f);
    }
    printf("bf16 probabilities cost %.2g at most, of %.2g\n", most, BF16_UNIT);
}

/* The same bits on any number of threads. */
static void test_threads(void **state) {
    (void)state;
    for (int bf16 = 0; bf16 <= (wt_bf16_products_get() != NULL); bf16++) {
        fixture f;
        fixture_init(&f, &SHAPES[0], 99);
        size_t bytes = f.rows * f.hp.n_heads * f.hp.head_dim * sizeof(float);
        float *expected = wt_alloc_aligned(bytes, 1, NULL);
        for (int threads = 1; threads <= 3; threads++) {
            wt_threads_set(threads);
            attend(&f, false, bf16);
            if (threads == 1) memcpy(expected, f.out, bytes);
            assert_memory_equal(f.out, expected, bytes);
        }
        wt_threads_set(0);
        free(expected);
        fixture_release(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fp32), cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
