#include "survive/race.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* ---- Student's distribution, by the continued fraction of the incomplete beta function (Lentz's method) ---- */

static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), f;
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    f = d;
    for (int m = 1; m <= 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            double by = k ? odd : even;
            d = 1 + by * d;
            if (fabs(d) < tiny) d = tiny;
            c = 1 + by / c;
            if (fabs(c) < tiny) c = tiny;
            d = 1 / d;
            f *= d * c;
        }
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return f;
}

static double incomplete_beta(double a, double b, double x) {
    if (!(x > 0)) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double wt_student_upper(double t, double degrees) {
    if (isnan(t)) return 1;
    double half = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
    return t > 0 ? half : 1 - half;
}

double wt_paired_p(const double *a, const double *b, size_t n) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += a[i] - b[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i] - mean;
        square += d * d;
    }
    if (n < 2 || !(square > 0)) return n >= 2 && mean > 0 ? 0 : 1;
    return wt_student_upper(mean / sqrt(square / (double)(n - 1) / (double)n), (double)(n - 1));
}

/* ---- the race ---- */

typedef struct race {
    const wt_race_options *o;
    const wt_race_calls *calls;
    wt_race_entry *entries;
    double *scores; /* [candidates, chunks] */
    size_t *order;  /* those who are left, best first */
    size_t *first;  /* [candidates] of those who compute the same as it, the first in order; itself where there is none */
    size_t left, measured;
    wt_error *err;
} race;

static int measure_block(race *r, size_t first, size_t count) {
    for (size_t k = 0; k < r->left; k++) {
        const size_t i = r->order[k];
        double *scores = r->scores + i * r->o->chunks;
        if (r->calls->measure(r->calls->user, i, first, count, scores + first, r->err) != 0) return -1;
        wt_race_entry *e = &r->entries[i];
        e->chunks = first + count;
        e->mean = 0;
        for (size_t c = 0; c < e->chunks; c++) e->mean += scores[c];
        e->mean /= (double)e->chunks;
        r->measured += count;
    }
    return 0;
}

/* Best first; of equals the first: insertion keeps their order. */
static void sort(race *r) {
    for (size_t k = 1; k < r->left; k++) {
        size_t i = r->order[k], at = k;
        for (; at > 0 && r->entries[r->order[at - 1]].mean > r->entries[i].mean; at--) r->order[at] = r->order[at - 1];
        r->order[at] = i;
    }
}

/*
 * Finds those of who is left that compute the same as another on the chunks so far, and returns how many candidates say something of their own;
 * those who went home count as they did then.
 */
static size_t find_echoes(race *r, size_t chunks) {
    size_t own = 0;
    for (size_t k = 0; k < r->left; k++) {
        const size_t i = r->order[k];
        r->first[i] = i;
        for (size_t m = k; r->calls->same && m-- > 0 && r->entries[r->order[m]].mean == r->entries[i].mean;)
            if (r->calls->same(r->calls->user, r->order[m], i, chunks)) r->first[i] = r->first[r->order[m]];
    }
    for (size_t i = 0; i < r->o->candidates; i++) own += r->first[i] == i;
    return own;
}

/* Whether the one in place k is worse than enough of those before it, at this look's part of the error. */
static bool is_beaten(race *r, size_t k, size_t chunks, double level) {
    const size_t i = r->order[k];
    size_t beaten = 0;
    for (size_t rival = 0; rival < k; rival++) {
        const size_t j = r->order[rival];
        if (r->first[j] != j) continue; /* an echo of a rival is not another rival */
        if (r->calls->may_beat && !r->calls->may_beat(r->calls->user, j, i)) continue;
        double p = wt_paired_p(r->scores + i * r->o->chunks, r->scores + j * r->o->chunks, chunks);
        if (p > level) continue;
        if (beaten++ == 0) {
            r->entries[i].beaten_by = j;
            r->entries[i].p = p;
        }
        if (beaten == r->o->keep) return true;
    }
    return false;
}

static void eliminate(race *r, size_t chunks, double level) {
    for (size_t k = r->left; k-- > r->o->keep;) { /* from the worst on: everybody is judged by those before, who all still stand */
        if (!is_beaten(r, k, chunks, level)) continue;
        r->entries[r->order[k]].eliminated = true;
        for (size_t m = k; m + 1 < r->left; m++) r->order[m] = r->order[m + 1];
        r->left--;
    }
}

static int run(race *r) {
    const wt_race_options *o = r->o;
    for (size_t first = 0; first < o->chunks;) {
        if (r->left <= o->keep && first > 0 && !o->to_the_end) break;
        const size_t count = o->chunks - first < o->block ? o->chunks - first : o->block;
        if (measure_block(r, first, count) != 0) return -1;
        sort(r);
        first += count;
        const size_t own = find_echoes(r, first), rivals = own > 1 ? own - 1 : 1;
        /* what may be spent at this look: its share of the chunks */
        eliminate(r, first, o->level / (double)rivals * (double)count / (double)o->chunks);
    }
    return 0;
}

int wt_race_run(const wt_race_options *options, const wt_race_calls *calls, wt_race_entry *entries, size_t *measured,
                wt_error *err) {
    race r = {.o = options, .calls = calls, .entries = entries, .left = options->candidates, .err = err};
    r.scores = wt_calloc(options->candidates * options->chunks + 1, sizeof(double), err);
    r.order = wt_calloc(options->candidates + 1, sizeof(size_t), err);
    r.first = wt_calloc(options->candidates + 1, sizeof(size_t), err);
    int rc = r.scores && r.order && r.first ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < options->candidates; i++) {
        r.order[i] = i;
        entries[i] = (wt_race_entry){.p = 1};
    }
    if (rc == 0) rc = run(&r);
    if (measured) *measured = r.measured;
    free(r.scores);
    free(r.order);
    free(r.first);
    return rc;
}
