#include "engine/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static int check_context(size_t context, wt_error *err) {
    if (context >= 4 && context <= (size_t)1 << 24) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "a context of %zu tokens is out of range", context);
    return wt_hint(err, "llama-perplexity uses 512");
}

int wt_chunks_from_tokens(wt_chunks *chunks, int32_t *tokens, size_t context, size_t count, wt_error *err) {
    *chunks = (wt_chunks){0};
    if (check_context(context, err) != 0) {
        free(tokens);
        return -1;
    }
    *chunks = (wt_chunks){tokens, context, count, context / 2, context - 1 - context / 2};
    return 0;
}

int wt_chunks_cut(wt_chunks *chunks, const wt_tokenizer *tokenizer, const char *text, size_t len, size_t context,
                  size_t max_chunks, wt_error *err) {
    *chunks = (wt_chunks){0};
    if (check_context(context, err) != 0) return -1;
    if (len > 0 && text[len - 1] == '\n') len--;
    if (len == 0) return wt_fail(err, WT_ERR_ARGUMENT, "the text is empty");
    wt_tokens tokens = {0};
    if (wt_tokenize(tokenizer, text, len, WT_TOKENIZE_ADD_SPECIAL, &tokens, err) != 0) {
        free(tokens.ids);
        return -1;
    }
    if (tokens.count < context) {
        wt_fail(err, WT_ERR_ARGUMENT, "the text has %zu tokens, fewer than one chunk of %zu", tokens.count, context);
        if (tokens.count >= 4)
            wt_hint(err, "give a longer text, or --context %zu", tokens.count);
        else
            wt_hint(err, "give a longer text");
        free(tokens.ids);
        return -1;
    }
    size_t count = tokens.count / context;
    if (max_chunks > 0 && count > max_chunks) count = max_chunks;
    int32_t bos = wt_tokenizer_bos(tokenizer);
    for (size_t c = 0; bos >= 0 && wt_tokenizer_adds_bos(tokenizer) && c < count; c++) tokens.ids[c * context] = bos;
    return wt_chunks_from_tokens(chunks, tokens.ids, context, count, err);
}

int wt_chunks_split(wt_chunks *chunks, size_t at, wt_chunks *rest, wt_error *err) {
    *rest = (wt_chunks){0};
    if (chunks->count <= at) return 0;
    const size_t count = chunks->count - at, context = chunks->context;
    int32_t *tokens = wt_calloc(count * context, sizeof *tokens, err);
    if (!tokens) return -1;
    memcpy(tokens, chunks->tokens + at * context, count * context * sizeof *tokens);
    chunks->count = at;
    return wt_chunks_from_tokens(rest, tokens, context, count, err);
}

size_t wt_chunks_usual_context(uint64_t trained) {
    enum { USUAL = 512, LEAST = 4 }; /* fewer cannot be scored */
    return trained >= LEAST && trained < USUAL ? (size_t)trained : USUAL;
}

void wt_chunks_release(wt_chunks *chunks) {
    if (!chunks) return;
    free(chunks->tokens);
    *chunks = (wt_chunks){0};
}
