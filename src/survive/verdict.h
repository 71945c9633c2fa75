/*
 * The verdict: who survives is decided on the search text; holdout, which nobody has looked at, then confirms or rejects it, beside the
 * humans. Files of survivors are written; everything goes to the store, from which summaries are made.
 */
#ifndef WT_SURVIVE_VERDICT_H
#define WT_SURVIVE_VERDICT_H

#include "survive/evolve.h"

/* Writes NAME.gguf and NAME.strategy of each survivor into `folder`. Once begun it is not interrupted between two files. */
int wt_verdict(wt_contest *c, wt_evolution *e, const char *folder, wt_error *err);

#endif
