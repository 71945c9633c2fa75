/* The table of encoders, and what every one of them may rely on. */
#include "quant/encode.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "quant/encode_kernels.h"
#include "quant/importance.h"

static wt_encoder_row table[WT_TYPE_LIMIT];

static void fill_table(void) {
    wt_encoders_float(table);
    wt_encoders_legacy(table);
    wt_encoders_ternary(table);
    wt_encoders_k(table);
    wt_encoders_iq4(table);
    wt_encoders_codebook(table);
}

static const wt_encoder_row *row_of(wt_type type) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const wt_encoder_row none;
    pthread_once(&once, fill_table);
    return (unsigned)type < WT_TYPE_LIMIT ? &table[type] : &none;
}

const wt_encoder *wt_encoder_of(wt_type type) { return &row_of(type)->traits; }

/* ---- weights and importance as the searches want them ---- */

enum {
    PIECE = WT_PIECE, /* whole blocks of every type, and two super-blocks, which stand side by side */
};

/*
 * The importance of a piece, its largest in 1..2 (a power of two takes it there, so that no ratio changes), so that sums neither
 * overflow nor vanish. A run of WT_LANES (no scale is shared by fewer) that nothing depends on counts a little: any code would do, but the nearest is the best guess.
 */
static void prepare_importance(const wt_encode_kernels *k, const float *w, size_t n, float *out) {
    float largest = w ? k->largest(w, n) : 0.0f;
    if (!(largest > 0.0f)) {
        for (size_t i = 0; i < n; i++) out[i] = 1.0f;
        return;
    }
    int exponent;
    frexpf(largest, &exponent);
    float by = exponent < -125 ? 0x1p126f : exponent > 126 ? 0x1p-126f : ldexpf(1.0f, 1 - exponent);
    k->prepare_importance(w, n, by, 1e-6f, out);
}

void wt_encode_prepare(const float *x, const float *w, size_t n, float *weights, float *importance) {
    const wt_encode_kernels *k = wt_encode_kernels_at(wt_cpu_chosen());
    k->prepare(x, n, WT_LARGEST, weights);
    prepare_importance(k, w, n, importance);
}

/* Whether weights count as stock tools have it without importance, to the bit. */
static bool is_plain(wt_type type, const float *x, const float *w, size_t n) {
    float plain[PIECE];
    for (size_t i = 0, size; i < n; i += size) {
        size = n - i < PIECE ? n - i : PIECE;
        wt_importance_stock(type, x + i, NULL, size, plain);
        if (memcmp(plain, w + i, size * sizeof *w) != 0) return false;
    }
    return true;
}

void wt_encode_at(wt_type type, wt_cpu_level level, const float *x, const float *w, size_t n, const wt_search *search,
                  void *dst) {
    const wt_encoder_row *row = row_of(type);
    const wt_type_info *info = wt_type_find(type);
    const wt_encode_kernels *k = wt_encode_kernels_at(level);
    if (!row->encode || !info) return;
    const bool even = !search && row->even && (!w || k->alike(w, n));
    const bool plain = !search && row->plain && w && is_plain(type, x, w, n);
    const wt_encode_fn encode = plain ? row->plain : !search && row->brief ? row->brief : row->encode;
    if (!search) search = row->usual ? row->usual : &row->traits.search;
    if (info->block == 1) { /* nothing to search for, and every float is to stay what it is */
        row->encode(k, x, w, n, search, dst);
        return;
    }
    unsigned char *to = dst;
    float weights[PIECE], importance[PIECE];
    for (size_t i = 0, size; i < n; i += size) {
        size = n - i < PIECE ? n - i : PIECE;
        if (even) {
            row->even(k, x + i, size, to);
        } else {
            k->prepare(x + i, size, WT_LARGEST, weights);
            prepare_importance(k, w ? w + i : NULL, size, importance);
            encode(k, weights, importance, size, search, to);
        }
        to += size / info->block * info->block_bytes;
    }
}

void wt_encode(wt_type type, const float *x, const float *w, size_t n, const wt_search *search, void *dst) {
    wt_encode_at(type, wt_cpu_chosen(), x, w, n, search, dst);
}

double wt_encoding_error(wt_type type, const float *x, const float *w, size_t n, const void *blocks) {
    const wt_type_info *info = wt_type_find(type);
    const wt_codec *codec = wt_codec_of(type);
    const unsigned char *from = blocks;
    float decoded[PIECE];
    double error = 0.0;
    if (!info || !codec->decode) return NAN;
    for (size_t i = 0, size; i < n; i += size) {
        size = n - i < PIECE ? n - i : PIECE;
        codec->decode(from, decoded, size);
        from += size / info->block * info->block_bytes;
        for (size_t j = 0; j < size; j++) {
            double e = (double)x[i + j] - (double)decoded[j];
            error += (w ? (double)w[i + j] : 1.0) * e * e;
        }
    }
    return error;
}
