/* What the table of pre-tokenizers and the code that runs them share. */
#ifndef WT_ENGINE_PRETOKENIZER_PRIVATE_H
#define WT_ENGINE_PRETOKENIZER_PRIVATE_H

#include "engine/pretokenizer.h"

/*
 * Most patterns see a text in which every code point from 128 on is replaced by one of these units, which stand for its
 * class, so that our table (llama.cpp's Unicode version) decides which characters are letters, not the regex library.
 */
enum {
    WT_UNIT_SPACE = 0x0B, /* white space beyond ASCII reads as a vertical tab */
    WT_UNIT_OTHER = 0xD0,
    WT_UNIT_NUMBER = 0xD1,
    WT_UNIT_LETTER = 0xD2,
    WT_UNIT_PUNCTUATION = 0xD3,
    WT_UNIT_MARK = 0xD4,
    WT_UNIT_SYMBOL = 0xD5,
    WT_UNIT_HAN = 0xD6,       /* a letter of the Han blocks, for the one rule that tells them apart */
    WT_UNIT_HAN_OTHER = 0xD7, /* anything else in those blocks */
};

/* How one rule sees the text. */
typedef enum wt_split_kind {
    WT_SPLIT_NONE,    /* no rule: the end of a row */
    WT_SPLIT_CLASSES, /* a pattern on units */
    WT_SPLIT_HAN,     /* the same, with the Han blocks told apart */
    WT_SPLIT_TEXT,    /* a pattern that names code points, on the text itself, with white space beyond ASCII replaced */
    WT_SPLIT_GROUPS,  /* digits in threes from the right; what stands in front of a number stays with its first group */
    WT_SPLIT_THOUSANDS, /* a cut before every multiple of three ASCII digits that end a number */
} wt_split_kind;

typedef struct wt_split_rule {
    wt_split_kind kind;
    const char *pattern; /* ASCII, in PCRE2's syntax without its Unicode features; NULL where the kind says it all */
} wt_split_rule;

#define WT_MAX_SPLIT_RULES 6

typedef struct wt_pretokenizer_row {
    const char *names;                       /* separated by spaces, the best known first */
    wt_split_rule rules[WT_MAX_SPLIT_RULES]; /* run one after another, each on the pieces that the last one left */
    wt_pretokenizer_habits habits;
} wt_pretokenizer_row;

extern const wt_pretokenizer_row WT_PRETOKENIZERS[];
extern const size_t WT_PRETOKENIZER_COUNT;

#endif
