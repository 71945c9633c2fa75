/* Whether somebody holds the writer's lock, by asking for a shared one and letting go of it at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/store.h"

/* Whether the lock is held; *writer is who says that they hold it. */
static bool look(const char *folder, long *writer) {
    char path[4096], owner[32] = "";
    *writer = 0;
    if (snprintf(path, sizeof path, "%s/run.lock", folder) >= (int)sizeof path) return false;
    const int lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock < 0) return false;
    const bool busy = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (busy && pread(lock, owner, sizeof owner - 1, 0) > 0) *writer = strtol(owner, NULL, 10);
    close(lock);
    return busy;
}

bool wt_store_is_busy(const char *folder) {
    long writer;
    return look(folder, &writer);
}

long wt_store_writer(const char *folder) {
    long writer;
    return look(folder, &writer) && writer > 0 ? writer : 0;
}
