/*
 * llama.cpp's presets: which tensor gets which type, tensor for tensor as llama-quantize (the version of the judge) chooses
 * it, with its fallbacks for rows that no block fits. Hand-made rules, kept as the humans that strategies compete with.
 */
#ifndef WT_APPLY_PRESETS_H
#define WT_APPLY_PRESETS_H

#include "apply/quantize.h"
#include "model/model.h"

typedef struct wt_preset {
    const char *name;   /* "Q4_K_M" */
    uint32_t file_type; /* general.file_type, llama.cpp's number */
    wt_type type;       /* of most tensors */
    const char *help;
} wt_preset;

/* All of them, in llama-quantize's order; *count how many. Aliases ("Q4_K") are not listed but found by name. */
const wt_preset *wt_presets(size_t *count);
const wt_preset *wt_preset_find(const char *name); /* any case; NULL for an unknown one */

/* What a person asked for beside the preset. */
typedef struct wt_type_rule {
    const char *pattern; /* regular expression, searched in the tensor's name (as llama-quantize --tensor-type) */
    wt_type type;
} wt_type_rule;

typedef struct wt_preset_request {
    const wt_preset *preset;
    bool pure;                                 /* every matrix gets the preset's type */
    int output_type, embedding_type;           /* a wt_type, or -1: as the preset says */
    const wt_type_rule *rules;
    size_t rule_count;
    bool has_importance;                       /* some mixes are richer without */
    bool allow_requantize;
} wt_preset_request;

/*
 * Fills assignments [tensors of gguf]. *fallbacks counts tensors whose rows did not fit the type that was asked for. Fails on a
 * bad pattern (its place), a row that no block fits, and a quantized source without allow_requantize.
 */
int wt_preset_assign(const wt_gguf *gguf, const wt_preset_request *request, wt_assignment *assignments,
                     size_t *fallbacks, wt_error *err);

#endif
