/*
 * A race: candidates are measured on the same chunks in the same order, a block of chunks at a time, and those that are significantly
 * worse than enough others are measured no further. The test is Student's on paired differences per chunk, so that what makes a
 * chunk hard for everybody cancels. The error of losing the best is at most `level` over all rivals and all looks: each
 * rival gets an equal part of it (Bonferroni), and each look spends of that part what its share of the chunks is. Those who compute the same
 * are one rival, however many they are: otherwise the copies of a good one would send home who is worse than it alone.
 *
 * Pure statistics: it knows of scores nothing but that lower is better.
 */
#ifndef WT_SURVIVE_RACE_H
#define WT_SURVIVE_RACE_H

#include <stdbool.h>

#include "base/error.h"

typedef struct wt_race_options {
    size_t candidates, chunks;
    size_t block;   /* chunks between two looks */
    size_t keep;    /* who is worse than so many different others goes; a race ends when no more than so many are left */
    double level;   /* 0.05: at most this often the best is lost */
    bool to_the_end; /* measure those who are left on all chunks, also when they are few enough */
} wt_race_options;

/* What a race asks of its caller. */
typedef struct wt_race_calls {
    /* scores [count] = those of a candidate on chunks first .. first + count - 1, finite. Not 0: the race fails with it. */
    int (*measure)(void *user, size_t candidate, size_t first, size_t count, double *scores, wt_error *err);
    /* Whether `rival` may send `candidate` home: not where the latter is better in something that no chunk shows. NULL: always. */
    bool (*may_beat)(void *user, size_t rival, size_t candidate);
    /* Whether two of the same mean compute the same on the first `chunks` chunks, and what no chunk shows is the same too. NULL: never. */
    bool (*same)(void *user, size_t a, size_t b, size_t chunks);
    void *user;
} wt_race_calls;

/* What became of a candidate. */
typedef struct wt_race_entry {
    size_t chunks;   /* it was measured on */
    double mean;     /* of its scores on them */
    bool eliminated;
    size_t beaten_by; /* the best of those that sent it home */
    double p;        /* of the test against that one */
} wt_race_entry;

/* Fills entries [candidates]. *measured (may be NULL): chunks measured in all. Deterministic. */
int wt_race_run(const wt_race_options *options, const wt_race_calls *calls, wt_race_entry *entries, size_t *measured,
                wt_error *err);

/* The one-sided p of a paired test that a is larger than b in the mean, on n >= 2 pairs; 1 where they do not differ at all. */
double wt_paired_p(const double *a, const double *b, size_t n);

/* P(T > t) of Student's distribution. */
double wt_student_upper(double t, double degrees);

#endif
