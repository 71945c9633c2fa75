/*
 * Rounding with error feedback. Rows go side by side, a row a lane, through the groups of columns in their order. A group begins
 * with the matrix product that says what all groups before it left over; then, piece by piece of 32 columns and within a piece
 * unit by unit, weights get the values nearest to where they now are best, and their errors go to the columns after them. When all
 * are rounded once, each is looked at again in the light of all others. Lanes never meet, so that the bytes of a row depend on
 * nothing but the row. The scales that were chosen before codes can be fitted anew whenever weights are looked at again
 * (feedback_scales.c).
 */
#include "apply/feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/feedback_private.h"
#include "base/memory.h"
#include "base/threads.h"
#include "quant/lattice.h"

enum {
    WIDE = WT_FEEDBACK_WIDE,
    NARROW = WT_FEEDBACK_NARROW,
    VECTOR = WT_FEEDBACK_VECTOR,
    LANES = WT_FEEDBACK_LANES,
    AGAIN = 2 /* further looks at least; while scales stay, a third gains next to nothing */
};

/* One call. */
typedef struct job {
    const wt_feedback *f;
    const wt_feedback_kernels *kernels;
    wt_type type;
    const wt_type_info *info;
    bool book; /* a codebook type */
    const float *x, *w;
    size_t rows, row_bytes;
    const wt_search *search;
    unsigned char *dst;
    int refit, looks; /* further looks that fit scales anew, the first of them; and all of them */
} job;

typedef wt_feedback_tile tile;

bool wt_feedback_fits(wt_type type) { return wt_lattice_has(type) || wt_codebook_group(type) != 0; }

/* ---- scales ---- */

/* Where the blocks of a row lie, from a column on that begins one. */
static unsigned char *blocks_of(const job *j, size_t row, size_t column) {
    return j->dst + row * j->row_bytes + column / j->info->block * j->info->block_bytes;
}

/* Reads the scales of a lane's blocks of the columns first .. first + size - 1. */
static void read_scales(const job *j, tile *t, const wt_feedback_group *g, size_t first, size_t size, size_t lane) {
    const unsigned char *from = blocks_of(j, t->row + lane, first);
    for (size_t b = 0; b < size; b += j->info->block, from += j->info->block_bytes) {
        wt_lattice l;
        wt_lattice_read(j->type, from, &l);
        t->grid = l.grid;
        t->run = l.run;
        for (size_t r = 0; r < l.weights / l.run; r++) {
            const size_t run = (first - g->first + b) / l.run + r;
            t->scale[run][lane] = l.scale[r];
            t->inverse[run][lane] = wt_feedback_inverse(l.scale[r]);
            t->min[run][lane] = l.min[r];
        }
    }
}

/* The same of a lane's block of a codebook. */
static void read_book(const job *j, tile *t, const wt_feedback_group *g, size_t lane) {
    const wt_codebook_block *b = &t->books[(size_t)(g - j->f->group) * LANES + lane];
    t->run = wt_codebook_run(j->type);
    for (size_t run = 0; run * t->run < g->size; run++) {
        t->scale[run][lane] = wt_codebook_scale(b, run * t->run);
        t->inverse[run][lane] = wt_feedback_inverse(t->scale[run][lane]);
        t->min[run][lane] = 0.0f;
    }
}

/* To `moved`, where the weights at .. at + size - 1 are best as a whole. */
static void move(const job *j, tile *t, size_t at, size_t size, const float *inverse, size_t stride) {
    memcpy(t->moved[at], t->x[at], size * sizeof t->x[0]);
    j->kernels->accumulate(t->shift[at], size, inverse, stride, size, t->moved[at]);
}

/*
 * Fixes the scales of the columns at positions at .. at + size - 1 of a group, whole blocks, as the encoder chooses them for
 * weights that lie where these are best. first: of these columns in the file.
 */
static void fix_scales(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t size, size_t first) {
    const uint32_t *column = j->f->order + g->start + at;
    const size_t number = (size_t)(g - j->f->group);
    float x[WIDE];
    for (size_t lane = 0; lane < t->lanes; lane++) {
        const float *w = j->w ? j->w + (t->row + lane) * j->f->cols + first : NULL;
        for (size_t i = 0; i < size; i++) x[column[i] - first] = t->moved[at + i][lane];
        if (j->book) {
            wt_codebook_scales(j->type, x, w, j->search, &t->books[number * LANES + lane]);
        } else {
            wt_encode(j->type, x, w, size, j->search, blocks_of(j, t->row + lane, first));
            read_scales(j, t, g, first, size, lane);
        }
    }
}

/* ---- codes ---- */

/* Rounds one column of all lanes; its errors to e. */
static void round_column(tile *t, size_t at, size_t column, float *e) {
    float q[LANES];
    const wt_grid *grid = &t->grid;
    const size_t run = column / t->run;
    const float *x = t->x[at], *shift = t->shift[at];
    const float *scale = t->scale[run], *inverse = t->inverse[run], *min = t->min[run];
    if (grid->cells) {
        for (int i = 0; i < LANES; i++) q[i] = wt_grid_nearest(grid, (x[i] + shift[i] + min[i]) * inverse[i]);
    } else { /* the same without a table, for the compiler to make vectors of */
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

/* Rounds the unit at positions at .. at + size - 1; `again`: its errors so far are counted in `shift`. */
static void round_unit(const job *j, tile *t, const wt_feedback_group *g, bool again, size_t at, size_t size) {
    const wt_feedback_look *look = &g->look[again];
    float *e = t->errors + (g->start + at) * LANES, *change = (float *)t->change + at * LANES, old[VECTOR * LANES];
    if (again) {
        for (size_t i = 0; i < size * LANES; i++) old[i] = -e[i];
        j->kernels->accumulate(old, size, look->own + at * g->size + at, g->size, size, t->shift[at]);
    }
    if (j->book) {
        move(j, t, at, size, look->vectors + at * VECTOR, VECTOR);
        wt_feedback_round_vector(j->f, (size_t)(g - j->f->group), look, again, at, t, e);
    } else {
        round_column(t, at, j->f->order[g->start + at] - g->first, e);
    }
    for (size_t i = 0; i < size * LANES; i++) change[i] = again ? e[i] + old[i] : e[i];
}

/* A piece of at most 32 columns, the changes of the pieces before it included. */
static void round_piece(const job *j, tile *t, const wt_feedback_group *g, bool again, size_t at, size_t size) {
    const float *own = g->look[again].own;
    const size_t unit = j->book ? VECTOR : 1, end = at + size;
    for (size_t i = at; i < end; i += unit) {
        round_unit(j, t, g, again, i, unit);
        if (i + unit < end)
            j->kernels->accumulate(t->change[i], unit, own + i * g->size + i + unit, g->size, end - i - unit,
                                   t->shift[i + unit]);
    }
}

static void read_group(const job *j, tile *t, const wt_feedback_group *g) {
    for (size_t lane = 0; lane < t->lanes; lane++) {
        if (j->book)
            read_book(j, t, g, lane);
        else
            read_scales(j, t, g, g->first, g->size, lane);
    }
}

/* Fits the scales of a piece's runs anew; what its errors change by is added to change [size, LANES]. */
static void refit_piece(const job *j, tile *t, const wt_feedback_group *g, size_t at, size_t size, float *change) {
    const size_t first = j->f->order[g->start + at] / NARROW * NARROW, end = first - g->first + size;
    wt_feedback_refit r = {.kernels = j->kernels,
                           .group = g,
                           .order = j->f->order,
                           .type = j->type,
                           .size = size,
                           .affine = !j->book && wt_lattice_has_mins(j->type),
                           .weights = j->info->block,
                           .books = j->book ? t->books + (size_t)(g - j->f->group) * LANES : NULL};
    for (size_t lane = 0; !j->book && lane < t->lanes; lane++) r.block[lane] = blocks_of(j, t->row + lane, first);
    for (size_t run = (first - g->first) / t->run; run * t->run < end; run++)
        wt_feedback_refit_run(&r, t, at, run, change);
}

static void store_codes(const job *j, const tile *t, const wt_feedback_group *g) {
    const size_t number = (size_t)(g - j->f->group);
    for (size_t lane = 0; lane < t->lanes; lane++) {
        unsigned char *to = blocks_of(j, t->row + lane, g->first);
        if (j->book) wt_codebook_pack(&t->books[number * LANES + lane], to);
        for (size_t b = 0; !j->book && b < g->size; b += j->info->block, to += j->info->block_bytes)
            wt_lattice_write(j->type, t->q[lane] + b, to);
    }
}

/* ---- groups ---- */

static void load_group(const job *j, tile *t, const wt_feedback_group *g, bool again) {
    for (size_t i = 0; i < g->size; i++) {
        const float *from = j->x + t->row * j->f->cols + j->f->order[g->start + i];
        for (size_t lane = 0; lane < LANES; lane++) t->x[i][lane] = lane < t->lanes ? from[lane * j->f->cols] : 0.0f;
    }
    memset(t->shift, 0, sizeof t->shift);
    j->kernels->accumulate(t->errors, again ? j->f->cols : g->start, g->look[again].before, g->size, g->size,
                           t->shift[0]);
}

static void begin_group(const job *j, tile *t, const wt_feedback_group *g, bool again) {
    load_group(j, t, g, again);
    if (again) {
        read_group(j, t, g);
    } else if (j->info->block > NARROW) {
        move(j, t, 0, g->size, g->inverse, g->size);
        fix_scales(j, t, g, 0, g->size, g->first);
    }
}

static void round_group(const job *j, tile *t, const wt_feedback_group *g, int look) {
    const bool again = look > 0, refit = again && look <= j->refit;
    begin_group(j, t, g, again);
    for (size_t at = 0, size; at < g->size; at += size) {
        size = g->size - at < NARROW ? g->size - at : NARROW;
        j->kernels->accumulate(t->change[0], at, g->look[again].own + at, g->size, size, t->shift[at]);
        if (!again && j->info->block <= NARROW) {
            move(j, t, at, size, g->pieces + at * NARROW, NARROW);
            fix_scales(j, t, g, at, size, j->f->order[g->start + at] / NARROW * NARROW);
        }
        float fitted[NARROW * LANES], *change = (float *)t->change + at * LANES;
        if (refit) {
            memset(fitted, 0, sizeof fitted);
            refit_piece(j, t, g, at, size, fitted);
        }
        round_piece(j, t, g, again, at, size);
        for (size_t i = 0; refit && i < size * LANES; i++) change[i] += fitted[i];
    }
    store_codes(j, t, g);
}

/* ---- all rows ---- */

static int make_tiles(const job *j, tile *tiles, int threads, wt_error *err) {
    memset(tiles, 0, (size_t)threads * sizeof *tiles);
    for (int i = 0; i < threads; i++) {
        if (!(tiles[i].errors = wt_alloc_aligned(j->f->cols * LANES, sizeof(float), err))) return -1;
        if (j->book && !(tiles[i].books = wt_calloc(j->f->groups * LANES, sizeof *tiles[i].books, err))) return -1;
    }
    return 0;
}

static void round_tile(const job *j, tile *t, size_t row) {
    t->row = row;
    t->lanes = j->rows - row < LANES ? j->rows - row : LANES;
    memset(t->errors, 0, j->f->cols * LANES * sizeof *t->errors); /* of lanes without a row, too */
    for (int look = 0; look <= j->looks; look++) {
        for (size_t g = 0; g < j->f->groups; g++) round_group(j, t, &j->f->group[g], look);
    }
}

int wt_feedback_encode(const wt_feedback *f, wt_type type, const float *x, const float *w, size_t rows,
                       const wt_search *search, int refit, void *dst, wt_error *err) {
    uint64_t row_bytes;
    if (!wt_feedback_fits(type) || !wt_type_row_bytes(type, f->cols, &row_bytes))
        return wt_fail(err, WT_ERR_ARGUMENT, "rows of %zu weights cannot become %s with error feedback", f->cols,
                       wt_type_find(type) ? wt_type_find(type)->name : "a type that does not exist");
    const int fits = wt_lattice_can_set(type) || wt_codebook_group(type) ? refit : 0;
    const job j = {.f = f,
                   .kernels = wt_feedback_kernels_at(wt_cpu_chosen()),
                   .type = type,
                   .info = wt_type_find(type),
                   .book = wt_codebook_group(type) != 0,
                   .x = x,
                   .w = w,
                   .rows = rows,
                   .row_bytes = (size_t)row_bytes,
                   .search = search,
                   .dst = dst,
                   .refit = fits,
                   .looks = fits > AGAIN ? fits : AGAIN};
    const size_t count = (rows + LANES - 1) / LANES;
    int threads = wt_threads_inside() ? 1 : wt_threads_get();
    if ((size_t)threads > count) threads = (int)count;
    if (threads == 0) return 0;
    tile *tiles = wt_alloc_aligned((size_t)threads, sizeof *tiles, err);
    if (!tiles) return -1;
    int rc = make_tiles(&j, tiles, threads, err);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (rc == 0 && threads > 1)
    for (size_t i = 0; i < (rc == 0 ? count : 0); i++) round_tile(&j, &tiles[wt_thread_id()], i * LANES);
    for (int i = 0; i < threads; i++) {
        free(tiles[i].errors);
        free(tiles[i].books);
    }
    free(tiles);
    return rc;
}
