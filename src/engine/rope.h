/* Rotary position embedding: tables of cosines and sines for every position that is in use. */
#ifndef WT_ENGINE_ROPE_H
#define WT_ENGINE_ROPE_H

#include "base/error.h"
#include "model/arch.h"

/* cos and sin of every position and pair, the magnitude factor included: [positions, pairs]. Zero-initialise. */
typedef struct wt_rope_table {
    float *cos, *sin;
    size_t positions, pairs;
} wt_rope_table;

/*
 * Makes the table cover `positions` positions, for windowed layers or for the others. `factors` [rope_dims/2] divide the
 * frequencies; NULL: none.
 */
int wt_rope_table_cover(wt_rope_table *table, const wt_hparams *hp, bool windowed, const float *factors,
                        size_t positions, wt_error *err);
void wt_rope_table_release(wt_rope_table *table);

#endif
