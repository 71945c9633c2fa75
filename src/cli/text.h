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
 * `count` texts of `context` tokens [count, context] that the session's model writes itself, in streams of `seed`; free() them. The engine is one of
 * their own: it rounds no activations, and keeps weights ready, because writing runs the model once per position. NULL: no memory, stopped, or
 * nothing to begin a text with.
 */
int32_t *wt_text_write(const wt_session *author, bool bf16, size_t count, size_t context, uint64_t seed, wt_error *err);

/*
 * Fills `chunks` (release with wt_chunks_release) and `name`, with remarks on what was asked for and is not so. The session is open; its
 * engine takes no part.
 */
int wt_text_chunks(wt_session *session, const wt_text_request *request, wt_chunks *chunks, char name[WT_TEXT_NAME],
                   wt_error *err);

#endif
