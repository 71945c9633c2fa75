#include "apply/factors.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MOST_FACTORS = 512, MOST_NAMES = 4096 };

/* A factor, by the Gram matrix, damping and order that it was made of. */
typedef struct factor {
    wt_hash key;
    wt_feedback *feedback; /* NULL: a free place */
    size_t bytes;
    uint64_t used;
} factor;

/* That a matrix's input leads to a factor, so that its Gram matrix need not be made again to know. */
typedef struct name {
    wt_hash site, key;
} name;

struct wt_factors {
    factor items[MOST_FACTORS];
    name names[MOST_NAMES]; /* hashed, newer ones replace what is in their place */
    size_t bytes, limit;
    uint64_t clock;
};

wt_factors *wt_factors_new(size_t limit, wt_error *err) {
    wt_factors *f = wt_calloc(1, sizeof *f, err);
    if (f) f->limit = limit;
    return f;
}

void wt_factors_free(wt_factors *f) {
    for (size_t i = 0; f && i < MOST_FACTORS; i++) wt_feedback_free(f->items[i].feedback);
    free(f);
}

static factor *find(wt_factors *f, wt_hash key) {
    for (size_t i = 0; i < MOST_FACTORS; i++) {
        if (!f->items[i].feedback || !wt_hash_equal(f->items[i].key, key)) continue;
        f->items[i].used = ++f->clock;
        return &f->items[i];
    }
    return NULL;
}

static void drop(wt_factors *f, factor *item) {
    wt_feedback_free(item->feedback);
    f->bytes -= item->bytes;
    *item = (factor){0};
}

/* A free place for so many bytes; the two newest factors stay, whatever the limit. */
static factor *make_room(wt_factors *f, size_t bytes) {
    for (;;) {
        factor *place = NULL, *oldest = NULL;
        for (size_t i = 0; i < MOST_FACTORS; i++) {
            factor *item = &f->items[i];
            if (!item->feedback)
                place = item;
            else if (item->used + 2 <= f->clock && (!oldest || item->used < oldest->used))
                oldest = item;
        }
        if (place && (f->bytes + bytes <= f->limit || !oldest)) return place;
        drop(f, oldest);
    }
}

static wt_hash name_of(const wt_site_tensor *site, const wt_encoding *e) {
    wt_hash h = wt_hash_add(wt_hash_bytes(site->key, sizeof site->key), &e->damp, sizeof e->damp);
    return e->ordered ? wt_hash_add(h, &e->key, sizeof e->key) : h;
}

const wt_feedback *wt_factors_get(wt_factors *f, const wt_transform *t, size_t i, const wt_encoding *e, const float *x,
                                  const float *h, bool *measured, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    const size_t cols = site->cols, bytes = cols * cols * 6 + cols * 2355; /* apply/feedback.h */
    const wt_hash site_name = name_of(site, e);
    name *known = &f->names[site_name.low % MOST_NAMES];
    factor *item = wt_hash_equal(known->site, site_name) ? find(f, known->key) : NULL;
    *measured = true;
    if (item) return item->feedback;
    double *gram = wt_alloc_aligned(cols, cols * sizeof *gram, err);
    float *priority = e->ordered ? wt_alloc_aligned(cols, sizeof *priority, err) : NULL;
    if (!gram || (e->ordered && !priority)) goto done;
    int got = wt_transform_gram(t, i, gram, NULL, err);
    if (got == 1) *measured = false;
    if (got != 0) goto done;
    if (priority && wt_encoding_prioritise(e, x, site->rows, cols, h, priority, err) != 0) goto done;
    wt_hash key = wt_hash_add(wt_hash_bytes(gram, cols * cols * sizeof *gram), &e->damp, sizeof e->damp);
    if (priority) key = wt_hash_add(key, priority, cols * sizeof *priority);
    if (!(item = find(f, key))) {
        wt_feedback *made = wt_feedback_new(gram, cols, e->damp, priority, err);
        if (!made) {
            wt_error_prefix(err, "tensor '%s'", site->name);
            goto done;
        }
        item = make_room(f, bytes);
        *item = (factor){key, made, bytes, ++f->clock};
        f->bytes += bytes;
    }
    *known = (name){site_name, key};
done:
    free(gram);
    free(priority);
    return item ? item->feedback : NULL;
}
