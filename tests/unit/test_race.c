/*
 * The race on made-up scores: how often the true best, or one that cannot be told from it, is kept, and what that costs against measuring
 * everybody on everything; Student's distribution against tables.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "survive/race.h"

enum { CANDIDATES = 32, CHUNKS = 64, TRIALS = 1000 };

/* Chunk effects of Student's t with 2 degrees of freedom: a variance that is infinite. */
static double heavy(wt_rng *rng) {
    double a = wt_rng_normal(rng), b = wt_rng_normal(rng), c = wt_rng_normal(rng);
    return a / sqrt((b * b + c * c) / 2);
}

typedef struct trial {
    double scores[CANDIDATES][CHUNKS], gap[CANDIDATES]; /* gap: in standard deviations of a paired difference */
} trial;

static void draw(trial *t, uint64_t seed, uint64_t number) {
    wt_rng rng;
    double effect[CHUNKS];
    wt_rng_init(&rng, seed, number, 0);
    for (size_t c = 0; c < CHUNKS; c++) effect[c] = 3 * heavy(&rng);
    size_t best = wt_rng_below(&rng, CANDIDATES);
    for (size_t i = 0; i < CANDIDATES; i++) {
        t->gap[i] = i == best ? 0 : 3 * wt_rng_uniform(&rng);
        for (size_t c = 0; c < CHUNKS; c++) /* a difference of two noises has a standard deviation of 1 */
            t->scores[i][c] = effect[c] + t->gap[i] + wt_rng_normal(&rng) / sqrt(2);
    }
}

static int measure(void *user, size_t candidate, size_t first, size_t count, double *scores, wt_error *err) {
    const trial *t = user;
    (void)err;
    for (size_t c = 0; c < count; c++) scores[c] = t->scores[candidate][first + c];
    return 0;
}

/* The lower end of a share's 95% interval (Wilson, one-sided). */
static double lower_bound(size_t hits, size_t n) {
    const double z = 1.6449, p = (double)hits / (double)n, m = (double)n;
    return (p + z * z / (2 * m) - z * sqrt(p * (1 - p) / m + z * z / (4 * m * m))) / (1 + z * z / m);
}

/* Whether a gap cannot be told from none on all chunks: below what a paired test at 5% finds half the time. */
static bool is_close(double gap) { return gap * sqrt(CHUNKS) < 1.6694; }

static void run_trials(size_t keep) {
    const uint64_t seed = test_seed();
    size_t kept = 0, cost = 0;
    static trial t;
    for (uint64_t n = 0; n < TRIALS; n++) {
        wt_race_entry entries[CANDIDATES];
        size_t measured;
        draw(&t, seed, n);
        const wt_race_options options = {
            .candidates = CANDIDATES, .chunks = CHUNKS, .block = 4, .keep = keep, .level = 0.05};
        const wt_race_calls calls = {.measure = measure, .user = &t};
        assert_int_equal(wt_race_run(&options, &calls, entries, &measured, NULL), 0);
        bool found = false;
        size_t left = 0;
        for (size_t i = 0; i < CANDIDATES; i++) {
            found |= !entries[i].eliminated && is_close(t.gap[i]);
            left += !entries[i].eliminated;
        }
        assert_true(left >= keep);
        kept += found;
        cost += measured;
    }
    const double share = (double)cost / (TRIALS * CANDIDATES * CHUNKS);
    print_message("keep %zu: the best or its like was kept in %zu of %d races (95%% bound %.4f), at %.1f%% of the cost\n",
                  keep, kept, TRIALS, lower_bound(kept, TRIALS), 100 * share);
    assert_true(lower_bound(kept, TRIALS) >= 0.95);
    assert_true(share < 0.5);
}

static void keeps_the_best(void **unused) {
    (void)unused;
    run_trials(1);
}

static void keeps_the_best_of_several(void **unused) {
    (void)unused;
    run_trials(4);
}

/* Everybody alike: the level holds for each of them, whoever is called the best. */
static void equals_are_not_lost(void **unused) {
    (void)unused;
    const uint64_t seed = test_seed() + 1;
    size_t lost = 0;
    static trial t;
    for (uint64_t n = 0; n < 300; n++) {
        wt_race_entry entries[CANDIDATES];
        draw(&t, seed, n);
        for (size_t i = 0; i < CANDIDATES; i++)
            for (size_t c = 0; c < CHUNKS; c++) t.scores[i][c] -= t.gap[i];
        const wt_race_options options = {.candidates = CANDIDATES, .chunks = CHUNKS, .block = 4, .keep = 1, .level = 0.05};
        const wt_race_calls calls = {.measure = measure, .user = &t};
        assert_int_equal(wt_race_run(&options, &calls, entries, NULL, NULL), 0);
        lost += entries[0].eliminated;
    }
    print_message("one of %d equals was lost in %zu of 300 races\n", CANDIDATES, lost);
    assert_true(lost <= 300 * 0.05 + 3 * sqrt(300 * 0.05 * 0.95));
}

static bool never(void *user, size_t rival, size_t candidate) {
    (void)user;
    (void)rival;
    return candidate != 5;
}

static void what_cannot_be_beaten_stays(void **unused) {
    (void)unused;
    static trial t;
    wt_race_entry entries[CANDIDATES];
    size_t measured;
    draw(&t, 3, 0);
    for (size_t c = 0; c < CHUNKS; c++) t.scores[5][c] += 100;
    const wt_race_options options = {.candidates = CANDIDATES, .chunks = CHUNKS, .block = 4, .keep = 1, .level = 0.05};
    wt_race_calls calls = {.measure = measure, .user = &t};
    assert_int_equal(wt_race_run(&options, &calls, entries, &measured, NULL), 0);
    assert_true(entries[5].eliminated && entries[5].chunks < CHUNKS);
    calls.may_beat = never;
    assert_int_equal(wt_race_run(&options, &calls, entries, &measured, NULL), 0);
    assert_true(!entries[5].eliminated && entries[5].chunks == CHUNKS);
}

/* Candidates 8 .. 8 + COPIES - 1 compute the same as candidate 0; they are told apart only where nobody says so. */
enum { COPIES = 6 };

static bool are_copies(void *user, size_t a, size_t b, size_t chunks) {
    const trial *t = user;
    for (size_t c = 0; c < chunks; c++)
        if (t->scores[a][c] != t->scores[b][c]) return false;
    return true;
}

/* One who is clearly worse than the best alone goes home on the copies of the best: with `keep` 2 it must not, with 1 it must. */
static void copies_are_one_rival(void **unused) {
    (void)unused;
    static trial t;
    for (int told = 0; told < 2; told++) {
        for (size_t keep = 1; keep <= 2; keep++) {
            wt_race_entry entries[CANDIDATES];
            draw(&t, 7, 0);
            for (size_t i = 0; i < CANDIDATES; i++)
                for (size_t c = 0; c < CHUNKS; c++) t.scores[i][c] += 2 * (i > 0) - t.gap[i];
            for (size_t i = 8; i < 8 + COPIES; i++) memcpy(t.scores[i], t.scores[0], sizeof t.scores[i]);
            const wt_race_options options = {
                .candidates = CANDIDATES, .chunks = CHUNKS, .block = 8, .keep = keep, .level = 1e-6, .to_the_end = true};
            const wt_race_calls calls = {.measure = measure, .same = told ? are_copies : NULL, .user = &t};
            assert_int_equal(wt_race_run(&options, &calls, entries, NULL, NULL), 0);
            size_t home = 0;
            for (size_t i = 0; i < CANDIDATES; i++) home += entries[i].eliminated;
            for (size_t i = 8; i < 8 + COPIES; i++) assert_true(!entries[i].eliminated && entries[i].mean == entries[0].mean);
            assert_int_equal(home, told && keep == 2 ? 0 : CANDIDATES - 1 - COPIES);
        }
    }
}

/* Copies among the rivals cost no power: the level's parts are those of a race without them, and so is everything that becomes of the others. */
static void copies_take_no_part_of_the_level(void **unused) {
    (void)unused;
    const uint64_t seed = test_seed() + 2;
    static trial t;
    size_t differ = 0, home = 0;
    for (uint64_t n = 0; n < 200; n++) {
        wt_race_entry with[CANDIDATES], without[CANDIDATES], untold[CANDIDATES];
        draw(&t, seed, n);
        for (size_t i = 0; i < CANDIDATES; i++)
            for (size_t c = 0; c < CHUNKS; c++) t.scores[i][c] -= 0.8 * t.gap[i];
        for (size_t i = 8; i < CANDIDATES; i++) memcpy(t.scores[i], t.scores[0], sizeof t.scores[i]);
        wt_race_options options = {.candidates = CANDIDATES, .chunks = CHUNKS, .block = 8, .keep = 1, .level = 0.05, .to_the_end = true};
        wt_race_calls calls = {.measure = measure, .same = are_copies, .user = &t};
        assert_int_equal(wt_race_run(&options, &calls, with, NULL, NULL), 0);
        calls.same = NULL;
        assert_int_equal(wt_race_run(&options, &calls, untold, NULL, NULL), 0);
        options.candidates = 8;
        assert_int_equal(wt_race_run(&options, &calls, without, NULL, NULL), 0);
        for (size_t i = 0; i < 8; i++) {
            assert_true(with[i].eliminated == without[i].eliminated && with[i].chunks == without[i].chunks && with[i].p == without[i].p);
            differ += with[i].chunks != untold[i].chunks;
            home += with[i].eliminated;
        }
    }
    print_message("copies that are not known as such change what becomes of %zu of 1600; %zu go home\n", differ, home);
    assert_true(differ > 0 && home > 0);
}

/* Values of tables (two decimals more than they print, from closed forms where there are some). */
static void student(void **unused) {
    (void)unused;
    assert_true(fabs(wt_student_upper(1, 1) - 0.25) < 1e-12);
    assert_true(fabs(wt_student_upper(sqrt(2), 2) - (0.5 - 0.5 * sqrt(2) / sqrt(2 + 2))) < 1e-12);
    assert_true(fabs(wt_student_upper(-1, 1) - 0.75) < 1e-12);
    assert_true(fabs(wt_student_upper(2.131449546, 15) - 0.025) < 1e-9);
    assert_true(fabs(wt_student_upper(1.646379, 1000) - 0.05) < 1e-6);
    assert_true(wt_student_upper(0, 5) == 0.5);
    const double a[] = {1, 2, 3}, b[] = {1, 2, 3};
    assert_true(wt_paired_p(a, b, 3) == 1);
    const double c[] = {2, 3, 4};
    assert_true(wt_paired_p(c, a, 3) == 0 && wt_paired_p(a, c, 3) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(student),
        cmocka_unit_test(keeps_the_best),
        cmocka_unit_test(keeps_the_best_of_several),
        cmocka_unit_test(equals_are_not_lost),
        cmocka_unit_test(what_cannot_be_beaten_stays),
        cmocka_unit_test(copies_are_one_rival),
        cmocka_unit_test(copies_take_no_part_of_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
