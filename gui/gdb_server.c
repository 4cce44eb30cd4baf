/* SPDX-License-Identifier: MIT */
#include "gui/gdb_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "gui/gdb_session.h"

#define WAIT_MS 16
#define SEND_WAIT_MS 2000

struct gdb_server {
    struct machine *machine;
    struct debug *debug;
    int listener, peer;             /* peer -1: nobody is connected */
    bool ended;                     /* the debugger has been told of the machine's end */
    bool stand;                     /* nobody is connected, and yet the machine does not run */
    struct gdb_session session;
};

/* ---- the socket ---- */

static int listen_on(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol), yes = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say_where(int fd)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof at;
    char host[64] = "?", port[16] = "?";

    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(stderr, "gdb: listening on %s:%s\n", host, port);
}

/* "tcp:HOST:PORT"; no host is this machine alone. */
static struct err open_listener(struct gdb_server *g, const char *where)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
    char host[128];
    const char *colon;
    int failure;

    if (strncmp(where, "tcp:", 4) != 0 || (colon = strrchr(where + 4, ':')) == NULL || (size_t)(colon - where) >= sizeof host)
        return err_make(ERR_USAGE, "-gdb %s: give tcp:HOST:PORT", where);
    snprintf(host, sizeof host, "%.*s", (int)(colon - where - 4), where + 4);
    failure = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &list);
    if (failure != 0)
        return err_make(ERR_IO, "-gdb %s: %s", where, gai_strerror(failure));
    for (const struct addrinfo *a = list; a != NULL && g->listener < 0; a = a->ai_next)
        g->listener = listen_on(a);
    freeaddrinfo(list);
    if (g->listener < 0)
        return err_make(ERR_IO, "-gdb %s: cannot listen: %s", where, strerror(errno));
    say_where(g->listener);
    return OK;
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, wait_ms) > 0;
}

static void hang_up(struct gdb_server *g)
{
    close(g->peer);
    g->peer = -1;
    gdb_points_clear(&g->session);
    gdb_session_free(&g->session);
}

static void flush(struct gdb_server *g)
{
    struct gdb_writer *w = &g->session.out;
    size_t done = 0;

    while (done < w->len) {
        struct pollfd p = { .fd = g->peer, .events = POLLOUT };
        ssize_t n = send(g->peer, w->bytes + done, w->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EINTR) && poll(&p, 1, SEND_WAIT_MS) > 0)
            continue;
        else
            break;                  /* it does not listen; reading will tell */
    }
    w->len = 0;
}

/* What has arrived, without waiting. */
static void receive(struct gdb_server *g)
{
    uint8_t bytes[4096];
    ssize_t n = 1;

    while (g->peer >= 0 && n > 0 && readable(g->peer, 0)) {
        n = recv(g->peer, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) {
            gdb_session_feed(&g->session, bytes, (size_t)n);
            flush(g);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            hang_up(g);
        }
    }
}

/* Whoever comes while somebody is here is sent away. */
static bool welcome(struct gdb_server *g)
{
    int fd = accept(g->listener, NULL, NULL), yes = 1;

    if (fd < 0)
        return false;
    if (g->peer >= 0) {
        close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    g->peer = fd;
    gdb_session_init(&g->session, g->machine);
    return true;
}

/* ---- running ---- */

/* While the machine runs: a debugger that comes, or ctrl-C, stops it; one that has gone leaves it alone. */
static void on_poll(void *arg)
{
    struct gdb_server *g = arg;

    if (welcome(g))
        debug_pause(g->debug);
    receive(g);
    if (g->peer >= 0 && g->session.interrupted)
        debug_pause(g->debug);
    gdb_session_alive(&g->session, debug_host_ns());
    if (g->peer >= 0 && g->session.silent_since != 0)
        flush(g);
}

static void wait_for_word(struct gdb_server *g)
{
    (void)readable(g->peer >= 0 ? g->peer : g->listener, WAIT_MS);
    welcome(g);
    receive(g);
    debug_show(g->debug);
}

static void report(struct gdb_server *g, const struct debug_stop *stop)
{
    gdb_session_stopped(&g->session, stop);
    flush(g);
}

static struct debug_stop run(struct gdb_server *g)
{
    if (g->peer < 0)
        return debug_run(g->debug, UINT64_MAX);
    switch (g->session.wish) {
    case GDB_STEP:          return debug_step(g->debug, g->session.step_vp);
    case GDB_STEP_BACK:     return debug_step_back(g->debug, g->session.step_vp);
    case GDB_CONTINUE_BACK: return debug_run_back(g->debug);
    default:                return debug_run(g->debug, UINT64_MAX);
    }
}

/* A machine that can go back stays for the debugger when it has come to its end, once. */
static bool stays_at_end(struct gdb_server *g, const struct debug_stop *stop)
{
    const bool told = g->ended;

    g->ended = stop->why == DEBUG_END;
    return g->ended && !told && g->peer >= 0 && debug_can_go_back(g->debug);
}

static bool must_stand(const struct gdb_server *g)
{
    return g->peer >= 0 ? g->session.wish == GDB_STAY : g->stand;
}

/* The debugger's wish that ends its stay, before the machine runs on. False: it wants the end. */
static bool take_leave(struct gdb_server *g)
{
    const enum gdb_wish wish = g->session.wish;

    if (g->peer < 0 || (wish != GDB_DETACH && wish != GDB_KILL))
        return true;
    hang_up(g);
    g->stand = false;
    return wish == GDB_DETACH;
}

enum run gdb_server_run(struct gdb_server *g, struct machine *m)
{
    if (g == NULL)
        return machine_run(m, UINT64_MAX);
    for (;;) {
        struct debug_stop stop;
        bool fresh, stays;

        while (must_stand(g)) {
            if (machine_interrupted(m))
                return RUN_QUIT;
            wait_for_word(g);
        }
        if (!take_leave(g))
            return RUN_QUIT;
        g->stand = false;
        fresh = g->peer < 0;
        stop = run(g);
        stays = stays_at_end(g, &stop);
        g->session.linger = stays;
        if (g->peer >= 0 && !(fresh && stop.why == DEBUG_PAUSE))
            report(g, &stop);
        else if (g->peer >= 0)
            g->session.stop = stop;             /* it will ask */
        if (stop.why == DEBUG_END && !stays)
            return stop.how;
    }
}

/* ---- beginning and end ---- */

struct err gdb_server_open(struct gdb_server **out, struct machine *m, const char *where, bool wait)
{
    struct gdb_server *g = calloc(1, sizeof *g);
    struct err e;

    invariant(g != NULL, "out of memory for a debugger");
    g->machine = m;
    g->debug = machine_debug(m);
    g->listener = g->peer = -1;
    g->stand = wait;
    e = where != NULL ? open_listener(g, where) : OK;
    if (failed(&e)) {
        gdb_server_close(g);
        return e;
    }
    e = debug_travel(g->debug);     /* where that cannot be, it only goes forwards */
    (void)failed(&e);
    debug_on_poll(g->debug, on_poll, g);
    *out = g;
    return OK;
}

void gdb_server_close(struct gdb_server *g)
{
    if (g == NULL)
        return;
    if (g->peer >= 0)
        hang_up(g);
    if (g->listener >= 0)
        close(g->listener);
    debug_on_poll(g->debug, NULL, NULL);
    free(g);
}
