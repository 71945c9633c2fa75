/* The text that a model is measured on: a file's, or its own. */
#ifndef WT_CLI_TEXT_H
#define WT_CLI_TEXT_H

#include "cli/session.h"
#include "engine/chunks.h"

typedef struct wt_text_request {
    const char *path; /* "-": standard input; NULL: the model writes its own */
    size_t context;   /* tokens of a chunk; 0: llama-imatrix's default within what the model was trained for */
    size_t chunks;    /* at most; 0: all, or 32 of its own */
    uint64_t seed;    /* of its own text */
} wt_text_request;

/* Room for what a text is called in files. */
enum { WT_TEXT_NAME = 1200 };

/*
 * Fills `chunks` (release with wt_chunks_release) and `name`, with remarks on what was asked for and is not so. The session is open; its
 * engine, which writing takes, is not started and not left so.
 */
int wt_text_chunks(wt_session *session, const wt_text_request *request, wt_chunks *chunks, char name[WT_TEXT_NAME],
                   wt_error *err);

#endif
