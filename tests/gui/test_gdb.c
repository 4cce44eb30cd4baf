/* SPDX-License-Identifier: MIT
 * gdb's remote protocol: framing, packets and monitor commands by scripted conversations, the same over a socket, and that no
 * bytes whatever hurt the program (PARTITA_GDB_FUZZ=n: n packets). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "gui/gdb_server.h"
#include "gui/gdb_session.h"
#include "tests/check.h"
#include "tests/machine/image.h"

/* xor eax, eax; l: inc eax; mov [200000h], eax; jmp l */
static const uint8_t program[] = { 0x31, 0xc0, 0x40, 0xa3, 0x00, 0x00, 0x20, 0x00, 0xeb, 0xf8 };
static char path[] = "/tmp/partita-test-XXXXXX";

static struct machine *m;
static struct gdb_session s;

static int write_image(void **state)
{
    (void)state;
    image_write(path, program, sizeof program);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    return unlink(path);
}

static int open_session(void **state)
{
    struct machine_config cfg;
    struct err e;

    (void)state;
    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.nvps = 2;
    cfg.idle_limit_ns = 1000000000;         /* registers full of noise may make it wait for nothing */
    e = machine_create(&m, &cfg);
    assert_false(failed(&e));
    gdb_session_init(&s, m);
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    gdb_session_free(&s);
    machine_free(m);
    return 0;
}

static void feed(const char *packet)
{
    struct gdb_writer w = { 0 };

    gdb_frame(&w, packet, strlen(packet));
    gdb_session_feed(&s, (const uint8_t *)w.bytes, w.len);
    free(w.bytes);
}

/* All that the session says, without acknowledgements. */
static const char *said(void)
{
    static char text[1 << 18];
    size_t n = 0;

    for (size_t k = 0; k < s.out.len && n < sizeof text - 1; k++)
        if (s.out.bytes[k] != '+' || (n != 0 && (n < 3 || text[n - 3] != '#')))
            text[n++] = s.out.bytes[k];
    text[n] = '\0';
    s.out.len = 0;
    return text;
}

static const char *ask(const char *packet)
{
    static char text[1 << 18];
    const char *whole;
    size_t len;

    feed(packet);
    whole = said();
    len = strlen(whole);
    if (len == 0)
        return "";
    assert_int_equal(whole[0], '$');
    assert_int_equal(whole[len - 3], '#');
    memcpy(text, whole + 1, len - 4);
    text[len - 4] = '\0';
    return text;
}

/* The console output of a monitor command. */
static const char *monitor(const char *line)
{
    static char text[1 << 16];
    struct gdb_writer w = { 0 };
    const char *at;
    size_t n = 0;

    gdb_put_text(&w, "qRcmd,");
    gdb_put_hex(&w, line, strlen(line));
    gdb_put(&w, "", 1);
    feed(w.bytes);
    free(w.bytes);
    for (at = said(); strncmp(at, "$O", 2) == 0 && strncmp(at, "$OK", 3) != 0; at += 3) {
        uint8_t byte;

        for (at += 2; gdb_take_hex(&at, &byte, 1);)
            text[n++] = (char)byte;
        assert_int_equal(*at, '#');
    }
    assert_string_equal(at, "$OK#9a");
    text[n] = '\0';
    return text;
}

/* What the server does with a wish. */
static const char *run(const char *packet)
{
    struct debug_stop stop;

    assert_string_equal(ask(packet), "");
    assert_true(s.wish == GDB_CONTINUE || s.wish == GDB_STEP);
    stop = s.wish == GDB_STEP ? debug_step(s.debug, s.step_vp) : debug_run(s.debug, 1000000);
    gdb_session_stopped(&s, &stop);
    return said();
}

/* ---- framing ---- */

static void packets_are_framed_and_summed(void **state)
{
    (void)state;
    gdb_session_feed(&s, (const uint8_t *)"$qC#b4", 6);
    assert_int_equal(s.out.len, 8);
    assert_memory_equal(s.out.bytes, "+$QC1#c5", 8);
    s.out.len = 0;
    gdb_session_feed(&s, (const uint8_t *)"$qC#b5", 6);             /* a wrong sum is asked for again */
    assert_memory_equal(s.out.bytes, "-", 1);
    s.out.len = 0;
    gdb_session_feed(&s, (const uint8_t *)"-", 1);                  /* and the reply too */
    assert_memory_equal(s.out.bytes, "$QC1#c5", 7);
    s.out.len = 0;
    gdb_session_feed(&s, (const uint8_t *)"noise$q$qC#b4", 13);     /* a packet that breaks off */
    assert_memory_equal(s.out.bytes, "+$QC1#c5", 8);
    s.out.len = 0;
    assert_string_equal(ask("QStartNoAckMode"), "OK");
    gdb_session_feed(&s, (const uint8_t *)"$qC#b4", 6);
    assert_memory_equal(s.out.bytes, "$QC1#c5", 7);
}

static void escapes_are_undone(void **state)
{
    struct gdb_writer w = { 0 };
    uint8_t got[4];

    (void)state;
    gdb_put_text(&w, "X200000,4:");
    gdb_put_escaped(&w, "}#$*", 4);
    gdb_put(&w, "", 1);
    assert_string_equal(ask(w.bytes), "OK");
    free(w.bytes);
    assert_int_equal(debug_read(s.debug, 0, 0x200000, got, 4), 4);
    assert_memory_equal(got, "}#$*", 4);
}

/* ---- packets ---- */

static void what_is_supported(void **state)
{
    const char *reply = ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386");

    (void)state;
    assert_non_null(strstr(reply, "PacketSize=10000"));
    assert_non_null(strstr(reply, "qXfer:features:read+"));
    assert_non_null(strstr(reply, "QStartNoAckMode+"));
    assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
    assert_string_equal(ask("vMustReplyEmpty"), "");
    assert_string_equal(ask("qTStatus"), "");
    assert_string_equal(ask("qAttached"), "1");
}

/* In pieces, as gdb asks; every register once, numbers ascending, the features that gdb wants. */
static void the_target_description(void **state)
{
    static char xml[1 << 17];
    static const char *const wanted[] = { "org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse", "org.gnu.gdb.i386.segments",
        "org.gnu.gdb.i386.avx\"", "org.gnu.gdb.i386.avx512", "org.partita.system", "org.partita.msr", "name=\"cr3\"", "name=\"star\"",
        "name=\"k7\"", "name=\"zmm31h\"" };
    size_t n = 0;
    char packet[80];

    (void)state;
    for (;;) {
        const char *reply;

        snprintf(packet, sizeof packet, "qXfer:features:read:target.xml:%zx,3fb", n);
        reply = ask(packet);
        assert_true(reply[0] == 'm' || reply[0] == 'l');
        memcpy(xml + n, reply + 1, strlen(reply + 1));
        n += strlen(reply + 1);
        if (reply[0] == 'l')
            break;
    }
    for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++)
        assert_non_null(strstr(xml, wanted[k]));
    assert_string_equal(xml + n - 9, "</target>");
    assert_string_equal(ask("qXfer:features:read:target.xml:fffff,10"), "E16");
    assert_string_equal(ask("qXfer:features:read:other.xml:0,10"), "E16");
}

static void threads_are_processors(void **state)
{
    (void)state;
    assert_string_equal(ask("qfThreadInfo"), "m1,2");
    assert_string_equal(ask("qsThreadInfo"), "l");
    assert_string_equal(ask("T2"), "OK");
    assert_string_equal(ask("T3"), "E16");
    assert_string_equal(ask("Hg2"), "OK");
    assert_string_equal(ask("qC"), "QC2");
    assert_string_equal(ask("p10"), "f0ff000000000000");           /* a processor that waits for its start-up IPI */
    assert_string_equal(ask("Hg0"), "OK");
    assert_string_equal(ask("Hg3"), "E16");
    assert_string_equal(ask("Hc-1"), "OK");
    assert_string_equal(ask("qThreadExtraInfo,2"), "70726f636573736f7220312c20776169747320666f722053495049");
}

static void registers_and_memory(void **state)
{
    const char *all = ask("g");
    char packet[64];

    (void)state;
    assert_int_equal(strlen(all), 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 16 + 16 * 16 + 16 * 32 + 8 * 8 + 32 * 32 + 4));
    assert_memory_equal(all + 16 * 16, "2000100000000000", 16);     /* RIP */
    snprintf(packet, sizeof packet, "G%.32s", "11000000000000002200000000000000");
    assert_string_equal(ask(packet), "OK");
    assert_string_equal(ask("p0"), "1100000000000000");
    assert_string_equal(ask("P1=3300000000000000"), "OK");
    assert_string_equal(ask("p1"), "3300000000000000");
    assert_string_equal(ask("P1=33"), "E16");
    assert_string_equal(ask("P999=00"), "E16");
    assert_string_equal(ask("p999"), "E16");
    assert_string_equal(ask("m100020,4"), "31c040a3");
    assert_string_equal(ask("m7ffffe,10"), "0000");                 /* what there is */
    assert_string_equal(ask("m800000,4"), "E0e");
    assert_string_equal(ask("m"), "E16");
    assert_string_equal(ask("M200000,2:abcd"), "OK");
    assert_string_equal(ask("m200000,3"), "abcd00");
    assert_string_equal(ask("M200000,2:ab"), "E16");
    assert_string_equal(ask("M800000,2:abcd"), "E0e");
}

static void stops_and_steps(void **state)
{
    (void)state;
    ask("qSupported:swbreak+;hwbreak+");
    assert_non_null(strstr(ask("?"), "thread:1;"));
    assert_non_null(strstr(run("vCont;s:1"), "$T05"));
    assert_int_equal(machine_insns(m), 1);
    assert_string_equal(ask("Z0,100023,1"), "OK");
    assert_string_equal(ask("Z0,100023,1"), "OK");                  /* comes twice, is one */
    assert_non_null(strstr(run("vCont;c"), "swbreak:;"));
    assert_int_equal(machine_insns(m), 2);
    assert_non_null(strstr(run("c"), "swbreak:;"));
    assert_int_equal(machine_insns(m), 5);
    assert_string_equal(ask("z0,100023,1"), "OK");
    assert_string_equal(ask("Z2,200000,4"), "OK");
    assert_non_null(strstr(run("vCont;c:2;c"), "watch:200000;"));
    assert_int_equal(machine_insns(m), 6);
    assert_string_equal(ask("z2,200000,4"), "OK");
    assert_string_equal(ask("Z1,100028,1"), "OK");
    assert_null(strstr(run("vCont;s:1;c"), "break:"));
    assert_string_equal(ask("Z5,0,0"), "");
    assert_string_equal(ask("Z0,zz"), "E16");
    assert_string_equal(ask("vCont;x"), "E16");
    assert_string_equal(ask("vCont"), "E16");
    assert_string_equal(ask("vCont;s:9"), "E16");
    assert_int_equal(s.wish, GDB_STAY);
}

static void ctrl_c_is_heard_while_it_runs(void **state)
{
    (void)state;
    feed("vCont;c");
    assert_int_equal(s.wish, GDB_CONTINUE);
    feed("g");                                                      /* nobody answers now */
    gdb_session_feed(&s, (const uint8_t *)"\x03", 1);
    assert_true(s.interrupted);
    assert_string_equal(said(), "");
    debug_pause(s.debug);
    gdb_session_stopped(&s, &(struct debug_stop){ .why = DEBUG_PAUSE });
    assert_memory_equal(said(), "$T02", 4);
}

/* gdb gives up on what says nothing for two seconds. */
static void a_command_that_takes_long_says_that_it_works(void **state)
{
    (void)state;
    gdb_session_alive(&s, 5000000000u);
    assert_int_equal(s.out.len, 0);                 /* none is at work */
    s.silent_since = 1000000000;
    gdb_session_alive(&s, 1999999999);
    assert_int_equal(s.out.len, 0);
    gdb_session_alive(&s, 2000000000);
    assert_string_equal(said(), "$O2e2e2e20617420696e737472756374696f6e20300a#2e");
    gdb_session_alive(&s, 2500000000);
    assert_int_equal(s.out.len, 0);
    s.silent_since = 0;
    monitor("insns");
    assert_int_equal(s.silent_since, 0);
}

static void monitor_commands(void **state)
{
    (void)state;
    assert_string_equal(monitor("insns"), "0\n");
    assert_non_null(strstr(monitor("help"), "gva2gpa"));
    assert_non_null(strstr(monitor(""), "gva2gpa"));
    assert_non_null(strstr(monitor("info registers"), "rip        0000000000100020"));
    assert_non_null(strstr(monitor("info lunch"), "registers is known"));
    assert_string_equal(monitor("gva2gpa 0x100020"), "0x100020\n");
#ifdef HAVE_CAPSTONE
    assert_string_equal(monitor("jit 0x100020"), "no block lies there\n");
#else
    assert_non_null(strstr(monitor("jit 0x100020"), "built without Capstone"));
#endif
    assert_non_null(strstr(monitor("xp 0x100020 4"), "0000000000100020: 31 c0 40 a3\n"));
    assert_non_null(strstr(monitor("xp 0x7ffffe 4"), "no plain memory"));
    assert_non_null(strstr(monitor("hash"), "insns=0 hash="));
    assert_string_equal(monitor("msr 0xc0000081 5"), "0x5\n");
    assert_string_equal(monitor("msr 0xc0000081"), "0x5\n");
    assert_string_equal(monitor("msr 0x12345678"), "no such MSR\n");
    assert_non_null(strstr(monitor("dance"), "unknown command"));
    assert_non_null(strstr(monitor("xp"), "usage"));
    assert_non_null(strstr(monitor("xp x"), "no number"));
    assert_string_equal(monitor("pwatch 0x200000 4"), "set\n");
    assert_string_equal(monitor("points"), "write  physical 0x200000 4\n");
    assert_memory_equal(run("c"), "$T05", 4);
    assert_int_equal(machine_insns(m), 3);
    monitor("punset 0x200000");
    assert_string_equal(monitor("points"), "");
    assert_non_null(strstr(monitor("screenshot /nowhere/at/all"), "/nowhere/at/all"));
    assert_non_null(strstr(monitor("goto 1"), "at instruction"));
    assert_non_null(strstr(monitor("record /tmp/partita-test-live.ptr"), "monitor savevm NAME FILE"));
    assert_int_equal(access("/tmp/partita-test-live.ptr", F_OK), -1);
    assert_string_equal(monitor("pbreak 0x100022"), "set\n");
    assert_memory_equal(run("c"), "$T05", 4);
    assert_int_equal(machine_insns(m), 4);
}

/* ---- over a socket ---- */

static void *serve(void *arg)
{
    static enum run why;

    why = gdb_server_run(arg, m);
    return &why;
}

static void send_all(int fd, const char *packet)
{
    struct gdb_writer w = { 0 };

    gdb_frame(&w, packet, strlen(packet));
    assert_int_equal(send(fd, w.bytes, w.len, 0), w.len);
    free(w.bytes);
}

/* Until this text has come. */
static void await(int fd, const char *text)
{
    static char got[1 << 16];
    size_t n = 0;

    got[0] = '\0';
    while (strstr(got, text) == NULL) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t more;

        assert_int_equal(poll(&p, 1, 30000), 1);
        more = recv(fd, got + n, sizeof got - 1 - n, 0);
        assert_true(more > 0);
        n += (size_t)more;
        got[n] = '\0';
    }
}

static int dial(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static uint16_t free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* Standing at first; runs; stopped by ctrl-C; a second debugger is sent away; detached; back again, which stops it; killed. */
static void a_conversation_over_a_socket(void **state)
{
    struct gdb_server *g = NULL;
    char where[64];
    uint16_t port = free_port();
    pthread_t thread;
    int fd, other;
    void *why;
    struct err e;

    (void)state;
    snprintf(where, sizeof where, "tcp:127.0.0.1:%u", port);
    e = gdb_server_open(&g, m, where, true);
    assert_false(failed(&e));
    assert_int_equal(pthread_create(&thread, NULL, serve, g), 0);
    fd = dial(port);
    send_all(fd, "?");
    await(fd, "$T02");
    send_all(fd, "p10");
    await(fd, "$2000100000000000#");
    send_all(fd, "vCont;c");
    await(fd, "+");
    assert_int_equal(send(fd, "\x03", 1, 0), 1);
    await(fd, "$T02");
    send_all(fd, "Z0,100023,1");
    await(fd, "$OK");
    other = dial(port);
    send_all(fd, "c");
    await(fd, "$T05");
    assert_int_equal(recv(other, where, 1, 0), 0);
    close(other);
    send_all(fd, "D");
    await(fd, "$OK");
    close(fd);
    fd = dial(port);
    send_all(fd, "?");
    await(fd, "$T02");
    send_all(fd, "k");
    pthread_join(thread, &why);
    assert_int_equal(*(enum run *)why, RUN_QUIT);
    close(fd);
    gdb_server_close(g);
}

static void addresses_that_are_none(void **state)
{
    static const char *const wrong[] = { "", "1234", "tcp:", "tcp:1234", "unix:/x", "tcp:127.0.0.1:port" };
    struct gdb_server *g = NULL;

    (void)state;
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        struct err e = gdb_server_open(&g, m, wrong[k], false);

        assert_true(failed(&e));
    }
}

/* ---- anything at all ---- */

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static size_t make_packet(char *out, size_t room)
{
    static const char *const whole[] = {
        "?", "g", "G00", "p0", "P0=0011223344556677", "m100000,40", "M200000,4:00112233", "X200000,4:abcd", "Hg1", "Hc-1", "T1",
        "Z0,100023,1", "z0,100023,1", "Z2,200000,4", "Z4,0,ffffffffffffffff", "Z3,200000,1", "c", "s", "vCont;c", "vCont;s:1;c:2",
        "vCont;C05:1", "qC", "qSupported:swbreak+", "qXfer:features:read:target.xml:0,100", "qfThreadInfo", "qThreadExtraInfo,1",
        "qRcmd,68656c70", "qRcmd,78702030783020343030", "qRcmd,7077617463682030203130302061", "QStartNoAckMode", "vKill;1", "k", "D",
    };
    const char *from = whole[below(sizeof whole / sizeof whole[0])];
    size_t len = strlen(from);

    memcpy(out, from, len);
    for (unsigned n = below(4); n > 0 && len > 0; n--) {
        size_t at = below((uint32_t)len);

        switch (below(4)) {
        case 0: out[at] = (char)below(256); break;
        case 1: memmove(out + at, out + at + 1, len - at - 1); len--; break;
        case 2:
            if (2 * len < room) {
                memcpy(out + len, out, len);
                len *= 2;
            }
            break;
        default: out[at] = "0123456789abcdef;:,="[below(20)]; break;
        }
    }
    return len;
}

static void random_packets_hurt_nobody(void **state)
{
    const char *wish = getenv("PARTITA_GDB_FUZZ");
    unsigned rounds = wish != NULL ? (unsigned)atoi(wish) : 20000;
    struct gdb_writer w = { 0 };
    char packet[256];

    (void)state;
    for (unsigned n = 0; n < rounds; n++) {
        size_t len = make_packet(packet, sizeof packet);

        w.len = 0;
        if (below(8) == 0)
            for (unsigned k = below(40); k > 0; k--)
                gdb_put(&w, &(uint8_t){ (uint8_t)below(256) }, 1);
        gdb_frame(&w, packet, len);
        gdb_session_feed(&s, (const uint8_t *)w.bytes, w.len);
        if (s.wish == GDB_STEP || s.wish == GDB_CONTINUE) {
            struct debug_stop stop = debug_run(s.debug, 1 + below(20));

            gdb_session_stopped(&s, &stop);
            if (stop.why == DEBUG_END) {
                close_session(NULL);
                open_session(NULL);
            }
        }
        s.wish = GDB_STAY;
        s.out.len = 0;
        if (s.npoints > 20)
            gdb_points_clear(&s);
    }
    free(w.bytes);
    assert_non_null(strstr(ask("qSupported"), "PacketSize"));      /* it still talks, after whatever was cut short */
}

#define IN_SESSION(test) cmocka_unit_test_setup_teardown(test, open_session, close_session)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SESSION(packets_are_framed_and_summed),
        IN_SESSION(escapes_are_undone),
        IN_SESSION(what_is_supported),
        IN_SESSION(the_target_description),
        IN_SESSION(threads_are_processors),
        IN_SESSION(registers_and_memory),
        IN_SESSION(stops_and_steps),
        IN_SESSION(ctrl_c_is_heard_while_it_runs),
        IN_SESSION(monitor_commands), IN_SESSION(a_command_that_takes_long_says_that_it_works),
        IN_SESSION(a_conversation_over_a_socket),
        IN_SESSION(addresses_that_are_none),
        IN_SESSION(random_packets_hurt_nobody),
    };

    return cmocka_run_group_tests_name("gdb", tests, write_image, remove_image);
}
