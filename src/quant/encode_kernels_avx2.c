/* The encoders' kernels for AVX2: see lanes.h. */
#include "quant/encode_kernels_body.h"

const wt_encode_kernels wt_encode_kernels_avx2 = WT_ENCODE_KERNELS;
