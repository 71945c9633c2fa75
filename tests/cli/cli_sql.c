/* cli_sql FILE QUERY: prints the first column of every row. So that tests of the store need no sqlite3 shell. */
#include <sqlite3.h>
#include <stdio.h>

int main(int argc, char **argv) {
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int rc = 1;
    if (argc == 3 && sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK && sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
        sqlite3_prepare_v2(db, argv[2], -1, &st, NULL) == SQLITE_OK) {
        while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(st, 0);
            puts(text ? text : "");
        }
        rc = rc != SQLITE_DONE;
    }
    if (rc) fprintf(stderr, "%s\n", db ? sqlite3_errmsg(db) : "usage: cli_sql FILE QUERY");
    sqlite3_finalize(st);
    sqlite3_close(db);
    return rc;
}
