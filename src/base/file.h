/* Files: read-only maps of inputs, and outputs that appear whole or not at all. */
#ifndef WT_BASE_FILE_H
#define WT_BASE_FILE_H

#include <stdio.h>

#include "base/error.h"

/* A file mapped read-only. The pages are the kernel's to drop, so a file larger than memory is fine. */
typedef struct wt_map {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
} wt_map;

/* Maps a regular file. Fails with the path and the cause. Release with wt_map_close (NULL-safe, idempotent). */
int wt_map_open(wt_map *map, const char *path, wt_error *err);
void wt_map_close(wt_map *map);

/*
 * Memory in a temporary file (in TMPDIR or /tmp) that is gone from its folder already and whose space is reserved: for what
 * would be too much to hold, because the kernel may write it out. Zeroed. Release with wt_unmap_temporary (NULL-safe).
 */
void *wt_map_temporary(size_t bytes, wt_error *err);
void wt_unmap_temporary(void *data, size_t bytes);

/*
 * Reads a whole text file into a NUL-terminated buffer that the caller frees; *len excludes the NUL and the text may hold
 * NULs of its own. "-" reads standard input. More than 256 MiB fail: a device may never end.
 */
char *wt_read_text(const char *path, size_t *len, wt_error *err);

/*
 * An output being written; where the path is a link, what it leads to. Bytes go to a temporary name in the same folder;
 * commit does flush, fsync, rename and fsync of the folder, abandon removes it. Exactly one of the two must be called after
 * a successful open; both leave the object closed. Write errors (a full disk) are kept and reported by commit.
 */
typedef struct wt_output {
    FILE *stream;
    char *path, *temporary;
} wt_output;

int wt_output_open(wt_output *out, const char *path, wt_error *err);
int wt_output_write(wt_output *out, const void *data, size_t bytes, wt_error *err);
int wt_output_commit(wt_output *out, wt_error *err);
void wt_output_abandon(wt_output *out);

/* All of that in one call: the file at `path` is these bytes, or as it was. */
int wt_file_write(const char *path, const void *data, size_t bytes, wt_error *err);

#endif
