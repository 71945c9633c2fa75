/* The report of `eval`; see eval_report.h. Its terms are llama-perplexity's. */
#include "cli/eval_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"

/* A line "  label   value ± error what"; the error is left out where it is not a number. */
static void print_value(const char *label, double value, double error, int digits, const char *what) {
    printf("  %-26s %12.*f", label, digits, value);
    if (isfinite(error)) printf(" ± %.*f", digits, error);
    printf("%s%s\n", *what ? " " : "", what);
}

static void print_name(const char *label, const char *name, const char *rest) {
    char text[1024];
    printf("%-10s %s%s\n", label, wt_printable(text, sizeof text, name, strlen(name)), rest);
}

static void print_subject(const wt_eval *e) {
    char rest[160], count[32];
    double bits = e->parameters ? 8.0 * (double)e->tensor_bytes / (double)e->parameters : 0;
    snprintf(rest, sizeof rest, ", %s bytes, %.2f bits per weight", wt_format_count(count, e->bytes), bits);
    print_name(e->reference ? "candidate" : "model", e->candidate, rest);
    if (e->reference) print_name("reference", e->reference, "");
    if (e->activations == WT_ACTIVATIONS_Q8)
        print_name("rounding", "inputs of matrices as llama.cpp's CPU kernels round them", "");
    if (e->cache_k != WT_F32 || e->cache_v != WT_F32) {
        snprintf(rest, sizeof rest, "keys %s, values %s%s", wt_type_find(e->cache_k)->name,
                 wt_type_find(e->cache_v)->name, e->reference ? "; the reference's F32" : "");
        print_name("cache", rest, "");
    }
    if (!e->has_text) return;
    char chunks[32];
    wt_format_count(chunks, e->divergence.chunks);
    snprintf(rest, sizeof rest, ": %s chunk%s of %zu tokens, %s tokens scored%s", chunks,
             e->divergence.chunks == 1 ? "" : "s", e->context, wt_format_count(count, e->divergence.tokens),
             e->divergence.chunks < e->chunks_wanted ? " before it was stopped" : "");
    if (e->text) {
        print_name("text", e->text, rest);
    } else {
        char author[600];
        snprintf(author, sizeof author, "written by %s, seed %llu", e->author, (unsigned long long)e->seed);
        print_name("text", author, rest);
    }
}

static void print_divergence(const wt_divergence *d) {
    puts("\ndivergence from the reference: KL(reference || candidate) per token, nats");
    print_value("mean", d->kld_mean, d->kld_stderr, 6, "over tokens");
    if (isfinite(d->kld_chunk_stderr)) printf("  %-26s %12s ± %.6f over chunks\n", "", "", d->kld_chunk_stderr);
    print_value("maximum", d->kld_max, NAN, 6, "");
    print_value("99.9%", d->kld_p999, NAN, 6, "");
    print_value("99%", d->kld_p99, NAN, 6, "");
    print_value("95%", d->kld_p95, NAN, 6, "");
    print_value("90%", d->kld_p90, NAN, 6, "");
    print_value("median", d->kld_median, NAN, 6, "");
    puts("\nnext token");
    print_value("same top token", 100 * d->same_top, 100 * d->same_top_stderr, 3, "%");
    print_value("RMS change of p(true)", 100 * d->rms_dp, 100 * d->rms_dp_stderr, 3, "%");
}

static void print_text(const wt_eval *e) {
    const wt_divergence *d = &e->divergence;
    puts("\nperplexity");
    print_value(e->reference ? "candidate" : "model", d->perplexity, d->perplexity_stderr, 4, "");
    if (!e->reference) return;
    print_value("reference", d->reference_perplexity, d->reference_perplexity_stderr, 4, "");
    print_value("ln(candidate/reference)", d->log_ratio, d->log_ratio_stderr, 6, "");
    print_divergence(d);
}

static void print_tasks(const wt_eval *e) {
    char count[32], text[1024];
    printf("\ntasks      %s: %s answered\n", wt_printable(text, sizeof text, e->tasks, strlen(e->tasks)),
           wt_format_count(count, e->answers.count));
    print_value("accuracy", 100 * e->answers.accuracy, 100 * e->answers.accuracy_stderr, 2, "%");
    if (!e->reference) return;
    print_value("reference's accuracy", 100 * e->reference_answers.accuracy, 100 * e->reference_answers.accuracy_stderr,
                2, "%");
    print_value("answers that flipped", 100 * e->flips, NAN, 2, "%");
}

void wt_eval_print(const wt_eval *e) {
    print_subject(e);
    if (e->has_text) print_text(e);
    if (e->has_tasks) print_tasks(e);
}

static void set_real(json_t *object, const char *key, double x) { json_object_set_new(object, key, wt_json_real(x)); }

static void set_text(json_t *object, const char *key, const char *text) {
    if (text) json_object_set_new(object, key, wt_json_text(text, strlen(text)));
}

static void set_divergence(json_t *root, const wt_eval *e) {
    const wt_divergence *d = &e->divergence;
    set_text(root, "text", e->text ? e->text : "self-written");
    if (!e->text) json_object_set_new(root, "seed", json_integer((json_int_t)e->seed));
    json_object_set_new(root, "context", json_integer((json_int_t)e->context));
    json_object_set_new(root, "chunks", json_integer((json_int_t)d->chunks));
    json_object_set_new(root, "tokens", json_integer((json_int_t)d->tokens));
    set_real(root, "perplexity", d->perplexity);
    set_real(root, "perplexity_stderr", d->perplexity_stderr);
    if (!e->reference) return;
    set_real(root, "reference_perplexity", d->reference_perplexity);
    set_real(root, "reference_perplexity_stderr", d->reference_perplexity_stderr);
    set_real(root, "log_ratio", d->log_ratio);
    set_real(root, "log_ratio_stderr", d->log_ratio_stderr);
    set_real(root, "kld_mean", d->kld_mean);
    set_real(root, "kld_stderr", d->kld_stderr);
    set_real(root, "kld_chunk_stderr", d->kld_chunk_stderr);
    set_real(root, "kld_median", d->kld_median);
    set_real(root, "kld_p90", d->kld_p90);
    set_real(root, "kld_p95", d->kld_p95);
    set_real(root, "kld_p99", d->kld_p99);
    set_real(root, "kld_p999", d->kld_p999);
    set_real(root, "kld_max", d->kld_max);
    set_real(root, "kld_min", d->kld_min);
    set_real(root, "same_top", d->same_top);
    set_real(root, "same_top_stderr", d->same_top_stderr);
    set_real(root, "rms_dp", d->rms_dp);
    set_real(root, "rms_dp_stderr", d->rms_dp_stderr);
}

static json_t *tasks_json(const wt_eval *e) {
    json_t *tasks = json_object();
    set_text(tasks, "file", e->tasks);
    set_real(tasks, "accuracy", e->answers.accuracy);
    set_real(tasks, "accuracy_stderr", e->answers.accuracy_stderr);
    json_object_set_new(tasks, "count", json_integer((json_int_t)e->answers.count));
    if (e->reference) {
        set_real(tasks, "flips", e->flips);
        set_real(tasks, "reference_accuracy", e->reference_answers.accuracy);
        set_real(tasks, "reference_accuracy_stderr", e->reference_answers.accuracy_stderr);
    }
    return tasks;
}

int wt_eval_print_json(const wt_eval *e, wt_error *err) {
    json_t *root = json_object();
    set_text(root, "model", e->candidate);
    json_object_set_new(root, "bytes", json_integer((json_int_t)e->bytes));
    set_text(root, "reference", e->reference);
    if (e->activations == WT_ACTIVATIONS_Q8) set_text(root, "activations", "q8");
    if (e->cache_k != WT_F32) set_text(root, "cache_k", wt_type_find(e->cache_k)->name);
    if (e->cache_v != WT_F32) set_text(root, "cache_v", wt_type_find(e->cache_v)->name);
    if (e->has_text) set_divergence(root, e);
    if (e->has_tasks) json_object_set_new(root, "tasks", tasks_json(e));
    set_real(root, "seconds", e->seconds);
    if (e->stopped) json_object_set_new(root, "stopped", json_true());
    return wt_json_print(root, err);
}
