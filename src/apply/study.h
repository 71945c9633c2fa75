/* Everything that is measured before strategies are applied to a model: statistics and Gram matrices on a text, and the bench on top of them. */
#ifndef WT_APPLY_STUDY_H
#define WT_APPLY_STUDY_H

#include "apply/workbench.h"

typedef struct wt_study_options {
    const wt_chunks *chunks;     /* to calibrate on, and the first of them for sensitivity; NULL: nothing is measured */
    const char *dataset;         /* what the text is called in files */
    const char *imatrix, *gram;  /* files to read instead of measuring; NULL: none */
    bool no_gram;                /* no Gram matrices are measured: no error feedback, no rotations of statistics */
    const char *cache;           /* as in wt_workbench_options */
    void (*note)(void *user, const char *text); /* as in wt_workbench_options */
    void *note_user;
    size_t encoded_bytes;
} wt_study_options;

/* Chunks that sensitivity is measured on: as many tokens of the beginning of the text. */
#define WT_SENSITIVITY_TOKENS 4096

typedef struct wt_study {
    wt_statistics *statistics;
    wt_gram *gram;
    wt_chunks sensitivity; /* its tokens are those of the options' chunks */
    wt_workbench *bench;
    uint64_t tokens;       /* that calibration ran */
} wt_study;

/* The file must outlive the study, as must chunks and cache. Close with wt_study_close, also after failure. */
int wt_study_open(wt_study *study, const wt_gguf *gguf, const wt_study_options *options, const wt_progress *progress,
                  wt_error *err);
void wt_study_close(wt_study *study);

#endif
