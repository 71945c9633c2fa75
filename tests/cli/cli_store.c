/* Changes what a run says of itself, for tests of what is refused: `cli_store FOLDER KEY VALUE`; `cli_store FOLDER KEY` prints it. */
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

int main(int argc, char **argv) {
    wt_error err = {0};
    char *value = NULL;
    if (argc < 3) return 2;
    wt_run_store *store = wt_store_open(argv[1], argc > 3 ? WT_STORE_WRITE : WT_STORE_READ, &err);
    int rc = store ? 0 : -1;
    if (store && argc > 3) rc = wt_store_set(store, argv[2], argv[3], &err);
    if (store && argc == 3 && (rc = wt_store_get(store, argv[2], &value, &err) - 1) == 0) puts(value);
    free(value);
    wt_store_close(store);
    if (rc != 0) fprintf(stderr, "cli_store: %s\n", err.message);
    return rc == 0 ? 0 : 1;
}
