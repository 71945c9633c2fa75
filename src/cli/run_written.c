/*
 * What the model wrote itself, kept with the run: writing takes a pass over the weights a token, and on a processor of another kind
 * the same seed may lead to other words, while a run goes on, is exported and explained with the text that it began with.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/progress.h"
#include "cli/run_session.h"

/* Numbers with spaces between; free() it. */
static char *print_tokens(const int32_t *tokens, size_t count, wt_error *err) {
    enum { LONGEST = 12 };
    char *text = wt_calloc(count + 1, LONGEST, err), *to = text;
    for (size_t i = 0; text && i < count; i++) to += sprintf(to, i ? " %" PRId32 : "%" PRId32, tokens[i]);
    return text;
}

/* Reads exactly `count` tokens of the vocabulary into `tokens`; false: that is not what the text is. */
static bool parse_tokens(const char *text, size_t count, size_t vocab, int32_t *tokens) {
    for (size_t i = 0; i < count; i++) {
        char *end;
        errno = 0;
        const long token = strtol(text, &end, 10);
        if (end == text || errno || token < 0 || (size_t)token >= vocab) return false;
        tokens[i] = (int32_t)token;
        text = end;
    }
    return *text == '\0';
}

/* Keeps them for the store, which a new run has not yet. */
static int keep(wt_run_session *run, const char *name, const int32_t *tokens, size_t count, wt_error *err) {
    wt_run_written *w = &run->written[run->written_count];
    if (run->store || run->written_count == sizeof run->written / sizeof *run->written) return 0;
    if (!(w->tokens = print_tokens(tokens, count, err))) return -1;
    w->name = name;
    run->written_count++;
    return 0;
}

/* What the store keeps, as the caller's; NULL: it is not there, or not what it should be. */
static int32_t *read_kept(wt_run_session *run, const char *name, const char *kept, size_t count, wt_error *err) {
    int32_t *tokens = wt_calloc(count ? count : 1, sizeof *tokens, err);
    if (!tokens || parse_tokens(kept, count, wt_model_hparams(run->session.model)->vocab, tokens)) return tokens;
    free(tokens);
    wt_fail(err, WT_ERR_FORMAT, "cannot use the run in '%s': '%s' in its store is not a text that its model wrote",
            run->folder, name);
    wt_hint(err, "without it the model writes it again: sqlite3 '%s/run.db' \"delete from meta where key = '%s'\"",
            run->folder, name);
    return NULL;
}

int32_t *wt_run_write(wt_run_session *run, const char *name, size_t count, size_t context, uint64_t seed,
                      wt_error *err) {
    char *text = NULL;
    const int found = run->store ? wt_store_get(run->store, name, &text, err) : 0;
    if (found != 0) {
        int32_t *tokens = found == 1 ? read_kept(run, name, text, count * context, err) : NULL;
        free(text);
        return tokens;
    }
    if (run->rules.text)
        wt_note("'%s' writes %zu of the chunks itself (rules with 'text: {own: 0}': none)", run->session.name, count);
    else
        wt_note("no --text: '%s' writes its own, %zu chunks of %zu tokens", run->session.name, count, context);
    int32_t *tokens = wt_text_write(&run->session, false, count, context, seed, err);
    if (!tokens || keep(run, name, tokens, count * context, err) == 0) return tokens;
    free(tokens);
    return NULL;
}

int wt_run_store_written(wt_run_session *run, wt_error *err) {
    for (size_t i = 0; i < run->written_count; i++)
        if (wt_store_set(run->store, run->written[i].name, run->written[i].tokens, err) != 0) return -1;
    return 0;
}

void wt_run_release_written(wt_run_session *run) {
    for (size_t i = 0; i < run->written_count; i++) free(run->written[i].tokens);
    run->written_count = 0;
}
