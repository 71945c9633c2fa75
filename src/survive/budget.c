#include "survive/budget.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CUT "cut_evaluations"

/* Of the time, what humans may take. */
#define HUMANS_SHARE (1.0 / 3)

int wt_budget_open(wt_budget *b, const wt_contest *c, const wt_evolve_calls *calls, wt_error *err) {
    char *cut = NULL;
    *b = (wt_budget){.contest = c, .calls = calls};
    const int found = wt_store_get(c->store, CUT, &cut, err);
    if (found == 1 && cut[0]) b->cut = 1 + strtoull(cut, NULL, 10);
    free(cut);
    return found < 0 ? -1 : 0;
}

int wt_budget_extend(wt_run_store *store, wt_error *err) { return wt_store_set(store, CUT, "", err); }

uint64_t wt_budget_evaluations(const wt_budget *b) { return b->contest->counts.evaluations - b->humans; }

static double minutes_share(const wt_budget *b) {
    const wt_rules *r = b->contest->rules;
    return r->minutes > 0 ? b->calls->clock(b->calls->user) / 60 / r->minutes : 0;
}

double wt_budget_spent(const wt_budget *b) {
    const wt_rules *r = b->contest->rules;
    double share = NAN;
    if (r->evaluations) share = fmax(0, (double)wt_budget_evaluations(b) / (double)r->evaluations);
    if (r->tokens) share = fmax(isnan(share) ? 0 : share, (double)b->contest->counts.tokens / (double)r->tokens);
    if (r->minutes > 0) share = fmax(isnan(share) ? 0 : share, minutes_share(b));
    return share;
}

bool wt_budget_has_human(const wt_budget *b) { return minutes_share(b) < HUMANS_SHARE; }

int wt_budget_ends_births(const wt_budget *b, int64_t id, bool *ends, wt_error *err) {
    wt_stored_individual known;
    *ends = false;
    if (minutes_share(b) < 1) return 0;
    const int found = wt_store_individual(b->contest->store, id, &known, err);
    *ends = found == 0;
    return found < 0 ? -1 : 0;
}

int wt_budget_ends(wt_budget *b, const wt_individual *next, bool *ends, wt_error *err) {
    const wt_rules *r = b->contest->rules;
    const uint64_t evaluations = wt_budget_evaluations(b);
    wt_stored_score row;
    char text[24];
    *ends = (r->evaluations && evaluations >= r->evaluations) || (r->tokens && b->contest->counts.tokens >= r->tokens) ||
            (b->cut && evaluations + 1 >= b->cut);
    if (*ends || b->cut || minutes_share(b) < 1) return 0;
    const int known = wt_store_scores(b->contest->store, next->name, next->budget, "search", 0, 1, &row, NULL, 0, err);
    if (known != 0) return known < 0 ? -1 : 0;
    *ends = true;
    b->cut = 1 + evaluations;
    snprintf(text, sizeof text, "%" PRIu64, evaluations);
    return wt_store_set(b->contest->store, CUT, text, err);
}

const char *wt_budget_reason(const wt_budget *b, bool replayed) {
    const wt_rules *r = b->contest->rules;
    const uint64_t evaluations = wt_budget_evaluations(b);
    if (r->evaluations && evaluations >= r->evaluations) return "evaluations spent";
    if (r->tokens && b->contest->counts.tokens >= r->tokens) return "tokens spent";
    if ((b->cut && evaluations + 1 >= b->cut) || (!replayed && r->minutes > 0 && minutes_share(b) >= 1)) return "minutes spent";
    return NULL;
}
