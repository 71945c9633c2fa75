/* A plan as people and programs read it. */
#ifndef WT_CLI_PLAN_REPORT_H
#define WT_CLI_PLAN_REPORT_H

#include <jansson.h>

#include "apply/plan.h"

/* Every matrix with its type, what its error is said to be, and who decided; then the sums. */
void wt_plan_print(const wt_plan *plan, const wt_gguf *source, bool tensors);
/* The same as JSON: keys are in docs/json.md. */
json_t *wt_plan_json(const wt_plan *plan);
/* "-ctk q8_0 -ctv q4_0": what llama.cpp has to be told, or "" where the cache stays as it is by default. */
const char *wt_plan_cache_flags(const wt_plan *plan, char buf[64]);

#endif
