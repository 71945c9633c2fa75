#include "apply/study.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A name for a file of Gram matrices that nobody else has; its file is gone from the folder once it is open. */
static char *temporary_name(wt_error *err) {
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/wildtype-gram-XXXXXX", folder && folder[0] ? folder : "/tmp") < 0) {
        wt_fail_memory(err, 64);
        return NULL;
    }
    const int fd = mkstemp(path);
    if (fd < 0) {
        wt_fail_errno(err, errno, "cannot make a temporary file '%s'", path);
        wt_hint(err, "TMPDIR names the folder for such files");
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

static int measure(wt_study *s, const wt_model *model, const wt_study_options *o, const wt_progress *progress,
                   wt_error *err) {
    const bool gram = !o->no_gram && !o->gram;
    char *path = gram ? temporary_name(err) : NULL;
    if (gram && !path) return -1;
    const wt_statistics_options options = {.dataset = o->dataset, .gram = path};
    wt_statistics *measured = wt_statistics_measure(model, o->chunks, &options, progress, err);
    if (measured && gram) s->gram = wt_gram_open(path, err);
    if (path) unlink(path);
    free(path);
    s->tokens = o->chunks->count * o->chunks->context;
    const int rc = measured && (!gram || s->gram) ? 0 : -1;
    if (s->statistics) /* the file's are what was asked for */
        wt_statistics_free(measured);
    else
        s->statistics = measured;
    return rc;
}

int wt_study_open(wt_study *s, const wt_gguf *gguf, const wt_study_options *o, const wt_progress *progress,
                  wt_error *err) {
    *s = (wt_study){0};
    if (o->imatrix && !(s->statistics = wt_statistics_read(o->imatrix, err))) return -1;
    if (o->gram && !(s->gram = wt_gram_open(o->gram, err))) return -1;
    if (o->chunks && (!o->imatrix || (!o->gram && !o->no_gram))) {
        wt_model *model = wt_model_from_gguf(gguf, err);
        int rc = model ? measure(s, model, o, progress, err) : -1;
        wt_model_close(model);
        if (rc != 0) return -1;
    }
    if (o->chunks) {
        size_t most = WT_SENSITIVITY_TOKENS / o->chunks->context;
        s->sensitivity = *o->chunks;
        if (s->sensitivity.count > (most ? most : 1)) s->sensitivity.count = most ? most : 1;
    }
    const wt_workbench_options options = {.calibration = {s->statistics, s->gram},
                                          .chunks = o->chunks ? &s->sensitivity : NULL,
                                          .cache = o->cache,
                                          .note = o->note,
                                          .note_user = o->note_user,
                                          .encoded_bytes = o->encoded_bytes};
    return (s->bench = wt_workbench_new(gguf, &options, err)) ? 0 : -1;
}

void wt_study_close(wt_study *s) {
    if (!s) return;
    wt_workbench_free(s->bench);
    wt_gram_close(s->gram);
    wt_statistics_free(s->statistics);
    *s = (wt_study){0};
}
