#include "cli/evolve_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/report.h"

#define REDRAW 0.25 /* seconds */

void wt_evolve_view_init(wt_evolve_view *v, double before, bool quiet) {
    *v = (wt_evolve_view){.started = wt_clock(), .before = before, .drawn = -1, .generation = UINT64_MAX, .quiet = quiet,
                          .terminal = isatty(STDERR_FILENO) == 1};
}

double wt_evolve_view_clock(void *view) {
    const wt_evolve_view *v = view;
    return v->before + wt_clock() - v->started;
}

/* "3:05", "1:02:03". */
static const char *format_time(char buf[24], double seconds) {
    const unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;
    if (s >= 3600)
        snprintf(buf, 24, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, 24, "%lu:%02lu", s / 60, s % 60);
    return buf;
}

static void format_status(const wt_evolve_view *v, const wt_evolve_status *s, char *line, size_t size) {
    char time[24], left[24] = "?", best[32] = "-", human[64] = "";
    const double seconds = wt_evolve_view_clock((void *)v), here = wt_clock() - v->started;
    if (s->spent > 0.001 && s->spent <= 1) format_time(left, seconds / s->spent - seconds);
    if (!isnan(s->best)) snprintf(best, sizeof best, "%.6f", s->best);
    if (!isnan(s->best_human)) snprintf(human, sizeof human, " (%s %.6f)", s->best_human_label, s->best_human);
    snprintf(line, size, "generation %" PRIu64 ": best %s%s; %" PRIu64 " measured, %.2f/s; %" PRIu64 " lethal, %" PRIu64
             " sent home; tensors reused %.0f%%, states %.0f%%; %s, %s left",
             s->generation, best, human, s->counts.evaluations, here > 0 ? (double)s->counts.evaluations / here : 0, s->deaths,
             s->eliminated, 100 * s->encoded_hits, 100 * s->state_reuse, format_time(time, seconds), left);
}

void wt_evolve_view_draw(void *view, const wt_evolve_status *s) {
    wt_evolve_view *v = view;
    char line[512];
    const double now = wt_clock();
    if (v->quiet) return;
    if (v->terminal && now - v->drawn < REDRAW) return;
    if (!v->terminal && s->generation == v->generation) return;
    v->drawn = now;
    v->generation = s->generation;
    format_status(v, s, line, sizeof line);
    if (v->terminal)
        fprintf(stderr, "\r\033[K%s", line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

void wt_evolve_view_clear(wt_evolve_view *v) {
    if (v->terminal && !v->quiet) fputs("\r\033[K", stderr);
}
