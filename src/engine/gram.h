/*
 * Gram matrices of the inputs of matrices, X^T X over the rows X that calibration saw: what error feedback needs. One per
 * input: matrices that share an input share its Gram matrix.
 *
 * The file is a GGUF with general.type "gram"; gram.dataset, the text's name; gram.tensors, the names of all matrices; and
 * gram.inputs, as long, for each the name its Gram matrix goes by: that of the first matrix that shares the input. Of each such NAME
 * it holds the F32 tensors NAME.in_gram and NAME.counts [1] (rows that were summed). NAME.in_gram has columns*(columns+1)/2
 * values, the upper triangle row by row: row i has the sums of x[i]*x[j] for j = i .. columns-1. The diagonal is
 * NAME.in_sum2 of the statistics, up to the rounding of products in fp32.
 */
#ifndef WT_ENGINE_GRAM_H
#define WT_ENGINE_GRAM_H

#include <stddef.h>

#include "base/error.h"

/* ---- summing ---- */

/* The Gram matrix of rows that come batch by batch: products of a batch in fp32, batches added in double. */
typedef struct wt_gram_sum wt_gram_sum;

wt_gram_sum *wt_gram_sum_new(size_t columns, wt_error *err); /* all zero; 4 * columns² bytes */
void wt_gram_sum_free(wt_gram_sum *sum);
void wt_gram_sum_clear(wt_gram_sum *sum);

/* Adds rows x [rows, columns]. Uses all threads; the result does not depend on their number. */
int wt_gram_sum_add(wt_gram_sum *sum, const float *x, size_t rows, wt_error *err);

/* The sum of x[i]*x[j] so far. */
double wt_gram_sum_at(const wt_gram_sum *sum, size_t i, size_t j);

/* ---- writing: all are announced, then put in the same order ---- */

typedef struct wt_gram_writer wt_gram_writer;

wt_gram_writer *wt_gram_writer_open(const char *path, const char *dataset, wt_error *err);

/* `names` are the matrices that share the input, at least one; the strings must live until the first put. */
int wt_gram_writer_announce(wt_gram_writer *w, const char *const *names, size_t count, size_t columns, wt_error *err);
int wt_gram_writer_put(wt_gram_writer *w, const wt_gram_sum *sum, size_t rows, wt_error *err);
int wt_gram_writer_finish(wt_gram_writer *w, wt_error *err); /* frees the writer, also on failure */
void wt_gram_writer_abandon(wt_gram_writer *w);              /* NULL-safe */

/* ---- reading ---- */

typedef struct wt_gram wt_gram;

/* Opens a file and checks its shape; the matrices are read when asked for. Errors name file, tensor and cause. */
wt_gram *wt_gram_open(const char *path, wt_error *err);
wt_gram *wt_gram_from_memory(const void *data, size_t size, const char *name, wt_error *err); /* must outlive it */
void wt_gram_close(wt_gram *gram);

/* The matrices there are Gram matrices for; NULL past the last. */
const char *wt_gram_tensor(const wt_gram *gram, size_t i);

/* Columns of the input of matrix `tensor`; 0 where the file has none of it. */
size_t wt_gram_columns(const wt_gram *gram, const char *tensor);

/* out [columns, columns] = mean of x[i]*x[j] over the rows, both triangles. Fails where a value is not finite. */
int wt_gram_read(const wt_gram *gram, const char *tensor, double *out, wt_error *err);

#endif
