/*
 * The machine, in one text for every instruction set (see program_lanes.h). A row is run in blocks that are short enough for all
 * slots to stay in the first-level cache, and long enough for the choice of what a step does to cost nothing beside doing it.
 * Inputs are read where they are. Each stretch of a row is looked over once for its largest input, which tells whether the fast steps
 * will do.
 */
#include "strategy/program_math.h"
#include "strategy/program_private.h"

/* GROUP: what one turn of a step's loop does, and the least that a program runs on. */
enum { GROUP = 4 * WIDTH, STRETCH = 4096, BLOCK = 1024, ARENA = 8192 };

/* Slots lie so far apart beside their length that they do not share the cache's sets. */
enum { GAP = 80 };

/* Where an operand's values are, and how far apart its groups: GROUP, or 0 for one group of equal values. */
typedef struct place {
    const float *at;
    size_t stride;
} place;

typedef struct machine {
    const wt_program *program;
    const wt_row *inputs;
    place places[WT_PROGRAM_PLACES];
    size_t block;
    float groups[WT_PROGRAM_PLACES][GROUP] __attribute__((aligned(64))); /* numbers; inputs that have to be copied */
    float slots[ARENA + WT_PROGRAM_SLOTS * GAP] __attribute__((aligned(64)));
} machine;

/* ---- one step ---- */

#define A vec_load(a.at + k)
#define B vec_load(b.at + k)
#define C vec_load(c.at + k)
#define D vec_load(d.at + k)
#define NEXT to += GROUP, a.at += a.stride, b.at += b.stride, c.at += c.stride, d.at += d.stride
/* Adding 0 makes 0 of -0. */
#define STEP(code, value)                                                                                              \
    case code:                                                                                                         \
        for (const float *end = to + n; to < end; NEXT) {                                                              \
            _Pragma("GCC unroll 4") for (size_t k = 0; k < GROUP; k += WIDTH) vec_store(to + k, (value) + 0.0f);       \
        }                                                                                                              \
        break;
/* For long values: not unrolled. */
#define LONG_STEP(code, value)                                                                                         \
    case code:                                                                                                         \
        for (const float *end = to + n; to < end; NEXT) {                                                              \
            _Pragma("GCC unroll 1") for (size_t k = 0; k < GROUP; k += WIDTH) vec_store(to + k, (value) + 0.0f);       \
        }                                                                                                              \
        break;

INLINE vec fused(int op, vec a, vec b) {
    switch (op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return vec_min(a, b);
    case 4: return vec_max(a, b);
    default: return b - a;
    }
}

#define THREE(o1, o2) STEP(WT_STEP_THREE(o1, o2), fused(o2, fused(o1, A, B), C))
#define THREES(o1) THREE(o1, 0) THREE(o1, 1) THREE(o1, 2) THREE(o1, 3) THREE(o1, 4) THREE(o1, 5)
#define FOUR(o1, o2, o3) STEP(WT_STEP_FOUR(o1, o2, o3), fused(o2, fused(o1, A, B), fused(o3, C, D)))
#define FOURS(o1)                                                                                                      \
    FOUR(o1, 0, 0)                                                                                                     \
    FOUR(o1, 0, 1)                                                                                                     \
    FOUR(o1, 0, 2) FOUR(o1, 1, 0) FOUR(o1, 1, 1) FOUR(o1, 1, 2) FOUR(o1, 2, 0) FOUR(o1, 2, 1) FOUR(o1, 2, 2)

#define SIGNLESS(o)                                                                                                    \
    STEP(WT_STEP_ABS(o), fused(o, vec_abs(A), B))                                                                      \
    STEP(WT_STEP_SQRT(o), fused(o, vec_sqrt(vec_abs(A)), B))

static void run_step(uint8_t code, float *to, place a, place b, place c, place d, size_t n) {
    switch (code) {
        STEP(WT_OP_VARIABLE, A)
        STEP(WT_OP_NEG, vec_neg(A))
        STEP(WT_OP_ADD, A + B)
        STEP(WT_OP_SUB, A - B)
        STEP(WT_OP_MUL, A * B)
        STEP(WT_STEP_CLAMPED(WT_OP_ADD), vec_within(A + B, WT_EXPR_MAX_NUMBER))
        STEP(WT_STEP_CLAMPED(WT_OP_SUB), vec_within(A - B, WT_EXPR_MAX_NUMBER))
        STEP(WT_STEP_CLAMPED(WT_OP_MUL), vec_within(A * B, WT_EXPR_MAX_NUMBER))
        STEP(WT_OP_MIN, vec_min(A, B))
        STEP(WT_OP_MAX, vec_max(A, B))
        STEP(WT_OP_ABS, vec_abs(A))
        STEP(WT_OP_SQRT, vec_sqrt(vec_abs(A)))
        STEP(WT_OP_DIV, vec_div(A, B))
        STEP(WT_OP_LT, vec_pick(mask_lt(A, B), C, D))
        STEP(WT_OP_LE, vec_pick(mask_le(A, B), C, D))
        STEP(WT_OP_GT, vec_pick(mask_lt(B, A), C, D))
        STEP(WT_OP_GE, vec_pick(mask_le(B, A), C, D))
        STEP(WT_OP_EQ, vec_pick(mask_eq(A, B), C, D))
        STEP(WT_OP_NE, vec_pick(mask_eq(A, B), D, C))
        LONG_STEP(WT_OP_LOG, vec_log(A))
        LONG_STEP(WT_OP_EXP, vec_exp(A))
        LONG_STEP(WT_OP_TANH, vec_tanh(A))
        LONG_STEP(WT_OP_POW, vec_pow(A, B))
        SIGNLESS(0)
        SIGNLESS(1)
        SIGNLESS(2)
        SIGNLESS(3)
        SIGNLESS(4)
        SIGNLESS(5)
        THREES(0)
        THREES(1)
        THREES(2)
        THREES(3)
        THREES(4)
        FOURS(0)
        FOURS(1)
        FOURS(2)
    default: break; /* not in a verified program */
    }
}

#undef A
#undef B
#undef C
#undef D

static void run_steps(const machine *m, const wt_step *steps, size_t count, size_t n, float *out) {
    const place *p = m->places;
    for (const wt_step *s = steps; s < steps + count; s++) {
        float *to = s->to == WT_PROGRAM_OUT ? out : (float *)p[s->to].at;
        run_step(s->code, to, p[s->a], p[s->b], p[s->c], p[s->d], n);
    }
}

/* ---- one stretch ---- */

static int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The largest magnitude of n values, as bits: what is no number, and infinities, are above every number. */
static int32_t largest_bits(const float *x, size_t n) {
    const ivec magnitude = ivec_set(INT32_MAX);
    ivec m0 = ivec_set(0), m1 = m0, m2 = m0, m3 = m0;
    size_t i = 0;
    for (; i + GROUP <= n; i += GROUP) {
        m0 = ivec_max(m0, ivec_load(x + i) & magnitude);
        m1 = ivec_max(m1, ivec_load(x + i + WIDTH) & magnitude);
        m2 = ivec_max(m2, ivec_load(x + i + 2 * WIDTH) & magnitude);
        m3 = ivec_max(m3, ivec_load(x + i + 3 * WIDTH) & magnitude);
    }
    int32_t lanes[WIDTH], most = 0;
    m0 = ivec_max(ivec_max(m0, m1), ivec_max(m2, m3));
    memcpy(lanes, &m0, sizeof lanes);
    for (int lane = 0; lane < WIDTH; lane++) most = lanes[lane] > most ? lanes[lane] : most;
    for (; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= INT32_MAX;
        if (bits > most) most = bits;
    }
    return most;
}

/* The row that place i reads, or NULL where it is a slot, a number or one value. */
static const float *row_of(const machine *m, size_t i) {
    const wt_program *p = m->program;
    if (i < p->slots || !p->leaves[i - p->slots].is_input) return NULL;
    const wt_row *row = &m->inputs[p->leaves[i - p->slots].input];
    return row->scalar ? NULL : row->values;
}

/* At most a group, admitted as numbers within range and copied, so that nothing is read or written past the row's end. */
static void run_copied(machine *m, size_t begin, size_t n, float *out) {
    const wt_program *p = m->program;
    float result[GROUP] __attribute__((aligned(64)));
    for (size_t i = p->slots; i < p->places; i++) {
        const float *row = row_of(m, i);
        if (!row) continue;
        memcpy(m->groups[i], row + begin, n * sizeof *row);
        for (size_t k = 0; k < GROUP; k += WIDTH) vec_store(m->groups[i] + k, vec_admit(vec_load(m->groups[i] + k)));
        m->places[i] = (place){m->groups[i], 0};
    }
    run_steps(m, p->careful, p->careful_count, GROUP, result);
    memcpy(out + begin, result, n * sizeof *out);
}

static void run_stretch(machine *m, size_t begin, size_t end, int32_t most, float *out) {
    const wt_program *p = m->program;
    for (size_t i = p->slots; i < p->places; i++) {
        const float *row = row_of(m, i);
        if (!row) continue;
        const float known = m->inputs[p->leaves[i - p->slots].input].most;
        const int32_t bits = known > 0.0f ? bits_of(known) : largest_bits(row + begin, end - begin);
        if (bits > most) most = bits;
    }
    const bool fast = p->fast_limit > 0.0f && most <= bits_of(p->fast_limit);
    const bool direct = most <= bits_of(WT_EXPR_MAX_NUMBER);
    while (direct && end - begin >= GROUP) {
        const size_t left = (end - begin) / GROUP * GROUP, n = left < m->block ? left : m->block;
        for (size_t i = p->slots; i < p->places; i++) {
            const float *row = row_of(m, i);
            if (row) m->places[i] = (place){row + begin, GROUP};
        }
        run_steps(m, fast ? p->fast : p->careful, fast ? p->fast_count : p->careful_count, n, out + begin);
        begin += n;
    }
    for (; begin < end; begin += GROUP) run_copied(m, begin, end - begin < GROUP ? end - begin : GROUP, out);
}

static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    int32_t most = 0; /* of the inputs that are one value */
    m.program = p;
    m.inputs = inputs;
    m.block = p->slots * BLOCK <= ARENA ? BLOCK : ARENA / p->slots / GROUP * GROUP;
    for (size_t i = 0; i < p->slots; i++) m.places[i] = (place){m.slots + i * (m.block + GAP), GROUP};
    for (size_t i = p->slots; i < p->places; i++) {
        float value = p->leaves[i - p->slots].number;
        if (row_of(&m, i)) continue; /* its place comes with each block */
        if (p->leaves[i - p->slots].is_input) {
            float one[WIDTH];
            vec_store(one, vec_admit(vec_set(inputs[p->leaves[i - p->slots].input].values[0])));
            value = one[0];
            const int32_t bits = bits_of(fabsf(value));
            if (bits > most) most = bits;
        }
        for (size_t k = 0; k < GROUP; k += WIDTH) vec_store(m.groups[i] + k, vec_set(value));
        m.places[i] = (place){m.groups[i], 0};
    }
    for (size_t begin = 0; begin < n; begin += STRETCH)
        run_stretch(&m, begin, n - begin < STRETCH ? n : begin + STRETCH, most, out);
}
