/*
 * A model's file rewritten with other block types: tensor after tensor, each in parallel pieces, so that memory does not grow
 * with the model. The output appears whole or not at all.
 */
#ifndef WT_APPLY_QUANTIZE_H
#define WT_APPLY_QUANTIZE_H

#include "engine/statistics.h"
#include "quant/encode.h"

/* What becomes of one tensor: its type, and how it is encoded. */
typedef struct wt_assignment {
    wt_type type;     /* the file's own type: copied byte for byte */
    wt_search search; /* how to encode; ignored for a copy */
} wt_assignment;

/* What becomes of a file. */
typedef struct wt_quantization {
    const wt_assignment *assignments;    /* [tensors of the file], in its order */
    const wt_statistics *statistics;     /* importance; NULL: none */
    uint32_t file_type;                  /* general.file_type, llama.cpp's number */
} wt_quantization;

/*
 * Writes `source` to `path` as `plan` says. Sets general.file_type, general.quantization_version and, where there are statistics,
 * quantize.imatrix.* as llama-quantize does; all other metadata is copied byte for byte. A split source becomes one file.
 */
int wt_quantize(const wt_gguf *source, const wt_quantization *plan, const char *path, const wt_progress *progress,
                wt_error *err);

#endif
