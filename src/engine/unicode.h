/*
 * UTF-8 and classes of code points, as llama.cpp's tokenizers see them: its decoder is lenient (over-long forms and
 * surrogates pass) and turns each byte that starts no sequence into U+FFFD.
 */
#ifndef WT_ENGINE_UNICODE_H
#define WT_ENGINE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* Classes that patterns tell apart. A code point that is white space is only that. */
typedef enum wt_class {
    WT_CLASS_OTHER,
    WT_CLASS_SPACE,       /* \s */
    WT_CLASS_NUMBER,      /* \p{N} */
    WT_CLASS_LETTER,      /* \p{L} */
    WT_CLASS_PUNCTUATION, /* \p{P} */
    WT_CLASS_MARK,        /* \p{M} */
    WT_CLASS_SYMBOL,      /* \p{S} */
} wt_class;

/* Generated: runs of equal classes. */
extern const uint32_t WT_UNICODE_RUNS[];
extern const size_t WT_UNICODE_RUN_COUNT;

wt_class wt_unicode_class(uint32_t code);

/* Decodes one code point of text[*at..len), *at < len, and moves *at behind it. Always makes progress. */
uint32_t wt_utf8_decode(const char *text, size_t len, size_t *at);

/* Writes a code point (up to 0x10FFFF) in UTF-8; returns how many of the 4 bytes it took. */
size_t wt_utf8_encode(uint32_t code, char out[4]);

/* How long the sequence is that starts with this byte; continuation bytes count 1. */
size_t wt_utf8_length(unsigned char first);

#endif
