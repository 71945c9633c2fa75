/*
 * Texts that tokenizers get wrong, and a vocabulary that shows it: all bytes, all pairs of bytes, and a merge for each pair
 * in an order drawn from a seed, so that nearly every difference in where words end changes ids.
 */
#ifndef WT_TESTS_HARD_TEXTS_H
#define WT_TESTS_HARD_TEXTS_H

#include "base/rng.h"
#include "support/image.h"

typedef struct hard_text {
    const char *text; /* any bytes, NULs included */
    size_t len;
} hard_text;

extern const hard_text HARD_TEXTS[];
extern const size_t HARD_TEXT_COUNT;

/* Pieces of which random texts are made, NUL-terminated. */
extern const char *const HARD_PIECES[];
extern const size_t HARD_PIECE_COUNT;

/* Fills out[0..room) with random bytes, code points or pieces and returns how many bytes it took, at least 1; room >= 128. */
size_t hard_random(wt_rng *rng, char *out, size_t room);

/* Carries a hash over one text's ids; start with 0. */
uint64_t hard_hash(uint64_t hash, const int32_t *ids, size_t count);

/* The GGUF image of a "gpt2" vocabulary of bytes and pairs with this pre-tokenizer; free with image_free. */
image hard_pairs(const char *pre, uint64_t seed);

#endif
