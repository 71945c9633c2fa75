/* A model made ready to run: its file, weights, vocabulary and engine, opened and checked in the order of their cost.
 */
#ifndef WT_CLI_SESSION_H
#define WT_CLI_SESSION_H

#include "cli/source.h"
#include "engine/forward.h"
#include "engine/tokenizer.h"

typedef struct wt_session {
    const char *name; /* for people */
    wt_gguf *gguf;
    wt_model *model;
    wt_tokenizer *tokenizer;
    wt_engine *engine;
} wt_session;

/* Opens file, model and vocabulary; refuses a type that cannot be decoded. `path` as in wt_source_open. */
int wt_session_open(wt_session *session, const char *path, wt_error *err);

/*
 * Then the engine, for sequences of `context` tokens; weights are kept ready up to `resident_bytes` (0: one matrix at a
 * time). Fails where bf16 is asked for and absent.
 */
int wt_session_start(wt_session *session, size_t context, bool bf16, size_t resident_bytes, wt_error *err);

/* The same by the engine's own options, but `stop`: a signal that wt_interrupt_watch saw ends a run in its middle. */
int wt_session_start_as(wt_session *session, const wt_engine_options *options, wt_error *err);

/* NULL-safe for members; may be called on what is half open. */
void wt_session_close(wt_session *session);

/* Half of the memory that is free to use, in bytes: what may be spent on keeping weights ready between calls. */
size_t wt_session_spare_memory(void);

#endif
