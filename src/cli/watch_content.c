#include "cli/watch_content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/hash.h"
#include "base/memory.h"
#include "cli/process_time.h"
#include "cli/progress.h"
#include "report/document.h"

/* Seconds between two documents, and how many times its cost that has to be while the run goes on. */
#define LEAST_PAUSE 2.0
#define PAUSE_BY_COST 150.0

/* A file that was written within so many seconds may be written again without a new time. */
#define TIME_STEP 0.1

/* ---- bodies ---- */

void wt_body_leave(void *user) {
    wt_body *body = user;
    if (!body || --body->users > 0) return;
    free(body->data);
    free(body);
}

/* Takes `data` over, also on failure. */
static wt_body *new_body(char *data, size_t len, const char *tag, wt_error *err) {
    wt_body *body = data ? wt_calloc(1, sizeof *body, err) : NULL;
    if (!body) {
        free(data);
        return NULL;
    }
    *body = (wt_body){.data = data, .len = len, .users = 1};
    snprintf(body->tag, sizeof body->tag, "%s", tag);
    return body;
}

static wt_body *use(wt_body *body) {
    if (body) body->users++;
    return body;
}

/* ---- has it changed? ---- */

static void look_at(wt_store_times *t, const char *folder) {
    static const char *const FILES[2] = {"run.db", "run.db-wal"};
    struct timespec now;
    *t = (wt_store_times){.busy = wt_store_is_busy(folder)};
    clock_gettime(CLOCK_REALTIME, &now);
    for (int k = 0; k < 2; k++) {
        char path[4096];
        struct stat st;
        if (snprintf(path, sizeof path, "%s/%s", folder, FILES[k]) >= (int)sizeof path || stat(path, &st) != 0)
            continue;
        t->seconds[k] = st.st_mtim.tv_sec;
        t->nanoseconds[k] = st.st_mtim.tv_nsec;
        t->size[k] = st.st_size;
        t->number[k] = st.st_ino;
        const double age = (double)(now.tv_sec - st.st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - st.st_mtim.tv_nsec);
        t->fresh = t->fresh || age < TIME_STEP;
    }
}

static bool same_times(const wt_store_times *a, const wt_store_times *b) {
    for (int k = 0; k < 2; k++)
        if (a->seconds[k] != b->seconds[k] || a->nanoseconds[k] != b->nanoseconds[k] || a->size[k] != b->size[k] ||
            a->number[k] != b->number[k])
            return false;
    return a->busy == b->busy;
}

/* ---- making ---- */

static int make(wt_watch_content *c, bool running) {
    char tag[36] = "\"", *text = NULL;
    size_t len = 0;
    c->wrong = (wt_error){0};
    wt_run_store *store = wt_store_open(c->folder, WT_STORE_READ, &c->wrong);
    if (store) text = wt_document_make(store, running, &len, &c->wrong);
    wt_store_close(store);
    if (!text) { /* an old one would pass for what is there now */
        wt_body_leave(c->document);
        wt_body_leave(c->filled);
        c->document = c->filled = NULL;
        return -1;
    }
    wt_hash_print(wt_hash_bytes(text, len), tag + 1, 32);
    strcat(tag, "\"");
    wt_body *body = new_body(text, len, tag, &c->wrong);
    if (!body) return -1;
    wt_body_leave(c->document);
    wt_body_leave(c->filled);
    c->document = body;
    c->filled = NULL;
    c->count++;
    return 0;
}

static void update(wt_watch_content *c) {
    wt_store_times times;
    const double now = wt_clock(), cost = c->times.busy ? PAUSE_BY_COST * c->cost : 0;
    if ((c->document || c->wrong.code) && now - c->made < (cost > LEAST_PAUSE ? cost : LEAST_PAUSE)) return;
    look_at(&times, c->folder); /* before it is read: what is written meanwhile shows the next time */
    if (c->document && !c->wrong.code && !c->times.fresh && same_times(&times, &c->times)) return;
    const double started = wt_own_seconds();
    make(c, times.busy);
    c->times = times;
    c->cost = wt_own_seconds() - started;
    c->made = wt_clock();
}

wt_body *wt_watch_document(wt_watch_content *c) {
    update(c);
    return use(c->document);
}

wt_body *wt_watch_page(wt_watch_content *c) {
    size_t len = 0;
    update(c);
    if (!c->document) return NULL;
    if (!c->filled) {
        char *text =
            wt_page_fill(c->page->html, c->page->len, c->document->data, c->document->len, false, &len, &c->wrong);
        c->filled = new_body(text, len, c->document->tag, &c->wrong);
    }
    return use(c->filled);
}

void wt_watch_content_release(wt_watch_content *c) {
    wt_body_leave(c->document);
    wt_body_leave(c->filled);
    c->document = c->filled = NULL;
}
