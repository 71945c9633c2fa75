/* What every unit test includes: cmocka with its prerequisites, the seed of random tests, and skipping without ../shared. */
#ifndef WT_TESTS_TESTING_H
#define WT_TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"

/* The seed of this run: WT_TEST_SEED, or the clock's. Printed once, so that a failure can be repeated. */
uint64_t test_seed(void);

/* Whether ../shared is there; says once that tests are skipped where it is not. */
int have_shared(void);

#define need_shared()                                                                                                  \
    do {                                                                                                               \
        if (!have_shared()) skip();                                                                                    \
    } while (0)

#endif
