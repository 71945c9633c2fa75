/*
 * Statistics of the activations that enter each matrix of a model, per input column: what calibration measures and
 * importance is made of.
 *
 * Files are llama.cpp's imatrix GGUF: general.type "imatrix", imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size, and
 * per matrix the F32 tensors NAME.in_sum2 [matrices, columns] (sums of squares) and NAME.counts [matrices, 1] (rows that were
 * summed). Ours have two more of the shape of NAME.in_sum2, which llama.cpp passes over because it looks for its own two
 * endings: NAME.in_max (largest magnitudes) and NAME.in_sum4 (sums of fourth powers, no larger than F32 holds). A
 * tied head stands under the name of the embedding, token_embd.weight. The older .dat is read.
 */
#ifndef WT_ENGINE_STATISTICS_H
#define WT_ENGINE_STATISTICS_H

#include "engine/chunks.h"
#include "engine/forward.h"

typedef struct wt_column_stats {
    const char *tensor; /* "blk.0.attn_q.weight"; owned by the statistics */
    size_t columns;     /* of all matrices together: one matrix after another */
    size_t matrices;    /* that the tensor holds (experts); 1 where the file cannot say (.dat) */
    double count;       /* rows (tokens) that were summed, of the matrix with the most; calls in a .dat */
    float *mean_square; /* [columns] finite and >= 0: files with others are refused; 1 where a matrix saw no row */
    float *max;         /* [columns] largest magnitude, NULL where the file has none */
    float *mean_fourth; /* [columns] mean of the fourth power, NULL where the file has none */
} wt_column_stats;

typedef struct wt_statistics wt_statistics;

/* Reads an imatrix GGUF, one of ours, or an old .dat (told apart by content). Errors name file, tensor and cause. */
wt_statistics *wt_statistics_read(const char *path, wt_error *err);

/* The same from memory, which is not needed afterwards; `name` is used in messages. For tests and fuzzers. */
wt_statistics *wt_statistics_from_memory(const void *data, size_t size, const char *name, wt_error *err);

void wt_statistics_free(wt_statistics *statistics);

/* Entries are sorted by name, and no name stands among them twice. */
size_t wt_statistics_count(const wt_statistics *statistics);
const wt_column_stats *wt_statistics_at(const wt_statistics *statistics, size_t i);
const wt_column_stats *wt_statistics_find(const wt_statistics *statistics, const char *tensor); /* NULL where absent */

const char *wt_statistics_path(const wt_statistics *statistics);    /* the file it was read from; "" for measured ones */
const char *wt_statistics_dataset(const wt_statistics *statistics); /* as llama-quantize writes it; "" where unknown */
uint32_t wt_statistics_chunks(const wt_statistics *statistics);     /* 0 where unknown */
uint32_t wt_statistics_chunk_size(const wt_statistics *statistics); /* tokens of a chunk; 0 where unknown */

/*
 * Whether the statistics can belong to the model's file: every entry names one of its matrices with as many columns. Fails
 * with the first that does not.
 */
int wt_statistics_check(const wt_statistics *statistics, const wt_gguf *gguf, wt_error *err);

typedef struct wt_statistics_options {
    const char *dataset;  /* what the text is called in the file */
    const char *gram;     /* NULL, or the file for the Gram matrices; see gram.h */
    size_t batch_tokens;  /* go through the model together; 0: a sensible default. Column sums do not depend on it */
} wt_statistics_options;

/*
 * Measures: runs the model over the chunks. Every position counts, as with llama-imatrix. Opens an engine of its own on the
 * model. Sums are double and in the order of the text, whatever the number of threads. An input that is not finite fails
 * with the tensor's name.
 */
wt_statistics *wt_statistics_measure(const wt_model *model, const wt_chunks *chunks,
                                     const wt_statistics_options *options, const wt_progress *progress, wt_error *err);

/* Writes the GGUF that llama-quantize --imatrix reads. Reading it back gives the same values to the bit. */
int wt_statistics_write(const wt_statistics *statistics, const char *path, wt_error *err);

#endif
