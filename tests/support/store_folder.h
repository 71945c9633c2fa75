/* A folder of its own for each test of a run's store, and the store in it. For one test file each: it holds the state. */
#ifndef WT_TESTS_STORE_FOLDER_H
#define WT_TESTS_STORE_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

static char folder[64], file[80]; /* the folder, and run.db in it */
static wt_error err;

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/wt-store-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/run.db", folder);
    return 0;
}

static int tear_down(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static wt_run_store *open_store(wt_store_mode mode) {
    wt_run_store *s = wt_store_open(folder, mode, &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

#endif
