/*
 * The vectors of a codebook under error feedback. A book's nearest row is found by a weight a column, the loss of a vector is a
 * quadratic form: so the nearest row is asked for again from where the form's gradient points, as long as that helps.
 */
#include <math.h>
#include <string.h>

#include "apply/feedback_private.h"

enum { VECTOR = WT_FEEDBACK_VECTOR, LANES = WT_FEEDBACK_LANES, TRIES = 3 };

/* e F e, and e F to `gradient`. */
static float form_of(const float *form, const float *e, float *gradient) {
    float sum = 0.0f;
    for (int i = 0; i < VECTOR; i++) {
        gradient[i] = 0.0f;
        for (int k = 0; k < VECTOR; k++) gradient[i] += form[k * VECTOR + i] * e[k];
        sum += gradient[i] * e[i];
    }
    return sum;
}

/* Chooses codes for x, as the best of a few; q: their values. Columns stand by position; place: where in the vector. */
static void choose(wt_codebook_block *book, size_t at, const uint32_t *place, const float *form, const float *x,
                   float *q) {
    float target[VECTOR], w[VECTOR], values[VECTOR], e[VECTOR], gradient[VECTOR], least = INFINITY;
    wt_codebook_block best = *book;
    for (int i = 0; i < VECTOR; i++) {
        target[place[i]] = x[i];
        w[place[i]] = form[i * VECTOR + i];
    }
    for (int n = 0; n < TRIES; n++) {
        wt_codebook_block tried = *book;
        wt_codebook_choose(&tried, at, VECTOR, target, w, values);
        for (int i = 0; i < VECTOR; i++) e[i] = x[i] - values[place[i]];
        const float loss = form_of(form, e, gradient);
        if (n > 0 && !(loss < least)) break;
        least = loss;
        best = tried;
        for (int i = 0; i < VECTOR; i++) {
            q[i] = values[place[i]];
            target[place[i]] = q[i] + gradient[i] / form[i * VECTOR + i];
        }
    }
    *book = best;
}

void wt_feedback_round_vector(const wt_feedback *f, size_t g, const wt_feedback_look *look, size_t at,
                              wt_feedback_tile *t, float *e) {
    const wt_feedback_group *group = &f->group[g];
    const uint32_t *column = f->order + group->start + at;
    const uint32_t base = column[0] / VECTOR * VECTOR;
    uint32_t place[VECTOR];
    float x[VECTOR], q[VECTOR];
    for (int i = 0; i < VECTOR; i++) place[i] = column[i] - base;
    for (size_t lane = 0; lane < t->lanes; lane++) {
        for (int i = 0; i < VECTOR; i++) x[i] = t->moved[at + (size_t)i][lane];
        choose(&t->books[g * LANES + lane], base - group->first, place, look->forms + at * VECTOR, x, q);
        for (int i = 0; i < VECTOR; i++) e[i * LANES + (int)lane] = t->x[at + (size_t)i][lane] - q[i];
    }
}
