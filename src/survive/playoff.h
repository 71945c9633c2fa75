/*
 * The play-off: before the verdict, the last generation is measured on further chunks of the text's part that is searched on. The best of
 * many on few chunks owe some of it to luck; on chunks that had no say so far, luck has to strike again.
 */
#ifndef WT_SURVIVE_PLAYOFF_H
#define WT_SURVIVE_PLAYOFF_H

#include "survive/evolve.h"

/*
 * Puts the population in the order of the first axis on the search part and the play-off together, the best first; the tokens that it took go to
 * the store. Who breaks down there comes last. Nothing happens where there are no chunks for it, or fewer than two individuals. Not 0:
 * interrupted, or the machine is at fault.
 */
int wt_play_off(wt_contest *contest, wt_evolution *evolution, wt_error *err);

#endif
