/*
 * For texts that serve several instruction sets: registers of 16 bytes (bytes16), and what both headers call alike: load16,
 * low_nibbles, high_nibbles, nibbles_of_8, fifth_bits, either, lowered, look_up, half_at, put_scaled, put_raised.
 */
#ifndef WT_QUANT_CODEC_VECTORS_H
#define WT_QUANT_CODEC_VECTORS_H

#if defined(__x86_64__)
#include "quant/codec_x86.h"
#else
#include "quant/codec_neon.h"
#endif

#endif
