/*
 * Expressions to programs. Each operator's operands are computed to slots, and the slots are free again once they were read, so they are
 * handed out as a stack. Which sums and products have to saturate is found by carrying bounds from the leaves up, by the very
 * arithmetic of the values: rounding is monotone, so where the bound of a result stays within range, so does the result, and the
 * bits are the same without its clamp.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "strategy/expression_private.h"
#include "strategy/program_private.h"

/* While compiling, leaf i is place LEAF + i: how many slots there will be is not known yet. */
enum { LEAF = WT_PROGRAM_PLACES };

/* Inputs up to this size take the fast steps; where they stay within range for larger ones too, those do as well. */
#define ORDINARY 0x1p20f

typedef struct compiler {
    const wt_expr *e;
    wt_program *p;
    wt_step *steps;
    size_t count, used, leaves;     /* steps so far; slots that hold something now */
    bool clamps[WT_EXPR_MAX_NODES]; /* ADD, SUB and MUL that have to saturate */
    uint8_t spans[WT_EXPR_MAX_NODES];
} compiler;

static bool is_leaf(const compiler *c, size_t at) { return c->e->nodes[at].op <= WT_OP_VARIABLE; }

/* Where operand `which` of the node begins. */
static size_t operand(const compiler *c, size_t at, int which) {
    at++;
    for (; which > 0; which--) at += c->spans[at];
    return at;
}

/* ---- bounds ---- */

static float greater(float a, float b) { return a > b ? a : b; }

static float bound_of(const compiler *c, size_t at, float limit, const float *bounds) {
    const wt_expr_node *node = &c->e->nodes[at];
    const int arity = wt_op_of((wt_op)node->op)->arity;
    const float a = arity > 0 ? bounds[at + 1] : 0.0f, b = arity > 1 ? bounds[operand(c, at, 1)] : 0.0f;
    switch (node->op) {
    case WT_OP_NUMBER: return fabsf(node->number);
    case WT_OP_VARIABLE: return limit;
    case WT_OP_ADD:
    case WT_OP_SUB: return a + b;
    case WT_OP_MUL: return a * b;
    case WT_OP_MIN:
    case WT_OP_MAX: return greater(a, b);
    case WT_OP_NEG:
    case WT_OP_ABS: return a;
    case WT_OP_SQRT: return sqrtf(a);
    case WT_OP_LOG: return 70.0f;
    case WT_OP_TANH: return 1.0f;
    case WT_OP_IF: return greater(b, bounds[operand(c, at, 2)]);
    default: return WT_EXPR_MAX_NUMBER; /* DIV, EXP and POW saturate by themselves; comparisons have none */
    }
}

/*
 * With inputs of at most `limit`, whether everything stays within range that is not clamped. Where `mark`, what does not is clamped
 * from now on.
 */
static bool check_bounds(compiler *c, float limit, bool mark) {
    float bounds[WT_EXPR_MAX_NODES];
    for (size_t at = c->e->count; at-- > 0;) { /* operands come after their operators */
        bounds[at] = bound_of(c, at, limit, bounds);
        if (bounds[at] <= WT_EXPR_MAX_NUMBER) continue;
        if (mark) c->clamps[at] = true;
        if (!c->clamps[at]) return false;
        bounds[at] = WT_EXPR_MAX_NUMBER;
    }
    return true;
}

/* ---- steps ---- */

/* Numbers and inputs that stand there already are shared. */
static uint8_t leaf_place(compiler *c, size_t at) {
    const wt_expr_node *node = &c->e->nodes[at];
    const bool is_input = node->op == WT_OP_VARIABLE;
    size_t i = 0;
    for (; i < c->leaves; i++) {
        if (c->p->leaves[i].is_input != is_input) continue;
        if (is_input ? c->p->leaves[i].input == node->variable : c->p->leaves[i].number == node->number) break;
    }
    if (i == c->leaves) {
        c->p->leaves[i].is_input = is_input;
        c->p->leaves[i].input = is_input ? node->variable : 0;
        c->p->leaves[i].number = is_input ? 0.0f : node->number;
        if (is_input) c->p->inputs |= UINT64_C(1) << node->variable;
        c->leaves++;
    }
    return (uint8_t)(LEAF + i);
}

/* How the fused codes number the operator, or -1 where it cannot be fused. */
static int fusible(const compiler *c, size_t at) {
    static const wt_op ORDER[] = {WT_OP_ADD, WT_OP_SUB, WT_OP_MUL, WT_OP_MIN, WT_OP_MAX};
    if (c->clamps[at]) return -1;
    for (int i = 0; i < 5; i++) {
        if (c->e->nodes[at].op == ORDER[i]) return i;
    }
    return -1;
}

static uint8_t generate(compiler *c, size_t at);

/* A step on the subtrees at at[0..count-1]: its result takes the first slot that is free once they were read. */
static uint8_t emit(compiler *c, uint8_t code, const size_t *at, int count) {
    const size_t used = c->used;
    uint8_t places[4] = {LEAF, LEAF, LEAF, LEAF}; /* some place that exists; not read */
    for (int i = 0; i < count; i++) places[i] = generate(c, at[i]);
    c->used = used + 1;
    c->steps[c->count++] = (wt_step){code, (uint8_t)used, places[0], places[1], places[2], places[3]};
    return (uint8_t)used;
}

static uint8_t generate_pair(compiler *c, size_t at) {
    const size_t x = at + 1, y = operand(c, at, 1);
    const int op = fusible(c, at), first = fusible(c, x), last = fusible(c, y);
    const int reversed = op == 1 ? 5 : op;
    const uint8_t code = c->e->nodes[at].op;
    if (op >= 0 && op < 3 && first >= 0 && first < 3 && last >= 0 && last < 3) {
        const size_t four[] = {x + 1, operand(c, x, 1), y + 1, operand(c, y, 1)};
        return emit(c, (uint8_t)WT_STEP_FOUR(first, op, last), four, 4);
    }
    if (op >= 0 && first >= 0) {
        const size_t three[] = {x + 1, operand(c, x, 1), y};
        return emit(c, (uint8_t)WT_STEP_THREE(first, op), three, 3);
    }
    if (op >= 0 && last >= 0) {
        const size_t three[] = {y + 1, operand(c, y, 1), x};
        return emit(c, (uint8_t)WT_STEP_THREE(last, reversed), three, 3);
    }
    const uint8_t left = c->e->nodes[x].op, right = c->e->nodes[y].op;
    if (op >= 0 && (left == WT_OP_SQRT || left == WT_OP_ABS)) {
        const size_t two[] = {x + 1, y};
        return emit(c, (uint8_t)(left == WT_OP_SQRT ? WT_STEP_SQRT(op) : WT_STEP_ABS(op)), two, 2);
    }
    if (op >= 0 && (right == WT_OP_SQRT || right == WT_OP_ABS)) {
        const size_t two[] = {y + 1, x};
        return emit(c, (uint8_t)(right == WT_OP_SQRT ? WT_STEP_SQRT(reversed) : WT_STEP_ABS(reversed)), two, 2);
    }
    const size_t two[] = {x, y};
    const bool clamped = c->clamps[at] && (code == WT_OP_ADD || code == WT_OP_SUB || code == WT_OP_MUL);
    return emit(c, clamped ? WT_STEP_CLAMPED(code) : code, two, 2);
}

/* Computes the subtree; the place that holds it. */
static uint8_t generate(compiler *c, size_t at) {
    const uint8_t op = c->e->nodes[at].op;
    if (is_leaf(c, at)) return leaf_place(c, at);
    if (op == WT_OP_IF) {
        const size_t four[] = {at + 2, operand(c, at + 1, 1), operand(c, at, 1), operand(c, at, 2)};
        return emit(c, c->e->nodes[at + 1].op, four, 4);
    }
    const size_t one[] = {at + 1};
    return wt_op_of((wt_op)op)->arity == 1 ? emit(c, op, one, 1) : generate_pair(c, at);
}

static size_t generate_all(compiler *c, wt_step *steps) {
    const size_t root = 0;
    c->steps = steps;
    c->count = c->used = 0;
    if (is_leaf(c, 0))
        emit(c, WT_OP_VARIABLE, &root, 1);
    else
        generate(c, 0);
    for (size_t i = 0; i < c->count; i++) {
        if (steps[i].to >= c->p->slots) c->p->slots = steps[i].to + 1u;
    }
    steps[c->count - 1].to = WT_PROGRAM_OUT;
    return c->count;
}

static void number_places(wt_program *p, wt_step *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint8_t *places[] = {&steps[i].a, &steps[i].b, &steps[i].c, &steps[i].d};
        for (int k = 0; k < 4; k++) {
            if (*places[k] >= LEAF) *places[k] = (uint8_t)(*places[k] - LEAF + p->slots);
        }
    }
}

int wt_program_compile(wt_program *program, const wt_expr *e, const wt_domain *domain, wt_error *err) {
    if (!wt_expr_valid(e, domain))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s is not valid", domain->name);
    compiler c = {.e = e, .p = program};
    memset(program, 0, sizeof *program);
    for (size_t at = 0; at < e->count; at++) c.spans[at] = (uint8_t)wt_expr_span(e, at);
    check_bounds(&c, ORDINARY, true);
    program->fast_count = generate_all(&c, program->fast);
    program->fast_limit = ORDINARY;
    while (program->fast_limit < 0x1p99f && check_bounds(&c, 2.0f * program->fast_limit, false))
        program->fast_limit *= 2.0f;
    memset(c.clamps, true, sizeof c.clamps);
    program->careful_count = generate_all(&c, program->careful);
    program->places = program->slots + c.leaves;
    number_places(program, program->fast, program->fast_count);
    number_places(program, program->careful, program->careful_count);
    if (!wt_program_verify(program))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s has no program", domain->name);
    return 0;
}

/* ---- verification ---- */

/* Places that the step reads; 0 where there is no such step. */
static int operands(uint8_t code) {
    if (code >= WT_STEP_THREE(0, 0) && code < WT_STEP_THREE(5, 0)) return 3;
    if (code >= WT_STEP_FOUR(0, 0, 0) && code < WT_STEP_FOUR(3, 0, 0)) return 4;
    if (code >= WT_STEP_ABS(0) && code < WT_STEP_SQRT(6)) return 2;
    if (code == WT_STEP_CLAMPED(WT_OP_ADD) || code == WT_STEP_CLAMPED(WT_OP_SUB) || code == WT_STEP_CLAMPED(WT_OP_MUL))
        return 2;
    if (code == WT_OP_VARIABLE) return 1;
    if (code >= WT_OP_COUNT || code == WT_OP_NUMBER || code == WT_OP_IF) return 0;
    return wt_op_of((wt_op)code)->truth ? 4 : wt_op_of((wt_op)code)->arity;
}

static bool verify_steps(const wt_program *p, const wt_step *steps, size_t count) {
    bool written[WT_PROGRAM_PLACES];
    if (count == 0 || count > WT_EXPR_MAX_NODES) return false;
    for (size_t i = 0; i < WT_PROGRAM_PLACES; i++) written[i] = i >= p->slots;
    for (size_t i = 0; i < count; i++) {
        const uint8_t places[] = {steps[i].a, steps[i].b, steps[i].c, steps[i].d};
        if (operands(steps[i].code) == 0) return false;
        for (int k = 0; k < 4; k++) {
            if (places[k] >= p->places || (k < operands(steps[i].code) && !written[places[k]])) return false;
        }
        if ((steps[i].to == WT_PROGRAM_OUT) != (i + 1 == count)) return false;
        if (steps[i].to == WT_PROGRAM_OUT) continue;
        if (steps[i].to >= p->slots) return false;
        written[steps[i].to] = true;
    }
    return true;
}

bool wt_program_verify(const wt_program *p) {
    if (p->slots == 0 || p->slots > WT_PROGRAM_SLOTS || p->places <= p->slots || p->places > WT_PROGRAM_PLACES)
        return false;
    for (size_t i = 0; i < p->places - p->slots; i++) {
        if (p->leaves[i].input >= WT_EXPR_MAX_INPUTS) return false;
        if (p->leaves[i].is_input && !(p->inputs >> p->leaves[i].input & 1)) return false;
    }
    return verify_steps(p, p->fast, p->fast_count) && verify_steps(p, p->careful, p->careful_count);
}

void wt_program_run_at(const wt_program *program, wt_cpu_level level, const wt_row *inputs, size_t n, float *out) {
#if defined(__x86_64__)
    if (level >= WT_CPU_AVX512) {
        wt_program_run_avx512(program, inputs, n, out);
        return;
    }
    if (level >= WT_CPU_AVX2) {
        wt_program_run_avx2(program, inputs, n, out);
        return;
    }
#endif
    (void)level;
    wt_program_run_reference(program, inputs, n, out);
}

void wt_program_run(const wt_program *program, const wt_row *inputs, size_t n, float *out) {
    wt_program_run_at(program, wt_cpu_chosen(), inputs, n, out);
}
