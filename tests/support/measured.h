/*
 * Statistics measured on a random model, for tests of measuring, of files and of Gram matrices: everything lies in a folder of the test
 * program's own, which is gone when it ends. What cannot be had fails the test.
 */
#ifndef WT_TESTS_MEASURED_H
#define WT_TESTS_MEASURED_H

#include "engine/statistics.h"
#include "support/random_model.h"

#define CONTEXT ((size_t)48)
#define CHUNKS ((size_t)5)

/* cmocka's group set-up and tear-down. */
int make_folder(void **state);
int remove_folder(void **state);

/* A file's path in the folder; the fourth call from now overwrites it. */
const char *path_of(const char *name);

/* A random model of the variant (support/random_model.h); wt_model_close it. */
wt_model *make_model(const char *variant);

/* CHUNKS chunks of CONTEXT random tokens; wt_chunks_release them. */
wt_chunks make_chunks(const wt_model *model);

/* Measured in batches of `batch` tokens (0: whatever fits), with Gram matrices to the file `gram` (NULL: none); wt_statistics_free it. */
wt_statistics *measure(const wt_model *model, const wt_chunks *chunks, const char *gram, size_t batch);

/* Everything that can be asked is the same to the bit. */
void expect_same(const wt_statistics *a, const wt_statistics *b);

#endif
