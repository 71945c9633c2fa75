/*
 * Progress on a terminal and signals; see progress.h.
 *
 * Signals are taken by a thread that waits for them, not by a handler: oneDNN's generated sgemm keeps the stack pointer in
 * the heap for a while (seen in 2.6), and a handler's frame, put there by the kernel, overwrites what lies below.
 */
#include "cli/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"
#include "cli/report.h"

/* Seconds between two drawings: often enough to look alive, seldom enough to cost nothing. */
#define REDRAW 0.1

static atomic_int stop_signal;
static atomic_bool stop_at_once;

/* The line on the terminal. */
static struct {
    char stage[64];
    double started; /* when this stage began; rates are of the stage */
    double first;   /* work done by then */
    double drawn;   /* when it was last drawn */
    int visible;
} line;

/* Lets a signal do what it does to any program. Outside commands have groups of their own, which no terminal's signal reaches. */
static void end_by(int number) {
    sigset_t one;
    wt_process_end_all();
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
}

/* Waits for the signals of `set`: remembers the first, lets the second (or the first, where so said) end the process. */
static void *watch(void *set) {
    int number;
    if (sigwait(set, &number) != 0) return NULL;
    atomic_store(&stop_signal, number);
    if (atomic_load(&stop_at_once) || sigwait(set, &number) == 0) end_by(number);
    return NULL;
}

void wt_interrupt_at_once(bool at_once) {
    atomic_store(&stop_at_once, at_once);
    if (at_once && wt_interrupt_signal()) end_by(wt_interrupt_signal()); /* it came just before */
}

static pthread_t watcher;

/* At the end of the program: the thread is taken down, so that leak checkers find nothing of it. */
static void end_watch(void) {
    pthread_cancel(watcher); /* it waits in sigwait, where it may be cancelled */
    pthread_join(watcher, NULL);
}

void wt_interrupt_watch(void) {
    static const int SIGNALS[] = {SIGINT, SIGTERM};
    static sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) {
        struct sigaction old;
        if (sigaction(SIGNALS[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaddset(&set, SIGNALS[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads inherit it: those of OpenMP begin later */
    if (pthread_create(&watcher, NULL, watch, &set) == 0)
        atexit(end_watch);
    else
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int wt_interrupt_signal(void) { return atomic_load(&stop_signal); }

double wt_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : 80;
}

static void format_time(char *text, size_t size, double seconds) {
    if (!(seconds < 360000.0)) {
        snprintf(text, size, "days");
        return;
    }
    unsigned s = (unsigned)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, size, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%u:%02u", s / 60, s % 60);
}

/* "measuring  45%  12,345 of 27,000 tokens  3,210 tokens/s  0:05 left", cut to the terminal's width. */
static void draw(double now, double done, double total, const char *unit) {
    char text[256], count[32], all[32], rate[32], left[32];
    int n = snprintf(text, sizeof text, "%s", line.stage);
    if (total > 0) n += snprintf(text + n, sizeof text - (size_t)n, "  %3.0f%%", 100.0 * done / total);
    n += snprintf(text + n, sizeof text - (size_t)n, "  %s", wt_format_count(count, (uint64_t)(done + 0.5)));
    if (total > 0) n += snprintf(text + n, sizeof text - (size_t)n, " of %s", wt_format_count(all, (uint64_t)total));
    n += snprintf(text + n, sizeof text - (size_t)n, " %.30s", unit);
    double seconds = now - line.started, speed = seconds > 0 ? (done - line.first) / seconds : 0;
    if (speed > 0 && seconds > 0.5) {
        if (speed >= 10)
            wt_format_count(rate, (uint64_t)(speed + 0.5));
        else
            snprintf(rate, sizeof rate, "%.1f", speed);
        n += snprintf(text + n, sizeof text - (size_t)n, "  %s %.30s/s", rate, unit);
        if (total > done) {
            format_time(left, sizeof left, (total - done) / speed);
            n += snprintf(text + n, sizeof text - (size_t)n, "  %s left", left);
        }
    }
    fprintf(stderr, "\r\033[K%.*s", terminal_columns() - 1, text);
    fflush(stderr);
    line.visible = 1;
    line.drawn = now;
}

static int report(void *user, const char *stage, double done, double total, const char *unit) {
    (void)user;
    if (wt_interrupt_signal()) return 1;
    static int terminal = -1;
    if (terminal < 0) terminal = isatty(STDERR_FILENO) == 1;
    if (!terminal) return 0;
    double now = wt_clock();
    if (strncmp(line.stage, stage, sizeof line.stage - 1) != 0) {
        snprintf(line.stage, sizeof line.stage, "%s", stage);
        line.started = now;
        line.first = done;
        line.drawn = 0;
    }
    if (now - line.drawn >= REDRAW) draw(now, done, total, unit);
    return 0;
}

const wt_progress *wt_progress_terminal(void) {
    static const wt_progress LISTENER = {.report = report};
    return &LISTENER;
}

void wt_progress_clear(void) {
    if (line.visible) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    line.visible = 0;
    line.stage[0] = '\0';
}

void wt_note(const char *fmt, ...) {
    char text[1024], shown[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    wt_progress_clear();
    fprintf(stderr, "note: %s\n", wt_printable(shown, sizeof shown, text, strlen(text)));
}

void wt_note_heard(void *user, const char *text) {
    (void)user;
    wt_note("%s", text);
}
