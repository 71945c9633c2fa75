#include "engine/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "base/memory.h"

/* Tokens of a forward pass: enough to pay for decoding each matrix, few enough for progress and memory. */
#define DEFAULT_BATCH_TOKENS 2048

size_t wt_batch_chunks(const wt_chunks *chunks, size_t batch_tokens) {
    size_t n = (batch_tokens ? batch_tokens : DEFAULT_BATCH_TOKENS) / chunks->context;
    return n ? n : 1;
}

int wt_chunk_states(wt_engine *engine, const wt_chunks *chunks, size_t first, size_t count, float *states,
                    wt_error *err) {
    size_t width = wt_model_hparams(wt_engine_model(engine))->width, rows = count * chunks->context;
    float *hidden = wt_alloc_aligned(rows, width * sizeof *hidden, err);
    size_t *lengths = wt_calloc(count, sizeof *lengths, err);
    int rc = -1;
    if (!hidden || !lengths) goto done;
    for (size_t c = 0; c < count; c++) lengths[c] = chunks->context;
    wt_batch batch = {.tokens = chunks->tokens + first * chunks->context,
                      .lengths = lengths,
                      .sequences = count,
                      .last_block = WT_ALL_BLOCKS};
    if (wt_engine_run(engine, &batch, hidden, err) != 0) goto done;
    for (size_t c = 0; c < count; c++) {
        const float *scored = hidden + (c * chunks->context + chunks->first) * width;
        wt_engine_final_norm(engine, scored, chunks->scored, states + c * chunks->scored * width);
    }
    rc = 0;
done:
    free(hidden);
    free(lengths);
    return rc;
}

struct wt_reference {
    float *states; /* [chunks, scored, width], mapped */
    size_t bytes, chunk_floats;
};

wt_reference *wt_reference_new(wt_engine *engine, const wt_chunks *chunks, size_t batch_tokens, const char *stage,
                               const wt_progress *progress, wt_error *err) {
    size_t width = wt_model_hparams(wt_engine_model(engine))->width, batch = wt_batch_chunks(chunks, batch_tokens);
    wt_reference *r = wt_calloc(1, sizeof *r, err);
    if (!r) return NULL;
    r->chunk_floats = chunks->scored * width;
    if (!wt_mul_size(r->chunk_floats, chunks->count * sizeof(float), &r->bytes)) {
        wt_fail_memory(err, SIZE_MAX);
        goto fail;
    }
    if (!(r->states = wt_map_temporary(r->bytes, err))) goto fail;
    for (size_t c = 0; c < chunks->count; c += batch) {
        size_t n = chunks->count - c < batch ? chunks->count - c : batch;
        if (wt_progress_report(progress, stage, (double)(c * chunks->context),
                               (double)(chunks->count * chunks->context), "tokens", err) != 0)
            goto fail;
        if (wt_chunk_states(engine, chunks, c, n, r->states + c * r->chunk_floats, err) != 0) goto fail;
    }
    return r;
fail:
    wt_reference_free(r);
    return NULL;
}

void wt_reference_free(wt_reference *reference) {
    if (!reference) return;
    wt_unmap_temporary(reference->states, reference->bytes);
    free(reference);
}

const float *wt_reference_chunk(const wt_reference *reference, size_t c) {
    return reference->states + c * reference->chunk_floats;
}
