/*
 * The reference as hidden states: what a model would say about a text, kept as the fp32 vector after the final norm at
 * each scored position. Logits are recomputed piece by piece where they are needed. The vectors live in an unlinked
 * temporary file that is mapped, so that their pages can leave memory.
 */
#ifndef WT_ENGINE_REFERENCE_H
#define WT_ENGINE_REFERENCE_H

#include "engine/chunks.h"
#include "engine/forward.h"

/*
 * Runs the engine over chunks first .. first+count-1 and writes the states of their scored positions after the final norm to
 * states [count, scored, width].
 */
int wt_chunk_states(wt_engine *engine, const wt_chunks *chunks, size_t first, size_t count, float *states,
                    wt_error *err);

typedef struct wt_reference wt_reference;

/*
 * The states of all chunks, computed `batch_tokens` at a time (0: a sensible default). `stage` names the work in progress
 * reports. The temporary file is made in $TMPDIR or /tmp; a full disk is an error.
 */
wt_reference *wt_reference_new(wt_engine *engine, const wt_chunks *chunks, size_t batch_tokens, const char *stage,
                               const wt_progress *progress, wt_error *err);
void wt_reference_free(wt_reference *reference);

/* The vectors of chunk c: [scored, width]. */
const float *wt_reference_chunk(const wt_reference *reference, size_t c);

/* How many chunks make a batch of about `batch_tokens` (0: the default) tokens; at least one. */
size_t wt_batch_chunks(const wt_chunks *chunks, size_t batch_tokens);

#endif
