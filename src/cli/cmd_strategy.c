/*
 * `wildtype strategy`: strategies drawn, read, varied and compared, as texts on standard output. One command with
 * verbs: they share their options, and what one prints another reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/humans.h"
#include "apply/scope.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantize_strategy.h"
#include "cli/source.h"
#include "cli/strategy_report.h"

typedef struct settings {
    const char *verb, *first, *second;
    const char *model, *types, *operator;
    const char *size, *text, *imatrix, *gram;
    double bpw;
    uint64_t seed, context, chunks, threads;
    bool pinned, no_importance, ignore_missing_pins, requantize, json;
} settings;

/* What a verb works with: options taken apart, files opened. */
typedef struct work {
    const settings *options;
    wt_gguf *gguf; /* NULL: none is needed */
    wt_scope scope;
    wt_rng rng;
} work;

/* ---- what verbs share ---- */

static int print(const settings *s, const wt_strategy *strategy, wt_error *err) {
    return s->json ? wt_strategy_show_json(strategy, err) : wt_strategy_show_text(strategy, err);
}

/* "Q4_K,Q6_K" or "Q4_K Q6_K", read as the gene is. */
static int read_types(const char *list, uint64_t *types, wt_error *err) {
    wt_strategy s;
    char text[512];
    if ((size_t)snprintf(text, sizeof text, "[%s]", list) >= sizeof text)
        return wt_fail(err, WT_ERR_ARGUMENT, "the list of --types is too long");
    wt_strategy_init(&s);
    if (wt_strategy_set_gene(&s, WT_GENE_ALLOC_TYPES, text, err) != 0)
        return wt_error_prefix(err, "--types '%s'", list);
    *types = s.genes[WT_GENE_ALLOC_TYPES].types;
    return 0;
}

static int find_operator(const char *name, wt_operator *out, wt_error *err) {
    *out = WT_OPERATORS;
    if (!name) return 0;
    const char *names[WT_OPERATORS + 1] = {NULL};
    for (int op = WT_OPERATOR_RULE; op < WT_OPERATORS; op++) {
        names[op - WT_OPERATOR_RULE] = wt_operator_name((wt_operator)op);
        if (strcmp(name, wt_operator_name((wt_operator)op)) == 0) *out = (wt_operator)op;
    }
    if (*out != WT_OPERATORS) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "unknown operator '%.64s'", name);
    const char *near = wt_nearest(name, names);
    return near ? wt_hint(err, "did you mean '%s'?", near) : wt_hint(err, "rule, constant, switch, types or choice");
}

/* The model that was named; where one is needed and none was, the one that is built in. */
static int open_model(work *w, bool needed, wt_error *err) {
    const settings *s = w->options;
    if (!s->model && !needed) return 0;
    if (!(w->gguf = wt_source_open(s->model, err))) return -1;
    return wt_scope_set_model(&w->scope, w->gguf, err);
}

static int open_scope(work *w, wt_error *err) {
    const settings *s = w->options;
    w->scope.all_pinned = s->pinned;
    if (s->types && read_types(s->types, &w->scope.types, err) != 0) return -1;
    return open_model(w, s->pinned, err);
}

/* ---- verbs ---- */

static int run_random(work *w, wt_error *err) {
    wt_strategy s;
    if (open_scope(w, err) != 0 || wt_strategy_random(&s, &w->scope, &w->rng, err) != 0) return -1;
    const int rc = print(w->options, &s, err);
    wt_strategy_release(&s);
    return rc;
}

static int run_show(work *w, wt_error *err) {
    wt_strategy s;
    if (wt_strategy_read(&s, w->options->first, err) != 0) return -1;
    const int rc = w->options->json ? wt_strategy_show_json(&s, err) : wt_strategy_show(&s, err);
    wt_strategy_release(&s);
    return rc;
}

static int run_mutate(work *w, wt_error *err) {
    wt_strategy parent, child;
    wt_operator op, done;
    if (find_operator(w->options->operator, & op, err) != 0 || open_scope(w, err) != 0) return -1;
    if (wt_strategy_read(&parent, w->options->first, err) != 0) return -1;
    int rc = wt_strategy_mutate(&child, &parent, &w->scope, op, &w->rng, &done, err);
    if (rc == 0) {
        rc = print(w->options, &child, err);
        if (done != op) fprintf(stderr, "operator: %s\n", wt_operator_name(done));
        wt_strategy_release(&child);
    }
    wt_strategy_release(&parent);
    return rc;
}

static int run_cross(work *w, wt_error *err) {
    wt_strategy a, b, child;
    if (open_scope(w, err) != 0 || wt_strategy_read(&a, w->options->first, err) != 0) return -1;
    int rc = wt_strategy_read(&b, w->options->second, err);
    if (rc == 0) rc = wt_strategy_cross(&child, &a, &b, &w->scope, &w->rng, err);
    if (rc == 0) {
        rc = print(w->options, &child, err);
        wt_strategy_release(&child);
    }
    wt_strategy_release(&a);
    wt_strategy_release(&b);
    return rc;
}

static int run_diff(work *w, wt_error *err) {
    wt_strategy a, b;
    if (wt_strategy_read(&a, w->options->first, err) != 0) return -1;
    int rc = wt_strategy_read(&b, w->options->second, err);
    if (rc == 0) rc = w->options->json ? wt_strategy_diff_json(&a, &b, err) : wt_strategy_diff(&a, &b, err);
    wt_strategy_release(&a);
    wt_strategy_release(&b);
    return rc;
}

static int list_humans(void) {
    wt_human_info info;
    for (size_t i = 0; wt_human_at(i, &info); i++) printf("%-12s  %s\n", info.name, info.help);
    return 0;
}

static int run_human(work *w, wt_error *err) {
    const settings *o = w->options;
    wt_human_info info;
    wt_strategy s;
    if (!o->first) return list_humans();
    if (open_model(w, wt_human_find(o->first, &info) && info.preset, err) != 0) return -1;
    if (wt_human(&s, o->first, w->gguf, !o->no_importance, err) != 0) return -1;
    const int rc = print(o, &s, err);
    wt_strategy_release(&s);
    return rc;
}

/* The plan, or the laws that there is none for; its own exit status in *status. */
static int run_check(work *w, wt_error *err) {
    const settings *o = w->options;
    const wt_strategy_job job = {
        .strategy = o->first,
        .size = o->size,
        .bpw = o->bpw,
        .studio = {.model = o->model,
                   .text = {o->text, (size_t)o->context, (size_t)o->chunks, o->seed},
                   .imatrix = o->imatrix,
                   .gram = o->gram,
                   .no_text = o->imatrix != NULL},
        .ignore_missing_pins = o->ignore_missing_pins,
        .allow_requantize = o->requantize,
        .json = o->json,
        .every_law = true,
        .threads = o->threads,
    };
    if (o->size && o->bpw > 0) return wt_usage(err, "--size and --bpw do not go together");
    wt_interrupt_watch();
    return wt_strategy_job_run(&job, err);
}

typedef struct verb {
    const char *name, *needs; /* what has to be given, for the message */
    int least, most;          /* arguments */
    int (*run)(work *w, wt_error *err); /* -1, or an exit status */
} verb;

static const verb VERBS[] = {
    {"random", "no arguments", 0, 0, run_random}, {"show", "a FILE", 1, 1, run_show},
    {"mutate", "a FILE", 1, 1, run_mutate},       {"cross", "two FILEs", 2, 2, run_cross},
    {"diff", "two FILEs", 2, 2, run_diff},        {"human", "at most a NAME", 0, 1, run_human},
    {"check", "a FILE", 1, 1, run_check},
};
enum { VERB_COUNT = sizeof VERBS / sizeof *VERBS };

static int unknown_verb(const char *name, wt_error *err) {
    const char *names[VERB_COUNT + 1] = {NULL};
    for (int i = 0; i < VERB_COUNT; i++) names[i] = VERBS[i].name;
    const char *near = name ? wt_nearest(name, names) : NULL;
    if (name)
        wt_usage(err, "unknown verb '%s' of command 'strategy'", name);
    else
        wt_usage(err, "what to do is not said: wildtype strategy VERB");
    if (near)
        wt_hint(err, "did you mean 'wildtype strategy %s'?", near);
    else
        wt_hint(err, "verbs: random, show, mutate, cross, diff, human, check; 'wildtype strategy --help' explains them");
    return WT_EXIT_USAGE;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    const verb *v = NULL;
    for (int i = 0; i < VERB_COUNT && s->verb; i++) {
        if (strcmp(VERBS[i].name, s->verb) == 0) v = &VERBS[i];
    }
    if (!v) return unknown_verb(s->verb, err);
    const int count = (s->first != NULL) + (s->second != NULL);
    if (count < v->least || count > v->most) return wt_usage(err, "'strategy %s' takes %s", v->name, v->needs);
    if (count == 2 && strcmp(s->first, "-") == 0 && strcmp(s->second, "-") == 0)
        return wt_usage(err, "standard input cannot be both strategies");
    work w = {.options = s};
    wt_scope_init(&w.scope);
    wt_rng_init(&w.rng, s->seed, 0, 0);
    const int rc = v->run(&w, err);
    wt_scope_release_model(&w.scope);
    wt_gguf_close(w.gguf);
    return rc < 0 ? WT_EXIT_FAILED : rc;
}

static const wt_argument ARGUMENTS[] = {
    {"VERB", offsetof(settings, verb),
     "random: draws a strategy. show: prints it in canonical form, with its size and what its genes are, as comments. "
     "mutate: changes it in one place. cross: mixes two. diff: compares two gene by gene. human: prints what people "
     "made. check: plans it on a model, and prints the plan, or every law that the strategy breaks there."},
    {"FILE", offsetof(settings, first),
     "A strategy; '-' reads standard input. Of 'human': a preset of llama.cpp (Q4_K_M), 'sensitivity' or "
     "'target-size'; without one, they are listed."},
    {"FILE", offsetof(settings, second), "The second strategy of 'cross' and 'diff'."},
    {0},
};

#define SETTING(name) .offset = offsetof(settings, name)

static const wt_option OPTIONS[] = {
    {.name = "seed",
     .letter = 's',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(seed),
     .max = 9007199254740992.0,
     .help = "The same seed draws the same strategy on any machine. Default: 1."},
    {.name = "model",
     .letter = 'm',
     .kind = WT_OPTION_TEXT,
     .value = "MODEL",
     SETTING(model),
     .help =
         "The model whose tensors may be pinned, or that is planned for: a GGUF file or 'seedling', the one that is built in. "
         "Default: none; seedling with --pinned, for presets and for 'check'."},
    {.name = "pinned",
     .kind = WT_OPTION_FLAG,
     SETTING(pinned),
     .help = "Every tensor of the model has a type of its own. Default: rules decide, and few tensors are pinned."},
    {.name = "types",
     .kind = WT_OPTION_TEXT,
     .value = "LIST",
     SETTING(types),
     .help =
         "The block types that are drawn from, like Q3_K,Q4_K,IQ4_XS. Default: all but F32, F16, BF16 and those that "
         "only the newest runtimes know (Q1_0, Q2_0, NVFP4)."},
    {.name = "operator",
     .kind = WT_OPTION_TEXT,
     .value = "NAME",
     SETTING(operator),
     .help =
         "What 'mutate' changes: rule, constant, switch, types or choice. Default: any; standard error says which."},
    {.name = "no-importance",
     .kind = WT_OPTION_FLAG,
     SETTING(no_importance),
     .help = "Humans as they choose without an importance matrix."},
    WT_STRATEGY_JOB_OPTIONS(settings, "Of 'check'"),
    {.name = "imatrix",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(imatrix),
     .help = "Of 'check': statistics of 'wildtype calibrate' or llama-imatrix instead of measuring them."},
    {.name = "ignore-missing-pins",
     .kind = WT_OPTION_FLAG,
     SETTING(ignore_missing_pins),
     .help = "Of 'check': passes over types that it pins to matrices which the model lacks."},
    {.name = "allow-requantize",
     .kind = WT_OPTION_FLAG,
     SETTING(requantize),
     .help = "Of 'check': accepts a model that is quantized already."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads. Default: all processors. The result does not depend on it."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype strategy random --seed 7", "Draws a strategy of rules, which works on any model."},
    {"wildtype strategy random --seed 7 --model model.gguf --pinned --types Q3_K,Q4_K,Q6_K",
     "Draws a type for every tensor of a model."},
    {"wildtype strategy human Q4_K_M --model model.gguf", "What llama.cpp's preset does, tensor by tensor."},
    {"wildtype strategy mutate a.strategy --seed 2 | wildtype strategy diff a.strategy -",
     "Changes a strategy in one place and shows where."},
    {"wildtype strategy check a.strategy --model model.gguf --size 3.2MiB",
     "Which type every matrix would get, or every reason why not."},
    {0},
};

static const settings DEFAULTS = {.seed = 1};

const wt_command WT_COMMAND_STRATEGY = {
    .name = "strategy",
    .summary = "draw, vary and compare strategies",
    .synopsis = "random [--seed N] [--model MODEL] [--pinned] [--types LIST]\n"
                "show FILE\n"
                "mutate FILE [--seed N] [--model MODEL] [--operator NAME]\n"
                "cross FILE FILE [--seed N]\n"
                "diff FILE FILE\n"
                "human [NAME] [--model MODEL] [--no-importance]\n"
                "check FILE [--model MODEL] [--size SIZE | --bpw BITS] [--text FILE] [--imatrix FILE]",
    .description =
        "A strategy says how a model is quantized: which types its tensors get, what is moved or rotated before, and "
        "how blocks are encoded. It is a text of genes; docs/strategies.md explains the language.\n"
        "\n"
        "Strategies go to standard output in canonical form. The name in the first line is a hash of the rest, so that "
        "equal strategies have equal names.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
