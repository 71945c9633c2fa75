/*
 * A model's file rewritten with other block types: tensor after tensor, each in parallel pieces of rows, so that memory does
 * not grow with the model. The output appears whole or not at all.
 */
#ifndef WT_APPLY_QUANTIZE_H
#define WT_APPLY_QUANTIZE_H

#include "engine/statistics.h"
#include "quant/encode.h"

/* What becomes of one tensor: its type, and how it is encoded. */
typedef struct wt_assignment {
    wt_type type;            /* the file's own type: copied byte for byte */
    wt_type wanted;          /* what was asked for; differs from `type` where the rows do not fit it */
    bool needs_importance;   /* too few bits to encode without statistics of this tensor */
    const wt_search *search; /* how to encode; NULL: the type's default; ignored for a copy */
} wt_assignment;

/* What becomes of a file. */
typedef struct wt_quantization {
    const wt_assignment *assignments; /* [tensors of the file], in its order */
    const wt_statistics *statistics;  /* importance; NULL: none */
    uint32_t file_type;               /* general.file_type, llama.cpp's number */
} wt_quantization;

/* What a quantization amounts to, known before any weight is read. Free with wt_quantization_review_release. */
typedef struct wt_quantization_review {
    size_t tensors, encoded;             /* the others are copied */
    uint64_t weights;                    /* of all tensors */
    uint64_t bytes_before, bytes_after;  /* of the tensors' data, padding excluded */
    uint64_t file_bytes;                 /* of the finished file */
    const wt_tensor *needy;              /* the first that cannot be encoded for want of importance; NULL: none */
    wt_type needy_type;                  /* what it was to become */
    const wt_tensor *unwritten;          /* the first whose type this build cannot encode; NULL: none */
    wt_type unwritten_type;
    const wt_tensor **missing;           /* [missing_count] encoded with fewer bits, but not in the statistics */
    size_t missing_count;
    uint64_t zeros, columns;             /* importance entries that are used, and those of them that are 0 */
} wt_quantization_review;

/*
 * Adds it up. Fails where a type cannot be decoded by this build, where rows do not fit, where the statistics are of
 * another model; `needy` and `unwritten` are no failures here.
 */
int wt_quantize_review(const wt_gguf *source, const wt_quantization *plan, wt_quantization_review *review, wt_error *err);
void wt_quantization_review_release(wt_quantization_review *review);

/*
 * Writes `source` to `path` as `plan` says, after a review that has nothing needy. Sets general.file_type,
 * general.quantization_version and, where there are statistics, quantize.imatrix.* as llama-quantize does; all other metadata
 * is copied byte for byte. A split source becomes one file. Refuses a path that is (a part of) the source. Zeros in the
 * importance count as a millionth of the tensor's mean. Progress is in "weights".
 */
int wt_quantize(const wt_gguf *source, const wt_quantization *plan, const char *path, const wt_progress *progress,
                wt_error *err);

#endif
