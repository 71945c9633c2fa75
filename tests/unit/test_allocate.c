/* Allocation against brute force on random small cases, and its behaviour at the edges and at full size. */
#include <math.h>

#include "apply/allocate.h"
#include "base/rng.h"
#include "support/testing.h"

enum { MOST_ITEMS = 6, MOST_OPTIONS = 6 };

typedef struct case_data {
    wt_option_cost options[MOST_ITEMS][MOST_OPTIONS];
    wt_alloc_item items[MOST_ITEMS];
    size_t count;
    uint64_t least, most;
} case_data;

static void draw(case_data *c, wt_rng *rng) {
    c->count = 1 + wt_rng_below(rng, MOST_ITEMS);
    for (size_t i = 0; i < c->count; i++) {
        size_t n = 1 + wt_rng_below(rng, MOST_OPTIONS);
        uint64_t size = 1000 + wt_rng_below(rng, 100000);
        double price = exp(2 * wt_rng_normal(rng));
        for (size_t k = 0; k < n; k++) {
            double bits = 2 + 6 * wt_rng_uniform(rng);
            c->options[i][k].bytes = (uint64_t)((double)size * bits / 8);
            c->options[i][k].cost = price * exp2(-2 * bits) * (0.5 + wt_rng_uniform(rng));
        }
        c->items[i] = (wt_alloc_item){c->options[i], n};
    }
    wt_allocate_range(c->items, c->count, &c->least, &c->most);
}

/* The least cost within the budget, by trying everything. */
static double brute_force(const case_data *c, uint64_t budget, uint64_t at_least) {
    size_t pick[MOST_ITEMS] = {0};
    double best = INFINITY;
    for (;;) {
        uint64_t bytes = 0;
        double cost = 0;
        for (size_t i = 0; i < c->count; i++) {
            bytes += c->options[i][pick[i]].bytes;
            cost += c->options[i][pick[i]].cost;
        }
        if (bytes <= budget && bytes >= at_least && cost < best) best = cost;
        size_t i = 0;
        while (i < c->count && ++pick[i] == c->items[i].count) pick[i++] = 0;
        if (i == c->count) return best;
    }
}

/* Within 0.1% of the cheapest choice that fills the budget, where one does for at most 5% more; otherwise of the cheapest of all. */
static void near_brute_force(void **unused) {
    (void)unused;
    const uint64_t seed = test_seed();
    size_t exact = 0, filled = 0, could = 0;
    double worst = 0;
    for (uint64_t trial = 0; trial < 1000; trial++) {
        wt_rng rng;
        case_data c;
        size_t chosen[MOST_ITEMS];
        wt_rng_init(&rng, seed, trial, 0);
        draw(&c, &rng);
        uint64_t budget = c.least + wt_rng_below(&rng, c.most - c.least + 1);
        assert_int_equal(wt_allocate(c.items, c.count, budget, 0, chosen, NULL), 0);
        uint64_t bytes = 0, enough = (uint64_t)ceil((double)budget * 0.999);
        double cost = 0;
        for (size_t i = 0; i < c.count; i++) {
            assert_true(chosen[i] < c.items[i].count);
            bytes += c.options[i][chosen[i]].bytes;
            cost += c.options[i][chosen[i]].cost;
        }
        assert_true(bytes <= budget);
        const double best = brute_force(&c, budget, 0), full = brute_force(&c, budget, enough);
        const bool fills = full <= best * 1.05;
        const double dearer = cost / (fills ? full : best) - 1;
        if (dearer > 0.001 || (fills && bytes < enough))
            fail_msg("trial %zu: cost %g in %zu of %zu bytes; the best is %g, %g filled", (size_t)trial, cost,
                     (size_t)bytes, (size_t)budget, best, full);
        worst = dearer > worst ? dearer : worst;
        exact += dearer <= 1e-12;
        could += fills;
        filled += bytes >= enough;
    }
    print_message("as brute force in %zu of 1000, at most %.4f%% dearer; filled to 99.9%% in %zu, of %zu that can be\n",
                  exact, 100 * worst, filled, could);
}

static void too_small(void **unused) {
    (void)unused;
    const wt_option_cost options[] = {{10, 1}, {20, 0.5}};
    const wt_alloc_item items[] = {{options, 2}, {options, 2}};
    size_t chosen[2];
    wt_error err;
    assert_int_equal(wt_allocate(items, 2, 19, 0, chosen, &err), -1);
    assert_string_equal(err.message, "the smallest types need 20 bytes, 1 more than there are");
    assert_int_equal(wt_allocate(items, 2, 20, 0, chosen, &err), 0);
    assert_int_equal(chosen[0] + chosen[1], 0);
    assert_int_equal(wt_allocate(items, 2, 1000, 0, chosen, &err), 0);
    assert_int_equal(chosen[0] + chosen[1], 2);
    assert_int_equal(wt_allocate(items, 0, 0, 0, chosen, &err), 0);
}

/* What no choice within the budget can cost less than: the best of the Lagrangian bounds, by bisection. */
static double least_by_multipliers(const wt_alloc_item *items, size_t count, uint64_t budget) {
    double low = 0, high = 1, best = -INFINITY;
    for (int turn = 0; turn < 100; turn++) {
        const double multiplier = (low + high) / 2;
        double bytes = 0, bound = -multiplier * (double)budget;
        for (size_t i = 0; i < count; i++) {
            const wt_option_cost *o = items[i].options;
            size_t at = 0;
            for (size_t k = 1; k < items[i].count; k++)
                if (o[k].cost + multiplier * (double)o[k].bytes < o[at].cost + multiplier * (double)o[at].bytes) at = k;
            bound += o[at].cost + multiplier * (double)o[at].bytes;
            bytes += (double)o[at].bytes;
        }
        best = bound > best ? bound : best;
        if (bytes > (double)budget)
            low = multiplier;
        else
            high = multiplier;
    }
    return best;
}

/* A model's worth: as good as the bound from the multiplier, and full. */
static void full_size(void **unused) {
    (void)unused;
    enum { ITEMS = 1000, TYPES = 20 };
    static wt_option_cost options[ITEMS][TYPES];
    static wt_alloc_item items[ITEMS];
    static size_t chosen[ITEMS];
    wt_rng rng;
    wt_rng_init(&rng, 7, 0, 0);
    for (size_t i = 0; i < ITEMS; i++) {
        double price = exp(1.5 * wt_rng_normal(&rng));
        uint64_t size = (1 + wt_rng_below(&rng, 40)) * 65536;
        for (size_t k = 0; k < TYPES; k++) {
            double bits = 2 + 0.3 * (double)k;
            options[i][k] = (wt_option_cost){(uint64_t)((double)size * bits / 8) / 32 * 32,
                                             price * exp2(-2 * bits) * (0.8 + 0.4 * wt_rng_uniform(&rng))};
        }
        items[i] = (wt_alloc_item){options[i], TYPES};
    }
    uint64_t least, most, bytes = 0;
    wt_allocate_range(items, ITEMS, &least, &most);
    uint64_t budget = least + (most - least) / 3;
    double cost = 0;
    assert_int_equal(wt_allocate(items, ITEMS, budget, 0, chosen, NULL), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        bytes += options[i][chosen[i]].bytes;
        cost += options[i][chosen[i]].cost;
    }
    const double bound = least_by_multipliers(items, ITEMS, budget);
    print_message("%d x %d: %.5f%% above the bound by multipliers; %.4f%% of the bytes\n", ITEMS, TYPES,
                  100 * (cost / bound - 1), 100 * (double)bytes / (double)budget);
    assert_true(bytes <= budget && (double)bytes >= 0.9999 * (double)budget);
    assert_true(cost <= bound * 1.001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_brute_force),
        cmocka_unit_test(too_small),
        cmocka_unit_test(full_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
