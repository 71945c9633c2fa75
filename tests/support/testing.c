#include "support/testing.h"

#include <time.h>

#ifndef WT_SOURCE_DIR
#define WT_SOURCE_DIR "."
#endif

uint64_t test_seed(void) {
    static uint64_t seed;
    if (seed) return seed;
    const char *given = getenv("WT_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed: WT_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

int have_shared(void) {
    int there = access(WT_SOURCE_DIR "/../shared/models", R_OK) == 0;
    if (!there) printf("skipped: ../shared is absent\n");
    return there;
}
