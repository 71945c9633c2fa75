#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

int wt_map_open(wt_map *map, const char *path, wt_error *err) {
    *map = (wt_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe is refused, not waited for */
    if (fd < 0) return wt_fail_errno(err, errno, "cannot open '%s'", path);
    struct stat st;
    int rc = -1;
    if (fstat(fd, &st) != 0) {
        wt_fail_errno(err, errno, "cannot read '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        wt_fail(err, WT_ERR_IO, "cannot read '%s': not a regular file", path);
    } else if (st.st_size == 0) {
        rc = 0;
    } else {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            wt_fail_errno(err, errno, "cannot map '%s'", path);
        } else {
            *map = (wt_map){p, (size_t)st.st_size};
            rc = 0;
        }
    }
    close(fd);
    return rc;
}

void wt_map_close(wt_map *map) {
    if (map && map->data) munmap((void *)map->data, map->size);
    if (map) *map = (wt_map){0};
}

void *wt_map_temporary(size_t bytes, wt_error *err) {
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/wildtype-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0) {
        wt_fail_errno(err, errno, "cannot make a temporary file '%s'", path);
        wt_hint(err, "point TMPDIR at a folder that can be written");
        return NULL;
    }
    unlink(path);
    int rc = posix_fallocate(fd, 0, (off_t)bytes);
    void *p = rc == 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (p == MAP_FAILED) {
        wt_fail_errno(err, rc ? rc : errno, "cannot reserve %zu bytes in '%s'", bytes, path);
        wt_hint(err, "free some space, point TMPDIR elsewhere, or use fewer --chunks");
        p = NULL;
    }
    close(fd);
    return p;
}

void wt_unmap_temporary(void *data, size_t bytes) {
    if (data) munmap(data, bytes);
}

/* More text than anybody measures a model on; what comes from a device or a pipe may never end. */
#define LONGEST_TEXT ((size_t)256 << 20)

char *wt_read_text(const char *path, size_t *len, wt_error *err) {
    int is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) {
        wt_fail_errno(err, errno, "cannot open '%s'", path);
        return NULL;
    }
    char *text = NULL;
    size_t used = 0, cap = 0;
    for (;;) {
        if (wt_grow((void **)&text, &cap, used + 65536 + 1, 1, err) != 0) goto fail;
        size_t n = fread(text + used, 1, cap - used - 1, f);
        used += n;
        if (n == 0) break;
        if (used > LONGEST_TEXT) {
            wt_fail(err, WT_ERR_ARGUMENT, "cannot use '%s': it is longer than %zu MiB", path, LONGEST_TEXT >> 20);
            wt_hint(err, "give a part of it");
            goto fail;
        }
    }
    if (ferror(f)) {
        wt_fail_errno(err, errno, "cannot read '%s'", path);
        goto fail;
    }
    if (!is_stdin) fclose(f);
    text[used] = '\0';
    *len = used;
    return text;
fail:
    if (!is_stdin) fclose(f);
    free(text);
    return NULL;
}

/* Whether the file is where this process prints: a report would be lost in it, or it in the report. */
static bool is_printed_to(const struct stat *file) {
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino) return true;
    }
    return false;
}

/* The name to write under, to be freed: where a link leads, so that the file behind it is replaced and not the link. */
static char *behind_links(const char *path, wt_error *err) {
    char *real = realpath(path, NULL); /* NULL where there is no such file yet */
    if (!real) real = strdup(path);
    if (!real) wt_fail_memory(err, strlen(path));
    return real;
}

int wt_output_open(wt_output *out, const char *path, wt_error *err) {
    *out = (wt_output){0};
    struct stat st;
    mode_t mode = 0666;
    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode)) return wt_fail(err, WT_ERR_IO, "cannot write '%s': not a regular file", path);
        if (is_printed_to(&st))
            return wt_fail(err, WT_ERR_IO, "cannot write '%s': standard output or error goes there", path);
        mode = st.st_mode & 0777; /* replacing a file keeps its permissions */
    }
    if (!(out->path = behind_links(path, err))) goto fail;
    const size_t n = strlen(out->path);
    if (!(out->temporary = wt_calloc(n + 12, 1, err))) goto fail;
    snprintf(out->temporary, n + 12, "%s.tmp-XXXXXX", out->path);
    int fd = mkstemp(out->temporary);
    if (fd < 0) {
        wt_fail_errno(err, errno, "cannot write '%s'", path);
        goto fail;
    }
    mode_t mask = umask(0); /* mkstemp makes the file private; the result should be as open as any new file */
    umask(mask);
    if (fchmod(fd, mode & ~mask) != 0 || !(out->stream = fdopen(fd, "wb"))) {
        wt_fail_errno(err, errno, "cannot write '%s'", path);
        close(fd);
        unlink(out->temporary);
        goto fail;
    }
    return 0;
fail:
    free(out->path);
    free(out->temporary);
    *out = (wt_output){0};
    return -1;
}

int wt_output_write(wt_output *out, const void *data, size_t bytes, wt_error *err) {
    if (bytes == 0 || fwrite(data, 1, bytes, out->stream) == bytes) return 0;
    return wt_fail_errno(err, errno, "cannot write '%s'", out->path);
}

static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder) return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int wt_output_commit(wt_output *out, wt_error *err) {
    if (fflush(out->stream) != 0 || ferror(out->stream) || fsync(fileno(out->stream)) != 0) {
        wt_fail_errno(err, errno, "cannot write '%s'", out->path);
        wt_output_abandon(out);
        return -1;
    }
    int closed = fclose(out->stream);
    out->stream = NULL;
    if (closed != 0 || rename(out->temporary, out->path) != 0) {
        wt_fail_errno(err, errno, "cannot write '%s'", out->path);
        wt_output_abandon(out);
        return -1;
    }
    sync_folder(out->path); /* best effort: some file systems refuse to sync a folder, and the data is down already */
    free(out->path);
    free(out->temporary);
    *out = (wt_output){0};
    return 0;
}

void wt_output_abandon(wt_output *out) {
    if (!out || !out->path) return;
    if (out->stream) fclose(out->stream);
    unlink(out->temporary);
    free(out->path);
    free(out->temporary);
    *out = (wt_output){0};
}

int wt_file_write(const char *path, const void *data, size_t bytes, wt_error *err) {
    wt_output out;
    if (wt_output_open(&out, path, err) != 0) return -1;
    if (wt_output_write(&out, data, bytes, err) == 0) return wt_output_commit(&out, err);
    wt_output_abandon(&out);
    return -1;
}
