/*
 * blocks FOLDER: what every block type, F16 and BF16 decode to, ours for every instruction set that this processor has
 * against the decoders of stock llama.cpp (its libggml-base under FOLDER/node_modules), on random bytes and on such as
 * make trouble: every byte all over, scales that are zeros, subnormal, the largest there are, infinite or no numbers. The
 * same bits, but that a NaN is a NaN.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bench/stock_library.h"
#include "quant/codec.h"
#include "support/testing.h"

enum { MOST_BLOCKS = 9, MOST_BYTES = MOST_BLOCKS * 256, MOST_WEIGHTS = MOST_BLOCKS * 256, ROUNDS = 4000 };

typedef void (*stock_fn)(const void *blocks, float *out, int64_t n);

static const struct {
    wt_type type;
    const char *stock; /* the function's name */
} TYPES[] = {
    {WT_F16, "ggml_fp16_to_fp32_row"},    {WT_BF16, "ggml_bf16_to_fp32_row"},     {WT_Q4_0, "dequantize_row_q4_0"},
    {WT_Q4_1, "dequantize_row_q4_1"},     {WT_Q5_0, "dequantize_row_q5_0"},       {WT_Q5_1, "dequantize_row_q5_1"},
    {WT_Q8_0, "dequantize_row_q8_0"},     {WT_Q2_K, "dequantize_row_q2_K"},       {WT_Q3_K, "dequantize_row_q3_K"},
    {WT_Q4_K, "dequantize_row_q4_K"},     {WT_Q5_K, "dequantize_row_q5_K"},       {WT_Q6_K, "dequantize_row_q6_K"},
    {WT_IQ4_NL, "dequantize_row_iq4_nl"}, {WT_IQ4_XS, "dequantize_row_iq4_xs"},   {WT_MXFP4, "dequantize_row_mxfp4"},
    {WT_NVFP4, "dequantize_row_nvfp4"},   {WT_Q1_0, "dequantize_row_q1_0"},       {WT_Q2_0, "dequantize_row_q2_0"},
    {WT_TQ1_0, "dequantize_row_tq1_0"},   {WT_TQ2_0, "dequantize_row_tq2_0"},     {WT_IQ1_S, "dequantize_row_iq1_s"},
    {WT_IQ1_M, "dequantize_row_iq1_m"},   {WT_IQ2_XXS, "dequantize_row_iq2_xxs"}, {WT_IQ2_XS, "dequantize_row_iq2_xs"},
    {WT_IQ2_S, "dequantize_row_iq2_s"},   {WT_IQ3_XXS, "dequantize_row_iq3_xxs"}, {WT_IQ3_S, "dequantize_row_iq3_s"},
};
#define N_TYPES (sizeof TYPES / sizeof *TYPES)

/* ---- bytes ---- */

/* Halves that make trouble; 0x7f7f and 0x0101 are for scales of a byte: NVFP4's NaN, MXFP4's subnormal. */
static const uint16_t HARD[] = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00,
                                0xfc00, 0x7c01, 0x7e00, 0xfe01, 0xffff, 0x7f7f, 0x0101, 0x7fff, 0x80ff};

static uint16_t hard_half(wt_rng *rng) { return HARD[wt_rng_below(rng, sizeof HARD / sizeof *HARD)]; }

static void put_halves(unsigned char *at, size_t bytes, uint16_t half) {
    for (size_t i = 0; i + 1 < bytes; i += 2) memcpy(at + i, &half, 2);
}

/*
 * The first 256 rounds are one byte all over, then come blocks of one hard half, and random ones: as they are, or with
 * hard halves at both ends of each block, two at each, where formats keep scales and minima; or in four places anywhere.
 */
static void fill(wt_rng *rng, int round, size_t block_bytes, size_t blocks, unsigned char *bytes) {
    const size_t size = blocks * block_bytes;
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)wt_rng_next(rng);
    if (round < 256) {
        memset(bytes, round, size);
        return;
    }
    for (size_t b = 0; b < blocks; b++) {
        unsigned char *at = bytes + b * block_bytes;
        uint16_t half = hard_half(rng);
        switch (round % 4) {
        case 0: break;
        case 1: put_halves(at, block_bytes, half); break;
        case 2:
            for (int i = 0; i < 4; i++, half = hard_half(rng)) {
                const size_t ends[] = {0, 2, block_bytes - 4, block_bytes - 2};
                if (wt_rng_below(rng, 4)) memcpy(at + ends[i], &half, 2);
            }
            break;
        default:
            for (int i = 0; i < 4; i++, half = hard_half(rng))
                memcpy(at + wt_rng_below(rng, block_bytes - 1), &half, 2);
        }
    }
}

/* ---- comparing ---- */

static bool same(float a, float b) { return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

static int compare(size_t t, wt_cpu_level level, int round, const unsigned char *bytes, const float *theirs, size_t n) {
    float ours[MOST_WEIGHTS];
    wt_codec_at(TYPES[t].type, level)->decode(bytes, ours, n);
    for (size_t i = 0; i < n; i++) {
        if (same(ours[i], theirs[i])) continue;
        printf("%s, %s, round %d: weight %zu of %zu is %a, stock's %a\n", wt_type_find(TYPES[t].type)->name,
               wt_cpu_level_name(level), round, i, n, (double)ours[i], (double)theirs[i]);
        return 1;
    }
    return 0;
}

/* Returns how often a level's row differs, up to some; counts the values that are finite, and the others. */
static int compare_type(size_t t, stock_fn decode, size_t *numbers, size_t *others) {
    static unsigned char bytes[MOST_BYTES + 8];
    static float theirs[MOST_WEIGHTS];
    const wt_type_info *info = wt_type_find(TYPES[t].type);
    wt_rng rng;
    int wrong = 0;
    wt_rng_init(&rng, test_seed(), 20, t);
    for (int round = 0; round < ROUNDS && wrong < 5; round++) {
        const size_t blocks = info->block == 1 ? 2 + wt_rng_below(&rng, 98) : 1 + wt_rng_below(&rng, MOST_BLOCKS);
        const size_t n = blocks * info->block;
        const size_t unit = info->block == 1 ? 4 : info->block_bytes; /* two numbers, where a number is a block */
        fill(&rng, round, unit, blocks, bytes);
        decode(bytes, theirs, (int64_t)n);
        for (size_t i = 0; i < n; i++) (theirs[i] - theirs[i] == 0.0f) ? ++*numbers : ++*others;
        for (int level = 0; level <= (int)wt_cpu_best(); level++)
            wrong += compare(t, (wt_cpu_level)level, round, bytes, theirs, n);
    }
    return wrong;
}

int main(int argc, char **argv) {
    wt_error err = {0};
    bool missing = false;
    void *library = stock_library(argc == 2 ? argv[1] : ".", "libggml-base", &missing, &err);
    if (!library) {
        printf(missing ? "SKIPPED: %s; run tools/install-dependencies test\n" : "blocks: %s\n", err.message);
        return missing ? 77 : 1;
    }
    int wrong = 0;
    for (size_t t = 0; t < N_TYPES; t++) {
        stock_fn decode;
        size_t numbers = 0, others = 0;
        *(void **)&decode = dlsym(library, TYPES[t].stock);
        if (!decode) {
            printf("stock has no %s\n", TYPES[t].stock);
            wrong++;
            continue;
        }
        wrong += compare_type(t, decode, &numbers, &others);
        printf("%-8s %9zu numbers and %8zu infinities and NaNs at %d levels\n", wt_type_find(TYPES[t].type)->name,
               numbers, others, (int)wt_cpu_best() + 1);
        if (numbers == 0) wrong++;
    }
    if (wrong)
        printf("%d differences\n", wrong);
    else
        printf("all blocks decode to stock's bits\n");
    return wrong != 0;
}
