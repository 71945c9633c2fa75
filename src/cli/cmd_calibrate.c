/*
 * `wildtype calibrate`: what enters each matrix of a model while it reads a text, as the statistics that quantization weighs
 * its errors by. The outputs' places are tried before the first product is computed.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/text.h"
#include "engine/statistics.h"

typedef struct settings {
    const char *model, *text, *output, *gram;
    uint64_t context, chunks, threads, batch, seed;
    bool json;
} settings;

/* Inputs that the summary shows. */
enum { SHOWN_PEAKS = 5 };

/* Everything that one calibration holds. */
typedef struct work {
    const settings *options;
    wt_session session;
    wt_chunks chunks;
    wt_statistics *statistics;
    char dataset[WT_TEXT_NAME]; /* what the text is called in the file */
    double seconds;
} work;

/* ---- what may be written ---- */

static bool same_file(const char *a, const char *b) {
    struct stat s, t;
    if (strcmp(a, b) == 0) return true;
    return stat(a, &s) == 0 && stat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* Fails where `path` would replace an input, or cannot be written at all; nothing is left there. */
static int try_output(const work *w, const char *path, wt_error *err) {
    const settings *s = w->options;
    if (wt_gguf_is_at(w->session.gguf, path)) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot write '%s': it is the model", path);
        return wt_hint(err, "give the output another name");
    }
    if (s->text && strcmp(s->text, "-") != 0 && same_file(s->text, path)) {
        wt_fail(err, WT_ERR_ARGUMENT, "cannot write '%s': it is the text", path);
        return wt_hint(err, "give the output another name");
    }
    wt_output out;
    if (wt_output_open(&out, path, err) != 0) return -1;
    wt_output_abandon(&out);
    return 0;
}

static int try_outputs(const work *w, wt_error *err) {
    const settings *s = w->options;
    if (try_output(w, s->output, err) != 0) return -1;
    if (!s->gram) return 0;
    if (!same_file(s->gram, s->output)) return try_output(w, s->gram, err);
    wt_fail(err, WT_ERR_ARGUMENT, "cannot write '%s': --output and --gram name the same file", s->gram);
    return wt_hint(err, "they are two files");
}

/* ---- the report ---- */

/* What stands out of an input: its largest magnitude, and the root mean square over all its columns. */
typedef struct peak {
    const wt_column_stats *stats;
    size_t column;
    double max, rms;
} peak;

static peak peak_of(const wt_column_stats *s) {
    peak p = {.stats = s};
    double sum = 0;
    for (size_t i = 0; i < s->columns; i++) {
        sum += (double)s->mean_square[i];
        if ((double)s->max[i] > p.max) {
            p.max = (double)s->max[i];
            p.column = i;
        }
    }
    p.rms = sqrt(sum / (double)s->columns);
    return p;
}

static double ratio(const peak *p) { return p->rms > 0 ? p->max / p->rms : 0; }

/* The largest ratios of maximum to root mean square first; those of an input that matrices share are shown once. */
static int by_ratio(const void *a, const void *b) {
    double x = ratio(a), y = ratio(b);
    if (x != y) return x < y ? 1 : -1;
    return strcmp(((const peak *)a)->stats->tensor, ((const peak *)b)->stats->tensor);
}

static void print_peaks(const peak *peaks, size_t n) {
    char text[256];
    puts("\nlargest inputs                      column        max        rms      ratio");
    for (size_t i = 0, shown = 0; i < n && shown < SHOWN_PEAKS; i++) {
        const peak *p = &peaks[i];
        const peak *before = i > 0 ? p - 1 : NULL;
        if (before && before->max == p->max && before->rms == p->rms && before->column == p->column) continue;
        printf("  %-32s %7zu %10.4g %10.4g %10.4g\n",
               wt_printable(text, sizeof text, p->stats->tensor, strlen(p->stats->tensor)), p->column, p->max, p->rms,
               ratio(p));
        shown++;
    }
}

static uint64_t file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void print_file(const char *label, const char *path) {
    char text[1024], bytes[32];
    printf("%-10s %s, %s bytes\n", label, wt_printable(text, sizeof text, path, strlen(path)),
           wt_format_count(bytes, file_bytes(path)));
}

static void print_report(const work *w, const peak *peaks, size_t n) {
    char text[1300], count[32], chunks[32];
    printf("model      %s\n", wt_printable(text, sizeof text, w->session.name, strlen(w->session.name)));
    wt_format_count(chunks, w->chunks.count);
    printf("text       %s: %s chunk%s of %zu tokens\n", wt_printable(text, sizeof text, w->dataset, strlen(w->dataset)),
           chunks, w->chunks.count == 1 ? "" : "s", w->chunks.context);
    printf("matrices   %s\n", wt_format_count(count, n));
    print_file("output", w->options->output);
    if (w->options->gram) print_file("gram", w->options->gram);
    print_peaks(peaks, n);
}

static json_t *tensor_json(const peak *p) {
    json_t *t = json_object();
    double fourth = 0;
    for (size_t i = 0; i < p->stats->columns; i++) fourth += (double)p->stats->mean_fourth[i];
    fourth /= (double)p->stats->columns;
    json_object_set_new(t, "name", wt_json_text(p->stats->tensor, strlen(p->stats->tensor)));
    json_object_set_new(t, "columns", json_integer((json_int_t)p->stats->columns));
    json_object_set_new(t, "rms", wt_json_real(p->rms));
    json_object_set_new(t, "max", wt_json_real(p->max));
    json_object_set_new(t, "max_column", json_integer((json_int_t)p->column));
    json_object_set_new(t, "kurtosis", wt_json_real(p->rms > 0 ? fourth / (p->rms * p->rms * p->rms * p->rms) : NAN));
    return t;
}

static int print_json(const work *w, const peak *peaks, size_t n, wt_error *err) {
    const settings *s = w->options;
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "model", wt_json_text(w->session.name, strlen(w->session.name)));
    json_object_set_new(root, "text",
                        s->text ? wt_json_text(w->dataset, strlen(w->dataset)) : json_string("self-written"));
    if (!s->text) json_object_set_new(root, "seed", json_integer((json_int_t)s->seed));
    json_object_set_new(root, "context", json_integer((json_int_t)w->chunks.context));
    json_object_set_new(root, "chunks", json_integer((json_int_t)w->chunks.count));
    json_object_set_new(root, "tokens", json_integer((json_int_t)(w->chunks.count * w->chunks.context)));
    json_object_set_new(root, "output", wt_json_text(s->output, strlen(s->output)));
    json_object_set_new(root, "bytes", json_integer((json_int_t)file_bytes(s->output)));
    if (s->gram) {
        json_object_set_new(root, "gram", wt_json_text(s->gram, strlen(s->gram)));
        json_object_set_new(root, "gram_bytes", json_integer((json_int_t)file_bytes(s->gram)));
    }
    for (size_t i = 0; i < n; i++) json_array_append_new(list, tensor_json(&peaks[i]));
    json_object_set_new(root, "tensors", list);
    json_object_set_new(root, "seconds", wt_json_real(w->seconds));
    return wt_json_print(root, err);
}

static int report(const work *w, wt_error *err) {
    const size_t n = wt_statistics_count(w->statistics);
    peak *peaks = wt_calloc(n, sizeof *peaks, err);
    if (!peaks) return -1;
    for (size_t i = 0; i < n; i++) peaks[i] = peak_of(wt_statistics_at(w->statistics, i));
    int rc = 0;
    if (w->options->json) {
        rc = print_json(w, peaks, n, err);
    } else {
        qsort(peaks, n, sizeof *peaks, by_ratio);
        print_report(w, peaks, n);
    }
    free(peaks);
    return rc;
}

/* ---- the command ---- */

static int calibrate(work *w, wt_error *err) {
    const settings *s = w->options;
    if (wt_session_open(&w->session, s->model, err) != 0 || try_outputs(w, err) != 0) return -1;
    const wt_text_request request = {s->text, (size_t)s->context, (size_t)s->chunks, s->seed};
    wt_threads_set((int)s->threads);
    if (wt_text_chunks(&w->session, &request, &w->chunks, w->dataset, err) != 0) return -1;
    const wt_statistics_options options = {.dataset = w->dataset, .gram = s->gram, .batch_tokens = (size_t)s->batch};
    w->statistics = wt_statistics_measure(w->session.model, &w->chunks, &options, wt_progress_terminal(), err);
    return w->statistics ? wt_statistics_write(w->statistics, s->output, err) : -1;
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    double start = wt_clock();
    if (!w.options->output) {
        wt_usage(err, "no output is given: -o FILE");
        wt_hint(err, "wildtype calibrate model.gguf --text novel.txt -o stats.gguf");
        return WT_EXIT_USAGE;
    }
    wt_interrupt_watch();
    int rc = calibrate(&w, err);
    wt_progress_clear();
    w.seconds = wt_clock() - start;
    if (rc == 0) rc = report(&w, err);
    if (rc == 0 && isatty(STDERR_FILENO) == 1) fprintf(stderr, "\n%.1f seconds\n", w.seconds);
    wt_statistics_free(w.statistics);
    wt_chunks_release(&w.chunks);
    wt_session_close(&w.session);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model), "A GGUF file; 'seedling', the model that is built in, where left out."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "output",
     .letter = 'o',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(output),
     .help = "The file to write: an imatrix GGUF, which llama-quantize reads too."},
    {.name = "text",
     .letter = 'f',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(text),
     .help = "The text to read; '-' is standard input. Without it the model writes its own."},
    {.name = "context",
     .letter = 'c',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(context),
     .min = 4,
     .max = 1 << 24,
     .help = "Tokens per chunk; all of them count. Default: 512, or the training context where that is shorter."},
    {.name = "chunks",
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(chunks),
     .min = 1,
     .max = 1000000000,
     .help = "Uses the first N chunks of the text only. Default: all, or 32 of a self-written text."},
    {.name = "gram",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(gram),
     .help = "Also writes the Gram matrix of every input, for error feedback: 2 bytes times the square of its columns. The "
             "text then goes through one layer after another, with its states in a temporary file."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads to use. Default: one per processor. The figures do not depend on it."},
    {.name = "batch",
     .letter = 'b',
     .kind = WT_OPTION_COUNT,
     .value = "TOKENS",
     SETTING(batch),
     .min = 1,
     .max = 1 << 24,
     .help = "About how many tokens go through the model together: more take more memory."},
    {.name = "seed",
     .letter = 's',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(seed),
     .max = 9007199254740992.0,
     .help = "Seed of a self-written text. Default: 1."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype calibrate model.gguf --text novel.txt -o stats.gguf", "Statistics of a model reading a novel."},
    {"wildtype quantize model.gguf --type IQ3_XXS --imatrix stats.gguf -o small.gguf", "What they are for."},
    {"wildtype calibrate model.gguf -o stats.gguf --seed 7", "No text at hand: the model writes one."},
    {0},
};

static const settings DEFAULTS = {.seed = 1};

const wt_command WT_COMMAND_CALIBRATE = {
    .name = "calibrate",
    .summary = "measure what enters each matrix, for quantization",
    .synopsis = "[MODEL] --output FILE [--text FILE] [OPTION]...",
    .description =
        "Runs the model over a text and measures, for each column of what enters each matrix, the mean square, the largest "
        "magnitude and the fourth moment. Quantization weighs its errors by them: a column that carries much has to be "
        "kept well.\n"
        "\n"
        "The file is llama.cpp's imatrix GGUF, so llama-quantize reads it, and 'wildtype quantize' reads llama-imatrix's. "
        "The text is cut as llama-imatrix cuts it and every token counts. Unlike there, the head is measured too, also "
        "one that is tied to the embedding.\n"
        "\n"
        "Give a text like those the model is for, of 50 chunks or more. A text that the model writes itself (at temperature "
        "1, several from its beginning) needs none at hand and is like what it was trained on.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
