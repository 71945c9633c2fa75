/* The loops of bench_expression for one instruction set: the file's name says which. */
#include "expression_loops_body.h"

const rule_loop loops_avx512[LOOPS][RULES] = RULE_LOOPS;
