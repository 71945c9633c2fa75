/*
 * The server of `watch`: one thread, one loop, HTTP by libmicrohttpd, on the loopback address alone. It answers GET and HEAD of the page and of
 * its data; everything else is refused, first of all what names another host (a page of the web that had its name resolved to this machine).
 *
 * Each connection serves one request. Connections are bounded in number, memory and age: who is slow is cut off after some seconds, sooner
 * when many are there, so that nobody can keep others out.
 */
#ifndef WT_CLI_WATCH_SERVER_H
#define WT_CLI_WATCH_SERVER_H

#include "cli/watch_content.h"

typedef struct wt_watch_server wt_watch_server;

/*
 * Listens on 127.0.0.1 and `port` (0: any that is free). Close with wt_watch_server_close; the content outlives it. NULL and an error that names
 * address and port where nothing can listen there.
 */
wt_watch_server *wt_watch_server_open(wt_watch_content *content, uint16_t port, wt_error *err);
uint16_t wt_watch_server_port(const wt_watch_server *server);

/* Serves until one of the signals that `stop`, a signalfd, waits for. `tick` (may be NULL) is called after each wake-up. 0, or -1
 * where it can wait no longer; `stop` stays the caller's. */
int wt_watch_server_run(wt_watch_server *server, int stop, void (*tick)(void *user), void *user, wt_error *err);

uint64_t wt_watch_server_requests(const wt_watch_server *server); /* that were answered */
void wt_watch_server_close(wt_watch_server *server);              /* NULL-safe */

#endif
