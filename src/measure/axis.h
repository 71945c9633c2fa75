/*
 * Axes: what a candidate is judged by. Each is a row of the table (axis_table.c), its function a few lines in a file named after what it
 * looks at: another axis is another row. An axis knows neither who is measured nor why.
 */
#ifndef WT_MEASURE_AXIS_H
#define WT_MEASURE_AXIS_H

#include "measure/finals.h"

/* What is known of a candidate when axes are asked. */
typedef struct wt_measured {
    const wt_chunk_score *scores; /* [chunks] */
    size_t chunks;
    const float *klds;            /* [chunks * scored]; NULL: no axis wants them */
    size_t scored;
    uint64_t bytes, memory;       /* of the file; of file and cache at the rules' context */
    const double *finals;         /* [WT_FINALS and commands] NaN: not measured; NULL: none is */
} wt_measured;

typedef struct wt_axis {
    const char *name, *unit;
    bool higher;       /* is better */
    bool positions;    /* wants klds */
    bool exact;        /* the same on every text: no chunk says anything about it */
    unsigned final;    /* 1 + its number in measure/finals.h, and then value is NULL; 0: it is none of those */
    bool timed;        /* runs that value it cannot be repeated to the byte */
    double (*value)(const wt_measured *m);
    double (*of_chunk)(const wt_chunk_score *s); /* what a race compares, less is better; NULL: the axis has no chunks */
    double (*of_mean)(double mean); /* a mean of that over chunks, in the axis's own terms */
    const char *help;
} wt_axis;

/* Row i of the table, NULL past its end; and by name, NULL for an unknown one. */
const wt_axis *wt_axis_at(size_t i);
const wt_axis *wt_axis_find(const char *name);

/* What the axis says of it; NaN: not measured. */
double wt_axis_value(const wt_axis *axis, const wt_measured *m);

double wt_axis_kld(const wt_measured *m);              /* axis_divergence.c */
double wt_axis_kld_p99(const wt_measured *m);
double wt_axis_same_top(const wt_measured *m);
double wt_axis_perplexity_ratio(const wt_measured *m);
double wt_axis_ratio_of_mean(double mean);             /* of the differences of log-probabilities, a perplexity over another */
double wt_axis_bytes(const wt_measured *m);            /* axis_size.c */
double wt_axis_memory(const wt_measured *m);

#endif
