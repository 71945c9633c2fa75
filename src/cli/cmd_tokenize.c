/*
 * `wildtype tokenize`: the token ids of a text. Needs a vocabulary and no weights, so that vocabulary-only files work.
 * The text is taken byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "cli/source.h"
#include "engine/tokenizer.h"

typedef struct settings {
    const char *model, *text, *file;
    bool no_bos, no_parse_special, no_special, parse_special, pieces, json;
} settings;

/* The text of token `id` in a fresh buffer; control tokens are spelt out. NULL where memory is out. */
static char *piece_of(const wt_tokenizer *tokenizer, int32_t id, size_t *len, wt_error *err) {
    *len = wt_token_text(tokenizer, id, true, NULL, 0);
    char *piece = wt_calloc(*len + 1, 1, err);
    if (piece) wt_token_text(tokenizer, id, true, piece, *len);
    return piece;
}

static int print_ids(const wt_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) printf("%s%d", i ? " " : "", tokens->ids[i]);
    putchar('\n');
    return 0;
}

/* One token a line: the id, then its text in quotes. */
static int print_pieces(const wt_tokenizer *tokenizer, const wt_tokens *tokens, wt_error *err) {
    char shown[2048];
    for (size_t i = 0; i < tokens->count; i++) {
        size_t len;
        char *piece = piece_of(tokenizer, tokens->ids[i], &len, err);
        if (!piece) return -1;
        printf("%7d  '%s'\n", tokens->ids[i], wt_printable(shown, sizeof shown, piece, len));
        free(piece);
    }
    return 0;
}

static int print_json(const settings *s, const wt_tokenizer *tokenizer, const wt_tokens *tokens, wt_error *err) {
    json_t *root = json_object(), *ids = json_array(), *pieces = s->pieces ? json_array() : NULL;
    const char *name = wt_source_name(s->model);
    json_object_set_new(root, "model", wt_json_text(name, strlen(name)));
    json_object_set_new(root, "count", json_integer((json_int_t)tokens->count));
    for (size_t i = 0; i < tokens->count; i++) {
        json_array_append_new(ids, json_integer(tokens->ids[i]));
        if (!pieces) continue;
        size_t len;
        char *piece = piece_of(tokenizer, tokens->ids[i], &len, err);
        json_array_append_new(pieces, piece ? wt_json_text(piece, len) : json_null());
        free(piece);
    }
    json_object_set_new(root, "tokens", ids);
    if (pieces) json_object_set_new(root, "pieces", pieces);
    return wt_json_print(root, err);
}

/* The text to tokenize: the argument, a file, or standard input. */
static char *read_input(const settings *s, size_t *len, wt_error *err) {
    if (s->text && strcmp(s->text, "-") != 0) {
        *len = strlen(s->text);
        char *copy = strdup(s->text);
        if (!copy) wt_fail_memory(err, *len + 1);
        return copy;
    }
    return wt_read_text(s->file ? s->file : "-", len, err);
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    if (s->text && s->file) return wt_usage(err, "a text and --file cannot both be given");
    if (!s->text && !s->file && isatty(STDIN_FILENO) == 1) {
        wt_usage(err, "nothing to tokenize: no text, no --file, and standard input is a terminal");
        wt_hint(err, "wildtype tokenize %s \"some text\"", s->model ? s->model : WT_SOURCE_EMBEDDED);
        return WT_EXIT_USAGE;
    }
    int flags = 0, rc = -1;
    if (!s->no_bos && !s->no_special) flags |= WT_TOKENIZE_ADD_SPECIAL;
    if (s->parse_special || (!s->no_parse_special && !s->no_special)) flags |= WT_TOKENIZE_PARSE_SPECIAL;
    wt_tokenizer *tokenizer = NULL;
    wt_tokens tokens = {0};
    char *text = NULL;
    size_t len;
    wt_gguf *gguf = wt_source_open(s->model, err);
    if (!gguf) {
        if (!s->text && !s->file && err->code == WT_ERR_IO)
            wt_hint(err, "the model comes first; with the built-in one: wildtype tokenize seedling \"some text\"");
        return WT_EXIT_FAILED;
    }
    if (!(tokenizer = wt_tokenizer_open(gguf, err))) goto done;
    if (!(text = read_input(s, &len, err))) goto done;
    if (wt_tokenize(tokenizer, text, len, flags, &tokens, err) != 0) goto done;
    if (s->json)
        rc = print_json(s, tokenizer, &tokens, err);
    else
        rc = s->pieces ? print_pieces(tokenizer, &tokens, err) : print_ids(&tokens);
done:
    free(text);
    free(tokens.ids);
    wt_tokenizer_close(tokenizer);
    wt_gguf_close(gguf);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model),
     "A GGUF file with a vocabulary (weights are not needed), or 'seedling', the model that is built in."},
    {"TEXT", offsetof(settings, text),
     "The text; '-', or none and no --file, reads standard input. A newline at the end belongs to it."},
    {0},
};

static const wt_option OPTIONS[] = {
    {.name = "file",
     .letter = 'f',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(settings, file),
     .help = "Reads the text from a file, byte for byte."},
    {.name = "no-bos",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, no_bos),
     .help = "Adds neither BOS nor EOS. Default: what the model wants is added, as llama-tokenize does."},
    {.name = "no-parse-special",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, no_parse_special),
     .help = "Takes control tokens that are written out in the text, like '<s>', as plain text. Default: they become "
             "those tokens, as in llama-tokenize."},
    {.name = "no-special",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, no_special),
     .help = "Both: --no-bos and --no-parse-special, the bare text (how llama.cpp's test vectors are made)."},
    {.name = "parse-special",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, parse_special),
     .help = "The default spelt out; it wins over --no-special and --no-parse-special."},
    {.name = "pieces",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, pieces),
     .help = "One token a line, with its text."},
    {.name = "json",
     .kind = WT_OPTION_FLAG,
     .offset = offsetof(settings, json),
     .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype tokenize seedling \"Once upon a time\"", "The ids on one line, BOS first."},
    {"wildtype tokenize model.gguf --pieces \"Once upon a time\"", "One token a line, with its text."},
    {"wildtype tokenize model.gguf --no-special --file words.txt", "A file's bare text."},
    {0},
};

static const settings DEFAULTS = {0};

const wt_command WT_COMMAND_TOKENIZE = {
    .name = "tokenize",
    .summary = "show the token ids of a text",
    .synopsis = "MODEL [TEXT] [OPTION]...\n--file FILE [OPTION]...",
    .description =
        "Prints the token ids of a text on one line, with spaces between them: those of llama-tokenize and "
        "llama.cpp. BOS and EOS are added where the model wants them, and control tokens written out in the text "
        "are recognised; options turn off either.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
