#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

extern char **environ;

enum { LOOK_EVERY = 100 /* milliseconds */, LAST_WORDS = 1000 /* milliseconds to read what is left after the end */ };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- streams ---- */

/* Appends to the end that is kept; what is longer loses its beginning. NULs become blanks: what is kept is a string. */
static void keep(char *end, const char *more, size_t n) {
    const size_t have = strlen(end), all = have + n, drop = all > WT_PROCESS_OUTPUT ? all - WT_PROCESS_OUTPUT : 0;
    if (drop >= have) {
        more += drop - have;
        n -= drop - have;
        end[0] = '\0';
    } else if (drop) {
        memmove(end, end + drop, have - drop + 1);
    }
    char *to = end + strlen(end);
    for (size_t i = 0; i < n; i++) to[i] = more[i] ? more[i] : ' ';
    to[n] = '\0';
}

/* Waits until something can be read, at most so long, and takes it; a stream that has ended is closed and becomes -1. */
static void listen(struct pollfd *streams, char *const ends[2], int milliseconds) {
    char buffer[4096];
    if (poll(streams, 2, milliseconds) <= 0) return;
    for (int i = 0; i < 2; i++) {
        if (streams[i].fd < 0 || !streams[i].revents) continue;
        const ssize_t n = read(streams[i].fd, buffer, sizeof buffer);
        if (n > 0) {
            keep(ends[i], buffer, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close(streams[i].fd);
            streams[i].fd = -1;
        }
    }
}

/* ---- those that run at this moment, for whoever has to end them all ---- */

typedef struct running {
    pid_t group;
    struct running *next;
} running;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static running *all;      /* under the lock, as the next one */
static bool none_may_run;

static void remove_running(const running *r) {
    running **at = &all;
    while (*at && *at != r) at = &(*at)->next;
    if (*at) *at = r->next;
}

void wt_process_end_all(void) {
    pthread_mutex_lock(&lock);
    none_may_run = true;
    for (const running *r = all; r; r = r->next) kill(-r->group, SIGKILL);
    pthread_mutex_unlock(&lock);
}

/* ---- starting and ending ---- */

/* Whether the kernel throws the status of children away: one that fails would look like one that does not. */
static bool forgets_children(void) {
    struct sigaction how;
    return sigaction(SIGCHLD, NULL, &how) == 0 && (how.sa_handler == SIG_IGN || how.sa_flags & SA_NOCLDWAIT);
}

static int spawn(char *const argv[], const int out[2], const int err_pipe[2], pid_t *child) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    /* what this program blocks or ignores is its own affair */
    const int restored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE, SIGXFSZ, SIGCHLD};
    for (size_t i = 0; i < sizeof restored / sizeof *restored; i++) sigaddset(&usual, restored[i]);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, err_pipe[1], STDERR_FILENO);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &usual);
    const int rc = posix_spawnp(child, argv[0], &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Whether the child is over; it stays there to be waited for, so that its group's number cannot become somebody else's. */
static bool is_over(pid_t child) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child;
}

/* Starts it as one of those that end_all ends: no moment lies between. -1: none may begin; otherwise 0 or an errno. */
static int start(char *const argv[], const int out[2], const int err_pipe[2], running *r) {
    pthread_mutex_lock(&lock);
    const int failed = none_may_run ? -1 : spawn(argv, out, err_pipe, &r->group);
    if (!failed) {
        r->next = all;
        all = r;
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

/* Kills the group, which ends what the child itself left behind too. Nobody waited for the child yet: the number is still its own. */
static void end(const running *r) {
    pthread_mutex_lock(&lock);
    kill(-r->group, SIGKILL);
    remove_running(r);
    pthread_mutex_unlock(&lock);
}

/* -1: somebody else of this program waited for it, so that nobody can say how it ended. */
static int take_status(pid_t child, wt_process *p) {
    int status;
    pid_t got;
    while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR) {}
    p->status = got == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    p->signal = got == child && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return got == child ? 0 : -1;
}

static int fail_unknown(const char *program, wt_error *err) {
    wt_fail(err, WT_ERR_IO, "cannot run '%s': this program would not be told how it ends", program);
    return wt_hint(err, "SIGCHLD must not be ignored, and children must not be waited for elsewhere");
}

int wt_process_run(char *const argv[], double seconds, const wt_progress *progress, const char *stage, wt_process *p, wt_error *err) {
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, rc;
    running child;
    *p = (wt_process){.status = -1};
    if (forgets_children()) return fail_unknown(argv[0], err);
    if (pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0) {
        wt_fail_errno(err, errno, "cannot run '%s'", argv[0]);
        for (int i = 0; i < 4; i++)
            if (pipes[i / 2][i % 2] >= 0) close(pipes[i / 2][i % 2]);
        return -1;
    }
    const int failed = start(argv, pipes[0], pipes[1], &child);
    close(pipes[0][1]);
    close(pipes[1][1]);
    struct pollfd streams[] = {{.fd = pipes[0][0], .events = POLLIN}, {.fd = pipes[1][0], .events = POLLIN}};
    char *const ends[] = {p->out, p->err};
    if (failed < 0) {
        rc = wt_fail(err, WT_ERR_INTERRUPTED, "stopped");
    } else if (failed) {
        rc = wt_fail_errno(err, failed, "cannot run '%s'", argv[0]);
    } else {
        const double begin = now();
        for (int i = 0; i < 2; i++) fcntl(streams[i].fd, F_SETFL, O_NONBLOCK);
        for (rc = 0; rc == 0 && !p->timed_out && !is_over(child.group);) {
            listen(streams, ends, LOOK_EVERY);
            if (streams[0].fd < 0 && streams[1].fd < 0) nanosleep(&(struct timespec){0, 1000000}, NULL); /* it speaks no more */
            p->timed_out = now() - begin > seconds;
            rc = wt_progress_report(progress, stage, now() - begin, seconds, "seconds", err);
        }
        end(&child);
        const bool known = take_status(child.group, p) == 0;
        for (const double end = now(); (streams[0].fd >= 0 || streams[1].fd >= 0) && now() - end < 1e-3 * LAST_WORDS;)
            listen(streams, ends, LOOK_EVERY);
        if (rc == 0 && !known) rc = fail_unknown(argv[0], err);
    }
    for (int i = 0; i < 2; i++)
        if (streams[i].fd >= 0) close(streams[i].fd);
    return rc;
}

/* ---- what can be said of it ---- */

static bool may_start(const char *path) {
    struct stat st;
    return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool wt_process_exists(const char *program) {
    const char *path = getenv("PATH");
    char name[4096];
    if (strchr(program, '/')) return may_start(program);
    for (const char *at = path ? path : "/bin:/usr/bin"; *at;) {
        const size_t n = strcspn(at, ":");
        if (snprintf(name, sizeof name, "%.*s/%s", (int)n, n ? at : ".", program) < (int)sizeof name && may_start(name)) return true;
        at += n + (at[n] == ':');
    }
    return false;
}

void wt_process_tail(const wt_process *p, char *tail, size_t size) {
    const char *text = p->err[strspn(p->err, " \t\r\n")] ? p->err : p->out;
    size_t len = strlen(text), at = 0;
    while (len && strchr(" \t\r\n", text[len - 1])) len--;
    const char *from = len >= size ? text + len - size + 1 : text;
    while (from < text + len) {
        const int n = wt_utf8_sequence(from, (size_t)(text + len - from)), whole = n > 0 ? n : 1;
        const unsigned char first = (unsigned char)*from;
        const bool control = first < 32 || first == 127 || (first == 0xc2 && (unsigned char)from[1] < 0xa0); /* C1: they steer too */
        if (n > 0 && !control) {
            memcpy(tail + at, from, (size_t)n);
            at += (size_t)n;
        } else if (!at || tail[at - 1] != ' ') {
            tail[at++] = ' ';
        }
        from += whole;
    }
    tail[at] = '\0';
}
