#include "survive/budget.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CUT "cut_evaluations"
#define BIRTHS "first_births"

/* The share of the minutes that the first children's planning may take, and what it may come to for all of them. */
#define PLANNING 0.5
#define PLANNING_ALL 0.75

/* What the store has of a count, plus 1; 0: nothing, or (*emptied, which may be NULL) nothing any more. */
static int read_count(wt_run_store *store, const char *key, uint64_t *count, bool *emptied, wt_error *err) {
    char *text = NULL;
    const int found = wt_store_get(store, key, &text, err);
    *count = found == 1 && text[0] ? 1 + strtoull(text, NULL, 10) : 0;
    if (emptied) *emptied = found == 1 && !text[0];
    free(text);
    return found < 0 ? -1 : 0;
}

static int write_count(wt_run_store *store, const char *key, uint64_t count, wt_error *err) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, count);
    return wt_store_set(store, key, text, err);
}

int wt_budget_open(wt_budget *b, const wt_contest *c, const wt_evolve_calls *calls, wt_error *err) {
    *b = (wt_budget){.contest = c, .calls = calls};
    if (read_count(c->store, CUT, &b->cut, &b->extended, err) != 0 ||
        read_count(c->store, BIRTHS, &b->births, NULL, err) != 0)
        return -1;
    b->short_births = b->births > 0 && b->births - 1 < wt_evolve_most(c->rules);
    return 0;
}

int wt_budget_extend(wt_run_store *store, wt_error *err) { return wt_store_set(store, CUT, "", err); }

static double minutes_share(const wt_budget *b) {
    const wt_rules *r = b->contest->rules;
    return r->minutes > 0 ? b->calls->clock(b->calls->user) / 60 / r->minutes : 0;
}

double wt_budget_spent(const wt_budget *b) {
    const wt_rules *r = b->contest->rules;
    const wt_contest_counts *n = &b->contest->counts;
    double share = NAN;
    if (r->evaluations) share = (double)n->evaluations / (double)r->evaluations;
    if (r->tokens) share = fmax(isnan(share) ? 0 : share, (double)n->tokens / (double)r->tokens);
    if (r->minutes > 0) share = fmax(isnan(share) ? 0 : share, minutes_share(b));
    return share;
}

/* Why it is spent, as far as that can be counted. */
static const char *counted(const wt_budget *b) {
    const wt_rules *r = b->contest->rules;
    const wt_contest_counts *n = &b->contest->counts;
    if (r->evaluations && n->evaluations >= r->evaluations) return "evaluations spent";
    if (r->tokens && n->tokens >= r->tokens) return "tokens spent";
    return b->cut && n->evaluations + 1 >= b->cut ? "minutes spent" : NULL;
}

static int cut(wt_budget *b, wt_error *err) {
    b->cut = 1 + b->contest->counts.evaluations;
    return write_count(b->contest->store, CUT, b->contest->counts.evaluations, err);
}

/* Whether the store has something of it from before: scores, or what it died of while it was measured. -1 as ever. */
static int is_known(const wt_budget *b, const wt_individual *i, wt_error *err) {
    wt_stored_score row;
    wt_stored_individual stored;
    const int scores = wt_store_scores(b->contest->store, i->name, i->budget, "search", 0, 1, &row, NULL, 0, err);
    if (scores != 0) return scores;
    const int found = wt_store_individual(b->contest->store, i->id, &stored, err);
    return found < 0 ? -1 : found && stored.cause[0];
}

int wt_budget_ends(wt_budget *b, const wt_individual *next, bool *ends, wt_error *err) {
    *ends = counted(b) != NULL;
    if (*ends || b->cut || minutes_share(b) < 1) return 0;
    const int known = is_known(b, next, err);
    if (known != 0) return known < 0 ? -1 : 0;
    *ends = true;
    return cut(b, err);
}

/*
 * Nobody is sent home from a race of no more than the population, and a run by as many evaluations, where all are born, measures the same ones: so
 * births end there or before, or not at all.
 */
bool wt_budget_ends_births(wt_budget *b, uint64_t born, uint64_t racing, uint64_t children) {
    const uint64_t population = b->contest->rules->population;
    if (b->births > 0) return born + 1 >= b->births;
    if (racing == 0 || racing > population || born >= children) return false;
    const double share = minutes_share(b);
    b->short_births =
        share >= PLANNING || (racing == population && share * (double)children / (double)born >= PLANNING_ALL);
    return b->short_births;
}

int wt_budget_note_births(wt_budget *b, uint64_t born, wt_error *err) {
    if (b->births > 0) return 0;
    b->births = 1 + born;
    return write_count(b->contest->store, BIRTHS, born, err);
}

int wt_budget_reason(wt_budget *b, bool replayed, const char **reason, wt_error *err) {
    *reason = counted(b);
    const bool over = minutes_share(b) >= 1 || (b->short_births && !b->extended);
    if (*reason || replayed || !over) return 0;
    *reason = "minutes spent";
    return cut(b, err);
}
