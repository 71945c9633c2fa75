#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/progress.h"
#include "engine/generate.h"

/* Chunks of self-written text where nobody says. */
enum { SELF_CHUNKS = 32 };

static size_t choose_context(const wt_session *session, const wt_text_request *r) {
    const uint64_t trained = wt_model_hparams(session->model)->context;
    if (!r->context) return wt_chunks_usual_context(trained);
    if (trained >= 4 && r->context > trained)
        wt_note("'%s' was trained on %llu tokens of context, fewer than --context %zu", session->name,
                (unsigned long long)trained, r->context);
    return r->context;
}

static int cut_file(wt_session *session, const wt_text_request *r, size_t context, wt_chunks *chunks, char *named,
                    wt_error *err) {
    const char *name = strcmp(r->path, "-") == 0 ? "standard input" : r->path;
    size_t len;
    wt_interrupt_at_once(true);
    char *text = wt_read_text(r->path, &len, err);
    wt_interrupt_at_once(false);
    if (!text) return -1;
    int rc = wt_chunks_cut(chunks, session->tokenizer, text, len, context, r->chunks, err);
    free(text);
    if (rc != 0) return wt_error_prefix(err, "cannot use '%s'", name);
    snprintf(named, WT_TEXT_NAME, "%s", name);
    if (r->chunks > chunks->count)
        wt_note("'%s' has %zu chunks of %zu tokens, fewer than --chunks %zu", name, chunks->count, context, r->chunks);
    return 0;
}

/* Listens to the writing, and says once how long it takes where that is long. */
typedef struct patience {
    const wt_progress *to;
    double started, first;
    bool said;
} patience;

static int report(void *user, const char *stage, double done, double total, const char *unit) {
    enum { MEASURED = 3, LONG = 60 }; /* seconds */
    patience *p = user;
    const double now = wt_clock();
    if (p->started == 0) {
        p->started = now;
        p->first = done;
    }
    if (!p->said && now - p->started > MEASURED && done > p->first) {
        const double left = (now - p->started) * (total - done) / (done - p->first);
        p->said = true;
        if (left > LONG) wt_note("writing takes about %.0f minutes", ceil(left / 60));
    }
    return p->to->report(p->to->user, stage, done, total, unit);
}

int32_t *wt_text_write(const wt_session *author, bool bf16, size_t count, size_t context, uint64_t seed, wt_error *err) {
    size_t n;
    if (!wt_mul_size(count, context, &n)) {
        wt_fail_memory(err, SIZE_MAX);
        return NULL;
    }
    int32_t *tokens = wt_calloc(n, sizeof *tokens, err);
    wt_session writer = *author;
    writer.engine = NULL;
    patience p = {.to = wt_progress_terminal()};
    const wt_progress progress = {report, &p};
    const bool done = tokens && wt_session_start(&writer, context, bf16, wt_session_spare_memory(), err) == 0 &&
                      wt_self_write(writer.engine, writer.tokenizer, count, context, seed, tokens, &progress, err) == 0;
    wt_engine_close(writer.engine);
    if (done) return tokens;
    free(tokens);
    return NULL;
}

static int write_text(const wt_session *session, const wt_text_request *r, size_t context, wt_chunks *chunks, char *named, wt_error *err) {
    const size_t count = r->chunks ? r->chunks : SELF_CHUNKS;
    wt_note("no --text: '%s' writes its own, %zu chunk%s of %zu tokens", session->name, count, count == 1 ? "" : "s",
            context);
    int32_t *tokens = wt_text_write(session, false, count, context, r->seed, err);
    if (!tokens) return -1;
    snprintf(named, WT_TEXT_NAME, "written by %.1000s, seed %llu", session->name, (unsigned long long)r->seed);
    return wt_chunks_from_tokens(chunks, tokens, context, count, err);
}

int wt_text_chunks(wt_session *session, const wt_text_request *r, wt_chunks *chunks, char name[WT_TEXT_NAME],
                   wt_error *err) {
    const size_t context = choose_context(session, r);
    return r->path ? cut_file(session, r, context, chunks, name, err)
                   : write_text(session, r, context, chunks, name, err);
}
