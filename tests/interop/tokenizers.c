/*
 * Tokenizers against stock llama.cpp, byte for byte: its shared library is loaded from the judge's node package, so
 * that invalid UTF-8 and NUL bytes reach it too, and everything runs in one process at full speed.
 *
 * Vocabularies: every GGUF of the folders given; the gpt-2 vocabulary with each pre-tokenizer's name written into it;
 * and a vocabulary of pairs of bytes, whose ids show nearly every difference in where words end. Texts: hard strings,
 * code points in several surroundings, random strings and bytes, long runs. Where several names mean the same, the
 * first is compared on all of them and the aliases on the hard strings, with the most frequent of gpt-2's merges and some of the
 * pairs (reading whole vocabularies would take longer than comparing); --full compares everything everywhere, over all code points.
 *
 * Usage: WT_JUDGE=/path/with/node_modules tokenizers [--full] [--golden] [--rounds N] [--seed N] [--only NAME] [--jobs N]
 * FILE|FOLDER... Vocabularies are shared out among N processes, one per processor by default. --golden prints tests/unit/tokenizer_golden.h. Exit: 0 all equal, 1 a difference (printed with its
 * seed and string), 2 wrong usage, 77 no judge (skipped).
 */
#include <dlfcn.h>
#include <glob.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/tokenizer.h"
#include "engine/unicode.h"
#include "support/hard_texts.h"

/* ---- stock llama.cpp, as far as it is needed (the ABI of the judge's build; only vocab_only is set) ---- */

typedef struct judge_params {
    void *pointers[2];
    int32_t numbers[5];
    const float *split;
    void *callbacks[3];
    bool vocab_only, others[5];
} judge_params;

static struct judge {
    void (*log_set)(void (*)(int, const char *, void *), void *);
    judge_params (*default_params)(void);
    void *(*load)(const char *, judge_params);
    void (*free_model)(void *);
    const void *(*vocab)(const void *);
    int32_t (*count)(const void *);
    int32_t (*tokenize)(const void *, const char *, int32_t, int32_t *, int32_t, bool, bool);
    int32_t (*piece)(const void *, int32_t, char *, int32_t, int32_t, bool);
    int32_t (*bos)(const void *), (*eos)(const void *);
    bool (*add_bos)(const void *), (*add_eos)(const void *), (*is_eog)(const void *, int32_t);
} judge;

static void quiet(int level, const char *text, void *user) { (void)level, (void)text, (void)user; }

static bool judge_open(const char *folder) {
    static const char *const names[] = {"llama_log_set",     "llama_model_default_params", "llama_model_load_from_file",
                                        "llama_model_free",  "llama_model_get_vocab",      "llama_vocab_n_tokens",
                                        "llama_tokenize",    "llama_token_to_piece",       "llama_vocab_bos",
                                        "llama_vocab_eos",   "llama_vocab_get_add_bos",    "llama_vocab_get_add_eos",
                                        "llama_vocab_is_eog"};
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/node_modules/@node-llama-cpp/linux-*/bins/linux-*/libllama*.so*", folder);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return false;
    void *library = NULL;
    for (size_t i = 0; i < found.gl_pathc && !library; i++) {
        if (!strstr(found.gl_pathv[i], "common")) library = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_GLOBAL);
    }
    globfree(&found);
    if (!library) return false;
    void **slots = (void **)&judge;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(slots[i] = dlsym(library, names[i]))) return false;
    }
    judge.log_set(quiet, NULL);
    return true;
}

/* ---- one vocabulary in both worlds ---- */

typedef struct pair {
    const char *name;
    void *model;
    const void *stock;
    wt_tokenizer *ours;
    size_t texts, bytes; /* compared so far */
} pair;

static uint64_t seed = 20260731;
static int rounds = 1;
static bool full;
static int failures;

static void pair_close(pair *p) {
    if (p->model) judge.free_model(p->model);
    wt_tokenizer_close(p->ours);
}

/* Opens both; false where ours refuses (`why` says so) or the judge does. */
static bool pair_open(pair *p, const char *name, const char *path, wt_error *why) {
    *p = (pair){.name = name};
    wt_gguf *gguf = wt_gguf_open(path, why);
    if (gguf) p->ours = wt_tokenizer_open(gguf, why);
    wt_gguf_close(gguf);
    if (!p->ours) return false;
    judge_params params = judge.default_params();
    params.vocab_only = true;
    p->model = judge.load(path, params);
    if (!p->model) {
        wt_fail(why, WT_ERR_MISMATCH, "stock llama.cpp refuses the file");
        pair_close(p);
        return false;
    }
    p->stock = judge.vocab(p->model);
    return true;
}

static void print_text(const char *text, size_t len) {
    for (size_t i = 0; i < len && i < 2000; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

static void print_ids(const char *who, const int32_t *ids, size_t n, size_t from) {
    printf("  %s %zu ids, from %zu:", who, n, from);
    for (size_t i = from; i < n && i < from + 12; i++) printf(" %d", ids[i]);
    putchar('\n');
}

/* Whether both give the same ids with the same flags. */
static bool same_flags(pair *p, const char *text, size_t len, int flags) {
    static int32_t *theirs;
    static size_t room;
    if (room < len + 16) {
        room = 2 * (len + 16);
        free(theirs);
        theirs = malloc(room * sizeof *theirs);
        if (!theirs) abort();
    }
    bool special = flags & WT_TOKENIZE_ADD_SPECIAL, parse = flags & WT_TOKENIZE_PARSE_SPECIAL;
    int32_t n = judge.tokenize(p->stock, text, (int32_t)len, theirs, (int32_t)room, special, parse);
    wt_tokens ours = {0};
    wt_error err;
    if (wt_tokenize(p->ours, text, len, flags, &ours, &err) != 0) {
        printf("%s: wt_tokenize failed: %s\n  text \"", p->name, err.message);
        print_text(text, len);
        printf("\"\n");
        free(ours.ids);
        failures++;
        return false;
    }
    size_t i = 0;
    while (i < ours.count && (int32_t)i < n && ours.ids[i] == theirs[i]) i++;
    bool equal = i == ours.count && (int32_t)i == n;
    if (!equal) {
        printf("%s: ids differ (add special %d, parse special %d, seed %llu)\n  text \"", p->name, special, parse,
               (unsigned long long)seed);
        print_text(text, len);
        printf("\"\n");
        print_ids("ours", ours.ids, ours.count, i > 3 ? i - 3 : 0);
        print_ids("stock", theirs, n < 0 ? 0 : (size_t)n, i > 3 ? i - 3 : 0);
        failures++;
    }
    free(ours.ids);
    p->texts++;
    p->bytes += len;
    return equal;
}

static bool same(pair *p, const char *text, size_t len) {
    return same_flags(p, text, len, 0) && same_flags(p, text, len, WT_TOKENIZE_ADD_SPECIAL | WT_TOKENIZE_PARSE_SPECIAL);
}

/* ---- texts ---- */

/* Whether a neighbour of code point c is of another class: where a table would be wrong. */
static bool at_edge(uint32_t c) {
    enum { ALL = 0x110000 };
    static unsigned char *edges; /* [ALL], looked up once for all vocabularies */
    if (!edges) {
        if (!(edges = calloc(ALL, 1))) abort();
        for (uint32_t i = 0; i < ALL; i++) {
            edges[i] = i < 0x300 || wt_unicode_class(i) != wt_unicode_class(i - 1) ||
                       wt_unicode_class(i) != wt_unicode_class(i + 1);
        }
    }
    return edges[c];
}

/* Code points first..last, each in several surroundings; one text per 128 of them. */
static bool sweep(pair *p, bool everything) {
    static const char *const around[] = {"a", "1", ".", " ", "'", "\n", "\xcc\x81", "\xe4\xb8\xad", "\xe2\x82\xac",
                                         "A"};
    char text[16384];
    size_t len = 0, held = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (everything || at_edge(c)) {
            for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
                if (everything && ((c + i) % 3) != 0) continue;
                memcpy(text + len, around[i], strlen(around[i]));
                len += strlen(around[i]);
                len += wt_utf8_encode(c, text + len);
            }
            held++;
        }
        if (held == 128 || (c == 0x10ffff && held > 0)) {
            if (!same_flags(p, text, len, 0)) return false;
            len = held = 0;
        }
    }
    return true;
}

/* Ids, texts of tokens, special ids: what needs no text. */
static bool same_table(pair *p) {
    int32_t n = judge.count(p->stock);
    const struct {
        const char *what;
        long ours, theirs;
    } numbers[] = {
        {"size", wt_tokenizer_size(p->ours), n},
        {"BOS", wt_tokenizer_bos(p->ours), judge.bos(p->stock)},
        {"EOS", wt_tokenizer_eos(p->ours), judge.eos(p->stock)},
        {"adds BOS", wt_tokenizer_adds_bos(p->ours), judge.add_bos(p->stock)},
        {"adds EOS", wt_tokenizer_adds_eos(p->ours), judge.add_eos(p->stock)},
    };
    int before = failures;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].ours == numbers[i].theirs) continue;
        printf("%s: %s is %ld, stock says %ld\n", p->name, numbers[i].what, numbers[i].ours, numbers[i].theirs);
        failures++;
    }
    static char ours[1 << 16], theirs[1 << 16];
    for (int32_t id = 0; id < n && failures < before + 5; id++) {
        for (int special = 0; special < 2; special++) {
            size_t a = wt_token_text(p->ours, id, special, ours, sizeof ours);
            int32_t b = judge.piece(p->stock, id, theirs, (int32_t)sizeof theirs, 0, special);
            if (b >= 0 && a == (size_t)b && memcmp(ours, theirs, a) == 0) continue;
            printf("%s: the text of token %d (special %d) differs: \"", p->name, id, special);
            print_text(ours, a);
            printf("\", stock \"");
            print_text(theirs, b < 0 ? 0 : (size_t)b);
            printf("\"\n");
            failures++;
        }
        if (wt_tokenizer_is_eog(p->ours, id) != judge.is_eog(p->stock, id)) {
            printf("%s: token %d ends generation: %d, stock says %d\n", p->name, id, wt_tokenizer_is_eog(p->ours, id),
                   judge.is_eog(p->stock, id));
            failures++;
        }
    }
    return failures == before;
}

/* How much is compared: the table of tokens and the hard texts, also random texts, also code points. */
typedef enum level { LEVEL_HARD, LEVEL_RANDOM, LEVEL_CODES } level;

static bool compare(pair *p, level much, bool everything) {
    bool ok = same_table(p);
    for (size_t i = 0; ok && i < HARD_TEXT_COUNT; i++) {
        for (int flags = 0; ok && flags < 4; flags++) ok = same_flags(p, HARD_TEXTS[i].text, HARD_TEXTS[i].len, flags);
    }
    if (much == LEVEL_HARD && !full) goto done;
    if (much == LEVEL_CODES || full) ok = ok && sweep(p, everything);
    wt_rng rng;
    wt_rng_init(&rng, seed, 1, 0);
    char text[2048];
    for (int i = 0; ok && i < 120 * rounds; i++) {
        size_t room = i % 3 ? 128 : sizeof text;
        ok = same(p, text, hard_random(&rng, text, room));
    }
    char run[4096];
    for (size_t i = 0; ok && i < HARD_PIECE_COUNT; i++) { /* long runs of one thing */
        size_t n = strlen(HARD_PIECES[i]), len = 0;
        while (len + n < 1500) {
            memcpy(run + len, HARD_PIECES[i], n);
            len += n;
        }
        ok = same_flags(p, run, len, 0);
        memcpy(run + len, "x 1", 3);
        ok = ok && same_flags(p, run, len + 3, 0);
    }
done:
    printf("%s %-36s %8zu texts %10zu bytes\n", ok ? "equal  " : "DIFFERS", p->name, p->texts, p->bytes);
    fflush(stdout);
    return ok;
}

/* ---- vocabularies written here ---- */

/* Names that mean the same stand together. */
static const char *const pres[][20] = {
    {"default"},
    {"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert",
     "jina-v1-en", "jina-v2-code", "roberta-bpe", "exaone4", "mpt", "olmo", "jais", "trillion", "granite-docling"},
    {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
    {"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
    {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
    {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
    {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
    {"bailingmoe", "bailingmoe2", "llada-moe"},
    {"poro-chat", "bloom", "gpt3-finnish"},
    {"gemma4", "granite-embed-multi-311m"},
    {"tiny_aya", "cohere2moe"},
    {"dbrx", "smaug-bpe"},
    {"chatglm-bpe", "glm4"},
    {"qwen35"},
    {"tekken"},
    {"deepseek-llm"},
    {"deepseek-coder"},
    {"falcon"},
    {"spark2_5"},
    {"youtu"},
    {"jais-2"},
    {"viking"},
    {"chameleon"},
    {"granite-embed-multi-97m"},
    {"kimi-k2"},
    {"superbpe"},
    {"seed-coder"},
    {"ufakzeka"},
    {"afmoe"},
    {"laguna"},
    {"exaone-moe"},
    {"minicpm5"},
    {"sarvam-moe"},
};

/*
 * Leaves gpt-2's 256 bytes, one token for each of its first `merges` merges, and at the end the token that ends a text. Fails
 * where the vocabulary is not made that way.
 */
static int keep_merges(wt_gguf_writer *w, const wt_gguf *gguf, size_t merges, wt_error *err) {
    const wt_kv *tokens = wt_gguf_find_kv(gguf, "tokenizer.ggml.tokens"), *pairs = wt_gguf_find_kv(gguf, "tokenizer.ggml.merges");
    size_t n = 256 + merges;
    if (!tokens || !pairs || pairs->count < merges || tokens->count != 256 + pairs->count + 1)
        return wt_fail(err, WT_ERR_FORMAT, "not the vocabulary of gpt-2");
    wt_str *strs = wt_calloc(tokens->count, sizeof *strs, err);
    int32_t *types = wt_calloc(n + 1, sizeof *types, err);
    int rc = -1;
    if (!strs || !types) goto done;
    wt_kv_strings(tokens, strs);
    strs[n] = strs[tokens->count - 1];
    for (size_t i = 0; i < n; i++) types[i] = 1; /* ordinary */
    types[n] = 3;                                /* control */
    if (wt_gguf_writer_set_strs(w, "tokenizer.ggml.tokens", strs, n + 1, err) != 0) goto done;
    wt_kv_strings(pairs, strs);
    if (wt_gguf_writer_set_strs(w, "tokenizer.ggml.merges", strs, merges, err) != 0) goto done;
    if (wt_gguf_writer_set_array(w, "tokenizer.ggml.token_type", WT_KV_I32, types, n + 1, err) != 0) goto done;
    if (wt_gguf_writer_set_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)n, err) != 0) goto done;
    rc = wt_gguf_writer_set_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)n, err);
done:
    free(strs);
    free(types);
    return rc;
}

/* The vocabulary of `base`, gpt-2's, under another pre-tokenizer's name; with `merges` of its merges only, or all (0). */
static int write_renamed(const char *base, const char *pre, size_t merges, const char *path, wt_error *err) {
    int rc = -1;
    wt_gguf *gguf = wt_gguf_open(base, err);
    wt_gguf_writer *w = gguf ? wt_gguf_writer_open(path, err) : NULL;
    if (!w) goto done;
    for (size_t i = 0; i < wt_gguf_kv_count(gguf); i++) {
        if (wt_gguf_writer_copy_kv(w, wt_gguf_kv(gguf, i), err) != 0) goto done;
    }
    if (merges && keep_merges(w, gguf, merges, err) != 0) goto done;
    if (wt_gguf_writer_set_str(w, "tokenizer.ggml.pre", pre, err) != 0) goto done;
    rc = wt_gguf_writer_finish(w, err);
    w = NULL;
done:
    wt_gguf_writer_abandon(w);
    wt_gguf_close(gguf);
    return rc;
}

static int write_image(image m, const char *path, wt_error *err) {
    wt_output out;
    int rc = wt_output_open(&out, path, err);
    if (rc == 0 && wt_output_write(&out, m.data, m.size, err) != 0) {
        wt_output_abandon(&out);
        rc = -1;
    } else if (rc == 0) {
        rc = wt_output_commit(&out, err);
    }
    image_free(&m);
    return rc;
}

/* The vocabularies full of special tokens. */
static const struct specials {
    const char *name, *model;
    bool spm;
} specials[] = {
    {"specials, SPM", "test", true}, {"specials, SPM phi-3", "Phi-3-Test", true}, {"specials, BPE", "test", false}};

/* ---- the run ---- */

/* gpt-2's merges, and pairs of bytes, that aliases are compared with. */
#define FEW_MERGES 8000
#define FEW_PAIRS 16384

static const char *only;

/* Work that the processes take from each other: the number of the next piece, in memory that all of them see. */
static atomic_int *next_piece;

/* Whether the piece of work that every process comes to now is this one's. */
static bool is_mine(void) {
    static int here, claimed = -1;
    if (claimed < 0) claimed = atomic_fetch_add(next_piece, 1);
    if (here++ != claimed) return false;
    claimed = -1;
    return true;
}

static void run_file(const char *path) {
    if ((only && !strstr(path, only)) || !is_mine()) return;
    pair p;
    wt_error err = {0};
    const char *slash = strrchr(path, '/');
    if (!pair_open(&p, slash ? slash + 1 : path, path, &err)) {
        bool unknown = err.code == WT_ERR_UNSUPPORTED; /* a kind that we do not claim to know */
        printf("%s %s: %s\n", unknown ? "left out" : "FAILED ", path, err.message);
        failures += !unknown;
        return;
    }
    compare(&p, LEVEL_CODES, false);
    pair_close(&p);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void run_folder(const char *folder) {
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/*.gguf", folder);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return;
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
    for (size_t i = 0; i < found.gl_pathc; i++) run_file(found.gl_pathv[i]);
    globfree(&found);
}

/* One pre-tokenizer, on the gpt-2 vocabulary `base` (empty: absent) and on pairs of bytes. */
static void run_pre(const char *pre, bool alias, const char *base, const char *path) {
    char name[64];
    if ((only && strcmp(only, pre) != 0) || !is_mine()) return;
    size_t merges = alias && !full ? FEW_MERGES : 0;
    for (int kind = *base ? 0 : 1; kind < 2; kind++) {
        wt_error err = {0};
        snprintf(name, sizeof name, "%s on %s", pre, kind ? "pairs" : "gpt-2");
        pair p;
        image pairs = {0};
        if (kind) pairs = merges ? hard_some_pairs(pre, seed, FEW_PAIRS) : hard_pairs(pre, seed);
        bool ok = (kind ? write_image(pairs, path, &err) : write_renamed(base, pre, merges, path, &err)) == 0;
        if (!ok || !pair_open(&p, name, path, &err)) {
            printf("FAILED  %s: %s\n", name, err.message);
            failures++;
            continue;
        }
        /* Where words end at a code point, pairs show; that gpt-2's file goes through all of them is enough beside it. */
        compare(&p, alias ? LEVEL_HARD : kind ? LEVEL_CODES : LEVEL_RANDOM, full && kind == 1);
        pair_close(&p);
    }
}

static void run_specials(const char *path, bool golden) {
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        wt_error err = {0};
        pair p;
        if ((only && strcmp(only, "specials") != 0) || !is_mine()) continue;
        if (write_image(hard_specials(specials[i].spm, specials[i].model), path, &err) != 0 ||
            !pair_open(&p, specials[i].name, path, &err)) {
            printf("FAILED  %s: %s\n", specials[i].name, err.message);
            failures++;
            continue;
        }
        wt_rng rng;
        wt_rng_init(&rng, golden ? 1 : seed, 3, 0);
        char text[256];
        bool ok = true;
        uint64_t hash = 0;
        for (int k = 0; ok && k < HARD_SPECIALS_ROUNDS; k++) {
            size_t len = hard_specials_text(&rng, text, sizeof text);
            int32_t ids[1024];
            int32_t n = judge.tokenize(p.stock, text, (int32_t)len, ids, 1024, true, k % 2 == 0);
            hash = hard_hash(hash, ids, (size_t)n);
            for (int flags = 0; ok && !golden && flags < 4; flags++) ok = same_flags(&p, text, len, flags);
        }
        if (golden)
            printf("    {\"%s\", 0x%016llx},\n", specials[i].name, (unsigned long long)hash);
        else if (ok)
            compare(&p, LEVEL_CODES, false);
        pair_close(&p);
    }
}

/* Stock llama.cpp's ids of the golden texts on pairs of bytes, as hashes for the unit tests. */
static void print_golden(const char *pre, const char *path) {
    static int32_t ids[1 << 16];
    char buf[256];
    uint64_t hash = 0;
    for (uint64_t s = 1; s <= HARD_GOLDEN_SEEDS; s++) {
        wt_error err = {0};
        pair p;
        if (write_image(hard_pairs(pre, s), path, &err) != 0 || !pair_open(&p, pre, path, &err)) {
            fprintf(stderr, "%s: %s\n", pre, err.message);
            failures++;
            return;
        }
        for (size_t k = 0; k < HARD_TEXT_COUNT + HARD_GOLDEN_RANDOM; k++) {
            hard_text t = hard_golden(k, buf, sizeof buf);
            int32_t n = judge.tokenize(p.stock, t.text, (int32_t)t.len, ids, 1 << 16, true, true);
            hash = hard_hash(hash, ids, n < 0 ? 0 : (size_t)n);
        }
        pair_close(&p);
    }
    printf("    {\"%s\", 0x%016llx},\n", pre, (unsigned long long)hash);
}

static int run_vocabularies(char **paths, int count, bool golden) {
    char base[4096] = "", path[4096], scratch[] = "/tmp/wt-tokenizers-XXXXXX";
    for (int i = 0; i < count; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0) {
            printf("FAILED  cannot read '%s'\n", paths[i]);
            failures++;
        } else if (S_ISDIR(st.st_mode)) {
            snprintf(path, sizeof path, "%s/ggml-vocab-gpt-2.gguf", paths[i]);
            if (access(path, R_OK) == 0) memcpy(base, path, sizeof base);
            run_folder(paths[i]);
        } else {
            run_file(paths[i]);
        }
    }
    if (!mkdtemp(scratch)) return -1;
    snprintf(path, sizeof path, "%s/vocabulary.gguf", scratch);
    if (!golden) run_specials(path, golden); /* the longest first */
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        for (size_t k = 0; pres[i][k]; k++) {
            if (golden)
                print_golden(pres[i][k], path);
            else
                run_pre(pres[i][k], k > 0, base, path);
        }
    }
    if (golden) run_specials(path, golden);
    unlink(path);
    return rmdir(scratch);
}

/* `jobs` processes, this one among them, that share the work out among themselves. 0 where all of them found all equal. */
static int run_jobs(char **paths, int count, int jobs, bool golden) {
    pid_t children[64];
    int bad = 0, n = 0;
    next_piece = mmap(NULL, sizeof *next_piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next_piece == MAP_FAILED) return -1;
    fflush(stdout);
    for (; n < jobs - 1; n++) {
        children[n] = fork();
        if (children[n] < 0) break;
        if (children[n] == 0) {
            int rc = run_vocabularies(paths, count, golden);
            fflush(stdout);
            _exit(rc != 0 || failures ? 1 : 0);
        }
    }
    if (run_vocabularies(paths, count, golden) != 0) bad = 1;
    for (int i = 0; i < n; i++) {
        int status;
        if (waitpid(children[i], &status, 0) != children[i] || status != 0) bad = 1; /* a crash too */
    }
    return bad || failures ? -1 : 0;
}

int main(int argc, char **argv) {
    const char *folder = getenv("WT_JUDGE");
    bool golden = false, wrong = false;
    int first = 1, jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
        const char *option = argv[first], *value = first + 1 < argc ? argv[first + 1] : NULL;
        if (strcmp(option, "--full") == 0)
            full = true;
        else if (strcmp(option, "--golden") == 0)
            golden = true;
        else if (value && strcmp(option, "--rounds") == 0)
            rounds = atoi(value), first++;
        else if (value && strcmp(option, "--seed") == 0)
            seed = strtoull(value, NULL, 10), first++;
        else if (value && strcmp(option, "--only") == 0)
            only = value, first++;
        else if (value && strcmp(option, "--jobs") == 0)
            jobs = atoi(value), first++;
        else
            wrong = true;
    }
    if (wrong) {
        fprintf(stderr,
                "usage: WT_JUDGE=FOLDER %s [--full] [--golden] [--rounds N] [--seed N] [--only NAME] "
                "[--jobs N] FILE|FOLDER...\n",
                argv[0]);
        return 2;
    }
    if (!folder || !judge_open(folder)) {
        printf("SKIPPED: no stock llama.cpp (WT_JUDGE, the folder with node_modules, is %s)\n",
               folder ? folder : "not set");
        return 77;
    }
    mallopt(M_TRIM_THRESHOLD, 1 << 28); /* memory that is given back and asked for again at each text costs a third of the time */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    if (golden || jobs < 1) jobs = 1;
    if (jobs > 64) jobs = 64;
    if (!golden) printf("seed %llu, %d process%s\n", (unsigned long long)seed, jobs, jobs == 1 ? "" : "es");
    int rc = run_jobs(argv + first, argc - first, jobs, golden);
    if (!golden) printf(rc ? "there are differences\n" : "no differences\n");
    return rc ? 1 : 0;
}
