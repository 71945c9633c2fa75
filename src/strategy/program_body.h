/*
 * The machine, in one text for every instruction set (see program_lanes.h). Intermediate values have to stay within +-1e30, but to clamp
 * each would cost as much as the work itself. So each stretch of a row is looked over once for its largest input, and bounds are
 * carried through the program by the very arithmetic of the values: rounding is monotone, so where the bound of a result stays within
 * range, so does the result, and its clamp is left out. The bits are the same with and without.
 */
#include "strategy/program_math.h"
#include "strategy/program_private.h"

enum { TILE = 8 * WIDTH, STRETCH = 2048 };

/* Micro-operations; "r" is the operation with its operands the other way around. */
enum {
    LOAD,
    STORE,
    CLAMP,
    NEGATE,
    ADD,
    SUB,
    RSUB,
    MUL,
    DIV,
    RDIV,
    MIN,
    MAX,
    ABS,
    SQRT,
    LOG,
    EXP,
    TANH,
    POW,
    RPOW,
    IF_LT,
    IF_LE,
    IF_GT,
    IF_GE,
    IF_EQ,
    IF_NE,
    FINISH,
};

typedef struct micro {
    uint8_t code, a, b, c;
} micro;

typedef struct machine {
    const wt_program *program;
    const float *at[WT_PROGRAM_PLACES]; /* the tile of each place */
    float bound[WT_PROGRAM_PLACES];     /* no value there is larger in magnitude */
    bool dirty[WT_PROGRAM_PLACES];      /* of an input: has to be admitted before use */
    micro micros[2 * WT_PROGRAM_STEPS + 1];
    float tiles[WT_PROGRAM_PLACES][TILE] __attribute__((aligned(64)));
} machine;

/* ---- one tile ---- */

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define OPERAND(i) vec_load(a + i * WIDTH)
#define CASE(CODE, VALUE)                                                                                              \
    case CODE: EACH(VALUE) break;
/* Long ones keep the accumulator in memory: a loop of one body instead of eight copies. */
#define LONG(CODE, VALUE)                                                                                              \
    case CODE: {                                                                                                       \
        float acc[TILE] __attribute__((aligned(64)));                                                                  \
        EACH(SPILL)                                                                                                    \
        for (size_t i = 0; i < TILE; i += WIDTH) {                                                                     \
            const vec t = vec_load(acc + i);                                                                           \
            vec_store(acc + i, VALUE);                                                                                 \
        }                                                                                                              \
        EACH(FILL)                                                                                                     \
        break;                                                                                                         \
    }
#define DO_LOAD(i) t##i = OPERAND(i);
#define DO_STORE(i) vec_store(to + i * WIDTH, t##i);
#define DO_CLAMP(i) t##i = vec_within(t##i, WT_EXPR_MAX_NUMBER);
#define DO_NEGATE(i) t##i = vec_neg(t##i);
#define DO_ADD(i) t##i = t##i + OPERAND(i);
#define DO_SUB(i) t##i = t##i - OPERAND(i);
#define DO_RSUB(i) t##i = OPERAND(i) - t##i;
#define DO_MUL(i) t##i = t##i * OPERAND(i);
#define DO_MIN(i) t##i = vec_min(t##i, OPERAND(i));
#define DO_MAX(i) t##i = vec_max(t##i, OPERAND(i));
#define DO_ABS(i) t##i = vec_abs(t##i);
#define DO_SQRT(i) t##i = vec_sqrt(vec_abs(t##i));
#define PICKED(i, TEST, b, c) t##i = vec_pick(TEST(t##i, OPERAND(i)), vec_load(b + i * WIDTH), vec_load(c + i * WIDTH));
#define DO_IF_LT(i) PICKED(i, mask_lt, b, c)
#define DO_IF_LE(i) PICKED(i, mask_le, b, c)
#define DO_IF_GT(i) PICKED(i, mask_le, c, b)
#define DO_IF_GE(i) PICKED(i, mask_lt, c, b)
#define DO_IF_EQ(i) PICKED(i, mask_eq, b, c)
#define DO_IF_NE(i) PICKED(i, mask_eq, c, b)
#define DO_FINISH(i) vec_store(out + i * WIDTH, t##i + 0.0f); /* -0 becomes 0 */
#define SPILL(i) vec_store(acc + i * WIDTH, t##i);
#define FILL(i) t##i = vec_load(acc + i * WIDTH);

static void run_tile(machine *m, float *out) {
    vec t0, t1, t2, t3, t4, t5, t6, t7;
    t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = vec_set(0.0f);
    for (const micro *step = m->micros;; step++) {
        const float *a = m->at[step->a], *b = m->at[step->b], *c = m->at[step->c];
        float *to = m->tiles[step->a];
        switch (step->code) {
            CASE(LOAD, DO_LOAD)
            CASE(STORE, DO_STORE)
            CASE(CLAMP, DO_CLAMP)
            CASE(NEGATE, DO_NEGATE)
            CASE(ADD, DO_ADD)
            CASE(SUB, DO_SUB)
            CASE(RSUB, DO_RSUB)
            CASE(MUL, DO_MUL)
            CASE(MIN, DO_MIN)
            CASE(MAX, DO_MAX)
            CASE(ABS, DO_ABS)
            CASE(SQRT, DO_SQRT)
            CASE(IF_LT, DO_IF_LT)
            CASE(IF_LE, DO_IF_LE)
            CASE(IF_GT, DO_IF_GT)
            CASE(IF_GE, DO_IF_GE)
            CASE(IF_EQ, DO_IF_EQ)
            CASE(IF_NE, DO_IF_NE)
            LONG(DIV, vec_div(t, vec_load(a + i)))
            LONG(RDIV, vec_div(vec_load(a + i), t))
            LONG(LOG, vec_log(t))
            LONG(EXP, vec_exp(t))
            LONG(TANH, vec_tanh(t))
            LONG(POW, vec_pow(t, vec_load(a + i)))
            LONG(RPOW, vec_pow(vec_load(a + i), t))
        default: EACH(DO_FINISH) return;
        }
    }
}

/* ---- one stretch ---- */

/* The largest magnitude of n values, as bits: what is no number, and infinities, are above every number. */
static int32_t largest_bits(const float *x, size_t n) {
    const ivec magnitude = ivec_set(INT32_MAX);
    ivec m0 = ivec_set(0), m1 = m0;
    size_t i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
        m0 = ivec_max(m0, ivec_load(x + i) & magnitude);
        m1 = ivec_max(m1, ivec_load(x + i + WIDTH) & magnitude);
    }
    m0 = ivec_max(m0, m1);
    int32_t most = 0;
    for (int lane = 0; lane < WIDTH; lane++) most = m0[lane] > most ? m0[lane] : most;
    for (; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= INT32_MAX;
        if (bits > most) most = bits;
    }
    return most;
}

static float greater(float a, float b) { return a > b ? a : b; }

/* The bound of a result, from that of the accumulator and of the operands; beyond the range where it has to be clamped. */
static float bound_of(const machine *m, uint8_t code, float acc, const micro *s) {
    const float a = m->bound[s->a];
    switch (code) {
    case WT_OP_VARIABLE: return a;
    case WT_OP_ADD:
    case WT_OP_SUB: return acc + a;
    case WT_OP_MUL: return acc * a;
    case WT_OP_MIN:
    case WT_OP_MAX: return greater(acc, a);
    case WT_OP_SQRT: return sqrtf(acc);
    case WT_OP_LOG: return 70.0f;
    case WT_OP_TANH: return 1.0f;
    case WT_OP_NUMBER:
    case WT_OP_NEG:
    case WT_OP_ABS: return acc;
    case WT_OP_DIV:
    case WT_OP_EXP:
    case WT_OP_POW: return WT_EXPR_MAX_NUMBER; /* they clamp by themselves */
    default: return greater(m->bound[s->b], m->bound[s->c]);
    }
}

static const uint8_t CODES[WT_OP_COUNT] = {
    [WT_OP_NUMBER] = STORE, [WT_OP_VARIABLE] = LOAD, [WT_OP_NEG] = NEGATE, [WT_OP_ADD] = ADD,   [WT_OP_SUB] = SUB,
    [WT_OP_MUL] = MUL,      [WT_OP_DIV] = DIV,       [WT_OP_MIN] = MIN,    [WT_OP_MAX] = MAX,   [WT_OP_ABS] = ABS,
    [WT_OP_SQRT] = SQRT,    [WT_OP_LOG] = LOG,       [WT_OP_EXP] = EXP,    [WT_OP_TANH] = TANH, [WT_OP_POW] = POW,
    [WT_OP_LT] = IF_LT,     [WT_OP_LE] = IF_LE,      [WT_OP_GT] = IF_GT,   [WT_OP_GE] = IF_GE,  [WT_OP_EQ] = IF_EQ,
    [WT_OP_NE] = IF_NE,
};

static uint8_t micro_code(uint8_t code, bool flipped) {
    if (!flipped) return CODES[code];
    return code == WT_OP_SUB ? RSUB : code == WT_OP_DIV ? RDIV : code == WT_OP_POW ? RPOW : CODES[code];
}

static void lower(machine *m) {
    const wt_program *p = m->program;
    micro *next = m->micros;
    float acc = 0.0f;
    for (size_t i = 0; i < p->count; i++) {
        *next = (micro){micro_code(p->steps[i].code, p->steps[i].flipped), p->steps[i].a, p->steps[i].b, p->steps[i].c};
        acc = bound_of(m, p->steps[i].code, acc, next);
        if (p->steps[i].code == WT_OP_NUMBER) m->bound[next->a] = acc;
        next++;
        if (acc <= WT_EXPR_MAX_NUMBER) continue;
        *next++ = (micro){.code = CLAMP};
        acc = WT_EXPR_MAX_NUMBER;
    }
    *next = (micro){.code = FINISH};
}

static void admit(float *to, const float *from, size_t n) {
    float part[WIDTH] = {0};
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) vec_store(to + i, vec_admit(vec_load(from + i)));
    if (i == n) return;
    memcpy(part, from + i, (n - i) * sizeof *part);
    vec_store(to + i, vec_admit(vec_load(part)));
}

/* Tiles of fewer than TILE values are copied, so that nothing is read or written past the row's end. */
static void place_inputs(machine *m, const wt_row *inputs, size_t begin, size_t n) {
    const wt_program *p = m->program;
    for (size_t i = p->slots; i < p->places; i++) {
        if (!p->leaves[i - p->slots].is_input) continue;
        const wt_row *row = &inputs[p->leaves[i - p->slots].input];
        if (row->scalar) continue;
        m->at[i] = row->values + begin;
        if (n == TILE && !m->dirty[i]) continue;
        admit(m->tiles[i], row->values + begin, n);
        m->at[i] = m->tiles[i];
    }
}

static void run_stretch(machine *m, const wt_row *inputs, size_t begin, size_t end, float *out) {
    const wt_program *p = m->program;
    const int32_t most = 0x7149f2ca; /* the bits of 1e30 */
    for (size_t i = p->slots; i < p->places; i++) {
        if (!p->leaves[i - p->slots].is_input) continue;
        const wt_row *row = &inputs[p->leaves[i - p->slots].input];
        if (row->scalar) continue;
        int32_t bits = largest_bits(row->values + begin, end - begin);
        m->dirty[i] = bits > most;
        if (m->dirty[i]) bits = most;
        memcpy(&m->bound[i], &bits, sizeof bits);
    }
    lower(m);
    for (; begin + TILE <= end; begin += TILE) {
        place_inputs(m, inputs, begin, TILE);
        run_tile(m, out + begin);
    }
    if (begin == end) return;
    float rest[TILE];
    place_inputs(m, inputs, begin, end - begin);
    run_tile(m, rest);
    memcpy(out + begin, rest, (end - begin) * sizeof *rest);
}

static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    m.program = p;
    for (size_t i = 0; i < p->places; i++) {
        m.at[i] = m.tiles[i];
        m.bound[i] = 0.0f;
        m.dirty[i] = false;
        if (i < p->slots) continue;
        float value = p->leaves[i - p->slots].number;
        if (p->leaves[i - p->slots].is_input) {
            const wt_row *row = &inputs[p->leaves[i - p->slots].input];
            value = row->scalar ? row->values[0] : 0.0f;
        }
        value = vec_admit(vec_set(value))[0];
        for (size_t k = 0; k < TILE; k++) m.tiles[i][k] = value;
        m.bound[i] = fabsf(value);
    }
    for (size_t begin = 0; begin < n; begin += STRETCH)
        run_stretch(&m, inputs, begin, n - begin < STRETCH ? n : begin + STRETCH, out);
}
