#include "apply/factors.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MOST_FACTORS = 512, MOST_NAMES = 4096, MOST_MAKERS = 256 };

/* A factor, by the Gram matrix, damping and order that it was made of. */
typedef struct factor {
    wt_hash key;
    wt_feedback *feedback; /* NULL: a free place */
    size_t bytes, takers;  /* takers: who has it now */
    uint64_t used;
} factor;

/* That a matrix's input leads to a factor, so that its Gram matrix need not be made again to know. */
typedef struct name {
    wt_hash site, key;
} name;

struct wt_factors {
    pthread_mutex_t lock;
    pthread_cond_t made;
    wt_hash making[MOST_MAKERS]; /* of sites: matrices that share an input are often asked for at the same time */
    size_t makers;
    factor items[MOST_FACTORS];
    name names[MOST_NAMES]; /* hashed, newer ones replace what is in their place */
    size_t bytes, limit;
    uint64_t clock;
};

wt_factors *wt_factors_new(size_t limit, wt_error *err) {
    wt_factors *f = wt_calloc(1, sizeof *f, err);
    if (!f) return NULL;
    f->limit = limit;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->made, NULL);
    return f;
}

void wt_factors_free(wt_factors *f) {
    if (!f) return;
    for (size_t i = 0; i < MOST_FACTORS; i++) wt_feedback_free(f->items[i].feedback);
    pthread_cond_destroy(&f->made);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* The factor, taken; the lock is held. */
static factor *find(wt_factors *f, wt_hash key) {
    for (size_t i = 0; i < MOST_FACTORS; i++) {
        if (!f->items[i].feedback || !wt_hash_equal(f->items[i].key, key)) continue;
        f->items[i].used = ++f->clock;
        f->items[i].takers++;
        return &f->items[i];
    }
    return NULL;
}

static void drop(wt_factors *f, factor *item) {
    wt_feedback_free(item->feedback);
    f->bytes -= item->bytes;
    *item = (factor){0};
}

/* A free place for so many bytes, whatever the limit where all are taken; NULL: there is none. */
static factor *make_room(wt_factors *f, size_t bytes) {
    for (;;) {
        factor *place = NULL, *oldest = NULL;
        for (size_t i = 0; i < MOST_FACTORS; i++) {
            factor *item = &f->items[i];
            if (!item->feedback)
                place = item;
            else if (item->takers == 0 && (!oldest || item->used < oldest->used))
                oldest = item;
        }
        if ((place && f->bytes + bytes <= f->limit) || !oldest) return place;
        drop(f, oldest);
    }
}

static wt_hash name_of(const wt_site_tensor *site, const wt_encoding *e) {
    wt_hash h = wt_hash_add(wt_hash_bytes(site->key, sizeof site->key), &e->damp, sizeof e->damp);
    return e->ordered ? wt_hash_add(h, &e->key, sizeof e->key) : h;
}

/* Makes a factor's key, and its Gram matrix; 1: nobody measured that. */
static int describe(const wt_transform *t, size_t i, const wt_encoding *e, const float *x, const float *h, double *gram,
                    float *priority, wt_hash *key, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    const size_t cols = site->cols;
    const int got = wt_transform_gram(t, i, gram, NULL, err);
    if (got != 0) return got;
    if (priority && wt_encoding_prioritise(e, x, site->rows, cols, h, priority, err) != 0) return -1;
    *key = wt_hash_add(wt_hash_bytes(gram, cols * cols * sizeof *gram), &e->damp, sizeof e->damp);
    if (priority) *key = wt_hash_add(*key, priority, cols * sizeof *priority);
    return 0;
}

/* Keeps what was made, or lets it go where somebody else was faster. */
static const wt_feedback *keep(wt_factors *f, wt_hash key, wt_feedback *made, size_t bytes, wt_error *err) {
    factor *item = find(f, key);
    if (item) {
        wt_feedback_free(made);
        return item->feedback;
    }
    if (!(item = make_room(f, bytes))) {
        wt_feedback_free(made);
        wt_fail_memory(err, bytes);
        return NULL;
    }
    *item = (factor){key, made, bytes, 1, ++f->clock};
    f->bytes += bytes;
    return made;
}

/* Waits while somebody makes the site's factor; NULL: nobody has, and the caller is the one who makes it now. */
static const factor *find_or_begin(wt_factors *f, wt_hash site) {
    const factor *item;
    size_t at;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        const name *known = &f->names[site.low % MOST_NAMES];
        item = wt_hash_equal(known->site, site) ? find(f, known->key) : NULL;
        for (at = 0; at < f->makers && !wt_hash_equal(f->making[at], site);) at++;
        if (item || at == f->makers) break;
        pthread_cond_wait(&f->made, &f->lock);
    }
    if (!item && f->makers < MOST_MAKERS) f->making[f->makers++] = site; /* of more, some are made twice */
    pthread_mutex_unlock(&f->lock);
    return item;
}

static void end(wt_factors *f, wt_hash site) {
    pthread_mutex_lock(&f->lock);
    for (size_t at = 0; at < f->makers; at++) {
        if (!wt_hash_equal(f->making[at], site)) continue;
        f->making[at] = f->making[--f->makers];
        break;
    }
    pthread_cond_broadcast(&f->made);
    pthread_mutex_unlock(&f->lock);
}

/* The factor of a Gram matrix, from the store or made now. */
static const wt_feedback *find_or_make(wt_factors *f, wt_hash site, wt_hash key, const double *gram, size_t cols, double damp,
                                       const float *priority, wt_error *err) {
    const size_t bytes = cols * cols * 6 + cols * 2355; /* apply/feedback.h */
    name *known = &f->names[site.low % MOST_NAMES];
    pthread_mutex_lock(&f->lock);
    const factor *item = find(f, key);
    const wt_feedback *found = item ? item->feedback : NULL;
    pthread_mutex_unlock(&f->lock);
    if (!found) {
        wt_feedback *made = wt_feedback_new(gram, cols, damp, priority, err);
        if (!made) return NULL;
        pthread_mutex_lock(&f->lock);
        found = keep(f, key, made, bytes, err);
        pthread_mutex_unlock(&f->lock);
    }
    pthread_mutex_lock(&f->lock);
    if (found) *known = (name){site, key};
    pthread_mutex_unlock(&f->lock);
    return found;
}

const wt_feedback *wt_factors_take(wt_factors *f, const wt_transform *t, size_t i, const wt_encoding *e, const float *x,
                                   const float *h, bool *measured, wt_error *err) {
    const wt_site_tensor *site = wt_transform_at(t, i);
    const size_t cols = site->cols;
    const wt_hash own = name_of(site, e);
    const wt_feedback *found = NULL;
    wt_hash key;
    *measured = true;
    const factor *item = find_or_begin(f, own);
    if (item) return item->feedback;
    double *gram = wt_alloc_aligned(cols, cols * sizeof *gram, err);
    float *priority = e->ordered ? wt_alloc_aligned(cols, sizeof *priority, err) : NULL;
    if (gram && (!e->ordered || priority)) {
        const int got = describe(t, i, e, x, h, gram, priority, &key, err);
        *measured = got != 1;
        if (got == 0 && !(found = find_or_make(f, own, key, gram, cols, e->damp, priority, err)))
            wt_error_prefix(err, "tensor '%s'", site->name);
    }
    end(f, own);
    free(gram);
    free(priority);
    return found;
}

void wt_factors_give(wt_factors *f, const wt_feedback *feedback) {
    if (!feedback) return;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < MOST_FACTORS; i++)
        if (f->items[i].feedback == feedback) f->items[i].takers--;
    pthread_mutex_unlock(&f->lock);
}
