/*
 * Expressions to programs, for a machine of one register (see program_body.h): a step acts on the register and on
 * places in memory, which are numbers, inputs, and slots for results that have to wait, handed out as a stack. So of an
 * operator's two operands the one that is no leaf is computed to the register; where neither is, one waits in a slot,
 * or is done within one step with the operator. Which sums and products have to saturate is found by carrying bounds
 * from the leaves up, by the very arithmetic of the values: rounding is monotone, so where the bound of a result stays
 * within range, so does the result, and the bits are the same without its clamp.
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
    const wt_expr_node *leaf[WT_PROGRAM_PLACES]; /* [leaves] */
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
 * With inputs of at most `limit`, whether everything stays within range that is not clamped. Where `mark`, what does
 * not is clamped from now on.
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
    size_t i = 0;
    for (; i < c->leaves; i++) {
        if (c->leaf[i]->op != node->op) continue;
        if (node->op == WT_OP_VARIABLE ? c->leaf[i]->variable == node->variable : c->leaf[i]->number == node->number)
            break;
    }
    if (i == c->leaves) c->leaf[c->leaves++] = node;
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

/* Places that a step does not read are LEAF: it exists. */
static void push(compiler *c, int code, uint8_t first, uint8_t second, uint8_t third) {
    c->steps[c->count++] = (wt_step){.code = (uint16_t)code, .a = first, .b = second, .c = third, .d = LEAF};
}

/* The register waits in a slot. */
static uint8_t put_away(compiler *c) {
    const uint8_t slot = (uint8_t)c->used++;
    wt_step *last = &c->steps[c->count - 1];
    if (last->code >= WT_STEP_LOAD_2(0) && last->code <= WT_STEP_LOAD_2(WT_PAIR_MAX))
        last->code = (uint16_t)WT_STEP_KEEP_2(last->code - WT_STEP_LOAD_2(0));
    else
        push(c, WT_STEP_KEEP, LEAF, LEAF, LEAF);
    c->steps[c->count - 1].d = slot;
    if (c->used > c->p->slots) c->p->slots = c->used;
    return slot;
}

static bool is_number(const compiler *c, uint8_t place) {
    return place >= LEAF && c->leaf[place - LEAF]->op == WT_OP_NUMBER;
}

/* The pair that a fused operator on two places is; those of products may change sides. */
static wt_pair pair_of(const compiler *c, int op, uint8_t *first, uint8_t *second) {
    if (op != 2) return (wt_pair)(op < 2 ? op : op + 2);
    if (*first == *second) return WT_PAIR_SQUARE;
    if (is_number(c, *second)) {
        const uint8_t number = *second;
        *second = *first;
        *first = number;
    }
    return is_number(c, *first) ? WT_PAIR_SCALE : WT_PAIR_MUL;
}

/* register = register op place, done by the last step where it can. */
static void apply(compiler *c, int op, uint8_t place) {
    wt_step *last = &c->steps[c->count - 1];
    const int code = last->code;
    if (code == WT_STEP_LOAD) {
        uint8_t first = op < 5 ? last->a : place, second = op < 5 ? place : last->a;
        const wt_pair pair = pair_of(c, op < 5 ? op : 1, &first, &second);
        *last = (wt_step){.code = (uint16_t)WT_STEP_LOAD_2(pair), .a = first, .b = second, .c = LEAF, .d = LEAF};
    } else if (code >= WT_STEP_LOAD_2(0) && code <= WT_STEP_LOAD_2(WT_PAIR_MAX)) {
        last->code = (uint16_t)WT_STEP_LOAD_3(code - WT_STEP_LOAD_2(0), op);
        last->c = place;
    } else if (code >= WT_STEP_APPLY(0) && code <= WT_STEP_APPLY_NUMBER(5)) {
        last->code = (uint16_t)WT_STEP_CHAIN((code - WT_STEP_APPLY(0)) % 6, op);
        last->b = place;
    } else if (code == WT_STEP_SQRT) {
        last->code = (uint16_t)WT_STEP_SQRT_APPLY(op);
        last->a = place;
    } else {
        push(c, is_number(c, place) ? WT_STEP_APPLY_NUMBER(op) : WT_STEP_APPLY(op), place, LEAF, LEAF);
    }
}

/* A subtree of leaves that is computed within the step that uses it: a op b, or (a op b) outer c where count is 3. */
typedef struct joined {
    int count, op, outer;
    size_t a, b, c; /* nodes */
} joined;

/* Whether the node is an operator that can be fused, one of the first `ops`, of two leaves. */
static bool is_pair(const compiler *c, size_t at, int ops) {
    const int op = fusible(c, at);
    return op >= 0 && op < ops && is_leaf(c, at + 1) && is_leaf(c, operand(c, at, 1));
}

/* Whether register = register op (subtree at y) is one step. */
static bool can_join(const compiler *c, int op, size_t y, joined *j) {
    if (is_pair(c, y, 5)) {
        *j = (joined){2, fusible(c, y), 0, y + 1, operand(c, y, 1), 0};
        return true;
    }
    const int outer = fusible(c, y);
    if (op > 2 || outer < 0 || outer > 2) return false;
    size_t pair = y + 1, leaf = operand(c, y, 1);
    if (is_leaf(c, pair) && outer != 1) {
        leaf = y + 1;
        pair = operand(c, y, 1);
    }
    if (!is_leaf(c, leaf) || !is_pair(c, pair, 3)) return false;
    *j = (joined){3, fusible(c, pair), outer, pair + 1, operand(c, pair, 1), leaf};
    return true;
}

static void join(compiler *c, int op, const joined *j) {
    wt_step *last = &c->steps[c->count - 1];
    uint8_t a = leaf_place(c, j->a), b = leaf_place(c, j->b);
    const wt_pair pair = pair_of(c, j->op, &a, &b);
    if (j->count == 3) {
        push(c, WT_STEP_JOIN_3(op, pair, j->outer), a, b, leaf_place(c, j->c));
    } else if (last->code >= WT_STEP_LOAD_2(0) && last->code <= WT_STEP_LOAD_2(WT_PAIR_SCALE) && op < 3 &&
               pair <= WT_PAIR_SCALE) {
        last->code = (uint16_t)WT_STEP_LOAD_4(last->code - WT_STEP_LOAD_2(0), op, pair);
        last->c = a;
        last->d = b;
    } else {
        push(c, WT_STEP_JOIN(op, pair), a, b, LEAF);
    }
}

static void generate(compiler *c, size_t at);

/*
 * A step on the register and a place for an operator that has none of the fused codes; `turned`: the register is the
 * second operand.
 */
static void push_pair(compiler *c, uint8_t op, bool turned, uint8_t place) {
    static const uint8_t CODES[WT_OP_COUNT][2] = {
        [WT_OP_ADD] = {WT_STEP_ADD_WITHIN, WT_STEP_ADD_WITHIN}, [WT_OP_SUB] = {WT_STEP_SUB_WITHIN, WT_STEP_FROM_WITHIN},
        [WT_OP_MUL] = {WT_STEP_MUL_WITHIN, WT_STEP_MUL_WITHIN}, [WT_OP_DIV] = {WT_STEP_DIV, WT_STEP_INTO},
        [WT_OP_POW] = {WT_STEP_POW, WT_STEP_POWER_OF},          [WT_OP_MIN] = {WT_STEP_APPLY(3), WT_STEP_APPLY(3)},
        [WT_OP_MAX] = {WT_STEP_APPLY(4), WT_STEP_APPLY(4)},
    };
    push(c, CODES[op][turned], place, LEAF, LEAF);
}

static void generate_pair(compiler *c, size_t at) {
    const size_t x = at + 1, y = operand(c, at, 1);
    const int op = fusible(c, at), turned = op == 1 ? 5 : op;
    joined j;
    bool from_y = true; /* the register holds x, and y is what is left */
    if (op >= 0 && !is_leaf(c, x) && !is_leaf(c, y)) {
        if (can_join(c, op, y, &j)) {
            generate(c, x);
            join(c, op, &j);
            return;
        }
        if (can_join(c, turned, x, &j)) {
            generate(c, y);
            join(c, turned, &j);
            return;
        }
    }
    uint8_t place;
    if (is_leaf(c, y)) {
        generate(c, x);
        place = leaf_place(c, y);
    } else {
        from_y = false;
        place = is_leaf(c, x) ? leaf_place(c, x) : (generate(c, x), put_away(c));
        generate(c, y);
        if (!is_leaf(c, x)) c->used--;
    }
    if (op >= 0)
        apply(c, from_y ? op : turned, place);
    else
        push_pair(c, c->e->nodes[at].op, !from_y, place);
}

/* The place that holds the subtree; a slot where it is no leaf. */
static uint8_t place_of(compiler *c, size_t at) {
    if (is_leaf(c, at)) return leaf_place(c, at);
    generate(c, at);
    return put_away(c);
}

/* if(x comparison y, yes, no) of leaves yes and no: the register is compared. A leaf x changes sides with y. */
static void generate_choice(compiler *c, size_t at) {
    static const uint8_t CODES[WT_OP_COUNT][2] = {
        [WT_OP_LT] = {WT_STEP_LT, WT_STEP_GT}, [WT_OP_LE] = {WT_STEP_LE, WT_STEP_GE},
        [WT_OP_GT] = {WT_STEP_GT, WT_STEP_LT}, [WT_OP_GE] = {WT_STEP_GE, WT_STEP_LE},
        [WT_OP_EQ] = {WT_STEP_EQ, WT_STEP_EQ}, [WT_OP_NE] = {WT_STEP_NE, WT_STEP_NE},
    };
    const size_t used = c->used, x = at + 2, y = operand(c, at + 1, 1);
    const bool turned = is_leaf(c, x);
    const uint8_t yes = leaf_place(c, operand(c, at, 1)), no = leaf_place(c, operand(c, at, 2));
    const uint8_t other = place_of(c, turned ? x : y);
    generate(c, turned ? y : x);
    push(c, CODES[c->e->nodes[at + 1].op][turned], other, yes, no);
    c->used = used;
}

/* Whether the node is the square of an input. */
static bool is_square(const compiler *c, size_t at) {
    const wt_expr_node *x = &c->e->nodes[at + 1], *y = x + 1;
    return fusible(c, at) == 2 && x->op == WT_OP_VARIABLE && y->op == WT_OP_VARIABLE && x->variable == y->variable;
}

/*
 * if(x comparison y, yes, no): one of yes and no stays in the register, the other is leaves, or else waits. There is no
 * NaN, so that what stays may be either: x < y is not y <= x.
 */
static void generate_if(compiler *c, size_t at) {
    static const struct {
        uint8_t comparison, swapped;
    } CODES[WT_OP_COUNT][2] = {
        [WT_OP_LT] = {{0, 0}, {1, 1}}, [WT_OP_LE] = {{1, 0}, {0, 1}}, [WT_OP_GT] = {{0, 1}, {1, 0}},
        [WT_OP_GE] = {{1, 1}, {0, 0}}, [WT_OP_EQ] = {{2, 0}, {3, 0}}, [WT_OP_NE] = {{3, 0}, {2, 0}},
    };
    const size_t used = c->used, yes = operand(c, at, 1), no = operand(c, at, 2);
    if (is_leaf(c, yes) && is_leaf(c, no)) {
        generate_choice(c, at);
        return;
    }
    const bool opposite = is_leaf(c, no) || (!is_leaf(c, yes) && !is_pair(c, yes, 5)); /* no is what is picked */
    const size_t picked = opposite ? no : yes, stays = opposite ? yes : no;
    const bool swapped = CODES[c->e->nodes[at + 1].op][opposite].swapped;
    const size_t x = swapped ? operand(c, at + 1, 1) : at + 2, y = swapped ? at + 2 : operand(c, at + 1, 1);
    const int comparison = CODES[c->e->nodes[at + 1].op][opposite].comparison;
    const bool square = is_square(c, x) || is_square(c, y), turned = square && !is_square(c, x);
    const uint8_t a = square ? leaf_place(c, (turned ? y : x) + 1) : place_of(c, x), b = place_of(c, turned ? x : y);
    wt_pair pair = WT_PAIR_FIRST;
    uint8_t first, second = LEAF;
    if (is_pair(c, picked, 5)) {
        first = leaf_place(c, picked + 1);
        second = leaf_place(c, operand(c, picked, 1));
        pair = pair_of(c, fusible(c, picked), &first, &second);
    } else {
        first = place_of(c, picked);
    }
    generate(c, stays);
    const int squares = turned && comparison < 2 ? comparison + 4 : comparison;
    if (square && pair == WT_PAIR_MUL && (first == a || second == a)) { /* products may change sides */
        push(c, WT_STEP_PICK_OWN(squares), a, b, first == a ? second : first);
    } else {
        push(c, square ? WT_STEP_PICK_SQUARE(squares, pair) : WT_STEP_PICK(comparison, pair), a, b, first);
        c->steps[c->count - 1].d = second;
    }
    c->used = used;
}

/* Computes the subtree to the register. */
static void generate(compiler *c, size_t at) {
    static const uint8_t CODES[WT_OP_COUNT] = {
        [WT_OP_NEG] = WT_STEP_NEG, [WT_OP_ABS] = WT_STEP_ABS, [WT_OP_SQRT] = WT_STEP_SQRT,
        [WT_OP_LOG] = WT_STEP_LOG, [WT_OP_EXP] = WT_STEP_EXP, [WT_OP_TANH] = WT_STEP_TANH,
    };
    const uint8_t op = c->e->nodes[at].op;
    if (is_leaf(c, at)) {
        push(c, WT_STEP_LOAD, leaf_place(c, at), LEAF, LEAF);
    } else if (op == WT_OP_IF) {
        generate_if(c, at);
    } else if (wt_op_of((wt_op)op)->arity == 2) {
        generate_pair(c, at);
    } else if (op == WT_OP_ABS && is_leaf(c, at + 1)) {
        push(c, WT_STEP_LOAD_ABS, leaf_place(c, at + 1), LEAF, LEAF);
    } else {
        generate(c, at + 1);
        push(c, CODES[op], LEAF, LEAF, LEAF);
    }
}

static size_t generate_all(compiler *c, wt_step *steps) {
    c->steps = steps;
    c->count = c->used = 0;
    generate(c, 0);
    const int code = steps[c->count - 1].code;
    if (code >= WT_STEP_APPLY(0) && code <= WT_STEP_APPLY_NUMBER(5))
        steps[c->count - 1].code = (uint16_t)(code - WT_STEP_APPLY(0) + WT_STEP_APPLY_OUT(0));
    else if (code >= WT_STEP_JOIN(0, 0) && code < WT_STEP_LOAD_4(0, 0, 0))
        steps[c->count - 1].code = (uint16_t)(code - WT_STEP_JOIN(0, 0) + WT_STEP_JOIN_OUT(0, 0));
    else
        push(c, WT_STEP_OUT, LEAF, LEAF, LEAF);
    return c->count;
}

/* Places that the step reads, and whether it needs no register: -1 where there is no such step. */
static int operands(int code, bool *loads) {
    *loads = false;
    if (code >= WT_STEP_END) return -1;
    if (code >= WT_STEP_JOIN_OUT(0, 0)) return 2;
    if (code >= WT_STEP_APPLY_OUT(0)) return 1;
    if (code >= WT_STEP_KEEP_2(0)) return 2;
    if (code >= WT_STEP_PICK_OWN(0)) return 3;
    if (code >= WT_STEP_PICK(0, 0)) return (code - WT_STEP_PICK(0, 0)) % 8 == WT_PAIR_FIRST ? 3 : 4;
    if (code >= WT_STEP_JOIN_3(0, 0, 0)) return 3;
    if (code >= WT_STEP_JOIN(0, 0) && code < WT_STEP_LOAD_4(0, 0, 0)) return 2;
    if (code >= WT_STEP_CHAIN(0, 0) && code < WT_STEP_JOIN(0, 0)) return 2;
    if (code >= WT_STEP_APPLY(0) && code < WT_STEP_LOAD_2(0)) return 1;
    if (code >= WT_STEP_DIV && code <= WT_STEP_FROM_WITHIN) return 1;
    if (code >= WT_STEP_LT && code <= WT_STEP_NE) return 3;
    if (code >= WT_STEP_NEG && code <= WT_STEP_TANH) return 0;
    if (code == WT_STEP_KEEP || code == WT_STEP_OUT) return 0;
    *loads = true;
    if (code >= WT_STEP_LOAD_4(0, 0, 0)) return 4;
    if (code >= WT_STEP_LOAD_3(0, 0)) return 3;
    if (code >= WT_STEP_LOAD_2(0)) return 2;
    return code <= WT_STEP_LOAD_ABS ? 1 : -1;
}

/* Whether the step reads operand `which` as one number: in a pair that scales, or an operator with a number. */
static bool reads_number(int code, int which) {
    int first = -1, second = -1; /* pairs of a and b, c and d */
    if (code >= WT_STEP_JOIN_OUT(0, 0)) {
        first = (code - WT_STEP_JOIN_OUT(0, 0)) % 7;
    } else if (code >= WT_STEP_APPLY_OUT(0)) {
        return which == 0 && code >= WT_STEP_APPLY_NUMBER_OUT(0);
    } else if (code >= WT_STEP_KEEP_2(0)) {
        first = code - WT_STEP_KEEP_2(0);
    } else if (code >= WT_STEP_PICK_OWN(0)) {
        return false;
    } else if (code >= WT_STEP_PICK(0, 0)) {
        second = (code - WT_STEP_PICK(0, 0)) % 8;
    } else if (code >= WT_STEP_JOIN_3(0, 0, 0)) {
        first = (code - WT_STEP_JOIN_3(0, 0, 0)) / 3 % 5;
    } else if (code >= WT_STEP_LOAD_4(0, 0, 0)) {
        first = (code - WT_STEP_LOAD_4(0, 0, 0)) / 15;
        second = (code - WT_STEP_LOAD_4(0, 0, 0)) % 5;
    } else if (code >= WT_STEP_JOIN(0, 0)) {
        first = (code - WT_STEP_JOIN(0, 0)) % 7;
    } else if (code >= WT_STEP_LOAD_3(0, 0) && code < WT_STEP_CHAIN(0, 0)) {
        first = (code - WT_STEP_LOAD_3(0, 0)) / 6;
    } else if (code >= WT_STEP_LOAD_2(0) && code < WT_STEP_LOAD_3(0, 0)) {
        first = code - WT_STEP_LOAD_2(0);
    } else if (code >= WT_STEP_APPLY_NUMBER(0) && code <= WT_STEP_APPLY_NUMBER(5)) {
        return which == 0;
    }
    return (which == 0 && first == WT_PAIR_SCALE) || (which == 2 && second == WT_PAIR_SCALE);
}

/* Inputs come first, numbers behind them: `places` tells where each leaf is. */
static void number_leaves(const compiler *c, uint8_t places[WT_PROGRAM_PLACES]) {
    wt_program *p = c->p;
    size_t count = 0;
    for (int numbers = 0; numbers < 2; numbers++) {
        for (size_t i = 0; i < c->leaves; i++) {
            const wt_expr_node *node = c->leaf[i];
            if ((node->op == WT_OP_NUMBER) != numbers) continue;
            places[i] = (uint8_t)count;
            if (numbers) {
                p->leaves[count++].number = node->number;
            } else {
                p->leaves[count++].input = node->variable;
                p->inputs |= UINT64_C(1) << node->variable;
            }
        }
        if (!numbers) p->rows = count;
    }
    p->places = p->slots + count;
}

/* Places of steps as they are when run: leaves come first, slots behind them. */
static void number_places(wt_program *p, const uint8_t leaf[WT_PROGRAM_PLACES], wt_step *steps, size_t count) {
    const size_t leaves = p->places - p->slots;
    for (size_t i = 0; i < count; i++) {
        uint8_t *places[] = {&steps[i].a, &steps[i].b, &steps[i].c, &steps[i].d};
        bool loads;
        const int reads = operands(steps[i].code, &loads);
        for (int k = 0; k < 4; k++) {
            const bool is_leaf = *places[k] >= LEAF;
            *places[k] = is_leaf ? leaf[*places[k] - LEAF] : (uint8_t)(*places[k] + leaves);
            if (steps == p->fast && k < reads && is_leaf && *places[k] >= p->rows && !reads_number(steps[i].code, k))
                p->leaves[*places[k]].spread = true;
        }
    }
    steps[count - 1].d = (uint8_t)p->places;
}

int wt_program_compile(wt_program *program, const wt_expr *e, const wt_domain *domain, wt_error *err) {
    if (!wt_expr_valid(e, domain))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s is not valid", domain->name);
    compiler c = {.e = e, .p = program};
    memset(program, 0, sizeof *program);
    for (size_t at = 0; at < e->count; at++) c.spans[at] = (uint8_t)wt_expr_span(e, at);
    check_bounds(&c, ORDINARY, true);
    program->fast_count = generate_all(&c, program->fast);
    program->fast_slots = program->slots;
    program->fast_limit = ORDINARY;
    while (program->fast_limit < 0x1p99f && check_bounds(&c, 2.0f * program->fast_limit, false))
        program->fast_limit *= 2.0f;
    memset(c.clamps, true, sizeof c.clamps);
    program->careful_count = generate_all(&c, program->careful);
    uint8_t places[WT_PROGRAM_PLACES] = {0}; /* those that a step does not read are LEAF, which is always there */
    number_leaves(&c, places);
    number_places(program, places, program->fast, program->fast_count);
    number_places(program, places, program->careful, program->careful_count);
    if (!wt_program_verify(program))
        return wt_fail(err, WT_ERR_ARGUMENT, "the expression of a %s has no program", domain->name);
    return 0;
}

/* ---- verification ---- */

/*
 * Every place exists, those that a step does not read as well: it may find where they are. The last step alone writes
 * the result.
 */
static bool verify_steps(const wt_program *p, const wt_step *steps, size_t count, size_t slots) {
    const size_t leaves = p->places - p->slots, end = leaves + slots;
    bool written[WT_PROGRAM_PLACES], loaded = false;
    if (count == 0 || count > WT_PROGRAM_STEPS) return false;
    for (size_t i = 0; i < WT_PROGRAM_PLACES; i++) written[i] = i < leaves;
    for (size_t i = 0; i < count; i++) {
        const uint8_t places[] = {steps[i].a, steps[i].b, steps[i].c, steps[i].d};
        bool loads;
        const int reads = operands(steps[i].code, &loads);
        const int code = steps[i].code;
        const bool ends = code == WT_STEP_OUT || code >= WT_STEP_APPLY_OUT(0);
        const bool keeps_pair = code >= WT_STEP_KEEP_2(0) && code < WT_STEP_APPLY_OUT(0);
        loaded |= loads;
        if (reads < 0 || (!loaded && !keeps_pair) || ends != (i + 1 == count)) return false;
        if (ends && steps[i].d != p->places) return false;
        for (int k = 0; k < (ends ? 3 : 4); k++) {
            if (places[k] >= end || (k < reads && !written[places[k]])) return false;
            const bool number = places[k] >= p->rows && places[k] < leaves;
            if (k >= reads || steps != p->fast) continue;
            if (reads_number(code, k) ? !number : number && !p->leaves[places[k]].spread) return false;
        }
        if (code != WT_STEP_KEEP && !keeps_pair) continue;
        if (steps[i].d < leaves) return false;
        written[steps[i].d] = true;
    }
    return true;
}

bool wt_program_verify(const wt_program *p) {
    if (p->slots > WT_PROGRAM_SLOTS || p->fast_slots > p->slots || p->places <= p->slots ||
        p->places > WT_PROGRAM_PLACES)
        return false;
    if (p->rows > p->places - p->slots) return false;
    for (size_t i = 0; i < p->rows; i++) {
        if (p->leaves[i].input >= WT_EXPR_MAX_INPUTS || !(p->inputs >> p->leaves[i].input & 1)) return false;
    }
    return p->fast_limit > 0.0f && verify_steps(p, p->fast, p->fast_count, p->fast_slots) &&
           verify_steps(p, p->careful, p->careful_count, p->slots);
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
