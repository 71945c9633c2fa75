/* Axes on what a candidate takes. */
#include "measure/axis.h"

double wt_axis_bytes(const wt_measured *m) { return (double)m->bytes; }
double wt_axis_memory(const wt_measured *m) { return (double)m->memory; }
