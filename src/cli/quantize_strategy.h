/* `quantize --strategy` and `strategy check`: a strategy applied to a model, or only planned. */
#ifndef WT_CLI_QUANTIZE_STRATEGY_H
#define WT_CLI_QUANTIZE_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "cli/studio.h"

typedef struct wt_strategy_job {
    const char *strategy; /* the file */
    const char *size;     /* as people write it; NULL: none */
    double bpw;           /* bits per weight of the matrices' and all else's bytes; 0: none */
    const char *output;   /* NULL: plan only */
    wt_studio_request studio;
    bool ignore_missing_pins, allow_requantize, json;
    bool every_law; /* all laws that are broken are printed, as data, not the first alone as an error */
    uint64_t threads;
} wt_strategy_job;

/* Does it and prints the plan; an exit status. */
int wt_strategy_job_run(const wt_strategy_job *job, wt_error *err);

/* The options that both commands have, rows of a table of wt_option; `settings` is the type with their values, `when` a literal. */
#define WT_STRATEGY_JOB_OPTIONS(settings, when)                                                                        \
    {.name = "size",                                                                                                   \
     .kind = WT_OPTION_TEXT,                                                                                           \
     .value = "SIZE",                                                                                                  \
     .offset = offsetof(settings, size),                                                                               \
     .help = when ": what the file may have at most, in bytes or with a unit (3.2MiB, 14GB)."},                        \
        {.name = "bpw",                                                                                                \
         .kind = WT_OPTION_NUMBER,                                                                                     \
         .value = "BITS",                                                                                              \
         .offset = offsetof(settings, bpw),                                                                            \
         .min = 0.1,                                                                                                   \
         .max = 32,                                                                                                    \
         .help = when ", instead of --size: so many bits of the file for each weight."},                               \
        {.name = "text",                                                                                               \
         .letter = 'f',                                                                                                \
         .kind = WT_OPTION_TEXT,                                                                                       \
         .value = "FILE",                                                                                              \
         .offset = offsetof(settings, text),                                                                           \
         .help = when ": the text to measure the model on; '-' is standard input. Without it and --imatrix the model " \
                      "writes its own."},                                                                              \
        {.name = "gram",                                                                                               \
         .kind = WT_OPTION_TEXT,                                                                                       \
         .value = "FILE",                                                                                              \
         .offset = offsetof(settings, gram),                                                                           \
         .help = when ": Gram matrices of 'wildtype calibrate --gram' instead of measuring them."},                    \
        {.name = "context",                                                                                            \
         .letter = 'c',                                                                                                \
         .kind = WT_OPTION_COUNT,                                                                                      \
         .value = "N",                                                                                                 \
         .offset = offsetof(settings, context),                                                                        \
         .min = 4,                                                                                                     \
         .max = 1 << 24,                                                                                               \
         .help = when ": tokens per chunk of the text. Default: 512, or the training context where that is shorter."}, \
    {                                                                                                                  \
        .name = "chunks", .kind = WT_OPTION_COUNT, .value = "N", .offset = offsetof(settings, chunks), .min = 1,       \
        .max = 1000000000,                                                                                             \
        .help = when ": uses the first N chunks of the text only. Default: all, or 32 of a self-written text."         \
    }

#endif
