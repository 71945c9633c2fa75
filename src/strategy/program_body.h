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

enum { TILE = 8 * WIDTH, STRETCH = 1024, ARENA = 8192 };

/* Arrays in the arena do not begin in the same set of the cache. */
enum { GAP = 48 };

typedef struct bound_step bound_step;

#define REGISTERS t0, t1, t2, t3, t4, t5, t6, t7
#define STEP_PARAMETERS const bound_step *s, size_t k, vec t0, vec t1, vec t2, vec t3, vec t4, vec t5, vec t6, vec t7
typedef void run_step(STEP_PARAMETERS);

/*
 * A step with its operands found. All of them are arrays whose value k belongs to value k of the stretch, numbers as well: looking whether
 * one moves would cost more than filling it.
 */
struct bound_step {
    run_step *run;
    const float *a, *b, *c, *d;
    float *to; /* NULL: stays in the registers */
    bool ends; /* the last step */
};

/* ---- steps ---- */

#define STORE(to, zero)                                                                                                \
    vec_store(to, t0 zero), vec_store(to + WIDTH, t1 zero), vec_store(to + 2 * WIDTH, t2 zero);                        \
    vec_store(to + 3 * WIDTH, t3 zero), vec_store(to + 4 * WIDTH, t4 zero), vec_store(to + 5 * WIDTH, t5 zero);        \
    vec_store(to + 6 * WIDTH, t6 zero), vec_store(to + 7 * WIDTH, t7 zero)

/* How a step ends. Adding 0 makes 0 of -0, which results must not be; no operator tells the two apart. */
#define RUN_NEXT                                                                                                       \
    do {                                                                                                               \
        if (s->to) {                                                                                                   \
            float *const to = s->to + k;                                                                               \
            STORE(to, +0.0f);                                                                                          \
            if (s->ends) return;                                                                                       \
        }                                                                                                              \
        s[1].run(s + 1, k, REGISTERS);                                                                                 \
    } while (0)

/* In a step's value: T is the register, A to D are its operands in memory. */
#define T tile
#define A vec_load(a + lane * WIDTH)
#define B vec_load(b + lane * WIDTH)
#define C vec_load(c + lane * WIDTH)
#define D vec_load(d + lane * WIDTH)

#define OPERANDS                                                                                                       \
    const float *const a = s->a + k, *const b = s->b + k, *const c = s->c + k, *const d = s->d + k;                    \
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
        float at[TILE] __attribute__((aligned(64)));                                                                   \
        STORE(at, );                                                                                                   \
        _Pragma("GCC unroll 1") for (size_t lane = 0; lane < 8; lane++) {                                              \
            const vec tile = vec_load(at + lane * WIDTH);                                                              \
            vec_store(at + lane * WIDTH, value);                                                                       \
        }                                                                                                              \
        t0 = vec_load(at), t1 = vec_load(at + WIDTH), t2 = vec_load(at + 2 * WIDTH), t3 = vec_load(at + 3 * WIDTH);    \
        t4 = vec_load(at + 4 * WIDTH), t5 = vec_load(at + 5 * WIDTH), t6 = vec_load(at + 6 * WIDTH);                   \
        t7 = vec_load(at + 7 * WIDTH);                                                                                 \
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
    APPLY(X, 5) SECONDS_6(CHAIN, X, 5) SECONDS_5(JOIN, X, 5) FOURS(X, 0) FOURS(X, 1) FOURS(X, 2)

PLAIN_STEPS(STEP)
LONG_STEPS(LONG_STEP)
FUSED_STEPS(STEP)

#define ENTRY(name, code, value) [code] = name,
static run_step *const STEPS[WT_STEP_END] = {PLAIN_STEPS(ENTRY) LONG_STEPS(ENTRY) FUSED_STEPS(ENTRY)};

#undef A
#undef B
#undef C
#undef D
#undef T

/* ---- rows ---- */

typedef struct machine {
    const wt_program *program;
    const wt_row *inputs;
    const float *at[WT_PROGRAM_PLACES]; /* where places' values of this stretch are */
    bound_step bound[WT_EXPR_MAX_NODES];
    float arena[ARENA + WT_PROGRAM_PLACES * GAP] __attribute__((aligned(64))); /* slots, and inputs of one value */
} machine;

static int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The row that place i reads, or NULL where it is a slot, a number or one value. */
INLINE const float *row_of(const machine *m, size_t i) {
    const wt_program *p = m->program;
    if (i < p->slots || !p->leaves[i - p->slots].is_input) return NULL;
    const wt_row *row = &m->inputs[p->leaves[i - p->slots].input];
    return row->scalar ? NULL : row->values;
}

/* Runs whole tiles: values begin .. end - 1 of `at`, to `out`. A step's call returns where the tile is done. */
static void run_tiles(machine *m, const wt_step *steps, size_t count, const float *const *at, size_t begin, size_t end,
                      float *out) {
    const vec zero = vec_set(0.0f);
    if (begin >= end) return;
    for (size_t i = 0; i < count; i++) {
        const wt_step *s = &steps[i];
        float *const to = s->to == WT_PROGRAM_KEPT ? NULL : s->to == WT_PROGRAM_OUT ? out : (float *)at[s->to];
        m->bound[i] = (bound_step){STEPS[s->code], at[s->a], at[s->b], at[s->c], at[s->d], to, i + 1 == count};
    }
    run_step *const first = m->bound->run;
    for (size_t k = begin; k < end; k += TILE) first(m->bound, k, zero, zero, zero, zero, zero, zero, zero, zero);
}

/* At most a tile, admitted as numbers within range and copied, so that nothing is read or written past the row's end. */
static __attribute__((noinline)) void run_copied(machine *m, size_t begin, size_t n, float *out) {
    const wt_program *p = m->program;
    const float *at[WT_PROGRAM_PLACES];
    float copies[WT_PROGRAM_PLACES][TILE] __attribute__((aligned(64)));
    float result[TILE] __attribute__((aligned(64)));
    for (size_t i = 0; i < p->places; i++) {
        at[i] = m->at[i];
        if (!row_of(m, i)) continue;
        memset(copies[i], 0, sizeof copies[i]);
        memcpy(copies[i], at[i] + begin, n * sizeof *copies[i]);
        for (size_t j = 0; j < TILE; j += WIDTH) vec_store(copies[i] + j, vec_admit(vec_load(copies[i] + j)));
        at[i] = copies[i];
    }
    run_tiles(m, p->careful, p->careful_count, at, 0, TILE, result);
    memcpy(out + begin, result, n * sizeof *out);
}

/* Whether the result goes where a row is. */
static bool in_place(const machine *m, const float *out) {
    for (size_t i = 0; i < m->program->places; i++) {
        if (m->at[i] == out) return true;
    }
    return false;
}

/*
 * A stretch of n values, none of the inputs larger than `most` (as bits: what is no number, and infinities, are above every
 * number). What is left after whole tiles is run as the last whole tile that there is, part of it for a second time, where its inputs
 * are still there.
 */
static void run_stretch(machine *m, size_t n, int32_t most, float *out) {
    const wt_program *p = m->program;
    const bool fast = most <= bits_of(p->fast_limit);
    const wt_step *steps = fast ? p->fast : p->careful;
    const size_t whole = n / TILE * TILE, count = fast ? p->fast_count : p->careful_count;
    size_t begin = 0;
    if (most <= bits_of(WT_EXPR_MAX_NUMBER)) {
        run_tiles(m, steps, count, m->at, 0, whole, out);
        begin = whole;
        if (begin < n && whole > 0 && !in_place(m, out)) {
            run_tiles(m, steps, count, m->at, n - TILE, n, out);
            return;
        }
    }
    for (; begin < n; begin += TILE) run_copied(m, begin, n - begin < TILE ? n - begin : TILE, out);
}

/* ---- bounds of inputs ---- */

/* The largest magnitude of n values, as bits; at least `most`. */
static int32_t largest_bits(const float *x, size_t n, int32_t most) {
    for (size_t i = 0; i < n; i++) {
        const int32_t bits = bits_of(x[i]) & INT32_MAX;
        most = bits > most ? bits : most;
    }
    return most;
}

/* The sum of the squares of n values is at least the square of the largest, and no number where one of them is none. */
INLINE void add_squares(vec sums[4], const float *x, size_t n) {
    size_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
        for (size_t j = 0; j < 4; j++) {
            const vec a = vec_load(x + i + j * WIDTH);
            sums[j] += a * a;
        }
    }
    for (; i < n; i++) sums[0] += vec_set(x[i] * x[i] / (float)WIDTH);
}

/* Of rows that the caller promises nothing of: a bound of the magnitudes of n values and of `most`, as bits. */
static int32_t look(const machine *m, size_t n, int32_t most) {
    const wt_program *p = m->program;
    const float *rows[WT_PROGRAM_PLACES];
    vec sums[4] = {vec_set(0.0f), vec_set(0.0f), vec_set(0.0f), vec_set(0.0f)};
    float lanes[WIDTH], sum = 0.0f;
    size_t count = 0;
    for (size_t i = p->slots; i < p->places; i++) {
        if (row_of(m, i) && !(m->inputs[p->leaves[i - p->slots].input].most > 0.0f)) rows[count++] = m->at[i];
    }
    for (size_t i = 0; i < count; i++) add_squares(sums, rows[i], n);
    vec_store(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (size_t i = 0; i < WIDTH; i++) sum += lanes[i];
    /* Rounding is less than what the factor adds. Tiny squares vanish, but they are below any limit. */
    const float bound = sqrtf(sum) * 1.001f;
    if (bound <= p->fast_limit) return bits_of(bound) > most ? bits_of(bound) : most;
    for (size_t i = 0; i < count; i++) most = largest_bits(rows[i], n, most);
    return most;
}

static float admitted(float x) {
    float lanes[WIDTH];
    vec_store(lanes, vec_admit(vec_set(x)));
    return lanes[0];
}

/* Places of slots and single values, `block` apart, the latter filled; the largest of these and of promises. */
static int32_t lay_out(machine *m, size_t filled, size_t block, bool *promised) {
    const wt_program *p = m->program;
    int32_t most = 0;
    float *at = m->arena;
    *promised = true;
    for (size_t i = 0; i < p->slots; i++, at += block) m->at[i] = at;
    for (size_t i = p->slots; i < p->places; i++) {
        const wt_row *row = p->leaves[i - p->slots].is_input ? &m->inputs[p->leaves[i - p->slots].input] : NULL;
        float bound = 0.0f;
        if (row && !row->scalar) {
            m->at[i] = row->values;
            *promised &= row->most > 0.0f;
            bound = row->most;
        } else {
            const float value = row ? admitted(row->values[0]) : p->leaves[i - p->slots].number;
            if (row) bound = fabsf(value);
            m->at[i] = at;
            for (size_t j = 0; j < filled; j += TILE) {
                const vec t = vec_set(value);
                for (size_t r = 0; r < TILE; r += WIDTH) vec_store(at + j + r, t);
            }
            at += block;
        }
        most = bits_of(bound) > most ? bits_of(bound) : most;
    }
    return most;
}

static void run_program(const wt_program *p, const wt_row *inputs, size_t n, float *out) {
    machine m;
    bool promised;
    m.program = p;
    m.inputs = inputs;
    const size_t room = ARENA / p->places / TILE * TILE, stretch = room < STRETCH ? room : STRETCH;
    const int32_t known = lay_out(&m, n < stretch ? n : stretch, stretch + GAP, &promised);
    for (size_t left = n; left > 0;) {
        const size_t now = left < stretch ? left : stretch;
        run_stretch(&m, now, promised ? known : look(&m, now, known), out);
        left -= now;
        out += now;
        for (size_t i = p->slots; left > 0 && i < p->places; i++) {
            if (row_of(&m, i)) m.at[i] += now;
        }
    }
}
