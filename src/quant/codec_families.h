/* Each family of block types fills its rows of the table, with the variants that this processor has. */
#ifndef WT_QUANT_CODEC_FAMILIES_H
#define WT_QUANT_CODEC_FAMILIES_H

#include "quant/codec.h"

/*
 * Bodies are written once in plain C and inlined into a function per instruction set (see engine/kernels.c); decoding has
 * no sums, so variants agree by nature.
 */
#define WT_INLINE static inline __attribute__((always_inline))

/* Whether this processor has `variant` ("avx2", "avx512") and WT_KERNELS in the environment does not forbid it. */
bool wt_codec_wants(const char *variant);

void wt_codec_float(wt_codec *table);  /* F32, F16, BF16 */
void wt_codec_legacy(wt_codec *table); /* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 */
void wt_codec_k(wt_codec *table);      /* Q2_K to Q6_K */

/* IEEE half to float, exact; NaN keeps its payload. */
WT_INLINE float wt_half_to_float(uint16_t h) {
    union { uint32_t u; float f; } out, magic = {.u = 113u << 23};
    uint32_t rest = (uint32_t)(h & 0x7fff) << 13, exponent = rest & (0x7c00u << 13);
    out.u = rest + ((127 - 15) << 23);
    if (exponent == 0x7c00u << 13) {
        out.u += (128 - 16) << 23; /* infinity or NaN */
    } else if (exponent == 0) {
        out.u += 1 << 23; /* zero or subnormal: let a float subtraction renormalise */
        out.f -= magic.f;
    }
    out.u |= (uint32_t)(h & 0x8000) << 16;
    return out.f;
}

#endif
