/* Sizes as people write them: "3200000", "3.2MiB", "3.2MB", "14 GiB". */
#ifndef WT_BASE_SIZE_H
#define WT_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of `text`, below 2^63; false where it is no size. */
bool wt_size_parse(const char *text, uint64_t *bytes);

#endif
