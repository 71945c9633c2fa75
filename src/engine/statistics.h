/*
 * Statistics of the activations that enter each matrix of a model, per input column: what calibration measures and
 * importance is made of. Files: llama.cpp's imatrix GGUF (NAME.in_sum2, NAME.counts, imatrix.*) and ours, which is the same with
 * NAME.in_max and NAME.in_sum4 beside them; the older .dat is read.
 */
#ifndef WT_ENGINE_STATISTICS_H
#define WT_ENGINE_STATISTICS_H

#include "engine/chunks.h"
#include "engine/forward.h"

typedef struct wt_column_stats {
    const char *tensor; /* "blk.0.attn_q.weight"; owned by the statistics */
    size_t columns;
    double count;       /* rows (tokens) that were summed */
    float *mean_square; /* [columns]; finite and >= 0: files with others are refused */
    float *max;         /* [columns] largest magnitude, NULL where the file has none */
    float *mean_fourth; /* [columns] mean of the fourth power, NULL where the file has none */
} wt_column_stats;

typedef struct wt_statistics wt_statistics;

/* Reads an imatrix GGUF, one of ours, or an old .dat (told apart by content). Errors name file, tensor and cause. */
wt_statistics *wt_statistics_read(const char *path, wt_error *err);
void wt_statistics_free(wt_statistics *statistics);

size_t wt_statistics_count(const wt_statistics *statistics);
const wt_column_stats *wt_statistics_at(const wt_statistics *statistics, size_t i);
const wt_column_stats *wt_statistics_find(const wt_statistics *statistics, const char *tensor); /* NULL where absent */

const char *wt_statistics_path(const wt_statistics *statistics);    /* the file it was read from; "" for measured ones */
const char *wt_statistics_dataset(const wt_statistics *statistics); /* as llama-quantize writes it; "" where unknown */
uint32_t wt_statistics_chunks(const wt_statistics *statistics);     /* 0 where unknown */

/*
 * Whether the statistics can belong to the model's file: every entry names one of its matrices with as many columns. Fails
 * with the first that does not.
 */
int wt_statistics_check(const wt_statistics *statistics, const wt_gguf *gguf, wt_error *err);

/* Measures: runs the model over the chunks (every position counts). Opens an engine of its own on the model. */
wt_statistics *wt_statistics_measure(const wt_model *model, const wt_chunks *chunks, const char *dataset,
                                     const wt_progress *progress, wt_error *err);

/* Writes the GGUF that llama-quantize --imatrix reads. */
int wt_statistics_write(const wt_statistics *statistics, const char *path, wt_error *err);

#endif
