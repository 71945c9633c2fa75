/*
 * What an individual's genes are worth: each in turn is set to what people use, and each of its most important pins is taken out so that
 * the rules decide; the altered strategy is planned for the same bytes and measured on the same chunks. The change of the mean divergence
 * comes with its 95% interval by the bootstrap over chunks. Nobody is born by it: scores are stored, individuals are not.
 */
#ifndef WT_SURVIVE_KNOCKOUT_H
#define WT_SURVIVE_KNOCKOUT_H

#include "survive/bootstrap.h"
#include "survive/contest.h"

/* Room for a name; longer ones are cut. */
#define WT_KNOCKOUT_GENE 128

typedef struct wt_knockout {
    char gene[WT_KNOCKOUT_GENE]; /* "alloc.price", "pin blk.0.ffn_up.weight" */
    const char *value;           /* what it was set to: the human's text, or the type that the rules give; lives through the call */
    wt_interval change;          /* of the mean divergence; above 0: the individual's own value is better */
    const char *cause;           /* why the altered strategy cannot exist; "": it was measured */
} wt_knockout;

/* Called after each knock-out. Not 0: the rest is left out, and that is what wt_knockout_run returns. */
typedef int (*wt_knockout_call)(void *user, const wt_knockout *k, wt_error *err);

/*
 * Explains `individual`, which has a strategy, name and budget, as one that the store knows. Genes that are as people's already are passed
 * over; of the pins, `pins` are taken out one by one, those of the highest price first. The contest must be open. What can be
 * stored is stored as soon as it is known, so that whoever interrupts it loses the one at hand alone.
 */
int wt_knockout_run(wt_contest *c, const wt_individual *individual, size_t pins, wt_knockout_call call, void *user, wt_error *err);

#endif
