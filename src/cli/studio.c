#include "cli/studio.h"

#include <stdlib.h>

#include "cli/progress.h"

int wt_studio_open(wt_studio *s, const wt_studio_request *r, wt_error *err) {
    *s = (wt_studio){0};
    if (wt_session_open(&s->session, r->model, err) != 0) return -1;
    const bool text = r->text.path || !r->no_text;
    if (text && wt_text_chunks(&s->session, &r->text, &s->chunks, s->text, err) != 0) return -1;
    s->cache = wt_cache_folder();
    const wt_study_options options = {.chunks = text ? &s->chunks : NULL,
                                      .dataset = s->text,
                                      .imatrix = r->imatrix,
                                      .gram = r->gram,
                                      .no_gram = r->no_gram,
                                      .cache = s->cache,
                                      .note = wt_note_heard,
                                      .encoded_bytes = r->encoded_bytes};
    return wt_study_open(&s->study, s->session.gguf, &options, wt_progress_terminal(), err);
}

void wt_studio_close(wt_studio *s) {
    wt_study_close(&s->study);
    wt_chunks_release(&s->chunks);
    wt_session_close(&s->session);
    free(s->cache);
    *s = (wt_studio){0};
}
