/* A model on the bench for commands that apply strategies: session, text and study, from the options that they share. */
#ifndef WT_CLI_STUDIO_H
#define WT_CLI_STUDIO_H

#include "apply/study.h"
#include "cli/text.h"

typedef struct wt_studio_request {
    const char *model;         /* as in wt_source_open */
    wt_text_request text;
    const char *imatrix, *gram; /* files instead of measuring; NULL: none */
    bool no_gram;              /* as in wt_study_options */
    bool no_text;              /* with an imatrix: do not write a text where none is given */
    size_t encoded_bytes;
} wt_studio_request;

typedef struct wt_studio {
    wt_session session;
    wt_chunks chunks;
    char text[WT_TEXT_NAME];
    char *cache;
    wt_study study;
} wt_studio;

/* Close with wt_studio_close, also after failure. */
int wt_studio_open(wt_studio *studio, const wt_studio_request *request, wt_error *err);
void wt_studio_close(wt_studio *studio);

#endif
