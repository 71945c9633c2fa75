/*
 * `wildtype eval`: how well a model predicts a text, and how far a candidate has diverged from its reference.
 * Everything that can be wrong with the inputs is found before the first product is computed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/eval_report.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/text.h"

typedef struct settings {
    const char *model, *reference, *text, *tasks, *activations, *cache_k, *cache_v;
    uint64_t context, chunks, threads, batch, seed;
    bool bf16, json;
} settings;

/* Chunks of self-written text where --chunks does not say; tokens of a task's batch where --batch does not. */
enum { SELF_CHUNKS = 16, TASK_BATCH = 2048, DEFAULT_CONTEXT = 512 };

/* Everything that one evaluation holds. */
typedef struct work {
    const settings *options;
    wt_session candidate, reference;
    wt_chunks chunks;
    wt_tasks tasks;
    wt_eval result;
    wt_engine_options engine; /* of both models, the cache's types apart, which are the candidate's */
} work;

/* --context, or llama-perplexity's default within what the models were trained for. */
static size_t choose_context(const work *w) {
    const wt_session *sessions[] = {&w->candidate, &w->reference};
    uint64_t context = w->options->context ? w->options->context : DEFAULT_CONTEXT;
    for (int i = 0; i < 2; i++) {
        if (!sessions[i]->model) continue;
        uint64_t trained = wt_model_hparams(sessions[i]->model)->context;
        if (trained < 4 || context <= trained) continue;
        if (!w->options->context)
            context = trained;
        else
            wt_note("'%s' was trained on %llu tokens of context, fewer than --context %llu", sessions[i]->name,
                    (unsigned long long)trained, (unsigned long long)context);
    }
    return (size_t)context;
}

static int read_cache_type(const char *option, const char *name, wt_type *type, wt_error *err) {
    int found = wt_type_by_name(name);
    if (found < 0) {
        wt_usage(err, "wrong value '%s' of option '%s': there is no such type", name, option);
        return wt_hint(err, "choose from F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0 and IQ4_NL");
    }
    *type = (wt_type)found;
    return 0;
}

/* The engine's options by the command line's; the context is not known yet. */
static int read_options(work *w, wt_error *err) {
    const settings *s = w->options;
    w->engine.precision = s->bf16 ? WT_PRECISION_BF16 : WT_PRECISION_F32;
    if (strcasecmp(s->activations, "q8") == 0) {
        w->engine.activations = WT_ACTIVATIONS_Q8;
    } else if (strcasecmp(s->activations, "f32") != 0) {
        wt_usage(err, "wrong value '%s' of option '--activations': neither f32 nor q8", s->activations);
        return wt_hint(err, "q8 rounds as llama.cpp's CPU kernels do");
    }
    if (read_cache_type("--cache-k", s->cache_k, &w->engine.cache_k, err) != 0) return -1;
    return read_cache_type("--cache-v", s->cache_v, &w->engine.cache_v, err);
}

static int open_models(work *w, wt_error *err) {
    const settings *s = w->options;
    if (wt_session_open(&w->candidate, s->model, err) != 0) return -1;
    if (s->reference) {
        if (wt_session_open(&w->reference, s->reference, err) != 0) return -1;
        if (wt_tokenizer_same(w->candidate.tokenizer, w->reference.tokenizer, err) != 0) {
            wt_error_prefix(err, "cannot compare '%s' with its reference '%s'", w->candidate.name, w->reference.name);
            if (!err->hint[0]) wt_hint(err, "a candidate and its reference must have the same vocabulary");
            return -1;
        }
    }
    size_t context = choose_context(w);
    w->result.context = context;
    wt_threads_set((int)s->threads);
    w->engine.context = context;
    if (wt_session_start_as(&w->candidate, &w->engine, err) != 0) return -1;
    wt_engine_options exact_cache = w->engine;
    exact_cache.cache_k = exact_cache.cache_v = WT_F32;
    return s->reference ? wt_session_start_as(&w->reference, &exact_cache, err) : 0;
}

static int cut_file(work *w, wt_error *err) {
    const settings *s = w->options;
    size_t len;
    wt_interrupt_at_once(true);
    char *text = wt_read_text(s->text, &len, err);
    wt_interrupt_at_once(false);
    if (!text) return -1;
    int rc = wt_chunks_cut(&w->chunks, w->candidate.tokenizer, text, len, w->result.context, s->chunks, err);
    free(text);
    if (rc != 0) return wt_error_prefix(err, "cannot use '%s'", w->result.text);
    if (s->chunks > w->chunks.count)
        wt_note("'%s' has %zu chunks of %zu tokens, fewer than --chunks %llu", w->result.text, w->chunks.count,
                w->result.context, (unsigned long long)s->chunks);
    return 0;
}

/*
 * No text is given: the reference, or the model itself where there is none, writes one. Its engine rounds nothing, so that figures with and
 * without --activations q8 are of the same text.
 */
static int write_text(work *w, wt_error *err) {
    const settings *s = w->options;
    const wt_session *author = s->reference ? &w->reference : &w->candidate;
    const size_t count = s->chunks ? s->chunks : SELF_CHUNKS, context = w->result.context;
    wt_note("no --text: '%s' writes its own, %zu chunk%s of %zu tokens", author->name, count, count == 1 ? "" : "s",
            context);
    int32_t *tokens = wt_text_write(author, s->bf16, count, context, s->seed, err);
    if (!tokens) return -1;
    w->result.author = author->name;
    w->result.seed = s->seed;
    return wt_chunks_from_tokens(&w->chunks, tokens, context, count, err);
}

static int measure_text(work *w, wt_error *err) {
    w->result.chunks_wanted = w->chunks.count;
    int rc = wt_measure(w->candidate.engine, w->reference.engine, NULL, &w->chunks, w->options->batch,
                        &w->result.divergence, wt_progress_terminal(), err);
    w->result.has_text = w->result.divergence.chunks > 0; /* stopped, it tells of the chunks that were done */
    return rc;
}

static int answer_tasks(work *w, wt_error *err) {
    size_t n = w->tasks.count, batch = w->options->batch ? w->options->batch : TASK_BATCH;
    int *ours = wt_calloc(n, sizeof *ours, err), *theirs = ours ? wt_calloc(n, sizeof *theirs, err) : NULL;
    int rc = -1;
    if (!theirs) goto done;
    if (wt_tasks_answer(w->candidate.engine, w->candidate.tokenizer, &w->tasks, batch, ours,
                        w->reference.engine ? "tasks, candidate" : "tasks", wt_progress_terminal(), err) != 0)
        goto done;
    wt_tasks_score(&w->tasks, ours, &w->result.answers);
    if (w->reference.engine) {
        if (wt_tasks_answer(w->reference.engine, w->reference.tokenizer, &w->tasks, batch, theirs, "tasks, reference",
                            wt_progress_terminal(), err) != 0)
            goto done;
        wt_tasks_score(&w->tasks, theirs, &w->result.reference_answers);
        size_t flips = 0;
        for (size_t i = 0; i < n; i++) flips += ours[i] != theirs[i];
        w->result.flips = n ? (double)flips / (double)n : NAN;
    }
    w->result.has_tasks = true;
    rc = 0;
done:
    free(ours);
    free(theirs);
    return rc;
}

static void describe(work *w) {
    wt_eval *r = &w->result;
    r->candidate = w->candidate.name;
    r->reference = w->options->reference ? w->reference.name : NULL;
    r->text = w->options->text && strcmp(w->options->text, "-") == 0 ? "standard input" : w->options->text;
    r->tasks = w->options->tasks;
    r->activations = w->engine.activations;
    r->cache_k = w->engine.cache_k;
    r->cache_v = w->engine.cache_v;
    r->flips = NAN;
    r->bytes = wt_gguf_file_bytes(w->candidate.gguf);
    for (size_t i = 0; i < wt_gguf_tensor_count(w->candidate.gguf); i++) {
        const wt_tensor *t = wt_gguf_tensor(w->candidate.gguf, i);
        r->parameters += t->dims[0] * t->rows;
        r->tensor_bytes += t->bytes;
    }
}

static int evaluate(work *w, wt_error *err) {
    const settings *s = w->options;
    bool text = s->text || !s->tasks; /* tasks alone need no text */
    if (open_models(w, err) != 0) return -1;
    describe(w);
    wt_interrupt_at_once(true);
    if (s->tasks && wt_tasks_read(&w->tasks, s->tasks, err) != 0) return -1;
    wt_interrupt_at_once(false);
    if (text && (s->text ? cut_file(w, err) : write_text(w, err)) != 0) return -1;
    if (text && measure_text(w, err) != 0) return -1;
    return s->tasks ? answer_tasks(w, err) : 0;
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    double start = wt_clock();
    if (read_options(&w, err) != 0) return WT_EXIT_USAGE;
    wt_interrupt_watch();
    int rc = evaluate(&w, err);
    wt_progress_clear();
    w.result.seconds = wt_clock() - start;
    w.result.stopped = rc != 0 && err->code == WT_ERR_INTERRUPTED;
    if (rc == 0 || (w.result.stopped && (w.result.has_text || w.result.has_tasks))) {
        if (!w.options->json)
            wt_eval_print(&w.result);
        else if (wt_eval_print_json(&w.result, rc == 0 ? err : NULL) != 0)
            rc = -1;
    }
    if (rc == 0 && isatty(STDERR_FILENO) == 1) fprintf(stderr, "\n%.1f seconds\n", w.result.seconds);
    wt_chunks_release(&w.chunks);
    wt_tasks_release(&w.tasks);
    wt_session_close(&w.candidate);
    wt_session_close(&w.reference);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model),
     "The GGUF file to measure, the candidate; 'seedling', the model that is built in, where left out."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "text",
     .letter = 'f',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(text),
     .help =
         "The text to predict; '-' is standard input. Without --text and --tasks the reference (or the model, where "
         "there is none) writes one."},
    {.name = "reference",
     .letter = 'r',
     .kind = WT_OPTION_TEXT,
     .value = "MODEL",
     SETTING(reference),
     .help = "The model to compare with, as a rule the original in F16 or F32. Same vocabulary."},
    {.name = "tasks",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(tasks),
     .help =
         "Multiple-choice tasks in HellaSwag's text format: six lines a task, the context, the number (0 to 3) of the "
         "right ending, four endings. The ending with the highest mean log-probability per token is the answer."},
    {.name = "context",
     .letter = 'c',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(context),
     .min = 4,
     .max = 1 << 24,
     .help =
         "Tokens per chunk, of which the second half is scored. Default: 512, or the training context where that is "
         "shorter. Figures at different contexts cannot be compared."},
    {.name = "chunks",
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(chunks),
     .min = 1,
     .max = 1000000000,
     .help = "Uses the first N chunks of the text only. Default: all, or 16 of a self-written text."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads to use. Default: one per processor. The figures do not depend on it."},
    {.name = "batch",
     .letter = 'b',
     .kind = WT_OPTION_COUNT,
     .value = "TOKENS",
     SETTING(batch),
     .min = 1,
     .max = 1 << 24,
     .help = "About how many tokens go through the model together: more take more memory. The figures do not depend on "
             "it."},
    {.name = "seed",
     .letter = 's',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(seed),
     .max = 9007199254740992.0,
     .help = "Seed of a self-written text. Default: 1."},
    {.name = "activations",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(activations),
     .help = "f32 (the default): the figures of the file itself. q8: those that llama.cpp gives on a CPU, which rounds the "
             "inputs of quantized matrices to blocks of 8 bits, and those of 16-bit matrices to 16 bits. For the "
             "reference too."},
    {.name = "cache-k",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(cache_k),
     .help = "Rounds the candidate's keys as llama.cpp's cache of that type does (its -ctk): F32 (the default), F16, BF16, "
             "Q8_0, Q5_1, Q5_0, Q4_1, Q4_0 or IQ4_NL. The reference keeps F32."},
    {.name = "cache-v",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(cache_v),
     .help = "The same for values (-ctv)."},
    {.name = "bf16",
     .kind = WT_OPTION_FLAG,
     SETTING(bf16),
     .help = "Computes products in bf16 where the processor has them: faster, less exact."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype eval", "Measures the model that is built in on a text that it writes itself."},
    {"wildtype eval model.gguf --text novel.txt", "Perplexity on a text."},
    {"wildtype eval model-Q4_K_M.gguf --reference model-F16.gguf --text novel.txt",
     "How far quantization has moved the model: divergence, same top token, perplexity of both."},
    {"wildtype eval model-Q4_K_M.gguf --reference model-F16.gguf --tasks hellaswag.txt",
     "Accuracy on tasks, and how many answers flipped."},
    {0},
};

static const settings DEFAULTS = {.seed = 1, .activations = "f32", .cache_k = "F32", .cache_v = "F32"};

const wt_command WT_COMMAND_EVAL = {
    .name = "eval",
    .summary = "measure perplexity, or divergence from a reference",
    .synopsis = "[MODEL] [--text FILE] [OPTION]...\n"
                "CANDIDATE --reference MODEL [--text FILE] [OPTION]...",
    .description =
        "Measures how well a model predicts a text (perplexity), and with a reference how far the candidate's "
        "predictions "
        "have diverged from it: the mean KL divergence and its tail, the share of positions where both find the same "
        "token "
        "most probable, the change of the true token's probability, and the perplexity of both.\n"
        "\n"
        "The protocol is llama-perplexity's, so that both give the same figures on the same file. The divergence is "
        "exact "
        "over the whole vocabulary, so a model against itself reads 0.\n"
        "\n"
        "The standard error over chunks is the honest one, because neighbouring tokens are not independent. A text "
        "that "
        "the model wrote itself is good for comparing a candidate with its reference; its perplexity says nothing "
        "about "
        "other texts.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
