/* Individuals: born, planned, and dead or alive. */
#include <string.h>
#include <stdio.h>
#include <strings.h>

#include "store/store_private.h"

static void read_row(sqlite3_stmt *st, wt_stored_individual *i) {
    *i = (wt_stored_individual){.id = sqlite3_column_int64(st, 0),
                                .generation = (uint64_t)sqlite3_column_int64(st, 1),
                                .place = (uint64_t)sqlite3_column_int64(st, 2),
                                .name = wt_sql_text_at(st, 3),
                                .text = wt_sql_text_at(st, 4),
                                .kind = wt_sql_text_at(st, 5),
                                .label = wt_sql_text_at(st, 6),
                                .species = wt_sql_text_at(st, 7),
                                .operator_name = wt_sql_text_at(st, 8),
                                .parents = {sqlite3_column_int64(st, 9), sqlite3_column_int64(st, 10)},
                                .budget = (uint64_t)sqlite3_column_int64(st, 11),
                                .bytes = (uint64_t)sqlite3_column_int64(st, 12),
                                .memory = (uint64_t)sqlite3_column_int64(st, 13),
                                .plan = wt_sql_text_at(st, 14),
                                .cause = wt_sql_text_at(st, 15)};
}

static int add(wt_run_store *s, wt_stored_individual *i, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_ADD_INDIVIDUAL, err);
    if (!st) return -1;
    const char *const texts[] = {i->name, i->text, i->kind, i->label, i->species, i->operator_name};
    sqlite3_bind_int64(st, 1, (sqlite3_int64)i->generation);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)i->place);
    for (int k = 0; k < 6; k++) wt_sql_bind_text(st, 3 + k, texts[k]);
    for (int k = 0; k < 2; k++) {
        if (i->parents[k]) sqlite3_bind_int64(st, 9 + k, i->parents[k]);
    }
    sqlite3_bind_int64(st, 11, (sqlite3_int64)i->budget);
    sqlite3_bind_int64(st, 12, (sqlite3_int64)i->bytes);
    sqlite3_bind_int64(st, 13, (sqlite3_int64)i->memory);
    wt_sql_bind_text(st, 14, i->plan);
    wt_sql_bind_text(st, 15, i->cause);
    if (wt_sql_run(s, st, "write to", err) != 0) return -1;
    i->id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

int wt_store_put_individual(wt_run_store *s, wt_stored_individual *i, wt_error *err) {
    if (i->id <= 0) return add(s, i, err);
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_UPDATE_INDIVIDUAL, err);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)i->bytes);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)i->memory);
    wt_sql_bind_text(st, 3, i->plan);
    wt_sql_bind_text(st, 4, i->cause);
    sqlite3_bind_int64(st, 5, i->id);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_individual(wt_run_store *s, int64_t id, wt_stored_individual *i, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_INDIVIDUAL, err);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, id);
    int rc = wt_sql_step(s, st, "read", err);
    if (rc == 1) read_row(st, i);
    if (rc == 1) s->held = st; /* its strings are the row's */
    return rc;
}

int wt_store_each_individual(wt_run_store *s, int (*each)(void *, const wt_stored_individual *), void *user, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_INDIVIDUALS, err);
    int rc;
    if (!st) return -1;
    while ((rc = wt_sql_step(s, st, "read", err)) == 1) {
        wt_stored_individual i;
        read_row(st, &i);
        int answer = each(user, &i);
        if (answer == 0) continue;
        sqlite3_reset(st);
        return answer;
    }
    return rc;
}

int wt_store_find_individual(wt_run_store *s, const char *name, wt_stored_individual *i, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_FIND_INDIVIDUAL, err);
    if (!st) return -1;
    char first[64];
    wt_sql_bind_text(st, 1, name);
    int rc = name[0] ? wt_sql_step(s, st, "read", err) : 0;
    if (rc != 1) return rc;
    read_row(st, i);
    s->held = st;
    if (strcmp(i->name, name) == 0 || strcasecmp(i->label, name) == 0) return 1;
    /* a beginning of a name: all that have it must be the same strategy */
    const int64_t id = i->id;
    snprintf(first, sizeof first, "%s", i->name);
    while ((rc = wt_sql_step(s, st, "read", err)) == 1) {
        if (strcmp(wt_sql_text_at(st, 3), first) == 0) continue;
        wt_fail(err, WT_ERR_ARGUMENT, "several individuals begin with '%s': '%s' and '%s'", name, first, wt_sql_text_at(st, 3));
        sqlite3_reset(st);
        return wt_hint(err, "give more of the name");
    }
    return rc == 0 ? wt_store_individual(s, id, i, err) : -1;
}
