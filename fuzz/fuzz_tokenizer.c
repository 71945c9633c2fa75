/*
 * Any bytes as text, tokenized with small vocabularies built here: SentencePiece with a token for every byte, and byte-level
 * BPE under many pre-tokenizers. The first byte of the input chooses the vocabulary, the second the flags. Ids must be in
 * range, and tokens give back the text: SentencePiece byte for byte but for U+2581, which reads as a space, BPE with U+FFFD for
 * each byte that is not UTF-8.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer.h"
#include "engine/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- vocabularies, as GGUF images ---- */

typedef struct bytes {
    uint8_t data[1 << 16];
    size_t size;
} bytes;

static void add(bytes *b, const void *p, size_t n) {
    if (n > sizeof b->data - b->size) abort();
    memcpy(b->data + b->size, p, n);
    b->size += n;
}

static void add_u32(bytes *b, uint32_t v) { add(b, &v, 4); }
static void add_u64(bytes *b, uint64_t v) { add(b, &v, 8); }

static void add_str(bytes *b, const char *s) {
    add_u64(b, strlen(s));
    add(b, s, strlen(s));
}

static void add_array(bytes *b, const char *key, uint32_t type, uint64_t count) {
    add_str(b, key);
    add_u32(b, 9);
    add_u32(b, type);
    add_u64(b, count);
}

static void add_text(bytes *b, const char *key, const char *value) {
    add_str(b, key);
    add_u32(b, 8);
    add_str(b, value);
}

static const char *const WORDS[] = {"\xe2\x96\x81",
                                    "a",
                                    "b",
                                    "e",
                                    "h",
                                    "t",
                                    "th",
                                    "the",
                                    "he",
                                    "\xe2\x96\x81t",
                                    "\xe2\x96\x81the",
                                    "ab",
                                    "ba",
                                    "aa",
                                    "aaaa",
                                    "\xe2\x96\x81\xe2\x96\x81",
                                    "\xc3\xa9",
                                    "\n\n",
                                    "\xe4\xb8\xad",
                                    "."};
static const char *const MERGES[] = {"t h",
                                     "h e",
                                     "th e",
                                     "a b",
                                     "a a",
                                     "aa aa",
                                     "\xc4\xa0 t",
                                     "\xc4\xa0 \xc4\xa0",
                                     "\xc4\xa0t he",
                                     "1 2",
                                     "\xc4\x8a \xc4\x8a",
                                     "\xc3\xa4 \xc2\xb8",
                                     "\xc3\x83 \xc2\xa9"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static wt_tokenizer *open_image(const bytes *b) {
    wt_error err;
    wt_gguf *g = wt_gguf_from_memory(b->data, b->size, "vocabulary", &err);
    wt_tokenizer *t = g ? wt_tokenizer_open(g, &err) : NULL;
    if (!t) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    wt_gguf_close(g);
    return t;
}

static wt_tokenizer *make_spm(void) {
    static bytes b;
    const size_t n = 3 + 256 + COUNT(WORDS);
    char text[16];
    add(&b, "GGUF\3\0\0\0", 8);
    add_u64(&b, 0);
    add_u64(&b, 4);
    add_text(&b, "tokenizer.ggml.model", "llama");
    add_array(&b, "tokenizer.ggml.tokens", 8, n);
    add_str(&b, "<unk>");
    add_str(&b, "<s>");
    add_str(&b, "</s>");
    for (int i = 0; i < 256; i++) {
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add_str(&b, text);
    }
    for (size_t i = 0; i < COUNT(WORDS); i++) add_str(&b, WORDS[i]);
    add_array(&b, "tokenizer.ggml.token_type", 5, n);
    for (size_t i = 0; i < n; i++) add_u32(&b, i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
    add_array(&b, "tokenizer.ggml.scores", 6, n);
    for (size_t i = 0; i < n; i++) add(&b, &(float){i < 259 ? 0.0f : -(float)(i * 7 % 13)}, 4);
    return open_image(&b);
}

static wt_tokenizer *make_bpe(const char *pre) {
    static bytes b;
    char text[16], left[8], right[8];
    const size_t specials = 4;
    b.size = 0;
    add(&b, "GGUF\3\0\0\0", 8);
    add_u64(&b, 0);
    add_u64(&b, 5);
    add_text(&b, "tokenizer.ggml.model", "gpt2");
    add_text(&b, "tokenizer.ggml.pre", pre);
    add_array(&b, "tokenizer.ggml.tokens", 8, 256 + COUNT(MERGES) + specials);
    for (uint32_t i = 0, hidden = 256; i < 256; i++) {
        bool plain = (i >= '!' && i <= '~') || (i >= 0xa1 && i != 0xad);
        text[wt_utf8_encode(plain ? i : hidden++, text)] = '\0';
        add_str(&b, text);
    }
    for (size_t i = 0; i < COUNT(MERGES); i++) {
        if (sscanf(MERGES[i], "%7s %7s", left, right) != 2) abort();
        snprintf(text, sizeof text, "%s%s", left, right);
        add_str(&b, text);
    }
    add_str(&b, "<|endoftext|>");
    add_str(&b, "<a>");
    add_str(&b, "a><");
    add_str(&b, "</s>");
    add_array(&b, "tokenizer.ggml.token_type", 5, 256 + COUNT(MERGES) + specials);
    for (size_t i = 0; i < 256 + COUNT(MERGES) + specials; i++)
        add_u32(&b, i < 256 + COUNT(MERGES) ? 1 : i % 2 ? 3 : 4);
    add_array(&b, "tokenizer.ggml.merges", 8, COUNT(MERGES));
    for (size_t i = 0; i < COUNT(MERGES); i++) add_str(&b, MERGES[i]);
    return open_image(&b);
}

/* ---- checks ---- */

static void *need(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) abort();
    return p;
}

/* Replaces U+2581 by a space, in place; returns the new length. */
static size_t unmark(char *s, size_t len) {
    size_t used = 0;
    for (size_t i = 0; i < len; used++) {
        bool mark = len - i >= 3 && memcmp(s + i, "\xe2\x96\x81", 3) == 0;
        s[used] = mark ? ' ' : s[i];
        i += mark ? 3 : 1;
    }
    return used;
}

/* What the tokens of a text should give back. */
static char *expected_text(bool spm, const char *text, size_t len, size_t *out) {
    char *s = need(1 + 3 * len);
    size_t n = 0;
    if (spm && len) s[n++] = ' ';
    if (spm) {
        memcpy(s + n, text, len);
        *out = unmark(s, n + len);
        return s;
    }
    for (size_t at = 0; at < len;) n += wt_utf8_encode(wt_utf8_decode(text, len, &at), s + n);
    *out = n;
    return s;
}

static void check(const wt_tokenizer *t, bool spm, const char *text, size_t len, int flags) {
    wt_tokens ids = {0};
    wt_error err;
    if (wt_tokenize(t, text, len, flags, &ids, &err) != 0) abort();
    for (size_t i = 0; i < ids.count; i++) {
        if (ids.ids[i] < 0 || ids.ids[i] >= wt_tokenizer_size(t)) abort();
    }
    size_t total = 0, used = 0, want;
    for (size_t i = 0; i < ids.count; i++) total += wt_token_text(t, ids.ids[i], true, NULL, 0);
    char *back = need(total), *expected = expected_text(spm, text, len, &want);
    for (size_t i = 0; i < ids.count; i++) used += wt_token_text(t, ids.ids[i], true, back + used, total - used);
    if (flags == 0) { /* else tokens are there that the text does not have */
        if (spm) used = unmark(back, used);
        if (used != want || memcmp(back, expected, want) != 0) abort();
    }
    free(back);
    free(expected);
    free(ids.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"default",   "gpt-2",    "llama-bpe",    "qwen2",          "qwen35",
                                        "smollm",    "tekken",   "falcon",       "gpt-4o",         "kimi-k2",
                                        "superbpe",  "tiny_aya", "afmoe",        "youtu",          "viking",
                                        "laguna",    "minicpm5", "spark2_5",     "exaone-moe",     "jais-2",
                                        "chameleon", "bloom",    "deepseek-llm", "deepseek-coder", "deepseek-v3"};
    static wt_tokenizer *bpe[COUNT(names)], *spm;
    if (!spm) spm = make_spm();
    for (size_t i = 0; i < COUNT(names) && !bpe[i]; i++) bpe[i] = make_bpe(names[i]);
    if (size < 2) return 0;
    size_t which = data[0] % (COUNT(names) + 4);
    const wt_tokenizer *t = which < COUNT(names) ? bpe[which] : spm;
    check(t, t == spm, (const char *)data + 2, size - 2, data[1] & 3);
    return 0;
}
