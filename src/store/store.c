/* Opening runs, and what every other file of the store stands on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/store_private.h"

enum { PATIENCE = 10000 }; /* milliseconds that a reader or writer waits for another */

/* ---- statements ---- */

int wt_sql_fail(wt_run_store *s, const char *doing, wt_error *err) {
    const int code = sqlite3_errcode(s->db) & 0xff;
    const wt_code kind = code == SQLITE_NOMEM                              ? WT_ERR_MEMORY
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WT_ERR_FORMAT
                                                                           : WT_ERR_IO;
    wt_fail(err, kind, "cannot %s '%s': %s", doing, s->path, sqlite3_errmsg(s->db));
    if (code == SQLITE_FULL) return wt_hint(err, "the disk is full: make room, then 'wildtype evolve --resume' goes on");
    if (code == SQLITE_NOTADB) return wt_hint(err, "it is no SQLite file");
    if (code == SQLITE_CORRUPT) return wt_hint(err, "the file is damaged");
    return -1;
}

sqlite3_stmt *wt_sql_of(wt_run_store *s, wt_sql sql, wt_error *err) {
    sqlite3_stmt **statement = &s->statements[sql];
    if (s->held) sqlite3_reset(s->held); /* a row that is looked at for ever would keep the WAL from ending */
    s->held = NULL;
    if (!*statement && sqlite3_prepare_v3(s->db, wt_sql_text(sql), -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK) {
        wt_sql_fail(s, "use", err);
        return NULL;
    }
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    return *statement;
}

int wt_sql_step(wt_run_store *s, sqlite3_stmt *statement, const char *doing, wt_error *err) {
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) return 1;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement);
        return 0;
    }
    wt_sql_fail(s, doing, err);
    sqlite3_reset(statement);
    return -1;
}

int wt_sql_run(wt_run_store *s, sqlite3_stmt *statement, const char *doing, wt_error *err) {
    return statement && wt_sql_step(s, statement, doing, err) == 0 ? 0 : -1;
}

void wt_sql_bind_text(sqlite3_stmt *statement, int at, const char *text) {
    sqlite3_bind_text(statement, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

const char *wt_sql_text_at(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

/* ---- opening ---- */

/* One writer: a lock on a file beside the run's, which goes with the process. */
static int take_lock(wt_run_store *s, const char *folder, wt_error *err) {
    char owner[32] = "", *path = NULL;
    if (asprintf(&path, "%s/run.lock", folder) < 0) return wt_fail_memory(err, strlen(folder));
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock < 0) wt_fail_errno(err, errno, "cannot write '%s'", path);
    free(path);
    if (s->lock < 0) return -1;
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        const ssize_t n = pread(s->lock, owner, sizeof owner - 1, 0);
        owner[n > 0 ? strspn(owner, "0123456789") : 0] = '\0';
        wt_fail(err, WT_ERR_IO, "cannot write to '%s': process %s is running it", folder, owner[0] ? owner : "of another person");
        return wt_hint(err, "wait for it, or stop it: Ctrl-C loses nothing");
    }
    snprintf(owner, sizeof owner, "%ld", (long)getpid());
    if (ftruncate(s->lock, 0) != 0 || pwrite(s->lock, owner, strlen(owner), 0) < 0)
        return wt_fail_errno(err, errno, "cannot write '%s/run.lock'", folder);
    return 0;
}

static int check_place(const char *folder, const char *path, wt_store_mode mode, wt_error *err) {
    struct stat st;
    if (mode == WT_STORE_CREATE && mkdir(folder, 0777) != 0 && errno != EEXIST)
        return wt_fail_errno(err, errno, "cannot make the folder '%s'", folder);
    if (mode == WT_STORE_CREATE) return 0;
    if (stat(path, &st) == 0) return 0;
    wt_fail(err, WT_ERR_IO, "there is no run in '%s': %s", folder, strerror(errno));
    return wt_hint(err, "'wildtype runs' lists those below this folder");
}

static int open_database(wt_run_store *s, wt_store_mode mode, wt_error *err) {
    const int flags = mode == WT_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK) {
        if (s->db) return wt_sql_fail(s, "open", err);
        return wt_fail_memory(err, 1);
    }
    sqlite3_busy_timeout(s->db, PATIENCE);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_exec(s->db, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    return wt_schema_prepare(s, mode != WT_STORE_READ, err);
}

/* That a file to create a run in holds none; asked while the lock is ours. */
static int check_new(wt_run_store *s, const char *folder, wt_error *err) {
    char *rules = NULL;
    const int found = wt_store_get(s, "rules", &rules, err);
    free(rules);
    if (found <= 0) return found;
    wt_fail(err, WT_ERR_ARGUMENT, "there is a run in '%s' already", folder);
    return wt_hint(err, "'--resume %s' goes on with it; -o names another folder", folder);
}

wt_run_store *wt_store_open(const char *folder, wt_store_mode mode, wt_error *err) {
    wt_run_store *s = wt_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->lock = -1;
    if (asprintf(&s->path, "%s/run.db", folder) < 0) {
        s->path = NULL;
        wt_fail_memory(err, strlen(folder));
        goto fail;
    }
    if (check_place(folder, s->path, mode, err) != 0 || (mode != WT_STORE_READ && take_lock(s, folder, err) != 0) ||
        open_database(s, mode, err) != 0 || (mode == WT_STORE_CREATE && check_new(s, folder, err) != 0))
        goto fail;
    return s;
fail:
    wt_store_close(s);
    return NULL;
}

void wt_store_close(wt_run_store *s) {
    if (!s) return;
    for (int i = 0; i < WT_SQL_LIMIT; i++) sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    if (s->lock >= 0) close(s->lock);
    free(s->path);
    free(s);
}

/* ---- keys ---- */

int wt_store_set(wt_run_store *s, const char *key, const char *value, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_SET, err);
    if (!st) return -1;
    wt_sql_bind_text(st, 1, key);
    wt_sql_bind_text(st, 2, value);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_get(wt_run_store *s, const char *key, char **value, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_GET, err);
    if (!st) return -1;
    wt_sql_bind_text(st, 1, key);
    int rc = wt_sql_step(s, st, "read", err);
    if (rc == 1 && !(*value = strdup(wt_sql_text_at(st, 0)))) rc = wt_fail_memory(err, 1);
    sqlite3_reset(st);
    return rc;
}

int wt_store_snapshot_begin(wt_run_store *s, wt_error *err) {
    return wt_sql_run(s, wt_sql_of(s, WT_SQL_BEGIN_READING, err), "read", err);
}

void wt_store_snapshot_end(wt_run_store *s) {
    if (!sqlite3_get_autocommit(s->db)) wt_sql_run(s, wt_sql_of(s, WT_SQL_COMMIT, NULL), "read", NULL);
}
