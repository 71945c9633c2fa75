/* What strategies may be made of on one model: its matrices, and which types fit their rows. */
#ifndef WT_APPLY_SCOPE_H
#define WT_APPLY_SCOPE_H

#include "model/gguf.h"
#include "strategy/strategy.h"

/*
 * Gives `scope` (initialised) the tensors that may be pinned: the matrices that presets quantize, sorted by name. Names point into
 * `gguf`, which must outlive it. Free with wt_scope_release_model.
 */
int wt_scope_set_model(wt_scope *scope, const wt_gguf *gguf, wt_error *err);
void wt_scope_release_model(wt_scope *scope);

#endif
