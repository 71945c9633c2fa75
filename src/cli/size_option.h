/* Sizes as people write them: "3200000", "3.2MiB", "3.2MB", "14 GiB". */
#ifndef WT_CLI_SIZE_OPTION_H
#define WT_CLI_SIZE_OPTION_H

#include "base/error.h"

/* Bytes of `text`, the value of `option`; at least 1. Fails with the forms that are understood. */
int wt_read_size(const char *option, const char *text, uint64_t *bytes, wt_error *err);

#endif
