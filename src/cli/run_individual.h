/* An individual of a run that was opened again, ready to be planned, measured and written. */
#ifndef WT_CLI_RUN_INDIVIDUAL_H
#define WT_CLI_RUN_INDIVIDUAL_H

#include "cli/run_session.h"
#include "report/population.h"

/* Fills `individual` (release with wt_individual_release) from what the store knows; one that died before it had a plan is refused. */
int wt_run_individual(wt_individual *individual, const wt_record *record, wt_error *err);

/*
 * Writes the file of an individual of a run that was opened again: the same bytes as evolve wrote, or would have. Tries the place, opens
 * texts and study, plans.
 */
int wt_run_export(wt_run_session *run, const wt_record *record, const char *path, wt_error *err);

#endif
