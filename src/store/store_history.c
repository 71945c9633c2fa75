/* Generations, verdicts, and what genes are worth. NaN is stored as NULL, which reads as NaN. */
#include <math.h>

#include "store/store_private.h"

static void bind_number(sqlite3_stmt *st, int at, double x) {
    if (isfinite(x)) sqlite3_bind_double(st, at, x);
}

static double number_at(sqlite3_stmt *st, int column) {
    return sqlite3_column_type(st, column) == SQLITE_NULL ? NAN : sqlite3_column_double(st, column);
}

int wt_store_put_generation(wt_run_store *s, const wt_stored_generation *g, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_PUT_GENERATION, err);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)g->number);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)g->evaluations);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)g->tokens);
    sqlite3_bind_double(st, 4, isfinite(g->seconds) ? g->seconds : 0);
    bind_number(st, 5, g->best);
    bind_number(st, 6, g->diversity);
    sqlite3_bind_int64(st, 7, (sqlite3_int64)g->lethal);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)g->born);
    sqlite3_bind_int64(st, 9, (sqlite3_int64)g->eliminated);
    bind_number(st, 10, g->cache_hits);
    bind_number(st, 11, g->state_reuse);
    wt_sql_bind_text(st, 12, g->operators);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_each_generation(wt_run_store *s, int (*each)(void *, const wt_stored_generation *), void *user, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_GENERATIONS, err);
    int rc;
    if (!st) return -1;
    while ((rc = wt_sql_step(s, st, "read", err)) == 1) {
        const wt_stored_generation g = {.number = (uint64_t)sqlite3_column_int64(st, 0),
                                        .evaluations = (uint64_t)sqlite3_column_int64(st, 1),
                                        .tokens = (uint64_t)sqlite3_column_int64(st, 2),
                                        .seconds = number_at(st, 3),
                                        .best = number_at(st, 4),
                                        .diversity = number_at(st, 5),
                                        .lethal = (uint64_t)sqlite3_column_int64(st, 6),
                                        .born = (uint64_t)sqlite3_column_int64(st, 7),
                                        .eliminated = (uint64_t)sqlite3_column_int64(st, 8),
                                        .cache_hits = number_at(st, 9),
                                        .state_reuse = number_at(st, 10),
                                        .operators = wt_sql_text_at(st, 11)};
        int answer = each(user, &g);
        if (answer == 0) continue;
        sqlite3_reset(st);
        return answer;
    }
    return rc;
}

int wt_store_put_verdict(wt_run_store *s, const wt_stored_verdict *v, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_PUT_VERDICT, err);
    if (!st) return -1;
    const double numbers[] = {v->kld_mean, v->kld_chunk_stderr, v->low, v->high, v->kld_p99, v->same_top, v->perplexity_ratio};
    sqlite3_bind_int64(st, 1, v->individual);
    wt_sql_bind_text(st, 2, v->role);
    wt_sql_bind_text(st, 3, v->file);
    for (int k = 0; k < 7; k++) bind_number(st, 4 + k, numbers[k]);
    wt_sql_bind_text(st, 11, v->note);
    sqlite3_bind_int64(st, 12, (int64_t)v->place);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_remove_verdict(wt_run_store *s, int64_t individual, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_REMOVE_VERDICT, err);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, individual);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_each_verdict(wt_run_store *s, int (*each)(void *, const wt_stored_verdict *), void *user, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_VERDICTS, err);
    int rc;
    if (!st) return -1;
    while ((rc = wt_sql_step(s, st, "read", err)) == 1) {
        const wt_stored_verdict v = {.individual = sqlite3_column_int64(st, 0),
                                     .role = wt_sql_text_at(st, 1),
                                     .file = wt_sql_text_at(st, 2),
                                     .kld_mean = number_at(st, 3),
                                     .kld_chunk_stderr = number_at(st, 4),
                                     .low = number_at(st, 5),
                                     .high = number_at(st, 6),
                                     .kld_p99 = number_at(st, 7),
                                     .same_top = number_at(st, 8),
                                     .perplexity_ratio = number_at(st, 9),
                                     .note = wt_sql_text_at(st, 10),
                                     .place = (uint64_t)sqlite3_column_int64(st, 11)};
        int answer = each(user, &v);
        if (answer == 0) continue;
        sqlite3_reset(st);
        return answer;
    }
    return rc;
}

int wt_store_put_knockout(wt_run_store *s, const wt_stored_knockout *k, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_PUT_KNOCKOUT, err);
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, k->individual);
    wt_sql_bind_text(st, 2, k->gene);
    wt_sql_bind_text(st, 3, k->value);
    bind_number(st, 4, k->change);
    bind_number(st, 5, k->low);
    bind_number(st, 6, k->high);
    wt_sql_bind_text(st, 7, k->cause ? k->cause : "");
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_each_knockout(wt_run_store *s, int64_t individual, int (*each)(void *, const wt_stored_knockout *), void *user,
                           wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_KNOCKOUTS, err);
    int rc;
    if (!st) return -1;
    sqlite3_bind_int64(st, 1, individual);
    while ((rc = wt_sql_step(s, st, "read", err)) == 1) {
        const wt_stored_knockout k = {.individual = individual,
                                      .gene = wt_sql_text_at(st, 1),
                                      .value = wt_sql_text_at(st, 2),
                                      .change = number_at(st, 3),
                                      .low = number_at(st, 4),
                                      .high = number_at(st, 5),
                                      .cause = wt_sql_text_at(st, 6)};
        int answer = each(user, &k);
        if (answer == 0) continue;
        sqlite3_reset(st);
        return answer;
    }
    return rc;
}
