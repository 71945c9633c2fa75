/*
 * The Cholesky factor of a large matrix by blocks, on all threads. LAPACK factors the blocks on the diagonal; what they mean for the rows
 * below and for the rest of the matrix, nearly all of the work, is done with the kernels of error feedback, because Debian's reference BLAS
 * takes ten times as long. The same bits on any number of threads and with any kernel.
 */
#ifndef WT_APPLY_CHOLESKY_H
#define WT_APPLY_CHOLESKY_H

#include "base/error.h"

/*
 * a [n, n] symmetric, of which the lower triangle (columns up to the row's own) is read and becomes L, a = L L^T. Returns 1 where the
 * matrix is not positive definite, which leaves a undefined, and -1 where memory is out. Called from a parallel region it uses the
 * calling thread alone. Memory: 1 KiB a row.
 */
int wt_cholesky(double *a, size_t n, wt_error *err);

#endif
