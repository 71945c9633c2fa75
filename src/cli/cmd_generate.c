/*
 * `wildtype generate`: text from a model, so that a person can see that it is alive. Tokens appear as they are drawn; a
 * token may end inside a UTF-8 sequence, so its last bytes wait for the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"
#include "engine/generate.h"

typedef struct settings {
    const char *model, *prompt;
    uint64_t tokens, seed, threads;
    double temperature;
    bool ignore_end, bf16, json;
} settings;

/* New tokens where -n does not say. */
enum { DEFAULT_TOKENS = 128 };

/* Where the text goes as it comes. */
typedef struct stream {
    const wt_tokenizer *tokenizer;
    bool print, terminal, write_failed;
    bool trim; /* a text that begins with BOS begins with the space that the tokenizer puts before words: drop it */
    const char *prompt; /* goes in front of the first token, so that a prompt that is refused is not shown; or NULL */
    char *text;
    size_t len, cap, printed;
    size_t wanted; /* tokens */
    wt_error *err;
} stream;

/* Prints what is complete of the text (all of it at the end); a terminal gets no control characters. */
static void print_new(stream *s, bool all) {
    while (s->printed < s->len) {
        const char *at = s->text + s->printed;
        int n = wt_utf8_sequence(at, s->len - s->printed);
        if (n < 0 && !all) break;
        unsigned char c = (unsigned char)*at;
        bool harmless =
            n > 0 && (c >= 0x20 || c == '\n' || c == '\t') && c != 0x7F && !(c == 0xC2 && (unsigned char)at[1] < 0xA0);
        size_t bytes = n > 0 ? (size_t)n : 1;
        if (s->terminal && !harmless)
            fputs("\xEF\xBF\xBD", stdout);
        else
            fwrite(at, 1, bytes, stdout);
        s->printed += bytes;
    }
    if (fflush(stdout) != 0) s->write_failed = true;
}

static int append(stream *s, const char *bytes, size_t n) {
    if (wt_grow((void **)&s->text, &s->cap, s->len + n + 1, 1, s->err) != 0) return -1;
    memcpy(s->text + s->len, bytes, n);
    s->len += n;
    return 0;
}

static int show_prompt(stream *s) {
    const char *prompt = s->prompt;
    s->prompt = NULL;
    return prompt ? append(s, prompt, strlen(prompt)) : 0;
}

static int on_token(void *user, int32_t token) {
    stream *s = user;
    char small[256], *piece = small;
    size_t n = wt_token_text(s->tokenizer, token, false, small, sizeof small);
    if (n > sizeof small) {
        if (!(piece = wt_calloc(n, 1, s->err))) return 1;
        wt_token_text(s->tokenizer, token, false, piece, n);
    }
    if (show_prompt(s) != 0) return 1;
    size_t skip = s->trim && n > 0 && piece[0] == ' ';
    if (n > 0) s->trim = false;
    int failed = append(s, piece + skip, n - skip);
    if (piece != small) free(piece);
    if (failed) return 1;
    if (s->print) print_new(s, false);
    return s->write_failed || wt_interrupt_signal() != 0;
}

static json_t *ids_json(const wt_tokens *tokens) {
    json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++) json_array_append_new(list, json_integer(tokens->ids[i]));
    return list;
}

static int print_json(const settings *s, const wt_session *session, const wt_tokens *prompt, const wt_tokens *out,
                      const stream *st, double seconds, wt_error *err) {
    json_t *root = json_object();
    const char *finish = wt_interrupt_signal() ? "stopped" : st->wanted > out->count ? "end" : "length";
    json_object_set_new(root, "model", wt_json_text(session->name, strlen(session->name)));
    json_object_set_new(root, "prompt", wt_json_text(s->prompt, strlen(s->prompt)));
    json_object_set_new(root, "text", wt_json_text(st->text ? st->text : "", st->len));
    json_object_set_new(root, "prompt_tokens", ids_json(prompt));
    json_object_set_new(root, "tokens", ids_json(out));
    json_object_set_new(root, "count", json_integer((json_int_t)out->count));
    json_object_set_new(root, "temperature", json_real(s->temperature));
    json_object_set_new(root, "seed", json_integer((json_int_t)s->seed));
    json_object_set_new(root, "finish", json_string(finish));
    json_object_set_new(root, "seconds", json_real(seconds));
    return wt_json_print(root, err);
}

/* New tokens: as many as were asked for, or the default within the context that the model was trained on. */
static size_t choose_count(const settings *s, const wt_session *session, size_t prompt) {
    if (s->tokens) return (size_t)s->tokens;
    size_t trained = wt_model_hparams(session->model)->context, room = trained > prompt ? trained - prompt : 1;
    return trained && room < DEFAULT_TOKENS ? room : DEFAULT_TOKENS;
}

static int generate(const settings *s, wt_session *session, wt_tokens *prompt, wt_tokens *out, stream *st,
                    wt_error *err) {
    if (wt_session_open(session, s->model, err) != 0) return -1;
    st->tokenizer = session->tokenizer;
    if (wt_tokenize_prompt(session->tokenizer, s->prompt, prompt, err) != 0)
        return *s->prompt ? -1 : wt_hint(err, "give it a --prompt");
    size_t count = st->wanted = choose_count(s, session, prompt->count);
    wt_threads_set((int)s->threads);
    if (wt_session_start(session, prompt->count + count, s->bf16, wt_session_spare_memory(), err) != 0) return -1;
    wt_generate_options options = {.max_tokens = count,
                                   .temperature = s->temperature,
                                   .seed = s->seed,
                                   .ignore_end = s->ignore_end,
                                   .on_token = on_token,
                                   .user = st};
    return wt_generate(session->engine, session->tokenizer, prompt->ids, prompt->count, &options, out, err);
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    wt_session session = {0};
    wt_tokens prompt = {0}, out = {0};
    stream st = {.print = !s->json, .terminal = isatty(STDOUT_FILENO) == 1, .trim = !*s->prompt, .err = err};
    if (st.print) st.prompt = s->prompt;
    double start = wt_clock();
    wt_interrupt_watch();
    int rc = generate(s, &session, &prompt, &out, &st, err);
    double seconds = wt_clock() - start;
    if (rc != 0 && err->code == WT_ERR_INTERRUPTED) { /* in the middle of a token: what came before it stands */
        *err = (wt_error){0};
        rc = 0;
    }
    if (rc == 0 && show_prompt(&st) != 0) rc = -1; /* the model ended the text at once, or never came to it */
    if (st.print && st.len > 0) {
        print_new(&st, true);
        if (st.text[st.len - 1] != '\n') putchar('\n');
    }
    if (err->message[0]) rc = -1; /* a full memory inside on_token */
    if (rc == 0 && s->json) rc = print_json(s, &session, &prompt, &out, &st, seconds, err);
    if (rc == 0 && wt_interrupt_signal()) rc = wt_fail(err, WT_ERR_INTERRUPTED, "stopped after %zu tokens", out.count);
    if (rc == 0 && st.print && isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "\n%zu tokens, %.1f tokens/s\n", out.count, seconds > 0 ? (double)out.count / seconds : 0.0);
    free(st.text);
    free(prompt.ids);
    free(out.ids);
    wt_session_close(&session);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model), "A GGUF file; 'seedling', the model that is built in, where left out."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = WT_OPTION_TEXT,
     .value = "TEXT",
     SETTING(prompt),
     .help = "What to go on from. Default: nothing, the model begins a text of its own."},
    {.name = "tokens",
     .letter = 'n',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(tokens),
     .min = 1,
     .max = 1 << 24,
     .help = "New tokens at most. Default: 128, or what the context that the model was trained on has room for."},
    {.name = "temperature",
     .kind = WT_OPTION_NUMBER,
     .value = "T",
     SETTING(temperature),
     .max = 100,
     .help = "0 takes the most probable token each time, 1 draws as the model says. Default: 0.8."},
    {.name = "seed",
     .letter = 's',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(seed),
     .max = 9007199254740992.0,
     .help = "The same seed draws the same text, on any machine and any number of threads. Default: 1."},
    {.name = "ignore-end",
     .kind = WT_OPTION_FLAG,
     SETTING(ignore_end),
     .help = "Begins a new text where the model ends one, until N tokens are drawn."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads to use. Default: one per processor."},
    {.name = "bf16",
     .kind = WT_OPTION_FLAG,
     SETTING(bf16),
     .help = "Computes products in bf16 where the processor has them: faster, less exact."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype generate --prompt \"The old captain\"", "Lets the model that is built in go on."},
    {"wildtype generate model.gguf --prompt \"2 + 2 =\" -n 8 --temperature 0", "The most probable continuation."},
    {0},
};

static const settings DEFAULTS = {.prompt = "", .temperature = 0.8, .seed = 1};

const wt_command WT_COMMAND_GENERATE = {
    .name = "generate",
    .summary = "let a model write",
    .synopsis = "[MODEL] [--prompt TEXT] [-n N] [OPTION]...",
    .description =
        "Prints the prompt and what the model makes of it, token by token. The text ends after N tokens, or where the "
        "model ends it. Tokens are drawn from the whole vocabulary: no top-k, top-p or penalties, because this "
        "is for seeing a model as it is.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
