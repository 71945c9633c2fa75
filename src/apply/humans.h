/* What people made, written as strategies: the competitors of generated ones. */
#ifndef WT_APPLY_HUMANS_H
#define WT_APPLY_HUMANS_H

#include "apply/presets.h"
#include "strategy/strategy.h"

typedef struct wt_human_info {
    const char *name;        /* "Q4_K_M", "sensitivity" */
    const char *help;        /* one line */
    const wt_preset *preset; /* whose types are pinned; NULL: a method that works on any model */
} wt_human_info;

/* Human i: the methods, then the presets by size. False past the end. */
bool wt_human_at(size_t i, wt_human_info *out);
/* By name in any case, aliases of presets ("Q4_K") included; false for an unknown one. */
bool wt_human_find(const char *name, wt_human_info *out);

/*
 * The strategy of human `name`: a preset's pins every matrix of `gguf`; the methods are rules and look at no model, so that NULL
 * will do. Encoding is as people's encoders do it (the encode genes' defaults). Without importance some mixes are richer, and the
 * methods do without the types that need it.
 */
int wt_human(wt_strategy *out, const char *name, const wt_gguf *gguf, bool has_importance, wt_error *err);

#endif
