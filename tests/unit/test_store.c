/*
 * The store: every call there and back, exact doubles, a writer that is killed at any moment, a second writer, readers beside a writer, a
 * disk that is full, and files that are no runs, or damaged ones.
 */
#include "support/testing.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/store.h"
#include "store/store_private.h"
#include "support/store_folder.h"

/* SQL behind the store's back. The first column of the first row as a text, "" without one. */
static const char *sql(const char *text) {
    static char answer[8192];
    sqlite3 *db;
    sqlite3_stmt *st;
    answer[0] = '\0';
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK) fail_msg("%s: %s", text, sqlite3_errmsg(db));
    if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
        snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
    return answer;
}

static wt_stored_individual someone(const char *name) {
    return (wt_stored_individual){.generation = 3, .place = 4, .name = name, .text = "strategy\n# \xc3\xa4 'quoted'\n", .kind = "evolved",
                                  .label = "", .species = "rule", .operator_name = "cross", .parents = {1, 2},
                                  .budget = UINT64_C(1) << 40, .bytes = 77, .memory = 99, .plan = "{\"a\":\"Q4_K\"}", .cause = ""};
}

static void same_individual(const wt_stored_individual *a, const wt_stored_individual *b) {
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->place, b->place);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->kind, b->kind);
    assert_string_equal(a->label, b->label);
    assert_string_equal(a->species, b->species);
    assert_string_equal(a->operator_name, b->operator_name);
    assert_int_equal(a->parents[0], b->parents[0]);
    assert_int_equal(a->parents[1], b->parents[1]);
    assert_int_equal(a->budget, b->budget);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->memory, b->memory);
    assert_string_equal(a->plan, b->plan);
    assert_string_equal(a->cause, b->cause);
}

/* ---- there and back ---- */

static void test_keys(void **state) {
    char *value = NULL;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    assert_int_equal(wt_store_get(s, "seed", &value, &err), 0);
    assert_null(value);
    assert_int_equal(wt_store_set(s, "seed", "1", &err), 0);
    assert_int_equal(wt_store_set(s, "seed", "'; DROP TABLE meta; --\xe2\x82\xac", &err), 0);
    assert_int_equal(wt_store_set(s, "empty", "", &err), 0);
    wt_store_close(s);
    s = open_store(WT_STORE_READ);
    assert_int_equal(wt_store_get(s, "seed", &value, &err), 1);
    assert_string_equal(value, "'; DROP TABLE meta; --\xe2\x82\xac");
    free(value);
    assert_int_equal(wt_store_get(s, "empty", &value, &err), 1);
    assert_string_equal(value, "");
    free(value);
    assert_int_equal(wt_store_set(s, "seed", "2", &err), -1); /* a reader does not write */
    wt_store_close(s);
}

static int count_individual(void *user, const wt_stored_individual *i) {
    int *next = user;
    assert_int_equal(i->id, ++*next);
    return *next == 4 ? 44 : 0;
}

static void test_individuals(void **state) {
    wt_stored_individual a = someone("aaaa00000001"), b = someone("aaaa00000002"), c = someone("bbbb00000001"), h = someone("cccc00000001"), got;
    int count = 0;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    b.parents[0] = b.parents[1] = 0;
    h.kind = "human";
    h.label = "Q4_K_M";
    wt_stored_individual *all[] = {&a, &b, &c, &h};
    for (int k = 0; k < 4; k++) {
        assert_int_equal(wt_store_put_individual(s, all[k], &err), 0);
        assert_int_equal(all[k]->id, k + 1);
    }
    b.bytes = 1234567890123;
    b.memory = 2;
    b.plan = "{}";
    b.cause = "race";
    assert_int_equal(wt_store_put_individual(s, &b, &err), 0);
    wt_store_close(s);
    s = open_store(WT_STORE_READ);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(wt_store_individual(s, k + 1, &got, &err), 1);
        same_individual(&got, all[k]);
    }
    assert_int_equal(wt_store_individual(s, 5, &got, &err), 0);
    assert_int_equal(wt_store_each_individual(s, count_individual, &count, &err), 44); /* what the call returned */
    assert_int_equal(count, 4);
    assert_int_equal(wt_store_find_individual(s, "bbbb00000001", &got, &err), 1);
    same_individual(&got, &c);
    assert_int_equal(wt_store_find_individual(s, "bb", &got, &err), 1);
    same_individual(&got, &c);
    assert_int_equal(wt_store_find_individual(s, "q4_k_m", &got, &err), 1);
    same_individual(&got, &h);
    assert_int_equal(wt_store_find_individual(s, "aaaa", &got, &err), -1);
    assert_non_null(strstr(err.message, "aaaa00000002"));
    assert_int_equal(wt_store_find_individual(s, "dddd", &got, &err), 0);
    assert_int_equal(wt_store_find_individual(s, "%", &got, &err), 0);
    assert_int_equal(wt_store_find_individual(s, "", &got, &err), 0);
    wt_store_close(s);
}

/* Any finite double, by its bits. */
static double any_double(wt_rng *rng) {
    double x;
    do {
        const uint64_t bits = wt_rng_next(rng);
        memcpy(&x, &bits, 8);
    } while (!isfinite(x));
    return x;
}

static void test_scores(void **state) {
    enum { N = 200, PER = 5 };
    wt_stored_score put[N], got[N];
    float positions[N * PER], back[N * PER];
    wt_rng rng;
    (void)state;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (uint32_t k = 0; k < N; k++) {
        put[k] = (wt_stored_score){k, any_double(&rng), any_double(&rng), -1.0 / 3, 5e-324};
        for (int p = 0; p < PER; p++) positions[k * PER + (uint32_t)p] = (float)wt_rng_normal(&rng);
    }
    wt_run_store *s = open_store(WT_STORE_CREATE);
    assert_int_equal(wt_store_put_scores(s, "x", 5, "search", put, N, positions, PER, &err), 0);
    assert_int_equal(wt_store_put_scores(s, "x", 6, "search", put, 10, NULL, 0, &err), 0);
    wt_store_close(s);
    s = open_store(WT_STORE_READ);
    assert_int_equal(wt_store_scores(s, "x", 5, "search", 0, N, got, back, PER, &err), 1);
    for (int k = 0; k < N; k++) {
        assert_int_equal(got[k].chunk, put[k].chunk);
        assert_memory_equal(&got[k].kld, &put[k].kld, 4 * sizeof(double)); /* every bit, denormals too */
    }
    assert_memory_equal(back, positions, sizeof back);
    assert_int_equal(wt_store_scores(s, "x", 5, "search", 7, 3, got, NULL, 0, &err), 1);
    assert_int_equal(got[0].chunk, 7);
    assert_int_equal(wt_store_scores(s, "x", 5, "search", N - 1, 2, got, NULL, 0, &err), 0);       /* one is missing */
    assert_int_equal(wt_store_scores(s, "x", 5, "holdout", 0, 1, got, NULL, 0, &err), 0);
    assert_int_equal(wt_store_scores(s, "x", 6, "search", 0, 10, got, NULL, 0, &err), 1);
    assert_int_equal(wt_store_scores(s, "x", 6, "search", 0, 10, got, back, PER, &err), 0);        /* without positions */
    assert_int_equal(wt_store_scores(s, "x", 5, "search", 0, 10, got, back, PER + 1, &err), 0);    /* of another length */
    assert_int_equal(wt_store_scores(s, "y", 5, "search", 0, 1, got, NULL, 0, &err), 0);
    wt_store_close(s);
}

static void test_not_finite(void **state) {
    const double bad[] = {NAN, INFINITY, -INFINITY};
    wt_stored_score rows[2] = {{0, 1, 1, 1, 1}, {1, 1, 1, 1, 1}}, got[2];
    double value;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    for (int k = 0; k < 3; k++) {
        for (int f = 0; f < 4; f++) {
            (&rows[1].kld)[f] = bad[k];
            assert_int_equal(wt_store_put_scores(s, "x", 5, "search", rows, 2, NULL, 0, &err), -1);
            assert_non_null(strstr(err.message, "finite"));
            (&rows[1].kld)[f] = 1;
        }
        assert_int_equal(wt_store_put_value(s, "x", 5, "axis", bad[k], &err), -1);
    }
    assert_int_equal(wt_store_scores(s, "x", 5, "search", 0, 1, got, NULL, 0, &err), 0); /* all of a call or nothing */
    assert_int_equal(wt_store_value(s, "x", 5, "axis", &value, &err), 0);
    assert_int_equal(wt_store_put_scores(s, "x", 5, "search", rows, 2, NULL, 0, &err), 0); /* and the store goes on */
    wt_store_close(s);
}

static void test_values(void **state) {
    double value;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    assert_int_equal(wt_store_put_value(s, "x", 5, "tokens/s", 0.1, &err), 0);
    assert_int_equal(wt_store_put_value(s, "x", 5, "tokens/s", 0.2 + 0.1, &err), 0);
    assert_int_equal(wt_store_value(s, "x", 5, "tokens/s", &value, &err), 1);
    assert_true(value == 0.2 + 0.1);
    assert_int_equal(wt_store_value(s, "x", 6, "tokens/s", &value, &err), 0);
    assert_int_equal(wt_store_value(s, "z", 5, "tokens/s", &value, &err), 0);
    wt_store_close(s);
}

static int check_generation(void *user, const wt_stored_generation *g) {
    int *n = user;
    assert_int_equal(g->number, *n);
    assert_int_equal(g->evaluations, 10 + *n);
    assert_int_equal(g->tokens, UINT64_C(1) << 50);
    assert_true(g->seconds == 1.0 / 3);
    assert_true(*n == 1 ? isnan(g->best) : g->best == 1e-300);
    assert_true(g->diversity == 0.25);
    assert_int_equal(g->lethal, 1);
    assert_int_equal(g->born, 2);
    assert_int_equal(g->eliminated, 3);
    assert_true(g->cache_hits == 0.5 && g->state_reuse == 0.75);
    assert_string_equal(g->operators, "{}");
    ++*n;
    return 0;
}

static void test_generations(void **state) {
    int n = 0;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    for (uint64_t k = 0; k < 4; k++) {
        wt_stored_generation g = {k % 3, 10 + k % 3, UINT64_C(1) << 50, 1.0 / 3, k % 3 == 1 ? INFINITY : 1e-300, 0.25, 1, 2, 3, 0.5,
                                  0.75, k ? "{}" : "replaced"};
        assert_int_equal(wt_store_put_generation(s, &g, &err), 0);
    }
    assert_int_equal(wt_store_each_generation(s, check_generation, &n, &err), 0);
    assert_int_equal(n, 3);
    wt_store_close(s);
}

static int check_verdict(void *user, const wt_stored_verdict *v) {
    int *n = user;
    static const int64_t ORDER[] = {2, 5, 1,
                                    3}; /* survivors by place, others by divergence, what was not measured last */
    assert_int_equal(v->individual, ORDER[*n]);
    if (v->individual == 2) {
        assert_string_equal(v->role, "survivor");
        assert_string_equal(v->file, "a.gguf");
        assert_true(v->kld_mean == 0.1 && v->kld_chunk_stderr == 0.2 && v->low == 0.3 && v->high == 0.4);
        assert_true(v->kld_p99 == 0.5 && v->same_top == 0.6 && v->perplexity_ratio == 0.7);
        assert_string_equal(v->note, "note");
    }
    assert_int_equal(v->place, v->individual == 2 ? 1 : v->individual == 5 ? 2 : 0);
    if (v->individual == 3) assert_true(isnan(v->kld_mean) && isnan(v->perplexity_ratio));
    ++*n;
    return 0;
}

static void test_verdicts(void **state) {
    int n = 0;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    const wt_stored_verdict rows[] = {{5, "survivor", "b.gguf", 0.01, 0, 0, 0, 0, 0, 0, "", 2},
                                      {1, "human", "", 9, 0, 0, 0, 0, 0, 0, "", 0},
                                      {2, "rejected", "", 8, 0, 0, 0, 0, 0, 0, "", 0},
                                      {3, "rejected", "", NAN, NAN, NAN, NAN, NAN, NAN, NAN, "not finite", 0},
                                      {4, "human", "", 1, 0, 0, 0, 0, 0, 0, "", 0},
                                      {2, "survivor", "a.gguf", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, "note", 1}};
    for (int k = 0; k < 6; k++) assert_int_equal(wt_store_put_verdict(s, &rows[k], &err), 0);
    assert_int_equal(wt_store_remove_verdict(s, 4, &err), 0);
    assert_int_equal(wt_store_remove_verdict(s, 4, &err), 0);
    assert_int_equal(wt_store_each_verdict(s, check_verdict, &n, &err), 0);
    assert_int_equal(n, 4);
    wt_store_close(s);
}

static int check_knockout(void *user, const wt_stored_knockout *k) {
    int *n = user;
    assert_string_equal(k->gene, *n ? "b" : "a");
    assert_true(k->change == (*n ? 1 : 2) && k->low == 0.5 && k->high == 3);
    assert_string_equal(k->value, "none");
    ++*n;
    return 0;
}

static void test_knockouts(void **state) {
    int n = 0;
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    const wt_stored_knockout rows[] = {{7, "b", "none", 1, 0.5, 3, ""}, {7, "a", "x", 0, 0, 0, ""}, {7, "a", "none", 2, 0.5, 3, ""}, {8, "c", "", 1, 1, 1, ""}};
    for (int k = 0; k < 4; k++) assert_int_equal(wt_store_put_knockout(s, &rows[k], &err), 0);
    assert_int_equal(wt_store_each_knockout(s, 7, check_knockout, &n, &err), 0);
    assert_int_equal(n, 2);
    wt_store_close(s);
}

/* ---- several processes, and none ---- */

/* A writer that says on a pipe which calls have returned: one byte a call. */
static void write_for_ever(int out) {
    wt_run_store *s = wt_store_open(folder, WT_STORE_WRITE, &err);
    if (!s) _exit(3);
    for (uint32_t k = 0;; k++) {
        wt_stored_individual i = someone("aaaa00000001");
        const wt_stored_score rows[3] = {{3 * k, 0.1 + k, 1, 1, 1}, {3 * k + 1, 0.1 + k, 1, 1, 1}, {3 * k + 2, 0.1 + k, 1, 1, 1}};
        i.place = k;
        if (wt_store_put_individual(s, &i, &err) != 0 || wt_store_put_scores(s, "x", 1, "search", rows, 3, NULL, 0, &err) != 0) _exit(4);
        if (write(out, "x", 1) != 1) _exit(5);
    }
}

static void test_killed(void **state) {
    const uint64_t seed = test_seed();
    wt_rng rng;
    uint64_t base = 0;
    (void)state;
    wt_rng_init(&rng, seed, 1, 0);
    wt_store_close(open_store(WT_STORE_CREATE));
    for (int round = 0; round < 25; round++) {
        int ends[2], status;
        char byte;
        uint64_t acknowledged = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) write_for_ever(ends[1]);
        close(ends[1]);
        if (read(ends[0], &byte, 1) != 1) fail_msg("the writer wrote nothing");
        acknowledged = 1;
        usleep((useconds_t)wt_rng_below(&rng, 20000));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(ends[0], &byte, 1) == 1) acknowledged++;
        close(ends[0]);
        wt_run_store *s = open_store(WT_STORE_WRITE); /* the dead one's lock is gone */
        wt_stored_individual got;
        wt_stored_score rows[3];
        for (uint64_t k = 0; k < acknowledged; k++) {
            assert_int_equal(wt_store_individual(s, (int64_t)(base + k + 1), &got, &err), 1);
            assert_int_equal(got.place, k);
            assert_int_equal(wt_store_scores(s, "x", 1, "search", (uint32_t)(3 * k), 3, rows, NULL, 0, &err), 1);
            assert_true(rows[0].kld == 0.1 + (double)k);
        }
        wt_store_close(s);
        assert_string_equal(sql("PRAGMA integrity_check"), "ok");
        assert_string_equal(sql("SELECT count(*) FROM score WHERE chunk % 3 = 0 AND (SELECT count(*) FROM score AS o WHERE o.chunk "
                                "BETWEEN score.chunk AND score.chunk + 2) != 3"), "0"); /* a call is there whole or not at all */
        base = (uint64_t)strtoull(sql("SELECT max(id) FROM individual"), NULL, 10);
    }
}

static void test_two_writers(void **state) {
    char pid[32];
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    assert_int_equal(wt_store_set(s, "rules", "x", &err), 0);
    for (int mode = 0; mode < 2; mode++) {
        assert_null(wt_store_open(folder, mode ? WT_STORE_WRITE : WT_STORE_CREATE, &err));
        snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
        assert_non_null(strstr(err.message, pid));
        assert_non_null(strstr(err.message, folder));
    }
    wt_store_close(s);
    assert_null(wt_store_open(folder, WT_STORE_CREATE, &err)); /* there is a run already */
    assert_non_null(strstr(err.message, "already"));
    wt_store_close(open_store(WT_STORE_WRITE));
}

/* A run that was cut off before its rules were there never began, and may be made anew. */
static void test_never_began(void **state) {
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    assert_int_equal(wt_store_set(s, "model", "x", &err), 0);
    wt_store_close(s);
    wt_store_close(open_store(WT_STORE_CREATE));
}

/* A row that a reader looks at, and a reader inside a transaction, keep no writer from writing. */
static void test_reader_beside_writer(void **state) {
    (void)state;
    wt_run_store *w = open_store(WT_STORE_CREATE);
    wt_stored_individual i = someone("aaaa00000001"), got;
    assert_int_equal(wt_store_put_individual(w, &i, &err), 0);
    wt_run_store *r = open_store(WT_STORE_READ);
    for (int k = 0; k < 300; k++) {
        assert_int_equal(wt_store_individual(r, k + 1, &got, &err), 1);
        assert_int_equal(wt_store_individual(w, k + 1, &got, &err), 1); /* the writer looks at one too */
        i.id = 0;
        assert_int_equal(wt_store_put_individual(w, &i, &err), 0);
    }
    assert_int_equal(wt_store_individual(r, 301, &got, &err), 1); /* the reader sees what is new */
    wt_store_close(r);
    wt_store_close(w);
    assert_string_equal(sql("SELECT count(*) FROM individual"), "301");
}

static void test_full(void **state) {
    (void)state;
    wt_run_store *s = open_store(WT_STORE_CREATE);
    char pages[64];
    int64_t last = 0;
    int failed = 0;
    assert_int_equal(sqlite3_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
    snprintf(pages, sizeof pages, "PRAGMA max_page_count = 24"); /* what a full disk looks like to SQLite */
    assert_int_equal(sqlite3_exec(s->db, pages, NULL, NULL, NULL), SQLITE_OK);
    for (int k = 0; k < 1000 && !failed; k++) {
        wt_stored_individual i = someone("aaaa00000001");
        failed = wt_store_put_individual(s, &i, &err) != 0;
        if (!failed) last = i.id;
    }
    assert_true(failed);
    assert_int_equal(err.code, WT_ERR_IO);
    assert_non_null(strstr(err.message, "full"));
    assert_non_null(strstr(err.hint, "--resume"));
    wt_stored_score many[400];
    for (uint32_t k = 0; k < 400; k++) many[k] = (wt_stored_score){k, 1, 1, 1, 1};
    assert_int_equal(wt_store_put_scores(s, "x", 1, "search", many, 400, NULL, 0, &err), -1);
    assert_int_equal(sqlite3_exec(s->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL), SQLITE_OK); /* room was made */
    assert_int_equal(wt_store_put_scores(s, "x", 1, "search", many, 400, NULL, 0, &err), 0);
    wt_store_close(s);
    assert_string_equal(sql("PRAGMA integrity_check"), "ok");
    assert_int_equal(strtoll(sql("SELECT count(*) FROM individual"), NULL, 10), last);
}

/* ---- files that are none ---- */

static void write_bytes(const char *bytes, size_t n) {
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void refuse(wt_store_mode mode, const char *said) {
    assert_null(wt_store_open(folder, mode, &err));
    if (!strstr(err.message, said) && !strstr(err.hint, said)) fail_msg("'%s' (%s) does not say '%s'", err.message, err.hint, said);
    assert_non_null(strstr(err.message, folder));
}

static void test_no_run(void **state) {
    (void)state;
    refuse(WT_STORE_READ, "no run");
    refuse(WT_STORE_WRITE, "no run");
    char text[4096];
    memset(text, 'x', sizeof text);
    write_bytes(text, sizeof text);
    for (int mode = 0; mode < 3; mode++) refuse((wt_store_mode)mode, "no SQLite file");
    unlink(file);
    sql("CREATE TABLE other (x)"); /* another application's */
    const char before = sql("PRAGMA journal_mode")[0];
    for (int mode = 0; mode < 3; mode++) refuse((wt_store_mode)mode, "no run of wildtype");
    assert_int_equal(sql("PRAGMA journal_mode")[0], before); /* which is left as it was */
    unlink(file);
    wt_store_close(open_store(WT_STORE_CREATE));
    sql("PRAGMA user_version = 999");
    for (int mode = 0; mode < 3; mode++) refuse((wt_store_mode)mode, "999");
    unlink(file);
    write_bytes("", 0);
    refuse(WT_STORE_READ, "no run of wildtype");
}

static int ignore_individual(void *user, const wt_stored_individual *i) {
    *(size_t *)user += strlen(i->name) + strlen(i->text) + strlen(i->plan) + strlen(i->cause) + strlen(i->label);
    return 0;
}
static int ignore_generation(void *user, const wt_stored_generation *g) {
    *(size_t *)user += strlen(g->operators);
    return 0;
}
static int ignore_verdict(void *user, const wt_stored_verdict *v) {
    *(size_t *)user += strlen(v->note);
    return 0;
}

/* Every reading call; what they say is their business, but they return. */
static void read_everything(wt_store_mode mode) {
    wt_run_store *s = wt_store_open(folder, mode, &err);
    wt_stored_individual i;
    wt_stored_score rows[8];
    float positions[8 * 4];
    size_t sum = 0;
    char *value = NULL;
    if (!s) {
        assert_true(err.message[0]);
        return;
    }
    if (wt_store_get(s, "rules", &value, &err) == 1) free(value);
    wt_store_each_individual(s, ignore_individual, &sum, &err);
    wt_store_each_generation(s, ignore_generation, &sum, &err);
    wt_store_each_verdict(s, ignore_verdict, &sum, &err);
    wt_store_individual(s, 3, &i, &err);
    wt_store_find_individual(s, "aaaa", &i, &err);
    wt_store_scores(s, "x", 1, "search", 0, 8, rows, positions, 4, &err);
    if (mode == WT_STORE_WRITE) wt_store_set(s, "rules", "again", &err);
    wt_store_close(s);
}

static void test_damaged(void **state) {
    const uint64_t seed = test_seed();
    wt_rng rng;
    (void)state;
    wt_rng_init(&rng, seed, 2, 0);
    wt_run_store *s = open_store(WT_STORE_CREATE);
    wt_stored_score rows[8];
    float positions[8 * 4] = {0};
    for (uint32_t k = 0; k < 8; k++) rows[k] = (wt_stored_score){k, 1, 1, 1, 1};
    wt_store_set(s, "rules", "seed: 1\n", &err);
    for (int k = 0; k < 40; k++) {
        wt_stored_individual i = someone("aaaa00000001");
        wt_store_put_individual(s, &i, &err);
    }
    wt_store_put_scores(s, "x", 1, "search", rows, 8, positions, 4, &err);
    wt_store_close(s);
    FILE *f = fopen(file, "rb");
    static char good[1 << 20], bad[1 << 20];
    const size_t n = fread(good, 1, sizeof good, f);
    fclose(f);
    assert_true(n > 4096 && n < sizeof good);
    for (int k = 0; k < 150; k++) {
        size_t cut = n;
        memcpy(bad, good, n);
        if (k % 3 == 0) {
            cut = wt_rng_below(&rng, n);
        } else {
            const size_t flips = 1 + wt_rng_below(&rng, 64), from = k % 2 ? 0 : 100, to = k % 2 ? 4096 : n;
            for (size_t x = 0; x < flips; x++) bad[from + wt_rng_below(&rng, to - from)] ^= (char)(1 << wt_rng_below(&rng, 8));
        }
        write_bytes(bad, cut);
        read_everything(k % 5 ? WT_STORE_READ : WT_STORE_WRITE);
        char path[96];
        snprintf(path, sizeof path, "%s-wal", file);
        unlink(path);
        snprintf(path, sizeof path, "%s-shm", file);
        unlink(path);
    }
}

/* ---- docs/store.md ---- */

/* Every table and every column is described there, in a row of a table below a heading of the table's name; and nothing else is. */
static void test_docs(void **state) {
    static char text[1 << 17];
    (void)state;
    FILE *f = fopen(WT_SOURCE_DIR "/docs/store.md", "rb");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    wt_store_close(open_store(WT_STORE_CREATE));
    sqlite3 *db;
    sqlite3_stmt *st;
    size_t columns = 0, described = 0;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p"
                                            " WHERE m.type = 'table'", -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        char heading[80], row[160];
        snprintf(heading, sizeof heading, "\n## %s\n", (const char *)sqlite3_column_text(st, 0));
        snprintf(row, sizeof row, "\n| `%s` | %s |", (const char *)sqlite3_column_text(st, 1), (const char *)sqlite3_column_text(st, 2));
        const char *section = strstr(text, heading), *end = section ? strstr(section + 4, "\n## ") : NULL, *at = section ? strstr(section, row) : NULL;
        if (!at || (end && at > end)) fail_msg("docs/store.md lacks%s of %s", row + 1, heading + 1);
        columns++;
    }
    sqlite3_finalize(st);
    for (const char *at = text; (at = strstr(at, "\n| `")); at++) described++;
    assert_int_equal(described, columns); /* and describes nothing that is not there */
    /* its queries run */
    size_t queries = 0;
    for (char *at = text; (at = strstr(at, "\n```sql\n"));) {
        char *query = at + 8, *stop = strstr(query, "\n```");
        assert_non_null(stop);
        *stop = '\0';
        if (sqlite3_prepare_v2(db, query, -1, &st, NULL) != SQLITE_OK) fail_msg("%s: %s", query, sqlite3_errmsg(db));
        sqlite3_finalize(st);
        queries++;
        at = stop + 1;
    }
    assert_true(queries >= 4);
    sqlite3_close(db);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ALONE(test_keys),       ALONE(test_individuals), ALONE(test_scores),      ALONE(test_not_finite),
        ALONE(test_values),     ALONE(test_generations), ALONE(test_verdicts),    ALONE(test_knockouts),
        ALONE(test_killed),     ALONE(test_two_writers), ALONE(test_never_began), ALONE(test_reader_beside_writer),
        ALONE(test_full),       ALONE(test_no_run),      ALONE(test_damaged),     ALONE(test_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
