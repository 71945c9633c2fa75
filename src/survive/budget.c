#include "survive/budget.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CUT "cut_evaluations"

int wt_budget_open(wt_budget *b, const wt_contest *c, const wt_evolve_calls *calls, wt_error *err) {
    char *cut = NULL;
    *b = (wt_budget){.contest = c, .calls = calls};
    const int found = wt_store_get(c->store, CUT, &cut, err);
    if (found == 1 && cut[0]) b->cut = 1 + strtoull(cut, NULL, 10);
    free(cut);
    return found < 0 ? -1 : 0;
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
    char text[24];
    b->cut = 1 + b->contest->counts.evaluations;
    snprintf(text, sizeof text, "%" PRIu64, b->contest->counts.evaluations);
    return wt_store_set(b->contest->store, CUT, text, err);
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

int wt_budget_reason(wt_budget *b, bool replayed, const char **reason, wt_error *err) {
    *reason = counted(b);
    if (*reason || replayed || minutes_share(b) < 1) return 0;
    *reason = "minutes spent";
    return cut(b, err);
}
