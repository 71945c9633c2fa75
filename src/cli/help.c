/*
 * Help in three forms from one source, the tables of commands: plain text for a terminal, roff for man, Markdown for
 * the documentation. The build writes the man pages by running the program, and a test compares docs/commands.md.
 */
#include "cli/help.h"

#include <string.h>

#include "cli/commands.h"

enum { COLUMNS = 80, INDENT = 2, OPTION_COLUMN = 26 };

static const char PITCH[] = "quantization strategies that survive";

static const char ABOUT[] =
    "wildtype measures language models in GGUF files: what is in a file, how well it predicts a text, and how far a "
    "quantized candidate has diverged from the model it was made of. It reads the files that llama.cpp runs, and its "
    "figures have the names and the protocol of llama-perplexity.\n"
    "\n"
    "A small model called seedling is built into the program. Every command uses it where no model is given, so "
    "everything can be tried with no download.";

static const struct {
    const char *status, *meaning;
} EXITS[] = {
    {"0", "Done."},
    {"1", "Failed; standard error says what, why, and what to do about it."},
    {"2", "The command line is wrong; nothing was done."},
    {"130", "Stopped by Ctrl-C. What was known by then has been printed. A second Ctrl-C ends the program at once."},
};
enum { N_EXITS = sizeof EXITS / sizeof *EXITS };

/* Prints one paragraph from column `indent` on, wrapped at COLUMNS with the same indentation. */
static void wrap(FILE *f, const char *text, size_t indent) {
    size_t column = indent;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > indent && column + 1 + word > COLUMNS) {
            fprintf(f, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", (int)word, text);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', f);
}

/* Prints paragraphs, each wrapped, with an empty line between them. */
static void paragraphs(FILE *f, const char *text, size_t indent) {
    char part[2048];
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        snprintf(part, sizeof part, "%.*s", (int)len, text);
        fprintf(f, "%*s", (int)indent, "");
        wrap(f, part, indent);
        text += len;
        if (end) {
            text += 2;
            fputc('\n', f);
        }
    }
}

/* "--text FILE", "-n, --tokens N", "--json". */
static void option_label(const wt_option *o, char *label, size_t size) {
    int n = o->letter ? snprintf(label, size, "-%c, ", o->letter) : 0;
    snprintf(label + n, size - (size_t)n, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
}

static void labelled(FILE *f, const char *label, const char *help) {
    size_t used = INDENT + strlen(label);
    fprintf(f, "%*s%s", INDENT, "", label);
    if (used + 2 > OPTION_COLUMN)
        fprintf(f, "\n%*s", OPTION_COLUMN, "");
    else
        fprintf(f, "%*s", (int)(OPTION_COLUMN - used), "");
    wrap(f, help, OPTION_COLUMN);
}

static void options_text(FILE *f, const wt_option *o) {
    char label[80];
    for (; o && o->name; o++) {
        option_label(o, label, sizeof label);
        labelled(f, label, o->help);
    }
}

/* Calls `line` for every form of the synopsis. */
static void each_form(FILE *f, const wt_command *c, void (*line)(FILE *, const wt_command *, const char *, size_t)) {
    for (const char *s = c->synopsis;;) {
        size_t len = strcspn(s, "\n");
        line(f, c, s, len);
        if (!s[len]) return;
        s += len + 1;
    }
}

static void form_text(FILE *f, const wt_command *c, const char *form, size_t len) {
    fprintf(f, "%swildtype %s %.*s\n", form == c->synopsis ? "usage: " : "       ", c->name, (int)len, form);
}

void wt_help_command(FILE *f, const wt_command *c) {
    each_form(f, c, form_text);
    fputc('\n', f);
    paragraphs(f, c->description, 0);
    if (c->arguments && c->arguments->name) fputs("\narguments\n", f);
    for (const wt_argument *a = c->arguments; a && a->name; a++) labelled(f, a->name, a->help);
    fputs("\noptions\n", f);
    options_text(f, c->options);
    options_text(f, WT_COMMON_OPTIONS);
    fputs("\nexamples\n", f);
    for (const wt_example *e = c->examples; e && e->line; e++) {
        fprintf(f, "%*s%s\n%*s", INDENT, "", e->line, 2 * INDENT + 2, "");
        wrap(f, e->what, 2 * INDENT + 2);
    }
}

void wt_help_overview(FILE *f) {
    fprintf(f, "wildtype %s: %s\n\nusage: wildtype COMMAND [OPTION]... [ARGUMENT]...\n\ncommands\n", wt_version(),
            PITCH);
    for (const wt_command *const *c = WT_COMMANDS; *c; c++) fprintf(f, "  %-10s  %s\n", (*c)->name, (*c)->summary);
    fputs("\ntry it now, with the model that is built in\n"
          "  wildtype generate --prompt \"The old captain\"\n"
          "  wildtype inspect\n"
          "  wildtype eval\n"
          "\n'wildtype COMMAND --help' explains a command; 'wildtype --version' shows the version\n",
          f);
}

/* roff: backslashes and hyphens are escaped, a line must not begin with a dot or an apostrophe. */
static void roff(FILE *f, const char *text, size_t len) {
    bool start = true;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\n') {
            /* An empty line between paragraphs becomes a macro of its own. */
            bool paragraph = i + 1 < len && text[i + 1] == '\n';
            fputs(paragraph ? "\n.PP\n" : "\n", f);
            i += paragraph;
            start = true;
            continue;
        }
        if (start && (c == '.' || c == '\'')) fputs("\\&", f);
        start = false;
        switch (c) {
        case '\\': fputs("\\e", f); break;
        case '-': fputs("\\-", f); break;
        case '\'': fputs("\\(aq", f); break;
        case '"': fputs("\\(dq", f); break;
        case '~': fputs("\\(ti", f); break;
        case '^': fputs("\\(ha", f); break;
        default: fputc(c, f);
        }
    }
}

static void roff_line(FILE *f, const char *before, const char *text, const char *after) {
    fputs(before, f);
    roff(f, text, strlen(text));
    fputs(after, f);
}

static void form_man(FILE *f, const wt_command *c, const char *form, size_t len) {
    fprintf(f, "%s.B wildtype %s\n", form == c->synopsis ? "" : ".br\n", c->name);
    roff(f, form, len);
    fputc('\n', f);
}

static void options_man(FILE *f, const wt_option *o) {
    for (; o && o->name; o++) {
        fputs(".TP\n", f);
        if (o->letter) fprintf(f, "\\fB\\-%c\\fR, ", o->letter);
        roff_line(f, "\\fB\\-\\-", o->name, "\\fR");
        if (o->value) fprintf(f, " \\fI%s\\fR", o->value);
        roff_line(f, "\n", o->help, "\n");
    }
}

static void title_man(FILE *f, const char *page, const char *summary) {
    char upper[64];
    snprintf(upper, sizeof upper, "%s", page);
    for (char *p = upper; *p; p++) *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    roff_line(f, ".TH \"", upper, "\" 1 \"\" ");
    fprintf(f, "\"wildtype %s\" \"User Commands\"\n", wt_version());
    roff_line(f, ".SH NAME\n", page, "");
    roff_line(f, " \\- ", summary, "\n");
}

static void exits_man(FILE *f) {
    fputs(".SH EXIT STATUS\n", f);
    for (int i = 0; i < N_EXITS; i++) {
        fprintf(f, ".TP\n.B %s\n", EXITS[i].status);
        roff_line(f, "", EXITS[i].meaning, "\n");
    }
}

static void program_man(FILE *f) {
    title_man(f, "wildtype", PITCH);
    fputs(".SH SYNOPSIS\n.B wildtype\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n", f);
    roff_line(f, "", ABOUT, "\n");
    fputs(".SH COMMANDS\n", f);
    for (const wt_command *const *c = WT_COMMANDS; *c; c++) {
        fprintf(f, ".TP\n\\fB%s\\fR\n", (*c)->name);
        roff_line(f, "", (*c)->summary, "\n");
    }
    fputs(".SH OPTIONS\n", f);
    options_man(f, WT_COMMON_OPTIONS);
    exits_man(f);
    fputs(".SH SEE ALSO\n", f);
    for (const wt_command *const *c = WT_COMMANDS; *c; c++)
        fprintf(f, ".BR wildtype\\-%s (1)%s\n", (*c)->name, c[1] ? "," : "");
}

void wt_help_man(FILE *f, const wt_command *c) {
    if (!c) {
        program_man(f);
        return;
    }
    char page[64];
    snprintf(page, sizeof page, "wildtype-%s", c->name);
    title_man(f, page, c->summary);
    fputs(".SH SYNOPSIS\n", f);
    each_form(f, c, form_man);
    roff_line(f, ".SH DESCRIPTION\n", c->description, "\n");
    if (c->arguments && c->arguments->name) fputs(".SH ARGUMENTS\n", f);
    for (const wt_argument *a = c->arguments; a && a->name; a++) {
        fprintf(f, ".TP\n.I %s\n", a->name);
        roff_line(f, "", a->help, "\n");
    }
    fputs(".SH OPTIONS\n", f);
    options_man(f, c->options);
    options_man(f, WT_COMMON_OPTIONS);
    fputs(".SH EXAMPLES\n", f);
    for (const wt_example *e = c->examples; e && e->line; e++) {
        roff_line(f, ".TP\n.B ", e->line, "\n");
        roff_line(f, "", e->what, "\n");
    }
    exits_man(f);
    fputs(".SH SEE ALSO\n.BR wildtype (1)\n", f);
}

static void options_markdown(FILE *f, const wt_option *o) {
    char label[80];
    for (; o && o->name; o++) {
        option_label(o, label, sizeof label);
        fprintf(f, "| `%s` | %s |\n", label, o->help);
    }
}

static void form_markdown(FILE *f, const wt_command *c, const char *form, size_t len) {
    fprintf(f, "wildtype %s %.*s\n", c->name, (int)len, form);
}

void wt_help_markdown(FILE *f) {
    fprintf(f,
            "# Commands\n\nWritten by `wildtype help --markdown` from the tables that drive the parser; "
            "edit those (`src/cli/cmd_*.c`). The keys of `--json` are in [json.md](json.md).\n\n%s\n",
            ABOUT);
    for (const wt_command *const *at = WT_COMMANDS; *at; at++) {
        const wt_command *c = *at;
        fprintf(f, "\n## wildtype %s: %s\n\n```\n", c->name, c->summary);
        each_form(f, c, form_markdown);
        fprintf(f, "```\n\n%s\n\n| argument or option | meaning |\n|---|---|\n", c->description);
        for (const wt_argument *a = c->arguments; a && a->name; a++) fprintf(f, "| `%s` | %s |\n", a->name, a->help);
        options_markdown(f, c->options);
        fputs("\n", f);
        for (const wt_example *e = c->examples; e && e->line; e++) fprintf(f, "- `%s`: %s\n", e->line, e->what);
    }
    fputs("\n## Every command\n\n| option | meaning |\n|---|---|\n", f);
    options_markdown(f, WT_COMMON_OPTIONS);
    fputs("\n| exit status | meaning |\n|---|---|\n", f);
    for (int i = 0; i < N_EXITS; i++) fprintf(f, "| %s | %s |\n", EXITS[i].status, EXITS[i].meaning);
}
