/* Where models come from: a path, or the one that is built into the program. */
#ifndef WT_CLI_SOURCE_H
#define WT_CLI_SOURCE_H

#include "model/model.h"

/* The word that means the built-in model; a file of that name is "./seedling". */
#define WT_SOURCE_EMBEDDED "seedling"

/* Whether `path` means the built-in model. */
bool wt_source_is_embedded(const char *path);

/* What to call the model in reports: `path`, or WT_SOURCE_EMBEDDED where it is NULL. */
const char *wt_source_name(const char *path);

/* Opens the file at `path`, or the built-in model where it is NULL or WT_SOURCE_EMBEDDED. Close with wt_gguf_close. */
wt_gguf *wt_source_open(const char *path, wt_error *err);

/* The first tensor whose type this build cannot decode, or NULL. */
const wt_tensor *wt_source_undecodable(const wt_gguf *gguf);

#endif
