/*
 * A text cut into chunks, as llama-perplexity does: one trailing newline is dropped; tokens with BOS in front where the
 * model wants it; chunks of `context` tokens; each chunk's first token is overwritten by BOS where the model wants one; the
 * positions context/2 .. context-2 of each chunk are scored, each against the token that follows it.
 */
#ifndef WT_ENGINE_CHUNKS_H
#define WT_ENGINE_CHUNKS_H

#include "engine/tokenizer.h"

typedef struct wt_chunks {
    int32_t *tokens; /* [count, context], BOS in place; owned */
    size_t context;  /* tokens per chunk */
    size_t count;    /* chunks */
    size_t first;    /* first scored position of a chunk */
    size_t scored;   /* positions scored per chunk */
} wt_chunks;

/*
 * Tokenizes and cuts. `max_chunks` 0: all whole chunks. Fails where the text is empty or shorter than one chunk (saying
 * how many tokens it has), or the context is below 4. Release with wt_chunks_release.
 */
int wt_chunks_cut(wt_chunks *chunks, const wt_tokenizer *tokenizer, const char *text, size_t len, size_t context,
                  size_t max_chunks, wt_error *err);

/* The same from token ids [count * context] that become the chunks as they are; consumes `tokens`, also on failure. */
int wt_chunks_from_tokens(wt_chunks *chunks, int32_t *tokens, size_t context, size_t count, wt_error *err);

/* Moves the chunks from `at` on to `rest`, which has none where there are no more than `at`. */
int wt_chunks_split(wt_chunks *chunks, size_t at, wt_chunks *rest, wt_error *err);

/* Tokens of a chunk where nobody says: llama-imatrix's 512, or what the model was `trained` for (0: nobody knows) where that is less. */
size_t wt_chunks_usual_context(uint64_t trained);

void wt_chunks_release(wt_chunks *chunks);

#endif
