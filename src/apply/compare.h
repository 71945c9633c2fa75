/* How far the weights of one file are from another's, tensor by tensor, with or without the importance of their columns. */
#ifndef WT_APPLY_COMPARE_H
#define WT_APPLY_COMPARE_H

#include "engine/statistics.h"

/* Sums over the weights a of one tensor and b of the other; in double, and in an order that does not depend on threads. */
typedef struct wt_difference {
    double signal, error;                   /* a^2, (a - b)^2 */
    double weighted_signal, weighted_error; /* the same times the mean square activation of the column; 0 without */
    double largest;                         /* the largest |a - b| */
    uint64_t weights, skipped;              /* pairs, and those of them that are not finite: they are left out */
    bool weighted;
} wt_difference;

/*
 * Compares tensors of the same shape, streamed from their files; `statistics` (of the first one's model) may be NULL. Fails where
 * this build cannot decode a type, or memory is out.
 */
int wt_compare_tensors(const wt_gguf *a_file, const wt_tensor *a, const wt_gguf *b_file, const wt_tensor *b,
                       const wt_statistics *statistics, wt_difference *difference, wt_error *err);

/* Adds `more` to `sum`. */
void wt_difference_add(wt_difference *sum, const wt_difference *more);

/* error / signal: 0 for equal tensors, NaN where only the signal is 0. */
double wt_relative_error(double error, double signal);

/* The signal-to-noise ratio in dB: infinite for equal tensors. */
double wt_signal_to_noise(double error, double signal);

#endif
