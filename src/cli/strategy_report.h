/* How strategies are shown: one, or what tells two apart; as text and as JSON. */
#ifndef WT_CLI_STRATEGY_REPORT_H
#define WT_CLI_STRATEGY_REPORT_H

#include "strategy/strategy.h"

/* The canonical text, nothing else. */
int wt_strategy_show_text(const wt_strategy *s, wt_error *err);
/* The canonical text and, as comments, its size and what its genes are: still the same strategy to whoever reads it. */
int wt_strategy_show(const wt_strategy *s, wt_error *err);
int wt_strategy_show_json(const wt_strategy *s, wt_error *err);

/* Gene by gene, with distances. */
int wt_strategy_diff(const wt_strategy *a, const wt_strategy *b, wt_error *err);
int wt_strategy_diff_json(const wt_strategy *a, const wt_strategy *b, wt_error *err);

/* docs/strategies.md, from the tables of genes, domains and operators. */
int wt_strategy_docs(wt_error *err);

#endif
