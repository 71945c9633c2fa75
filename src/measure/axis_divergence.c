/* Axes on how far the candidate's predictions are from the exact model's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/axis.h"

double wt_axis_kld(const wt_measured *m) {
    double sum = 0;
    for (size_t i = 0; i < m->chunks; i++) sum += m->scores[i].kld;
    return sum / (double)m->chunks;
}

double wt_axis_same_top(const wt_measured *m) {
    double sum = 0;
    for (size_t i = 0; i < m->chunks; i++) sum += m->scores[i].same_top;
    return sum / (double)m->chunks;
}

double wt_axis_ratio_of_mean(double mean) { return exp(mean); }

double wt_axis_perplexity_ratio(const wt_measured *m) {
    double sum = 0;
    for (size_t i = 0; i < m->chunks; i++) sum += m->scores[i].logp_reference - m->scores[i].logp;
    return wt_axis_ratio_of_mean(sum / (double)m->chunks);
}

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The percentile over positions, between its neighbours as llama-perplexity takes it. */
double wt_axis_kld_p99(const wt_measured *m) {
    const size_t n = m->chunks * m->scored;
    float *sorted = m->klds && n ? malloc(n * sizeof *sorted) : NULL;
    if (!sorted) return NAN;
    memcpy(sorted, m->klds, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    const double at = 0.99 * (double)(n - 1), low = floor(at);
    const size_t i = (size_t)low;
    const double value = i + 1 < n ? sorted[i] + (at - low) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
    free(sorted);
    return value;
}
