/* `quantize --strategy` and `strategy check`: a strategy applied to a model, or only planned. */
#ifndef WT_CLI_QUANTIZE_STRATEGY_H
#define WT_CLI_QUANTIZE_STRATEGY_H

#include <stdbool.h>

#include "cli/studio.h"

typedef struct wt_strategy_job {
    const char *strategy;       /* the file */
    const char *size;           /* as people write it; NULL: none */
    double bpw;                 /* bits per weight of the matrices' and all else's bytes; 0: none */
    const char *output;         /* NULL: plan only */
    wt_studio_request studio;
    bool ignore_missing_pins, allow_requantize, json;
    bool every_law;             /* all laws that are broken are printed, as data, not the first alone as an error */
    uint64_t threads;
} wt_strategy_job;

/* Does it and prints the plan; an exit status. */
int wt_strategy_job_run(const wt_strategy_job *job, wt_error *err);

#endif
