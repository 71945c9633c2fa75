#include "base/threads.h"

#ifdef _OPENMP
#include <omp.h>

void wt_threads_set(int n) { omp_set_num_threads(n > 0 ? n : omp_get_num_procs()); }
int wt_threads_get(void) { return omp_get_max_threads(); }
bool wt_threads_inside(void) { return omp_in_parallel(); }
int wt_thread_id(void) { return omp_get_thread_num(); }
#else
void wt_threads_set(int n) { (void)n; }
int wt_threads_get(void) { return 1; }
bool wt_threads_inside(void) { return false; }
int wt_thread_id(void) { return 0; }
#endif
