/*
 * What encoding a model once takes, measured on a few rows before a run begins: of large models it is most of an evaluation. The types are those
 * that a strategy of the given size mixes: of the allowed ones, those of about as many bits.
 */
#ifndef WT_CLI_ENCODING_COST_H
#define WT_CLI_ENCODING_COST_H

#include "apply/study.h"

typedef struct wt_encoding_cost {
    double plain;    /* seconds, with the default genes, planning included and nothing reused */
    double feedback; /* seconds with error feedback, whose scales stay, instead; 0: not asked for */
} wt_encoding_cost;

/*
 * `types`: a bit each; `bytes`: of all matrices together. `feedback`: that is asked for too. Takes about a second of each processor at most, and the same memory for a model of
 * any size. Both are 0 where no allowed type fits any matrix.
 */
int wt_encoding_cost_measure(const wt_gguf *gguf, const wt_hparams *hp, const wt_statistics *statistics, uint64_t types, double bytes,
                             bool feedback, wt_encoding_cost *cost, wt_error *err);

#endif
