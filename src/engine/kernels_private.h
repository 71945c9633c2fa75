/*
 * What the kernels' variants share: the constants of exp and tanh. The order of operations is written out in each
 * variant and must be the reference's, without fused multiply-adds, for all of them to give the same bits.
 *
 * exp x: n = round(x log2 e), r = x - n ln 2 with ln 2 in two parts of which the first has so few bits that n times it
 * is exact, e^r = 1 + r + r² P(r), times 2^n. x is bounded first; at the bounds the result is Inf and 0 by itself.
 *
 * tanh x, |x| < WT_TANH_SMALL: x + x³ Q(x²); else 1 - 2 / (e^2|x| + 1); the sign is x's.
 */
#ifndef WT_ENGINE_KERNELS_PRIVATE_H
#define WT_ENGINE_KERNELS_PRIVATE_H

#include "engine/kernels.h"

/* Stripes of every sum: element i belongs to stripe i % 16. */
#define WT_STRIPES 16

#define WT_EXP_HIGHEST 89.0f
#define WT_EXP_LOWEST (-105.0f)
#define WT_EXP_LOG2E 1.44269504088896341f
#define WT_EXP_LN2_HIGH 0.693359375f
#define WT_EXP_LN2_LOW (-2.12194440e-4f)
#define WT_EXP_ROUND 12582912.0f /* 1.5 * 2^23: adding it leaves a whole number in the low bits */

/* P, highest power first: minimises the largest relative error of e^r over |r| <= ln 2 / 2, which is 2^-28 (Remez). */
#define WT_EXP_P0 1.3814569684e-3f
#define WT_EXP_P1 8.3687305450e-3f
#define WT_EXP_P2 4.1668388993e-2f
#define WT_EXP_P3 1.6666521132e-1f
#define WT_EXP_P4 4.9999994040e-1f

/* Q, highest power first (Cephes' tanhf). */
#define WT_TANH_SMALL 0.625f
#define WT_TANH_Q0 (-5.70498872745e-3f)
#define WT_TANH_Q1 2.06390887954e-2f
#define WT_TANH_Q2 (-5.37397155531e-2f)
#define WT_TANH_Q3 1.33314422036e-1f
#define WT_TANH_Q4 (-3.33332819422e-1f)

#define WT_GELU_SCALE 0.79788456080286535588f /* sqrt(2 / pi) */
#define WT_GELU_CUBE 0.044715f

extern const wt_kernels wt_kernels_reference, wt_kernels_avx2, wt_kernels_avx512, wt_kernels_neon;

#endif
