/* The table of operators: what parser, printer, mutators and the docs know of each. */
#include "strategy/expression.h"

static const wt_op_info OPS[WT_OP_COUNT] = {
    [WT_OP_NUMBER] = {"number", 0, false, false, "a number: 2, 0.5, 1e-3; within -1e30..1e30"},
    [WT_OP_VARIABLE] = {"variable", 0, false, false, "a variable of the rule, by its name"},
    [WT_OP_NEG] = {"-", 1, false, false, "-a: the negative"},
    [WT_OP_ADD] = {"+", 2, false, true, "a + b: the sum"},
    [WT_OP_SUB] = {"-", 2, false, false, "a - b: the difference"},
    [WT_OP_MUL] = {"*", 2, false, true, "a*b: the product"},
    [WT_OP_DIV] = {"/", 2, false, false, "a/b: the quotient; 0 where b is 0"},
    [WT_OP_MIN] = {"min", 2, false, true, "min(a, b): the smaller of the two"},
    [WT_OP_MAX] = {"max", 2, false, true, "max(a, b): the larger of the two"},
    [WT_OP_ABS] = {"abs", 1, false, false, "abs(a): a without its sign"},
    [WT_OP_SQRT] = {"sqrt", 1, false, false, "sqrt(a): the square root of abs(a)"},
    [WT_OP_LOG] = {"log", 1, false, false, "log(a): the natural logarithm of max(abs(a), 1e-30)"},
    [WT_OP_EXP] = {"exp", 1, false, false, "exp(a): e to the power of a, at most 1e30"},
    [WT_OP_TANH] = {"tanh", 1, false, false, "tanh(a): the hyperbolic tangent, within -1..1"},
    [WT_OP_POW] = {"pow", 2, false, false, "pow(a, b): abs(a) to the power of b; 0 where a is 0, but 1 where b is too"},
    [WT_OP_IF] = {"if", 3, false, false, "if(c, a, b): a where the comparison c holds, else b"},
    [WT_OP_LT] = {"<", 2, true, false, "a < b: holds where a is less than b"},
    [WT_OP_LE] = {"<=", 2, true, false, "a <= b: holds where a is at most b"},
    [WT_OP_GT] = {">", 2, true, false, "a > b: holds where a is greater than b"},
    [WT_OP_GE] = {">=", 2, true, false, "a >= b: holds where a is at least b"},
    [WT_OP_EQ] = {"==", 2, true, true, "a == b: holds where the two are equal"},
    [WT_OP_NE] = {"!=", 2, true, true, "a != b: holds where the two differ"},
};

const wt_op_info *wt_op_of(wt_op op) { return &OPS[op]; }
