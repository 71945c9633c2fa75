/* The encoders' kernels for NEON: see lanes.h. */
#define WT_LANES_NEON
#include "quant/encode_kernels_body.h"

const wt_encode_kernels wt_encode_kernels_neon = WT_ENCODE_KERNELS;
