/*
 * Decoding to memory that lies beyond the caches. An ordinary store reads its cache line from memory before it writes
 * it, which is as much traffic again as the floats themselves; a streaming (non-temporal) store does not. So a piece is
 * decoded into a buffer in the first cache and goes out from there in whole lines. SSE2, which every x86-64 has, does
 * that as fast as wider registers. Other processors decode as ever.
 */
#include "quant/codec.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#include <string.h>

enum {
    PIECE = 512, /* weights: whole blocks of every type; on the processors tried none between 256 and 2048 is faster */
    LINE = 16    /* floats of a cache line */
};

/* n floats, whole cache lines, from src of any alignment to dst on a line's border. */
static void stream_lines(float *dst, const float *src, size_t n) {
    for (size_t i = 0; i < n; i += LINE) {
        const __m128 a = _mm_loadu_ps(src + i), b = _mm_loadu_ps(src + i + 4);
        const __m128 c = _mm_loadu_ps(src + i + 8), d = _mm_loadu_ps(src + i + 12);
        _mm_stream_ps(dst + i, a);
        _mm_stream_ps(dst + i + 4, b);
        _mm_stream_ps(dst + i + 8, c);
        _mm_stream_ps(dst + i + 12, d);
    }
}

/* What does not fill a line at the ends, and where pieces meet that do not end with one, is written as ever. */
static void put(float *dst, const float *src, size_t n) {
    size_t head = (LINE - (uintptr_t)dst / sizeof(float) % LINE) % LINE;
    if (head > n) head = n;
    const size_t lines = (n - head) / LINE * LINE;
    memcpy(dst, src, head * sizeof(float));
    stream_lines(dst + head, src + head, lines);
    memcpy(dst + head + lines, src + head + lines, (n - head - lines) * sizeof(float));
}

void wt_decode_streaming(wt_type type, const void *src, float *dst, size_t n) {
    const wt_decode_fn decode = wt_codec_of(type)->decode;
    if (wt_codec_of(type)->has_codebook) {
        decode(src, dst, n);
        return;
    }
    const wt_type_info *info = wt_type_find(type);
    const size_t bytes = PIECE / info->block * info->block_bytes;
    const unsigned char *from = src;
    _Alignas(64) float piece[PIECE];
    for (size_t i = 0; i < n; i += PIECE, from += bytes) {
        const size_t part = n - i < PIECE ? n - i : PIECE;
        decode(from, piece, part);
        put(dst + i, piece, part);
    }
    _mm_sfence(); /* streaming stores are ordered with nothing: another thread may be told next that they are there */
}

#else

void wt_decode_streaming(wt_type type, const void *src, float *dst, size_t n) {
    wt_codec_of(type)->decode(src, dst, n);
}

#endif
