/*
 * The values that each weight of an encoded block can take while the block's scales stay as they are: scale q - min, q on a
 * grid. For callers that choose codes by something else than the nearest value (error feedback): encode, read the lattice,
 * choose, put the codes back. Types of scalar codes only; codebooks are codebook.h's.
 */
#ifndef WT_QUANT_LATTICE_H
#define WT_QUANT_LATTICE_H

#include "quant/encode_kernels.h"

#define WT_LATTICE_RUNS 16

typedef struct wt_lattice {
    size_t weights, run;          /* of a block; that share a scale */
    wt_grid grid;                 /* where q lies, int8 all */
    float scale[WT_LATTICE_RUNS]; /* [weights / run] */
    float min[WT_LATTICE_RUNS];   /* 0 for types without */
} wt_lattice;

/* Whether the type's blocks are lattices. */
bool wt_lattice_has(wt_type type);

/* Reads the scales of a block at any alignment. Only for types that wt_lattice_has. */
void wt_lattice_read(wt_type type, const void *block, wt_lattice *lattice);

/* Whether the type's runs have mins of their own: Q4_1, Q5_1, Q2_K, Q4_K, Q5_K. */
bool wt_lattice_has_mins(wt_type type);

/* How far the scales of a block's runs lie apart: its super-scale; 0 for types that have none. At any alignment. */
float wt_lattice_step(wt_type type, const void *block);

/* Whether the scales of the type's runs can be set: all but TQ1_0, TQ2_0, Q1_0, Q2_0, MXFP4 and NVFP4. */
bool wt_lattice_can_set(wt_type type);

/*
 * Gives a run of a block (aligned as a uint16_t is) the scale and the min that are nearest of those that the block can hold while its
 * super-scales stay; what they are, wt_lattice_read tells. Only for types that wt_lattice_can_set.
 */
void wt_lattice_set(wt_type type, size_t run, float scale, float min, void *block);

/* Gives the weights of a block the values scale q - min, q [weights] on the grid; its scales stay. Decoding gives these floats to the bit. */
void wt_lattice_write(wt_type type, const int8_t *q, void *block);

#endif
