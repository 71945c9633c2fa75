/*
 * A candidate: the model with a plan applied to it, in memory. Its weights are what the exported file holds, byte for byte, so that
 * measuring one is measuring the other.
 */
#ifndef WT_APPLY_CANDIDATE_H
#define WT_APPLY_CANDIDATE_H

#include "apply/plan.h"

typedef struct wt_candidate wt_candidate;

/* Encodes what the plan asks for, through the workbench's cache. The plan must outlive the candidate. Progress is in "weights". */
wt_candidate *wt_candidate_new(wt_workbench *bench, const wt_plan *plan, const wt_progress *progress, wt_error *err);
void wt_candidate_free(wt_candidate *c);

/* The model, for an engine; it lives as long as the candidate. */
const wt_model *wt_candidate_model(const wt_candidate *c);
/* A hash of what the blocks before block k make of a text (embedding and layers 0..k-1): candidates that agree in it share states. */
wt_hash wt_candidate_prefix(const wt_candidate *c, uint32_t k);

/*
 * Seconds that encoding its tensors takes: of each what it took when it was encoded, here or for another candidate. A factor of error
 * feedback counts for the tensor that needed it first.
 */
double wt_candidate_seconds(const wt_candidate *c);

/*
 * Writes the GGUF: metadata of the source with general.file_type, general.quantization_version and quantize.imatrix.* as llama-quantize
 * sets them, and wildtype.strategy (the text), wildtype.strategy_name, wildtype.version. Its size is the plan's file_bytes. Refuses a
 * path that is (a part of) the source.
 */
int wt_candidate_write(const wt_candidate *c, const char *path, wt_error *err);

/* A writer that knows metadata and tensors of the plan, but no data; `path` NULL: for counting. */
wt_gguf_writer *wt_plan_announce(const wt_gguf *source, const wt_plan *plan, const wt_statistics *statistics,
                                 const char *path, wt_error *err);

#endif
