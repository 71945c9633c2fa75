#include "survive/archive.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static long cell_of(const wt_individual *i) {
    return lround(floor(log((double)(i->bytes ? i->bytes : 1)) / log1p(WT_ARCHIVE_STEP))) * 2 + i->pinned;
}

int wt_archive_offer(wt_archive *a, wt_individual *individual, double value, double (*value_of)(void *, const wt_individual *),
                     void *user, wt_error *err) {
    for (size_t k = 0; k < a->count; k++) {
        if (cell_of(a->elites[k]) != cell_of(individual)) continue;
        if (!(value < value_of(user, a->elites[k]))) return 0;
        a->elites[k] = individual;
        return 1;
    }
    if (wt_grow((void **)&a->elites, &a->cap, a->count + 1, sizeof(wt_individual *), err) != 0) return -1;
    a->elites[a->count++] = individual;
    return 1;
}

bool wt_archive_holds(const wt_archive *a, const wt_individual *individual) {
    for (size_t k = 0; k < a->count; k++)
        if (a->elites[k] == individual) return true;
    return false;
}

void wt_archive_release(wt_archive *a) {
    free(a->elites);
    *a = (wt_archive){0};
}
