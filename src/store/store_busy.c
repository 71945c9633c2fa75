/* Whether somebody holds the writer's lock, by asking for a shared one and letting go of it at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/store.h"

bool wt_store_is_busy(const char *folder) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/run.lock", folder) >= (int)sizeof path) return false;
    const int lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock < 0) return false;
    const bool busy = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(lock);
    return busy;
}
