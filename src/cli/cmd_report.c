/* `wildtype report`: what a run found, as one page that opens anywhere, or as data. From the store alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/page_source.h"
#include "cli/report.h"
#include "report/document.h"

typedef struct settings {
    const char *run, *output, *format, *page;
} settings;

typedef enum format { HTML, JSON, CSV, FORMATS } format;
static const char *const NAMES[FORMATS + 1] = {"html", "json", "csv", NULL};

static int read_format(const char *word, format *f, wt_error *err) {
    for (int k = 0; k < FORMATS; k++) {
        if (strcmp(word, NAMES[k]) != 0) continue;
        *f = (format)k;
        return 0;
    }
    wt_usage(err, "unknown format '%s'", word);
    return wt_hint(err, "--format is html, json or csv");
}

/* The text of the report, free() it. */
static char *make(const settings *s, format f, size_t *len, wt_error *err) {
    wt_page_source page = {0};
    char *text = NULL;
    if (f == HTML && wt_page_source_open(&page, s->page, "take --format json or csv, which need none", err) != 0)
        return NULL;
    wt_run_store *store = wt_store_open(s->run, WT_STORE_READ, err);
    if (store)
        text =
            f == CSV ? wt_document_csv(store, len, err) : wt_document_make(store, wt_store_is_busy(s->run), len, err);
    wt_store_close(store);
    if (text && f == HTML) {
        char *document = text;
        text = wt_page_fill(page.html, page.len, document, *len, true, len, err);
        free(document);
    }
    wt_page_source_close(&page);
    return text;
}

static int print(const char *text, size_t len, bool line, wt_error *err) {
    if (fwrite(text, 1, len, stdout) != len || (line && putchar('\n') == EOF))
        return wt_fail_errno(err, errno, "cannot write standard output");
    return 0;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    format f = HTML;
    size_t len = 0;
    char shown[1200], size[32];
    if (!s->run) return wt_usage(err, "which run is not said: wildtype report RUN [-o report.html]");
    if (read_format(s->format, &f, err) != 0) return WT_EXIT_USAGE;
    const char *path = s->output ? s->output : f == HTML ? "report.html" : "-";
    char *text = make(s, f, &len, err);
    int rc = text ? 0 : -1;
    if (rc == 0 && strcmp(path, "-") == 0) {
        rc = print(text, len, f == JSON, err);
    } else if (rc == 0) {
        rc = wt_file_write(path, text, len, err);
        if (rc == 0)
            printf("%s: %s\n", wt_printable(shown, sizeof shown, path, strlen(path)), wt_format_bytes(size, len));
    }
    free(text);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"RUN", offsetof(settings, run), "The run's folder; 'wildtype runs' lists them. It may be going on."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "output",
     .letter = 'o',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(output),
     .help = "Where to write; '-' is standard output. Default: report.html, or standard output for json and csv."},
    {.name = "format",
     .kind = WT_OPTION_TEXT,
     .value = "FORMAT",
     SETTING(format),
     .help =
         "html: one page that needs no network. json: the document that the page shows, for programs (docs/report-data.md). csv: the "
         "individuals, a line each. Default: html."},
    {.name = "page",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(page),
     .help = "For html: the page to put the run into, instead of the one that is built in."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype report run/ -o report.html", "The run as one page: opens from disk, prints, can be sent to others."},
    {"wildtype report run/ --format csv -o run.csv", "Everybody who ever lived in it, for a spreadsheet."},
    {"wildtype report run/ --format json", "All of it, for programs."},
    {0},
};

static const settings DEFAULTS = {.format = "html"};

const wt_command WT_COMMAND_REPORT = {
    .name = "report",
    .summary = "make a page of a run, or a table",
    .synopsis = "RUN [-o FILE] [--format html|json|csv]",
    .description =
        "Writes a run as one self-contained page: the verdict, everybody ever measured by size and divergence, the plans, the tree of descent, how "
        "the run went, the strategies with what their genes are worth where 'wildtype explain' has found that out, and what did not work. It reads the "
        "run's store alone, never its model.\n"
        "\n"
        "The page holds the run's data and all code; it asks the network for nothing.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
