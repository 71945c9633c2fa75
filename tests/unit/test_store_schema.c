/*
 * Versions of the store's schema: a file of an older one becomes what a new file is and keeps what it knows, or stays as it was where that
 * fails; a version that no program wrote, and one that its tables do not have, are refused.
 */
#include "support/testing.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "store/store.h"
#include "support/studied.h"
#include "support/store_folder.h"

/* What version 1 was. Frozen: files of it are out there. */
static const char VERSION_1[] =
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
    " low REAL NOT NULL, high REAL NOT NULL, PRIMARY KEY (individual, gene)) WITHOUT ROWID;"
    "PRAGMA application_id = 1465152110; PRAGMA user_version = 1;"
    "INSERT INTO meta VALUES ('rules', 'seed: 7'), ('version', '0.0.1');"
    "INSERT INTO individual VALUES (1, 0, 2, 'aaaa', 'strategy', 'evolved', '', 'rule', 'random', 0, 0, 5, 4, 6, '{}', '');"
    "INSERT INTO score VALUES ('aaaa', 5, 'search', 0, 0.125, -2.5, -2.25, 0.75, NULL);"
    "INSERT INTO verdict VALUES (1, 'survivor', 'a.gguf', 0.5, 0.01, 0.4, 0.6, 2.0, 0.9, 1.5, 'noted');"
    "INSERT INTO knockout VALUES (1, 'alloc.price', 'sens', 0.25, 0.125, 0.5), (1, 'encode.passes', '0', 0.75, 0.5, 1.0);";

static void execute(const char *text) {
    sqlite3 *db;
    char *said = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &said) != SQLITE_OK) fail_msg("%s: %s", text, said);
    sqlite3_close(db);
}

/* All rows of a query, their columns between bars. Static storage. */
static const char *ask(const char *query) {
    static char answer[8192];
    sqlite3 *db;
    sqlite3_stmt *st;
    size_t at = 0;
    answer[0] = '\0';
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, query, -1, &st, NULL) != SQLITE_OK) fail_msg("%s: %s", query, sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(st) && at < sizeof answer; c++) {
            const char *text = (const char *)sqlite3_column_text(st, c);
            at += (size_t)snprintf(answer + at, sizeof answer - at, "%s|", text ? text : "NULL");
        }
    }
    assert_true(at < sizeof answer);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return answer;
}

static void refuse(wt_store_mode mode, wt_code code, const char *said, const char *hint) {
    err = (wt_error){0};
    assert_null(wt_store_open(folder, mode, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, said) || !strstr(err.message, folder)) fail_msg("'%s' does not say '%s' of '%s'", err.message, said, folder);
    if (!strstr(err.hint, hint)) fail_msg("'%s' does not say '%s'", err.hint, hint);
}

static const char TABLES[] = "SELECT m.type, m.name, p.cid, p.name, p.type, p.\"notnull\", p.pk FROM sqlite_master m"
                             " LEFT JOIN pragma_table_info(m.name) p WHERE m.name NOT LIKE 'sqlite_%' ORDER BY m.name, p.cid";

static int add_knockout(void *user, const wt_stored_knockout *k) {
    char *text = user;
    sprintf(text + strlen(text), "%s=%s %g %g %g '%s';", k->gene, k->value, k->change, k->low, k->high, k->cause);
    return 0;
}

static void test_older(void **state) {
    char fresh[8192], knockouts[512] = "";
    wt_stored_individual i;
    wt_stored_score score;
    (void)state;
    wt_store_close(open_store(WT_STORE_CREATE));
    snprintf(fresh, sizeof fresh, "%s", ask(TABLES));
    unlink(file);
    execute(VERSION_1);
    /* whoever only looks may change nothing */
    size_t before_len, after_len;
    unsigned char *before = bytes_of_file(file, &before_len);
    refuse(WT_STORE_READ, WT_ERR_UNSUPPORTED, "its version is 1, this program's 3", "evolve --resume");
    unsigned char *after = bytes_of_file(file, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
    /* whoever writes brings it up to date, once */
    for (int again = 0; again < 2; again++) {
        wt_run_store *s = open_store(again ? WT_STORE_READ : WT_STORE_WRITE);
        knockouts[0] = '\0';
        assert_int_equal(wt_store_each_knockout(s, 1, add_knockout, knockouts, &err), 0);
        assert_string_equal(knockouts, "encode.passes=0 0.75 0.5 1 '';alloc.price=sens 0.25 0.125 0.5 '';");
        assert_int_equal(wt_store_individual(s, 1, &i, &err), 1);
        assert_string_equal(i.name, "aaaa");
        assert_int_equal(wt_store_scores(s, "aaaa", 5, "search", 0, 1, &score, NULL, 0, &err), 1);
        assert_true(score.kld == 0.125 && score.logp_reference == -2.25);
        wt_store_close(s);
    }
    refuse(WT_STORE_CREATE, WT_ERR_ARGUMENT, "there is a run in", "--resume"); /* it is a run all the same */
    assert_string_equal(ask("PRAGMA user_version"), "3|");
    assert_string_equal(ask(TABLES), fresh);
    assert_string_equal(ask("SELECT * FROM meta"), "rules|seed: 7|version|0.0.1|");
    assert_string_equal(ask("SELECT * FROM verdict"), "1|survivor|a.gguf|0.5|0.01|0.4|0.6|2.0|0.9|1.5|noted|0|");
    /* what version 1 had no place for: a gene without which nothing lives */
    wt_run_store *s = open_store(WT_STORE_WRITE);
    const wt_stored_knockout lethal = {.individual = 1, .gene = "fold.ffn_in", .value = "1", .change = NAN, .low = NAN, .high = NAN, .cause = "finite"};
    assert_int_equal(wt_store_put_knockout(s, &lethal, &err), 0);
    wt_store_close(s);
    assert_string_equal(ask("SELECT * FROM knockout WHERE change IS NULL"), "1|fold.ffn_in|1|NULL|NULL|NULL|finite|");
}

/* A step that fails in its middle leaves the version that was there, whole; without what was in the way it is done. */
static void test_failing_step(void **state) {
    (void)state;
    execute(VERSION_1);
    execute("CREATE TABLE knockout2 (x)");
    refuse(WT_STORE_WRITE, WT_ERR_IO, "cannot prepare", "");
    assert_string_equal(ask("PRAGMA user_version"), "1|");
    assert_string_equal(ask("SELECT count(*) FROM knockout"), "2|");
    execute("DROP TABLE knockout2");
    /* it fails behind what it changed already: knock-outs twice under one name cannot be copied */
    execute("ALTER TABLE knockout RENAME TO kept; CREATE VIEW knockout AS SELECT * FROM kept UNION ALL SELECT * FROM kept");
    refuse(WT_STORE_WRITE, WT_ERR_IO, "cannot prepare", "");
    assert_string_equal(ask("PRAGMA user_version"), "1|");
    assert_string_equal(ask("SELECT count(*) FROM sqlite_master WHERE name = 'knockout2'"), "0|");
    execute("DROP VIEW knockout; ALTER TABLE kept RENAME TO knockout");
    wt_store_close(open_store(WT_STORE_WRITE));
    assert_string_equal(ask("PRAGMA user_version"), "3|");
    assert_string_equal(ask("SELECT count(*) FROM knockout WHERE cause = ''"), "2|");
}

/* Cut off between the mark of the application and the first step: there is no run yet, and one may begin. */
static void test_cut_off(void **state) {
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        execute("PRAGMA application_id = 1465152110");
        assert_string_equal(ask("PRAGMA application_id"), "1465152110|");
        wt_run_store *s = open_store(mode ? WT_STORE_WRITE : WT_STORE_CREATE);
        assert_int_equal(wt_store_set(s, "seed", "1", &err), 0);
        wt_store_close(s);
        assert_string_equal(ask("SELECT * FROM meta"), "seed|1|");
        unlink(file);
    }
}

/* Versions that no program writes, and tables that are not those of the version. */
static void test_wrong_version(void **state) {
    static const char *const VERSIONS[] = {"-1", "-2147483648", "4", "2147483647"};
    wt_stored_individual i;
    char sql[64], said[64], *value = NULL;
    (void)state;
    execute(VERSION_1);
    for (size_t k = 0; k < sizeof VERSIONS / sizeof *VERSIONS; k++) {
        snprintf(sql, sizeof sql, "PRAGMA user_version = %s", VERSIONS[k]);
        snprintf(said, sizeof said, "its version is %s", VERSIONS[k]);
        execute(sql);
        for (int mode = 0; mode < 3; mode++)
            refuse((wt_store_mode)mode, k < 2 ? WT_ERR_FORMAT : WT_ERR_UNSUPPORTED, said, k < 2 ? "damaged" : "newer");
        assert_string_equal(ask("SELECT count(*) FROM knockout"), "2|");
    }
    execute("PRAGMA user_version = 0"); /* its tables are there already */
    refuse(WT_STORE_WRITE, WT_ERR_IO, "table meta already exists", "");
    execute("PRAGMA user_version = 3; DROP TABLE individual; DROP TABLE meta");
    wt_run_store *s = open_store(WT_STORE_READ);
    assert_int_equal(wt_store_individual(s, 1, &i, &err), -1);
    assert_non_null(strstr(err.message, "no such table: individual"));
    assert_int_equal(wt_store_get(s, "rules", &value, &err), -1);
    assert_null(value);
    wt_store_close(s);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {ALONE(test_older), ALONE(test_failing_step), ALONE(test_cut_off), ALONE(test_wrong_version)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
