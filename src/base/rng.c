#include "base/rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void wt_rng_init(wt_rng *rng, uint64_t seed, uint64_t a, uint64_t b) {
    uint64_t x = seed;
    x = splitmix64(&x) ^ a;
    x = splitmix64(&x) ^ b;
    for (int i = 0; i < 4; i++) rng->s[i] = splitmix64(&x);
}

uint64_t wt_rng_next(wt_rng *rng) {
    uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double wt_rng_uniform(wt_rng *rng) { return (double)(wt_rng_next(rng) >> 11) * 0x1p-53; }

uint64_t wt_rng_below(wt_rng *rng, uint64_t n) {
    uint64_t reject = -n % n; /* 2^64 mod n: below it a draw would favour the small remainders */
    for (;;) {
        uint64_t r = wt_rng_next(rng);
        if (r >= reject) return r % n;
    }
}

double wt_rng_normal(wt_rng *rng) {
    double u = 1.0 - wt_rng_uniform(rng), v = wt_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
