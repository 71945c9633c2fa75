/*
 * Expressions to programs. The accumulator holds the operand that is not a leaf; where both are trees, one is computed first and
 * stored to a slot: the one that needs more slots for itself, as Sethi and Ullman showed, so that few are live at once. A slot is free
 * again once it was read, so they are handed out as a stack.
 */
#include <string.h>

#include "base/error.h"
#include "strategy/expression_private.h"
#include "strategy/program_private.h"

enum {
    LEAF = WT_PROGRAM_PLACES
}; /* while compiling, leaf i is place LEAF + i: how many slots there will be is not known yet */

typedef struct compiler {
    const wt_expr *e;
    wt_program *p;
    size_t used; /* slots that hold something now */
    size_t leaves;
    uint8_t need[WT_EXPR_MAX_NODES]; /* slots that the subtree needs */
} compiler;

static bool is_leaf(const wt_expr *e, size_t at) { return e->nodes[at].op <= WT_OP_VARIABLE; }

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

static void emit(compiler *c, uint8_t code, bool flipped, uint8_t a, uint8_t b, uint8_t other) {
    wt_program *p = c->p;
    p->steps[p->count].code = code;
    p->steps[p->count].flipped = flipped;
    p->steps[p->count].a = a;
    p->steps[p->count].b = b;
    p->steps[p->count].c = other;
    p->count++;
}

static void generate(compiler *c, size_t at);

/* Computes the subtree and keeps it: the place that holds it. */
static uint8_t keep(compiler *c, size_t at) {
    if (is_leaf(c->e, at)) return leaf_place(c, at);
    generate(c, at);
    const uint8_t slot = (uint8_t)c->used++;
    if (c->used > c->p->slots) c->p->slots = c->used;
    emit(c, WT_OP_NUMBER, false, slot, 0, 0);
    return slot;
}

/* Leaves one operand in the accumulator and returns the other's place; *flipped: the accumulator is the second. */
static uint8_t generate_pair(compiler *c, size_t a, size_t b, bool *flipped) {
    *flipped = is_leaf(c->e, b) ? false : is_leaf(c->e, a) ? true : c->need[a] >= c->need[b];
    const uint8_t place = keep(c, *flipped ? a : b);
    generate(c, *flipped ? b : a);
    return place;
}

static uint8_t mirrored(uint8_t op) {
    switch (op) {
    case WT_OP_LT: return WT_OP_GT;
    case WT_OP_LE: return WT_OP_GE;
    case WT_OP_GT: return WT_OP_LT;
    case WT_OP_GE: return WT_OP_LE;
    default: return op;
    }
}

static void generate_if(compiler *c, size_t at) {
    const wt_expr *e = c->e;
    const size_t p = at + 2, q = p + wt_expr_span(e, p), then = q + wt_expr_span(e, q),
                 other = then + wt_expr_span(e, then);
    bool flipped;
    const uint8_t a = keep(c, then), b = keep(c, other), operand = generate_pair(c, p, q, &flipped);
    emit(c, flipped ? mirrored(e->nodes[at + 1].op) : e->nodes[at + 1].op, false, operand, a, b);
}

/* Computes the subtree into the accumulator; slots that it took are free again. */
static void generate(compiler *c, size_t at) {
    const uint8_t op = c->e->nodes[at].op;
    const size_t used = c->used;
    if (is_leaf(c->e, at)) {
        emit(c, WT_OP_VARIABLE, false, leaf_place(c, at), 0, 0);
    } else if (op == WT_OP_IF) {
        generate_if(c, at);
    } else if (wt_op_of((wt_op)op)->arity == 1) {
        generate(c, at + 1);
        emit(c, op, false, 0, 0, 0);
    } else {
        bool flipped;
        const uint8_t place = generate_pair(c, at + 1, at + 1 + wt_expr_span(c->e, at + 1), &flipped);
        emit(c, op, flipped, place, 0, 0);
    }
    c->used = used;
}

static size_t greater(size_t a, size_t b) { return a > b ? a : b; }

static size_t pair_need(const compiler *c, size_t a, size_t b) {
    if (is_leaf(c->e, a) || is_leaf(c->e, b)) return greater(c->need[a], c->need[b]);
    return c->need[a] == c->need[b] ? c->need[a] + 1u : greater(c->need[a], c->need[b]);
}

/* From the last node to the first, operands come before their operators. */
static void count_need(compiler *c) {
    const wt_expr *e = c->e;
    for (size_t at = e->count; at-- > 0;) {
        const int arity = wt_op_of((wt_op)e->nodes[at].op)->arity;
        size_t need = 0;
        if (e->nodes[at].op == WT_OP_IF) {
            const size_t then = at + 1 + wt_expr_span(e, at + 1), other = then + wt_expr_span(e, then);
            const size_t one = !is_leaf(e, then), two = one + !is_leaf(e, other);
            need = greater(greater(c->need[then], one + c->need[other]), two + c->need[at + 1]);
        } else if (arity == 2) {
            need = pair_need(c, at + 1, at + 1 + wt_expr_span(e, at + 1));
        } else if (arity == 1) {
            need = c->need[at + 1];
        }
        c->need[at] = (uint8_t)need;
    }
}

int wt_program_compile(wt_program *program, const wt_expr *e, const wt_domain *domain, wt_error *err) {
    if (!wt_expr_valid(e, domain))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s is not valid", domain->name);
    compiler c = {.e = e, .p = program};
    memset(program, 0, sizeof *program);
    count_need(&c);
    generate(&c, 0);
    program->places = program->slots + c.leaves;
    for (size_t i = 0; i < program->count; i++) {
        uint8_t *places[] = {&program->steps[i].a, &program->steps[i].b, &program->steps[i].c};
        for (int k = 0; k < 3; k++) {
            if (*places[k] >= LEAF) *places[k] = (uint8_t)(*places[k] - LEAF + program->slots);
        }
    }
    if (!wt_program_verify(program))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s has no program", domain->name);
    return 0;
}

/* Places that the step reads. */
static int operands(uint8_t code) {
    if (code == WT_OP_VARIABLE) return 1;
    if (code == WT_OP_NUMBER) return 0;
    if (wt_op_of((wt_op)code)->truth) return 3;
    return wt_op_of((wt_op)code)->arity - 1;
}

bool wt_program_verify(const wt_program *p) {
    if (p->count == 0 || p->count > WT_PROGRAM_STEPS || p->places > WT_PROGRAM_PLACES || p->slots > WT_PROGRAM_SLOTS ||
        p->slots > p->places)
        return false;
    bool written[WT_PROGRAM_PLACES] = {false};
    for (size_t i = p->slots; i < p->places; i++) {
        written[i] = true;
        if (p->leaves[i - p->slots].is_input && !(p->inputs >> (p->leaves[i - p->slots].input & 63) & 1)) return false;
        if (p->leaves[i - p->slots].input >= WT_EXPR_MAX_INPUTS) return false;
    }
    if (p->steps[0].code != WT_OP_VARIABLE) return false; /* there is nothing in the accumulator yet */
    for (size_t i = 0; i < p->count; i++) {
        const uint8_t code = p->steps[i].code, places[] = {p->steps[i].a, p->steps[i].b, p->steps[i].c};
        if (code >= WT_OP_COUNT || code == WT_OP_IF) return false;
        for (int k = 0; k < 3; k++) {
            if (places[k] >= p->places && places[k] > 0) return false;
            if (k < operands(code) && !written[places[k]]) return false;
        }
        if (code != WT_OP_NUMBER) continue;
        if (places[0] >= p->slots) return false;
        written[places[0]] = true;
    }
    return true;
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
