/*
 * The reference as hidden states: what the model would say about a text, kept as the fp32 vector after the final norm at
 * each scored position. Logits are recomputed tile by tile where they are needed. The vectors live in an unlinked
 * temporary file that is mapped, so that their pages can leave memory.
 *
 * The protocol is llama-perplexity's: one trailing newline of the text is dropped; tokens with BOS in front where the
 * model wants it; chunks of `context` tokens; each chunk's first token overwritten by BOS where the model wants one; the
 * positions context/2 .. context-2 of each chunk are scored, each against the token that follows it.
 */
#ifndef WT_ENGINE_REFERENCE_H
#define WT_ENGINE_REFERENCE_H

#include "engine/forward.h"
#include "engine/tokenizer.h"

/* A text cut into chunks. */
typedef struct wt_chunks {
    int32_t *tokens;   /* [count, context], BOS in place; owned */
    size_t context;    /* tokens per chunk */
    size_t count;      /* chunks */
    size_t scored;     /* positions scored per chunk: context - 1 - context/2 */
} wt_chunks;

/*
 * Tokenizes and cuts. `max_chunks` 0: all whole chunks. Fails where the text is empty or shorter than one chunk (says how many
 * tokens it has and what --context would fit), or the context is below 4. Release with wt_chunks_release.
 */
int wt_chunks_cut(wt_chunks *chunks, const wt_tokenizer *tokenizer, const char *text, size_t len, size_t context,
                  size_t max_chunks, wt_error *err);
void wt_chunks_release(wt_chunks *chunks);

typedef struct wt_reference wt_reference;

/* Runs the engine over all chunks. `stage` names the work in progress reports. */
wt_reference *wt_reference_new(wt_engine *engine, const wt_chunks *chunks, const char *stage,
                               const wt_progress *progress, wt_error *err);
void wt_reference_free(wt_reference *reference);

/* The vectors of chunk c: [scored, width], after the final norm. */
const float *wt_reference_chunk(const wt_reference *reference, size_t c);

#endif
