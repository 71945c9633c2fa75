/*
 * `wildtype quantize`: a model's file with smaller blocks, by one of llama.cpp's presets or one type for everything. All that can
 * be wrong is found before the first weight is read, and nothing stands under the output's name before it is whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/quantize_report.h"
#include "cli/quantize_strategy.h"
#include "cli/report.h"
#include "cli/source.h"

typedef struct settings {
    const char *model, *type, *pure, *output, *imatrix, *output_type, *embedding_type;
    const char *strategy, *size, *text, *gram; /* of --strategy */
    double bpw;
    wt_text_list rules;
    uint64_t threads, context, chunks, seed;
    bool requantize, dry_run, json, ignore_missing_pins;
} settings;

/* Everything that one run holds. */
typedef struct work {
    const settings *options;
    wt_gguf *gguf;
    wt_statistics *statistics;
    wt_preset_request request;
    wt_type_rule rules[WT_MOST_VALUES];
    char *patterns[WT_MOST_VALUES]; /* the rules' own copies */
    bool decided[WT_MOST_VALUES];   /* of the rules: about some matrix */
    wt_assignment *assignments;
    wt_quantization_review review;
    wt_file_type file_type;
    const char *name; /* of the preset or the pure type */
    size_t fallbacks;
} work;

/* ---- what was asked for ---- */

static int unknown_type(const char *option, const char *word, wt_error *err) {
    const char *names[WT_TYPE_LIMIT + 1];
    size_t n = 0;
    for (uint32_t t = 0; t < WT_TYPE_LIMIT; t++) {
        if (wt_encoder_of((wt_type)t)->exists) names[n++] = wt_type_find(t)->name;
    }
    names[n] = NULL;
    char upper[64];
    snprintf(upper, sizeof upper, "%s", word);
    for (char *c = upper; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    const char *near = wt_nearest(upper, names);
    wt_usage(err, "unknown type '%s' of option '%s'", word, option);
    if (near)
        wt_hint(err, "did you mean '%s'? 'wildtype quantize --help' lists the types", near);
    else
        wt_hint(err, "'wildtype quantize --help' lists the types");
    return WT_EXIT_USAGE;
}

/* A type of tensors by name, as stored in *type. */
static int read_type(const char *option, const char *word, int *type, wt_error *err) {
    *type = wt_type_by_name(word);
    return *type >= 0 && wt_encoder_of((wt_type)*type)->exists ? 0 : unknown_type(option, word, err);
}

static int read_preset(work *w, wt_error *err) {
    const char *names[64], *word = w->options->type;
    char upper[64];
    size_t count, n = 0;
    const wt_preset *presets = wt_presets(&count);
    w->request.preset = wt_preset_find(word);
    if (w->request.preset) {
        w->file_type = w->request.preset->file_type;
        w->name = w->request.preset->name;
        return 0;
    }
    wt_usage(err, "unknown type '%s' of option '--type'", word);
    const int type = wt_type_by_name(word);
    if (type >= 0 && wt_encoder_of((wt_type)type)->exists) {
        wt_hint(err, "there is no preset of that name; '--pure %s' makes every matrix %s", word,
                wt_type_find((uint32_t)type)->name);
        return WT_EXIT_USAGE;
    }
    for (size_t i = 0; i < count && n < 63; i++) names[n++] = presets[i].name;
    names[n] = NULL;
    snprintf(upper, sizeof upper, "%s", word);
    for (char *c = upper; *c; c++) *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    const char *near = wt_nearest(upper, names);
    if (near)
        wt_hint(err, "did you mean '%s'? 'wildtype quantize --help' lists the presets", near);
    else
        wt_hint(err, "'wildtype quantize --help' lists the presets");
    return WT_EXIT_USAGE;
}

/* --pure: a type; or a preset, whose type is meant. */
static int read_pure(work *w, wt_error *err) {
    const char *word = w->options->pure;
    const wt_preset *preset = wt_preset_find(word);
    int type = wt_type_by_name(word);
    if (type < 0 && preset) type = (int)preset->type;
    if (type < 0 || !wt_encoder_of((wt_type)type)->exists) return unknown_type("--pure", word, err);
    w->request.preset = NULL;
    w->request.pure_type = (wt_type)type;
    if (w->name) return 0; /* --type says what the file is called */
    w->name = wt_type_find((uint32_t)type)->name;
    if (!wt_file_type_of((wt_type)type, &w->file_type)) return unknown_type("--pure", word, err);
    return 0;
}

static int read_rule(work *w, const char *text, wt_error *err) {
    const char *equals = strrchr(text, '=');
    int type;
    if (!equals || equals == text || !equals[1]) {
        wt_usage(err, "wrong value '%s' of option '--tensor-type': not a pattern, '=' and a type", text);
        wt_hint(err, "for example --tensor-type ffn_down=Q6_K");
        return WT_EXIT_USAGE;
    }
    if (read_type("--tensor-type", equals + 1, &type, err) != 0) return WT_EXIT_USAGE;
    const size_t i = w->request.rule_count;
    if (!(w->patterns[i] = strndup(text, (size_t)(equals - text)))) {
        wt_fail_memory(err, strlen(text));
        return WT_EXIT_FAILED;
    }
    w->rules[i] = (wt_type_rule){w->patterns[i], (wt_type)type};
    w->request.rule_count++;
    return 0;
}

/* The command line as a request; 0 or an exit status. */
static int read_request(work *w, wt_error *err) {
    const settings *s = w->options;
    int status = 0;
    w->request = (wt_preset_request){
        .output_type = -1, .embedding_type = -1, .rules = w->rules, .decided = w->decided,
        .allow_requantize = s->requantize};
    if (!s->type && !s->pure) {
        wt_usage(err, "no type is given: --type PRESET or --pure TYPE");
        wt_hint(err, "for example --type Q4_K_M; 'wildtype quantize --help' lists them");
        return WT_EXIT_USAGE;
    }
    if (!s->output && !s->dry_run) {
        wt_usage(err, "no output is given: -o FILE");
        wt_hint(err, "--dry-run shows what would become of the model and writes nothing");
        return WT_EXIT_USAGE;
    }
    if (s->type && (status = read_preset(w, err)) != 0) return status;
    if (s->pure && (status = read_pure(w, err)) != 0) return status;
    if (s->output_type &&
        (status = read_type("--output-tensor-type", s->output_type, &w->request.output_type, err)) != 0)
        return status;
    if (s->embedding_type &&
        (status = read_type("--token-embedding-type", s->embedding_type, &w->request.embedding_type, err)) != 0)
        return status;
    for (size_t i = 0; status == 0 && i < s->rules.count; i++) status = read_rule(w, s->rules.items[i], err);
    return status;
}

/* ---- remarks ---- */

/* One note for everything that the statistics do not tell: a mistake as a rule, so the names are listed. */
static void note_missing(const wt_quantization_review *r) {
    char names[700] = "";
    size_t used = 0, shown = 0;
    for (; shown < r->missing_count && used < sizeof names - 128; shown++)
        used +=
            (size_t)snprintf(names + used, sizeof names - used, "%s%.100s", shown ? ", " : "", r->missing[shown]->name);
    if (shown < r->missing_count)
        snprintf(names + used, sizeof names - used, " and %zu more", r->missing_count - shown);
    if (r->missing_count)
        wt_note("%zu tensor%s without importance, encoded as if there were no statistics: %s", r->missing_count,
                r->missing_count == 1 ? "" : "s", names);
}

static void note(const work *w) {
    const wt_quantization_review *r = &w->review;
    note_missing(r);
    if (r->zeros)
        wt_note("%llu of %llu columns have importance 0; they count as a millionth of their tensor's mean",
                (unsigned long long)r->zeros, (unsigned long long)r->columns);
    for (size_t i = 0; i < w->request.rule_count; i++) {
        if (!w->decided[i])
            wt_note("--tensor-type '%.200s' decides nothing: no matrix's name matches, or others come first",
                    w->patterns[i]);
    }
    if (r->encoded == 0) wt_note("no tensor changes its type: the weights are copied");
    if (w->fallbacks)
        wt_note("the rows of %zu tensor%s do not fit the type; %s a type of smaller blocks", w->fallbacks,
                w->fallbacks == 1 ? "" : "s", w->fallbacks == 1 ? "it gets" : "they get");
    if (r->needy && w->options->dry_run)
        wt_note("quantizing will need importance statistics, for '%s' and others: see 'wildtype calibrate'",
                r->needy->name);
}

/* ---- the work ---- */

/* Statistics must not be overwritten by what they were made for. */
static int refuse_output(const work *w, wt_error *err) {
    const settings *s = w->options;
    struct stat a, b;
    if (!s->imatrix || !s->output || stat(s->output, &a) != 0 || stat(s->imatrix, &b) != 0) return 0;
    if (a.st_dev != b.st_dev || a.st_ino != b.st_ino) return 0;
    wt_fail(err, WT_ERR_ARGUMENT, "cannot write '%s': it is the file with the importance", s->output);
    return wt_hint(err, "give the quantized model a name of its own");
}

/* An imatrix is a GGUF file too, and has nothing to quantize. */
static int refuse_no_model(const work *w, wt_error *err) {
    if (wt_gguf_find_kv(w->gguf, "general.architecture")) return 0;
    wt_fail(err, WT_ERR_FORMAT, "cannot quantize '%s': key 'general.architecture' is missing",
            wt_source_name(w->options->model));
    return wt_hint(err, "the file holds no model");
}

static int plan(work *w, wt_quantization *q, wt_error *err) {
    const settings *s = w->options;
    if (!(w->gguf = wt_source_open(s->model, err)) || refuse_no_model(w, err) != 0) return -1;
    if (s->imatrix && !(w->statistics = wt_statistics_read(s->imatrix, err))) return -1;
    if (refuse_output(w, err) != 0) return -1;
    w->request.has_importance = w->statistics != NULL;
    if (!(w->assignments = wt_calloc(wt_gguf_tensor_count(w->gguf), sizeof *w->assignments, err))) return -1;
    if (wt_preset_assign(w->gguf, &w->request, w->assignments, &w->fallbacks, err) != 0) return -1;
    *q = (wt_quantization){w->assignments, w->statistics, w->file_type};
    return wt_quantize_review(w->gguf, q, &w->review, err);
}

static int quantize(work *w, wt_error *err) {
    const settings *s = w->options;
    const double start = wt_clock();
    wt_quantization q;
    wt_threads_set((int)s->threads);
    if (plan(w, &q, err) != 0) return -1;
    note(w);
    if (!s->dry_run && wt_quantize(w->gguf, &q, s->output, wt_progress_terminal(), err) != 0) return -1;
    wt_progress_clear();
    const wt_quantize_outcome outcome = {.model = wt_source_name(s->model),
                                         .output = s->output,
                                         .preset = w->name,
                                         .importance = s->imatrix,
                                         .gguf = w->gguf,
                                         .assignments = w->assignments,
                                         .file_type = w->file_type,
                                         .review = &w->review,
                                         .fallbacks = w->fallbacks,
                                         .planned = s->dry_run,
                                         .seconds = wt_clock() - start};
    const int rc = s->json ? wt_quantize_print_json(&outcome, err) : wt_quantize_print(&outcome, err);
    if (rc == 0 && !s->dry_run && isatty(STDERR_FILENO) == 1) {
        char rate[32];
        fprintf(stderr, "\n%.1f seconds, %s weights/s\n", outcome.seconds,
                wt_format_count(rate, (uint64_t)((double)w->review.weights / outcome.seconds)));
    }
    return rc;
}

/* What belongs to presets alone, and to strategies alone. */
static int refuse_mixture(const settings *s, wt_error *err) {
    const char *preset = s->type                ? "--type"
                         : s->pure              ? "--pure"
                         : s->output_type       ? "--output-tensor-type"
                         : s->embedding_type    ? "--token-embedding-type"
                         : s->rules.count       ? "--tensor-type"
                                                : NULL;
    const char *own = s->size                  ? "--size"
                      : s->bpw > 0             ? "--bpw"
                      : s->text                ? "--text"
                      : s->gram                ? "--gram"
                      : s->context             ? "--context"
                      : s->chunks              ? "--chunks"
                      : s->ignore_missing_pins ? "--ignore-missing-pins"
                                               : NULL;
    if (s->strategy && preset) return wt_usage(err, "--strategy and %s do not go together", preset);
    if (!s->strategy && own) return wt_usage(err, "%s goes with --strategy", own);
    if (s->strategy && s->size && s->bpw > 0) return wt_usage(err, "--size and --bpw do not go together");
    if (s->strategy && !s->output && !s->dry_run) {
        wt_usage(err, "no output is given: -o FILE");
        wt_hint(err, "--dry-run shows the plan and writes nothing");
        return WT_EXIT_USAGE;
    }
    return 0;
}

static int run_strategy(const settings *s, wt_error *err) {
    const wt_strategy_job job = {
        .strategy = s->strategy,
        .size = s->size,
        .bpw = s->bpw,
        .output = s->dry_run ? NULL : s->output,
        .studio = {.model = s->model,
                   .text = {s->text, (size_t)s->context, (size_t)s->chunks, s->seed},
                   .imatrix = s->imatrix,
                   .gram = s->gram,
                   .no_text = s->imatrix != NULL},
        .ignore_missing_pins = s->ignore_missing_pins,
        .allow_requantize = s->requantize,
        .json = s->json,
        .threads = s->threads,
    };
    return wt_strategy_job_run(&job, err);
}

static int run(const void *given, wt_error *err) {
    work w = {.options = given};
    wt_interrupt_watch();
    if (refuse_mixture(w.options, err) != 0) return WT_EXIT_USAGE;
    if (w.options->strategy) return run_strategy(w.options, err);
    int status = read_request(&w, err);
    if (status == 0) status = quantize(&w, err) == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
    for (size_t i = 0; i < w.request.rule_count; i++) free(w.patterns[i]);
    wt_quantization_review_release(&w.review);
    free(w.assignments);
    wt_statistics_free(w.statistics);
    wt_gguf_close(w.gguf);
    return status;
}

static const wt_argument ARGUMENTS[] = {
    {"MODEL", offsetof(settings, model),
     "The GGUF file to quantize, as a rule in F16, BF16 or F32, or any part of a split one; 'seedling', the model that is built "
     "in, where left out."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "type",
     .letter = 'q',
     .kind = WT_OPTION_TEXT,
     .value = "PRESET",
     SETTING(type),
     .help =
         "The preset, any case, from small to large: Q1_0, IQ1_S, TQ1_0, IQ1_M, IQ2_XXS, TQ2_0, Q2_0, IQ2_XS, IQ2_S, IQ2_M, "
         "Q2_K_S, Q2_K, IQ3_XXS, IQ3_XS, Q3_K_S, IQ3_S, IQ3_M, Q3_K_M (or Q3_K), Q3_K_L, MXFP4_MOE, IQ4_XS, Q4_0, IQ4_NL, "
         "Q4_K_S, Q4_K_M (or Q4_K), Q4_1, Q5_0, Q5_K_S, Q5_K_M (or Q5_K), Q5_1, Q6_K, Q8_0, F16, BF16, F32. IQ1, IQ2, "
         "IQ3_XXS, IQ3_XS and Q2_K_S need --imatrix."},
    {.name = "output",
     .letter = 'o',
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(output),
     .help = "The file to write. It appears when it is complete; one that is there is replaced then."},
    {.name = "pure",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(pure),
     .help =
         "Makes every matrix of this type, without a preset's mix: Q4_K, IQ3_S, NVFP4, ... With --type beside it, the file "
         "is labelled as that preset."},
    {.name = "imatrix",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(imatrix),
     .help = "Importance of the matrices' columns: a file of 'wildtype calibrate' or llama-imatrix."},
    {.name = "tensor-type",
     .kind = WT_OPTION_LIST,
     .value = "REGEX=TYPE",
     SETTING(rules),
     .help =
         "Gives the tensors whose names the pattern matches somewhere, in any case, this type. May be repeated; the first "
         "that matches decides."},
    {.name = "output-tensor-type",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(output_type),
     .help = "The type of the head, output.weight (of a tied embedding, unless --pure)."},
    {.name = "token-embedding-type",
     .kind = WT_OPTION_TEXT,
     .value = "TYPE",
     SETTING(embedding_type),
     .help = "The type of the embedding, token_embd.weight."},
    {.name = "strategy",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(strategy),
     .help = "A strategy in place of a preset, found on this model or on another: see 'wildtype strategy'. It takes a size, and "
             "a text to measure the model on."},
    WT_STRATEGY_JOB_OPTIONS(settings, "With --strategy"),
    {.name = "seed",
     .letter = 's',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(seed),
     .max = 9007199254740992.0,
     .help = "With --strategy: seed of a self-written text. Default: 1."},
    {.name = "ignore-missing-pins",
     .kind = WT_OPTION_FLAG,
     SETTING(ignore_missing_pins),
     .help = "With --strategy: passes over types that it pins to matrices which the model lacks."},
    {.name = "allow-requantize",
     .kind = WT_OPTION_FLAG,
     SETTING(requantize),
     .help = "Accepts a model that is quantized already. It loses more than quantizing the original does."},
    {.name = "dry-run",
     .letter = 'n',
     .kind = WT_OPTION_FLAG,
     SETTING(dry_run),
     .help = "Writes nothing; shows which type every tensor would get, and the size of the file to the byte."},
    {.name = "threads",
     .letter = 't',
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(threads),
     .min = 1,
     .max = 1024,
     .help = "Threads to use. Default: one per processor. The file does not depend on it."},
    {.name = "json", .kind = WT_OPTION_FLAG, SETTING(json), .help = "Prints JSON; docs/json.md lists the keys."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype quantize model-F16.gguf --type Q4_K_M -o model-Q4_K_M.gguf", "The preset that most people use."},
    {"wildtype quantize model-F16.gguf --type IQ3_XXS --imatrix stats.gguf -o small.gguf",
     "Fewer bits, spent where the model needs them; 'wildtype calibrate' makes stats.gguf."},
    {"wildtype quantize model-F16.gguf --type Q4_K_M --dry-run",
     "Which tensor would get which type, and the file's size."},
    {"wildtype quantize model.gguf --type Q3_K_M --tensor-type ffn_down=Q5_K -o out.gguf",
     "A preset, with other types for some tensors."},
    {"wildtype quantize model.gguf --strategy a.strategy --size 3MiB -f a.txt -o x.gguf",
     "A strategy, at the size that fits; 'wildtype strategy human sensitivity' prints one."},
    {0},
};

static const settings DEFAULTS = {.seed = 1};

const wt_command WT_COMMAND_QUANTIZE = {
    .name = "quantize",
    .summary = "write a model with fewer bits per weight",
    .synopsis = "[MODEL] --type PRESET -o FILE [OPTION]...\n[MODEL] --pure TYPE -o FILE [OPTION]...\n"
                "[MODEL] --type PRESET --dry-run [OPTION]...\n"
                "[MODEL] --strategy FILE --size SIZE -o FILE [OPTION]...",
    .description =
        "Writes a model with smaller weights, in a file that llama.cpp runs. Presets are llama-quantize's: the same tensors "
        "get the same types, with the same smaller blocks where rows do not fit. How a block is encoded is our own: scales are "
        "searched for the least error, weighted by the importance of the columns where that is known.\n"
        "\n"
        "Statistics of the activations (--imatrix) help from 4 bits down and are needed below 3; 'wildtype calibrate' makes them, "
        "and llama-imatrix's files are read too.\n"
        "\n"
        "The model is streamed: memory does not grow with it. Ctrl-C leaves nothing behind.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
