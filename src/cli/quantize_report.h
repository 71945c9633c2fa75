/* What `quantize` prints: what became of the tensors, as text for people or JSON for programs. */
#ifndef WT_CLI_QUANTIZE_REPORT_H
#define WT_CLI_QUANTIZE_REPORT_H

#include "apply/presets.h"

/* A quantization, done or only planned. */
typedef struct wt_quantize_outcome {
    const char *model, *output; /* as given; output NULL: a dry run that names none */
    const char *preset;         /* its name, or the type's of a pure file */
    const char *importance;     /* the statistics' file, NULL: none */
    const wt_gguf *gguf;        /* the source */
    const wt_assignment *assignments;
    uint32_t file_type;
    const wt_quantization_review *review;
    size_t fallbacks;
    bool planned; /* a dry run: nothing was written */
    double seconds;
} wt_quantize_outcome;

/* The summary; of a dry run every tensor before it. */
int wt_quantize_print(const wt_quantize_outcome *outcome, wt_error *err);
int wt_quantize_print_json(const wt_quantize_outcome *outcome, wt_error *err);

#endif
