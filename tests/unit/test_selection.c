/*
 * Who stays and who makes the next ones: ways to select against their definitions by brute force, the archive's cells, the operators' rates,
 * and intervals by bootstrap against how often they hold the truth.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "survive/archive.h"
#include "survive/bootstrap.h"
#include "survive/operators.h"
#include "survive/selection.h"

static wt_error err;

enum { MOST = 40, AXES = 3, CASES = 8 };

typedef struct table {
    double values[MOST * AXES], violation[MOST], per_case[MOST * CASES], weights[AXES];
    wt_standings s;
} table;

/* Values from few levels, so that ties and equals are common. */
static void draw(table *t, wt_rng *rng, size_t count, size_t axes, bool constrained) {
    for (size_t i = 0; i < count * axes; i++) t->values[i] = (double)wt_rng_below(rng, 6) - 2;
    for (size_t i = 0; i < count; i++) t->violation[i] = constrained && wt_rng_below(rng, 2) ? (double)wt_rng_below(rng, 3) / 2 : 0;
    for (size_t i = 0; i < count * CASES; i++) t->per_case[i] = wt_rng_uniform(rng);
    for (size_t i = 0; i < AXES; i++) t->weights[i] = 1 + (double)i;
    t->s = (wt_standings){count, axes, CASES, t->values, t->weights, t->violation, t->per_case};
}

/* The definition, said once more: less violation; or among equals nowhere worse and somewhere better. */
static bool beats(const table *t, size_t a, size_t b) {
    if (t->violation[a] != t->violation[b]) return t->violation[a] < t->violation[b];
    bool nowhere_worse = true, somewhere_better = false;
    for (size_t k = 0; k < t->s.axes; k++) {
        nowhere_worse &= t->values[a * t->s.axes + k] <= t->values[b * t->s.axes + k];
        somewhere_better |= t->values[a * t->s.axes + k] < t->values[b * t->s.axes + k];
    }
    return nowhere_worse && somewhere_better;
}

/* A front's number: the longest chain of those who beat one another down to this one. */
static size_t depth(const table *t, size_t i, int *memo) {
    size_t most = 0;
    if (memo[i] >= 0) return (size_t)memo[i];
    for (size_t j = 0; j < t->s.count; j++) {
        if (!beats(t, j, i)) continue;
        const size_t d = depth(t, j, memo) + 1;
        most = d > most ? d : most;
    }
    memo[i] = (int)most;
    return most;
}

static void is_a_choice(const size_t *chosen, size_t keep, size_t count) {
    bool seen[MOST] = {0};
    for (size_t i = 0; i < keep; i++) {
        assert_true(chosen[i] < count);
        assert_false(seen[chosen[i]]);
        seen[chosen[i]] = true;
    }
}

static void test_pareto(void **state) {
    wt_rng rng;
    static table t;
    (void)state;
    wt_rng_init(&rng, test_seed(), 0, 0);
    for (int n = 0; n < 500; n++) {
        const size_t count = 1 + wt_rng_below(&rng, MOST), axes = 1 + wt_rng_below(&rng, AXES), keep = 1 + wt_rng_below(&rng, count);
        size_t chosen[MOST], again[MOST];
        int memo[MOST];
        bool in[MOST] = {0};
        memset(memo, -1, sizeof memo);
        draw(&t, &rng, count, axes, n % 2);
        assert_int_equal(wt_select_pareto(&t.s, keep, &rng, chosen, &err), 0);
        is_a_choice(chosen, keep, count);
        for (size_t i = 0; i < keep; i++) in[chosen[i]] = true;
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < count; k++) {
                assert_int_equal(wt_dominates(&t.s, i, k), beats(&t, i, k));
                if (in[i] && !in[k]) assert_true(depth(&t, i, memo) <= depth(&t, k, memo)); /* no later front while an earlier one waits */
            }
        }
        for (size_t i = 1; i < keep; i++) assert_true(depth(&t, chosen[i - 1], memo) <= depth(&t, chosen[i], memo)); /* best first */
        assert_int_equal(wt_select_pareto(&t.s, keep, &rng, again, &err), 0);
        assert_memory_equal(chosen, again, keep * sizeof *chosen);
    }
}

/* One front: its two ends stay, and of the rest those with the most room. */
static void test_crowding(void **state) {
    const double values[] = {0, 10, 1, 9, 1.1, 8.9, 5, 5, 10, 0};
    const double weights[] = {1, 1}, violation[5] = {0};
    const wt_standings s = {5, 2, 0, values, weights, violation, NULL};
    size_t chosen[5];
    (void)state;
    assert_int_equal(wt_select_pareto(&s, 5, NULL, chosen, &err), 0);
    assert_int_equal(chosen[0], 0);
    assert_int_equal(chosen[1], 4);
    assert_int_equal(chosen[2], 3); /* room: (10 - 1.1) / 10 on both */
    assert_int_equal(chosen[3], 2); /* (5 - 1) / 10 */
    assert_int_equal(chosen[4], 1); /* (1.1 - 0) / 10 */
}

static void test_one_axis(void **state) {
    const double values[] = {3, 1, 2, 1}, weights[] = {1}, violation[] = {0, 0.5, 0, 0};
    const wt_standings s = {4, 1, 0, values, weights, violation, NULL};
    size_t chosen[4];
    (void)state;
    for (int way = 0; way < 2; way++) {
        assert_int_equal((way ? wt_select_score : wt_select_pareto)(&s, 4, NULL, chosen, &err), 0);
        assert_int_equal(chosen[0], 3);
        assert_int_equal(chosen[1], 2);
        assert_int_equal(chosen[2], 0);
        assert_int_equal(chosen[3], 1); /* it breaks a constraint */
    }
}

static void test_score(void **state) {
    wt_rng rng;
    static table t;
    (void)state;
    wt_rng_init(&rng, test_seed(), 1, 0);
    for (int n = 0; n < 200; n++) {
        const size_t count = 1 + wt_rng_below(&rng, MOST);
        size_t chosen[MOST];
        draw(&t, &rng, count, AXES, n % 2);
        for (size_t i = 0; i < count * AXES; i++) t.values[i] = 0.5 + wt_rng_uniform(&rng);
        assert_int_equal(wt_select_score(&t.s, count, NULL, chosen, &err), 0);
        is_a_choice(chosen, count, count);
        for (size_t i = 1; i < count; i++) {
            assert_true(t.violation[chosen[i - 1]] <= t.violation[chosen[i]]);
            if (t.violation[chosen[i - 1]] == t.violation[chosen[i]]) assert_false(beats(&t, chosen[i], chosen[i - 1]));
        }
        for (size_t i = 0; i < count; i++) t.values[i * AXES] *= 1e9; /* another unit changes nothing */
        size_t scaled[MOST];
        assert_int_equal(wt_select_score(&t.s, count, NULL, scaled, &err), 0);
        double x = 0, y = 0;
        for (size_t i = 0; i < count; i++) x += (double)(i * chosen[i]), y += (double)(i * scaled[i]);
        assert_true(x == y);
    }
}

/* Specialists: each is the best on a case of its own and the worst on all others; an average would bury them. */
static void test_lexicase(void **state) {
    double per_case[12 * CASES];
    const double values[12] = {0}, weights[] = {1}, violation[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    int won[12] = {0};
    wt_rng rng;
    (void)state;
    for (size_t i = 0; i < 12; i++)
        for (size_t c = 0; c < CASES; c++) per_case[i * CASES + c] = i < CASES ? (i == c ? 0 : 10 + (double)i * 0.01) : 9 + (double)i * 0.001;
    for (size_t c = 0; c < CASES; c++) per_case[11 * CASES + c] = -100; /* which breaks a constraint */
    per_case[10 * CASES] = NAN; /* not measured there */
    const wt_standings s = {12, 1, CASES, values, weights, violation, per_case};
    wt_rng_init(&rng, test_seed(), 2, 0);
    for (int n = 0; n < 400; n++) {
        size_t chosen[12];
        assert_int_equal(wt_select_lexicase(&s, 4, &rng, chosen, &err), 0);
        is_a_choice(chosen, 4, 12);
        for (int i = 0; i < 4; i++) won[chosen[i]]++;
    }
    for (int i = 0; i < CASES; i++) assert_true(won[i] > 0);
    assert_int_equal(won[11], 0);
    size_t all[12];
    assert_int_equal(wt_select_lexicase(&s, 12, &rng, all, &err), 0);
    is_a_choice(all, 12, 12);
    assert_int_equal(all[11], 11); /* the violator last */
    wt_rng a, b;
    size_t x[12], y[12];
    wt_rng_init(&a, 7, 0, 0);
    wt_rng_init(&b, 7, 0, 0);
    wt_select_lexicase(&s, 12, &a, x, &err);
    wt_select_lexicase(&s, 12, &b, y, &err);
    assert_memory_equal(x, y, sizeof x);
}

static void test_ways(void **state) {
    (void)state;
    assert_ptr_equal(wt_selection_of(WT_SELECT_PARETO), wt_select_pareto);
    assert_ptr_equal(wt_selection_of(WT_SELECT_LEXICASE), wt_select_lexicase);
    assert_ptr_equal(wt_selection_of(WT_SELECT_SCORE), wt_select_score);
}

/* ---- archive ---- */

static double place_of(void *user, const wt_individual *i) {
    (void)user;
    return (double)i->place;
}

static void test_archive(void **state) {
    wt_archive a = {0};
    wt_individual first = {.bytes = 1000000, .place = 5}, better = {.bytes = 1000000, .place = 4}, equal = {.bytes = 1000000, .place = 4},
                  pinned = {.bytes = 1000000, .place = 9, .pinned = true}, larger = {.bytes = 1100000, .place = 9}, none = {.place = 1};
    (void)state;
#define OFFER(x) wt_archive_offer(&a, &(x), (double)(x).place, place_of, NULL, &err)
    assert_int_equal(OFFER(first), 1);
    assert_int_equal(OFFER(better), 1);
    assert_false(wt_archive_holds(&a, &first));
    assert_int_equal(OFFER(equal), 0); /* the older one stays */
    assert_true(wt_archive_holds(&a, &better));
    assert_int_equal(OFFER(first), 0);
    assert_int_equal(OFFER(pinned), 1);
    assert_int_equal(OFFER(larger), 1);
    assert_int_equal(OFFER(none), 1);
    assert_int_equal(a.count, 4);
    for (uint64_t k = 0; k < 100; k++) { /* cells are as wide as is said: two whose sizes differ by more share none */
        wt_archive two = {0};
        wt_individual x = {.bytes = 1000 + 777 * k * k, .place = 1}, y = {.place = 2};
        y.bytes = (uint64_t)((double)x.bytes * (1 + WT_ARCHIVE_STEP) + 2);
        wt_archive_offer(&two, &x, 1, place_of, NULL, &err);
        assert_int_equal(wt_archive_offer(&two, &y, 2, place_of, NULL, &err), 1);
        wt_archive_release(&two);
    }
    wt_archive_release(&a);
    assert_int_equal(a.count, 0);
}

/* ---- operators ---- */

static double sum_of(const double *x) {
    double sum = 0;
    for (int i = 0; i < WT_MADE_LIMIT; i++) sum += x[i];
    return sum;
}

static void test_operators(void **state) {
    wt_operator_counts c = {0};
    double rates[WT_MADE_LIMIT], before[WT_MADE_LIMIT];
    const uint32_t all = (1u << WT_MADE_LIMIT) - 1;
    wt_rng rng;
    (void)state;
    wt_operator_rates(&c, all, rates);
    for (int i = 0; i < WT_MADE_LIMIT; i++) assert_true(rates[i] > 0.02 && rates[i] <= rates[WT_OPERATOR_CROSS]);
    for (int n = 0; n < 50; n++) { /* one whose children stay, one whose never do */
        double tried[WT_MADE_LIMIT] = {0}, stayed[WT_MADE_LIMIT] = {0};
        tried[1] = tried[2] = 10;
        stayed[1] = 5;
        wt_operator_rates(&c, all, before);
        wt_operator_learn(&c, tried, stayed);
        wt_operator_rates(&c, all, rates);
        assert_true(fabs(sum_of(rates) - 1) < 1e-12);
        assert_true(rates[1] / rates[2] >= before[1] / before[2] - 1e-12);
    }
    assert_true(rates[1] > 4 * rates[2]);
    for (int i = 0; i < WT_MADE_LIMIT; i++) assert_true(rates[i] > 0.01); /* none is given up */
    wt_operator_rates(&c, 1u << 2 | 1u << 3, rates);
    assert_true(fabs(sum_of(rates) - 1) < 1e-12 && fabs(rates[2] + rates[3] - 1) < 1e-12);
    wt_operator_rates(&c, 0, rates);
    assert_true(sum_of(rates) == 0);
    wt_rng_init(&rng, test_seed(), 3, 0);
    int drawn[WT_MADE_LIMIT] = {0};
    wt_operator_rates(&c, all & ~1u, rates);
    for (int n = 0; n < 100000; n++) drawn[wt_operator_draw(&c, all & ~1u, &rng)]++;
    for (int i = 0; i < WT_MADE_LIMIT; i++) assert_true(fabs(drawn[i] / 1e5 - rates[i]) < 0.01); /* 6 standard errors */
    for (int i = 0; i < WT_MADE_LIMIT; i++) assert_true(wt_made_by(i)[0]);
    assert_string_equal(wt_made_by(WT_MADE_FREEZE), "freeze");
}

/* ---- bootstrap ---- */

/*
 * How often the interval holds the truth. Percentiles of the mean of 32 normal values are 1.96 standard deviations (of n, not n - 1)
 * to either side, which Student's t has at 31 degrees of freedom: 93.7%, not 95. Within 0.035 of that, 5.5 standard errors: the seed
 * is the clock's, and no seed may fail. Intervals of 90% would hold it 88.5%, and those of 99% 98.4%.
 */
static void test_coverage(void **state) {
    enum { N = 32, TRIALS = 1500 };
    const double right = 0.937;
    wt_rng rng;
    int mean = 0, difference = 0, ratio = 0;
    (void)state;
    wt_rng_init(&rng, test_seed(), 4, 0);
    for (int n = 0; n < TRIALS; n++) {
        double a[N], b[N];
        wt_interval x;
        for (int i = 0; i < N; i++) {
            const double shared = wt_rng_normal(&rng);
            b[i] = 10 + shared;
            a[i] = 7 + shared + 0.3 * wt_rng_normal(&rng);
        }
        assert_int_equal(wt_bootstrap_mean(a, N, (uint64_t)n, &x, &err), 0);
        assert_true(x.low <= x.value && x.value <= x.high);
        mean += x.low <= 7 && 7 <= x.high;
        assert_int_equal(wt_bootstrap_difference(a, b, N, (uint64_t)n, &x, &err), 0);
        assert_true(x.high - x.low < 0.5); /* what both share cancels: 4 x 0.3 / 5.7 */
        difference += x.low <= -3 && -3 <= x.high;
        assert_int_equal(wt_bootstrap_ratio(a, b, N, (uint64_t)n, &x, &err), 0);
        ratio += x.low <= 0.7 && 0.7 <= x.high;
    }
    const double covered[] = {mean / (double)TRIALS, difference / (double)TRIALS, ratio / (double)TRIALS};
    for (int k = 0; k < 3; k++) {
        print_message("coverage %.3f\n", covered[k]);
        assert_true(fabs(covered[k] - right) < 0.035);
    }
}

static void test_bootstrap_edges(void **state) {
    const double one[] = {3}, same[] = {2, 2, 2};
    wt_interval x, y;
    (void)state;
    assert_int_equal(wt_bootstrap_mean(one, 1, 1, &x, &err), 0);
    assert_true(x.value == 3 && x.low == 3 && x.high == 3);
    assert_int_equal(wt_bootstrap_ratio(same, same, 3, 1, &x, &err), 0);
    assert_true(x.value == 1 && x.low == 1 && x.high == 1);
    const double a[] = {1, 2, 3, 4, 5, 6, 7, 8};
    wt_bootstrap_mean(a, 8, 5, &x, &err);
    wt_bootstrap_mean(a, 8, 5, &y, &err);
    assert_memory_equal(&x, &y, sizeof x); /* a function of the seed */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pareto),   cmocka_unit_test(test_crowding), cmocka_unit_test(test_one_axis), cmocka_unit_test(test_score),
        cmocka_unit_test(test_lexicase), cmocka_unit_test(test_ways),     cmocka_unit_test(test_archive),  cmocka_unit_test(test_operators),
        cmocka_unit_test(test_coverage), cmocka_unit_test(test_bootstrap_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
