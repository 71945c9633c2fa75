/* What the files of the store share: the database, its statements, and binding and reading with errors that name the file. */
#ifndef WT_STORE_STORE_PRIVATE_H
#define WT_STORE_STORE_PRIVATE_H

#include <sqlite3.h>

#include "store/store.h"

/* A statement for each text below; prepared once. */
typedef enum wt_sql {
    WT_SQL_SET, WT_SQL_GET, WT_SQL_ADD_INDIVIDUAL, WT_SQL_UPDATE_INDIVIDUAL, WT_SQL_INDIVIDUAL, WT_SQL_INDIVIDUALS,
    WT_SQL_FIND_INDIVIDUAL, WT_SQL_PUT_SCORE, WT_SQL_SCORES, WT_SQL_PUT_VALUE, WT_SQL_VALUE, WT_SQL_VALUES, WT_SQL_PUT_GENERATION,
    WT_SQL_GENERATIONS, WT_SQL_PUT_VERDICT, WT_SQL_REMOVE_VERDICT, WT_SQL_VERDICTS, WT_SQL_PUT_KNOCKOUT, WT_SQL_KNOCKOUTS,
    WT_SQL_BEGIN,
    WT_SQL_BEGIN_READING, WT_SQL_COMMIT, WT_SQL_ROLLBACK, WT_SQL_LIMIT,
} wt_sql;

struct wt_run_store {
    sqlite3 *db;
    sqlite3_stmt *statements[WT_SQL_LIMIT];
    sqlite3_stmt *held; /* whose row a caller still looks at; let go by the next call */
    char *path;
    int lock; /* of the writer's lock file, -1: none */
};

/* The current schema's version (PRAGMA user_version), and how a file gets there. */
int wt_schema_prepare(wt_run_store *store, bool writable, wt_error *err);
const char *wt_sql_text(wt_sql sql);

/* A statement ready to bind: reset, its bindings cleared. NULL and an error where it cannot be prepared. */
sqlite3_stmt *wt_sql_of(wt_run_store *store, wt_sql sql, wt_error *err);
/* Fails with the file and SQLite's words. Always -1. */
int wt_sql_fail(wt_run_store *store, const char *doing, wt_error *err);
/* Runs a statement that gives no rows. */
int wt_sql_run(wt_run_store *store, sqlite3_stmt *statement, const char *doing, wt_error *err);
/* 1: a row, 0: the end, -1: an error. */
int wt_sql_step(wt_run_store *store, sqlite3_stmt *statement, const char *doing, wt_error *err);
void wt_sql_bind_text(sqlite3_stmt *statement, int at, const char *text);
/* "" for NULL. */
const char *wt_sql_text_at(sqlite3_stmt *statement, int column);

#endif
