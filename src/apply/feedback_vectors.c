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

/* Where codes of the values x - e are to be looked for instead: down the gradient, as steep as each column's own weight says. */
static void aim(const uint32_t *place, const float *form, const float *x, const float *e, const float *gradient,
                float *target) {
    for (int i = 0; i < VECTOR; i++) target[place[i]] = x[i] - e[i] + gradient[i] / form[i * VECTOR + i];
}

/*
 * Chooses codes for x, as the best of a few. e: the errors of the codes so far, where there are any (`again`); set to those of the codes
 * that are chosen. False, and nothing changes, where none are found that lose less. Columns stand by position; place: where in the vector.
 */
static bool choose(wt_codebook_block *book, size_t at, const uint32_t *place, const float *form, const float *x,
                   bool again, float *e) {
    float target[VECTOR], w[VECTOR], values[VECTOR], own[VECTOR], gradient[VECTOR];
    float least = again ? form_of(form, e, gradient) : INFINITY, last = INFINITY;
    const wt_codebook_block before = *book;
    bool found = false;
    for (int i = 0; i < VECTOR; i++) {
        target[place[i]] = x[i];
        w[place[i]] = form[i * VECTOR + i];
    }
    for (int n = 0; n < TRIES; n++) {
        wt_codebook_block tried = before;
        wt_codebook_choose(&tried, at, VECTOR, target, w, values);
        for (int i = 0; i < VECTOR; i++) own[i] = x[i] - values[place[i]];
        const float loss = form_of(form, own, gradient);
        if (n > 0 && !(loss < last)) break;
        last = loss;
        aim(place, form, x, own, gradient, target);
        if (!(loss < least) && (n > 0 || again)) continue; /* at first anything is better than nothing */
        least = loss;
        found = true;
        *book = tried;
        memcpy(e, own, sizeof own);
    }
    return found;
}

void wt_feedback_round_vector(const wt_feedback *f, size_t g, const wt_feedback_look *look, bool again, size_t at,
                              wt_feedback_tile *t, float *e) {
    const wt_feedback_group *group = &f->group[g];
    const uint32_t *column = f->order + group->start + at;
    const uint32_t base = column[0] / VECTOR * VECTOR;
    const float *form = look->forms + at * VECTOR;
    uint32_t place[VECTOR];
    float x[VECTOR], own[VECTOR];
    for (int i = 0; i < VECTOR; i++) place[i] = column[i] - base;
    for (size_t lane = 0; lane < t->lanes; lane++) {
        float *errors = e + lane;
        for (size_t i = 0; i < VECTOR; i++) { /* from where they are best, not from where they were */
            x[i] = t->moved[at + i][lane];
            own[i] = again ? x[i] - (t->x[at + i][lane] - errors[i * LANES]) : 0.0f;
        }
        if (!choose(&t->books[g * LANES + lane], base - group->first, place, form, x, again, own)) continue;
        for (size_t i = 0; i < VECTOR; i++) errors[i * LANES] = t->x[at + i][lane] - (x[i] - own[i]);
    }
}
