/*
 * The machine, in one text for every instruction set (see program_lanes.h). A row is run in tiles of eight vectors,
 * which stay in registers from step to step: for each step there is a function that has them as its arguments, does its
 * work to them and calls the next step's function with them, which compilers make a jump. Only what a later step needs
 * is written to memory. Inputs are read where they are. Where the caller does not promise their bounds, each stretch of
 * a row is looked over once, short enough to stay in the first-level cache meanwhile, which tells whether the fast
 * steps will do.
 */
#include <stdbool.h>

#include "strategy/program_math.h"
#include "strategy/program_private.h"

enum { TILE = 8 * WIDTH, TILE_BYTES = 8 * sizeof(vec), STRETCH = 1024 };

/*
 * Where places' values are: those of the tile that begins k bytes into a row are at at[place] + (k & moves[place]). So
 * rows, the result among them, move and slots and single values, a tile of them each, do not. The addresses of a tile's
 * stores come of numbers that no store precedes: the loads of the next tile need not wait for them.
 */
typedef struct table {
    uintptr_t at[WT_PROGRAM_PLACES + 1], moves[WT_PROGRAM_PLACES + 1]; /* 0 or all ones */
} table;

#define REGISTERS t0, t1, t2, t3, t4, t5, t6, t7
#define STEP_PARAMETERS                                                                                                \
    const wt_step *s, const table *at, size_t k, vec t0, vec t1, vec t2, vec t3, vec t4, vec t5, vec t6, vec t7
typedef void run_step(STEP_PARAMETERS);

static run_step *const STEPS[WT_STEP_END];

/* ---- steps ---- */

#define STORE(to, zero)                                                                                                \
    vec_store(to, t0 zero), vec_store(to + WIDTH, t1 zero), vec_store(to + 2 * WIDTH, t2 zero);                        \
    vec_store(to + 3 * WIDTH, t3 zero), vec_store(to + 4 * WIDTH, t4 zero), vec_store(to + 5 * WIDTH, t5 zero);        \
    vec_store(to + 6 * WIDTH, t6 zero), vec_store(to + 7 * WIDTH, t7 zero)

/* How a step ends, other than the last. */
#define RUN_NEXT s++, STEPS[s->code](s, at, k, REGISTERS)

/* In a step's value: T is the register, A to C are its operands in memory, which are at a to d. */
#define T tile
#define A vec_load(a + lane * WIDTH)
#define B vec_load(b + lane * WIDTH)
#define C vec_load(c + lane * WIDTH)

#define PLACE(place) (float *)(at->at[place] + (k & at->moves[place]))
#define FIXED_PLACE(place) (float *)at->at[place]        /* a slot or a single value */
#define MOVING_PLACE(place) (float *)(at->at[place] + k) /* a row */
#define OPERANDS                                                                                                       \
    const float *const a = PLACE(s->a), *const b = PLACE(s->b), *const c = PLACE(s->c), *const d = PLACE(s->d);        \
    (void)a, (void)b, (void)c, (void)d

#define REGISTER(i, value)                                                                                             \
    {                                                                                                                  \
        enum { lane = i };                                                                                             \
        const vec tile = t##i;                                                                                         \
        (void)tile;                                                                                                    \
        t##i = (value);                                                                                                \
    }
#define EACH_REGISTER(value)                                                                                           \
    REGISTER(0, value)                                                                                                 \
    REGISTER(1, value)                                                                                                 \
    REGISTER(2, value)                                                                                                 \
    REGISTER(3, value)                                                                                                 \
    REGISTER(4, value)                                                                                                 \
    REGISTER(5, value)                                                                                                 \
    REGISTER(6, value)                                                                                                 \
    REGISTER(7, value)
#define STEP(name, code, value)                                                                                        \
    static void name(STEP_PARAMETERS) {                                                                                \
        OPERANDS;                                                                                                      \
        EACH_REGISTER(value)                                                                                           \
        RUN_NEXT;                                                                                                      \
    }

/* A step whose value goes to a slot, past the register. */
#define KEEPING_STEP(name, code, value)                                                                                \
    static void name(STEP_PARAMETERS) {                                                                                \
        OPERANDS;                                                                                                      \
        float *const to = FIXED_PLACE(s->d);                                                                           \
        for (size_t lane = 0; lane < 8; lane++) vec_store(to + lane * WIDTH, value);                                   \
        RUN_NEXT;                                                                                                      \
    }

/* The last step. Adding 0 makes 0 of -0, which results must not be; no operator tells the two apart. */
#define LAST_STEP(name, code, value)                                                                                   \
    static void name(STEP_PARAMETERS) {                                                                                \
        const vec zero = vec_set(0.0f);                                                                                \
        OPERANDS;                                                                                                      \
        float *const to = MOVING_PLACE(s->d);                                                                          \
        EACH_REGISTER(value)                                                                                           \
        STORE(to, +zero);                                                                                              \
    }

/* Long values: a vector at a time, through memory. */
#define LONG_STEP(name, code, value)                                                                                   \
    static void name(STEP_PARAMETERS) {                                                                                \
        OPERANDS;                                                                                                      \
        float m[TILE] __attribute__((aligned(64)));                                                                    \
        STORE(m, );                                                                                                    \
        _Pragma("GCC unroll 1") for (size_t lane = 0; lane < 8; lane++) {                                              \
            const vec tile = vec_load(m + lane * WIDTH);                                                               \
            vec_store(m + lane * WIDTH, value);                                                                        \
        }                                                                                                              \
        t0 = vec_load(m), t1 = vec_load(m + WIDTH), t2 = vec_load(m + 2 * WIDTH), t3 = vec_load(m + 3 * WIDTH);        \
        t4 = vec_load(m + 4 * WIDTH), t5 = vec_load(m + 5 * WIDTH), t6 = vec_load(m + 6 * WIDTH);                      \
        t7 = vec_load(m + 7 * WIDTH);                                                                                  \
        RUN_NEXT;                                                                                                      \
    }

INLINE vec fused(int op, vec x, vec y) {
    switch (op) {
    case 0: return x + y;
    case 1: return x - y;
    case 2: return x * y;
    case 3: return vec_min(x, y);
    case 4: return vec_max(x, y);
    default: return y - x;
    }
}

/* Each pair loads what it reads and no more, as a number is all that is there. `from`: the first of the lanes. */
INLINE vec pair_of(wt_pair pair, const float *x, const float *y, const float *number, size_t from) {
    switch (pair) {
    case WT_PAIR_ADD: return vec_load(x + from) + vec_load(y + from);
    case WT_PAIR_SUB: return vec_load(x + from) - vec_load(y + from);
    case WT_PAIR_MUL: return vec_load(x + from) * vec_load(y + from);
    case WT_PAIR_SQUARE: return vec_load(x + from) * vec_load(x + from);
    case WT_PAIR_SCALE: return vec_set(*number) * vec_load(y + from);
    case WT_PAIR_MIN: return vec_min(vec_load(x + from), vec_load(y + from));
    case WT_PAIR_MAX: return vec_max(vec_load(x + from), vec_load(y + from));
    default: return vec_load(x + from);
    }
}

INLINE vec choose(int comparison, vec x, vec y, vec yes, vec no) {
    switch (comparison) {
    case 0: return vec_pick(mask_lt(x, y), yes, no);
    case 1: return vec_pick(mask_le(x, y), yes, no);
    case 2: return vec_pick(mask_eq(x, y), yes, no);
    case 3: return vec_pick(mask_eq(x, y), no, yes);
    case 4: return vec_pick(mask_lt(y, x), yes, no);
    default: return vec_pick(mask_le(y, x), yes, no);
    }
}

INLINE vec choose_own(int comparison, vec x, vec y, vec factor, vec no) {
    return choose(comparison, x * x, y, x * factor, no);
}

#define PLAIN_STEPS(X)                                                                                                 \
    X(do_load, WT_STEP_LOAD, A)                                                                                        \
    X(do_load_abs, WT_STEP_LOAD_ABS, vec_abs(A))                                                                       \
    X(do_neg, WT_STEP_NEG, vec_neg(T))                                                                                 \
    X(do_abs, WT_STEP_ABS, vec_abs(T))                                                                                 \
    X(do_sqrt, WT_STEP_SQRT, vec_sqrt(vec_abs(T)))                                                                     \
    X(do_div, WT_STEP_DIV, vec_div(T, A))                                                                              \
    X(do_into, WT_STEP_INTO, vec_div(A, T))                                                                            \
    X(do_add_within, WT_STEP_ADD_WITHIN, vec_within(T + A, WT_EXPR_MAX_NUMBER))                                        \
    X(do_sub_within, WT_STEP_SUB_WITHIN, vec_within(T - A, WT_EXPR_MAX_NUMBER))                                        \
    X(do_mul_within, WT_STEP_MUL_WITHIN, vec_within(T *A, WT_EXPR_MAX_NUMBER))                                         \
    X(do_from_within, WT_STEP_FROM_WITHIN, vec_within(A - T, WT_EXPR_MAX_NUMBER))                                      \
    X(do_lt, WT_STEP_LT, vec_pick(mask_lt(T, A), B, C))                                                                \
    X(do_le, WT_STEP_LE, vec_pick(mask_le(T, A), B, C))                                                                \
    X(do_gt, WT_STEP_GT, vec_pick(mask_lt(A, T), B, C))                                                                \
    X(do_ge, WT_STEP_GE, vec_pick(mask_le(A, T), B, C))                                                                \
    X(do_eq, WT_STEP_EQ, vec_pick(mask_eq(T, A), B, C))                                                                \
    X(do_ne, WT_STEP_NE, vec_pick(mask_eq(T, A), C, B))

#define LONG_STEPS(X)                                                                                                  \
    X(do_log, WT_STEP_LOG, vec_log(T))                                                                                 \
    X(do_exp, WT_STEP_EXP, vec_exp(T))                                                                                 \
    X(do_tanh, WT_STEP_TANH, vec_tanh(T))                                                                              \
    X(do_pow, WT_STEP_POW, vec_pow(T, A))                                                                              \
    X(do_power_of, WT_STEP_POWER_OF, vec_pow(A, T))

/* Fused ones: names and codes are made of the numbers of operators and pairs. EACH_n: for each of the first n. */
#define APPLY(X, o)                                                                                                    \
    X(apply_##o, WT_STEP_APPLY(o), fused(o, T, A))                                                                     \
    X(apply_number_##o, WT_STEP_APPLY_NUMBER(o), fused(o, T, vec_set(*FIXED_PLACE(s->a))))                             \
    X(sqrt_apply_##o, WT_STEP_SQRT_APPLY(o), fused(o, vec_sqrt(vec_abs(T)), A))
#define AB(pair) pair_of(pair, a, b, FIXED_PLACE(s->a), lane *WIDTH)
#define CD(pair) pair_of(pair, c, d, FIXED_PLACE(s->c), lane *WIDTH)
#define LOAD_2(X, p) X(load_##p, WT_STEP_LOAD_2(p), AB(p))
#define LOAD_3(X, p, o) X(load_##p##_##o, WT_STEP_LOAD_3(p, o), fused(o, AB(p), C))
#define CHAIN(X, o1, o2) X(chain_##o1##_##o2, WT_STEP_CHAIN(o1, o2), fused(o2, fused(o1, T, A), B))
#define JOIN(X, o, p) X(join_##o##_##p, WT_STEP_JOIN(o, p), fused(o, T, AB(p)))
#define LOAD_4(X, p, o, q) X(load_##p##_##o##_##q, WT_STEP_LOAD_4(p, o, q), fused(o, AB(p), CD(q)))
#define JOIN_3(X, o, p, o2) X(join_##o##_##p##_##o2, WT_STEP_JOIN_3(o, p, o2), fused(o, T, fused(o2, AB(p), C)))
#define PICK(X, c, p) X(pick_##c##_##p, WT_STEP_PICK(c, p), choose(c, A, B, CD(p), T))
#define PICK_OWN(X, c) X(pick_own_##c, WT_STEP_PICK_OWN(c), choose_own(c, A, B, C, T))
#define PICK_SQUARE(X, c, p) X(pick_square_##c##_##p, WT_STEP_PICK_SQUARE(c, p), choose(c, AB(3), B, CD(p), T))

#define EACH_3(F, X, ...) F(X, __VA_ARGS__, 0) F(X, __VA_ARGS__, 1) F(X, __VA_ARGS__, 2)
#define EACH_5(F, X, ...) EACH_3(F, X, __VA_ARGS__) F(X, __VA_ARGS__, 3) F(X, __VA_ARGS__, 4)
#define EACH_6(F, X, ...) EACH_5(F, X, __VA_ARGS__) F(X, __VA_ARGS__, 5)
#define EACH_7(F, X, ...) EACH_6(F, X, __VA_ARGS__) F(X, __VA_ARGS__, 6)
#define EACH_8(F, X, ...) EACH_7(F, X, __VA_ARGS__) F(X, __VA_ARGS__, 7)
#define WITH_OPERATOR(X, o) APPLY(X, o) EACH_6(CHAIN, X, o) EACH_7(JOIN, X, o)
#define WITH_PAIR(X, p) LOAD_2(X, p) EACH_6(LOAD_3, X, p)
#define WITH_PRODUCT(X, p) EACH_5(LOAD_4, X, p, 0) EACH_5(LOAD_4, X, p, 1) EACH_5(LOAD_4, X, p, 2)
#define WITH_SUM(X, o)                                                                                                 \
    EACH_3(JOIN_3, X, o, 0)                                                                                            \
    EACH_3(JOIN_3, X, o, 1) EACH_3(JOIN_3, X, o, 2) EACH_3(JOIN_3, X, o, 3) EACH_3(JOIN_3, X, o, 4)
#define FUSED_STEPS(X)                                                                                                 \
    WITH_OPERATOR(X, 0)                                                                                                \
    WITH_OPERATOR(X, 1)                                                                                                \
    WITH_OPERATOR(X, 2)                                                                                                \
    WITH_OPERATOR(X, 3)                                                                                                \
    WITH_OPERATOR(X, 4)                                                                                                \
    WITH_OPERATOR(X, 5)                                                                                                \
    WITH_PAIR(X, 0)                                                                                                    \
    WITH_PAIR(X, 1)                                                                                                    \
    WITH_PAIR(X, 2)                                                                                                    \
    WITH_PAIR(X, 3)                                                                                                    \
    WITH_PAIR(X, 4)                                                                                                    \
    WITH_PAIR(X, 5)                                                                                                    \
    WITH_PAIR(X, 6)                                                                                                    \
    WITH_PRODUCT(X, 0)                                                                                                 \
    WITH_PRODUCT(X, 1)                                                                                                 \
    WITH_PRODUCT(X, 2)                                                                                                 \
    WITH_PRODUCT(X, 3)                                                                                                 \
    WITH_PRODUCT(X, 4)                                                                                                 \
    WITH_SUM(X, 0)                                                                                                     \
    WITH_SUM(X, 1)                                                                                                     \
    WITH_SUM(X, 2)                                                                                                     \
    EACH_8(PICK, X, 0)                                                                                                 \
    EACH_8(PICK, X, 1)                                                                                                 \
    EACH_8(PICK, X, 2)                                                                                                 \
    EACH_8(PICK, X, 3)                                                                                                 \
    EACH_8(PICK_SQUARE, X, 0)                                                                                          \
    EACH_8(PICK_SQUARE, X, 1)                                                                                          \
    EACH_8(PICK_SQUARE, X, 2)                                                                                          \
    EACH_8(PICK_SQUARE, X, 3)                                                                                          \
    EACH_8(PICK_SQUARE, X, 4)                                                                                          \
    EACH_8(PICK_SQUARE, X, 5)                                                                                          \
    PICK_OWN(X, 0)                                                                                                     \
    PICK_OWN(X, 1) PICK_OWN(X, 2) PICK_OWN(X, 3) PICK_OWN(X, 4) PICK_OWN(X, 5)

#define KEEP_2(X, p) X(keep_##p, WT_STEP_KEEP_2(p), AB(p))
#define KEEPING_STEPS(X) KEEP_2(X, 0) KEEP_2(X, 1) KEEP_2(X, 2) KEEP_2(X, 3) KEEP_2(X, 4) KEEP_2(X, 5) KEEP_2(X, 6)

#define JOIN_OUT(X, o, p) X(join_out_##o##_##p, WT_STEP_JOIN_OUT(o, p), fused(o, T, AB(p)))
#define WITH_OUT(X, o)                                                                                                 \
    X(apply_out_##o, WT_STEP_APPLY_OUT(o), fused(o, T, A))                                                             \
    X(apply_number_out_##o, WT_STEP_APPLY_NUMBER_OUT(o), fused(o, T, vec_set(*FIXED_PLACE(s->a))))                     \
    EACH_7(JOIN_OUT, X, o)
#define LAST_STEPS(X)                                                                                                  \
    X(put_out, WT_STEP_OUT, T) WITH_OUT(X, 0) WITH_OUT(X, 1) WITH_OUT(X, 2) WITH_OUT(X, 3) WITH_OUT(X, 4) WITH_OUT(X, 5)

PLAIN_STEPS(STEP)
LONG_STEPS(LONG_STEP)
FUSED_STEPS(STEP)
KEEPING_STEPS(KEEPING_STEP)
LAST_STEPS(LAST_STEP)

static void keep(STEP_PARAMETERS) {
    float *const to = FIXED_PLACE(s->d);
    STORE(to, );
    RUN_NEXT;
}

#define ENTRY(name, code, value) [code] = name,
static run_step *const STEPS[WT_STEP_END] = {PLAIN_STEPS(ENTRY) LONG_STEPS(ENTRY) FUSED_STEPS(ENTRY)
                                                 KEEPING_STEPS(ENTRY) LAST_STEPS(ENTRY)[WT_STEP_KEEP] = keep};

#undef A
#undef B
#undef C
#undef T

/* ---- rows ---- */

typedef struct machine {
    const wt_program *program;
    table table;
    int32_t most;                      /* the largest magnitude of inputs that is promised or of one value, as bits */
    size_t unknown;                    /* how many rows nothing is promised of */
    uint8_t places[WT_PROGRAM_PLACES]; /* [unknown] */
    float arena[WT_PROGRAM_PLACES * TILE] __attribute__((aligned(64))); /* slots and single values, a tile each */
} machine;

static int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }

INLINE void fill(float *tile, vec value) {
    for (size_t r = 0; r < 8; r++) vec_store(tile + r * WIDTH, value);
}

/* What steps need beyond leaves: the first `count` slots. */
INLINE void lay_out_slots(machine *m, size_t count) {
    const size_t leaves = m->program->places - m->program->slots;
    for (size_t i = leaves; i < leaves + count; i++) {
        m->table.at[i] = (uintptr_t)(m->arena + i * TILE);
        m->table.moves[i] = 0;
    }
}

/* What careful steps need beyond what fast ones do: all slots, and a tile of every number. */
static void lay_out_careful(machine *m) {
    const wt_program *p = m->program;
    lay_out_slots(m, p->slots);
    for (size_t i = p->rows; i < p->places - p->slots; i++) {
        if (p->leaves[i].spread) continue;
        m->table.at[i] = (uintptr_t)(m->arena + i * TILE);
        fill(m->arena + i * TILE, vec_set(p->leaves[i].number));
    }
}

/*
 * Runs whole tiles, from k bytes into the rows on. The first step loads its registers. Its call returns where the tile
 * is done.
 */
INLINE void run_tiles(const table *at, const wt_step *steps, size_t k, size_t tiles) {
    const vec any = vec_set(0.0f);
    run_step *const first = STEPS[steps->code];
    for (; tiles > 0; tiles--, k += TILE_BYTES) first(steps, at, k, any, any, any, any, any, any, any, any);
}

/*
 * n values, at most a tile, from k bytes into the rows on, admitted as numbers within range and copied, so that nothing
 * is read or written past the row's end.
 */
static __attribute__((noinline)) void run_copied(machine *m, size_t k, size_t n) {
    const wt_program *p = m->program;
    float copies[WT_PROGRAM_PLACES + 1][TILE] __attribute__((aligned(64)));
    lay_out_careful(m);
    table copied = m->table;
    for (size_t i = 0; i <= p->places; i++) {
        if (copied.moves[i] == 0) continue;
        memset(copies[i], 0, sizeof copies[i]);
        copied.at[i] = (uintptr_t)copies[i];
        copied.moves[i] = 0;
        if (i == p->places) continue;
        memcpy(copies[i], (const float *)(m->table.at[i] + k), n * sizeof *copies[i]);
        for (size_t j = 0; j < TILE; j += WIDTH) vec_store(copies[i] + j, vec_admit(vec_load(copies[i] + j)));
    }
    run_tiles(&copied, p->careful, 0, 1);
    memcpy((float *)(m->table.at[p->places] + k), copies[p->places], n * sizeof(float));
}

/* ---- bounds of inputs ---- */

/* The largest magnitude of whole tiles, as bits: what is no number, and infinities, are above every number. */
static __attribute__((noinline)) int32_t largest(const machine *m, size_t k, size_t tiles) {
    int32_t most = m->most;
    for (size_t i = 0; i < m->unknown; i++) {
        const float *x = (const float *)(m->table.at[m->places[i]] + k);
        for (size_t j = 0; j < tiles * TILE; j++) most = greater(bits_of(x[j]) & INT32_MAX, most);
    }
    return most;
}

/*
 * Whether all values of whole tiles that nothing is promised of are at most `limit`, by the sum of their squares, which
 * is no less than any of them and no number where one of them is none. May say no where it is so, as the square of a
 * limit has to be within range.
 */
INLINE bool within_limit(const machine *m, size_t k, size_t tiles, float limit) {
    vec sums[8];
    limit = limit < 0x1p63f ? limit : 0x1p63f; /* a power of two: no larger value's square rounds to its square */
    for (size_t r = 0; r < 8; r++) sums[r] = vec_set(0.0f);
    for (size_t i = 0; i < m->unknown; i++) {
        const float *x = (const float *)(m->table.at[m->places[i]] + k);
        for (size_t j = 0; j < tiles; j++, x += TILE) {
            for (size_t r = 0; r < 8; r++) sums[r] = vec_add_square(sums[r], vec_load(x + r * WIDTH));
        }
    }
    const vec sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    return mask_all(mask_le(sum, vec_set(limit * limit)));
}

/* A stretch of whole tiles with an input that is no number or beyond the range. */
static __attribute__((noinline)) void run_hostile(machine *m, size_t k, size_t tiles) {
    for (; tiles > 0; tiles--, k += TILE_BYTES) run_copied(m, k, TILE);
}

static __attribute__((noinline)) void run_careful(machine *m, size_t k, size_t tiles) {
    lay_out_careful(m);
    run_tiles(&m->table, m->program->careful, k, tiles);
}

/* A stretch of whole tiles, looked over where it has to be. */
INLINE void run_stretch(machine *m, size_t k, size_t tiles) {
    const float limit = m->program->fast_limit;
    int32_t most = m->most;
    if (m->unknown > 0 && (most > bits_of(limit) || !within_limit(m, k, tiles, limit))) most = largest(m, k, tiles);
    if (most <= bits_of(limit))
        run_tiles(&m->table, m->program->fast, k, tiles);
    else if (most <= bits_of(WT_EXPR_MAX_NUMBER))
        run_careful(m, k, tiles);
    else
        run_hostile(m, k, tiles);
}

/* ---- runs ---- */

/* Where the leaves, the result and the slots of fast steps are of a run to `out`. */
INLINE void lay_out(machine *m, const wt_program *p, const wt_row *inputs, float *out) {
    size_t unknown = 0;
    int32_t most = 0;
    for (size_t i = 0; i < p->rows; i++) {
        const wt_row *row = &inputs[p->leaves[i].input];
        if (__builtin_expect(row->scalar, 0)) { /* rows are what takes time */
            float *const tile = m->arena + i * TILE;
            m->table.at[i] = (uintptr_t)tile;
            m->table.moves[i] = 0;
            fill(tile, vec_admit(vec_set(row->values[0])));
            most = greater(bits_of(*tile) & INT32_MAX, most);
        } else {
            m->table.at[i] = (uintptr_t)row->values;
            m->table.moves[i] = SIZE_MAX;
            most = greater(bits_of(row->most), most);
            if (!(row->most > 0.0f)) m->places[unknown++] = (uint8_t)i;
        }
    }
    for (size_t i = p->rows; i < p->places - p->slots; i++) {
        float *const tile = m->arena + i * TILE;
        m->table.at[i] = p->leaves[i].spread ? (uintptr_t)tile : (uintptr_t)&p->leaves[i].number;
        m->table.moves[i] = 0;
        if (p->leaves[i].spread) fill(tile, vec_set(p->leaves[i].number));
    }
    m->table.at[p->places] = (uintptr_t)out;
    m->table.moves[p->places] = SIZE_MAX;
    m->program = p;
    m->unknown = unknown;
    m->most = most;
    lay_out_slots(m, p->fast_slots);
}

/* Whether the result goes where a row is. */
static bool in_place(const machine *m) {
    const wt_program *p = m->program;
    for (size_t i = 0; i < p->rows; i++) {
        if (m->table.at[i] == m->table.at[p->places]) return true;
    }
    return false;
}

/*
 * What is left after whole tiles is run as the last whole tile that there is, part of it for a second time, where its
 * inputs are still there.
 */
static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    lay_out(&m, p, inputs, out);
    const size_t most = m.unknown > 0 ? STRETCH / TILE : n / TILE, rest = n % TILE;
    size_t k = 0;
    for (size_t left = n / TILE, tiles; left > 0; left -= tiles, k += tiles * TILE_BYTES) {
        tiles = left < most ? left : most;
        run_stretch(&m, k, tiles);
    }
    if (rest > 0 && n >= TILE && !in_place(&m))
        run_stretch(&m, n * sizeof(float) - TILE_BYTES, 1);
    else if (rest > 0)
        run_copied(&m, k, rest);
}
