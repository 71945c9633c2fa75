/*
 * Tokenizers, read from a GGUF file's metadata: "llama" (SentencePiece BPE by scores, byte fallback, space prefix) and
 * "gpt2" (byte-level BPE by ranked merges behind a pre-tokenizer regex). Token ids equal stock llama.cpp's.
 */
#ifndef WT_ENGINE_TOKENIZER_H
#define WT_ENGINE_TOKENIZER_H

#include "model/gguf.h"

typedef struct wt_tokenizer wt_tokenizer;

/* A growing list of token ids. Zero-initialise; free `ids` with free(). */
typedef struct wt_tokens {
    int32_t *ids;
    size_t count, capacity;
} wt_tokens;

/*
 * Reads the vocabulary. Copies what it needs, so the file may be closed. Unknown models and pre-tokenizers fail with
 * the list of known ones; a vocabulary that contradicts itself (counts, ids out of range) fails with the key.
 */
wt_tokenizer *wt_tokenizer_open(const wt_gguf *gguf, wt_error *err);
void wt_tokenizer_close(wt_tokenizer *tokenizer);

typedef enum wt_tokenize_flags {
    WT_TOKENIZE_ADD_SPECIAL = 1,   /* BOS/EOS where the model wants them */
    WT_TOKENIZE_PARSE_SPECIAL = 2, /* control tokens written out in the text become those tokens */
} wt_tokenize_flags;

/*
 * Appends the ids of `len` bytes of text (any bytes: invalid UTF-8 is treated as llama.cpp treats it) to `out`.
 * Thread-safe on one tokenizer.
 */
int wt_tokenize(const wt_tokenizer *tokenizer, const char *text, size_t len, int flags, wt_tokens *out, wt_error *err);

/*
 * The tokens to go on from: `text` (NUL-terminated) with BOS where the model wants it, control tokens read as such, and no EOS; BOS alone
 * (EOS, where there is none) of "". `out` is empty before; its ids are the caller's to free, also after failure. Fails with
 * WT_ERR_ARGUMENT where "" has nothing to begin with.
 */
int wt_tokenize_prompt(const wt_tokenizer *tokenizer, const char *text, wt_tokens *out, wt_error *err);

/*
 * The bytes of a token as text (control tokens give nothing unless `special`): writes at most `size` bytes to `buf`,
 * returns how many it has (may exceed `size`).
 */
size_t wt_token_text(const wt_tokenizer *tokenizer, int32_t id, bool special, char *buf, size_t size);

int32_t wt_tokenizer_size(const wt_tokenizer *tokenizer); /* how many tokens */
int32_t wt_tokenizer_bos(const wt_tokenizer *tokenizer);  /* -1: none */
int32_t wt_tokenizer_eos(const wt_tokenizer *tokenizer);
bool wt_tokenizer_adds_bos(const wt_tokenizer *tokenizer); /* whether the model wants BOS in front */
bool wt_tokenizer_adds_eos(const wt_tokenizer *tokenizer);
bool wt_tokenizer_is_eog(const wt_tokenizer *tokenizer,
                         int32_t id);                          /* ends generation (eos, eot, eom, <|im_end|>, ...) */
const char *wt_tokenizer_model(const wt_tokenizer *tokenizer); /* "llama", "gpt2" */
const char *wt_tokenizer_pre(const wt_tokenizer *tokenizer);   /* "default", "qwen2", ...; "" where none applies */

/* Whether two vocabularies are the same tokens in the same order; what a divergence needs. */
int wt_tokenizer_same(const wt_tokenizer *a, const wt_tokenizer *b, wt_error *err);

#endif
