/* Divergence: summaries against a plain double implementation, exact zeros, and figures that depend on neither threads nor batch. */
#include "support/random_model.h"
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "engine/divergence.h"
#include "quant/codec.h"

#define SEEDLING WT_SOURCE_DIR "/data/seedling.gguf"

typedef struct bench {
    wt_model *model;
    wt_engine *engine;
} bench;

static bench open_bench(const char *path) {
    wt_error err = {0};
    bench b = {.model = wt_model_open(path, &err)};
    if (!b.model) fail_msg("%s", err.message);
    b.engine = wt_engine_open(b.model, NULL, &err);
    if (!b.engine) fail_msg("%s", err.message);
    return b;
}

static void close_bench(bench *b) {
    wt_engine_close(b->engine);
    wt_model_close(b->model);
}

/* A second model that differs: seedling with one matrix halved, from memory. */
static float *weaken(wt_model *model) {
    wt_error err = {0};
    const char *name = "blk.1.ffn_down.weight";
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(model), name);
    float *w = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *w, &err);
    const uint16_t *half = t->data;
    for (size_t i = 0; i < t->dims[0] * t->rows; i++) w[i] = 0.5f * wt_f16_to_f32(half[i]);
    assert_int_equal(wt_model_override(model, name, WT_F32, w, &err), 0);
    return w;
}

static wt_chunks cut_passage(const wt_model *model, size_t context, size_t max) {
    wt_error err = {0};
    size_t len;
    char *text = wt_read_text(WT_SOURCE_DIR "/tests/data/passage.txt", &len, &err);
    assert_non_null(text);
    wt_tokenizer *t = wt_tokenizer_open(wt_model_gguf(model), &err);
    wt_chunks chunks;
    if (wt_chunks_cut(&chunks, t, text, len, context, max, &err) != 0) fail_msg("%s", err.message);
    free(text);
    wt_tokenizer_close(t);
    return chunks;
}

static void test_chunks(void **state) {
    (void)state;
    bench b = open_bench(SEEDLING);
    wt_error err = {0};
    wt_tokenizer *t = wt_tokenizer_open(wt_model_gguf(b.model), &err);
    wt_chunks chunks;
    assert_int_equal(wt_chunks_cut(&chunks, t, "a short text\n", 13, 4, 0, &err), 0);
    assert_int_equal(chunks.first, 2);
    assert_int_equal(chunks.scored, 1);
    for (size_t c = 0; c < chunks.count; c++) assert_int_equal(chunks.tokens[c * 4], wt_tokenizer_bos(t));
    /* The newline at the end is dropped: the same tokens without it. */
    wt_chunks bare;
    assert_int_equal(wt_chunks_cut(&bare, t, "a short text", 12, 4, 0, &err), 0);
    assert_int_equal(bare.count, chunks.count);
    assert_memory_equal(bare.tokens, chunks.tokens, chunks.count * 4 * sizeof *bare.tokens);
    wt_chunks_release(&bare);
    wt_chunks_release(&chunks);
    assert_int_equal(wt_chunks_cut(&chunks, t, "", 0, 16, 0, &err), -1);
    assert_non_null(strstr(err.message, "empty"));
    assert_int_equal(wt_chunks_cut(&chunks, t, "\n", 1, 16, 0, &err), -1);
    assert_int_equal(wt_chunks_cut(&chunks, t, "a short text", 12, 256, 0, &err), -1);
    assert_non_null(strstr(err.message, "fewer than one chunk of 256"));
    assert_int_equal(wt_chunks_cut(&chunks, t, "a short text", 12, 3, 0, &err), -1);
    wt_tokenizer_close(t);
    close_bench(&b);
}

/* What the figures should be, from all logits at once in double. */
static wt_position plain_position(const float *p, const float *q, size_t vocab, int32_t target) {
    double zp = 0.0, zq = 0.0, kld = 0.0;
    size_t tp = 0, tq = 0;
    for (size_t i = 0; i < vocab; i++) {
        zp += exp((double)p[i]);
        zq += exp((double)q[i]);
        if (p[i] > p[tp]) tp = i;
        if (q[i] > q[tq]) tq = i;
    }
    for (size_t i = 0; i < vocab; i++)
        kld += exp((double)p[i]) / zp * (((double)p[i] - log(zp)) - ((double)q[i] - log(zq)));
    return (wt_position){kld, (double)q[target] - log(zq), (double)p[target] - log(zp), tp == tq};
}

static void test_positions(void **state) {
    (void)state;
    bench ref = open_bench(SEEDLING), cand = open_bench(SEEDLING);
    float *w = weaken(cand.model);
    wt_error err = {0};
    wt_chunks chunks = cut_passage(ref.model, 64, 2);
    size_t n = 2 * chunks.scored, width = wt_model_hparams(ref.model)->width, vocab = wt_model_hparams(ref.model)->vocab;
    float *p = wt_alloc_aligned(n * width, 4, &err), *q = wt_alloc_aligned(n * width, 4, &err);
    float *lp = wt_alloc_aligned(n * vocab, 4, &err), *lq = wt_alloc_aligned(n * vocab, 4, &err);
    int32_t *targets = wt_calloc(n, sizeof *targets, &err);
    for (size_t i = 0; i < n; i++)
        targets[i] = chunks.tokens[i / chunks.scored * 64 + chunks.first + i % chunks.scored + 1];
    assert_int_equal(wt_chunk_states(ref.engine, &chunks, 0, 2, p, &err), 0);
    assert_int_equal(wt_chunk_states(cand.engine, &chunks, 0, 2, q, &err), 0);
    assert_int_equal(wt_engine_logits(ref.engine, p, n, lp, &err), 0);
    assert_int_equal(wt_engine_logits(cand.engine, q, n, lq, &err), 0);
    wt_position *got = wt_calloc(n, sizeof *got, &err);
    wt_states a = {cand.engine, q}, b = {ref.engine, p};
    assert_int_equal(wt_score(&a, &b, targets, n, got, &err), 0);
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        wt_position want = plain_position(lp + i * vocab, lq + i * vocab, vocab, targets[i]);
        worst = fmax(worst, fabs(got[i].kld - want.kld));
        assert_true(fabs(got[i].kld - want.kld) <= 1e-6 + 1e-6 * want.kld);
        assert_true(fabs(got[i].logp - want.logp) <= 1e-6);
        assert_true(fabs(got[i].logp_reference - want.logp_reference) <= 1e-6);
        assert_int_equal(got[i].same_top, want.same_top);
    }
    printf("largest error of a position's divergence: %.2g nats\n", worst);
    /* A model against itself reads exactly 0. */
    assert_int_equal(wt_score(&b, &b, targets, n, got, &err), 0);
    for (size_t i = 0; i < n; i++) assert_true(got[i].kld == 0.0 && got[i].same_top && got[i].logp == got[i].logp_reference);
    free(p);
    free(q);
    free(lp);
    free(lq);
    free(got);
    free(targets);
    free(w);
    wt_chunks_release(&chunks);
    close_bench(&ref);
    close_bench(&cand);
}

static void test_same_figures(void **state) {
    (void)state;
    bench ref = open_bench(SEEDLING), cand = open_bench(SEEDLING);
    float *w = weaken(cand.model);
    wt_error err = {0};
    wt_chunks chunks = cut_passage(ref.model, 100, 7);
    wt_divergence first = {0}, again = {0};
    wt_threads_set(1);
    assert_int_equal(wt_measure(cand.engine, ref.engine, NULL, &chunks, 0, &first, NULL, &err), 0);
    assert_true(first.kld_mean > 1e-4 && first.kld_chunk_stderr > 0.0 && first.tokens == 7 * 49);
    for (int threads = 1; threads <= 3; threads++) {
        for (size_t batch = 1; batch <= 700; batch *= 7) {
            wt_threads_set(threads);
            assert_int_equal(wt_measure(cand.engine, ref.engine, NULL, &chunks, batch, &again, NULL, &err), 0);
            assert_memory_equal(&again, &first, sizeof first);
        }
    }
    wt_reference *kept = wt_reference_new(ref.engine, &chunks, 250, "reference", NULL, &err);
    assert_non_null(kept);
    assert_int_equal(wt_measure(cand.engine, ref.engine, kept, &chunks, 300, &again, NULL, &err), 0);
    assert_memory_equal(&again, &first, sizeof first);
    wt_reference_free(kept);
    wt_divergence self;
    assert_int_equal(wt_measure(ref.engine, ref.engine, NULL, &chunks, 0, &self, NULL, &err), 0);
    assert_true(self.kld_mean == 0.0 && self.kld_max == 0.0 && self.same_top == 1.0 && self.log_ratio == 0.0);
    assert_true(self.perplexity == first.reference_perplexity);
    wt_divergence alone;
    assert_int_equal(wt_measure(cand.engine, NULL, NULL, &chunks, 0, &alone, NULL, &err), 0);
    assert_true(alone.perplexity == first.perplexity && isnan(alone.kld_mean));
    wt_threads_set(0);
    free(w);
    wt_chunks_release(&chunks);
    close_bench(&ref);
    close_bench(&cand);
}

/* One logit of one side that is NaN or infinite, wherever in the vocabulary: the measurement fails and says whose and where. */
static void test_not_finite(void **state) {
    (void)state;
    bench ref = open_bench(SEEDLING), odd = open_bench(SEEDLING);
    wt_error err = {0};
    wt_chunks chunks = cut_passage(ref.model, 64, 2);
    const char *name = wt_gguf_find_tensor(wt_model_gguf(odd.model), "output.weight") ? "output.weight" : "token_embd.weight";
    const wt_tensor *t = wt_gguf_find_tensor(wt_model_gguf(odd.model), name);
    size_t width = t->dims[0], row_bytes = t->bytes / t->rows;
    float *head = wt_alloc_aligned(t->dims[0] * t->rows, sizeof *head, &err);
    for (size_t r = 0; r < t->rows; r++)
        wt_codec_of(t->type)->decode((const uint8_t *)t->data + r * row_bytes, head + r * width, width);
    const size_t rows[] = {0, 7, t->rows / 2, t->rows - 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float *cell = head + rows[i] * width + 3, before = *cell;
        const float values[] = {NAN, -NAN, INFINITY};
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            wt_divergence d;
            *cell = values[v];
            assert_int_equal(wt_model_override(odd.model, name, WT_F32, head, &err), 0);
            assert_int_equal(wt_measure(odd.engine, NULL, NULL, &chunks, 0, &d, NULL, &err), -1);
            assert_non_null(strstr(err.message, "seedling.gguf': its logits are not finite in chunk 1"));
            assert_int_equal(wt_measure(odd.engine, ref.engine, NULL, &chunks, 0, &d, NULL, &err), -1);
            assert_int_equal(wt_measure(ref.engine, odd.engine, NULL, &chunks, 64, &d, NULL, &err), -1);
        }
        *cell = before;
    }
    free(head);
    wt_chunks_release(&chunks);
    close_bench(&ref);
    close_bench(&odd);
}

static int stop_at_once(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user, (void)stage, (void)total, (void)unit;
    return done > 0.0;
}

static void test_stop(void **state) {
    (void)state;
    bench b = open_bench(SEEDLING);
    wt_error err = {0};
    wt_chunks chunks = cut_passage(b.model, 64, 4);
    wt_progress progress = {stop_at_once, NULL};
    wt_divergence d;
    assert_int_equal(wt_measure(b.engine, NULL, NULL, &chunks, 64, &d, &progress, &err), -1);
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    assert_null(wt_reference_new(b.engine, &chunks, 64, "reference", &progress, &err));
    assert_int_equal(err.code, WT_ERR_INTERRUPTED);
    setenv("TMPDIR", "/nonexistent", 1);
    assert_null(wt_reference_new(b.engine, &chunks, 64, "reference", NULL, &err));
    unsetenv("TMPDIR");
    assert_non_null(strstr(err.message, "/nonexistent"));
    wt_chunks_release(&chunks);
    close_bench(&b);
}

/* A summary of random positions, against formulas written out the long way. */
static void test_summary(void **state) {
    (void)state;
    enum { CHUNKS = 5, SCORED = 41, N = CHUNKS * SCORED };
    wt_position x[N];
    wt_rng rng;
    wt_rng_init(&rng, test_seed(), 6, 0);
    double kld[N], sum = 0.0, ratio = 0.0, nll = 0.0, dp = 0.0;
    for (int i = 0; i < N; i++) {
        x[i] = (wt_position){exp(2.0 * wt_rng_normal(&rng)), -3.0 * wt_rng_uniform(&rng), -3.0 * wt_rng_uniform(&rng),
                             wt_rng_below(&rng, 3) != 0};
        sum += kld[i] = x[i].kld;
        nll -= x[i].logp;
        ratio += x[i].logp_reference - x[i].logp;
        dp += pow(exp(x[i].logp) - exp(x[i].logp_reference), 2.0);
    }
    wt_divergence d;
    wt_error err = {0};
    assert_int_equal(wt_divergence_summarise(&d, x, CHUNKS, SCORED, true, &err), 0);
    assert_true(fabs(d.kld_mean - sum / N) < 1e-12);
    assert_true(fabs(d.perplexity - exp(nll / N)) < 1e-12);
    assert_true(fabs(d.log_ratio - ratio / N) < 1e-12);
    assert_true(fabs(d.log_ratio - log(d.perplexity / d.reference_perplexity)) < 1e-12);
    assert_true(fabs(d.rms_dp - sqrt(dp / N)) < 1e-12);
    double variance = 0.0, means = 0.0, chunk[CHUNKS];
    for (int i = 0; i < N; i++) variance += pow(kld[i] - sum / N, 2.0) / (N - 1);
    assert_true(fabs(d.kld_stderr - sqrt(variance / N)) < 1e-12);
    for (int c = 0; c < CHUNKS; c++) {
        chunk[c] = 0.0;
        for (int i = 0; i < SCORED; i++) chunk[c] += kld[c * SCORED + i] / SCORED;
    }
    for (int c = 0; c < CHUNKS; c++) means += pow(chunk[c] - sum / N, 2.0) / (CHUNKS - 1);
    assert_true(fabs(d.kld_chunk_stderr - sqrt(means / CHUNKS)) < 1e-12);
    /* Percentile q: a share q of the others lies below, linearly between neighbours. */
    for (int i = 1; i < N; i++) {
        for (int j = i; j > 0 && kld[j] < kld[j - 1]; j--) {
            double swap = kld[j];
            kld[j] = kld[j - 1];
            kld[j - 1] = swap;
        }
    }
    double at = 0.99 * (N - 1);
    int low = (int)floor(at);
    assert_true(fabs(d.kld_p99 - (kld[low] * (low + 1 - at) + kld[low + 1] * (at - low))) < 1e-12);
    assert_true(d.kld_max == kld[N - 1] && d.kld_min == kld[0] && d.kld_median == kld[(N - 1) / 2]);
    assert_int_equal(wt_divergence_summarise(&d, x, 1, SCORED, true, &err), 0);
    assert_true(isnan(d.kld_chunk_stderr) && !isnan(d.kld_stderr));
    assert_int_equal(wt_divergence_summarise(&d, x, 0, SCORED, true, &err), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chunks),       cmocka_unit_test(test_positions),
                                       cmocka_unit_test(test_same_figures), cmocka_unit_test(test_not_finite), cmocka_unit_test(test_stop),
                                       cmocka_unit_test(test_summary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
