/*
 * llama.cpp's presets: which tensor gets which type, tensor for tensor as llama-quantize (the version of the judge) chooses
 * it, with its fallbacks for rows that no block fits. Hand-made rules, kept as the humans that strategies compete with.
 */
#ifndef WT_APPLY_PRESETS_H
#define WT_APPLY_PRESETS_H

#include "apply/quantize.h"
#include "model/gguf.h"

/* Values of general.file_type, llama.cpp's numbers. Gaps are presets that were withdrawn. */
typedef enum wt_file_type {
    WT_FILE_F32 = 0, WT_FILE_F16 = 1, WT_FILE_Q4_0 = 2, WT_FILE_Q4_1 = 3, WT_FILE_Q8_0 = 7, WT_FILE_Q5_0 = 8,
    WT_FILE_Q5_1 = 9, WT_FILE_Q2_K = 10, WT_FILE_Q3_K_S = 11, WT_FILE_Q3_K_M = 12, WT_FILE_Q3_K_L = 13,
    WT_FILE_Q4_K_S = 14, WT_FILE_Q4_K_M = 15, WT_FILE_Q5_K_S = 16, WT_FILE_Q5_K_M = 17, WT_FILE_Q6_K = 18,
    WT_FILE_IQ2_XXS = 19, WT_FILE_IQ2_XS = 20, WT_FILE_Q2_K_S = 21, WT_FILE_IQ3_XS = 22, WT_FILE_IQ3_XXS = 23,
    WT_FILE_IQ1_S = 24, WT_FILE_IQ4_NL = 25, WT_FILE_IQ3_S = 26, WT_FILE_IQ3_M = 27, WT_FILE_IQ2_S = 28,
    WT_FILE_IQ2_M = 29, WT_FILE_IQ4_XS = 30, WT_FILE_IQ1_M = 31, WT_FILE_BF16 = 32, WT_FILE_TQ1_0 = 36,
    WT_FILE_TQ2_0 = 37, WT_FILE_MXFP4_MOE = 38, WT_FILE_NVFP4 = 39, WT_FILE_Q1_0 = 40, WT_FILE_Q2_0 = 41,
    WT_FILE_LIMIT = 42, /* one past the highest number */
} wt_file_type;

typedef struct wt_preset {
    const char *name;       /* "Q4_K_M" */
    wt_file_type file_type;
    wt_type type;           /* of most tensors */
    const char *help;
} wt_preset;

/* All of them, by size; *count how many. Aliases ("Q4_K") are not listed but found by name. */
const wt_preset *wt_presets(size_t *count);
const wt_preset *wt_preset_find(const char *name); /* any case; NULL for an unknown one */

/* The file type that llama.cpp gives a file whose matrices are all of `type`; false where it has none. */
bool wt_file_type_of(wt_type type, wt_file_type *file_type);

/* Whether a tensor is a matrix of weights that quantization may make smaller: by its name, shape and type, as llama-quantize has it. */
bool wt_preset_applies(const wt_tensor *t);

/* What a person asked for beside the preset. */
typedef struct wt_type_rule {
    const char *pattern; /* regular expression, searched in the tensor's name in any case (llama-quantize --tensor-type) */
    wt_type type;
} wt_type_rule;

typedef struct wt_preset_request {
    const wt_preset *preset;       /* NULL: `pure_type` for every matrix */
    wt_type pure_type;
    bool pure;                     /* every matrix gets the preset's type, whatever the mix says */
    int output_type, embedding_type; /* a wt_type, or -1: as the preset says */
    const wt_type_rule *rules;     /* the first that matches decides; for every preset, F16 too */
    size_t rule_count;
    bool *decided;                 /* [rule_count] set to true where a rule decides about a matrix; NULL: not wanted */
    bool has_importance;           /* some mixes are richer without */
    bool allow_requantize;
} wt_preset_request;

/*
 * Fills assignments [tensors of gguf]. *fallbacks counts tensors whose rows did not fit the type that was asked for. Fails on a
 * bad pattern (its place), a row that no block fits, and a quantized source without allow_requantize.
 */
int wt_preset_assign(const wt_gguf *gguf, const wt_preset_request *request, wt_assignment *assignments,
                     size_t *fallbacks, wt_error *err);

#endif
