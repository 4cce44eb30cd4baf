/* SPDX-License-Identifier: MIT
 * Byte streams of the host: files, sockets both ways, and what is no stream. */
#include "devices/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/check.h"

static struct nondet *nd;

static int set_up(void **state)
{
    (void)state;
    nd = nondet_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nondet_free(nd);
    return 0;
}

static struct stream *must_open(const char *spec, uint8_t port)
{
    struct stream *s = NULL;
    struct err e = stream_open(&s, spec, nd, port);

    if (failed(&e))
        fail_msg("%s", e.text);
    return s;
}

static void refuse(const char *spec, enum err_code code)
{
    struct stream *s = NULL;
    struct err e = stream_open(&s, spec, nd, 0);

    assert_int_equal(e.code, code);
    assert_null(s);
}

/* The next input event, waiting for the reader thread. */
static void expect_input(uint8_t port, const char *bytes)
{
    char got[NONDET_EVENT_MAX] = "";
    size_t len = 0;

    for (unsigned tries = 0; len < strlen(bytes) && tries < 100; tries++) {
        struct nondet_event e;

        if (!nondet_take(nd, &e)) {
            nondet_wait(nd, 100000000);
            continue;
        }
        assert_int_equal(e.kind, NONDET_SERIAL);
        assert_int_equal(e.bytes[0], port);
        memcpy(got + len, e.bytes + 1, e.len - 1);
        len += e.len - 1;
    }
    assert_string_equal(got, bytes);
}

static void expect_bytes(int fd, const char *bytes)
{
    char got[64] = "";
    size_t len = 0;

    while (len < strlen(bytes)) {
        ssize_t n = recv(fd, got + len, sizeof got - 1 - len, 0);

        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_string_equal(got, bytes);
}

static void what_is_no_stream_is_named(void **state)
{
    (void)state;
    refuse("pipe:x", ERR_USAGE);
    refuse("tcp:localhost", ERR_USAGE);
    refuse("tcp:localhost:1,client", ERR_USAGE);
    refuse("file:/nonexistent/directory/x", ERR_IO);
}

static void null_takes_everything(void **state)
{
    struct stream *s = must_open("null", 0);

    (void)state;
    stream_write(s, "gone", 4);
    stream_flush(s);
    assert_false(stream_has_input(s));
    stream_close(s);
    stream_close(NULL);
}

static void a_file_holds_what_was_written(void **state)
{
    char dir[] = "streamXXXXXX", path[64], spec[80], big[10000];
    struct blob blob;
    struct stream *s;
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/out", dir);
    snprintf(spec, sizeof spec, "file:%s", path);
    memset(big, 'x', sizeof big);
    s = must_open(spec, 0);
    stream_write(s, "one\ntwo", 7);
    stream_write(s, big, sizeof big);
    stream_close(s);
    e = file_read_all(path, &blob);
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(blob.len, 7 + sizeof big);
    assert_memory_equal(blob.bytes, "one\ntwox", 8);
    blob_free(&blob);
    unlink(path);
    rmdir(dir);
}

/* A listening socket on a port the system chose. */
static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void a_client_talks_both_ways(void **state)
{
    unsigned port;
    int listener = listen_somewhere(&port), peer;
    char spec[64];
    struct stream *s;

    (void)state;
    snprintf(spec, sizeof spec, "tcp:127.0.0.1:%u", port);
    s = must_open(spec, 2);
    peer = accept(listener, NULL, NULL);
    stream_write(s, "login: ", 7);
    expect_bytes(peer, "login: ");
    assert_int_equal(send(peer, "root\n", 5, 0), 5);
    expect_input(2, "root\n");
    assert_true(stream_has_input(s));
    close(peer);
    for (unsigned k = 0; k < 200 && stream_has_input(s); k++)
        usleep(10000);
    assert_false(stream_has_input(s));
    stream_write(s, "nobody", 6);
    stream_close(s);
    close(listener);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void a_server_serves_one_after_the_other(void **state)
{
    unsigned port;
    char spec[64];
    struct stream *s;

    (void)state;
    close(listen_somewhere(&port));
    snprintf(spec, sizeof spec, "tcp:127.0.0.1:%u,server", port);
    s = must_open(spec, 1);
    stream_write(s, "lost", 4);             /* nobody is there */
    for (unsigned k = 0; k < 2; k++) {
        int peer = connect_to(port);

        assert_int_equal(send(peer, "hello", 5, 0), 5);
        expect_input(1, "hello");
        stream_write(s, "world", 5);
        expect_bytes(peer, "world");
        close(peer);
        assert_true(stream_has_input(s));
    }
    stream_close(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_no_stream_is_named), T(null_takes_everything), T(a_file_holds_what_was_written),
        T(a_client_talks_both_ways), T(a_server_serves_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
