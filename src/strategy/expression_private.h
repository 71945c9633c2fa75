/* What the files of expressions share: walking trees in prefix order. */
#ifndef WT_STRATEGY_EXPRESSION_PRIVATE_H
#define WT_STRATEGY_EXPRESSION_PRIVATE_H

#include "strategy/expression.h"

/* Whether operand `i` of `op` has to be a truth. */
static inline bool wt_op_takes_truth(wt_op op, int i) { return op == WT_OP_IF && i == 0; }

/* An order over single nodes; 0 where they are the same. */
int wt_expr_compare_nodes(const wt_expr_node *a, const wt_expr_node *b);

/* Whether a name is letters, digits and '_', beginning with no digit: so many bytes of `text` are, 0 where none. */
size_t wt_expr_name_length(const char *text, size_t len);

/* The place in the table of an operator written as a name with operands in brackets ("min", "if"), or -1. */
int wt_op_by_name(const char *name, size_t len);

/* At most 32 bytes: the shortest text that reads back as the number. Returns its length. */
size_t wt_expr_print_number(float number, char *buffer);

#endif
