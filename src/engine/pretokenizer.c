/*
 * Patterns run on a collapsed text: every code point from 128 on is replaced by one unit that stands for its class, so that
 * which characters are letters is decided by our table (llama.cpp's Unicode version), not by the regex library's. A few
 * patterns name code points outright; those run on the text itself, with white space replaced. PCRE2 matches arrays of
 * 32-bit units, without its own notion of Unicode.
 */
#define PCRE2_CODE_UNIT_WIDTH 32
#include "engine/pretokenizer.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/unicode.h"

/* Units of a collapsed text, and the inside of a character class for each \p{..}, ASCII included. */
#define N "\\x{D1}0-9"
#define L "\\x{D2}A-Za-z"
#define P "\\x{D3}!-#%-*,-/:;?@\\[-\\]_{}"
#define M "\\x{D4}"
#define S "\\x{D5}$+<->^`|~"
#define UPPER "\\x{D2}A-Z" /* letters but the small ones of ASCII */
#define LOWER "\\x{D2}a-z" /* letters but the capital ones of ASCII */
#define CONTRACTION "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define TAIL "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?[" L "]+| ?[" N "]+| ?[^\\s" L N "]+|\\s+(?!\\S)|\\s+"
#define WORDS(digits) CONTRACTION "|[^\\r\\n" L N "]?[" L "]+|" digits "| ?[^\\s" L N "]+[\\r\\n]*|" TAIL

/* The code points that DeepSeek's tokenizer.json names. */
#define DEEPSEEK_LETTERS \
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}" \
    "-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}" \
    "\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}" \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-" \
    "\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}" \
    "\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}" \
    "\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}" \
    "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}" \
    "\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-" \
    "\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}" \
    "\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}" \
    "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-" \
    "\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-" \
    "\\x{118DF}\\x{1E900}-\\x{1E943}]+"
#define DEEPSEEK_MARKS "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+"
#define DEEPSEEK_CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

#define MAX_PATTERNS 6

struct wt_pretokenizer_row {
    const char *names;                  /* separated by spaces */
    const char *patterns[MAX_PATTERNS]; /* run one after another, each on the pieces that the last one left */
    wt_pretokenizer_habits habits;
};

/* A pattern that starts with this names code points and runs on the text itself. */
#define PLAIN "(*plain)"

static const wt_pretokenizer_row ROWS[] = {
    {"default", {"[" P "$+<=>^~|]+", GPT2, "[" N "]+", "[0-9][0-9][0-9]"}, {0}},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
     "roberta-bpe exaone4 mpt olmo jais trillion granite-docling",
     {GPT2},
     {0}},
    {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     {WORDS("[" N "]{1,3}")},
     {.ignore_merges = true, .add_bos = true}},
    {"dbrx smaug-bpe", {WORDS("[" N "]{1,3}")}, {0}},
    {"glm4 chatglm-bpe", {WORDS("[" N "]{1,3}")}, {.no_bos_token = true}},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", {WORDS("[" N "]")}, {0}},
    {"qwen35",
     {CONTRACTION "|[^\\r\\n" L N "]?[" L M "]+|[" N "]| ?[^\\s" L M N "]+[\\r\\n]*|" TAIL},
     {0}},
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {"[" N "]", GPT2}, {0}},
    {"tekken",
     {"[^\\r\\n" L N "]?[" UPPER "]*[" LOWER "]+|[^\\r\\n" L N "]?[" UPPER "]+[" LOWER "]*|[" N "]| ?[^\\s" L N
      "]+[\\r\\n/]*|" TAIL},
     {.ignore_merges = true, .add_bos = true}},
    {"gpt-4o llama4 kanana2 talkie minimax-m2",
     {"[^\\r\\n" L N "]?[" UPPER "]*[" LOWER "]+" CONTRACTION "?|[^\\r\\n" L N "]?[" UPPER "]+[" LOWER "]*" CONTRACTION
      "?|[" N "]{1,3}| ?[^\\s" L N "]+[\\r\\n/]*|" TAIL},
     {0}},
    {"falcon", {"[" P "$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}, {0}},
    {"deepseek-llm",
     {PLAIN "[\\r\\n]", PLAIN DEEPSEEK_LETTERS, PLAIN DEEPSEEK_MARKS, PLAIN "\\s+$", PLAIN DEEPSEEK_CJK, "[" N "]+"},
     {0}},
    {"deepseek-coder",
     {PLAIN "[\\r\\n]", "\\s?[" L "]+", "\\s?[" P "]+", PLAIN DEEPSEEK_CJK, "[" N "]"},
     {0}},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4",
     {"[" N "]{1,3}", PLAIN "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n" L P S "]?[" L M "]+| ?[" P S "]+[\\r\\n]*|" TAIL},
     {0}},
    {"seed-coder",
     {CONTRACTION "|[^\\r\\n" L N "]?[" L "]+|[" N "]| ?[^\\s" L N "\\r\\n]+|" TAIL},
     {0}},
};

struct wt_pretokenizer {
    size_t n;
    struct {
        pcre2_code *code;
        bool plain;
    } patterns[MAX_PATTERNS];
};

static bool row_has(const wt_pretokenizer_row *row, const char *name) {
    size_t n = strlen(name);
    for (const char *at = row->names; n > 0 && at; at = strchr(at, ' ')) {
        if (*at == ' ') at++;
        if (strncmp(at, name, n) == 0 && (at[n] == ' ' || at[n] == '\0')) return true;
    }
    return false;
}

static int compile(wt_pretokenizer *p, const char *pattern, wt_error *err) {
    bool plain = strncmp(pattern, PLAIN, strlen(PLAIN)) == 0;
    if (plain) pattern += strlen(PLAIN);
    size_t len = strlen(pattern), units = 0, at = 0;
    uint32_t *wide = wt_calloc(len + 1, sizeof *wide, err);
    if (!wide) return -1;
    while (at < len) wide[units++] = wt_utf8_decode(pattern, len, &at);
    int code;
    PCRE2_SIZE where;
    pcre2_code *compiled = pcre2_compile(wide, units, PCRE2_DOLLAR_ENDONLY, &code, &where, NULL);
    free(wide);
    if (!compiled) return wt_fail(err, WT_ERR_UNSUPPORTED, "pattern '%s' does not compile at %zu", pattern, where);
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where there is no JIT, the interpreter runs */
    p->patterns[p->n].code = compiled;
    p->patterns[p->n++].plain = plain;
    return 0;
}

wt_pretokenizer *wt_pretokenizer_open(const char *name, wt_pretokenizer_habits *habits, wt_error *err) {
    const size_t rows = sizeof ROWS / sizeof *ROWS;
    size_t r = 0;
    while (r < rows && !row_has(&ROWS[r], name)) r++;
    if (r == rows) {
        char list[sizeof err->hint] = "";
        for (size_t i = 0; i < rows; i++) { /* each row's first name, which is the best known */
            int n = (int)strcspn(ROWS[i].names, " ");
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.*s", i ? ", " : "", n, ROWS[i].names);
        }
        wt_fail(err, WT_ERR_UNSUPPORTED, "pre-tokenizer '%.64s' is not supported", name);
        wt_hint(err, "known are: %s, and their aliases", list);
        return NULL;
    }
    wt_pretokenizer *p = wt_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    *habits = ROWS[r].habits;
    for (size_t i = 0; i < MAX_PATTERNS && ROWS[r].patterns[i]; i++) {
        if (compile(p, ROWS[r].patterns[i], err) != 0) {
            wt_pretokenizer_close(p);
            return NULL;
        }
    }
    return p;
}

void wt_pretokenizer_close(wt_pretokenizer *p) {
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) pcre2_code_free(p->patterns[i].code);
    free(p);
}

/* The text as patterns see it: collapsed to classes, or with its white space replaced. */
static void collapse(const uint32_t *codes, size_t count, bool plain, uint32_t *out) {
    static const uint32_t unit_of[] = {
        [WT_CLASS_OTHER] = 0xD0,       [WT_CLASS_SPACE] = 0x0B, [WT_CLASS_NUMBER] = 0xD1, [WT_CLASS_LETTER] = 0xD2,
        [WT_CLASS_PUNCTUATION] = 0xD3, [WT_CLASS_MARK] = 0xD4,  [WT_CLASS_SYMBOL] = 0xD5};
    for (size_t i = 0; i < count; i++) {
        if (codes[i] < 0x80) {
            out[i] = codes[i];
            continue;
        }
        wt_class c = wt_unicode_class(codes[i]);
        out[i] = plain && c != WT_CLASS_SPACE ? codes[i] : unit_of[c];
    }
}

typedef struct ends_list {
    size_t *items, count, capacity;
} ends_list;

static int push_end(ends_list *list, size_t end, wt_error *err) {
    if (wt_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items, err) != 0) return -1;
    list->items[list->count++] = end;
    return 0;
}

/* Splits the piece [from, to) at every match, keeping what lies between matches as pieces of its own. */
static int split_piece(const pcre2_code *code, const uint32_t *text, size_t from, size_t to, pcre2_match_data *match,
                       pcre2_match_context *context, ends_list *out, wt_error *err) {
    size_t at = 0, done = 0, len = to - from;
    while (at < len) {
        int rc = pcre2_match(code, text + from, len, at, 0, match, context);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = pcre2_match(code, text + from, len, at, PCRE2_NO_JIT, match, context);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0) return wt_fail(err, WT_ERR_UNSUPPORTED, "splitting the text failed (PCRE2 error %d)", rc);
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(match);
        if (v[1] == v[0]) { /* no pattern of the table matches nothing; do not loop if one did */
            at = v[1] + 1;
            continue;
        }
        if (v[0] > done && push_end(out, from + v[0], err) != 0) return -1;
        if (push_end(out, from + v[1], err) != 0) return -1;
        at = done = v[1];
    }
    return done < len ? push_end(out, to, err) : 0;
}

int wt_pretokenizer_split(const wt_pretokenizer *p, const uint32_t *codes, size_t count, size_t **ends, size_t *n,
                          wt_error *err) {
    *ends = NULL;
    *n = 0;
    if (count == 0) return 0;
    ends_list now = {0}, next = {0};
    uint32_t *text = wt_calloc(count, sizeof *text, err);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_jit_stack *stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, NULL);
    int rc = -1;
    if (!text || !match || !context) {
        if (text) wt_fail_memory(err, 0);
        goto done;
    }
    if (stack) pcre2_jit_stack_assign(context, NULL, stack);
    pcre2_set_match_limit(context, UINT32_MAX);
    pcre2_set_heap_limit(context, UINT32_MAX);
    if (push_end(&now, count, err) != 0) goto done;
    for (size_t i = 0; i < p->n; i++) {
        if (i == 0 || p->patterns[i].plain != p->patterns[i - 1].plain)
            collapse(codes, count, p->patterns[i].plain, text);
        next.count = 0;
        for (size_t j = 0, from = 0; j < now.count; from = now.items[j++]) {
            if (split_piece(p->patterns[i].code, text, from, now.items[j], match, context, &next, err) != 0) goto done;
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
    if (match) pcre2_match_data_free(match);
    if (context) pcre2_match_context_free(context);
    if (stack) pcre2_jit_stack_free(stack);
    return rc;
}
