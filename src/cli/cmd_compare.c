/*
 * `wildtype compare`: how far the weights of one file are from another's. Nothing runs: what the differences do to the model's
 * answers is `eval`'s business.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/compare.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/source.h"
#include "quant/codec.h"

typedef struct settings {
    const char *a, *b, *imatrix;
    uint64_t threads;
    bool json;
} settings;

/* What became of a tensor of the first file. */
typedef enum verdict { COMPARED, ABSENT, RESHAPED, UNREADABLE } verdict;

typedef struct row {
    const wt_tensor *a, *b; /* b NULL where the second file has none */
    verdict verdict;
    wt_difference difference;
} row;

typedef struct work {
    const settings *options;
    wt_gguf *a, *b;
    wt_statistics *statistics;
    row *rows;                                            /* [tensors of a] */
    size_t compared, absent, reshaped, unreadable, extra; /* extra: in the second file alone */
    wt_difference total;
} work;

static const char *type_name(const wt_tensor *t) { return wt_type_find(t->type)->name; }

static int compare_all(work *w, wt_error *err) {
    const size_t n = wt_gguf_tensor_count(w->a);
    double done = 0, total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)wt_gguf_tensor(w->a, i)->rows * (double)wt_gguf_tensor(w->a, i)->dims[0];
    for (size_t i = 0; i < n; i++) {
        row *r = &w->rows[i];
        r->a = wt_gguf_tensor(w->a, i);
        r->b = wt_gguf_find_tensor(w->b, r->a->name);
        if (!r->b) {
            r->verdict = ABSENT;
            w->absent++;
        } else if (memcmp(r->a->dims, r->b->dims, sizeof r->a->dims) != 0) {
            r->verdict = RESHAPED;
            w->reshaped++;
        } else if (!wt_codec_of(r->a->type)->decode || !wt_codec_of(r->b->type)->decode) {
            r->verdict = UNREADABLE;
            w->unreadable++;
        } else {
            if (wt_compare_tensors(w->a, r->a, w->b, r->b, w->statistics, &r->difference, err) != 0) return -1;
            wt_difference_add(&w->total, &r->difference);
            w->compared++;
        }
        done += (double)r->a->rows * (double)r->a->dims[0];
        if (wt_progress_report(wt_progress_terminal(), "comparing", done, total, "weights", err) != 0) return -1;
    }
    for (size_t i = 0; i < wt_gguf_tensor_count(w->b); i++)
        w->extra += !wt_gguf_find_tensor(w->a, wt_gguf_tensor(w->b, i)->name);
    if (w->compared > 0) return 0;
    wt_fail(err, WT_ERR_MISMATCH, "cannot compare '%s' with '%s': they have no tensor of the same name and shape",
            wt_source_name(w->options->a), wt_source_name(w->options->b));
    return wt_hint(err, "compare a quantized file with the one it was made of");
}

/* ---- text ---- */

static void print_figures(const wt_difference *d, bool weighted) {
    printf("  %12.4e  %7.2f", wt_relative_error(d->error, d->signal), wt_signal_to_noise(d->error, d->signal));
    if (!weighted) return;
    if (d->weighted)
        printf("  %12.4e  %7.2f", wt_relative_error(d->weighted_error, d->weighted_signal),
               wt_signal_to_noise(d->weighted_error, d->weighted_signal));
    else
        printf("  %12s  %7s", "-", "-");
}

static void format_shape(char *text, size_t size, const wt_tensor *t) {
    char count[32];
    int n = 0;
    for (uint32_t d = 0; d < t->n_dims; d++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", d ? " x " : "", wt_format_count(count, t->dims[d]));
}

static void print_row(const work *w, const row *r, int longest) {
    char name[512], shape[160], other[160];
    format_shape(shape, sizeof shape, r->a);
    printf("%-*s  %-19s  %-7s  %-7s", longest, wt_printable(name, sizeof name, r->a->name, strlen(r->a->name)), shape,
           type_name(r->a), r->b ? type_name(r->b) : "-");
    switch (r->verdict) {
    case COMPARED: print_figures(&r->difference, w->statistics != NULL); break;
    case ABSENT: printf("  not in the second file"); break;
    case RESHAPED:
        format_shape(other, sizeof other, r->b);
        printf("  has another shape in the second file: %s", other);
        break;
    case UNREADABLE: printf("  of a type that is not compared"); break;
    }
    if (r->verdict == COMPARED && r->difference.skipped)
        printf("  %" PRIu64 " weights that are not finite are left out", r->difference.skipped);
    putchar('\n');
}

static void print_text(const work *w) {
    const size_t n = wt_gguf_tensor_count(w->a);
    char name[512], shape[160], count[32];
    size_t longest = 6;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(w->rows[i].a->name);
        if (len > longest) longest = len > 48 ? 48 : len;
    }
    printf("%-*s  %-19s  %-7s  %-7s  %12s  %7s", (int)longest, "tensor", "shape", "first", "second", "error", "SNR dB");
    puts(w->statistics ? "      weighted   SNR dB" : "");
    for (size_t i = 0; i < n; i++) print_row(w, &w->rows[i], (int)longest);
    for (size_t i = 0; i < wt_gguf_tensor_count(w->b); i++) {
        const wt_tensor *t = wt_gguf_tensor(w->b, i);
        if (wt_gguf_find_tensor(w->a, t->name)) continue;
        format_shape(shape, sizeof shape, t);
        printf("%-*s  %-19s  %-7s  %-7s  not in the first file\n", (int)longest,
               wt_printable(name, sizeof name, t->name, strlen(t->name)), shape, "-", type_name(t));
    }
    printf("%-*s  %-19s  %-7s  %-7s", (int)longest, "all that are compared", wt_format_count(count, w->total.weights),
           "", "");
    print_figures(&w->total, w->statistics != NULL);
    printf("\n\nerror: the sum of (first - second)^2 by the sum of first^2\n");
    if (w->statistics) printf("weighted: each column times the mean square of its activations\n");
}

/* ---- JSON ---- */

static void set_figures(json_t *o, const wt_difference *d) {
    json_object_set_new(o, "error", wt_json_real(wt_relative_error(d->error, d->signal)));
    json_object_set_new(o, "snr_db", wt_json_real(wt_signal_to_noise(d->error, d->signal)));
    json_object_set_new(o, "largest", wt_json_real(d->largest));
    json_object_set_new(o, "parameters", json_integer((json_int_t)d->weights));
    json_object_set_new(o, "not_finite", json_integer((json_int_t)d->skipped));
    if (!d->weighted) return;
    json_object_set_new(o, "weighted_error", wt_json_real(wt_relative_error(d->weighted_error, d->weighted_signal)));
    json_object_set_new(o, "weighted_snr_db", wt_json_real(wt_signal_to_noise(d->weighted_error, d->weighted_signal)));
}

static json_t *shape_json(const wt_tensor *t) {
    json_t *shape = json_array();
    for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
    return shape;
}

static json_t *row_json(const row *r) {
    static const char *const VERDICTS[] = {"compared", "absent", "reshaped", "unreadable"};
    json_t *o = json_object();
    json_object_set_new(o, "name", wt_json_text(r->a->name, strlen(r->a->name)));
    json_object_set_new(o, "shape", shape_json(r->a));
    json_object_set_new(o, "verdict", json_string(VERDICTS[r->verdict]));
    json_object_set_new(o, "first_type", json_string(type_name(r->a)));
    if (r->b) json_object_set_new(o, "second_type", json_string(type_name(r->b)));
    if (r->verdict == RESHAPED) json_object_set_new(o, "second_shape", shape_json(r->b));
    if (r->verdict == COMPARED) set_figures(o, &r->difference);
    return o;
}

static int print_json(const work *w, wt_error *err) {
    const char *a = wt_source_name(w->options->a), *b = wt_source_name(w->options->b);
    json_t *root = json_object(), *total = json_object(), *rows = json_array(), *extra = json_array();
    json_object_set_new(root, "first_file", wt_json_text(a, strlen(a)));
    json_object_set_new(root, "second_file", wt_json_text(b, strlen(b)));
    if (w->options->imatrix)
        json_object_set_new(root, "imatrix", wt_json_text(w->options->imatrix, strlen(w->options->imatrix)));
    json_object_set_new(root, "compared", json_integer((json_int_t)w->compared));
    json_object_set_new(root, "absent", json_integer((json_int_t)w->absent));
    json_object_set_new(root, "reshaped", json_integer((json_int_t)w->reshaped));
    json_object_set_new(root, "unreadable", json_integer((json_int_t)w->unreadable));
    set_figures(total, &w->total);
    json_object_set_new(root, "total", total);
    for (size_t i = 0; i < wt_gguf_tensor_count(w->a); i++) json_array_append_new(rows, row_json(&w->rows[i]));
    for (size_t i = 0; i < wt_gguf_tensor_count(w->b); i++) {
        const char *name = wt_gguf_tensor(w->b, i)->name;
        if (!wt_gguf_find_tensor(w->a, name)) json_array_append_new(extra, wt_json_text(name, strlen(name)));
    }
    json_object_set_new(root, "extra", extra);
    json_object_set_new(root, "tensors", rows);
    return wt_json_print(root, err);
}

/* ---- the command ---- */

static int compare(work *w, wt_error *err) {
    const settings *s = w->options;
    wt_threads_set((int)s->threads);
    if (!(w->a = wt_source_open(s->a, err)) || !(w->b = wt_source_open(s->b, err))) return -1;
    if (s->imatrix) {
        if (!(w->statistics = wt_statistics_read(s->imatrix, err))) return -1;
        if (wt_statistics_check(w->statistics, w->a, err) != 0) return -1;
    }
    if (!(w->rows = wt_calloc(wt_gguf_tensor_count(w->a), sizeof *w->rows, err)) || compare_all(w, err) != 0) return -1;
    wt_progress_clear();
    if (w->absent + w->reshaped + w->unreadable + w->extra > 0)
        wt_note(
            "not compared: %zu tensors that only the first file has, %zu that only the second has, %zu of different shapes, "
            "%zu of other types",
            w->absent, w->extra, w->reshaped, w->unreadable);
    if (s->json) return print_json(w, err);
    print_text(w);
    return 0;
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    if (!w.options->a || !w.options->b) {
        wt_usage(err, "two files are needed: wildtype compare FIRST SECOND");
        wt_hint(err, "FIRST is the original; 'seedling' is the model that is built in");
        return WT_EXIT_USAGE;
    }
    wt_interrupt_watch();
    const int rc = compare(&w, err);
    free(w.rows);
    wt_statistics_free(w.statistics);
    wt_gguf_close(w.a);
    wt_gguf_close(w.b);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"FIRST", offsetof(settings, a),
     "The GGUF file to compare with: the original. 'seedling' is the model that is built in."},
    {"SECOND", offsetof(settings, b), "The other file, as a rule a quantized one."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "imatrix",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(imatrix),
     .help = "Importance of the columns ('wildtype calibrate', llama-imatrix): adds the error weighted by it."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads to use. Default: one per processor. The figures do not depend on it."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype compare model-F16.gguf model-Q4_K_M.gguf", "What quantization cost each tensor."},
    {"wildtype compare model-F16.gguf ours.gguf --imatrix stats.gguf", "The same with the importance of the columns."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_COMPARE = {
    .name = "compare",
    .summary = "measure how far the weights of two files are apart",
    .synopsis = "FIRST SECOND [--imatrix FILE] [--json]",
    .description =
        "Compares the weights of two files, tensor by tensor: the relative error, which is the sum of squared differences by the "
        "sum of the first file's squares, and the same as a signal-to-noise ratio in dB. With --imatrix also both weighted by the "
        "mean square activation of each column, which says more about what the model does with them.\n"
        "\n"
        "Tensors that are in one file only, or have another shape, are listed and not counted. Nothing is run: 'wildtype eval' "
        "measures what the differences do to a model's answers.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
