#include "apply/allocate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* States of a list, more are thinned out: fewer where there are many items, whose steps along the hulls leave less to win. */
enum { MOST_STATES = 1024, LEAST_STATES = 64, ALL_STATES = 1 << 16 };

/* States worse than the best known by more than this share are dropped: so many are kept for the budget's filling. */
#define SLACK 0.004
/* The share of the cost that is paid for filling the budget by moves that the lists do not have. */
#define MOST_FOR_FILLING 0.05

void wt_allocate_range(const wt_alloc_item *items, size_t count, uint64_t *least, uint64_t *most) {
    *least = *most = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t low = UINT64_MAX, high = 0;
        for (size_t k = 0; k < items[i].count; k++) {
            uint64_t b = items[i].options[k].bytes;
            low = b < low ? b : low;
            high = b > high ? b : high;
        }
        *least += low;
        *most += high;
    }
}

/* ---- the hull, and the multiplier ---- */

/* A step along an item's hull: what the next option costs in bytes and saves. */
typedef struct step {
    size_t item, option;
    uint64_t bytes;
    double saved, rate; /* rate = saved / bytes */
} step;

static int by_rate(const void *pa, const void *pb) {
    const step *a = pa, *b = pb;
    if (a->rate != b->rate) return a->rate > b->rate ? -1 : 1;
    if (a->item != b->item) return a->item < b->item ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static bool cheaper(const wt_option_cost *a, const wt_option_cost *b) {
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->cost < b->cost;
}

/* The item's hull from the smallest option on: hull[0..n-1] are options; n is returned. */
static size_t hull_of(const wt_alloc_item *item, size_t *hull) {
    size_t n = 0, at = 0;
    for (size_t k = 1; k < item->count; k++)
        if (cheaper(&item->options[k], &item->options[at])) at = k;
    hull[n++] = at;
    for (;;) { /* the steepest way down from the last corner; of equal ones the longest */
        const wt_option_cost *from = &item->options[hull[n - 1]];
        size_t best = SIZE_MAX;
        double rate = 0;
        for (size_t k = 0; k < item->count; k++) {
            const wt_option_cost *to = &item->options[k];
            if (to->bytes <= from->bytes || !(to->cost < from->cost)) continue;
            double r = (from->cost - to->cost) / (double)(to->bytes - from->bytes);
            if (best == SIZE_MAX || r > rate || (r == rate && to->bytes > item->options[best].bytes)) {
                best = k;
                rate = r;
            }
        }
        if (best == SIZE_MAX) return n;
        hull[n++] = best;
    }
}

typedef struct solver {
    const wt_alloc_item *items;
    size_t count;
    uint64_t budget;
    double multiplier; /* cost of a byte where the hulls are cut */
    size_t *chosen;    /* the best known */
    uint64_t bytes;
    double cost;
} solver;

/* The smallest options, then steps by their rate while they fit: the best known so far, and the multiplier of the first that does not. */
static int greedy(solver *s, wt_error *err) {
    size_t most = 0, longest = 0, n = 0;
    for (size_t i = 0; i < s->count; i++) {
        most += s->items[i].count;
        longest = s->items[i].count > longest ? s->items[i].count : longest;
    }
    step *steps = wt_calloc(most + 1, sizeof *steps, err);
    size_t *hull = wt_calloc(longest + 1, sizeof *hull, err);
    bool *stopped = wt_calloc(s->count + 1, sizeof *stopped, err);
    int rc = steps && hull && stopped ? 0 : -1;
    s->bytes = 0;
    s->cost = 0;
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        const wt_option_cost *o = s->items[i].options;
        size_t corners = hull_of(&s->items[i], hull);
        s->chosen[i] = hull[0];
        s->bytes += o[hull[0]].bytes;
        s->cost += o[hull[0]].cost;
        for (size_t k = 1; k < corners; k++) {
            uint64_t bytes = o[hull[k]].bytes - o[hull[k - 1]].bytes;
            double saved = o[hull[k - 1]].cost - o[hull[k]].cost;
            steps[n++] = (step){i, hull[k], bytes, saved, saved / (double)bytes};
        }
    }
    if (rc == 0 && s->bytes > s->budget) {
        wt_fail(err, WT_ERR_ARGUMENT, "the smallest types need %" PRIu64 " bytes, %" PRIu64 " more than there are",
                s->bytes, s->bytes - s->budget);
        rc = -1;
    }
    if (rc == 0) {
        qsort(steps, n, sizeof *steps, by_rate);
        s->multiplier = 0;
        for (size_t k = 0; k < n; k++) {
            const step *t = &steps[k];
            if (stopped[t->item]) continue;
            if (s->bytes + t->bytes > s->budget) {
                if (s->multiplier == 0) s->multiplier = t->rate;
                stopped[t->item] = true;
                continue;
            }
            s->bytes += t->bytes;
            s->cost -= t->saved;
            s->chosen[t->item] = t->option;
        }
    }
    free(steps);
    free(hull);
    free(stopped);
    return rc;
}

/* ---- lists of states ---- */

typedef struct state {
    uint64_t bytes;
    double cost;
    uint32_t parent, option;
} state;

static int by_bytes(const void *pa, const void *pb) {
    const state *a = pa, *b = pb;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    if (a->cost != b->cost) return a->cost < b->cost ? -1 : 1;
    if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
    return a->option < b->option ? -1 : a->option > b->option;
}

/* Keeps what nothing smaller or as small beats; then at most `most`, the cheapest of each of as many ranges of bytes. */
static size_t thin(state *list, size_t n, size_t most) {
    qsort(list, n, sizeof *list, by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || list[i].cost < list[kept - 1].cost) list[kept++] = list[i];
    if (kept <= most) return kept;
    uint64_t from = list[0].bytes, width = (list[kept - 1].bytes - from) / most + 1;
    size_t out = 0;
    for (size_t i = 0; i < kept; i++) {
        if (i + 1 < kept && (list[i + 1].bytes - from) / width == (list[i].bytes - from) / width) continue;
        list[out++] = list[i];
    }
    return out;
}

/* What the items have as bounds: the least cost + multiplier * bytes from item i on, and the least and the most bytes. */
typedef struct bounds {
    double *reduced;
    uint64_t *least, *most;
    size_t most_states;
} bounds;

static void free_bounds(bounds *b) {
    free(b->reduced);
    free(b->least);
    free(b->most);
}

static int make_bounds(const solver *s, bounds *b, wt_error *err) {
    const size_t share = ALL_STATES / s->count, states = share < MOST_STATES ? share : MOST_STATES;
    *b = (bounds){.reduced = wt_calloc(s->count + 1, sizeof(double), err),
                  .least = wt_calloc(s->count + 1, sizeof(uint64_t), err),
                  .most = wt_calloc(s->count + 1, sizeof(uint64_t), err),
                  .most_states = states > LEAST_STATES ? states : LEAST_STATES};
    if (!b->reduced || !b->least || !b->most) return -1;
    for (size_t i = s->count; i-- > 0;) {
        double best = INFINITY;
        uint64_t least = UINT64_MAX, most = 0;
        for (size_t k = 0; k < s->items[i].count; k++) {
            const wt_option_cost *o = &s->items[i].options[k];
            double r = o->cost + s->multiplier * (double)o->bytes;
            best = r < best ? r : best;
            least = o->bytes < least ? o->bytes : least;
            most = o->bytes > most ? o->bytes : most;
        }
        b->reduced[i] = b->reduced[i + 1] + best;
        b->least[i] = b->least[i + 1] + least;
        b->most[i] = b->most[i + 1] + most;
    }
    return 0;
}

/*
 * The states after item i from those before it, those that can still become a choice near the best known, into `next`, which has room for
 * all; their number.
 */
static size_t extend(const solver *s, const bounds *b, size_t i, const state *list, size_t n, double limit,
                     state *next) {
    const wt_alloc_item *item = &s->items[i];
    size_t m = 0;
    for (size_t k = 0; k < item->count; k++) {
        const wt_option_cost *o = &item->options[k];
        for (size_t p = 0; p < n; p++) {
            const uint64_t bytes = list[p].bytes + o->bytes;
            const double cost = list[p].cost + o->cost;
            if (bytes + b->least[i + 1] > s->budget) break; /* lists are in the order of bytes */
            const double floor = cost + b->reduced[i + 1] - s->multiplier * (double)(s->budget - bytes);
            if (floor <= limit) next[m++] = (state){bytes, cost, (uint32_t)p, (uint32_t)k};
        }
    }
    return thin(next, m, b->most_states);
}

/* The last list's state to take: the cheapest; or the cheapest of those that fill the budget, where there are any. */
static const state *best_of(const state *list, size_t n, uint64_t enough) {
    const state *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].bytes >= enough && (!best || list[i].cost < best->cost)) best = &list[i];
    return best ? best : n ? &list[n - 1] : NULL;
}

/* `optimum`: the least cost found, with the budget filled or not. */
static int enumerate(solver *s, const bounds *b, uint64_t enough, double *optimum, wt_error *err) {
    size_t n = 1, longest = 0;
    int rc = -1;
    for (size_t i = 0; i < s->count; i++) longest = s->items[i].count > longest ? s->items[i].count : longest;
    state **lists = wt_calloc(s->count, sizeof *lists, err), start = {0};
    state *room = wt_calloc(b->most_states * longest, sizeof *room, err);
    if (!lists || !room) goto done;
    const double limit = s->bytes >= enough ? s->cost : s->cost + fabs(s->cost) * SLACK + 1e-300;
    for (size_t i = 0; i < s->count; i++) {
        n = extend(s, b, i, i ? lists[i - 1] : &start, n, limit, room);
        if (!(lists[i] = wt_calloc(n + 1, sizeof **lists, err))) goto done;
        memcpy(lists[i], room, n * sizeof *room);
    }
    rc = 0;
    const state *last = best_of(lists[s->count - 1], n, enough);
    *optimum = n && lists[s->count - 1][n - 1].cost < s->cost ? lists[s->count - 1][n - 1].cost : s->cost;
    if (!last || (last->cost > s->cost && s->bytes >= enough)) goto done; /* the first choice stands */
    s->bytes = last->bytes;
    s->cost = last->cost;
    for (size_t i = s->count; i-- > 0;) {
        s->chosen[i] = last->option;
        last = i ? &lists[i - 1][last->parent] : NULL;
    }
done:
    for (size_t i = 0; lists && i < s->count; i++) free(lists[i]);
    free(lists);
    free(room);
    return rc;
}

/* ---- filling ---- */

/* Another option for one item, against the one it has. */
typedef struct move {
    size_t item, option;
    int64_t bytes;
    double cost;
} move;

enum { MOST_MOVES = 4096 }; /* that are paired: with more items, one of them nearly always fills */

static void make_move(solver *s, const move *m) {
    s->chosen[m->item] = m->option;
    s->bytes = (uint64_t)((int64_t)s->bytes + m->bytes);
    s->cost += m->cost;
}

/*
 * Lists hold no state that a smaller one beats, so none that only fills. The cheapest move of one item, or of two, that brings the bytes
 * between `enough` and the budget is made, if it costs little.
 */
static int fill(solver *s, uint64_t enough, wt_error *err) {
    const int64_t least = (int64_t)(enough - s->bytes), most = (int64_t)(s->budget - s->bytes);
    size_t n = 0, best[2] = {SIZE_MAX, SIZE_MAX};
    double limit = fabs(s->cost) * MOST_FOR_FILLING;
    for (size_t i = 0; i < s->count; i++) n += s->items[i].count;
    move *moves = wt_calloc(n + 1, sizeof *moves, err);
    if (!moves) return -1;
    n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const wt_option_cost *o = s->items[i].options, *now = &o[s->chosen[i]];
        for (size_t k = 0; k < s->items[i].count; k++)
            if (k != s->chosen[i]) moves[n++] = (move){i, k, (int64_t)(o[k].bytes - now->bytes), o[k].cost - now->cost};
    }
    for (size_t a = 0; a < n; a++) {
        if (moves[a].bytes < least || moves[a].bytes > most || moves[a].cost > limit) continue;
        limit = moves[a].cost;
        best[0] = a;
    }
    for (size_t a = 0; n <= MOST_MOVES && a < n; a++) {
        for (size_t b = a + 1; b < n; b++) {
            const int64_t bytes = moves[a].bytes + moves[b].bytes;
            const double cost = moves[a].cost + moves[b].cost;
            if (bytes < least || bytes > most || !(cost < limit) || moves[a].item == moves[b].item) continue;
            limit = cost;
            best[0] = a;
            best[1] = b;
        }
    }
    for (size_t k = 0; k < 2; k++)
        if (best[k] != SIZE_MAX) make_move(s, &moves[best[k]]);
    free(moves);
    return 0;
}

/* ---- filling a few items exactly ---- */

/* Items that every filling choice is tried of, within a limit of steps: choices of a few items are few, and single moves miss some. */
enum { FEW_ITEMS = 64, MOST_STEPS = 200000 };

typedef struct search {
    solver *s;
    const bounds *b;
    uint64_t enough;
    double limit; /* only what costs less is of interest */
    size_t steps, pick[FEW_ITEMS];
} search;

static void try_from(search *t, size_t i, uint64_t bytes, double cost) {
    solver *s = t->s;
    if (i == s->count) {
        if (!(cost < t->limit)) return; /* the bound counts on a budget that is used up */
        memcpy(s->chosen, t->pick, i * sizeof *t->pick);
        s->bytes = bytes;
        s->cost = t->limit = cost;
        return;
    }
    for (size_t k = 0; k < s->items[i].count && t->steps < MOST_STEPS; k++, t->steps++) {
        const wt_option_cost *o = &s->items[i].options[k];
        const uint64_t sum = bytes + o->bytes;
        if (sum + t->b->least[i + 1] > s->budget || sum + t->b->most[i + 1] < t->enough) continue;
        const double floor = cost + o->cost + t->b->reduced[i + 1] - s->multiplier * (double)(s->budget - sum);
        if (!(floor < t->limit)) continue;
        t->pick[i] = k;
        try_from(t, i + 1, sum, cost + o->cost);
    }
}

/* The cheapest choice that fills the budget, if it is cheaper than the one that does now, or cheap enough where none does. */
static void fill_few(solver *s, const bounds *b, uint64_t enough, double optimum) {
    search t = {.s = s, .b = b, .enough = enough, .limit = s->cost};
    if (s->count > FEW_ITEMS || (s->bytes >= enough && !(s->cost > optimum))) return;
    if (s->bytes < enough) t.limit = optimum + fabs(optimum) * MOST_FOR_FILLING;
    try_from(&t, 0, 0, 0);
}

int wt_allocate(const wt_alloc_item *items, size_t count, uint64_t budget, uint64_t fixed, size_t *chosen,
                wt_error *err) {
    solver s = {.items = items, .count = count, .budget = budget, .chosen = chosen};
    bounds b = {0};
    double optimum = 0;
    if (count == 0) return 0;
    if (greedy(&s, err) != 0) return -1;
    const double share = ceil((double)(budget + fixed) * WT_ALLOC_FILL) - (double)fixed;
    const uint64_t enough = share > 0 ? (uint64_t)share : 0;
    int rc = make_bounds(&s, &b, err);
    if (rc == 0) rc = enumerate(&s, &b, enough, &optimum, err);
    if (rc == 0 && s.bytes < enough) rc = fill(&s, enough, err);
    if (rc == 0) fill_few(&s, &b, enough, optimum);
    free_bounds(&b);
    return rc;
}
