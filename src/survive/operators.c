#include "survive/operators.h"

#define MEMORY 0.9 /* what a generation's counts are worth in the next one */
#define FLOOR 0.02 /* of the rates, before they are made to sum to 1 */

/*
 * Each operator is taken to have been tried so often before, with this share of successes: what 760 children in five runs of sapling had,
 * rounded. Where a run knows better it soon says so.
 */
#define TRIALS 6.0
static const double USUAL[] = {
    [WT_OPERATOR_RANDOM] = 0.05, [WT_OPERATOR_CROSS] = 0.2,  [WT_OPERATOR_RULE] = 0.14,   [WT_OPERATOR_CONSTANT] = 0.2,
    [WT_OPERATOR_SWITCH] = 0.1,  [WT_OPERATOR_TYPES] = 0.12, [WT_OPERATOR_CHOICE] = 0.17, [WT_MADE_FREEZE] = 0.05,
};
_Static_assert(sizeof USUAL / sizeof *USUAL == WT_MADE_LIMIT && WT_MADE_LIMIT == 8, "one for each operator");

const char *wt_made_by(int made) {
    if (made == WT_MADE_FREEZE) return "freeze";
    return made >= 0 && made < WT_OPERATORS ? wt_operator_name((wt_operator)made) : "human";
}

/* A rate is the share of children that came ahead, those of before included, and a little for everybody. */
void wt_operator_rates(const wt_operator_counts *c, uint32_t allowed, double rates[WT_MADE_LIMIT]) {
    double sum = 0;
    for (int i = 0; i < WT_MADE_LIMIT; i++) {
        rates[i] = allowed >> i & 1 ? FLOOR + (c->stayed[i] + TRIALS * USUAL[i]) / (c->tried[i] + TRIALS) : 0;
        sum += rates[i];
    }
    for (int i = 0; i < WT_MADE_LIMIT; i++) rates[i] = sum > 0 ? rates[i] / sum : 0;
}

int wt_operator_draw(const wt_operator_counts *c, uint32_t allowed, wt_rng *rng) {
    double rates[WT_MADE_LIMIT], at = wt_rng_uniform(rng);
    int last = WT_OPERATOR_RANDOM;
    wt_operator_rates(c, allowed, rates);
    for (int i = 0; i < WT_MADE_LIMIT; i++) {
        if (rates[i] == 0) continue;
        last = i;
        if ((at -= rates[i]) < 0) break;
    }
    return last;
}

void wt_operator_learn(wt_operator_counts *c, const double tried[WT_MADE_LIMIT], const double stayed[WT_MADE_LIMIT]) {
    for (int i = 0; i < WT_MADE_LIMIT; i++) {
        c->tried[i] = c->tried[i] * MEMORY + tried[i];
        c->stayed[i] = c->stayed[i] * MEMORY + stayed[i];
    }
}
