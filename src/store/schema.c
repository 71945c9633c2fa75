/* The schema, its versions, and the statements. docs/store.md describes every table. */
#include <inttypes.h>
#include <stdio.h>

#include "store/store_private.h"

/* 'WTrn': what SQLite's header calls the application. */
#define APPLICATION 0x5754726e

/* Step i takes a file from version i to i + 1. Never change one that was released: add another. */
static const char *const STEPS[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE individual (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL,"
    " text TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, species TEXT NOT NULL, operator TEXT NOT NULL,"
    " parent1 INTEGER, parent2 INTEGER, budget INTEGER NOT NULL, bytes INTEGER NOT NULL, memory INTEGER NOT NULL,"
    " plan TEXT NOT NULL, cause TEXT NOT NULL);"
    "CREATE INDEX individual_name ON individual (name);"
    "CREATE TABLE score (name TEXT NOT NULL, budget INTEGER NOT NULL, part TEXT NOT NULL, chunk INTEGER NOT NULL,"
    " kld REAL NOT NULL, logp REAL NOT NULL, logp_reference REAL NOT NULL, same_top REAL NOT NULL, positions BLOB,"
    " PRIMARY KEY (name, budget, part, chunk)) WITHOUT ROWID;"
    "CREATE TABLE value (name TEXT NOT NULL, budget INTEGER NOT NULL, axis TEXT NOT NULL, value REAL NOT NULL,"
    " PRIMARY KEY (name, budget, axis)) WITHOUT ROWID;"
    "CREATE TABLE generation (number INTEGER PRIMARY KEY, evaluations INTEGER NOT NULL, tokens INTEGER NOT NULL,"
    " seconds REAL NOT NULL, best REAL, diversity REAL, lethal INTEGER NOT NULL, born INTEGER NOT NULL,"
    " eliminated INTEGER NOT NULL, cache_hits REAL, state_reuse REAL, operators TEXT NOT NULL);"
    "CREATE TABLE verdict (individual INTEGER PRIMARY KEY, role TEXT NOT NULL, file TEXT NOT NULL, kld_mean REAL,"
    " kld_chunk_stderr REAL, low REAL, high REAL, kld_p99 REAL, same_top REAL,"
    " perplexity_ratio REAL, note TEXT NOT NULL);"
    "CREATE TABLE knockout (individual INTEGER NOT NULL, gene TEXT NOT NULL, value TEXT NOT NULL, change REAL NOT NULL,"
    " low REAL NOT NULL, high REAL NOT NULL, PRIMARY KEY (individual, gene)) WITHOUT ROWID;",
    /* knock-outs that are lethal have a cause and no figures */
    "CREATE TABLE knockout2 (individual INTEGER NOT NULL, gene TEXT NOT NULL, value TEXT NOT NULL, change REAL,"
    " low REAL, high REAL, cause TEXT NOT NULL, PRIMARY KEY (individual, gene)) WITHOUT ROWID;"
    "INSERT INTO knockout2 SELECT individual, gene, value, change, low, high, '' FROM knockout;"
    "DROP TABLE knockout;"
    "ALTER TABLE knockout2 RENAME TO knockout;",
    /* who came first was settled before the verdict; in older files the best of the verdict comes first */
    "ALTER TABLE verdict ADD COLUMN place INTEGER NOT NULL DEFAULT 0;",
};

enum { VERSION = sizeof STEPS / sizeof *STEPS };

const char *wt_sql_text(wt_sql sql) {
    static const char *const TEXTS[WT_SQL_LIMIT] = {
        [WT_SQL_SET] = "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [WT_SQL_GET] = "SELECT value FROM meta WHERE key = ?",
        [WT_SQL_ADD_INDIVIDUAL] = "INSERT INTO individual VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [WT_SQL_UPDATE_INDIVIDUAL] = "UPDATE individual SET bytes = ?, memory = ?, plan = ?, cause = ? WHERE id = ?",
        [WT_SQL_INDIVIDUAL] = "SELECT * FROM individual WHERE id = ?",
        [WT_SQL_INDIVIDUALS] = "SELECT * FROM individual ORDER BY id",
        [WT_SQL_FIND_INDIVIDUAL] =
            "SELECT * FROM individual WHERE label = ?1 COLLATE NOCASE OR substr(name, 1, length(?1)) = ?1"
            " ORDER BY label = ?1 COLLATE NOCASE DESC, id",
        [WT_SQL_PUT_SCORE] = "INSERT OR REPLACE INTO score VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [WT_SQL_SCORES] = "SELECT chunk, kld, logp, logp_reference, same_top, positions FROM score"
                          " WHERE name = ? AND budget = ? AND part = ? AND chunk >= ? AND chunk < ? ORDER BY chunk",
        [WT_SQL_PUT_VALUE] = "INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)",
        [WT_SQL_VALUE] = "SELECT value FROM value WHERE name = ? AND budget = ? AND axis = ?",
        [WT_SQL_VALUES] = "SELECT axis, value FROM value WHERE name = ? AND budget = ? ORDER BY axis",
        [WT_SQL_PUT_GENERATION] = "INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [WT_SQL_GENERATIONS] = "SELECT * FROM generation ORDER BY number",
        [WT_SQL_PUT_VERDICT] = "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [WT_SQL_REMOVE_VERDICT] = "DELETE FROM verdict WHERE individual = ?",
        [WT_SQL_VERDICTS] =
            "SELECT * FROM verdict ORDER BY role <> 'survivor', CASE role WHEN 'survivor' THEN place ELSE 0 END, kld_mean IS NULL, kld_mean, individual",
        [WT_SQL_PUT_KNOCKOUT] = "INSERT OR REPLACE INTO knockout VALUES (?, ?, ?, ?, ?, ?, ?)",
        [WT_SQL_KNOCKOUTS] = "SELECT * FROM knockout WHERE individual = ? ORDER BY change IS NULL, change DESC, gene",
        [WT_SQL_BEGIN] = "BEGIN IMMEDIATE",
        [WT_SQL_BEGIN_READING] = "BEGIN",
        [WT_SQL_COMMIT] = "COMMIT",
        [WT_SQL_ROLLBACK] = "ROLLBACK",
    };
    return TEXTS[sql];
}

static int read_pragma(wt_run_store *s, const char *text, int64_t *value, wt_error *err) {
    sqlite3_stmt *statement;
    *value = 0;
    if (sqlite3_prepare_v2(s->db, text, -1, &statement, NULL) != SQLITE_OK) return wt_sql_fail(s, "read", err);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? 0 : wt_sql_fail(s, "read", err);
}

static int migrate(wt_run_store *s, int64_t from, wt_error *err) {
    char text[64];
    for (int64_t v = from; v < VERSION; v++) {
        snprintf(text, sizeof text, "PRAGMA user_version = %" PRId64, v + 1);
        if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(s->db, STEPS[v], NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(s->db, text, NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
            wt_sql_fail(s, "prepare", err);
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    }
    return 0;
}

int wt_schema_prepare(wt_run_store *s, bool writable, wt_error *err) {
    int64_t version, application, tables;
    char text[64];
    if (read_pragma(s, "PRAGMA user_version", &version, err) != 0 || read_pragma(s, "PRAGMA application_id", &application, err) != 0 ||
        read_pragma(s, "SELECT count(*) FROM sqlite_master", &tables, err) != 0)
        return -1;
    const bool fresh = tables == 0 && version == 0 && application == 0;
    if (application != APPLICATION && !(fresh && writable)) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': it is no run of wildtype", s->path);
        return wt_hint(err, "a run's folder holds the run.db that 'wildtype evolve' made");
    }
    if (version < 0) {
        wt_fail(err, WT_ERR_FORMAT, "cannot use '%s': its version is %" PRId64, s->path, version);
        return wt_hint(err, "the file is damaged");
    }
    if (version > VERSION) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': its version is %" PRId64 ", this program knows up to %d", s->path, version, VERSION);
        return wt_hint(err, "a newer wildtype wrote it");
    }
    if (!writable && version < VERSION) {
        wt_fail(err, WT_ERR_UNSUPPORTED, "cannot use '%s': its version is %" PRId64 ", this program's %d", s->path, version, VERSION);
        return wt_hint(err, "'wildtype evolve --resume' brings it up to date");
    }
    /* not before it is known to be ours: WAL is a property of the file */
    if (writable && sqlite3_exec(s->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL, NULL, NULL) != SQLITE_OK)
        return wt_sql_fail(s, "open", err);
    if (fresh) {
        snprintf(text, sizeof text, "PRAGMA application_id = %d", APPLICATION);
        if (sqlite3_exec(s->db, text, NULL, NULL, NULL) != SQLITE_OK) return wt_sql_fail(s, "prepare", err);
    }
    return migrate(s, version, err);
}
