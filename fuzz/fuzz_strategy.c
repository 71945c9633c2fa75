/*
 * Any bytes as a strategy's text. What is accepted prints canonically, reads back as the same strategy under the same
 * name, and can be varied: the first bytes seed mutation and crossover with a strategy drawn at random, whose results
 * print and read back too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategy/gene_kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const wt_strategy *s) {
    wt_error err;
    wt_strategy back;
    char name[WT_STRATEGY_NAME];
    for (int g = 0; g < WT_GENES; g++) {
        const wt_gene_info *gene = wt_gene_of((wt_gene)g);
        if (!wt_gene_kind_of(gene->kind)->valid(gene, &s->genes[g])) abort();
    }
    char *text = wt_strategy_print(s, &err);
    if (!text || wt_strategy_name(s, name, &err) != 0) abort();
    if (strncmp(text + strlen("strategy \""), name, WT_STRATEGY_NAME - 1) != 0) abort();
    if (wt_strategy_parse(&back, text, strlen(text), "printed", &err) != 0) {
        fprintf(stderr, "%s\n%s", err.message, text);
        abort();
    }
    char *again = wt_strategy_print(&back, &err);
    if (!again || strcmp(text, again) != 0 || !wt_strategy_equal(s, &back)) abort();
    if (wt_strategy_distance(s, &back) != 0) abort();
    free(text);
    free(again);
    wt_strategy_release(&back);
}

static void vary(const wt_strategy *s, uint64_t seed) {
    wt_error err;
    wt_scope scope;
    wt_rng rng;
    wt_strategy other, child;
    const wt_scope_tensor tensors[] = {{"a", 1024, wt_types_all()}, {"b", 32, UINT64_C(1) << WT_Q8_0}};
    wt_scope_init(&scope);
    wt_rng_init(&rng, seed, 0, 0);
    if (seed & 1) {
        scope.tensors = tensors;
        scope.tensor_count = 2;
        scope.all_pinned = seed & 2;
    }
    if (wt_strategy_random(&other, &scope, &rng, &err) != 0) abort();
    if (wt_strategy_mutate(&child, s, &scope, WT_OPERATORS, &rng, NULL, &err) != 0) abort();
    if (wt_strategy_equal(&child, s)) abort();
    check(&child);
    wt_strategy_release(&child);
    if (wt_strategy_cross(&child, s, &other, &scope, &rng, &err) != 0) abort();
    check(&child);
    wt_strategy_release(&child);
    const double d = wt_strategy_distance(s, &other);
    if (!(d >= 0 && d <= 1) || d != wt_strategy_distance(&other, s)) abort();
    wt_strategy_release(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_error err = {0};
    wt_strategy s;
    uint64_t seed = 0;
    if (size < 2) return 0;
    memcpy(&seed, data, 2);
    if (wt_strategy_parse(&s, (const char *)data + 2, size - 2, "input", &err) != 0) {
        if (!err.message[0] || memchr(err.message, '\x1b', strlen(err.message))) abort();
        return 0;
    }
    check(&s);
    vary(&s, seed);
    wt_strategy_release(&s);
    return 0;
}
