/* SPDX-License-Identifier: MIT
 * One descriptor for output and, for sockets, a thread that reads and posts. Nothing here ever reaches the guest except
 * through nondet_post(). */
#include "devices/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"

enum { PIECE = 4096, BACKLOG_MAX = 1 << 20, CLOSE_WAIT_MS = 2000 };

enum kind { KIND_NULL, KIND_STDIO, KIND_FILE, KIND_SOCKET };

struct stream {
    enum kind kind;
    int fd;                     /* output; -1: nowhere (for a server: nobody is connected) */
    bool is_file;               /* a regular file: worth collecting lines */
    bool mute;
    uint8_t *backlog;           /* written but not yet taken by the host */
    size_t len, room;

    /* sockets */
    struct nondet *nondet;
    uint8_t port;
    int listener;               /* -1: a client */
    int wake[2];                /* a byte here ends the thread */
    pthread_t thread;
    pthread_mutex_t lock;       /* fd and backlog */
    bool ended;                 /* a client's peer closed */
};

/* ---- output ---- */

static bool host_takes(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, wait_ms) > 0 && (p.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

static ssize_t put(const struct stream *s, const uint8_t *bytes, size_t len)
{
    if (s->kind == KIND_SOCKET)
        return send(s->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return write(s->fd, bytes, len);
}

/* Hand over as much of the backlog as the host takes within `wait_ms` at a time; a broken reader loses all of it. */
static void drain(struct stream *s, int wait_ms)
{
    size_t done = 0;

    while (s->fd >= 0 && done < s->len && (s->is_file || host_takes(s->fd, wait_ms))) {
        size_t piece = s->len - done < PIECE ? s->len - done : PIECE;
        ssize_t n = put(s, s->backlog + done, piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        done = n < 0 ? s->len : done + (size_t)n;
    }
    if (done > 0) {
        memmove(s->backlog, s->backlog + done, s->len - done);
        s->len -= done;
    }
}

static void append(struct stream *s, const void *bytes, size_t len)
{
    if (s->len + len > s->room) {
        s->room = (s->len + len) * 2;
        s->backlog = realloc(s->backlog, s->room);
        invariant(s->backlog != NULL, "out of memory for %zu bytes of output", s->room);
    }
    memcpy(s->backlog + s->len, bytes, len);
    s->len += len;
}

static void write_locked(struct stream *s, const void *bytes, size_t len)
{
    if (s->fd < 0)
        return;
    if (s->len + len > BACKLOG_MAX) {
        if (s->kind == KIND_SOCKET) {
            log_once(LOG_DEV, "serial output is lost: the peer does not read it");
            return;
        }
        drain(s, -1);
    }
    append(s, bytes, len);
    if (!s->is_file || s->len >= PIECE || memchr(bytes, '\n', len) != NULL)
        drain(s, 0);
}

void stream_write(struct stream *s, const void *bytes, size_t len)
{
    if (s->mute)
        return;
    pthread_mutex_lock(&s->lock);
    write_locked(s, bytes, len);
    pthread_mutex_unlock(&s->lock);
}

void stream_mute(struct stream *s, bool mute)
{
    s->mute = mute;
}

void stream_flush(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    drain(s, 0);
    pthread_mutex_unlock(&s->lock);
}

/* ---- input ---- */

/* Standard input is read by the frontend; here only: is it over? */
static bool stdin_is_open(void)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    struct stat st;

    if (fstat(STDIN_FILENO, &st) != 0)
        return false;
    if (S_ISREG(st.st_mode))
        return lseek(STDIN_FILENO, 0, SEEK_CUR) < st.st_size;
    if (S_ISCHR(st.st_mode))
        return isatty(STDIN_FILENO);
    return poll(&p, 1, 0) <= 0 || (p.revents & POLLIN) != 0;
}

bool stream_has_input(const struct stream *s)
{
    switch (s->kind) {
    case KIND_STDIO:  return stdin_is_open();
    case KIND_SOCKET: return s->listener >= 0 || !s->ended;
    default:          return false;
    }
}

static void set_peer(struct stream *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->len = 0;
    pthread_mutex_unlock(&s->lock);
}

/* Read from the peer and post; false when it went away. */
static bool receive(struct stream *s)
{
    uint8_t event[NONDET_EVENT_MAX];
    ssize_t n = recv(s->fd, event + 1, sizeof event - 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    event[0] = s->port;
    nondet_post(s->nondet, NONDET_SERIAL, event, 1 + (size_t)n);
    return true;
}

/* Only this thread changes s->fd, so it may read it without the lock. */
static void *serve(void *arg)
{
    struct stream *s = arg;

    for (;;) {
        struct pollfd p[2] = { { .fd = s->wake[0], .events = POLLIN },
                               { .fd = s->fd >= 0 ? s->fd : s->listener, .events = POLLIN } };

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[0].revents != 0)
            return NULL;
        if (p[1].revents == 0)
            continue;
        if (s->fd < 0) {
            set_peer(s, accept(s->listener, NULL, NULL));
        } else if (!receive(s)) {
            set_peer(s, -1);
            s->ended = true;
            if (s->listener < 0)
                return NULL;
        }
    }
}

/* ---- opening ---- */

static struct err open_file(struct stream *s, const char *path)
{
    struct stat st;

    s->kind = KIND_FILE;
    s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0)
        return err_make(ERR_IO, "serial output: cannot write '%s': %s", path, strerror(errno));
    s->is_file = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    return OK;
}

static struct err open_stdio(struct stream *s)
{
    struct stat st;

    s->kind = KIND_STDIO;
    s->fd = dup(STDOUT_FILENO);
    if (s->fd < 0)
        return err_make(ERR_IO, "standard output is closed: %s", strerror(errno));
    s->is_file = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    return OK;
}

static int connect_or_listen(const struct addrinfo *a, bool server)
{
    int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol), yes = 1;
    int result;

    if (fd < 0)
        return -1;
    if (server) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        result = bind(fd, a->ai_addr, a->ai_addrlen) == 0 ? listen(fd, 1) : -1;
    } else {
        result = connect(fd, a->ai_addr, a->ai_addrlen);
    }
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

/* `where` is HOST:PORT[,server]; an empty host is every address for a server, this machine for a client. */
static struct err open_tcp(struct stream *s, const char *where)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
    char text[256], *comma, *colon;
    bool server;
    int fd = -1, failure;

    if (strlen(where) >= sizeof text)
        return err_make(ERR_USAGE, "tcp:%.40s... is too long", where);
    strcpy(text, where);
    comma = strchr(text, ',');
    server = comma != NULL && strcmp(comma, ",server") == 0;
    if (comma != NULL && !server)
        return err_make(ERR_USAGE, "tcp:%s: only ',server' may follow the port", where);
    if (comma != NULL)
        *comma = 0;
    colon = strrchr(text, ':');
    if (colon == NULL)
        return err_make(ERR_USAGE, "tcp:%s: HOST:PORT is missing the port", where);
    *colon = 0;
    hints.ai_flags = server ? AI_PASSIVE : 0;
    failure = getaddrinfo(*text != 0 ? text : NULL, colon + 1, &hints, &list);
    if (failure != 0)
        return err_make(ERR_IO, "tcp:%s: %s", where, gai_strerror(failure));
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_or_listen(a, server);
    freeaddrinfo(list);
    if (fd < 0)
        return err_make(ERR_IO, "tcp:%s: cannot %s: %s", where, server ? "listen" : "connect", strerror(errno));
    s->kind = KIND_SOCKET;
    *(server ? &s->listener : &s->fd) = fd;
    if (pipe(s->wake) != 0 || pthread_create(&s->thread, NULL, serve, s) != 0)
        return err_make(ERR_IO, "tcp:%s: no thread for its input: %s", where, strerror(errno));
    return OK;
}

static struct err open_spec(struct stream *s, const char *spec)
{
    if (strcmp(spec, "null") == 0)
        return OK;
    if (strcmp(spec, "stdio") == 0)
        return open_stdio(s);
    if (strncmp(spec, "file:", 5) == 0)
        return open_file(s, spec + 5);
    if (strncmp(spec, "tcp:", 4) == 0)
        return open_tcp(s, spec + 4);
    return err_make(ERR_USAGE, "'%s' is no stream: null, stdio, file:PATH and tcp:HOST:PORT[,server] are known", spec);
}

static void free_stream(struct stream *s)
{
    int fds[] = { s->fd, s->listener, s->wake[0], s->wake[1] };

    for (size_t k = 0; k < sizeof fds / sizeof fds[0]; k++)
        if (fds[k] >= 0)
            close(fds[k]);
    pthread_mutex_destroy(&s->lock);
    free(s->backlog);
    free(s);
}

struct err stream_open(struct stream **out, const char *spec, struct nondet *nd, uint8_t port)
{
    struct stream *s = calloc(1, sizeof *s);
    struct err e;

    invariant(s != NULL, "out of memory for a stream");
    s->fd = s->listener = s->wake[0] = s->wake[1] = -1;
    s->nondet = nd;
    s->port = port;
    pthread_mutex_init(&s->lock, NULL);
    e = open_spec(s, spec);
    if (failed(&e))
        free_stream(s);
    else
        *out = s;
    return e;
}

void stream_close(struct stream *s)
{
    if (s == NULL)
        return;
    if (s->kind == KIND_SOCKET) {
        if (write(s->wake[1], "", 1) == 1)
            pthread_join(s->thread, NULL);
    }
    drain(s, s->kind == KIND_SOCKET ? CLOSE_WAIT_MS : -1);
    free_stream(s);
}
