/*
 * Running the rules of a pre-tokenizer: each rule cuts every piece that the rule before left at its matches, and what
 * lies between two matches stays a piece of its own. PCRE2 matches arrays of 32-bit units without its own notion of
 * Unicode; the patterns avoid repeated groups, so that a match needs no stack however long the text is.
 */
#define PCRE2_CODE_UNIT_WIDTH 32
#include "engine/pretokenizer_private.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/unicode.h"

struct wt_pretokenizer {
    const wt_pretokenizer_row *row;
    size_t n;                             /* rules */
    pcre2_code *code[WT_MAX_SPLIT_RULES]; /* NULL where the rule has no pattern */
};

static bool row_has(const wt_pretokenizer_row *row, const char *name) {
    for (const char *at = row->names; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (strlen(name) == n && memcmp(at, name, n) == 0) return true;
        at += n;
    }
    return false;
}

static pcre2_code *compile(const char *pattern, wt_error *err) {
    size_t len = strlen(pattern);
    uint32_t *wide = wt_calloc(len, sizeof *wide, err);
    if (!wide) return NULL;
    for (size_t i = 0; i < len; i++) wide[i] = (unsigned char)pattern[i];
    int code;
    PCRE2_SIZE where;
    pcre2_code *compiled = pcre2_compile(wide, len, PCRE2_DOLLAR_ENDONLY, &code, &where, NULL);
    free(wide);
    if (!compiled)
        wt_fail(err, WT_ERR_UNSUPPORTED, "PCRE2 does not compile the pattern '%.200s' (error %d at %zu)", pattern, code,
                where);
    else
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where there is no JIT, the interpreter runs */
    return compiled;
}

static void fail_unknown(const char *name, wt_error *err) {
    char list[640] = "";
    size_t used = 0;
    for (size_t i = 0; i < WT_PRETOKENIZER_COUNT; i++) { /* each row's best known name */
        int n = (int)strcspn(WT_PRETOKENIZERS[i].names, " ");
        int wrote = snprintf(list + used, sizeof list - used, "%s%.*s", i ? ", " : "", n, WT_PRETOKENIZERS[i].names);
        if (wrote > 0 && used + (size_t)wrote < sizeof list) used += (size_t)wrote;
    }
    wt_fail(err, WT_ERR_UNSUPPORTED,
            "pre-tokenizer '%.40s' is not supported; known are %s, and llama.cpp's aliases of these", name, list);
    wt_hint(err, "set the key 'tokenizer.ggml.pre' to one that splits text the same way, or convert the model again");
}

wt_pretokenizer *wt_pretokenizer_open(const char *name, wt_pretokenizer_habits *habits, wt_error *err) {
    size_t r = 0;
    while (r < WT_PRETOKENIZER_COUNT && !row_has(&WT_PRETOKENIZERS[r], name)) r++;
    if (r == WT_PRETOKENIZER_COUNT) {
        fail_unknown(name, err);
        return NULL;
    }
    wt_pretokenizer *p = wt_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->row = &WT_PRETOKENIZERS[r];
    *habits = p->row->habits;
    for (; p->n < WT_MAX_SPLIT_RULES && p->row->rules[p->n].kind != WT_SPLIT_NONE; p->n++) {
        const char *pattern = p->row->rules[p->n].pattern;
        if (pattern && !(p->code[p->n] = compile(pattern, err))) {
            wt_pretokenizer_close(p);
            return NULL;
        }
    }
    return p;
}

void wt_pretokenizer_close(wt_pretokenizer *p) {
    if (!p) return;
    for (size_t i = 0; i < WT_MAX_SPLIT_RULES; i++) pcre2_code_free(p->code[i]);
    free(p);
}

/* ---- the text as rules see it ---- */

/* The blocks that kimi-k2 takes for Han. */
static bool is_han(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2EBEF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static uint32_t unit_of(uint32_t code, wt_split_kind kind) {
    static const uint32_t units[] = {[WT_CLASS_OTHER] = WT_UNIT_OTHER,   [WT_CLASS_SPACE] = WT_UNIT_SPACE,
                                     [WT_CLASS_NUMBER] = WT_UNIT_NUMBER, [WT_CLASS_LETTER] = WT_UNIT_LETTER,
                                     [WT_CLASS_MARK] = WT_UNIT_MARK,     [WT_CLASS_PUNCTUATION] = WT_UNIT_PUNCTUATION,
                                     [WT_CLASS_SYMBOL] = WT_UNIT_SYMBOL};
    if (code < 0x80) return code;
    wt_class c = wt_unicode_class(code);
    if (kind == WT_SPLIT_TEXT || kind == WT_SPLIT_THOUSANDS) return c == WT_CLASS_SPACE ? WT_UNIT_SPACE : code;
    if (kind == WT_SPLIT_HAN && is_han(code)) return c == WT_CLASS_LETTER ? WT_UNIT_HAN : WT_UNIT_HAN_OTHER;
    return units[c];
}

/* ---- cutting pieces ---- */

typedef struct ends_list {
    size_t *items, count, capacity;
} ends_list;

static int push_end(ends_list *list, size_t end, wt_error *err) {
    if (wt_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items, err) != 0) return -1;
    list->items[list->count++] = end;
    return 0;
}

/* What matching needs from call to call. */
typedef struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL until PCRE2's own 32 KiB have not sufficed: making one is dearer than most matches */
} matcher;

static int matcher_open(matcher *m, wt_error *err) {
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    if (!m->data || !m->context) return wt_fail_memory(err, 1024);
    pcre2_set_match_limit(m->context, UINT32_MAX);
    pcre2_set_depth_limit(m->context, UINT32_MAX);
    pcre2_set_heap_limit(m->context, UINT32_MAX);
    return 0;
}

static void matcher_close(matcher *m) {
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
}

/* The next match at or after `at`; where the stack of compiled patterns is too small, with a larger one, then interpreted. */
static int next_match(const pcre2_code *code, const uint32_t *text, size_t len, size_t at, matcher *m) {
    int rc = pcre2_match(code, text, len, at, 0, m->data, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !m->stack) {
        m->stack = pcre2_jit_stack_create(64 * 1024, 1024 * 1024, NULL);
        if (m->stack) {
            pcre2_jit_stack_assign(m->context, NULL, m->stack);
            rc = pcre2_match(code, text, len, at, 0, m->data, m->context);
        }
    }
    return rc == PCRE2_ERROR_JIT_STACKLIMIT ? pcre2_match(code, text, len, at, PCRE2_NO_JIT, m->data, m->context) : rc;
}

/* Cuts the piece [from, to) at every match of a pattern. */
static int cut_matches(const pcre2_code *code, const uint32_t *text, size_t from, size_t to, matcher *m, ends_list *out,
                       wt_error *err) {
    size_t done = 0, len = to - from;
    const PCRE2_SIZE *match = pcre2_get_ovector_pointer(m->data);
    while (done < len) {
        int rc = next_match(code, text + from, len, done, m);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0)
            return wt_fail(err, WT_ERR_UNSUPPORTED, "splitting the text into words failed (PCRE2 error %d)", rc);
        if (match[1] == match[0]) break; /* no pattern of the table matches nothing */
        if (match[0] > done && push_end(out, from + match[0], err) != 0) return -1;
        if (push_end(out, from + match[1], err) != 0) return -1;
        done = match[1];
    }
    return done < len ? push_end(out, to, err) : 0;
}

static bool is_number(uint32_t unit, wt_split_kind kind) {
    return (unit >= '0' && unit <= '9') || (kind == WT_SPLIT_GROUPS && unit == WT_UNIT_NUMBER);
}

/*
 * Cuts numbers into threes from the right. THOUSANDS also cuts in front of a number of 3, 6, ... digits, and GROUPS
 * never does: there, text in front of a number stays with its first group, and what follows the last number is one
 * piece.
 */
static int cut_numbers(wt_split_kind kind, const uint32_t *text, size_t from, size_t to, ends_list *out,
                       wt_error *err) {
    size_t done = from;
    for (size_t at = from; at < to;) {
        size_t end = at;
        while (end < to && is_number(text[end], kind)) end++;
        size_t cut = at + (end - at) % 3;
        if (cut == at && kind == WT_SPLIT_GROUPS) cut += 3;
        for (; cut < end; cut += 3) {
            if (cut > done && push_end(out, done = cut, err) != 0) return -1;
        }
        if (end > at && kind == WT_SPLIT_GROUPS && push_end(out, done = end, err) != 0) return -1;
        at = end + 1;
    }
    return done < to ? push_end(out, to, err) : 0;
}

int wt_pretokenizer_split(const wt_pretokenizer *p, const uint32_t *codes, size_t count, size_t **ends, size_t *n,
                          wt_error *err) {
    *ends = NULL;
    *n = 0;
    if (count == 0) return 0;
    ends_list now = {0}, next = {0};
    matcher m = {0};
    int rc = -1;
    uint32_t *text = wt_calloc(count, sizeof *text, err);
    if (!text || matcher_open(&m, err) != 0 || push_end(&now, count, err) != 0) goto done;
    for (size_t i = 0; i < p->n; i++) {
        wt_split_kind kind = p->row->rules[i].kind;
        if (i == 0 || kind != p->row->rules[i - 1].kind) {
            for (size_t c = 0; c < count; c++) text[c] = unit_of(codes[c], kind);
        }
        next.count = 0;
        for (size_t j = 0, from = 0; j < now.count; from = now.items[j++]) {
            int failed = p->code[i] ? cut_matches(p->code[i], text, from, now.items[j], &m, &next, err)
                                    : cut_numbers(kind, text, from, now.items[j], &next, err);
            if (failed) goto done;
        }
        ends_list swap = now;
        now = next;
        next = swap;
    }
    *ends = now.items;
    *n = now.count;
    now.items = NULL;
    rc = 0;
done:
    free(now.items);
    free(next.items);
    free(text);
    matcher_close(&m);
    return rc;
}
