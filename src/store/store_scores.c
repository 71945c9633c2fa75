/* What was measured: by chunk, and single values. */
#include <math.h>
#include <string.h>

#include "store/store_private.h"

static int put_score(wt_run_store *s, const char *name, uint64_t budget, const char *part, const wt_stored_score *score,
                     const float *positions, size_t per_chunk, wt_error *err) {
    const double values[] = {score->kld, score->logp, score->logp_reference, score->same_top};
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_PUT_SCORE, err);
    if (!st) return -1;
    wt_sql_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)budget);
    wt_sql_bind_text(st, 3, part);
    sqlite3_bind_int64(st, 4, score->chunk);
    for (int k = 0; k < 4; k++) {
        if (!isfinite(values[k])) return wt_fail(err, WT_ERR_ARGUMENT, "a score that is not finite, of chunk %u", score->chunk);
        sqlite3_bind_double(st, 5 + k, values[k]);
    }
    if (positions) sqlite3_bind_blob64(st, 9, positions, per_chunk * sizeof *positions, SQLITE_STATIC);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_put_scores(wt_run_store *s, const char *name, uint64_t budget, const char *part, const wt_stored_score *scores,
                        size_t count, const float *positions, size_t per_chunk, wt_error *err) {
    if (wt_sql_run(s, wt_sql_of(s, WT_SQL_BEGIN, err), "write to", err) != 0) return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = put_score(s, name, budget, part, &scores[i], positions ? positions + i * per_chunk : NULL, per_chunk, err);
    if (rc == 0) rc = wt_sql_run(s, wt_sql_of(s, WT_SQL_COMMIT, err), "write to", err);
    if (rc != 0) wt_sql_run(s, wt_sql_of(s, WT_SQL_ROLLBACK, NULL), "write to", NULL);
    return rc;
}

int wt_store_scores(wt_run_store *s, const char *name, uint64_t budget, const char *part, uint32_t first, size_t count,
                    wt_stored_score *scores, float *positions, size_t per_chunk, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_SCORES, err);
    size_t n = 0;
    int rc;
    if (!st) return -1;
    wt_sql_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)budget);
    wt_sql_bind_text(st, 3, part);
    sqlite3_bind_int64(st, 4, first);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)(first + count));
    while ((rc = wt_sql_step(s, st, "read", err)) == 1 && n < count) {
        const void *blob = sqlite3_column_blob(st, 5);
        const size_t bytes = per_chunk * sizeof *positions;
        if (sqlite3_column_int64(st, 0) != (sqlite3_int64)(first + n)) break;
        if (positions && (!blob || (size_t)sqlite3_column_bytes(st, 5) != bytes)) break; /* measured without them */
        if (positions) memcpy(positions + n * per_chunk, blob, bytes);
        if (scores)
            scores[n] = (wt_stored_score){(uint32_t)(first + n), sqlite3_column_double(st, 1), sqlite3_column_double(st, 2),
                                          sqlite3_column_double(st, 3), sqlite3_column_double(st, 4)};
        n++;
    }
    sqlite3_reset(st);
    return rc < 0 ? -1 : n == count;
}

int wt_store_put_value(wt_run_store *s, const char *name, uint64_t budget, const char *axis, double value, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_PUT_VALUE, err);
    if (!st) return -1;
    if (!isfinite(value)) return wt_fail(err, WT_ERR_ARGUMENT, "a value of '%s' that is not finite", axis);
    wt_sql_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)budget);
    wt_sql_bind_text(st, 3, axis);
    sqlite3_bind_double(st, 4, value);
    return wt_sql_run(s, st, "write to", err);
}

int wt_store_value(wt_run_store *s, const char *name, uint64_t budget, const char *axis, double *value, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_VALUE, err);
    if (!st) return -1;
    wt_sql_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)budget);
    wt_sql_bind_text(st, 3, axis);
    int rc = wt_sql_step(s, st, "read", err);
    if (rc == 1) *value = sqlite3_column_double(st, 0);
    sqlite3_reset(st);
    return rc;
}

int wt_store_each_value(wt_run_store *s, const char *name, uint64_t budget, int (*each)(void *user, const char *axis, double value),
                        void *user, wt_error *err) {
    sqlite3_stmt *st = wt_sql_of(s, WT_SQL_VALUES, err);
    int rc, stop = 0;
    if (!st) return -1;
    wt_sql_bind_text(st, 1, name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)budget);
    while (stop == 0 && (rc = wt_sql_step(s, st, "read", err)) != 0) {
        if (rc < 0) break;
        stop = each(user, (const char *)sqlite3_column_text(st, 0), sqlite3_column_double(st, 1));
    }
    sqlite3_reset(st);
    return stop ? stop : rc < 0 ? -1 : 0;
}
