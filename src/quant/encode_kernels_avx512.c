/* The encoders' kernels for AVX-512: see lanes.h. */
#include "quant/encode_kernels_body.h"

const wt_encode_kernels wt_encode_kernels_avx512 = WT_ENCODE_KERNELS;
