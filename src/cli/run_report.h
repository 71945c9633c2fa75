/* What `show` and `pick` print of runs and of individuals, as text and as JSON. From the store alone. */
#ifndef WT_CLI_RUN_REPORT_H
#define WT_CLI_RUN_REPORT_H

#include <jansson.h>

#include "cli/run_facts.h"
#include "report/population.h"

/* A run: who was judged, the best of the population, what died of what, generation by generation. */
int wt_run_print(const char *folder, const wt_run_facts *facts, const wt_population *p, wt_run_store *store, wt_error *err);
json_t *wt_run_json(const wt_run_facts *facts, const wt_population *p, wt_run_store *store, wt_error *err);

/* An individual: its strategy, plan, scores, family, death, and what its genes are worth where that was asked. */
int wt_record_print(const wt_record *r, const wt_population *p, wt_run_store *store, wt_error *err);
json_t *wt_record_json(const wt_record *r, const wt_population *p, wt_run_store *store, wt_error *err);

/* The label of a human, the name of the others. */
const char *wt_record_called(const wt_record *r);
/* "0.012345", "-" for none; returns one of the two. */
const char *wt_format_kld(char buf[32], double kld);
/* A table of knock-outs' first line, and a row of it. `low`, `high`: the 95% interval of `change`. */
void wt_knockout_print_head(void);
void wt_knockout_print(const char *gene, const char *value, double change, double low, double high);
json_t *wt_knockout_json(const char *gene, const char *value, double change, double low, double high);

#endif
