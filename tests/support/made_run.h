/* Runs that tests make themselves: a folder in /tmp with a store in it. */
#ifndef WT_TESTS_MADE_RUN_H
#define WT_TESTS_MADE_RUN_H

#include <jansson.h>

#include "store/store.h"

typedef struct made_run {
    char folder[64];
    wt_run_store *store;
} made_run;

/* cmocka's set-up and tear-down: *state is the run, its store open for writing. */
int made_run_set_up(void **state);
int made_run_tear_down(void **state);

/* An individual of which nothing but the id need be known. Fails the test where it cannot be stored. */
wt_stored_individual made_individual(void);
int64_t made_add(made_run *run, wt_stored_individual i);

/* One of the store's keys. */
void made_set(made_run *run, const char *key, const char *value);

/* The run's document, parsed; json_decref it. */
json_t *made_document(made_run *run);

/* What stands at a path as "individuals.kld.3"; NULL: nothing. */
json_t *made_at(json_t *root, const char *path);

/* Fails the test where that text does not stand there. */
void made_is_text(json_t *root, const char *path, const char *text);

#endif
