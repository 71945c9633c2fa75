/*
 * wildtype: quantization strategies that survive.
 *
 * The public face of the library: the error type and progress callback that every floor uses, and the handful of
 * calls that a program other than our command line needs: open a model, measure it, generate text with it.
 *
 * Conventions. Functions that can fail return 0 or -1 (or a pointer or NULL) and fill the last parameter, a
 * `wt_error *` (NULL is allowed: the details are dropped). Strings are UTF-8 and NUL-terminated unless a length stands
 * beside them. An opaque object belongs to whoever opened it, is freed by the matching `_close`/`_free`, which accept
 * NULL, and may be read from several threads at once unless its comment says otherwise.
 */
#ifndef WILDTYPE_H
#define WILDTYPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The kinds of failure; a caller may branch on them, people read the message. */
typedef enum wt_code {
    WT_OK = 0,
    WT_ERR_IO,          /* the system refused: open, read, write, space */
    WT_ERR_FORMAT,      /* a file is not what it claims to be */
    WT_ERR_UNSUPPORTED, /* well-formed, but something this build does not know */
    WT_ERR_MISMATCH,    /* two inputs that do not belong together */
    WT_ERR_ARGUMENT,    /* the caller asked for something impossible */
    WT_ERR_MEMORY,      /* an allocation failed */
    WT_ERR_INTERRUPTED, /* the progress callback asked to stop */
} wt_code;

/*
 * What went wrong. `message` is lower case without a full stop: the subject quoted, then the cause, e.g.
 * "cannot read 'x.gguf': tensor 'blk.3.ffn_up.weight' ends 4096 bytes past the file". `hint` says what to do and may be
 * empty. Both are always NUL-terminated; over-long texts are cut.
 */
typedef struct wt_error {
    wt_code code;
    char message[768];
    char hint[256];
} wt_error;

/*
 * Progress of long work. `report` is called from the calling thread every so often with the work done so far, both in
 * `unit`s ("tokens", "tasks"); a non-zero return asks the work to stop, which then fails with WT_ERR_INTERRUPTED.
 * A NULL pointer or a NULL `report` means nobody is listening.
 */
typedef struct wt_progress {
    int (*report)(void *user, const char *stage, double done, double total, const char *unit);
    void *user;
} wt_progress;

/* The version of the library, "MAJOR.MINOR.PATCH"; static storage. */
const char *wt_version(void);

#ifdef __cplusplus
}
#endif
#endif
