/* Lattices: one row a type, with how its scales are read and where its codes lie. */
#include "quant/lattice.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>

#include "quant/codec_families.h"
#include "quant/pack.h"
#include "quant/search.h"

/* ---- scales ---- */

typedef void (*read_fn)(const void *block, wt_lattice *l);

#define LOAD(type)                                                                                                     \
    type b;                                                                                                            \
    memcpy(&b, block, sizeof b)

/* Blocks that begin with a scale, or with a scale and what is added. */
static void read_d(const void *block, wt_lattice *l) {
    uint16_t d;
    memcpy(&d, block, sizeof d);
    l->scale[0] = wt_half_to_float(d);
}

static void read_d_m(const void *block, wt_lattice *l) {
    LOAD(wt_block_q4_1);
    l->scale[0] = wt_half_to_float(b.d);
    l->min[0] = -wt_half_to_float(b.m);
}

static void read_q2_k(const void *block, wt_lattice *l) {
    LOAD(wt_block_q2_k);
    float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
    for (int j = 0; j < 16; j++) {
        l->scale[j] = d * (float)(b.scales[j] & 15);
        l->min[j] = dmin * (float)(b.scales[j] >> 4);
    }
}

static void read_q3_k(const void *block, wt_lattice *l) {
    LOAD(wt_block_q3_k);
    float d = wt_half_to_float(b.d);
    for (int j = 0; j < 16; j++) l->scale[j] = d * (float)wt_q3_k_scale(b.scales, j);
}

/* Q5_K begins as Q4_K does. */
static void read_q4_k(const void *block, wt_lattice *l) {
    LOAD(wt_block_q4_k);
    float d = wt_half_to_float(b.d), dmin = wt_half_to_float(b.dmin);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        wt_q4_k_scale(b.scales, j, &scale, &min);
        l->scale[j] = d * (float)scale;
        l->min[j] = dmin * (float)min;
    }
}

static void read_q6_k(const void *block, wt_lattice *l) {
    LOAD(wt_block_q6_k);
    float d = wt_half_to_float(b.d);
    for (int j = 0; j < 16; j++) l->scale[j] = d * (float)b.scales[j];
}

static void read_iq4_xs(const void *block, wt_lattice *l) {
    LOAD(wt_block_iq4_xs);
    float d = wt_half_to_float(b.d);
    for (int j = 0; j < 8; j++) {
        int low = b.scales_l[j / 2] >> (4 * (j % 2)) & 15, high = b.scales_h >> (2 * j) & 3;
        l->scale[j] = d * (float)((low | high << 4) - 32);
    }
}

static void read_mxfp4(const void *block, wt_lattice *l) {
    LOAD(wt_block_mxfp4);
    l->scale[0] = wt_mxfp4_scale(b.e);
}

static void read_nvfp4(const void *block, wt_lattice *l) {
    LOAD(wt_block_nvfp4);
    for (int j = 0; j < 4; j++) l->scale[j] = wt_nvfp4_scale(b.d[j]);
}

/* The scale comes after the codes. */
static void read_tq1_0(const void *block, wt_lattice *l) {
    LOAD(wt_block_tq1_0);
    l->scale[0] = wt_half_to_float(b.d);
}

static void read_tq2_0(const void *block, wt_lattice *l) {
    LOAD(wt_block_tq2_0);
    l->scale[0] = wt_half_to_float(b.d);
}

/* ---- scales, written back ---- */

/*
 * Gives run j the nearest scale and min that the block can hold while its super-scales stay; where a block has but one scale, that
 * is any half.
 */
typedef void (*set_fn)(int j, float scale, float min, void *block);

/* x in units of d, between lo and hi; 0 where d is none. */
static int units(float x, float d, int lo, int hi) {
    const float n = d != 0.0f ? x / d : 0.0f;
    return n >= (float)hi ? hi : n > (float)lo ? (int)lroundf(n) : lo; /* NaN: lo */
}

/* The nearest half that is finite; 0 for what is no number. */
static uint16_t half_near(float x) { return wt_f32_to_f16(isnan(x) ? 0.0f : fmaxf(fminf(x, 65504.0f), -65504.0f)); }

static void set_d(int j, float scale, float min, void *block) {
    (void)j;
    (void)min;
    const uint16_t d = half_near(scale);
    memcpy(block, &d, sizeof d);
}

static void set_d_m(int j, float scale, float min, void *block) {
    (void)j;
    const uint16_t both[2] = {half_near(scale), half_near(-min)}; /* as they stand in wt_block_q4_1 and wt_block_q5_1 */
    memcpy(block, both, sizeof both);
}

static void set_q2_k(int j, float scale, float min, void *block) {
    wt_block_q2_k *b = block;
    const int s = units(scale, wt_half_to_float(b->d), 0, 15), m = units(min, wt_half_to_float(b->dmin), 0, 15);
    b->scales[j] = (uint8_t)(s | m << 4);
}

static void set_q3_k(int j, float scale, float min, void *block) {
    (void)min;
    wt_block_q3_k *b = block;
    const unsigned s = (unsigned)(units(scale, wt_half_to_float(b->d), -32, 31) + 32);
    uint8_t *low = &b->scales[j % 8], *high = &b->scales[8 + j % 4];
    *low = (uint8_t)(j < 8 ? (*low & 0xf0) | (s & 15) : (*low & 15) | (s & 15) << 4);
    *high = (uint8_t)((*high & ~(3u << (2 * (j / 4)))) | s >> 4 << (2 * (j / 4)));
}

/* Q5_K begins as Q4_K does. */
static void set_q4_k(int j, float scale, float min, void *block) {
    wt_block_q4_k *b = block;
    uint8_t *s = b->scales;
    const unsigned x = (unsigned)units(scale, wt_half_to_float(b->d), 0, 63);
    const unsigned m = (unsigned)units(min, wt_half_to_float(b->dmin), 0, 63);
    if (j < 4) {
        s[j] = (uint8_t)((s[j] & 0xc0) | x);
        s[j + 4] = (uint8_t)((s[j + 4] & 0xc0) | m);
    } else {
        s[j + 4] = (uint8_t)((x & 15) | (m & 15) << 4);
        s[j - 4] = (uint8_t)((s[j - 4] & 63) | x >> 4 << 6);
        s[j] = (uint8_t)((s[j] & 63) | m >> 4 << 6);
    }
}

static void set_q6_k(int j, float scale, float min, void *block) {
    (void)min;
    wt_block_q6_k *b = block;
    b->scales[j] = (int8_t)units(scale, wt_half_to_float(b->d), -128, 127);
}

static void set_iq4_xs(int j, float scale, float min, void *block) {
    (void)min;
    wt_block_iq4_xs *b = block;
    const unsigned s = (unsigned)(units(scale, wt_half_to_float(b->d), -32, 31) + 32);
    uint8_t *low = &b->scales_l[j / 2];
    *low = (uint8_t)(j % 2 ? (*low & 15) | (s & 15) << 4 : (*low & 0xf0) | (s & 15));
    b->scales_h = (uint16_t)((b->scales_h & ~(3u << (2 * j))) | s >> 4 << (2 * j));
}

/* ---- codes: q [weights] counted from the lowest, or the type's own ---- */

typedef void (*write_fn)(const uint8_t *q, uint8_t *block);

static void write_q4_0(const uint8_t *q, uint8_t *block) { wt_pack_nibbles(q, block + offsetof(wt_block_q4_0, qs)); }

static void write_q4_1(const uint8_t *q, uint8_t *block) { wt_pack_nibbles(q, block + offsetof(wt_block_q4_1, qs)); }

static void write_q5_0(const uint8_t *q, uint8_t *block) {
    wt_pack_nibbles(q, block + offsetof(wt_block_q5_0, qs));
    wt_pack_fifths(q, block + offsetof(wt_block_q5_0, qh));
}

static void write_q5_1(const uint8_t *q, uint8_t *block) {
    wt_pack_nibbles(q, block + offsetof(wt_block_q5_1, qs));
    wt_pack_fifths(q, block + offsetof(wt_block_q5_1, qh));
}

static void write_q8_0(const uint8_t *q, uint8_t *block) {
    for (int j = 0; j < 32; j++) block[offsetof(wt_block_q8_0, qs) + j] = (uint8_t)(q[j] - 127);
}

static void write_q2_k(const uint8_t *q, uint8_t *block) { wt_pack_crumbs(q, block + offsetof(wt_block_q2_k, qs)); }

static void write_q3_k(const uint8_t *q, uint8_t *block) {
    wt_pack_planes(q, 2, block + offsetof(wt_block_q3_k, hmask));
    wt_pack_crumbs(q, block + offsetof(wt_block_q3_k, qs));
}

static void write_q4_k(const uint8_t *q, uint8_t *block) { wt_pack_pairs(q, block + offsetof(wt_block_q4_k, qs)); }

static void write_q5_k(const uint8_t *q, uint8_t *block) {
    wt_pack_pairs(q, block + offsetof(wt_block_q5_k, qs));
    wt_pack_planes(q, 4, block + offsetof(wt_block_q5_k, qh));
}

static void write_q6_k(const uint8_t *q, uint8_t *block) {
    wt_pack_sixths(q, block + offsetof(wt_block_q6_k, ql), block + offsetof(wt_block_q6_k, qh));
}

static void write_iq4_nl(const uint8_t *q, uint8_t *block) {
    wt_pack_nibbles(q, block + offsetof(wt_block_iq4_nl, qs));
}

static void write_iq4_xs(const uint8_t *q, uint8_t *block) {
    for (int j = 0; j < 8; j++) wt_pack_nibbles(q + 32 * j, block + offsetof(wt_block_iq4_xs, qs) + 16 * j);
}

static void write_mxfp4(const uint8_t *q, uint8_t *block) { wt_pack_nibbles(q, block + offsetof(wt_block_mxfp4, qs)); }

static void write_nvfp4(const uint8_t *q, uint8_t *block) {
    uint8_t *to = block + offsetof(wt_block_nvfp4, qs);
    for (int j = 0; j < 32; j++) to[j] = (uint8_t)(q[16 * (j / 8) + j % 8] | q[16 * (j / 8) + j % 8 + 8] << 4);
}

static void write_q1_0(const uint8_t *q, uint8_t *block) {
    uint8_t *to = block + offsetof(wt_block_q1_0, qs);
    memset(to, 0, 16);
    for (int j = 0; j < 128; j++) to[j / 8] |= (uint8_t)(q[j] << j % 8);
}

static void write_q2_0(const uint8_t *q, uint8_t *block) {
    uint8_t *to = block + offsetof(wt_block_q2_0, qs);
    for (int j = 0; j < 16; j++)
        to[j] = (uint8_t)(q[4 * j] | q[4 * j + 1] << 2 | q[4 * j + 2] << 4 | q[4 * j + 3] << 6);
}

static void write_tq1_0(const uint8_t *q, uint8_t *block) {
    uint8_t *qs = block + offsetof(wt_block_tq1_0, qs);
    const uint8_t *from = wt_pack_digits(q, 32, 5, qs);
    from = wt_pack_digits(from, 16, 5, qs + 32);
    wt_pack_digits(from, 4, 4, block + offsetof(wt_block_tq1_0, qh));
}

static void write_tq2_0(const uint8_t *q, uint8_t *block) { wt_pack_crumbs(q, block + offsetof(wt_block_tq2_0, qs)); }

/* ---- the table ---- */

/* Values that are no consecutive integers, ascending, and the format's code of each. */
typedef struct value_set {
    wt_cells cells;
    uint8_t code[256]; /* by value + 128 */
} value_set;

static value_set iq4, fp4, signs;

typedef struct row {
    wt_type type;
    uint16_t weights, run;
    int8_t lo, hi;
    value_set *values; /* NULL: the integers lo..hi */
    read_fn read;
    write_fn write;
    set_fn set;   /* NULL: scales stay as the encoder chose them */
    bool mins;    /* runs have mins of their own */
    uint8_t step; /* where in a block the super-scale lies that scales are multiples of, plus 1; 0: nowhere */
} row;

#define STEP_AT(block) (uint8_t)(offsetof(block, d) + 1)

static const row ROWS[] = {
    {WT_Q4_0, 32, 32, -8, 7, NULL, read_d, write_q4_0, set_d, false, 0},
    {WT_Q4_1, 32, 32, 0, 15, NULL, read_d_m, write_q4_1, set_d_m, true, 0},
    {WT_Q5_0, 32, 32, -16, 15, NULL, read_d, write_q5_0, set_d, false, 0},
    {WT_Q5_1, 32, 32, 0, 31, NULL, read_d_m, write_q5_1, set_d_m, true, 0},
    {WT_Q8_0, 32, 32, -127, 127, NULL, read_d, write_q8_0, set_d, false, 0},
    {WT_Q2_K, 256, 16, 0, 3, NULL, read_q2_k, write_q2_k, set_q2_k, true, STEP_AT(wt_block_q2_k)},
    {WT_Q3_K, 256, 16, -4, 3, NULL, read_q3_k, write_q3_k, set_q3_k, false, STEP_AT(wt_block_q3_k)},
    {WT_Q4_K, 256, 32, 0, 15, NULL, read_q4_k, write_q4_k, set_q4_k, true, STEP_AT(wt_block_q4_k)},
    {WT_Q5_K, 256, 32, 0, 31, NULL, read_q4_k, write_q5_k, set_q4_k, true, STEP_AT(wt_block_q5_k)},
    {WT_Q6_K, 256, 16, -32, 31, NULL, read_q6_k, write_q6_k, set_q6_k, false, STEP_AT(wt_block_q6_k)},
    {WT_IQ4_NL, 32, 32, -127, 113, &iq4, read_d, write_iq4_nl, set_d, false, 0},
    {WT_IQ4_XS, 256, 32, -127, 113, &iq4, read_iq4_xs, write_iq4_xs, set_iq4_xs, false, STEP_AT(wt_block_iq4_xs)},
    {WT_MXFP4, 32, 32, -12, 12, &fp4, read_mxfp4, write_mxfp4, NULL, false, 0},
    {WT_NVFP4, 64, 16, -12, 12, &fp4, read_nvfp4, write_nvfp4, NULL, false, 0},
    {WT_Q1_0, 128, 128, -1, 1, &signs, read_d, write_q1_0, NULL, false, 0},
    {WT_Q2_0, 64, 64, -1, 2, NULL, read_d, write_q2_0, NULL, false, 0},
    {WT_TQ1_0, 256, 256, -1, 1, NULL, read_tq1_0, write_tq1_0, NULL, false, 0},
    /* The code of 2 exists; stock files have none. */
    {WT_TQ2_0, 256, 256, -1, 1, NULL, read_tq2_0, write_tq2_0, NULL, false, 0},
};

static void fill(value_set *set, const int8_t *values, const uint8_t *codes, int count) {
    wt_cells_of(&set->cells, values, count);
    for (int i = 0; i < count; i++) set->code[values[i] + 128] = codes[i];
}

static void fill_sets(void) {
    static const uint8_t plain[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t fp4_codes[15] = {15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7};
    int8_t ascending[15];
    for (int i = 0; i < 15; i++) ascending[i] = WT_VALUES_FP4[fp4_codes[i]];
    fill(&iq4, WT_VALUES_IQ4, plain, 16);
    fill(&fp4, ascending, fp4_codes, 15);
    fill(&signs, (const int8_t[]){-1, 1}, plain, 2);
}

static const row *find(wt_type type) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_sets);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (ROWS[i].type == type) return &ROWS[i];
    }
    return NULL;
}

bool wt_lattice_has(wt_type type) { return find(type) != NULL; }

void wt_lattice_read(wt_type type, const void *block, wt_lattice *l) {
    const row *r = find(type);
    *l = (wt_lattice){.weights = r->weights, .run = r->run};
    l->grid = (wt_grid){r->lo, r->hi, r->values ? &r->values->cells : NULL, r->values ? WT_TABLE : WT_INTEGERS};
    r->read(block, l);
}

bool wt_lattice_has_mins(wt_type type) {
    const row *r = find(type);
    return r && r->mins;
}

float wt_lattice_step(wt_type type, const void *block) {
    const row *r = find(type);
    uint16_t d;
    if (!r || !r->step) return 0.0f;
    memcpy(&d, (const uint8_t *)block + r->step - 1, sizeof d);
    return wt_half_to_float(d);
}

bool wt_lattice_can_set(wt_type type) {
    const row *r = find(type);
    return r && r->set;
}

void wt_lattice_set(wt_type type, size_t run, float scale, float min, void *block) {
    find(type)->set((int)run, scale, min, block);
}

void wt_lattice_write(wt_type type, const int8_t *q, void *block) {
    const row *r = find(type);
    uint8_t codes[WT_SUPER];
    for (size_t i = 0; i < r->weights; i++)
        codes[i] = r->values ? r->values->code[q[i] + 128] : (uint8_t)(q[i] - r->lo);
    r->write(codes, block);
}
