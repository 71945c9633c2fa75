/*
 * A population in numbers: plans as one letter a tensor, strategies as numbers of lines, every different plan and line once. Families are
 * found in it, and the report's document is written from it.
 *
 * The first line of a strategy, which bears its name, stands as `strategy` alone. Pins that name every tensor as the plan has it are one
 * line that says so, for all but those who were judged or explained: else half of a document would be written twice.
 */
#ifndef WT_REPORT_CATALOG_H
#define WT_REPORT_CATALOG_H

#include "report/dictionary.h"
#include "report/population.h"

/* A plan's letters: this one is a tensor that the plan lacks, those behind it are the types by number. */
enum { WT_PLAN_NONE = 47, WT_PLAN_FIRST = 48 };

/* More tensors than models have; what a store names beyond is left out. */
enum { WT_CATALOG_MOST_TENSORS = 4096 };

typedef struct wt_catalog {
    const wt_population *people;
    wt_dictionary tensors, types; /* names, in the order in which plans have them */
    wt_dictionary plans;          /* letters; a plan that ends early lacks the rest */
    wt_dictionary lines, kinds, species, operators;
    int32_t *plan;                         /* [people], -1: none */
    uint32_t *kind, *of_species, *made_by; /* [people] */
    size_t *first_line;                    /* [people + 1] of line */
    uint32_t *line;                        /* numbers of lines, one strategy's behind another's */
    size_t line_count, line_cap;
} wt_catalog;

/* `whole`(user, record): whose pins are kept in full. `people` must outlive it. Fails without memory alone. Release with wt_catalog_release, also after failure. */
int wt_catalog_make(wt_catalog *c, const wt_population *people, bool (*whole)(void *user, const wt_record *),
                    void *user, wt_error *err);
void wt_catalog_release(wt_catalog *c);

#endif
