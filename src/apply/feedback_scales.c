/*
 * Scales fitted anew in the light of all errors. Scales are chosen before codes, by an importance a weight; once all weights are rounded,
 * the loss e G e is a quadratic form in the scale and the min of each run while codes stay, and its least is known in closed form.
 * A run gets what its block can hold that is nearest to it, if that loses less.
 */
#include <math.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "quant/lattice.h"

enum { NARROW = WT_FEEDBACK_NARROW, VECTOR = WT_FEEDBACK_VECTOR, LANES = WT_FEEDBACK_LANES };

/* A run of a piece: what its columns' codes and ones give through the Gram matrix, for all lanes. */
typedef struct fit {
    float code[NARROW][LANES];  /* of the run's columns, by position; 0 elsewhere */
    float moved[NARROW][LANES]; /* what the shifts of the piece lose where the scale grows by 1 */
    float ones[NARROW];         /* what they win where the min grows by 1 */
    bool in[NARROW];
    float diagonal[NARROW];
} fit;

static void set_up(const wt_feedback_refit *r, const wt_feedback_tile *t, size_t at, size_t run, fit *f) {
    const wt_feedback_group *g = r->group;
    const wt_feedback_look *look = &g->look[1];
    const float *e = t->errors + (g->start + at) * LANES, *own = look->own + at * g->size + at;
    const float *min = t->min[run], *inverse = t->inverse[run];
    for (size_t i = 0; i < r->size; i++) {
        f->in[i] = (r->order[g->start + at + i] - g->first) / t->run == run;
        f->diagonal[i] = look->forms[(at + i) * VECTOR + i % VECTOR];
        for (int lane = 0; lane < LANES; lane++)
            f->code[i][lane] =
                f->in[i] ? (t->x[at + i][lane] - e[i * LANES + (size_t)lane] + min[lane]) * inverse[lane] : 0.0f;
    }
    memset(f->moved, 0, sizeof f->moved);
    r->kernels->accumulate(f->code[0], r->size, own, g->size, r->size, f->moved[0]);
    for (size_t i = 0; i < r->size; i++) {
        f->ones[i] = 0.0f;
        for (size_t k = 0; k < r->size; k++) f->ones[i] += f->in[k] ? own[k * g->size + i] : 0.0f;
    }
}

/* The loss of a lane as a form in what its scale and its min grow by: aa s^2 - 2 ab s m + bb m^2 - 2 a s + 2 b m. */
typedef struct form {
    float aa[LANES], ab[LANES], bb, a[LANES], b[LANES];
} form;

static void sum_up(const wt_feedback_refit *r, const wt_feedback_tile *t, size_t at, const fit *f, form *m) {
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < r->size; i++) {
        if (!f->in[i]) continue;
        const float d = f->diagonal[i];
        m->bb += f->ones[i] * d;
        for (int lane = 0; lane < LANES; lane++) {
            const float code = f->code[i][lane] * d, shift = t->shift[at + i][lane];
            m->aa[lane] += code * f->moved[i][lane];
            m->ab[lane] += code * f->ones[i];
            m->a[lane] += code * shift;
            m->b[lane] += d * shift;
        }
    }
}

static float loss(const form *m, int lane, float s, float o) {
    return s * (m->aa[lane] * s - 2.0f * m->ab[lane] * o - 2.0f * m->a[lane]) + o * (m->bb * o + 2.0f * m->b[lane]);
}

static float least_min(const form *m, int lane, float s) {
    return m->bb > 0.0f ? (s * m->ab[lane] - m->b[lane]) / m->bb : 0.0f;
}

static float least_scale(const form *m, int lane, bool affine) {
    const float aa = m->aa[lane], ab = m->ab[lane], det = aa * m->bb - ab * ab;
    if (!(aa > 0.0f)) return 0.0f;
    if (affine && det > 1e-4f * aa * m->bb) return (m->a[lane] * m->bb - ab * m->b[lane]) / det;
    return m->a[lane] / aa;
}

/* Reads a lane's scale and min of a run back from its block. */
static void read_back(const wt_feedback_refit *r, size_t lane, size_t column, float *scale, float *min) {
    if (r->books) {
        *scale = wt_codebook_scale(&r->books[lane], column);
        *min = 0.0f;
        return;
    }
    wt_lattice l;
    wt_lattice_read(r->type, r->block[lane], &l);
    *scale = l.scale[column % l.weights / l.run];
    *min = l.min[column % l.weights / l.run];
}

static void write_back(const wt_feedback_refit *r, const wt_feedback_tile *t, size_t lane, size_t column, float scale,
                       float min) {
    if (r->books)
        wt_codebook_set_scale(&r->books[lane], column, scale);
    else
        wt_lattice_set(r->type, column % r->weights / t->run, scale, min, r->block[lane]);
}

/* Where a lane's run may go to, and what it would lose there more than now. */
typedef struct option {
    float scale, min, loss;
} option;

/* The option that is nearest to a scale, with the min that is best beside it. */
static option try_scale(const wt_feedback_refit *r, const wt_feedback_tile *t, size_t run, size_t lane, const form *m,
                        float wanted) {
    const float scale = t->scale[run][lane], min = t->min[run][lane];
    option o;
    write_back(r, t, lane, run * t->run, wanted, min);
    read_back(r, lane, run * t->run, &o.scale, &o.min);
    if (r->affine) {
        write_back(r, t, lane, run * t->run, o.scale, min + least_min(m, (int)lane, o.scale - scale));
        read_back(r, lane, run * t->run, &o.scale, &o.min);
    }
    o.loss = loss(m, (int)lane, o.scale - scale, o.min - min);
    return o;
}

/*
 * Moves a lane's run, if that loses less. Beside a min the nearest scale need not be the best: the next ones are tried, too.
 */
static void refit_lane(const wt_feedback_refit *r, wt_feedback_tile *t, size_t run, size_t lane, const form *m,
                       float *ds, float *dm) {
    const float scale = t->scale[run][lane], min = t->min[run][lane];
    const float wanted = scale + least_scale(m, (int)lane, r->affine);
    option best = {scale, min, 0.0f};
    if (!isfinite(wanted)) return;
    const float step = r->affine ? wt_lattice_step(r->type, r->block[lane]) : 0.0f;
    for (int k = step != 0.0f ? -1 : 0; k <= (step != 0.0f ? 1 : 0); k++) {
        const option o = try_scale(r, t, run, lane, m, wanted + (float)k * step);
        if (o.loss < best.loss) best = o;
    }
    write_back(r, t, lane, run * t->run, best.scale, best.min);
    *ds = best.scale - scale;
    *dm = best.min - min;
    t->scale[run][lane] = best.scale;
    t->min[run][lane] = best.min;
    t->inverse[run][lane] = wt_feedback_inverse(best.scale);
}

void wt_feedback_refit_run(const wt_feedback_refit *r, wt_feedback_tile *t, size_t at, size_t run, float *change) {
    fit f;
    form m;
    float ds[LANES] = {0}, dm[LANES] = {0};
    set_up(r, t, at, run, &f);
    sum_up(r, t, at, &f, &m);
    for (size_t lane = 0; lane < t->lanes; lane++) refit_lane(r, t, run, lane, &m, &ds[lane], &dm[lane]);
    float *e = t->errors + (r->group->start + at) * LANES;
    for (size_t i = 0; i < r->size; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            t->shift[at + i][lane] += dm[lane] * f.ones[i] - ds[lane] * f.moved[i][lane];
            if (!f.in[i]) continue;
            const float by = dm[lane] - ds[lane] * f.code[i][lane];
            e[i * LANES + (size_t)lane] += by;
            change[i * LANES + (size_t)lane] += by;
        }
    }
}
