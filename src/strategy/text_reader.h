/*
 * What the parsers and printers of genes share: a reader that knows its line and column and says what it found instead of what
 * was expected, and a text that grows. Reading never fails half: where a function returns false or -1, the reader stands where the
 * error is.
 */
#ifndef WT_STRATEGY_TEXT_READER_H
#define WT_STRATEGY_TEXT_READER_H

#include "strategy/expression.h"

typedef struct wt_reader {
    const char *text; /* comments are blank already (wt_reader_blank_comments) */
    size_t len, at;
    wt_place place; /* of text[at] */
} wt_reader;

/* Overwrites comments, from '#' to the end of the line, with spaces; '#' in quotes is none. */
void wt_reader_blank_comments(char *text, size_t len);

void wt_reader_skip_blanks(wt_reader *r); /* spaces, tabs, carriage returns */
void wt_reader_skip_space(wt_reader *r);  /* line ends too */
void wt_reader_advance(wt_reader *r, size_t n);

/* Whether the next byte is `c`; takes it then. */
bool wt_reader_take(wt_reader *r, char c);
/* Takes it, or fails with "expected `what` but found ...". */
int wt_reader_expect(wt_reader *r, char c, const char *what, wt_error *err);

/* The length of the word at the reader: letters, digits, and of "._-" what is no sign before a number. 0: there is none. */
size_t wt_reader_word(const wt_reader *r);
/* Whether the word at the reader is `word`; takes it then. */
bool wt_reader_take_word(wt_reader *r, const char *word);

/* A number: digits with a point and an exponent as in C, and a sign. False, at the same place, where there is none. */
bool wt_reader_number(wt_reader *r, double *out);
bool wt_reader_float(wt_reader *r, float *out);

/* A text in double quotes with \" \\ \xNN, into a fresh string. The reader stands at the first quote. */
char *wt_reader_quoted(wt_reader *r, wt_error *err);

/* "line 3, column 17: expected `what` but found 'x'". Always -1. */
int wt_reader_fail_expected(const wt_reader *r, const char *what, wt_error *err);
/* "line 3, column 17: MESSAGE". Always -1. */
int wt_reader_fail_at(wt_place place, wt_error *err, const char *fmt, ...) WT_PRINTF(3, 4);

/* A text that grows; a failed allocation is remembered and told by wt_text_finish. Zero-initialise it. */
typedef struct wt_text {
    char *data;
    size_t len, cap;
    bool failed;
} wt_text;

void wt_text_add(wt_text *t, const char *fmt, ...) WT_PRINTF(2, 3);
/* The shortest number that reads as the same float. */
void wt_text_add_number(wt_text *t, float x);
/* Quoted, the counterpart of wt_reader_quoted. */
void wt_text_add_quoted(wt_text *t, const char *s);
/* The text, NUL-terminated and the caller's to free(); NULL where memory was out. */
char *wt_text_finish(wt_text *t, wt_error *err);

#endif
