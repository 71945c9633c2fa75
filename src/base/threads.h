/*
 * Threads: OpenMP, which oneDNN shares. Work is always cut into pieces that do not depend on how many threads there are,
 * so that results do not either. Builds without OpenMP (the fuzzers) run everything on one thread.
 */
#ifndef WT_BASE_THREADS_H
#define WT_BASE_THREADS_H

#include <stdbool.h>

/* How many threads parallel regions use: `n`, or every processor this process may run on where n <= 0. */
void wt_threads_set(int n);

/* The number that is in force. */
int wt_threads_get(void);

/* Whether the caller is in a parallel region: one that it opens has one thread. */
bool wt_threads_inside(void);

/* The calling thread's number inside a parallel region, 0 outside. */
int wt_thread_id(void);

#endif
