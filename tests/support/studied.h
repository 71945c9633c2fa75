/* A model that was studied on a text, for tests of what strategies become on it. */
#ifndef WT_TESTS_STUDIED_H
#define WT_TESTS_STUDIED_H

#include "apply/candidate.h"
#include "apply/study.h"
#include "engine/divergence.h"
#include "support/random_model.h"

typedef struct studied {
    wt_gguf *gguf;
    wt_chunks chunks;
    wt_study study;
} studied;

typedef struct studied_options {
    size_t context, chunks; /* of the text; 0: 128 and 4 */
    const char *cache;      /* as in wt_study_options */
    void (*note)(void *user, const char *text); /* as in wt_study_options */
    void *note_user;
    size_t encoded_bytes;
    bool no_text;
} studied_options;

/*
 * Seedling on tests/data/passage.txt, or the random model at `path` on random tokens. Fails the test that calls it. `options` may be
 * NULL. Close with studied_close.
 */
void studied_open(studied *s, const char *path, const studied_options *options);
void studied_close(studied *s);

/* A strategy of the text behind `strategy`; fails the test where it is none. Release with wt_strategy_release. */
wt_strategy strategy_of(const char *genes);

/* The plan of a strategy under a budget (0: none); fails the test where there is none. */
wt_plan plan_of(studied *s, const wt_strategy *strategy, uint64_t budget);

/* The mean divergence of a model from the studied one, position by position [chunks, scored]; the caller frees. */
wt_position *positions_of(studied *s, const wt_model *candidate, double *mean);

/* All of a file; the caller frees. */
unsigned char *bytes_of_file(const char *path, size_t *len);

#endif
