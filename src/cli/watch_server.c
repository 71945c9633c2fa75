#include "cli/watch_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/progress.h"

/* Connections at the same time; beyond CROWD of them patience is short. Bytes of a request. */
enum { MOST_CONNECTIONS = 64, CROWD = 32, REQUEST_BYTES = 16384, BACKLOG = 128 };

/* Seconds that a connection may take from beginning to end. A page goes over the loopback in hundredths. */
#define PATIENCE 15.0
#define CROWDED_PATIENCE 1.0

typedef struct guest {
    int socket; /* -1: the place is free */
    double since;
    bool dismissed;
} guest;

struct wt_watch_server {
    wt_watch_content *content;
    struct MHD_Daemon *daemon;
    int listener;
    uint16_t port;
    char hosts[2][32], *policy;
    guest guests[MOST_CONNECTIONS + 8];
    size_t guest_count;
    uint64_t requests;
};

/* ---- answers ---- */

static void head(struct MHD_Response *r, const char *name, const char *value) {
    MHD_add_response_header(r, name, value);
}

/* What every answer says: it is nobody else's to read, frame or guess the type of. */
static void common_headers(struct MHD_Response *r, const char *type, const char *policy) {
    head(r, "Content-Type", type);
    head(r, "Content-Security-Policy", policy);
    head(r, "X-Content-Type-Options", "nosniff");
    head(r, "X-Frame-Options", "DENY");
    head(r, "Referrer-Policy", "no-referrer");
    head(r, "Cross-Origin-Resource-Policy", "same-origin");
    head(r, "Cross-Origin-Opener-Policy", "same-origin");
    head(r, "Cache-Control", "no-cache");
    head(r, "Connection", "close");
}

static enum MHD_Result send_off(struct MHD_Connection *c, unsigned status, struct MHD_Response *r) {
    if (!r) return MHD_NO;
    const enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned status, const char *text) {
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    if (r) common_headers(r, "text/plain; charset=utf-8", "default-src 'none'");
    if (r && status == MHD_HTTP_METHOD_NOT_ALLOWED) head(r, "Allow", "GET, HEAD");
    return send_off(c, status, r);
}

/* Takes the body's user over. */
static enum MHD_Result send_body(struct MHD_Connection *c, wt_body *body, const char *type, const char *policy) {
    struct MHD_Response *r =
        MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->data, wt_body_leave, body);
    if (!r) {
        wt_body_leave(body);
        return MHD_NO;
    }
    common_headers(r, type, policy);
    head(r, "ETag", body->tag);
    return send_off(c, MHD_HTTP_OK, r);
}

static enum MHD_Result say_wrong(wt_watch_server *s, struct MHD_Connection *c) {
    char text[2200];
    snprintf(text, sizeof text, "The run cannot be shown: %s\n", s->content->wrong.message);
    return say(c, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result send_data(wt_watch_server *s, struct MHD_Connection *c) {
    const char *known = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match");
    wt_body *body = wt_watch_document(s->content);
    if (!body) return say_wrong(s, c);
    if (known && (strcmp(known, "*") == 0 || strstr(known, body->tag))) {
        struct MHD_Response *r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
        if (r) {
            common_headers(r, "application/json; charset=utf-8", "default-src 'none'");
            head(r, "ETag", body->tag);
        }
        wt_body_leave(body);
        return send_off(c, MHD_HTTP_NOT_MODIFIED, r);
    }
    return send_body(c, body, "application/json; charset=utf-8", "default-src 'none'");
}

static enum MHD_Result send_page(wt_watch_server *s, struct MHD_Connection *c) {
    if (!s->policy)
        return say(c, MHD_HTTP_OK, "This wildtype was built without the page. The run's document is at /data.json.\n");
    wt_body *body = wt_watch_page(s->content);
    return body ? send_body(c, body, "text/html; charset=utf-8", s->policy) : say_wrong(s, c);
}

/* ---- requests ---- */

typedef struct hosts {
    const wt_watch_server *server;
    int named, ours;
} hosts;

static enum MHD_Result check_host(void *user, enum MHD_ValueKind kind, const char *key, const char *value) {
    hosts *h = user;
    (void)kind;
    if (strcasecmp(key, "Host") != 0) return MHD_YES;
    h->named++;
    for (int k = 0; k < 2; k++) h->ours += value && strcasecmp(value, h->server->hosts[k]) == 0;
    return MHD_YES;
}

static enum MHD_Result answer(void *user, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state) {
    wt_watch_server *s = user;
    hosts h = {s, 0, 0};
    (void)version, (void)upload, (void)upload_size, (void)state;
    s->requests++;
    MHD_get_connection_values(c, MHD_HEADER_KIND, check_host, &h);
    if (h.named != 1 || h.ours != 1)
        return say(c, MHD_HTTP_FORBIDDEN, "This is served to 127.0.0.1 and localhost only.\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "There is nothing to write here: GET and HEAD alone.\n");
    if (strcmp(url, "/") == 0) return send_page(s, c);
    if (strcmp(url, "/data.json") == 0) return send_data(s, c);
    return say(c, MHD_HTTP_NOT_FOUND, "There are / and /data.json.\n");
}

/* ---- guests ---- */

static void note_connection(void *user, struct MHD_Connection *c, void **place,
                            enum MHD_ConnectionNotificationCode code) {
    wt_watch_server *s = user;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (!*place) return;
        ((guest *)*place)->socket = -1;
        s->guest_count--;
        *place = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (size_t k = 0; info && k < sizeof s->guests / sizeof *s->guests; k++) {
        if (s->guests[k].socket >= 0) continue;
        s->guests[k] = (guest){.socket = info->connect_fd, .since = wt_clock()};
        s->guest_count++;
        *place = &s->guests[k];
        return;
    }
}

/* Ends what takes too long: the library then finds the connection closed, and lets go of it. */
static void dismiss_slow(wt_watch_server *s) {
    const double now = wt_clock(), patience = s->guest_count > CROWD ? CROWDED_PATIENCE : PATIENCE;
    for (size_t k = 0; k < sizeof s->guests / sizeof *s->guests; k++) {
        guest *g = &s->guests[k];
        if (g->socket < 0 || g->dismissed || now - g->since < patience) continue;
        shutdown(g->socket, SHUT_RDWR);
        g->dismissed = true;
    }
}

/* ---- the loop ---- */

/* Waits until something is there to do; 1: the signal to stop, 0: other things, -1: an error. */
static int wait_and_serve(wt_watch_server *s, int stop, wt_error *err) {
    fd_set readable, writable, other;
    MHD_socket highest = 0;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    struct timeval wait = {.tv_sec = 0, .tv_usec = 500000};
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&other);
    if (MHD_get_fdset(s->daemon, &readable, &writable, &other, &highest) != MHD_YES)
        return wt_fail(err, WT_ERR_IO, "cannot serve: libmicrohttpd cannot wait for its connections; perhaps too many files are open");
    /* While the house is full nobody is let in; the kernel keeps them waiting. */
    if (s->guest_count >= MOST_CONNECTIONS) FD_CLR(s->listener, &readable);
    FD_SET(stop, &readable);
    if (stop > highest) highest = stop;
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES && wait_ms < 500) wait.tv_usec = (suseconds_t)(wait_ms * 1000);
    const int ready = select(highest + 1, &readable, &writable, &other, s->guest_count ? &wait : NULL);
    if (ready < 0 && errno != EINTR) return wt_fail_errno(err, errno, "cannot wait for requests");
    if (ready < 0) return 0;
    if (FD_ISSET(stop, &readable)) return 1;
    if (MHD_run_from_select(s->daemon, &readable, &writable, &other) != MHD_YES)
        return wt_fail(err, WT_ERR_IO, "cannot serve requests");
    dismiss_slow(s);
    return 0;
}

int wt_watch_server_run(wt_watch_server *s, int stop, void (*tick)(void *), void *user, wt_error *err) {
    int rc = 0;
    while (rc == 0) {
        rc = wait_and_serve(s, stop, err);
        if (tick) tick(user);
    }
    return rc < 0 ? -1 : 0;
}

/* ---- opening ---- */

static int listen_on(wt_watch_server *s, uint16_t port, wt_error *err) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0) return wt_fail_errno(err, errno, "cannot open a socket");
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* after a server that just ended */
    if (bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(s->listener, BACKLOG) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0) {
        wt_fail_errno(err, errno, "cannot listen on 127.0.0.1:%u", port);
        return wt_hint(err, "--port names another port; 0 takes any that is free");
    }
    s->port = ntohs(address.sin_port);
    snprintf(s->hosts[0], sizeof s->hosts[0], "127.0.0.1:%u", s->port);
    snprintf(s->hosts[1], sizeof s->hosts[1], "localhost:%u", s->port);
    return 0;
}

static void keep_quiet(void *user, const char *format, va_list ap) { (void)user, (void)format, (void)ap; }

wt_watch_server *wt_watch_server_open(wt_watch_content *content, uint16_t port, wt_error *err) {
    wt_watch_server *s = wt_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    *s = (wt_watch_server){.content = content, .listener = -1};
    for (size_t k = 0; k < sizeof s->guests / sizeof *s->guests; k++) s->guests[k].socket = -1;
    if (content->page->html && !(s->policy = wt_page_policy(content->page->html, content->page->len, err))) goto fail;
    if (listen_on(s, port, err) != 0) goto fail;
    s->daemon = MHD_start_daemon(MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, s, MHD_OPTION_EXTERNAL_LOGGER, keep_quiet,
                                 NULL, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)s->listener, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)MOST_CONNECTIONS + 8, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
                                 MHD_OPTION_NOTIFY_CONNECTION, note_connection, s, MHD_OPTION_END);
    if (s->daemon) return s;
    wt_fail(err, WT_ERR_IO, "cannot start the server on 127.0.0.1:%u: libmicrohttpd refuses", (unsigned)s->port);
fail:
    wt_watch_server_close(s);
    return NULL;
}

uint16_t wt_watch_server_port(const wt_watch_server *s) { return s->port; }
uint64_t wt_watch_server_requests(const wt_watch_server *s) { return s->requests; }

void wt_watch_server_close(wt_watch_server *s) {
    if (!s) return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes the listener too */
    else if (s->listener >= 0)
        close(s->listener);
    free(s->policy);
    free(s);
}
