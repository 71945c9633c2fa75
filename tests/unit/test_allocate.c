/* Allocation against brute force on random small cases, and its behaviour at the edges and at full size. */
#include <math.h>
#include <time.h>

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

static void near_brute_force(void **unused) {
    (void)unused;
    const uint64_t seed = 20261125;
    print_message("seed %llu\n", (unsigned long long)seed);
    size_t exact = 0, filled = 0, dear = 0, could = 0, unfilled = 0;
    for (uint64_t trial = 0; trial < 1000; trial++) {
        wt_rng rng;
        case_data c;
        size_t chosen[MOST_ITEMS];
        wt_rng_init(&rng, seed, trial, 0);
        draw(&c, &rng);
        uint64_t budget = c.least + wt_rng_below(&rng, c.most - c.least + 1);
        assert_int_equal(wt_allocate(c.items, c.count, budget, 0, chosen, NULL), 0);
        uint64_t bytes = 0;
        double cost = 0;
        for (size_t i = 0; i < c.count; i++) {
            assert_true(chosen[i] < c.items[i].count);
            bytes += c.options[i][chosen[i]].bytes;
            cost += c.options[i][chosen[i]].cost;
        }
        assert_true(bytes <= budget);
        double best = brute_force(&c, budget, 0), full = brute_force(&c, budget, (uint64_t)ceil((double)budget * 0.999));
        exact += cost <= best * (1 + 1e-12);
        filled += (double)bytes >= 0.999 * (double)budget;
        if (cost > best * 1.001) { /* only to fill the budget, and then as cheaply as that is done */
            assert_true((double)bytes >= 0.999 * (double)budget && cost <= best * 1.051);
            dear += cost > full * 1.001;
        }
        could += full <= best * 1.05;
        unfilled += full <= best * 1.05 && (double)bytes < 0.999 * (double)budget;
    }
    print_message("optimal in %zu of 1000, filled to 99.9%% in %zu (%zu dearer than necessary); for at most 5%% %zu could be, %zu of "
                  "them are not\n", exact, filled, dear, could, unfilled);
    assert_true(exact > 850 && dear <= 20 && unfilled <= 10);
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
    clock_t start = clock();
    assert_int_equal(wt_allocate(items, ITEMS, budget, 0, chosen, NULL), 0);
    print_message("%d x %d: %.1f ms\n", ITEMS, TYPES, 1e3 * (double)(clock() - start) / CLOCKS_PER_SEC);
    for (size_t i = 0; i < ITEMS; i++) bytes += options[i][chosen[i]].bytes;
    assert_true(bytes <= budget && (double)bytes >= 0.9999 * (double)budget);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_brute_force),
        cmocka_unit_test(too_small),
        cmocka_unit_test(full_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
