/* SPDX-License-Identifier: MIT
 * Packets of gdb's remote serial protocol (gdb manual "Packets", "General Query Packets"). A thread is a virtual processor,
 * numbered from 1. Whatever is not understood is answered by an empty packet, whatever is wrong by an error; both change nothing. */
#include "gui/gdb_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"

#define SIGNAL_INT  2
#define SIGNAL_TRAP 5
#define MEMORY_MAX  (GDB_PACKET_MAX / 2 - 16)   /* bytes of one read, two digits each */

static void put(struct gdb_session *s, const char *text) { gdb_put_text(&s->reply, text); }
static void ok(struct gdb_session *s) { put(s, "OK"); }
static void error(struct gdb_session *s, unsigned code)
{
    char text[8];

    snprintf(text, sizeof text, "E%02x", code & 0xff);
    put(s, text);
}
static void answer(struct gdb_session *s, bool good, unsigned code)
{
    if (good)
        ok(s);
    else
        error(s, code);
}

enum { E_ADDRESS = 14, E_BAD = 22 };

static bool starts(const char **at, const char *word)
{
    const size_t len = strlen(word);

    if (strncmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

/* ---- threads ---- */

/* 0 (any) and -1 (all) leave *vp. False: no such thread. */
static bool take_thread(struct gdb_session *s, const char **at, unsigned *vp)
{
    uint64_t n;

    if (starts(at, "-1"))
        return true;
    if (!gdb_take_number(at, &n) || n > debug_vps(s->debug))
        return false;
    if (n != 0)
        *vp = (unsigned)n - 1;
    return true;
}

static void set_thread(struct gdb_session *s, const char *at)
{
    const char what = *at;
    unsigned vp = MACHINE_MAX_VPS;
    bool good;

    at += what != '\0';
    good = (what == 'g' || what == 'c') && take_thread(s, &at, &vp);
    if (good && what == 'c') {
        s->resume_any = vp == MACHINE_MAX_VPS;
        s->resume_vp = vp;
    } else if (good && vp != MACHINE_MAX_VPS) {
        s->vp = vp;
    }
    answer(s, good, E_BAD);
}

static void thread_alive(struct gdb_session *s, const char *at)
{
    unsigned vp = 0;

    answer(s, take_thread(s, &at, &vp), E_BAD);
}

static void all_threads(struct gdb_session *s)
{
    put(s, "m");
    for (unsigned vp = 0; vp < debug_vps(s->debug); vp++) {
        if (vp != 0)
            put(s, ",");
        gdb_put_number(&s->reply, vp + 1);
    }
}

static void thread_extra(struct gdb_session *s, const char *at)
{
    unsigned vp = 0;
    char text[64];

    if (!take_thread(s, &at, &vp)) {
        error(s, E_BAD);
        return;
    }
    snprintf(text, sizeof text, "processor %u, %s", vp, debug_activity(s->debug, vp));
    gdb_put_hex(&s->reply, text, strlen(text));
}

/* ---- why it stopped ---- */

static uint8_t type_of_hit(const struct gdb_session *s, const struct point_hit *hit)
{
    for (unsigned n = 0; n < s->npoints; n++)
        if (point_same(&s->points[n].point, &hit->point))
            return s->points[n].type;
    return GDB_MONITOR;
}

static void put_reason(struct gdb_session *s)
{
    const struct point_hit *hit = &s->stop.hit;

    if (s->stop.why == DEBUG_BEGIN || s->stop.why == DEBUG_END)
        put(s, s->stop.why == DEBUG_END ? "replaylog:end;" : "replaylog:begin;");
    if (s->stop.why != DEBUG_BREAK && s->stop.why != DEBUG_WATCH)
        return;
    switch (type_of_hit(s, hit)) {
    case '0': put(s, s->swbreak ? "swbreak:;" : ""); return;
    case '1': put(s, s->hwbreak ? "hwbreak:;" : ""); return;
    case '2': put(s, "watch:"); break;
    case '3': put(s, "rwatch:"); break;
    case '4': put(s, "awatch:"); break;
    default:  return;                       /* one of a monitor command, which said so */
    }
    gdb_put_number(&s->reply, hit->at);
    put(s, ";");
}

/* The frame pointer, stack pointer and RIP are what gdb asks for next. */
static void put_register(struct gdb_session *s, const char *name)
{
    unsigned count;
    const struct debug_reg *all = debug_regs(s->debug, &count), *r = debug_reg_find(s->debug, name);

    gdb_put_number(&s->reply, (uint64_t)(r - all));
    put(s, ":");
    gdb_reg_hex(s, s->stop.vp, (unsigned)(r - all));
    put(s, ";");
}

static const char *const ends[] = {
    [RUN_POWEROFF] = "W00", [RUN_DEBUG_EXIT] = "W01", [RUN_TRIPLE_FAULT] = "W04", [RUN_RESET] = "W06", [RUN_STOP_AT] = "W08",
    [RUN_QUIT] = "W0a", [RUN_HALTED] = "W0c", [RUN_FAILED] = "W0e",
};

void gdb_reply_stop(struct gdb_session *s)
{
    char text[8];

    if (s->stop.why == DEBUG_END && !s->linger) {
        put(s, s->stop.how < COUNT_OF(ends) && ends[s->stop.how] != NULL ? ends[s->stop.how] : "W00");
        return;
    }
    snprintf(text, sizeof text, "T%02x", s->stop.why == DEBUG_PAUSE ? SIGNAL_INT : SIGNAL_TRAP);
    put(s, text);
    put_register(s, "rbp");
    put_register(s, "rsp");
    put_register(s, "rip");
    put(s, "thread:");
    gdb_put_number(&s->reply, s->stop.vp + 1);
    put(s, ";");
    put_reason(s);
}

/* ---- memory ---- */

static bool take_range(const char **at, uint64_t *address, uint64_t *len)
{
    return gdb_take_number(at, address) && gdb_take_char(at, ',') && gdb_take_number(at, len);
}

static void read_memory(struct gdb_session *s, const char *at)
{
    static uint8_t bytes[MEMORY_MAX];
    uint64_t address, len;
    size_t n;

    if (!take_range(&at, &address, &len)) {
        error(s, E_BAD);
        return;
    }
    n = debug_read(s->debug, s->vp, address, bytes, len < sizeof bytes ? (size_t)len : sizeof bytes);
    if (n == 0 && len != 0)
        error(s, E_ADDRESS);
    else
        gdb_put_hex(&s->reply, bytes, n);
}

/* Hexadecimal (M) or, already unescaped, plain (X). All or an error, though the first bytes of a range may be written then. */
static void write_memory(struct gdb_session *s, const char *at, bool plain)
{
    static uint8_t bytes[GDB_PACKET_MAX];
    const char *end = s->reader.text + s->reader.len;
    uint64_t address, len;

    if (!take_range(&at, &address, &len) || !gdb_take_char(&at, ':') || len > sizeof bytes ||
        (plain ? (uint64_t)(end - at) != len : !gdb_take_hex(&at, bytes, (size_t)len))) {
        error(s, E_BAD);
        return;
    }
    answer(s, debug_write(s->debug, s->vp, address, plain ? (const uint8_t *)at : bytes, (size_t)len) == len, E_ADDRESS);
}

/* ---- breakpoints ---- */

static struct gdb_point *find_point(const struct gdb_session *s, uint8_t type, const struct point *p)
{
    for (unsigned n = 0; n < s->npoints; n++) {
        struct gdb_point *q = &s->points[n];

        if (q->type == type && point_same(&q->point, p))
            return q;
    }
    return NULL;
}

bool gdb_point_add(struct gdb_session *s, uint8_t type, const struct point *p)
{
    if (find_point(s, type, p) != NULL)
        return true;                        /* the protocol says so: a packet may come twice */
    if (s->npoints == GDB_POINTS_MAX || !debug_add(s->debug, p))
        return false;
    if (s->npoints == s->points_room) {
        s->points_room = s->points_room == 0 ? 16 : 2 * s->points_room;
        s->points = realloc(s->points, s->points_room * sizeof *s->points);
        invariant(s->points != NULL, "out of memory for breakpoints");
    }
    s->points[s->npoints++] = (struct gdb_point){ *p, type };
    return true;
}

bool gdb_point_remove(struct gdb_session *s, uint8_t type, const struct point *p)
{
    struct gdb_point *q = find_point(s, type, p);

    if (q == NULL)
        return false;
    debug_remove(s->debug, p);
    *q = s->points[--s->npoints];
    return true;
}

void gdb_points_clear(struct gdb_session *s)
{
    debug_clear(s->debug);
    s->npoints = 0;
}

static void point_packet(struct gdb_session *s, const char *at, bool insert)
{
    static const enum point_kind kinds[] = { POINT_BREAK, POINT_BREAK, POINT_WRITE, POINT_READ, POINT_ACCESS };
    const char type = *at;
    struct point p = { 0 };
    bool good;

    if (type < '0' || type > '4') {
        return;                             /* unknown: the empty reply */
    }
    at++;
    good = gdb_take_char(&at, ',') && take_range(&at, &p.at, &p.len);
    p.kind = kinds[type - '0'];
    if (p.kind == POINT_BREAK)
        p.len = 0;
    if (good && insert)
        good = gdb_point_add(s, (uint8_t)type, &p);
    else if (good)
        (void)gdb_point_remove(s, (uint8_t)type, &p);
    answer(s, good, E_BAD);
}

/* ---- running ---- */

static void resume(struct gdb_session *s, enum gdb_wish wish, unsigned vp)
{
    s->wish = wish;
    s->step_vp = vp;
    s->interrupted = false;
}

static unsigned stepper(const struct gdb_session *s)
{
    return s->resume_any ? s->stop.vp : s->resume_vp;
}

/* c and s, with an address to go on at or without. */
static void resume_at(struct gdb_session *s, const char *at, enum gdb_wish wish)
{
    const struct debug_reg *rip = debug_reg_find(s->debug, "rip");
    uint8_t value[DEBUG_REG_BYTES] = { 0 };
    uint64_t address;

    if (gdb_take_number(&at, &address)) {
        store64(value, address);
        (void)debug_reg_write(s->debug, s->vp, rip, value);
    }
    resume(s, wish, stepper(s));
}

/* vCont;action[:thread]...: one thread that steps makes it a step, else all go on. Processors that are not named run too: they
 * take their turns whatever happens, or the run would be another one. */
static void vcont(struct gdb_session *s, const char *at)
{
    enum gdb_wish wish = GDB_STAY;
    unsigned vp = stepper(s);

    while (gdb_take_char(&at, ';')) {
        const char action = *at;
        unsigned who = s->stop.vp;
        uint64_t signal;

        at += action != '\0';
        if ((action == 'C' || action == 'S') && !gdb_take_number(&at, &signal))
            break;
        if (gdb_take_char(&at, ':') && !take_thread(s, &at, &who))
            break;
        if ((action == 's' || action == 'S') && wish != GDB_STEP) {
            wish = GDB_STEP;
            vp = who;
        } else if ((action == 'c' || action == 'C') && wish == GDB_STAY) {
            wish = GDB_CONTINUE;
        }
    }
    if (wish == GDB_STAY || *at != '\0')
        error(s, E_BAD);
    else
        resume(s, wish, vp);
}

/* ---- queries ---- */

static bool listed(const char *features, const char *name)
{
    return strstr(features, name) != NULL;
}

static void supported(struct gdb_session *s, const char *at)
{
    s->swbreak = listed(at, "swbreak+");
    s->hwbreak = listed(at, "hwbreak+");
    put(s, "PacketSize=");
    gdb_put_number(&s->reply, GDB_PACKET_MAX);
    put(s, ";qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+");
    if (debug_can_go_back(s->debug))
        put(s, ";ReverseStep+;ReverseContinue+");
}

static void features(struct gdb_session *s, const char *at)
{
    const char *xml = gdb_target_xml(s);
    const uint64_t size = strlen(xml);
    uint64_t offset, len;

    if (!starts(&at, "target.xml:") || !take_range(&at, &offset, &len) || offset > size) {
        error(s, E_BAD);
        return;
    }
    if (len > GDB_PACKET_MAX / 2)
        len = GDB_PACKET_MAX / 2;
    put(s, size - offset > len ? "m" : "l");
    gdb_put_escaped(&s->reply, xml + offset, (size_t)(size - offset > len ? len : size - offset));
}

static void monitor(struct gdb_session *s, const char *at)
{
    char line[512];
    const size_t len = strlen(at) / 2;

    if (len >= sizeof line || !gdb_take_hex(&at, (uint8_t *)line, len) || *at != '\0') {
        error(s, E_BAD);
        return;
    }
    line[len] = '\0';
    gdb_monitor(s, line);
}

static void query(struct gdb_session *s, const char *at)
{
    if (starts(&at, "Supported"))
        supported(s, at);
    else if (starts(&at, "Xfer:features:read:"))
        features(s, at);
    else if (starts(&at, "fThreadInfo"))
        all_threads(s);
    else if (starts(&at, "sThreadInfo"))
        put(s, "l");
    else if (starts(&at, "ThreadExtraInfo,"))
        thread_extra(s, at);
    else if (starts(&at, "Attached"))
        put(s, "1");
    else if (starts(&at, "Rcmd,"))
        monitor(s, at);
    else if (starts(&at, "Symbol:"))
        ok(s);
    else if (strcmp(at, "C") == 0) {
        put(s, "QC");
        gdb_put_number(&s->reply, s->vp + 1);
    }
}

static void set(struct gdb_session *s, const char *at)
{
    if (strcmp(at, "StartNoAckMode") != 0)
        return;
    s->no_ack_next = true;                  /* this reply is still acknowledged */
    ok(s);
}

static void v_packet(struct gdb_session *s, const char *at)
{
    if (strcmp(at, "Cont?") == 0)
        put(s, "vCont;c;C;s;S");
    else if (starts(&at, "Cont"))
        vcont(s, at);
    else if (starts(&at, "Kill")) {
        ok(s);
        resume(s, GDB_KILL, 0);
    }
}

/* ---- packets ---- */

static void register_packet(struct gdb_session *s, const char *at, bool write)
{
    uint64_t n;

    if (!gdb_take_number(&at, &n) || (write && !gdb_take_char(&at, '=')))
        error(s, E_BAD);
    else if (write)
        answer(s, gdb_reg_write(s, n, at), E_BAD);
    else if (!gdb_reg_read(s, n))
        error(s, E_BAD);
}

/* bs and bc: backwards. */
static void back(struct gdb_session *s, const char *at)
{
    if (!debug_can_go_back(s->debug) || (strcmp(at, "s") != 0 && strcmp(at, "c") != 0))
        return;
    resume(s, *at == 's' ? GDB_STEP_BACK : GDB_CONTINUE_BACK, stepper(s));
}

static void dispatch(struct gdb_session *s, const char *p)
{
    const char *at = p + 1;

    switch (*p) {
    case '?': gdb_reply_stop(s); break;
    case 'g': gdb_regs_read(s); break;
    case 'G': answer(s, gdb_regs_write(s, at), E_BAD); break;
    case 'p': register_packet(s, at, false); break;
    case 'P': register_packet(s, at, true); break;
    case 'm': read_memory(s, at); break;
    case 'M': write_memory(s, at, false); break;
    case 'X': write_memory(s, at, true); break;
    case 'H': set_thread(s, at); break;
    case 'T': thread_alive(s, at); break;
    case 'Z': point_packet(s, at, true); break;
    case 'z': point_packet(s, at, false); break;
    case 'c': resume_at(s, at, GDB_CONTINUE); break;
    case 's': resume_at(s, at, GDB_STEP); break;
    case 'b': back(s, at); break;
    case 'q': query(s, at); break;
    case 'Q': set(s, at); break;
    case 'v': v_packet(s, at); break;
    case 'D': ok(s); resume(s, GDB_DETACH, 0); break;
    case 'k': resume(s, GDB_KILL, 0); break;
    default:  break;
    }
}

static void send_reply(struct gdb_session *s)
{
    gdb_frame(&s->out, s->reply.bytes, s->reply.len);
}

static void answer_packet(struct gdb_session *s)
{
    if (!s->no_ack)
        gdb_put(&s->out, "+", 1);
    s->reply.len = 0;
    dispatch(s, s->reader.text);
    if (s->wish == GDB_STAY || s->reply.len != 0)
        send_reply(s);
    s->no_ack |= s->no_ack_next;
}

static void take(struct gdb_session *s, enum gdb_event event)
{
    const bool stands = s->wish == GDB_STAY;

    switch (event) {
    case GDB_INTERRUPT:
        s->interrupted = true;
        break;
    case GDB_PACKET:
        if (stands)
            answer_packet(s);
        break;                              /* while it runs nothing else is asked */
    case GDB_BAD_SUM:
        if (!s->no_ack)
            gdb_put(&s->out, "-", 1);
        break;
    case GDB_NACK:
        if (stands && !s->no_ack && s->reply.len != 0)
            send_reply(s);
        break;
    case GDB_ACK:
    case GDB_MORE:
        break;
    }
}

void gdb_session_feed(struct gdb_session *s, const uint8_t *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++)
        take(s, gdb_read_byte(&s->reader, bytes[n]));
}

void gdb_session_stopped(struct gdb_session *s, const struct debug_stop *stop)
{
    s->stop = *stop;
    s->wish = GDB_STAY;
    s->vp = stop->vp;
    s->resume_any = true;
    s->reply.len = 0;
    gdb_reply_stop(s);
    send_reply(s);
}

void gdb_session_init(struct gdb_session *s, struct machine *m)
{
    memset(s, 0, sizeof *s);
    s->machine = m;
    s->debug = machine_debug(m);
    s->stop = (struct debug_stop){ .why = DEBUG_PAUSE, .vp = debug_current(s->debug), .insns = machine_insns(m) };
    s->vp = s->stop.vp;
    s->resume_any = true;
}

void gdb_session_free(struct gdb_session *s)
{
    free(s->out.bytes);
    free(s->reply.bytes);
    free(s->points);
    free(s->target_xml);
    memset(s, 0, sizeof *s);
}
