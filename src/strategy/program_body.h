/*
 * The machine, in one text for every instruction set (see program_lanes.h). A row is run in tiles of eight vectors, which stay in
 * registers from step to step: for each step there is a function that has them as its arguments, does its work to them and calls
 * the next step's function with them, which compilers make a jump. Only what a later step needs is written to memory. Inputs are
 * read where they are. Where the caller does not promise their bounds, each stretch of a row is looked over once, short enough to
 * stay in the first-level cache meanwhile, which tells whether the fast steps will do.
 */
#include <stdbool.h>

#include "strategy/program_math.h"
#include "strategy/program_private.h"

enum { TILE = 8 * WIDTH, TILE_BYTES = 8 * sizeof(vec), STRETCH = 1024 };

/*
 * Where places' values are: those of the tile that begins k bytes into a row are at at[place] + (k & moves[place]). So rows, the result among
 * them, move and slots and single values, a tile of them each, do not. The addresses of a tile's stores come of numbers that no store
 * precedes: the loads of the next tile need not wait for them.
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

/* In a step's value: T is the register, A to D are its operands in memory. */
#define T tile
#define A vec_load(a + lane * WIDTH)
#define B vec_load(b + lane * WIDTH)
#define C vec_load(c + lane * WIDTH)
#define D vec_load(d + lane * WIDTH)

#define PLACE(place) (float *)(at->at[place] + (k & at->moves[place]))
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
#define STEP(name, code, value)                                                                                        \
    static void name(STEP_PARAMETERS) {                                                                                \
        OPERANDS;                                                                                                      \
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

/* The value of a pair of places, or of the first alone. */
INLINE vec pair(int op, vec x, vec y) { return op == 5 ? x : fused(op, x, y); }

INLINE vec choose(int comparison, vec x, vec y, vec yes, vec no) {
    switch (comparison) {
    case 0: return vec_pick(mask_lt(x, y), yes, no);
    case 1: return vec_pick(mask_le(x, y), yes, no);
    case 2: return vec_pick(mask_eq(x, y), yes, no);
    default: return vec_pick(mask_eq(x, y), no, yes);
    }
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

/* Fused ones: names and codes are made of the operators' numbers. FOR_n: for each of n operators. */
#define FOR_3(F, X, ...) F(X, __VA_ARGS__, 0) F(X, __VA_ARGS__, 1) F(X, __VA_ARGS__, 2)
#define APPLY(X, o)                                                                                                    \
    X(apply_##o, WT_STEP_APPLY(o), fused(o, T, A))                                                                     \
    X(sqrt_apply_##o, WT_STEP_SQRT_APPLY(o), fused(o, vec_sqrt(vec_abs(T)), A))
#define LOAD_2(X, o) X(load_##o, WT_STEP_LOAD_2(o), fused(o, A, B))
#define LOAD_3(X, o1, o2) X(load_##o1##_##o2, WT_STEP_LOAD_3(o1, o2), fused(o2, fused(o1, A, B), C))
#define CHAIN(X, o1, o2) X(chain_##o1##_##o2, WT_STEP_CHAIN(o1, o2), fused(o2, fused(o1, T, A), B))
#define JOIN(X, o1, o2) X(join_##o1##_##o2, WT_STEP_JOIN(o1, o2), fused(o1, T, fused(o2, A, B)))
#define FOUR(X, o1, o2, o3)                                                                                            \
    X(load_##o1##_##o2##_##o3, WT_STEP_LOAD_4(o1, o2, o3), fused(o2, fused(o1, A, B), fused(o3, C, D)))                \
    X(join_##o1##_##o2##_##o3, WT_STEP_JOIN_3(o1, o2, o3), fused(o1, T, fused(o3, fused(o2, A, B), C)))
#define PICK(X, o1, o2) X(pick_##o1##_##o2, WT_STEP_PICK(o1, o2), choose(o1, A, B, pair(o2, C, D), T))

#define SECONDS_6(F, X, o) F(X, o, 0) F(X, o, 1) F(X, o, 2) F(X, o, 3) F(X, o, 4) F(X, o, 5)
#define SECONDS_5(F, X, o) F(X, o, 0) F(X, o, 1) F(X, o, 2) F(X, o, 3) F(X, o, 4)
#define FOURS(X, o1) FOR_3(FOUR, X, o1, 0) FOR_3(FOUR, X, o1, 1) FOR_3(FOUR, X, o1, 2)
#define WITH_FIRST(X, o) LOAD_2(X, o) SECONDS_6(LOAD_3, X, o) SECONDS_6(CHAIN, X, o) SECONDS_5(JOIN, X, o) APPLY(X, o)
#define FUSED_STEPS(X)                                                                                                 \
    WITH_FIRST(X, 0)                                                                                                   \
    WITH_FIRST(X, 1)                                                                                                   \
    WITH_FIRST(X, 2)                                                                                                   \
    WITH_FIRST(X, 3)                                                                                                   \
    WITH_FIRST(X, 4)                                                                                                   \
    APPLY(X, 5) SECONDS_6(CHAIN, X, 5) SECONDS_5(JOIN, X, 5) FOURS(X, 0) FOURS(X, 1) FOURS(X, 2)                       \
    SECONDS_6(PICK, X, 0) SECONDS_6(PICK, X, 1) SECONDS_6(PICK, X, 2) SECONDS_6(PICK, X, 3)

PLAIN_STEPS(STEP)
LONG_STEPS(LONG_STEP)
FUSED_STEPS(STEP)

static void keep(STEP_PARAMETERS) {
    float *const to = PLACE(s->a);
    STORE(to, );
    RUN_NEXT;
}

/* Adding 0 makes 0 of -0, which results must not be; no operator tells the two apart. */
static void put_out(STEP_PARAMETERS) {
    const vec zero = vec_set(0.0f);
    float *const to = PLACE(s->a);
    STORE(to, +zero);
}

#define ENTRY(name, code, value) [code] = name,
static run_step *const STEPS[WT_STEP_END] = {PLAIN_STEPS(ENTRY) LONG_STEPS(ENTRY) FUSED_STEPS(ENTRY)[WT_STEP_KEEP] =
                                                 keep,
                                             [WT_STEP_OUT] = put_out};

#undef A
#undef B
#undef C
#undef D
#undef T

/* ---- rows ---- */

typedef struct machine {
    const wt_program *program;
    table table;
    int32_t most;                       /* the largest magnitude of inputs that is promised or of one value, as bits */
    size_t unknown;                     /* how many rows nothing is promised of */
    uint8_t places[WT_PROGRAM_PLACES];  /* [unknown] */
    float arena[WT_PROGRAM_PLACES * TILE] __attribute__((aligned(64))); /* slots and single values, a tile each */
} machine;

static int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }

/* Runs whole tiles, from k bytes into the rows on. A step's call returns where the tile is done. */
static void run_tiles(const table *at, const wt_step *steps, size_t k, size_t tiles) {
    const vec zero = vec_set(0.0f);
    run_step *const first = STEPS[steps->code];
    for (; tiles > 0; tiles--, k += TILE_BYTES) first(steps, at, k, zero, zero, zero, zero, zero, zero, zero, zero);
}

/*
 * n values, at most a tile, from k bytes into the rows on, admitted as numbers within range and copied, so that nothing is read or written past
 * the row's end.
 */
static __attribute__((noinline)) void run_copied(const machine *m, size_t k, size_t n) {
    const wt_program *p = m->program;
    table copied;
    float copies[WT_PROGRAM_PLACES + 1][TILE] __attribute__((aligned(64)));
    for (size_t i = 0; i <= p->places; i++) {
        copied.at[i] = m->table.at[i];
        copied.moves[i] = 0;
        if (m->table.moves[i] == 0) continue;
        memset(copies[i], 0, sizeof copies[i]);
        copied.at[i] = (uintptr_t)copies[i];
        if (i == p->places) continue;
        memcpy(copies[i], (const float *)(m->table.at[i] + k), n * sizeof *copies[i]);
        for (size_t j = 0; j < TILE; j += WIDTH) vec_store(copies[i] + j, vec_admit(vec_load(copies[i] + j)));
    }
    run_tiles(&copied, p->careful, 0, 1);
    memcpy((float *)(m->table.at[p->places] + k), copies[p->places], n * sizeof(float));
}

/* ---- bounds of inputs ---- */

/* The largest magnitude of n values, as bits: what is no number, and infinities, are above every number; at least `most`. */
static int32_t largest_bits(const float *x, size_t n, int32_t most) {
    for (size_t i = 0; i < n; i++) most = greater(bits_of(x[i]) & INT32_MAX, most);
    return most;
}

/*
 * Whether all values of whole tiles that nothing is promised of are at most `limit`, by the sum of their squares, which is no less than any
 * of them and no number where one of them is none. May say no where it is so, as the square of a limit has to be within range.
 */
static bool within_limit(const machine *m, size_t k, size_t tiles, float limit) {
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

/* A stretch of whole tiles, looked over where it has to be. */
static void run_stretch(const machine *m, size_t k, size_t tiles) {
    const wt_program *p = m->program;
    const int32_t limit = bits_of(p->fast_limit);
    int32_t most = m->most;
    if (m->unknown > 0 && (most > limit || !within_limit(m, k, tiles, p->fast_limit))) {
        for (size_t i = 0; i < m->unknown; i++)
            most = largest_bits((const float *)(m->table.at[m->places[i]] + k), tiles * TILE, most);
    }
    if (most <= bits_of(WT_EXPR_MAX_NUMBER)) {
        run_tiles(&m->table, most <= limit ? p->fast : p->careful, k, tiles);
        return;
    }
    for (; tiles > 0; tiles--, k += TILE_BYTES) run_copied(m, k, TILE);
}

/* ---- runs ---- */

/* Where the places are of a run to `out`; slots and single values are in the arena, the latter filled. */
INLINE void lay_out(machine *m, const wt_row *inputs, float *out) {
    const wt_program *p = m->program;
    float *next = m->arena;
    m->most = 0;
    m->unknown = 0;
    for (size_t i = 0; i < p->slots; i++, next += TILE) m->table.at[i] = (uintptr_t)next, m->table.moves[i] = 0;
    for (size_t i = p->slots; i < p->places; i++) {
        const wt_row *row = p->leaves[i - p->slots].is_input ? &inputs[p->leaves[i - p->slots].input] : NULL;
        if (row && !row->scalar) {
            m->table.at[i] = (uintptr_t)row->values;
            m->table.moves[i] = SIZE_MAX;
            if (row->most > 0.0f)
                m->most = greater(bits_of(row->most), m->most);
            else
                m->places[m->unknown++] = (uint8_t)i;
            continue;
        }
        const vec value = row ? vec_admit(vec_set(row->values[0])) : vec_set(p->leaves[i - p->slots].number);
        for (size_t r = 0; r < 8; r++) vec_store(next + r * WIDTH, value);
        if (row) m->most = greater(bits_of(*next) & INT32_MAX, m->most);
        m->table.at[i] = (uintptr_t)next;
        m->table.moves[i] = 0;
        next += TILE;
    }
    m->table.at[p->places] = (uintptr_t)out;
    m->table.moves[p->places] = SIZE_MAX;
}

/* Whether the result goes where a row is. */
static bool in_place(const machine *m) {
    const wt_program *p = m->program;
    for (size_t i = p->slots; i < p->places; i++) {
        if (m->table.at[i] == m->table.at[p->places]) return true;
    }
    return false;
}

/*
 * What is left after whole tiles is run as the last whole tile that there is, part of it for a second time, where its inputs are still
 * there.
 */
static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    m.program = p;
    lay_out(&m, inputs, out);
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
