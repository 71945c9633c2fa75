/* Strategies as values: made, copied, compared. */
#include "strategy/strategy.h"

#include "strategy/gene_kinds.h"

void wt_strategy_init(wt_strategy *s) {
    for (int g = 0; g < WT_GENES; g++) s->genes[g] = *wt_gene_default((wt_gene)g); /* they own nothing */
}

void wt_strategy_release(wt_strategy *s) {
    for (int g = 0; g < WT_GENES; g++) wt_gene_release(wt_gene_of((wt_gene)g), &s->genes[g]);
    wt_strategy_init(s);
}

int wt_strategy_copy(wt_strategy *to, const wt_strategy *from, wt_error *err) {
    wt_strategy_init(to);
    for (int g = 0; g < WT_GENES; g++) {
        if (wt_gene_copy(wt_gene_of((wt_gene)g), &to->genes[g], &from->genes[g], err) == 0) continue;
        to->genes[g] = *wt_gene_default((wt_gene)g);
        wt_strategy_release(to);
        return -1;
    }
    return 0;
}

bool wt_gene_equal(wt_gene gene, const wt_gene_value *a, const wt_gene_value *b) {
    const wt_gene_info *info = wt_gene_of(gene);
    return wt_gene_kind_of(info->kind)->equal(info, a, b);
}

bool wt_gene_is_default(wt_gene gene, const wt_gene_value *v) { return wt_gene_equal(gene, v, wt_gene_default(gene)); }

bool wt_strategy_equal(const wt_strategy *a, const wt_strategy *b) {
    for (int g = 0; g < WT_GENES; g++) {
        if (!wt_gene_equal((wt_gene)g, &a->genes[g], &b->genes[g])) return false;
    }
    return true;
}

double wt_gene_distance(wt_gene gene, const wt_gene_value *a, const wt_gene_value *b) {
    const wt_gene_info *info = wt_gene_of(gene);
    return wt_gene_kind_of(info->kind)->distance(info, a, b);
}

double wt_strategy_distance(const wt_strategy *a, const wt_strategy *b) {
    double sum = 0;
    for (int g = 0; g < WT_GENES; g++) sum += wt_gene_distance((wt_gene)g, &a->genes[g], &b->genes[g]);
    return sum / WT_GENES;
}
