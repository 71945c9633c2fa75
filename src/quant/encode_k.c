/* Encoders of the K types: 256 weights, in runs that have quantized scales (and minima) of their own. */
#include <math.h>
#include <string.h>

#include "quant/codec_blocks.h"
#include "quant/codec_families.h"
#include "quant/search.h"

enum { MAX_RUNS = WT_MAX_SUPERS * WT_MAX_RUNS };

/* A type: its codes lo..hi, how its runs are scaled, and how a block is written. */
typedef struct block_codes {
    uint16_t d, dmin;
    const int *scales, *mins;
    const int8_t *q; /* counted from the lowest code */
} block_codes;

typedef struct k_type {
    wt_super shape;
    int lo, hi;
    bool minima;
    const wt_few *few; /* of a type without minima that has a short search */
    size_t bytes;
    void (*pack)(const block_codes *c, void *to);
} k_type;

/* Super-blocks that stand side by side, as they were found. */
typedef struct found {
    uint16_t d[WT_MAX_SUPERS], dmin[WT_MAX_SUPERS];
    int scales[MAX_RUNS], mins[MAX_RUNS];
    int8_t q[WT_PIECE];
} found;

/* Codes under the scales (and minima, if any) of the runs. */
static void assign(const wt_encode_kernels *k, const float *x, size_t blocks, const wt_super *shape,
                   const wt_grid *grid, int lo, bool minima, found *f) {
    float inverse[MAX_RUNS], min[MAX_RUNS];
    for (size_t j = 0; j < blocks * shape->runs; j++) {
        size_t b = j / shape->runs;
        inverse[j] = wt_inverse(wt_half_to_float(f->d[b]) * (float)f->scales[j]);
        min[j] = minima ? wt_half_to_float(f->dmin[b]) * (float)f->mins[j] : 0.0f;
    }
    k->assign(x, blocks * shape->runs, shape->run, grid, inverse, min, f->q);
    for (size_t i = 0; i < blocks * WT_SUPER && lo; i++) f->q[i] = (int8_t)(f->q[i] - lo);
}

/* Scales and minima of the runs; without minima of their own (see encode_legacy.c) these are the scales over again. */
static void find_ranges(const wt_encode_kernels *k, const float *x, const float *w, size_t blocks,
                        const wt_super *shape, int hi, const wt_search *search, found *f) {
    const wt_grid grid = {0.0f, (float)hi, NULL, WT_INTEGERS};
    if (!search->symmetric) {
        wt_search_super_min(k, x, w, blocks, shape, (float)hi, search, f->d, f->dmin, f->scales, f->mins);
    } else {
        wt_cells odd;
        wt_cells_of_odd(&odd, hi);
        wt_codes codes;
        wt_codes_init(&codes, (float)-hi, (float)hi, &odd, true, search);
        wt_search_super(k, x, w, blocks, shape, &codes, search, 2, f->d, f->scales);
        for (size_t b = 0; b < blocks; b++) {
            float half = fabsf(wt_half_to_float(f->d[b]));
            f->d[b] = wt_search_half(2.0f * half);
            f->dmin[b] = wt_search_half((float)hi * half);
        }
        memcpy(f->mins, f->scales, sizeof f->mins);
    }
    assign(k, x, blocks, shape, &grid, 0, true, f);
}

/* THOROUGH as strategies ask for it; BRIEF and PLAIN where no search is given: of any weights, and of those that stock has without importance. */
typedef enum effort { THOROUGH, BRIEF, PLAIN } effort;

static void encode(const k_type *type, const wt_encode_kernels *k, const float *x, const float *w, size_t n,
                   const wt_search *search, effort much, void *dst) {
    const wt_super *shape = &type->shape;
    const wt_grid ranges = {0.0f, (float)type->hi, NULL, WT_INTEGERS};
    size_t together = type->few && much == PLAIN ? WT_MAX_SUPERS : WT_LANES / shape->runs;
    unsigned char *to = dst;
    wt_codes codes;
    found f;
    if (!type->minima && much != PLAIN) wt_codes_init(&codes, (float)type->lo, (float)type->hi, NULL, false, search);
    for (size_t i = 0, blocks; i < n / WT_SUPER; i += blocks, x += blocks * WT_SUPER, w += blocks * WT_SUPER) {
        blocks = n / WT_SUPER - i < together ? n / WT_SUPER - i : together;
        if (!type->minima) {
            if (much == PLAIN)
                wt_search_super_short(k, x, w, blocks, shape, type->few, f.d, f.scales);
            else
                wt_search_super(k, x, w, blocks, shape, &codes, search, much == BRIEF ? 1 : 2, f.d, f.scales);
            assign(k, x, blocks, shape, much == PLAIN ? &type->few->weights.grid : &codes.grid, type->lo, false, &f);
        } else if (much == PLAIN) {
            wt_search_super_min_short(k, x, w, blocks, shape, (float)type->hi, f.d, f.dmin, f.scales, f.mins);
            assign(k, x, blocks, shape, &ranges, 0, true, &f);
        } else {
            find_ranges(k, x, w, blocks, shape, type->hi, search, &f);
        }
        for (size_t b = 0; b < blocks; b++, to += type->bytes) {
            size_t at = b * shape->runs;
            type->pack(&(block_codes){f.d[b], f.dmin[b], f.scales + at, f.mins + at, f.q + b * WT_SUPER}, to);
        }
    }
}

/* ---- blocks' bytes ---- */

/* Eight codes of a byte each, and back: with as many bits set in each byte, `mask`, nothing that is shifted meets its neighbours. */
#define EACH_BYTE(mask) (UINT64_C(0x0101010101010101) * (mask))

static uint64_t eight(const int8_t *q) {
    uint64_t v;
    memcpy(&v, q, sizeof v);
    return v;
}

/* Two bits of each weight: four shifts of 32 bytes for each half of the block. */
static void pack_crumbs(const int8_t *q, uint8_t *qs) {
    for (int half = 0; half < 2; half++) {
        for (int l = 0; l < 32; l += 8) {
            const int8_t *at = q + 128 * half + l;
            uint64_t v = 0;
            for (int k = 0; k < 4; k++) v |= (eight(at + 32 * k) & EACH_BYTE(3)) << 2 * k;
            memcpy(qs + 32 * half + l, &v, sizeof v);
        }
    }
}

static void pack_q2_k(const block_codes *c, void *to) {
    wt_block_q2_k b = {.d = c->d, .dmin = c->dmin};
    for (int j = 0; j < 16; j++) b.scales[j] = (uint8_t)(c->scales[j] | c->mins[j] << 4);
    pack_crumbs(c->q, b.qs);
    memcpy(to, &b, sizeof b);
}

static void pack_q3_k(const block_codes *c, void *to) {
    wt_block_q3_k b = {.d = c->d};
    for (int j = 0; j < 16; j++) {
        unsigned s = (unsigned)(c->scales[j] + 32);
        b.scales[j % 8] |= (uint8_t)((s & 15) << (j < 8 ? 0 : 4));
        b.scales[8 + j % 4] |= (uint8_t)(s >> 4 << (2 * (j / 4)));
    }
    for (int l = 0; l < 32; l += 8) {
        uint64_t v = 0;
        for (int run = 0; run < 8; run++) v |= (eight(c->q + 32 * run + l) >> 2 & EACH_BYTE(1)) << run;
        memcpy(b.hmask + l, &v, sizeof v);
    }
    pack_crumbs(c->q, b.qs);
    memcpy(to, &b, sizeof b);
}

/* Eight 6-bit scales and minima in 12 bytes; wt_q4_k_scale reads them. */
static void pack_q4_k_scales(const int *scales, const int *mins, uint8_t *s) {
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(mins[j] | mins[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
    }
}

/* Runs of 32 in pairs: the even one in the low nibbles. */
static void pack_pairs(const int8_t *q, uint8_t *qs) {
    for (int pair = 0; pair < 4; pair++) {
        for (int l = 0; l < 32; l++)
            qs[32 * pair + l] = (uint8_t)((q[64 * pair + l] & 15) | (q[64 * pair + 32 + l] & 15) << 4);
    }
}

static void pack_q4_k(const block_codes *c, void *to) {
    wt_block_q4_k b = {.d = c->d, .dmin = c->dmin};
    pack_q4_k_scales(c->scales, c->mins, b.scales);
    pack_pairs(c->q, b.qs);
    memcpy(to, &b, sizeof b);
}

static void pack_q5_k(const block_codes *c, void *to) {
    wt_block_q5_k b = {.d = c->d, .dmin = c->dmin};
    pack_q4_k_scales(c->scales, c->mins, b.scales);
    pack_pairs(c->q, b.qs);
    for (int run = 0; run < 8; run++) {
        for (int l = 0; l < 32; l++) b.qh[l] |= (uint8_t)(c->q[32 * run + l] >> 4 << run);
    }
    memcpy(to, &b, sizeof b);
}

static void pack_q6_k(const block_codes *c, void *to) {
    wt_block_q6_k b = {.d = c->d};
    for (int j = 0; j < 16; j++) b.scales[j] = (int8_t)c->scales[j];
    for (int half = 0; half < 2; half++) {
        for (int l = 0; l < 32; l++) {
            const int8_t *at = c->q + 128 * half + l;
            b.ql[64 * half + l] = (uint8_t)((at[0] & 15) | (at[64] & 15) << 4);
            b.ql[64 * half + l + 32] = (uint8_t)((at[32] & 15) | (at[96] & 15) << 4);
            b.qh[32 * half + l] = (uint8_t)(at[0] >> 4 | at[32] >> 4 << 2 | at[64] >> 4 << 4 | at[96] >> 4 << 6);
        }
    }
    memcpy(to, &b, sizeof b);
}

/* ---- types ---- */

#define FUNCTION(kind, name, effort, searched)                                                                         \
    static void kind##_##name(const wt_encode_kernels *k, const float *x, const float *w, size_t n,                    \
                              const wt_search *search, void *dst) {                                                    \
        (void)search;                                                                                                  \
        encode(&TYPE_##name, k, x, w, n, searched, effort, dst);                                                       \
    }
#define ENCODER(name, ...)                                                                                             \
    static const k_type TYPE_##name = {.bytes = sizeof(wt_block_##name), .pack = pack_##name, __VA_ARGS__};            \
    FUNCTION(encode, name, THOROUGH, search)

/*
 * With the few candidates the short search of Q3_K finds most of what the thorough one does. Of weights one candidate each side of
 * the lowest code, one at the highest and the plain one; of scales the plain one, four steps of 0.2 each side of it and seven of 0.3
 * at the highest code: as many as stand side by side.
 */
static const wt_few FEW_Q3_K = {.weights = {.grid = {-4.0f, 3.0f, NULL, WT_INTEGERS},
                                            .low = 2,
                                            .count = 4,
                                            .far = 2,
                                            .filled = WT_LANES,
                                            .top = {-3.6f, -4.4f, 3.2f, -4.0f}},
                                .scales = {.grid = {-32.0f, 31.0f, NULL, WT_INTEGERS},
                                           .count = WT_LANES,
                                           .filled = WT_LANES,
                                           .top = {-32.0f, -31.2f, -31.4f, -31.6f, -31.8f, -32.2f, -32.4f, -32.6f,
                                                   -32.8f, 30.1f, 30.4f, 30.7f, 31.0f, 31.3f, 31.6f, 31.9f}}};

ENCODER(q2_k, .hi = 3, .minima = true,
        .shape = {.runs = 16, .run = 16, .hi = 15, .plain = {-0.5f, 0.1f, 16, .absolute = true}})
ENCODER(q3_k, .lo = -4, .hi = 3, .few = &FEW_Q3_K,
        .shape = {.runs = 16, .run = 16, .lo = -32, .hi = 31, .descend = true})
ENCODER(q4_k, .hi = 15, .minima = true, .shape = {.runs = 8, .run = 32, .hi = 63, .plain = {-1.0f, 0.1f, 21}})
ENCODER(q5_k, .hi = 31, .minima = true, .shape = {.runs = 8, .run = 32, .hi = 63, .plain = {-0.5f, 0.1f, 16}})
ENCODER(q6_k, .lo = -32, .hi = 31, .shape = {.runs = 16, .run = 16, .lo = -128, .hi = 127})

/* ggml's 19 candidates; of few codes, which lie further apart, some more. */
static const wt_search GGML = {.lo = -0.9f, .hi = 0.9000001f, .steps = 19, .passes = 1, .bias = 1.0f},
                       MORE = {.lo = -1.2f, .hi = 1.2000001f, .steps = 25, .passes = 1, .bias = 1.0f};

FUNCTION(brief, q3_k, BRIEF, &MORE)
FUNCTION(brief, q6_k, BRIEF, &GGML)
FUNCTION(plain, q2_k, PLAIN, NULL)
FUNCTION(plain, q3_k, PLAIN, NULL)
FUNCTION(plain, q4_k, PLAIN, NULL)
FUNCTION(plain, q5_k, PLAIN, NULL)

void wt_encoders_k(wt_encoder_row *table) {
    const wt_search scales = {.lo = -1.8f, .hi = 1.8000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    /* Steps of 0.05f exactly, as ggml makes them. */
    const wt_search ranges = {.lo = -0.9f, .hi = 0.9000001f, .steps = 37, .passes = 2, .bias = 1.0f};
    table[WT_Q2_K] = (wt_encoder_row){.encode = encode_q2_k, .traits = {true, false, ranges}, .plain = plain_q2_k};
    table[WT_Q3_K] = (wt_encoder_row){
        .encode = encode_q3_k, .traits = {true, false, scales}, .plain = plain_q3_k, .brief = brief_q3_k};
    table[WT_Q4_K] = (wt_encoder_row){.encode = encode_q4_k, .traits = {true, false, ranges}, .plain = plain_q4_k};
    table[WT_Q5_K] = (wt_encoder_row){.encode = encode_q5_k, .traits = {true, false, ranges}, .plain = plain_q5_k};
    table[WT_Q6_K] = (wt_encoder_row){.encode = encode_q6_k, .traits = {true, false, scales}, .brief = brief_q6_k};
}
