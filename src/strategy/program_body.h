/*
 * The machine, in one text for every instruction set (see program_lanes.h). A row is run in tiles of eight registers. For each step there
 * is a function that does it to a tile, whose registers are its arguments and those of the next step's function, which it ends
 * by calling: compilers make that a jump, so that values stay in registers from step to step. Only what a later step needs is
 * written to memory. Inputs are read where they are. Each stretch of a row is looked over once for its largest input, which tells
 * whether the fast steps will do, and is short enough to stay in the first-level cache meanwhile.
 */
#include "strategy/program_math.h"
#include "strategy/program_private.h"

enum { TILE = 8 * WIDTH, STRETCH = 1024 };

typedef struct bound_step bound_step;

#define TILE_PARAMETERS vec t0, vec t1, vec t2, vec t3, vec t4, vec t5, vec t6, vec t7
typedef void run_step(const bound_step *s, size_t k, TILE_PARAMETERS);

/* Where an operand's values are: of the row from value k on, or, where `moves` is 0, one tile for all k. */
typedef struct place {
    const float *at;
    size_t moves; /* all bits, or none */
} place;

/* A step with its operands found. */
struct bound_step {
    run_step *run;
    bool stores, ends;
    float *to; /* where it stores: one tile, or, where `moves` is all bits, a row */
    size_t moves;
    place operands[4];
    float *scratch; /* one tile */
};

typedef struct machine {
    const wt_program *program;
    const wt_row *inputs;
    place places[WT_PROGRAM_PLACES];
    bound_step bound[WT_EXPR_MAX_NODES];
    float tiles[WT_PROGRAM_PLACES + 1][TILE]
        __attribute__((aligned(64))); /* slots, numbers, copied inputs; then scratch */
} machine;

/* ---- steps ---- */

#define TILE_REGISTERS t0, t1, t2, t3, t4, t5, t6, t7

/*
 * How a step ends. Adding 0 makes 0 of -0, which results must not be; no operator tells the two apart. Whether to store is a branch, and
 * no step of its own, because processors guess branches better than jumps.
 */
#define RUN_NEXT                                                                                                       \
    do {                                                                                                               \
        if (s->stores) {                                                                                               \
            float *const to = s->to + (k & s->moves);                                                                  \
            vec_store(to, t0 + 0.0f);                                                                                  \
            vec_store(to + WIDTH, t1 + 0.0f);                                                                          \
            vec_store(to + 2 * WIDTH, t2 + 0.0f);                                                                      \
            vec_store(to + 3 * WIDTH, t3 + 0.0f);                                                                      \
            vec_store(to + 4 * WIDTH, t4 + 0.0f);                                                                      \
            vec_store(to + 5 * WIDTH, t5 + 0.0f);                                                                      \
            vec_store(to + 6 * WIDTH, t6 + 0.0f);                                                                      \
            vec_store(to + 7 * WIDTH, t7 + 0.0f);                                                                      \
            if (s->ends) return;                                                                                       \
        }                                                                                                              \
        s[1].run(s + 1, k, TILE_REGISTERS);                                                                            \
    } while (0)

INLINE vec operand(const bound_step *s, int which, size_t k, size_t lane) {
    return vec_load(s->operands[which].at + (k & s->operands[which].moves) + lane * WIDTH);
}

/* In a step's value: T is the register, A to D are its operands in memory. */
#define T tile
#define A operand(s, 0, k, lane)
#define B operand(s, 1, k, lane)
#define C operand(s, 2, k, lane)
#define D operand(s, 3, k, lane)

#define REGISTER(i, value)                                                                                             \
    {                                                                                                                  \
        const size_t lane = i;                                                                                         \
        const vec tile = t##i;                                                                                         \
        (void)lane, (void)tile;                                                                                        \
        t##i = (value);                                                                                                \
    }
#define STEP(name, value)                                                                                              \
    static void name(const bound_step *s, size_t k, TILE_PARAMETERS) {                                                 \
        REGISTER(0, value)                                                                                             \
        REGISTER(1, value)                                                                                             \
        REGISTER(2, value)                                                                                             \
        REGISTER(3, value)                                                                                             \
        REGISTER(4, value)                                                                                             \
        REGISTER(5, value)                                                                                             \
        REGISTER(6, value)                                                                                             \
        REGISTER(7, value)                                                                                             \
        RUN_NEXT;                                                                                                      \
    }

/* Long values: a register at a time, through memory. */
#define LONG_STEP(name, value)                                                                                         \
    static void name(const bound_step *s, size_t k, TILE_PARAMETERS) {                                                 \
        float *const at = s->scratch;                                                                                  \
        vec_store(at, t0), vec_store(at + WIDTH, t1), vec_store(at + 2 * WIDTH, t2), vec_store(at + 3 * WIDTH, t3);    \
        vec_store(at + 4 * WIDTH, t4), vec_store(at + 5 * WIDTH, t5), vec_store(at + 6 * WIDTH, t6);                   \
        vec_store(at + 7 * WIDTH, t7);                                                                                 \
        _Pragma("GCC unroll 1") for (size_t lane = 0; lane < 8; lane++) {                                              \
            const vec tile = vec_load(at + lane * WIDTH);                                                              \
            (void)tile;                                                                                                \
            vec_store(at + lane * WIDTH, value);                                                                       \
        }                                                                                                              \
        t0 = vec_load(at), t1 = vec_load(at + WIDTH), t2 = vec_load(at + 2 * WIDTH), t3 = vec_load(at + 3 * WIDTH);    \
        t4 = vec_load(at + 4 * WIDTH), t5 = vec_load(at + 5 * WIDTH), t6 = vec_load(at + 6 * WIDTH);                   \
        t7 = vec_load(at + 7 * WIDTH);                                                                                 \
        RUN_NEXT;                                                                                                      \
    }

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

/* Of four, 3 stands for 5. */
INLINE vec fused_sum(int op, vec a, vec b) { return fused(op == 3 ? 5 : op, a, b); }

/*
 * X(name, code, value): every step, in the forms that it has: ONE (places, first) and TWO (last as well), whose values are of the operands
 * in turn.
 */
#define ONE(X, name, code, value) X(name##_places, 0, code, value(A)) X(name##_first, 1, code, value(T))
#define TWO(X, name, code, value)                                                                                      \
    X(name##_places, 0, code, value(A, B)) X(name##_first, 1, code, value(T, B)) X(name##_last, 2, code, value(A, T))
#define THREE(X, name, code, value)                                                                                    \
    X(name##_places, 0, code, value(A, B, C))                                                                          \
    X(name##_first, 1, code, value(T, B, C)) X(name##_last, 2, code, value(A, B, T))
#define FOUR(X, name, code, value)                                                                                     \
    X(name##_places, 0, code, value(A, B, C, D)) X(name##_first, 1, code, value(T, B, C, D))
#define PICK(X, name, code, value) FOUR(X, name, code, value) X(name##_last, 2, code, value(A, B, C, T))

#define V_COPY(a) (a)
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_MUL(a, b) ((a) * (b))
#define V_ADD_WITHIN(a, b) vec_within((a) + (b), WT_EXPR_MAX_NUMBER)
#define V_SUB_WITHIN(a, b) vec_within((a) - (b), WT_EXPR_MAX_NUMBER)
#define V_MUL_WITHIN(a, b) vec_within((a) * (b), WT_EXPR_MAX_NUMBER)
#define V_SQRT(a) vec_sqrt(vec_abs(a))
#define V_LT(a, b, c, d) vec_pick(mask_lt(a, b), c, d)
#define V_LE(a, b, c, d) vec_pick(mask_le(a, b), c, d)
#define V_GT(a, b, c, d) vec_pick(mask_lt(b, a), c, d)
#define V_GE(a, b, c, d) vec_pick(mask_le(b, a), c, d)
#define V_EQ(a, b, c, d) vec_pick(mask_eq(a, b), c, d)
#define V_NE(a, b, c, d) vec_pick(mask_eq(a, b), d, c)

#define PLAIN_STEPS(X)                                                                                                 \
    ONE(X, do_copy, WT_OP_VARIABLE, V_COPY)                                                                            \
    ONE(X, do_neg, WT_OP_NEG, vec_neg)                                                                                 \
    ONE(X, do_abs, WT_OP_ABS, vec_abs)                                                                                 \
    ONE(X, do_sqrt, WT_OP_SQRT, V_SQRT)                                                                                \
    TWO(X, do_add, WT_OP_ADD, V_ADD)                                                                                   \
    TWO(X, do_sub, WT_OP_SUB, V_SUB)                                                                                   \
    TWO(X, do_mul, WT_OP_MUL, V_MUL)                                                                                   \
    TWO(X, do_add_within, WT_STEP_CLAMPED(WT_OP_ADD), V_ADD_WITHIN)                                                    \
    TWO(X, do_sub_within, WT_STEP_CLAMPED(WT_OP_SUB), V_SUB_WITHIN)                                                    \
    TWO(X, do_mul_within, WT_STEP_CLAMPED(WT_OP_MUL), V_MUL_WITHIN)                                                    \
    TWO(X, do_div, WT_OP_DIV, vec_div)                                                                                 \
    TWO(X, do_min, WT_OP_MIN, vec_min)                                                                                 \
    TWO(X, do_max, WT_OP_MAX, vec_max)                                                                                 \
    PICK(X, do_lt, WT_OP_LT, V_LT)                                                                                     \
    PICK(X, do_le, WT_OP_LE, V_LE)                                                                                     \
    PICK(X, do_gt, WT_OP_GT, V_GT)                                                                                     \
    PICK(X, do_ge, WT_OP_GE, V_GE)                                                                                     \
    PICK(X, do_eq, WT_OP_EQ, V_EQ)                                                                                     \
    PICK(X, do_ne, WT_OP_NE, V_NE)

#define LONG_STEPS(X)                                                                                                  \
    ONE(X, do_log, WT_OP_LOG, vec_log)                                                                                 \
    ONE(X, do_exp, WT_OP_EXP, vec_exp)                                                                                 \
    ONE(X, do_tanh, WT_OP_TANH, vec_tanh)                                                                              \
    TWO(X, do_pow, WT_OP_POW, vec_pow)

/* Fused ones: their names and codes are made of the operators' numbers. */
#define SIGNLESS(X, o)                                                                                                 \
    X(abs_##o##_places, 0, WT_STEP_ABS(o), fused(o, vec_abs(A), B))                                                    \
    X(abs_##o##_first, 1, WT_STEP_ABS(o), fused(o, vec_abs(T), B))                                                     \
    X(abs_##o##_last, 2, WT_STEP_ABS(o), fused(o, vec_abs(A), T))                                                      \
    X(sqrt_##o##_places, 0, WT_STEP_SQRT(o), fused(o, V_SQRT(A), B))                                                   \
    X(sqrt_##o##_first, 1, WT_STEP_SQRT(o), fused(o, V_SQRT(T), B))                                                    \
    X(sqrt_##o##_last, 2, WT_STEP_SQRT(o), fused(o, V_SQRT(A), T))
#define FUSED_THREE(X, o1, o2)                                                                                         \
    X(three_##o1##_##o2##_places, 0, WT_STEP_THREE(o1, o2), fused(o2, fused(o1, A, B), C))                             \
    X(three_##o1##_##o2##_first, 1, WT_STEP_THREE(o1, o2), fused(o2, fused(o1, T, B), C))                              \
    X(three_##o1##_##o2##_last, 2, WT_STEP_THREE(o1, o2), fused(o2, fused(o1, A, B), T))
#define FUSED_FOUR(X, o1, o2, o3)                                                                                      \
    X(four_##o1##_##o2##_##o3##_places, 0, WT_STEP_FOUR(o1, o2, o3),                                                   \
      fused_sum(o2, fused_sum(o1, A, B), fused(o3, C, D)))                                                             \
    X(four_##o1##_##o2##_##o3##_first, 1, WT_STEP_FOUR(o1, o2, o3), fused_sum(o2, fused_sum(o1, T, B), fused(o3, C, D)))
#define THREES(X, o1)                                                                                                  \
    FUSED_THREE(X, o1, 0)                                                                                              \
    FUSED_THREE(X, o1, 1)                                                                                              \
    FUSED_THREE(X, o1, 2)                                                                                              \
    FUSED_THREE(X, o1, 3)                                                                                              \
    FUSED_THREE(X, o1, 4)                                                                                              \
    FUSED_THREE(X, o1, 5)
#define FOURS(X, o1, o2)                                                                                               \
    FUSED_FOUR(X, o1, o2, 0)                                                                                           \
    FUSED_FOUR(X, o1, o2, 1)                                                                                           \
    FUSED_FOUR(X, o1, o2, 2)
#define FOURS_OF(X, o1) FOURS(X, o1, 0) FOURS(X, o1, 1) FOURS(X, o1, 2) FOURS(X, o1, 3)
#define FUSED_STEPS(X)                                                                                                 \
    SIGNLESS(X, 0)                                                                                                     \
    SIGNLESS(X, 1)                                                                                                     \
    SIGNLESS(X, 2)                                                                                                     \
    SIGNLESS(X, 3)                                                                                                     \
    SIGNLESS(X, 4)                                                                                                     \
    SIGNLESS(X, 5)                                                                                                     \
    THREES(X, 0)                                                                                                       \
    THREES(X, 1)                                                                                                       \
    THREES(X, 2)                                                                                                       \
    THREES(X, 3)                                                                                                       \
    THREES(X, 4)                                                                                                       \
    THREES(X, 5)                                                                                                       \
    FOURS_OF(X, 0)                                                                                                     \
    FOURS_OF(X, 1)                                                                                                     \
    FOURS_OF(X, 2)                                                                                                     \
    FOURS_OF(X, 3)

#define DEFINE(name, form, code, value) STEP(name, value)
#define DEFINE_LONG(name, form, code, value) LONG_STEP(name, value)
#define ENTER(name, form, code, value) [form][code] = name,

PLAIN_STEPS(DEFINE)
FUSED_STEPS(DEFINE)
LONG_STEPS(DEFINE_LONG)

static run_step *const STEPS[WT_FORMS][256] = {PLAIN_STEPS(ENTER) FUSED_STEPS(ENTER) LONG_STEPS(ENTER)};

#undef T
#undef A
#undef B
#undef C
#undef D

/* ---- one tile ---- */

/* Finds what the steps need, for results that go to `out`. */
static void bind_steps(machine *m, const wt_step *steps, size_t count, float *out) {
    const place *p = m->places;
    bound_step *bound = m->bound;
    for (const wt_step *s = steps; s < steps + count; s++) {
        const bool ends = s->to == WT_PROGRAM_OUT;
        bound->run = STEPS[s->form][s->code];
        bound->stores = s->kept || ends;
        bound->ends = ends;
        bound->to = ends ? out : m->tiles[s->to];
        bound->moves = ends ? SIZE_MAX : 0;
        bound->operands[0] = p[s->a];
        bound->operands[1] = p[s->b];
        bound->operands[2] = p[s->c];
        bound->operands[3] = p[s->d];
        bound->scratch = m->tiles[WT_PROGRAM_PLACES];
        bound++;
    }
}

/* Values begin .. begin + n - 1; n is a multiple of TILE. */
static void run_tiles(const bound_step *steps, size_t begin, size_t n) {
    const vec none = vec_set(0.0f);
    for (size_t k = begin; k < begin + n; k += TILE)
        steps->run(steps, k, none, none, none, none, none, none, none, none);
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
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
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

/* At most a tile, admitted as numbers within range and copied, so that nothing is read or written past the row's end. */
static void run_copied(machine *m, size_t begin, size_t n, float *out) {
    const wt_program *p = m->program;
    float result[TILE] __attribute__((aligned(64)));
    for (size_t i = p->slots; i < p->places; i++) {
        const float *row = row_of(m, i);
        if (!row) continue;
        memset(m->tiles[i], 0, sizeof m->tiles[i]);
        memcpy(m->tiles[i], row + begin, n * sizeof *row);
        for (size_t k = 0; k < TILE; k += WIDTH) vec_store(m->tiles[i] + k, vec_admit(vec_load(m->tiles[i] + k)));
        m->places[i] = (place){m->tiles[i], 0};
    }
    bind_steps(m, p->careful, p->careful_count, result);
    run_tiles(m->bound, 0, TILE);
    memcpy(out + begin, result, n * sizeof *out);
}

/* The largest magnitude in begin .. end - 1 of the rows whose caller does not know it, as bits; at least `most`. */
static int32_t look(const machine *m, size_t begin, size_t end, int32_t most) {
    const wt_program *p = m->program;
    for (size_t i = p->slots; i < p->places; i++) {
        const float *row = row_of(m, i);
        if (!row || m->inputs[p->leaves[i - p->slots].input].most > 0.0f) continue;
        const int32_t bits = largest_bits(row + begin, end - begin);
        if (bits > most) most = bits;
    }
    return most;
}

/* As much as whole tiles make of begin .. end - 1, with inputs of at most `most`; where the rest begins. */
static size_t run_direct(machine *m, size_t begin, size_t end, int32_t most, float *out) {
    const wt_program *p = m->program;
    const bool fast = p->fast_limit > 0.0f && most <= bits_of(p->fast_limit);
    const size_t n = (end - begin) / TILE * TILE;
    if (n == 0 || most > bits_of(WT_EXPR_MAX_NUMBER)) return begin;
    for (size_t i = p->slots; i < p->places; i++) {
        const float *row = row_of(m, i);
        if (row) m->places[i] = (place){row, SIZE_MAX};
    }
    bind_steps(m, fast ? p->fast : p->careful, fast ? p->fast_count : p->careful_count, out);
    run_tiles(m->bound, begin, n);
    return begin + n;
}

/* Numbers, and inputs that are one value; the largest of those, as bits. */
static int32_t place_constants(machine *m) {
    const wt_program *p = m->program;
    int32_t most = 0;
    for (size_t i = 0; i < p->places; i++) {
        m->places[i] = (place){m->tiles[i], 0};
        if (i < p->slots || row_of(m, i)) continue;
        float value = p->leaves[i - p->slots].number;
        if (p->leaves[i - p->slots].is_input) {
            float one[WIDTH];
            vec_store(one, vec_admit(vec_set(m->inputs[p->leaves[i - p->slots].input].values[0])));
            value = one[0];
            const int32_t bits = bits_of(fabsf(value));
            if (bits > most) most = bits;
        }
        for (size_t k = 0; k < TILE; k += WIDTH) vec_store(m->tiles[i] + k, vec_set(value));
    }
    return most;
}

/* The largest input that the caller promises, at least `most`; `promised`: of all rows. */
static int32_t promised_most(const machine *m, int32_t most, bool *promised) {
    const wt_program *p = m->program;
    *promised = true;
    for (size_t i = p->slots; i < p->places; i++) {
        if (!row_of(m, i)) continue;
        const float known = m->inputs[p->leaves[i - p->slots].input].most;
        if (!(known > 0.0f)) *promised = false;
        if (known > 0.0f && bits_of(known) > most) most = bits_of(known);
    }
    return most;
}

static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    bool promised;
    m.program = p;
    m.inputs = inputs;
    const int32_t most = promised_most(&m, place_constants(&m), &promised);
    const size_t stretch = promised ? n : STRETCH;
    for (size_t begin = 0; begin < n;) {
        const size_t end = n - begin < stretch ? n : begin + stretch;
        begin = run_direct(&m, begin, end, promised ? most : look(&m, begin, end, most), out);
        for (; begin < end; begin += TILE) run_copied(&m, begin, end - begin < TILE ? end - begin : TILE, out);
        begin = end;
    }
}
