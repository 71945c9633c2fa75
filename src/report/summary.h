/* A run's summary, from its store alone: Markdown for people, JSON for programs. */
#ifndef WT_REPORT_SUMMARY_H
#define WT_REPORT_SUMMARY_H

#include "store/store.h"

/*
 * Who survived, against which humans, by how much; what was lost; how it ended. The first line says it in a sentence, also where nothing beat
 * the humans. free() the text. NULL and an error where the store cannot be read.
 */
char *wt_summary_markdown(wt_run_store *store, wt_error *err);

/*
 * The verdict in one sentence, without Markdown; of a run whose verdict is not complete, how far it is. `running`: somebody works on it now;
 * `measured`: individuals that were, also in a generation that has not ended. free() the text.
 */
char *wt_summary_sentence(wt_run_store *store, bool running, uint64_t measured, wt_error *err);

/* The keys of docs/json.md: survivors, humans, ended, evaluations, tokens, seconds, ... free() the text. */
char *wt_summary_json(wt_run_store *store, wt_error *err);

/* Writes FOLDER/summary.md and FOLDER/summary.json. */
int wt_summary_write(wt_run_store *store, const char *folder, wt_error *err);

#endif
