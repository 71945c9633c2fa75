/* What the files of the tokenizer share: the vocabulary, its special tokens and the two ways of merging. */
#ifndef WT_ENGINE_TOKENIZER_PRIVATE_H
#define WT_ENGINE_TOKENIZER_PRIVATE_H

#include "engine/pretokenizer.h"
#include "engine/tokenizer.h"

/* What a token is; bits, because llama.cpp adds some by the token's text. */
enum {
    TOKEN_NORMAL = 1,
    TOKEN_CONTROL = 2,
    TOKEN_USER = 4, /* user-defined: found in any text before everything else */
    TOKEN_UNKNOWN = 8,
    TOKEN_BYTE = 16,
    TOKEN_EOG = 32,    /* ends generation */
    TOKEN_RSTRIP = 64, /* swallows the white space that follows it */
    TOKEN_LSTRIP = 128,
};

/* A hash table from byte strings to numbers; the strings belong to somebody else. Slots: index + 1, or 0. */
typedef struct string_table {
    uint32_t *slots;
    size_t mask;
} string_table;

/* A merge: the pair (left, right) of the strings in `text`, in order of rank. */
typedef struct merge {
    uint32_t offset, left, right; /* bytes of left, then bytes of right, in merge_text */
} merge;

struct wt_tokenizer {
    char model[16], pre[48];
    int32_t n, bos, eos;
    bool is_spm, add_bos, add_eos, add_space_prefix;
    wt_pretokenizer_habits habits; /* BPE's; none for SPM */
    char *text;                    /* all tokens' bytes, one after another */
    uint32_t *offsets;             /* [n + 1] into text */
    uint8_t *flags;                /* [n] */
    float *scores;                 /* [n], SPM */
    string_table ids;              /* token bytes -> id */
    int32_t byte_ids[256];         /* the token "<0xXX>" of each byte (SPM: or the byte itself), -1: none */
    uint8_t joins[8192];           /* SPM: a bit for each pair of bytes that stand side by side in some token */
    char *merge_text;
    merge *merges; /* [n_merges], BPE */
    size_t n_merges;
    string_table ranks; /* pair -> rank */
    wt_pretokenizer *splitter;
    int32_t *special;    /* tokens that are looked for in raw text, longest first */
    uint32_t *sorted;    /* the same as places in `special`, in the order of their bytes */
    uint32_t first[257]; /* where in `sorted` the tokens begin that start with a byte */
    size_t n_special;
};

#define SPACE_MARK "\xe2\x96\x81" /* U+2581, what SentencePiece writes for a space */

static inline wt_str token_str(const wt_tokenizer *t, int32_t id) {
    return (wt_str){t->text + t->offsets[id], t->offsets[id + 1] - t->offsets[id]};
}

/* The token with exactly these bytes, or -1. */
int32_t token_find(const wt_tokenizer *t, const char *s, size_t len);

/* The rank of merging two neighbours, or -1. */
int32_t merge_find(const wt_tokenizer *t, const char *left, size_t left_len, const char *right, size_t right_len);

/* Reads which tokens are special (ends of text, names to be found in raw text), from keys and from names. */
int special_read(wt_tokenizer *t, const wt_gguf *g, wt_error *err);

/* The id that a key names where it is there and in range, else `fallback` where that is in range, else -1. */
int special_id(const wt_tokenizer *t, const wt_gguf *g, const char *key, int32_t fallback, int32_t *out, wt_error *err);

/* A stretch of raw text, or (token >= 0) a special token that was found. */
typedef struct fragment {
    size_t at, len;
    int32_t token;
} fragment;

/* Zero-initialise; free `items` with free(). */
typedef struct fragments {
    fragment *items;
    size_t count, capacity;
} fragments;

/* Sorts tokens by length, longest first, equal ones in stock llama.cpp's order. */
void special_sort(const wt_tokenizer *t, int32_t *ids, size_t n);

/* Cuts special tokens out of a text: control and unknown ones only where `parse`. */
int special_cut(const wt_tokenizer *t, const char *text, size_t len, bool parse, fragments *out, wt_error *err);

/* Appends an id. */
int token_push(wt_tokens *out, int32_t id, wt_error *err);

/* Tokenizes a text without special tokens in it. */
int spm_tokenize(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err);
int bpe_tokenize(const wt_tokenizer *t, const char *text, size_t len, wt_tokens *out, wt_error *err);

/* A copy of the text with every space replaced by its mark, one more in front where `prefix`; the caller frees it. */
char *escape_spaces(const char *text, size_t len, bool prefix, size_t *escaped, wt_error *err);

/* The code point that byte-level BPE writes for a byte, and back (-1: for none). */
uint32_t bpe_code_of_byte(unsigned char byte);
int bpe_byte_of_code(uint32_t code);

/* ---- merging neighbours, best first ---- */

/* A piece of text in a doubly linked list; len 0: merged into its left neighbour. */
typedef struct symbol {
    int32_t prev, next;
    uint32_t at, len;
} symbol;

/* A possible merge of two neighbours. The lower key comes first, of equal ones the leftmost. */
typedef struct bigram {
    double key;
    int32_t left, right;
    uint32_t len; /* bytes of both: out of date once they differ */
} bigram;

/* Storage that is used again from word to word. Zero-initialise. */
typedef struct merger {
    symbol *symbols;
    size_t n, cap;
    bigram *heap;
    size_t heap_n, heap_cap;
} merger;

/* The key of merging text[at, at + left) with the `right` bytes behind it; false where they do not merge. */
typedef bool (*merge_key)(const wt_tokenizer *t, const char *text, uint32_t at, uint32_t left, uint32_t right,
                          double *key);

/* Cuts text into UTF-8 sequences by their first bytes, as symbols. */
int merger_start(merger *m, const char *text, size_t len, wt_error *err);

/* Merges until nothing merges any more. */
int merger_run(merger *m, const wt_tokenizer *t, const char *text, merge_key key, wt_error *err);
void merger_release(merger *m);

#endif
