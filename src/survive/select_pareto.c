/* Non-domination with crowding, constraints first: NSGA-II (Deb et al. 2002). */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "survive/selection.h"

bool wt_dominates(const wt_standings *s, size_t a, size_t b) {
    if (s->violation[a] != s->violation[b]) return s->violation[a] < s->violation[b];
    bool better = false;
    for (size_t k = 0; k < s->axes; k++) {
        const double x = s->values[a * s->axes + k], y = s->values[b * s->axes + k];
        if (x > y) return false;
        better |= x < y;
    }
    return better;
}

typedef struct place {
    size_t index;
    int front;
    double crowding, sort_by;
} place;

static int by_value(const void *pa, const void *pb) {
    const place *a = pa, *b = pb;
    if (a->sort_by != b->sort_by) return a->sort_by < b->sort_by ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int by_rank(const void *pa, const void *pb) {
    const place *a = pa, *b = pb;
    if (a->front != b->front) return a->front - b->front;
    if (a->crowding != b->crowding) return a->crowding > b->crowding ? -1 : 1;
    return by_value(pa, pb);
}

/* Fronts by peeling: who is dominated by nobody that is left. */
static void rank(const wt_standings *s, place *places) {
    size_t left = s->count;
    for (int front = 0; left > 0; front++) {
        for (size_t i = 0; i < s->count; i++) {
            if (places[i].front >= 0) continue;
            bool dominated = false;
            for (size_t j = 0; !dominated && j < s->count; j++)
                dominated = j != i && (places[j].front < 0 || places[j].front == front) && wt_dominates(s, j, i);
            if (!dominated) {
                places[i].front = front;
                left--;
            }
        }
    }
}

/* The room around each in its front; the ends have infinitely much. */
static void crowd(const wt_standings *s, place *group, size_t n) {
    for (size_t k = 0; k < s->axes; k++) {
        for (size_t i = 0; i < n; i++) group[i].sort_by = s->values[group[i].index * s->axes + k];
        qsort(group, n, sizeof *group, by_value);
        const double range = group[n - 1].sort_by - group[0].sort_by;
        for (size_t i = 0; i < n; i++) {
            if (i == 0 || i == n - 1)
                group[i].crowding = s->axes > 1 || i == 0 ? INFINITY : group[i].crowding;
            else if (range > 0)
                group[i].crowding += (group[i + 1].sort_by - group[i - 1].sort_by) / range;
        }
    }
    for (size_t i = 0; i < n; i++) group[i].sort_by = s->values[group[i].index * s->axes];
}

int wt_select_pareto(const wt_standings *s, size_t keep, wt_rng *rng, size_t *chosen, wt_error *err) {
    (void)rng;
    place *places = wt_calloc(s->count + 1, sizeof *places, err);
    if (!places) return -1;
    for (size_t i = 0; i < s->count; i++) places[i] = (place){.index = i, .front = -1};
    rank(s, places);
    qsort(places, s->count, sizeof *places, by_rank); /* fronts together */
    for (size_t from = 0, to; from < s->count; from = to) {
        for (to = from; to < s->count && places[to].front == places[from].front; to++) places[to].crowding = 0;
        crowd(s, places + from, to - from);
    }
    qsort(places, s->count, sizeof *places, by_rank);
    for (size_t i = 0; i < keep; i++) chosen[i] = places[i].index;
    free(places);
    return 0;
}
