/*
 * Random numbers: xoshiro256** (Blackman and Vigna, 2018) seeded through splitmix64. A stream is keyed by up to three
 * numbers, so that every individual, chunk or sequence draws from its own and results do not depend on order.
 */
#ifndef WT_BASE_RNG_H
#define WT_BASE_RNG_H

#include <stdint.h>

typedef struct wt_rng {
    uint64_t s[4];
} wt_rng;

/* Starts the stream (seed, a, b). Equal keys give equal streams on every machine. */
void wt_rng_init(wt_rng *rng, uint64_t seed, uint64_t a, uint64_t b);

/* 64 random bits. */
uint64_t wt_rng_next(wt_rng *rng);

/* Uniform in [0, 1), 53 bits. */
double wt_rng_uniform(wt_rng *rng);

/* Uniform in 0..n-1, without bias; n > 0. */
uint64_t wt_rng_below(wt_rng *rng, uint64_t n);

/* Standard normal (Box-Muller, the cosine half only, so that one call draws exactly two uniforms). */
double wt_rng_normal(wt_rng *rng);

#endif
