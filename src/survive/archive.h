/* The best individual of each cell of (bytes, species), so that one run answers many budgets. */
#ifndef WT_SURVIVE_ARCHIVE_H
#define WT_SURVIVE_ARCHIVE_H

#include "survive/contest.h"

/* Cells are so many percent of bytes wide. */
#define WT_ARCHIVE_STEP 0.02

typedef struct wt_archive {
    wt_individual **elites; /* held, not owned */
    size_t count, cap;
} wt_archive;

/* Takes the individual in, where its cell is empty or its value is below the elite's. 1 where it came in. */
int wt_archive_offer(wt_archive *a, wt_individual *individual, double value, double (*value_of)(void *user, const wt_individual *),
                     void *user, wt_error *err);
bool wt_archive_holds(const wt_archive *a, const wt_individual *individual);
void wt_archive_release(wt_archive *a);

#endif
