/* `wildtype watch`: the page of a run while it goes on, for a browser on the same machine. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/process_time.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/watch_server.h"
#include "store/store.h"

typedef struct settings {
    const char *run, *page;
    uint64_t port;
} settings;

/* The run's processes, one after another, and the seconds that they took since we look at them. */
typedef struct process {
    const char *folder;
    long id;                    /* of the one at hand; 0: none yet */
    double first, last, looked; /* of that one: when we saw it first, and last; looked < 0: never */
    double before;              /* of those that ended */
} process;

static void look_at_process(void *user) {
    process *p = user;
    const double now = wt_clock();
    const bool anew = p->looked >= 0; /* whoever comes from now on began while we watched */
    if (anew && now - p->looked < 1) return;
    p->looked = now;
    const long id = wt_store_writer(p->folder);
    const double seconds = id ? wt_process_seconds(id) : NAN;
    if (isnan(seconds)) return; /* what it took before it ended stays */
    if (id != p->id) {
        p->before += p->last - p->first;
        p->first = anew ? 0 : seconds;
    }
    p->id = id;
    p->last = seconds;
}

/* Those of SIGINT and SIGTERM that are not ignored, from now on to be read from the descriptor that it returns. */
static int signals_to_read(wt_error *err) {
    static const int SIGNALS[] = {SIGINT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) {
        struct sigaction old;
        if (sigaction(SIGNALS[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaddset(&set, SIGNALS[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* clients go when they like */
    const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : wt_fail_errno(err, errno, "cannot wait for signals");
}

static void print_end(const wt_watch_server *server, const wt_watch_content *content, const process *p,
                      double watched) {
    const double own = wt_own_seconds(), run = p->before + (p->id ? p->last - p->first : 0);
    printf("watched for %.0f s: %" PRIu64 " requests, %" PRIu64
           " documents; %.2f s of processor time, %.2f%% of one processor",
           watched, wt_watch_server_requests(server), content->count, own, watched > 0 ? 100 * own / watched : 0);
    if (run > 0) printf(", %.2f%% of the %.1f s that the run took meanwhile", 100 * own / run, run);
    putchar('\n');
}

static int watch(const settings *s, const wt_page_source *page, wt_error *err) {
    wt_watch_content content = {.folder = s->run, .page = page};
    process p = {.folder = s->run, .looked = -1};
    char shown[1200];
    const double began = wt_clock();
    const int stop = signals_to_read(err);
    wt_watch_server *server = stop >= 0 ? wt_watch_server_open(&content, (uint16_t)s->port, err) : NULL;
    int rc = server ? 0 : -1;
    if (rc == 0) {
        if (!page->html) wt_note("this wildtype was built without the page: /data.json alone is served");
        printf("%s: http://127.0.0.1:%u/ until Ctrl-C\n", wt_printable(shown, sizeof shown, s->run, strlen(s->run)),
               wt_watch_server_port(server));
        fflush(stdout);
        look_at_process(&p);
        rc = wt_watch_server_run(server, stop, look_at_process, &p, err);
        p.looked = 0; /* once more, however short ago the last time was */
        look_at_process(&p);
    }
    if (rc == 0) print_end(server, &content, &p, wt_clock() - began);
    wt_watch_server_close(server);
    wt_watch_content_release(&content);
    if (stop >= 0) close(stop);
    return rc;
}

static int run(const void *given, wt_error *err) {
    const settings *s = given;
    wt_page_source page = {0};
    size_t len;
    if (!s->run) return wt_usage(err, "which run is not said: wildtype watch RUN");
    /* that there is a run is checked before anybody is told to look at it */
    wt_run_store *store = wt_store_open(s->run, WT_STORE_READ, err);
    int rc = store ? 0 : -1;
    wt_store_close(store);
    if (rc == 0 && (s->page || wt_page_embedded(&len))) rc = wt_page_source_open(&page, s->page, "", err);
    if (rc == 0) rc = watch(s, &page, err);
    wt_page_source_close(&page);
    return rc == 0 ? WT_EXIT_DONE : WT_EXIT_FAILED;
}

static const wt_argument ARGUMENTS[] = {
    {"RUN", offsetof(settings, run), "The run's folder; 'wildtype runs' lists them. It may be going on, or be over."},
    {0},
};

#define SETTING(member) .offset = offsetof(settings, member)

static const wt_option OPTIONS[] = {
    {.name = "port",
     .kind = WT_OPTION_COUNT,
     .value = "N",
     SETTING(port),
     .min = 0,
     .max = 65535,
     .help = "The port on 127.0.0.1; 0 takes any that is free. Default: 8260."},
    {.name = "page",
     .kind = WT_OPTION_TEXT,
     .value = "FILE",
     SETTING(page),
     .help = "The page to serve, instead of the one that is built in."},
    {0},
};

static const wt_example EXAMPLES[] = {
    {"wildtype watch run/", "Then open http://127.0.0.1:8260/ in a browser: it shows the run, and keeps up with it."},
    {0},
};

static const settings DEFAULTS = {.port = 8260};

const wt_command WT_COMMAND_WATCH = {
    .name = "watch",
    .summary = "show a run in a browser while it goes on",
    .synopsis = "RUN [--port N]",
    .description =
        "Serves the page of 'wildtype report' on this machine alone (127.0.0.1) until Ctrl-C. The page asks for news every two seconds; while "
        "nobody looks, nothing is done. The run is only read: nothing can be changed through it.\n"
        "\n"
        "Reading a run that goes on takes a little of its time: never more than about a hundredth of one processor, for which news of runs with "
        "thousands of individuals come less often. What it took is printed at the end.",
    .arguments = ARGUMENTS,
    .options = OPTIONS,
    .examples = EXAMPLES,
    .defaults = &DEFAULTS,
    .settings_size = sizeof(settings),
    .run = run,
};
