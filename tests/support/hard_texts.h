/*
 * Texts that tokenizers get wrong, and a vocabulary that shows it: all bytes, all pairs of bytes, and a merge for each
 * pair in an order drawn from a seed, so that nearly every difference in where words end changes ids.
 */
#ifndef WT_TESTS_HARD_TEXTS_H
#define WT_TESTS_HARD_TEXTS_H

#include <stdbool.h>

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

/* Fills out[0..room), room >= 128, with random bytes, code points or pieces; returns how many bytes, at least 1. */
size_t hard_random(wt_rng *rng, char *out, size_t room);

/*
 * The texts of the golden hashes, k below HARD_TEXT_COUNT + HARD_GOLDEN_RANDOM: the hard ones, then random ones (in buf). The hashes
 * run over vocabularies drawn from HARD_GOLDEN_SEEDS seeds from 1 on, because one of them alone misses half of all changes.
 */
#define HARD_GOLDEN_SEEDS 3
#define HARD_GOLDEN_RANDOM 150
hard_text hard_golden(size_t k, char *buf, size_t room);

/* Carries a hash over one text's ids; start with 0. */
uint64_t hard_hash(uint64_t hash, const int32_t *ids, size_t count);

/* The GGUF image of a "gpt2" vocabulary of bytes and pairs with this pre-tokenizer; free with image_free. */
image hard_pairs(const char *pre, uint64_t seed);

/* The same with `count` of the pairs only: quicker to open, and blinder. */
image hard_some_pairs(const char *pre, uint64_t seed, uint32_t count);

/*
 * The GGUF image of a small vocabulary full of special tokens of every type that overlap one another. `spm`: "llama"
 * instead of "gpt2"; `name` is the model's (llama.cpp lets "phi-3" strip white space). hard_specials_text makes random
 * texts of its special tokens and what may stand around them.
 */
#define HARD_SPECIALS_ROUNDS 3000 /* random texts a vocabulary, in the interop suite and in the golden hashes */
image hard_specials(bool spm, const char *name);
size_t hard_specials_text(wt_rng *rng, char *out, size_t room); /* room >= 128 */

#endif
