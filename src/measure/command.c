#include "measure/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Of its output, in messages. */
enum { TAIL = 200 };

void wt_command_release(wt_command_axis *c) {
    free(c->name);
    for (unsigned i = 0; i < c->count; i++) free(c->words[i]);
    free(c->words);
    *c = (wt_command_axis){0};
}

bool wt_command_names_model(const wt_command_axis *c) {
    for (unsigned i = 0; i < c->count; i++)
        if (strstr(c->words[i], WT_COMMAND_MODEL)) return true;
    return false;
}

/* ---- words ---- */

/* The path as one word of a shell: in single quotes, its own taken out of them. */
static char *quote(const char *path) {
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f) return NULL;
    putc('\'', f);
    for (; *path; path++) {
        if (*path == '\'')
            fputs("'\\''", f);
        else
            putc(*path, f);
    }
    putc('\'', f);
    return fclose(f) == 0 ? text : NULL;
}

/* The word with the path wherever it stands for the file. */
static char *fill(const char *word, const char *path, wt_error *err) {
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    for (const char *next; f && (next = strstr(word, WT_COMMAND_MODEL)); word = next + strlen(WT_COMMAND_MODEL)) {
        fwrite(word, 1, (size_t)(next - word), f);
        fputs(path, f);
    }
    if (f) fputs(word, f);
    if (f && fclose(f) == 0) return text;
    wt_fail_memory(err, strlen(word) + strlen(path));
    return NULL;
}

static void free_words(char **words) {
    for (char **w = words; w && *w; w++) free(*w);
    free(words);
}

/* [.., NULL], to be let go by free_words. */
static char **fill_words(const wt_command_axis *c, const char *model, wt_error *err) {
    const unsigned shell = c->shell ? 2 : 0;
    char *path = c->shell ? quote(model) : strdup(model), **words = wt_calloc(c->count + shell + 1, sizeof *words, err);
    bool whole = path && words;
    if (!path) wt_fail_memory(err, strlen(model));
    if (whole && shell) whole = (words[0] = strdup("/bin/sh")) && (words[1] = strdup("-c"));
    for (unsigned i = 0; whole && i < c->count; i++) whole = (words[shell + i] = fill(c->words[i], path, err)) != NULL;
    free(path);
    if (whole) return words;
    free_words(words);
    return NULL;
}

/* ---- the number ---- */

static bool is_blank(char c) { return strchr(" \t\r\n", c) != NULL; }

/* The last line that is not blank: nothing but a finite number. */
static bool read_number(const char *out, double *value) {
    size_t len = strlen(out), begin;
    char line[64], *end;
    while (len && is_blank(out[len - 1])) len--;
    for (begin = len; begin && out[begin - 1] != '\n';) begin--;
    while (begin < len && is_blank(out[begin])) begin++;
    if (len == begin || len - begin >= sizeof line) return false;
    memcpy(line, out + begin, len - begin);
    line[len - begin] = '\0';
    *value = strtod(line, &end);
    return *end == '\0' && isfinite(*value);
}

static int fail(const wt_command_axis *c, const wt_process *p, const char *what, wt_error *err) {
    char tail[TAIL + 1];
    wt_process_tail(p, tail, sizeof tail);
    wt_fail(err, WT_ERR_FORMAT, "'%.40s' %s; %s%s", c->name, what, tail[0] ? "its output ends: " : "it said nothing", tail);
    return wt_hint(err, "the last line of a command's standard output has to be the number");
}

int wt_command_run(const wt_command_axis *c, const char *model, const wt_progress *progress, double *value, wt_error *err) {
    char what[96], stage[80];
    wt_process *p = wt_calloc(1, sizeof *p, err);
    char **words = p ? fill_words(c, model, err) : NULL;
    snprintf(stage, sizeof stage, "command %.60s", c->name);
    int rc = words ? wt_process_run(words, c->seconds, progress, stage, p, err) : -1;
    if (rc == 0) {
        if (p->timed_out)
            snprintf(what, sizeof what, "took longer than its %g seconds", c->seconds);
        else if (p->signal)
            snprintf(what, sizeof what, "was ended by signal %d", p->signal);
        else if (p->status != 0)
            snprintf(what, sizeof what, "failed with status %d", p->status);
        else if (!read_number(p->out, value))
            snprintf(what, sizeof what, "printed no number");
        else
            what[0] = '\0';
        if (what[0]) rc = fail(c, p, what, err);
        /* a shell's way to say that there is no such program, or that it may not be run */
        if (rc != 0 && !p->timed_out && c->shell && (p->status == 126 || p->status == 127) && err) err->code = WT_ERR_IO;
    }
    free_words(words);
    free(p);
    return rc;
}
