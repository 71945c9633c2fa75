#include "strategy/text_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "strategy/expression_private.h"

/* ---- reading ---- */

void wt_reader_blank_comments(char *text, size_t len) {
    bool quoted = false, comment = false;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (c == '\n') {
            quoted = comment = false; /* a quoted text ends on its line */
        } else if (comment) {
            text[i] = ' ';
        } else if (quoted) {
            if (c == '\\' && i + 1 < len && text[i + 1] != '\n')
                i++;
            else
                quoted = c != '"';
        } else if (c == '#') {
            comment = true;
            text[i] = ' ';
        } else {
            quoted = c == '"';
        }
    }
}

void wt_reader_advance(wt_reader *r, size_t n) {
    for (; n && r->at < r->len; n--, r->at++) {
        if (r->text[r->at] == '\n') {
            r->place.line++;
            r->place.column = 1;
        } else {
            r->place.column++;
        }
    }
}

static int peek(const wt_reader *r) { return r->at < r->len ? (unsigned char)r->text[r->at] : -1; }

void wt_reader_skip_blanks(wt_reader *r) {
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\r';) wt_reader_advance(r, 1);
}

void wt_reader_skip_space(wt_reader *r) {
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\r' || c == '\n';) wt_reader_advance(r, 1);
}

bool wt_reader_take(wt_reader *r, char c) {
    if (peek(r) != (unsigned char)c) return false;
    wt_reader_advance(r, 1);
    return true;
}

int wt_reader_expect(wt_reader *r, char c, const char *what, wt_error *err) {
    return wt_reader_take(r, c) ? 0 : wt_reader_fail_expected(r, what, err);
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_word(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' || c == '-';
}

size_t wt_reader_word(const wt_reader *r) {
    size_t n = 0;
    while (r->at + n < r->len && is_word((unsigned char)r->text[r->at + n])) n++;
    return n;
}

bool wt_reader_take_word(wt_reader *r, const char *word) {
    const size_t n = wt_reader_word(r);
    if (n == 0 || n != strlen(word) || memcmp(r->text + r->at, word, n) != 0) return false;
    wt_reader_advance(r, n);
    return true;
}

static size_t digits(const char *s, size_t len, size_t at) {
    size_t n = 0;
    while (at + n < len && is_digit((unsigned char)s[at + n])) n++;
    return n;
}

/* The length of the number at s, 0 where there is none. */
static size_t number_length(const char *s, size_t len) {
    size_t at = len && (*s == '-' || *s == '+'), whole = digits(s, len, at), part = 0;
    at += whole;
    if (at < len && s[at] == '.') {
        part = digits(s, len, at + 1);
        at += 1 + part;
    }
    if (whole + part == 0) return 0;
    if (at < len && (s[at] == 'e' || s[at] == 'E')) {
        size_t sign = at + 1 < len && (s[at + 1] == '-' || s[at + 1] == '+'), power = digits(s, len, at + 1 + sign);
        if (power) at += 1 + sign + power;
    }
    return at;
}

/* The number as text, taken; false where there is none. */
static bool take_number(wt_reader *r, char text[64]) {
    const size_t n = number_length(r->text + r->at, r->len - r->at);
    if (n == 0 || n >= 64) return false;
    memcpy(text, r->text + r->at, n);
    text[n] = '\0';
    wt_reader_advance(r, n);
    return true;
}

bool wt_reader_number(wt_reader *r, double *out) {
    char text[64];
    if (!take_number(r, text)) return false;
    *out = strtod(text, NULL);
    return true;
}

bool wt_reader_float(wt_reader *r, float *out) {
    char text[64];
    if (!take_number(r, text)) return false;
    *out = strtof(text, NULL); /* by way of a double it would be rounded twice */
    return true;
}

static int hex_of(int c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte behind a backslash, taken; -1 and an error where it means nothing. NUL has no place in a name. */
static int escaped(wt_reader *r, wt_error *err) {
    const wt_place start = r->place;
    wt_reader_advance(r, 1);
    const int c = peek(r);
    if (c == '"' || c == '\\') {
        wt_reader_advance(r, 1);
        return c;
    }
    if (c == 'x' && r->at + 2 < r->len) {
        const int high = hex_of((unsigned char)r->text[r->at + 1]), low = hex_of((unsigned char)r->text[r->at + 2]);
        if (high >= 0 && low >= 0 && high + low > 0) {
            wt_reader_advance(r, 3);
            return high * 16 + low;
        }
    }
    return wt_reader_fail_at(start, err,
                             "expected \\\", \\\\ or \\xNN (two hexadecimal digits, not 00) in a quoted name");
}

char *wt_reader_quoted(wt_reader *r, wt_error *err) {
    wt_reader_advance(r, 1);
    size_t longest = 0; /* no more bytes come out than are on the line */
    while (r->at + longest < r->len && r->text[r->at + longest] != '\n') longest++;
    char *s = wt_calloc(longest + 1, 1, err);
    if (!s) return NULL;
    for (size_t n = 0;;) {
        int c = peek(r);
        if (c == '"') {
            wt_reader_advance(r, 1);
            return s;
        }
        if (c < ' ' || c == 0x7f) {
            wt_reader_fail_expected(r, "a closing '\"'", err);
            break;
        }
        if (c == '\\') {
            if ((c = escaped(r, err)) < 0) break;
        } else {
            wt_reader_advance(r, 1);
        }
        s[n++] = (char)c;
    }
    free(s);
    return NULL;
}

/* ---- errors ---- */

int wt_reader_fail_at(wt_place place, wt_error *err, const char *fmt, ...) {
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return wt_fail(err, WT_ERR_FORMAT, "line %u, column %u: %s", place.line, place.column, message);
}

int wt_reader_fail_expected(const wt_reader *r, const char *what, wt_error *err) {
    const int c = peek(r);
    size_t word = wt_reader_word(r);
    char found[80];
    if (c < 0)
        snprintf(found, sizeof found, "the end of the text");
    else if (c == '\n' || c == '\r')
        snprintf(found, sizeof found, "the end of the line");
    else if (word)
        snprintf(found, sizeof found, "'%.*s'%s", (int)(word > 40 ? 40 : word), r->text + r->at,
                 word > 40 ? "..." : "");
    else if (c >= ' ' && c < 0x7f)
        snprintf(found, sizeof found, "'%c'", c);
    else
        snprintf(found, sizeof found, "byte 0x%02x", (unsigned)c);
    return wt_reader_fail_at(r->place, err, "expected %s but found %s", what, found);
}

/* ---- writing ---- */

static bool reserve(wt_text *t, size_t more) {
    wt_error err;
    if (t->failed || wt_grow((void **)&t->data, &t->cap, t->len + more + 1, 1, &err) != 0) t->failed = true;
    return !t->failed;
}

void wt_text_add(wt_text *t, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0)
        t->failed = true;
    else if (reserve(t, (size_t)n))
        t->len += (size_t)vsnprintf(t->data + t->len, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
}

void wt_text_add_number(wt_text *t, float x) {
    char text[48];
    wt_expr_print_number(x == 0 ? 0 : x, text); /* -0 and 0 are the same */
    wt_text_add(t, "%s", text);
}

void wt_text_add_quoted(wt_text *t, const char *s) {
    wt_text_add(t, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            wt_text_add(t, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            wt_text_add(t, "\\x%02x", c);
        else
            wt_text_add(t, "%c", c);
    }
    wt_text_add(t, "\"");
}

char *wt_text_finish(wt_text *t, wt_error *err) {
    if (!t->failed && !t->data) reserve(t, 0);
    if (t->failed) {
        free(t->data);
        t->data = NULL;
        wt_fail_memory(err, t->len + 1);
        return NULL;
    }
    t->data[t->len] = '\0';
    return t->data;
}
