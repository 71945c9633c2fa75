/*
 * Pre-tokenizers: how a text is split into words before byte pairs are merged inside each. A table names those of
 * llama.cpp, with the rules and the habits that come with each.
 */
#ifndef WT_ENGINE_PRETOKENIZER_H
#define WT_ENGINE_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wt_pretokenizer wt_pretokenizer;

/* What a pre-tokenizer's name implies besides its rules. */
typedef struct wt_pretokenizer_habits {
    bool ignore_merges;  /* a word that is a token is not split further */
    bool add_bos;        /* unless the metadata says otherwise */
    bool always_bos;     /* even where the metadata says otherwise */
    bool no_bos_token;   /* there is none unless the metadata names one */
    bool raw_bytes;      /* SentencePiece's way: spaces become U+2581, words are plain UTF-8, bytes are "<0xXX>" */
    bool newline_tokens; /* a run of newlines that is a token is not split further */
    bool without_merges; /* the file need not hold any */
} wt_pretokenizer_habits;

/* The pre-tokenizer of that name, compiled; unknown names fail with the list of known ones. */
wt_pretokenizer *wt_pretokenizer_open(const char *name, wt_pretokenizer_habits *habits, wt_error *err);
void wt_pretokenizer_close(wt_pretokenizer *p);

/*
 * Splits `count` code points into words: *ends gets the end of each word (exclusive, ascending, the last is `count`),
 * an array that the caller frees, *n their number. Thread-safe.
 */
int wt_pretokenizer_split(const wt_pretokenizer *p, const uint32_t *codes, size_t count, size_t **ends, size_t *n,
                          wt_error *err);

#endif
