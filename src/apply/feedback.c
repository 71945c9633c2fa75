/*
 * Rounding with error feedback. Rows go side by side, a row a lane, through the groups in their order. A group begins with
 * the matrix product that says what all groups before it left over; then, piece by piece of 32 columns and within a piece column
 * by column, each weight gets the nearest value to where it now is best, and its error goes to the columns after it. Lanes
 * never meet, so that the bytes of a row depend on nothing but the row.
 */
#include "apply/feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "base/checked.h"
#include "base/memory.h"
#include "base/threads.h"
#include "quant/codebook.h"
#include "quant/lattice.h"

enum {
    WIDE = WT_FEEDBACK_WIDE,
    VECTOR = WT_FEEDBACK_VECTOR,
    NARROW = WT_FEEDBACK_NARROW,
    LANES = WT_FEEDBACK_LANES,
    MAX_RUNS = WIDE / 16
};

/* What one thread needs. */
typedef struct tile {
    float *errors;                 /* [cols, LANES] x - q, by position */
    float x[WIDE][LANES];          /* of a group, by position */
    float shift[WIDE][LANES];      /* what has come to it: the panel's sums */
    float moved[WIDE][LANES];      /* where the weights that share scales are best as a whole */
    float scale[MAX_RUNS][LANES], inverse[MAX_RUNS][LANES], min[MAX_RUNS][LANES]; /* of each run of the file's columns */
    int8_t q[LANES][WIDE];         /* in the file's order */
    wt_codebook_block book[LANES]; /* of codebook types, instead of q */
} tile;

/* One call. */
typedef struct job {
    const wt_feedback *f;
    const wt_feedback_kernels *kernels;
    wt_type type;
    const wt_type_info *info;
    const float *x, *w;
    size_t rows, row_bytes;
    const wt_search *search;
    unsigned char *dst;
} job;

bool wt_feedback_fits(wt_type type) { return wt_lattice_has(type) || wt_codebook_group(type) != 0; }

/* Where the weights at .. at + size - 1 are best as a whole: x + shift P^-1. */
static void move(const job *j, tile *t, size_t at, size_t size, const float *inverse, size_t stride) {
    memcpy(t->moved[at], t->x[at], size * sizeof t->x[0]);
    j->kernels->accumulate(t->shift[at], size, inverse, stride, size, t->moved[at]);
}

/* ---- scales ---- */

/* Where the blocks of the columns first .. first + size - 1 of a row lie. */
static unsigned char *blocks_of(const job *j, size_t row, size_t first) {
    return j->dst + row * j->row_bytes + first / j->info->block * j->info->block_bytes;
}

/* What is multiplied with, 0 where the scale is 0 (or too small to divide by). */
static float inverse_of(float scale) {
    float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    return isfinite(inverse) ? inverse : 0.0f;
}

/*
 * Encodes the columns at positions at .. at + size - 1 of a group, whole blocks, where t->moved says they are best, and reads the
 * scales that this chose. first: of these columns in the file.
 */
static void fix_scales(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t size, size_t first,
                       size_t row, size_t lanes, wt_grid *grid, size_t *run) {
    const uint32_t *column = j->f->order + g->start + at;
    float x[WIDE];
    for (size_t lane = 0; lane < lanes; lane++) {
        for (size_t i = 0; i < size; i++) x[column[i] - first] = t->moved[at + i][lane];
        unsigned char *to = blocks_of(j, row + lane, first);
        float ww[WIDE];
        static int mode = -1;
        if (mode < 0) mode = getenv("FB_W") ? atoi(getenv("FB_W")) : 0;
        const float *wp = j->w ? j->w + (row + lane) * j->f->cols + first : NULL;
        if (mode) {
            float mean = 0;
            for (size_t i = 0; i < size; i++) mean += x[i] * x[i] / (float)size;
            for (size_t i = 0; i < size; i++) {
                float dd = j->f->weight[g->start + at + i], xx = x[column[i] - first];
                ww[column[i] - first] = mode == 1 ? dd : mode == 2 ? dd * sqrtf(2 * mean + xx * xx) : sqrtf(dd * wp[column[i] - first]);
            }
            wp = ww;
        }
        wt_encode(j->type, x, wp, size, j->search, to);
        for (size_t b = 0; b < size; b += j->info->block, to += j->info->block_bytes) {
            wt_lattice l;
            wt_lattice_read(j->type, to, &l);
            *grid = l.grid;
            *run = l.run;
            for (size_t r = 0; r < l.weights / l.run; r++) {
                size_t to_run = (first - g->first + b) / l.run + r;
                t->scale[to_run][lane] = l.scale[r];
                t->inverse[to_run][lane] = inverse_of(l.scale[r]);
                t->min[to_run][lane] = l.min[r];
            }
        }
    }
}

/* ---- codes ---- */

/* Rounds one column of all lanes; its errors to e. */
static void round_column(tile *t, const wt_grid *grid, size_t at, size_t run, size_t column, float *e) {
    float q[LANES];
    const float *x = t->x[at], *shift = t->shift[at];
    const float *scale = t->scale[run], *inverse = t->inverse[run], *min = t->min[run];
    if (grid->cells) {
        for (int i = 0; i < LANES; i++) q[i] = wt_grid_nearest(grid, (x[i] + shift[i] + min[i]) * inverse[i]);
    } else {
        const float lo = grid->lo, hi = grid->hi;
        for (int i = 0; i < LANES; i++) {
            float y = (x[i] + shift[i] + min[i]) * inverse[i];
            y = y > lo ? y : lo;
            y = y < hi ? y : hi;
            q[i] = (y + WT_ROUNDER) - WT_ROUNDER;
        }
    }
    for (int i = 0; i < LANES; i++) e[i] = x[i] - (scale[i] * q[i] - min[i]);
    for (int i = 0; i < LANES; i++) t->q[i][column] = (int8_t)q[i];
}

static void store_codes(const job *j, const tile *t, const wt_feedback_group *g, size_t row, size_t lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
        unsigned char *to = blocks_of(j, row + lane, g->first);
        for (size_t b = 0; b < g->size; b += j->info->block, to += j->info->block_bytes)
            wt_lattice_write(j->type, t->q[lane] + b, to);
    }
}

static void round_piece(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t size, const wt_grid *grid,
                        size_t run) {
    for (size_t i = at; i < at + size; i++) {
        const size_t column = j->f->order[g->start + i] - g->first;
        float *e = t->errors + (g->start + i) * LANES;
        round_column(t, grid, i, column / run, column, e);
        j->kernels->accumulate(e, 1, g->panel + (g->start + i) * g->size + i + 1, g->size, at + size - i - 1,
                               t->shift[i + 1 < WIDE ? i + 1 : i]);
    }
}

/* ---- vectors of a codebook ---- */

static void fix_book_scales(const job *j, tile *t, const wt_feedback_group *g, size_t row, size_t lanes) {
    const uint32_t *column = j->f->order + g->start;
    float x[WIDE];
    for (size_t lane = 0; lane < lanes; lane++) {
        for (size_t i = 0; i < g->size; i++) x[column[i] - g->first] = t->moved[i][lane];
        wt_codebook_scales(j->type, x, j->w ? j->w + (row + lane) * j->f->cols + g->first : NULL, j->search,
                           &t->book[lane]);
    }
}

/* Rounds the vector at positions at .. at + 7 of a group. */
static void round_vector(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t lanes) {
    const uint32_t *column = j->f->order + g->start + at;
    const size_t base = column[0] / VECTOR * VECTOR;
    float *e = t->errors + (g->start + at) * LANES;
    float m[VECTOR][VECTOR]; /* file order */
    for (size_t a = 0; a < VECTOR; a++) {
        for (size_t b = 0; b < VECTOR; b++) {
            float sum = 0;
            for (size_t k = 0; k < VECTOR; k++)
                sum += g->panel[(g->start + at + a) * g->size + at + k] * g->panel[(g->start + at + b) * g->size + at + k] *
                       j->f->weight[g->start + at + k];
            m[column[a] - base][column[b] - base] = sum;
        }
    }
    static int mode = -1, iters = 0;
    if (mode < 0) mode = getenv("FB_B") ? atoi(getenv("FB_B")) : 0, iters = getenv("FB_I") ? atoi(getenv("FB_I")) : 0;
    move(j, t, at, VECTOR, g->vectors + at * VECTOR, VECTOR);
    float w[VECTOR];
    for (size_t i = 0; i < VECTOR; i++) w[column[i] - base] = mode == 0 ? j->f->weight[g->start + at + i] : m[column[i] - base][column[i] - base];
    for (size_t lane = 0; lane < lanes; lane++) {
        float x[VECTOR], q[VECTOR], best[VECTOR];
        wt_codebook_block *book = &t->book[lane];
        for (size_t i = 0; i < VECTOR; i++) x[column[i] - base] = t->moved[at + i][lane];
        wt_codebook_block kept;
        float least = INFINITY, y[VECTOR], em[VECTOR];
        memcpy(y, x, sizeof y);
        for (int it = 0; it <= iters; it++) {
            wt_codebook_block tried = *book;
            wt_codebook_choose(&tried, base - g->first, VECTOR, y, w, q);
            float cost = 0;
            for (size_t i = 0; i < VECTOR; i++) {
                em[i] = 0;
                for (size_t k = 0; k < VECTOR; k++) em[i] += m[i][k] * (x[k] - q[k]);
                cost += em[i] * (x[i] - q[i]);
            }
            if (!(cost < least)) break;
            least = cost, kept = tried, memcpy(best, q, sizeof q);
            for (size_t i = 0; i < VECTOR; i++) y[i] = q[i] + em[i] / w[i];
        }
        *book = kept;
        for (size_t i = 0; i < VECTOR; i++) e[i * LANES + lane] = t->x[at + i][lane] - best[column[i] - base];
    }
}

static void round_vectors(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t size, size_t lanes) {
    for (size_t i = at; i < at + size; i += VECTOR) {
        round_vector(j, t, g, i, lanes);
        const size_t next = i + VECTOR;
        if (next < at + size)
            j->kernels->accumulate(t->errors + (g->start + i) * LANES, VECTOR,
                                   g->panel + (g->start + i) * g->size + next, g->size, at + size - next,
                                   t->shift[next]);
    }
}

/* ---- groups ---- */

static void load_group(const job *j, tile *t, const wt_feedback_group *g, size_t row, size_t lanes) {
    for (size_t i = 0; i < g->size; i++) {
        const float *from = j->x + row * j->f->cols + j->f->order[g->start + i];
        for (size_t lane = 0; lane < LANES; lane++) t->x[i][lane] = lane < lanes ? from[lane * j->f->cols] : 0.0f;
    }
    memset(t->shift, 0, sizeof t->shift);
    j->kernels->accumulate(t->errors, g->start, g->panel, g->size, g->size, t->shift[0]);
}

static void round_group(const job *j, tile *t, const wt_feedback_group *g, size_t row, size_t lanes) {
    const bool wide = j->info->block > NARROW, book = wt_codebook_group(j->type) != 0;
    wt_grid grid;
    size_t run;
    load_group(j, t, g, row, lanes);
    if (wide) {
        move(j, t, 0, g->size, g->inverse, g->size);
        if (book)
            fix_book_scales(j, t, g, row, lanes);
        else
            fix_scales(j, t, g, 0, g->size, g->first, row, lanes, &grid, &run);
    }
    for (size_t at = 0, size; at < g->size; at += size) {
        size = g->size - at < NARROW ? g->size - at : NARROW;
        j->kernels->accumulate(t->errors + g->start * LANES, at, g->panel + g->start * g->size + at, g->size, size,
                               t->shift[at]);
        if (!wide) {
            const size_t first = j->f->order[g->start + at] / NARROW * NARROW;
            move(j, t, at, size, g->pieces + at * NARROW, NARROW);
            fix_scales(j, t, g, at, size, first, row, lanes, &grid, &run);
        }
        if (book)
            round_vectors(j, t, g, at, size, lanes);
        else
            round_piece(j, t, g, at, size, &grid, run);
    }
    for (size_t lane = 0; book && lane < lanes; lane++)
        wt_codebook_pack(&t->book[lane], blocks_of(j, row + lane, g->first));
    if (!book) store_codes(j, t, g, row, lanes);
}

/* ---- all rows ---- */

static int make_tiles(tile *tiles, int threads, size_t cols, wt_error *err) {
    memset(tiles, 0, (size_t)threads * sizeof *tiles);
    for (int i = 0; i < threads; i++) {
        if (!(tiles[i].errors = wt_alloc_aligned(cols * LANES, sizeof(float), err))) return -1;
    }
    return 0;
}

int wt_feedback_encode(const wt_feedback *f, wt_type type, const float *x, const float *w, size_t rows,
                       const wt_search *search, void *dst, wt_error *err) {
    uint64_t row_bytes;
    if (!wt_feedback_fits(type) || !wt_type_row_bytes(type, f->cols, &row_bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights cannot become %s with error feedback", f->cols,
                       wt_type_find(type) ? wt_type_find(type)->name : "a type that does not exist");
    const job j = {f,    wt_feedback_kernels_at(wt_cpu_chosen()), type, wt_type_find(type), x, w, rows, (size_t)row_bytes,
                   search, dst};
    const size_t count = (rows + LANES - 1) / LANES;
    int threads = wt_threads_get();
    if ((size_t)threads > count) threads = (int)count;
    tile *tiles = wt_alloc_aligned((size_t)threads, sizeof *tiles, err);
    if (!tiles) return -1;
    int rc = make_tiles(tiles, threads, f->cols, err);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (rc == 0 && threads > 1)
    for (size_t i = 0; i < (rc == 0 ? count : 0); i++) {
        const size_t row = i * LANES, lanes = rows - row < LANES ? rows - row : LANES;
        for (size_t g = 0; g < f->groups; g++) round_group(&j, &tiles[wt_thread_id()], &f->group[g], row, lanes);
    }
    for (int i = 0; i < threads; i++) free(tiles[i].errors);
    free(tiles);
    return rc;
}
